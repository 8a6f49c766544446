//! A small form of the simulation; the command `sim` runs the large ones.

use std::path::Path;

use pinion_tests::sim::batch::{Sums, run_seeds};
use pinion_tests::sim::{Class, Job, corpus, minimise, report, run};

/// Inputs before the liveness phase.
const EVENTS: u64 = 2_000;

fn job(seed: u64) -> Job {
    Job::draw(seed, EVENTS, false)
}

/// A job in which nothing goes wrong: no fault, no disturbance.
fn calm(seed: u64) -> Job {
    let mut job = job(seed);
    for group in pinion_tests::sim::options::FAULT_GROUPS {
        job.options.switch_off(group);
    }
    let names: Vec<&str> = job.plan.fields().map(|field| field.0).collect();
    for name in names.into_iter().filter(|name| !name.ends_with("_max")) {
        assert!(job.plan.set(name, 0), "{name}");
    }
    job.options.balance_age_ns = 0;
    job
}

#[test]
fn sixty_seeds_pass_and_trade() {
    let mut sums = Sums::default();
    run_seeds(0..60, 2, &job, &mut |job, outcome| {
        sums.add(job, outcome);
        true
    });
    let lines: Vec<String> =
        sums.failures.iter().map(|(job, failure)| report::line(job, failure, "this one")).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(sums.seeds, 60);
    let reached = |kind: &str, name: &str| {
        let rows = sums.counters.rows();
        rows.iter().find(|row| row.kind == kind && row.name == name).map_or(0, |row| row.count)
    };
    for (kind, name) in [
        ("venue", "entry fill"),
        ("venue", "exit fill"),
        ("liveness", "reached"),
        ("recovery", "warm restart"),
        ("check", "books equal"),
        ("check", "replayed"),
    ] {
        assert!(reached(kind, name) > 0, "{kind}: {name} was never reached");
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in [3, 11, 29] {
        let (first, second) = (run(&job(seed)), run(&job(seed)));
        assert!(first.events >= EVENTS && !first.hashes.is_empty());
        assert_eq!((first.hash, first.hashes), (second.hash, second.hashes), "seed {seed}");
    }
    assert_ne!(run(&job(3)).hash, run(&job(4)).hash);
}

#[test]
fn what_a_trace_writes_down_changes_nothing() {
    let mut traced = job(5);
    traced.trace = true;
    let outcome = run(&traced);
    assert!(!outcome.trace.is_empty() && !outcome.state.is_empty());
    assert_eq!(outcome.hash, run(&job(5)).hash);
}

#[test]
fn an_instance_that_is_left_out_does_not_shift_the_others() {
    let whole = run(&job(7));
    let mut again = job(7);
    again.only_intents = Some(whole.intents.clone());
    let mut deeds = whole.deeds.clone();
    deeds.sort_unstable();
    again.only_deeds = Some(deeds);
    again.only_faults = Some(whole.faults.clone());
    assert_eq!(run(&again).hash, whole.hash, "exactly what happened, happens again");
}

/// An engine that enters again beside an exit is caught, and its failure made small.
#[test]
fn a_broken_engine_is_caught_and_its_failure_made_small() {
    let broken = (0..200).map(calm).find_map(|mut job| {
        job.options.policy = 0;
        job.options.sabotage = 3;
        let outcome = run(&job);
        outcome.failure.is_some().then_some((job, outcome))
    });
    let (job, outcome) = broken.expect("some seed trades enough");
    let failure = outcome.failure.expect("it failed");
    let found = (failure.class, failure.breach.check);
    assert_eq!(found, (Class::Safety, "I1_double_entry"), "{failure:?}");
    let (small, outcome) = minimise::minimise(&job).expect("it fails");
    let found = outcome.failure.as_ref().expect("it still fails");
    assert_eq!(found.breach.check, "I1_double_entry");
    let story = report::story(&outcome);
    assert!(story.len() <= 30, "{} lines:\n{}", story.len(), story.join("\n"));
    assert!(outcome.intents.len() <= 6, "{:?}", outcome.intents);
    // The text for the corpus leads to the same failure.
    let text = corpus::to_text(&small, found.breach.check, "an entry was sent twice");
    let case = corpus::parse("broken", &text).expect("its own text");
    let again = run(&case.job).failure.expect("it fails again");
    assert_eq!((again.breach, again.event), (found.breach.clone(), found.event));
}

#[test]
fn the_corpus_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/corpus");
    let cases = corpus::load(&folder).expect("readable");
    assert!(!cases.is_empty());
    for case in cases {
        let failure = run(&case.job).failure;
        assert!(failure.is_none(), "{}, once {}: {failure:?}", case.name, case.broke);
    }
}

#[test]
fn a_corpus_file_that_is_wrong_says_where() {
    let good = "broke = \"x\"\ncheck = \"y\"\nseed = 1\nevents = 10\nmode = \"safe\"\n";
    assert!(corpus::parse("a", good).is_ok());
    for (text, said) in [
        (good.replace("seed = 1", ""), "a: seed is missing"),
        (good.replace("safe", "mild"), "expected safe or hell"),
        (format!("{good}[set]\nno_such = 1\n"), "there is no option"),
        (format!("{good}deeds = [\"crash\"]\n"), "expected NAME@NUMBER"),
        (format!("{good}faults = [\"nothing@1\"]\n"), "no fault"),
    ] {
        let wrong = corpus::parse("a", &text).expect_err(&text);
        assert!(wrong.contains(said), "{wrong}");
    }
}

#[test]
fn help_is_no_mistake() {
    for words in [&["--help"][..], &["-h"], &["run", "--help"]] {
        let sim = Path::new(env!("CARGO_BIN_EXE_sim"));
        let output = std::process::Command::new(sim).args(words).output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), pinion_tests::sim::cli::HELP);
        assert!(output.stderr.is_empty(), "{words:?}");
    }
}
