//! Each hot frame by each decoder: ours, and other people's where the feature `rivals` brings them in.
//!
//! Every decoder reads the same frames into the same numbers (raw units of 1e-8, checked equal by a hash) with
//! whatever it can reuse, reused. The floor is a copy of the bytes.

mod frames;
#[cfg(feature = "rivals")]
mod rivals;

use pinion_io::bingx;
use pinion_io::bingx::market::Body;
use pinion_io::bingx::user::Account;
use pinion_io::wire::binance::{self, PADDING};

pub use frames::Kind;

use crate::harness::figure::p50;
use crate::harness::rounds::run;
use crate::harness::{BenchReport, Figure, Scale, Sheet, Subject, Target, Timer};

/// Different frames of a kind.
const FRAMES: usize = 64;
/// Frames that make one sample.
const GROUP: usize = 16;
/// Samples of a round and kind.
const SAMPLES: usize = 1_500;
const SEED: u64 = 0xdec0;
const METRICS: &[&str] = &["bookTicker", "depth 40+40", "order fill", "depth20 gzip"];
const OURS: &str = "ours";
const COPY: &str = "memcpy";

/// A decoder that is measured.
trait Reads {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Reads a frame, which stands at the front of `text` with padding behind it, into a number that depends on
    /// every value of it; `None` where it knows no such frame, or cannot read it.
    fn read(&mut self, kind: Kind, text: &mut [u8], len: usize) -> Option<u64>;

    /// It reads frames of this kind.
    fn knows(&self, kind: Kind) -> bool;
}

/// Runs the bench.
#[must_use]
pub fn bench(scale: Scale, timer: &Timer) -> BenchReport {
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![subject(Copies, scale), subject(Ours::new(), scale)];
    #[cfg(feature = "rivals")]
    subjects.extend(rivals::all().into_iter().map(|rival| boxed(rival, scale)));
    let measured = run(&mut subjects, scale.rounds, timer);
    let mut report = BenchReport::new("decode");
    for metric in METRICS {
        let Some(ours) = measured.series(OURS, metric) else { continue };
        let beside = |report: &mut BenchReport, name: &'static str, target: Option<f64>| {
            let Some(floor) = measured.series(name, metric).filter(|rival| rival.has_samples())
            else {
                return;
            };
            let figure =
                Figure::new(format!("{metric}, beside {name}"), "ns", ours, Some(floor), p50);
            report.figures.push(match target {
                Some(target) => figure.to_reach(Target::RatioAtMost(target)),
                None => figure,
            });
        };
        beside(&mut report, COPY, None);
        let sonic = match *metric {
            "bookTicker" => Some(0.30),
            "depth 40+40" | "order fill" => Some(0.35),
            _ => Some(0.70),
        };
        beside(&mut report, "sonic-rs", sonic);
        beside(&mut report, "simd-json", None);
        beside(
            &mut report,
            "serde_json",
            if *metric == "depth20 gzip" { Some(0.27) } else { None },
        );
    }
    let hashes: Vec<u64> = measured
        .hashes
        .iter()
        .filter(|(name, hash)| *name != COPY && *hash != 0)
        .map(|(_, hash)| *hash)
        .collect();
    if hashes.windows(2).any(|pair| pair[0] != pair[1]) {
        report.notes.push("the decoders do not agree: these figures compare different work".into());
    }
    if cfg!(not(feature = "rivals")) {
        report.notes.push(
            "other people's decoders are not in this build; `cargo bench -p pinion-benches --features rivals \
             --bench canonical -- decode` has them"
                .into(),
        );
    }
    report.take(measured);
    report
}

fn subject<R: Reads + 'static>(reader: R, scale: Scale) -> Box<dyn Subject> {
    boxed(Box::new(reader), scale)
}

fn boxed(reader: Box<dyn Reads>, scale: Scale) -> Box<dyn Subject> {
    let padded = |frame: Vec<u8>| {
        let len = frame.len();
        (frame.into_iter().chain(std::iter::repeat_n(0, PADDING)).collect(), len)
    };
    let frames =
        Kind::ALL.map(|kind| frames::frames(kind, FRAMES, SEED).into_iter().map(padded).collect());
    Box::new(Decoding { reader, frames, samples: scale.of(SAMPLES, 8) })
}

/// A frame with its padding, and its length without it.
type Padded = (Vec<u8>, usize);

struct Decoding {
    reader: Box<dyn Reads>,
    frames: [Vec<Padded>; 4],
    samples: usize,
}

impl Subject for Decoding {
    fn name(&self) -> &'static str {
        self.reader.name()
    }

    fn metrics(&self) -> &'static [&'static str] {
        METRICS
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let mut sum = 0u64;
        for (metric, kind) in Kind::ALL.into_iter().enumerate() {
            if !self.reader.knows(kind) {
                continue;
            }
            let frames = &mut self.frames[metric];
            for sample in 0..self.samples {
                let start = sample * GROUP % FRAMES;
                let group = &mut frames[start..start + GROUP];
                let reader = &mut self.reader;
                let (passed, read) = timer.time(|| {
                    group.iter_mut().fold(0u64, |sum, (text, len)| {
                        let read = reader.read(kind, std::hint::black_box(text), *len);
                        sum.wrapping_mul(31).wrapping_add(read.unwrap_or(0xbad))
                    })
                });
                sheet.ticks(metric, passed, GROUP as u32);
                if sample * GROUP < FRAMES {
                    sum = sum.wrapping_mul(31).wrapping_add(read);
                }
            }
        }
        sheet.hash(sum);
    }
}

/// Puts numbers together, in order.
#[derive(Clone, Copy, Debug, Default)]
struct Mix(u64);

impl Mix {
    fn add(&mut self, value: i64) {
        self.0 = (self.0.rotate_left(5) ^ value.cast_unsigned()).wrapping_mul(0x0100_0000_01b3);
    }
}

/// No decoder at all.
struct Copies;

impl Reads for Copies {
    fn name(&self) -> &'static str {
        COPY
    }

    fn read(&mut self, _kind: Kind, text: &mut [u8], len: usize) -> Option<u64> {
        let mut copy = [0u8; 4_096];
        copy.get_mut(..len)?.copy_from_slice(text.get(..len)?);
        std::hint::black_box(&mut copy);
        Some(len as u64)
    }

    fn knows(&self, _kind: Kind) -> bool {
        true
    }
}

/// The engine's own.
struct Ours {
    binance: binance::Decoder,
    bingx: bingx::Decoder,
}

impl Ours {
    fn new() -> Self {
        Self { binance: binance::Decoder::new(), bingx: bingx::Decoder::new() }
    }
}

impl Reads for Ours {
    fn name(&self) -> &'static str {
        OURS
    }

    fn knows(&self, _kind: Kind) -> bool {
        true
    }

    fn read(&mut self, kind: Kind, text: &mut [u8], len: usize) -> Option<u64> {
        let mut mix = Mix::default();
        match kind {
            Kind::BookTicker => {
                let frame = self.binance.decode(text, len).ok()?;
                let binance::Frame::BookTicker(ticker) = frame else { return None };
                mix.add(ticker.bid.raw());
                mix.add(ticker.bid_qty.raw());
                mix.add(ticker.ask.raw());
                mix.add(ticker.ask_qty.raw());
                mix.add(ticker.changed_ns?.get() / 1_000_000);
            }
            Kind::Depth => {
                let frame = self.binance.decode(text, len).ok()?;
                let binance::Frame::Depth(depth) = frame else { return None };
                mix.add(depth.ids.last.cast_signed());
                let levels = self.binance.levels();
                for level in levels.bids.iter().chain(&levels.asks) {
                    mix.add(level.price.raw());
                    mix.add(level.qty.raw());
                }
            }
            Kind::OrderFill => {
                let frame = self.bingx.decode(text.get(..len)?).ok()?;
                let bingx::Frame::Account(Account::Order(update)) = frame else { return None };
                mix.add(update.last_qty?.raw());
                mix.add(update.last_price?.raw());
                mix.add(update.commission?.raw());
                mix.add(update.cum_qty?.raw());
                mix.add(update.order_id.as_str().parse().ok()?);
            }
            Kind::Depth20 => {
                let frame = self.bingx.decode(text.get(..len)?).ok()?;
                let bingx::Frame::Market(market) = frame else { return None };
                let Body::Depth(levels) = market.body else { return None };
                for level in levels.bids.iter().chain(&levels.asks) {
                    mix.add(level.price.raw());
                    mix.add(level.qty.raw());
                }
            }
        }
        Some(mix.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decoder_reads_every_frame_alike() {
        let report = bench(Scale::SMALL, &Timer::calibrated());
        assert!(report.notes.iter().all(|note| !note.contains("agree")), "{:?}", report.notes);
        assert!(report.figures.len() >= METRICS.len(), "{:?}", report.figures);
        let mut ours = Ours::new();
        for kind in Kind::ALL {
            for mut frame in frames::frames(kind, FRAMES, SEED) {
                let len = frame.len();
                frame.resize(len + PADDING, 0);
                assert!(ours.read(kind, &mut frame, len).is_some(), "{kind:?}");
            }
        }
    }
}
