//! Cores: how many, how isolated, how fast, how virtual.

use crate::affinity::CoreSet;
use crate::host::checks::{covers_hot, hot_cores, text_or};
use crate::host::{Arch, Check, Facts, Reading, Weight};
use crate::runner::DEDICATED_CORES;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cpu.cores",
        why: "with fewer than four usable cores all stages share one thread",
        weight: Weight::Tuning,
        read: cores,
    },
    Check {
        id: "cpu.quota",
        why: "a quota stops a spinning thread for the rest of every period",
        weight: Weight::Fitness,
        read: quota,
    },
    Check {
        id: "cpu.siblings",
        why: "a busy sibling takes half of the physical core",
        weight: Weight::Tuning,
        read: siblings,
    },
    Check {
        id: "cpu.isolated",
        why: "on an isolated core nothing else is scheduled",
        weight: Weight::Tuning,
        read: isolated,
    },
    Check {
        id: "cpu.nohz_full",
        why: "without it the timer interrupts a spinning thread up to 1,000 times a second",
        weight: Weight::Tuning,
        read: nohz_full,
    },
    Check {
        id: "cpu.rcu_nocbs",
        why: "callbacks of the kernel run on the core that made them",
        weight: Weight::Tuning,
        read: rcu_nocbs,
    },
    Check {
        id: "cpu.governor",
        why: "a core that slows down when idle is slow when the tick comes",
        weight: Weight::Tuning,
        read: governor,
    },
    Check {
        id: "cpu.turbo",
        why: "boost makes the clock rate depend on heat and on the other cores",
        weight: Weight::Note,
        read: turbo,
    },
    Check {
        id: "cpu.idle_states",
        why: "waking from a deep idle state takes 50 to 200 µs",
        weight: Weight::Tuning,
        read: idle_states,
    },
    Check {
        id: "cpu.mitigations",
        why: "some mitigations make every system call dearer",
        weight: Weight::Note,
        read: mitigations,
    },
    Check {
        id: "cpu.virtual",
        why: "a hypervisor can stop the whole machine at any time",
        weight: Weight::Note,
        read: virtualisation,
    },
    Check {
        id: "cpu.steal",
        why: "stolen time is a pause that no setting of this machine can mend",
        weight: Weight::Tuning,
        read: steal,
    },
];

fn cores(facts: &Facts) -> Reading {
    let expected = "4 or more usable cores: ingest, kernel, egress, and one for the rest";
    let Some(usable) = facts.usable else {
        return Reading::unknown("/proc/self/status", expected);
    };
    let remedy = "give the process more cores (CPUAffinity=, --cpuset-cpus); with 2 or 3 the program runs \
                  layout shared by itself";
    match usable.len() {
        count if count > DEDICATED_CORES => {
            Reading::good(format!("{count} cores ({usable}): layout dedicated fits"), expected)
        }
        1 => Reading::bad(format!("1 core ({usable}): nothing is pinned"), expected, remedy),
        count => {
            Reading::short(format!("{count} cores ({usable}): layout shared"), expected, remedy)
        }
    }
}

fn quota(facts: &Facts) -> Reading {
    let expected = "no limit of processor time";
    let remedy = "remove the limit: CPUQuota= of the unit, --cpus of the container; give whole cores instead";
    let values = facts.group_values("cpu.max");
    let tightest = values.iter().find(|value| !value.starts_with("max")).or_else(|| values.first());
    let value = tightest.cloned().or_else(|| {
        let quota = facts.files.text("sys/fs/cgroup/cpu/cpu.cfs_quota_us")?;
        Some(if quota == "-1" { "max".to_owned() } else { quota })
    });
    match value {
        Some(value) if value.starts_with("max") => Reading::good("none", expected),
        Some(value) => Reading::bad(format!("{value} (µs a period, period)"), expected, remedy),
        // The topmost group has no limit and no file.
        None if facts.files.exists("sys/fs/cgroup/cgroup.controllers") => {
            Reading::good("none", expected)
        }
        None => Reading::unknown("cpu.max of the control group", expected),
    }
}

fn siblings(facts: &Facts) -> Reading {
    let expected = "no sibling of a stage thread's core in use";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let list = |core| {
        facts.cores(&format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"))
    };
    let mut others = CoreSet::EMPTY;
    for core in hot.iter() {
        let Some(siblings) = list(core) else {
            return Reading::unknown("thread_siblings_list", expected);
        };
        others = others.union(&siblings.minus(&CoreSet::only(core)));
    }
    let both: CoreSet = others.iter().filter(|core| hot.contains(*core)).collect();
    if !both.is_empty() {
        let remedy = "name one thread of each physical core in engine.cores";
        return Reading::bad(format!("stage threads on both siblings: {both}"), expected, remedy);
    }
    let isolated = facts.cores("sys/devices/system/cpu/isolated").unwrap_or(CoreSet::EMPTY);
    let busy = others.minus(&isolated);
    let left = facts.usable.unwrap_or(CoreSet::EMPTY).minus(&hot).minus(&others);
    let remedy = if left.is_empty() {
        "a machine with two physical cores or more: these are the threads of one".to_owned()
    } else {
        let off =
            busy.iter().map(|core| format!("echo 0 > /sys/devices/system/cpu/cpu{core}/online"));
        format!("{} (as root), or isolate them too", off.collect::<Vec<_>>().join("; "))
    };
    let found = if others.is_empty() {
        "no siblings".to_owned()
    } else if busy.is_empty() {
        format!("siblings {others}, isolated")
    } else {
        format!("siblings {busy} take part in scheduling")
    };
    Reading::short_unless(busy.is_empty(), found, expected, &remedy)
}

fn isolated(facts: &Facts) -> Reading {
    let expected = "every core of a stage thread";
    let remedy = "kernel arguments isolcpus=domain,managed_irq,{hot} (pinion host plan writes them), or an \
                  isolated cpuset partition";
    if facts.group_values("cpuset.cpus.partition").first().is_some_and(|kind| kind == "isolated") {
        return Reading::good("the control group is an isolated partition", expected);
    }
    let path = "sys/devices/system/cpu/isolated";
    covers_hot(facts, facts.cores(path), "/sys/devices/system/cpu/isolated", expected, remedy)
}

fn nohz_full(facts: &Facts) -> Reading {
    let expected = "every core of a stage thread";
    let path = "sys/devices/system/cpu/nohz_full";
    // A kernel without the feature has no such file.
    let without = !facts.files.exists(path) && facts.files.exists("sys/devices/system/cpu/online");
    let listed = if without { Some(CoreSet::EMPTY) } else { facts.cores(path) };
    let remedy = if without {
        "a kernel with CONFIG_NO_HZ_FULL, and its argument nohz_full={hot}"
    } else {
        "kernel argument nohz_full={hot}"
    };
    covers_hot(facts, listed, "/sys/devices/system/cpu/nohz_full", expected, remedy)
}

fn rcu_nocbs(facts: &Facts) -> Reading {
    let expected = "every core of a stage thread";
    let listed = facts.files.text("proc/cmdline").and_then(|_| {
        let mut set = CoreSet::EMPTY;
        // Full tickless cores are without callbacks as well.
        for name in ["rcu_nocbs", "nohz_full"] {
            match facts.argument(name).as_deref() {
                Some("all") => return facts.usable,
                Some(list) => set = set.union(&CoreSet::parse_list(list)?),
                None => {}
            }
        }
        Some(set)
    });
    covers_hot(facts, listed, "/proc/cmdline", expected, "kernel argument rcu_nocbs={hot}")
}

fn governor(facts: &Facts) -> Reading {
    let expected = "performance on every core of a stage thread";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let cpu = "sys/devices/system/cpu";
    if !facts.files.exists(&format!("{cpu}/online")) {
        return Reading::unknown("/sys/devices/system/cpu", expected);
    }
    let path = |core| format!("{cpu}/cpu{core}/cpufreq/scaling_governor");
    let mut other = Vec::new();
    let mut seen = 0;
    for core in hot.iter() {
        if let Some(governor) = facts.files.text(&path(core)) {
            seen += 1;
            if governor != "performance" {
                other.push(format!("core {core} {governor}"));
            }
        }
    }
    if seen == 0 {
        return Reading::absent("the machine does not scale its frequency, or hides it", expected);
    }
    let remedy = "cpupower frequency-set -g performance";
    let found = if other.is_empty() { "performance".to_owned() } else { other.join(", ") };
    Reading::short_unless(other.is_empty(), found, expected, remedy)
}

fn turbo(facts: &Facts) -> Reading {
    let expected = "off, so that every run has the same clock rate";
    let off = "sys/devices/system/cpu/intel_pstate/no_turbo";
    let on = "sys/devices/system/cpu/cpufreq/boost";
    let remedy = "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > \
                  /sys/devices/system/cpu/cpufreq/boost; keep it on where speed counts more than evenness";
    let boosts = facts
        .files
        .text(off)
        .map(|text| text == "0")
        .or_else(|| facts.files.text(on).map(|text| text != "0"));
    match boosts {
        Some(boosts) => {
            Reading::short_unless(!boosts, if boosts { "on" } else { "off" }, expected, remedy)
        }
        None if facts.files.exists("sys/devices/system/cpu/online") => {
            Reading::absent("the machine does not tell", expected)
        }
        None => Reading::unknown("/sys/devices/system/cpu", expected),
    }
}

/// Waking from a state that takes longer is felt, µs.
const WAKE_US_MAX: u64 = 10;

fn idle_states(facts: &Facts) -> Reading {
    let expected = "no enabled idle state that takes more than 10 µs to leave";
    let cpu = "sys/devices/system/cpu";
    if !facts.files.exists(&format!("{cpu}/online")) {
        return Reading::unknown("/sys/devices/system/cpu", expected);
    }
    if facts.argument("idle").is_some_and(|value| value == "poll") {
        return Reading::good("idle=poll", expected);
    }
    let core = facts.hot.iter().next().unwrap_or(0);
    let folder = format!("{cpu}/cpu{core}/cpuidle");
    let mut deep = Vec::new();
    for state in facts.files.names(&folder) {
        let value = |name: &str| facts.files.text(&format!("{folder}/{state}/{name}"));
        let latency_us = value("latency").and_then(|text| text.parse::<u64>().ok());
        let enabled = value("disable").is_none_or(|text| text == "0");
        if enabled && latency_us.is_some_and(|us| us > WAKE_US_MAX) {
            deep.push(format!("{} {} µs", value("name").unwrap_or(state), latency_us.unwrap_or(0)));
        }
    }
    if facts.files.names(&folder).is_empty() {
        return Reading::good("no idle states", expected);
    }
    let remedy = "kernel arguments intel_idle.max_cstate=0 processor.max_cstate=1, or cpupower idle-set -D 10";
    let found = if deep.is_empty() { "shallow states only".to_owned() } else { deep.join(", ") };
    Reading::short_unless(deep.is_empty(), found, expected, remedy)
}

fn mitigations(facts: &Facts) -> Reading {
    let expected = "a decision: mitigations=off on a host that runs nothing but this engine";
    let folder = "sys/devices/system/cpu/vulnerabilities";
    let names = facts.files.names(folder);
    if names.is_empty() {
        return Reading::unknown("/sys/devices/system/cpu/vulnerabilities", expected);
    }
    let active = names.iter().filter(|name| {
        let text = facts.files.text(&format!("{folder}/{name}"));
        text.is_some_and(|text| text.starts_with("Mitigation"))
    });
    let active: Vec<&str> = active.map(String::as_str).collect();
    let remedy = "kernel argument mitigations=off, only where no foreign code runs";
    let found = text_or(&active.join(", "), "none in force").to_owned();
    Reading::short_unless(active.is_empty(), found, expected, remedy)
}

fn virtualisation(facts: &Facts) -> Reading {
    let expected = "a machine of its own";
    let product = facts.files.text("sys/class/dmi/id/product_name");
    let by_name = product.as_deref().is_some_and(|product| {
        let names = ["KVM", "Virtual", "VMware", "HVM", "Bochs", "QEMU", "Compute Engine"];
        names.iter().any(|name| product.contains(name))
    });
    let by_flag = facts.has_flag("hypervisor");
    let by_kernel = facts.files.exists("sys/hypervisor/type");
    let virtual_machine = by_name || by_kernel || by_flag == Some(true);
    let name = product.unwrap_or_else(|| "product not told".to_owned());
    let remedy = "a bare-metal instance, or a placement with dedicated cores";
    if virtual_machine {
        return Reading::short(format!("a virtual machine ({name})"), expected, remedy);
    }
    // Only x86 has the flag: elsewhere its absence says nothing.
    if facts.arch == Arch::X86 && by_flag == Some(false) {
        return Reading::good(format!("bare metal ({name})"), expected);
    }
    Reading::unknown("the kind of machine", expected)
}

/// More than this of the time stolen is noise, in parts per million.
const STEAL_PPM_MAX: u64 = 1_000;

fn steal(facts: &Facts) -> Reading {
    let expected = "at most 0.1 % of the time";
    let total = |text: &str| -> Option<(u64, u64)> {
        let line = text.lines().find(|line| line.starts_with("cpu "))?;
        let times: Vec<u64> =
            line.split_ascii_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
        // Guest times, the last two, are in user time already.
        Some((*times.get(7)?, times.iter().take(8).sum()))
    };
    let (first, last) = (facts.asked.stat.as_deref(), facts.asked.later.stat.as_deref());
    let (Some(first), Some(last)) = (first.and_then(total), last.and_then(total)) else {
        return Reading::unknown("stolen time in /proc/stat", expected);
    };
    let (stolen, passed) = (last.0.saturating_sub(first.0), last.1.saturating_sub(first.1));
    let Some(ppm) = (stolen * 1_000_000).checked_div(passed) else {
        return Reading::unknown("two different readings of /proc/stat", expected);
    };
    let found = format!("{}.{:02} % in the last moment", ppm / 10_000, ppm / 100 % 100);
    let remedy = "dedicated cores or another host: the neighbours of this one are busy";
    if ppm > 10 * STEAL_PPM_MAX {
        return Reading::bad(found, expected, remedy);
    }
    Reading::short_unless(ppm <= STEAL_PPM_MAX, found, expected, remedy)
}
