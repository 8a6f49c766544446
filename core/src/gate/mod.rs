//! The gate: the last look at an order before it leaves.
//!
//! It stands in the egress stage, knows nothing of policy or kernel and shares no state with them: it
//! counts what it let out itself and what the venue said. So a kernel that has gone wrong, whatever
//! the reason, can neither send faster nor hold more than the caps allow.
//!
//! | what | entries | exits, cancels | look-ups, probes |
//! |---|---|---|---|
//! | shape | an entry that reduces, a quantity that is not positive, a limit without a price: refused | the same, an exit that could increase | |
//! | kill | refused while the switch is on | pass | pass |
//! | in flight | one on an instrument at a time | pass | pass |
//! | cap | position plus entries under way, as notional, per instrument and in sum | pass | pass |
//! | rate | per second; reaching the bound of a minute or a day latches entries off until the operator resumes | a bound of their own, far above any use | pass |
//!
//! Exits share no budget with entries and never wait behind them. Their own bound only stops a runaway: all
//! sixteen slots leaving and calling back in one moment are 32 commands, and a refused exit pauses for at
//! least 250 ms, so `cap.exits_per_second_max` cannot be reached by trading. When it is, something is
//! broken: entries are latched off, each refused exit is answered (the kernel reports it as an error), and
//! as soon as the second is over exits pass again.
//!
//! A refusal is an answer like the venue's ([`Gate::refusal`]), on the same link, so it is journaled and
//! replays. Rates and positions are not saved: after a restart positions come from the venue's snapshots,
//! and the windows begin anew. Cost of a check: some tens of ns; nothing allocates after construction.

mod holdings;
mod kill;
mod rates;
#[cfg(test)]
mod tests;

pub use kill::KillSwitch;

use crate::msg::venue::RejectReason;
use crate::msg::{
    ClientRef, Command, CommandMsg, MarketMsg, Maybe, OrderKind, OrderRole, VenueEvent, VenueMsg,
};
use crate::settings::Settings;
use crate::units::{Money, Nanos, Price, Qty};

use holdings::Holdings;
pub(crate) use rates::Window;

const MINUTE_NS: i64 = 60 * Nanos::SECOND;
const DAY_NS: i64 = 86_400 * Nanos::SECOND;

/// See the module's documentation. Owner: the egress stage.
#[derive(Debug)]
pub struct Gate {
    position_max: Money,
    total_max: Money,
    second: Window,
    minute: Window,
    day: Window,
    exits: Window,
    holdings: Holdings,
    latched: bool,
    refused: u64,
}

/// An order as far as the gate looks at it.
#[derive(Clone, Copy)]
struct Wanted {
    instrument: crate::id::InstrumentId,
    qty: Qty,
    limit: Option<Price>,
}

impl Gate {
    /// A gate with the caps of `settings` for so many instruments. Allocates here and nowhere else.
    #[must_use]
    pub fn new(settings: &Settings, instruments: usize) -> Self {
        let bound = |max: i64| u32::try_from(max).unwrap_or(u32::MAX);
        let window = |length_ns, max| Window::new(length_ns, bound(max));
        Self {
            position_max: settings.cap_position_notional_max,
            total_max: settings.cap_total_notional_max,
            second: window(Nanos::SECOND, settings.cap_orders_per_second_max),
            minute: window(MINUTE_NS, settings.cap_orders_per_minute_max),
            day: window(DAY_NS, settings.cap_orders_per_day_max),
            exits: window(Nanos::SECOND, settings.cap_exits_per_second_max),
            holdings: Holdings::new(instruments),
            latched: false,
            refused: 0,
        }
    }

    /// Whether a command may leave now. What may is counted as sent. `now` never decreases; `killed` is the
    /// switch at this moment.
    ///
    /// # Errors
    /// The first rule that forbids it.
    pub fn check(
        &mut self,
        now: Nanos,
        message: &CommandMsg,
        killed: bool,
    ) -> Result<(), RejectReason> {
        let checked = match message.command {
            Command::Place {
                client,
                trade: _,
                instrument,
                side,
                position_side,
                role,
                kind,
                tif: _,
                reduce_only,
                qty,
                price,
            } => {
                let wanted = Wanted { instrument, qty, limit: price.get() };
                let (closes, right_side) = match role {
                    OrderRole::Entry => (false, position_side.entry_side()),
                    OrderRole::Exit => (true, position_side.exit_side()),
                };
                let priced = match kind {
                    OrderKind::Market => wanted.limit.is_none(),
                    OrderKind::Limit => wanted.limit.is_some_and(Price::is_positive),
                };
                let sound = qty.is_positive()
                    && priced
                    && reduce_only == closes
                    && side == right_side
                    && instrument.index() < self.holdings.instruments();
                let allowed = match role {
                    _ if !sound => Err(RejectReason::Other),
                    OrderRole::Entry => self.entry(now, &wanted, killed),
                    OrderRole::Exit => self.exit(now),
                };
                if allowed.is_ok() {
                    self.holdings.sent(now, client, instrument, role, qty);
                }
                allowed
            }
            Command::Cancel { .. } => self.exit(now),
            // They move nothing, and the kernel needs them to find out.
            Command::Query { .. } | Command::Probe { .. } => Ok(()),
        };
        self.refused += u64::from(checked.is_err());
        checked
    }

    /// The answer to a command that was refused; `None` for what is never refused.
    #[must_use]
    pub const fn refusal(
        now: Nanos,
        message: &CommandMsg,
        reason: RejectReason,
    ) -> Option<VenueMsg> {
        let (client, instrument, event) = match message.command {
            Command::Place { client, instrument, .. } => {
                (client, instrument, VenueEvent::Reject { reason })
            }
            Command::Cancel { client, instrument, .. } => {
                (client, instrument, VenueEvent::CancelRejected { reason })
            }
            Command::Query { .. } | Command::Probe { .. } => return None,
        };
        Some(VenueMsg {
            ts_exch_ns: Maybe::NONE,
            ts_recv_ns: now,
            client: ClientRef::Own(client),
            instrument: Some(instrument),
            event,
        })
    }

    /// Takes in what the venue answers, in the order in which it is passed on.
    pub fn heard(&mut self, message: &VenueMsg) {
        self.holdings.heard(message);
    }

    /// Follows the prices: what orders and positions are worth. Cost: a few ns.
    pub fn saw(&mut self, message: &MarketMsg) {
        self.holdings.saw(message);
    }

    /// The operator answers for what latched it.
    pub const fn resume(&mut self) {
        self.latched = false;
    }

    /// True while entries are off because of too many orders.
    #[must_use]
    pub const fn is_latched(&self) -> bool {
        self.latched
    }

    /// Commands refused since the start.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn entry(&mut self, now: Nanos, wanted: &Wanted, killed: bool) -> Result<(), RejectReason> {
        if killed && !planted!(K03KillAtDecision) {
            return Err(RejectReason::Killed);
        }
        if self.latched {
            return Err(RejectReason::OrderRate);
        }
        self.holdings.forget_denied(now);
        self.cap(wanted)?;
        let at = now.get();
        if !self.day.has_room(at) || !self.minute.has_room(at) {
            self.latched = !planted!(C01NoLatch);
            return Err(RejectReason::OrderRate);
        }
        if !self.second.has_room(at) {
            return Err(RejectReason::OrderRate);
        }
        self.second.count();
        self.minute.count();
        self.day.count();
        Ok(())
    }

    fn cap(&self, wanted: &Wanted) -> Result<(), RejectReason> {
        let holdings = &self.holdings;
        if planted!(X52NoCap) {
            return Ok(());
        }
        if holdings.is_full() || holdings.has_entry(wanted.instrument) {
            return Err(RejectReason::Cap);
        }
        // What cannot be valued is not known to be small.
        let after =
            holdings.exposure(wanted.instrument).and_then(|qty| qty.checked_add(wanted.qty));
        let here = after.and_then(|qty| holdings.value(wanted.instrument, qty, wanted.limit));
        let here = here.ok_or(RejectReason::NoMarket)?;
        let others = holdings.value_of_others(wanted.instrument).ok_or(RejectReason::NoMarket)?;
        let within = here <= self.position_max
            && here.checked_add(others).is_some_and(|sum| sum <= self.total_max);
        if within { Ok(()) } else { Err(RejectReason::Cap) }
    }

    fn exit(&mut self, now: Nanos) -> Result<(), RejectReason> {
        if self.exits.has_room(now.get()) {
            self.exits.count();
            return Ok(());
        }
        self.latched = true;
        Err(RejectReason::OrderRate)
    }
}
