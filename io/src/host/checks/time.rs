//! Clocks: what counts time, and who keeps it right.

use crate::host::{Arch, Check, Facts, Reading, Weight};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "time.synchronised",
        why: "venues refuse orders whose time is off, and latencies to them mean nothing",
        weight: Weight::Fitness,
        read: synchronised,
    },
    Check {
        id: "time.daemon",
        why: "a clock that nobody steers drifts by seconds a day",
        weight: Weight::Tuning,
        read: daemon,
    },
    Check {
        id: "time.hardware_clock",
        why: "a card's or hypervisor's clock keeps time to microseconds",
        weight: Weight::Note,
        read: hardware_clock,
    },
    Check {
        id: "time.clock_source",
        why: "with another source every reading of the time is a slow call of the kernel",
        weight: Weight::Fitness,
        read: clock_source,
    },
    Check {
        id: "time.counter",
        why: "latency stamps read a counter that must run at one rate, always",
        weight: Weight::Tuning,
        read: counter,
    },
    Check {
        id: "time.boot",
        why: "in the first minutes clocks settle and the system still starts things",
        weight: Weight::Note,
        read: boot,
    },
];

/// Largest believed error of the clock, µs: a tenth of the window in which venues take an order.
const ERROR_US_MAX: u64 = 500_000;
/// What a host beside the venue reaches without trouble, µs.
const ERROR_US_GOOD: u64 = 50_000;

fn synchronised(facts: &Facts) -> Reading {
    let expected = "synchronised, error at most 50 ms";
    let Some(clock) = facts.asked.clock else {
        return Reading::unknown("the kernel's clock state (adjtimex)", expected);
    };
    let remedy =
        "systemctl enable --now chrony, then chronyc waitsync; in a container the host does it";
    let found = if clock.synchronised {
        format!("synchronised, error at most {} ms", clock.max_error_us.div_ceil(1_000))
    } else {
        "not synchronised".to_owned()
    };
    if !clock.synchronised || clock.max_error_us > ERROR_US_MAX {
        return Reading::bad(found, expected, remedy);
    }
    Reading::short_unless(clock.max_error_us <= ERROR_US_GOOD, found, expected, remedy)
}

const DAEMONS: [&str; 6] = ["chronyd", "ntpd", "systemd-timesyn", "ptp4l", "phc2sys", "openntpd"];

fn daemon(facts: &Facts) -> Reading {
    let expected = "chronyd, or ptp4l with phc2sys";
    let running: Vec<&str> =
        DAEMONS.into_iter().filter(|name| facts.runs_process(name) == Some(true)).collect();
    if facts.runs_process("chronyd").is_none() {
        return Reading::unknown("/proc", expected);
    }
    let remedy = "apt-get install chrony, and systemctl enable --now chrony";
    if running.is_empty() {
        return Reading::short("none runs here", expected, remedy);
    }
    let coarse = running == ["systemd-timesyn"];
    Reading::short_unless(!coarse, running.join(", "), expected, remedy)
}

fn hardware_clock(facts: &Facts) -> Reading {
    let expected = "a clock in /sys/class/ptp as a reference of chrony";
    if !facts.files.exists("sys/class") {
        return Reading::unknown("/sys/class/ptp", expected);
    }
    let clocks: Vec<String> = facts
        .files
        .names("sys/class/ptp")
        .iter()
        .map(|name| {
            let kind = facts.files.text(&format!("sys/class/ptp/{name}/clock_name"));
            kind.map_or_else(|| name.clone(), |kind| format!("{name} ({kind})"))
        })
        .collect();
    let remedy = "modprobe ptp_kvm on KVM; then refclock PHC /dev/ptp0 poll 2 in chrony.conf";
    let found = if clocks.is_empty() { "none".to_owned() } else { clocks.join(", ") };
    Reading::short_unless(!clocks.is_empty(), found, expected, remedy)
}

fn clock_source(facts: &Facts) -> Reading {
    let expected = match facts.arch {
        Arch::Arm => "arch_sys_counter",
        Arch::X86 | Arch::Other => "tsc",
    };
    let folder = "sys/devices/system/clocksource/clocksource0";
    let Some(source) = facts.files.text(&format!("{folder}/current_clocksource")) else {
        return Reading::unknown("/sys/devices/system/clocksource", expected);
    };
    let available = facts.files.text(&format!("{folder}/available_clocksource"));
    let offered =
        available.is_some_and(|text| text.split_whitespace().any(|word| word == expected));
    let remedy = if offered {
        format!(
            "echo {expected} > /{folder}/current_clocksource, or kernel argument clocksource={expected}"
        )
    } else {
        format!(
            "the machine does not offer {expected}: see dmesg for why; another machine type may"
        )
    };
    match source.as_str() {
        good if good == expected => Reading::good(source, expected),
        // Both are read without entering the kernel.
        "kvm-clock" | "hyperv_clocksource_tsc_page" => Reading::short(source, expected, &remedy),
        _ => Reading::bad(source, expected, &remedy),
    }
}

fn counter(facts: &Facts) -> Reading {
    let expected = "flags constant_tsc and nonstop_tsc";
    match facts.arch {
        Arch::X86 => {}
        Arch::Arm => return Reading::absent("ARM: the system counter has one rate", expected),
        Arch::Other => return Reading::unknown("/proc/cpuinfo", expected),
    }
    let Some((constant, nonstop)) =
        facts.has_flag("constant_tsc").zip(facts.has_flag("nonstop_tsc"))
    else {
        return Reading::unknown("the flags in /proc/cpuinfo", expected);
    };
    let missing: Vec<&str> = [(constant, "constant_tsc"), (nonstop, "nonstop_tsc")]
        .into_iter()
        .filter_map(|(has, flag)| (!has).then_some(flag))
        .collect();
    let found = if missing.is_empty() {
        "both".to_owned()
    } else {
        format!("without {}", missing.join(", "))
    };
    let remedy = "a machine type that passes the flag on (invtsc=on for KVM); stamps cost 20 ns more without it";
    Reading::short_unless(missing.is_empty(), found, expected, remedy)
}

/// Seconds after which a machine has settled.
const SETTLED_S: u64 = 300;

fn boot(facts: &Facts) -> Reading {
    let expected = "5 minutes or more since the start, and no restart due";
    let text = facts.files.text("proc/uptime");
    let up = text.and_then(|text| text.split('.').next()?.parse::<u64>().ok());
    let Some(up) = up else {
        return Reading::unknown("/proc/uptime", expected);
    };
    let (days, hours, minutes) = (up / 86_400, up / 3_600 % 24, up / 60 % 60);
    let due = facts.files.exists("run/reboot-required");
    let found =
        format!("up {days} d {hours} h {minutes} min{}", if due { ", restart due" } else { "" });
    let remedy = if due {
        "restart the machine while no run goes on: an update waits for it"
    } else {
        "wait a few minutes before measuring"
    };
    Reading::short_unless(up >= SETTLED_S && !due, found, expected, remedy)
}
