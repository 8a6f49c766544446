//! Scripts for the kernel: one JSON event a line, applied to a fresh kernel, one JSON line out per event.
//!
//! ```text
//!   line.rs   a JSON object whose numbers stay text ──▶ session.rs ─┬─ intents.rs  enter, exit, cancel, mark
//!                                                                   └─ venue.rs    answers, facts, money
//!   state.rs  a script's state as bytes     store.rs  the same in a directory
//!   names.rs  trade ids and order ids of the script                       │
//!   print.rs  verdict, commands, slots, books  ◀──────────────────────────┘
//! ```
//!
//! A line is malformed when it is no JSON object, lacks what its event needs, or holds a number the units
//! cannot hold; the run ends there. In an intent such a number is what the script tries out: an entry with
//! it is refused as `invalid_intent`, an exit takes all that remains.

mod intents;
mod line;
mod names;
mod print;
mod session;
mod state;
mod store;
mod venue;

use std::io::{self, BufRead, Write};
use std::path::Path;

use pinion_io::journal::JournalFault;

use line::Line;
use session::{Reply, Session};
use store::{Opened, Store};

/// Every event of a script.
pub const EVENTS: [&str; 29] = [
    "config",
    "instrument",
    "quote",
    "trade",
    "mark",
    "gap",
    "intent",
    "ack",
    "reject",
    "ambiguous",
    "cancel_ack",
    "cancel_reject",
    "expire",
    "order_status",
    "fill",
    "forced",
    "fee_settled",
    "account",
    "funding",
    "transfer",
    "positions",
    "open_orders",
    "tick",
    "kill",
    "resume",
    "recover",
    "reanchor",
    "save",
    "restore",
];

/// The events and their members, for `--help`; a `?` marks what may be left out.
pub const HELP: &str = "\
Every line has `t` (nanoseconds, not decreasing) and `event`. A number is a JSON number or a text of
plain digits.

First  config      max_slots? capital? taker_rate? maker_rate? and any setting by its dotted name
       instrument  asset tick lot min_notional? tradable?
Market quote       asset bid ask bid_qty? ask_qty?
       trade       asset price qty? side?
       mark        asset price
       gap         asset
Intent intent      action: enter   asset side qty trade_id? slot? leverage? type? tif? limit_price?
                                   reference_price? legs?
                           exit    slot? trade_id? qty? (none: all) leg? type? tif? limit_price? ttl_ns? reason?
                           cancel  slot? trade_id?
                           mark    price slot? trade_id? asset?
Venue  ack reject ambiguous cancel_ack cancel_reject expire order_status fill
                   client_order_id? venue_order_id? slot? asset? and
                   reject, cancel_reject: reason?; cancel_ack, expire: cum_qty?
                   order_status: state cum_qty? avg_price?
                   fill: qty price fill_id? cum_qty? fee? side? is_maker?
       forced      asset side qty price fill_id? fee? cause: liquidation or adl
       fee_settled fill_id fee
       account     wallet_balance? available_margin? used_margin? maint_margin?
       funding     amount asset? rate?
       transfer    amount
       positions   positions? [asset side? qty entry_price?] ok? revision? stale?
       open_orders orders? [client_order_id? venue_order_id? asset? side qty cum_qty?] ok? revision? stale?
Other  tick  kill  resume  recover  reanchor  save  restore

`$entry` and `$exit` stand for the last entry and exit order of the slot, `<as sent>` for the order that
left last. A fee is signed as the venue signs it: negative is a cost. `side` of `forced` is that of the position
that the venue closed. A snapshot was asked at the present revision (orders sent plus fills booked) unless
`revision` says at which, or `\"stale\":true` says that it was asked before the last of these.

With --state DIR each line is in DIR before its answer is printed. Started again with the same DIR, the
script goes on where it was: the first line printed is then the kernel's word on the restart (what it
asks the venue about), and the ids of new orders carry the next epoch. A line without an answer was
either kept or not; the restart line counts the kept ones.";

/// Why a script ended early.
#[derive(Debug)]
pub enum Stop {
    /// A malformed line: where, what, what was expected.
    Line(String),
    /// The script cannot be read.
    Input(io::Error),
    /// The result cannot be handed on.
    Output(io::Error),
    /// The state directory cannot be read or written, or is in use.
    State(JournalFault),
    /// The journal of the state directory cannot be believed, or lines of it are lost.
    Lost(JournalFault),
}

impl From<JournalFault> for Stop {
    fn from(fault: JournalFault) -> Self {
        Self::State(fault)
    }
}

/// Runs a script to its end; `name` is what messages call it. Empty lines are skipped; members that an
/// event does not have are named on stderr and left alone. With a `state` directory each line is kept
/// there before its answer is printed, and the script goes on where an earlier one ended.
///
/// # Errors
/// [`Stop`]; what was printed before stays printed.
pub fn run(
    name: &str,
    state: Option<&Path>,
    input: impl BufRead,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let (mut session, mut store) = match state {
        None => (Session::new(), None),
        Some(path) => {
            let Opened { store, session, notices, lines } = Store::open(path)?;
            notices.iter().for_each(|notice| tell(notice));
            if let Some(lines) = lines {
                let epoch = session.epoch;
                let reason = format!("restarted as epoch {epoch} after {lines} lines");
                let reply = Reply { accepted: true, code: "ok", reason: Some(reason) };
                print::line(&session, &reply, out).map_err(Stop::Output)?;
                out.flush().map_err(Stop::Output)?;
            }
            (session, Some(store))
        }
    };
    for (index, text) in input.split(b'\n').enumerate() {
        let text = text.map_err(Stop::Input)?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let at = |fault: line::Fault| Stop::Line(format!("{name}:{}: {fault}", index + 1));
        let mut line = Line::parse(&text).map_err(at)?;
        let reply = session.apply(&mut line).map_err(at)?;
        for member in line.unread() {
            let event = line.event();
            tell(&format!("{name}:{}: `{event}` has no member `{member}`: ignored", index + 1));
        }
        if let Some(store) = &mut store {
            store.keep(&text, &session).map_err(Stop::State)?;
        }
        print::line(&session, &reply, out).map_err(Stop::Output)?;
        if store.is_some() {
            // Whoever drives the script acts on what has left.
            out.flush().map_err(Stop::Output)?;
        }
    }
    Ok(())
}

/// Text for the person; when stderr is gone there is nobody to tell.
fn tell(notice: &str) {
    drop(writeln!(io::stderr(), "{notice}"));
}
