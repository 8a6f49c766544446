//! Placement: which layout this machine can carry, and on which cores.
//!
//! Spinning threads on fewer cores than they need are thousands of times slower than one thread that runs
//! all stages: three on two cores took 4 ms at the median where one took 0.6 µs. So a layout that does not
//! fit falls back to shared, and says so.

use pinion_core::settings::{Idle, Layout, Settings};

use super::Pace;
use crate::affinity::{AffinityFault, CoreSet, Cores};

/// Stages with a core of their own in the dedicated layout: ingest, kernel, egress.
pub const DEDICATED_CORES: usize = 3;

/// How the stages are placed, decided before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The layout.
    pub layout: Layout,
    /// Cores of the pinned threads: dedicated ingest, kernel, egress; shared one; empty: not pinned.
    pub cores: Vec<usize>,
    /// All cores that a thread of this process can be pinned to.
    pub usable: CoreSet,
    /// Where everything else belongs: the signal stage, the journal, the tuner, reports.
    pub helpers: CoreSet,
    /// What a pinned thread does between empty polls.
    pub idle: Idle,
    /// Mean nanoseconds between housekeeping ticks.
    pub housekeeping_ns: u64,
    /// Seed of the jitter.
    pub seed: u64,
    /// What differs from what was asked for, for people.
    pub notices: Vec<String>,
}

/// The layout that fits `free_cores`, with a notice when it is not quite what was asked for. Dedicated needs
/// a core for each of its three pinned stages and one for all the rest; shared needs one and one, and runs
/// unpinned on a single core.
///
/// # Errors
/// What does not fit and how to mend it, when `fallback` is false.
pub fn choose_layout(
    requested: Layout,
    fallback: bool,
    free_cores: usize,
) -> Result<(Layout, Option<String>), String> {
    let unpinned = "this process has 1 core: the stage thread shares it with everything else and is \
                    not pinned";
    match requested {
        Layout::Inline => Ok((Layout::Inline, None)),
        Layout::Shared => {
            Ok((Layout::Shared, (free_cores < 2).then(|| format!("layout shared: {unpinned}"))))
        }
        Layout::Dedicated if free_cores > DEDICATED_CORES => Ok((Layout::Dedicated, None)),
        Layout::Dedicated => {
            let lack = format!(
                "layout dedicated needs {} cores ({DEDICATED_CORES} for ingest, kernel and egress, 1 for \
                 the rest), this process has {free_cores}",
                DEDICATED_CORES + 1
            );
            if !fallback {
                return Err(format!(
                    "{lack}; give it more cores, set engine.layout = \"shared\", or allow the fall-back \
                     with engine.layout_fallback = true"
                ));
            }
            let more = if free_cores < 2 { format!("; {unpinned}") } else { String::new() };
            Ok((Layout::Shared, Some(format!("{lack}: all stages run shared{more}"))))
        }
    }
}

impl Placement {
    /// Places the stages by the settings (`engine.*`), the pace and the cores of the process.
    ///
    /// # Errors
    /// A text for the person who wrote the settings: what does not fit and how to mend it.
    pub fn plan(settings: &Settings, pace: Pace, cores: &Cores) -> Result<Self, String> {
        let usable = cores.usable();
        let mut notices = Vec::new();
        let mut requested = settings.engine_layout;
        if requested == Layout::Inline && pace != Pace::Max {
            requested = Layout::Shared;
            notices.push(
                "layout inline runs in virtual time and has no speed: all stages run shared"
                    .to_owned(),
            );
        }
        let (layout, notice) =
            choose_layout(requested, settings.engine_layout_fallback, usable.len())?;
        notices.extend(notice);
        let pinned = match layout {
            Layout::Inline => Vec::new(),
            Layout::Shared if usable.len() < 2 => Vec::new(),
            Layout::Shared => stage_cores(&settings.engine_cores, 1, cores)?,
            Layout::Dedicated => stage_cores(&settings.engine_cores, DEDICATED_CORES, cores)?,
        };
        let mut idle = settings.engine_idle;
        let spins = matches!(idle, Idle::Spin | Idle::SpinPause);
        if layout != Layout::Inline && pinned.is_empty() && spins {
            idle = Idle::Yield;
            notices.push(format!(
                "idle strategy {} needs a core of its own: yield is used",
                settings.engine_idle.as_str()
            ));
        }
        let left = cores.allowed.minus(&pinned.iter().copied().collect());
        let left = [left.minus(&cores.isolated), left, cores.allowed];
        Ok(Self {
            layout,
            cores: pinned,
            usable,
            helpers: left.into_iter().find(|set| !set.is_empty()).unwrap_or(usable),
            idle,
            housekeeping_ns: settings.engine_housekeeping_ns.unsigned_abs(),
            seed: settings.engine_seed.unsigned_abs(),
            notices,
        })
    }
}

/// The best cores for stage threads: isolated ones first, then the highest numbers, since the system's own
/// work gathers on the lowest. Fewer than `needed` where there are fewer.
#[must_use]
pub fn best_cores(needed: usize, cores: &Cores) -> Vec<usize> {
    let others = cores.allowed.minus(&cores.isolated);
    cores.isolated.iter().chain(others.iter().rev()).take(needed).collect()
}

/// The configured cores, or the best.
fn stage_cores(configured: &[i64], needed: usize, cores: &Cores) -> Result<Vec<usize>, String> {
    let usable = cores.usable();
    if configured.is_empty() {
        return Ok(best_cores(needed, cores));
    }
    if configured.len() < needed {
        return Err(format!(
            "engine.cores names {} of the {needed} cores that this layout pins (in the order ingest, \
             kernel, egress); name {needed}, or leave it empty to let the program choose",
            configured.len()
        ));
    }
    let checked = configured.iter().take(needed).map(|core| {
        let core = usize::try_from(*core).unwrap_or(usize::MAX);
        let fault = || AffinityFault::NotUsable { core, usable: Box::new(usable) }.to_string();
        usable.contains(core).then_some(core).ok_or_else(fault)
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cores(allowed: &str, isolated: &str) -> Cores {
        let set = |text| CoreSet::parse_list(text).unwrap();
        Cores { allowed: set(allowed), isolated: set(isolated) }
    }

    fn settings(layout: Layout, engine_cores: &[i64]) -> Settings {
        Settings {
            engine_layout: layout,
            engine_cores: engine_cores.to_vec(),
            ..Settings::default()
        }
    }

    fn plan(layout: Layout, engine_cores: &[i64], cores: &Cores) -> Result<Placement, String> {
        Placement::plan(&settings(layout, engine_cores), Pace::Max, cores)
    }

    #[test]
    fn a_layout_is_chosen_by_the_number_of_cores() {
        use Layout::{Dedicated, Inline, Shared};
        for (requested, free, layout, noticed) in [
            (Inline, 1, Inline, false),
            (Shared, 1, Shared, true),
            (Shared, 2, Shared, false),
            (Dedicated, 1, Shared, true),
            (Dedicated, 3, Shared, true),
            (Dedicated, 4, Dedicated, false),
        ] {
            let (chosen, notice) = choose_layout(requested, true, free).unwrap();
            assert_eq!((chosen, notice.is_some()), (layout, noticed), "{requested:?} on {free}");
        }
        let (_, notice) = choose_layout(Dedicated, true, 2).unwrap();
        let notice = notice.unwrap();
        assert!(notice.contains("needs 4 cores") && notice.contains("has 2"), "{notice}");
        assert!(notice.contains("shared"), "{notice}");
        let (_, notice) = choose_layout(Shared, true, 1).unwrap();
        assert!(notice.unwrap().contains("not pinned"));
    }

    #[test]
    fn without_fall_back_too_few_cores_are_refused() {
        let refusal = choose_layout(Layout::Dedicated, false, 3).unwrap_err();
        assert!(refusal.contains("has 3") && refusal.contains("engine.layout_fallback"));
        assert_eq!(choose_layout(Layout::Dedicated, false, 4), Ok((Layout::Dedicated, None)));
    }

    #[test]
    fn spinning_threads_leave_a_core_free_whatever_the_machine() {
        for count in 1..=64 {
            let machine = cores(&format!("0-{}", count - 1), "");
            for requested in [Layout::Inline, Layout::Shared, Layout::Dedicated] {
                let wish = Settings { engine_idle: Idle::Spin, ..settings(requested, &[]) };
                let placement = Placement::plan(&wish, Pace::Times(1.0), &machine).unwrap();
                let spins = matches!(placement.idle, Idle::Spin | Idle::SpinPause);
                assert!(!spins || placement.cores.len() < count, "{requested:?} on {count}");
                let dedicated = requested == Layout::Dedicated && count > DEDICATED_CORES;
                let layout = if dedicated { Layout::Dedicated } else { Layout::Shared };
                assert_eq!(placement.layout, layout, "{requested:?} on {count}");
                if count == 2 {
                    assert_eq!(placement.cores, [1], "one thread runs every stage");
                    assert_eq!(placement.helpers.to_string(), "0", "the cold side has the other");
                }
            }
        }
    }

    #[test]
    fn isolated_cores_are_taken_first_then_the_highest() {
        let dedicated = plan(Layout::Dedicated, &[], &cores("0-3", "6-7")).unwrap();
        assert_eq!(dedicated.cores, [6, 7, 3]);
        assert_eq!(dedicated.helpers.to_string(), "0-2");
        let shared = plan(Layout::Shared, &[], &cores("0-1", "")).unwrap();
        assert_eq!((shared.cores.as_slice(), shared.helpers.to_string()), (&[1][..], "0".into()));
        assert_eq!(shared.notices, [""; 0]);
    }

    #[test]
    fn helpers_stay_off_isolated_cores_while_others_are_left() {
        let shared = plan(Layout::Shared, &[2], &cores("0-3", "2-3")).unwrap();
        assert_eq!((shared.cores.as_slice(), shared.helpers.to_string()), (&[2][..], "0-1".into()));
        let all_isolated = plan(Layout::Shared, &[2], &cores("2-3", "2-3")).unwrap();
        assert_eq!(all_isolated.helpers.to_string(), "3");
    }

    #[test]
    fn configured_cores_are_checked() {
        let four = cores("0-3", "");
        assert_eq!(plan(Layout::Dedicated, &[1, 3, 2], &four).unwrap().cores, [1, 3, 2]);
        let few = plan(Layout::Dedicated, &[1, 2], &four).unwrap_err();
        assert!(few.contains("names 2 of the 3 cores"), "{few}");
        for bad in [9, 5000] {
            let foreign = plan(Layout::Shared, &[bad], &four).unwrap_err();
            assert!(foreign.contains(&format!("core {bad}")), "{foreign}");
            assert!(foreign.contains("0-3"), "{foreign}");
        }
    }

    #[test]
    fn one_core_runs_unpinned_and_does_not_spin() {
        let spinning = Settings { engine_idle: Idle::Spin, ..settings(Layout::Dedicated, &[]) };
        let placement = Placement::plan(&spinning, Pace::Max, &cores("0", "")).unwrap();
        assert_eq!((placement.layout, placement.cores.len()), (Layout::Shared, 0));
        assert_eq!(placement.idle, Idle::Yield);
        assert_eq!((placement.notices.len(), placement.helpers.len()), (2, 1));
    }

    #[test]
    fn a_set_speed_needs_real_time() {
        let inline = settings(Layout::Inline, &[]);
        let two = cores("0-1", "");
        let at_speed = Placement::plan(&inline, Pace::Times(2.0), &two).unwrap();
        assert_eq!((at_speed.layout, at_speed.notices.len()), (Layout::Shared, 1));
        let at_full = Placement::plan(&inline, Pace::Max, &two).unwrap();
        assert_eq!((at_full.layout, at_full.notices.len()), (Layout::Inline, 0));
    }
}
