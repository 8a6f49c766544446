//! What must be true of a run's files and of the venue's own books, whatever happened in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pinion_core::units::Qty;
use serde_json::Value;

/// What was found, for people.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) orders: usize,
    pub(super) fills: usize,
    pub(super) trades: usize,
    pub(super) longest_rest_ms: i64,
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

fn qty(row: &Value, name: &str) -> i64 {
    Qty::parse(text(row, name).as_bytes()).unwrap().raw()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Holds the files of an ended run against the books of the venue:
/// * `seq` has no hole; capital is the wallet to the last digit; flat, nothing works;
/// * every order there is one of ours that was journaled, no identity twice;
/// * every fill there is booked, once: the same quantity by order, and the same sum of fees;
/// * never two entries at once: a round trip begins when nothing of another is open.
pub(super) fn agree(out: &Path, books: &Value) -> Found {
    let session = lines(&out.join("session.jsonl"));
    for (at, line) in session.iter().enumerate() {
        assert_eq!(line["seq"], at + 1, "a hole in seq: {line}");
    }
    let summary: Value =
        serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["ending_capital"], books["wallet"], "{summary}");
    assert_eq!(books["positions"], Value::Array(Vec::new()), "flat at the venue");
    assert_eq!(books["openOrders"], Value::Array(Vec::new()), "nothing works at the venue");

    let mut ours: BTreeMap<String, String> = BTreeMap::new();
    let mut booked: BTreeMap<String, i64> = BTreeMap::new();
    for line in &session {
        let id = text(line, "client_order_id").to_ascii_lowercase();
        match text(line, "kind") {
            "order" => drop(ours.insert(id, text(line, "trade_id").to_owned())),
            "fill" => *booked.entry(id).or_default() += qty(line, "qty"),
            _ => {}
        }
    }
    let mut found = Found::default();
    let (mut names, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut filled: BTreeMap<String, i64> = BTreeMap::new();
    for order in books["doneOrders"].as_array().unwrap() {
        let client = text(order, "clientOrderId").to_ascii_lowercase();
        assert!(ours.contains_key(&client), "an order that the journal does not know: {order}");
        assert!(seen.insert(client.clone()), "an identity twice: {order}");
        let executed = qty(order, "executedQty");
        if executed > 0 {
            filled.insert(client.clone(), executed);
        }
        let rested = order["updateTime"].as_i64().unwrap() - order["time"].as_i64().unwrap();
        found.longest_rest_ms = found.longest_rest_ms.max(rested);
        names.insert(text(order, "orderID").to_owned(), client);
        found.orders += 1;
    }
    assert_eq!(booked, filled, "booked by order = filled by order");

    let mut fills: Vec<&Value> = books["fills"].as_array().unwrap().iter().collect();
    fills.sort_by_key(|fill| text(fill, "tradeId").parse::<u64>().unwrap());
    let mut open: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut trade = "";
    let mut trades = BTreeSet::new();
    for fill in fills {
        let client = &names[text(fill, "orderId")];
        let (place, side) =
            ((text(fill, "symbol"), text(fill, "positionSide")), text(fill, "side"));
        let is_entry = (place.1 == "long") == (side == "buy");
        let signed = if is_entry { qty(fill, "qty") } else { -qty(fill, "qty") };
        if is_entry && ours[client] != trade {
            let rest: Vec<_> = open.iter().filter(|(_, qty)| **qty != 0).collect();
            assert!(rest.is_empty(), "a second entry while {rest:?} is open: {fill}");
            trade = &ours[client];
        }
        let held = open.entry(place).or_default();
        *held += signed;
        assert!(*held >= 0, "an exit of more than was held: {fill}");
        trades.insert(trade);
        found.fills += 1;
    }
    found.trades = trades.len();
    found
}
