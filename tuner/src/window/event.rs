//! What a window needs of a record.

use pinion_core::msg::record::{FunnelDecision, FunnelReason, FunnelStage, OrderStatus};
use pinion_core::msg::{Record, RecordMsg};
use pinion_core::units::Money;

/// A record, as far as a window looks at it. Assets are numbers; whoever feeds knows their names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A row of the candidates.
    Candidate {
        /// Asset.
        instrument: usize,
        /// Where in the funnel.
        stage: FunnelStage,
        /// What.
        decision: FunnelDecision,
        /// Why.
        reason: FunnelReason,
    },
    /// A row of the trade decisions.
    Trade {
        /// Asset.
        instrument: usize,
        /// Where in the funnel.
        stage: FunnelStage,
        /// What.
        decision: FunnelDecision,
        /// Why.
        reason: FunnelReason,
        /// Result, for a close.
        pnl: Option<Money>,
        /// The same in percent of the position.
        percent: Option<f64>,
    },
    /// The venue refused an order.
    Rejected {
        /// It was one that reduces.
        is_exit: bool,
    },
    /// The minute's summary.
    Summary {
        /// Round trips since the start.
        closed: u64,
        /// Of them won.
        wins: u64,
        /// Of them lost.
        losses: u64,
        /// Net result since the start.
        realized: Money,
        /// Open positions.
        open: u64,
    },
    /// The books after a change.
    Open {
        /// Open positions.
        positions: u64,
    },
    /// Settings came into force.
    Settings {
        /// Their version.
        version: u32,
    },
    /// Anything else: a line of the log.
    Other,
}

impl Event {
    /// Of a record.
    #[must_use]
    pub fn of(message: &RecordMsg) -> Self {
        match message.record {
            Record::Candidate { instrument, stage, decision, reason, .. } => {
                Self::Candidate { instrument: instrument.index(), stage, decision, reason }
            }
            Record::TradeDecision {
                instrument, stage, decision, reason, pnl, pnl_percent, ..
            } => Self::Trade {
                instrument: instrument.index(),
                stage,
                decision,
                reason,
                pnl: pnl.get(),
                percent: pnl_percent,
            },
            Record::Order { status: OrderStatus::Rejected, reduce_only, .. } => {
                Self::Rejected { is_exit: reduce_only }
            }
            Record::Summary {
                total_closed,
                total_wins,
                total_losses,
                realized_total,
                open,
                ..
            } => Self::Summary {
                closed: total_closed.into(),
                wins: total_wins.into(),
                losses: total_losses.into(),
                realized: realized_total,
                open: open.into(),
            },
            Record::Account { open_positions, .. } => {
                Self::Open { positions: open_positions.into() }
            }
            Record::Settings { version } => Self::Settings { version },
            Record::Decision { .. }
            | Record::Order { .. }
            | Record::Fill { .. }
            | Record::FeeSettled { .. }
            | Record::FillPriced { .. }
            | Record::FeeRatio { .. }
            | Record::Slot { .. }
            | Record::Adopted { .. }
            | Record::Router { .. }
            | Record::TradeClosed { .. }
            | Record::Reanchored { .. }
            | Record::ReanchorRefused { .. }
            | Record::EntryBlocked { .. }
            | Record::Gap { .. }
            | Record::Halt { .. }
            | Record::Resume { .. }
            | Record::Error { .. } => Self::Other,
        }
    }
}
