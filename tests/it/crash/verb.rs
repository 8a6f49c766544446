//! `pinion recover`: what a restart would find, as an exit code and as JSON.

use std::fs;
use std::path::Path;

use pinion_tests::pinion;
use serde_json::Value;

fn recover(dir: &Path) -> (Option<i32>, Value, String) {
    let output = pinion().args(["recover", "--json"]).arg(dir).output().expect("runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), found, told)
}

#[test]
fn a_run_is_recovered_from_its_snapshot_and_without_one_from_its_journal() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("run");
    let run = pinion()
        .args(["paper", "--duration", "6h", "--json", "--out"])
        .arg(&dir)
        .output()
        .expect("runs");
    let summary: Value = serde_json::from_slice(&run.stdout).expect("the summary");
    let (code, whole, told) = recover(&dir);
    assert!(code == Some(0) || whole["reconcile"].is_string(), "{told}");
    assert_eq!(whole["inputs"], summary["journal_inputs"], "{told}");
    assert_eq!(whole["from_snapshot"], summary["journal_inputs"]);
    assert_eq!(whole["account"]["capital"], summary["ending_capital"]);
    assert_eq!(whole["tail"], "complete");

    fs::write(dir.join("snapshot.json"), "{}").expect("written");
    let (again, found, told) = recover(&dir);
    assert_eq!(again, code, "{told}");
    assert!(found["quarantined"]["file"].as_str().is_some_and(|file| file.contains(".bad-")));
    assert_eq!(found["from_snapshot"], Value::Null);
    for member in ["inputs", "slots", "account", "epoch"] {
        assert_eq!(found[member], whole[member], "{member}");
    }

    let journal = fs::read(dir.join("inputs.journal")).expect("read");
    fs::write(dir.join("inputs.journal"), &journal[..journal.len() / 2]).expect("written");
    let (_, found, told) = recover(&dir);
    assert_eq!(found["tail"], "torn", "{told}");

    fs::write(dir.join("inputs.journal"), b"nothing").expect("written");
    let (code, _, told) = recover(&dir);
    assert_eq!(code, Some(1), "a directory that says nothing is not flat: {told}");
    assert!(told.contains("inputs.journal"), "{told}");
}

#[test]
fn damage_far_from_the_end_must_be_reconciled() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("run");
    let run = pinion().args(["paper", "--duration", "6h", "--out"]).arg(&dir).output();
    assert!(run.expect("runs").status.success());
    fs::remove_file(dir.join("snapshot.json")).expect("removed");
    let mut journal = fs::read(dir.join("inputs.journal")).expect("read");
    let middle = journal.len() / 2;
    journal[middle] ^= 1;
    fs::write(dir.join("inputs.journal"), journal).expect("written");
    let (code, found, told) = recover(&dir);
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("checksum"), "{told}");
    assert!(found["reconcile"].is_string());
}

#[test]
fn a_flipped_bit_before_the_last_frame_must_be_reconciled() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("run");
    let run = pinion().args(["paper", "--duration", "6h", "--out"]).arg(&dir).output();
    assert!(run.expect("runs").status.success());
    fs::remove_file(dir.join("snapshot.json")).expect("removed");
    let path = dir.join("inputs.journal");
    let mut journal = fs::read(&path).expect("read");
    // The trailer and the end mark go: as if the process had been ended. Then the last two frames of
    // inputs are left, and one of them is changed.
    let starts = frames(&journal);
    let [.., first, _, trailer] = starts[..] else { unreachable!("{starts:?}") };
    journal.truncate(trailer);
    for bit in [first * 8 + 3, first * 8 + 17, first * 8 + 40, (first + 60) * 8] {
        let mut damaged = journal.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).expect("written");
        let (code, found, told) = recover(&dir);
        assert_eq!(code, Some(7), "bit {bit}: {told}");
        assert!(told.contains("inputs are missing") && told.contains("damage"), "{told}");
        assert_eq!(found["tail"], "damaged");
        assert!(fs::read(&path).expect("read") == damaged, "left as it was");
    }
    fs::write(&path, &journal[..journal.len() - 1]).expect("written");
    let (_, found, told) = recover(&dir);
    assert_eq!(found["tail"], "torn", "{told}");
    assert!(told.contains("bytes of a torn last frame dropped"), "{told}");
}

/// Where the frames of a whole journal start.
fn frames(journal: &[u8]) -> Vec<usize> {
    let (mut at, mut starts) = (8, Vec::new());
    while at + 8 < journal.len() {
        starts.push(at);
        let length = u32::from_le_bytes(*journal[at..].first_chunk().expect("a head"));
        at += 8 + usize::try_from(length).expect("small");
    }
    starts
}

#[test]
fn the_state_of_a_script_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let line = &br#"{"t":0,"event":"config","max_slots":1,"capital":"25000"}"#[..];
    for _ in 0..2 {
        // The second start leaves a snapshot.
        pinion_tools::script::run("test", Some(dir.path()), line, &mut Vec::new()).expect("runs");
    }
    let names = ["inputs.journal", "lock", "snapshot.json"];
    let content = || names.map(|name| fs::read(dir.path().join(name)).expect("there"));
    let before = content();
    let (code, _, told) = recover(dir.path());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("script") && told.contains("--state"), "{told}");
    assert!(content() == before && fs::read_dir(dir.path()).expect("listed").count() == 3);
}
