//! Wrong arguments and settings: refused before anything is made.

use super::{refused, write};
use crate::runs::{command, paper, paper_in};

#[test]
fn values_out_of_their_range_name_what_was_expected() {
    let speed = "expected \"max\" or a number from 0.001 to 1000000";
    let duration = "expected a whole number above 0 and a unit: 90s, 15m, 6h, 2d";
    let seed = "expected a whole number from 0 to 9223372036854775807";
    let profile = "expected 1 to 64 letters, digits, dots, dashes or underscores";
    for (argument, values, expected) in [
        ("--speed", &["fast", "0", "-1", "NaN", "inf", "1e9", ""][..], speed),
        ("--duration", &["5", "0s", "-5s", "1.5h", "99999999999d", "h", ""], duration),
        ("--seed", &["x", "-1", "1.5", "18446744073709551616", ""], seed),
        ("--profile-id", &["../x", "a/b", ".hidden", "a b", ""], profile),
        ("--layout", &["fast"], "[possible values: inline, shared, dedicated]"),
        ("--tuner", &["quick"], "[possible values: off, conveyor, fast, calm, sniper]"),
    ] {
        for value in values {
            let run = paper(&[&format!("{argument}={value}")]);
            refused(&run, 2, &[argument, &format!("'{value}'"), expected]);
        }
    }
    refused(&paper(&["--seed", "-1"]), 2, &[seed]);
    refused(&paper(&["--spede", "1"]), 2, &["--spede", "--speed"]);
    refused(&paper(&["data.csv"]), 2, &["data.csv", "--help"]);
}

#[test]
fn settings_that_do_not_exist_or_fit() {
    let nothing = "nothing was applied";
    for (setting, words) in [
        ("engine.sed=3", ["engine.sed is unknown", "did you mean `engine.seed`?"]),
        ("engine.tick_ns=abc", ["engine.tick_ns is abc", "expected a whole number from 1000000"]),
        ("engine.tick_ns=0", ["engine.tick_ns is 0", "expected a whole number from 1000000"]),
        ("exit.tp_bps=NaN", ["exit.tp_bps is NaN", "expected "]),
        ("account.taker_rate=1e400", ["account.taker_rate is 1e400", "expected "]),
        ("exit.legs=0.5,0.6", ["exit.legs is 0.5,0.6", "fractions above 0 that sum to 1"]),
        ("engine.seed", ["engine.seed", "expected "]),
    ] {
        refused(&paper(&["--set", setting]), 4, &[words[0], words[1], nothing]);
    }
    // All of them at once, not the first alone.
    let run = paper(&["--set", "engine.sed=3", "--set", "engine.tick_ns=0"]);
    refused(&run, 4, &["engine.sed is unknown", "engine.tick_ns is 0", "2 problems"]);
}

#[test]
fn a_configuration_file_with_a_fault_is_pointed_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = write(&folder, "pinion.toml", "[engine]\nseed = \"x\"\n");
    let run = paper_in(folder, &["--config", &config]);
    refused(&run, 4, &["pinion.toml:2:8: engine.seed is \"x\"", "^^^", "write it without quotes"]);
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent.toml");
    let run = paper(&["--config", absent.to_str().expect("UTF-8")]);
    refused(&run, 2, &["absent.toml", "cannot read"]);
    let config = write(&folder, "live.toml", "[engine]\nmode = \"live\"\n");
    let run = paper_in(folder, &["--config", &config]);
    refused(&run, 4, &["engine.mode is live", "expected paper"]);
}

#[test]
fn a_core_that_is_not_there_is_refused() {
    let run = paper(&["--layout", "shared", "--set", "engine.cores=1000"]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        run.ok();
        return;
    }
    refused(&run, 4, &["core 1000 cannot be used by this process", "engine.cores"]);
}

#[test]
fn a_verb_that_does_not_exist() {
    let output = command(["papper"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(told.contains("'papper'") && told.contains("paper"), "{told}");
}
