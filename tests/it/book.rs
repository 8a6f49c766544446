//! Tests of: `pinion book` and the rules that tie changes to a snapshot, against recordings with an oracle.

use std::path::Path;

use clap::Parser as _;
use pinion_core::book::{Book, DepthSync, DiffIds, Verdict};
use pinion_core::msg::Side;
use pinion_core::units::{Price, Qty};
use pinion_tests::shared;
use pinion_tools::{Cli, Exit, Failure, Verb, cmd};
use serde_json::{Value, json};

fn book(data: &Path, more: &[&str]) -> Result<Vec<Value>, Failure> {
    let mut line = vec!["pinion", "book", "--data", data.to_str().expect("a path of ours")];
    line.extend(more);
    let Verb::Book(args) = Cli::try_parse_from(line).expect("parses").verb else {
        unreachable!("the verb is on the line")
    };
    cmd::book::books(&args)
}

/// Levels as raw pairs, so that `61659.70` and `61659.7` are the same.
fn levels(value: &Value) -> Vec<(Price, Qty)> {
    let pair = |level: &Value| {
        let text = |at: usize| level[at].as_str().expect("a text");
        (text(0).parse().expect("a price"), text(1).parse().expect("a quantity"))
    };
    value.as_array().expect("a list").iter().map(pair).collect()
}

#[test]
fn books_equal_the_oracle_of_every_recording() {
    for folder in [
        "data/binance-raw-20240808/usdm",
        "data/binance-raw-20240808/coinm",
        "data/binance-raw-20240808/spot",
        "data/nexousdt-raw-20240723",
    ] {
        let Some(folder) = shared(folder) else { return };
        let oracle = std::fs::read_to_string(folder.join("expect.json")).expect("readable");
        let oracle: Value = serde_json::from_str(&oracle).expect("JSON");
        let books = book(&folder, &[]).expect("reads");
        let expected: Vec<&Value> = oracle.as_object().expect("files").values().collect();
        assert_eq!(books.len(), expected.len());
        for of_file in expected {
            let symbol = &of_file["symbol"];
            let end = &of_file["l2_after_last_frame"];
            let book = books.iter().find(|book| book["symbol"] == *symbol).expect("its book");
            assert_eq!(book["last_u"], end["last_u"], "{symbol}");
            assert_eq!(book["applied"], end["diffs_applied"], "{symbol}");
            assert_eq!(book["dropped_before_snapshot"], end["diffs_before_snapshot_dropped"]);
            assert_eq!(book["chain_breaks"], end["chain_breaks"], "{symbol}");
            assert_eq!(book["levels"]["bids"], end["bid_levels"], "{symbol}");
            assert_eq!(book["levels"]["asks"], end["ask_levels"], "{symbol}");
            assert_eq!(levels(&book["bids"]), levels(&end["bids5"]), "{symbol}");
            assert_eq!(levels(&book["asks"]), levels(&end["asks5"]), "{symbol}");
        }
    }
}

#[test]
fn a_cold_start_of_five_symbols_joins_every_chain() {
    let Some(file) = shared("data/multivenue-raw/binance_usdm_5sym_20210405.raw.zst") else {
        return;
    };
    let books = book(&file, &[]).expect("reads");
    let symbols: Vec<&str> = books.iter().filter_map(|book| book["symbol"].as_str()).collect();
    assert_eq!(symbols, ["BATUSDT", "CHRUSDT", "CTKUSDT", "NEOUSDT", "SANDUSDT"]);
    for book in &books {
        assert_eq!(book["chain_breaks"], json!(0), "{book}");
        assert!(book["applied"].as_u64() > Some(700), "{book}");
        assert!(levels(&book["bids"])[0].0 < levels(&book["asks"])[0].0, "{book}");
    }
}

#[test]
fn twenty_level_books_have_no_ids() {
    let Some(folder) = shared("data/hyperliquid-4perps-20250904") else { return };
    let books = book(&folder, &[]).expect("reads");
    assert_eq!(books.len(), 4);
    for book in &books {
        assert_eq!((&book["last_u"], &book["chain_breaks"]), (&Value::Null, &json!(0)));
        assert_eq!(book["levels"], json!({"bids": 20, "asks": 20}), "{book}");
    }
}

/// A snapshot at 2 s and one change a second around it.
const RAW: &str = r#"1700000001000 {"stream":"abusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"ABUSDT","U":1,"u":5,"pu":0,"b":[["9","9"]],"a":[]}}
1700000001500 {"stream":"abusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"ABUSDT","U":6,"u":12,"pu":5,"b":[["10","7"]],"a":[]}}
1700000002000 {"lastUpdateId":10,"bids":[["10","1"],["9.5","2"]],"asks":[["11","3"]]}
1700000003000 {"stream":"abusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"ABUSDT","U":13,"u":15,"pu":12,"b":[["9.5","0"]],"a":[["11","0.5"]]}}
1700000004000 {"stream":"abusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"ABUSDT","U":17,"u":18,"pu":16,"b":[["8","1"]],"a":[]}}
"#;

#[test]
fn the_book_at_a_time_and_after_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x_abusdt.raw");
    std::fs::write(&file, RAW).expect("written");
    let at = |more: &[&str]| book(&file, more).expect("reads").remove(0);

    let before = at(&["--at", "1700000001999"]);
    assert_eq!((&before["last_u"], &before["bids"]), (&Value::Null, &json!([])));
    assert_eq!(before["dropped_before_snapshot"], json!(2));

    // The second change came before the snapshot and reaches beyond it.
    let joined = at(&["--at", "1700000002000000000"]);
    assert_eq!((&joined["last_u"], &joined["applied"]), (&json!(12), &json!(1)));
    assert_eq!(joined["bids"], json!([["10", "7"], ["9.5", "2"]]));
    assert_eq!(joined["dropped_before_snapshot"], json!(1));

    let later = at(&["--at", "1700000003000000"]);
    assert_eq!((&later["bids"], &later["asks"]), (&json!([["10", "7"]]), &json!([["11", "0.5"]])));

    let end = at(&[]);
    assert_eq!((&end["chain_breaks"], &end["last_u"]), (&json!(1), &json!(15)));
    assert_eq!(end["levels"], json!({"bids": 0, "asks": 0}), "unusable after a gap");
}

#[test]
fn without_depth_there_is_no_book() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ticks.csv");
    std::fs::write(&file, "T,ABUSDT,1,2,10,1,B,1\n").expect("written");
    let failure = book(&file, &[]).expect_err("no depth");
    assert_eq!(failure.exit, Exit::Usage);
    let failure = book(&folder.path().join("none"), &[]).expect_err("no file");
    assert_eq!(failure.exit, Exit::Usage);
    assert!(Cli::try_parse_from(["pinion", "book", "--data", "x", "--at", "noon"]).is_err());
}

#[test]
fn the_documented_synchronisation_gives_the_documented_book() {
    let Some(file) = shared("fixtures/binance/seq/depth_sync/sync_ok.json") else { return };
    let sequence: Value =
        serde_json::from_str(&std::fs::read_to_string(file).expect("readable")).expect("JSON");
    let (mut book, mut sync) = (Book::new(16), DepthSync::default());
    let mut apply = |frame: &Value, bids: &str, asks: &str| {
        for (side, key) in [(Side::Buy, bids), (Side::Sell, asks)] {
            for (price, qty) in levels(&frame[key]) {
                book.set(side, price, qty);
            }
        }
    };
    let snapshot = &sequence["snapshot"];
    sync.snapshot(snapshot["lastUpdateId"].as_u64().expect("an id"));
    apply(snapshot, "bids", "asks");
    let mut verdicts = Vec::new();
    for key in ["buffered_before_snapshot", "after"] {
        for frame in sequence[key].as_array().expect("a list") {
            let id = |name: &str| frame[name].as_u64();
            let (Some(first), Some(last)) = (id("U"), id("u")) else { panic!("{frame}") };
            let verdict = sync.diff(DiffIds { first, last, previous: id("pu") });
            if verdict == Verdict::Apply {
                apply(frame, "b", "a");
            }
            verdicts.push(verdict);
        }
    }
    assert_eq!(verdicts, [Verdict::Drop, Verdict::Apply, Verdict::Apply]);
    let side = |side| book.levels(side).map(|level| (level.price, level.qty)).collect::<Vec<_>>();
    assert_eq!(side(Side::Buy), levels(&json!([["100", "4"]])));
    assert_eq!(side(Side::Sell), levels(&json!([["100.2", "1"], ["100.3", "7"]])));
}
