//! Every reason of the run files in words, and the settings that decide it.

use pinion_core::msg::funnel::FunnelRefusal as F;
use pinion_core::msg::record::{
    BlockReason as B, DecisionReason as D, RouterEvent as R, SizeCap as C,
};
use pinion_core::msg::scan::RankVerdict as V;

/// Words, and the keys of the settings behind them.
type Reason = (&'static str, &'static [&'static str]);

/// A reason of a decision or of a row, whichever enum it is of; `None` for a text of none.
pub(super) fn reason(text: &str) -> Option<Reason> {
    D::from_text(text)
        .map(decision)
        .or_else(|| F::from_text(text).map(refusal))
        .or_else(|| V::from_text(text).map(verdict))
        .or_else(|| B::from_text(text).map(block))
}

const fn decision(reason: D) -> Reason {
    match reason {
        D::Signal => ("the regime signal passed its threshold", &["policy.vel_div_threshold"]),
        D::TakeProfit => ("the take-profit was reached", &["exit.tp_bps"]),
        D::StopLoss => ("the stop was reached", &["exit.sl_bps"]),
        D::MaxHold => ("it was held as long as allowed", &["exit.max_hold_scans"]),
        D::RegimeReversal => {
            ("the regime turned while the position was in profit", &["exit.reversal_vel_div"])
        }
        D::NoPriceFlatten => ("there was no usable price for too long", &["exit.no_price_ns_max"]),
        D::OperatorFlatten => ("the operator asked to be flat", &[]),
        D::Liquidation => ("the venue liquidated the position", &[]),
        D::Adl => ("the venue closed the position by auto-deleveraging", &[]),
        D::ExternalClose => ("somebody else closed the position at the venue", &[]),
        D::NoSignal => (
            "the regime signal had no value: too few scans or assets so far",
            &["signal.scan_ns", "signal.assets_min"],
        ),
        D::NoEdge => ("the regime signal was inside its threshold", &["policy.vel_div_threshold"]),
        D::VolGate => (
            "volatility was not above its gate, or the run was still warming up",
            &["signal.vol_mode", "signal.vol_quantile", "signal.warmup_scans"],
        ),
        D::PickerCold => {
            ("too few assets had a full ranking window", &["picker.assets_min", "picker.window"])
        }
        D::NoCandidate => ("no asset passed the ranking", &[]),
        D::DirectionContradicted => (
            "the price had just moved against the entry",
            &["policy.confirm_ticks", "policy.confirm_bps"],
        ),
        D::DirectionWarmup => {
            ("too few prices of the asset to confirm the direction", &["policy.confirm_ticks"])
        }
        D::Posture => ("the posture allowed no entry", &["policy.posture"]),
        D::InPosition => ("a position was open and no exit condition held", &[]),
        D::Working => ("an order was still working", &[]),
        D::Guard => ("a guard of the kernel forbade the entry", &[]),
        D::SizeTooSmall => {
            ("the size came out below what the venue accepts", &["policy.size_fraction"])
        }
        D::Filtered => ("the funnel refused every candidate", &[]),
        D::EntryUnderWay => ("the same entry was under way already", &[]),
        D::SlotEntering => ("another entry of the slot was under way", &[]),
        D::ConcurrencyLimit => {
            ("as many entries were under way as allowed", &["router.concurrency_limit"])
        }
        D::MinInterval => {
            ("the last entry order had left too short a time ago", &["router.min_interval_ms"])
        }
        D::ImpactCap => {
            ("the book showed too little for any part of it", &["router.impact_cap_ratio"])
        }
    }
}

const fn verdict(verdict: V) -> Reason {
    match verdict {
        V::Pass => ("it passed the ranking", &[]),
        V::Excluded => ("it is not tradable, or excluded by the operator", &["picker.excluded"]),
        V::Stablecoin => ("it is a stablecoin", &[]),
        V::Flat => ("it did not move", &[]),
        V::Alignment => ("too few of its moves went the entry's way", &["picker.alignment_min"]),
        V::Noise => ("its returns were too noisy", &["picker.noise_ppm_max"]),
        V::Latency => ("its move came too late in the window", &["picker.latency_max"]),
    }
}

const fn refusal(refusal: F) -> Reason {
    match refusal {
        F::NotTried => (
            "as many candidates had been tried before it as the settings allow",
            &["funnel.attempts_max", "funnel.top_n"],
        ),
        F::SlotTaken => ("a better candidate got the slot", &["kernel.slots_max"]),
        F::ExcludedSymbol => {
            ("it is on the exclusion list", &["universe.excluded", "universe.excluded_ttl_s"])
        }
        F::LaneRouteProb => (
            "its lane has a bad record, and the draw was against it",
            &["memory.lane_bad_probability", "memory.lane_severe_probability"],
        ),
        F::LaneCooldown => (
            "its lane fails too often and rests",
            &["funnel.lane_cooldown_s", "funnel.lane_pass_rate_min", "funnel.lane_open_rate_min"],
        ),
        F::LaneCap => ("too many candidates came by its lane", &[]),
        F::SymbolCap => ("it was tried too often lately", &["funnel.symbol_cycle_max"]),
        F::TopK => ("it was not among the first by priority", &["funnel.cycle_topk"]),
        F::ListingAge => ("it was listed too recently", &["universe.listing_age_min_s"]),
        F::SignalAge => ("it had been a candidate for too long", &["universe.signal_age_max_s"]),
        F::DepthLow => ("too little was shown at the touch", &["funnel.depth_usd_min"]),
        F::VolumeLow => (
            "too little was traded in five minutes",
            &["funnel.volume_5m_usd_min", "edge.calibration_volume_usd_min"],
        ),
        F::Change5m => ("it moved too far in five minutes", &["funnel.change_5m_percent_max"]),
        F::WatchlistFloor => (
            "it was below what the watchlist lane asks for",
            &["universe.watchlist_score_min", "universe.watchlist_depth_usd_min"],
        ),
        F::ScoreMin => (
            "its score was too low",
            &["funnel.market_mode", "funnel.score_soft", "funnel.score_strict"],
        ),
        F::SignalDedup => ("it had been planned a moment before", &["funnel.dedup_ttl_s"]),
        F::TopN => ("better candidates had been looked at first", &["funnel.top_n"]),
        F::SymbolCooldown => ("a loss in it was too recent", &["memory.cooldown_s"]),
        F::SymbolReentry => ("a trade in it was too recent", &["memory.reentry_s"]),
        F::SymbolConcentration => {
            ("it had too large a share of the hour's entries", &["funnel.symbol_share_max"])
        }
        F::SymbolQualityCap => (
            "it had more of the hour's entries than an asset may have",
            &["funnel.quality_symbol_cap", "funnel.quality_share_max"],
        ),
        F::NoveltyShare => (
            "too few of the hour's entries were in new assets, and it is not new",
            &["funnel.novelty_share_min"],
        ),
        F::LaneBudget => {
            ("its lane had too large a share of the hour's entries", &["funnel.lane_share_max"])
        }
        F::WatchlistShare => (
            "the watchlist lane had too large a share of the hour's entries",
            &["funnel.watchlist_share_max"],
        ),
        F::NonWatchlistMin => {
            ("too few candidates of other lanes stood beside it", &["funnel.non_watchlist_min"])
        }
        F::SymbolMemoryProb => (
            "its own record is bad, and the draw was against it",
            &["memory.symbol_bad_probability", "memory.symbol_severe_probability"],
        ),
        F::MinTradeSize => {
            ("the entry was too small", &["funnel.trade_usd_min", "funnel.core_trade_usd_min"])
        }
        F::NegativeEdge => ("the expected edge was not above zero", &["edge.gate"]),
        F::EdgeLow => (
            "the expected edge was below its floor",
            &["edge.percent_min", "edge.rolling_percent_min"],
        ),
        F::EdgeUsdLow => (
            "the expected edge was below its floor in money",
            &["edge.usd_min", "edge.rolling_usd_min"],
        ),
        F::EvNetLow => (
            "the expected net result was too low",
            &["edge.net_usd_min", "edge.probe_tolerance_usd"],
        ),
    }
}

const fn block(reason: B) -> Reason {
    match reason {
        B::SlotBusy => ("the slot was not free", &["kernel.slots_max"]),
        B::NoPrice => ("there was no market data for it", &[]),
        B::StalePrice => ("its price was too old", &["guard.quote_age_ns_max"]),
        B::BookGap => ("messages of its market had been lost", &[]),
        B::NoBalance => ("the venue had told no balance yet", &[]),
        B::StaleBalance => ("the balance was too old", &["guard.balance_age_ns_max"]),
        B::ZeroBalance => ("the balance was not above zero", &[]),
        B::NoPositionProof => ("the venue had not been shown to be flat yet", &[]),
        B::StalePositionProof => {
            ("the proof that the venue is flat was too old", &["guard.probe_age_ns_max"])
        }
        B::ProbeFailed => ("the last look at the venue's positions failed", &[]),
        B::VenueNotFlat => ("the venue showed a position", &[]),
        B::HotWindow => ("a fill was too recent on it", &["guard.hot_window_ns"]),
        B::Recovering => ("after a start, orders and positions were not proved yet", &[]),
        B::UnresolvedOrder => ("the outcome of an order was not known", &[]),
        B::Unreconciled => ("the books seemed not to agree with the venue", &[]),
        B::EntryFrozen => ("the books did not agree with the venue: entries were frozen", &[]),
        B::Killed => ("the kill switch was on", &[]),
        B::Journal => ("the journal could not keep up", &[]),
        B::InvalidIntent => ("size, price or leverage was not usable", &[]),
        B::MinNotional => ("it was below the venue's least notional", &[]),
        B::NotTradable => ("it is not tradable", &[]),
        B::Cap => (
            "a cap on positions or on the pace of orders was reached",
            &["router.min_interval_ms", "router.concurrency_limit"],
        ),
    }
}

/// What held a size.
pub(super) const fn cap(cap: C) -> Reason {
    match cap {
        C::None => ("nothing", &[]),
        C::Strategy => {
            ("the leverage of the strategy is limited", &["policy.strategy_leverage_max"])
        }
        C::Stalker => {
            ("the leverage in the stalker posture is limited", &["policy.stalker_leverage_max"])
        }
        C::LiquidationSoft => (
            "the liquidation guard, moved by regime, order book and calendar",
            &["policy.liquidation_soft"],
        ),
        C::LiquidationHard => {
            ("the liquidation guard that nothing moves", &["policy.liquidation_hard"])
        }
        C::SystemLeverage => (
            "the notional over capital is limited",
            &["policy.liquidation_reference", "policy.liquidation_buffer"],
        ),
        C::AvailableMargin => (
            "the margin that the venue said could be used, at its leverage, held no more",
            &["policy.venue_leverage_max", "policy.liquidation_buffer"],
        ),
    }
}

/// What the router did.
pub(super) const fn router(event: R) -> Reason {
    match event {
        R::Suppress => ("the order was not sent", &[]),
        R::Working => ("the quote rests at the venue", &[]),
        R::ImmediateFill => ("filled at once", &[]),
        R::Cancel => ("the quote was called back", &[]),
        R::FillAfterTtl => ("it filled although it had been called back", &[]),
        R::EntryMiss => (
            "the entry was missed",
            &["router.entry_miss", "router.entry_retries", "router.retry_exhaust"],
        ),
        R::Requote => ("it was sent again", &[]),
        R::RequoteBlocked => ("it was not sent again", &[]),
        R::ExitMarketFallback => {
            ("what the resting exit left over goes by market", &["router.exit_ttl_ns"])
        }
    }
}

#[cfg(test)]
mod tests {
    use pinion_core::settings::Settings;

    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own_and_names_keys_that_exist() {
        let texts = D::TEXTS.iter().chain(F::TEXTS).chain(V::TEXTS).chain(B::TEXTS);
        let all = texts.map(|text| reason(text).expect("of an enum"));
        let all = all.chain(R::ALL.iter().map(|event| router(*event)));
        let all: Vec<Reason> = all.chain(C::ALL.iter().map(|of| cap(*of))).collect();
        for (words, keys) in all {
            assert!(!words.is_empty() && !words.contains('_'), "{words}");
            for key in keys {
                assert!(Settings::key(key).is_some(), "{key}");
            }
        }
        assert_eq!(reason("its time is over"), None);
    }
}
