//! The venue's counters: calls a second of an account on an endpoint, calls of an address.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::bingx::Method;

use super::refusal::Refusal;

/// Method and path.
type Endpoint = (Method, &'static str);

/// Times of the last calls, in milliseconds.
#[derive(Clone, Debug, Default)]
struct Window {
    calls: VecDeque<i64>,
    /// Nothing is answered before this.
    locked_until: i64,
}

/// What a counter says about a call that it lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Calls that still fit into the window.
    pub(super) remain: usize,
    /// When the window ends, in milliseconds.
    pub(super) expire_ms: i64,
}

impl Window {
    fn forget(&mut self, now_ms: i64, length_ms: i64) {
        while self.calls.front().is_some_and(|at| now_ms - at >= length_ms) {
            self.calls.pop_front();
        }
    }

    fn take(
        &mut self,
        now_ms: i64,
        length_ms: i64,
        most: usize,
        lock_ms: i64,
    ) -> Result<Left, Refusal> {
        self.forget(now_ms, length_ms);
        if now_ms < self.locked_until {
            return Err(Refusal::rate_limited(self.locked_until));
        }
        if self.calls.len() >= most {
            self.locked_until = now_ms + lock_ms.max(1);
            return Err(Refusal::rate_limited(self.locked_until));
        }
        self.calls.push_back(now_ms);
        let first = self.calls.front().copied().unwrap_or(now_ms);
        Ok(Left { remain: most - self.calls.len(), expire_ms: first + length_ms })
    }
}

/// All counters. Owner: the exchange.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    lock_ms: i64,
    endpoints: BTreeMap<(usize, Endpoint), Window>,
    market: BTreeMap<IpAddr, [Window; 2]>,
    account: BTreeMap<IpAddr, Window>,
}

impl Limits {
    /// A breach locks the endpoint (or the address) for `lock_ms`.
    pub(super) const fn new(lock_ms: i64) -> Self {
        Self {
            lock_ms,
            endpoints: BTreeMap::new(),
            market: BTreeMap::new(),
            account: BTreeMap::new(),
        }
    }

    /// A public call: 500 in ten seconds and 1,000 in a minute of an address.
    pub(super) fn public(&mut self, peer: IpAddr, now_ms: i64) -> Result<Left, Refusal> {
        let windows = self.market.entry(peer).or_default();
        let tens = windows[0].take(now_ms, 10_000, 500, self.lock_ms)?;
        let minute = windows[1].take(now_ms, 60_000, 1_000, self.lock_ms)?;
        Ok(if tens.remain <= minute.remain { tens } else { minute })
    }

    /// A private call: so many a second of an account on an endpoint, 2,000 in ten seconds of an address.
    pub(super) fn private(
        &mut self,
        peer: IpAddr,
        account: usize,
        endpoint: Endpoint,
        per_second: usize,
        now_ms: i64,
    ) -> Result<Left, Refusal> {
        self.account.entry(peer).or_default().take(now_ms, 10_000, 2_000, self.lock_ms)?;
        let window = self.endpoints.entry((account, endpoint)).or_default();
        window.take(now_ms, 1_000, per_second, self.lock_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn one_call_too_many_locks_that_endpoint_of_that_account_for_a_while() {
        let mut limits = Limits::new(2_000);
        let mut call = |account, at| {
            limits
                .private(PEER, account, (Method::Get, "order"), 2, at)
                .map_err(|no| (no.status, no.code))
        };
        assert_eq!(call(0, 0), Ok(Left { remain: 1, expire_ms: 1_000 }));
        assert_eq!(call(0, 999), Ok(Left { remain: 0, expire_ms: 1_000 }));
        assert_eq!(call(0, 999), Err((429, 100_410)));
        assert_eq!(call(1, 999).map(|left| left.remain), Ok(1), "the other account is free");
        assert_eq!(call(0, 2_998), Err((429, 100_410)));
        assert_eq!(call(0, 2_999).map(|left| left.remain), Ok(1));
    }

    #[test]
    fn the_market_is_counted_by_address() {
        let mut limits = Limits::new(1);
        for at in 0..500 {
            limits.public(PEER, at).expect("within the limit");
        }
        let refused = limits.public(PEER, 500).expect_err("one too many");
        assert!(refused.msg.ends_with("501"), "{}", refused.msg);
    }
}
