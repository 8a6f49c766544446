//! What is refused, and that the message says what, where and what was expected.

use std::io::Write as _;
use std::slice;

use super::{Folder, OPTIONS, read_all, read_one};

fn refused(text: &str) -> String {
    read_one(text).err().expect("refused").to_string()
}

fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

const TICKER: &str = r#"1700000001000 {"stream":"abusdt@bookTicker","data":{"u":7,"s":"ABUSDT","b":"1.5","B":"2","a":"1.6","A":"4"}}"#;
const ROWS: &str = "type,symbol,exchange_ts_ns,local_ts_ns,f1,f2,f3,f4\nT,ABUSDT,1,2,10,1,B,1\n";
const BARS: &str = "ts_ms,symbol,open,high,low,close,volume\n1000,ABUSDT,1,2,1,2,5\n";

#[test]
fn broken_frames_name_file_line_and_field() {
    let second = |frame: &str| format!("{TICKER}\n{frame}\n");
    for (frame, parts) in [
        (TICKER[..70].to_string(), ["line 2: malformed JSON", "one whole JSON frame"]),
        (TICKER.replace("1.5", "NaN"), [r#"line 2: field "b" is "NaN""#, "a plain decimal"]),
        (TICKER.replace("1.5", "inf"), [r#"field "b" is "inf""#, "no exponent, no NaN or inf"]),
        (TICKER.replace("1.5", "1e400"), [r#"field "b" is "1e400""#, "a plain decimal"]),
        (TICKER.replace("\"1.5\"", "1.5"), [r#"field "b" is 1.5"#, "a decimal as text"]),
        (TICKER.replace("\"u\":7", "\"u\":\"x\""), [r#"field "u" is "x""#, "a whole number"]),
        (
            TICKER.replace("1700000001000", "17000"),
            ["it begins with `17000 {", "13 (ms), 16 (us) or 19 (ns)"],
        ),
        ("garbage".into(), ["line 2: it begins with `garbage`", "a receive time"]),
    ] {
        let message = refused(&second(&frame));
        says(&message, &["x_abusdt.raw, line 2: "]);
        says(&message, &parts);
    }
}

#[test]
fn broken_rows_name_line_and_field() {
    for (row, parts) in [
        (
            "T,ABUSDT,1,2,10,1,B",
            ["line 3: a row of 7 fields", "8 fields; a row may have been cut off"],
        ),
        ("T,ABUSDT,1,2,10,1,B,1,9", ["line 3: a row of 9 fields", "8 fields"]),
        ("T,ABUSDT,1,2,NaN,1,B,1", ["field price is `NaN`", "a plain decimal"]),
        ("T,ABUSDT,1,2,10,inf,B,1", ["field qty is `inf`", "a plain decimal"]),
        ("Q,ABUSDT,1,2,1e400,1,2,1", ["field bid is `1e400`", "a plain decimal"]),
        ("T,ABUSDT,1,2,99999999999999,1,B,1", ["field price", "a magnitude below"]),
        ("T,ABUSDT,1,2,10,1,X,1", ["field side is `X`", "B, S or nothing"]),
        ("T,ABUSDT,1,2,10,1,B,abc", ["field trade_id is `abc`", "a whole number"]),
        ("T,ABUSDT,,,10,1,B,1", ["a row without a time", "local_ts_ns"]),
        ("T,ABUSDT,x,2,10,1,B,1", ["field exchange_ts_ns is `x`", "a whole number"]),
        ("Z,ABUSDT,1,2,10,1,B,1", ["field type is `Z`", "Q, T or L"]),
        ("L,ABUSDT,1,2,X,10,1,s", ["field side is `X`", "B for a bid or A for an ask"]),
        ("L,ABUSDT,1,2,B,10,1,x", ["field kind is `x`", "`s` for a snapshot"]),
    ] {
        says(&refused(&format!("{ROWS}{row}\n")), &parts);
    }
    for (row, parts) in [
        ("2000,ABUSDT,1,2,1,2", ["line 3: a row of 6 fields", "7 fields"]),
        ("2000,ABUSDT,1,2,1,nan,5", ["field close is `nan`", "a plain decimal"]),
        (",ABUSDT,1,2,1,2,5", ["field ts_ms is ``", "a time in ms"]),
    ] {
        says(&refused(&format!("{BARS}{row}\n")), &parts);
    }
}

#[test]
fn a_line_without_end_is_refused_with_its_limit() {
    let message = refused(&format!("{TICKER}\n{}", "x".repeat(10_000_000)));
    says(&message, &["x_abusdt.raw, line 2", "lines of at most 8388608 bytes (8 MiB)"]);
}

#[test]
fn packed_files_that_break_off_are_refused_with_their_line() {
    let text: String = (0..30_000u64)
        .map(|n| format!("T,ABUSDT,{},,{}.5,1,B,{}\n", n * 7_919, n * n % 9_973 + 1, n))
        .collect();
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("packed");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("packed");
    for (packing, packed) in [("zstd", zstd), ("gzip", gzip.finish().expect("packed"))] {
        let folder = Folder::of(&[]);
        let file = folder.path("ticks.csv.x");
        std::fs::write(&file, &packed).expect("written");
        assert_eq!(read_all(slice::from_ref(&file), &OPTIONS).expect("reads").counts.trade, 30_000);
        std::fs::write(&file, &packed[..packed.len() / 2]).expect("written");
        let fault = read_all(&[file], &OPTIONS).err().expect("refused");
        assert!(fault.line.is_some_and(|line| line > 1), "{fault}");
        says(
            &fault.to_string(),
            &[&format!("the {packing} data breaks off"), "ticks.csv.x, line "],
        );
    }
}

#[test]
fn what_is_no_market_data_is_refused_with_its_beginning() {
    for (text, begins) in [
        (r#"{"t":"header","format":2,"exchange":"BYBIT"}"#, r#"it begins with `{"t":"header","#),
        (r#"{"e":"TRADE_LITE","E":1731954087444}"#, r#"it begins with `{"e":"TRADE_LITE","#),
        ("time;price\n1;2\n", "it begins with `time;price`"),
        ("\u{0}\u{1}binary", "it begins with `"),
    ] {
        says(&refused(text), &["x_abusdt.raw, line 1: ", begins, "raw frames (", "minute bars ("]);
    }
    says(&refused(""), &["the file is empty", "raw frames ("]);
    says(&refused("ts_ms,symbol,funding_rate,mark_open\n"), &["0 instruments", "1 to 256"]);
}

#[test]
fn folders_without_data_of_their_own_are_refused() {
    let only_folders = Folder::of(&[("usdm/a", "x"), ("spot/a", "x"), ("README.md", "about")]);
    let message = only_folders.read().err().expect("refused").to_string();
    says(&message, &["a folder of folders", "one of them: spot, usdm"]);
    let empty = Folder::of(&[("README.md", "about"), ("SHA256SUMS", "1")]);
    says(&empty.read().err().expect("refused").to_string(), &["a folder without data"]);
    let message = read_all(&[empty.path("none")], &OPTIONS).err().expect("refused").to_string();
    says(&message, &["none: there is no such file or folder"]);
    let mixed = Folder::of(&[("ticks.csv", ROWS), ("notes.txt", "hello")]);
    let message = mixed.read().err().expect("refused").to_string();
    says(&message, &["notes.txt, line 1: it begins with `hello`"]);
}

#[test]
fn one_symbol_with_two_depth_chains_is_refused() {
    let depth = r#"1700000001000 {"stream":"abusdt@depth","data":{"e":"depthUpdate","E":1,"T":1,"s":"ABUSDT","U":1,"u":5,"b":[],"a":[]}}"#;
    let folder = Folder::of(&[("spot_abusdt.raw", depth), ("usdm_abusdt.raw", depth)]);
    let message = folder.read().err().expect("refused").to_string();
    says(&message, &["usdm_abusdt.raw: depth of ABUSDT, which ", "spot_abusdt.raw has too"]);
}

#[test]
fn a_snapshot_of_nobody_is_refused() {
    let other = TICKER.replace("ABUSDT", "CDUSDT").replace("abusdt", "cdusdt");
    let snapshot = r#"1700000002000 {"lastUpdateId":10,"bids":[],"asks":[]}"#;
    let text = format!("{TICKER}\n{other}\n{snapshot}\n");
    let folder = Folder::of(&[("session.raw", &text)]);
    let message = folder.read().err().expect("refused").to_string();
    says(&message, &["session.raw, line 3: a depth snapshot that does not say its symbol"]);
}
