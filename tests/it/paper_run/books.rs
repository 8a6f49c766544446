//! The promised identities, recomputed from the lines of a run in whole numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::quarter_day;
use crate::runs::{Run, count, paper, text, units};

/// One, in the unit of a price times a quantity.
const SQUARE: i128 = 100_000_000;

#[derive(Debug)]
struct Order {
    trade: String,
    asset: String,
    side: String,
    reduce_only: bool,
    qty: i128,
    filled: i128,
    venue_id: Option<String>,
    over: bool,
}

#[derive(Debug, Default)]
struct Trade {
    entered: i128,
    exited: i128,
    /// Received less paid, in squared units.
    cash: i128,
    fees: i128,
    first_fill_ns: Option<u64>,
    last_fill_ns: u64,
    closed: bool,
}

/// Everything that the lines imply.
#[derive(Debug, Default)]
struct Books {
    orders: BTreeMap<String, Order>,
    trades: BTreeMap<String, Trade>,
    positions: BTreeMap<String, i128>,
    fill_ids: BTreeSet<String>,
    fees: i128,
    /// Gross, fees and funding of the closed round trips.
    closed: (i128, i128, i128),
    trades_closed: u64,
    wins: u64,
    losses: u64,
}

impl Books {
    fn take(&mut self, row: &Value) {
        match text(row, "kind") {
            "order" => self.order(row),
            "fill" => self.fill(row),
            "fee_settled" => {
                let correction = units(row, "fee") - units(row, "estimated");
                self.fees += correction;
                self.trades.get_mut(text(row, "trade_id")).expect("its fill came before").fees +=
                    correction;
            }
            "trade_closed" => self.trade_closed(row),
            "account" => self.account(row),
            _ => {}
        }
    }

    fn order(&mut self, row: &Value) {
        let (id, status) = (text(row, "client_order_id"), text(row, "status"));
        let position = self.positions.get(text(row, "asset")).copied().unwrap_or_default();
        if status == "submitted" {
            let order = Order {
                trade: text(row, "trade_id").into(),
                asset: text(row, "asset").into(),
                side: text(row, "side").into(),
                reduce_only: row["reduce_only"].as_bool().expect("a flag"),
                qty: units(row, "qty"),
                filled: 0,
                venue_id: None,
                over: false,
            };
            let reduces = (position < 0) == (order.side == "buy") && position != 0;
            assert_eq!(order.reduce_only, reduces, "an exit reduces, an entry opens: {row}");
            if order.reduce_only {
                assert!(order.qty <= position.abs(), "an exit above the position: {row}");
            }
            let long = text(row, "position_side") == "long";
            assert_eq!(long == (order.side == "buy"), !order.reduce_only, "{row}");
            assert!(order.qty > 0, "{row}");
            assert!(self.orders.insert(id.into(), order).is_none(), "sent twice: {row}");
            return;
        }
        let order = self.orders.get_mut(id).unwrap_or_else(|| panic!("never sent: {row}"));
        assert!(!order.over, "it was over: {row}");
        assert_eq!(order.trade, text(row, "trade_id"), "{row}");
        assert_eq!(order.qty, units(row, "qty"), "{row}");
        match status {
            "acked" => {
                assert_eq!(order.venue_id, None, "acknowledged twice: {row}");
                assert_eq!(order.filled, 0, "filled before it was acknowledged: {row}");
                order.venue_id = Some(text(row, "venue_order_id").into());
            }
            "filled" => assert_eq!(order.filled, order.qty, "{row}"),
            "partially_filled" => assert!((1..order.qty).contains(&order.filled), "{row}"),
            "canceled" | "expired" => assert!(order.filled < order.qty, "{row}"),
            "rejected" => assert_eq!(order.filled, 0, "{row}"),
            "unknown" => {}
            _ => panic!("no status: {row}"),
        }
        order.over = matches!(status, "filled" | "canceled" | "expired" | "rejected");
    }

    fn fill(&mut self, row: &Value) {
        let id = text(row, "client_order_id");
        let order = self.orders.get_mut(id).unwrap_or_else(|| panic!("a fill of nothing: {row}"));
        assert!(!order.over, "a fill of an order that is over: {row}");
        assert_eq!(order.venue_id.as_deref(), row["venue_order_id"].as_str(), "{row}");
        for (member, expected) in
            [("trade_id", &order.trade), ("asset", &order.asset), ("side", &order.side)]
        {
            assert_eq!(text(row, member), expected, "{row}");
        }
        assert_eq!(text(row, "role") == "exit", order.reduce_only, "{row}");
        assert!(self.fill_ids.insert(text(row, "fill_id").into()), "booked twice: {row}");
        let (qty, price, fee) = (units(row, "qty"), units(row, "price"), units(row, "fee"));
        assert!(qty > 0 && price > 0, "{row}");
        order.filled += qty;
        assert!(order.filled <= order.qty, "filled above its quantity: {row}");
        let signed = if order.side == "buy" { qty } else { -qty };
        let position = self.positions.entry(order.asset.clone()).or_default();
        let before = *position;
        *position += signed;
        let trade = self.trades.entry(order.trade.clone()).or_default();
        assert!(!trade.closed, "a fill of a closed trade: {row}");
        if order.reduce_only {
            assert!(signed.abs() <= before.abs() && (before > 0) != (signed > 0), "{row}");
            trade.exited += qty;
        } else {
            trade.entered += qty;
        }
        trade.cash -= signed * price;
        trade.fees += fee;
        trade.first_fill_ns.get_or_insert_with(|| count(row, "ts_ns"));
        trade.last_fill_ns = count(row, "ts_ns");
        self.fees += fee;
    }

    fn trade_closed(&mut self, row: &Value) {
        let trade = self.trades.get_mut(text(row, "trade_id")).expect("it has fills");
        assert!(!trade.closed, "closed twice: {row}");
        trade.closed = true;
        assert_eq!(trade.entered, trade.exited, "closed while open: {row}");
        assert_eq!(trade.entered, units(row, "qty"), "{row}");
        let gross = units(row, "gross_pnl");
        assert_eq!(trade.cash, gross * SQUARE, "gross is the cash flow of its fills: {row}");
        assert_eq!(trade.fees, units(row, "fees"), "{row}");
        let net = units(row, "net_pnl");
        assert_eq!(gross - trade.fees - units(row, "funding"), net, "{row}");
        let held = trade.last_fill_ns - trade.first_fill_ns.expect("filled");
        assert_eq!(held, count(row, "held_ns"), "{row}");
        self.closed.0 += gross;
        self.closed.1 += trade.fees;
        self.closed.2 += units(row, "funding");
        self.trades_closed += 1;
        self.wins += u64::from(net > 0);
        self.losses += u64::from(net < 0);
    }

    fn account(&self, row: &Value) {
        let open = self.positions.values().filter(|position| **position != 0).count();
        assert_eq!(count(row, "open_positions"), open as u64, "{row}");
        assert_eq!(units(row, "fees_paid"), self.fees, "{row}");
        let realized = units(row, "realized_pnl");
        let capital = realized - units(row, "fees_paid") - units(row, "funding_paid");
        assert_eq!(units(row, "capital"), 25_000 * SQUARE + capital, "{row}");
        if let (Some(_), Some(_)) = (row["equity"].as_str(), row["unrealized_pnl"].as_str()) {
            let equity = units(row, "capital") + units(row, "unrealized_pnl");
            assert_eq!(units(row, "equity"), equity, "{row}");
        }
    }
}

/// Nanoseconds since 1970 of `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ`.
fn parse_time(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| -> u64 { text[range].parse().expect("digits") };
    assert_eq!((text.len(), &text[10..11], &text[29..]), (30, "T", "Z"), "{text}");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Years that begin in March end with the leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + number(11..13) * 3_600 + number(14..16) * 60;
    (seconds + number(17..19)) * 1_000_000_000 + number(20..29)
}

fn check_heads(rows: &[Value]) {
    let mut before = 0;
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(count(row, "seq"), at as u64 + 1, "a hole: {row}");
        let now = count(row, "ts_ns");
        assert_eq!(parse_time(text(row, "ts")), now, "{row}");
        assert!(now >= before, "time runs backwards: {row}");
        before = now;
    }
    assert_eq!(rows.first().map(|row| text(row, "kind")), Some("run_start"));
    assert_eq!(rows.last().map(|row| text(row, "kind")), Some("run_end"));
}

fn check_minutes(rows: &[Value], summary: &Value) {
    let (mut closed, mut realized, mut seen) = (0, 0, [0; 3]);
    for row in rows {
        match text(row, "kind") {
            "trade_closed" => closed += 1,
            "summary" => {
                for (sum, key) in
                    seen.iter_mut().zip(["closed_delta", "wins_delta", "losses_delta"])
                {
                    *sum += count(row, key);
                }
                realized += units(row, "realized_delta");
                assert_eq!(count(row, "total_closed"), closed, "{row}");
                assert_eq!(seen[0], closed, "{row}");
                assert!(seen[1] + seen[2] <= seen[0], "{row}");
                assert_eq!(units(row, "realized_total"), realized, "{row}");
            }
            _ => {}
        }
    }
    assert!(seen[0] <= count(summary, "trades_closed"));
}

/// Holds all that is promised of a run against its own lines; returns the round trips closed.
#[track_caller]
pub(crate) fn check(run: &Run) -> u64 {
    assert_eq!(count(&run.summary(), "conflated"), 0, "nothing is merged at full speed");
    check_paced(run)
}

/// The same for a run at a set speed, where market messages may be merged when they come too fast.
#[track_caller]
pub(super) fn check_paced(run: &Run) -> u64 {
    let (rows, summary) = (run.rows("session.jsonl"), run.summary());
    check_heads(&rows);
    let mut books = Books::default();
    for row in &rows {
        books.take(row);
    }
    check_minutes(&rows, &summary);
    let kinds = |kind: &str| rows.iter().filter(|row| text(row, "kind") == kind).count() as u64;
    for (key, expected) in [
        ("decisions", kinds("decision")),
        ("orders", books.orders.len() as u64),
        ("fills", kinds("fill")),
        ("trades_closed", books.trades_closed),
        ("wins", books.wins),
        ("losses", books.losses),
        ("session_lines", rows.len() as u64 - 1),
        ("dropped", 0),
        ("gaps", kinds("gap")),
        ("journal_inputs", count(&summary, "events")),
    ] {
        assert_eq!(count(&summary, key), expected, "{key}");
    }
    assert!(books.wins + books.losses <= books.trades_closed);
    let amount = |key| units(&summary, key);
    assert_eq!(amount("fees"), books.fees, "the sum of the fills' fees");
    let costs = amount("fees") + amount("funding");
    assert_eq!(amount("net_pnl"), amount("gross_pnl") - costs);
    assert_eq!(amount("ending_capital"), amount("starting_capital") + amount("net_pnl"));
    // What closed round trips do not explain belongs to the open ones.
    let open: Vec<&Trade> = books.trades.values().filter(|trade| !trade.closed).collect();
    assert_eq!(open.is_empty(), books.positions.values().all(|position| *position == 0));
    let open_fees: i128 = open.iter().map(|trade| trade.fees).sum();
    assert_eq!(books.closed.1 + open_fees, amount("fees"));
    if open.iter().all(|trade| trade.exited == 0) {
        assert_eq!(books.closed.0, amount("gross_pnl"));
    }
    if open.is_empty() {
        assert_eq!(books.closed.2, amount("funding"));
    }
    let last = rows.iter().rev().find(|row| text(row, "kind") == "account").expect("an account");
    assert_eq!(units(last, "capital"), amount("ending_capital"));
    check_totals(&rows, &summary);
    books.trades_closed
}

/// The last line repeats the summary.
fn check_totals(rows: &[Value], summary: &Value) {
    let end = rows.last().expect("lines");
    for (key, value) in summary.as_object().expect("an object") {
        let found = end.get(key).or_else(|| end["wall"].get(key));
        assert_eq!(found, Some(value), "{key} in the last line and in the summary");
    }
}

#[test]
fn a_full_day_of_the_built_in_market_keeps_its_books() {
    let run = paper(&[]).ok();
    let closed = check(&run);
    assert!(closed >= 20, "{closed} round trips in a day");
    let summary = run.summary();
    assert!(count(&summary, "wins") > 0 && count(&summary, "losses") > 0, "{summary}");
    assert_ne!(units(&summary, "funding"), 0, "a position was held over a funding exchange");
    let rows = run.rows("session.jsonl");
    assert_eq!(text(rows.last().expect("lines"), "reason"), "end_of_data");
    let minutes = rows.iter().filter(|row| text(row, "kind") == "summary").count();
    assert_eq!(minutes, 24 * 60);
    run.replays();
}

#[test]
fn other_seeds_keep_their_books() {
    let mut closed = 0;
    for seed in ["1", "2", "3"] {
        let run = quarter_day(seed);
        closed += check(&run);
        assert_eq!(run.rows("session.jsonl")[0]["seed"].to_string(), seed);
        run.replays();
    }
    assert!(closed > 10, "{closed}");
}

/// Both directions, several slots, exits in parts: the same identities.
#[test]
fn slots_sides_and_legs_keep_their_books() {
    let run = paper(&[
        "--set",
        "kernel.slots_max=3",
        "--set",
        "policy.sides=both",
        "--set",
        "exit.legs=0.5,0.5",
        "--set",
        "exit.tp_bps=20",
        "--duration",
        "12h",
    ])
    .ok();
    assert!(check(&run) > 10);
    let rows = run.rows("session.jsonl");
    let closed = || rows.iter().filter(|row| text(row, "kind") == "trade_closed");
    assert!(closed().any(|row| text(row, "side") == "long"));
    assert!(closed().any(|row| text(row, "side") == "short"));
    let open = rows.iter().filter_map(|row| row["open_positions"].as_u64()).max();
    assert!(open > Some(1), "several positions at once");
    let funnel = run.rows("trade_decisions.jsonl");
    let partial = funnel.iter().filter(|row| text(row, "decision_stage") == "trade_partial");
    let to_partial = rows.iter().filter(|row| row["to"] == "POSITION_PARTIALLY_CLOSED").count();
    assert!(to_partial > 0, "some left in parts");
    assert_eq!(partial.clone().count(), to_partial);
    for row in partial {
        assert_eq!((text(row, "decision"), text(row, "reason")), ("close", "take_profit"), "{row}");
        let (earned, size) = (units(row, "pnl_usd"), units(row, "position_size_usd"));
        assert!(size > 0 && earned < size, "{row}");
        assert!(row["pnl_percent"].is_number(), "{row}");
    }
    run.replays();
}
