//! What the words do, and what is answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::Gauges;
use pinion_core::gate::KillSwitch;
use pinion_core::msg::{Control, ControlMsg, TradingState};
use pinion_core::settings::Mode;
use serde_json::{Value, json};

use super::Verb;

/// Words that may wait for room in the kernel's queue.
const PENDING_MAX: usize = 16;

/// What the desk holds of a run.
#[derive(Clone, Debug)]
pub struct Engagement {
    /// The run, as its files name it.
    pub run_id: String,
    /// Paper, demo or live.
    pub mode: Mode,
    /// Read by the last stage before the venue at the moment of sending.
    pub kill: Arc<KillSwitch>,
    /// To the kernel.
    pub control: Arc<ArrayQueue<ControlMsg>>,
    /// From the kernel.
    pub gauges: Arc<Gauges>,
    /// Set when the run is to end.
    pub stop: Arc<AtomicBool>,
    /// How the process is locked in, for `status`.
    pub sandbox: String,
}

/// Takes words, answers with the state of things. Owner: the watch thread.
#[derive(Debug)]
pub struct Desk {
    run: Engagement,
    pending: VecDeque<Control>,
    /// Words were given that the kernel had not taken when last looked at.
    given: bool,
    /// Publications of the gauges when the queue was seen empty after the last word: a further one is of after
    /// that word.
    taken_at: Option<u64>,
}

impl Desk {
    /// For one run.
    #[must_use]
    pub const fn new(run: Engagement) -> Self {
        Self { run, pending: VecDeque::new(), given: false, taken_at: None }
    }

    /// Moves what waits; to be called often. A halt of the engine's own making reaches the switch here.
    pub fn poll(&mut self) {
        while let Some(control) = self.pending.front().copied() {
            let message = ControlMsg { ts_recv_ns: self.run.gauges.now(), control };
            if self.run.control.push(message).is_err() {
                break;
            }
            self.pending.pop_front();
        }
        if self.given && self.pending.is_empty() && self.run.control.is_empty() {
            self.given = false;
            self.taken_at = Some(self.run.gauges.published());
        }
        // Before a resume has arrived the figures are those of before it, and must not undo it.
        let is_halted = || self.run.gauges.figures().state == TradingState::Halted;
        if self.is_settled() && !self.run.kill.is_on() && is_halted() {
            self.run.kill.obey(Control::Kill);
        }
    }

    /// True when the figures are of after every word given so far.
    fn is_settled(&self) -> bool {
        !self.given && self.taken_at.is_none_or(|at| self.run.gauges.published() > at)
    }

    /// The answer to a line, without its end.
    pub fn answer(&mut self, line: &str) -> String {
        let line = line.trim();
        let Some(verb) = Verb::from_text(line) else {
            return refusal(&format!("unknown verb; expected one of {}", Verb::TEXTS.join(", ")));
        };
        if let Some(control) = verb.control() {
            // Before the queue: nothing that increases risk leaves from here on.
            self.run.kill.obey(control);
            if self.pending.back() != Some(&control) {
                if self.pending.len() >= PENDING_MAX {
                    return refusal("the engine takes no words: too many wait already");
                }
                self.pending.push_back(control);
            }
            self.given = true;
            self.poll();
        }
        self.state(verb).to_string()
    }

    fn state(&self, verb: Verb) -> Value {
        let run = &self.run;
        let figures = run.gauges.figures();
        let is_killed = run.kill.is_on();
        let state = if is_killed { TradingState::Halted } else { figures.state };
        json!({
            "ok": true,
            "verb": verb.as_str(),
            "run_id": run.run_id,
            "mode": run.mode.as_str(),
            "pid": std::process::id(),
            "state": state.as_str(),
            "settled": self.is_settled(),
            "kill_switch": is_killed,
            "flattening": figures.is_flattening,
            "flat": figures.is_flat,
            "frozen": figures.is_frozen,
            "journal_short": figures.is_journal_short,
            "stopping": run.stop.load(Ordering::Acquire),
            "sandbox": run.sandbox,
            "open_positions": figures.open_positions,
            "working_orders": figures.working_orders,
            "working_entries": figures.working_entries,
            "capital": figures.capital.to_string(),
            "equity": figures.equity.map(|equity| equity.to_string()),
            "net_pnl": figures.net_pnl.to_string(),
            "trades_closed": figures.trades_closed,
            "inputs": figures.inputs,
            "now_ns": figures.now.get(),
        })
    }
}

/// An answer that says no.
pub(super) fn refusal(why: &str) -> String {
    json!({ "ok": false, "error": why }).to_string()
}
