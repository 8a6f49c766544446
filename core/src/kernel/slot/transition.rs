//! The state machine of a slot: one pure table.
//!
//! `grid.txt` beside this file is the whole table, printed; a test keeps the two equal. There is no
//! catch-all: a new stage or event does not compile until every pair with it was thought about.

use crate::kernel::stage::SlotEvent as E;
use crate::kernel::stage::SlotStage as S;

/// What an event does to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The slot is in this stage now (perhaps the same one).
    Next(S),
    /// Legal, and nothing moves; the text says why.
    Ignored(&'static str),
    /// Impossible; the kernel reports it and freezes entries.
    Violation(&'static str),
}

use Transition::{Ignored, Next, Violation};

const BUSY: &str = "slot busy";
const LATE: &str = "late";
const GROWS: &str = "late entry fill: size grows";
const NO_POSITION: &str = "no position";
const ENTRY_WORKS: &str = "the entry works";
const WORKING: &str = "an exit works";
const NOT_IN_DOUBT: &str = "not in doubt";
const PROOF: &str = "the proof decides";
const NO_EXIT: &str = "no exit order";
const NOT_SENT: &str = "exit was not sent";
const NOTHING_BOOKED: &str = "nothing to book or write";
const AFTER_FILL: &str = "entry refused after a fill";
const BETWEEN: &str = "between two steps of one turn";
const SHRINKS: &str = "size shrinks";
const STAYS: &str = "already too small";
const WRITTEN: &str = "fill of a written round trip";

/// The stage after `event` in `stage`.
///
/// Sizes are not its business: the caller says by the event whether a fill was partial, whether
/// something remains, and whether another order still works. Pure; a table look-up.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one table, read as one")]
pub const fn transition(stage: S, event: E) -> Transition {
    match (stage, event) {
        // Free. A fill of an entry that was taken for ended brings the slot back.
        (S::Idle | S::TradeTerminalWritten, E::Enter) => Next(S::OrderRequested),
        (S::Idle, E::EntryPartialFill) => Next(S::PartialFill),
        (S::Idle, E::EntryFill) => Next(S::PositionOpened),
        (S::TradeTerminalWritten, E::EntryPartialFill | E::EntryFill) => Violation(WRITTEN),
        (
            S::Idle | S::TradeTerminalWritten,
            E::EntryAck | E::EntryReject | E::EntryDone | E::ExitAck | E::ExitReject | E::ExitDone,
        ) => Ignored(LATE),
        (S::Idle | S::TradeTerminalWritten, E::Exit) => Ignored(NO_POSITION),
        (
            S::Idle | S::TradeTerminalWritten,
            E::ExitSent | E::ExitPartialFill | E::ExitLegFill | E::ExitFlat | E::ExitPending,
        ) => Violation(NO_EXIT),
        (S::Idle | S::TradeTerminalWritten, E::Booked | E::Written) => Violation(NOTHING_BOOKED),
        (S::Idle | S::TradeTerminalWritten, E::OutcomeUnknown) => Ignored(LATE),
        (S::Idle | S::TradeTerminalWritten, E::ProvedFlat | E::ProvedOpen) => Ignored(NOT_IN_DOUBT),
        (S::Idle | S::TradeTerminalWritten, E::Adopt) => Next(S::PositionOpen),
        (S::Idle | S::TradeTerminalWritten, E::ClosedOutside | E::TooSmall) => Ignored(NO_POSITION),

        // Entering.
        (S::OrderRequested, E::EntryAck) => Next(S::EntryWorking),
        (S::EntryWorking | S::PartialFill, E::EntryAck) => Ignored(LATE),
        (S::OrderRequested | S::EntryWorking, E::EntryReject) => Next(S::OrderRejected),
        (S::PartialFill, E::EntryReject) => Violation(AFTER_FILL),
        (S::OrderRequested | S::EntryWorking | S::PartialFill, E::EntryPartialFill) => {
            Next(S::PartialFill)
        }
        (S::OrderRequested | S::EntryWorking | S::PartialFill, E::EntryFill) => {
            Next(S::PositionOpened)
        }
        (S::OrderRequested | S::EntryWorking, E::EntryDone) => Next(S::Idle),
        (S::PartialFill, E::EntryDone) => Next(S::PositionOpen),
        (S::OrderRequested | S::EntryWorking, E::Exit) => Ignored(NO_POSITION),
        (S::PartialFill, E::Exit) => Next(S::ExitRequested),
        (
            S::OrderRequested | S::EntryWorking | S::PartialFill,
            E::ExitSent
            | E::ExitAck
            | E::ExitReject
            | E::ExitPartialFill
            | E::ExitLegFill
            | E::ExitFlat
            | E::ExitDone,
        ) => Violation(NO_EXIT),
        (S::OrderRequested | S::EntryWorking, E::ExitPending) => Violation(NO_EXIT),
        // The venue or somebody else closed it all while the entry still works.
        (S::PartialFill, E::ExitPending) => Next(S::ExitWorking),
        (S::OrderRequested | S::EntryWorking, E::ClosedOutside) => Ignored(NO_POSITION),
        (S::PartialFill, E::ClosedOutside) => Ignored(SHRINKS),
        (S::OrderRequested | S::EntryWorking | S::PartialFill, E::TooSmall) => Ignored(ENTRY_WORKS),
        (S::OrderRequested | S::EntryWorking | S::PartialFill, E::Booked | E::Written) => {
            Violation(NOTHING_BOOKED)
        }
        (S::OrderRequested | S::EntryWorking | S::PartialFill, E::OutcomeUnknown) => {
            Next(S::StaleStateReconciling)
        }
        (S::OrderRequested | S::EntryWorking | S::PartialFill, E::ProvedFlat | E::ProvedOpen) => {
            Ignored(NOT_IN_DOUBT)
        }

        // The entry is complete; the same turn books it.
        (S::PositionOpened, E::Booked) => Next(S::PositionOpen),

        // Open, whole or in part. A late fill of an exit that was taken for ended still counts.
        (S::PositionOpen | S::PositionPartiallyClosed, E::EntryAck | E::EntryDone) => Ignored(LATE),
        (S::PositionOpen | S::PositionPartiallyClosed, E::EntryReject) => Violation(AFTER_FILL),
        (S::PositionOpen | S::PositionPartiallyClosed, E::EntryPartialFill | E::EntryFill) => {
            Ignored(GROWS)
        }
        (S::PositionOpen | S::PositionPartiallyClosed, E::Exit) => Next(S::ExitRequested),
        (S::PositionOpen | S::PositionPartiallyClosed, E::ExitSent) => Violation(NO_EXIT),
        (
            S::PositionOpen | S::PositionPartiallyClosed,
            E::ExitAck | E::ExitReject | E::ExitDone,
        ) => Ignored(LATE),
        (S::PositionOpen | S::PositionPartiallyClosed, E::ExitPartialFill | E::ExitLegFill) => {
            Next(S::PositionPartiallyClosed)
        }
        (S::PositionOpen | S::PositionPartiallyClosed, E::ClosedOutside) => {
            Next(S::PositionPartiallyClosed)
        }
        (S::PositionOpen | S::PositionPartiallyClosed | S::ExitWorking, E::TooSmall) => {
            Next(S::Dust)
        }
        (S::PositionOpen | S::PositionPartiallyClosed, E::ExitFlat) => Next(S::PositionClosed),
        (S::PositionOpen | S::PositionPartiallyClosed, E::ExitPending) => Next(S::ExitWorking),
        (S::PositionOpen | S::PositionPartiallyClosed, E::Booked | E::Written) => {
            Violation(NOTHING_BOOKED)
        }
        // What an entry that was called back did shows in its size; entries wait for its answer.
        (S::PositionOpen | S::PositionPartiallyClosed, E::OutcomeUnknown) => Ignored(GROWS),
        (S::PositionOpen | S::PositionPartiallyClosed, E::ProvedFlat | E::ProvedOpen) => {
            Ignored(NOT_IN_DOUBT)
        }

        // Leaving: requested is left within the turn, by sending.
        (S::ExitRequested, E::ExitSent) => Next(S::ExitSent),
        (
            S::ExitRequested,
            E::ExitReject
            | E::ExitAck
            | E::ExitPartialFill
            | E::ExitLegFill
            | E::ExitFlat
            | E::ExitPending
            | E::ExitDone
            | E::OutcomeUnknown,
        ) => Violation(NOT_SENT),
        (S::ExitSent, E::ExitAck) => Next(S::ExitAcked),
        (S::ExitAcked | S::ExitWorking, E::ExitAck) => Ignored(LATE),
        (S::ExitSent | S::ExitAcked | S::ExitWorking, E::ExitSent) => Violation(WORKING),
        (S::ExitSent | S::ExitAcked | S::ExitWorking, E::ExitReject) => Next(S::ExitRejected),
        (
            S::ExitSent | S::ExitAcked | S::ExitWorking,
            E::ExitPartialFill | E::ExitPending | E::ExitDone,
        ) => Next(S::ExitWorking),
        (S::ExitSent | S::ExitAcked | S::ExitWorking, E::ExitLegFill) => {
            Next(S::PositionPartiallyClosed)
        }
        (S::ExitSent | S::ExitAcked | S::ExitWorking, E::ExitFlat) => Next(S::PositionClosed),
        (S::ExitSent | S::ExitAcked | S::ExitWorking, E::OutcomeUnknown) => {
            Next(S::StaleStateReconciling)
        }
        (S::ExitRequested | S::ExitSent | S::ExitAcked, E::Exit) => Ignored(WORKING),
        // The exit before it ended: the caller has made sure that none works.
        (S::ExitWorking, E::Exit) => Next(S::ExitRequested),
        // A refusal is passed through: the position is there and must be closed again.
        (S::ExitRejected, E::ExitDone) => Next(S::ExitWorking),
        (
            S::ExitRejected,
            E::Exit
            | E::ExitSent
            | E::ExitAck
            | E::ExitReject
            | E::ExitPartialFill
            | E::ExitLegFill
            | E::ExitFlat
            | E::ExitPending
            | E::OutcomeUnknown,
        ) => Violation(BETWEEN),
        (
            S::ExitRequested | S::ExitSent | S::ExitAcked | S::ExitWorking | S::ExitRejected,
            E::EntryAck | E::EntryDone,
        ) => Ignored(LATE),
        (
            S::ExitRequested | S::ExitSent | S::ExitAcked | S::ExitWorking | S::ExitRejected,
            E::EntryReject,
        ) => Violation(AFTER_FILL),
        (
            S::ExitRequested | S::ExitSent | S::ExitAcked | S::ExitWorking | S::ExitRejected,
            E::EntryPartialFill | E::EntryFill,
        ) => Ignored(GROWS),
        (
            S::ExitRequested | S::ExitSent | S::ExitAcked | S::ExitWorking | S::ExitRejected,
            E::Booked | E::Written,
        ) => Violation(NOTHING_BOOKED),
        (
            S::ExitRequested | S::ExitSent | S::ExitAcked | S::ExitWorking | S::ExitRejected,
            E::ProvedFlat | E::ProvedOpen,
        ) => Ignored(NOT_IN_DOUBT),

        (S::ExitSent | S::ExitAcked | S::ExitWorking, E::ClosedOutside) => Ignored(SHRINKS),
        (S::ExitSent | S::ExitAcked, E::TooSmall) => Ignored(WORKING),
        (S::ExitRequested, E::ClosedOutside | E::TooSmall) => Violation(NOT_SENT),
        (S::ExitRejected, E::ClosedOutside | E::TooSmall) => Violation(BETWEEN),

        // Too small to be sold. The next exit tries all of it again; a late entry fill may mend it.
        (S::Dust, E::Exit) => Next(S::ExitRequested),
        (S::Dust, E::EntryPartialFill | E::EntryFill) => Next(S::PositionOpen),
        (S::Dust, E::ExitPartialFill | E::ExitLegFill) => Next(S::PositionPartiallyClosed),
        (S::Dust, E::ExitFlat) => Next(S::PositionClosed),
        (S::Dust, E::ClosedOutside) => Ignored(SHRINKS),
        (S::Dust, E::TooSmall) => Ignored(STAYS),
        (
            S::Dust,
            E::EntryAck
            | E::EntryDone
            | E::ExitAck
            | E::ExitReject
            | E::ExitDone
            | E::OutcomeUnknown,
        ) => Ignored(LATE),
        (S::Dust, E::EntryReject) => Violation(AFTER_FILL),
        (S::Dust, E::ExitSent | E::ExitPending) => Violation(NO_EXIT),
        (S::Dust, E::Booked | E::Written) => Violation(NOTHING_BOOKED),
        (S::Dust, E::ProvedFlat | E::ProvedOpen) => Ignored(NOT_IN_DOUBT),

        // Closing and refusing, all within one turn.
        (S::PositionClosed, E::Booked) => Next(S::Closed),
        (S::Closed, E::Written) => Next(S::TradeTerminalWritten),
        (S::OrderRejected, E::Written) => Next(S::Idle),
        (S::PositionOpened | S::PositionClosed, E::Written) => Violation(BETWEEN),
        (S::Closed | S::OrderRejected, E::Booked) => Violation(BETWEEN),
        (
            S::PositionOpened | S::PositionClosed | S::Closed | S::OrderRejected,
            E::EntryAck
            | E::EntryReject
            | E::EntryPartialFill
            | E::EntryFill
            | E::EntryDone
            | E::Exit
            | E::ExitSent
            | E::ExitAck
            | E::ExitReject
            | E::ExitPartialFill
            | E::ExitLegFill
            | E::ExitFlat
            | E::ExitPending
            | E::ExitDone
            | E::OutcomeUnknown
            | E::ClosedOutside
            | E::TooSmall
            | E::ProvedFlat
            | E::ProvedOpen,
        ) => Violation(BETWEEN),

        // In doubt: what an order itself says resolves it; the rest waits for the proof.
        (S::StaleStateReconciling, E::EntryAck) => Next(S::EntryWorking),
        (S::StaleStateReconciling, E::EntryReject) => Next(S::OrderRejected),
        (S::StaleStateReconciling, E::EntryPartialFill) => Next(S::PartialFill),
        (S::StaleStateReconciling, E::EntryFill) => Next(S::PositionOpened),
        (S::StaleStateReconciling, E::EntryDone) => Ignored(PROOF),
        (S::StaleStateReconciling, E::Exit) => Next(S::ExitRequested),
        (S::StaleStateReconciling, E::ExitSent) => Violation(NO_EXIT),
        (S::StaleStateReconciling, E::ExitAck) => Next(S::ExitAcked),
        (S::StaleStateReconciling, E::ExitReject) => Next(S::ExitRejected),
        (S::StaleStateReconciling, E::ExitPartialFill | E::ExitPending | E::ExitDone) => {
            Next(S::ExitWorking)
        }
        (S::StaleStateReconciling, E::ExitLegFill) => Next(S::PositionPartiallyClosed),
        (S::StaleStateReconciling, E::ExitFlat) => Next(S::PositionClosed),
        (S::StaleStateReconciling, E::Booked | E::Written) => Violation(NOTHING_BOOKED),
        (S::StaleStateReconciling, E::OutcomeUnknown) => Next(S::StaleStateReconciling),
        (S::StaleStateReconciling, E::ClosedOutside) => Ignored(SHRINKS),
        (S::StaleStateReconciling, E::TooSmall) => Ignored(PROOF),
        (S::StaleStateReconciling, E::ProvedFlat) => Next(S::Idle),
        (S::StaleStateReconciling, E::ProvedOpen) => Next(S::PositionOpen),

        // A slot that is not free takes no second entry, and no position of somebody else's.
        (
            S::OrderRequested
            | S::EntryWorking
            | S::PartialFill
            | S::PositionOpened
            | S::PositionOpen
            | S::ExitRequested
            | S::ExitSent
            | S::ExitAcked
            | S::ExitWorking
            | S::PositionPartiallyClosed
            | S::PositionClosed
            | S::Closed
            | S::OrderRejected
            | S::ExitRejected
            | S::Dust
            | S::StaleStateReconciling,
            E::Enter | E::Adopt,
        ) => Ignored(BUSY),
    }
}

/// Every move that the table allows: stage, event, stage after it. A move that leaves the stage as it is
/// is no edge, as [`crate::msg::Record::Slot`] does not tell it either.
pub fn declared_edges() -> impl Iterator<Item = (S, E, S)> {
    S::ALL.iter().flat_map(|from| {
        E::ALL.iter().filter_map(|event| match transition(*from, *event) {
            Next(to) if to != *from => Some((*from, *event, to)),
            Next(_) | Ignored(_) | Violation(_) => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn printed() -> String {
        let mut text = String::from(
            "# Every stage x event of a slot: the next stage, \"- why\" where nothing moves,\n\
             # \"! why\" where it is impossible. Printed from transition.rs; a test compares.\n",
        );
        for stage in S::ALL {
            text += &format!("\n{}\n", stage.as_str());
            for event in E::ALL {
                let cell = match transition(*stage, *event) {
                    Next(next) => String::from(next.as_str()),
                    Ignored(why) => format!("- {why}"),
                    Violation(why) => format!("! {why}"),
                };
                text += &format!("  {:<20} {cell}\n", event.as_str());
            }
        }
        text
    }

    #[test]
    fn the_printed_grid_is_the_table() {
        let printed = printed();
        if std::env::var_os("PINION_PRINT_GRID").is_some() {
            std::fs::write("src/kernel/slot/grid.txt", &printed).expect("the folder exists");
        }
        assert!(
            printed == include_str!("grid.txt"),
            "the table changed; read the new one and keep it with PINION_PRINT_GRID=1 cargo test \
             -p pinion-core grid:\n{printed}"
        );
    }

    #[test]
    fn an_exit_is_possible_wherever_a_position_can_rest() {
        for stage in [
            S::PartialFill,
            S::PositionOpen,
            S::PositionPartiallyClosed,
            S::ExitWorking,
            S::Dust,
            S::StaleStateReconciling,
        ] {
            assert_eq!(transition(stage, E::Exit), Next(S::ExitRequested), "{stage:?}");
        }
    }

    #[test]
    fn the_declared_edges_are_the_moves_of_the_table() {
        let edges: std::vec::Vec<_> = declared_edges().collect();
        assert!(edges.contains(&(S::Idle, E::Adopt, S::PositionOpen)));
        assert!(edges.contains(&(S::ExitWorking, E::TooSmall, S::Dust)));
        assert!(
            edges
                .iter()
                .all(|(from, event, to)| from != to && transition(*from, *event) == Next(*to))
        );
        let moves = include_str!("grid.txt").lines().filter(|line| {
            let cell = line.get(23..).unwrap_or("");
            line.starts_with("  ") && !cell.starts_with(['-', '!'])
        });
        // The table also has one move that stays: doubt in doubt.
        let stays = S::ALL.iter().flat_map(|s| E::ALL.iter().map(move |e| (*s, *e)));
        let stays = stays.filter(|(s, e)| transition(*s, *e) == Next(*s)).count();
        assert_eq!(edges.len() + stays, moves.count());
    }

    #[test]
    fn a_free_slot_is_reached_only_by_a_proof_or_a_written_end() {
        for stage in S::ALL {
            for event in E::ALL {
                let free = Next(S::Idle);
                if transition(*stage, *event) == free && *stage != S::Idle {
                    assert!(
                        matches!(event, E::EntryDone | E::Written | E::ProvedFlat),
                        "{stage:?} {event:?}"
                    );
                }
            }
        }
    }
}
