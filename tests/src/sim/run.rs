//! The driver: one thread, virtual time, the real stages on real links, in a seeded order.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pinion_core::id::TradeId;
use pinion_core::msg::record::OrderStatus;
use pinion_core::msg::{Control, MarketMsg, PositionSide, Record, Scan, ScanMsg};
use pinion_core::stage::Stage;
use pinion_core::units::Nanos;
use pinion_io::paper::ReplyLink;
use pinion_io::paper::faults::FaultyVenue;
use pinion_oracle::{Breach, Event, Oracle};

use super::chaos::{Chaos, Deed};
use super::checks::{Shown, adoptions};
use super::counters::Counters;
use super::deadlines::{Deadlines, Sight};
use super::dice::Dice;
use super::job::{Class, Failure, Job, Outcome};
use super::life::Tape;
use super::market::{Generator, START};
use super::options::Options;
use super::proof::Proof;
use super::rig::{Rig, World, Written};
use super::rings::Rings;
use super::trace::Trace;
use super::truth;
use super::watch::Watch;

const MS: i64 = Nanos::SECOND / 1_000;
/// Rounds of polling at one moment before it counts as a loop without end.
const ROUNDS_MAX: u32 = 200_000;

/// A run under way.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) job: &'a Job,
    pub(super) world: World,
    pub(super) rig: Option<Rig>,
    pub(super) tape: Tape,
    pub(super) oracle: Oracle,
    pub(super) counters: Counters,
    pub(super) chaos: Chaos,
    pub(super) generator: Generator,
    pub(super) trace: Trace,
    pub(super) now: Nanos,
    pub(super) next_market: Nanos,
    pub(super) next_scan: Nanos,
    pub(super) scans: u32,
    /// Kernel, egress and journal stand still until then.
    pub(super) stalled: [Nanos; 3],
    /// What is about to happen because an order has just left: when, what, and the order's number.
    pub(super) soon: Vec<(Nanos, Deed, u32)>,
    /// The operator wants it killed, or flat: nothing that increases may leave.
    pub(super) is_killed: bool,
    pub(super) is_flattening: bool,
    /// The stages were polled at this moment already.
    polled_at: Nanos,
    pub(super) calm: bool,
    /// Since when.
    pub(super) calm_at: Nanos,
    /// The venue's answers take their time.
    pub(super) is_late: bool,
    /// Until then a restarted engine may know less than the venue.
    pub(super) blind_until: Nanos,
    pub(super) rested_at: i64,
    pub(super) next_state_check: u64,
    pub(super) intents: Vec<u32>,
    pub(super) heard: usize,
    pub(super) proof: Proof,
    pub(super) watch: Watch,
    /// The process dies before the next step: the number of the entry that has just left.
    crash_wanted: Option<u32>,
    /// The process is to begin again as soon as nothing is on its way.
    pub(super) restart_wanted: bool,
    pub(super) rings: Rings,
    pub(super) deadlines: Deadlines,
    pub(super) sight: Sight,
    /// A start of the engine knew less than there was: it came without a disk, or the end of the journal
    /// was lost.
    pub(super) forgetful: bool,
    /// Version of the settings that were published last.
    pub(super) version: u32,
    /// The trip of each slot whose adoption the oracle was told of.
    pub(super) adopted: Vec<Option<TradeId>>,
    /// What the engine was shown since anything last happened.
    pub(super) shown: Shown,
    faults_seen: usize,
    rounds: u64,
    /// Orders and fills that the kernel told so far: what happens near them is numbered by these.
    orders: u32,
    fills: u32,
}

std::thread_local! {
    /// Where the last panic of this thread was.
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics are told by the outcome, with their place, and not on stderr. For the process; call it once.
pub fn hush_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PANICKED_AT.with_borrow_mut(|at| *at = place);
    }));
}

/// Runs a seed to its end; a panic is an outcome like any other.
#[must_use]
pub fn run(job: &Job) -> Outcome {
    let mut run = Run::new(job);
    let ended = catch_unwind(AssertUnwindSafe(|| run.go()));
    let failure = match ended {
        Ok(verdict) => verdict.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| String::from("a panic without a text"));
            let place = PANICKED_AT.with_borrow_mut(std::mem::take);
            let what = format!("{text}, at {place}");
            let breach = Breach { check: "P_panic", what };
            Some(Failure { class: Class::Crash, breach, event: run.tape.written() })
        }
    };
    run.outcome(failure)
}

/// What likes to happen just when an order leaves: what, how often, and how soon after it.
const fn near_an_order(options: &Options, is_exit: bool) -> [(Deed, i64, i64); 3] {
    [
        (Deed::KillAtEntry, if is_exit { 0 } else { options.kill_entry_ppm }, 10 * MS),
        (Deed::ForceAtOrder, options.force_order_ppm, 50 * MS),
        (Deed::CrashAtOrder, options.crash_order_ppm, 2_000 * MS),
    ]
}

impl<'a> Run<'a> {
    fn new(job: &'a Job) -> Self {
        let (generator, table) = Generator::new(job.seed, &job.options);
        let world = World::new(job.seed, &job.options, table);
        let (tape, engine) = Tape::new(&world, job.only_intents.clone());
        let (settings, table) = (&world.settings, std::sync::Arc::clone(&world.table));
        let mut venue = FaultyVenue::new(settings, table, job.plan, job.seed);
        venue.allow(job.only_faults.as_deref());
        let proof = Proof::new(settings);
        let oracle = Oracle::new(truth::rules(&world.table, job.options.slots));
        Self {
            job,
            rig: Some(Rig::new(&world, engine, venue)),
            world,
            tape,
            oracle,
            counters: Counters::default(),
            chaos: Chaos::new(job.seed, &job.options, job.only_deeds.clone()),
            generator,
            trace: Trace::new(job.trace),
            now: START,
            next_market: START,
            next_scan: START,
            scans: 0,
            stalled: [Nanos::ZERO; 3],
            soon: Vec::new(),
            is_killed: false,
            is_flattening: false,
            polled_at: Nanos::ZERO,
            calm: false,
            calm_at: Nanos::ZERO,
            is_late: job.plan.fields().any(|(_, group, value)| group == "time" && value > 0),
            blind_until: Nanos::ZERO,
            rested_at: i64::MIN,
            next_state_check: job.options.state_every.max(1).cast_unsigned(),
            intents: Vec::new(),
            heard: 0,
            proof,
            watch: Watch::default(),
            crash_wanted: None,
            restart_wanted: false,
            rings: Rings::default(),
            deadlines: Deadlines::default(),
            sight: Sight::default(),
            forgetful: false,
            version: 0,
            adopted: Vec::new(),
            shown: Shown::default(),
            faults_seen: 0,
            rounds: 0,
            orders: 0,
            fills: 0,
        }
    }

    fn go(&mut self) -> Result<(), Failure> {
        while self.tape.written() < self.job.events {
            self.step()?;
        }
        if self.job.hell { Ok(()) } else { self.liveness() }
    }

    fn outcome(mut self, failure: Option<Failure>) -> Outcome {
        let (hash, hashes) = self.tape.hashes();
        let hashes = hashes.to_vec();
        self.hear();
        let mut faults = Vec::new();
        if let Some(rig) = &self.rig {
            faults = rig.venue().injected().to_vec();
            for (name, count) in rig.venue().counts() {
                self.counters.add("fault", name, count);
            }
        }
        for deed in Deed::ALL {
            let count = self.chaos.happened().iter().filter(|at| at.0 == *deed).count();
            self.counters.add("deed", deed.as_str(), count as u64);
        }
        let state = if self.job.trace { self.state() } else { String::new() };
        Outcome {
            seed: self.job.seed,
            events: self.tape.written(),
            lasted_ns: self.now.since(START),
            hash,
            hashes,
            failure,
            counters: self.counters,
            faults,
            deeds: self.chaos.happened().to_vec(),
            intents: self.intents,
            trace: self.trace.into_lines(),
            state,
        }
    }

    /// Wraps a breach with the place where it was found.
    pub(super) fn failed(&self, breach: Breach) -> Failure {
        Failure::of(breach, self.tape.written())
    }

    /// Goes to the next moment at which anything is due, and lets everything happen that is due there.
    pub(super) fn step(&mut self) -> Result<(), Failure> {
        self.now = self.next_moment();
        for at in &mut self.stalled {
            if *at <= self.now {
                *at = Nanos::ZERO;
            }
        }
        while let Some(at) = self.soon.iter().position(|(at, ..)| *at <= self.now) {
            let (_, deed, number) = self.soon.remove(at);
            self.do_deed(deed, number)?;
        }
        if self.next_market <= self.now {
            let message = self.generator.next(self.now);
            let pause = self.generator.pause();
            self.next_market = self.now.plus(if self.calm { pause.min(40_000_000) } else { pause });
            self.give(message);
            self.scan();
            if !self.calm {
                for deed in self.chaos.at_step(message.seq) {
                    self.do_deed(deed, message.seq)?;
                }
            }
        }
        self.settle()?;
        if let Some(number) = self.crash_wanted.take().filter(|_| !self.calm) {
            self.do_deed(Deed::CrashAtEntry, number)?;
        }
        if self.restart_wanted && self.is_idle() {
            self.restart_wanted = false;
            self.restart()?;
        }
        Ok(())
    }

    /// Nothing is on any link and no stage stands still.
    fn is_idle(&self) -> bool {
        self.stalled.iter().all(|at| *at <= self.now)
            && self
                .rig
                .as_ref()
                .is_some_and(|rig| rig.is_quiet() && rig.kernel.drained() && rig.egress.drained())
    }

    /// A market message happens.
    pub(super) fn give(&mut self, message: MarketMsg) {
        if let Some(rig) = &mut self.rig {
            rig.market(message);
            self.rings.gave_market(&message);
        }
    }

    fn next_moment(&self) -> Nanos {
        let mut next = self.next_market;
        let mut due = |at: Option<Nanos>| {
            if let Some(at) = at
                && at > self.now
            {
                next = next.min(at);
            }
        };
        for (at, ..) in &self.soon {
            due(Some(*at));
        }
        for at in self.stalled {
            due(Some(at));
        }
        if let Some(rig) = &self.rig {
            if self.stalled[0] == Nanos::ZERO {
                due(rig.kernel.next_deadline());
            }
            if self.stalled[1] == Nanos::ZERO {
                due(rig.egress.next_deadline());
            }
        }
        next.max(self.now)
    }

    /// Rankings and scans for the base policy, about one a second.
    fn scan(&mut self) {
        if self.job.options.policy == 0 || self.now < self.next_scan {
            return;
        }
        self.next_scan = self.now.plus(Nanos::SECOND);
        self.scans += 1;
        let number = self.scans;
        let mut dice = Dice::new(self.job.seed, 20, u64::from(number));
        let Self { rig: Some(rig), rings, .. } = self else { return };
        let mut scan = |message: ScanMsg| {
            rig.scan(message);
            rings.gave_scan(message);
        };
        for (place, (instrument, _)) in self.world.table.iter().enumerate() {
            let direction =
                if dice.chance(500_000) { PositionSide::Long } else { PositionSide::Short };
            scan(ScanMsg::Rank(pinion_core::msg::Rank {
                number,
                place: u16::try_from(place).unwrap_or(u16::MAX),
                instrument,
                direction,
                verdict: pinion_core::msg::scan::RankVerdict::Pass,
                latency: 3,
                efficiency: 2.0,
                alignment: 0.6,
                noise_ppm: 120.0,
                ars: 1.0,
            }));
        }
        let vel_div = [None, Some(0.0), Some(-0.04), Some(0.04)];
        let vel_div = dice.pick(&vel_div).flatten();
        scan(ScanMsg::Scan(Scan {
            ts_ns: self.now,
            number,
            active: 3,
            ranked: 3,
            vel_div,
            velocity_50: vel_div,
            velocity_750: None,
            vol: Some(0.000_2),
            vol_ok: dice.chance(900_000),
            picker_warm: true,
        }));
    }

    /// Polls the stages until nothing is left to do at this moment.
    fn settle(&mut self) -> Result<(), Failure> {
        self.polled_at = self.now;
        for _ in 0..ROUNDS_MAX {
            self.rounds += 1;
            let mut order = [0, 1];
            if self.job.options.shuffle == 1
                && Dice::new(self.job.seed, 30, self.rounds).chance(500_000)
            {
                order = [1, 0];
            }
            let Some(rig) = &mut self.rig else { return Ok(()) };
            for name in rig.pump().into_iter().flatten() {
                self.counters.count("ring full", name);
            }
            let mut count = 0;
            for stage in order {
                if self.stalled[stage] <= self.now {
                    count += if stage == 0 { self.poll_kernel()? } else { self.poll_egress() };
                }
            }
            let Some(rig) = &self.rig else { return Ok(()) };
            let stands = self.stalled.iter().any(|at| *at > self.now);
            let rig_done =
                rig.is_quiet() && (stands || (rig.kernel.drained() && rig.egress.drained()));
            self.hear_truth()?;
            if self.stalled[2] <= self.now {
                self.hear_journal()?;
            }
            self.check_round().map_err(|breach| self.failed(breach))?;
            self.check_deadlines().map_err(|breach| self.failed(breach))?;
            if count == 0 || (rig_done && !stands) {
                return Ok(());
            }
        }
        let what = format!("{ROUNDS_MAX} rounds of polling at one moment");
        Err(self.failed(Breach { check: "L_endless", what }))
    }

    fn poll_kernel(&mut self) -> Result<u32, Failure> {
        let Some(rig) = &mut self.rig else { return Ok(0) };
        let work = rig.kernel.poll(self.now);
        let told = adoptions(&mut self.adopted, rig.kernel.engine().kernel(), &mut self.oracle)
            .map_err(|breach| Failure::of(breach, self.tape.written()))?;
        if work.backpressured {
            self.counters.count("ring full", "record or input");
        }
        if rig.kernel.unsent() > 0 {
            self.counters.count("ring full", "command");
        }
        if told {
            self.watch_foreign();
        }
        if work.commands > 0 {
            // The orders are on their link, and the gate has not seen them.
            self.orders += work.commands;
            let rate = self.job.options.kill_entry_ppm / 4;
            if self.chaos.happens(Deed::KillAtGate, self.orders, rate) {
                self.do_deed(Deed::KillAtGate, self.orders)?;
            }
        }
        Ok(work.count)
    }

    fn poll_egress(&mut self) -> u32 {
        let Some(rig) = &mut self.rig else { return 0 };
        let work = rig.egress.poll(self.now);
        match rig.egress.full_link() {
            Some(ReplyLink::Ack) => self.counters.count("ring full", "ack"),
            Some(ReplyLink::Account) => self.counters.count("ring full", "account"),
            None => {}
        }
        work.count
    }

    /// What happened at the venue goes to the oracle.
    pub(super) fn hear_truth(&mut self) -> Result<(), Failure> {
        let Some(rig) = &mut self.rig else { return Ok(()) };
        let mut told = Vec::new();
        rig.venue_mut().take_truth(&mut |what| told.push(what));
        let mut breach = None;
        for what in &told {
            self.trace.truth(what);
            self.counters.truth(what);
            let watched = self.watch_truth(what);
            let found = self.oracle.tell(&truth::event(what)).and(watched);
            breach = breach.or_else(|| found.err());
        }
        if !told.is_empty() {
            self.watch_foreign();
        }
        let Self { rig: Some(rig), trace, .. } = self else { return Ok(()) };
        let injected = rig.venue().injected();
        for fault in injected.get(self.faults_seen..).unwrap_or_default() {
            trace.note(self.now, || {
                format!("fault    {}@{}", fault.fault.as_str(), fault.opportunity)
            });
        }
        self.faults_seen = injected.len();
        breach.map_or(Ok(()), |breach| Err(self.failed(breach)))
    }

    /// What the kernel wrote goes to the tape; what it recorded is counted.
    pub(super) fn hear_journal(&mut self) -> Result<(), Failure> {
        let Self { rig, tape, counters, trace, chaos, job, now, soon, .. } = self;
        let Self { proof, crash_wanted, rings, sight, stalled, fills, .. } = self;
        let Some(rig) = rig else { return Ok(()) };
        let mut snapshot = false;
        let (mut breach, mut entries) = (None, Vec::new());
        let mut found = rings.tap(rig.egress.venue_mut());
        let settings = std::sync::Arc::clone(rig.kernel.engine().settings());
        let read = rig.journal(&mut |written| match written {
            Written::Input(bytes, at, input) => {
                counters.input(input);
                trace.input(at, input);
                proof.input(at, input);
                tape.write(bytes, at, *input);
                sight.saw(at, input);
                if found.is_ok() {
                    found = rings.took(input);
                }
            }
            Written::Record(message) => {
                counters.record(&message.record);
                trace.record(message);
                breach = breach.take().or_else(|| proof.record(message).err());
                if matches!(message.record, Record::Fill { .. }) {
                    snapshot = true;
                    *fills += 1;
                    if chaos.happens(Deed::ForceAtFill, *fills, job.options.force_order_ppm) {
                        let mut dice = chaos.dice(Deed::ForceAtFill, *fills);
                        soon.push((now.plus(dice.between(0, 50 * MS)), Deed::ForceAtFill, *fills));
                    }
                }
                if let Record::Order {
                    client,
                    instrument,
                    status: OrderStatus::Submitted,
                    reduce_only,
                    ..
                } = message.record
                    && rings.sent(client)
                {
                    if !reduce_only {
                        entries.push(message.ts_ns);
                        if found.is_ok() {
                            found = sight.entered(message.ts_ns, instrument, &settings);
                        }
                        let rate = job.options.crash_entry_ppm;
                        if chaos.happens(Deed::CrashAtEntry, client.seq(), rate) {
                            *crash_wanted = Some(client.seq());
                        }
                    }
                    for (deed, rate, within_ns) in near_an_order(&job.options, reduce_only) {
                        if chaos.happens(deed, client.seq(), rate) {
                            let mut dice = chaos.dice(deed, client.seq());
                            soon.push((now.plus(dice.between(0, within_ns)), deed, client.seq()));
                            // Perhaps it is still on its way to the last look.
                            if deed == Deed::KillAtEntry && dice.chance(500_000) {
                                stalled[1] = stalled[1].max(now.plus(20_000_000));
                            }
                        }
                    }
                }
            }
        });
        let kernel = rig.kernel.engine().kernel();
        breach = breach.or_else(|| proof.forced(kernel).err());
        breach = breach.or_else(|| proof.stale(kernel, rig.egress.venue().outlived).err());
        if snapshot && job.options.dies() {
            tape.snapshot(rig.kernel.engine());
        }
        sight.forget();
        if found.is_ok() {
            found = rings.placed(rig.egress.venue_mut());
        }
        breach = breach.or_else(|| found.err());
        for at in entries {
            breach = breach.or_else(|| self.watch_entry(at).err());
        }
        if let Some(breach) = breach {
            return Err(self.failed(breach));
        }
        read.map(|_| ()).map_err(|what| self.failed(Breach { check: "I17_journal", what }))
    }

    /// The intents that were accepted since the last time.
    pub(super) fn hear(&mut self) {
        let Some(heard) = self.rig.as_ref().and_then(|rig| rig.kernel.engine().policy().heard())
        else {
            return;
        };
        let new = heard.accepted.get(self.heard..).unwrap_or_default();
        self.intents.extend_from_slice(new);
        self.heard = heard.accepted.len();
    }

    /// The operator says something. Kill and flatten work from this very moment on, and so does the oracle's
    /// rule for them: what has not left by now must not leave.
    pub(super) fn say(&mut self, control: Control) {
        self.watch.reanchored |= control == Control::Reanchor;
        self.trace.note(self.now, || format!("operator: {}", control.as_str()));
        // What left at this same moment, before it was said, had left.
        let at = if self.polled_at == self.now { self.now.get() + 1 } else { self.now.get() };
        let rule = match control {
            Control::Kill | Control::Flatten => {
                self.is_killed |= control == Control::Kill;
                self.is_flattening |= control == Control::Flatten;
                Some(Event::Killed { at })
            }
            Control::Resume => {
                (self.is_killed, self.is_flattening) = (false, false);
                self.proof.release(self.now);
                Some(Event::Resumed { at: self.now.get() })
            }
            Control::Stop
            | Control::JournalBehind
            | Control::JournalCaughtUp
            | Control::JournalFailed
            | Control::Reanchor
            | Control::Recover => None,
        };
        if let Some(rule) = rule {
            // Neither can be a breach by itself.
            let _told = self.oracle.tell(&rule);
        }
        let Some(rig) = &self.rig else { return };
        if rig.control(self.now, control) {
            self.rings.gave_control(control);
        } else {
            self.counters.count("ring full", "control");
        }
    }
}
