//! `pinion recover`: what a restart in a run directory finds. Changes nothing but the name of a snapshot
//! that cannot be believed.

use std::io::Write as _;
use std::path::PathBuf;

use pinion_core::kernel::Slot;
use pinion_core::msg::TradingState;
use pinion_io::journal::{RunDir, Tail};
use pinion_io::recover::{Recovery, StateLock, recover};
use serde_json::{Value, json};

use crate::summary::grouped;
use crate::{Exit, Failure};

/// Arguments of `pinion recover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
    /// Print the result as one JSON object to stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// What cannot be read (1), another process at work there (1), and a state that must be reconciled with
/// the venue before anything is entered (7).
pub fn run(args: &Args) -> Result<(), Failure> {
    if !args.run_dir.is_dir() {
        return Err(Failure::usage(format!(
            "{}: no such run directory; expected the folder of an earlier run",
            args.run_dir.display()
        )));
    }
    let failed = |fault: pinion_io::journal::JournalFault| Failure::error(fault.to_string());
    let dir = RunDir::open(&args.run_dir).map_err(failed)?;
    let _lock = StateLock::take(dir.path()).map_err(failed)?;
    let found = recover(&dir).map_err(failed)?;
    if let (Tail::Torn { bytes, .. }, None) = (found.tail, &found.unknown) {
        // Text for the person; when stderr is gone there is nobody to tell.
        drop(writeln!(std::io::stderr(), "{bytes} bytes of a torn last frame dropped"));
    }
    let result = if args.json {
        writeln!(std::io::stdout(), "{}", as_json(&found))
    } else {
        writeln!(std::io::stdout(), "{}", as_text(&found))
    };
    result.map_err(|error| Failure::error(format!("stdout: {error}")))?;
    match why_reconcile(&found) {
        None => Ok(()),
        Some(why) => Err(Failure::new(
            Exit::Reconcile,
            format!(
                "{}: {why}; expected a flat state with nothing under way: reconcile with the venue \
                 before any entry",
                args.run_dir.display()
            ),
        )),
    }
}

/// Why nothing may be entered before the venue was asked; `None` for a flat state without live orders.
fn why_reconcile(found: &Recovery) -> Option<String> {
    let kernel = found.replica.engine().kernel();
    if let Some(unknown) = &found.unknown {
        return Some(unknown.clone());
    }
    let used = kernel.slots().iter().filter(|slot| !slot.is_free()).count();
    if used > 0 {
        return Some(format!("{used} slots hold a position or an order under way"));
    }
    kernel.is_frozen().then(|| String::from("the books are frozen"))
}

fn slot_json(found: &Recovery, index: usize, slot: &Slot) -> Value {
    let table = found.replica.engine().kernel().table();
    json!({
        "slot": index,
        "trade_id": slot.trade().map(pinion_core::id::TradeId::seq),
        "asset": slot.instrument().map(|instrument| table.symbol(instrument)),
        "side": slot.side().map(|side| side.as_str()),
        "stage": slot.stage().as_str(),
        "size": slot.size().to_string(),
        "entry_price": slot.entry_price().map(|price| price.to_string()),
        "realized_pnl": slot.realized().to_string(),
        "entry_order": slot.entry_order().map(|order| order.to_string()),
        "exit_order": slot.exit_order().map(|order| order.to_string()),
    })
}

fn as_json(found: &Recovery) -> Value {
    let engine = found.replica.engine();
    let kernel = engine.kernel();
    let ledger = kernel.ledger();
    let slots = kernel.slots().iter().enumerate();
    json!({
        "run_id": found.header.run_id,
        "account_id": found.header.account(),
        "epoch": found.header.epoch,
        "inputs": engine.inputs(),
        "from_snapshot": found.from_snapshot,
        "ts_ns": engine.now().get(),
        "tail": match found.tail {
            Tail::Complete => "complete",
            Tail::Open => "open",
            Tail::Torn { .. } if found.unknown.is_some() => "damaged",
            Tail::Torn { .. } => "torn",
        },
        "tail_bytes_lost": match found.tail {
            Tail::Torn { bytes, .. } => bytes,
            Tail::Complete | Tail::Open => 0,
        },
        "quarantined": found.quarantined.as_ref().map(|file| json!({
            "file": file.name, "why": file.why.to_string(),
        })),
        "reconcile": why_reconcile(found),
        "state": kernel.trading_state().as_str(),
        "slots": slots.map(|(index, slot)| slot_json(found, index, slot)).collect::<Vec<_>>(),
        "account": {
            "capital": ledger.capital().to_string(),
            "realized_pnl": ledger.realized().to_string(),
            "fees_paid": ledger.fees().to_string(),
            "funding_paid": ledger.funding().to_string(),
            "reconcile": kernel.facts().reconcile().as_str(),
            "frozen": kernel.is_frozen(),
        },
    })
}

fn as_text(found: &Recovery) -> String {
    let engine = found.replica.engine();
    let kernel = engine.kernel();
    let mut lines = vec![format!(
        "{}: {} inputs, capital {}, epoch {}",
        found.header.run_id,
        grouped(engine.inputs()),
        kernel.ledger().capital(),
        found.header.epoch
    )];
    lines.push(match found.from_snapshot {
        Some(inputs) => format!("from the snapshot at input {}", grouped(inputs)),
        None => String::from("from the journal alone, replayed from its start"),
    });
    if let Tail::Torn { offset, bytes } = found.tail {
        lines.push(format!("the journal breaks off at byte {offset}: {bytes} bytes are of no use"));
    }
    if let Some(file) = &found.quarantined {
        lines.push(format!("set aside as {}: {}", file.name, file.why));
    }
    if kernel.trading_state() != TradingState::Active {
        let state = kernel.trading_state().as_str();
        lines.push(format!("{state}: the operator's word holds until `pinion resume`"));
    }
    for (index, slot) in kernel.slots().iter().enumerate() {
        let asset = slot.instrument().map_or("-", |instrument| kernel.table().symbol(instrument));
        lines.push(format!("slot {index}: {} {asset} {}", slot.stage().as_str(), slot.size()));
    }
    lines.join("\n")
}
