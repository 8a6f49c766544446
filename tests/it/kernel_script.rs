//! Scenarios of the kernel as scripts: `tests/data/scripts/<name>.jsonl` through `pinion kernel --script`,
//! against `<name>.expect.jsonl`, written and reviewed by hand.
//!
//! An expected line names what must hold: every member it has must be in the answer with the same value,
//! lists with the same length; what it leaves out is free.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a broken input must fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pinion_tests::pinion;
use pinion_tools::script::{self, Stop};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/scripts")
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = files
        .map(|name| name.into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .filter(|name| !name.ends_with(".expect"))
        .collect();
    names.sort();
    names
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// Runs a script in this process: what it printed, and the message of a malformed line.
fn run(text: &str) -> (Vec<Value>, Option<String>) {
    let mut out = Vec::new();
    let fault = match script::run("test", None, text.as_bytes(), &mut out) {
        Ok(()) => None,
        Err(Stop::Line(message)) => Some(message),
        Err(other) => Some(format!("{other:?}")),
    };
    let text = String::from_utf8(out).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), fault)
}

fn lines(text: &str) -> Vec<Value> {
    let (lines, fault) = run(text);
    assert_eq!(fault, None);
    lines
}

/// Where `found` lacks something of `expected`, and what.
fn lacks(expected: &Value, found: &Value, at: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().find_map(|(name, value)| {
                lacks(value, found.get(name).unwrap_or(&Value::Null), &format!("{at}.{name}"))
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs.find_map(|(index, (expected, found))| {
                lacks(expected, found, &format!("{at}[{index}]"))
            })
        }
        (expected, found) if expected == found => None,
        (expected, found) => Some(format!("{at}: expected {expected}, found {found}")),
    }
}

/// What the last line of every script states.
const BOOKS: [&str; 7] =
    ["capital", "realized_pnl", "fees_paid", "funding_paid", "reconcile", "delta", "frozen"];

#[test]
fn every_script_answers_as_expected() {
    let names = names();
    assert!(names.len() >= 15, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let (script, expected) =
            (read(&format!("{name}.jsonl")), read(&format!("{name}.expect.jsonl")));
        let found = lines(&script);
        assert_eq!(found.len(), expected.lines().count(), "{name}: one expected line per event");
        for (index, (expected, found)) in expected.lines().zip(&found).enumerate() {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert!(expected.get("accepted").is_some(), "{name}:{}: says little", index + 1);
            wrong.extend(lacks(&expected, found, &format!("{name}:{}", index + 1)));
        }
        let last: Value = serde_json::from_str(expected.lines().last().unwrap()).unwrap();
        for part in BOOKS {
            assert!(!last["account"][part].is_null(), "{name}: the last line says no `{part}`");
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn an_expectation_that_does_not_hold_is_seen() {
    let found = serde_json::json!({"a": [{"b": "1", "c": null}], "d": 2});
    let holds = |text: &str| lacks(&serde_json::from_str(text).unwrap(), &found, "").is_none();
    assert!(holds(r#"{"a":[{"b":"1"}]}"#));
    for text in [r#"{"a":[]}"#, r#"{"a":[{"b":"2"}]}"#, r#"{"d":"2"}"#, r#"{"e":1}"#] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn the_index_names_every_case_once_and_every_script() {
    let index = read("README.md");
    let rows: Vec<Vec<&str>> = index
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let cases = (1..=38).map(|case| format!("D{case:02}"));
    let cases = cases.chain((1..=22).map(|case| format!("L{case:02}")));
    let mut named = BTreeSet::new();
    for case in cases.chain((1..=52).map(|case| format!("X{case:02}"))) {
        let rows: Vec<_> = rows.iter().filter(|row| row[0] == case).collect();
        assert_eq!(rows.len(), 1, "{case}");
        assert!(rows[0].len() == 3 && rows[0][2].ends_with('.'), "{case}: says what");
        named.extend(script_of(rows[0][1]));
        // What the kernel alone cannot meet says where it is met instead.
        let elsewhere = rows[0][2].starts_with("Not the kernel's: ") || rows[0][2].contains("`");
        assert!(rows[0][1] != "—" || elsewhere, "{case}");
    }
    for row in rows.iter().filter(|row| row.len() == 2) {
        named.extend(script_of(row[0]));
    }
    assert_eq!(named.into_iter().collect::<Vec<_>>(), names(), "named here, lying there");
    for path in index.split('`').skip(1).step_by(2).filter(|text| text.contains('/')) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(root.join(path).exists(), "{path}");
    }
}

/// The script that a cell links to: `[name](name.jsonl)`.
fn script_of(cell: &str) -> Option<String> {
    let (name, file) = cell.strip_prefix('[')?.strip_suffix(')')?.split_once("](")?;
    assert_eq!(file, format!("{name}.jsonl"));
    Some(name.to_owned())
}

#[test]
fn every_script_prints_the_same_bytes_twice() {
    for name in names() {
        let script = read(&format!("{name}.jsonl"));
        let printed = || {
            let mut out = Vec::new();
            script::run(&name, None, script.as_bytes(), &mut out).unwrap();
            out
        };
        assert_eq!(printed(), printed(), "{name}");
    }
}

#[test]
fn a_time_to_live_that_makes_no_sense_is_said_and_the_exit_leaves() {
    let script = read("fet_round_trip.jsonl");
    let exit = r#"{"t":9,"event":"intent","action":"exit","slot":0,"qty":"13003"}"#;
    assert!(script.contains(exit));
    for ttl in ["\"NaN\"", "-1", "1.5"] {
        let odd = exit.replace("}", &format!(",\"ttl_ns\":{ttl}}}"));
        let found = &lines(&script.replace(exit, &odd))[8];
        assert_eq!(found["reason"], "ttl_ns: expected whole nanoseconds from 0", "{ttl}");
        assert_eq!(found["commands"][0]["qty"], "13003", "{ttl}");
    }
}

#[test]
fn leverage_multiplies_no_result() {
    let script = read("fet_round_trip.jsonl");
    assert!(script.contains(r#""leverage":"3""#));
    let with = |leverage: &str| lines(&script.replace(r#""leverage":"3""#, leverage));
    let three = with(r#""leverage":"3""#);
    assert_eq!(with(r#""leverage":1"#), three);
    assert_eq!(with(r#""leverage":"125""#), three);
}

#[test]
fn numbers_as_texts_and_as_json_numbers_are_the_same() {
    let texts = read("fet_round_trip.jsonl");
    let numbers = texts
        .replace(r#""26007""#, "26007")
        .replace(r#""0.1878""#, "0.18780")
        .replace(r#""-2.4420573""#, "-2.4420573");
    assert_ne!(texts, numbers);
    assert_eq!(lines(&texts), lines(&numbers));
}

#[test]
fn a_line_has_exactly_the_promised_keys_in_order() {
    let script = read("fet_round_trip.jsonl");
    let mut out = Vec::new();
    script::run("test", None, script.as_bytes(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let entry = text.lines().find(|line| line.contains(r#""kind":"place""#)).unwrap();
    let expected = concat!(
        r#"{"t":6,"accepted":true,"code":"ok","reason":null,"#,
        r#""commands":[{"kind":"place","client_order_id":"p-00000001-1","asset":"FETUSDT","#,
        r#""side":"sell","type":"market","tif":"ioc","qty":"26007","price":null,"#,
        r#""reduce_only":false}],"#,
        r#""slots":[{"slot":0,"trade_id":"T1","asset":"FETUSDT","side":"short","#,
        r#""stage":"ORDER_REQUESTED","size":"0","initial_size":"0","entry_price":null,"#,
        r#""realized_pnl":"0","leg":0}],"#,
        r#""account":{"capital":"25000","equity":"25000","realized_pnl":"0","#,
        r#""unrealized_pnl":"0","fees_paid":"0","funding_paid":"0","reconcile":"ok","#,
        r#""delta":"0","frozen":false}}"#,
    );
    assert_eq!(entry, expected);
}

const HEAD: &str = r#"{"t":0,"event":"instrument","asset":"FETUSDT","tick":"0.0001","lot":"1"}
{"t":1,"event":"quote","asset":"fet-usdt","bid":"0.1878","ask":"0.1879"}
"#;

#[test]
fn malformed_lines_are_named_and_end_the_script() {
    let fill = |rest: &str| format!(r#"{{"t":2,"event":"fill","venue_order_id":"1",{rest}}}"#);
    let forced = |rest: &str| format!(r#"{{"t":2,"event":"forced","asset":"FETUSDT",{rest}}}"#);
    for (line, says) in [
        ("nonsense".to_owned(), "not a JSON object"),
        ("[1]".to_owned(), "not a JSON object"),
        (r#"{"t":2,"event":"tick""#.to_owned(), "not a JSON object"),
        (r#"{"t":2,"t":3,"event":"tick"}"#.to_owned(), "twice"),
        (r#"{"t":0,"event":"tick"}"#.to_owned(), "do not decrease"),
        (r#"{"t":-1,"event":"tick"}"#.to_owned(), "t: found -1"),
        (r#"{"event":"tick"}"#.to_owned(), "t: missing"),
        (r#"{"t":2}"#.to_owned(), "event: missing"),
        (r#"{"t":2,"event":"fil"}"#.to_owned(), "event: found fil"),
        (r#"{"t":2,"event":"config","capital":"1"}"#.to_owned(), "too late"),
        (r#"{"t":2,"event":"trade","asset":"BTCUSDT","price":"1"}"#.to_owned(), "BTCUSDT"),
        (fill(r#""qty":"NaN","price":"1""#), "qty: found NaN"),
        (fill(r#""qty":1e400,"price":"1""#), "qty: found 1e400"),
        (fill(r#""qty":"-1","price":"1""#), "qty: found -1"),
        (fill(r#""qty":"1","price":"0.000000001""#), "at most 8 decimals"),
        (fill(r#""qty":"1","price":"inf""#), "price: found inf"),
        (fill(r#""qty":true,"price":"1""#), "qty: found true"),
        (r#"{"t":2,"event":"positions","stale":true}"#.to_owned(), "stale: found true"),
        (r#"{"t":2,"event":"open_orders","stale":true,"revision":0}"#.to_owned(), "not both"),
        (r#"{"t":2,"event":"positions","revision":-1}"#.to_owned(), "revision: found -1"),
        (forced(r#""side":"long","qty":"1","price":"1","cause":"fate""#), "cause: found fate"),
        (forced(r#""side":"long","qty":"1","price":"1""#), "cause: missing"),
        (forced(r#""qty":"1","price":"1","cause":"adl""#), "side: missing"),
        (forced(r#""side":"long","qty":"-1","price":"1","cause":"adl""#), "qty: found -1"),
        (r#"{"t":2,"event":"account","wallet_balance":"1e3"}"#.to_owned(), "wallet_balance"),
        (r#"{"t":2,"event":"intent","action":"hold"}"#.to_owned(), "action: found hold"),
        (r#"{"t":2,"event":"positions","positions":{}}"#.to_owned(), "a list of objects"),
        (
            r#"{"t":2,"event":"positions","positions":[{"asset":"X","side":"up","qty":"1"}]}"#
                .to_owned(),
            "side: found up",
        ),
    ] {
        let (printed, fault) = run(&format!("{HEAD}\n{line}\n{HEAD}"));
        let fault = fault.unwrap_or_default();
        assert!(fault.starts_with("test:4: ") && fault.contains(says), "{line}: {fault}");
        assert_eq!(printed.len(), 2, "{line}: what came before is printed");
    }
    for (line, says) in [
        (r#"{"t":0,"event":"config","max_slots":0}"#, "kernel.slots_max: found 0"),
        (r#"{"t":0,"event":"config","guard.hot_windows":1}"#, "no such setting"),
        (r#"{"t":0,"event":"config","maker_rate":"0.01"}"#, "account.maker_rate"),
        (r#"{"t":0,"event":"instrument","asset":"X","tick":"0","lot":"1"}"#, "tick and lot"),
    ] {
        let fault = run(line).1.unwrap_or_default();
        assert!(fault.starts_with("test:1: ") && fault.contains(says), "{line}: {fault}");
    }
}

#[test]
fn the_command_keeps_the_output_before_a_malformed_line_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.jsonl");
    fs::write(&path, format!("{HEAD}{{\"t\":2}}\n")).unwrap();
    let result = pinion().args(["kernel", "--script"]).arg(&path).output().unwrap();
    assert_eq!(result.status.code(), Some(2));
    assert_eq!(String::from_utf8(result.stdout).unwrap().lines().count(), 2);
    let stderr = String::from_utf8(result.stderr).unwrap();
    assert!(stderr.contains("broken.jsonl:3: event: missing; expected a text"), "{stderr}");

    fs::write(&path, format!("{HEAD}{{\"t\":2,\"event\":\"tick\",\"note\":1}}\n")).unwrap();
    let result = pinion().args(["kernel", "--script"]).arg(&path).output().unwrap();
    assert_eq!(result.status.code(), Some(0));
    let stderr = String::from_utf8(result.stderr).unwrap();
    assert!(stderr.contains("broken.jsonl:3: `tick` has no member `note`: ignored"), "{stderr}");

    let help = pinion().args(["kernel", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for event in script::EVENTS {
        assert!(help.split_whitespace().any(|word| word == event), "{event} is not in --help");
        let (_, fault) = run(&format!("{{\"t\":0,\"event\":\"{event}\"}}"));
        let unknown = fault.is_some_and(|fault| fault.contains("event: found"));
        assert!(!unknown, "{event} is not read");
    }

    let gone = pinion().args(["kernel", "--script", "no-such-file"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(2));
}
