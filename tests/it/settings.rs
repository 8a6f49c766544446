//! `pinion config` as a person and a script meet it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use pinion_core::settings::KEYS;
use pinion_tests::pinion;
use pinion_tools::config::config_hash;
use pinion_tools::config::sections::{ControlSection, Field, Section as _, Venue, VenueSection};
use serde_json::Value as Json;

/// Runs `pinion config …`.
fn config(args: &[&str]) -> Output {
    pinion().arg("config").args(args).output().expect("starts")
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("text")
}

/// stdout as one JSON document, and nothing else anywhere.
fn json(args: &[&str]) -> Json {
    let output = config(args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    serde_json::from_str(stdout(&output)).expect("one JSON document")
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.toml");
    fs::write(&path, text).expect("writes");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}

#[test]
fn help_names_the_installed_command() {
    let output = pinion().arg("--help").output().expect("starts");
    assert!(output.status.success());
    assert!(stdout(&output).contains("Usage: pinion <COMMAND>"), "{}", stdout(&output));
}

#[test]
fn keys_list_the_whole_table() {
    let table = json(&["keys", "--json"]);
    let rows = table.as_array().expect("a list");
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().expect("a name")).collect();
    let fields = VenueSection::FIELDS.iter().chain(ControlSection::FIELDS);
    let sections: Vec<String> = fields.map(Field::key).collect();
    let expected = KEYS.iter().map(|key| key.name).chain(sections.iter().map(String::as_str));
    assert_eq!(names, expected.collect::<Vec<_>>());
    let columns = BTreeSet::from([
        "name",
        "aliases",
        "type",
        "unit",
        "default",
        "min",
        "max",
        "choices",
        "step",
        "sensitivity",
        "importance",
        "apply",
        "writer",
        "protected",
        "doc",
    ]);
    for row in rows {
        let row = row.as_object().expect("an object");
        assert_eq!(row.keys().map(String::as_str).collect::<BTreeSet<_>>(), columns);
    }
    let text = config(&["keys"]);
    for key in KEYS {
        assert!(
            stdout(&text).contains(key.name) && stdout(&text).contains(key.doc),
            "{}",
            key.name
        );
    }
    for line in stdout(&text).lines() {
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn the_schema_describes_the_printed_file() {
    let schema = json(&["schema"]);
    let printed = config(&["show", "--toml"]);
    let sample: toml::Table = stdout(&printed).parse().expect("TOML");
    for (section, keys) in &sample {
        let properties = &schema["properties"][section]["properties"];
        for (name, value) in keys.as_table().expect("a section") {
            let default = &properties[name]["default"];
            let value = serde_json::to_value(value).expect("plain data");
            assert_eq!(&value, default, "{section}.{name}");
        }
    }
    let keys: usize =
        sample.values().filter_map(|keys| keys.as_table().map(toml::Table::len)).sum();
    assert_eq!(keys, KEYS.len());
}

#[test]
fn the_layers_stack_in_order_and_show_where_each_value_is_from() {
    let (_folder, path) =
        file("[exit]\ntp_bps = 7\nsl_bps = 8\n[instrument.btc-usdt]\ntick = '0.1'\n");
    let output = pinion()
        .args(["config", "show", "--json", "--config", &path, "--set", "exit.max_hold_scans=9"])
        .env("PINION__EXIT__SL_BPS", "70")
        .env("PINION__EXIT__MAX_HOLD_SCANS", "80")
        .output()
        .expect("starts");
    let shown: Json = serde_json::from_str(stdout(&output)).expect("JSON");
    let settings = &shown["settings"];
    assert_eq!(settings.as_object().map(serde_json::Map::len), Some(KEYS.len()));
    let row = |name: &str| (settings[name]["value"].to_string(), settings[name]["origin"].clone());
    assert_eq!(row("exit.tp_bps"), ("7.0".into(), format!("{path}:2:10").into()));
    assert_eq!(row("exit.sl_bps"), ("70.0".into(), "environment PINION__EXIT__SL_BPS".into()));
    assert_eq!(row("exit.max_hold_scans"), ("9".into(), "--set".into()));
    assert_eq!(settings["exit.tp_bps"]["changed"], true);
    assert_eq!(row("signal.scan_ns").1, "default");
    assert_eq!(shown["instruments"]["BTCUSDT"]["tick"], "0.1");
    assert_eq!(shown["instruments"]["BTCUSDT"]["lot"], Json::Null);
}

#[test]
fn show_changed_prints_only_what_differs() {
    let set = ["--set", "exit.tp_bps=7", "--set", "exit.sl_bps=150"];
    let output = config(&[&["show", "--changed"], &set[..]].concat());
    assert_eq!(stdout(&output), "exit.tp_bps  7  bps  --set\n");
    let all = config(&[&["show"], &set[..]].concat());
    assert_eq!(stdout(&all).lines().count(), KEYS.len());
}

#[test]
fn the_venue_is_part_of_what_is_shown_and_hashed() {
    let set = ["--set", "venue.symbols=BTC-USDT", "--set", "venue.leverage=7"];
    let shown = json(&[&["show", "--json"], &set[..]].concat());
    assert_eq!(shown["venue"]["leverage"], "7");
    assert_ne!(shown["config_hash"], json(&["show", "--json"])["config_hash"]);
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("temporary file");
    let printed = config(&[&["show", "--toml"], &set[..]].concat());
    fs::write(file.path(), stdout(&printed)).expect("written");
    let again = json(&["show", "--json", "--config", file.path().to_str().expect("text")]);
    assert_eq!((&again["venue"], &again["config_hash"]), (&shown["venue"], &shown["config_hash"]));
}

#[test]
fn check_says_ok_with_the_hash() {
    let default = config_hash(&pinion_core::settings::Settings::default(), &[], &Venue::default());
    let output = config(&["check"]);
    assert_eq!(stdout(&output), format!("ok, hash {default}\n"));
    let changed = json(&["check", "--json", "--set", "exit.tp_bps=7"]);
    assert_eq!(changed["ok"], true);
    assert_ne!(changed["config_hash"], default.as_str());
    assert_eq!(json(&["show", "--json"])["config_hash"], default.as_str());
}

#[test]
fn every_problem_is_told_and_the_code_is_4() {
    let (_folder, path) = file("[signal]\nscan_nss = 1\n[account]\ntaker_rate = 1e-4\n");
    let args = ["--config", &path, "--set", "exit.tp_bps=NaN"];
    for verb in ["check", "show"] {
        let output = config(&[&[verb], &args[..]].concat());
        assert_eq!(output.status.code(), Some(4));
        assert_eq!(stdout(&output), "");
        let text = stderr(&output);
        for part in [
            &format!("Error: {path}:2:1: signal.scan_nss is unknown"),
            "did you mean `signal.scan_ns`?",
            "  2 | scan_nss = 1\n    | ^^^^^^^^\n",
            &format!("{path}:4:14: account.taker_rate is 1e-4, expected a plain decimal"),
            "--set: exit.tp_bps is NaN, expected a number from 1 to 10000",
            "3 problems in the configuration; nothing was applied (code 4)",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
    let output = config(&[&["check", "--json"], &args[..]].concat());
    assert_eq!(output.status.code(), Some(4));
    let report: Json = serde_json::from_str(stdout(&output)).expect("JSON");
    assert_eq!(report["ok"], false);
    assert_eq!(report["config_hash"], Json::Null);
    let problems = report["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 3);
    assert_eq!(problems[0]["source"], path.as_str());
    assert_eq!((&problems[0]["line"], &problems[0]["column"]), (&2.into(), &1.into()));
    assert_eq!(problems[2]["source"], "--set");
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_told() {
    let missing = config(&["check", "--config", "no-such-file.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("no-such-file.toml"), "{}", stderr(&missing));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("latin1.toml");
    fs::write(&path, b"# ok\n# gr\xf6\xdfe\n").expect("writes");
    let output = config(&["check", "--config", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("latin1.toml:2: not UTF-8"), "{}", stderr(&output));
}
