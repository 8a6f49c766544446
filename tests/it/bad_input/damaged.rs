//! Files that cannot be read: an error with file and line, exit 1, and no run directory.

use std::io::Write as _;

use super::{frames, joined, refused, rows, run_on};
use crate::runs::paper;

/// Lines that do not pack well, so that half of the packed bytes hold many of them.
fn long() -> String {
    let mut lines = rows();
    for (at, line) in lines.iter_mut().enumerate().skip(1) {
        let noise = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        *line = line.replace(",0.5,", &format!(",0.{noise}1,"));
    }
    joined(&lines)
}

#[test]
fn packed_data_that_breaks_off() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(long().as_bytes()).expect("packed");
    let gzip = gzip.finish().expect("packed");
    let zstd = zstd::encode_all(long().as_bytes(), 1).expect("packed");
    for (name, packed, kind) in [("btc.csv.gz", gzip, "gzip"), ("btc.csv.zst", zstd, "zstd")] {
        run_on(name, &packed).ok();
        let broken = run_on(name, &packed[..packed.len() / 2]);
        let found = format!("the {kind} data breaks off or is damaged");
        refused(&broken, 1, &[name, ", line ", &found, "record or copy it again"]);
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 16].fill(0xff);
        let run = run_on(name, &damaged);
        refused(&run, 1, &[name, ", line "]);
    }
}

#[test]
fn half_a_line() {
    let mut lines = rows();
    lines.truncate(100);
    let text = joined(&lines);
    let cut = text.len() - lines[99].len() / 2;
    let run = run_on("btc.csv", &text[..cut]);
    refused(&run, 1, &["btc.csv, line 100: a row of", "expected 8 fields", "cut off"]);
    let mut lines = frames();
    lines.truncate(100);
    let text = joined(&lines);
    let cut = text.len() - lines[99].len() / 2;
    let run = run_on("btcusdt.raw", &text[..cut]);
    refused(&run, 1, &["btcusdt.raw, line 100: ", "expected one whole JSON frame"]);
}

#[test]
fn wrong_json() {
    let damages: [(&str, &str); 4] = [
        ("{\"stream\"", "[\"stream\""),
        ("}}", "}"),
        ("\"data\":", "\"data\""),
        ("\"60000.1\"", "60000.1.1"),
    ];
    for (from, to) in damages {
        let mut lines = frames();
        lines[49] = lines[49].replacen(from, to, 1);
        refused(
            &run_on("btcusdt.raw", joined(&lines)),
            1,
            &["btcusdt.raw, line 50: ", "expected "],
        );
    }
    let mut lines = frames();
    lines[49] = lines[49].replacen("172316", "x72316", 1);
    let run = run_on("btcusdt.raw", joined(&lines));
    refused(&run, 1, &["btcusdt.raw, line 50: it begins with `x72316", "expected "]);
}

#[test]
fn numbers_that_are_none() {
    for wrong in ["NaN", "nan", "inf", "-Infinity", "1e400", "1e5", "abc", "0x10", "1,5"] {
        let mut lines = rows();
        lines[40] = lines[40].replacen(",60005.3,", &format!(",{wrong},"), 1);
        assert_ne!(lines, rows(), "the price stands there");
        refused(&run_on("btc.csv", joined(&lines)), 1, &["btc.csv, line 41: ", "expected "]);
        if wrong == "1,5" {
            continue;
        }
        let mut lines = frames();
        lines[49] = lines[49].replacen("\"60000.1\"", &format!("\"{wrong}\""), 1);
        refused(
            &run_on("btcusdt.raw", joined(&lines)),
            1,
            &["btcusdt.raw, line 50: ", "expected "],
        );
    }
    let mut lines = rows();
    lines[40] = lines[40].replacen(",60005.3,", ",NaN,", 1);
    refused(
        &run_on("btc.csv", joined(&lines)),
        1,
        &["line 41: field price is `NaN`", "expected a plain decimal"],
    );
}

#[test]
fn a_line_of_ten_megabytes() {
    let mut lines = rows();
    lines.insert(50, "Q,BTC-USD,1,".to_owned() + &"9".repeat(10_000_000));
    let told = ["btc.csv, line 51: a line longer than", "8 MiB", "expected "];
    refused(&run_on("btc.csv", joined(&lines)), 1, &told);
    // Without an end as well.
    lines.truncate(51);
    refused(&run_on("btc.csv", lines.join("\n")), 1, &told);
}

#[test]
fn nothing_to_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().to_str().expect("UTF-8");
    refused(
        &paper(&["--data", empty]),
        1,
        &[empty, "a folder without data", "expected raw frames"],
    );
    let absent = folder.path().join("absent");
    let absent = absent.to_str().expect("UTF-8");
    refused(&paper(&["--data", absent]), 2, &[absent, "there is no such file or folder"]);
    refused(&paper(&["--data", empty, "--data", absent]), 2, &[absent]);
    refused(&run_on("btc.csv", ""), 1, &["btc.csv"]);
    refused(&run_on("btc.csv", &rows()[0]), 1, &["btc.csv", "expected "]);
    refused(
        &run_on("notes.txt", "buy low, sell high\n"),
        1,
        &["notes.txt, line 1: it begins with"],
    );
    refused(&run_on("zeros.bin", [0; 4096]), 1, &["zeros.bin"]);
}
