//! Frames of `BingX` in turn, and the state they end in.

use pinion_core::book::Book;
use pinion_core::msg::Side;
use pinion_core::units::{Money, Nanos, Price, Qty};
use pinion_io::bingx::market::Body;
use pinion_io::bingx::user::{Account, OrderUpdate};
use pinion_io::bingx::words::{OrderState, Reason};
use pinion_io::bingx::{Decoder, DepthGuard, DepthStep, Fills, Frame};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::bingx::{Kind, pairs};

/// Levels a side that a recorded sequence may hold.
const LEVELS_MAX: usize = 1_000;

/// Reads a list of frames and tells the end state of its kind.
///
/// # Errors
/// A text that says what was found instead.
pub(super) fn decode(kind: Kind, text: &[u8]) -> Result<Value, String> {
    let frames: Vec<&RawValue> = serde_json::from_slice(text)
        .map_err(|error| format!("{error}; expected a list of frames"))?;
    match kind {
        Kind::SeqIncrDepth => depth(&frames),
        Kind::SeqFunding => funding(&frames),
        _ => orders(kind, &frames),
    }
}

fn depth(frames: &[&RawValue]) -> Result<Value, String> {
    let mut decoder = Decoder::new();
    let mut guard = DepthGuard::new(Nanos::ZERO);
    let mut book = Book::new(LEVELS_MAX);
    for frame in frames {
        let frame = decoder.decode(frame.get().as_bytes()).map_err(|fault| fault.to_string())?;
        let Frame::Market(market) = frame else { return Err("expected depth frames".into()) };
        let Body::IncrDepth { all, last_update_id, levels } = market.body else {
            return Err("expected depth frames".into());
        };
        match guard.on_frame(Nanos::ZERO, all, last_update_id) {
            DepthStep::Reset => book.clear(),
            DepthStep::Apply => {}
            DepthStep::Drop | DepthStep::Gap => continue,
        }
        for (side, rows) in [(Side::Buy, &levels.bids), (Side::Sell, &levels.asks)] {
            for row in rows {
                book.set(side, row.price, row.qty);
            }
        }
    }
    Ok(json!({
        "book": { "bids": pairs(book.levels(Side::Buy)), "asks": pairs(book.levels(Side::Sell)) },
        "gap": guard.gaps() > 0,
    }))
}

fn funding(frames: &[&RawValue]) -> Result<Value, String> {
    let mut decoder = Decoder::new();
    let (mut wallet, mut total, mut moved) = (None, Money::ZERO, false);
    for frame in frames {
        let frame = decoder.decode(frame.get().as_bytes()).map_err(|fault| fault.to_string())?;
        let Frame::Account(Account::Update(update)) = frame else {
            return Err("expected account updates".into());
        };
        for row in update.balances() {
            wallet = row.wallet.or(wallet);
            if let (Some(Reason::FundingFee), Some(change)) = (update.reason, row.change) {
                total = total.checked_add(change).ok_or("the sum of funding does not fit")?;
            }
        }
        moved |= update.positions().next().is_some();
    }
    Ok(json!({
        "wallet_after": wallet.map(|wallet| wallet.to_string()),
        "funding_total": total.to_string(),
        "position_changed": moved,
    }))
}

/// What a row of order events adds up to.
#[derive(Default)]
struct Sum {
    state: Option<OrderState>,
    ordered: Qty,
    cum_qty: Qty,
    avg_price: Option<Price>,
    commission: Money,
    realised: Money,
    missed: Qty,
    booked: Vec<String>,
}

fn orders(kind: Kind, frames: &[&RawValue]) -> Result<Value, String> {
    let mut decoder = Decoder::new();
    let mut fills = Fills::default();
    let mut sum = Sum::default();
    for frame in frames {
        let frame = decoder.decode(frame.get().as_bytes()).map_err(|fault| fault.to_string())?;
        let Frame::Account(Account::Order(update)) = frame else {
            return Err("expected order events".into());
        };
        add(&mut sum, &mut fills, &update)?;
    }
    let state = sum.state.map(OrderState::as_str);
    let cum_qty = sum.cum_qty.to_string();
    Ok(match kind {
        Kind::SeqOutOfOrder => json!({
            "final_state": state,
            "final_cum_filled": cum_qty,
            "realised_pnl": sum.realised.to_string(),
        }),
        Kind::SeqPartialThenFilled => json!({
            "final_cum_filled": cum_qty,
            "final_avg_price": sum.avg_price.map(|price| price.to_string()),
            "booked_after_each": sum.booked,
            "missed_qty_without_rest": sum.missed.to_string(),
        }),
        _ => {
            let rests = sum.state.is_none_or(|state| state.rank() < 2);
            let leaves = if rests { sum.ordered.checked_sub(sum.cum_qty) } else { None };
            json!({
                "final_state": state,
                "final_cum_filled": cum_qty,
                "leaves": leaves.unwrap_or(Qty::ZERO).to_string(),
                "fee_paid_total": (-sum.commission).to_string(),
            })
        }
    })
}

fn add(sum: &mut Sum, fills: &mut Fills, update: &OrderUpdate<'_>) -> Result<(), String> {
    const TOO_LARGE: &str = "a sum of money does not fit";
    let growth = fills.apply(update, None, Nanos::ZERO, &mut |_| {});
    if growth.is_news {
        sum.state = update.state.or(sum.state);
        sum.ordered = update.qty.unwrap_or(sum.ordered);
        sum.avg_price = update.avg_price.or(sum.avg_price);
        let add = |to: Money, more: Option<Money>| {
            to.checked_add(more.unwrap_or(Money::ZERO)).ok_or(TOO_LARGE)
        };
        sum.commission = add(sum.commission, update.commission)?;
        sum.realised = add(sum.realised, update.realised)?;
        sum.missed = sum.missed.checked_add(growth.missed).ok_or(TOO_LARGE)?;
    }
    sum.cum_qty = growth.cum_qty;
    sum.booked.push(growth.cum_qty.to_string());
    Ok(())
}
