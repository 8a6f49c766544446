//! Tests of: `BingX`'s frames, answers, signatures and sequences, against those whose meaning is known.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::units::Nanos;
use pinion_io::bingx::rows;
use pinion_io::bingx::user::Account;
use pinion_io::bingx::words::PositionMode;
use pinion_io::bingx::{
    Call, Decoder, Fills, Frame, Inflater, Oddities, OrderRef, PONG, RequestWriter, Signer, Tape,
    rest,
};
use pinion_tests::alloc::allocations_in;
use pinion_tests::shared;
use pinion_tools::{Cli, Exit, Failure, Verb, cmd};
use serde_json::Value;

fn decode(kind: &str, file: &Path) -> Result<Value, Failure> {
    let file = file.to_str().expect("a path of ours");
    let line = ["pinion", "decode", "--venue", "bingx", "--kind", kind, file];
    let Verb::Decode(args) = Cli::try_parse_from(line).expect("parses").verb else {
        unreachable!("the verb is on the line")
    };
    let mut found = Value::Null;
    cmd::decode::each(&args, |line| {
        found = line;
        Ok(())
    })?;
    Ok(found)
}

/// Kind, file and what is known of it.
fn items(folder: &Path) -> Vec<(String, PathBuf, Value)> {
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("readable");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let items = manifest["items"].as_array().expect("a list").iter();
    items
        .map(|item| (text(&item["kind"]), folder.join(text(&item["file"])), item["expect"].clone()))
        .collect()
}

/// True when everything that is expected is found; more may be found.
fn holds(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| holds(found, value))),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, value)| holds(found, value))
        }
        (found, expected) => found == expected,
    }
}

#[test]
fn everything_with_a_known_meaning_comes_out_exactly() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let mut checked = 0;
    for (kind, file, expected) in items(&folder) {
        if expected.is_null() {
            continue;
        }
        let found = decode(&kind, &file).expect("decodes");
        assert!(holds(&found, &expected), "{file:?}\n{found}\n{expected}");
        // Where the known meaning is not a part of a longer row, nothing else may come out.
        let whole = ["ws_", "seq.", "error."].iter().any(|group| kind.starts_with(group));
        assert!(!whole || found == expected, "{file:?}\n{found}\n{expected}");
        checked += 1;
    }
    assert_eq!(checked, 53);
}

#[test]
fn packed_frames_say_what_plain_ones_say() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let mut checked = 0;
    for (kind, file, _) in items(&folder) {
        let Ok(path) = file.strip_prefix(&folder) else { continue };
        let packed = folder.join("gz").join(path).with_extension("bin");
        if packed.exists() && kind != "ws_market.ticker" {
            assert_eq!(decode(&kind, &packed), decode(&kind, &file), "{packed:?}");
            checked += 1;
        }
    }
    assert!(checked >= 18, "only {checked} packed frames");
    let ping = decode("ws_control.heartbeat", &folder.join("gz/ws_control/ping.bin"));
    assert_eq!(ping, Ok(serde_json::json!({ "reply": "Pong" })));
}

#[test]
fn every_answer_of_a_bots_life_decodes_and_nothing_recorded_is_odd() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    // Calls that the engine does not make.
    let others = [
        "amend",
        "batch_cancel",
        "batch_cancel_replace",
        "batch_place",
        "book_ticker",
        "cancel_replace",
        "close_all_positions",
        "close_position",
        "depth",
        "force_orders",
        "funding_rate_history",
        "get_vst",
        "historical_trades",
        "income",
        "klines",
        "last_price",
        "maint_margin_ratio",
        "mark_klines",
        "open_interest",
        "position_history",
        "position_margin",
        "premium_index",
        "ticker24h",
        "trades",
    ];
    let mut checked = 0;
    for (kind, file, _) in items(&folder) {
        let Some(name) = kind.strip_prefix("rest.") else { continue };
        if others.contains(&name) {
            assert_eq!(decode(&kind, &file).map_err(|failure| failure.exit), Err(Exit::Usage));
            continue;
        }
        let found = decode(&kind, &file).expect("decodes");
        assert!(found.is_object(), "{file:?}: {found}");
        checked += 1;
    }
    assert!(checked >= 30, "only {checked} answers");
    let mut oddities = Oddities::default();
    for name in ["open_orders", "all_orders", "batch_cancel", "force_orders", "cancel_all"] {
        for file in std::fs::read_dir(folder.join("rest").join(name)).expect("a folder") {
            let body = std::fs::read(file.expect("an entry").path()).expect("readable");
            let mut tape = Tape::new();
            let reply = rest::open(&mut tape, &body).expect("opens");
            assert!(rows::orders(&reply, &mut oddities, |_| {}).expect("reads") > 0, "{name}");
        }
    }
    assert_eq!(oddities.next_untold(), None);
}

#[test]
fn every_account_frame_is_known_to_the_last_field() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let mut decoder = Decoder::new();
    for (kind, file, _) in items(&folder) {
        if kind.starts_with("ws_user.") {
            let frame = std::fs::read(&file).expect("readable");
            assert!(matches!(decoder.decode(&frame), Ok(Frame::Account(_))), "{file:?}");
        }
    }
    assert_eq!(decoder.oddities().next_untold(), None);
}

#[test]
fn every_signature_comes_out() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let mut checked = 0;
    for (kind, file, _) in items(&folder) {
        if !kind.starts_with("signing.") {
            continue;
        }
        let line = ["pinion", "sign", "--venue", "bingx", file.to_str().expect("a path")];
        let Verb::Sign(args) = Cli::try_parse_from(line).expect("parses").verb else {
            unreachable!("the verb is on the line")
        };
        let text = std::fs::read_to_string(&file).expect("readable");
        let vector: Value = serde_json::from_str(&text).expect("JSON");
        let signed = cmd::sign::each(&args, |line| {
            assert_eq!(line["signature"], vector["expected_hex"], "{file:?}");
            assert_eq!(line["string_to_sign"], vector["string_to_sign"], "{file:?}");
            checked += 1;
            Ok(())
        });
        assert_eq!(signed, Ok(()));
    }
    assert_eq!(checked, 5);
}

#[test]
fn subscriptions_read_as_the_venue_wants_them() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let mut checked = 0;
    for (kind, file, _) in items(&folder) {
        let text = std::fs::read_to_string(&file).expect("readable");
        let item: Value = serde_json::from_str(&text).expect("JSON");
        match kind.as_str() {
            "ws_control.subscribe" => {
                for (made, key) in [
                    (pinion_io::bingx::subscribe as fn(&str, &str) -> String, "send"),
                    (pinion_io::bingx::unsubscribe, "unsub"),
                ] {
                    let field = |name: &str| item[key][name].as_str().expect("a text");
                    let made = made(field("id"), field("dataType"));
                    let made: Value = serde_json::from_str(&made).expect("JSON");
                    assert_eq!(made, item[key], "{file:?}");
                    checked += 1;
                }
            }
            "ws_control.heartbeat" => {
                assert_eq!(item["client_must_send_text"], PONG);
                checked += 1;
            }
            _ => {}
        }
    }
    assert_eq!(checked, 11);
}

/// Reads bytes in every way in which bytes of the venue are read; what it says does not matter.
fn read_all_ways(decoder: &mut Decoder, inflater: &mut Inflater, bytes: &[u8]) {
    let _frame = decoder.decode(bytes).map(|_| ());
    let _plain = inflater.inflate(bytes).map(<[u8]>::len);
    let mut tape = Tape::new();
    let Ok(reply) = rest::open(&mut tape, bytes) else { return };
    let mut oddities = Oddities::default();
    let _read = (
        rows::order(&reply, &mut oddities).is_ok(),
        rows::orders(&reply, &mut oddities, |_| {}),
        rows::fills(&reply, &mut oddities, |_| {}),
        rows::positions(&reply, |_| {}),
        rows::balances(&reply, |_| {}),
        rows::contracts(&reply, &mut oddities, |_| {}),
        rest::cancel_all_after(&reply),
        rest::position_mode(&reply),
        rest::server_time(&reply),
        rest::listen_key(&reply).is_ok(),
    );
}

#[test]
fn cut_and_flipped_bytes_are_an_error_or_a_value_and_never_a_panic() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let (mut decoder, mut inflater) = (Decoder::new(), Inflater::default());
    let mut files: Vec<PathBuf> = items(&folder).into_iter().map(|(_, file, _)| file).collect();
    files.push(folder.join("gz/ws_user/trade_update/btc_short_open_filled_2025.bin"));
    files.push(folder.join("gz/ws_market/depth/02_jkorf.bin"));
    let mut tried = 0;
    for file in files {
        let bytes = std::fs::read(&file).expect("readable");
        // Every place of short files, some of long ones.
        let step = bytes.len() / 300 + 1;
        for at in (0..bytes.len()).step_by(step) {
            read_all_ways(&mut decoder, &mut inflater, &bytes[..at]);
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            read_all_ways(&mut decoder, &mut inflater, &damaged);
            tried += 2;
        }
    }
    assert!(tried > 20_000, "only {tried} damaged files");
    // It still reads what is whole.
    assert!(matches!(decoder.decode(b"Ping"), Ok(Frame::Ping)));
}

#[test]
fn what_cannot_be_decoded_or_signed_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    std::fs::write(&file, r#"{"code":0,"dataType":"A-USDT@markPrice","data":{"p":"x"}}"#)
        .expect("written");
    for (kind, exit, says) in [
        ("ws_market.mark_price", Exit::Error, "a.json: p at byte"),
        ("trade", Exit::Error, "expected a plain decimal"),
        ("rest.klines", Exit::Usage, "expected one of ws_market.book_ticker"),
        ("seq.funding", Exit::Error, "expected a list of frames"),
        ("rest.balance", Exit::Error, "expected a list"),
    ] {
        let failure = decode(kind, &file).expect_err(says);
        assert_eq!(failure.exit, exit, "{failure:?}");
        assert!(failure.message.contains(says), "{failure:?}");
    }
    std::fs::write(&file, r#"{"secret":"","string_to_sign":"a=1"}"#).expect("written");
    let line = ["pinion", "sign", "--venue", "bingx", file.to_str().expect("a path")];
    let Verb::Sign(args) = Cli::try_parse_from(line).expect("parses").verb else {
        unreachable!("the verb is on the line")
    };
    let failure = cmd::sign::each(&args, |_| Ok(())).expect_err("no key");
    assert!(failure.message.contains("the secret is empty"), "{failure:?}");
}

#[test]
fn frames_and_requests_allocate_nothing_once_the_largest_was_seen() {
    let Some(folder) = shared("fixtures/bingx") else { return };
    let mut frames = Vec::new();
    for (kind, file, _) in items(&folder) {
        if !kind.starts_with("ws_market.") && !kind.starts_with("ws_user.") {
            continue;
        }
        frames.push(std::fs::read(&file).expect("readable"));
        let path = file.strip_prefix(&folder).expect("inside");
        frames.extend(std::fs::read(folder.join("gz").join(path).with_extension("bin")));
    }
    assert!(frames.len() >= 40, "only {}", frames.len());
    let mut decoder = Decoder::new();
    let mut fills = Fills::default();
    let mut messages = 0;
    let mut pass = || {
        for frame in &frames {
            match decoder.decode(frame).expect("decodes") {
                Frame::Market(market) => {
                    let id = InstrumentId::new(0);
                    market.messages(id, Nanos::new(1), &mut |_| messages += 1);
                }
                Frame::Account(Account::Order(update)) => {
                    fills.apply(&update, None, Nanos::new(1), &mut |_| messages += 1);
                }
                Frame::Account(_) | Frame::Ping | Frame::PingId { .. } => {}
                Frame::Answer(_) | Frame::Unknown => panic!("a frame that is known"),
            }
        }
    };
    pass();
    assert_eq!(allocations_in(&mut pass), 0);
    let signer = Signer::new(b"a secret").expect("a key");
    let mut writer = RequestWriter::new(signer, PositionMode::Hedge, None);
    let written = allocations_in(|| {
        for seq in 1..100 {
            let order = OrderRef::of(ClientId::new(1, seq), TextId::EMPTY);
            let request = writer.write(&Call::Cancel { symbol: "BTC-USDT", order }, 1);
            assert!(!request.query.is_empty());
        }
    });
    assert_eq!(written, 0);
    assert!(messages > 100);
}
