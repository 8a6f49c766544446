use super::*;
use pinion_core::book::DiffIds;
use pinion_core::msg::Side;
use pinion_core::units::{Nanos, Price, Qty};

fn decode<T>(text: &str, look: impl Fn(&Decoder, Result<Frame<'_>, DecodeFault>) -> T) -> T {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(text.len() + PADDING, 0);
    let (mut general, mut decoder) = (Decoder::new(), Decoder::new());
    // Twice: the second time with used buffers.
    drop(general.decode_any(&mut bytes.clone(), text.len()));
    let mut copy = bytes.clone();
    let judged = general.decode_any(&mut copy, text.len());
    let frame = decoder.decode(&mut bytes, text.len());
    assert_eq!(frame, judged, "the short way must agree with the general one");
    assert_eq!(decoder.levels(), general.levels());
    look(&decoder, frame)
}

fn fault(text: &str) -> String {
    decode(text, |_, frame| frame.expect_err(text).to_string())
}

fn price(text: &str) -> Price {
    text.parse().expect("a price")
}

#[test]
fn book_tickers_in_any_key_order_with_foreign_keys() {
    for text in [
        r#"{"e":"bookTicker","u":7,"E":12,"T":11,"s":"BNBUSDT","b":"25.35","B":"31.2","a":"25.36","A":"40.66"}"#,
        r#"{"stream":"bnbusdt@bookTicker","data":{"u":7,"A":"40.66","a":"25.36","st":1,"x":{"b":[1,2]},"s":"BNBUSDT","b":"25.35","B":"31.2","T":11,"E":12,"e":"bookTicker"}}"#,
    ] {
        decode(text, |_, frame| {
            assert_eq!(
                frame,
                Ok(Frame::BookTicker(BookTicker {
                    symbol: "BNBUSDT",
                    update_id: 7,
                    bid: price("25.35"),
                    bid_qty: "31.2".parse::<Qty>().expect("a quantity"),
                    ask: price("25.36"),
                    ask_qty: "40.66".parse::<Qty>().expect("a quantity"),
                    sent_ns: Some(Nanos::new(12_000_000)),
                    changed_ns: Some(Nanos::new(11_000_000)),
                }))
            );
        });
    }
    let spot = r#"{"stream":"!bookTicker","data":{"u":7,"s":"A","b":"1","B":"2","a":"3","A":"4"}}"#;
    decode(spot, |_, frame| {
        let Ok(Frame::BookTicker(ticker)) = frame else { panic!("{frame:?}") };
        assert_eq!((ticker.sent_ns, ticker.changed_ns), (None, None));
    });
}

#[test]
fn trades_say_who_took_and_whether_they_count() {
    for (maker, kind, taker, normal) in [
        ("true", r#","X":"MARKET""#, Side::Sell, true),
        ("false", "", Side::Buy, true),
        ("false", r#","X":"INSURANCE_FUND""#, Side::Buy, false),
        ("false", r#","X":"ADL""#, Side::Buy, false),
    ] {
        let text = format!(
            r#"{{"e":"trade","E":2,"T":1,"s":"A","t":18446744073709551615,"p":"1","q":"2","m":{maker}{kind}}}"#
        );
        decode(&text, |_, frame| {
            let Ok(Frame::Trade(trade)) = frame else { panic!("{frame:?}") };
            assert_eq!((trade.taker, trade.normal, trade.id), (taker, normal, u64::MAX));
            assert_eq!(trade.traded_ns, Some(Nanos::new(1_000_000)));
        });
    }
}

#[test]
fn depth_is_told_apart_by_its_stream_and_its_keys() {
    let diff =
        r#"{"e":"depthUpdate","E":2,"T":1,"s":"A","U":5,"u":9,"pu":4,"b":[["1","2"]],"a":[]}"#;
    let ids = DiffIds { first: 5, last: 9, previous: Some(4) };
    for (stream, kind) in [
        ("a@depth@100ms", DepthKind::Diff),
        ("a@depth", DepthKind::Diff),
        ("a@depth20@100ms", DepthKind::Partial),
    ] {
        decode(&format!(r#"{{"stream":"{stream}","data":{diff}}}"#), |decoder, frame| {
            let Ok(Frame::Depth(depth)) = frame else { panic!("{frame:?}") };
            assert_eq!((depth.kind, depth.symbol, depth.ids), (kind, Some("A"), ids));
            assert_eq!((decoder.levels().bids.len(), decoder.levels().asks.len()), (1, 0));
        });
    }
    let body = r#"{"lastUpdateId": 9, "bids": [["1", "2"]], "asks": [["3", "4"], ["5", "0"]]}"#;
    let with_url = format!(r#"{{"url":"https://x/depth?limit=5&symbol=BATUSDT","body":{body}}}"#);
    let partial = format!(r#"{{"stream":"btcusdt@depth5","data":{body}}}"#);
    for (text, kind, symbol) in [
        (body, DepthKind::Snapshot, None),
        (with_url.as_str(), DepthKind::Snapshot, Some("BATUSDT")),
        (partial.as_str(), DepthKind::Partial, Some("btcusdt")),
    ] {
        decode(text, |decoder, frame| {
            let Ok(Frame::Depth(depth)) = frame else { panic!("{frame:?}") };
            assert_eq!((depth.kind, depth.symbol, depth.ids.last), (kind, symbol, 9));
            assert_eq!(decoder.levels().asks.len(), 2);
        });
    }
}

#[test]
fn marks_come_alone_or_in_a_list() {
    let one = r#"{"e":"markPriceUpdate","E":3,"s":"BTCUSDT","p":"10.5","i":"10.4","P":"1","r":"-0.0001","T":8}"#;
    let future = r#"{"e":"markPriceUpdate","E":3,"s":"BTCUSDT_240927","p":"11","i":"10","P":"1","r":"","T":0}"#;
    for (text, count) in [
        (one.to_string(), 1),
        (format!(r#"{{"stream":"!markPrice@arr","data":[{one},{future}]}}"#), 2),
        (format!("[{one},{future}]"), 2),
    ] {
        decode(&text, |decoder, frame| {
            assert_eq!(frame, Ok(Frame::Marks));
            let marks = decoder.marks();
            assert_eq!(marks.len(), count);
            assert_eq!(marks[0].funding_rate.map(|rate| rate.raw()), Some(-10_000));
            assert_eq!(marks[0].next_funding_ns, Some(Nanos::new(8_000_000)));
            if let Some(future) = marks.get(1) {
                assert_eq!((future.funding_rate, future.next_funding_ns), (None, None));
            }
        });
    }
}

#[test]
fn what_is_known_is_ignored_and_what_is_not_is_unknown() {
    for (text, expected) in [
        (r#"{"result":null,"id":1}"#, Frame::Ignored),
        (r#"{"error":{"code":2,"msg":"x"},"id":"a"}"#, Frame::Ignored),
        (r#"{"stream":"a@kline_1m","data":{"e":"kline","E":1,"s":"A","k":{}}}"#, Frame::Ignored),
        (r#"{"e":"forceOrder","E":1,"o":{"s":"A"}}"#, Frame::Ignored),
        (r#"[{"e":"24hrTicker"}]"#, Frame::Ignored),
        (r#"{"e":"ORDER_TRADE_UPDATE","o":{}}"#, Frame::Unknown),
        (r#"{"hello":1}"#, Frame::Unknown),
        ("[]", Frame::Ignored),
        ("3", Frame::Unknown),
        ("[1]", Frame::Unknown),
    ] {
        decode(text, |_, frame| assert_eq!(frame, Ok(expected), "{text}"));
    }
}

#[test]
fn a_broken_frame_says_what_is_wrong() {
    let ticker = |price: &str| {
        format!(r#"{{"u":7,"s":"A","b":{price},"B":"2","a":"3","A":"4","e":"bookTicker"}}"#)
    };
    for (text, found) in [
        (r#"{"e":"trade","s":"#.to_string(), "malformed JSON"),
        (ticker("\"NaN\""), r#"field "b" is "NaN"; expected a plain decimal"#),
        (ticker("\"inf\""), r#"field "b" is "inf""#),
        (ticker("\"1e400\""), r#"field "b" is "1e400""#),
        (ticker("\"99999999999999\""), r#"field "b" is "99999999999999"; expected a magnitude"#),
        (ticker("1.5"), r#"field "b" is 1.5; expected a decimal as text"#),
        (r#"{"e":"bookTicker","s":"A"}"#.into(), r#"no field "u"; expected a whole number"#),
        (
            r#"{"e":"depthUpdate","s":"A","U":1,"u":2,"b":[["1"]],"a":[]}"#.into(),
            r#""b" holds a list of 1; expected levels"#,
        ),
        (
            r#"{"e":"trade","s":"A","t":-1,"p":"1","q":"1","m":true}"#.into(),
            r#"field "t" is -1; expected a whole number"#,
        ),
    ] {
        let said = fault(&text);
        assert!(said.contains(found), "{said}");
    }
    let kind = |price| decode(&ticker(price), |_, frame| frame.expect_err(price).kind);
    assert_eq!(kind("\"0.000000001\""), FaultKind::TooPrecise);
    assert_eq!(kind("\"x\""), FaultKind::Unreadable);
}

#[test]
fn inverse_contracts_are_known_by_their_symbol() {
    for symbol in ["BTCUSD_PERP", "ETHUSD_240927"] {
        assert!(is_inverse(symbol), "{symbol}");
    }
    for symbol in ["BTCUSDT", "BTCUSDT_240927", "BTCUSD"] {
        assert!(!is_inverse(symbol), "{symbol}");
    }
}

fn is_plain(text: &str) -> bool {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(text.len() + PADDING, b'9');
    plain::read(&bytes, text.len(), &mut Levels::default()).is_some()
}

#[test]
fn the_short_way_takes_what_the_venue_writes_and_nothing_odd() {
    let ticker = r#"{"e":"bookTicker","u":7,"s":"A","b":"1.5","B":"2","a":"3","A":"4","T":1,"E":2,"st":"x"}"#;
    let trade = r#"{"e":"trade","E":2,"T":1,"s":"A","t":9,"p":"1","q":"2","X":"MARKET","m":true}"#;
    let depth = r#"{"e":"depthUpdate","E":2,"T":1,"s":"A","U":5,"u":9,"pu":4,"b":[["1","2"],["3","0"]],"a":[]}"#;
    for plain in [ticker, trade, depth] {
        assert!(is_plain(plain), "{plain}");
        assert!(is_plain(&format!(r#"{{"stream":"a@x","data":{plain}}}"#)), "{plain}");
        for odd in [
            plain.replace(':', ": "),
            plain.replace("\"A\"", r#""\u0041""#),
            plain.replace("\"s\"", "\"id\""),
            plain.replace("\"1", "\"+1"),
            plain[..plain.len() - 1].to_string(),
            format!("{plain}}}"),
            format!(r#"{{"stream":"a@x","data":{plain}"#),
        ] {
            assert!(!is_plain(&odd), "{odd}");
        }
    }
}

proptest::proptest! {
    /// One byte of a good frame changed: both readers say the same, or the short one says nothing.
    #[test]
    fn a_damaged_frame_is_judged_by_the_general_reader(which in 0usize..4, at in 0usize..150, byte in 0u8..128) {
        let frames = [
            r#"{"stream":"a@bookTicker","data":{"e":"bookTicker","u":7,"s":"AB","b":"1.5","B":"2","a":"3.25","A":"4","T":1,"E":2}}"#,
            r#"{"e":"trade","E":2,"T":1,"s":"AB","t":9,"p":"61800.30","q":"0.006","X":"MARKET","m":true}"#,
            r#"{"e":"aggTrade","E":2,"a":5,"s":"AB","p":"0.001","q":"100","f":100,"l":105,"T":1,"m":false}"#,
            r#"{"e":"depthUpdate","E":2,"T":1,"s":"A","U":5,"u":9,"pu":4,"b":[["1","2"],["3.5","0"]],"a":[["7","8"]]}"#,
        ];
        let mut bytes = frames[which].as_bytes().to_vec();
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.resize(len + PADDING, 0);
        let (mut short, mut general) = (Decoder::new(), Decoder::new());
        let mut copy = bytes.clone();
        let judged = general.decode_any(&mut copy, len);
        let read = short.decode(&mut bytes, len);
        proptest::prop_assert_eq!(&read, &judged);
        if matches!(read, Ok(Frame::Depth(_))) {
            proptest::prop_assert_eq!(short.levels(), general.levels());
        }
    }
}
