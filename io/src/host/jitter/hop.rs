//! Hops: how long a cache line takes from one core to another and back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::affinity::{AffinityFault, CoreSet, pin};
use crate::clock::Stopwatch;
use crate::host::facts::listed;
use crate::host::files::Files;

pinion_core::text_enum! {
    /// How far two cores are from each other.
    pub enum Distance {
        /// Two threads of one physical core.
        Sibling => "sibling",
        /// Below one last-level cache.
        Cache => "shared_cache",
        /// On one memory node.
        Node => "same_node",
        /// On different memory nodes.
        Far => "other_node",
        /// The machine does not tell.
        Unknown => "unknown",
    }
}

/// One measured pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The core that asks.
    pub from: usize,
    /// The core that answers.
    pub to: usize,
    /// How far they are.
    pub distance: Distance,
    /// Times of one way, half of a round each, ns.
    pub times: Histogram<u64>,
}

/// The distance of two cores by the machine's topology.
#[must_use]
pub(super) fn distance(files: &Files, from: usize, to: usize) -> Distance {
    let list = |path: &str| listed(files, &format!("sys/devices/system/cpu/cpu{from}/{path}"));
    let (Some(siblings), Some(package)) =
        (list("topology/thread_siblings_list"), list("topology/core_siblings_list"))
    else {
        return Distance::Unknown;
    };
    if siblings.contains(to) {
        return Distance::Sibling;
    }
    if list("cache/index3/shared_cpu_list").is_some_and(|cores| cores.contains(to)) {
        return Distance::Cache;
    }
    let nodes = files.names("sys/devices/system/node");
    let node = nodes
        .iter()
        .filter_map(|name| listed(files, &format!("sys/devices/system/node/{name}/cpulist")));
    let mut node = node.filter(|cores| cores.contains(from));
    match node.next() {
        Some(cores) if cores.contains(to) => Distance::Node,
        Some(_) => Distance::Far,
        None if package.contains(to) => Distance::Node,
        None => Distance::Far,
    }
}

/// Pairs worth measuring: all of up to four cores; of more the nearest and the farthest kinds, one pair each,
/// from the first core.
#[must_use]
pub(super) fn pairs(files: &Files, cores: &CoreSet) -> Vec<(usize, usize, Distance)> {
    let numbers: Vec<usize> = cores.iter().collect();
    let mut pairs = Vec::new();
    for (at, from) in numbers.iter().enumerate() {
        for to in numbers.iter().skip(at + 1) {
            let distance = distance(files, *from, *to);
            let known = pairs.iter().any(|(_, _, other)| *other == distance);
            if numbers.len() <= 4 || (at == 0 && !known) {
                pairs.push((*from, *to, distance));
            }
        }
    }
    pairs
}

/// Rounds of one pair at most.
const ROUNDS_MAX: u64 = 20_000;
/// Looks at the other side between two looks at the clock.
const LOOKS: u32 = 256;
/// What the asking side writes when it is done.
const DONE: u64 = u64::MAX;

/// A counter on cache lines of its own; two, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line(AtomicU64);

/// Sends a cache line to and fro between two cores, for `window` at most.
///
/// # Errors
/// A core cannot be used.
pub(super) fn measure(
    pair: (usize, usize, Distance),
    usable: &CoreSet,
    window: Duration,
) -> Result<Hop, AffinityFault> {
    let (from, to, distance) = pair;
    let (ask, answer) = (Line::default(), Line::default());
    let window_ns = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    let (asked, answered) = std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let pinned = pin(to, usable);
            if pinned.is_err() {
                answer.0.store(DONE, Ordering::Release);
                return pinned;
            }
            let mut last = 0;
            while last != DONE {
                let seen = ask.0.load(Ordering::Acquire);
                if seen == last {
                    std::hint::spin_loop();
                } else {
                    last = seen;
                    answer.0.store(seen, Ordering::Release);
                }
            }
            Ok(())
        });
        let asking = scope.spawn(|| {
            let outcome = pin(from, usable).and_then(|()| rounds(&ask.0, &answer.0, window_ns));
            // Whatever happened: the other side must end.
            ask.0.store(DONE, Ordering::Release);
            outcome
        });
        (asking.join(), answering.join())
    });
    let ended = |_| AffinityFault::NotStarted("a meter thread ended early".to_owned());
    answered.map_err(ended)??;
    Ok(Hop { from, to, distance, times: asked.map_err(ended)?? })
}

/// The asking side.
fn rounds(
    ask: &AtomicU64,
    answer: &AtomicU64,
    window_ns: u64,
) -> Result<Histogram<u64>, AffinityFault> {
    let stopwatch = Stopwatch::calibrated();
    let mut times = super::histogram()?;
    let end_ns = stopwatch.read_ns().saturating_add(window_ns);
    for round in 1..=ROUNDS_MAX {
        let start_ns = stopwatch.read_ns();
        ask.store(round, Ordering::Release);
        let mut looks = 0_u32;
        loop {
            match answer.load(Ordering::Acquire) {
                seen if seen == round => break,
                DONE => return Ok(times),
                _ => std::hint::spin_loop(),
            }
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS) && stopwatch.read_ns() > end_ns {
                return Ok(times);
            }
        }
        let now_ns = stopwatch.read_ns();
        times.saturating_record((now_ns.saturating_sub(start_ns) / 2).max(1));
        if now_ns > end_ns {
            break;
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::Cores;
    use std::fs;

    fn two_sockets() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: String, text: &str| {
            let path = root.path().join("sys/devices/system").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        // Cores 0-7 on node 0, 8-15 on node 1; siblings in pairs; a cache for every four.
        for core in 0..16_usize {
            let (pair, cache) = (core / 2 * 2, core / 4 * 4);
            let node = core / 8;
            let cpu = format!("cpu/cpu{core}");
            write(format!("{cpu}/topology/thread_siblings_list"), &format!("{pair}-{}", pair + 1));
            let package = if node == 0 { "0-7" } else { "8-15" };
            write(format!("{cpu}/topology/core_siblings_list"), package);
            write(format!("{cpu}/cache/index3/shared_cpu_list"), &format!("{cache}-{}", cache + 3));
            write(format!("node/node{node}/cpulist"), package);
        }
        root
    }

    #[test]
    fn distances_are_those_of_the_topology() {
        let root = two_sockets();
        let files = Files::below(root.path());
        for (to, expected) in
            [(1, Distance::Sibling), (2, Distance::Cache), (4, Distance::Node), (8, Distance::Far)]
        {
            assert_eq!(distance(&files, 0, to), expected, "to {to}");
        }
        assert_eq!(distance(&files, 99, 0), Distance::Unknown);
    }

    #[test]
    fn of_many_cores_one_pair_of_each_kind_is_taken() {
        let root = two_sockets();
        let files = Files::below(root.path());
        let set = |text| CoreSet::parse_list(text).unwrap();
        let kinds = [
            (0, 1, Distance::Sibling),
            (0, 2, Distance::Cache),
            (0, 4, Distance::Node),
            (0, 8, Distance::Far),
        ];
        assert_eq!(pairs(&files, &set("0-15")), kinds);
        assert_eq!(pairs(&files, &set("0-3")).len(), 6, "every pair of four");
        assert!(pairs(&files, &set("5")).is_empty());
    }

    #[test]
    fn a_hop_is_measured_between_two_cores_of_this_machine() {
        let usable = Cores::of_process().unwrap().usable();
        let pair = pairs(&Files::of_this_machine(), &usable).into_iter().next();
        let Some(pair) = pair else { return };
        let hop = measure(pair, &usable, Duration::from_secs(60)).unwrap();
        assert_eq!(hop.times.len(), ROUNDS_MAX);
        assert!(hop.times.min() > 0);
    }

    #[test]
    fn a_core_that_is_not_there_ends_both_sides() {
        let usable = Cores::of_process().unwrap().usable();
        let core = usable.iter().next().unwrap();
        for (from, to) in [(core, 1_000), (1_000, core)] {
            let pair = (from, to, Distance::Unknown);
            let fault = measure(pair, &usable, Duration::from_secs(60)).unwrap_err();
            assert!(matches!(fault, AffinityFault::NotUsable { core: 1_000, .. }));
        }
    }
}
