//! The figures of a run: folded from its records, completed by what only the caller knows.

use std::path::Path;

use hdrhistogram::Histogram;
use pinion_core::msg::record::OrderStatus;
use pinion_core::msg::{Maybe, Record, RecordMsg};
use pinion_core::units::{Money, Nanos, Rate};
use serde_json::{Map, Value, json};

use crate::journal::execution::Execution;
use crate::journal::fault::JournalFault;
use crate::journal::header::{Members, RunHeader};
use crate::journal::json::Object;
use crate::source::{REJECT_REASONS, SourceCounts};

/// What the totals need and the records do not say. Reproducible: part of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunEnd {
    /// Time of the `run_end` line: that of the kernel's last turn.
    pub ts_ns: Nanos,
    /// Why the run ended (`end_of_data`, `stop`, `duration`, …).
    pub reason: String,
    /// Inputs the kernel applied.
    pub events: u64,
    /// Scans the kernel saw.
    pub scans: u64,
    /// What the source saw.
    pub source: SourceCounts,
    /// Market messages merged under back-pressure.
    pub conflated: u64,
    /// Messages lost; 0 unless something is broken.
    pub dropped: u64,
}

/// What the wall clock says. Never part of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    /// When the run started, since the Unix epoch.
    pub started_ns: u64,
    /// How long it took.
    pub elapsed_ns: u64,
    /// Latencies by stage; the one named [`TICK_TO_ORDER`] is summed up in the summary.
    pub latency: Vec<Latency>,
}

/// Name of the latency from a market message's receipt to the command it caused.
pub const TICK_TO_ORDER: &str = "tick_to_order";

/// One stage's latency.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Stage, lower case with underscores.
    pub name: String,
    /// Nanoseconds.
    pub histogram: Histogram<u64>,
}

impl RunEnd {
    /// As the journal's trailer.
    #[must_use]
    pub fn to_json(&self) -> String {
        let source = &self.source;
        let kinds = kind_counts(source).map(|(kind, count)| (kind.to_owned(), json!(count)));
        let rejected = REJECT_REASONS.iter().zip(source.rejected);
        let rejected = rejected.map(|(reason, count)| ((*reason).to_owned(), json!(count)));
        json!({
            "ts_ns": self.ts_ns.get(),
            "reason": self.reason,
            "events": self.events,
            "scans": self.scans,
            "kinds": kinds.into_iter().collect::<Map<String, Value>>(),
            "rejected": rejected.collect::<Map<String, Value>>(),
            "gaps": source.gaps,
            "ignored": source.ignored,
            "bytes": source.bytes,
            "conflated": self.conflated,
            "dropped": self.dropped,
        })
        .to_string()
    }

    /// From the journal's trailer.
    ///
    /// # Errors
    /// The member that is missing or misshapen.
    pub fn from_json(path: &Path, json: &[u8]) -> Result<Self, JournalFault> {
        let members = Members::parse(path, json)?;
        let (kinds, rejections) = (members.object("kinds")?, members.object("rejected")?);
        let mut rejected = [0; REJECT_REASONS.len()];
        for (count, reason) in rejected.iter_mut().zip(REJECT_REASONS) {
            *count = rejections.count(reason)?;
        }
        Ok(Self {
            ts_ns: members.nanos("ts_ns")?,
            reason: members.text("reason")?.to_owned(),
            events: members.count("events")?,
            scans: members.count("scans")?,
            source: SourceCounts {
                quote: kinds.count("quote")?,
                trade: kinds.count("trade")?,
                depth: kinds.count("depth")?,
                mark: kinds.count("mark")?,
                bar: kinds.count("bar")?,
                snapshot: kinds.count("snapshot")?,
                gaps: members.count("gaps")?,
                ignored: members.count("ignored")?,
                rejected,
                bytes: members.count("bytes")?,
            },
            conflated: members.count("conflated")?,
            dropped: members.count("dropped")?,
        })
    }
}

const fn kind_counts(source: &SourceCounts) -> [(&'static str, u64); 6] {
    [
        ("quote", source.quote),
        ("trade", source.trade),
        ("depth", source.depth),
        ("mark", source.mark),
        ("bar", source.bar),
        ("snapshot", source.snapshot),
    ]
}

/// Sums over the records of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    decisions: u64,
    orders: u64,
    fills: u64,
    trades_closed: u64,
    wins: u64,
    losses: u64,
    gross_pnl: Money,
    fees: Money,
    funding: Money,
    transfers: Money,
    adjustments: Money,
    capital: Money,
    max_drawdown: Money,
    fee_ratio_taker: Rate,
    fee_ratio_maker: Rate,
    open_positions: u16,
    unrealized_pnl: Maybe<Money>,
    execution: Execution,
}

impl Totals {
    /// Before the first record.
    #[must_use]
    pub fn new(starting_capital: Money) -> Self {
        Self {
            decisions: 0,
            orders: 0,
            fills: 0,
            trades_closed: 0,
            wins: 0,
            losses: 0,
            gross_pnl: Money::ZERO,
            fees: Money::ZERO,
            funding: Money::ZERO,
            transfers: Money::ZERO,
            adjustments: Money::ZERO,
            capital: starting_capital,
            max_drawdown: Money::ZERO,
            fee_ratio_taker: Rate::ONE,
            fee_ratio_maker: Rate::ONE,
            open_positions: 0,
            unrealized_pnl: Maybe::some(Money::ZERO),
            execution: Execution::default(),
        }
    }

    /// Adds a record.
    pub fn add(&mut self, message: &RecordMsg) {
        self.execution.add(message);
        match &message.record {
            Record::Decision { .. } => self.decisions += 1,
            Record::Order { status, .. } => {
                self.orders += u64::from(*status == OrderStatus::Submitted)
            }
            Record::Fill { .. } => self.fills += 1,
            Record::TradeClosed { net_pnl, .. } => {
                self.trades_closed += 1;
                self.wins += u64::from(*net_pnl > Money::ZERO);
                self.losses += u64::from(*net_pnl < Money::ZERO);
            }
            Record::Account {
                capital,
                unrealized_pnl,
                realized_pnl,
                fees_paid,
                funding_paid,
                transfers,
                adjustments,
                max_drawdown,
                fee_ratio_taker,
                fee_ratio_maker,
                open_positions,
                ..
            } => {
                self.capital = *capital;
                self.gross_pnl = *realized_pnl;
                self.fees = *fees_paid;
                self.funding = *funding_paid;
                self.transfers = *transfers;
                self.adjustments = *adjustments;
                self.fee_ratio_taker = *fee_ratio_taker;
                self.fee_ratio_maker = *fee_ratio_maker;
                self.max_drawdown = *max_drawdown;
                self.open_positions = *open_positions;
                self.unrealized_pnl = *unrealized_pnl;
            }
            Record::Summary { balance, equity, max_drawdown, open, .. } => {
                self.max_drawdown = *max_drawdown;
                self.open_positions = *open;
                let unrealized = equity.get().and_then(|equity| equity.checked_sub(*balance));
                self.unrealized_pnl = unrealized.into();
            }
            Record::FeeSettled { .. }
            | Record::FillPriced { .. }
            | Record::FeeRatio { .. }
            | Record::Reanchored { .. }
            | Record::ReanchorRefused { .. }
            | Record::Slot { .. }
            | Record::Adopted { .. }
            | Record::Router { .. }
            | Record::EntryBlocked { .. }
            | Record::Gap { .. }
            | Record::Halt { .. }
            | Record::Resume { .. }
            | Record::Error { .. }
            | Record::Settings { .. }
            | Record::Candidate { .. }
            | Record::TradeDecision { .. } => {}
        }
    }
}

/// The content of `summary.json` and of the `run_end` line.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Name of the run.
    pub run_id: String,
    /// Orders sent to the venue.
    pub orders: u64,
    /// Fills booked.
    pub fills: u64,
    /// Decisions of the policy, holds among them.
    pub decisions: u64,
    /// Round trips closed.
    pub trades_closed: u64,
    /// Of them with a positive net result.
    pub wins: u64,
    /// Of them with a negative net result.
    pub losses: u64,
    /// Realized before costs, open round trips' closed parts among it.
    pub gross_pnl: Money,
    /// Fees paid; positive is a cost.
    pub fees: Money,
    /// Funding paid; positive is a cost.
    pub funding: Money,
    /// Gross less fees and funding.
    pub net_pnl: Money,
    /// Capital at the start.
    pub starting_capital: Money,
    /// Deposits less withdrawals.
    pub transfers: Money,
    /// What re-anchors took over from the venue's wallet.
    pub adjustments: Money,
    /// Capital at the end: the start, net PnL, transfers and adjustments; without the last two, which
    /// only an account of one's own can have, the start and net PnL.
    pub ending_capital: Money,
    /// Deepest fall of the equity below its earlier peak, open positions at executable prices; positive.
    pub max_drawdown: Money,
    /// Settled fees of fills that took over what the published rate says, as learned; 1 before the first.
    pub fee_ratio_taker: Rate,
    /// The same of fills that made.
    pub fee_ratio_maker: Rate,
    /// Positions that are still open.
    pub open_positions: u16,
    /// Their unrealized result at the last full minute or fill; missing without a price.
    pub unrealized_pnl: Maybe<Money>,
    /// How well orders were done.
    pub execution: Execution,
    /// Inputs in the journal.
    pub journal_inputs: u64,
    /// Lines of the session log before the `run_end` line.
    pub session_lines: u64,
    /// First 16 hex digits of a SHA-256 over the output lines; see [`crate::journal::render`].
    pub output_hash: String,
    /// What the caller added.
    pub end: RunEnd,
    /// What the wall clock says.
    pub wall: Wall,
}

impl Summary {
    /// From the sums and what the caller adds.
    #[must_use]
    pub fn new(
        header: &RunHeader,
        totals: &Totals,
        end: RunEnd,
        journal_inputs: u64,
        session_lines: u64,
        output_hash: String,
    ) -> Self {
        Self {
            run_id: header.run_id.clone(),
            orders: totals.orders,
            fills: totals.fills,
            decisions: totals.decisions,
            trades_closed: totals.trades_closed,
            wins: totals.wins,
            losses: totals.losses,
            gross_pnl: totals.gross_pnl,
            fees: totals.fees,
            funding: totals.funding,
            net_pnl: Money::from_raw(
                totals
                    .gross_pnl
                    .raw()
                    .saturating_sub(totals.fees.raw())
                    .saturating_sub(totals.funding.raw()),
            ),
            starting_capital: header.starting_capital,
            transfers: totals.transfers,
            adjustments: totals.adjustments,
            ending_capital: totals.capital,
            max_drawdown: totals.max_drawdown,
            fee_ratio_taker: totals.fee_ratio_taker,
            fee_ratio_maker: totals.fee_ratio_maker,
            open_positions: totals.open_positions,
            unrealized_pnl: totals.unrealized_pnl,
            execution: totals.execution.clone(),
            journal_inputs,
            session_lines,
            output_hash,
            end,
            wall: Wall::default(),
        }
    }

    /// What must always hold and does not; empty for a sound run.
    #[must_use]
    pub fn identities(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let parts = [self.net_pnl, self.transfers, self.adjustments];
        let expected = parts
            .iter()
            .fold(self.starting_capital.raw(), |sum, part| sum.saturating_add(part.raw()));
        let expected = Money::from_raw(expected);
        if self.ending_capital != expected {
            violations.push(format!(
                "ending_capital is {}, but starting_capital {} + gross_pnl {} - fees {} - funding {} \
                 + transfers {} + adjustments {} is {expected}",
                self.ending_capital,
                self.starting_capital,
                self.gross_pnl,
                self.fees,
                self.funding,
                self.transfers,
                self.adjustments
            ));
        }
        if self.journal_inputs != self.end.events {
            violations.push(format!(
                "the kernel applied {} inputs, but {} are in the journal",
                self.end.events, self.journal_inputs
            ));
        }
        if self.end.dropped != 0 {
            violations.push(format!("{} messages were dropped", self.end.dropped));
        }
        violations
    }

    /// The reproducible members, in order.
    pub(super) fn fill(&self, object: &mut Object) {
        let (end, source) = (&self.end, &self.end.source);
        object.text("run_id", &self.run_id);
        object.integer("events", end.events);
        object.integer("market_events", source.total());
        object.object("market_events_by_kind", |kinds| {
            for (kind, count) in kind_counts(source) {
                kinds.integer(kind, count);
            }
        });
        object.object("rejected", |rejected| {
            for (reason, count) in REJECT_REASONS.iter().zip(source.rejected) {
                rejected.integer(reason, count);
            }
        });
        for (key, count) in [
            ("scans", end.scans),
            ("decisions", self.decisions),
            ("orders", self.orders),
            ("fills", self.fills),
            ("trades_closed", self.trades_closed),
            ("wins", self.wins),
            ("losses", self.losses),
        ] {
            object.integer(key, count);
        }
        for (key, amount) in [
            ("gross_pnl", self.gross_pnl),
            ("fees", self.fees),
            ("funding", self.funding),
            ("net_pnl", self.net_pnl),
            ("starting_capital", self.starting_capital),
            ("transfers", self.transfers),
            ("adjustments", self.adjustments),
            ("ending_capital", self.ending_capital),
            ("max_drawdown", self.max_drawdown),
        ] {
            object.decimal(key, amount);
        }
        object.decimal("fee_ratio_taker", self.fee_ratio_taker);
        object.decimal("fee_ratio_maker", self.fee_ratio_maker);
        object.integer("open_positions", self.open_positions);
        object.maybe("unrealized_pnl", self.unrealized_pnl);
        object.object("execution", |inner| self.execution.write(inner));
        for (key, count) in [
            ("conflated", end.conflated),
            ("dropped", end.dropped),
            ("gaps", source.gaps),
            ("ignored", source.ignored),
            ("journal_inputs", self.journal_inputs),
            ("session_lines", self.session_lines),
        ] {
            object.integer(key, count);
        }
        object.text("output_hash", &self.output_hash);
    }

    /// The members that the wall clock makes: `wall_s`, `events_per_s`, `tick_to_order_ns`.
    pub(super) fn fill_wall(&self, object: &mut Object) {
        let elapsed = u128::from(self.wall.elapsed_ns);
        let seconds = format!("{}.{:06}", elapsed / 1_000_000_000, elapsed / 1_000 % 1_000_000);
        object.raw("wall_s", seconds.as_bytes());
        let rate = (u128::from(self.end.events) * 1_000_000_000).checked_div(elapsed);
        object.integer("events_per_s", rate.unwrap_or(0));
        let latency = self.wall.latency.iter().find(|latency| latency.name == TICK_TO_ORDER);
        object.object("tick_to_order_ns", |figures| {
            let histogram = latency.map(|latency| &latency.histogram).filter(|h| !h.is_empty());
            for (key, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
                match histogram {
                    Some(histogram) => figures.integer(key, histogram.value_at_quantile(quantile)),
                    None => figures.null(key),
                }
            }
            match histogram {
                Some(histogram) => figures.integer("max", histogram.max()),
                None => figures.null("max"),
            }
            figures.integer("count", histogram.map_or(0, Histogram::len));
        });
    }

    /// The whole content of `summary.json`: one member a line, those of the wall clock last.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = self.reproducible_json();
        let mut object = Object::default();
        object.begin();
        self.fill_wall(&mut object);
        text.push_str(",\n");
        text.push_str(&one_member_a_line(object.end_line()));
        text.push_str("\n}\n");
        text
    }

    /// The front of [`Self::to_json`] that equal runs share to the byte.
    #[must_use]
    pub fn reproducible_json(&self) -> String {
        let mut object = Object::default();
        object.begin();
        self.fill(&mut object);
        format!("{{\n{}", one_member_a_line(object.end_line()))
    }
}

/// The members of a JSON object, each on an indented line of its own, commas between, no brackets.
fn one_member_a_line(object: &[u8]) -> String {
    let mut text = String::new();
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for character in String::from_utf8_lossy(object).trim_end().chars() {
        let (was_depth, quote) = (depth, character == '"' && !escaped);
        escaped = in_text && character == '\\' && !escaped;
        in_text ^= quote;
        if !in_text && !quote {
            depth += usize::from(matches!(character, '{' | '['));
            depth -= usize::from(matches!(character, '}' | ']'));
        }
        match (character, was_depth) {
            ('{', 0) => text.push_str("  "),
            ('}', 1) => {}
            (',', 1) if !in_text => text.push_str(",\n  "),
            (':', 1) if !in_text => text.push_str(": "),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;

    fn summary() -> Summary {
        let header = samples::header();
        let mut totals = Totals::new(header.starting_capital);
        for record in samples::records() {
            totals.add(&RecordMsg { ts_ns: Nanos::new(5), record });
        }
        let end = RunEnd {
            reason: "end, \"of\" {data}".into(),
            events: 7,
            scans: 2,
            dropped: 0,
            ..RunEnd::default()
        };
        Summary::new(&header, &totals, end, 7, 20, "0123456789abcdef".into())
    }

    #[test]
    fn the_file_has_every_promised_member_and_the_wall_clock_last() {
        let mut summary = summary();
        let mut histogram = Histogram::new(3).expect("three digits");
        histogram.record(700).expect("fits");
        summary.wall = Wall {
            started_ns: 0,
            elapsed_ns: 2_500_000_000,
            latency: vec![Latency { name: TICK_TO_ORDER.into(), histogram }],
        };
        let text = summary.to_json();
        let value: Value = serde_json::from_str(&text).expect("parses");
        for key in
            "run_id events market_events scans decisions orders fills trades_closed wins losses \
                    gross_pnl fees funding net_pnl starting_capital transfers adjustments \
                    ending_capital max_drawdown fee_ratio_taker fee_ratio_maker \
                    conflated dropped gaps journal_inputs output_hash wall_s events_per_s \
                    tick_to_order_ns market_events_by_kind rejected"
                .split_whitespace()
        {
            assert!(value.get(key).is_some(), "{key} is missing in {text}");
        }
        for key in ["p50", "p90", "p99", "p999", "max", "count"] {
            assert!(value["tick_to_order_ns"][key].is_u64(), "{key} in {text}");
        }
        assert_eq!(value["wall_s"], 2.5);
        assert_eq!(value["events_per_s"], 2);
        assert_eq!((&value["orders"], &value["fills"]), (&json!(1), &json!(1)));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[lines.len() - 4].starts_with("  \"wall_s\": 2.500000,"), "{text}");
        assert!(text.starts_with(&summary.reproducible_json()));
        assert!(!summary.reproducible_json().contains("wall_s"));
    }

    #[test]
    fn broken_books_are_named_with_their_figures() {
        let mut summary = summary();
        assert_eq!(summary.identities(), [""; 0]);
        summary.ending_capital = Money::from_raw(summary.ending_capital.raw() + 1);
        summary.journal_inputs = 6;
        summary.end.dropped = 3;
        let violations = summary.identities();
        assert_eq!(violations.len(), 3);
        assert!(violations[0].contains("25010.9"), "{}", violations[0]);
        assert!(violations[1].contains("7 inputs, but 6"), "{}", violations[1]);
    }

    #[test]
    fn transfers_and_adjustments_are_part_of_the_identity() {
        let mut summary = summary();
        summary.transfers = Money::from_whole(100);
        summary.adjustments = Money::from_whole(-30);
        assert_eq!(summary.identities().len(), 1);
        summary.ending_capital += Money::from_whole(70);
        assert_eq!(summary.identities(), [""; 0]);
    }

    #[test]
    fn drawdown_and_what_is_open_are_those_of_the_last_account_or_minute() {
        let mut totals = Totals::new(Money::from_whole(100));
        totals.add(&RecordMsg { ts_ns: Nanos::new(5), record: samples::account() });
        let at_account = (totals.max_drawdown, totals.open_positions);
        assert_eq!(at_account, (samples::money("1.5"), 1));
        for record in samples::records().into_iter().filter(|r| matches!(r, Record::Summary { .. }))
        {
            totals.add(&RecordMsg { ts_ns: Nanos::new(6), record });
        }
        assert_eq!((totals.max_drawdown, totals.open_positions), (samples::money("2"), 0));
        assert_eq!(totals.unrealized_pnl, Maybe::NONE, "the minute has no equity");
    }

    #[test]
    fn the_end_of_a_run_survives_the_trailer() {
        let mut end = RunEnd {
            ts_ns: Nanos::new(5),
            reason: "stop".into(),
            events: 1,
            scans: 2,
            conflated: 3,
            dropped: 4,
            source: SourceCounts {
                quote: 6,
                trade: 7,
                depth: 8,
                mark: 9,
                bar: 10,
                ..Default::default()
            },
        };
        end.source.snapshot = 11;
        end.source.gaps = 12;
        end.source.bytes = 13;
        end.source.ignored = 14;
        end.source.reject("too_precise");
        let back = RunEnd::from_json(Path::new("x"), end.to_json().as_bytes());
        assert_eq!(back, Ok(end));
        let fault = RunEnd::from_json(Path::new("x"), b"{\"ts_ns\":1}").expect_err("incomplete");
        assert!(fault.to_string().contains("\"kinds\""), "{fault}");
    }
}
