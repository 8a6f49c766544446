//! Intents of a script.

use std::str::FromStr;

use arrayvec::ArrayVec;
use pinion_core::id::TradeId;
use pinion_core::kernel::intent::LEGS_MAX;
use pinion_core::kernel::{Code, Intent, Slot, Verdict};
use pinion_core::msg::record::DecisionReason;
use pinion_core::msg::{OrderKind, TimeInForce};
use pinion_core::units::{DecimalFault, Price, Qty, Rate};

use crate::script::line::{Fault, Object, missing};
use crate::script::session::{Reply, Session, needed_side};

/// Reads numbers of an intent and remembers the first that the units cannot hold.
#[derive(Default)]
struct Numbers {
    unusable: Option<String>,
}

impl Numbers {
    fn take<T>(&mut self, object: &mut Object, name: &str) -> Result<Option<T>, Fault>
    where
        T: FromStr<Err = DecimalFault>,
    {
        Ok(object.number(name)?.and_then(|number| self.keep(name, number)))
    }

    fn keep<T>(&mut self, name: &str, number: Result<T, DecimalFault>) -> Option<T> {
        number
            .map_err(|fault| {
                self.unusable.get_or_insert_with(|| format!("{name}: expected {fault}"));
            })
            .ok()
    }

    /// A span of time; one that makes no sense is none.
    fn take_ns(&mut self, object: &mut Object, name: &str) -> Result<Option<i64>, Fault> {
        let Some(text) = object.text(name)? else { return Ok(None) };
        let span = text.parse().ok().filter(|span: &i64| !span.is_negative());
        if span.is_none() {
            let expected = "whole nanoseconds from 0";
            self.unusable.get_or_insert_with(|| format!("{name}: expected {expected}"));
        }
        Ok(span)
    }

    /// The answer, when a number was unusable.
    fn refusal(self) -> Option<Reply> {
        let reason = self.unusable?;
        Some(Reply { reason: Some(reason), ..Reply::from(Verdict::refused(Code::InvalidIntent)) })
    }
}

impl Session {
    pub(super) fn intent(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let action = object.needed_text("action")?;
        match action.to_ascii_lowercase().as_str() {
            "enter" => self.enter(object),
            "exit" => self.exit(object),
            "cancel" => {
                let slot = object.count("slot")?;
                let trade = object.text("trade_id")?;
                Ok(match self.slot_of(slot, trade.as_deref()) {
                    Ok(slot) => self.submit(&Intent::Cancel { slot }),
                    Err(_) => Verdict::refused(Code::NoWorkingOrder).into(),
                })
            }
            "mark" => self.mark(object),
            other => {
                Err(Fault(format!("action: found {other}; expected enter, exit, cancel or mark")))
            }
        }
    }

    fn submit(&mut self, intent: &Intent) -> Reply {
        self.kernel.submit(self.now, intent, &self.settings, &mut self.out).into()
    }

    fn enter(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let instrument = self.asset(&object.needed_text("asset")?)?;
        let name = object.text("trade_id")?;
        let slot = object.count("slot")?.unwrap_or(0);
        let side = needed_side(object)?;
        let (kind, tif) = terms(object)?;
        let mut numbers = Numbers::default();
        if object.text("qty")?.is_none() {
            return Err(missing("qty", "a decimal number"));
        }
        let qty: Option<Qty> = numbers.take(object, "qty")?;
        let leverage = numbers.take(object, "leverage")?.unwrap_or(Rate::ONE);
        let price = limit_price(&mut numbers, object)?;
        let reference: Option<Price> = numbers.take(object, "reference_price")?;
        let mut legs = ArrayVec::<Rate, LEGS_MAX>::new();
        for leg in object.texts("legs")?.unwrap_or_default() {
            if let Some(leg) = numbers.keep("legs", leg.parse())
                && legs.try_push(leg).is_err()
            {
                numbers
                    .unusable
                    .get_or_insert_with(|| format!("legs: expected at most {LEGS_MAX}"));
            }
        }
        let top = self.kernel.top(instrument);
        let executable = top.and_then(|top| top.executable(side.entry_side()));
        let reference = reference.or(price).or_else(|| executable.map(|(price, _)| price));
        let (None, Some(qty)) = (&numbers.unusable, qty) else {
            let refused = || Verdict::refused(Code::InvalidIntent).into();
            return Ok(numbers.refusal().unwrap_or_else(refused));
        };
        let trade = match name {
            Some(name) => self.trades.number(&name, self.kernel.next_trade()),
            None => self.kernel.next_trade(),
        };
        Ok(self.submit(&Intent::Enter {
            slot,
            trade: Some(trade),
            instrument,
            side,
            qty,
            leverage,
            kind,
            tif,
            price: price.into(),
            // Without any price there is none to check the size against: refused as unusable.
            reference_price: reference.unwrap_or(Price::ZERO),
            legs,
        }))
    }

    /// An exit never fails on its numbers: a size that is none means all that remains, a price that is
    /// none means by market, a time to live that is none means that it rests.
    fn exit(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let slot = object.count("slot")?;
        let trade = object.text("trade_id")?;
        let (kind, tif) = terms(object)?;
        let mut numbers = Numbers::default();
        let qty: Option<Qty> = numbers.take(object, "qty")?;
        let price = limit_price(&mut numbers, object)?;
        let is_leg = object.flag("leg")?.unwrap_or(false);
        let ttl_ns = numbers.take_ns(object, "ttl_ns")?;
        // A script may give any reason; one that the engine has no name for is the operator's.
        let reason = object.text("reason")?.unwrap_or_default().to_ascii_lowercase();
        let reason = DecisionReason::from_text(&reason).unwrap_or(DecisionReason::OperatorFlatten);
        let slot = match self.slot_of(slot, trade.as_deref()) {
            Ok(slot) => slot,
            Err(why) => {
                let refused = Reply::from(Verdict::refused(Code::NoOpenPosition));
                return Ok(Reply { reason: Some(why), ..refused });
            }
        };
        let reply = self.submit(&Intent::Exit {
            slot,
            qty: qty.into(),
            all: qty.is_none() && !is_leg,
            kind,
            tif,
            price: price.into(),
            ttl_ns,
            reason,
        });
        Ok(Reply { reason: numbers.unusable.or(reply.reason), ..reply })
    }

    /// A price that the slot, or the one that holds the asset, is valued at.
    fn mark(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let slot = object.count("slot")?;
        let trade = object.text("trade_id")?;
        let asset = object.text("asset")?.map(|asset| self.asset(&asset)).transpose()?;
        let mut numbers = Numbers::default();
        let price = limit_price(&mut numbers, object)?;
        let price = price.or(numbers.take(object, "reference_price")?);
        if let Some(refused) = numbers.refusal() {
            return Ok(refused);
        }
        let price = price.ok_or_else(|| missing("price", "a decimal number"))?;
        let holds = |row: &Slot| row.is_open() && row.instrument() == asset;
        let holder = self.kernel.slots().iter().position(holds);
        let nobody = || Verdict::refused(Code::NoOpenPosition).into();
        // The price of an asset never values another one.
        if asset.is_some() && (holder.is_none() || slot.is_some_and(|slot| Some(slot) != holder)) {
            return Ok(nobody());
        }
        Ok(match self.slot_of(slot.or(holder), trade.as_deref()) {
            Ok(slot) => self.submit(&Intent::Mark { slot, price }),
            Err(_) => nobody(),
        })
    }

    /// The slot meant by a slot number, by a round trip, or by both; else the first.
    fn slot_of(&self, slot: Option<usize>, trade: Option<&str>) -> Result<usize, String> {
        let Some(text) = trade else { return Ok(slot.unwrap_or(0)) };
        let holds = |trade: TradeId| {
            let mut slots = self.kernel.slots().iter();
            slots.position(|row| row.trade() == Some(trade))
        };
        match self.trades.known(text).and_then(holds) {
            Some(holder) if slot.is_none_or(|slot| slot == holder) => Ok(holder),
            Some(holder) => Err(format!("{text} is the round trip of slot {holder}")),
            None => Err(format!("no slot holds {text}")),
        }
    }
}

fn limit_price(numbers: &mut Numbers, object: &mut Object) -> Result<Option<Price>, Fault> {
    let price = numbers.take(object, "limit_price")?;
    Ok(price.or(numbers.take(object, "price")?))
}

/// Type and time in force: by market unless it says limit, until cancelled unless it says otherwise.
fn terms(object: &mut Object) -> Result<(OrderKind, TimeInForce), Fault> {
    let kind = object.choice("type", OrderKind::TEXTS, OrderKind::from_text)?;
    let tif = object.choice("tif", TimeInForce::TEXTS, TimeInForce::from_text)?;
    Ok((kind.unwrap_or(OrderKind::Market), tif.unwrap_or(TimeInForce::Gtc)))
}
