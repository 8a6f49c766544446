//! The fused tick path under load: frames that arrive at random, 50,000 a second on average, each decoded, moved
//! over the market link and turned by the kernel stage on one core.
//!
//! Open loop: the arrival times are drawn beforehand (Poisson), and a latency counts from the time at which the
//! frame was due, not from when the path got round to it. So a stall is felt by every frame that waits behind it.

use std::sync::Arc;

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::units::{Nanos, Price};
use pinion_io::wire::binance::{Decoder, Frame, PADDING};

use crate::harness::figure::{p50, p99};
use crate::harness::rounds::run;
use crate::harness::timer::ticks;
use crate::harness::{BenchReport, Figure, Scale, Sheet, Subject, Target, Timer};
use crate::kernel::desk::StageDesk;
use crate::kernel::workload;

/// Mean time between two frames: 50,000 a second.
const MEAN_NS: f64 = 20_000.0;
/// Frames of a round.
const FRAMES: usize = 25_000;
const LATENCY: &str = "due to done";
const PATH: &str = "fused path";

/// Runs the bench.
#[must_use]
pub fn bench(scale: Scale, timer: &Timer) -> BenchReport {
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(Fused::new(scale.of(FRAMES, 300)))];
    let measured = run(&mut subjects, scale.rounds, timer);
    let mut report = BenchReport::new("tick-path");
    if let Some(series) = measured.series(PATH, LATENCY) {
        report.figures.push(Figure::new("p50", "ns", series, None, p50));
        let values = |pick: crate::harness::figure::Pick| {
            series.rounds.iter().map(pick).collect::<Vec<f64>>()
        };
        let figure = Figure::of_values("p99", "ns", &values(p99), Some(&values(p50)));
        report.figures.push(figure.beside("its p50").to_reach(Target::RatioAtMost(2.5)));
    }
    report.take(measured);
    report
}

struct Fused {
    frames: Vec<(Vec<u8>, usize)>,
    quotes: Arc<[crate::kernel::floor::Quote]>,
    due_ns: Vec<f64>,
}

impl Fused {
    fn new(count: usize) -> Self {
        let quotes: Arc<[_]> = workload::quotes(count, 3).into();
        let text = |raw: i64| Price::from_raw(raw).to_string();
        let frames = quotes.iter().map(|quote| {
            let frame = format!(
                "{{\"e\":\"bookTicker\",\"u\":{},\"s\":\"BTCUSDT\",\"b\":\"{}\",\"B\":\"50\",\"a\":\"{}\",\
                 \"A\":\"40\",\"T\":{ms},\"E\":{ms}}}",
                quote.ts_ns / 1_000,
                text(quote.bid),
                text(quote.ask),
                ms = quote.ts_ns / 1_000_000,
            );
            let len = frame.len();
            (frame.into_bytes().into_iter().chain([0; PADDING]).collect(), len)
        });
        Self { frames: frames.collect(), due_ns: arrivals(count), quotes }
    }
}

/// Times of arrivals with exponential pauses between them, seeded.
fn arrivals(count: usize) -> Vec<f64> {
    let (mut state, mut at) = (0x9e37u64, 0.0);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let share = ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            at -= MEAN_NS * share.ln();
            at
        })
        .collect()
}

impl Subject for Fused {
    fn name(&self) -> &'static str {
        PATH
    }

    fn metrics(&self) -> &'static [&'static str] {
        &[LATENCY]
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of a round, far below the range of a counter"
    )]
    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let mut decoder = Decoder::new();
        let mut desk = StageDesk::new(&workload::message(&self.quotes[0]));
        let per_ns = 1.0 / timer.ns(1.0);
        let begun = ticks();
        for (place, (text, len)) in self.frames.iter_mut().enumerate() {
            let due = begun + (self.due_ns[place] * per_ns) as u64;
            while ticks() < due {
                std::hint::spin_loop();
            }
            let quote = &self.quotes[place];
            let now = Nanos::new(quote.ts_ns);
            if let Ok(Frame::BookTicker(ticker)) = decoder.decode(text, *len) {
                let body = MarketBody::Quote {
                    bid: ticker.bid,
                    ask: ticker.ask,
                    bid_qty: Some(ticker.bid_qty),
                    ask_qty: Some(ticker.ask_qty),
                };
                let id = InstrumentId::new(0);
                desk.offer(MarketMsg::from_body(id, now, ticker.changed_ns, body));
            }
            let _work = desk.poll(now);
            sheet.ticks(0, ticks().saturating_sub(due), 1);
            // What follows is the venue's and the journal's work, on other machines and cores.
            if let Some(placed) = desk.attend(now) {
                desk.offer_ack(now, placed);
                let _work = desk.poll(now);
                desk.offer_fill(now, placed, Price::from_raw(quote.ask));
                let _work = desk.poll(now);
            }
            if place % 5_000 == 0 {
                desk.housekeep();
            }
        }
        desk.housekeep();
        let (orders, hash) = desk.outcome();
        sheet.hash(hash ^ orders);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_random_with_the_right_mean() {
        let times = arrivals(20_000);
        assert!(times.is_sorted());
        let mean = times[19_999] / 20_000.0;
        assert!((mean / MEAN_NS - 1.0).abs() < 0.05, "{mean}");
        let short = times.windows(2).filter(|pair| pair[1] - pair[0] < MEAN_NS).count();
        assert!((0.6..0.66).contains(&(short as f64 / 20_000.0)), "{short} pauses below the mean");
    }

    #[test]
    fn a_small_run_turns_every_frame_and_repeats() {
        let report = bench(Scale::SMALL, &Timer::calibrated());
        assert_eq!(report.figures.len(), 2);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        assert_eq!(report.series[0].histogram.len(), 600, "every frame of two rounds");
    }
}
