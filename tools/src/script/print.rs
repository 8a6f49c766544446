//! The line that answers an event.

use std::io::{self, Write};

use pinion_core::kernel::{Kernel, Slot};
use pinion_core::msg::Command;
use pinion_core::units::Money;
use serde::Serialize;

use crate::script::names::Trades;
use crate::script::session::{Reply, Session};

/// A whole line, keys in the promised order.
#[derive(Serialize)]
struct Printed<'a> {
    t: i64,
    accepted: bool,
    code: &'a str,
    reason: Option<&'a str>,
    commands: Vec<CommandRow<'a>>,
    slots: Vec<SlotRow<'a>>,
    account: AccountRow,
}

/// What would leave. A cancel and a query have only their identity.
#[derive(Serialize)]
struct CommandRow<'a> {
    kind: &'a str,
    client_order_id: String,
    asset: &'a str,
    side: Option<&'a str>,
    r#type: Option<&'a str>,
    tif: Option<&'a str>,
    qty: Option<String>,
    price: Option<String>,
    reduce_only: Option<bool>,
}

#[derive(Serialize)]
struct SlotRow<'a> {
    slot: usize,
    trade_id: Option<&'a str>,
    asset: Option<&'a str>,
    side: Option<&'a str>,
    stage: &'a str,
    size: String,
    initial_size: String,
    entry_price: Option<String>,
    realized_pnl: String,
    leg: u8,
}

#[derive(Serialize)]
struct AccountRow {
    capital: String,
    equity: Option<String>,
    realized_pnl: String,
    unrealized_pnl: Option<String>,
    fees_paid: String,
    funding_paid: String,
    reconcile: &'static str,
    delta: Option<String>,
    frozen: bool,
}

/// Prints the answer to a line.
pub(super) fn line(session: &Session, reply: &Reply, out: &mut impl Write) -> io::Result<()> {
    let kernel = session.kernel();
    let commands = session.commands().iter().map(|message| command(kernel, &message.command));
    let slots = kernel.slots().iter().enumerate();
    let printed = Printed {
        t: session.now().get(),
        accepted: reply.accepted,
        code: reply.code,
        reason: reply.reason.as_deref(),
        commands: commands.collect(),
        slots: slots.map(|(index, row)| slot(kernel, session.trades(), index, row)).collect(),
        account: account(kernel),
    };
    serde_json::to_writer(&mut *out, &printed)?;
    out.write_all(b"\n")
}

fn command<'a>(kernel: &'a Kernel, command: &Command) -> CommandRow<'a> {
    let bare = |kind, client: &dyn ToString, instrument| CommandRow {
        kind,
        client_order_id: client.to_string(),
        asset: kernel.table().symbol(instrument),
        side: None,
        r#type: None,
        tif: None,
        qty: None,
        price: None,
        reduce_only: None,
    };
    match command {
        Command::Place { client, instrument, side, kind, tif, reduce_only, qty, price, .. } => {
            CommandRow {
                side: Some(side.as_str()),
                r#type: Some(kind.as_str()),
                tif: Some(tif.as_str()),
                qty: Some(qty.to_string()),
                price: price.get().map(|price| price.to_string()),
                reduce_only: Some(*reduce_only),
                ..bare("place", client, *instrument)
            }
        }
        Command::Cancel { client, instrument, .. } => bare("cancel", client, *instrument),
        Command::Query { client, instrument, .. } => bare("query", client, *instrument),
        Command::Probe { probe, .. } => CommandRow {
            kind: "probe",
            client_order_id: String::new(),
            asset: probe.as_str(),
            side: None,
            r#type: None,
            tif: None,
            qty: None,
            price: None,
            reduce_only: None,
        },
    }
}

fn slot<'a>(kernel: &'a Kernel, trades: &'a Trades, index: usize, slot: &Slot) -> SlotRow<'a> {
    SlotRow {
        slot: index,
        trade_id: slot.trade().and_then(|trade| trades.text(trade)),
        asset: slot.instrument().map(|instrument| kernel.table().symbol(instrument)),
        side: slot.side().map(|side| side.as_str()),
        stage: slot.stage().as_str(),
        size: slot.size().to_string(),
        initial_size: slot.initial_size().to_string(),
        entry_price: slot.entry_price().map(|price| price.to_string()),
        realized_pnl: slot.realized().to_string(),
        leg: slot.leg(),
    }
}

fn account(kernel: &Kernel) -> AccountRow {
    let (ledger, facts) = (kernel.ledger(), kernel.facts());
    let text = |money: Option<Money>| money.map(|money| money.to_string());
    AccountRow {
        capital: ledger.capital().to_string(),
        equity: text(kernel.equity()),
        realized_pnl: ledger.realized().to_string(),
        unrealized_pnl: text(kernel.unrealized()),
        fees_paid: ledger.fees().to_string(),
        funding_paid: ledger.funding().to_string(),
        reconcile: facts.reconcile().as_str(),
        delta: text(facts.delta()),
        frozen: kernel.is_frozen(),
    }
}
