//! Tests of: contracts. What every stage must keep, checked for each; and twins with a planted bug that the
//! checks must catch.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by it as tests do")]

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::{Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::journal::input_ring;
use pinion_core::kernel::effects::RECORDS_MAX;
use pinion_core::link::{MarketTx, link};
use pinion_core::msg::{Command, CommandMsg, MarketBody, MarketMsg, Side};
use pinion_core::settings::Settings;
use pinion_core::signal::SignalStage;
use pinion_core::stage::{Stage, Work};
use pinion_core::topology::{STAGES, spec};
use pinion_core::units::{Nanos, Price, Qty};
use pinion_io::ingest::{self, IngestStage, WhenFull};
use pinion_io::paper::{PaperEgress, PaperVenue};
use pinion_io::source::{Source, SourceCounts, SourceFault};
use pinion_tests::desk;
use pinion_tests::toy::{BUDGET, START, ToyEgress, ToyIngest, ToyKernel, ToyShape, ToySignal};

/// A stage on the bench, with the other ends of its links.
struct Rig {
    stage: Box<dyn Stage>,
    /// Empties what it writes.
    empty: Box<dyn FnMut()>,
    /// The most that one poll may report.
    work_max: u32,
}

/// Every stage stands here: makes it with so many inputs waiting.
const STAGES_UNDER_CONTRACT: &[fn(inputs: usize) -> Rig] = &[
    toy_ingest,
    toy_signal,
    toy_kernel,
    toy_egress,
    ingest_of_quotes,
    ingest_of_books,
    signal,
    kernel,
    kernel_short_of_room,
    egress,
];

/// Those that must also know when they are drained: the inline runner then spares a poll at every moment.
const STAGES_THAT_KNOW: &[fn(inputs: usize) -> Rig] =
    &[ingest_of_quotes, ingest_of_books, signal, kernel, kernel_short_of_room, egress];

/// Inputs that wait when a stage is checked at work: many budgets.
const INPUTS: usize = 4096;
/// Polls in which a stage must have come to rest.
const POLLS_MAX: usize = 10_000;
/// Everything that waits is due at this time.
const NOW: Nanos = Nanos::new(START.get() + Nanos::SECOND);

#[test]
fn every_stage_keeps_the_contracts() {
    for make in STAGES_UNDER_CONTRACT {
        check(make).unwrap();
    }
}

#[test]
fn every_stage_of_the_engine_knows_when_it_is_drained() {
    for make in STAGES_THAT_KNOW {
        for inputs in [0, INPUTS] {
            let mut rig = make(inputs);
            let name = rig.stage.name();
            while rig.stage.poll(NOW) != Work::NONE {
                (rig.empty)();
            }
            assert!(rig.stage.drained(), "{name} after {inputs} inputs");
        }
    }
}

/// All contracts.
fn check(make: &dyn Fn(usize) -> Rig) -> Result<(), String> {
    has_a_place_in_the_topology(&make(0))?;
    rests_without_input(&mut make(0))?;
    works_in_bounds_and_comes_to_rest(&mut make(INPUTS))
}

fn has_a_place_in_the_topology(rig: &Rig) -> Result<(), String> {
    let name = rig.stage.name();
    let known = STAGES.iter().any(|stage| stage.end.as_str() == name);
    known.then_some(()).ok_or_else(|| format!("{name} is no stage of the topology"))
}

fn rests_without_input(rig: &mut Rig) -> Result<(), String> {
    for now in [START, START, START.plus(1)] {
        let work = rig.stage.poll(now);
        if work != Work::NONE {
            return Err(format!("{} without input reports {work:?}", rig.stage.name()));
        }
    }
    tells_no_passed_deadline(rig, START.plus(1))
}

fn works_in_bounds_and_comes_to_rest(rig: &mut Rig) -> Result<(), String> {
    let name = rig.stage.name();
    let mut worked = false;
    let mut drained = false;
    for _ in 0..POLLS_MAX {
        let work = rig.stage.poll(NOW);
        (rig.empty)();
        if work.count > rig.work_max {
            let most = rig.work_max;
            return Err(format!("{name} reports {} in one poll, more than {most}", work.count));
        }
        if drained && work != Work::NONE {
            return Err(format!("{name} said that it was drained, then reports {work:?}"));
        }
        if work == Work::NONE {
            if !worked {
                return Err(format!("{name} does nothing with its input"));
            }
            return tells_no_passed_deadline(rig, NOW);
        }
        worked = true;
        drained = rig.stage.drained();
    }
    Err(format!("{name} does not come to rest in {POLLS_MAX} polls"))
}

fn tells_no_passed_deadline(rig: &Rig, now: Nanos) -> Result<(), String> {
    match rig.stage.next_deadline() {
        Some(deadline) if deadline <= now => {
            let late_ns = now.since(deadline);
            Err(format!("{} rests and tells a deadline of {late_ns} ns ago", rig.stage.name()))
        }
        _ => Ok(()),
    }
}

fn quote() -> MarketMsg {
    let body = MarketBody::Quote { bid: Price::ONE, ask: Price::ONE, bid_qty: None, ask_qty: None };
    MarketMsg::from_body(InstrumentId::new(0), START, None, body)
}

fn toy_ingest(inputs: usize) -> Rig {
    let shape = ToyShape { events: inputs as u64, ..ToyShape::default() };
    let (txs, mut rxs): (Vec<_>, Vec<_>) = (0..3).map(|_| link(BUDGET as usize)).unzip();
    let empty = move || rxs.iter_mut().for_each(|rx| while rx.pop().is_some() {});
    let stage = ToyIngest::new(&shape, txs.try_into().unwrap());
    Rig { stage: Box::new(stage), empty: Box::new(empty), work_max: BUDGET }
}

fn toy_signal(inputs: usize) -> Rig {
    let (mut tap, tap_rx) = link(INPUTS);
    let (scan_tx, mut scan) = link(BUDGET as usize);
    (0..inputs).for_each(|_| tap.push(quote()).unwrap());
    Rig {
        stage: Box::new(ToySignal::new(&ToyShape::default(), tap_rx, scan_tx)),
        empty: Box::new(move || while scan.pop().is_some() {}),
        work_max: BUDGET,
    }
}

fn toy_kernel(inputs: usize) -> Rig {
    let (mut market, market_rx) = link(INPUTS);
    let (_, scan_rx) = link(1);
    let (_, ack_rx) = link(1);
    let (command_tx, mut command) = link(BUDGET as usize);
    let (record_tx, mut record) = link(BUDGET as usize);
    (0..inputs).for_each(|_| market.push(quote()).unwrap());
    let shape = ToyShape::default();
    let inputs = (market_rx, scan_rx, ack_rx);
    Rig {
        stage: Box::new(ToyKernel::new(&shape, inputs, command_tx, record_tx)),
        empty: Box::new(move || while command.pop().is_some() || record.pop().is_some() {}),
        work_max: BUDGET,
    }
}

fn toy_egress(inputs: usize) -> Rig {
    let (mut feed, feed_rx) = link(INPUTS);
    let (mut command, command_rx) = link(INPUTS);
    let (ack_tx, mut ack) = link(BUDGET as usize);
    for _ in 0..inputs {
        feed.push(quote()).unwrap();
        let client = ClientId::new(1, 1);
        let instrument = InstrumentId::new(0);
        let command_msg = Command::Query { client, venue_id: TextId::EMPTY, instrument };
        let message = CommandMsg { ts_decide_ns: START, ts_recv_ns: START, command: command_msg };
        command.push(message).unwrap();
    }
    let at_once = ToyShape { latency_ns: 0, ..ToyShape::default() };
    Rig {
        stage: Box::new(ToyEgress::new(&at_once, feed_rx, command_rx, ack_tx)),
        empty: Box::new(move || while ack.pop().is_some() {}),
        // Quotes, commands and answers.
        work_max: 3 * BUDGET,
    }
}

/// Events that are due at the start, of so many messages each.
struct Given {
    events: usize,
    messages: usize,
}

impl Source for Given {
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
        Ok((self.events > 0).then_some(START))
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
        self.events -= 1;
        for place in 1..=self.messages {
            let last = place == self.messages;
            let body =
                MarketBody::Level { side: Side::Buy, price: Price::ONE, qty: Qty::ONE, last };
            let level = MarketMsg::from_body(InstrumentId::new(0), START, None, body);
            batch.push(if self.messages == 1 { quote() } else { level });
        }
        Ok(())
    }

    fn counts(&self) -> SourceCounts {
        SourceCounts::default()
    }

    fn progress(&self) -> f64 {
        0.0
    }
}

fn ingest_of(source: Given) -> Rig {
    let (market, mut market_rx) = link(2);
    let (tap, mut tap_rx) = link(2);
    let (feed, mut feed_rx) = link(spec("feed").depth);
    let merging = |tx| MarketTx::new(tx, desk::INSTRUMENTS);
    let (market, tap) = (merging(market), merging(tap));
    let stage = IngestStage::new(source, market, tap, Some(feed), WhenFull::Wait);
    Rig {
        stage: Box::new(stage),
        empty: Box::new(move || {
            for rx in [&mut market_rx, &mut tap_rx, &mut feed_rx] {
                while rx.pop().is_some() {}
            }
        }),
        // A budget of messages and the event that is taken in.
        work_max: u32::try_from(ingest::BUDGET).unwrap() + 1,
    }
}

fn ingest_of_quotes(inputs: usize) -> Rig {
    ingest_of(Given { events: inputs, messages: 1 })
}

fn ingest_of_books(inputs: usize) -> Rig {
    ingest_of(Given { events: inputs / 1_000, messages: 1_000 })
}

fn signal(inputs: usize) -> Rig {
    let (mut tap, tap_rx) = link(INPUTS);
    let (scan_tx, mut scan) = link(64);
    (0..inputs).for_each(|_| tap.push(quote()).unwrap());
    Rig {
        stage: Box::new(SignalStage::new(&Settings::default(), desk::table(), tap_rx, scan_tx)),
        empty: Box::new(move || while scan.pop().is_some() {}),
        // A budget of messages, and a scan with a row per asset and direction.
        work_max: 256 + 2 * 10 + 1,
    }
}

fn kernel(inputs: usize) -> Rig {
    kernel_with(inputs, spec("record").depth)
}

/// Inputs of one poll of the kernel: sixteen of each of five links, and three that it makes itself (settings,
/// the journal's room, the tick).
const KERNEL_INPUTS: usize = 5 * 16 + 3;

/// The journal takes what one poll may write, and nothing more.
fn kernel_short_of_room(inputs: usize) -> Rig {
    kernel_with(inputs, KERNEL_INPUTS * RECORDS_MAX)
}

fn kernel_with(inputs: usize, records: usize) -> Rig {
    let (mut market, market_rx) = link(INPUTS);
    let (scan_tx, scan) = link(1);
    let (ack_tx, ack) = link(1);
    let (account_tx, account) = link(1);
    let (command, mut command_rx) = link(spec("command").depth);
    let (record, mut record_rx) = link(records);
    let (input, mut input_rx) = input_ring(spec("input").depth);
    (0..inputs).for_each(|_| market.push(quote()).unwrap());
    let links = KernelLinks {
        market: market_rx,
        scan,
        ack,
        account,
        command,
        record,
        input,
        control: Arc::new(ArrayQueue::new(1)),
        gauges: Arc::new(Gauges::default()),
    };
    let engine = Engine::new(Arc::new(Settings::default()), desk::table(), 1);
    Rig {
        stage: Box::new(KernelStage::new(engine, links, JournalFull::Wait)),
        empty: Box::new(move || {
            // The producing ends live as long as the rig.
            let _others = (&scan_tx, &ack_tx, &account_tx);
            while input_rx.read(|_| {}) > 0 {}
            while command_rx.pop().is_some() || record_rx.pop().is_some() {}
        }),
        // Nobody gives it settings here.
        work_max: u32::try_from(KERNEL_INPUTS - 1).unwrap(),
    }
}

fn egress(inputs: usize) -> Rig {
    let (mut feed, feed_rx) = link(INPUTS);
    let (mut command, command_rx) = link(spec("command").depth);
    let (ack, mut ack_rx) = link(64);
    let (account, mut account_rx) = link(64);
    // What is sent arrives at once, and so does the answer.
    let settings =
        Settings { paper_order_latency_ns: 0, paper_reply_latency_ns: 0, ..Settings::default() };
    let venue = PaperVenue::new(&settings, desk::table());
    let gate = Gate::new(&settings, desk::table().len());
    let kill = Arc::new(KillSwitch::default());
    let stage = PaperEgress::new(venue, gate, kill, feed_rx, command_rx, ack, account);
    let empty = move || while ack_rx.pop().is_some() || account_rx.pop().is_some() {};
    (0..inputs).for_each(|_| feed.push(quote()).unwrap());
    for _ in 0..inputs.min(spec("command").depth) {
        let client = ClientId::new(1, 1);
        let instrument = InstrumentId::new(0);
        let query = Command::Query { client, venue_id: TextId::EMPTY, instrument };
        let message = CommandMsg { ts_decide_ns: START, ts_recv_ns: START, command: query };
        command.push(message).unwrap();
    }
    // Quotes, commands, answers; and what arrived while the feed was not drained, up to all commands.
    let work_max = 256 + 64 + 64 + u32::try_from(spec("command").depth).unwrap();
    Rig { stage: Box::new(stage), empty: Box::new(empty), work_max }
}

/// A stage with a bug, around one that has none.
struct Twin {
    inner: Box<dyn Stage>,
    bug: Bug,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bug {
    ReportsWorkWhenIdle,
    NeverRests,
    IsUnbounded,
    TellsPassedDeadlines,
    SaysDrainedTooEarly,
    IgnoresInput,
    HasNoPlace,
}

impl Stage for Twin {
    fn name(&self) -> &'static str {
        if self.bug == Bug::HasNoPlace { "cellar" } else { self.inner.name() }
    }

    fn poll(&mut self, now: Nanos) -> Work {
        match self.bug {
            // What made a well-known messaging engine burn a core: the idle strategy never ran.
            Bug::ReportsWorkWhenIdle => self.inner.poll(now).and(Work::done(1)),
            Bug::NeverRests => match self.inner.poll(now) {
                Work::NONE if now >= NOW => Work::done(1),
                work => work,
            },
            Bug::IsUnbounded => {
                let mut total = Work::NONE;
                loop {
                    let work = self.inner.poll(now);
                    if work == Work::NONE {
                        return total;
                    }
                    total = total.and(work);
                }
            }
            Bug::IgnoresInput => Work::NONE,
            Bug::TellsPassedDeadlines | Bug::SaysDrainedTooEarly | Bug::HasNoPlace => {
                self.inner.poll(now)
            }
        }
    }

    fn next_deadline(&self) -> Option<Nanos> {
        if self.bug == Bug::TellsPassedDeadlines { Some(START) } else { self.inner.next_deadline() }
    }

    fn drained(&self) -> bool {
        self.bug == Bug::SaysDrainedTooEarly
    }
}

#[test]
fn planted_bugs_are_caught() {
    for (bug, told) in [
        (Bug::ReportsWorkWhenIdle, "signal without input reports Work { count: 1"),
        (Bug::NeverRests, "signal does not come to rest"),
        (Bug::IsUnbounded, "signal reports 4096 in one poll, more than 64"),
        (Bug::TellsPassedDeadlines, "signal rests and tells a deadline of 1 ns ago"),
        (Bug::SaysDrainedTooEarly, "signal said that it was drained, then reports"),
        (Bug::IgnoresInput, "signal does nothing with its input"),
        (Bug::HasNoPlace, "cellar is no stage of the topology"),
    ] {
        let twin = |inputs| {
            let rig = toy_signal(inputs);
            Rig { stage: Box::new(Twin { inner: rig.stage, bug }), ..rig }
        };
        let found = check(&twin).expect_err("the bug is caught");
        assert!(found.contains(told), "expected \"{told}\", found \"{found}\"");
    }
}
