use super::*;
use crate::window::tests_support::{candidate_record, settings_record, summary_record};
use pinion_core::engine::Advise as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("pinion-tuner-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    dir
}

fn orders(is_dry: bool) -> Orders {
    Orders {
        profile_id: "p".into(),
        run_tag: "r".into(),
        commit_hash: None,
        ts_text: |moment| moment.get().to_string(),
        mode: Mode::Conveyor,
        policy: TargetPolicy::default(),
        forced_phase: None,
        interval_s: 120,
        window_minutes: 15,
        is_dry,
    }
}

type Told = Arc<Mutex<Vec<u32>>>;

fn tuner(dir: &std::path::Path, is_dry: bool) -> (Tuner, Told) {
    let told: Told = Arc::default();
    let heard = Arc::clone(&told);
    let files = Files::open(dir).expect("writable");
    let announce: Announce =
        Box::new(move |publication| heard.lock().expect("whole").push(publication.version));
    let settings = Arc::new(Settings::default());
    let tuner = Tuner::new(
        orders(is_dry),
        State::default(),
        settings,
        1,
        vec!["AUSDT".into()],
        files,
        announce,
    );
    (tuner, told)
}

/// Starved: everything is refused for its score.
fn starve(take: &mut dyn FnMut(&RecordMsg), from_s: i64, to_s: i64) {
    for second in from_s..to_s {
        take(&candidate_record(second));
        if second % 60 == 0 {
            take(&summary_record(second));
        }
    }
}

#[test]
fn a_starved_run_is_relaxed_confirmed_and_logged_in_rows_that_decide_alike() {
    let dir = folder("starved");
    let (mut tuner, told) = tuner(&dir, false);
    let mut versions = Vec::new();
    for second in 1_000..3_000 {
        starve(&mut |record| tuner.take(record), second, second + 1);
        if let Some((version, settings)) = tuner.poll(Nanos::new(second * Nanos::SECOND)) {
            assert!(settings.funnel_score_soft < 70);
            assert!(!tuner.pending.is_empty());
            tuner.take(&settings_record(second, version));
            assert!(tuner.pending.is_empty(), "the kernel's word clears them");
            assert!(tuner.kept.is_empty(), "and what came before is freed here");
            versions.push(version);
        }
    }
    assert!(!versions.is_empty());
    assert_eq!(*told.lock().expect("whole"), versions, "told before it is published");
    tuner.close();
    let log = std::fs::read_to_string(dir.join(crate::files::LOG)).expect("there");
    assert!(log.lines().count() >= 15);
    for line in log.lines() {
        let row = serde_json::from_str(line).expect("a row");
        assert_eq!(crate::log::decide_again(&row), crate::log::Again::Same, "{line}");
    }
    let state = State::load(&dir.join(crate::files::STATE)).expect("whole");
    assert_eq!(state, tuner.state);
    std::fs::remove_dir_all(&dir).expect("removable");
}

#[test]
fn a_version_that_the_kernel_did_not_take_is_not_built_upon() {
    let dir = folder("untaken");
    let (mut tuner, told) = tuner(&dir, false);
    for second in 1_000..3_000 {
        starve(&mut |record| tuner.take(record), second, second + 1);
        drop(tuner.poll(Nanos::new(second * Nanos::SECOND)));
    }
    assert_eq!(told.lock().expect("whole").len(), 1);
    std::fs::remove_dir_all(&dir).expect("removable");
}

#[test]
fn dry_and_frozen_change_nothing() {
    for (is_dry, is_frozen) in [(true, false), (false, true)] {
        let dir = folder(if is_dry { "dry" } else { "frozen" });
        let (mut tuner, told) = tuner(&dir, is_dry);
        if is_frozen {
            std::fs::write(dir.join(crate::files::FREEZE), "").expect("writable");
        }
        for second in 1_000..2_000 {
            starve(&mut |record| tuner.take(record), second, second + 1);
            assert!(tuner.poll(Nanos::new(second * Nanos::SECOND)).is_none());
        }
        assert!(told.lock().expect("whole").is_empty());
        assert_eq!(tuner.state, State::default());
        tuner.close();
        if is_dry {
            assert!(!dir.join(crate::files::STATE).exists());
        }
        std::fs::remove_dir_all(&dir).expect("removable");
    }
}

#[test]
fn the_operators_rollback_is_done_once() {
    let dir = folder("rollback");
    let (mut tuner, _) = tuner(&dir, false);
    let drifted = Settings { funnel_top_n: 40, ..Settings::default() };
    tuner.current.1 = Arc::new(drifted);
    std::fs::write(dir.join(crate::files::ROLLBACK), "baseline\n").expect("writable");
    let first = tuner.tick(Nanos::new(1_000 * Nanos::SECOND));
    assert_eq!(first.map(|published| published.1.funnel_top_n), Some(10));
    assert!(!dir.join(crate::files::ROLLBACK).exists());
    std::fs::remove_dir_all(&dir).expect("removable");
}

/// A tuner whose first publication does this.
fn doing(dir: &std::path::Path, deed: impl Fn() + Send + 'static) -> Tuner {
    let (tuner, _) = tuner(dir, false);
    Tuner { announce: Box::new(move |_| deed()), ..tuner }
}

#[test]
fn a_tuner_that_panics_costs_nothing_but_the_news() {
    let dir = folder("panic");
    let mut seat = Threaded::start(doing(&dir, || panic!("planned"))).expect("a thread");
    starve(&mut |record| seat.record(record), 1_000, 2_000);
    let health = seat.health();
    let mut dog = Watchdog::default();
    let mut told = None;
    while told.is_none() {
        assert!(seat.advise(Nanos::new(2_000 * Nanos::SECOND)).is_none());
        told = dog.look(&health, Duration::from_nanos(1));
        std::thread::yield_now();
    }
    assert_eq!(told, Some(Alarm::Ended));
    assert_eq!(dog.look(&health, Duration::from_secs(60)), None, "once");
    starve(&mut |record| seat.record(record), 2_000, 2_000 + 20_000);
    assert!(
        health.missed.load(std::sync::atomic::Ordering::Relaxed) > 0,
        "counted, not waited for"
    );
    drop(seat);
    std::fs::remove_dir_all(&dir).expect("removable");
}

#[test]
fn a_tuner_that_hangs_costs_nothing_but_the_news() {
    let dir = folder("hang");
    let (free, stuck) = std::sync::mpsc::channel::<()>();
    let stuck = Mutex::new(stuck);
    let tuner = doing(&dir, move || drop(stuck.lock().map(|stuck| stuck.recv())));
    let mut seat = Threaded::start(tuner).expect("a thread");
    starve(&mut |record| seat.record(record), 1_000, 2_000);
    let health = seat.health();
    let mut dog = Watchdog::default();
    let mut told = None;
    while told.is_none() {
        assert!(seat.advise(Nanos::new(2_000 * Nanos::SECOND)).is_none());
        told = dog.look(&health, Duration::from_millis(1));
        std::thread::yield_now();
    }
    assert_eq!(told, Some(Alarm::Silent));
    starve(&mut |record| seat.record(record), 2_000, 2_000 + 20_000);
    assert!(health.missed.load(std::sync::atomic::Ordering::Relaxed) > 0);
    // The run ends although the thread does not.
    seat.farewell = Duration::ZERO;
    drop(seat);
    assert!(!health.is_over.load(std::sync::atomic::Ordering::Acquire));
    drop(free);
    while !health.is_over.load(std::sync::atomic::Ordering::Acquire) {
        std::thread::yield_now();
    }
    std::fs::remove_dir_all(&dir).expect("removable");
}

#[test]
fn a_tuner_that_panics_on_the_kernels_thread_is_unseated() {
    let dir = folder("inline");
    let health = Arc::new(Health::default());
    let mut seat = Inline::new(doing(&dir, || panic!("planned")), Arc::clone(&health));
    for second in 1_000..2_000 {
        starve(&mut |record| seat.record(record), second, second + 1);
        assert!(seat.advise(Nanos::new(second * Nanos::SECOND)).is_none());
    }
    assert_eq!(Watchdog::default().look(&health, Duration::ZERO), Some(Alarm::Ended));
    std::fs::remove_dir_all(&dir).expect("removable");
}

#[test]
fn a_watchdog_tells_of_silence_after_its_time_and_not_while_there_are_rounds() {
    let health = Health::default();
    let mut dog = Watchdog::default();
    for _ in 0..100 {
        health.rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(dog.look(&health, Duration::from_secs(9)), None);
    }
    assert_eq!(dog.look(&health, Duration::from_millis(9_999)), None);
    assert_eq!(dog.look(&health, Duration::from_millis(1)), Some(Alarm::Silent));
    assert_eq!(dog.look(&health, Duration::from_secs(60)), None);
}

#[test]
fn a_thread_of_its_own_publishes_through_the_mailbox() {
    let dir = folder("thread");
    let (tuner, told) = tuner(&dir, false);
    let mut seat = Threaded::start(tuner).expect("a thread");
    starve(&mut |record| seat.record(record), 1_000, 2_000);
    let health = seat.health();
    let mut got = None;
    // Until it has worked off what it was sent; bounded by the harness, not by a clock.
    while got.is_none() {
        got = seat.advise(Nanos::new(2_000 * Nanos::SECOND));
        std::thread::yield_now();
    }
    assert_eq!(got.map(|published| published.0), Some(2));
    drop(seat);
    assert!(health.is_over.load(std::sync::atomic::Ordering::Acquire));
    assert_eq!(*told.lock().expect("whole"), [2]);
    std::fs::remove_dir_all(&dir).expect("removable");
}

#[test]
fn a_tuner_whose_log_cannot_be_written_publishes_nothing() {
    let dir = folder("full");
    let (mut tuner, told) = tuner(&dir, false);
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    std::fs::remove_file(dir.join(crate::files::LOG)).expect("removable");
    std::os::unix::fs::symlink(full, dir.join(crate::files::LOG)).expect("a link");
    tuner.files = Files::open(&dir).expect("opens");
    for second in 1_000..1_500 {
        starve(&mut |record| tuner.take(record), second, second + 1);
        assert!(tuner.poll(Nanos::new(second * Nanos::SECOND)).is_none());
    }
    assert!(tuner.faults() > 0 && told.lock().expect("whole").is_empty());
    std::fs::remove_dir_all(&dir).expect("removable");
}
