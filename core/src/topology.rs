//! The topology: every stage and every link, in one table.
//!
//! Links are made from their row (`link(spec("market").depth)`), the runner derives from the rows who must
//! be polled after whom, and [`render`] prints them for people. Nothing else states a depth or a policy.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::msg::{CommandMsg, ControlMsg, MarketMsg, RecordMsg, ScanMsg, VenueMsg};

crate::text_enum! {
    /// Who holds an end of a link: the stages, in the order in which a turn polls them, the journal,
    /// which has a thread of its own, and the operator, who is no stage.
    pub enum End {
        /// Market and account bytes in.
        Ingest => "ingest",
        /// The regime scan.
        Signal => "signal",
        /// Slots, orders, books and the policy.
        Kernel => "kernel",
        /// Orders out, or the paper venue.
        Egress => "egress",
        /// Files.
        Journal => "journal",
        /// Command line, signals, the ops service: any thread.
        Operator => "operator",
    }
}

crate::text_enum! {
    /// Where a stage runs in the dedicated layout.
    pub enum Place {
        /// Alone on a core.
        Pinned => "pinned",
        /// On the cores that no pinned stage has.
        Floating => "floating",
    }
}

crate::text_enum! {
    /// What a producer does when its link is full. No policy drops a message.
    pub enum WhenFull {
        /// Keeps the latest per instrument and kind, and counts what it merged.
        Conflate => "conflate",
        /// Keeps the message, stops taking input and reports back-pressure.
        Wait => "wait",
        /// Lets nothing out that increases risk until there is room; what reduces risk has room kept.
        BlockNewRisk => "block new risk",
    }
}

crate::text_enum! {
    /// The queue behind a link.
    pub enum Ring {
        /// One producer, one consumer: an `rtrb` ring.
        Single => "spsc",
        /// Many producers: a `crossbeam` `ArrayQueue`. Only the control link, which is rare and cold.
        Many => "mpsc",
    }
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageSpec {
    /// Which.
    pub end: End,
    /// What it does, in a line.
    pub does: &'static str,
    /// Where it runs in the dedicated layout.
    pub dedicated: Place,
}

/// One link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Name, unique.
    pub name: &'static str,
    /// Who writes it.
    pub producer: End,
    /// Who reads it.
    pub consumer: End,
    /// What travels.
    pub message: &'static str,
    /// Size of one message in bytes.
    pub bytes: usize,
    /// How many messages fit; a power of two.
    pub depth: usize,
    /// When full, while time passes by itself (live, or a recording at a set speed).
    pub paced: WhenFull,
    /// When full, while a recording runs as fast as it can.
    pub replay: WhenFull,
    /// The queue.
    pub ring: Ring,
}

/// The stages, in polling order, then the journal.
pub const STAGES: &[StageSpec] = &[
    StageSpec {
        end: End::Ingest,
        does: "takes market data in, checks and normalises it",
        dedicated: Place::Pinned,
    },
    StageSpec {
        end: End::Signal,
        does: "scans the universe for the regime and ranks the assets",
        dedicated: Place::Floating,
    },
    StageSpec {
        end: End::Kernel,
        does: "owns slots, orders and books, and decides",
        dedicated: Place::Pinned,
    },
    StageSpec {
        end: End::Egress,
        does: "sends orders and hears about them and the account; the paper venue in a paper run",
        dedicated: Place::Pinned,
    },
    StageSpec {
        end: End::Journal,
        does: "writes inputs, records and snapshots to files",
        dedicated: Place::Floating,
    },
];

/// A link that waits when full; rows below change what differs.
const fn row(
    name: &'static str,
    from: End,
    to: End,
    message: &'static str,
    bytes: usize,
    depth: usize,
) -> LinkSpec {
    LinkSpec {
        name,
        producer: from,
        consumer: to,
        message,
        bytes,
        depth,
        paced: WhenFull::Wait,
        replay: WhenFull::Wait,
        ring: Ring::Single,
    }
}

const MARKET: usize = size_of::<MarketMsg>();
const SCAN: usize = size_of::<ScanMsg>();
const VENUE: usize = size_of::<VenueMsg>();
const COMMAND: usize = size_of::<CommandMsg>();
const RECORD: usize = size_of::<RecordMsg>();
const CONTROL: usize = size_of::<ControlMsg>();

/// The links.
pub const LINKS: &[LinkSpec] = &[
    LinkSpec {
        paced: WhenFull::Conflate,
        ..row("market", End::Ingest, End::Kernel, "MarketMsg", MARKET, 4096)
    },
    LinkSpec {
        paced: WhenFull::Conflate,
        ..row("tap", End::Ingest, End::Signal, "MarketMsg", MARKET, 4096)
    },
    // The paper venue must see every print: fills depend on them. Against a venue the gate values by it.
    row("feed", End::Ingest, End::Egress, "MarketMsg", MARKET, 65_536),
    row("scan", End::Signal, End::Kernel, "ScanMsg", SCAN, 1024),
    row("ack", End::Egress, End::Kernel, "VenueMsg", VENUE, 4096),
    // Sockets and REST tell of the same fills: one stage hears both, so that each is told once.
    row("account", End::Egress, End::Kernel, "VenueMsg", VENUE, 4096),
    LinkSpec {
        paced: WhenFull::BlockNewRisk,
        replay: WhenFull::BlockNewRisk,
        ..row("command", End::Kernel, End::Egress, "CommandMsg", COMMAND, 256)
    },
    // At full speed the kernel waits for the journal: what it does must not depend on how fast that is.
    LinkSpec {
        paced: WhenFull::BlockNewRisk,
        ..row("record", End::Kernel, End::Journal, "RecordMsg", RECORD, 65_536)
    },
    LinkSpec {
        paced: WhenFull::BlockNewRisk,
        ..row("input", End::Kernel, End::Journal, "bytes", 1, 8 << 20)
    },
    LinkSpec {
        ring: Ring::Many,
        ..row("control", End::Operator, End::Kernel, "ControlMsg", CONTROL, 64)
    },
];

const _: () = {
    assert!(MARKET == 64 && COMMAND == 64 && CONTROL == 64);
    assert!(SCAN == 128 && VENUE == 128 && RECORD == 128);
    let mut stage = 0;
    while stage < STAGES.len() {
        assert!(STAGES[stage].end.code() as usize == stage, "stages stand in the order of `End`");
        stage += 1;
    }
    let mut at = 0;
    while at < LINKS.len() {
        let link = &LINKS[at];
        assert!(link.depth.is_power_of_two());
        assert!(is_stage(link.consumer), "a link ends in a stage");
        assert!(
            is_stage(link.producer) != matches!(link.ring, Ring::Many),
            "stages write single rings"
        );
        let mut other = 0;
        while other < at {
            assert!(!same(link.name, LINKS[other].name), "a link's name is unique");
            other += 1;
        }
        at += 1;
    }
};

const fn is_stage(end: End) -> bool {
    (end.code() as usize) < STAGES.len()
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The row of a link. In a `const` a wrong name does not compile.
///
/// # Panics
/// When no link has that name: a programming error.
#[must_use]
pub const fn spec(name: &str) -> &'static LinkSpec {
    let mut at = 0;
    while at < LINKS.len() {
        if same(LINKS[at].name, name) {
            return &LINKS[at];
        }
        at += 1;
    }
    assert!(at < LINKS.len(), "no link of the topology has that name");
    &LINKS[0]
}

/// True when some link goes from `producer` to `consumer`.
#[must_use]
pub const fn feeds(producer: End, consumer: End) -> bool {
    let mut at = 0;
    while at < LINKS.len() {
        let link = &LINKS[at];
        if link.producer.code() == producer.code() && link.consumer.code() == consumer.code() {
            return true;
        }
        at += 1;
    }
    false
}

/// True when `producer`, at full speed, waits for a link that `consumer` reads.
#[must_use]
pub const fn waits_for(producer: End, consumer: End) -> bool {
    let mut at = 0;
    while at < LINKS.len() {
        let link = &LINKS[at];
        let from_it = link.producer.code() == producer.code();
        let waits = matches!(link.replay, WhenFull::Wait);
        if from_it && waits && link.consumer.code() == consumer.code() {
            return true;
        }
        at += 1;
    }
    false
}

/// Both tables as aligned markdown, for people.
#[must_use]
pub fn render() -> String {
    let mut stages = Vec::from([["stage", "in the dedicated layout", "does"].map(String::from)]);
    stages.extend(
        STAGES.iter().map(|stage| {
            [stage.end.as_str(), stage.dedicated.as_str(), stage.does].map(String::from)
        }),
    );
    let heads = ["link", "from", "to", "message", "bytes", "depth", "ring", "when full"];
    let mut links = Vec::from([heads.map(String::from)]);
    links.extend(LINKS.iter().map(|link| {
        let full = if link.paced == link.replay {
            String::from(link.paced.as_str())
        } else {
            format!("{}, at full speed: {}", link.paced.as_str(), link.replay.as_str())
        };
        [
            String::from(link.name),
            String::from(link.producer.as_str()),
            String::from(link.consumer.as_str()),
            String::from(link.message),
            format!("{}", link.bytes),
            format!("{}", link.depth),
            String::from(link.ring.as_str()),
            full,
        ]
    }));
    let mut out = String::new();
    table(&mut out, &stages);
    out.push('\n');
    table(&mut out, &links);
    out
}

/// The first row is the head.
fn table<const N: usize>(out: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(&format!("| {cell:width$} "));
        }
        out.push_str("|\n");
        if number == 0 {
            for width in &widths {
                out.push_str(&format!("|{:-<1$}", "", width + 2));
            }
            out.push_str("|\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_by_name() {
        const FEED: &LinkSpec = spec("feed");
        assert_eq!((FEED.producer, FEED.consumer), (End::Ingest, End::Egress));
        assert_eq!(spec("record").depth, 65_536);
        assert_eq!(spec("market").paced, WhenFull::Conflate);
        assert_eq!(spec("market").replay, WhenFull::Wait);
    }

    #[test]
    #[should_panic(expected = "no link of the topology has that name")]
    fn an_unknown_link_is_a_programming_error() {
        assert_eq!(spec("markets").depth, 0, "there is no such row");
    }

    #[test]
    fn only_market_data_conflates() {
        for link in LINKS {
            if link.paced == WhenFull::Conflate || link.replay == WhenFull::Conflate {
                assert_eq!(link.message, "MarketMsg", "{}", link.name);
            }
        }
    }

    #[test]
    fn who_feeds_whom_follows_from_the_links() {
        let fed = |producer| -> Vec<&str> {
            End::ALL.iter().filter(|c| feeds(producer, **c)).map(|c| c.as_str()).collect()
        };
        assert_eq!(fed(End::Ingest), ["signal", "kernel", "egress"]);
        assert_eq!(fed(End::Signal), ["kernel"]);
        assert_eq!(fed(End::Kernel), ["egress", "journal"]);
        assert_eq!(fed(End::Egress), ["kernel"]);
        assert_eq!(fed(End::Journal), [""; 0]);
    }

    #[test]
    fn at_full_speed_the_kernel_waits_for_the_journal_and_for_nobody_else() {
        let waits = |producer| -> Vec<&str> {
            End::ALL.iter().filter(|c| waits_for(producer, **c)).map(|c| c.as_str()).collect()
        };
        assert_eq!(waits(End::Kernel), ["journal"]);
        assert_eq!(waits(End::Ingest), ["signal", "kernel", "egress"]);
        assert_eq!(waits(End::Egress), ["kernel"]);
    }

    #[test]
    fn the_text_names_every_row_and_is_aligned() {
        let text = render();
        for name in STAGES.iter().map(|s| s.end.as_str()).chain(LINKS.iter().map(|l| l.name)) {
            assert!(text.lines().any(|line| line.starts_with(&format!("| {name} "))), "{name}");
        }
        for block in text.split("\n\n") {
            let mut widths = block.lines().map(str::len);
            let first = widths.next();
            assert!(widths.all(|width| Some(width) == first), "{block}");
        }
    }
}
