//! The deterministic simulation as a command: seeds, replays, minimal failures, the corpus.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to a person")]

use std::process::ExitCode;
use std::time::Instant;

use pinion_tests::sim::batch::{Sums, run_seeds};
use pinion_tests::sim::cli::{Args, HELP};
use pinion_tests::sim::{corpus, hush_panics, minimise, report, run};

/// Failures after which a batch ends, unless told otherwise.
const FAILURES_MAX: usize = 10;
/// Seeds of the gate.
const GATE_SEEDS: u64 = 2_000;

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|word| matches!(word.as_str(), "--help" | "-h" | "help")) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let args = match Args::read(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(wrong) => {
            eprintln!("sim: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    hush_panics();
    let done = match args.verb.as_str() {
        "run" => batch(&args, false),
        "soak" => batch(&args, false),
        "gate" => gate(args),
        "replay" => replay(&args),
        "minimise" => minimise_seed(&args),
        "options" => {
            print!("{}", report::options(&args.job(args.seeds.start)));
            Ok(0)
        }
        "corpus" => corpus_runs(&args),
        "mutants" => mutants(&args),
        other => Err(format!("{other}: no such verb\n\n{HELP}")),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(wrong) => {
            eprintln!("sim: {wrong}");
            ExitCode::from(2)
        }
    }
}

/// The corpus first, then seeds of this commit, and everything must be reached.
fn gate(mut args: Args) -> Result<u8, String> {
    let code = corpus_runs(&args)?;
    if code != 0 {
        return Ok(code);
    }
    let base = report::base_seed(&report::commit());
    println!("base seed {base}, from the commit");
    args.seeds = base..base + GATE_SEEDS;
    batch(&args, true)
}

#[expect(clippy::cast_precision_loss, reason = "figures for the eye")]
fn batch(args: &Args, must_reach: bool) -> Result<u8, String> {
    let (start, commit) = (Instant::now(), report::commit());
    let mut sums = Sums::default();
    let mut wrong = None;
    run_seeds(args.seeds.clone(), args.jobs, &|seed| args.job(seed), &mut |job, outcome| {
        if let Some(failure) = &outcome.failure {
            let line = report::line(job, failure, &commit);
            println!("{line}");
            if sums.failures.len() < FAILURES_MAX
                && let Err(error) = report::write(&args.out, job, &line)
            {
                wrong = Some(error.to_string());
            }
        }
        sums.add(job, outcome);
        args.keep_going || sums.failures.len() < FAILURES_MAX
    });
    if let Some(error) = wrong {
        return Err(format!("{}: {error}", args.out.display()));
    }
    let (table, missing) = sums.counters.table();
    println!("{table}");
    let seconds = start.elapsed().as_secs_f64();
    let rate = sums.events as f64 / seconds / args.jobs.max(1) as f64;
    println!(
        "{} seeds, {} events, {} faults, {:.1} simulated hours, {} run twice, {} failed: {seconds:.1} s, {rate:.0} events/s and thread",
        sums.seeds,
        sums.events,
        sums.faults,
        sums.lasted_ns as f64 / 3.6e12,
        sums.twice,
        sums.failures.len()
    );
    if let Some((_, failure)) = sums.failures.first() {
        return Ok(failure.class as u8);
    }
    if must_reach && !missing.is_empty() {
        println!("never reached:\n  {}", missing.join("\n  "));
        return Ok(1);
    }
    Ok(0)
}

/// Plants one defect after the other.
#[cfg(feature = "planted")]
fn mutants(args: &Args) -> Result<u8, String> {
    use pinion_core::planted::Defect;
    use pinion_tests::sim::mutants::{HEAD, hunt, unclean};

    let start = Instant::now();
    let wanted = |defect: &&Defect| {
        args.only.is_empty() || args.only.iter().any(|id| defect.as_str().starts_with(id))
    };
    let defects: Vec<Defect> = Defect::ALL.iter().filter(wanted).copied().collect();
    if defects.is_empty() {
        return Err(format!("--only: no defect of that name; there are {:?}", Defect::TEXTS));
    }
    let make = |seed| args.job(seed);
    let unclean = unclean(args.seeds.clone(), args.jobs, &make);
    for (seed, check) in &unclean {
        println!("seed {seed} fails with nothing planted: {check}");
    }
    let but = unclean.iter().map(|seed| seed.0).collect();
    println!("{HEAD}");
    let mut missed = Vec::new();
    for defect in &defects {
        let found = hunt(*defect, args.seeds.clone(), &but, args.jobs, &make);
        println!("{}", found.line());
        if found.catch.is_none() {
            missed.push(defect.as_str());
        }
    }
    println!(
        "{} of {} planted defects caught, {} of {} seeds clean: {:.1} s",
        defects.len() - missed.len(),
        defects.len(),
        args.seeds.end.saturating_sub(args.seeds.start) - unclean.len() as u64,
        args.seeds.end.saturating_sub(args.seeds.start),
        start.elapsed().as_secs_f64()
    );
    if !missed.is_empty() {
        println!("caught by nobody: {}", missed.join(" "));
    }
    Ok(u8::from(!missed.is_empty() || !unclean.is_empty()))
}

#[cfg(not(feature = "planted"))]
fn mutants(_: &Args) -> Result<u8, String> {
    Err(String::from("mutants: built without the planted defects; build with --features planted"))
}

fn replay(args: &Args) -> Result<u8, String> {
    let job = args.job(args.seeds.start);
    print!("{}", report::options(&job));
    let outcome = run(&job);
    println!("{} events, hash {:016x}", outcome.events, outcome.hash);
    let Some(failure) = &outcome.failure else {
        println!("passed");
        return Ok(0);
    };
    let line = report::line(&job, failure, &report::commit());
    println!("{line}");
    let folder = report::write(&args.out, &job, &line);
    println!("{}", folder.map_err(|error| error.to_string())?.display());
    Ok(failure.class as u8)
}

fn minimise_seed(args: &Args) -> Result<u8, String> {
    let job = args.job(args.seeds.start);
    let Some((small, outcome)) = minimise::minimise(&job) else {
        println!("seed {} passes", job.seed);
        return Ok(0);
    };
    let failure = outcome.failure.as_ref();
    let line = failure.map(|failure| report::line(&small, failure, &report::commit()));
    let line = line.unwrap_or_default();
    let story = report::story(&outcome);
    println!("{}\n{}\n{} lines\n{line}", report::options(&small), story.join("\n"), story.len());
    let folder = report::write(&args.out, &small, &line);
    println!("{}", folder.map_err(|error| error.to_string())?.display());
    Ok(failure.map_or(0, |failure| failure.class as u8))
}

fn corpus_runs(args: &Args) -> Result<u8, String> {
    let cases = corpus::load(&args.from)?;
    let mut code = 0;
    for case in &cases {
        let outcome = run(&case.job);
        if let Some(failure) = &outcome.failure {
            println!("corpus {}: {} (once: {})", case.name, failure.breach, case.broke);
            code = failure.class as u8;
        }
    }
    println!("corpus: {} cases, {}", cases.len(), if code == 0 { "all pass" } else { "FAILED" });
    Ok(code)
}
