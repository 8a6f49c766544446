//! Scripts for the kernel: one JSON event a line, applied to a fresh kernel, one JSON line out per event.
//!
//! ```text
//!   line.rs   a JSON object whose numbers stay text ──▶ session.rs ─┬─ intents.rs  enter, exit, cancel, mark
//!                                                                   └─ venue.rs    answers, facts, money
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
mod venue;

use std::io::{self, BufRead, Write};

use line::Line;
use session::Session;

/// Why a script ended early.
#[derive(Debug)]
pub enum Stop {
    /// A malformed line: where, what, what was expected.
    Line(String),
    /// The script cannot be read.
    Input(io::Error),
    /// The result cannot be handed on.
    Output(io::Error),
}

/// Runs a script to its end; `name` is what messages call it. Empty lines are skipped; members that an
/// event does not have are named on stderr and left alone.
///
/// # Errors
/// [`Stop`]; what was printed before stays printed.
pub fn run(name: &str, input: impl BufRead, out: &mut impl Write) -> Result<(), Stop> {
    let mut session = Session::new();
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
            let notice =
                format!("{name}:{}: `{event}` has no member `{member}`: ignored", index + 1);
            // Text for the person; when stderr is gone there is nobody to tell.
            drop(writeln!(io::stderr(), "{notice}"));
        }
        print::line(&session, &reply, out).map_err(Stop::Output)?;
    }
    Ok(())
}
