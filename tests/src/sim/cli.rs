//! The simulation's command line.

use std::path::PathBuf;

use super::job::Job;

/// Seeds within which a planted defect must be caught.
const MUTANT_SEEDS: u64 = 1_000;

/// What the command does, for people.
pub const HELP: &str = "\
Runs the engine in a simulated world, one seed after the other.

  sim run       --seeds A..B    run these seeds; --seeds B begins with 0
  sim soak      --seeds A..B    the same, without the table of what must be reached
  sim gate                      the corpus, then 2,000 seeds that follow from the commit; all must be reached
  sim replay    --seed S        run one seed, write its folder if it fails
  sim minimise  --seed S        make its failure small, write the folder of the small one
  sim options   --seed S        print what the seed decides
  sim corpus    [--from DIR]    run every kept case
  sim mutants   [--only ID]     plant each known defect in turn; a check must fail within 1,000 seeds
                                (built with the feature planted)

  --events N          inputs until the liveness phase (10000)
  --mode safe|hell    hell: faults need not leave recovery possible, safety alone is checked (safe)
  --plan NAME=VALUE   change an option or a fault's rate; may be repeated
  --jobs N            threads (2)
  --only ID           mutants: the defects whose name begins so; may be repeated
  --out DIR           where failures are written (.)
  --keep-going        do not stop at the first ten failures

Exit code: 0 nothing failed, 127 safety, 128 liveness, 129 panic, 130 two runs of a seed differ,
1 something that must be reached was not, 2 the command line is wrong.
";

/// The command line, read.
#[derive(Clone, Debug)]
pub struct Args {
    /// The verb.
    pub verb: String,
    /// Seeds.
    pub seeds: std::ops::Range<u64>,
    /// Inputs per seed.
    pub events: u64,
    /// Faults need not leave recovery possible.
    pub hell: bool,
    /// Changed options.
    pub plan: Vec<(String, i64)>,
    /// Threads.
    pub jobs: usize,
    /// Where failures go.
    pub out: PathBuf,
    /// Where the corpus is.
    pub from: PathBuf,
    /// Beginnings of names of defects; none: all.
    pub only: Vec<String>,
    /// Goes on after ten failures.
    pub keep_going: bool,
}

impl Args {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong, what was expected.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/data/corpus");
        let mut args = Self {
            verb: words.next().ok_or_else(|| String::from("a verb is missing"))?,
            seeds: 0..1,
            events: 10_000,
            hell: false,
            plan: Vec::new(),
            jobs: 2,
            out: PathBuf::from("."),
            from: PathBuf::from(corpus),
            only: Vec::new(),
            keep_going: false,
        };
        if args.verb == "mutants" {
            args.seeds = 0..MUTANT_SEEDS;
        }
        while let Some(word) = words.next() {
            if word == "--keep-going" {
                args.keep_going = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word}: a value is missing"))?;
            let number = |text: &str| {
                text.parse::<u64>().map_err(|_| format!("{word}: {text:?} is no whole number"))
            };
            match word.as_str() {
                "--seed" => {
                    let seed = number(&value)?;
                    args.seeds = seed..seed.saturating_add(1);
                }
                "--seeds" => {
                    let (from, to) = value.split_once("..").unwrap_or(("0", &value));
                    args.seeds = number(from)?..number(to)?;
                }
                "--events" => args.events = number(&value)?,
                "--jobs" => args.jobs = usize::try_from(number(&value)?).unwrap_or(1),
                "--mode" => {
                    args.hell = match value.as_str() {
                        "safe" => false,
                        "hell" => true,
                        other => return Err(format!("--mode: {other:?}, expected safe or hell")),
                    }
                }
                "--plan" => {
                    let parts = value.split_once('=').and_then(|(name, value)| {
                        Some((name.to_owned(), value.parse::<i64>().ok()?))
                    });
                    args.plan.push(parts.ok_or("--plan: expected NAME=NUMBER")?);
                }
                "--only" => args.only.push(value),
                "--out" => args.out = PathBuf::from(value),
                "--from" => args.from = PathBuf::from(value),
                other => return Err(format!("{other}: no such option")),
            }
        }
        let mut sample = Job::draw(0, 1, false);
        for (name, value) in &args.plan {
            if !sample.set(name, *value) {
                return Err(format!("--plan: there is no option {name:?}; sim options lists them"));
            }
        }
        Ok(args)
    }

    /// The job of a seed.
    #[must_use]
    pub fn job(&self, seed: u64) -> Job {
        let mut job = Job::draw(seed, self.events, self.hell);
        for (name, value) in &self.plan {
            let known = job.set(name, *value);
            debug_assert!(known, "checked when it was read");
        }
        job
    }
}
