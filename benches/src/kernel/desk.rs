//! The kernel stage on its real links, with the venue and the journal in the bench's hand.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::{Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use pinion_core::id::{InstrumentId, TextId};
use pinion_core::journal::{InputRx, input_ring};
use pinion_core::link::{Rx, Tx, link, touched_link};
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, MarketMsg, Maybe, ProbeKind, Record, RecordMsg, ScanMsg,
    VenueEvent, VenueMsg,
};
use pinion_core::stage::{Stage as _, Work};
use pinion_core::topology;
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::workload::{self, EveryTenth};

/// A fee of 0.12, told by the venue with each fill; negative is a cost.
const FEE: Money = Money::from_raw(-12_000_000);

/// An order that has left.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    client: pinion_core::id::ClientId,
    qty: Qty,
}

/// The stage, and the other end of each of its links. Owner: its bench.
#[derive(Debug)]
pub struct StageDesk {
    stage: KernelStage<EveryTenth>,
    market: Tx<MarketMsg>,
    ack: Tx<VenueMsg>,
    account: Tx<VenueMsg>,
    _scan: Tx<ScanMsg>,
    commands: Rx<CommandMsg>,
    records: Rx<RecordMsg>,
    inputs: InputRx,
    fills: u64,
    hash: u64,
}

impl StageDesk {
    /// A stage that has seen one quote, knows its balance and that it is flat. Allocates.
    ///
    /// # Panics
    /// Never: the links have room.
    #[must_use]
    pub fn new(first: &MarketMsg) -> Self {
        let depth = |name: &str| topology::spec(name).depth;
        let (market, market_rx) = link(depth("market"));
        let (scan, scan_rx) = link(depth("scan"));
        let (ack, ack_rx) = link(depth("ack"));
        let (account, account_rx) = link(depth("account"));
        let (command, commands) = link(depth("command"));
        let nothing = RecordMsg { ts_ns: Nanos::ZERO, record: Record::Settings { version: 0 } };
        let (record, records) = touched_link(depth("record"), nothing);
        let (input, inputs) = input_ring(depth("input"));
        let settings = Arc::new(workload::settings());
        let table = Arc::new(workload::table());
        let engine = Engine::with_policy(settings, table, 7, EveryTenth::default());
        let links = KernelLinks {
            market: market_rx,
            scan: scan_rx,
            ack: ack_rx,
            account: account_rx,
            command,
            record,
            input,
            control: Arc::new(ArrayQueue::new(depth("control"))),
            gauges: Arc::new(Gauges::default()),
        };
        let mut desk = Self {
            stage: KernelStage::new(engine, links, JournalFull::BlockNewRisk),
            market,
            ack,
            account,
            _scan: scan,
            commands,
            records,
            inputs,
            fills: 0,
            hash: 0,
        };
        let now = first.ts_recv_ns.plus(-1);
        let wallet = Maybe::some(desk.stage.engine().kernel().ledger().capital());
        let balance = VenueEvent::Balance {
            wallet,
            available: wallet,
            used: Maybe::NONE,
            maint: Maybe::NONE,
        };
        desk.tell(now, balance);
        let _work = desk.poll(now);
        desk.attend(now);
        desk.housekeep();
        desk
    }

    /// Puts a market message on its link.
    pub fn offer(&mut self, message: MarketMsg) {
        let pushed = self.market.push(message);
        debug_assert!(pushed.is_ok(), "one at a time");
    }

    /// One poll.
    #[inline]
    pub fn poll(&mut self, now: Nanos) -> Work {
        self.stage.poll(now)
    }

    /// The order that left; answers the probes that left beside it.
    pub fn attend(&mut self, now: Nanos) -> Option<Placed> {
        let mut found = None;
        self.attend_with(now, &mut |_, placed| found = Some(placed));
        found
    }

    /// Hands out each order that left; answers the probes that left beside them.
    pub fn attend_with(&mut self, now: Nanos, left: &mut dyn FnMut(&CommandMsg, Placed)) {
        let mut asked = true;
        while core::mem::take(&mut asked) {
            while let Some(message) = self.commands.pop() {
                match message.command {
                    Command::Place { client, qty, .. } => left(&message, Placed { client, qty }),
                    Command::Probe { probe, revision } => {
                        self.answer(now, probe, revision);
                        asked = true;
                    }
                    Command::Cancel { .. } | Command::Query { .. } => {}
                }
            }
            if asked {
                let _work = self.stage.poll(now);
            }
        }
    }

    fn answer(&mut self, now: Nanos, probe: ProbeKind, revision: u64) {
        let kernel = self.stage.engine().kernel();
        let capital = Maybe::some(kernel.ledger().capital());
        let slot = kernel.slot(0);
        let held = slot.position().size;
        match probe {
            ProbeKind::OpenOrders => {
                self.tell(now, VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision });
            }
            ProbeKind::Positions => {
                let rows = u32::from(held.is_positive());
                if rows == 1 {
                    self.tell_of(
                        now,
                        VenueEvent::Position {
                            side: pinion_core::msg::PositionSide::Long,
                            qty: held,
                            entry_price: Maybe::NONE,
                        },
                    );
                }
                self.tell(now, VenueEvent::PositionsEnd { ok: true, rows, revision });
            }
            ProbeKind::Balance => self.tell(
                now,
                VenueEvent::Balance {
                    wallet: capital,
                    available: capital,
                    used: Maybe::NONE,
                    maint: Maybe::NONE,
                },
            ),
        }
    }

    fn tell(&mut self, now: Nanos, event: VenueEvent) {
        let _told = self.push(now, ClientRef::Absent, None, event);
    }

    fn tell_of(&mut self, now: Nanos, event: VenueEvent) {
        let _told = self.push(now, ClientRef::Absent, Some(InstrumentId::new(0)), event);
    }

    fn push(
        &mut self,
        now: Nanos,
        client: ClientRef,
        instrument: Option<InstrumentId>,
        event: VenueEvent,
    ) -> VenueMsg {
        let ts_exch_ns = Maybe::some(now);
        let message = VenueMsg { ts_exch_ns, ts_recv_ns: now, client, instrument, event };
        let pushed = self.account.push(message);
        debug_assert!(pushed.is_ok(), "a few at a time");
        message
    }

    /// Puts the acknowledgement of an order on its link; gives it for a gate to hear.
    pub fn offer_ack(&mut self, now: Nanos, placed: Placed) -> VenueMsg {
        let venue_id = TextId::from_number(1_000_000 + u64::from(placed.client.seq()));
        let message = VenueMsg {
            ts_exch_ns: Maybe::some(now),
            ts_recv_ns: now,
            client: ClientRef::Own(placed.client),
            instrument: Some(InstrumentId::new(0)),
            event: VenueEvent::Ack { venue_id },
        };
        let pushed = self.ack.push(message);
        debug_assert!(pushed.is_ok(), "one at a time");
        message
    }

    /// Puts the fill of a whole order on its link; gives it for a gate to hear.
    pub fn offer_fill(&mut self, now: Nanos, placed: Placed, price: Price) -> VenueMsg {
        self.fills += 1;
        let event = VenueEvent::Fill {
            venue_id: TextId::from_number(1_000_000 + u64::from(placed.client.seq())),
            fill_id: TextId::from_number(self.fills),
            qty: placed.qty,
            price,
            fee: Maybe::some(FEE),
            cum_qty: Maybe::some(placed.qty),
            side: None,
            is_maker: Some(false),
        };
        let client = ClientRef::Own(placed.client);
        self.push(now, client, Some(InstrumentId::new(0)), event)
    }

    /// Empties what the journal reads; never inside a timed stretch, for the journal has its own core.
    pub fn housekeep(&mut self) {
        let mut bytes = 0;
        while self.inputs.read(|_| {}) > 0 {
            bytes += 1;
        }
        let mut records = 0u64;
        while self.records.pop().is_some() {
            records += 1;
        }
        std::hint::black_box(bytes);
        self.hash = self.hash.rotate_left(7) ^ records;
    }

    /// Orders that left, and a number that depends on everything that happened.
    #[must_use]
    pub fn outcome(&self) -> (u64, u64) {
        let engine = self.stage.engine();
        let totals = engine.kernel().totals();
        let hash = self.hash
            ^ totals.net_pnl.raw().cast_unsigned()
            ^ engine.inputs().rotate_left(32)
            ^ totals.fills.rotate_left(48);
        (u64::from(totals.orders), hash)
    }
}
