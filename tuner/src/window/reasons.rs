//! Reasons as places of an array: the windows count them without text.

use pinion_core::msg::funnel::FunnelRefusal;
use pinion_core::msg::record::{BlockReason, DecisionReason, FunnelReason};
use pinion_core::msg::scan::RankVerdict;

const FILTERS: usize = 1;
const FUNNEL: usize = FILTERS + RankVerdict::ALL.len();
const GUARDS: usize = FUNNEL + FunnelRefusal::ALL.len();
const POLICY: usize = GUARDS + BlockReason::ALL.len();
/// Reasons there are.
pub const REASONS: usize = POLICY + DecisionReason::ALL.len();

/// The place of a reason.
#[must_use]
pub fn reason_of(reason: FunnelReason) -> usize {
    match reason {
        FunnelReason::None => 0,
        FunnelReason::Filter(verdict) => FILTERS + usize::from(verdict.code()),
        FunnelReason::Funnel(refusal) => FUNNEL + usize::from(refusal.code()),
        FunnelReason::Guard(block) => GUARDS + usize::from(block.code()),
        FunnelReason::Policy(reason) => POLICY + usize::from(reason.code()),
    }
}

/// The reason at a place; none beyond the last.
pub(super) fn reason_at(place: usize) -> FunnelReason {
    let code = |first: usize| u8::try_from(place - first).unwrap_or(u8::MAX);
    let found = if place >= POLICY {
        DecisionReason::from_code(code(POLICY)).map(FunnelReason::Policy)
    } else if place >= GUARDS {
        BlockReason::from_code(code(GUARDS)).map(FunnelReason::Guard)
    } else if place >= FUNNEL {
        FunnelRefusal::from_code(code(FUNNEL)).map(FunnelReason::Funnel)
    } else if place >= FILTERS {
        RankVerdict::from_code(code(FILTERS)).map(FunnelReason::Filter)
    } else {
        None
    };
    found.unwrap_or(FunnelReason::None)
}

/// The text of a place.
pub(super) fn text(place: usize) -> &'static str {
    match reason_at(place).as_str() {
        "" => "none",
        text => text,
    }
}

/// The instrument's own state refuses.
pub(super) fn is_barred(reason: FunnelReason) -> bool {
    reason == FunnelReason::Guard(BlockReason::NotTradable)
}

/// No book, no price, or no way to the venue.
pub(super) fn is_route(reason: FunnelReason) -> bool {
    matches!(
        reason,
        FunnelReason::Guard(
            BlockReason::NoPrice
                | BlockReason::StalePrice
                | BlockReason::BookGap
                | BlockReason::Journal
                | BlockReason::UnresolvedOrder
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_a_reason_of_its_own() {
        for place in 0..REASONS {
            assert_eq!(reason_of(reason_at(place)), place);
        }
    }
}
