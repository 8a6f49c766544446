//! The kernel stage: the engine on its links.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::slice;

use crossbeam_queue::ArrayQueue;

use crate::engine::{Engine, Gauges};
use crate::journal::{InputTx, shares};
use crate::kernel::Effects;
use crate::kernel::effects::{COMMANDS_MAX, RECORDS_MAX};
use crate::link::{Rx, Tx};
use crate::msg::{
    Command, CommandMsg, Control, ControlMsg, Input, MarketMsg, RecordMsg, ScanMsg, VenueMsg,
};
use crate::policy::{Decide, Policy};
use crate::router::hooks::{NoHooks, SavedHooks};
use crate::settings::Settings;
use crate::stage::{Stage, Work};
use crate::topology;
use crate::units::Nanos;

/// What the kernel stage does when the journal cannot keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFull {
    /// Takes no input until there is room: for recorded data, which can wait.
    Wait,
    /// Blocks new risk while room is short, goes on taking what reduces it.
    BlockNewRisk,
}

/// Link ends of the kernel stage.
#[derive(Debug)]
pub struct KernelLinks {
    /// From ingest.
    pub market: Rx<MarketMsg>,
    /// From the signal stage.
    pub scan: Rx<ScanMsg>,
    /// From the order side: acknowledgements, refusals.
    pub ack: Rx<VenueMsg>,
    /// From the account side: fills, balances, positions.
    pub account: Rx<VenueMsg>,
    /// To the order side.
    pub command: Tx<CommandMsg>,
    /// To the journal: what happened.
    pub record: Tx<RecordMsg>,
    /// To the journal: every input, in applied order.
    pub input: InputTx,
    /// From the operator and the process; many producers.
    pub control: Arc<ArrayQueue<ControlMsg>>,
    /// For a progress bar.
    pub gauges: Arc<Gauges>,
}

/// Messages taken from one link in one poll.
const BUDGET: usize = 16;
/// Inputs of one poll at most: each of the five links, and three that the stage makes itself: new settings,
/// a word about the journal, and a tick.
const POLL_INPUTS: usize = 5 * BUDGET + 3;
/// Places in the record link that one poll can need.
const POLL_RECORDS: usize = POLL_INPUTS * RECORDS_MAX;
/// Commands that one poll can make: far more than it ever does, and than the link holds.
const POLL_COMMANDS: usize = POLL_INPUTS * COMMANDS_MAX;

const _: () = {
    // New risk is blocked while the links still hold several polls.
    assert!(2 * POLL_RECORDS <= topology::spec("record").depth);
    let (inputs, others) = shares(topology::spec("input").depth);
    assert!(8 * POLL_INPUTS <= others && others <= inputs);
};

/// The engine on its links. Owner: the kernel thread.
#[derive(Debug)]
pub struct KernelStage<P = Policy, H = NoHooks> {
    inbox: Inbox,
    out: EngineOut<P, H>,
    gauges: Arc<Gauges>,
    on_full: JournalFull,
    /// Settings for the next poll, with their version.
    published: Option<(u32, Arc<Settings>)>,
    tick_ns: i64,
    next_tick: Option<Nanos>,
    behind: bool,
    /// The last poll took nothing for want of room.
    refused: bool,
}

/// The links that the stage reads.
#[derive(Debug)]
struct Inbox {
    market: Rx<MarketMsg>,
    scan: Rx<ScanMsg>,
    ack: Rx<VenueMsg>,
    account: Rx<VenueMsg>,
    control: Arc<ArrayQueue<ControlMsg>>,
}

/// The engine and the links that it writes to: apart from what it reads, so that a message can be turned where it
/// lies.
#[derive(Debug)]
struct EngineOut<P, H> {
    engine: Engine<P, H>,
    effects: Effects,
    command: Tx<CommandMsg>,
    record: Tx<RecordMsg>,
    input: InputTx,
    /// Commands that the link had no room for, in order.
    unsent: VecDeque<CommandMsg>,
    /// Records and inputs that surely fit; asked again only when they run short, because asking costs a
    /// cache miss.
    record_room: usize,
    input_room: usize,
}

impl<P: Decide, H: SavedHooks> KernelStage<P, H> {
    /// Wires an engine.
    #[must_use]
    pub fn new(engine: Engine<P, H>, links: KernelLinks, on_full: JournalFull) -> Self {
        let KernelLinks { market, scan, ack, account, command, record, input, control, gauges } =
            links;
        Self {
            tick_ns: engine.settings.engine_tick_ns,
            inbox: Inbox { market, scan, ack, account, control },
            out: EngineOut {
                engine,
                effects: Effects::default(),
                command,
                record,
                input,
                unsent: VecDeque::with_capacity(POLL_COMMANDS),
                record_room: 0,
                input_room: 0,
            },
            gauges,
            on_full,
            published: None,
            next_tick: None,
            behind: false,
            refused: false,
        }
    }

    /// The engine, to read.
    #[must_use]
    pub const fn engine(&self) -> &Engine<P, H> {
        &self.out.engine
    }

    /// Gives settings that come into force with the next poll, before anything else of it. Of several before
    /// one poll the last counts; the engine refuses a version that is not newer. The snapshot that is
    /// replaced is dropped here: keep a second owner on a cold thread.
    pub fn publish(&mut self, version: u32, settings: Arc<Settings>) {
        self.published = Some((version, settings));
    }

    fn take_settings(&mut self, now: Nanos, work: &mut Work) {
        let Some((version, settings)) = self.published.take() else { return };
        self.out.engine.announce(version, settings);
        self.out.turn(now, &Input::Settings { version }, work);
        self.tick_ns = self.out.engine.settings.engine_tick_ns;
    }

    /// Commands that wait for room on their link; while there are any, a poll takes nothing.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.out.unsent.len()
    }

    /// Records that a turn made and could not hold; never expected.
    #[must_use]
    pub const fn records_lost(&self) -> u64 {
        self.out.effects.records_lost
    }

    /// Tells the kernel when the journal falls behind and when it has caught up.
    fn watch_journal(&mut self, now: Nanos, work: &mut Work) {
        if self.on_full == JournalFull::Wait {
            return;
        }
        let out = &mut self.out;
        if out.is_room_short() {
            out.record_room = out.record.free();
            out.input_room = out.input.free();
        }
        let short = out.is_room_short();
        if short == self.behind {
            return;
        }
        self.behind = short;
        let control = if short { Control::JournalBehind } else { Control::JournalCaughtUp };
        self.out.turn(now, &Input::Control(ControlMsg { ts_recv_ns: now, control }), work);
    }

    fn tick_is_due(&self, now: Nanos) -> bool {
        self.next_tick.is_some_and(|due| now >= due)
    }

    /// The next tick, or an earlier deadline of the engine.
    fn wake_at(&self) -> Option<Nanos> {
        [self.next_tick, self.out.engine.next_deadline()].into_iter().flatten().min()
    }

    fn inputs_wait(&self) -> bool {
        let links = &self.inbox;
        !(links.market.is_empty()
            && links.scan.is_empty()
            && links.ack.is_empty()
            && links.account.is_empty()
            && links.control.is_empty()
            && self.published.is_none())
    }
}

/// Shows what one link holds, a budget of it at most, each message where it lies.
#[inline]
fn drain<T>(link: &mut Rx<T>, mut turn: impl FnMut(&T)) {
    for _ in 0..BUDGET {
        if !link.take(&mut turn) {
            break;
        }
    }
}

impl<P: Decide, H: SavedHooks> EngineOut<P, H> {
    /// True when a whole poll surely fits into every link it may write to. Asked once, before the poll
    /// takes anything: half a poll would make the order of turns depend on the speed of the disk.
    fn has_room(&mut self) -> bool {
        if self.record_room < POLL_RECORDS {
            self.record_room = self.record.free();
        }
        if self.input_room < POLL_INPUTS {
            self.input_room = self.input.free();
        }
        self.record_room >= POLL_RECORDS && self.input_room >= POLL_INPUTS
    }

    /// Sends what the last poll could not; returns how many left.
    fn send_waiting(&mut self) -> u32 {
        let mut sent = 0;
        while let Some(command) = self.unsent.front()
            && self.command.push(*command).is_ok()
        {
            self.unsent.pop_front();
            sent += 1;
        }
        sent
    }

    /// By the room known of, new risk had better wait for the journal.
    const fn is_room_short(&self) -> bool {
        self.record_room < 2 * POLL_RECORDS || self.input_room < 8 * POLL_INPUTS
    }

    /// One turn; what it did is added to `work`, in place: sums of returned ones would cost more than the rest
    /// of a poll.
    fn turn(&mut self, now: Nanos, input: &Input, work: &mut Work) {
        // Room was asked for before; the journal gets the input before its effects leave.
        let journaled = self.input.push(now.max(self.engine.now), input);
        debug_assert!(journaled.is_ok(), "room was checked");
        self.input_room = self.input_room.saturating_sub(1);
        self.engine.turn(now, input, &mut self.effects);
        work.count += 1;
        let recorded = self.record.push_all(&self.effects.records);
        debug_assert!(recorded.is_ok(), "room was checked");
        self.record_room = self.record_room.saturating_sub(self.effects.records.len());
        for command in &self.effects.commands {
            // Never past one that waits. There is room to wait: a poll begins with none.
            let sent =
                self.unsent.is_empty() && self.command.push_all(slice::from_ref(command)).is_ok();
            if !sent {
                self.unsent.push_back(*command);
            }
            work.commands += u32::from(matches!(command.command, Command::Place { .. }));
        }
    }
}

impl<P: Decide, H: SavedHooks> Stage for KernelStage<P, H> {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        let sent = self.out.send_waiting();
        self.refused = !self.out.unsent.is_empty();
        if self.refused {
            // No back-pressure: the runner would hold this stage alone, and egress could not make room.
            return Work::done(sent);
        }
        self.refused = !self.out.has_room();
        if self.refused {
            let is_due = self.wake_at().is_some_and(|due| now >= due);
            let backpressured = self.inputs_wait() || is_due;
            return Work { backpressured, ..Work::NONE };
        }
        // What the operator and the venue say comes before what the market says; a scan was made from
        // market messages that may still be on their way here, so it comes last.
        let mut work = Work::NONE;
        self.take_settings(now, &mut work);
        self.watch_journal(now, &mut work);
        let Self { inbox, out, .. } = self;
        // A pop of this queue costs a fence, a look does not.
        if !inbox.control.is_empty() {
            for _ in 0..BUDGET {
                let Some(message) = inbox.control.pop() else { break };
                out.turn(now, &Input::Control(message), &mut work);
            }
        }
        drain(&mut inbox.ack, |message| out.turn(now, &Input::Venue(*message), &mut work));
        drain(&mut inbox.account, |message| out.turn(now, &Input::Venue(*message), &mut work));
        drain(&mut inbox.market, |message| out.turn(now, &Input::Market(*message), &mut work));
        drain(&mut inbox.scan, |message| out.turn(now, &Input::Scan(*message), &mut work));
        if self.tick_is_due(now) {
            self.out.turn(now, &Input::Tick, &mut work);
            self.gauges.publish(&self.out.engine);
            self.next_tick = Some(now.plus(self.tick_ns));
        } else if self.out.engine.next_deadline().is_some_and(|due| now >= due) {
            // Between ticks, for an order whose time is over; the grid of the ticks stays.
            self.out.turn(now, &Input::Tick, &mut work);
        } else if self.next_tick.is_none() && self.out.engine.inputs > 0 {
            self.next_tick = Some(now.plus(self.tick_ns));
        }
        work
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.wake_at()
    }

    fn drained(&self) -> bool {
        !self.refused && !self.inputs_wait()
    }
}
