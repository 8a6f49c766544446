//! The saved engine: whole, canonical, refused when damaged.

use std::sync::Arc;

use pinion_core::engine::save::saved_table;
use pinion_core::engine::{Damage, Engine};
use pinion_core::id::TextId;
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::kernel::Effects;
use pinion_core::policy::Policy;
use pinion_core::settings::Settings;
use pinion_tests::trace::{Dice, Trace};

fn saved(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(&mut bytes);
    bytes
}

fn restored(trace: &Trace, bytes: &[u8]) -> Result<Engine, Damage> {
    Engine::restore(bytes, Arc::clone(&trace.settings), Arc::clone(&trace.table))
}

/// A trace whose engine has traded, and its state at the end.
fn traded() -> (Trace, Engine) {
    let trace = Trace::random(3, 400);
    assert!(trace.fills > 2, "the trace trades: {}", trace.fills);
    let mut engine = trace.engine();
    let mut out = Effects::default();
    for (now, input) in &trace.inputs {
        engine.turn(*now, input, &mut out);
    }
    (trace, engine)
}

#[test]
fn an_engine_saved_and_read_back_before_every_input_is_the_one_that_went_on() {
    for seed in 0..4 {
        let trace = Trace::random(seed, 300);
        let (mut live, mut reborn) = (trace.engine(), trace.engine());
        let (mut live_out, mut out) = (Effects::default(), Effects::default());
        for (at, (now, input)) in trace.inputs.iter().enumerate() {
            let bytes = saved(&live);
            reborn = restored(&trace, &saved(&reborn)).expect("its own bytes");
            assert!(saved(&reborn) == bytes, "seed {seed}, before input {at}");
            live.turn(*now, input, &mut live_out);
            reborn.turn(*now, input, &mut out);
            assert_eq!(out.records, live_out.records, "seed {seed}, input {at}");
            assert_eq!(out.commands, live_out.commands, "seed {seed}, input {at}");
        }
        assert!(saved(&reborn) == saved(&live), "seed {seed}");
    }
}

#[test]
fn every_cut_is_refused() {
    let (trace, engine) = traded();
    let bytes = saved(&engine);
    assert!(restored(&trace, &bytes).is_ok());
    for len in 0..bytes.len() {
        assert!(restored(&trace, &bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(restored(&trace, &longer).is_err());
}

#[test]
fn flipped_bits_never_panic_and_what_is_taken_is_canonical() {
    let (trace, engine) = traded();
    let bytes = saved(&engine);
    let (mut refused, mut dice) = (0, Dice(17));
    for _ in 0..4_000 {
        let mut flipped = bytes.clone();
        let at = usize::try_from(dice.below(bytes.len() as u64)).expect("an index");
        flipped[at] ^= 1 << dice.below(8);
        // Its own table, so that a flip in there is judged as well.
        let own = saved_table(&flipped).and_then(|table| {
            Engine::<Policy>::restore(&flipped, Arc::clone(&trace.settings), Arc::new(table))
        });
        match own {
            Ok(engine) => assert!(saved(&engine) == flipped, "byte {at} reads as another state"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 200, "only {refused} of 4,000 refused");
}

#[test]
fn another_version_and_other_instruments_are_refused_by_name() {
    let (trace, engine) = traded();
    let mut bytes = saved(&engine);
    let other = pinion_tests::desk::table();
    let rows: Vec<Instrument> = other.iter().skip(1).map(|(_, row)| *row).collect();
    let shifted = Arc::new(InstrumentTable::new(rows).expect("a table"));
    let damage = Engine::<Policy>::restore(&bytes, Arc::clone(&trace.settings), shifted);
    assert_eq!(damage.map(drop).expect_err("other ids").place, "instruments");
    bytes[0] ^= 1;
    let damage = restored(&trace, &bytes).map(drop).expect_err("another version");
    assert_eq!(damage.place, "version");
    assert!(damage.to_string().contains("version of this program"), "{damage}");
}

#[test]
fn a_longer_table_and_more_slots_are_room_and_nothing_else() {
    let (trace, engine) = traded();
    let bytes = saved(&engine);
    let mut fresh: Vec<Instrument> = trace.table.iter().map(|(_, row)| *row).collect();
    fresh.push(Instrument { symbol: TextId::new("AAAUSDT").expect("a symbol"), ..fresh[0] });
    let table = saved_table(&bytes).expect("its table").continued(fresh).expect("a table");
    assert_eq!(table.len(), trace.table.len() + 1);
    let slots = engine.kernel().slots().len();
    let wanted = i64::try_from(slots + 2).expect("few");
    let settings = Settings { kernel_slots_max: wanted, ..(*trace.settings).clone() };
    let wider = Engine::<Policy>::restore(&bytes, Arc::new(settings), Arc::new(table));
    let wider = wider.expect("a table that continues");
    assert_eq!(wider.kernel().slots().len(), slots + 2);
    assert_eq!(wider.kernel().totals(), engine.kernel().totals());
    let found = wider.kernel().table().find("AAAUSDT").expect("new");
    assert_eq!(found.index(), trace.table.len(), "new symbols come last");
    assert!(wider.kernel().top(found).is_none());
}
