//! The kernel path beside the floor: a quote that does nothing, a quote that makes an order, acknowledgement,
//! fill, and the whole cycle.
//!
//! The path is the product's: a poll of the kernel stage on its real links, from the message on the market link
//! to the command on the command link, with the turn's two clock readings, the input written for the journal,
//! the records, the latency histograms and every guard. Only the strategy is the workload's.

pub mod desk;
pub mod floor;
pub mod workload;

use std::hint::black_box;

use hdrhistogram::Histogram;
use pinion_core::msg::MarketMsg;
use pinion_core::units::{Nanos, Price};
use pinion_io::clock::{Stopwatch, TurnClock};

use crate::harness::figure::{mean, p50, p99};
use crate::harness::rounds::run;
use crate::harness::{BenchReport, Figure, Scale, Sheet, Subject, Target, Timer};
use desk::{Placed, StageDesk};
use floor::{Command, Fill, FloorKernel, Quote};
use workload::{ORDER_EVERY, QTY};

/// Quotes of a round.
const QUOTES: usize = 100_000;
/// Quotes after which the journal's ends are emptied.
const CHUNK: usize = 5_000;
const SEED: u64 = 0x5eed;

const QUOTE: &str = "quote, no order";
const ORDER: &str = "quote to order command";
const ACK: &str = "acknowledged";
const FILL: &str = "fill to position and books";
const CYCLE: &str = "whole cycle, a quote";
const METRICS: &[&str] = &[QUOTE, ORDER, ACK, FILL, CYCLE];
const FLOOR: &str = "floor kernel";
const PATH: &str = "kernel path";

/// Runs the bench.
#[must_use]
pub fn bench(scale: Scale, timer: &Timer) -> BenchReport {
    let quotes = workload::quotes(scale.of(QUOTES, 400), SEED);
    let messages = quotes.iter().map(workload::message).collect();
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(Floor { quotes: quotes.clone() }),
        Box::new(Path { quotes, messages, recorder: Recorder::new() }),
    ];
    let measured = run(&mut subjects, scale.rounds, timer);
    let mut report = BenchReport::new("kernel");
    for metric in METRICS {
        let (Some(of), floor) = (measured.series(PATH, metric), measured.series(FLOOR, metric))
        else {
            continue;
        };
        let unit = if *metric == CYCLE { "ns/quote" } else { "ns" };
        let figure = Figure::new(*metric, unit, of, floor, p50);
        report.figures.push(if *metric == ORDER {
            figure.to_reach(Target::RatioAtMost(4.0))
        } else {
            figure
        });
        if *metric == ORDER || *metric == FILL {
            report.figures.push(Figure::new(format!("{metric}, p99"), unit, of, floor, p99));
        }
        if *metric == FILL {
            report.figures.push(Figure::new(format!("{metric}, mean"), unit, of, floor, mean));
        }
    }
    report.notes.push(format!(
        "every {ORDER_EVERY}th quote makes an order; quotes without one are timed nine at a time"
    ));
    report.take(measured);
    report
}

struct Floor {
    quotes: Vec<Quote>,
}

impl Subject for Floor {
    fn name(&self) -> &'static str {
        FLOOR
    }

    fn metrics(&self) -> &'static [&'static str] {
        METRICS
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let mut kernel = FloorKernel::new(ORDER_EVERY);
        for ten in self.quotes.chunks_exact(ORDER_EVERY as usize) {
            let (last, others) = ten.split_last().unwrap_or((&ten[0], &[]));
            let (passed, ()) = timer.time(|| {
                for quote in others {
                    black_box(kernel.on_quote(black_box(quote), QTY.raw()));
                }
            });
            sheet.ticks(0, passed, others.len() as u32);
            let (passed, sent) = timer.time(|| kernel.on_quote(black_box(last), QTY.raw()));
            let Some(sent) = sent else { continue };
            sheet.ticks(1, passed, 1);
            let (passed, ()) = timer.time(|| kernel.on_ack(black_box(sent.id), sent.id));
            sheet.ticks(2, passed, 1);
            let fill = fill_of(&sent);
            let (passed, ()) = timer.time(|| kernel.on_fill(black_box(&fill)));
            sheet.ticks(3, passed, 1);
        }
        let (orders, refused) = kernel.counts();
        sheet.hash(orders ^ refused.rotate_left(32) ^ kernel.net().cast_unsigned());
        let mut kernel = FloorKernel::new(ORDER_EVERY);
        for chunk in self.quotes.chunks(CHUNK) {
            let (passed, ()) = timer.time(|| {
                for quote in chunk {
                    if let Some(sent) = kernel.on_quote(black_box(quote), QTY.raw()) {
                        kernel.on_ack(sent.id, sent.id);
                        kernel.on_fill(black_box(&fill_of(&sent)));
                    }
                }
            });
            sheet.ticks(4, passed, chunk.len() as u32);
        }
        black_box(kernel.net());
    }
}

const fn fill_of(sent: &Command) -> Fill {
    Fill { order: sent.id, trade: sent.id, price: sent.price, qty: QTY.raw(), fee: 12_000_000 }
}

/// What a crew does around a poll: the turn's clock, its latency and that of an order.
struct Recorder {
    stopwatch: Stopwatch,
    clock: TurnClock,
    turn_ns: Histogram<u64>,
    tick_to_order_ns: Histogram<u64>,
}

impl Recorder {
    #[expect(clippy::expect_used, reason = "fixed bounds")]
    fn new() -> Self {
        let stopwatch = Stopwatch::calibrated();
        let empty =
            || Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("invariant: valid bounds");
        Self {
            stopwatch,
            clock: TurnClock::utc(&stopwatch),
            turn_ns: empty(),
            tick_to_order_ns: empty(),
        }
    }

    /// A poll with everything around it. Its `now` is the feed's, so that rounds are equal; that of the clock
    /// is worked out and not used.
    #[inline]
    fn poll(&mut self, desk: &mut StageDesk, quote: &Quote) {
        let from_ns = self.stopwatch.read_ns();
        black_box(self.clock.at(from_ns));
        let work = desk.poll(Nanos::new(quote.ts_ns));
        let passed_ns = self.stopwatch.read_ns().saturating_sub(from_ns);
        if work.commands > 0 {
            self.tick_to_order_ns.saturating_record(passed_ns);
        }
        self.turn_ns.saturating_record(passed_ns);
    }
}

struct Path {
    quotes: Vec<Quote>,
    messages: Vec<MarketMsg>,
    recorder: Recorder,
}

impl Path {
    fn offer_and_poll(&mut self, desk: &mut StageDesk, place: usize) {
        desk.offer(self.messages[place]);
        self.recorder.poll(desk, &self.quotes[place]);
    }

    fn fill(&mut self, desk: &mut StageDesk, placed: Placed, quote: &Quote) {
        desk.offer_fill(Nanos::new(quote.ts_ns), placed, Price::from_raw(quote.ask));
        self.recorder.poll(desk, quote);
    }
}

impl Subject for Path {
    fn name(&self) -> &'static str {
        PATH
    }

    fn metrics(&self) -> &'static [&'static str] {
        METRICS
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let mut desk = StageDesk::new(&self.messages[0]);
        let ten = ORDER_EVERY as usize;
        for start in (0..self.quotes.len() / ten).map(|group| group * ten) {
            let last = start + ten - 1;
            let (passed, ()) = timer.time(|| {
                for place in start..last {
                    self.offer_and_poll(&mut desk, place);
                }
            });
            sheet.ticks(0, passed, (last - start) as u32);
            let quote = self.quotes[last];
            let now = Nanos::new(quote.ts_ns);
            desk.offer(self.messages[last]);
            let (passed, ()) = timer.time(|| self.recorder.poll(&mut desk, &quote));
            let Some(placed) = desk.attend(now) else { continue };
            sheet.ticks(1, passed, 1);
            desk.offer_ack(now, placed);
            let (passed, ()) = timer.time(|| self.recorder.poll(&mut desk, &quote));
            sheet.ticks(2, passed, 1);
            desk.offer_fill(now, placed, Price::from_raw(quote.ask));
            let (passed, ()) = timer.time(|| self.recorder.poll(&mut desk, &quote));
            sheet.ticks(3, passed, 1);
            let _probes = desk.attend(now);
            if start % CHUNK == 0 {
                desk.housekeep();
            }
        }
        desk.housekeep();
        let (orders, hash) = desk.outcome();
        sheet.hash(hash ^ orders);
        let mut desk = StageDesk::new(&self.messages[0]);
        for start in (0..self.quotes.len()).step_by(CHUNK) {
            let end = (start + CHUNK).min(self.quotes.len());
            let (passed, ()) = timer.time(|| {
                for place in start..end {
                    self.offer_and_poll(&mut desk, place);
                    if (place + 1) % ten != 0 {
                        continue;
                    }
                    let quote = self.quotes[place];
                    let now = Nanos::new(quote.ts_ns);
                    let Some(placed) = desk.attend(now) else { continue };
                    desk.offer_ack(now, placed);
                    self.recorder.poll(&mut desk, &quote);
                    self.fill(&mut desk, placed, &quote);
                }
            });
            sheet.ticks(4, passed, (end - start) as u32);
            desk.housekeep();
        }
        black_box(desk.outcome());
    }
}

/// How far [`counted`] goes in every ten quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Nine quotes.
    Quotes,
    /// And one that makes an order.
    Order,
    /// And its acknowledgement.
    Ack,
    /// And its fill.
    Fill,
}

/// The kernel path without clocks, for counting instructions: in every ten quotes so much of a round. Gives a
/// hash of what came of it.
#[must_use]
pub fn counted(tens: u64, part: Part) -> u64 {
    let ten = ORDER_EVERY as usize;
    let quotes = workload::quotes(ten * usize::try_from(tens).unwrap_or(0).max(1), SEED);
    let mut desk = StageDesk::new(&workload::message(&quotes[0]));
    for (place, quote) in quotes.iter().enumerate() {
        let now = Nanos::new(quote.ts_ns);
        let is_last = (place + 1) % ten == 0;
        if is_last && part == Part::Quotes {
            continue;
        }
        desk.offer(workload::message(quote));
        let _work = desk.poll(now);
        let placed = if is_last { desk.attend(now) } else { None };
        if let Some(placed) = placed.filter(|_| part >= Part::Ack) {
            desk.offer_ack(now, placed);
            let _work = desk.poll(now);
            if part == Part::Fill {
                desk.offer_fill(now, placed, Price::from_raw(quote.ask));
                let _work = desk.poll(now);
            }
        }
        if place % CHUNK == 0 {
            desk.housekeep();
        }
    }
    desk.outcome().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenth_quote_makes_an_order_that_fills_on_both_sides_of_the_comparison() {
        let quotes = workload::quotes(1_000, SEED);
        let mut floor = FloorKernel::new(ORDER_EVERY);
        for quote in &quotes {
            if let Some(sent) = floor.on_quote(quote, QTY.raw()) {
                floor.on_ack(sent.id, 1);
                floor.on_fill(&fill_of(&sent));
            }
        }
        assert_eq!(floor.counts(), (100, 0));
        let messages: Vec<MarketMsg> = quotes.iter().map(workload::message).collect();
        let mut desk = StageDesk::new(&messages[0]);
        let mut path = Path { quotes, messages, recorder: Recorder::new() };
        for place in 0..path.quotes.len() {
            path.offer_and_poll(&mut desk, place);
            let quote = path.quotes[place];
            let now = Nanos::new(quote.ts_ns);
            if let Some(placed) = desk.attend(now) {
                desk.offer_ack(now, placed);
                path.recorder.poll(&mut desk, &quote);
                path.fill(&mut desk, placed, &quote);
            }
        }
        assert_eq!(desk.outcome().0, 100, "as many as the floor kernel's");
        assert_eq!(path.recorder.tick_to_order_ns.len(), 100);
    }

    #[test]
    fn a_small_run_has_every_figure_and_its_rounds_agree() {
        let report = bench(Scale::SMALL, &Timer::calibrated());
        assert_eq!(report.figures.len(), METRICS.len() + 3);
        for figure in &report.figures {
            assert!(figure.value > 0.0 && figure.ratio.is_some(), "{figure:?}");
        }
        assert_eq!(report.hashes.len(), 2);
        assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    }
}
