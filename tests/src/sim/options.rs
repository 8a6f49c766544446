//! Everything that a seed decides about its run, as named numbers: printed up front, changed by name.

use super::dice::Dice;

macro_rules! options {
    ($($(#[doc = $doc:literal])* $field:ident, $group:literal;)*) => {
        /// The shape of one run and the rate of every disturbance outside of the venue. Rates are per
        /// million opportunities, times are nanoseconds, switches are 0 or 1.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Options {
            $($(#[doc = $doc])* pub $field: i64,)*
        }

        impl Options {
            /// Name, group and value of each.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str, i64)> {
                [$((stringify!($field), $group, self.$field),)*].into_iter()
            }

            /// Changes one by name; false when there is none of that name.
            pub fn set(&mut self, name: &str, value: i64) -> bool {
                match name {
                    $(stringify!($field) => self.$field = value,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

options! {
    /// Instruments, 1 to 3.
    instruments, "shape";
    /// Slots, 1 or 2.
    slots, "shape";
    /// The base policy decides instead of the random workload.
    policy, "shape";
    /// Nothing that loses information happens: the books must then agree to the last digit.
    exact, "shape";
    /// Depth of the market link.
    ring_market, "shape";
    /// Depth of the feed link.
    ring_feed, "shape";
    /// Depth of the acknowledgement link.
    ring_ack, "shape";
    /// Depth of the account link.
    ring_account, "shape";
    /// Depth of the scan link.
    ring_scan, "shape";
    /// Depth of the command link.
    ring_command, "shape";
    /// Depth of the record link.
    ring_record, "shape";
    /// Inputs that the input link holds.
    ring_input, "shape";
    /// Median latency of commands and of replies.
    latency_ns, "shape";
    /// Time between position snapshots.
    probe_ns, "shape";
    /// The kernel waits for a slow journal instead of blocking new risk.
    journal_waits, "shape";
    /// Inputs between two checks that the state survives being saved.
    state_every, "shape";
    /// The order in which stages are polled is drawn anew for every round.
    shuffle, "shape";
    /// Every so many accepted entries the engine under test sends twice; 0 for a whole engine. It exists to
    /// show that a broken engine is caught and its failure made small.
    sabotage, "shape";
    /// Mean time between market messages.
    step_ns, "market";
    /// Weights of a walk, of jumps, of a standstill.
    walk, "market";
    /// See `walk`.
    jump, "market";
    /// See `walk`.
    constant, "market";
    /// Prices of a few ticks.
    near_tick, "market";
    /// Prices near the largest that can be told.
    near_max, "market";
    /// Messages that are prints, the rest being quotes.
    trade_ppm, "market";
    /// Messages that tell mark price and funding.
    mark_ppm, "market";
    /// Messages that tell a gap.
    gap_ppm, "market";
    /// Market messages on which the workload wants something.
    ask_ppm, "workload";
    /// Weight of entries.
    enter, "workload";
    /// Weight of exits.
    exit, "workload";
    /// Weight of cancels.
    cancel, "workload";
    /// Weight of marks.
    mark, "workload";
    /// Intents with garbage for numbers.
    garbage_ppm, "workload";
    /// Orders that rest.
    maker_ppm, "workload";
    /// Exits with a time to live.
    ttl_ppm, "workload";
    /// Most legs of an exit.
    legs_max, "workload";
    /// Most lots of an entry.
    lots_max, "workload";
    /// The process dies, per step.
    crash_ppm, "crash";
    /// Deaths that lose the disk as well.
    cold_ppm, "crash";
    /// Deaths after which an older snapshot is found.
    old_ppm, "crash";
    /// Deaths that leave a torn snapshot.
    torn_ppm, "crash";
    /// Most inputs that a death takes with it although their commands had left.
    tail_cut_max, "crash";
    /// One stage stands still, per step.
    stall_ppm, "stall";
    /// For at most this long.
    stall_max_ns, "stall";
    /// Kill, per step.
    kill_ppm, "control";
    /// Kill within ten milliseconds of an entry's sending, per entry.
    kill_entry_ppm, "control";
    /// Resume, per step.
    resume_ppm, "control";
    /// Operator flatten, per step.
    flatten_ppm, "control";
    /// The journal cannot be written any more, per step.
    journal_fails_ppm, "control";
    /// New settings, per step; half as often some that are not newer.
    swap_ppm, "control";
    /// The venue closes a position of ours within 50 ms of an order's sending, per order.
    force_order_ppm, "account";
    /// The process dies within two seconds of an order's sending, per order.
    crash_order_ppm, "crash";
    /// The stream to the venue is cut by force, per step.
    outage_ppm, "account";
    /// Somebody closes our position by hand, per step.
    close_outside_ppm, "account";
    /// Somebody opens a position on the account, per step.
    open_outside_ppm, "account";
    /// A deposit or a withdrawal, per step.
    transfer_ppm, "account";
    /// A burst of market messages, per step.
    burst_ppm, "load";
    /// Of at most this many.
    burst_max, "load";
    /// The process dies when an entry has just left, per entry.
    crash_entry_ppm, "crash";
    /// The process begins again while nothing is on its way, per step. Loses nothing.
    restart_ppm, "crash";
    /// Entries in a minute that the gate lets out; 0: as the settings say.
    minute_max, "shape";
    /// Oldest balance for an entry; 0: as the settings say.
    balance_age_ns, "shape";
    /// The base policy's orders rest first; otherwise they take.
    maker, "shape";
    /// Life of a resting entry and of a resting exit; 0: as the settings say.
    quote_ttl_ns, "shape";
    /// What follows a missed entry: 0 nothing, 1 another quote, 2 a market order.
    entry_miss, "shape";
    /// Age from which a resting entry follows the market; 0: never.
    tail_age_ms, "shape";
}

/// Groups that the minimiser may switch off whole; `shape` and `market` are what a run consists of.
pub const FAULT_GROUPS: [&str; 5] = ["crash", "stall", "control", "account", "load"];

/// Rate of something that happens up to `most` times in a run of some 10,000 steps; never, in half of the seeds.
fn rate(dice: &mut Dice, most: i64) -> i64 {
    if dice.chance(500_000) { 0 } else { dice.between(1, most * 100) }
}

impl Options {
    /// What this seed decides.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1, 0);
        let d = &mut dice;
        let instruments = d.between(1, 3);
        let journal_waits = i64::from(d.chance(500_000));
        let exact = i64::from(d.chance(400_000));
        let market = [d.between(0, 3), d.between(0, 1), i64::from(d.chance(100_000))];
        let mut options = Self {
            instruments,
            slots: if instruments > 1 && d.chance(300_000) { 2 } else { 1 },
            policy: i64::from(d.chance(100_000)),
            exact,
            ring_market: d.magnitude(2, 64),
            ring_feed: d.magnitude(2, 64),
            ring_ack: d.magnitude(2, 64),
            ring_account: d.magnitude(2, 64),
            ring_scan: d.magnitude(2, 64),
            ring_command: d.between(32, 64),
            // A poll of the kernel asks for room for a whole budget; blocking new risk begins at two.
            ring_record: if journal_waits == 1 { 21_300 } else { 43_000 } + d.between(0, 4_000),
            ring_input: if journal_waits == 1 { 90 } else { 668 } + d.between(0, 60),
            latency_ns: d.magnitude(100_000, 200_000_000),
            probe_ns: d.magnitude(1_000_000_000, 10_000_000_000),
            journal_waits,
            state_every: if d.chance(125_000) { 256 } else { 4_096 },
            sabotage: 0,
            shuffle: i64::from(d.chance(700_000)),
            step_ns: d.magnitude(1_000_000, 500_000_000),
            walk: market[0] + 1,
            jump: market[1],
            constant: market[2],
            near_tick: i64::from(d.chance(80_000)),
            near_max: i64::from(d.chance(80_000)),
            trade_ppm: d.between(0, 600_000),
            mark_ppm: d.between(0, 20_000),
            gap_ppm: if d.chance(700_000) { 0 } else { d.between(0, 2_000) },
            ask_ppm: d.magnitude(5_000, 400_000),
            enter: d.between(1, 10),
            exit: d.between(1, 10),
            cancel: d.between(0, 3),
            mark: d.between(0, 1),
            garbage_ppm: d.between(0, 100_000),
            maker_ppm: d.between(0, 900_000),
            ttl_ppm: d.between(0, 1_000_000),
            legs_max: d.between(1, 4),
            lots_max: d.magnitude(1, 200_000),
            crash_ppm: rate(d, 20),
            cold_ppm: if d.chance(500_000) { 0 } else { d.between(0, 500_000) },
            old_ppm: if d.chance(500_000) { 0 } else { d.between(0, 500_000) },
            torn_ppm: if d.chance(500_000) { 0 } else { d.between(0, 500_000) },
            tail_cut_max: if d.chance(500_000) { 0 } else { d.between(0, 20) },
            stall_ppm: rate(d, 5),
            stall_max_ns: d.magnitude(1_000_000, 30_000_000_000),
            kill_ppm: rate(d, 3),
            kill_entry_ppm: if d.chance(500_000) { 0 } else { 50_000 },
            resume_ppm: d.between(100, 1_000),
            flatten_ppm: rate(d, 3),
            journal_fails_ppm: if d.chance(900_000) { 0 } else { 100 },
            outage_ppm: rate(d, 5),
            close_outside_ppm: rate(d, 5),
            open_outside_ppm: rate(d, 5),
            transfer_ppm: rate(d, 5),
            burst_ppm: rate(d, 5),
            burst_max: d.magnitude(1, 2_000),
            swap_ppm: rate(d, 5),
            crash_entry_ppm: if d.chance(500_000) { 0 } else { d.between(1, 300_000) },
            restart_ppm: rate(d, 10),
            minute_max: if d.chance(900_000) { 0 } else { d.between(1, 4) },
            force_order_ppm: if d.chance(700_000) { 0 } else { d.between(1, 100_000) },
            crash_order_ppm: if d.chance(700_000) { 0 } else { d.between(1, 50_000) },
            balance_age_ns: 0,
            maker: 0,
            quote_ttl_ns: 0,
            entry_miss: 0,
            tail_age_ms: 0,
        };
        // Sometimes a single turn is more than the link holds.
        let mut command = Dice::new(seed, 4, 0);
        if command.chance(250_000) {
            options.ring_command = command.between(1, 8);
        }
        options.draw_more(seed);
        if exact == 1 {
            options.make_exact();
        }
        options
    }

    /// Draws of their own, so that the other options of a seed stay what they were.
    fn draw_more(&mut self, seed: u64) {
        let mut style = Dice::new(seed, 5, 0);
        if self.policy == 1 && style.chance(500_000) {
            self.maker = 1;
            self.quote_ttl_ns = style.magnitude(50_000_000, 20_000_000_000);
            self.entry_miss = style.between(0, 2);
            self.tail_age_ms = if style.chance(500_000) { 0 } else { style.between(50, 5_000) };
        }
        let mut age = Dice::new(seed, 6, 0);
        if age.chance(250_000) {
            self.balance_age_ns = age.magnitude(1_000_000_000, 30_000_000_000);
        }
    }

    /// Switches off what loses information for good.
    pub fn make_exact(&mut self) {
        self.exact = 1;
        for (name, value) in [
            ("cold_ppm", 0),
            ("tail_cut_max", 0),
            ("outage_ppm", 0),
            ("close_outside_ppm", 0),
            ("open_outside_ppm", 0),
            // While the process is down, its stream is.
            ("crash_ppm", 0),
            ("crash_entry_ppm", 0),
            ("crash_order_ppm", 0),
            ("force_order_ppm", 0),
        ] {
            let known = self.set(name, value);
            debug_assert!(known, "{name} is an option");
        }
    }

    /// True when the process ever begins again.
    #[must_use]
    pub const fn dies(&self) -> bool {
        self.crash_ppm > 0
            || self.crash_entry_ppm > 0
            || self.crash_order_ppm > 0
            || self.restart_ppm > 0
    }

    /// Switches off a group of disturbances.
    pub fn switch_off(&mut self, group: &str) {
        let names: Vec<&str> =
            self.fields().filter(|field| field.1 == group).map(|field| field.0).collect();
        for name in names {
            let known = self.set(name, 0);
            debug_assert!(known, "{name} is an option");
        }
    }
}
