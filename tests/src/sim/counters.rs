//! What a run reached: each line of the table must be more than zero over enough seeds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pinion_core::kernel::slot::transition::{Transition, transition};
use pinion_core::kernel::stage::{SlotEvent, SlotStage};
use pinion_core::msg::record::BlockReason;
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{Input, Record, VenueEvent};
use pinion_io::paper::{Owner, Truth};

/// Counts by kind. Owner: a run; added up over runs.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    edges: BTreeMap<(u8, u8), u64>,
    blocks: BTreeMap<u8, u64>,
    rejects: BTreeMap<u8, u64>,
    /// Freezes by cause, errors by text, everything else by name.
    named: BTreeMap<(&'static str, &'static str), u64>,
}

/// What cannot happen yet, and why; taken off the list of what must.
pub const NOT_YET: &[(&str, &str, &str)] = &[
    ("reject", "lot_size", "the kernel rounds to the lot before it sends"),
    ("reject", "tick_size", "the kernel rounds to the tick before it sends"),
    ("reject", "not_trading", "every instrument of the simulated market trades"),
    ("reject", "other", "the venue model always names its reason"),
    ("block", "not_tradable", "every instrument of the simulated market trades"),
];

/// Names that a run of enough seeds must have counted, beside edges, blocks and rejects.
const WANTED: &[(&str, &str)] = &[
    ("ring full", "market"),
    ("ring full", "feed"),
    ("ring full", "ack"),
    ("ring full", "account"),
    ("ring full", "command"),
    ("ring full", "scan"),
    ("ring full", "record or input"),
    ("recovery", "warm restart"),
    ("recovery", "cold start"),
    ("recovery", "tail lost"),
    ("recovery", "old snapshot"),
    ("recovery", "torn snapshot rejected"),
    ("liveness", "reached"),
    ("liveness", "re-anchored"),
    ("check", "books equal"),
    ("check", "saved and restored"),
    ("check", "replayed"),
];

impl Counters {
    /// One more of a kind.
    pub fn count(&mut self, kind: &'static str, name: &'static str) {
        *self.named.entry((kind, name)).or_default() += 1;
    }

    /// Several more of a kind; a zero makes the line known.
    pub fn add(&mut self, kind: &'static str, name: &'static str, count: u64) {
        *self.named.entry((kind, name)).or_default() += count;
    }

    /// A record of the kernel.
    pub fn record(&mut self, record: &Record) {
        match record {
            Record::Slot { from, event, .. } => {
                *self.edges.entry((from.code(), event.code())).or_default() += 1;
            }
            Record::EntryBlocked { reason, .. } => {
                *self.blocks.entry(reason.code()).or_default() += 1;
            }
            Record::Halt { reason } => self.count("halt", reason),
            Record::Resume { reason } => self.count("resume", reason),
            Record::Error { reason } => self.count("error", reason),
            _ => {}
        }
    }

    /// An input of the kernel.
    pub fn input(&mut self, input: &Input) {
        if let Input::Venue(message) = input
            && let VenueEvent::Reject { reason } | VenueEvent::CancelRejected { reason } =
                message.event
        {
            *self.rejects.entry(reason.code()).or_default() += 1;
        }
    }

    /// What happened at the venue.
    pub fn truth(&mut self, truth: &Truth) {
        let name = match truth {
            Truth::Accepted { limit: Some(_), .. } => "limit order accepted",
            Truth::Accepted { limit: None, .. } => "market order accepted",
            Truth::Refused { .. } => "order refused",
            Truth::Fill { owner: Owner::Ours(_), reduces: false, .. } => "entry fill",
            Truth::Fill { owner: Owner::Ours(_), reduces: true, .. } => "exit fill",
            Truth::Fill { owner: Owner::Foreign, .. } => "foreign fill",
            Truth::Fill { owner: Owner::Venue, .. } => "forced fill",
            Truth::Ended { .. } => "order ended",
            Truth::Funding { .. } => "funding",
            Truth::Transfer { .. } => "transfer",
        };
        self.count("venue", name);
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        let sum = |mine: &mut BTreeMap<_, u64>, theirs: &BTreeMap<(u8, u8), u64>| {
            for (key, count) in theirs {
                *mine.entry(*key).or_default() += count;
            }
        };
        sum(&mut self.edges, &other.edges);
        for (mine, theirs) in
            [(&mut self.blocks, &other.blocks), (&mut self.rejects, &other.rejects)]
        {
            for (key, count) in theirs {
                *mine.entry(*key).or_default() += count;
            }
        }
        for (key, count) in &other.named {
            *self.named.entry(*key).or_default() += count;
        }
    }

    /// Kind, name and count of everything that is known, in a fixed order.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String, u64)> {
        let mut rows = Vec::new();
        for from in SlotStage::ALL {
            for event in SlotEvent::ALL {
                if let Transition::Next(to) = transition(*from, *event)
                    && to != *from
                {
                    let name = format!("{} + {} = {}", from.as_str(), event.as_str(), to.as_str());
                    let count = self.edges.get(&(from.code(), event.code()));
                    rows.push(("edge", name, count.copied().unwrap_or(0)));
                }
            }
        }
        for reason in BlockReason::ALL {
            let count = self.blocks.get(&reason.code()).copied().unwrap_or(0);
            rows.push(("block", reason.as_str().to_owned(), count));
        }
        for reason in RejectReason::ALL {
            let count = self.rejects.get(&reason.code()).copied().unwrap_or(0);
            rows.push(("reject", reason.as_str().to_owned(), count));
        }
        let mut named = self.named.clone();
        for key in WANTED {
            named.entry(*key).or_default();
        }
        rows.extend(named.into_iter().map(|((kind, name), count)| (kind, name.to_owned(), count)));
        rows
    }

    /// The table, and what was never reached although it should have been.
    #[must_use]
    pub fn table(&self) -> (String, Vec<String>) {
        let (mut text, mut missing) = (String::new(), Vec::new());
        for (kind, name, count) in self.rows() {
            let excuse = NOT_YET.iter().find(|row| row.0 == kind && row.1 == name).map(|row| row.2);
            let note = match (count, excuse) {
                (0, Some(why)) => format!("   not yet: {why}"),
                (0, None) => String::from("   NEVER"),
                (_, _) => String::new(),
            };
            if count == 0 && excuse.is_none() {
                missing.push(format!("{kind}: {name}"));
            }
            let _infallible = writeln!(text, "{kind:<10} {name:<70} {count:>12}{note}");
        }
        (text, missing)
    }
}
