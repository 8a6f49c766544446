//! What a turn costs: cases small enough to count their instructions.

use crate::desk::{self, Desk, INSTRUMENTS};
use crate::kernel::{self, Part};
use pinion_core::journal::{Entry, input_ring};
use pinion_core::msg::Input;
use pinion_core::settings::{MarketMode, Miss, Settings, Style};
use pinion_core::signal::{Scanner, WindowSet};
use pinion_core::units::{Nanos, Price};

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Name, unique; names one turn.
    pub name: &'static str,
    /// Takes so many turns and gives a hash of what came of them, the same on every machine.
    pub run: fn(u64) -> u64,
}

/// Every case.
pub const CASES: &[Case] = &[
    Case { name: "quote, no position", run: quote_flat },
    Case { name: "trade, no position", run: trade_flat },
    Case { name: "quote, open position", run: quote_open },
    Case { name: "quote, working entry", run: quote_working },
    Case { name: "missed entry, quoted again", run: missed },
    Case { name: "scan with 10 ranks, no entry", run: scan },
    Case { name: "50 ranks, scan without signal", run: ranks_50 },
    Case { name: "50 ranks, entry decided", run: decision_50 },
    Case { name: "50 ranks, every filter on", run: filters_50 },
    Case { name: "round trip, 28 inputs", run: round_trip },
    Case { name: "round trip, 14 fills more", run: round_trip_in_parts },
    Case { name: "input encoded to the ring", run: encode },
    Case { name: "10 quotes and their scan", run: tap_to_scan },
    Case { name: "kernel path, 9 quotes", run: |turns| kernel::counted(turns, Part::Quotes) },
    Case { name: "kernel path, 9 quotes, order", run: |turns| kernel::counted(turns, Part::Order) },
    Case { name: "kernel path, to the ack", run: |turns| kernel::counted(turns, Part::Ack) },
    Case { name: "kernel path, to the fill", run: |turns| kernel::counted(turns, Part::Fill) },
];

/// A quote of an asset that nobody holds.
fn quote_flat(turns: u64) -> u64 {
    let mut desk = Desk::new();
    (0..turns).for_each(|_| desk.quote(3));
    desk.hash()
}

/// A trade of an asset that nobody holds.
fn trade_flat(turns: u64) -> u64 {
    let mut desk = Desk::new();
    (0..turns).for_each(|_| desk.trade(3));
    desk.hash()
}

/// A quote of the asset that a slot holds: marked, the exits looked at, none due.
fn quote_open(turns: u64) -> u64 {
    let mut desk = Desk::new();
    desk.enter();
    (0..turns).for_each(|_| desk.quote(0));
    desk.hash()
}

/// A quote of the asset whose maker entry works.
fn quote_working(turns: u64) -> u64 {
    let mut desk = Desk::with(maker());
    desk.rest();
    (0..turns).for_each(|_| desk.quote(0));
    desk.hash()
}

/// A working entry whose time is over: called back, its end told, quoted again and acknowledged; with the
/// quote and the probes that its guards want.
fn missed(turns: u64) -> u64 {
    let mut desk = Desk::with(maker());
    desk.rest();
    for _ in 0..turns {
        desk.miss();
    }
    desk.hash()
}

/// Maker entries that are quoted again for as long as they are missed.
fn maker() -> Settings {
    Settings {
        router_style: Style::Maker,
        router_entry_miss: Miss::Retry,
        router_entry_retries: i64::MAX,
        ..Settings::default()
    }
}

/// Ten ranks and a scan without an edge.
fn scan(turns: u64) -> u64 {
    let mut desk = Desk::new();
    (0..turns).for_each(|_| desk.scan(false));
    desk.hash()
}

/// Fifty ranks and a scan without an edge: what the decision of the next two comes on top of.
fn ranks_50(turns: u64) -> u64 {
    scans_50(Settings::default(), false, turns)
}

/// Fifty ranks and a scan that wants an entry: the funnel with its default settings, and a guard that
/// refuses the best, so that the next scan may want one too.
fn decision_50(turns: u64) -> u64 {
    scans_50(Settings::default(), true, turns)
}

/// The same with every filter of the funnel on, and every candidate tried.
fn filters_50(turns: u64) -> u64 {
    let settings = Settings {
        funnel_source_router: true,
        funnel_prechecks: true,
        funnel_market_mode: MarketMode::Soft,
        funnel_quality: true,
        funnel_cycle_topk: 45,
        funnel_top_n: 80,
        funnel_attempts_max: 80,
        memory_enabled: true,
        edge_gate: true,
        edge_calibration: true,
        ..Settings::default()
    };
    scans_50(settings, true, turns)
}

fn scans_50(settings: Settings, signals: bool, turns: u64) -> u64 {
    let mut desk = Desk::of(50, settings);
    desk.kill();
    (0..turns).for_each(|_| desk.scan(signals));
    desk.hash()
}

/// In and out: a scan with ten ranks that enters, acknowledgement, fill, a quote that takes the profit,
/// acknowledgement, fill; ten quotes, balance and position probe, so that the next may enter.
fn round_trip(turns: u64) -> u64 {
    let mut desk = Desk::new();
    for _ in 0..turns {
        desk.enter();
        desk.leave();
    }
    desk.hash()
}

/// The same with eight fills an order: what it is more, a fourteenth is one fill.
fn round_trip_in_parts(turns: u64) -> u64 {
    let mut desk = Desk::new().in_parts(8);
    for _ in 0..turns {
        desk.enter();
        desk.leave();
    }
    desk.hash()
}

/// A quote into the journal's ring; the other end is emptied every thousand.
fn encode(turns: u64) -> u64 {
    let (mut tx, mut rx) = input_ring(1 << 20);
    let mut hash = 0u64;
    let mut sink = |entry: Entry<'_>| {
        if let Entry::Input(bytes) = entry {
            let last = bytes.last().copied().unwrap_or(0);
            hash = hash.rotate_left(5) ^ u64::from(last) ^ bytes.len() as u64;
        }
    };
    for turn in 0..turns {
        let now = at(turn);
        let input = Input::Market(desk::quote(turn as usize % INSTRUMENTS, now, mid(turn)));
        let pushed = tx.push(now, &input);
        debug_assert!(pushed.is_ok(), "the other end was emptied in time");
        if turn % 1_000 == 0 {
            while rx.read(&mut sink) > 0 {}
        }
    }
    while rx.read(&mut sink) > 0 {}
    hash
}

/// Ten quotes through the scanner and the scan that they make due, with full windows.
fn tap_to_scan(turns: u64) -> u64 {
    let settings = Settings::default();
    let mut scanner = Scanner::new(&settings, desk::table(), WindowSet::Outer);
    let mut hash = 0u64;
    let mut state = 1u64;
    // Until the longest window is full.
    for turn in 0..800 + turns {
        let now = Nanos::new(turn.cast_signed() * settings.signal_scan_ns + 1_000);
        for instrument in 0..INSTRUMENTS {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = (state >> 40) % 2_000;
            scanner.absorb(&desk::quote(instrument, now, mid(noise)));
        }
        let regime = scanner.scan();
        let velocity = regime.vel_div.unwrap_or(0.0);
        hash = hash.rotate_left(1) ^ velocity.to_bits();
    }
    hash
}

const fn at(turn: u64) -> Nanos {
    Nanos::new(1_000_000_000 + turn.cast_signed() * 1_000)
}

fn mid(turn: u64) -> i64 {
    100 * Price::ONE.raw() + (turn % 2_000).cast_signed() * Price::ONE.raw() / 100
}
