//! The canonical benchmarks, each beside its floor. `pinion bench` and `cargo bench` run the same code.
//!
//! A library, because two programs and the tests run it; below `tools`, because the command is one of them.

pub mod desk;
pub mod harness;
pub mod kernel;
pub mod pipeline;
pub mod turns;
pub mod wire;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{BenchReport, Host, Report, Scale, Timer, noise};

/// How long each look at the noise of the machine takes.
const LOOK: Duration = Duration::from_millis(150);

/// A bench that can be asked for by name.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Its name.
    pub name: &'static str,
    /// What it measures, in one line.
    pub about: &'static str,
    run: fn(Scale, &Timer) -> BenchReport,
}

/// Every bench, in the order in which they run.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "kernel",
        about: "quote, order, acknowledgement, fill: beside a hand-written floor kernel",
        run: kernel::bench,
    },
    Bench {
        name: "wire",
        about: "quote in, signed order out over sockets: beside the transport alone and plain crates",
        run: wire::bench,
    },
];

/// Runs the named benches, or all when none is named. `progress` is told each name before it runs.
pub fn run(names: &[String], scale: Scale, progress: &mut dyn FnMut(&str)) -> Report {
    let timer = Timer::calibrated();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut benches = Vec::new();
    let wanted = |bench: &&Bench| names.is_empty() || names.iter().any(|name| name == bench.name);
    for bench in BENCHES.iter().filter(wanted) {
        progress(bench.name);
        let look = if scale == Scale::SMALL { LOOK / 10 } else { LOOK };
        let before = noise::look(&timer, look);
        let mut report = (bench.run)(scale, &timer);
        report.heard(before.worse(noise::look(&timer, look)));
        benches.push(report);
    }
    Report {
        host: Host::read(),
        started_ns: u64::try_from(started.as_nanos()).unwrap_or(u64::MAX),
        benches,
    }
}
