//! Quote in, order out, over sockets of this machine: from the moment at which a quote is due at the venue to the
//! whole order there.
//!
//! A venue on a thread of its own sends quotes at times fixed beforehand, one client after the other answers every
//! tenth with a signed order: the engine's path, with our TLS records and with those of rustls; plain crates that
//! spin; and the transport alone, which nothing can beat. Subjects take turns, and ratios are those of one round.

pub mod path;
pub mod plain;
pub mod venue;

pub use path::Path;
pub use venue::{Load, Venue};

use pinion_io::net::RecordLayer;

use crate::harness::figure::{p50, p99};
use crate::harness::rounds::run;
use crate::harness::{BenchReport, Figure, Scale, Sheet, Subject, Target, Timer};
use crate::kernel::workload::ORDER_EVERY;
use path::STAGES;

/// Quotes of a round.
const QUOTES: usize = 20_000;
/// Mean time between quotes.
const GAP_NS: u64 = 40_000;
/// Bytes of an order on the wire, near enough.
const ORDER_BYTES: usize = 480;
const TRIP: &str = "quote due to whole order";
const ECHO: &str = "echo, no TLS";
const TRIP_ALONE: &[&str] = &[TRIP];
const WITH_STAGES: &[&str] = &[TRIP, STAGES[0], STAGES[1], STAGES[2], STAGES[3]];

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Echo,
    Path(RecordLayer),
    Crates,
}

struct Trip {
    name: &'static str,
    client: Client,
    load: Load,
}

impl Subject for Trip {
    fn name(&self) -> &'static str {
        self.name
    }

    fn metrics(&self) -> &'static [&'static str] {
        match self.client {
            Client::Echo | Client::Crates => TRIP_ALONE,
            Client::Path(_) => WITH_STAGES,
        }
    }

    fn round(&mut self, _timer: &Timer, sheet: &mut Sheet) {
        match self.once(sheet) {
            // How many orders there are depends on how far behind the path was: an order that is under way at a
            // tenth quote makes another one unnecessary.
            Ok(()) => sheet.hash(0),
            // Rounds that differ are told of.
            Err(_) => sheet.hash(u64::MAX),
        }
    }
}

impl Trip {
    /// One load.
    fn once(&self, sheet: &mut Sheet) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let venue = Venue::start(self.load).map_err(text)?;
        let every = ORDER_EVERY as usize;
        let mut answers: Vec<usize> = (every - 1..self.load.quotes).step_by(every).collect();
        match self.client {
            Client::Echo => plain::echo(&venue, self.load.quotes, ORDER_BYTES).map_err(text)?,
            Client::Crates => plain::crates(&venue, self.load.quotes).map_err(text)?,
            Client::Path(layer) => {
                let mut path = Path::open(&venue, self.load.lines, layer)?;
                path.stages.reserve_exact(self.load.quotes);
                path.answers.reserve_exact(self.load.quotes);
                while path.quotes < self.load.quotes || !path.is_idle() {
                    path.poll()?;
                    std::hint::spin_loop();
                }
                for stages in path.stages.iter().skip(self.skipped()) {
                    for (metric, ticks) in stages.iter().enumerate() {
                        sheet.ticks(metric + 1, *ticks, 1);
                    }
                }
                answers = std::mem::take(&mut path.answers);
            }
        }
        for ticks in venue.finish().map_err(text)?.passed(&answers).skip(self.skipped()) {
            sheet.ticks(0, ticks, 1);
        }
        Ok(())
    }

    /// Orders at the beginning of a round that are not measured: the first tenth.
    const fn skipped(&self) -> usize {
        self.load.quotes / 100
    }
}

/// Runs the bench.
#[must_use]
pub fn bench(scale: Scale, timer: &Timer) -> BenchReport {
    let load = |tls, zipped, burst| Load {
        tls,
        zipped,
        quotes: scale.of(QUOTES, 400),
        gap_ns: GAP_NS,
        burst,
        lines: 1,
        seed: 0x5eed,
    };
    let own = Client::Path(RecordLayer::Own);
    let rustls = Client::Path(RecordLayer::Rustls);
    let rows = [
        (ECHO, Client::Echo, load(false, false, 1)),
        ("path, no TLS", own, load(false, false, 1)),
        ("path, own records", own, load(true, false, 1)),
        ("path, rustls records", rustls, load(true, false, 1)),
        ("path, own records, packed", own, load(true, true, 1)),
        ("path, own records, bursts of 16", own, load(true, false, 16)),
        ("plain crates, rustls", Client::Crates, load(true, false, 1)),
        ("plain crates, rustls, packed", Client::Crates, load(true, true, 1)),
    ];
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    for (name, client, load) in rows {
        subjects.push(Box::new(Trip { name, client, load }));
    }
    let measured = run(&mut subjects, scale.rounds, timer);
    let mut report = BenchReport::new("wire");
    let floor = measured.series(ECHO, TRIP);
    for (name, client, ..) in rows {
        let Some(of) = measured.series(name, TRIP) else { continue };
        let beside = floor.filter(|_| client != Client::Echo);
        let half = Figure::new(format!("{name}, p50"), "ns", of, beside, p50);
        let tail = Figure::new(format!("{name}, p99"), "ns", of, beside, p99);
        let (half, tail) = match name {
            "path, no TLS" => {
                (half.to_reach(Target::RatioAtMost(1.05)), tail.to_reach(Target::RatioAtMost(1.12)))
            }
            "path, own records" | "path, rustls records" => {
                (half.to_reach(Target::RatioAtMost(1.18)), tail.to_reach(Target::RatioAtMost(1.30)))
            }
            _ => (half, tail),
        };
        report.figures.extend([half, tail]);
        for stage in STAGES {
            if let Some(of) = measured.series(name, stage) {
                let figure = Figure::new(format!("{name}: {stage}"), "ns", of, None, p50);
                report.figures.push(figure);
            }
        }
    }
    for (rival, ours) in [
        ("plain crates, rustls", "path, rustls records"),
        ("plain crates, rustls", "path, own records"),
        ("plain crates, rustls, packed", "path, own records, packed"),
    ] {
        let (Some(of), Some(beside)) = (measured.series(rival, TRIP), measured.series(ours, TRIP))
        else {
            continue;
        };
        let figure = Figure::new(format!("{rival}, beside {ours}"), "ns", of, Some(beside), p50);
        report.figures.push(figure.to_reach(Target::RatioAtLeast(1.2)));
    }
    report.notes.push(
        "the venue is a thread of this process; on a machine whose cores are busy the tail is the scheduler's"
            .to_owned(),
    );
    report.take(measured);
    report
}
