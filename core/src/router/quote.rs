//! Where a maker order stands.
//!
//! It joins its own side's best price, and improves on it by a tick where the spread has room for one
//! (two ticks or more). `router.base_spread_bps` and its delta move it away from the market again. It
//! never crosses. Without a usable book it stands a tick away from the last price.

use crate::kernel::Top;
use crate::msg::Side;
use crate::settings::Settings;
use crate::units::{Nanos, Price, Qty, Rate, SCALE};

/// Basis points in one whole.
const BPS: i128 = 10_000;

/// Best bid and ask, when both are known, whole, and not older than `guard.quote_age_ns_max`.
fn book(top: &Top, now: Nanos, settings: &Settings) -> Option<(Price, Price)> {
    let at = top.quote_ns.get()?;
    let usable = !top.gap && now.since(at) <= settings.guard_quote_age_ns_max;
    Some((top.bid.get()?, top.ask.get()?)).filter(|_| usable)
}

/// The price of a maker order of `side`; `None` where there is nothing to stand against, or no price
/// above zero would come out.
///
/// `reference` is the last price, for an asset without a usable book.
#[must_use]
pub fn price(
    side: Side,
    top: &Top,
    reference: Option<Price>,
    tick: Price,
    now: Nanos,
    settings: &Settings,
) -> Option<Price> {
    let away =
        settings.router_base_spread_bps.checked_add(settings.router_base_spread_bps_delta)?;
    let found = match book(top, now, settings) {
        Some((bid, ask)) => beside(side, bid, ask, tick, away)?,
        None => {
            let reference = reference.filter(|price| price.is_positive())?;
            widened(side, step_away(side, reference, tick)?, tick, away)?
        }
    };
    found.is_positive().then_some(found)
}

/// A price that the venue has just refused as crossing, or one further into the market, moved one tick
/// behind it; any other price as it is.
#[must_use]
pub fn behind(side: Side, price: Price, refused: Price, tick: Price) -> Option<Price> {
    let behind = step_away(side, refused, tick)?;
    let found = match side {
        Side::Buy => price.min(behind),
        Side::Sell => price.max(behind),
    };
    found.is_positive().then_some(found)
}

fn beside(side: Side, bid: Price, ask: Price, tick: Price, away: Rate) -> Option<Price> {
    let has_room = ask.checked_sub(bid)? >= tick.checked_add(tick)?;
    match side {
        Side::Buy => {
            let best = on_grid(side, bid, tick)?;
            let best = if has_room { best.checked_add(tick)? } else { best };
            // The highest price of the grid that is below the ask.
            let limit = ask.floor_to(tick);
            let limit = if limit == ask { limit.checked_sub(tick)? } else { limit };
            Some(widened(side, best, tick, away)?.min(limit))
        }
        Side::Sell => {
            let best = on_grid(side, ask, tick)?;
            let best = if has_room { best.checked_sub(tick)? } else { best };
            let limit = bid.floor_to(tick).checked_add(tick)?;
            Some(widened(side, best, tick, away)?.max(limit))
        }
    }
}

/// Moved by so many basis points away from the market, onto the grid.
fn widened(side: Side, price: Price, tick: Price, away: Rate) -> Option<Price> {
    let by = i128::from(price.raw()) * i128::from(away.raw()) / (i128::from(SCALE) * BPS);
    let by = Price::from_raw(i64::try_from(by).ok()?);
    let moved = match side {
        Side::Buy => price.checked_sub(by)?,
        Side::Sell => price.checked_add(by)?,
    };
    on_grid(side, moved, tick)
}

/// The nearest price of the grid that is not closer to the market.
fn on_grid(side: Side, price: Price, tick: Price) -> Option<Price> {
    match side {
        Side::Buy => Some(price.floor_to(tick)),
        // Rounding up is sure to fit only well below the largest price.
        Side::Sell => price.checked_add(tick).map(|_| price.ceil_to(tick)),
    }
}

fn step_away(side: Side, price: Price, tick: Price) -> Option<Price> {
    match side {
        Side::Buy => price.checked_sub(tick),
        Side::Sell => price.checked_add(tick),
    }
}

/// What is shown at the touch that an order of `side` would join (a maker) or take from; `None` where the
/// book is not usable or does not say.
#[must_use]
pub fn depth(
    side: Side,
    is_maker: bool,
    top: &Top,
    now: Nanos,
    settings: &Settings,
) -> Option<Qty> {
    book(top, now, settings)?;
    match (side, is_maker) {
        (Side::Buy, true) | (Side::Sell, false) => top.bid_qty.get(),
        (Side::Sell, true) | (Side::Buy, false) => top.ask_qty.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::Maybe;
    use proptest::prelude::*;

    const NOW: Nanos = Nanos::new(1_000_000_000_000);

    fn top(bid: i64, ask: i64) -> Top {
        Top {
            bid: Maybe::some(Price::from_raw(bid)),
            ask: Maybe::some(Price::from_raw(ask)),
            bid_qty: Maybe::some(Qty::from_whole(3)),
            ask_qty: Maybe::some(Qty::from_whole(7)),
            quote_ns: Maybe::some(NOW),
            last: Maybe::NONE,
            last_ns: Maybe::NONE,
            mark: Maybe::NONE,
            mark_ns: Maybe::NONE,
            gap: false,
        }
    }

    fn both(top: &Top, settings: &Settings) -> [Option<i64>; 2] {
        let reference = Some(Price::from_raw(5_000));
        [Side::Buy, Side::Sell].map(|side| {
            price(side, top, reference, Price::from_raw(10), NOW, settings).map(Price::raw)
        })
    }

    #[test]
    fn it_joins_a_tight_book_and_improves_a_wide_one() {
        let settings = Settings::default();
        for (bid, ask, buy, sell) in [
            (1_000, 1_010, 1_000, 1_010),
            (1_000, 1_020, 1_010, 1_010),
            (1_000, 1_050, 1_010, 1_040),
            // Locked: one tick behind the other side.
            (1_000, 1_000, 990, 1_010),
            // Off the grid: never nearer than its own side says, never across.
            (1_003, 1_008, 1_000, 1_010),
        ] {
            assert_eq!(both(&top(bid, ask), &settings), [Some(buy), Some(sell)], "{bid} {ask}");
        }
    }

    #[test]
    fn the_spread_setting_moves_it_away_by_bps() {
        let settings = Settings {
            router_base_spread_bps: Rate::from_whole(50),
            router_base_spread_bps_delta: Rate::from_whole(50),
            ..Settings::default()
        };
        assert_eq!(both(&top(100_000, 100_010), &settings), [Some(99_000), Some(101_010)]);
    }

    #[test]
    fn without_a_usable_book_it_stands_a_tick_off_the_last_price() {
        let settings = Settings::default();
        let mut gap = top(1_000, 1_010);
        gap.gap = true;
        let mut stale = top(1_000, 1_010);
        stale.quote_ns = Maybe::some(NOW.plus(-settings.guard_quote_age_ns_max - 1));
        let mut empty = top(1_000, 1_010);
        (empty.bid, empty.quote_ns) = (Maybe::NONE, Maybe::NONE);
        for top in [gap, stale, empty] {
            assert_eq!(both(&top, &settings), [Some(4_990), Some(5_010)]);
            assert_eq!(depth(Side::Buy, true, &top, NOW, &settings), None);
            let nothing = price(Side::Buy, &top, None, Price::from_raw(10), NOW, &settings);
            assert_eq!(nothing, None);
        }
        let low = Some(Price::from_raw(10));
        assert_eq!(price(Side::Buy, &gap, low, Price::from_raw(10), NOW, &settings), None);
    }

    #[test]
    fn depth_is_that_of_the_side_it_joins_or_takes_from() {
        let settings = Settings::default();
        let top = top(1_000, 1_010);
        let shown = |side, is_maker| depth(side, is_maker, &top, NOW, &settings);
        assert_eq!(shown(Side::Buy, true), Some(Qty::from_whole(3)));
        assert_eq!(shown(Side::Buy, false), Some(Qty::from_whole(7)));
        assert_eq!(shown(Side::Sell, true), Some(Qty::from_whole(7)));
        assert_eq!(shown(Side::Sell, false), Some(Qty::from_whole(3)));
    }

    proptest! {
        /// Whatever the book: on the grid, above zero, and behind the other side.
        #[test]
        fn it_never_crosses(
            bid in 1i64..i64::MAX,
            spread in 0i64..1_000_000,
            tick in 1i64..1_000_000,
            bps in 0i64..100,
        ) {
            let ask = bid.saturating_add(spread);
            let settings = Settings {
                router_base_spread_bps: Rate::from_whole(bps),
                ..Settings::default()
            };
            let step = Price::from_raw(tick);
            for side in [Side::Buy, Side::Sell] {
                let found = price(side, &top(bid, ask), None, step, NOW, &settings);
                let Some(found) = found else { continue };
                prop_assert!(found.is_positive() && found.is_multiple_of(step));
                let is_behind = match side {
                    Side::Buy => found.raw() < ask,
                    Side::Sell => found.raw() > bid,
                };
                prop_assert!(is_behind);
            }
        }
    }
}
