//! Short seeded traces: what an engine with the base policy is fed while it trades with the paper venue.
//!
//! Four instruments, quotes, trades, scans that fire often, venue replies of which some come twice, and
//! now and then a word of the operator. A few hundred inputs hold several round trips.

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::kernel::Effects;
use pinion_core::msg::scan::RankVerdict;
use pinion_core::msg::{
    Control, ControlMsg, Input, MarketBody, MarketMsg, PositionSide, Rank, Scan, ScanMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};
use pinion_io::paper::PaperVenue;

/// Instruments of a trace.
pub const INSTRUMENTS: usize = 4;
const TICK: i64 = Price::ONE.raw() / 100;
const START: Nanos = Nanos::new(1_723_075_200_000_000_000);
const EPOCH: u32 = 0x66b4_0a00;

/// Inputs in applied order, with what they are applied to.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Settings of the run.
    pub settings: Arc<Settings>,
    /// Its instruments.
    pub table: Arc<InstrumentTable>,
    /// Its epoch.
    pub epoch: u32,
    /// Turn times and inputs.
    pub inputs: Vec<(Nanos, Input)>,
    /// Own fills among the effects.
    pub fills: u64,
}

/// Splitmix64: enough for a trace.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// True once in `sides` times.
    pub fn once_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }
}

/// The instruments of a trace.
///
/// # Panics
/// Never: the rows are valid.
#[must_use]
pub fn table() -> Arc<InstrumentTable> {
    let row = |number: usize| Instrument {
        symbol: TextId::new(&format!("A{number}USDT")).expect("a symbol"),
        tick: Price::from_raw(TICK),
        lot: Qty::from_raw(Qty::ONE.raw() / 1_000),
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    Arc::new(InstrumentTable::new((0..INSTRUMENTS).map(row).collect()).expect("a table"))
}

/// The driver while a trace is made.
struct Maker {
    trace: Trace,
    engine: Engine,
    venue: PaperVenue,
    out: Effects,
    now: Nanos,
    dice: Dice,
    mids: [i64; INSTRUMENTS],
    scan: u32,
}

impl Maker {
    fn turn(&mut self, input: Input) {
        self.trace.inputs.push((self.now, input));
        self.engine.turn(self.now, &input, &mut self.out);
        for command in &self.out.commands {
            self.venue.handle_command(self.now, command);
        }
    }

    fn market(&mut self, instrument: usize) {
        let mid = &mut self.mids[instrument];
        let steps = i64::try_from(self.dice.below(81)).unwrap_or(0) - 40;
        *mid = (*mid + steps * TICK).max(50 * TICK);
        let (bid, ask) = (Price::from_raw(*mid), Price::from_raw(*mid + TICK));
        let body = if self.dice.once_in(4) {
            let trade_id = self.trace.inputs.len() as u64;
            MarketBody::Trade { price: bid, qty: Qty::ONE, taker: None, trade_id, merged: 0 }
        } else {
            let qty = |dice: &mut Dice| {
                let whole = i32::try_from(dice.below(400)).unwrap_or(0) + 20;
                Some(Qty::from_whole(whole.into()))
            };
            let (bid_qty, ask_qty) = (qty(&mut self.dice), qty(&mut self.dice));
            MarketBody::Quote { bid, ask, bid_qty, ask_qty }
        };
        let message = MarketMsg::from_body(InstrumentId::new(instrument), self.now, None, body);
        self.venue.handle_market(self.now, &message);
        self.turn(Input::Market(message));
    }

    fn scan(&mut self) {
        self.scan += 1;
        for place in 0..INSTRUMENTS {
            let rank = Rank {
                number: self.scan,
                place: u16::try_from(place).unwrap_or(0),
                instrument: InstrumentId::new((place + self.scan as usize) % INSTRUMENTS),
                direction: PositionSide::Short,
                verdict: RankVerdict::Pass,
                latency: 3,
                efficiency: 2.0,
                alignment: 0.6,
                noise_ppm: 120.0,
                ars: 1.0,
            };
            self.turn(Input::Scan(ScanMsg::Rank(rank)));
        }
        let scan = Scan {
            ts_ns: self.now,
            number: self.scan,
            active: 4,
            ranked: 4,
            vel_div: Some(if self.dice.once_in(3) { 0.0 } else { -0.04 }),
            velocity_50: Some(-0.02),
            velocity_750: Some(0.02),
            vol: Some(0.000_2),
            vol_ok: true,
            picker_warm: true,
        };
        self.turn(Input::Scan(ScanMsg::Scan(scan)));
    }

    fn replies(&mut self) {
        self.venue.handle_time(self.now);
        let mut replies = VecDeque::new();
        while let Some((_, reply)) = self.venue.poll_reply(self.now) {
            replies.push_back(reply);
            if self.dice.once_in(8) {
                replies.push_back(reply);
            }
        }
        for reply in replies {
            self.turn(Input::Venue(reply));
        }
    }

    fn control(&mut self) {
        let words = [Control::Kill, Control::Resume, Control::Resume, Control::Flatten];
        let index = usize::try_from(self.dice.below(words.len() as u64)).unwrap_or(0);
        let message = ControlMsg { ts_recv_ns: self.now, control: words[index] };
        self.turn(Input::Control(message));
    }
}

impl Trace {
    /// About `len` inputs, the same for the same seed.
    #[must_use]
    pub fn random(seed: u64, len: usize) -> Self {
        let mut dice = Dice(seed);
        let settings = Settings {
            policy_confirm_ticks: 0,
            guard_hot_window_ns: Nanos::SECOND,
            kernel_slots_max: i64::try_from(1 + dice.below(3)).unwrap_or(1),
            engine_seed: i64::try_from(seed & 0xffff).unwrap_or(0),
            ..Settings::default()
        };
        let settings = Arc::new(settings);
        let mut maker = Maker {
            engine: Engine::new(Arc::clone(&settings), table(), EPOCH),
            venue: PaperVenue::new(&settings, table()),
            trace: Self { settings, table: table(), epoch: EPOCH, inputs: Vec::new(), fills: 0 },
            out: Effects::default(),
            now: START,
            dice,
            mids: [100 * Price::ONE.raw(); INSTRUMENTS],
            scan: 0,
        };
        while maker.trace.inputs.len() < len {
            let millis = i64::try_from(maker.dice.below(400)).unwrap_or(0);
            maker.now = maker.now.plus(millis * 1_000_000);
            maker.replies();
            match maker.dice.below(40) {
                0..=3 => maker.scan(),
                4 => maker.turn(Input::Tick),
                5 if maker.dice.once_in(6) => maker.control(),
                _ => {
                    let instrument = maker.dice.below(INSTRUMENTS as u64);
                    maker.market(usize::try_from(instrument).unwrap_or(0));
                }
            }
        }
        maker.trace.fills = maker.engine.kernel().totals().fills;
        maker.trace
    }

    /// The engine before the first input.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(Arc::clone(&self.settings), Arc::clone(&self.table), self.epoch)
    }
}
