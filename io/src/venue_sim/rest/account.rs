//! Balance, positions, modes, leverage, listen keys.

use pinion_core::msg::PositionSide;
use serde_json::json;

use crate::bingx::words::MarginType;
use crate::venue_sim::desk::LEVERAGE_MAX;
use crate::venue_sim::exchange::Exchange;
use crate::venue_sim::faults::Fault;
use crate::venue_sim::refusal::Refusal;

use super::public::{any_symbol, number, symbol};
use super::{Ask, Data};

pub(super) fn balance(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let row = exchange.balance_view(ask.now, ask.account);
    Ok(Data::Enveloped(json!([row])))
}

pub(super) fn balance_old(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let row = exchange.balance_view(ask.now, ask.account);
    Ok(Data::Enveloped(json!({"balance": row})))
}

pub(super) fn positions(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let wanted = any_symbol(exchange, ask)?;
    if exchange.faults.roll(Fault::EmptyList) {
        return Ok(Data::Enveloped(json!([])));
    }
    let symbol = wanted.map(|id| exchange.board.row(id).symbol.clone());
    let mut rows = exchange.positions_view(ask.now, ask.account);
    rows.retain(|row| symbol.as_deref().is_none_or(|symbol| row["symbol"] == symbol));
    exchange.faults.disorder(&mut rows);
    Ok(Data::Enveloped(json!(rows)))
}

pub(super) fn commission_rate(exchange: &mut Exchange, _: &Ask<'_>) -> Result<Data, Refusal> {
    let (taker, maker) = exchange.fees;
    Ok(Data::Enveloped(json!({
        "commission": {
            "takerCommissionRate": number(taker),
            "makerCommissionRate": number(maker),
        },
    })))
}

pub(super) fn permissions(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    const READ: u32 = 2;
    const PERPETUALS: u32 = 3;
    const WITHDRAW: u32 = 5;
    let desk = &exchange.desks[ask.account];
    let mut rights = vec![READ, PERPETUALS];
    rights.extend(desk.may_withdraw.then_some(WITHDRAW));
    Ok(Data::Enveloped(json!({
        "apiKey": desk.key,
        "permissions": rights,
        "ipAddresses": [],
        "note": "",
    })))
}

pub(super) fn leverage(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let desk = &exchange.desks[ask.account];
    Ok(Data::Enveloped(json!({
        "longLeverage": desk.leverage(id, PositionSide::Long),
        "shortLeverage": desk.leverage(id, PositionSide::Short),
        "maxLongLeverage": LEVERAGE_MAX,
        "maxShortLeverage": LEVERAGE_MAX,
        "symbol": exchange.board.row(id).symbol,
    })))
}

pub(super) fn set_leverage(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let leverage = ask
        .params
        .whole("leverage")?
        .filter(|leverage| (1..=LEVERAGE_MAX).contains(leverage))
        .ok_or_else(|| Refusal::param("leverage", "expected 1 to 125"))?;
    let desk = &mut exchange.desks[ask.account];
    let side = position_side(ask.params.need("side")?, desk.one_way)?;
    desk.set_leverage(id, side, leverage);
    let symbol = exchange.board.row(id).symbol.clone();
    exchange.tell_config(ask.now, ask.account, id);
    Ok(Data::Enveloped(json!({"leverage": leverage, "symbol": symbol})))
}

/// The position side of a call in the account's mode; `None` in one-way mode.
pub(super) fn position_side(word: &str, one_way: bool) -> Result<Option<PositionSide>, Refusal> {
    match (word.to_ascii_uppercase().as_str(), one_way) {
        ("BOTH", true) => Ok(None),
        ("LONG", false) => Ok(Some(PositionSide::Long)),
        ("SHORT", false) => Ok(Some(PositionSide::Short)),
        (_, true) => Err(Refusal::new(
            109_400,
            "In the One-way mode, the 'PositionSide' field can only be set to BOTH.",
        )),
        (_, false) => Err(Refusal::new(
            109_400,
            "In the Hedge mode, the 'PositionSide' field can only be set to LONG or SHORT.",
        )),
    }
}

pub(super) fn margin_type(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let is = exchange.desks[ask.account].margin_type(id);
    Ok(Data::Enveloped(json!({"marginType": is.as_str()})))
}

pub(super) fn set_margin_type(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let to = MarginType::read(ask.params.need("marginType")?)
        .ok_or_else(|| Refusal::param("marginType", "expected ISOLATED or CROSSED"))?;
    exchange.desks[ask.account].set_margin_type(id, to)?;
    exchange.tell_config(ask.now, ask.account, id);
    Ok(Data::Enveloped(json!({})))
}

pub(super) fn position_mode(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let dual = !exchange.desks[ask.account].one_way;
    Ok(Data::Enveloped(json!({"dualSidePosition": dual.to_string()})))
}

pub(super) fn set_position_mode(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    ask.params.need("dualSidePosition")?;
    let dual = ask.params.flag("dualSidePosition")?;
    exchange.desks[ask.account].set_one_way(!dual)?;
    Ok(Data::Enveloped(json!({"dualSidePosition": dual.to_string()})))
}

/// One tier: the model has no others.
pub(super) fn maintenance(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    Ok(Data::Enveloped(json!([{
        "tier": "Tier 1",
        "symbol": exchange.board.row(id).symbol,
        "minPositionVal": "0",
        "maxPositionVal": "1000000000",
        "maintMarginRatio": exchange.maintenance_rate.to_string(),
        "maintAmount": "0",
    }])))
}

pub(super) fn create_listen_key(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let key = exchange.new_listen_key(ask.now, ask.account);
    Ok(Data::Bare(json!({"listenKey": key})))
}

/// 200 when it lives on, 204 without the parameter, 404 for a key that is not the account's.
pub(super) fn extend_listen_key(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let status = match ask.params.get("listenKey") {
        None => 204,
        Some(key) if exchange.keys.extend(key, ask.account, ask.now) => 200,
        Some(_) => 404,
    };
    Ok(Data::Empty(status))
}

pub(super) fn delete_listen_key(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let status = match ask.params.get("listenKey") {
        None => 204,
        Some(key) if exchange.keys.delete(key, ask.account) => 200,
        Some(_) => 404,
    };
    Ok(Data::Empty(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_must_fit_the_mode() {
        assert_eq!(position_side("both", true), Ok(None));
        assert_eq!(position_side("SHORT", false), Ok(Some(PositionSide::Short)));
        for (word, one_way) in [("LONG", true), ("BOTH", false), ("", false)] {
            let refused = position_side(word, one_way).expect_err(word);
            assert_eq!(refused.code, 109_400);
        }
    }
}
