//! Every check has its outcomes: a machine on which it is met, one on which it is not, one that does not tell.

use std::fs;

use super::rows::ROWS;
use super::*;
use crate::host::{Asked, Card, Files, KernelClock, Later, Space};

/// A made-up machine: its files and what it answers.
struct Machine {
    root: tempfile::TempDir,
    asked: Asked,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap(), asked: Asked::default() };
        for (path, text) in files {
            let path = machine.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        machine
    }

    fn facts(&self, hot: &str) -> Facts {
        let hot = CoreSet::parse_list(hot).unwrap();
        let files = Files::below(self.root.path());
        let hot = if hot.is_empty() { None } else { Some(hot) };
        let mut facts = Facts::read(files, self.asked.clone(), hot);
        facts.runs = "/runs".to_owned();
        facts
    }
}

fn read(id: &str, facts: &Facts) -> Reading {
    let check = all().find(|check| check.id == id).unwrap();
    (check.read)(facts)
}

const STATUS: (&str, &str) = ("proc/self/status", "Name:\tpinion\nCpus_allowed_list:\t0-3\n");
const CPU: &str = "sys/devices/system/cpu";

#[test]
fn every_row_has_its_grade() {
    for (id, files, grade) in ROWS {
        // What a row says of a file stands over what all of them share.
        let machine = Machine::new(&[&[STATUS][..], files].concat());
        let reading = read(id, &machine.facts("2-3"));
        assert_eq!(reading.grade, *grade, "{id} with {files:?}: {reading:?}");
        let mends = matches!(grade, Grade::Short | Grade::Bad | Grade::Unknown);
        assert_eq!(!reading.remedy.is_empty(), mends, "{id}: {reading:?}");
        assert!(!reading.found.is_empty() && !reading.expected.is_empty(), "{id}");
        assert!(!reading.remedy.contains("{hot}"), "{id}: {}", reading.remedy);
    }
}

#[test]
fn a_machine_that_tells_nothing_is_nowhere_good() {
    let machine = Machine::new(&[]);
    let facts = machine.facts("");
    // Without a folder of runs nothing can be left over in it.
    let known = ["disk.leftovers"];
    for check in all().filter(|check| !known.contains(&check.id)) {
        let reading = (check.read)(&facts);
        let silent = matches!(reading.grade, Grade::Unknown | Grade::Absent);
        assert!(silent, "{}: {reading:?}", check.id);
    }
}

#[test]
fn every_check_has_a_row_or_a_test_of_its_own() {
    let own = [
        "build.release",
        "cpu.steal",
        "cpu.interrupt_rate",
        "keys.mode",
        "disk.space",
        "network.interrupt_delay",
        "network.offloads",
        "time.synchronised",
    ];
    let mut ids: Vec<&str> = all().map(|check| check.id).collect();
    for id in &ids {
        let rows: Vec<_> = ROWS.iter().filter(|row| row.0 == *id).collect();
        let met = rows.iter().any(|row| row.2 == Grade::Good);
        let missed = rows.iter().any(|row| matches!(row.2, Grade::Short | Grade::Bad));
        assert!((met && missed) || own.contains(id), "{id}");
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
}

#[test]
fn answers_of_system_calls_are_graded() {
    let clock = |synchronised, max_error_us| Asked {
        clock: Some(KernelClock { synchronised, max_error_us }),
        ..Asked::default()
    };
    let space = |free_bytes| Asked {
        space: Some(Space { free_bytes, total_bytes: 1 << 40 }),
        ..Asked::default()
    };
    let card = |large: bool, adaptive: bool, delay_us: u32| Asked {
        cards: vec![(
            "eth0".to_owned(),
            Card {
                receive_offload: None,
                large_receive: Some(large),
                adaptive_receive: Some(adaptive),
                receive_delay_us: Some(delay_us),
            },
        )],
        ..Asked::default()
    };
    let built = |release| Asked { release_build: Some(release), ..Asked::default() };
    for (id, asked, grade) in [
        ("time.synchronised", clock(true, 50_000), Grade::Good),
        ("time.synchronised", clock(true, 50_001), Grade::Short),
        ("time.synchronised", clock(true, 500_001), Grade::Bad),
        ("time.synchronised", clock(false, 0), Grade::Bad),
        ("disk.space", space(10 << 30), Grade::Good),
        ("disk.space", space((10 << 30) - 1), Grade::Short),
        ("disk.space", space((1 << 30) - 1), Grade::Bad),
        ("network.interrupt_delay", card(false, false, 0), Grade::Good),
        ("network.interrupt_delay", card(false, true, 0), Grade::Short),
        ("network.interrupt_delay", card(false, false, 3), Grade::Short),
        ("network.offloads", card(false, true, 3), Grade::Good),
        ("network.offloads", card(true, false, 0), Grade::Short),
        ("build.release", built(true), Grade::Good),
        ("build.release", built(false), Grade::Short),
    ] {
        let machine = Machine { asked, ..Machine::new(&[STATUS]) };
        let reading = read(id, &machine.facts("2-3"));
        assert_eq!(reading.grade, grade, "{id}: {reading:?}");
    }
}

#[test]
fn counters_are_graded_by_what_grew() {
    let stat =
        |busy: u64, stolen: u64| Some(format!("cpu  {busy} 0 0 0 0 0 0 {stolen} 0 0\ncpu0 1"));
    let interrupts = |count: u64| {
        Some(format!("      CPU0 CPU1 CPU2 CPU3\nLOC: 5 5 {count} 7 Local timer\nERR: 0"))
    };
    for (stolen, count, steal_grade, rate_grade) in [
        (1, 20, Grade::Good, Grade::Good),
        (2, 21, Grade::Short, Grade::Short),
        (11, 900, Grade::Bad, Grade::Short),
    ] {
        let asked = Asked {
            stat: stat(100, 5),
            interrupts: interrupts(1_000),
            later: Later {
                stat: stat(1_100 - stolen, 5 + stolen),
                interrupts: interrupts(1_000 + count),
            },
            ..Asked::default()
        };
        let machine = Machine { asked, ..Machine::new(&[STATUS]) };
        let facts = machine.facts("2-3");
        assert_eq!(read("cpu.steal", &facts).grade, steal_grade, "{stolen} in 1000");
        let rate = read("cpu.interrupt_rate", &facts);
        assert_eq!(rate.grade, rate_grade, "{count}: {rate:?}");
        assert!(rate.found.contains(&format!("{count} × LOC Local timer")), "{}", rate.found);
    }
    let machine = Machine::new(&[STATUS]);
    assert_eq!(read("cpu.steal", &machine.facts("2")).grade, Grade::Unknown);
}

#[test]
fn keys_that_others_can_read_fail_everywhere() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new(&[("keys/a", "k"), ("keys/b", "k")]);
    let mut facts = machine.facts("2");
    assert_eq!(read("keys.mode", &facts).grade, Grade::Absent);
    facts.key_files = vec!["/keys/a".to_owned(), "/keys/b".to_owned()];
    for (mode, grade) in [(0o600, Grade::Good), (0o640, Grade::Bad), (0o604, Grade::Bad)] {
        for name in ["a", "b"] {
            let path = machine.root.path().join("keys").join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let reading = read("keys.mode", &facts);
        assert_eq!(reading.grade, grade, "{mode:o}");
        assert!(grade == Grade::Good || reading.remedy.contains("chmod 0600 /keys/a /keys/b"));
    }
    facts.key_files.push("/keys/none".to_owned());
    fs::remove_file(machine.root.path().join("keys/a")).unwrap();
    assert_eq!(read("keys.mode", &facts).grade, Grade::Unknown);
}

#[test]
fn a_lock_that_a_process_holds_is_no_leftover() {
    let machine = Machine::new(&[("runs/a/lock", "")]);
    let inode = machine.facts("2").files.inode("runs/a/lock").unwrap();
    let locks = format!("1: FLOCK  ADVISORY  WRITE 812 08:01:{inode} 0 EOF");
    fs::create_dir_all(machine.root.path().join("proc")).unwrap();
    fs::write(machine.root.path().join("proc/locks"), locks).unwrap();
    assert_eq!(read("disk.leftovers", &machine.facts("2")).grade, Grade::Good);
}

#[test]
fn a_sibling_is_switched_off_only_where_other_cores_are_left() {
    let pairs = |threads: usize| {
        let status = format!("Cpus_allowed_list:\t0-{}", threads - 1);
        let machine = Machine::new(&[("proc/self/status", &status)]);
        for core in 0..threads {
            let folder = machine.root.path().join(format!("{CPU}/cpu{core}/topology"));
            fs::create_dir_all(&folder).unwrap();
            let list = format!("{}-{}", core / 2 * 2, core / 2 * 2 + 1);
            fs::write(folder.join("thread_siblings_list"), list).unwrap();
        }
        read("cpu.siblings", &machine.facts(&(threads - 1).to_string())).remedy
    };
    assert!(pairs(4).contains("echo 0 > /sys/devices/system/cpu/cpu2/online"), "{}", pairs(4));
    assert!(pairs(2).contains("two physical cores"), "{}", pairs(2));
}

#[test]
fn with_one_core_what_concerns_stage_cores_means_nothing() {
    let machine = Machine::new(&[("proc/self/status", "Cpus_allowed_list:\t0")]);
    assert_eq!(read("cpu.isolated", &machine.facts("")).grade, Grade::Absent);
}

#[test]
fn the_cores_of_stage_threads_are_those_that_the_program_would_choose() {
    for (allowed, isolated, hot) in [
        ("0", "", ""),
        ("0-1", "", "1"),
        ("0-2", "", "2"),
        ("0-7", "", "5-7"),
        ("0-3", "6-7", "3,6-7"),
    ] {
        let status = format!("Cpus_allowed_list:\t{allowed}");
        let machine = Machine::new(&[
            ("proc/self/status", &status),
            ("sys/devices/system/cpu/isolated", isolated),
        ]);
        let expected = CoreSet::parse_list(hot).unwrap();
        assert_eq!(machine.facts("").hot, expected, "of {allowed} and {isolated}");
    }
}
