//! Every check has its outcomes: a machine on which it is met, one on which it is not, one that does not tell.

use std::fs;

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
const ONLINE: (&str, &str) = ("sys/devices/system/cpu/online", "0-3\n");
const CPU: &str = "sys/devices/system/cpu";

/// Files beside [`STATUS`] with cores 2 and 3 as those of the stage threads, and the grade.
type Row = (&'static str, &'static [(&'static str, &'static str)], Grade);

const ROWS: &[Row] = &[
    ("cpu.cores", &[], Grade::Good),
    ("cpu.cores", &[("proc/self/status", "Cpus_allowed_list:\t0-1")], Grade::Short),
    ("cpu.cores", &[("proc/self/status", "Cpus_allowed_list:\t5")], Grade::Bad),
    ("cpu.cores", &[("proc/self/status", "Name: x")], Grade::Unknown),
    (
        "cpu.quota",
        &[("proc/self/cgroup", "0::/a/b"), ("sys/fs/cgroup/a/cpu.max", "max 100000")],
        Grade::Good,
    ),
    (
        "cpu.quota",
        &[("proc/self/cgroup", "0::/a/b"), ("sys/fs/cgroup/a/b/cpu.max", "150000 100000")],
        Grade::Bad,
    ),
    (
        "cpu.quota",
        &[
            ("proc/self/cgroup", "0::/a/b"),
            ("sys/fs/cgroup/a/b/cpu.max", "max 100000"),
            ("sys/fs/cgroup/a/cpu.max", "50000 100000"),
        ],
        Grade::Bad,
    ),
    ("cpu.quota", &[("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")], Grade::Good),
    ("cpu.quota", &[("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000")], Grade::Bad),
    (
        "cpu.quota",
        &[("proc/self/cgroup", "0::/"), ("sys/fs/cgroup/cgroup.controllers", "cpu")],
        Grade::Good,
    ),
    (
        "cpu.siblings",
        &[
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2"),
            ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3"),
        ],
        Grade::Good,
    ),
    (
        "cpu.siblings",
        &[
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3"),
            ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "2-3"),
        ],
        Grade::Bad,
    ),
    (
        "cpu.siblings",
        &[
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2"),
            ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "1,3"),
        ],
        Grade::Short,
    ),
    ("cpu.isolated", &[("sys/devices/system/cpu/isolated", "2-3")], Grade::Good),
    ("cpu.isolated", &[("sys/devices/system/cpu/isolated", "3")], Grade::Short),
    (
        "cpu.isolated",
        &[
            ("proc/self/cgroup", "0::/a"),
            ("sys/fs/cgroup/a/cpuset.cpus.partition", "isolated"),
            ("sys/devices/system/cpu/isolated", ""),
        ],
        Grade::Good,
    ),
    ("cpu.nohz_full", &[("sys/devices/system/cpu/nohz_full", "2-3")], Grade::Good),
    ("cpu.nohz_full", &[("sys/devices/system/cpu/nohz_full", "(null)")], Grade::Short),
    ("cpu.nohz_full", &[ONLINE], Grade::Short),
    ("cpu.rcu_nocbs", &[("proc/cmdline", "quiet rcu_nocbs=2-3")], Grade::Good),
    ("cpu.rcu_nocbs", &[("proc/cmdline", "nohz_full=2-3")], Grade::Good),
    ("cpu.rcu_nocbs", &[("proc/cmdline", "rcu_nocbs=all")], Grade::Good),
    ("cpu.rcu_nocbs", &[("proc/cmdline", "quiet")], Grade::Short),
    (
        "cpu.governor",
        &[
            ONLINE,
            ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance"),
            ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance"),
        ],
        Grade::Good,
    ),
    (
        "cpu.governor",
        &[
            ONLINE,
            ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance"),
            ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave"),
        ],
        Grade::Short,
    ),
    ("cpu.governor", &[ONLINE], Grade::Absent),
    ("cpu.turbo", &[("sys/devices/system/cpu/intel_pstate/no_turbo", "1")], Grade::Good),
    ("cpu.turbo", &[("sys/devices/system/cpu/intel_pstate/no_turbo", "0")], Grade::Short),
    ("cpu.turbo", &[("sys/devices/system/cpu/cpufreq/boost", "0")], Grade::Good),
    ("cpu.turbo", &[("sys/devices/system/cpu/cpufreq/boost", "1")], Grade::Short),
    ("cpu.turbo", &[ONLINE], Grade::Absent),
    ("cpu.idle_states", &[ONLINE], Grade::Good),
    (
        "cpu.idle_states",
        &[
            ONLINE,
            ("sys/devices/system/cpu/cpu2/cpuidle/state0/latency", "2"),
            ("sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133"),
            ("sys/devices/system/cpu/cpu2/cpuidle/state1/name", "C6"),
        ],
        Grade::Short,
    ),
    (
        "cpu.idle_states",
        &[
            ONLINE,
            ("sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133"),
            ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "1"),
        ],
        Grade::Good,
    ),
    (
        "cpu.idle_states",
        &[
            ONLINE,
            ("proc/cmdline", "idle=poll"),
            ("sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133"),
        ],
        Grade::Good,
    ),
    (
        "cpu.mitigations",
        &[("sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI")],
        Grade::Short,
    ),
    (
        "cpu.mitigations",
        &[("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected")],
        Grade::Good,
    ),
    ("cpu.virtual", &[("proc/cpuinfo", "vendor_id : x\nflags : fpu hypervisor")], Grade::Short),
    ("cpu.virtual", &[("proc/cpuinfo", "vendor_id : x\nflags : fpu")], Grade::Good),
    ("cpu.virtual", &[("sys/hypervisor/type", "xen")], Grade::Short),
    ("cpu.virtual", &[("proc/cpuinfo", "CPU implementer : 0x41")], Grade::Unknown),
    (
        "cpu.irqs",
        &[
            ("proc/interrupts", "      CPU0 CPU1\n 24: 1 0 PCI eth0-rx"),
            ("proc/irq/24/smp_affinity_list", "0-3"),
            ("proc/irq/24/effective_affinity_list", "0"),
        ],
        Grade::Good,
    ),
    (
        "cpu.irqs",
        &[
            ("proc/interrupts", "      CPU0 CPU1\n 24: 1 0 PCI eth0-rx"),
            ("proc/irq/24/smp_affinity_list", "0-3"),
            ("proc/irq/24/effective_affinity_list", ""),
        ],
        Grade::Short,
    ),
    ("cpu.irqs", &[("proc/interrupts", "      CPU0 CPU1\n 24: 1 0 PCI eth0-rx")], Grade::Unknown),
    ("cpu.irqbalance", &[("proc/7/comm", "bash")], Grade::Good),
    ("cpu.irqbalance", &[("proc/7/comm", "irqbalance")], Grade::Short),
    (
        "cpu.irqbalance",
        &[
            ("proc/7/comm", "irqbalance"),
            ("etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=\"2-3\""),
        ],
        Grade::Good,
    ),
    ("cpu.workqueues", &[("sys/devices/virtual/workqueue/cpumask", "3")], Grade::Good),
    ("cpu.workqueues", &[("sys/devices/virtual/workqueue/cpumask", "f")], Grade::Short),
    ("memory.available", &[("proc/meminfo", "MemAvailable:   524288 kB")], Grade::Good),
    ("memory.available", &[("proc/meminfo", "MemAvailable:   524287 kB")], Grade::Short),
    ("memory.available", &[("proc/meminfo", "MemAvailable:   131071 kB")], Grade::Bad),
    (
        "memory.limit",
        &[("proc/self/cgroup", "0::/a"), ("sys/fs/cgroup/a/memory.max", "max")],
        Grade::Good,
    ),
    (
        "memory.limit",
        &[("proc/self/cgroup", "0::/a"), ("sys/fs/cgroup/a/memory.max", "536870911")],
        Grade::Short,
    ),
    (
        "memory.limit",
        &[
            ("proc/self/cgroup", "0::/a/b"),
            ("sys/fs/cgroup/a/b/memory.max", "max"),
            ("sys/fs/cgroup/a/memory.max", "1048576"),
        ],
        Grade::Bad,
    ),
    ("memory.limit", &[("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576")], Grade::Bad),
    (
        "memory.limit",
        &[("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")],
        Grade::Good,
    ),
    (
        "memory.locked",
        &[("proc/self/limits", "Max locked memory unlimited unlimited bytes")],
        Grade::Good,
    ),
    (
        "memory.locked",
        &[("proc/self/limits", "Max locked memory 8388608 8388608 bytes")],
        Grade::Short,
    ),
    ("memory.swap", &[("proc/swaps", "Filename Type\n")], Grade::Good),
    (
        "memory.swap",
        &[("proc/swaps", "Filename\n/swap file"), ("proc/sys/vm/swappiness", "1")],
        Grade::Good,
    ),
    (
        "memory.swap",
        &[("proc/swaps", "Filename\n/swap file"), ("proc/sys/vm/swappiness", "60")],
        Grade::Short,
    ),
    ("memory.swap", &[("proc/swaps", "Filename\n/swap file")], Grade::Unknown),
    (
        "memory.huge_pages",
        &[("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never")],
        Grade::Good,
    ),
    (
        "memory.huge_pages",
        &[("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never")],
        Grade::Short,
    ),
    ("memory.numa_balancing", &[("proc/sys/kernel/numa_balancing", "0")], Grade::Good),
    ("memory.numa_balancing", &[("proc/sys/kernel/numa_balancing", "1")], Grade::Short),
    ("memory.numa_balancing", &[("sys/devices/system/node/node0/cpulist", "0-3")], Grade::Absent),
    (
        "memory.node",
        &[
            ("sys/class/net/eth0/device/numa_node", "1"),
            ("sys/devices/system/node/node1/cpulist", "2-3"),
        ],
        Grade::Good,
    ),
    (
        "memory.node",
        &[
            ("sys/class/net/eth0/device/numa_node", "0"),
            ("sys/devices/system/node/node0/cpulist", "0-1"),
        ],
        Grade::Short,
    ),
    ("memory.node", &[("sys/class/net/eth0/device/numa_node", "-1")], Grade::Absent),
    (
        "kernel.config",
        &[
            ("proc/sys/kernel/osrelease", "6.1"),
            (
                "boot/config-6.1",
                "CONFIG_HZ=250\nCONFIG_NO_HZ_FULL=y\nCONFIG_RCU_NOCB_CPU=y\nCONFIG_CPU_ISOLATION=y\n\
                 CONFIG_HIGH_RES_TIMERS=y",
            ),
        ],
        Grade::Good,
    ),
    (
        "kernel.config",
        &[
            ("proc/sys/kernel/osrelease", "6.1"),
            ("boot/config-6.1", "# CONFIG_NO_HZ_FULL is not set"),
        ],
        Grade::Short,
    ),
    ("kernel.config", &[("proc/config.gz", "not packed")], Grade::Unknown),
    ("kernel.files", &[("proc/self/limits", "Max open files 4096 4096 files")], Grade::Good),
    ("kernel.files", &[("proc/self/limits", "Max open files 1024 4096 files")], Grade::Short),
    ("kernel.files", &[("proc/self/limits", "Max open files 255 4096 files")], Grade::Bad),
    ("kernel.rt_priority", &[("proc/self/limits", "Max realtime priority 80 80")], Grade::Good),
    ("kernel.rt_priority", &[("proc/self/limits", "Max realtime priority 0 0")], Grade::Short),
    ("kernel.rt_throttle", &[("proc/sys/kernel/sched_rt_runtime_us", "-1")], Grade::Good),
    (
        "kernel.rt_throttle",
        &[
            ("proc/sys/kernel/sched_rt_runtime_us", "950000"),
            ("proc/self/limits", "Max realtime priority 80 80"),
        ],
        Grade::Short,
    ),
    (
        "kernel.rt_throttle",
        &[
            ("proc/sys/kernel/sched_rt_runtime_us", "950000"),
            ("proc/self/limits", "Max realtime priority 0 0"),
        ],
        Grade::Good,
    ),
    ("kernel.watchdog", &[("proc/sys/kernel/watchdog", "0")], Grade::Good),
    ("kernel.watchdog", &[("proc/sys/kernel/watchdog", "1")], Grade::Short),
    ("kernel.watchdog", &[("proc/sys/kernel/osrelease", "6.1")], Grade::Absent),
    ("kernel.timer_migration", &[("proc/sys/kernel/timer_migration", "0")], Grade::Good),
    ("kernel.timer_migration", &[("proc/sys/kernel/timer_migration", "1")], Grade::Short),
    ("kernel.console", &[("proc/sys/kernel/printk", "4\t4\t1\t7")], Grade::Good),
    ("kernel.console", &[("proc/sys/kernel/printk", "7\t4\t1\t7")], Grade::Short),
    (
        "kernel.core_dumps",
        &[("proc/self/limits", "Max core file size 0 unlimited bytes")],
        Grade::Good,
    ),
    (
        "kernel.core_dumps",
        &[("proc/self/limits", "Max core file size unlimited unlimited bytes")],
        Grade::Short,
    ),
    ("network.cards", &[("sys/class/net/eth0/operstate", "up")], Grade::Good),
    ("network.cards", &[("sys/class/net/lo/operstate", "unknown")], Grade::Bad),
    (
        "network.busy_poll",
        &[
            ("sys/class/net/eth0/device/x", ""),
            ("proc/sys/net/core/busy_read", "50"),
            ("proc/sys/net/core/busy_poll", "50"),
        ],
        Grade::Good,
    ),
    (
        "network.busy_poll",
        &[
            ("sys/class/net/eth0/device/x", ""),
            ("proc/sys/net/core/busy_read", "0"),
            ("proc/sys/net/core/busy_poll", "0"),
        ],
        Grade::Short,
    ),
    ("network.busy_poll", &[("sys/class/net/lo/operstate", "unknown")], Grade::Absent),
    (
        "network.deferred_interrupts",
        &[
            ("sys/class/net/eth0/device/x", ""),
            ("sys/class/net/eth0/napi_defer_hard_irqs", "100"),
            ("sys/class/net/eth0/gro_flush_timeout", "200000"),
        ],
        Grade::Good,
    ),
    (
        "network.deferred_interrupts",
        &[
            ("sys/class/net/eth0/device/x", ""),
            ("sys/class/net/eth0/napi_defer_hard_irqs", "0"),
            ("sys/class/net/eth0/gro_flush_timeout", "200000"),
        ],
        Grade::Short,
    ),
    ("network.slow_start", &[("proc/sys/net/ipv4/tcp_slow_start_after_idle", "0")], Grade::Good),
    ("network.slow_start", &[("proc/sys/net/ipv4/tcp_slow_start_after_idle", "1")], Grade::Short),
    ("network.autocorking", &[("proc/sys/net/ipv4/tcp_autocorking", "0")], Grade::Good),
    ("network.autocorking", &[("proc/sys/net/ipv4/tcp_autocorking", "1")], Grade::Short),
    ("network.buffers", &[("proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456")], Grade::Good),
    ("network.buffers", &[("proc/sys/net/ipv4/tcp_rmem", "4096 131072 212992")], Grade::Short),
    ("time.daemon", &[("proc/9/comm", "chronyd")], Grade::Good),
    ("time.daemon", &[("proc/9/comm", "systemd-timesyn")], Grade::Short),
    ("time.daemon", &[("proc/9/comm", "bash")], Grade::Short),
    ("time.hardware_clock", &[("sys/class/ptp/ptp0/clock_name", "KVM virtual PTP")], Grade::Good),
    ("time.hardware_clock", &[("sys/class/net/lo/operstate", "unknown")], Grade::Short),
    (
        "time.clock_source",
        &[("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc")],
        Grade::Good,
    ),
    (
        "time.clock_source",
        &[("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock")],
        Grade::Short,
    ),
    (
        "time.clock_source",
        &[("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")],
        Grade::Bad,
    ),
    (
        "time.clock_source",
        &[
            ("proc/cpuinfo", "CPU implementer : 0x41"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "arch_sys_counter"),
        ],
        Grade::Good,
    ),
    (
        "time.counter",
        &[("proc/cpuinfo", "vendor_id : x\nflags : constant_tsc nonstop_tsc")],
        Grade::Good,
    ),
    ("time.counter", &[("proc/cpuinfo", "vendor_id : x\nflags : constant_tsc")], Grade::Short),
    ("time.counter", &[("proc/cpuinfo", "CPU implementer : 0x41")], Grade::Absent),
    ("time.boot", &[("proc/uptime", "300.01 500.0")], Grade::Good),
    ("time.boot", &[("proc/uptime", "299.99 500.0")], Grade::Short),
    ("time.boot", &[("proc/uptime", "86400.0 1.0"), ("run/reboot-required", "")], Grade::Short),
    (
        "disk.file_system",
        &[("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda rw")],
        Grade::Good,
    ),
    ("disk.file_system", &[("proc/self/mountinfo", "1 0 8:1 / / rw - overlay o rw")], Grade::Short),
    ("disk.file_system", &[("proc/self/mountinfo", "1 0 8:1 / /runs rw - nfs4 o rw")], Grade::Bad),
    ("disk.leftovers", &[("runs/a/lock", ""), ("runs/a/summary.json", "{}")], Grade::Good),
    ("disk.leftovers", &[("runs/a/lock", "")], Grade::Short),
];

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
