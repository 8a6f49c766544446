//! A directory that holds a run already.

use super::kills::{Process, config};
use super::{Sim, audit, until};
use pinion_tests::pinion;

/// A run that is refused; what it told.
fn refused(sim: &Sim, config: &std::path::Path, out: &std::path::Path) -> String {
    let before = std::fs::read_to_string(config.with_file_name("told")).unwrap_or_default().len();
    let mut process = Process::start(sim, config, out);
    until("it is refused", || process.is_over());
    process.told()[before..].to_owned()
}

#[test]
fn only_an_interrupted_run_of_the_same_account_and_settings_goes_on() {
    let sim = Sim::process(&["--seed", "5", "--speed", "100"]);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = config(&sim, dir.path());
    let mut process = Process::start(&sim, &config, &out);
    process.trades(&sim, 0);
    let told = refused(&sim, &config, &out);
    assert!(told.contains("another process uses"), "{told}");
    process.kill();

    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("max_hold_scans = 200", "max_hold_scans = 201")).unwrap();
    let told = refused(&sim, &config, &out);
    assert!(told.contains("configuration") && told.contains("--out"), "{told}");
    std::fs::write(&config, text).unwrap();

    // A line that was being written, as a loss of power leaves it.
    let lines = out.join("session.jsonl");
    let mut text = std::fs::read(&lines).unwrap();
    text.truncate(text.len() - 200);
    text.extend_from_slice(b"\n{\"seq\":0,");
    std::fs::write(&lines, text).unwrap();
    let mut process = Process::start(&sim, &config, &out);
    let before = sim.accepted();
    process.trades(&sim, before);
    assert_eq!(process.end(), 0, "{}", process.told());
    assert!(process.told().contains("written anew"), "{}", process.told());
    let replayed = pinion().arg("replay").arg(&out).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let _found = audit::agree(&out, &sim.books());
    let told = refused(&sim, &config, &out);
    assert!(told.contains("has ended") && told.contains("--out"), "{told}");

    let strange = dir.path().join("strange");
    std::fs::create_dir(&strange).unwrap();
    std::fs::write(strange.join("mine"), "x").unwrap();
    let told = refused(&sim, &config, &strange);
    assert!(told.contains("never overwritten"), "{told}");
    assert_eq!(std::fs::read_to_string(strange.join("mine")).unwrap(), "x");
}

#[test]
fn a_run_that_died_before_it_began_begins() {
    let sim = Sim::process(&["--seed", "6", "--speed", "100"]);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    std::fs::create_dir(&out).unwrap();
    for name in ["lock", "session.jsonl"] {
        std::fs::write(out.join(name), "").unwrap();
    }
    std::fs::write(out.join("inputs.journal"), "PINIONJ\x01half a hea").unwrap();
    let config = config(&sim, dir.path());
    let mut process = Process::start(&sim, &config, &out);
    process.trades(&sim, 0);
    assert_eq!(process.end(), 0, "{}", process.told());
}
