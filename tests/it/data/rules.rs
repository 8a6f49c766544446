//! What is read and left out, order in time, folders, merging.

use std::collections::BTreeMap;

use pinion_core::msg::{MarketBody, MarketKind};
use pinion_core::units::Nanos;
use pinion_io::data::DataOptions;

use super::{Folder, OPTIONS, Read, read_all, read_one};

fn rows(lines: &[&str]) -> String {
    format!("{}\n", lines.join("\n"))
}

fn times(read: &Read) -> Vec<i64> {
    read.messages().map(|message| message.ts_recv_ns.get()).collect()
}

#[test]
fn what_makes_no_sense_is_counted_by_reason_and_goes_nowhere() {
    let read = read_one(&rows(&[
        "Q,ABUSDT,1,1,10,1,11,1",
        "Q,ABUSDT,1,2,11,1,11,0",
        "Q,ABUSDT,1,3,12,1,11,1",
        "Q,ABUSDT,1,4,0,1,11,1",
        "Q,ABUSDT,1,5,-1,1,11,1",
        "Q,ABUSDT,1,6,,1,11,1",
        "Q,ABUSDT,1,7,10,-1,11,1",
        "Q,ABUSDT,1,8,0.000000001,1,11,1",
        "T,ABUSDT,1,9,10,0,B,1",
        "T,ABUSDT,1,10,0,1,B,1",
        "T,ABUSDT,1,11,10,-2,S,1",
        "T,ABUSDT,1,12,10,2,S,18446744073709551615",
        "T,A SYMBOL LONGER THAN ANY VENUE HAS,1,13,10,2,S,1",
        "Q,ONLYBAD,1,14,12,1,11,1",
    ]))
    .expect("reads");
    assert_eq!(times(&read), [1, 2, 12]);
    assert_eq!((read.counts.quote, read.counts.trade), (2, 1));
    assert_eq!(
        read.rejected(),
        BTreeMap::from([
            ("crossed_book", 2),
            ("bad_price", 4),
            ("bad_qty", 3),
            ("too_precise", 1),
            ("unknown_symbol", 1),
        ])
    );
    let trade = read.of("ABUSDT", MarketKind::Trade)[0];
    assert!(matches!(trade.body(), MarketBody::Trade { trade_id: u64::MAX, .. }));
    let bars = read_one(
        "ts_ms,symbol,open,high,low,close,volume\n1,ABUSDT,2,3,1,2,0\n2,ABUSDT,2,1,1,2,5\n3,ABUSDT,2,3,0,2,5\n4,ABUSDT,2,3,1,2,-1\n",
    )
    .expect("reads");
    assert_eq!(bars.counts.bar, 1);
    assert_eq!(bars.rejected(), BTreeMap::from([("bad_price", 2), ("bad_qty", 1)]));
}

#[test]
fn frames_that_make_no_sense_are_counted_and_known_ones_are_ignored() {
    let frame = |second: u32, json: &str| format!("17000000{second:05} {json}");
    let ticker = |bid: &str, ask: &str| {
        format!(r#"{{"u":7,"s":"ABUSDT","b":"{bid}","B":"2","a":"{ask}","A":"4"}}"#)
    };
    let trade = |kind: &str, price: &str| {
        format!(
            r#"{{"e":"trade","E":1,"T":1,"s":"ABUSDT","t":1,"p":"{price}","q":"1","X":"{kind}","m":true}}"#
        )
    };
    let lines = [
        ticker("1.5", "1.6"),
        ticker("1.7", "1.6"),
        ticker("0", "1.6"),
        ticker("1.000000001", "1.6"),
        trade("MARKET", "1.5"),
        trade("ADL", "1.5"),
        trade("NA", "0"),
        r#"{"result":null,"id":1}"#.into(),
        r#"{"e":"kline","E":1,"s":"ABUSDT","k":{}}"#.into(),
        r#"{"e":"ORDER_TRADE_UPDATE","E":1,"o":{}}"#.into(),
        r#"{"e":"markPriceUpdate","E":3,"s":"ABUSDT","p":"1.5","i":"1.4","P":"1","r":"0.0001","T":8}"#.into(),
        r#"[{"e":"markPriceUpdate","E":3,"s":"ABUSDT","p":"1.5","r":"","T":0},{"e":"markPriceUpdate","E":3,"s":"ZZ","p":"1"}]"#.into(),
    ];
    let text: Vec<String> = (0..).zip(&lines).map(|(at, json)| frame(at, json)).collect();
    let read = read_one(&text.join("\n")).expect("reads");
    let counts = &read.counts;
    assert_eq!((counts.quote, counts.trade, counts.mark, counts.ignored), (1, 1, 2, 2));
    assert_eq!(
        read.rejected(),
        BTreeMap::from([
            ("crossed_book", 1),
            ("bad_price", 1),
            ("too_precise", 1),
            ("not_market_trade", 2),
            ("unknown_frame", 1),
            ("unknown_symbol", 1),
        ])
    );
    assert_eq!(read.table.len(), 1, "a symbol with marks alone is not traded");
}

#[test]
fn a_small_step_back_is_taken_at_the_present_and_a_large_one_is_rejected() {
    let text = rows(&[
        "T,ABUSDT,,10000,1,1,B,1",
        "T,ABUSDT,,9000,2,1,B,2",
        "T,ABUSDT,,8999,3,1,B,3",
        "T,ABUSDT,,10001,4,1,B,4",
    ]);
    let folder = Folder::of(&[("ticks.csv", &text)]);
    let options = DataOptions { backstep_ns_max: 1_000, ..OPTIONS };
    let read = read_all(&[folder.path("ticks.csv")], &options).expect("reads");
    assert_eq!(times(&read), [10_000, 10_000, 10_001]);
    assert_eq!(read.rejected(), BTreeMap::from([("out_of_order", 1)]));
}

#[test]
fn a_book_that_lost_an_update_is_torn_until_the_next_snapshot() {
    let read = read_one(&rows(&[
        "L,ABUSDT,1,1,B,10,1,s",
        "L,ABUSDT,1,1,A,11,1,s",
        "L,ABUSDT,2,2,B,10,2,d",
        "L,ABUSDT,3,3,B,-1,2,d",
        "L,ABUSDT,4,4,B,9,2,d",
        "L,ABUSDT,5,5,B,8,1,s",
        "L,ABUSDT,5,5,A,9,1,s",
        "L,ABUSDT,6,6,B,9.5,1,d",
    ]))
    .expect("reads");
    use MarketKind::{Gap, Level, Quote, Reset};
    let kinds: Vec<_> = read.messages().map(|message| message.kind()).collect();
    let snapshot = [Reset, Level, Level, Quote];
    let expected = [&snapshot[..], &[Level, Quote], &[Gap], &snapshot[..], &[Level]].concat();
    assert_eq!(kinds, expected);
    assert_eq!(read.events.len(), 6, "rows of one update are one event");
    assert_eq!((read.counts.snapshot, read.counts.depth, read.counts.gaps), (2, 3, 1));
    let crossed = BTreeMap::from([("bad_price", 1), ("crossed_book", 1)]);
    assert_eq!(read.rejected(), crossed, "the implied quote crossed at the end");
    let last = |message: &pinion_core::msg::MarketMsg| match message.body() {
        MarketBody::Level { last, .. } => Some(last),
        _ => None,
    };
    let flags: Vec<bool> = read.messages().filter_map(last).collect();
    assert_eq!(flags, [false, true, true, false, true, true]);
}

#[test]
fn a_break_of_the_chain_is_a_gap_and_the_next_snapshot_mends_it() {
    let diff = |at: u32, first: u32, last: u32, previous: u32| {
        format!(
            r#"17000000{at:05} {{"stream":"abusdt@depth","data":{{"e":"depthUpdate","E":1,"T":1,"s":"ABUSDT","U":{first},"u":{last},"pu":{previous},"b":[["1{last}","1"]],"a":[]}}}}"#
        )
    };
    let snapshot = |at: u32, last: u32| {
        format!(
            r#"17000000{at:05} {{"lastUpdateId":{last},"bids":[["1","1"]],"asks":[["999","1"]]}}"#
        )
    };
    let text = [
        snapshot(0, 10),
        diff(1, 9, 12, 8),
        diff(2, 14, 15, 13),
        diff(3, 16, 17, 15),
        snapshot(4, 15),
        diff(5, 18, 19, 17),
    ]
    .join("\n");
    let read = read_one(&text).expect("reads");
    use MarketKind::{Gap, Level, Quote, Reset};
    let kinds: Vec<Vec<_>> = read
        .events
        .iter()
        .map(|(_, batch)| batch.iter().map(|message| message.kind()).collect())
        .collect();
    assert_eq!(
        kinds,
        [
            vec![Reset, Level, Level, Quote],
            vec![Level, Quote],
            vec![Gap],
            vec![],
            // The kept changes follow the snapshot that joins them, and one quote the whole.
            vec![Reset, Level, Level, Level, Level, Quote],
            vec![Level, Quote],
        ]
    );
    assert_eq!((read.counts.gaps, read.counts.depth, read.counts.snapshot), (1, 4, 2));
}

#[test]
fn a_folder_gives_its_finest_data_and_says_what_it_leaves() {
    let raw = r#"1700000001000 {"u":7,"s":"ABUSDT","b":"1.5","B":"2","a":"1.6","A":"4"}"#;
    let ticks = "T,ABUSDT,,1,1,1,B,1\n";
    let bars = "ts_ms,symbol,open,high,low,close,volume\n1,ABUSDT,2,3,1,2,0\n";
    // At the end of the bar, so outside the time of the trade and of the frame.
    let funding = "ts_ms,symbol,funding_rate,mark_open\n60001,ABUSDT,0.0001,\n";
    let files = [
        ("raw", raw),
        ("ticks", ticks),
        ("bars", bars),
        ("funding", funding),
        ("README.txt", "about"),
        ("LICENSE", "x"),
        ("expect.json", "{}"),
        (".hidden", "x"),
        ("more/x", "x"),
    ];
    let counts = |without: &[&str]| {
        let kept: Vec<_> = files.into_iter().filter(|(name, _)| !without.contains(name)).collect();
        let read = Folder::of(&kept).read().expect("reads");
        let c = read.counts;
        (c.quote, c.trade, c.bar, c.mark, read.notices.len())
    };
    assert_eq!(counts(&[]), (1, 0, 0, 0, 4));
    assert_eq!(counts(&["raw"]), (0, 1, 0, 0, 3));
    assert_eq!(counts(&["raw", "ticks", "more/x"]), (0, 0, 1, 1, 0));
    let folder = Folder::of(&files);
    let bars = read_all(&[folder.path("bars")], &OPTIONS).expect("a named file is read as it is");
    assert_eq!(bars.counts.bar, 1);
}

#[test]
fn several_paths_are_merged_by_time_and_ties_keep_their_order() {
    let local = "T,ABUSDT,1,20,1,1,B,1\nT,ABUSDT,1,30,1,1,B,2\n";
    let exchange = "T,CDUSDT,10,,1,1,B,1\nT,CDUSDT,20,,1,1,B,2\nT,CDUSDT,40,,1,1,B,3\n";
    let folder = Folder::of(&[("a", local), ("b", exchange)]);
    let order = |names: [&str; 2]| {
        let read = read_all(&names.map(|name| folder.path(name)), &OPTIONS).expect("reads");
        read.messages()
            .map(|message| {
                (message.ts_recv_ns.get(), read.table.symbol(message.instrument)[..2].to_string())
            })
            .collect::<Vec<_>>()
    };
    let pairs = |symbols: [&str; 5]| {
        [10, 20, 20, 30, 40].into_iter().zip(symbols.map(str::to_string)).collect::<Vec<_>>()
    };
    assert_eq!(order(["a", "b"]), pairs(["CD", "AB", "CD", "AB", "CD"]));
    assert_eq!(order(["b", "a"]), pairs(["CD", "CD", "AB", "AB", "CD"]));
}

#[test]
fn times_of_the_venue_are_kept_beside_the_receive_time() {
    let read = read_one("Q,ABUSDT,5,7,10,1,11,1\nT,ABUSDT,6,,10,1,B,1\n").expect("reads");
    let both: Vec<_> = read
        .messages()
        .map(|message| (message.ts_exch_ns.get().map(Nanos::get), message.ts_recv_ns.get()))
        .collect();
    assert_eq!(both, [(Some(5), 7), (Some(6), 7)]);
}
