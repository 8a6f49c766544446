//! What the venue says no with: HTTP status, code, words.

use pinion_core::msg::venue::RejectReason;

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) msg: String,
}

impl Refusal {
    /// A refusal in an ordinary answer, as nearly all are.
    pub(super) fn new(code: i64, msg: impl Into<String>) -> Self {
        Self { status: 200, code, msg: msg.into() }
    }

    /// A missing or malformed parameter.
    pub(super) fn param(name: &str, expected: &str) -> Self {
        Self::new(109_400, format!("Invalid parameters, err: {name}: {expected}"))
    }

    pub(super) fn unknown_order() -> Self {
        Self::new(109_421, "order not exist")
    }

    pub(super) fn order_final() -> Self {
        Self::new(109_422, "the order is already filled or cancelled")
    }

    pub(super) fn in_progress() -> Self {
        Self::new(109_423, "the order is being processed, please try again later")
    }

    pub(super) fn no_symbol() -> Self {
        Self::new(109_425, "this symbol does not exist")
    }

    pub(super) fn duplicate_client_id() -> Self {
        Self::new(101_481, "duplicate clientOrderId")
    }

    /// A feature that the simulator does not have. Told apart from what the venue itself would say.
    pub(super) fn not_simulated(what: &str) -> Self {
        Self::new(109_400, format!("{what} is not simulated by pinion venue-sim"))
    }

    /// One call too many; `until_ms` is when it is worth trying again.
    pub(super) fn rate_limited(until_ms: i64) -> Self {
        Self {
            status: 429,
            code: 100_410,
            msg: format!(
                "code:100410:The endpoint trigger frequency limit rule is currently in the disabled \
                 period and will be unblocked after {until_ms}"
            ),
        }
    }

    /// What the model of the venue refused with.
    pub(super) fn of_model(reason: RejectReason, now_ms: i64) -> Self {
        let (code, msg) = match reason {
            RejectReason::PostOnlyWouldTake => (
                101_215,
                "The Maker (Post Only) order ensures that the user always acts as a maker.",
            ),
            RejectReason::MinNotional => {
                (101_400, "The order's nominal value is below the minimum")
            }
            RejectReason::LotSize => (101_400, "quantity is not a multiple of the step"),
            RejectReason::TickSize => (110_425, "price precision is not supported"),
            RejectReason::Margin => (101_204, "Insufficient margin"),
            RejectReason::ReduceOnly => (101_205, "No position to close"),
            RejectReason::PriceBand => (101_211, "the order price is out of the allowed range"),
            RejectReason::RateLimited => {
                return Self::rate_limited(now_ms + 1_000);
            }
            RejectReason::NotTrading => (101_415, "this trading pair is suspended"),
            RejectReason::DuplicateClientId => return Self::duplicate_client_id(),
            RejectReason::UnknownOrder => return Self::unknown_order(),
            RejectReason::NoMarket => (101_514, "no market price for this symbol"),
            RejectReason::Other
            | RejectReason::Killed
            | RejectReason::Cap
            | RejectReason::OrderRate => (101_419, "too many open orders"),
        };
        Self::new(code, msg)
    }
}
