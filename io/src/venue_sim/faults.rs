//! What goes wrong on the wire: calls, answers, frames. What goes wrong inside the venue is the model's
//! ([`FaultPlan`]); one file names both.
//!
//! The file is TOML, one `name = number` a line. Rates are per million opportunities, `…_ms` is the longest
//! time in milliseconds.

use pinion_core::units::Nanos;
use serde_json::{Map, Value};

use crate::paper::faults::{Fault as Inside, FaultPlan};

/// One million: certainty.
const MILLION: u64 = 1_000_000;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        pinion_core::text_enum! {
            /// One way in which the wire misbehaves.
            pub enum Fault { $($(#[$doc])* $variant => $name,)* }
        }
    };
}
faults! {
    /// The call never arrives: its connection is cut. Per call.
    RequestLost => "request_lost",
    /// Done, and the connection is cut before the answer. Per call.
    ResponseLost => "response_lost",
    /// The call takes long to arrive. Per call.
    RequestLate => "request_late",
    /// Done, and the answer takes long. Per call.
    AnswerLate => "answer_late",
    /// Not done, HTTP 500. Per call.
    ServerError => "http_500",
    /// Done, and a gateway's HTML page comes with HTTP 502. Per call.
    GatewayPage => "http_502",
    /// Not done, one call too many. Per call.
    TooMany => "http_429",
    /// Not done, the address is banned for a while. Per call.
    Banned => "http_418",
    /// Done, and the answer ends amid its body. Per call.
    TruncatedBody => "truncated_body",
    /// Done, and answered as busy. Per call.
    Busy => "busy",
    /// Not done, refused for its timestamp. Per private call.
    ClockError => "clock_error",
    /// A list without its rows. Per list.
    EmptyList => "empty_list",
    /// A row comes twice. Per list.
    DuplicateRow => "duplicate_row",
    /// The rows come in another order. Per list.
    RowOrder => "row_order",
    /// An order as it was. Per look-up.
    OrderLag => "order_lag",
    /// Open orders as they were. Per list.
    OpenOrdersLag => "open_orders_lag",
    /// Positions as they were. Per list.
    PositionsLag => "positions_lag",
    /// The balance as it was. Per call.
    BalanceLag => "balance_lag",
    /// Without the latest fills. Per list.
    FillsLag => "fills_lag",
    /// A frame never comes. Per frame of the account stream.
    Lose => "lose",
    /// A frame comes again, later. Per frame of the account stream.
    Duplicate => "duplicate",
    /// A frame comes later than those behind it. Per frame of the account stream.
    Reorder => "reorder",
    /// Bytes that are no gzip before the frame. Per frame.
    Garbage => "garbage_frame",
    /// The frame ends amid its gzip member. Per frame.
    TruncatedFrame => "truncated_frame",
    /// An event that nobody agreed before the frame. Per frame of the account stream.
    UnknownEvent => "unknown_event",
    /// A wallet of zero before the frame. Per frame of the account stream.
    ZeroBalance => "zero_balance",
    /// The client's id is left out. Per order event.
    NoClientId => "no_client_id",
    /// The order event has its newer name. Per order event.
    Renamed => "trade_update",
    /// The order event says what this fill was. Per order event of a fill.
    LastFill => "last_fill",
    /// An update of the incremental book is missing. Per update.
    BookGap => "book_gap",
    /// A subscription is not acknowledged. Per subscription.
    AckLost => "ack_lost",
    /// The connection is cut. Per second of a stream.
    Cut => "cut",
    /// Every stream is cut and none can be opened for a while. Per second.
    Outage => "outage",
    /// The account stream is silent for a while and looks alive. Per second.
    HalfOpen => "half_open",
    /// The account's listen keys die. Per second of an account.
    KeyExpiry => "key_expiry",
    /// The death of a listen key is told twice. Per death.
    DoubleExpiry => "double_expiry",
}

pinion_core::text_enum! {
    /// A longest duration.
    pub enum Span {
        /// Of a late call.
        RequestLate => "request_late_ms",
        /// Of a late answer.
        AnswerLate => "answer_late_ms",
        /// Age of an old view.
        Lag => "lag_ms",
        /// Until a frame comes again.
        Duplicate => "duplicate_ms",
        /// By which a frame is late.
        Reorder => "reorder_ms",
        /// Of an outage and a silence.
        Outage => "outage_ms",
        /// The venue's clock is ahead by exactly so much, as calls see it.
        Ahead => "ahead_ms",
        /// The venue's clock is behind by exactly so much, as calls see it.
        Behind => "behind_ms",
    }
}

impl Span {
    const fn default_ms(self) -> u64 {
        match self {
            Self::RequestLate | Self::AnswerLate => 2_000,
            Self::Lag => 5_000,
            Self::Duplicate => 5_000,
            Self::Reorder => 800,
            Self::Outage => 10_000,
            Self::Ahead | Self::Behind => 0,
        }
    }
}

/// Rates and durations, and the dice. The same seed and the same opportunities give the same faults.
#[derive(Clone, Debug)]
pub struct WireFaults {
    rates: Vec<u64>,
    spans_ms: Vec<u64>,
    counts: Vec<u64>,
    /// What goes wrong inside the venue.
    pub(super) inside: FaultPlan,
    state: u64,
}

impl WireFaults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none(seed: u64) -> Self {
        Self {
            rates: vec![0; Fault::ALL.len()],
            spans_ms: Span::ALL.iter().map(|span| span.default_ms()).collect(),
            counts: vec![0; Fault::ALL.len()],
            inside: FaultPlan::NONE,
            state: seed,
        }
    }

    /// Sets one number by its name.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        let number =
            u64::try_from(value).map_err(|_| format!("{name} = {value}: expected 0 or more"))?;
        if let Some(fault) = Fault::from_text(name) {
            if number > MILLION {
                return Err(format!("{name} = {value}: expected a rate of 0 to 1000000"));
            }
            self.rates[usize::from(fault.code())] = number;
            return Ok(());
        }
        if let Some(span) = Span::from_text(name) {
            self.spans_ms[usize::from(span.code())] = number;
            return Ok(());
        }
        if !inside_names().any(|known| known == name) {
            return Err(format!(
                "{name}: not a fault; expected one of {}",
                Self::names().collect::<Vec<_>>().join(", ")
            ));
        }
        if self.inside.set(name, value) {
            Ok(())
        } else {
            Err(format!("{name} = {value}: out of range; a rate is 0 to 1000000"))
        }
    }

    /// Nothing goes wrong from now on; the counts stay.
    pub(super) fn clear(&mut self) {
        self.rates.fill(0);
        self.spans_ms = Span::ALL.iter().map(|span| span.default_ms()).collect();
        self.inside = FaultPlan::NONE;
    }

    /// Every name that [`Self::set`] takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let wire = Fault::TEXTS.iter().chain(Span::TEXTS).copied();
        wire.chain(inside_names())
    }

    /// All numbers that are not zero, and how often each fault of the wire happened.
    pub(super) fn told(&self) -> Value {
        let mut rates = Map::new();
        let mut counts = Map::new();
        for fault in Fault::ALL {
            let index = usize::from(fault.code());
            if self.rates[index] > 0 {
                rates.insert(fault.as_str().to_owned(), self.rates[index].into());
            }
            if self.counts[index] > 0 {
                counts.insert(fault.as_str().to_owned(), self.counts[index].into());
            }
        }
        for span in Span::ALL {
            let index = usize::from(span.code());
            rates.insert(span.as_str().to_owned(), self.spans_ms[index].into());
        }
        for (name, _, value) in self.inside.fields().filter(|(.., value)| *value > 0) {
            if inside_names().any(|known| known == name) {
                rates.insert(name.to_owned(), value.into());
            }
        }
        serde_json::json!({"rates": rates, "happened": counts})
    }

    /// One opportunity: true when the fault happens.
    pub(super) fn roll(&mut self, fault: Fault) -> bool {
        let index = usize::from(fault.code());
        let rate = self.rates[index];
        if rate == 0 || self.draw(MILLION) >= rate {
            return false;
        }
        self.counts[index] += 1;
        true
    }

    /// A duration up to the longest.
    pub(super) fn span_ns(&mut self, span: Span) -> i64 {
        let most = self.spans_ms[usize::from(span.code())];
        let drawn_ms = self.draw(most + 1);
        i64::try_from(drawn_ms).unwrap_or(i64::MAX).saturating_mul(Nanos::SECOND / 1_000)
    }

    /// How far the venue's clock is ahead; negative when it is behind.
    pub(super) fn clock_off_ms(&self) -> i64 {
        let set = |span: Span| self.spans_ms[usize::from(span.code())];
        let ms = |span| i64::try_from(set(span)).unwrap_or(i64::MAX);
        ms(Span::Ahead).saturating_sub(ms(Span::Behind))
    }

    /// What goes wrong with the rows of a list.
    pub(super) fn disorder<T: Clone>(&mut self, rows: &mut Vec<T>) {
        if self.roll(Fault::DuplicateRow) {
            rows.extend(rows.first().cloned());
        }
        if self.roll(Fault::RowOrder) {
            rows.reverse();
        }
    }

    /// A number below `most`; splitmix64.
    pub(super) const fn draw(&mut self, most: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        if most == 0 { 0 } else { z % most }
    }
}

/// Faults of the model that happen behind the wire: what it would do to messages on their way to an engine
/// is the wire's own here.
fn inside_names() -> impl Iterator<Item = &'static str> {
    let group = |fault: &&Inside| matches!(fault.group(), "matching" | "account");
    let faults = Inside::ALL.iter().filter(group).map(|fault| fault.as_str());
    faults.chain(["halt", "halt_ns_max"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_set_and_a_wrong_one_names_the_right_ones() {
        let mut faults = WireFaults::none(1);
        for name in WireFaults::names() {
            let value = if name.ends_with("_ns_max") { 60 * Nanos::SECOND } else { 7 };
            assert_eq!(faults.set(name, value), Ok(()), "{name}");
        }
        let told = faults.told();
        assert_eq!((&told["rates"]["lose"], &told["rates"]["partial"]), (&7.into(), &7.into()));
        let refused = faults.set("loose", 1).expect_err("not a fault");
        assert!(refused.contains("lose,"), "{refused}");
        assert!(faults.set("lose", 1_000_001).is_err() && faults.set("lose", -1).is_err());
        // The model's own loss of messages is not behind the wire.
        assert!(faults.set("reply_jump", 1).is_err());
    }

    #[test]
    fn a_fault_happens_as_often_as_its_rate_says_and_is_counted() {
        let mut faults = WireFaults::none(3);
        faults.set("lose", 250_000).expect("a fault");
        let happened = (0..10_000).filter(|_| faults.roll(Fault::Lose)).count();
        assert!((2_300..2_700).contains(&happened), "{happened}");
        assert_eq!(faults.told()["happened"]["lose"], happened);
        assert!(!faults.roll(Fault::Cut));
    }
}
