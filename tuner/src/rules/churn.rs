//! The churn lock: an asset that opens and closes again and again without moving is left out for a while.

use pinion_core::instrument::canonical_symbol;

use crate::measure::and;
use crate::rules::{Context, Plan};
use crate::telemetry::{Churn, Metrics};

/// How long a lock holds, in seconds.
const TTL_S: i64 = 1_200;
/// The same for a bad case.
const TTL_BAD_S: i64 = 1_800;

/// The lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The asset, while there is a lock.
    pub symbol: Option<String>,
    /// When it ends, in seconds of the tick's clock.
    pub until_s: i64,
    /// Why it is there.
    pub last_reason: String,
}

/// The lock after a tick's look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockState {
    /// The lock in force.
    pub lock: Lock,
    /// Detected in this tick, not merely still locked.
    pub is_fresh: bool,
    /// An asset whose lock ended in this tick.
    pub released: Option<String>,
}

impl Lock {
    /// True while it holds. A clock that went back cannot make it eternal: it never holds longer than its
    /// longest time from now.
    #[must_use]
    pub fn holds(&self, now_s: i64) -> bool {
        let left = self.until_s.saturating_sub(now_s);
        self.symbol.is_some() && left > 0
    }

    /// Looks at the window: a new lock, a longer one, an early end, the end.
    #[must_use]
    pub fn look(&self, churn: &Churn, metrics: &Metrics, now_s: i64) -> LockState {
        let mut lock = self.clone();
        lock.until_s = lock.until_s.min(now_s.saturating_add(TTL_BAD_S));
        if let Some(ttl) = detected(churn) {
            let until_s = now_s.saturating_add(ttl);
            let released = lock.symbol.filter(|symbol| Some(symbol) != churn.symbol.as_ref());
            let until_s = if released.is_some() { until_s } else { until_s.max(lock.until_s) };
            let symbol = churn.symbol.clone();
            let last_reason = "detected".to_owned();
            let lock = Self { symbol, until_s, last_reason };
            return LockState { lock, is_fresh: true, released };
        }
        if lock.symbol.is_none() {
            return LockState::default();
        }
        let reason = if !lock.holds(now_s) {
            "ttl"
        } else if is_diverse(metrics) == Some(true) {
            "diversity_recovered"
        } else {
            return LockState { lock, ..LockState::default() };
        };
        let freed = Self { last_reason: format!("released_{reason}"), ..Self::default() };
        LockState { lock: freed, is_fresh: false, released: lock.symbol }
    }
}

/// How long to lock the asset that was opened most; `None` when it does not churn or that is not known.
fn detected(churn: &Churn) -> Option<i64> {
    let at_least = |share: Option<crate::measure::Fraction>, least: f64| {
        share.is_some_and(|share| share.0 >= least)
    };
    let is_churn = churn.symbol.is_some()
        && churn.opens? >= 3
        && churn.closes? >= 2
        && at_least(churn.share, 0.65)
        && at_least(churn.flat_share, 0.60)
        && at_least(churn.churn_share, 0.50);
    let is_bad =
        churn.closes? >= 4 && at_least(churn.share, 0.75) && at_least(churn.flat_share, 0.70);
    is_churn.then_some(if is_bad { TTL_BAD_S } else { TTL_S })
}

fn is_diverse(metrics: &Metrics) -> Option<bool> {
    let flow = metrics.opened.map(|n| n >= 3);
    let unique = metrics.unique_symbols().map(|n| n >= 3);
    and(flow, and(unique, metrics.top_share().map(|share| share.0 <= 0.55)))
}

/// There is a lock, or one just ended.
pub(super) fn is_locked(context: &Context<'_>) -> Option<bool> {
    Some(context.lock.lock.symbol.is_some() || context.lock.released.is_some())
}

/// Leaves the asset out and holds the rest to more variety; lets it back in when the lock is over.
pub(super) fn targets(context: &Context<'_>, plan: &mut Plan<'_>) {
    let LockState { lock, is_fresh, released } = context.lock;
    if let Some(symbol) = released.as_deref().and_then(canonical_symbol) {
        plan.exclude(symbol, false);
    }
    let Some(symbol) = &lock.symbol else { return };
    if let Some(symbol) = canonical_symbol(symbol) {
        plan.exclude(symbol, true);
    }
    let either = |fresh: f64, still: f64| if *is_fresh { fresh } else { still };
    plan.at_least("funnel.novelty_share_min", either(0.34, 0.26));
    plan.at_most("funnel.symbol_share_max", either(0.26, 0.30));
    plan.at_most("funnel.symbol_cycle_max", either(2.0, 3.0));
    plan.at_least("memory.reentry_s", either(360.0, 300.0));
    plan.at_most("funnel.quality_share_max", either(0.12, 0.14));
    plan.at_least("memory.cooldown_s", either(120.0, 90.0));
    plan.at_least("funnel.non_watchlist_min", 2.0);
    plan.at_most("funnel.lane_share_max", 0.45);
    plan.at_least("memory.symbol_trades_min", either(6.0, 5.0));
    plan.at_most("memory.symbol_bad_probability", either(0.60, 0.65));
    plan.at_most("memory.symbol_severe_probability", either(0.32, 0.36));
    plan.at_most("memory.lane_bad_probability", either(0.48, 0.52));
    plan.at_most("memory.lane_severe_probability", either(0.28, 0.32));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Fraction;

    fn churn(opens: u64, closes: u64, share: f64, flat: f64, reasons: f64) -> Churn {
        Churn {
            symbol: Some("AUSDT".into()),
            opens: Some(opens),
            closes: Some(closes),
            share: Some(Fraction(share)),
            flat_share: Some(Fraction(flat)),
            churn_share: Some(Fraction(reasons)),
        }
    }

    #[test]
    fn all_five_signs_lock_and_each_missing_one_does_not() {
        assert_eq!(detected(&churn(3, 2, 0.65, 0.60, 0.50)), Some(TTL_S));
        assert_eq!(detected(&churn(4, 4, 0.75, 0.70, 0.50)), Some(TTL_BAD_S));
        for none in [
            churn(2, 2, 0.65, 0.60, 0.50),
            churn(3, 1, 0.65, 0.60, 0.50),
            churn(3, 2, 0.64, 0.60, 0.50),
            churn(3, 2, 0.65, 0.59, 0.50),
            churn(3, 2, 0.65, 0.60, 0.49),
            Churn { flat_share: None, ..churn(3, 2, 0.65, 0.60, 0.50) },
            Churn { opens: None, ..churn(3, 2, 0.65, 0.60, 0.50) },
        ] {
            assert_eq!(detected(&none), None, "{none:?}");
        }
    }

    #[test]
    fn a_lock_ends_by_time_and_is_extended_by_a_new_sign() {
        let none = (Churn::default(), Metrics::default());
        let fresh = Lock::default().look(&churn(3, 2, 0.65, 0.6, 0.5), &none.1, 1_000);
        assert!(fresh.is_fresh);
        assert_eq!(fresh.lock.until_s, 2_200);
        let still = fresh.lock.look(&none.0, &none.1, 2_199);
        assert_eq!((still.is_fresh, still.lock.until_s), (false, 2_200));
        let longer = still.lock.look(&churn(4, 4, 0.8, 0.7, 0.5), &none.1, 2_199);
        assert_eq!(longer.lock.until_s, 3_999);
        let over = still.lock.look(&none.0, &none.1, 2_200);
        assert_eq!((over.lock.symbol.as_deref(), over.released.as_deref()), (None, Some("AUSDT")));
    }

    #[test]
    fn a_clock_that_went_back_does_not_make_it_eternal() {
        let lock = Lock { symbol: Some("AUSDT".into()), until_s: 10_000, ..Lock::default() };
        let back = lock.look(&Churn::default(), &Metrics::default(), 3_000);
        assert_eq!(back.lock.until_s, 3_000 + TTL_BAD_S);
    }

    #[test]
    fn variety_ends_it_early() {
        let lock = Lock { symbol: Some("AUSDT".into()), until_s: 2_000, ..Lock::default() };
        let mut metrics = Metrics { opened: Some(3), buys_15m: Some(20), ..Metrics::default() };
        metrics.buy_symbols_15m =
            [("A".into(), 11), ("B".into(), 5), ("C".into(), 4)].into_iter().collect();
        let free = lock.look(&Churn::default(), &metrics, 1_000);
        assert_eq!(free.released.as_deref(), Some("AUSDT"));
        metrics.buy_symbols_15m.insert("A".into(), 12);
        assert_eq!(lock.look(&Churn::default(), &metrics, 1_000).released, None);
    }
}
