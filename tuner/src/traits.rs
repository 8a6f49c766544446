//! What the tuner knows of each key beyond the settings contract: which way loosens, how urgent it is,
//! which other key moves with it.

use pinion_core::settings::{KEYS, Key, Settings, Writer};

/// Which way a key lets more entries through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loosens {
    /// Larger values.
    Up,
    /// Smaller values.
    Down,
    /// Neither way.
    Neither,
}

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More entries, more risk.
    Relax,
    /// Fewer entries, less risk.
    Tighten,
    /// Neither.
    Neutral,
}

/// What the tuner knows of one key.
#[derive(Clone, Copy, Debug)]
pub struct Trait {
    /// The key.
    pub name: &'static str,
    /// Which way loosens.
    pub loosens: Loosens,
    /// Sorts actions: 0 first.
    pub priority: u8,
    /// Moves together with it, or not at all.
    pub partner: Option<&'static str>,
}

const fn of(name: &'static str, loosens: Loosens, priority: u8) -> Trait {
    Trait { name, loosens, priority, partner: None }
}

const fn pair(name: &'static str, loosens: Loosens, priority: u8, partner: &'static str) -> Trait {
    Trait { name, loosens, priority, partner: Some(partner) }
}

use Loosens::{Down, Neither, Up};

/// Keys that the rules move.
pub const TRAITS: &[Trait] = &[
    of("funnel.dedup_ttl_s", Down, 0),
    of("memory.cooldown_s", Down, 0),
    of("funnel.trade_usd_min", Down, 0),
    of("funnel.core_trade_usd_min", Down, 0),
    pair("funnel.score_strict", Down, 0, "funnel.score_soft"),
    pair("funnel.score_soft", Down, 0, "funnel.score_strict"),
    of("funnel.volume_5m_usd_min", Down, 0),
    pair("edge.percent_min", Down, 0, "edge.usd_min"),
    pair("edge.usd_min", Down, 0, "edge.percent_min"),
    of("edge.net_usd_min", Down, 0),
    of("edge.probe_tolerance_usd", Up, 0),
    of("funnel.top_n", Up, 0),
    of("universe.excluded", Neither, 0),
    of("memory.lane_trades_min", Up, 0),
    pair("memory.lane_bad_probability", Up, 0, "memory.lane_severe_probability"),
    pair("memory.lane_severe_probability", Up, 0, "memory.lane_bad_probability"),
    of("memory.symbol_trades_min", Up, 0),
    pair("memory.symbol_bad_probability", Up, 0, "memory.symbol_severe_probability"),
    pair("memory.symbol_severe_probability", Up, 0, "memory.symbol_bad_probability"),
    of("universe.signal_age_max_s", Up, 0),
    of("universe.seen_ttl_s", Down, 0),
    of("edge.calibration", Down, 0),
    of("policy.size_fraction", Up, 0),
    of("funnel.watchlist_share_max", Up, 1),
    of("funnel.non_watchlist_min", Down, 1),
    of("funnel.lane_share_max", Up, 1),
    of("funnel.lane_budget", Down, 1),
    of("funnel.symbol_cycle_max", Up, 1),
    of("funnel.cycle_topk", Up, 1),
    of("funnel.novelty_share_min", Down, 1),
    of("funnel.symbol_share_max", Up, 1),
    of("funnel.quality_share_max", Up, 1),
    of("funnel.quality_symbol_cap", Up, 1),
    of("memory.reentry_s", Down, 1),
    of("universe.watchlist_depth_usd_min", Down, 1),
    of("universe.watchlist_adv_usd_min", Down, 1),
    of("universe.watchlist_volume_5m_usd_min", Down, 1),
    of("universe.watchlist_score_min", Down, 1),
    pair("edge.rolling_percent_min", Down, 1, "edge.rolling_usd_min"),
    pair("edge.rolling_usd_min", Down, 1, "edge.rolling_percent_min"),
    of("edge.calibration_usd_min", Down, 1),
    of("edge.calibration_volume_usd_min", Down, 1),
    of("edge.calibration_no_tighten", Up, 1),
    of("funnel.lane_cap_momentum", Up, 1),
    of("funnel.lane_cap_mean_revert", Up, 1),
    of("funnel.lane_cap_carry", Up, 1),
    of("funnel.lane_cap_liquidation", Up, 1),
    of("funnel.lane_cap_watchlist", Up, 1),
    of("edge.gate", Down, 4),
];

/// The key with changes that last only as long as a lock: never part of a snapshot to go back to.
pub const EPHEMERAL: &str = "universe.excluded";

/// Most of a key's range that it may drift from the operator's baseline.
pub const DRIFT_FRACTION: i64 = 4;

/// The trait of a key; the last priority and no direction where there is none.
#[must_use]
pub fn of_key(name: &str) -> Trait {
    TRAITS.iter().copied().find(|row| row.name == name).unwrap_or(Trait {
        name: "",
        loosens: Neither,
        priority: 4,
        partner: None,
    })
}

/// Which way a change from one number to another goes.
#[must_use]
pub fn direction(name: &str, from: i64, to: i64) -> Direction {
    match (of_key(name).loosens, to.cmp(&from)) {
        (_, std::cmp::Ordering::Equal) | (Neither, _) => Direction::Neutral,
        (Up, std::cmp::Ordering::Greater) | (Down, std::cmp::Ordering::Less) => Direction::Relax,
        (Up, std::cmp::Ordering::Less) | (Down, std::cmp::Ordering::Greater) => Direction::Tighten,
    }
}

/// Keys that the rules may write and that a snapshot remembers.
pub fn tunable() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| {
        key.writer == Writer::Tuner
            && !key.protected
            && key.name != EPHEMERAL
            && TRAITS.iter().any(|row| row.name == key.name)
    })
}

/// Why a key may not be written by the tuner: it is protected, or another writes it.
#[must_use]
pub fn barred(name: &str) -> Option<&'static str> {
    match Settings::key(name) {
        Some(key) if key.protected || is_blocked_name(name) => Some("protected_key"),
        Some(key) if key.writer == Writer::Tuner => None,
        Some(_) => Some("mutable_whitelist"),
        None if is_blocked_name(name) => Some("protected_key"),
        None => Some("mutable_whitelist"),
    }
}

/// Names that no tuner touches, whatever the table says.
fn is_blocked_name(name: &str) -> bool {
    const PREFIXES: [&str; 5] = ["LIVE_", "PRIVATE_", "SECRET_", "API_KEY", "TELEGRAM_"];
    let upper = name.to_ascii_uppercase();
    PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trait_is_a_key_of_the_tuner_and_partners_are_mutual() {
        for row in TRAITS {
            let key = Settings::key(row.name).expect(row.name);
            assert_eq!(key.name, row.name);
            assert_eq!(barred(row.name), None, "{}", row.name);
            if let Some(partner) = row.partner {
                assert_eq!(of_key(partner).partner, Some(row.name));
            }
        }
    }

    #[test]
    fn exactly_the_keys_of_the_tuner_pass() {
        for key in KEYS {
            let expected = if key.protected {
                Some("protected_key")
            } else if key.writer == Writer::Tuner {
                None
            } else {
                Some("mutable_whitelist")
            };
            assert_eq!(barred(key.name), expected, "{}", key.name);
        }
        for name in ["LIVE_TRADING", "private_key", "SECRET_X", "API_KEY", "TELEGRAM_TOKEN"] {
            assert_eq!(barred(name), Some("protected_key"), "{name}");
        }
        assert_eq!(barred("no.such"), Some("mutable_whitelist"));
    }

    #[test]
    fn directions_follow_the_meaning() {
        assert_eq!(direction("funnel.score_soft", 70, 68), Direction::Relax);
        assert_eq!(direction("funnel.top_n", 10, 14), Direction::Relax);
        assert_eq!(direction("policy.size_fraction", 20, 18), Direction::Tighten);
        assert_eq!(direction("exit.tp_bps", 20, 18), Direction::Neutral);
        assert_eq!(direction("funnel.top_n", 10, 10), Direction::Neutral);
    }
}
