//! Memory: locking, huge pages, nodes, swap.

use crate::host::checks::hot_cores;
use crate::host::facts::field;
use crate::host::{Amount, Check, Facts, Reading, Weight};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "memory.available",
        why: "without room the kernel reclaims pages or kills the process",
        weight: Weight::Fitness,
        read: available,
    },
    Check {
        id: "memory.limit",
        why: "a control group at its limit stalls, then kills the process",
        weight: Weight::Fitness,
        read: limit,
    },
    Check {
        id: "memory.locked",
        why: "memory that is not locked can be paged out and fault on the hot path",
        weight: Weight::Tuning,
        read: locked,
    },
    Check {
        id: "memory.swap",
        why: "a page that was swapped out takes milliseconds to come back",
        weight: Weight::Tuning,
        read: swap,
    },
    Check {
        id: "memory.huge_pages",
        why: "transparent huge pages are put together behind the program's back, which stalls it",
        weight: Weight::Tuning,
        read: huge_pages,
    },
    Check {
        id: "memory.numa_balancing",
        why: "the kernel unmaps pages to see who uses them",
        weight: Weight::Tuning,
        read: numa_balancing,
    },
    Check {
        id: "memory.node",
        why: "a card on another node costs a hop between sockets for every frame",
        weight: Weight::Tuning,
        read: node,
    },
];

const MIB: u64 = 1 << 20;

fn available(facts: &Facts) -> Reading {
    let expected = "512 MiB or more";
    let path = "proc/meminfo";
    let kib = field(&facts.files, path, "MemAvailable:")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let Some(kib) = kib else {
        return Reading::unknown("MemAvailable in /proc/meminfo", expected);
    };
    let found = format!("{} MiB", kib / 1024);
    let remedy =
        "end other programs, or use a larger machine; a run takes about 30 MiB and its page cache";
    if kib < 128 * 1024 {
        return Reading::bad(found, expected, remedy);
    }
    Reading::short_unless(kib >= 512 * 1024, found, expected, remedy)
}

fn limit(facts: &Facts) -> Reading {
    let expected = "none, or 512 MiB and more";
    let mut texts = facts.group_values("memory.max");
    if let Some(bytes) = facts.files.text("sys/fs/cgroup/memory/memory.limit_in_bytes") {
        // Version 1 says "none" as a number near the largest.
        texts.push(if bytes.len() > 18 { "max".to_owned() } else { bytes });
    }
    let top = facts.files.exists("sys/fs/cgroup/cgroup.controllers");
    let read: Option<Vec<Amount>> =
        texts.iter().map(|text| Amount::from_text(text, "max")).collect();
    match read.map(|amounts| amounts.into_iter().min()) {
        Some(Some(Amount::Unlimited)) => Reading::good("none", expected),
        Some(None) if top => Reading::good("none", expected),
        Some(Some(Amount::Of(bytes))) => {
            let found = format!("{} MiB", bytes / MIB);
            let remedy = "raise MemoryMax= of the unit, or --memory of the container";
            if bytes < 128 * MIB {
                return Reading::bad(found, expected, remedy);
            }
            Reading::short_unless(bytes >= 512 * MIB, found, expected, remedy)
        }
        Some(None) | None => Reading::unknown("memory.max of the control group", expected),
    }
}

fn locked(facts: &Facts) -> Reading {
    let expected = "unlimited, or 256 MiB and more";
    let Some(limit) = facts.limit("Max locked memory") else {
        return Reading::unknown("/proc/self/limits", expected);
    };
    let found = match limit {
        Amount::Unlimited => "unlimited".to_owned(),
        Amount::Of(bytes) => format!("{} KiB", bytes / 1024),
    };
    let remedy = "LimitMEMLOCK=infinity in the unit, --ulimit memlock=-1 for a container, or \
                  /etc/security/limits.d";
    Reading::short_unless(limit >= Amount::Of(256 * MIB), found, expected, remedy)
}

fn swap(facts: &Facts) -> Reading {
    let expected = "no swap, or vm.swappiness of 1 or less";
    let Some(swaps) = facts.files.text("proc/swaps") else {
        return Reading::unknown("/proc/swaps", expected);
    };
    let areas = swaps.lines().skip(1).filter(|line| !line.trim().is_empty()).count();
    if areas == 0 {
        return Reading::good("no swap", expected);
    }
    let swappiness = facts.files.sysctl("vm.swappiness");
    let Some(swappiness) = swappiness.and_then(|text| text.parse::<u32>().ok()) else {
        return Reading::unknown("/proc/sys/vm/swappiness", expected);
    };
    let found = format!("{areas} swap areas, swappiness {swappiness}");
    Reading::short_unless(
        swappiness <= 1,
        found,
        expected,
        "swapoff -a, or sysctl -w vm.swappiness=1",
    )
}

fn huge_pages(facts: &Facts) -> Reading {
    let expected = "madvise or never";
    let path = "sys/kernel/mm/transparent_hugepage/enabled";
    let Some(text) = facts.files.text(path) else {
        return Reading::unknown("/sys/kernel/mm/transparent_hugepage/enabled", expected);
    };
    let chosen = text.split(['[', ']']).nth(1).unwrap_or(&text);
    let remedy = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
    Reading::short_unless(chosen != "always", chosen, expected, remedy)
}

fn numa_balancing(facts: &Facts) -> Reading {
    let expected = "off";
    let nodes = facts.files.names("sys/devices/system/node");
    let nodes = nodes.iter().filter(|name| {
        name.strip_prefix("node").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if nodes.count() == 1 {
        return Reading::absent("one memory node", expected);
    }
    match facts.files.sysctl("kernel.numa_balancing").as_deref() {
        None => Reading::unknown("/proc/sys/kernel/numa_balancing", expected),
        Some("0") => Reading::good("off", expected),
        Some(_) => Reading::short("on", expected, "sysctl -w kernel.numa_balancing=0"),
    }
}

fn node(facts: &Facts) -> Reading {
    let expected = "the network card on the node of the stage threads' cores";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let mut seen = Vec::new();
    let mut far = Vec::new();
    for name in facts.interfaces() {
        let node = facts.files.value::<i64>(&format!("sys/class/net/{name}/device/numa_node"));
        // A machine with one node says -1.
        let Some(node) = node.filter(|node| *node >= 0) else { continue };
        let Some(cores) = facts.cores(&format!("sys/devices/system/node/node{node}/cpulist"))
        else {
            continue;
        };
        seen.push(format!("{name} on node {node} (cores {cores})"));
        if !hot.minus(&cores).is_empty() {
            far.push(format!("{name} on node {node} (cores {cores}), stage threads on {hot}"));
        }
    }
    if seen.is_empty() {
        return match facts.files.exists("sys/class/net") {
            true => Reading::absent("no card tells a node", expected),
            false => Reading::unknown("/sys/class/net", expected),
        };
    }
    let remedy = "name cores of the card's node in engine.cores, with NUMAPolicy=bind and NUMAMask= in the unit";
    let found = if far.is_empty() { seen.join(", ") } else { far.join(", ") };
    Reading::short_unless(far.is_empty(), found, expected, remedy)
}
