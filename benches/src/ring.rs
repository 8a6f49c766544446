//! The link beside its floors: one hop between two cores, throughput, and what a record costs the hot thread.
//!
//! The floor of a hop is a cache line that two threads write in turn, one each way; the ring that the link is made
//! of stands beside it bare, with one spin hint in an empty poll like everywhere. Both threads are pinned, and
//! every comparison lies within a round: on some machines a hop takes four times as long in the next minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use pinion_core::id::InstrumentId;
use pinion_core::link::{Rx, Tx, link};
use pinion_core::msg::{MarketMsg, Record, RecordMsg};
use pinion_core::units::Nanos;
use pinion_io::affinity::{CoreSet, Cores, current_mask, pin, set_mask};

use crate::harness::figure::p50;
use crate::harness::rounds::run;
use crate::harness::{BenchReport, Figure, Scale, Sheet, Subject, Target, Timer};
use crate::kernel::workload;

/// Round trips that make one sample.
const TRIPS: u64 = 100;
/// Samples of a round.
const SAMPLES: usize = 300;
/// Messages of a throughput round.
const MESSAGES: usize = 1_000_000;
/// Records that make one sample.
const RECORDS: usize = 16;
/// Empty polls after which a waiting thread lets others run: never reached while the other side has a core.
const PATIENCE: u32 = 20_000;

const HOP: &str = "one hop";
const RATE: &str = "a message in a stream";
const PUSH: &str = "a record pushed";

/// Runs the bench.
#[must_use]
pub fn bench(scale: Scale, timer: &Timer) -> BenchReport {
    let mut report = BenchReport::new("ring");
    let cores: Vec<usize> = Cores::of_process()
        .map_or_else(|_| Vec::new(), |cores| cores.usable().iter().take(2).collect());
    let before = current_mask();
    if let [first, second] = cores[..] {
        let mut usable = CoreSet::only(first);
        usable.insert(second);
        let pinned = pin(first, &usable);
        let samples = scale.of(SAMPLES, 3);
        let trip = |name, make| {
            Box::new(Trip { name, samples, other: second, usable, make }) as Box<dyn Subject>
        };
        let messages = scale.of(MESSAGES, 1_000);
        let stream = |name, bare| {
            Box::new(Stream { name, messages, other: second, usable, bare }) as Box<dyn Subject>
        };
        let mut subjects = vec![
            trip("bare cache line", line_pair as fn() -> (Pair, Pair)),
            trip("bare ring", ring_pair),
            trip("link", link_pair),
            stream("bare ring, stream", true),
            stream("link, stream", false),
        ];
        let measured = run(&mut subjects, scale.rounds, timer);
        for (of, floor, target) in [
            ("bare ring", "bare cache line", None),
            ("link", "bare cache line", None),
            ("link", "bare ring", Some(Target::RatioAtMost(1.05))),
        ] {
            if let Some(series) = measured.series(of, HOP) {
                let name = format!("{of}, {HOP}");
                let floor = measured.series(floor, HOP);
                let figure = Figure::new(name, "ns", series, floor, p50);
                report.figures.push(match target {
                    Some(target) => figure.to_reach(target),
                    None => figure,
                });
            }
        }
        if let Some(series) = measured.series("link, stream", RATE) {
            let floor = measured.series("bare ring, stream", RATE);
            report.figures.push(Figure::new(format!("link, {RATE}"), "ns", series, floor, p50));
        }
        report.take(measured);
        if let Err(fault) = pinned {
            report.notes.push(format!("the threads could not be pinned: {fault}"));
        }
    } else {
        report.notes.push("hops need two cores: left out".into());
    }
    let mut pushing: Vec<Box<dyn Subject>> =
        vec![Box::new(Records { samples: scale.of(5_000, 50) })];
    let measured = run(&mut pushing, scale.rounds, timer);
    if let Some(series) = measured.series("records", PUSH) {
        let figure = Figure::new(PUSH, "ns", series, None, p50);
        report.figures.push(figure.to_reach(Target::ValueAtMost(20.0)));
    }
    report.take(measured);
    if let Ok(mask) = before
        && let Err(fault) = set_mask(&mask)
    {
        report.notes.push(format!("the thread could not be given its cores back: {fault}"));
    }
    report
}

/// One end of a way there and a way back.
enum Pair {
    Line { send: Arc<Line>, receive: Arc<Line>, last: u64 },
    Ring { send: rtrb::Producer<MarketMsg>, receive: rtrb::Consumer<MarketMsg> },
    Link { send: Tx<MarketMsg>, receive: Rx<MarketMsg> },
}

/// A number alone on its cache lines.
#[repr(align(128))]
struct Line(AtomicU64);

impl Pair {
    #[inline]
    fn send(&mut self, message: &MarketMsg, number: u64) {
        match self {
            Self::Line { send, .. } => send.0.store(number, Ordering::Release),
            // One message is on its way at a time: there is room.
            Self::Ring { send, .. } => drop(send.push(*message).is_ok()),
            Self::Link { send, .. } => drop(send.push(*message).is_ok()),
        }
    }

    /// True when something came.
    #[inline]
    fn receive(&mut self) -> bool {
        match self {
            Self::Line { receive, last, .. } => {
                let number = receive.0.load(Ordering::Acquire);
                std::mem::replace(last, number) != number
            }
            Self::Ring { receive, .. } => receive.pop().is_ok(),
            Self::Link { receive, .. } => receive.pop().is_some(),
        }
    }

    /// Waits for a message; false when `over`.
    #[inline]
    fn wait(&mut self, over: &AtomicBool) -> bool {
        let mut polls = 0;
        while !self.receive() {
            polls += 1;
            if polls % PATIENCE == 0 {
                if over.load(Ordering::Relaxed) {
                    return false;
                }
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
        true
    }
}

fn line_pair() -> (Pair, Pair) {
    let line = || Arc::new(Line(AtomicU64::new(0)));
    let (there, back) = (line(), line());
    (
        Pair::Line { send: Arc::clone(&there), receive: Arc::clone(&back), last: 0 },
        Pair::Line { send: back, receive: there, last: 0 },
    )
}

fn ring_pair() -> (Pair, Pair) {
    let ((a, b), (c, d)) = (rtrb::RingBuffer::new(1_024), rtrb::RingBuffer::new(1_024));
    (Pair::Ring { send: a, receive: d }, Pair::Ring { send: c, receive: b })
}

fn link_pair() -> (Pair, Pair) {
    let ((a, b), (c, d)) = (link(1_024), link(1_024));
    (Pair::Link { send: a, receive: d }, Pair::Link { send: c, receive: b })
}

fn message() -> MarketMsg {
    workload::message(&workload::quotes(1, 1)[0])
}

/// There and back, halved.
struct Trip {
    name: &'static str,
    samples: usize,
    other: usize,
    usable: CoreSet,
    make: fn() -> (Pair, Pair),
}

impl Subject for Trip {
    fn name(&self) -> &'static str {
        self.name
    }

    fn metrics(&self) -> &'static [&'static str] {
        &[HOP]
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let (mut near, mut far) = (self.make)();
        let over = Arc::new(AtomicBool::new(false));
        let (ended, other, usable) = (Arc::clone(&over), self.other, self.usable);
        let echo = thread::spawn(move || {
            // Unpinned it still answers.
            let _pinned = pin(other, &usable);
            let message = message();
            let mut number = 0;
            while far.wait(&ended) {
                number += 1;
                far.send(&message, number);
            }
        });
        let message = message();
        let mut number = 0;
        let mut trips = |count: u64| {
            for _ in 0..count {
                number += 1;
                near.send(&message, number);
                near.wait(&over);
            }
        };
        trips(TRIPS);
        for _ in 0..self.samples {
            let (passed, ()) = timer.time(|| trips(TRIPS));
            sheet.ticks(0, passed, 2 * TRIPS as u32);
        }
        over.store(true, Ordering::Relaxed);
        // Nothing of the other thread is left to be told.
        drop(echo.join());
    }
}

/// As many as can be, one after the other.
struct Stream {
    name: &'static str,
    messages: usize,
    other: usize,
    usable: CoreSet,
    bare: bool,
}

impl Subject for Stream {
    fn name(&self) -> &'static str {
        self.name
    }

    fn metrics(&self) -> &'static [&'static str] {
        &[RATE]
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let (near, mut far) = if self.bare { ring_pair() } else { link_pair() };
        let (messages, other, usable) = (self.messages, self.other, self.usable);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _pinned = pin(other, &usable);
                for _ in 0..messages {
                    if !far.wait(&over) {
                        break;
                    }
                }
                over.store(true, Ordering::Relaxed);
            });
            let message = message();
            let (passed, ()) = timer.time(|| {
                match near {
                    Pair::Ring { mut send, .. } => {
                        push_all(messages, || send.push(message).is_ok());
                    }
                    Pair::Link { mut send, .. } => {
                        push_all(messages, || send.push(message).is_ok());
                    }
                    Pair::Line { .. } => {}
                }
                let mut polls = 0u32;
                while !over.load(Ordering::Relaxed) {
                    polls = polls.wrapping_add(1);
                    if polls.is_multiple_of(PATIENCE) {
                        thread::yield_now();
                    }
                    std::hint::spin_loop();
                }
            });
            sheet.value(0, timer.ns(passed as f64) / messages as f64);
        });
    }
}

fn push_all(count: usize, mut push: impl FnMut() -> bool) {
    let mut polls = 0u32;
    for _ in 0..count {
        while !push() {
            polls = polls.wrapping_add(1);
            if polls.is_multiple_of(PATIENCE) {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// What the hot thread pays for a record.
struct Records {
    samples: usize,
}

impl Subject for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn metrics(&self) -> &'static [&'static str] {
        &[PUSH]
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let (mut tx, mut rx) = link::<RecordMsg>(65_536);
        let record = Record::Gap { instrument: InstrumentId::new(0) };
        let message = std::hint::black_box(RecordMsg { ts_ns: Nanos::ZERO, record });
        let mut lost = 0u64;
        for _ in 0..self.samples {
            let (passed, ()) = timer.time(|| {
                for _ in 0..RECORDS {
                    lost += u64::from(tx.push_all(std::slice::from_ref(&message)).is_err());
                }
            });
            sheet.ticks(0, passed, RECORDS as u32);
            while rx.pop().is_some() {}
        }
        sheet.hash(1 + lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_its_figures() {
        let report = bench(Scale::SMALL, &Timer::calibrated());
        assert!(report.figures.iter().any(|figure| figure.name == PUSH), "{:?}", report.figures);
        for figure in &report.figures {
            assert!(figure.value > 0.0, "{figure:?}");
        }
        let record = ("records", format!("{:016x}", 1));
        assert!(report.hashes.contains(&record), "a record was refused: {:?}", report.hashes);
    }
}
