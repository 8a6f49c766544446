//! The kernel: how it was built, what it grants this process, what it does by itself.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::host::{Amount, Check, Facts, Reading, Weight};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "kernel.config",
        why: "a core can be kept quiet only by a kernel that was built for it",
        weight: Weight::Note,
        read: config,
    },
    Check {
        id: "kernel.files",
        why: "every socket and log file takes one of the open files",
        weight: Weight::Fitness,
        read: files,
    },
    Check {
        id: "kernel.rt_priority",
        why: "real-time priority is refused without it",
        weight: Weight::Note,
        read: rt_priority,
    },
    Check {
        id: "kernel.rt_throttle",
        why: "the kernel stops a spinning SCHED_FIFO thread for 5 % of every second",
        weight: Weight::Note,
        read: rt_throttle,
    },
    Check {
        id: "kernel.watchdog",
        why: "the lock-up detector interrupts every core",
        weight: Weight::Note,
        read: watchdog,
    },
    Check {
        id: "kernel.timer_migration",
        why: "timers of other cores wander to the stage threads' cores",
        weight: Weight::Note,
        read: timer_migration,
    },
    Check {
        id: "kernel.console",
        why: "a talkative console holds locks while it prints",
        weight: Weight::Note,
        read: console,
    },
    Check {
        id: "kernel.core_dumps",
        why: "writing a core file delays the restart, and the file holds keys",
        weight: Weight::Note,
        read: core_dumps,
    },
];

/// Options and why they are wanted; `CONFIG_` stands before each.
const OPTIONS: [&str; 4] = ["NO_HZ_FULL", "RCU_NOCB_CPU", "CPU_ISOLATION", "HIGH_RES_TIMERS"];

fn config(facts: &Facts) -> Reading {
    let expected = "NO_HZ_FULL, RCU_NOCB_CPU, CPU_ISOLATION and HIGH_RES_TIMERS built in";
    let Some(text) = config_text(facts) else {
        return Reading::unknown("/proc/config.gz or /boot/config-RELEASE", expected);
    };
    let missing: Vec<&str> = OPTIONS
        .into_iter()
        .filter(|option| !text.lines().any(|line| line == format!("CONFIG_{option}=y")))
        .collect();
    let hz = text.lines().find_map(|line| line.strip_prefix("CONFIG_HZ=")).unwrap_or("not told");
    let found = if missing.is_empty() {
        format!("all of them, {hz} Hz")
    } else {
        format!("without {}, {hz} Hz", missing.join(", "))
    };
    let remedy =
        "a kernel with these options: the low-latency or real-time package of the distribution";
    Reading::short_unless(missing.is_empty(), found, expected, remedy)
}

/// Largest configuration that is unpacked; they have some 300 KiB.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

fn config_text(facts: &Facts) -> Option<String> {
    if let Some(packed) = facts.files.bytes("proc/config.gz") {
        let mut text = String::new();
        GzDecoder::new(&packed[..]).take(CONFIG_BYTES_MAX).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    let release = facts.files.sysctl("kernel.osrelease")?;
    facts.files.text(&format!("boot/config-{release}"))
}

fn files(facts: &Facts) -> Reading {
    let expected = "4096 or more";
    let Some(limit) = facts.limit("Max open files") else {
        return Reading::unknown("/proc/self/limits", expected);
    };
    let found = limit.to_string();
    let remedy = "LimitNOFILE=65536 in the unit, or ulimit -n 65536";
    if limit < Amount::Of(256) {
        return Reading::bad(found, expected, remedy);
    }
    Reading::short_unless(limit >= Amount::Of(4096), found, expected, remedy)
}

fn rt_priority(facts: &Facts) -> Reading {
    let expected = "1 or more; only for SCHED_FIFO on isolated cores";
    let Some(limit) = facts.limit("Max realtime priority") else {
        return Reading::unknown("/proc/self/limits", expected);
    };
    let remedy = "LimitRTPRIO=80 in the unit, --ulimit rtprio=80 for a container";
    Reading::short_unless(limit > Amount::Of(0), limit.to_string(), expected, remedy)
}

fn rt_throttle(facts: &Facts) -> Reading {
    let expected = "-1, or no real-time priority granted";
    let Some(runtime) = facts.files.sysctl("kernel.sched_rt_runtime_us") else {
        return Reading::unknown("/proc/sys/kernel/sched_rt_runtime_us", expected);
    };
    if runtime == "-1" {
        return Reading::good("-1", expected);
    }
    match facts.limit("Max realtime priority") {
        None => Reading::unknown("/proc/self/limits", expected),
        Some(Amount::Of(0)) => {
            Reading::good(format!("{runtime} µs, and no real-time priority"), expected)
        }
        Some(_) => {
            let remedy =
                "sysctl -w kernel.sched_rt_runtime_us=-1, on a host with isolated cores only";
            Reading::short(format!("{runtime} µs a second"), expected, remedy)
        }
    }
}

fn watchdog(facts: &Facts) -> Reading {
    let expected = "off";
    match facts.files.sysctl("kernel.watchdog").as_deref() {
        Some("0") => Reading::good("off", expected),
        Some(_) => Reading::short("on", expected, "sysctl -w kernel.watchdog=0"),
        None if facts.files.exists("proc/sys/kernel/osrelease") => {
            Reading::absent("this kernel has none", expected)
        }
        None => Reading::unknown("/proc/sys/kernel/watchdog", expected),
    }
}

fn timer_migration(facts: &Facts) -> Reading {
    let expected = "off";
    match facts.files.sysctl("kernel.timer_migration").as_deref() {
        Some("0") => Reading::good("off", expected),
        Some(_) => Reading::short("on", expected, "sysctl -w kernel.timer_migration=0"),
        None if facts.files.exists("proc/sys/kernel/osrelease") => {
            Reading::absent("this kernel has no such switch", expected)
        }
        None => Reading::unknown("/proc/sys/kernel/timer_migration", expected),
    }
}

fn console(facts: &Facts) -> Reading {
    let expected = "level 4 or less";
    let level = facts.files.sysctl("kernel.printk");
    let level = level.and_then(|text| text.split_whitespace().next()?.parse::<u32>().ok());
    let Some(level) = level else {
        return Reading::unknown("/proc/sys/kernel/printk", expected);
    };
    let remedy = "sysctl -w kernel.printk='4 4 1 7', or the kernel argument quiet";
    Reading::short_unless(level <= 4, format!("level {level}"), expected, remedy)
}

fn core_dumps(facts: &Facts) -> Reading {
    let expected = "0";
    let Some(limit) = facts.limit("Max core file size") else {
        return Reading::unknown("/proc/self/limits", expected);
    };
    let remedy = "LimitCORE=0 in the unit, or ulimit -c 0";
    Reading::short_unless(limit == Amount::Of(0), limit.to_string(), expected, remedy)
}
