//! What a run is asked for, and what comes of it.

use pinion_io::paper::faults::{FaultPlan, Instance};
use pinion_oracle::Breach;

use super::chaos::DeedAt;
use super::counters::Counters;
use super::options::Options;

/// One run: a seed, and what is changed or left out of what it decides.
#[derive(Clone, Debug)]
pub struct Job {
    /// The seed.
    pub seed: u64,
    /// Inputs of the engine until the liveness phase.
    pub events: u64,
    /// Faults need not leave recovery possible: safety alone is checked.
    pub hell: bool,
    /// Shape and disturbances.
    pub options: Options,
    /// Faults of the venue.
    pub plan: FaultPlan,
    /// Only these faults of the venue; `None`: as drawn.
    pub only_faults: Option<Vec<Instance>>,
    /// Only these disturbances, sorted.
    pub only_deeds: Option<Vec<DeedAt>>,
    /// Only the intents of these market messages, sorted.
    pub only_intents: Option<Vec<u32>>,
    /// Write down what happens.
    pub trace: bool,
}

/// Faults of the venue that lose something for good, so that books can differ by right.
const LOSSY: [&str; 16] = [
    "lose",
    "outage",
    "half_open",
    "no_fill_id",
    "no_qty",
    "no_price",
    "no_ids",
    "liquidation",
    "adl",
    "hand_close",
    "hand_open",
    "foreign_same",
    "foreign_other",
    "response_lost",
    "filled_short",
    "self_trade",
];

impl Job {
    /// What the seed decides. In `hell` faults need not leave recovery possible.
    #[must_use]
    pub fn draw(seed: u64, events: u64, hell: bool) -> Self {
        let options = Options::draw(seed);
        let mut plan = FaultPlan::draw(seed, hell);
        if options.exact == 1 {
            for name in LOSSY {
                let known = plan.set(name, 0);
                debug_assert!(known, "{name} is a fault");
            }
        }
        Self {
            seed,
            events,
            hell,
            options,
            plan,
            only_faults: None,
            only_deeds: None,
            only_intents: None,
            trace: false,
        }
    }

    /// A run of which nothing is decided yet: every option and every rate is 0.
    #[must_use]
    pub fn blank(seed: u64, events: u64, hell: bool) -> Self {
        let (options, plan) = (Options::default(), FaultPlan::NONE);
        Self { options, plan, ..Self::draw(seed, events, hell) }
    }

    /// Changes an option, or a field of the venue's plan; false when neither has that name.
    pub fn set(&mut self, name: &str, value: i64) -> bool {
        self.options.set(name, value) || self.plan.set(name, value)
    }

    /// Every option and every field of the plan: name, group, value.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str, i64)> {
        self.options.fields().chain(self.plan.fields())
    }
}

/// How a run failed; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Something happened that must never happen.
    Safety = 127,
    /// Without faults the engine did not come to rest.
    Liveness = 128,
    /// A panic.
    Crash = 129,
    /// Two runs of one seed differed.
    Nondeterminism = 130,
}

/// Why and where a run ended early.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Kind.
    pub class: Class,
    /// Which check and what it found.
    pub breach: Breach,
    /// Inputs applied until then.
    pub event: u64,
}

impl Failure {
    /// A breach at this input; checks of the liveness phase begin with `L_`.
    #[must_use]
    pub fn of(breach: Breach, event: u64) -> Self {
        let class = if breach.check.starts_with("L_") { Class::Liveness } else { Class::Safety };
        Self { class, breach, event }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Inputs applied.
    pub events: u64,
    /// Simulated time, in nanoseconds.
    pub lasted_ns: i64,
    /// Hash of every input in order.
    pub hash: u64,
    /// The same after each thousand inputs.
    pub hashes: Vec<u64>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// What was reached.
    pub counters: Counters,
    /// Faults of the venue that happened.
    pub faults: Vec<Instance>,
    /// Disturbances that happened.
    pub deeds: Vec<DeedAt>,
    /// Intents that were accepted.
    pub intents: Vec<u32>,
    /// What happened, when it was asked for.
    pub trace: Vec<String>,
    /// State of engine and oracle at the end, when a trace was asked for.
    pub state: String,
}
