use super::*;
use crate::window::tests_support::{candidate_record, settings_record, summary_record};
use pinion_core::engine::Advise as _;
use std::path::PathBuf;
use std::sync::Mutex;

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("pinion-tuner-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    dir
}

fn orders(is_dry: bool) -> Orders {
    Orders {
        profile_id: "p".into(),
        run_tag: "r".into(),
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
