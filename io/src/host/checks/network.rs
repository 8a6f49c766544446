//! The network as far as this machine decides it.

use crate::host::{Card, Check, Facts, Reading, Weight};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "network.cards",
        why: "without a card nothing but the loopback can be reached",
        weight: Weight::Fitness,
        read: cards,
    },
    Check {
        id: "network.busy_poll",
        why: "a read that polls the card spares the interrupt and the wake-up",
        weight: Weight::Note,
        read: busy_poll,
    },
    Check {
        id: "network.deferred_interrupts",
        why: "busy polling needs the card's interrupts held back meanwhile",
        weight: Weight::Note,
        read: deferred,
    },
    Check {
        id: "network.slow_start",
        why: "after a pause the first orders leave at the speed of a new connection",
        weight: Weight::Tuning,
        read: slow_start,
    },
    Check {
        id: "network.autocorking",
        why: "the kernel holds a small segment back while another one is in the card",
        weight: Weight::Tuning,
        read: autocorking,
    },
    Check {
        id: "network.buffers",
        why: "a burst larger than the receive buffer closes the window",
        weight: Weight::Note,
        read: buffers,
    },
    Check {
        id: "network.interrupt_delay",
        why: "the card holds its interrupt back to gather more frames",
        weight: Weight::Note,
        read: interrupt_delay,
    },
    Check {
        id: "network.offloads",
        why: "large receive holds frames back until more have come",
        weight: Weight::Note,
        read: offloads,
    },
];

fn cards(facts: &Facts) -> Reading {
    let expected = "a card with a link";
    if !facts.files.exists("sys/class/net") {
        return Reading::unknown("/sys/class/net", expected);
    }
    let mut names = facts.files.names("sys/class/net");
    names.retain(|name| name != "lo");
    let state = |name: &str| facts.files.text(&format!("sys/class/net/{name}/operstate"));
    // Drivers without link detection say "unknown" of a card that works.
    let up: Vec<&str> = names
        .iter()
        .filter(|name| matches!(state(name).as_deref(), Some("up" | "unknown")))
        .map(String::as_str)
        .collect();
    if up.is_empty() {
        let remedy = "bring a card up (ip link set NAME up), or give the container a network";
        return Reading::bad("the loopback alone", expected, remedy);
    }
    Reading::good(up.join(", "), expected)
}

/// A machine with the loopback alone has nothing to poll.
fn without_card(facts: &Facts, expected: &str) -> Option<Reading> {
    if !facts.files.exists("sys/class/net") {
        return Some(Reading::unknown("/sys/class/net", expected));
    }
    facts
        .interfaces()
        .is_empty()
        .then(|| Reading::absent("no card of a device: the loopback has nothing to poll", expected))
}

fn busy_poll(facts: &Facts) -> Reading {
    let expected =
        "net.core.busy_read and net.core.busy_poll of 50 µs, or SO_BUSY_POLL on each socket";
    if let Some(reading) = without_card(facts, expected) {
        return reading;
    }
    let value = |name| facts.files.sysctl(name).and_then(|text| text.parse::<u32>().ok());
    let Some((read, poll)) = value("net.core.busy_read").zip(value("net.core.busy_poll")) else {
        return Reading::unknown("/proc/sys/net/core/busy_poll", expected);
    };
    let found = format!("busy_read {read}, busy_poll {poll}");
    let remedy = "sysctl -w net.core.busy_read=50 net.core.busy_poll=50";
    Reading::short_unless(read > 0 && poll > 0, found, expected, remedy)
}

fn deferred(facts: &Facts) -> Reading {
    let expected = "napi_defer_hard_irqs of 100 and gro_flush_timeout of 200000 ns on each card";
    if let Some(reading) = without_card(facts, expected) {
        return reading;
    }
    let mut found = Vec::new();
    let (mut short, mut remedy) = (false, Vec::new());
    for name in facts.interfaces() {
        let folder = format!("sys/class/net/{name}");
        let value = |file: &str| facts.files.value::<u64>(&format!("{folder}/{file}"));
        let Some((hard, flush_ns)) = value("napi_defer_hard_irqs").zip(value("gro_flush_timeout"))
        else {
            return Reading::unknown(&format!("/{folder}/napi_defer_hard_irqs"), expected);
        };
        found.push(format!("{name} {hard}, {flush_ns} ns"));
        if hard == 0 || flush_ns == 0 {
            short = true;
            remedy.push(format!(
                "echo 100 > /{folder}/napi_defer_hard_irqs; echo 200000 > /{folder}/gro_flush_timeout"
            ));
        }
    }
    Reading::short_unless(!short, found.join("; "), expected, &remedy.join("; "))
}

/// A switch that must be off.
fn must_be_zero(facts: &Facts, name: &str) -> Reading {
    let expected = "0";
    match facts.files.sysctl(name).as_deref() {
        None => Reading::unknown(&format!("/proc/sys/{}", name.replace('.', "/")), expected),
        Some("0") => Reading::good("0", expected),
        Some(value) => Reading::short(value, expected, &format!("sysctl -w {name}=0")),
    }
}

fn slow_start(facts: &Facts) -> Reading {
    must_be_zero(facts, "net.ipv4.tcp_slow_start_after_idle")
}

fn autocorking(facts: &Facts) -> Reading {
    must_be_zero(facts, "net.ipv4.tcp_autocorking")
}

/// Room for a burst of market data, bytes.
const RECEIVE_BYTES_MIN: u64 = 4 << 20;

fn buffers(facts: &Facts) -> Reading {
    let expected = "net.ipv4.tcp_rmem up to 4 MiB or more";
    let text = facts.files.sysctl("net.ipv4.tcp_rmem");
    let most = text.and_then(|text| text.split_whitespace().nth(2)?.parse::<u64>().ok());
    let Some(most) = most else {
        return Reading::unknown("/proc/sys/net/ipv4/tcp_rmem", expected);
    };
    let remedy = "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456'";
    Reading::short_unless(
        most >= RECEIVE_BYTES_MIN,
        format!("up to {} KiB", most / 1024),
        expected,
        remedy,
    )
}

/// Reads one setting of every card that tells it; `wrong` says what is to mend, and how.
fn each_card<T>(
    facts: &Facts,
    expected: &str,
    what: &str,
    tell: impl Fn(&Card) -> Option<T>,
    wrong: impl Fn(&str, &T) -> Option<(String, String)>,
) -> Reading {
    let told: Vec<(&str, T)> = facts
        .asked
        .cards
        .iter()
        .filter_map(|(name, card)| Some((name.as_str(), tell(card)?)))
        .collect();
    if told.is_empty() {
        return Reading::unknown(what, expected);
    }
    let wrong: Vec<(String, String)> =
        told.iter().filter_map(|(name, value)| wrong(name, value)).collect();
    if wrong.is_empty() {
        let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
        return Reading::good(names.join(", "), expected);
    }
    let (found, remedy): (Vec<String>, Vec<String>) = wrong.into_iter().unzip();
    Reading::short(found.join("; "), expected, &remedy.join("; "))
}

fn interrupt_delay(facts: &Facts) -> Reading {
    each_card(
        facts,
        "no adaptive delay, rx-usecs 0",
        "the interrupt delay of a card",
        |card| card.adaptive_receive.zip(card.receive_delay_us),
        |name, (adaptive, delay_us)| {
            (*adaptive || *delay_us > 0).then(|| {
                let adaptive = if *adaptive { "adaptive" } else { "fixed" };
                let remedy = format!("ethtool -C {name} adaptive-rx off rx-usecs 0");
                (format!("{name} {adaptive}, {delay_us} µs"), remedy)
            })
        },
    )
}

fn offloads(facts: &Facts) -> Reading {
    each_card(
        facts,
        "large receive off",
        "the offloads of a card",
        |card| card.large_receive,
        |name, on| {
            on.then(|| (format!("{name} large receive on"), format!("ethtool -K {name} lro off")))
        },
    )
}
