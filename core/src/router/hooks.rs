//! Hooks: what a user may look at, or change, while orders are routed.
//!
//! A hook that fails is counted and recorded, and trading goes on: a plan whose hook failed leaves as a
//! plain taker order. So a broken hook costs money, never a position.

use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{InstrumentId, TradeId};
use crate::msg::Side;
use crate::units::{Nanos, Price, Qty};

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It opens.
    Enter,
    /// It closes.
    Exit,
}

/// An order that is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Time of the turn.
    pub now: Nanos,
    /// Opens or closes.
    pub aim: Aim,
    /// Slot.
    pub slot: usize,
    /// Asset.
    pub instrument: InstrumentId,
    /// Side of the order.
    pub side: Side,
    /// Quantity of an entry; `None` for an exit, which the slot sizes.
    pub qty: Option<Qty>,
    /// How often this entry was quoted before.
    pub retry: u32,
}

/// How an order leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// At once, at the market's price.
    Market,
    /// Resting at a price.
    Limit {
        /// A positive multiple of the tick.
        price: Price,
        /// Refused by the venue rather than taking.
        post_only: bool,
        /// How long it may rest; above zero, at most [`TTL_NS_MAX`].
        ttl_ns: i64,
    },
}

/// Longest life of a quote: ten minutes.
pub const TTL_NS_MAX: i64 = 600 * Nanos::SECOND;

impl Terms {
    /// True when an order of these terms can leave.
    #[must_use]
    pub fn is_usable(&self, tick: Price) -> bool {
        match self {
            Self::Market => true,
            Self::Limit { price, ttl_ns, .. } => {
                price.is_positive()
                    && price.is_multiple_of(tick)
                    && (1..=TTL_NS_MAX).contains(ttl_ns)
            }
        }
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Time of the turn.
    pub now: Nanos,
    /// Opens or closes.
    pub aim: Aim,
    /// Slot.
    pub slot: usize,
    /// Round trip.
    pub trade: TradeId,
    /// Filled of this order so far.
    pub filled: Qty,
    /// Why, as in the run's files.
    pub reason: &'static str,
}

/// Why a hook could not do its work. The router records which hook it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookFault;

/// What came of a hook that only looks.
pub type Heard = Result<(), HookFault>;

/// Hooks of the router: implement what is wanted, the rest does nothing.
///
/// They run on the kernel thread within the turn: pure functions of what they were shown, without
/// allocation. Their state is saved with the engine. They hear of orders that rest, and of all that are
/// about to leave.
///
/// # Errors
/// Every method may fail with [`HookFault`]; see the module's documentation for what follows.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Hooks: fmt::Debug + Send {
    /// An order is wanted; nothing is decided yet about how it leaves.
    fn pre_plan(&mut self, wish: &Wish) -> Heard {
        let _none = wish;
        Ok(())
    }

    /// It would leave like this; the answer is how it does leave. Terms that are not
    /// [usable](Terms::is_usable) are a failure.
    fn pre_submit(&mut self, wish: &Wish, terms: Terms) -> Result<Terms, HookFault> {
        let _none = wish;
        Ok(terms)
    }

    /// A quote rests at the venue.
    fn on_working(&mut self, step: &Step) -> Heard {
        let _none = step;
        Ok(())
    }

    /// More of a quote was filled.
    fn on_fill(&mut self, step: &Step) -> Heard {
        let _none = step;
        Ok(())
    }

    /// An entry quote ended with nothing filled.
    fn on_miss(&mut self, step: &Step) -> Heard {
        let _none = step;
        Ok(())
    }

    /// What a quote has not done leaves by market.
    fn on_escalate(&mut self, step: &Step) -> Heard {
        let _none = step;
        Ok(())
    }

    /// A quote was called back.
    fn on_cancel(&mut self, step: &Step) -> Heard {
        let _none = step;
        Ok(())
    }
}

/// Hooks whose state can be saved with the engine.
pub trait SavedHooks: Hooks + Serialize + DeserializeOwned {}

impl<H: Hooks + Serialize + DeserializeOwned> SavedHooks for H {}

/// Nothing is hooked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoHooks;

impl Hooks for NoHooks {}
