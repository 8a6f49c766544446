//! What a run reached: each line of the table must be more than zero over enough seeds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pinion_core::kernel::slot::transition::declared_edges;
use pinion_core::kernel::stage::{SlotEvent, SlotStage};
use pinion_core::msg::record::{BlockReason, OrderStatus};
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

/// What the simulation cannot reach, and why; taken off the list of what must.
pub const EXCUSED: &[(&str, &str, &str)] = &[
    ("reject", "lot_size", "the kernel rounds to the lot before it sends"),
    ("reject", "tick_size", "the kernel rounds to the tick before it sends"),
    ("reject", "other", "the venue names its reason, but for sums beyond its range"),
    ("reject", "no_market", "gate and venue see every price before the order that it made"),
    ("block", "not_tradable", "every instrument of the simulated market trades"),
    (
        "block",
        "reducing",
        "the simulated operator kills and flattens, which is stricter; unit tests reduce",
    ),
    ("block", "cap", "no turn of a simulated policy is full of commands"),
    (
        "recovery",
        "order over at what is booked",
        "the venue never denies for long what it once knew",
    ),
    ("fault", "nominal_price", "drawn in hell only: nobody can tell it from the truth"),
];

/// Why a slot's table has an edge that only a fill of an order makes which the venue has denied for long. The
/// venue takes requests in their order or never, so it never fills such a one; unit tests do.
const LATE: &str = "takes a fill of an order that was denied for long";

/// Why a slot's table has an edge that needs a position below the lot.
const WHOLE: &str = "the simulated venue fills whole lots";

/// Why a slot's table has an edge that is met about once in ten thousand runs; a unit test meets it.
const RARE: &str = "a late entry fill between a forced close and the refusal of an exit";

/// Met about once in two thousand runs.
const RARE_DOUBT: &str = "an exit whose total is owed while a close by somebody else is booked";

/// Met a few times in two thousand runs.
const RARE_DUST: &str = "an exit of what was too small to be sold is filled after all";

/// Edges that the simulation need not reach, and why.
const EXCUSED_EDGES: &[(SlotStage, SlotEvent, &str)] = &[
    (SlotStage::Idle, SlotEvent::EntryPartialFill, LATE),
    (SlotStage::Idle, SlotEvent::EntryFill, LATE),
    (SlotStage::PositionOpen, SlotEvent::ExitPartialFill, LATE),
    (SlotStage::PositionOpen, SlotEvent::ExitLegFill, LATE),
    (SlotStage::PositionOpen, SlotEvent::ExitPending, LATE),
    (SlotStage::PositionOpen, SlotEvent::TooSmall, WHOLE),
    (SlotStage::PositionPartiallyClosed, SlotEvent::TooSmall, WHOLE),
    (SlotStage::ExitWorking, SlotEvent::ExitReject, RARE),
    (SlotStage::PositionPartiallyClosed, SlotEvent::ExitPending, RARE_DOUBT),
    (SlotStage::Dust, SlotEvent::ExitFlat, RARE_DUST),
    (SlotStage::Dust, SlotEvent::EntryPartialFill, LATE),
    (SlotStage::Dust, SlotEvent::EntryFill, LATE),
    (SlotStage::Dust, SlotEvent::ExitPartialFill, LATE),
    (SlotStage::Dust, SlotEvent::ExitLegFill, LATE),
];

/// Names that a run of enough seeds must have counted, beside edges, blocks and rejects. What two thousand seeds
/// meet only a few times is not among them, since a gate must not hang on chance: a unit test shows it instead, as
/// for a close by somebody else that was not of our position.
const WANTED: &[(&str, &str)] = &[
    ("ring full", "market"),
    ("ring full", "feed"),
    ("ring full", "ack"),
    ("ring full", "account"),
    ("ring full", "command"),
    ("ring full", "scan"),
    ("ring full", "record or input"),
    ("halt", "kill"),
    ("halt", "flatten"),
    ("halt", "stop"),
    ("halt", "journal_failed"),
    ("halt", "journal_behind"),
    ("halt", "recover"),
    ("halt", "fault"),
    ("halt", "orphan_position"),
    ("halt", "reconcile"),
    ("halt", "killed_flat"),
    ("resume", "resume"),
    ("resume", "journal_caught_up"),
    ("resume", "recover"),
    ("resume", "evidence"),
    ("resume", "orphan_position"),
    ("resume", "reconcile"),
    ("recovery", "warm restart"),
    ("recovery", "cold start"),
    ("recovery", "tail lost"),
    ("recovery", "old snapshot"),
    ("recovery", "torn snapshot rejected"),
    ("recovery", "position taken over"),
    ("recovery", "order presumed never to have arrived"),
    ("recovery", "order over at what is booked"),
    ("closed by", "liquidation"),
    ("closed by", "adl"),
    ("closed by", "external_close"),
    ("closed by", "operator_flatten"),
    ("closed by", "vel_div"),
    ("closed by", "take_profit"),
    ("closed by", "stop_loss"),
    ("closed by", "max_hold"),
    ("closed by", "regime_reversal"),
    ("router", "exit_market_fallback"),
    ("error", "an order of ours that no slot has works"),
    ("error", "dust: what remains is too small to be sold"),
    ("error", "settings that are not newer"),
    ("settings", "swapped"),
    ("liveness", "reached"),
    ("liveness", "re-anchored"),
    ("liveness", "taken over by the operator"),
    ("check", "books equal"),
    ("check", "links empty"),
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
            Record::Adopted { .. } => self.count("recovery", "position taken over"),
            Record::Order { status: OrderStatus::Rejected, reason: "never_arrived", .. } => {
                self.count("recovery", "order presumed never to have arrived");
            }
            Record::Order { status: OrderStatus::Expired, reason: "denied", .. } => {
                self.count("recovery", "order over at what is booked");
            }
            Record::TradeClosed { close_reason, .. } => {
                self.count("closed by", close_reason.as_str());
            }
            Record::Router { event, .. } => self.count("router", event.as_str()),
            Record::ReanchorRefused { reason } => self.count("re-anchor refused", reason.as_str()),
            Record::Settings { .. } => self.count("settings", "swapped"),
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

    /// Everything that is known, in a fixed order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (from, event, to) in declared_edges() {
            let name = format!("{} + {} = {}", from.as_str(), event.as_str(), to.as_str());
            let count = self.edges.get(&(from.code(), event.code())).copied().unwrap_or(0);
            let excused = EXCUSED_EDGES.iter().find(|row| (row.0, row.1) == (from, event));
            rows.push(Row { kind: "edge", name, count, excuse: excused.map(|row| row.2) });
        }
        let mut plain = |kind: &'static str, name: &str, count: u64| {
            let excused = EXCUSED.iter().find(|row| (row.0, row.1) == (kind, name));
            let excuse = excused.map(|row| row.2);
            rows.push(Row { kind, name: name.to_owned(), count, excuse });
        };
        for reason in BlockReason::ALL {
            let count = self.blocks.get(&reason.code()).copied().unwrap_or(0);
            plain("block", reason.as_str(), count);
        }
        for reason in RejectReason::ALL {
            let count = self.rejects.get(&reason.code()).copied().unwrap_or(0);
            plain("reject", reason.as_str(), count);
        }
        let mut named = self.named.clone();
        for key in WANTED {
            named.entry(*key).or_default();
        }
        for ((kind, name), count) in named {
            plain(kind, name, count);
        }
        rows
    }

    /// How often a line of the table was counted.
    #[must_use]
    pub fn reached(&self, kind: &str, name: &str) -> u64 {
        let rows = self.rows();
        rows.iter().find(|row| row.kind == kind && row.name == name).map_or(0, |row| row.count)
    }

    /// The table, and what was never reached although it should have been.
    #[must_use]
    pub fn table(&self) -> (String, Vec<String>) {
        let (mut text, mut missing) = (String::new(), Vec::new());
        for Row { kind, name, count, excuse } in self.rows() {
            let note = match (count, excuse) {
                (0, Some(why)) => format!("   excused: {why}"),
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

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Kind of what was counted.
    pub kind: &'static str,
    /// What.
    pub name: String,
    /// How often.
    pub count: u64,
    /// Why it cannot be reached; `None`: it must be.
    pub excuse: Option<&'static str>,
}
