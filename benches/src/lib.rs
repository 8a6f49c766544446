//! The canonical benchmarks, each beside its floor. `pinion bench` and `cargo bench` run the same code.
//!
//! A library, because two programs and the tests run it; below `tools`, because the command is one of them.

pub mod decode;
pub mod desk;
pub mod harness;
pub mod kernel;
pub mod pipeline;
pub mod replay;
pub mod ring;
pub mod soak;
pub mod tick_path;
pub mod turns;
pub mod wire;

use std::path::PathBuf;
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
    run: fn(&Plan, &Timer) -> BenchReport,
}

/// Every bench, in the order in which they run.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "kernel",
        about: "quote, order, acknowledgement, fill: beside a hand-written floor kernel",
        run: |plan, timer| kernel::bench(plan.scale, timer),
    },
    Bench {
        name: "decode",
        about: "each hot frame: beside a copy of its bytes",
        run: |plan, timer| decode::bench(plan.scale, timer),
    },
    Bench {
        name: "ring",
        about: "hop and stream of a link: beside bare rings",
        run: |plan, timer| ring::bench(plan.scale, timer),
    },
    Bench {
        name: "tick-path",
        about: "frames to orders on one core, 50,000 a second at random times",
        run: |plan, timer| tick_path::bench(plan.scale, timer),
    },
    Bench {
        name: "replay",
        about: "events a second, kernel alone and whole",
        run: |plan, timer| replay::on(plan.data.as_deref(), plan.scale, timer),
    },
    Bench {
        name: "soak",
        about: "memory over many events",
        run: |plan, timer| soak::bench(plan.scale, timer),
    },
    Bench {
        name: "wire",
        about: "quote in, signed order out over sockets: beside the transport alone and plain crates",
        run: |plan, timer| wire::bench(plan.scale, timer),
    },
];

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names of benches; all without one. A name that no bench has runs nothing.
    pub names: Vec<String>,
    /// How much.
    pub scale: Scale,
    /// Recorded data for `replay`.
    pub data: Option<PathBuf>,
}

/// Runs the benches of a plan. `progress` is told each name before it runs.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(&str)) -> Report {
    let timer = Timer::calibrated();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut benches = Vec::new();
    let names = &plan.names;
    let wanted = |bench: &&Bench| names.is_empty() || names.iter().any(|name| name == bench.name);
    for bench in BENCHES.iter().filter(wanted) {
        progress(bench.name);
        let look = if plan.scale == Scale::SMALL { LOOK / 10 } else { LOOK };
        let before = noise::look(&timer, look);
        let mut report = (bench.run)(plan, &timer);
        report.heard(before.worse(noise::look(&timer, look)));
        benches.push(report);
    }
    let started_ns = u64::try_from(started.as_nanos()).unwrap_or(u64::MAX);
    Report { host: Host::read(), started_ns, benches }
}
