//! What the venue says in a script: answers to orders, money, snapshots.

use pinion_core::id::{InstrumentId, TextId};
use pinion_core::kernel::{Code, Verdict};
use pinion_core::msg::venue::{ForcedCause, RejectReason, VenueOrderState};
use pinion_core::msg::{ClientRef, Input, Maybe, PositionSide, Side, VenueEvent, VenueMsg};
use pinion_core::units::{Price, Qty};

use crate::script::EVENTS;
use crate::script::line::{Fault, Object, missing};
use crate::script::session::{Reply, Session, needed_side};

/// Whom a line is about.
struct Whose {
    client: ClientRef,
    venue_id: TextId,
    instrument: Option<InstrumentId>,
    /// It names an asset that the script does not have.
    is_elsewhere: bool,
}

impl Session {
    pub(super) fn venue(&mut self, event: &str, object: &mut Object) -> Result<Reply, Fault> {
        match event {
            "positions" => self.positions(object),
            "open_orders" => self.open_orders(object),
            "account" | "transfer" => {
                let event = account_event(event, object)?;
                Ok(self.say(ClientRef::Absent, None, event).into())
            }
            "funding" => {
                let amount = object.needed("amount")?;
                let rate = Maybe::from(object.exact("rate")?);
                let asset = object.text("asset")?.map(|asset| self.asset(&asset)).transpose()?;
                let event = VenueEvent::Funding { amount, rate };
                Ok(self.say(ClientRef::Absent, asset, event).into())
            }
            "forced" => self.forced(object),
            "ack" | "reject" | "ambiguous" | "cancel_ack" | "cancel_reject" | "expire"
            | "order_status" | "fill" | "fee_settled" => self.answer(event, object),
            other => {
                Err(Fault(format!("event: found {other}; expected one of {}", EVENTS.join(", "))))
            }
        }
    }

    fn say(
        &mut self,
        client: ClientRef,
        instrument: Option<InstrumentId>,
        event: VenueEvent,
    ) -> Verdict {
        self.input(&Input::Venue(VenueMsg {
            ts_exch_ns: Maybe::NONE,
            ts_recv_ns: self.now,
            client,
            instrument,
            event,
        }))
    }

    /// An answer about an order.
    fn answer(&mut self, event: &str, object: &mut Object) -> Result<Reply, Fault> {
        let whose = self.whose(object)?;
        let order = self.kernel.order_by_venue_id(&whose.venue_id).or(match whose.client {
            ClientRef::Own(client) => Some(client),
            ClientRef::Absent | ClientRef::Foreign => None,
        });
        let order = order.and_then(|client| self.kernel.order(client)).copied();
        let venue_id = whose.venue_id;
        // An end without a total is one at what the venue told so far.
        let told = order.map(|order| order.told);
        let event = match event {
            "ack" => VenueEvent::Ack { venue_id },
            "reject" => VenueEvent::Reject { reason: reject_reason(object)? },
            "cancel_reject" => VenueEvent::CancelRejected { reason: reject_reason(object)? },
            "ambiguous" => VenueEvent::Ambiguous,
            "cancel_ack" => {
                VenueEvent::Canceled { venue_id, cum_qty: object.size("cum_qty")?.or(told).into() }
            }
            "expire" => {
                VenueEvent::Expired { venue_id, cum_qty: object.size("cum_qty")?.or(told).into() }
            }
            "order_status" => VenueEvent::OrderStatus {
                venue_id,
                state: object
                    .choice("state", VenueOrderState::TEXTS, VenueOrderState::from_text)?
                    .ok_or_else(|| missing("state", "the order's state"))?,
                cum_qty: object.size("cum_qty")?.into(),
                avg_price: object.size("avg_price")?.into(),
            },
            "fee_settled" => VenueEvent::FeeSettled {
                fill_id: fill_id(object)?.ok_or_else(|| missing("fill_id", "a text"))?,
                fee: object.needed("fee")?,
            },
            _ => {
                let cum_qty: Option<Qty> = object.size("cum_qty")?;
                // Without its own quantity a fill is what its total adds.
                let booked = order.map_or(Qty::ZERO, |order| order.filled);
                let added = cum_qty.and_then(|cum| cum.checked_sub(booked));
                let added = added.filter(|added| added.is_positive());
                VenueEvent::Fill {
                    venue_id,
                    fill_id: fill_id(object)?.unwrap_or(TextId::EMPTY),
                    // A fill that lacks quantity or price has zero there: the kernel then asks the venue.
                    qty: object.size("qty")?.or(added).unwrap_or(Qty::ZERO),
                    price: object.size("price")?.unwrap_or(Price::ZERO),
                    fee: object.exact("fee")?.into(),
                    cum_qty: cum_qty.into(),
                    side: object.choice("side", Side::TEXTS, Side::from_text)?,
                    is_maker: object.flag("is_maker")?,
                }
            }
        };
        if whose.is_elsewhere && order.is_none() {
            // An asset that is not traded here: no order of ours, and no entry waits for it.
            let code = match event {
                VenueEvent::Fill { .. } => Code::ForeignFill,
                _ => Code::UnresolvedSlot,
            };
            return Ok(Verdict::refused(code).into());
        }
        let client = match (event, order) {
            // These carry no venue identity, so that ours must be in the message.
            (
                VenueEvent::Reject { .. }
                | VenueEvent::CancelRejected { .. }
                | VenueEvent::Ambiguous,
                Some(order),
            ) => ClientRef::Own(order.client),
            _ => whose.client,
        };
        Ok(self.say(client, whose.instrument, event).into())
    }

    /// Whom a line is about. An identity that does not fit ours is foreign, never cut.
    fn whose(&self, object: &mut Object) -> Result<Whose, Fault> {
        let slot = object.count("slot")?.unwrap_or(0);
        let venue = object.text("venue_order_id")?;
        let fitting = venue.as_deref().map(TextId::new);
        let client = match object.text("client_order_id")? {
            Some(text) => self.last.client(&text, slot),
            None if fitting == Some(None) => ClientRef::Foreign,
            None => ClientRef::Absent,
        };
        let asset = object.text("asset")?;
        let instrument = asset.as_deref().and_then(|asset| self.kernel.table().find(asset));
        Ok(Whose {
            client,
            venue_id: fitting.flatten().unwrap_or(TextId::EMPTY),
            instrument,
            is_elsewhere: asset.is_some() && instrument.is_none(),
        })
    }

    /// The venue closed of its own accord what we may hold.
    fn forced(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let asset = object.needed_text("asset")?;
        let event = VenueEvent::Forced {
            side: needed_side(object)?,
            fill_id: fill_id(object)?.unwrap_or(TextId::EMPTY),
            qty: object.size("qty")?.ok_or_else(|| missing("qty", "a decimal number"))?,
            price: object.size("price")?.ok_or_else(|| missing("price", "a decimal number"))?,
            fee: object.exact("fee")?.into(),
            cause: object
                .choice("cause", ForcedCause::TEXTS, ForcedCause::from_text)?
                .ok_or_else(|| missing("cause", "liquidation or adl"))?,
        };
        let Some(instrument) = self.kernel.table().find(&asset) else {
            return Ok(Verdict::refused(Code::ForeignFill).into());
        };
        Ok(self.say(ClientRef::Absent, Some(instrument), event).into())
    }

    /// Whether a snapshot succeeded, and the revision at which it was asked.
    fn asked(&self, object: &mut Object) -> Result<(bool, u64), Fault> {
        let ok = object.flag("ok")?.unwrap_or(true);
        let present = self.kernel.revision();
        let revision = match (object.count("revision")?, object.flag("stale")?.unwrap_or(false)) {
            (Some(revision), false) => revision,
            (None, false) => present,
            (None, true) => present.checked_sub(1).ok_or_else(|| {
                Fault(String::from("stale: found true; expected an order or a fill of ours before"))
            })?,
            (Some(_), true) => {
                return Err(Fault(String::from("stale: expected it or `revision`, not both")));
            }
        };
        Ok((ok, revision))
    }

    fn positions(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let (ok, revision) = self.asked(object)?;
        let mut rows = Vec::new();
        for mut row in object.objects(&["positions", "list", "rows"])? {
            let asset = row.needed_text("asset")?;
            let qty: Qty = row.needed("qty")?;
            let text = row.text("side")?.unwrap_or_default().to_ascii_lowercase();
            // Some venues say the direction by the sign, some by both.
            let side = match (PositionSide::from_text(&text), text.as_str()) {
                (Some(PositionSide::Long) | None, "long" | "both" | "") if qty < Qty::ZERO => {
                    PositionSide::Short
                }
                (Some(side), _) => side,
                (None, "both" | "") => PositionSide::Long,
                (None, _) => {
                    let expected = "long, short, or both with a signed quantity";
                    return Err(Fault(format!("side: found {text}; expected {expected}")));
                }
            };
            let entry_price = Maybe::from(row.size("entry_price")?);
            let event = VenueEvent::Position { side, qty: qty.abs(), entry_price };
            rows.push((self.kernel.table().find(&asset), event));
        }
        let end = VenueEvent::PositionsEnd { ok, rows: count(rows.len())?, revision };
        for (instrument, event) in rows {
            let _verdict = self.say(ClientRef::Absent, instrument, event);
        }
        Ok(self.say(ClientRef::Absent, None, end).into())
    }

    fn open_orders(&mut self, object: &mut Object) -> Result<Reply, Fault> {
        let (ok, revision) = self.asked(object)?;
        let mut rows = Vec::new();
        for mut row in object.objects(&["orders", "open_orders", "list", "rows"])? {
            let whose = self.whose(&mut row)?;
            let event = VenueEvent::OpenOrder {
                venue_id: whose.venue_id,
                side: row
                    .choice("side", Side::TEXTS, Side::from_text)?
                    .ok_or_else(|| missing("side", "buy or sell"))?,
                qty: row.size("qty")?.ok_or_else(|| missing("qty", "a decimal number"))?,
                cum_qty: row.size("cum_qty")?.unwrap_or(Qty::ZERO),
            };
            rows.push((whose, event));
        }
        let end = VenueEvent::OpenOrdersEnd { ok, rows: count(rows.len())?, revision };
        for (whose, event) in rows {
            let _verdict = self.say(whose.client, whose.instrument, event);
        }
        Ok(self.say(ClientRef::Absent, None, end).into())
    }
}

fn account_event(event: &str, object: &mut Object) -> Result<VenueEvent, Fault> {
    if event == "transfer" {
        return Ok(VenueEvent::Transfer { amount: object.needed("amount")? });
    }
    Ok(VenueEvent::Balance {
        wallet: object.exact("wallet_balance")?.into(),
        available: object.exact("available_margin")?.into(),
        used: object.exact("used_margin")?.into(),
        maint: object.exact("maint_margin")?.into(),
    })
}

/// A reason of the venue; one that the kernel has no name for is any other.
fn reject_reason(object: &mut Object) -> Result<RejectReason, Fault> {
    let text = object.text("reason")?.unwrap_or_default();
    Ok(RejectReason::from_text(&text.to_ascii_lowercase()).unwrap_or(RejectReason::Other))
}

fn fill_id(object: &mut Object) -> Result<Option<TextId>, Fault> {
    let Some(text) = object.text("fill_id")? else { return Ok(None) };
    TextId::new(&text).map(Some).ok_or_else(|| {
        Fault(format!("fill_id: found {text}; expected at most 23 printable characters"))
    })
}

fn count(rows: usize) -> Result<u32, Fault> {
    u32::try_from(rows).map_err(|_| Fault(format!("{rows} rows; expected fewer")))
}
