//! An engine with ten instruments that is ready to trade, and short words for what happens to it.
//!
//! Nothing here allocates after [`Desk::new`], so that what a turn allocates can be counted.

use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::kernel::Effects;
use pinion_core::msg::scan::RankVerdict;
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, Control, ControlMsg, Input, MarketBody, MarketMsg, Maybe,
    PositionSide, Rank, Scan, ScanMsg, VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};

/// Instruments of a desk.
pub const INSTRUMENTS: usize = 10;
/// Where every price begins.
const HUNDRED: i64 = 100 * Price::ONE.raw();
/// One price step.
const TICK: i64 = Price::ONE.raw() / 100;
/// A fall of 1.2 %: beyond the take profit of a short position.
const GAIN: i64 = 120 * TICK;

/// The engine and the effects of its last turn. Owner: a test or a benchmark.
#[derive(Debug)]
pub struct Desk {
    /// The engine.
    pub engine: Engine,
    /// What the last turn wants done.
    pub out: Effects,
    now: Nanos,
    instruments: usize,
    scan: u32,
    fills: u64,
    /// Fills of each order.
    parts: i64,
    step: i64,
}

/// Ten instruments with a tick of 0.01 and a lot of 0.001.
///
/// # Panics
/// Never: the rows are valid.
#[must_use]
pub fn table() -> Arc<InstrumentTable> {
    table_of(INSTRUMENTS)
}

/// The same with so many instruments, at most 256.
///
/// # Panics
/// When there are more.
#[must_use]
pub fn table_of(instruments: usize) -> Arc<InstrumentTable> {
    let row = |number: usize| Instrument {
        symbol: TextId::new(&format!("A{number}USDT")).expect("a symbol"),
        tick: Price::from_raw(TICK),
        lot: Qty::from_raw(Qty::ONE.raw() / 1_000),
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    Arc::new(InstrumentTable::new((0..instruments).map(row).collect()).expect("a table"))
}

/// A quote one tick wide around `mid`, in raw units.
#[must_use]
pub fn quote(instrument: usize, now: Nanos, mid: i64) -> MarketMsg {
    let body = MarketBody::Quote {
        bid: Price::from_raw(mid),
        ask: Price::from_raw(mid + TICK),
        bid_qty: Some(Qty::from_whole(50)),
        ask_qty: Some(Qty::from_whole(50)),
    };
    MarketMsg::from_body(InstrumentId::new(instrument), now, None, body)
}

impl Desk {
    /// Quoted everywhere, flat, with a balance and a position probe: the next good scan enters.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same under these settings.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        Self::of(INSTRUMENTS, settings)
    }

    /// The same with so many instruments, at most 256.
    #[must_use]
    pub fn of(instruments: usize, settings: Settings) -> Self {
        // No look back at ticks: an entry then depends on nothing but the scan.
        let settings = Settings { policy_confirm_ticks: 0, ..settings };
        let mut desk = Self {
            engine: Engine::new(Arc::new(settings), table_of(instruments), 7),
            out: Effects::default(),
            now: Nanos::new(1_000 * Nanos::SECOND),
            instruments,
            scan: 0,
            fills: 0,
            parts: 1,
            step: 0,
        };
        desk.settle();
        desk
    }

    /// One turn, a microsecond after the last.
    pub fn turn(&mut self, input: &Input) {
        self.now = self.now.plus(1_000);
        self.engine.turn(self.now, input, &mut self.out);
    }

    /// The price of the moment: it goes up and down by a few ticks.
    fn mid(&mut self) -> i64 {
        self.step += 1;
        HUNDRED + (self.step % 5) * TICK
    }

    /// A quote of an instrument.
    pub fn quote(&mut self, instrument: usize) {
        let message = quote(instrument, self.now, self.mid());
        self.turn(&Input::Market(message));
    }

    /// A market message of any content.
    pub fn market(&mut self, instrument: usize, body: MarketBody) {
        let instrument = InstrumentId::new(instrument);
        self.turn(&Input::Market(MarketMsg::from_body(instrument, self.now, None, body)));
    }

    /// A trade of an instrument.
    pub fn trade(&mut self, instrument: usize) {
        let price = Price::from_raw(self.mid());
        let trade_id = self.step.cast_unsigned();
        let body = MarketBody::Trade { price, qty: Qty::ONE, taker: None, trade_id, merged: 0 };
        self.market(instrument, body);
    }

    /// A scan with a place for every instrument; it wants a short position when `signals`, else none.
    pub fn scan(&mut self, signals: bool) {
        self.scan += 1;
        for place in 0..self.instruments {
            let rank = Rank {
                number: self.scan,
                place: u16::try_from(place).unwrap_or(u16::MAX),
                instrument: InstrumentId::new(place),
                direction: PositionSide::Short,
                verdict: RankVerdict::Pass,
                latency: 3,
                efficiency: 2.0,
                alignment: 0.6,
                noise_ppm: 120.0,
                ars: 1.0,
            };
            self.turn(&Input::Scan(ScanMsg::Rank(rank)));
        }
        let scan = Scan {
            ts_ns: self.now,
            number: self.scan,
            active: u16::try_from(self.instruments).unwrap_or(u16::MAX),
            ranked: u16::try_from(self.instruments).unwrap_or(u16::MAX),
            vel_div: Some(if signals { -0.04 } else { 0.0 }),
            velocity_50: Some(-0.02),
            velocity_750: Some(0.02),
            vol: Some(0.000_2),
            vol_ok: true,
            picker_warm: true,
        };
        self.turn(&Input::Scan(ScanMsg::Scan(scan)));
    }

    /// No order leaves from here on: a scan that wants one is refused by the last guard it meets.
    pub fn kill(&mut self) {
        let message = ControlMsg { ts_recv_ns: self.now, control: Control::Kill };
        self.turn(&Input::Control(message));
    }

    /// The order that the last turn placed, and its quantity.
    #[must_use]
    pub fn placed(&self) -> Option<(ClientId, InstrumentId, Qty)> {
        self.out.commands.iter().find_map(|message: &CommandMsg| match message.command {
            Command::Place { client, instrument, qty, .. } => Some((client, instrument, qty)),
            Command::Cancel { .. } | Command::Query { .. } | Command::Probe { .. } => None,
        })
    }

    fn venue(&mut self, client: ClientRef, instrument: Option<InstrumentId>, event: VenueEvent) {
        let ts_recv_ns = self.now;
        let ts_exch_ns = Maybe::some(ts_recv_ns);
        self.turn(&Input::Venue(VenueMsg { ts_exch_ns, ts_recv_ns, client, instrument, event }));
    }

    /// The venue acknowledges what the last turn placed and fills it at `price`; true when there was an order.
    fn execute(&mut self, price: i64) -> bool {
        let Some((client, instrument, qty)) = self.placed() else { return false };
        let venue_id = TextId::from_number(u64::from(client.seq()));
        let (own, of_it) = (ClientRef::Own(client), Some(instrument));
        self.venue(own, of_it, VenueEvent::Ack { venue_id });
        let mut filled = Qty::ZERO;
        for part in 1..=self.parts {
            self.fills += 1;
            let up_to = if part == self.parts { qty.raw() } else { qty.raw() / self.parts * part };
            let cum = Qty::from_raw(up_to);
            let fill = VenueEvent::Fill {
                venue_id,
                fill_id: TextId::from_number(self.fills),
                qty: cum - filled,
                price: Price::from_raw(price),
                fee: Maybe::some(Money::ZERO),
                cum_qty: Maybe::some(cum),
                side: None,
                is_maker: Some(false),
            };
            filled = cum;
            self.venue(own, of_it, fill);
        }
        true
    }

    /// Lets ten seconds pass, quotes everything, and tells the balance and the positions that are booked.
    fn settle(&mut self) {
        self.now = self.now.plus(10 * Nanos::SECOND);
        for instrument in 0..self.instruments {
            let message = quote(instrument, self.now, HUNDRED);
            self.turn(&Input::Market(message));
        }
        self.prove();
    }

    /// The venue tells the balance and the positions that are booked.
    fn prove(&mut self) {
        let wallet = Maybe::some(self.engine.kernel().ledger().capital());
        let nothing = Maybe::NONE;
        let balance =
            VenueEvent::Balance { wallet, available: wallet, used: nothing, maint: nothing };
        self.venue(ClientRef::Absent, None, balance);
        let revision = self.engine.kernel().revision();
        let end = VenueEvent::PositionsEnd { ok: true, rows: 0, revision };
        self.venue(ClientRef::Absent, None, end);
    }

    /// Opens a short position in instrument 0.
    ///
    /// # Panics
    /// When the engine does not enter: the desk is wrong.
    pub fn enter(&mut self) {
        self.scan(true);
        assert!(self.execute(HUNDRED), "the scan enters");
        assert_eq!(self.engine.kernel().open_positions(), 1);
    }

    /// Has a maker engine quote a short entry in instrument 0, which the venue has and does not fill.
    ///
    /// # Panics
    /// When the engine does not quote: the desk is wrong.
    pub fn rest(&mut self) {
        self.scan(true);
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        let placed = self.placed();
        assert!(placed.is_some(), "the engine quotes");
        let Some((client, instrument, _)) = placed else { return };
        let venue_id = TextId::from_number(u64::from(client.seq()));
        let ack = VenueEvent::Ack { venue_id };
        self.venue(ClientRef::Own(client), Some(instrument), ack);
    }

    /// The time of the quote of [`Desk::rest`] is over: the engine calls it back, balance and positions are
    /// told, then its end; the engine quotes again, and the venue has that.
    ///
    /// # Panics
    /// When the engine does not do so: the desk or its settings are wrong.
    pub fn miss(&mut self) {
        self.now = self.now.plus(6 * Nanos::SECOND);
        self.quote(0);
        let called = self.out.commands.iter().find_map(|message| match message.command {
            Command::Cancel { client, venue_id, instrument } => {
                Some((client, venue_id, instrument))
            }
            Command::Place { .. } | Command::Query { .. } | Command::Probe { .. } => None,
        });
        assert!(called.is_some(), "its time is over");
        let Some((client, venue_id, instrument)) = called else { return };
        self.prove();
        let event = VenueEvent::Canceled { venue_id, cum_qty: Maybe::some(Qty::ZERO) };
        self.venue(ClientRef::Own(client), Some(instrument), event);
        self.acknowledge();
    }

    /// Has the engine take the profit of what [`Desk::enter`] opened, and settles. The fill slips back to
    /// the entry price and costs nothing, so that the capital stays the same however many trips there are.
    ///
    /// # Panics
    /// When the engine does not leave: the desk is wrong.
    pub fn leave(&mut self) {
        let message = quote(0, self.now, HUNDRED - GAIN);
        self.turn(&Input::Market(message));
        assert!(self.execute(HUNDRED), "the quote takes the profit");
        assert_eq!(self.engine.kernel().open_positions(), 0);
        self.settle();
    }

    /// Fills of each order from now on, at least one.
    #[must_use]
    pub fn in_parts(mut self, parts: u32) -> Self {
        self.parts = i64::from(parts.max(1));
        self
    }

    /// A number that depends on what the engine did: the same for the same inputs on every machine.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let kernel = self.engine.kernel();
        let totals = kernel.totals();
        let prices = (0..INSTRUMENTS).filter_map(|index| kernel.top(InstrumentId::new(index)));
        let seen = prices
            .flat_map(|top| [top.bid.get(), top.last.get()])
            .flatten()
            .fold(0u64, |seen, price| seen.rotate_left(7) ^ price.raw().cast_unsigned());
        [
            self.engine.inputs(),
            seen,
            totals.fills,
            totals.net_pnl.raw().cast_unsigned(),
            kernel.equity().map_or(1, |equity| equity.raw().cast_unsigned()),
            self.out.records.len() as u64,
        ]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}
