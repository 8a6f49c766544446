//! A machine for each outcome of each check that files alone decide.

use crate::host::Grade;

const ONLINE: (&str, &str) = ("sys/devices/system/cpu/online", "0-3\n");

/// A check, the files of a machine of four cores with 2 and 3 as those of the stage threads, and the grade.
pub(super) type Row = (&'static str, &'static [(&'static str, &'static str)], Grade);

pub(super) const ROWS: &[Row] = &[
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
