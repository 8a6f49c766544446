use super::*;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::id::{ClientId, InstrumentId, TextId};
use crate::link::Full;
use crate::msg::scan::RankVerdict;
use crate::msg::venue::{RejectReason, VenueOrderState};
use crate::msg::{
    ClientRef, Control, ControlMsg, Input, MarketBody, MarketMsg, Maybe, Modifiers, PositionSide,
    Rank, Scan, ScanMsg, Side, VenueEvent, VenueMsg, Word,
};
use crate::settings::Posture;
use crate::units::{Money, Nanos, Price, Qty, Rate};

/// Any word; extremes and round numbers more often than chance would.
fn raw() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0),
        (-5000i64..5000).prop_map(|ticks| ticks * 10_000_000),
        (-5000i64..5000).prop_map(|ticks| 6_165_970_000_000 + ticks),
    ]
}

fn maybe<T: Word + core::fmt::Debug>() -> impl Strategy<Value = Maybe<T>> {
    prop_oneof![Just(Maybe::NONE), raw().prop_map(|word| Maybe::some(T::from_word(word)))]
}

fn code<T: Copy + core::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    (0..all.len()).prop_map(|index| all[index])
}

fn instrument() -> impl Strategy<Value = InstrumentId> {
    prop_oneof![0usize..3, Just(255usize)].prop_map(InstrumentId::new)
}

fn text_id() -> impl Strategy<Value = TextId> {
    "[!-~]{0,23}".prop_map(|text| TextId::new(&text).expect("printable and short"))
}

fn body() -> impl Strategy<Value = MarketBody> {
    let price = || raw().prop_map(Price::from_raw);
    let qty = || raw().prop_map(Qty::from_raw);
    let maybe_qty = || maybe::<Qty>().prop_map(Maybe::get);
    prop_oneof![
        (price(), price(), maybe_qty(), maybe_qty()).prop_map(|(bid, ask, bid_qty, ask_qty)| {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty }
        }),
        (price(), qty(), prop::option::of(code(Side::ALL)), any::<u64>(), any::<u32>()).prop_map(
            |(price, qty, taker, trade_id, merged)| MarketBody::Trade {
                price,
                qty,
                taker,
                trade_id,
                merged
            }
        ),
        (maybe::<Price>(), maybe::<Price>(), maybe::<Rate>(), maybe::<Nanos>()).prop_map(
            |(mark, index, funding, next)| MarketBody::Mark {
                mark: mark.get(),
                index: index.get(),
                funding_rate: funding.get(),
                next_funding_ns: next.get(),
            }
        ),
        (price(), price(), price(), price(), qty()).prop_map(|(open, high, low, close, volume)| {
            MarketBody::Bar { open, high, low, close, volume }
        }),
        (code(Side::ALL), price(), qty(), any::<bool>())
            .prop_map(|(side, price, qty, last)| MarketBody::Level { side, price, qty, last }),
        Just(MarketBody::Reset),
        Just(MarketBody::Gap),
    ]
}

fn market() -> impl Strategy<Value = Input> {
    (instrument(), raw(), maybe::<Nanos>(), body(), any::<u32>()).prop_map(
        |(instrument, recv, exch, body, seq)| {
            let mut message = MarketMsg::from_body(instrument, Nanos::new(recv), exch.get(), body);
            message.seq = seq;
            Input::Market(message)
        },
    )
}

fn venue_event() -> impl Strategy<Value = VenueEvent> {
    let money = || raw().prop_map(Money::from_raw);
    let qty = || raw().prop_map(Qty::from_raw);
    let price = || raw().prop_map(Price::from_raw);
    let side = || code(Side::ALL);
    let ended = || (any::<bool>(), any::<u32>(), any::<u64>());
    prop_oneof![
        text_id().prop_map(|venue_id| VenueEvent::Ack { venue_id }),
        code(RejectReason::ALL).prop_map(|reason| VenueEvent::Reject { reason }),
        Just(VenueEvent::Ambiguous),
        (
            (text_id(), text_id(), qty(), price()),
            (maybe(), maybe(), prop::option::of(side()), prop::option::of(any::<bool>()))
        )
            .prop_map(
                |((venue_id, fill_id, qty, price), (fee, cum_qty, side, is_maker))| {
                    VenueEvent::Fill { venue_id, fill_id, qty, price, fee, cum_qty, side, is_maker }
                }
            ),
        (text_id(), money()).prop_map(|(fill_id, fee)| VenueEvent::FeeSettled { fill_id, fee }),
        (text_id(), maybe())
            .prop_map(|(venue_id, cum_qty)| VenueEvent::Canceled { venue_id, cum_qty }),
        code(RejectReason::ALL).prop_map(|reason| VenueEvent::CancelRejected { reason }),
        (text_id(), maybe())
            .prop_map(|(venue_id, cum_qty)| VenueEvent::Expired { venue_id, cum_qty }),
        (text_id(), code(VenueOrderState::ALL), maybe(), maybe()).prop_map(
            |(venue_id, state, cum_qty, avg_price)| VenueEvent::OrderStatus {
                venue_id,
                state,
                cum_qty,
                avg_price
            }
        ),
        (maybe(), maybe(), maybe(), maybe()).prop_map(|(wallet, available, used, maint)| {
            VenueEvent::Balance { wallet, available, used, maint }
        }),
        (money(), maybe()).prop_map(|(amount, rate)| VenueEvent::Funding { amount, rate }),
        money().prop_map(|amount| VenueEvent::Transfer { amount }),
        (code(PositionSide::ALL), qty(), maybe())
            .prop_map(|(side, qty, entry_price)| VenueEvent::Position { side, qty, entry_price }),
        ended().prop_map(|(ok, rows, revision)| VenueEvent::PositionsEnd { ok, rows, revision }),
        (text_id(), side(), qty(), qty()).prop_map(|(venue_id, side, qty, cum_qty)| {
            VenueEvent::OpenOrder { venue_id, side, qty, cum_qty }
        }),
        ended().prop_map(|(ok, rows, revision)| VenueEvent::OpenOrdersEnd { ok, rows, revision }),
    ]
}

fn venue() -> impl Strategy<Value = Input> {
    let client = prop_oneof![
        Just(ClientRef::Absent),
        Just(ClientRef::Foreign),
        (any::<u32>(), any::<u32>())
            .prop_map(|(epoch, seq)| ClientRef::Own(ClientId::new(epoch, seq))),
    ];
    (maybe(), raw(), client, prop::option::of(instrument()), venue_event()).prop_map(
        |(ts_exch_ns, recv, client, instrument, event)| {
            Input::Venue(VenueMsg {
                ts_exch_ns,
                ts_recv_ns: Nanos::new(recv),
                client,
                instrument,
                event,
            })
        },
    )
}

fn scan() -> impl Strategy<Value = Input> {
    let float = || any::<u64>().prop_map(f64::from_bits);
    let maybe_float = move || prop::option::of(float());
    prop_oneof![
        (
            (any::<u32>(), any::<u16>(), instrument(), code(PositionSide::ALL)),
            (code(RankVerdict::ALL), any::<u16>(), float(), float(), float(), float())
        )
            .prop_map(|((number, place, instrument, direction), rest)| {
                let (verdict, latency, efficiency, alignment, noise_ppm, ars) = rest;
                Input::Scan(ScanMsg::Rank(Rank {
                    number,
                    place,
                    instrument,
                    direction,
                    verdict,
                    latency,
                    efficiency,
                    alignment,
                    noise_ppm,
                    ars,
                }))
            }),
        (
            (any::<u32>(), prop::option::of(code(Posture::ALL))),
            (maybe_float(), maybe_float(), maybe_float(), maybe_float())
        )
            .prop_map(|((number, posture), (boost, mc_scale, ob, esof))| {
                Input::Scan(ScanMsg::Modifiers(Modifiers {
                    number,
                    posture,
                    boost,
                    mc_scale,
                    ob,
                    esof,
                }))
            }),
        (
            (raw(), any::<u32>(), any::<u16>(), any::<u16>(), any::<bool>(), any::<bool>()),
            (maybe_float(), maybe_float(), maybe_float(), maybe_float())
        )
            .prop_map(|((ts, number, active, ranked, vol_ok, picker_warm), floats)| {
                let (vel_div, velocity_50, velocity_750, vol) = floats;
                Input::Scan(ScanMsg::Scan(Scan {
                    ts_ns: Nanos::new(ts),
                    number,
                    active,
                    ranked,
                    vel_div,
                    velocity_50,
                    velocity_750,
                    vol,
                    vol_ok,
                    picker_warm,
                }))
            }),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => market(),
        2 => venue(),
        2 => scan(),
        1 => (raw(), code(Control::ALL)).prop_map(|(ts, control)| {
            Input::Control(ControlMsg { ts_recv_ns: Nanos::new(ts), control })
        }),
        1 => any::<u32>().prop_map(|version| Input::Settings { version }),
        1 => Just(Input::Tick),
    ]
}

/// The time of an input where it has one, so that turns at the message's own time are tested too.
fn own_time(input: &Input) -> Option<i64> {
    match input {
        Input::Market(message) => Some(message.ts_recv_ns.get()),
        Input::Venue(message) => Some(message.ts_recv_ns.get()),
        Input::Scan(ScanMsg::Scan(scan)) => Some(scan.ts_ns.get()),
        Input::Control(message) => Some(message.ts_recv_ns.get()),
        Input::Scan(ScanMsg::Rank(_) | ScanMsg::Modifiers(_))
        | Input::Settings { .. }
        | Input::Tick => None,
    }
}

fn float_bits(input: &Input) -> Vec<Option<u64>> {
    match input {
        Input::Scan(ScanMsg::Rank(rank)) => {
            [rank.efficiency, rank.alignment, rank.noise_ppm, rank.ars]
                .map(|value| Some(value.to_bits()))
                .to_vec()
        }
        Input::Scan(ScanMsg::Modifiers(modifiers)) => {
            [modifiers.boost, modifiers.mc_scale, modifiers.ob, modifiers.esof]
                .map(|value| value.map(f64::to_bits))
                .to_vec()
        }
        Input::Scan(ScanMsg::Scan(scan)) => {
            [scan.vel_div, scan.velocity_50, scan.velocity_750, scan.vol]
                .map(|value| value.map(f64::to_bits))
                .to_vec()
        }
        _ => Vec::new(),
    }
}

/// Equal in every bit: NaNs of the same bits are the same here.
fn assert_same(left: &Input, right: &Input) {
    assert_eq!(float_bits(left), float_bits(right));
    assert_eq!(std::format!("{left:?}"), std::format!("{right:?}"));
    if float_bits(left).iter().flatten().all(|bits| !f64::from_bits(*bits).is_nan()) {
        assert_eq!(left, right);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(turns in prop::collection::vec((input(), raw(), any::<bool>()), 1..30)) {
        let (mut encoder, mut decoder) = (CodecState::default(), CodecState::default());
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (input, now, own) in turns {
            let now = if own { own_time(&input).unwrap_or(now) } else { now };
            let mut buffer = [0; ENCODED_MAX];
            let len = encode(&mut encoder, Nanos::new(now), &input, &mut buffer);
            prop_assert!(len < ENCODED_MAX, "the longest input must leave room to spare");
            bytes.extend_from_slice(&buffer[..len]);
            expected.push((now, input, len));
        }
        let mut rest = bytes.as_slice();
        for (now, input, len) in &expected {
            let (read_now, read, used) = decode(&mut decoder, rest).expect("decodes");
            prop_assert_eq!((read_now.get(), used), (*now, *len));
            assert_same(&read, input);
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn every_cut_of_an_input_is_truncated_and_no_bytes_panic(
        input in input(), now in raw(), noise in prop::collection::vec(any::<u8>(), 0..64)
    ) {
        let mut buffer = [0; ENCODED_MAX];
        let len = encode(&mut CodecState::default(), Nanos::new(now), &input, &mut buffer);
        for cut in 0..len {
            let fault = decode(&mut CodecState::default(), &buffer[..cut]).expect_err("cut short");
            prop_assert_eq!(fault, CodecFault::Truncated);
        }
        let mut state = CodecState::default();
        let mut rest = noise.as_slice();
        while let Ok((_, _, used)) = decode(&mut state, rest) {
            rest = &rest[used..];
        }
    }
}

proptest! {
    /// The short way of a quote writes what the long one writes, and remembers the same.
    #[test]
    fn a_quote_is_encoded_alike_on_both_ways(
        walk in prop::collection::vec(
            (0usize..3, -3i64..4, 0i64..3, prop::option::of(0i64..4), 0i64..4, -1i64..3, any::<u8>()), 1..80),
    ) {
        let (mut short, mut long) = (CodecState::default(), CodecState::default());
        let (mut recv, mut bid, mut seq, mut taken) = (1_718_000_000_000_000_000i64, 6_165_970_000_000i64, 0, 0);
        for (place, (id, step, spread, qty, lag, exch, odd)) in walk.into_iter().enumerate() {
            recv += 1_000_000 * i64::from(odd % 5);
            bid += step * 10_000_000 + i64::from(odd > 250);
            seq += 1 + u32::from(odd > 240);
            let qty = qty.map(|qty| Qty::from_raw(qty * 100_000));
            let body = MarketBody::Quote {
                bid: Price::from_raw(bid),
                ask: Price::from_raw(bid + spread * 10_000_000),
                bid_qty: qty,
                ask_qty: qty.filter(|_| odd % 2 == 0),
            };
            let exch = (exch >= 0).then(|| Nanos::new(recv - 1_000_000 * exch));
            let mut message =
                MarketMsg::from_body(InstrumentId::new(id), Nanos::new(recv), exch, body);
            message.seq = seq;
            let (mut one, mut other) = ([0; ENCODED_MAX], [0; ENCODED_MAX]);
            let mut writer = bytes::Writer::new(&mut one);
            if market::encode_plain_quote(&mut short, recv + lag, &message, &mut writer) {
                taken += 1;
            } else {
                market::encode_any(&mut short, recv + lag, &message, &mut writer);
            }
            let mut expected = bytes::Writer::new(&mut other);
            market::encode_any(&mut long, recv + lag, &message, &mut expected);
            prop_assert_eq!(writer.len(), expected.len());
            prop_assert_eq!(one, other);
            prop_assert!(place < 60 || taken > 0, "the short way is never taken");
        }
    }
}

fn quote(bid: i64, ask: i64, bid_qty: i64, ask_qty: i64) -> MarketBody {
    MarketBody::Quote {
        bid: Price::from_raw(bid),
        ask: Price::from_raw(ask),
        bid_qty: Some(Qty::from_raw(bid_qty)),
        ask_qty: Some(Qty::from_raw(ask_qty)),
    }
}

/// A market like a recorded one: four instruments, microsecond receive times, millisecond exchange
/// times, ticks of 0.1, lots of 0.001.
fn stream(count: i64) -> Vec<(bool, MarketMsg)> {
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: i64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise % below.unsigned_abs()).cast_signed()
    };
    let mut recv = 1_723_075_200_000_123_000;
    let mut mid = 6_165_970_000_000;
    let mut messages = Vec::new();
    for number in 0..count {
        recv += 1_000 * (1 + next(20_000));
        mid += 10_000_000 * (next(9) - 4);
        let is_trade = next(2) == 0;
        let body = if is_trade {
            MarketBody::Trade {
                price: Price::from_raw(mid),
                qty: Qty::from_raw(100_000 * (1 + next(5_000))),
                taker: Some(Side::Buy),
                trade_id: 5_100_000_000 + number.unsigned_abs(),
                merged: 0,
            }
        } else {
            quote(
                mid,
                mid + 10_000_000 * (1 + next(3)),
                100_000 * (1 + next(20_000)),
                100_000 * (1 + next(20_000)),
            )
        };
        let exch = (recv - 3_000_000) / 1_000_000 * 1_000_000;
        let instrument = InstrumentId::new(usize::try_from(next(4)).expect("small"));
        let mut message =
            MarketMsg::from_body(instrument, Nanos::new(recv), Some(Nanos::new(exch)), body);
        message.seq = u32::try_from(number).expect("small");
        messages.push((is_trade, message));
    }
    messages
}

#[test]
fn a_trade_takes_at_most_14_bytes_and_a_quote_16_on_average() {
    let mut state = CodecState::default();
    let (mut trades, mut trade_bytes, mut quotes, mut quote_bytes) = (0, 0, 0, 0);
    for (is_trade, message) in stream(20_000) {
        let mut buffer = [0; ENCODED_MAX];
        // The turn comes some hundred nanoseconds after the receipt.
        let now = message.ts_recv_ns.plus(640);
        let len = encode(&mut state, now, &Input::Market(message), &mut buffer);
        if is_trade {
            (trades, trade_bytes) = (trades + 1, trade_bytes + len);
        } else {
            (quotes, quote_bytes) = (quotes + 1, quote_bytes + len);
        }
    }
    std::println!(
        "bytes per trade {:.2}, per quote {:.2}",
        trade_bytes as f64 / f64::from(trades),
        quote_bytes as f64 / f64::from(quotes)
    );
    assert!(trade_bytes <= 14 * trades as usize, "{trade_bytes} bytes for {trades} trades");
    assert!(quote_bytes <= 16 * quotes as usize, "{quote_bytes} bytes for {quotes} quotes");
}

/// What the journal thread would collect: frames of whole inputs, and marks.
fn collect(rx: &mut InputRx, frames: &mut Vec<Vec<u8>>, versions: &mut Vec<(usize, u32)>) {
    while rx.read(|entry| match entry {
        Entry::FrameStart => frames.push(Vec::new()),
        Entry::Settings { version } => versions.push((frames.len(), version)),
        Entry::Input(bytes) => {
            frames.last_mut().expect("a frame starts first").extend_from_slice(bytes);
        }
    }) > 0
    {}
}

#[test]
fn frames_from_the_ring_stand_alone_and_hold_every_input() {
    let (mut tx, mut rx) = input_ring(8 * 1024);
    let (mut frames, mut versions) = (Vec::new(), Vec::new());
    let mut sent = Vec::new();
    for (number, (_, message)) in stream(20_000).into_iter().enumerate() {
        let input =
            if number == 777 { Input::Settings { version: 9 } } else { Input::Market(message) };
        while tx.push(message.ts_recv_ns, &input).is_err() {
            collect(&mut rx, &mut frames, &mut versions);
        }
        sent.push((message.ts_recv_ns, input));
    }
    collect(&mut rx, &mut frames, &mut versions);
    assert!(rx.is_empty());
    assert_eq!(tx.pushed(), 20_000);
    assert!(tx.refused() > 0, "the small ring must have been full");
    assert_eq!(versions, [(2, 9)], "the new settings open a frame of their own");
    assert!(frames.len() >= 4, "{} frames", frames.len());
    let mut read = Vec::new();
    for frame in frames {
        assert!(frame.len() <= FRAME_BYTES_MAX);
        let mut state = CodecState::default();
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            let (now, input, used) = decode(&mut state, rest).expect("decodes alone");
            read.push((now, input));
            rest = &rest[used..];
        }
    }
    assert_eq!(read, sent);
}

#[test]
fn a_refused_push_changes_nothing() {
    let (mut tx, mut rx) = input_ring(PUSH_MAX);
    let now = Nanos::new(5);
    assert_eq!(tx.push(now, &Input::Tick), Ok(()));
    assert_eq!(tx.push(now, &Input::Tick), Err(Full(())));
    assert_eq!((tx.pushed(), tx.refused(), tx.free()), (1, 1, 0));
    let mut inputs = 0;
    while rx.read(|entry| inputs += usize::from(matches!(entry, Entry::Input(_)))) > 0 {}
    assert_eq!(inputs, 1);
    assert_eq!(tx.free(), 1);
}
