//! Interrupts and kernel work on the cores of the stage threads.

use std::collections::BTreeMap;

use crate::affinity::CoreSet;
use crate::host::checks::hot_cores;
use crate::host::{Check, Facts, Reading, Weight};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cpu.irqs",
        why: "an interrupt of a device stops the stage thread for microseconds",
        weight: Weight::Tuning,
        read: irqs,
    },
    Check {
        id: "cpu.irqbalance",
        why: "the daemon moves interrupts back to the stage threads' cores",
        weight: Weight::Tuning,
        read: irqbalance,
    },
    Check {
        id: "cpu.interrupt_rate",
        why: "every interrupt on a stage thread's core is a pause",
        weight: Weight::Tuning,
        read: rate,
    },
    Check {
        id: "cpu.workqueues",
        why: "unbound kernel work runs wherever its mask allows",
        weight: Weight::Note,
        read: workqueues,
    },
];

/// Names of the device interrupts by number, from `/proc/interrupts`.
fn devices(text: &str) -> BTreeMap<u32, String> {
    let numbered = text.lines().filter_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let name = rest.split_ascii_whitespace().last().unwrap_or_default();
        Some((number.trim().parse().ok()?, name.to_owned()))
    });
    numbered.collect()
}

fn irqs(facts: &Facts) -> Reading {
    let expected = "no device interrupt on a core of a stage thread";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let Some(text) = facts.files.text("proc/interrupts") else {
        return Reading::unknown("/proc/interrupts", expected);
    };
    let mut on_hot = Vec::new();
    let mut seen = 0;
    for (number, name) in devices(&text) {
        let folder = format!("proc/irq/{number}");
        // The effective list is empty on controllers that do not tell.
        let effective = facts.cores(&format!("{folder}/effective_affinity_list"));
        let allowed = facts.cores(&format!("{folder}/smp_affinity_list"));
        let Some(list) = effective.filter(|list| !list.is_empty()).or(allowed) else {
            continue;
        };
        seen += 1;
        if list.iter().any(|core| hot.contains(core)) {
            on_hot.push(format!("{number} {name} ({list})"));
        }
    }
    if seen == 0 {
        return Reading::unknown("/proc/irq", expected);
    }
    let rest = facts.usable.unwrap_or(CoreSet::EMPTY).minus(&hot);
    let remedy = format!(
        "kernel argument irqaffinity={rest}, or echo {rest} > /proc/irq/N/smp_affinity_list for each; \
         managed interrupts move only with isolcpus=managed_irq"
    );
    let found = match on_hot.len() {
        0 => format!("{seen} interrupts, none on {hot}"),
        count => {
            on_hot.truncate(5);
            format!("{count} of {seen} on {hot}: {}", on_hot.join(", "))
        }
    };
    Reading::short_unless(on_hot.is_empty(), found, expected, &remedy)
}

fn irqbalance(facts: &Facts) -> Reading {
    let expected = "not running, or banned from the cores of the stage threads";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    match facts.runs_process("irqbalance") {
        None => return Reading::unknown("/proc", expected),
        Some(false) => return Reading::good("not running", expected),
        Some(true) => {}
    }
    let files =
        ["etc/default/irqbalance", "etc/systemd/system/irqbalance.service.d/50-pinion.conf"];
    let banned = files.iter().filter_map(|path| facts.files.text(path)).find_map(|text| {
        let line = text.lines().find(|line| line.contains("IRQBALANCE_BANNED_CPULIST="))?;
        let (_, list) = line.split_once("IRQBALANCE_BANNED_CPULIST=")?;
        CoreSet::parse_list(list.trim_matches(['"', '\'', ' ']))
    });
    let banned = banned.unwrap_or(CoreSet::EMPTY);
    let found = format!("running, banned from {banned}");
    let remedy = format!("systemctl disable --now irqbalance, or IRQBALANCE_BANNED_CPULIST={hot}");
    Reading::short_unless(hot.minus(&banned).is_empty(), found, expected, &remedy)
}

/// Rows of `/proc/interrupts` with their sum over some cores: name, count.
fn counts(text: &str, cores: &CoreSet) -> BTreeMap<String, u64> {
    let mut lines = text.lines();
    let columns: Vec<Option<usize>> = lines
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(|word| word.strip_prefix("CPU")?.parse().ok())
        .collect();
    let mut rows = BTreeMap::new();
    for line in lines {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        let numbers: Vec<u64> = words.iter().map_while(|word| word.parse().ok()).collect();
        // Rows of the whole machine have one number and no core.
        if numbers.len() < columns.len() {
            continue;
        }
        let sum = columns
            .iter()
            .zip(&numbers)
            .filter(|(core, _)| core.is_some_and(|core| cores.contains(core)))
            .map(|(_, count)| count)
            .sum();
        let (name, words) = (name.trim(), words.get(columns.len()..).unwrap_or_default());
        // A device has a number and its own name comes last; the kernel's own rows have a description.
        let numbered = name.bytes().all(|byte| byte.is_ascii_digit());
        let what =
            if numbered { words.last().copied().unwrap_or("").to_owned() } else { words.join(" ") };
        rows.insert(format!("{name} {what}").trim().to_owned(), sum);
    }
    rows
}

/// What grew between two readings, most first.
pub(in crate::host) fn grown(first: &str, last: &str, cores: &CoreSet) -> Vec<(String, u64)> {
    let before = counts(first, cores);
    let mut rows: Vec<(String, u64)> = counts(last, cores)
        .into_iter()
        .map(|(name, count)| {
            let grown = count.saturating_sub(before.get(&name).copied().unwrap_or(0));
            (name, grown)
        })
        .filter(|(_, grown)| *grown > 0)
        .collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows
}

/// Interrupts that a look of half a second may show on each quiet core: the rest of the tick.
const QUIET_COUNT: u64 = 10;

fn rate(facts: &Facts) -> Reading {
    let expected = "at most 10 in half a second on each core of a stage thread";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let texts = facts.asked.interrupts.as_deref().zip(facts.asked.later.interrupts.as_deref());
    let Some((first, last)) = texts else {
        return Reading::unknown("/proc/interrupts, twice", expected);
    };
    let rows = grown(first, last, &hot);
    let total: u64 = rows.iter().map(|(_, count)| count).sum();
    let most: Vec<String> =
        rows.iter().take(4).map(|(name, count)| format!("{count} × {name}")).collect();
    let found = if total == 0 {
        format!("none on {hot}")
    } else {
        format!("{total} on {hot}: {}", most.join(", "))
    };
    let remedy =
        "isolate the cores (cpu.isolated, cpu.nohz_full) and move the named interrupts away";
    Reading::short_unless(total <= QUIET_COUNT * hot.len() as u64, found, expected, remedy)
}

fn workqueues(facts: &Facts) -> Reading {
    let expected = "no core of a stage thread in the mask";
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let path = "sys/devices/virtual/workqueue/cpumask";
    let Some(mask) = facts.files.text(path).and_then(|text| CoreSet::parse_mask(&text)) else {
        return Reading::unknown("/sys/devices/virtual/workqueue/cpumask", expected);
    };
    let rest = mask.minus(&hot);
    let free = rest == mask;
    let found = format!("cores {mask}");
    let remedy = format!("echo {} > /{path} (as root)", rest.to_mask());
    Reading::short_unless(free, found, expected, &remedy)
}
