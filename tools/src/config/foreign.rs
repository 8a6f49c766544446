//! Keys of other systems that a preset may hold and that mean nothing here: accepted, and told.

/// Keys of a system that trades tokens, and why perpetuals know nothing of the kind.
const FOREIGN: &[(&str, &str)] = &[
    (
        "PAPER_TRADE_SIZE_MIN_USD",
        "a size is a share of the capital (policy.size_fraction), and its least notional is \
         funnel.trade_usd_min",
    ),
    (
        "PAPER_TRADE_SIZE_MAX_USD",
        "a size is a share of the capital (policy.size_fraction), and its largest notional is \
         cap.position_notional_max",
    ),
    (
        "PAPER_WATCHLIST_MIN_LIQUIDITY_USD",
        "the watchlist lane has one floor of depth for every mode, universe.watchlist_depth_usd_min",
    ),
    (
        "WATCHLIST_MAX_TOKENS",
        "the watchlist is not gathered but a lane of the run's instruments; funnel.lane_cap_watchlist \
         limits it",
    ),
    (
        "WATCHLIST_REFRESH_SECONDS",
        "the watchlist is not gathered but judged at every scan (signal.scan_ns)",
    ),
    (
        "V2_UNIVERSE_SOURCE_CAPS",
        "the universe is the run's instruments, not what sources bring in; funnel.lane_cap_* limit a scan",
    ),
    (
        "V2_SOURCE_QOS_SOURCE_CAPS",
        "its sources are not our lanes; give each lane its own, funnel.lane_cap_*",
    ),
];

/// Why a key of another system has no meaning here; `None` for any other name.
pub(super) fn why(name: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|row| row.0.eq_ignore_ascii_case(name)).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use pinion_core::settings::{KEYS, Settings};

    use super::*;

    #[test]
    fn none_is_a_key_of_ours_and_what_they_point_to_is() {
        for (name, why) in FOREIGN {
            assert!(Settings::key(name).is_none(), "{name}");
            let words = why.split([' ', ',', '(', ')', ';']);
            for word in words.filter(|word| word.contains('.')) {
                let prefix = word.trim_end_matches('*');
                assert!(KEYS.iter().any(|key| key.name.starts_with(prefix)), "{word}");
            }
        }
        assert!(why("watchlist_max_tokens").is_some());
        assert_eq!(why("TOKEN_AGE_MAX"), None);
    }
}
