//! The engine on its real links around one venue: what dies in a crash and is built anew.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::{Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::instrument::InstrumentTable;
use pinion_core::journal::{CodecState, Entry, InputRx, PUSH_MAX, decode, input_ring};
use pinion_core::link::{MarketTx, Rx, Tx, link};
use pinion_core::msg::{Control, ControlMsg, Input, MarketMsg, RecordMsg, ScanMsg};
use pinion_core::settings::{Miss, Settings, Style};
use pinion_core::units::Nanos;
use pinion_io::paper::PaperEgress;
use pinion_io::paper::faults::FaultyVenue;

use super::options::Options;
use super::rings::Tap;
use super::workload::Brain;

/// What every life of one run shares.
#[derive(Clone, Debug)]
pub struct World {
    /// Seed of the run.
    pub seed: u64,
    /// Its shape.
    pub options: Options,
    /// Its settings.
    pub settings: Arc<Settings>,
    /// Its instruments.
    pub table: Arc<InstrumentTable>,
}

impl World {
    /// The settings that go with the options.
    #[must_use]
    pub fn new(seed: u64, options: &Options, table: Arc<InstrumentTable>) -> Self {
        let mut settings = Settings {
            engine_seed: seed.cast_signed(),
            kernel_slots_max: options.slots,
            paper_order_latency_ns: options.latency_ns,
            paper_reply_latency_ns: options.latency_ns,
            guard_probe_interval_ns: options.probe_ns,
            policy_confirm_ticks: 0,
            ..Settings::default()
        };
        if options.minute_max > 0 {
            settings.cap_orders_per_minute_max = options.minute_max;
            settings.cap_orders_per_second_max = options.minute_max;
        }
        if options.balance_age_ns > 0 {
            settings.guard_balance_age_ns_max = options.balance_age_ns;
        }
        if options.maker == 1 {
            settings.router_style = Style::Maker;
            settings.router_tail_age_ms = options.tail_age_ms;
            settings.router_entry_miss = match options.entry_miss {
                0 => Miss::Skip,
                1 => Miss::Retry,
                _ => Miss::Market,
            };
            if options.quote_ttl_ns > 0 {
                settings.router_entry_ttl_ns = options.quote_ttl_ns;
                settings.router_exit_ttl_ns = options.quote_ttl_ns;
            }
        }
        Self { seed, options: options.clone(), settings: Arc::new(settings), table }
    }
}

/// What the kernel wrote for the journal.
#[derive(Clone, Copy, Debug)]
pub enum Written<'a> {
    /// An input: its bytes, the time of its turn, and what they say.
    Input(&'a [u8], Nanos, &'a Input),
    /// A record.
    Record(&'a RecordMsg),
}

/// The stages and the ends that the driver holds. Owner: the driver.
#[derive(Debug)]
pub struct Rig {
    /// The engine on its links.
    pub kernel: KernelStage<Brain>,
    /// The venue behind its links.
    pub egress: PaperEgress<Tap>,
    market: MarketTx,
    feed: Tx<MarketMsg>,
    scan: Tx<ScanMsg>,
    control: Arc<ArrayQueue<ControlMsg>>,
    kill: Arc<KillSwitch>,
    records: Rx<RecordMsg>,
    inputs: InputRx,
    codec: CodecState,
    feed_waits: VecDeque<MarketMsg>,
    scan_waits: VecDeque<ScanMsg>,
}

impl Rig {
    /// Makes links of the drawn depths and puts the stages on them.
    #[must_use]
    pub fn new(world: &World, engine: Engine<Brain>, venue: FaultyVenue) -> Self {
        let options = &world.options;
        let depth = |of: i64| usize::try_from(of).unwrap_or(1).max(1);
        let (market_tx, market) = link(depth(options.ring_market));
        let (feed_tx, feed) = link(depth(options.ring_feed));
        let (scan_tx, scan) = link(depth(options.ring_scan));
        let (ack_tx, ack) = link(depth(options.ring_ack));
        let (account_tx, account) = link(depth(options.ring_account));
        let (command, command_rx) = link(depth(options.ring_command));
        let (record, records) = link(depth(options.ring_record));
        let (input, inputs) = input_ring(depth(options.ring_input) * PUSH_MAX);
        let control = Arc::new(ArrayQueue::new(16));
        let gauges = Arc::new(Gauges::default());
        let links = KernelLinks {
            market,
            scan,
            ack,
            account,
            command,
            record,
            input,
            control: Arc::clone(&control),
            gauges,
        };
        let kernel = engine.kernel();
        let kill = Arc::new(KillSwitch::new(kernel.is_killed() || kernel.is_flattening()));
        let gate = Gate::new(&world.settings, world.table.len());
        let waits = options.journal_waits == 1;
        let on_full = if waits { JournalFull::Wait } else { JournalFull::BlockNewRisk };
        Self {
            kernel: KernelStage::new(engine, links, on_full),
            egress: PaperEgress::new(
                Tap::new(venue),
                gate,
                Arc::clone(&kill),
                feed,
                command_rx,
                ack_tx,
                account_tx,
            ),
            market: MarketTx::new(market_tx, world.table.len()),
            feed: feed_tx,
            scan: scan_tx,
            control,
            kill,
            records,
            inputs,
            codec: CodecState::default(),
            feed_waits: VecDeque::new(),
            scan_waits: VecDeque::new(),
        }
    }

    /// The process is gone; the venue is not, and neither is its market.
    #[must_use]
    pub fn into_venue(self) -> FaultyVenue {
        self.egress.into_venue().venue
    }

    /// The venue.
    #[must_use]
    pub const fn venue(&self) -> &FaultyVenue {
        &self.egress.venue().venue
    }

    /// The venue, for what no command can do to it.
    pub const fn venue_mut(&mut self) -> &mut FaultyVenue {
        &mut self.egress.venue_mut().venue
    }

    /// Market messages that were merged into another on their way to the kernel.
    #[must_use]
    pub const fn merged(&self) -> u64 {
        self.market.conflated()
    }

    /// A market message for kernel and venue.
    pub fn market(&mut self, message: MarketMsg) {
        self.market.push(message);
        self.feed_waits.push_back(message);
    }

    /// A scan message for the kernel.
    pub fn scan(&mut self, message: ScanMsg) {
        self.scan_waits.push_back(message);
    }

    /// The operator speaks; false when the queue is full.
    #[must_use]
    pub fn control(&self, now: Nanos, control: Control) -> bool {
        self.kill.obey(control);
        self.control.push(ControlMsg { ts_recv_ns: now, control }).is_ok()
    }

    /// Moves what waits into the links; the names of those that were full.
    pub fn pump(&mut self) -> [Option<&'static str>; 3] {
        self.market.flush();
        while let Some(message) = self.feed_waits.front() {
            if self.feed.free() == 0 || self.feed.push(*message).is_err() {
                break;
            }
            self.feed_waits.pop_front();
        }
        while let Some(message) = self.scan_waits.front() {
            if self.scan.free() == 0 || self.scan.push(*message).is_err() {
                break;
            }
            self.scan_waits.pop_front();
        }
        [
            self.market.is_waiting().then_some("market"),
            (!self.feed_waits.is_empty()).then_some("feed"),
            (!self.scan_waits.is_empty()).then_some("scan"),
        ]
    }

    /// Reads what the kernel wrote for the journal; returns how many inputs.
    ///
    /// # Errors
    /// An input that cannot be read back.
    pub fn journal(&mut self, hear: &mut dyn FnMut(Written<'_>)) -> Result<usize, String> {
        let Self { inputs, codec, records, .. } = self;
        let (mut count, mut fault) = (0, None);
        let mut each = |entry: Entry<'_>| match entry {
            Entry::FrameStart => codec.reset(),
            Entry::Settings { .. } => {}
            Entry::Input(bytes) => match decode(codec, bytes) {
                Ok((now, read, _)) => {
                    count += 1;
                    hear(Written::Input(bytes, now, &read));
                }
                Err(damage) => fault = Some(format!("{damage:?}")),
            },
        };
        while inputs.read(&mut each) > 0 {}
        while let Some(message) = records.pop() {
            hear(Written::Record(&message));
        }
        fault.map_or(Ok(count), Err)
    }

    /// True when no link holds anything for a stage.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.feed_waits.is_empty() && self.scan_waits.is_empty() && !self.market.is_waiting()
    }
}
