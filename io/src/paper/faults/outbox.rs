//! What the venue has said and has not reached us yet.

use std::collections::BTreeMap;

use pinion_core::msg::VenueMsg;
use pinion_core::units::Nanos;

/// By which way a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As the answer to a request.
    Answer,
    /// On the account stream.
    Stream,
}

/// The stream carries nothing from `from` until `until`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub(super) from: Nanos,
    pub(super) until: Nanos,
    /// The connection is seen to be down.
    pub(super) is_seen: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    way: Way,
    /// When it would have come without faults on its way.
    natural: Nanos,
    msg: VenueMsg,
}

/// Messages under way, by the time at which they come; at one time in the order in which they were put.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    held: BTreeMap<(Nanos, u64), Held>,
    put: u64,
    pub(super) silence: Option<Silence>,
}

impl Outbox {
    pub(super) fn put(&mut self, way: Way, due: Nanos, natural: Nanos, msg: VenueMsg) {
        self.put += 1;
        self.held.insert((due, self.put), Held { way, natural, msg });
    }

    fn is_lost(&self, due: Nanos, held: &Held) -> bool {
        let within = |silence: Silence| silence.from <= due && due < silence.until;
        held.way == Way::Stream && self.silence.is_some_and(within)
    }

    /// The next message that has come by `now`. What falls into the silence of the stream is gone.
    pub(super) fn take(&mut self, now: Nanos) -> Option<(Way, VenueMsg)> {
        while let Some(first) = self.held.first_entry()
            && first.key().0 <= now
        {
            let ((due, _), held) = first.remove_entry();
            if !self.is_lost(due, &held) {
                return Some((held.way, VenueMsg { ts_recv_ns: now, ..held.msg }));
            }
        }
        None
    }

    pub(super) fn next_due(&self) -> Option<Nanos> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    /// Starts a silence; what the last one swallowed is gone first.
    pub(super) fn fall_silent(&mut self, silence: Silence) {
        self.drop_lost(silence.from);
        self.silence = Some(silence);
    }

    /// Ends the silence, and lets come what was held back, in its natural order, now or at its natural time.
    pub(super) fn heal(&mut self, now: Nanos) {
        self.drop_lost(now);
        self.silence = None;
        let mut held: Vec<Held> = core::mem::take(&mut self.held).into_values().collect();
        held.sort_by_key(|held| held.natural);
        for Held { way, natural, msg } in held {
            self.put(way, natural.max(now), natural, msg);
        }
    }

    /// Nobody waits for the answers under way any more.
    pub(super) fn drop_answers(&mut self) {
        self.held.retain(|_, held| held.way == Way::Stream);
    }

    fn drop_lost(&mut self, now: Nanos) {
        let silence = self.silence;
        self.held.retain(|(due, _), held| {
            let within = |silence: Silence| silence.from <= *due && *due < silence.until.min(now);
            held.way == Way::Answer || !silence.is_some_and(within)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::msg::{ClientRef, Maybe, VenueEvent};

    fn msg(number: i64) -> VenueMsg {
        VenueMsg {
            ts_exch_ns: Maybe::some(Nanos::new(number)),
            ts_recv_ns: Nanos::ZERO,
            client: ClientRef::Absent,
            instrument: None,
            event: VenueEvent::Ambiguous,
        }
    }

    /// Puts (way, due, natural time); the natural time is the number as well.
    fn filled(entries: &[(Way, i64, i64)]) -> Outbox {
        let mut outbox = Outbox::default();
        for (way, due, natural) in entries {
            outbox.put(*way, Nanos::new(*due), Nanos::new(*natural), msg(*natural));
        }
        outbox
    }

    fn taken(outbox: &mut Outbox, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| outbox.take(Nanos::new(now)))
            .filter_map(|(_, msg)| msg.ts_exch_ns.get().map(Nanos::get))
            .collect()
    }

    fn silence(from: i64, until: i64) -> Silence {
        Silence { from: Nanos::new(from), until: Nanos::new(until), is_seen: true }
    }

    #[test]
    fn a_silence_swallows_the_stream_and_nothing_else() {
        let mut outbox = filled(&[
            (Way::Stream, 9, 1),
            (Way::Stream, 10, 2),
            (Way::Answer, 15, 3),
            (Way::Stream, 20, 4),
        ]);
        outbox.fall_silent(silence(10, 20));
        assert_eq!(taken(&mut outbox, 30), [1, 3, 4]);
    }

    #[test]
    fn a_second_silence_does_not_bring_back_what_the_first_swallowed() {
        let mut outbox =
            filled(&[(Way::Stream, 15, 1), (Way::Stream, 25, 2), (Way::Stream, 45, 3)]);
        outbox.fall_silent(silence(10, 20));
        outbox.fall_silent(silence(40, 50));
        assert_eq!(taken(&mut outbox, 60), [2]);
    }

    #[test]
    fn healing_lets_come_in_natural_order_what_was_held_back() {
        let mut outbox = filled(&[
            (Way::Stream, 12, 1),
            (Way::Stream, 900, 3),
            (Way::Answer, 500, 2),
            (Way::Stream, 101, 101),
            (Way::Stream, 18, 4),
        ]);
        outbox.fall_silent(silence(10, 15));
        outbox.heal(Nanos::new(16));
        assert_eq!(outbox.next_due(), Some(Nanos::new(16)));
        assert_eq!(taken(&mut outbox, 16), [2, 3, 4], "the first fell into the silence");
        assert_eq!(taken(&mut outbox, 100), [0; 0]);
        assert_eq!(taken(&mut outbox, 101), [101]);
    }
}
