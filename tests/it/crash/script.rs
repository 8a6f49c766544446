//! `pinion kernel --state`: a script in two processes is the script in one.

use std::fs;
use std::path::Path;

use pinion_tests::pinion;
use pinion_tools::script::{self, Stop};
use serde_json::Value;

fn run(state: &Path, text: &str) -> Vec<Value> {
    let mut out = Vec::new();
    script::run("test", Some(state), text.as_bytes(), &mut out).expect("runs");
    let text = String::from_utf8(out).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const TRADE: &str = r#"{"t":0,"event":"config","max_slots":1,"capital":"25000"}
{"t":1,"event":"instrument","asset":"FETUSDT","tick":"0.0001","lot":"1","min_notional":"5"}
{"t":2,"event":"quote","asset":"FETUSDT","bid":"0.1878","ask":"0.1879"}
{"t":3,"event":"account","wallet_balance":"25000","available_margin":"25000"}
{"t":4,"event":"positions","positions":[]}
{"t":5,"event":"intent","action":"enter","trade_id":"T1","asset":"FETUSDT","side":"short","qty":"1000","type":"market","reference_price":"0.1878"}
{"t":6,"event":"ack","client_order_id":"$entry","venue_order_id":"9001"}
{"t":7,"event":"fill","venue_order_id":"9001","fill_id":"F1","qty":"400","price":"0.1878","fee":"-0.04"}
{"t":8,"event":"fill","venue_order_id":"9001","fill_id":"F2","qty":"600","price":"0.1877","fee":"-0.06"}
{"t":9,"event":"save"}
{"t":10,"event":"intent","action":"exit","trade_id":"T1"}
{"t":11,"event":"fill","client_order_id":"$exit","fill_id":"F3","qty":"1000","price":"0.1870","fee":"-0.1"}
{"t":12,"event":"restore"}
{"t":13,"event":"tick"}"#;

#[test]
fn a_script_cut_after_any_line_goes_on_with_the_same_slots_and_books() {
    let lines: Vec<&str> = TRADE.lines().collect();
    let parent = tempfile::tempdir().expect("temporary directory");
    let whole = run(&parent.path().join("whole"), TRADE);
    assert_eq!(whole.len(), lines.len());
    assert_eq!(whole[8]["slots"][0]["size"], "1000");
    for cut in 1..lines.len() {
        let dir = parent.path().join(cut.to_string());
        let before = run(&dir, &lines[..cut].join("\n"));
        let after = run(&dir, &lines[cut..].join("\n"));
        assert_eq!(before.len() + after.len(), lines.len() + 1, "one line more: the restart");
        let reason = after[0]["reason"].as_str().expect("a text");
        assert_eq!(reason, format!("restarted as epoch 2 after {cut} lines"));
        assert_eq!(after[0]["slots"], before[cut - 1]["slots"], "cut {cut}");
        assert_eq!(
            after[0]["account"]["capital"],
            before[cut - 1]["account"]["capital"],
            "cut {cut}"
        );
        for (one, two) in after[1..].iter().zip(&whole[cut..]) {
            for member in ["t", "slots"] {
                assert_eq!(one[member], two[member], "cut {cut}");
            }
            assert_eq!(one["account"]["capital"], two["account"]["capital"], "cut {cut}");
        }
    }
}

#[test]
fn new_orders_after_a_restart_have_new_names() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let lines: Vec<&str> = TRADE.lines().collect();
    let first = run(parent.path(), &lines[..9].join("\n"));
    assert_eq!(first[5]["commands"][0]["client_order_id"], "p-00000001-1");
    let second = run(parent.path(), lines[10]);
    let exit = second[1]["commands"][0]["client_order_id"].as_str().expect("an order");
    assert!(exit.starts_with("p-00000002-"), "{exit}");
    let third = run(parent.path(), "");
    assert_eq!(third[0]["reason"], "restarted as epoch 3 after 10 lines");
}

#[test]
fn a_directory_that_says_nothing_or_is_in_use_is_an_error() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("state");
    run(&dir, TRADE);
    fs::write(dir.join("inputs.journal"), b"PINIONJ\x01garbage").expect("written");
    let stop = script::run("test", Some(&dir), &b""[..], &mut Vec::new());
    assert!(matches!(stop, Err(Stop::State(_))), "{stop:?}");
    fs::remove_file(dir.join("inputs.journal")).expect("removed");
    let stop = script::run("test", Some(&dir), &b""[..], &mut Vec::new());
    assert!(matches!(stop, Err(Stop::State(_))), "a snapshot without its journal: {stop:?}");

    let dir = parent.path().join("used");
    let _lock = {
        fs::create_dir(&dir).expect("made");
        pinion_io::recover::StateLock::take(&dir).expect("free")
    };
    let output = pinion()
        .args(["kernel", "--script", "/dev/null", "--state"])
        .arg(&dir)
        .output()
        .expect("runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("another process"), "{told}");
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_told() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let whole = run(parent.path(), TRADE);
    let path = parent.path().join("snapshot.json");
    let mut content = fs::read(&path).expect("written after the fills");
    content[300] ^= 1;
    fs::write(&path, &content).expect("written");
    let again = run(parent.path(), "");
    assert_eq!(again[0]["slots"], whole.last().expect("lines")["slots"]);
    let aside = fs::read_dir(parent.path()).expect("listed").map(|entry| entry.expect("an entry"));
    let mut aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains(".bad-"));
    let kept = aside.next().expect("one file set aside");
    assert!(fs::read(kept.path()).expect("read") == content, "and left as it was");
}
