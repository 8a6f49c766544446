//! A script's kernel with everything around it, and the events that are neither intent nor venue.

use std::sync::Arc;

use pinion_core::id::InstrumentId;
use pinion_core::instrument::{Instrument, InstrumentTable, canonical_symbol};
use pinion_core::kernel::{Effects, Kernel, Verdict};
use pinion_core::msg::record::OrderStatus;
use pinion_core::msg::{
    CommandMsg, Control, ControlMsg, Input, MarketBody, MarketMsg, PositionSide, Record, Side,
};
use pinion_core::settings::{Settings, Value, check};
use pinion_core::units::{Money, Nanos, Qty};

use crate::script::line::{Fault, Line, Object, missing};
use crate::script::names::{LastOrders, Trades};

/// Epoch of a script's order identities: always the same, so that a script may spell them out.
pub(super) const EPOCH: u32 = 1;

/// The answer to a line.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) accepted: bool,
    pub(super) code: &'static str,
    /// What stands behind the code, where something does.
    pub(super) reason: Option<String>,
}

impl From<Verdict> for Reply {
    fn from(verdict: Verdict) -> Self {
        Self { accepted: verdict.accepted, code: verdict.code.as_str(), reason: None }
    }
}

/// The kernel of a script.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) kernel: Kernel,
    pub(super) out: Effects,
    pub(super) now: Nanos,
    pub(super) last: LastOrders,
    pub(super) trades: Trades,
    pub(super) instruments: Vec<Instrument>,
    pub(super) is_started: bool,
    /// Epoch of the next orders.
    pub(super) epoch: u32,
    /// What `save` kept.
    pub(super) saved: Option<Vec<u8>>,
}

impl Session {
    /// With default settings and no instrument.
    pub(super) fn new() -> Self {
        let settings = Settings::default();
        let kernel = Kernel::new(&settings, Arc::new(InstrumentTable::default()), EPOCH);
        Self {
            settings,
            kernel,
            out: Effects::default(),
            now: Nanos::ZERO,
            last: LastOrders::default(),
            trades: Trades::default(),
            instruments: Vec::new(),
            is_started: false,
            epoch: EPOCH,
            saved: None,
        }
    }

    /// Applies a line.
    ///
    /// # Errors
    /// A malformed line; nothing was applied.
    pub(super) fn apply(&mut self, line: &mut Line) -> Result<Reply, Fault> {
        if line.t() < self.now {
            let (t, now) = (line.t().get(), self.now.get());
            return Err(Fault(format!(
                "t: found {t} after {now}; expected nanoseconds that do not decrease"
            )));
        }
        self.now = line.t();
        self.out.begin(self.now, self.now);
        let event = line.event().to_owned();
        let reply = self.dispatch(&event, line.object())?;
        self.last.follow(&self.kernel, &self.out.commands);
        self.trades.follow(&self.kernel);
        Ok(Reply { reason: reply.reason.or_else(|| self.recorded_reason()), ..reply })
    }

    fn dispatch(&mut self, event: &str, object: &mut Object) -> Result<Reply, Fault> {
        match event {
            "config" => return self.config(object),
            "instrument" => return self.instrument(object),
            _ => {}
        }
        let reply = match event {
            "quote" | "trade" | "mark" | "gap" => self.market(event, object)?,
            "intent" => self.intent(object)?,
            "kill" => self.control(Control::Kill),
            "resume" => self.control(Control::Resume),
            "recover" => self.control(Control::Recover),
            "reanchor" => self.control(Control::Reanchor),
            "tick" => self.input(&Input::Tick).into(),
            "save" => {
                self.saved = Some(self.save());
                Verdict::OK.into()
            }
            "restore" => self.restore_saved(),
            other => self.venue(other, object)?,
        };
        self.is_started = true;
        Ok(reply)
    }

    /// One input into the kernel.
    pub(super) fn input(&mut self, input: &Input) -> Verdict {
        self.kernel.apply(self.now, input, &self.settings, &mut self.out)
    }

    /// One market message into the kernel.
    pub(super) fn market_input(&mut self, instrument: InstrumentId, body: MarketBody) -> Reply {
        let message = MarketMsg::from_body(instrument, self.now, None, body);
        self.input(&Input::Market(message)).into()
    }

    /// An instrument of the script by any spelling.
    pub(super) fn asset(&self, spelling: &str) -> Result<InstrumentId, Fault> {
        self.kernel.table().find(spelling).ok_or_else(|| {
            Fault(format!("asset: {spelling} is not known; expected an `instrument` line before"))
        })
    }

    fn market(&mut self, event: &str, object: &mut Object) -> Result<Reply, Fault> {
        let asset = self.asset(&object.needed_text("asset")?)?;
        let body = match event {
            "quote" => MarketBody::Quote {
                bid: object.needed("bid")?,
                ask: object.needed("ask")?,
                bid_qty: object.size("bid_qty")?,
                ask_qty: object.size("ask_qty")?,
            },
            "trade" => MarketBody::Trade {
                price: object.needed("price")?,
                // The kernel takes only the price of a print.
                qty: object.size("qty")?.unwrap_or(Qty::ZERO),
                taker: object.choice("side", Side::TEXTS, Side::from_text)?,
                trade_id: 0,
                merged: 0,
            },
            "mark" => MarketBody::Mark {
                mark: Some(object.needed("price")?),
                index: None,
                funding_rate: None,
                next_funding_ns: None,
            },
            _ => MarketBody::Gap,
        };
        Ok(self.market_input(asset, body))
    }

    pub(super) fn control(&mut self, control: Control) -> Reply {
        self.input(&Input::Control(ControlMsg { ts_recv_ns: self.now, control })).into()
    }

    fn restore_saved(&mut self) -> Reply {
        let Some(saved) = self.saved.take() else {
            return Reply {
                accepted: false,
                code: "no_snapshot",
                reason: Some(String::from("nothing was saved before")),
            };
        };
        let restored = self.restore(&saved);
        self.saved = Some(saved);
        match restored {
            Ok(()) => Verdict::OK.into(),
            Err(why) => Reply { accepted: false, code: "no_snapshot", reason: Some(why) },
        }
    }

    fn config(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for (member, key) in [
            ("max_slots", "kernel.slots_max"),
            ("capital", "account.starting_capital"),
            ("taker_rate", "account.taker_rate"),
            ("maker_rate", "account.maker_rate"),
        ] {
            if let Some(text) = object.text(member)? {
                wanted.push((key.to_owned(), text));
            }
        }
        for name in object.dotted() {
            if let Some(text) = object.text(&name)? {
                wanted.push((name, text));
            }
        }
        let mut settings = self.settings.clone();
        for (name, text) in wanted {
            let key = Settings::key(&name).ok_or_else(|| {
                Fault(format!("{name}: no such setting; `pinion config keys` lists them"))
            })?;
            let value = Value::parse(key.domain, &text);
            let value = value.and_then(|value| match check::outside(key.domain, &value) {
                Some(expected) => Err(expected),
                None => Ok(value),
            });
            let value = value
                .map_err(|expected| Fault(format!("{name}: found {text}; expected {expected}")))?;
            (key.set)(&mut settings, &value);
        }
        if let Some(issue) = check::check(&settings).first() {
            let (key, found, expected) = (issue.key, &issue.found, &issue.expected);
            return Err(Fault(format!("{key}: found {found}; expected {expected}")));
        }
        let instruments = self.instruments.clone();
        self.begin(settings, instruments)
    }

    fn instrument(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let spelling = object.needed_text("asset")?;
        let symbol = canonical_symbol(&spelling).ok_or_else(|| {
            Fault(format!("asset: found {spelling}; expected a symbol of at most 23 characters"))
        })?;
        let row = Instrument {
            symbol,
            tick: object.needed("tick")?,
            lot: object.needed("lot")?,
            min_notional: object.exact("min_notional")?.unwrap_or(Money::ZERO),
            tradable: object.flag("tradable")?.unwrap_or(true),
            listed_ns: None,
        };
        let mut instruments = self.instruments.clone();
        instruments.push(row);
        self.begin(self.settings.clone(), instruments)
    }

    /// A fresh kernel with these settings and instruments.
    fn begin(&mut self, settings: Settings, rows: Vec<Instrument>) -> Result<Reply, Fault> {
        if self.is_started {
            return Err(Fault(String::from(
                "`config` and `instrument` come too late; expected them before every other event",
            )));
        }
        let table = InstrumentTable::new(rows.clone()).map_err(|fault| Fault(fault.to_string()))?;
        self.kernel = Kernel::new(&settings, Arc::new(table), self.epoch);
        self.settings = settings;
        self.instruments = rows;
        Ok(Verdict::OK.into())
    }

    /// What the kernel wrote down about a refusal, something impossible, or a halt.
    fn recorded_reason(&self) -> Option<String> {
        self.out.records.iter().find_map(|message| match message.record {
            Record::EntryBlocked { reason, .. } => Some(reason.as_str().to_owned()),
            Record::ReanchorRefused { reason } => Some(reason.as_str().to_owned()),
            Record::Order { status: OrderStatus::Rejected, reason, .. }
            | Record::Error { reason }
            | Record::Halt { reason } => Some(reason.to_owned()),
            _ => None,
        })
    }

    /// The kernel.
    pub(super) const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Commands of the last line.
    pub(super) fn commands(&self) -> &[CommandMsg] {
        &self.out.commands
    }

    /// Time of the last line.
    pub(super) const fn now(&self) -> Nanos {
        self.now
    }

    /// Names of the round trips.
    pub(super) const fn trades(&self) -> &Trades {
        &self.trades
    }
}

/// Direction of a position, which must be there.
pub(super) fn needed_side(object: &mut Object) -> Result<PositionSide, Fault> {
    object
        .choice("side", PositionSide::TEXTS, PositionSide::from_text)?
        .ok_or_else(|| missing("side", "long or short"))
}
