//! The control endpoint `/sim/…`: what no client of the venue can do. From this machine only.
//!
//! | call | does |
//! |---|---|
//! | `GET /sim/accounts` | keys of the accounts, by number |
//! | `GET /sim/books?account=0` | the true books of an account |
//! | `GET /sim/faults` | what may go wrong, and how often each did |
//! | `POST /sim/faults?name=value&…` | sets faults; `reset=true` first sets all to zero |
//! | `POST /sim/trade?account&symbol&positionSide&quantity` | somebody else opens a position or adds to it |
//! | `POST /sim/close?account&symbol&positionSide` | somebody else closes a position |
//! | `POST /sim/force?account&symbol&positionSide[&half=true]` | the venue liquidates a position, or deleverages half |
//! | `POST /sim/transfer?account&amount` | money comes in, or goes out |
//! | `POST /sim/rights?account&withdraw` | gives the key the right to withdraw, or takes it |
//! | `POST /sim/expire?account` | the account's listen keys die |
//! | `POST /sim/cut[?account]` | streams are cut: all, or an account's |
//! | `POST /sim/outage?seconds` | nothing can be reached for a while |
//! | `POST /sim/quote?symbol&bid&ask[&bidQty&askQty]` | a quote in the market |
//! | `POST /sim/print?symbol&price&quantity&side` | a trade in the market; `side` took |
//! | `POST /sim/burst?topic&perSecond&seconds` | extra frames of a topic; with `account` instead, of its stream |

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg, PositionSide};
use pinion_core::units::{DecimalFault, Money, Nanos, Price, Qty};
use serde_json::{Value, json};

use crate::bingx::words;

use super::books::Origin;
use super::desk::Desk;
use super::exchange::Exchange;
use super::params::Params;
use super::refusal::Refusal;
use super::rest::{Call, Reply};
use super::rows;

impl Exchange {
    /// Answers a call of the control endpoint.
    pub(super) fn control(&mut self, now: Nanos, call: &Call<'_>) -> Reply {
        if !call.peer.is_loopback() {
            let body = json!({"error": "the control endpoint answers this machine only"});
            return Reply::json(now, 403, &body);
        }
        match Params::read(call.query, call.body).and_then(|params| self.obey(now, call, &params)) {
            Ok(body) => Reply::json(now, 200, &body),
            Err(refusal) => Reply::json(now, 400, &json!({"error": refusal.msg})),
        }
    }

    fn obey(&mut self, now: Nanos, call: &Call<'_>, params: &Params) -> Result<Value, Refusal> {
        match (call.method, call.path) {
            ("GET", "/sim/accounts") => {
                let keys = self.desks.iter().enumerate();
                Ok(keys.map(|(index, desk)| json!({"account": index, "key": desk.key})).collect())
            }
            ("GET", "/sim/books") => {
                let account = self.account(params)?;
                Ok(self.true_books(&self.desks[account]))
            }
            ("GET", "/sim/faults") => Ok(self.faults.told()),
            ("POST", "/sim/faults") => self.set_faults(params),
            ("POST", "/sim/trade" | "/sim/close" | "/sim/force") => {
                self.interfere(now, call.path, params)
            }
            ("POST", "/sim/transfer") => {
                let account = self.account(params)?;
                let amount = decimal(params, "amount", Money::parse)?;
                self.desks[account].venue.transfer(now, amount);
                self.desks[account].settle(now);
                Ok(json!({"done": true}))
            }
            ("POST", "/sim/rights") => {
                let account = self.account(params)?;
                self.desks[account].may_withdraw = params.flag("withdraw")?;
                Ok(json!({"done": true}))
            }
            ("POST", "/sim/expire") => {
                let account = self.account(params)?;
                self.expire_keys(now, account);
                Ok(json!({"done": true}))
            }
            ("POST", "/sim/cut") => {
                if params.get("account").is_some() {
                    let account = self.account(params)?;
                    for id in self.streams.of_account(account, None) {
                        self.streams.cut(id, now);
                    }
                } else {
                    self.cut_all(now);
                }
                Ok(json!({"done": true}))
            }
            ("POST", "/sim/outage") => {
                let seconds = params.whole("seconds")?.unwrap_or(1);
                self.outage_until = now.plus(seconds.saturating_mul(Nanos::SECOND));
                self.cut_all(now);
                Ok(json!({"done": true}))
            }
            ("POST", "/sim/quote" | "/sim/print") => self.move_market(now, call.path, params),
            ("POST", "/sim/burst") => {
                let per_second = params.whole("perSecond")?.unwrap_or(1_000);
                let seconds = params.whole("seconds")?.unwrap_or(1);
                let done = if params.get("account").is_some() {
                    let account = self.account(params)?;
                    self.account_burst(now, account, per_second, seconds);
                    true
                } else {
                    self.burst(now, params.need("topic")?, per_second, seconds)
                };
                Ok(json!({"done": done}))
            }
            _ => Err(Refusal::param(
                call.path,
                "expected one of the calls that io/src/venue_sim/control.rs lists",
            )),
        }
    }

    fn account(&self, params: &Params) -> Result<usize, Refusal> {
        let index = params.whole("account")?.unwrap_or(0);
        usize::try_from(index)
            .ok()
            .filter(|index| *index < self.desks.len())
            .ok_or_else(|| Refusal::param("account", "expected the number of an account, from 0"))
    }

    fn instrument(&self, params: &Params) -> Result<InstrumentId, Refusal> {
        self.board.find(params.need("symbol")?).ok_or_else(Refusal::no_symbol)
    }

    fn set_faults(&mut self, params: &Params) -> Result<Value, Refusal> {
        let mut faults = self.faults.clone();
        if params.flag("reset")? {
            faults.clear();
        }
        for (name, value) in params.pairs().filter(|(name, _)| *name != "reset") {
            let number = value
                .parse()
                .map_err(|_| Refusal::param(name, "expected a whole number, per million or ms"))?;
            faults.set(name, number).map_err(|words| Refusal::new(1, words))?;
        }
        for desk in &mut self.desks {
            desk.venue.set_plan(faults.inside);
        }
        self.faults = faults;
        Ok(self.faults.told())
    }

    /// Somebody else, or the venue itself, trades on an account.
    fn interfere(&mut self, now: Nanos, path: &str, params: &Params) -> Result<Value, Refusal> {
        let account = self.account(params)?;
        let instrument = self.instrument(params)?;
        let side = match params.need("positionSide")? {
            "LONG" => PositionSide::Long,
            "SHORT" => PositionSide::Short,
            _ => return Err(Refusal::param("positionSide", "expected LONG or SHORT")),
        };
        let half = params.flag("half")?;
        let lot = self.table.row(instrument).lot;
        let venue = &mut self.desks[account].venue;
        let done = match path {
            "/sim/trade" => {
                let qty = decimal(params, "quantity", Qty::parse)?.floor_to(lot);
                venue.open_outside(now, instrument, side, qty)
            }
            "/sim/close" => venue.close_outside(now, instrument, side),
            _ => venue.close_by_force(now, instrument, side, !half),
        };
        self.desks[account].settle(now);
        Ok(json!({"done": done}))
    }

    fn move_market(&mut self, now: Nanos, path: &str, params: &Params) -> Result<Value, Refusal> {
        let instrument = self.instrument(params)?;
        let body = if path == "/sim/quote" {
            let size = |name| match params.get(name) {
                Some(_) => decimal(params, name, Qty::parse).map(Some),
                None => Ok(None),
            };
            MarketBody::Quote {
                bid: decimal(params, "bid", Price::parse)?,
                ask: decimal(params, "ask", Price::parse)?,
                bid_qty: size("bidQty")?,
                ask_qty: size("askQty")?,
            }
        } else {
            MarketBody::Trade {
                price: decimal(params, "price", Price::parse)?,
                qty: decimal(params, "quantity", Qty::parse)?,
                taker: words::side(params.need("side")?),
                trade_id: 0,
                merged: 0,
            }
        };
        self.inject(now, &MarketMsg::from_body(instrument, now, Some(now), body));
        Ok(json!({"done": true}))
    }

    /// What is true of an account, whatever its streams and answers say.
    fn true_books(&self, desk: &Desk) -> Value {
        let venue = desk.venue.venue();
        let account = venue.account();
        let (counts, margin) = (venue.counts(), venue.margin());
        let orders = |open: bool| -> Vec<Value> {
            let orders = desk.books.orders.values().filter(|order| order.is_open() == open);
            orders.map(|order| rows::order(&self.board, order, None)).collect()
        };
        let fills = desk.books.fills.iter().map(|fill| {
            let order = desk.books.orders.get(&fill.order);
            let ours = order.is_some_and(|order| matches!(order.origin, Origin::Client(_)));
            let mut row = rows::fill_history(&self.board, fill);
            row["ours"] = json!(ours);
            row
        });
        json!({
            "wallet": account.wallet.to_string(),
            "realized": account.realized.to_string(),
            "fees": account.fees.to_string(),
            "funding": account.funding.to_string(),
            "transfers": account.transfers.to_string(),
            "equity": margin.equity.to_string(),
            "available": margin.available.to_string(),
            "used": margin.used.to_string(),
            "oneWay": desk.one_way,
            "cancelAllAt": desk.cancel_all_at.map(rows::ms),
            "positions": rows::positions(&self.board, desk, None),
            "openOrders": orders(true),
            "doneOrders": orders(false),
            "fills": fills.collect::<Vec<_>>(),
            "accepted": counts.accepted,
            "rejected": counts.rejected,
            "canceled": counts.canceled,
            "expired": counts.expired,
            "fundings": counts.fundings,
        })
    }
}

fn decimal<T>(
    params: &Params,
    name: &str,
    parse: impl Fn(&[u8]) -> Result<T, DecimalFault>,
) -> Result<T, Refusal> {
    parse(params.need(name)?.as_bytes())
        .map_err(|_| Refusal::param(name, "expected a decimal number of at most 8 places"))
}
