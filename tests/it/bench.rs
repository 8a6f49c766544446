//! `pinion bench` and `pinion report latency`, and what they write.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::Command as Assert;
use serde_json::Value;

fn bench(out: &Path) -> Value {
    let assert = Assert::from_std(pinion_tests::pinion())
        .args(["bench", "kernel", "decode", "--smoke", "--json", "--out"])
        .arg(out)
        .assert()
        .success();
    serde_json::from_slice(&assert.get_output().stdout).expect("one JSON object")
}

#[test]
fn every_figure_has_value_floor_ratio_repeats_and_noise() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = bench(folder.path());
    let benches = report["benches"].as_array().expect("a list");
    let names: Vec<&str> = benches.iter().filter_map(|bench| bench["name"].as_str()).collect();
    assert_eq!(names, ["kernel", "decode"]);
    for figure in benches.iter().flat_map(|bench| bench["figures"].as_array().expect("a list")) {
        for (key, is_it) in [
            ("name", Value::is_string as fn(&Value) -> bool),
            ("value", Value::is_number),
            ("unit", Value::is_string),
            ("floor", Value::is_number),
            ("ratio", Value::is_number),
            ("noise", Value::is_string),
            ("verdict", Value::is_string),
        ] {
            assert!(is_it(&figure[key]), "{key} of {figure}");
        }
        for key in ["n", "low", "high"] {
            assert!(figure["repeats"][key].is_number(), "{figure}");
        }
    }
    assert!(report["host"]["cpu"].is_string());
    let svg = fs::read_to_string(folder.path().join("latency-kernel.svg")).expect("a picture");
    assert!(svg.contains("<polyline"));
    let json = fs::read(folder.path().join("bench.json")).expect("the same as a file");
    assert_eq!(serde_json::from_slice::<Value>(&json).expect("JSON"), report);
}

#[test]
fn an_independent_implementation_reads_the_interval_log() {
    let folder = tempfile::tempdir().expect("a folder");
    bench(folder.path());
    let script = "import sys
try:
    from hdrh.log import HistogramLogReader
    from hdrh.histogram import HdrHistogram
except ImportError:
    print('absent')
    sys.exit()
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 60000000000, 3))
total = 0
while True:
    histogram = reader.get_next_interval_histogram()
    if histogram is None:
        break
    total += histogram.get_total_count()
print(total)
";
    let log = folder.path().join("latency.hlog");
    let output = Command::new("python3").args(["-c", script]).arg(&log).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let said = said.unwrap_or_default();
    let Ok(total) = said.parse::<u64>() else {
        eprintln!("skipped: python3 with the package hdrhistogram is not on this machine ({said})");
        return;
    };
    let mut expected = 0;
    for entry in fs::read_dir(folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "hgrm") {
            let text = fs::read_to_string(&path).expect("a text");
            let read = pinion_io::journal::hgrm::Distribution::read(&text).expect("reads");
            expected += read.count;
        }
    }
    assert!(total > 0 && total == expected, "{total} of {expected} samples");
}

#[test]
fn a_run_leaves_its_stages_and_the_table_shows_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    Assert::from_std(pinion_tests::pinion())
        .args(["paper", "--set", "synth.duration_ns=600000000000", "--out"])
        .arg(&run)
        .assert()
        .success();
    let assert = Assert::from_std(pinion_tests::pinion())
        .args(["report", "latency", "--json"])
        .arg(&run)
        .assert()
        .success();
    let report: Value = serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
    let rows = report["latency"].as_array().expect("a list");
    let stage = |name: &str| rows.iter().find(|row| row["stage"] == name).expect(name);
    assert_eq!(rows[0]["stage"], "tick_to_order");
    for name in ["stage_ingest", "stage_signal", "stage_kernel", "stage_egress", "turn_inline"] {
        let row = stage(name);
        assert!(row["count"].as_u64().is_some_and(|count| count > 0), "{row}");
        assert!(row["p50"].as_f64() <= row["p99"].as_f64(), "{row}");
        assert!(row["p99"].as_f64() <= row["max"].as_f64(), "{row}");
    }
    let table = Assert::from_std(pinion_tests::pinion())
        .args(["report", "latency"])
        .arg(&run)
        .assert()
        .success();
    let table = String::from_utf8_lossy(&table.get_output().stdout).into_owned();
    assert_eq!(table.lines().count(), rows.len() + 1, "{table}");
    Assert::from_std(pinion_tests::pinion())
        .args(["report", "latency"])
        .arg(folder.path())
        .assert()
        .code(2);
}

#[test]
fn a_bench_that_does_not_exist_is_a_usage_error_that_names_those_that_do() {
    let assert =
        Assert::from_std(pinion_tests::pinion()).args(["bench", "kernal"]).assert().code(2);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("kernal") && said.contains("tick-path"), "{said}");
}
