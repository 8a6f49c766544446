//! A crash at every input boundary: the snapshot of the last fill plus the tail is the live state.

use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::kernel::Effects;
use pinion_core::msg::Record;
use pinion_tests::trace::Trace;

use crate::crash::{is_full, tell};

fn saved(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(&mut bytes);
    bytes
}

/// Applies inputs; true when one of them booked a fill.
fn apply(engine: &mut Engine, trace: &Trace, range: std::ops::Range<usize>) -> bool {
    let mut out = Effects::default();
    let mut booked = false;
    for (now, input) in &trace.inputs[range] {
        engine.turn(*now, input, &mut out);
        booked |= out.records.iter().any(|message| matches!(message.record, Record::Fill { .. }));
    }
    booked
}

/// Crashes a trace before every input; from every `finish`th on the trace is finished. Gives the crashes.
fn crash_everywhere(seed: u64, finish: usize) -> usize {
    let trace = Trace::random(seed, 400);
    let len = trace.inputs.len();
    let mut live = trace.engine();
    let mut states = vec![saved(&live)];
    let mut snapshots = vec![0];
    for at in 0..len {
        let booked = apply(&mut live, &trace, at..at + 1);
        states.push(saved(&live));
        let last = snapshots.last().copied().unwrap_or(0);
        snapshots.push(if booked { at + 1 } else { last });
    }
    for (at, from) in snapshots.iter().enumerate() {
        let (settings, table) = (Arc::clone(&trace.settings), Arc::clone(&trace.table));
        let mut engine = Engine::restore(&states[*from], settings, table).expect("its own bytes");
        apply(&mut engine, &trace, *from..at);
        assert!(saved(&engine) == states[at], "seed {seed}: another state at input {at}");
        if at % finish == 0 {
            apply(&mut engine, &trace, at..len);
            assert!(
                saved(&engine) == states[len],
                "seed {seed}: another end after a crash at {at}"
            );
        }
    }
    snapshots.len()
}

#[test]
fn a_crash_at_any_input_loses_nothing() {
    let (traces, finish) = if is_full() { (200, 1) } else { (24, 40) };
    let mut crashes = 0;
    let mut fills = 0;
    for seed in 0..traces {
        crashes += crash_everywhere(seed, finish);
        fills += Trace::random(seed, 400).fills;
    }
    assert!(fills > traces, "the traces trade: {fills} fills");
    tell(&format!("{traces} traces, {fills} fills, {crashes} crashes, all states equal"));
}
