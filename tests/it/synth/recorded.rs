//! Minimal readers of recorded markets, for their figures only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::synth::figures::{Tape, log_returns};

fn rows(path: &Path, mut row: impl FnMut(&[&str; 8])) {
    let file = File::open(path).expect("the shared file opens");
    let mut text = BufReader::new(zstd::Decoder::new(file).expect("a zstd file"));
    let mut line = String::new();
    let mut first = true;
    while text.read_line(&mut line).expect("valid text") > 0 {
        if !first {
            let mut fields = [""; 8];
            line.trim_end().split(',').zip(&mut fields).for_each(|(text, field)| *field = text);
            row(&fields);
        }
        first = false;
        line.clear();
    }
}

/// The tick rows of a recording: prices are mids where `quoted`, else trades; every row is an event.
pub(super) fn ticks(path: &Path, quoted: bool) -> Tape {
    let mut tape = Tape::default();
    rows(path, |&[kind, symbol, exchange, local, ref a @ ..]| {
        let ts_ns = if local.is_empty() { exchange } else { local }.parse().expect("a time");
        tape.event(ts_ns);
        let number = |text: &str| text.parse::<f64>().expect("a number");
        match kind {
            "Q" if quoted => {
                let (bid, ask) = (number(a[0]), number(a[2]));
                let asset = tape.asset(symbol);
                if bid < ask {
                    tape.quote(asset, ts_ns, bid, ask);
                }
            }
            "T" if !quoted => {
                let asset = tape.asset(symbol);
                tape.price(asset, ts_ns, number(a[0]));
            }
            _ => {}
        }
    });
    tape
}

/// Log returns of the closes of minute bars, one list per symbol that is there from the start.
pub(super) fn bar_returns(path: &Path) -> Vec<Vec<f64>> {
    let mut closes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    rows(path, |fields| {
        let close = fields[5].parse().expect("a price");
        match closes.get_mut(fields[1]) {
            Some(list) => list.push(close),
            None => {
                closes.insert(fields[1].to_owned(), vec![close]);
            }
        }
    });
    let most = closes.values().map(Vec::len).max().unwrap_or(0);
    let whole = closes.values().filter(|list| list.len() == most);
    whole.map(|list| log_returns(list, 1)).collect()
}
