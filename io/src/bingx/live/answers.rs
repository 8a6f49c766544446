//! What an answer means: to the kernel, to the limits, to the clock, and whether a call goes again.

use pinion_core::msg::{Command, CommandMsg, Control, OrderRole, ProbeKind, VenueEvent};
use pinion_core::units::Nanos;

use super::super::endpoint::Endpoint;
use super::super::errors::{ErrorClass, Judged, Outcome, judge};
use super::super::json::Tape;
use super::super::listen_key::KeyCall;
use super::super::reports::Response;
use super::super::rest;
use super::egress::BingxEgress;
use super::socket::printable;
use super::waiting::{Item, Job};
use crate::net::{Answer, HttpEvent};

/// Times that a call refused for its timestamp goes again.
const CLOCK_TRIES_MAX: u8 = 2;

/// The status of an answer that did not come.
const NO_ANSWER: Answer<'static> = Answer { status: 0, remain: None, expires_ms: None, body: &[] };

impl BingxEgress {
    /// Takes in every answer that has come; how many.
    pub(super) fn hear_answers(&mut self, now: Nanos) -> u32 {
        let mut count = 0;
        while let Some(done) = self.wire.pool.poll(now) {
            count += 1;
            match done.event {
                HttpEvent::Answered => self.counts.answers += 1,
                HttpEvent::Lost(fault) => {
                    self.counts.lost += 1;
                    self.notices.say(format!("REST call: {fault}"));
                }
            }
            let line = Some(done.line);
            self.answered(now, done.tag, line);
        }
        count
    }

    /// A call that did not leave, or whose answer did not come.
    pub(super) fn unanswered(&mut self, now: Nanos, item: &Item) {
        self.answered(now, *item, None);
    }

    fn answered(&mut self, now: Nanos, item: Item, line: Option<usize>) {
        let answer = line.and_then(|line| self.wire.pool.answer(line)).unwrap_or(NO_ANSWER);
        let response = Response { http_status: answer.status, body: answer.body, recv_ns: now };
        let endpoint = item.call(&self.symbols, "").ok().map(|call| call.endpoint());
        if let Some((endpoint, remain)) = endpoint.zip(answer.remain)
            && let Some(until) = answer.expires_ms.and_then(|ms| self.wire.offset.to_ours(ms))
        {
            self.wire.limits.told(endpoint, remain, until);
        }
        let status = answer.status;
        let command = match item.job {
            Job::Command(CommandMsg { command, .. }) => Some(command),
            Job::Look { client, venue_id, instrument } => {
                Some(Command::Query { client, venue_id, instrument })
            }
            // No kernel asked: a view under revision 0 proves nothing, a wallet needs none.
            Job::Wallet => Some(Command::Probe { probe: ProbeKind::Balance, revision: 0 }),
            Job::Clock | Job::Key(_) | Job::Timer(_) | Job::History(_) => None,
        };
        let judged = if let Some(command) = command {
            let Self { reports, table, fills, scratch, .. } = self;
            scratch.clear();
            reports.answer(&command, &response, table, fills, &mut |message| scratch.push(message))
        } else {
            let mut tape = Tape::new();
            let envelope = rest::open(&mut tape, response.body).ok();
            let code = envelope.as_ref().map(|reply| reply.code);
            let is_good = (200..300).contains(&status);
            let msg = envelope.as_ref().map_or("", |reply| reply.msg.as_ref());
            let is_key = matches!(item.job, Job::Key(_));
            match code {
                Some(0) if is_good => None,
                // The listen key's answers have no envelope.
                None if is_good && is_key => None,
                // An unknown key is a matter of keys alone.
                None if status == 404 && is_key => None,
                _ => Some(judge(status, code.filter(|code| *code != 0), msg)),
            }
        };
        let words = judged.map(|judged| self.told(&item, judged, response.body));
        // A gateway's page tells nothing of the key or of the account.
        let is_venues = rest::open(&mut Tape::new(), response.body).is_ok();
        match item.job {
            Job::Wallet => self.is_wallet_asked = false,
            Job::Clock => self.on_clock(now, line),
            Job::Key(call) => self.on_key(now, call, status, line, judged),
            Job::Timer(_) if judged.is_none() => self.dead_man.on_done(now),
            Job::Timer(_) => self.dead_man.on_failed(now),
            Job::History(page) => self.on_history(now, page.is_whole, line),
            Job::Command(_) | Job::Look { .. } => {}
        }
        if let (Some(judged), Some(endpoint)) = (judged, endpoint) {
            let words = words.unwrap_or_default();
            self.judged(now, endpoint, status, judged, &words);
            if judged.outcome == Outcome::Halt && is_venues {
                self.halt(&words);
            }
            if status != 0 && self.goes_again(now, item, judged) {
                self.scratch.clear();
                return;
            }
        }
        if command.is_some() {
            for at in 0..self.scratch.len() {
                let message = self.scratch[at];
                self.out.tell(message);
            }
            self.scratch.clear();
        }
    }

    /// The trouble in words.
    fn told(&self, item: &Item, judged: Judged, body: &[u8]) -> String {
        let mut tape = Tape::new();
        let msg =
            rest::open(&mut tape, body).map(|reply| printable(&reply.msg)).unwrap_or_default();
        let name = item.call(&self.symbols, "").map_or("call", |call| call.endpoint().as_str());
        format!("{name}: {} ({}) {msg}", judged.class.as_str(), judged.outcome.as_str())
    }

    /// What an error means beyond its call.
    fn judged(&mut self, now: Nanos, endpoint: Endpoint, status: u16, judged: Judged, words: &str) {
        let retry_at = judged.retry_at_ms.and_then(|ms| self.wire.offset.to_ours(ms));
        self.wire.limits.judged(now, endpoint, status, judged, retry_at);
        if judged.class == ErrorClass::Timestamp {
            self.wire.offset.on_refused(now);
        }
        self.notices.say(words.to_owned());
    }

    /// Entries stop until a person acts; exits go on.
    fn halt(&mut self, words: &str) {
        if !self.kill.is_on() {
            self.kill.obey(Control::Kill);
            self.controls.push_back(Control::Kill);
            self.notices.say(format!("halted, exits go on: {words}"));
        }
    }

    /// Puts a call that was certainly refused, for a reason that a remedy removes, before the others.
    fn goes_again(&mut self, now: Nanos, mut item: Item, judged: Judged) -> bool {
        match judged.class {
            // The same identity: should it have arrived after all, the venue refuses the second.
            ErrorClass::Timestamp if item.tries < CLOCK_TRIES_MAX && !item.is_entry() => {
                let is_ours = matches!(
                    item.job,
                    Job::Command(CommandMsg {
                        command: Command::Place { role: OrderRole::Exit, .. }
                            | Command::Cancel { .. }
                            | Command::Query { .. },
                        ..
                    })
                );
                if is_ours {
                    item.tries += 1;
                    item.since = now;
                    self.waiting.put_first(item);
                }
                is_ours
            }
            ErrorClass::UnknownOrder | ErrorClass::Params
                if item.names_by_client() && !item.is_old_spelling =>
            {
                item.is_old_spelling = true;
                item.since = now;
                self.waiting.put_first(item);
                true
            }
            _ => false,
        }
    }

    fn on_clock(&mut self, now: Nanos, line: Option<usize>) {
        let body = line.and_then(|line| self.wire.pool.answer(line)).map(|answer| answer.body);
        let mut tape = Tape::new();
        let told = body
            .and_then(|body| rest::open(&mut tape, body).ok())
            .filter(|reply| reply.code == 0)
            .and_then(|reply| rest::server_time(&reply).ok());
        match told {
            Some(venue) => self.wire.offset.on_answer(now, venue),
            None => self.wire.offset.on_failure(now),
        }
    }

    fn on_key(
        &mut self,
        now: Nanos,
        call: KeyCall,
        status: u16,
        line: Option<usize>,
        judged: Option<Judged>,
    ) {
        match call {
            KeyCall::Create => {
                let body = line.and_then(|line| self.wire.pool.answer(line));
                let body = body.filter(|_| judged.is_none()).map(|answer| answer.body.to_vec());
                let mut tape = Tape::new();
                let reply = body.as_deref().and_then(|body| rest::open(&mut tape, body).ok());
                match reply.as_ref().and_then(|reply| rest::listen_key(reply).ok()) {
                    Some(key) => self.account.on_created(now, key),
                    None => self.account.on_key_failed(now),
                }
            }
            KeyCall::Extend if status == 404 => self.account.on_key_denied(now),
            KeyCall::Extend if judged.is_none() => self.account.on_extended(),
            KeyCall::Extend => self.account.on_key_failed(now),
        }
    }

    fn on_history(&mut self, now: Nanos, is_whole: bool, line: Option<usize>) {
        let Self { wire, reports, fills, table, scratch, history, out, .. } = self;
        let answer = line.and_then(|line| wire.pool.answer(line)).unwrap_or(NO_ANSWER);
        let response = Response { http_status: answer.status, body: answer.body, recv_ns: now };
        scratch.clear();
        let page = reports.fill_history(&response, is_whole, table, fills, &mut |message| {
            scratch.push(message);
        });
        let more = |event: &VenueEvent| match event {
            VenueEvent::Fill { venue_id, cum_qty, .. } => {
                cum_qty.get().zip(fills.filled(venue_id)).is_some_and(|(cum, told)| cum > told)
            }
            _ => false,
        };
        let found_more = scratch.iter().any(|message| more(&message.event));
        for message in scratch.drain(..) {
            out.tell(message);
        }
        history.on_page(now, page, found_more);
        self.tell_history(now);
    }
}
