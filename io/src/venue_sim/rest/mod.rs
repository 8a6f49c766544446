//! The venue's calls: which there are, who may make them how often, and the form of answers.

mod account;
mod fills;
mod orders;
mod public;

use std::net::IpAddr;

use pinion_core::units::Nanos;
use serde_json::{Value, json};

use crate::bingx::Method;

use super::exchange::Exchange;
use super::faults::{Fault, Span};
use super::limits::Left;
use super::params::Params;
use super::refusal::Refusal;
use super::rows::ms;

/// A call as it came over HTTP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a str,
    /// Of the header `X-BX-APIKEY`.
    pub(super) key: Option<&'a str>,
    pub(super) peer: IpAddr,
}

/// How an answer reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Whole.
    Whole,
    /// Its first half, then the connection is cut.
    Half,
    /// Not at all: the connection is cut.
    Never,
}

/// An answer to a call.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    /// It leaves no sooner than this.
    pub(super) due: Nanos,
    pub(super) delivery: Delivery,
}

impl Reply {
    pub(super) fn json(now: Nanos, status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json",
            body: body.to_string(),
            due: now,
            delivery: Delivery::Whole,
        }
    }

    pub(super) fn refused(now: Nanos, refusal: &Refusal) -> Self {
        let body = json!({
            "code": refusal.code, "msg": refusal.msg, "timestamp": ms(now), "data": {},
        });
        Self::json(now, refusal.status, &body)
    }

    fn cut(now: Nanos) -> Self {
        Self { delivery: Delivery::Never, ..Self::json(now, 500, &Value::Null) }
    }
}

/// What a handler answers with.
#[derive(Debug)]
enum Data {
    /// In the venue's envelope.
    Enveloped(Value),
    /// As it stands.
    Bare(Value),
    /// Nothing but a status.
    Empty(u16),
}

/// What a handler may look at.
struct Ask<'a> {
    now: Nanos,
    /// Whose call it is; of a public one, nobody's.
    account: usize,
    params: &'a Params,
}

type Handler = fn(&mut Exchange, &Ask<'_>) -> Result<Data, Refusal>;

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Anybody,
    /// The key alone is enough.
    Key,
    /// Key, time and signature.
    Signed,
}

struct Route {
    method: Method,
    path: &'static str,
    /// Calls a second of an account.
    per_second: usize,
    access: Access,
    handler: Handler,
}

const fn public(path: &'static str, handler: Handler) -> Route {
    Route { method: Get, path, per_second: 0, access: Access::Anybody, handler }
}

const fn signed(method: Method, path: &'static str, per_second: usize, handler: Handler) -> Route {
    Route { method, path, per_second, access: Access::Signed, handler }
}

const fn keyed(method: Method, handler: Handler) -> Route {
    let path = "/openApi/user/auth/userDataStream";
    Route { method, path, per_second: 2, access: Access::Key, handler }
}

use Method::{Delete, Get, Post, Put};

/// Every call. Where the venue's documents differ about a rate, the lower one stands here.
const ROUTES: &[Route] = &[
    public("/openApi/swap/v2/server/time", public::server_time),
    public("/openApi/swap/v2/quote/contracts", public::contracts),
    public("/openApi/swap/v2/quote/depth", public::depth),
    public("/openApi/swap/v2/quote/trades", public::trades),
    public("/openApi/swap/v1/market/historicalTrades", public::trades),
    public("/openApi/swap/v2/quote/premiumIndex", public::premium_index),
    public("/openApi/swap/v2/quote/fundingRate", public::no_rows),
    public("/openApi/swap/v2/quote/bookTicker", public::book_ticker),
    public("/openApi/swap/v2/quote/ticker", public::ticker),
    public("/openApi/swap/v1/ticker/price", public::last_price),
    public("/openApi/swap/v2/quote/klines", public::klines),
    public("/openApi/swap/v3/quote/klines", public::klines),
    public("/openApi/spot/v1/common/symbols", public::no_symbols),
    public("/openApi/cswap/v1/market/contracts", public::no_rows),
    signed(Post, "/openApi/swap/v2/trade/order", 10, orders::place),
    signed(Post, "/openApi/swap/v2/trade/order/test", 5, orders::test),
    signed(Post, "/openApi/swap/v2/trade/batchOrders", 5, orders::place_batch),
    signed(Delete, "/openApi/swap/v2/trade/order", 5, orders::cancel),
    signed(Delete, "/openApi/swap/v2/trade/batchOrders", 5, orders::cancel_batch),
    signed(Delete, "/openApi/swap/v2/trade/allOpenOrders", 5, orders::cancel_all),
    signed(Post, "/openApi/swap/v2/trade/cancelAllAfter", 1, orders::cancel_all_after),
    signed(Post, "/openApi/swap/v1/trade/cancelReplace", 5, orders::cancel_replace),
    signed(Get, "/openApi/swap/v2/trade/openOrder", 5, orders::open_order),
    signed(Get, "/openApi/swap/v2/trade/order", 5, orders::order),
    signed(Get, "/openApi/swap/v2/trade/openOrders", 5, orders::open_orders),
    signed(Get, "/openApi/swap/v2/trade/allOrders", 5, orders::all_orders),
    signed(Get, "/openApi/swap/v1/trade/fullOrder", 5, orders::full_orders),
    signed(Post, "/openApi/swap/v2/trade/closeAllPositions", 5, orders::close_all),
    signed(Post, "/openApi/swap/v1/trade/closePosition", 5, orders::close_position),
    signed(Get, "/openApi/swap/v2/trade/allFillOrders", 5, fills::all_fill_orders),
    signed(Get, "/openApi/swap/v2/trade/fillHistory", 5, fills::fill_history),
    signed(Get, "/openApi/swap/v2/user/income", 5, fills::income),
    signed(Get, "/openApi/swap/v3/user/balance", 5, account::balance),
    signed(Get, "/openApi/swap/v2/user/balance", 5, account::balance_old),
    signed(Get, "/openApi/swap/v2/user/positions", 5, account::positions),
    signed(Get, "/openApi/swap/v2/user/commissionRate", 5, account::commission_rate),
    signed(Get, "/openApi/v1/account/apiPermissions", 2, account::permissions),
    signed(Get, "/openApi/swap/v2/trade/leverage", 5, account::leverage),
    signed(Post, "/openApi/swap/v2/trade/leverage", 5, account::set_leverage),
    signed(Get, "/openApi/swap/v2/trade/marginType", 2, account::margin_type),
    signed(Post, "/openApi/swap/v2/trade/marginType", 2, account::set_margin_type),
    signed(Get, "/openApi/swap/v1/positionSide/dual", 2, account::position_mode),
    signed(Post, "/openApi/swap/v1/positionSide/dual", 2, account::set_position_mode),
    signed(Get, "/openApi/swap/v1/maintMarginRatio", 5, account::maintenance),
    signed(Get, "/openApi/wallets/v1/capital/config/getall", 2, public::no_rows),
    keyed(Post, account::create_listen_key),
    keyed(Put, account::extend_listen_key),
    keyed(Delete, account::delete_listen_key),
];

impl Exchange {
    /// How long a call is on its way before it arrives.
    pub(super) fn request_delay_ns(&mut self) -> i64 {
        if self.faults.roll(Fault::RequestLate) {
            self.faults.span_ns(Span::RequestLate)
        } else {
            0
        }
    }

    /// Answers a call of the venue's interface.
    pub(super) fn call(&mut self, now: Nanos, call: &Call<'_>) -> Reply {
        if let Some(reply) = self.fails_before(now) {
            return reply;
        }
        let mut reply = match self.admit(now, call) {
            Err(refusal) => Reply::refused(now, &refusal),
            Ok((route, ask_account, params, left)) => {
                let ask = Ask { now, account: ask_account, params: &params };
                let mut reply = match (route.handler)(self, &ask) {
                    Ok(Data::Enveloped(data)) => {
                        let body =
                            json!({"code": 0, "msg": "", "timestamp": ms(now), "data": data});
                        Reply::json(now, 200, &body)
                    }
                    Ok(Data::Bare(body)) => Reply::json(now, 200, &body),
                    Ok(Data::Empty(status)) => {
                        Reply { body: String::new(), ..Reply::json(now, status, &Value::Null) }
                    }
                    Err(refusal) => Reply::refused(now, &refusal),
                };
                reply.headers = vec![
                    ("X-RateLimit-Requests-Remain", left.remain.to_string()),
                    ("X-RateLimit-Requests-Expire", left.expire_ms.to_string()),
                ];
                reply
            }
        };
        self.fails_after(now, &mut reply);
        reply
    }

    /// What goes wrong before anything is done.
    fn fails_before(&mut self, now: Nanos) -> Option<Reply> {
        if now < self.outage_until || self.faults.roll(Fault::RequestLost) {
            return Some(Reply::cut(now));
        }
        if self.faults.roll(Fault::ServerError) {
            let refusal = Refusal::new(100_500, "Internal system error");
            return Some(Reply { status: 500, ..Reply::refused(now, &refusal) });
        }
        let until_ms = ms(now) + 1_000;
        if self.faults.roll(Fault::TooMany) {
            return Some(Reply::refused(now, &Refusal::rate_limited(until_ms)));
        }
        if self.faults.roll(Fault::Banned) {
            let refusal = Refusal { status: 418, ..Refusal::rate_limited(until_ms) };
            return Some(Reply::refused(now, &refusal));
        }
        None
    }

    /// What goes wrong with the answer.
    fn fails_after(&mut self, now: Nanos, reply: &mut Reply) {
        if self.faults.roll(Fault::ResponseLost) {
            reply.delivery = Delivery::Never;
        } else if self.faults.roll(Fault::TruncatedBody) {
            reply.delivery = Delivery::Half;
        } else if self.faults.roll(Fault::GatewayPage) {
            reply.status = 502;
            reply.content_type = "text/html";
            reply.body = "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned();
        } else if self.faults.roll(Fault::Busy) {
            let refusal = Refusal::new(109_500, "system busy, please try again later");
            reply.body = Reply::refused(now, &refusal).body;
        }
        if self.faults.roll(Fault::AnswerLate) {
            reply.due = reply.due.plus(self.faults.span_ns(Span::AnswerLate));
        }
    }

    /// Finds the call, and checks who calls and how often.
    fn admit(
        &mut self,
        now: Nanos,
        call: &Call<'_>,
    ) -> Result<(&'static Route, usize, Params, Left), Refusal> {
        let fits = |route: &&Route| route.path == call.path && route.method.as_str() == call.method;
        let route = ROUTES.iter().find(fits).ok_or_else(|| {
            Refusal::new(100_400, "this api is not exist, please refer to the API docs")
        })?;
        let params = Params::read(call.query, call.body)?;
        let now_ms = ms(now);
        if route.access == Access::Anybody {
            let left = self.limits.public(call.peer, now_ms)?;
            return Ok((route, 0, params, left));
        }
        let wrong_key = || Refusal::new(100_413, "Incorrect apiKey");
        let account = call.key.and_then(|key| self.account_of_key(key)).ok_or_else(wrong_key)?;
        if route.access == Access::Signed {
            if self.faults.roll(Fault::ClockError) {
                return Err(Refusal::new(100_421, "Null timestamp or timestamp mismatch"));
            }
            let clock_ms = now_ms + self.faults.clock_off_ms();
            params.check(&self.desks[account].signer, clock_ms)?;
        }
        let endpoint = (route.method, route.path);
        let left = self.limits.private(call.peer, account, endpoint, route.per_second, now_ms)?;
        Ok((route, account, params, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bingx::Endpoint;

    #[test]
    fn every_call_of_the_adapter_is_answered() {
        for endpoint in Endpoint::ALL {
            let found = ROUTES
                .iter()
                .find(|route| route.path == endpoint.path() && route.method == endpoint.method());
            let route = found.unwrap_or_else(|| panic!("{endpoint:?} is not simulated"));
            assert_eq!(route.access == Access::Anybody, endpoint.is_public(), "{endpoint:?}");
        }
    }
}
