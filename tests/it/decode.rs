//! Tests of: `pinion decode`, against the frames whose meaning is known.

use std::io::Write as _;
use std::path::Path;

use clap::Parser as _;
use pinion_tests::shared;
use pinion_tools::{Cli, Exit, Failure, Verb, cmd};
use serde_json::Value;

fn decode(venue: &str, kind: &str, files: &[&Path]) -> Result<Vec<Value>, Failure> {
    let mut line = vec!["pinion", "decode", "--venue", venue, "--kind", kind];
    line.extend(files.iter().map(|file| file.to_str().expect("a path of ours")));
    let Verb::Decode(args) = Cli::try_parse_from(line).expect("parses").verb else {
        unreachable!("the verb is on the line")
    };
    let mut lines = Vec::new();
    cmd::decode::each(&args, |line| {
        lines.push(line);
        Ok(())
    })?;
    Ok(lines)
}

#[test]
fn every_market_frame_with_a_known_meaning_comes_out_exactly() {
    let Some(folder) = shared("fixtures/binance") else { return };
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("readable");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let mut checked = 0;
    for item in manifest["items"].as_array().expect("a list") {
        let kind = item["kind"].as_str().expect("a text");
        if !kind.starts_with("ws_market.") || item["expect"].is_null() {
            continue;
        }
        let file = folder.join(item["file"].as_str().expect("a path"));
        assert_eq!(decode("binance", kind, &[&file]), Ok(vec![item["expect"].clone()]), "{file:?}");
        let short = kind.strip_prefix("ws_market.").expect("checked");
        assert_eq!(decode("binance", short, &[&file]), Ok(vec![item["expect"].clone()]));
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} frames with a known meaning");
}

const TICKER: &str = r#"{"u":7,"s":"AB","b":"1.50","B":"2","a":"1.60","A":"0"}"#;

#[test]
fn files_come_in_turn_and_gzip_is_unpacked() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("a.json");
    std::fs::write(&plain, TICKER).expect("written");
    let packed = folder.path().join("b.bin");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(TICKER.replace("AB", "CD").as_bytes()).expect("packed");
    std::fs::write(&packed, gzip.finish().expect("packed")).expect("written");
    let lines = decode("binance", "book_ticker", &[&plain, &packed]).expect("decodes");
    assert_eq!(
        lines,
        [
            serde_json::json!({"symbol": "AB", "bid": ["1.5", "2"], "ask": ["1.6", "0"], "seq": 7, "event_time_ms": null}),
            serde_json::json!({"symbol": "CD", "bid": ["1.5", "2"], "ask": ["1.6", "0"], "seq": 7, "event_time_ms": null}),
        ]
    );
}

#[test]
fn what_cannot_be_decoded_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    std::fs::write(&file, TICKER.replace("1.50", "NaN")).expect("written");
    let broken = folder.path().join("b.json");
    std::fs::write(&broken, &TICKER[..30]).expect("written");
    let missing = folder.path().join("c.json");
    for (venue, kind, path, exit, says) in [
        ("kraken", "trade", &file, Exit::Usage, "--venue kraken: expected binance or bingx"),
        ("binance", "ws_user.trade_lite", &file, Exit::Usage, "expected one of book_ticker, trade"),
        ("binance", "trade", &missing, Exit::Usage, "there is no such file"),
        ("binance", "book_ticker", &file, Exit::Error, r#"a.json: field "b" is "NaN""#),
        ("binance", "book_ticker", &broken, Exit::Error, "b.json: malformed JSON"),
    ] {
        let failure = decode(venue, kind, &[path]).expect_err(says);
        assert_eq!(failure.exit, exit, "{failure:?}");
        assert!(failure.message.contains(says), "{failure:?}");
    }
    std::fs::write(&file, TICKER).expect("written");
    let failure = decode("binance", "trade", &[&file]).expect_err("another kind");
    assert!(failure.message.contains("found book_ticker; expected trade"), "{failure:?}");
}
