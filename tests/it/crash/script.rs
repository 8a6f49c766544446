//! `pinion kernel --state`: a script in two processes is the script in one.

use std::fs;
use std::path::Path;

use pinion_tests::pinion;
use pinion_tools::script::{self, Stop};
use serde_json::Value;

/// What a start prints. A child that another test spawns holds a copy of the lock until it has become another
/// program; that is waited for.
fn start(state: &Path, text: &str) -> Result<Vec<u8>, Stop> {
    loop {
        let mut out = Vec::new();
        match script::run("test", Some(state), text.as_bytes(), &mut out) {
            Ok(()) => return Ok(out),
            Err(Stop::State(fault)) if fault.to_string().contains("another process") => {
                std::thread::yield_now();
            }
            Err(stop) => return Err(stop),
        }
    }
}

fn run(state: &Path, text: &str) -> Vec<Value> {
    let text = String::from_utf8(start(state, text).expect("runs")).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A restart before the sixth line can still prove the venue flat, later than its views lag.
const TRADE: &str = r#"{"t":0,"event":"config","max_slots":1,"capital":"25000"}
{"t":1,"event":"instrument","asset":"FETUSDT","tick":"0.0001","lot":"1","min_notional":"5"}
{"t":2,"event":"quote","asset":"FETUSDT","bid":"0.1878","ask":"0.1879"}
{"t":3,"event":"account","wallet_balance":"25000","available_margin":"25000"}
{"t":4,"event":"positions","positions":[]}
{"t":5999999999,"event":"tick"}
{"t":6000000000,"event":"open_orders","orders":[]}
{"t":6000000001,"event":"positions","positions":[]}
{"t":6000000002,"event":"positions","positions":[]}
{"t":6000000003,"event":"account","wallet_balance":"25000","available_margin":"25000"}
{"t":6000000004,"event":"quote","asset":"FETUSDT","bid":"0.1878","ask":"0.1879"}
{"t":6000000005,"event":"intent","action":"enter","trade_id":"T1","asset":"FETUSDT","side":"short","qty":"1000","type":"market","reference_price":"0.1878"}
{"t":6000000006,"event":"ack","client_order_id":"$entry","venue_order_id":"9001"}
{"t":6000000007,"event":"fill","venue_order_id":"9001","fill_id":"F1","qty":"400","price":"0.1878","fee":"-0.04"}
{"t":6000000008,"event":"fill","venue_order_id":"9001","fill_id":"F2","qty":"600","price":"0.1877","fee":"-0.06"}
{"t":6000000009,"event":"save"}
{"t":6000000010,"event":"intent","action":"exit","trade_id":"T1"}
{"t":6000000011,"event":"fill","client_order_id":"$exit","fill_id":"F3","qty":"1000","price":"0.1870","fee":"-0.1"}
{"t":6000000012,"event":"restore"}
{"t":6000000013,"event":"tick"}"#;
/// Lines of it up to the late proof, the entry, the whole position, the exit.
const PROOF: usize = 5;
const ENTRY: usize = 11;
const OPEN: usize = 14;
const EXIT: usize = 16;

#[test]
fn a_script_cut_after_any_line_goes_on_with_the_same_slots_and_books() {
    let lines: Vec<&str> = TRADE.lines().collect();
    let parent = tempfile::tempdir().expect("temporary directory");
    let whole = run(&parent.path().join("whole"), TRADE);
    assert_eq!(whole.len(), lines.len());
    assert_eq!(whole[OPEN]["slots"][0]["size"], "1000");
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
        if (PROOF + 1..=ENTRY).contains(&cut) {
            // Part of the proof is of before the restart: no entry.
            let entry = &after[1 + ENTRY - cut];
            assert_eq!(entry["reason"], "recovering", "cut {cut}");
            assert_eq!(entry["slots"], before[cut - 1]["slots"], "cut {cut}");
            continue;
        }
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
    let first = run(parent.path(), &lines[..=OPEN].join("\n"));
    assert_eq!(first[ENTRY]["commands"][0]["client_order_id"], "p-00000001-1");
    let second = run(parent.path(), lines[EXIT]);
    let exit = second[1]["commands"][0]["client_order_id"].as_str().expect("an order");
    assert!(exit.starts_with("p-00000002-"), "{exit}");
    let third = run(parent.path(), "");
    assert_eq!(third[0]["reason"], format!("restarted as epoch 3 after {} lines", OPEN + 2));
}

#[test]
fn a_directory_that_says_nothing_or_is_in_use_is_an_error() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("state");
    run(&dir, TRADE);
    fs::write(dir.join("inputs.journal"), b"PINIONJ\x01garbage").expect("written");
    let stop = start(&dir, "");
    assert!(matches!(stop, Err(Stop::Lost(_))), "{stop:?}");
    fs::remove_file(dir.join("inputs.journal")).expect("removed");
    let stop = start(&dir, "");
    assert!(matches!(stop, Err(Stop::Lost(_))), "a snapshot without its journal: {stop:?}");

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

/// `pinion kernel --state`: its exit code, and what it told.
fn open_state(dir: &Path) -> (Option<i32>, String) {
    let mut command = pinion();
    command.args(["kernel", "--script", "/dev/null", "--state"]).arg(dir);
    let output = command.output().expect("runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every file of a directory.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("listed").map(|entry| entry.expect("an entry"));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("read"))
        })
        .collect();
    files.sort();
    files
}

/// Where the last frame of a journal starts.
fn last_frame(journal: &[u8]) -> usize {
    let mut at = 8;
    loop {
        let length = u32::from_le_bytes(*journal[at..].first_chunk().expect("a head"));
        let next = at + 8 + usize::try_from(length).expect("small");
        if next == journal.len() {
            return at;
        }
        at = next;
    }
}

#[test]
fn a_flipped_bit_before_the_last_frame_is_damage_and_touches_nothing() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("state");
    run(&dir, TRADE);
    let path = dir.join("inputs.journal");
    let whole = fs::read(&path).expect("read");
    let last = last_frame(&whole);
    for byte in (8..last).step_by(7) {
        let mut journal = whole.clone();
        journal[byte] ^= 1 << (byte % 8);
        fs::write(&path, &journal).expect("written");
        let before = files(&dir);
        let stop = start(&dir, "");
        assert!(matches!(stop, Err(Stop::Lost(_))), "byte {byte}: {stop:?}");
        assert!(files(&dir) == before, "byte {byte}: a file was touched");
    }
    // Behind the changed frame stands only a torn one.
    let mut journal = whole[..whole.len() - 1].to_vec();
    journal[last - 1] ^= 1;
    fs::write(&path, &journal).expect("written");
    let (code, told) = open_state(&dir);
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("damage") && told.contains("inputs.journal, byte"), "{told}");
}

#[test]
fn a_last_frame_cut_at_any_byte_is_dropped_and_told() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("state");
    let lines: Vec<&str> = TRADE.lines().collect();
    run(&dir, TRADE);
    let path = dir.join("inputs.journal");
    let whole = fs::read(&path).expect("read");
    let last = last_frame(&whole);
    for cut in last + 1..whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        // The snapshot is of the last fill: before the line that is cut.
        let kept = fs::read(dir.join("snapshot.json")).expect("read");
        let (code, told) = open_state(&dir);
        assert_eq!(code, Some(0), "cut at {cut}: {told}");
        let dropped = format!("{} bytes of a torn last frame dropped", cut - last);
        assert!(told.contains(&dropped), "cut at {cut}: {told}");
        fs::write(dir.join("snapshot.json"), kept).expect("written");
    }
    fs::write(&path, &whole[..last]).expect("written");
    let again = run(&dir, "");
    assert_eq!(again[0]["reason"], format!("restarted as epoch 2 after {} lines", lines.len() - 1));
}

#[test]
fn lost_lines_and_an_unreadable_journal_must_be_reconciled() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("state");
    let lines: Vec<&str> = TRADE.lines().collect();
    run(&dir, &lines[..5].join("\n"));
    let short = fs::read(dir.join("inputs.journal")).expect("read");
    run(&dir, &lines[5..].join("\n"));
    for journal in [&short[..], b"PINIONJ\x01garbage", b"nothing"] {
        fs::write(dir.join("inputs.journal"), journal).expect("written");
        let before = files(&dir);
        let (code, told) = open_state(&dir);
        assert_eq!(code, Some(7), "{told}");
        assert!(told.contains("inputs.journal"), "{told}");
        assert!(files(&dir) == before, "a file was touched: {told}");
    }
}
