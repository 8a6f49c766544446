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
