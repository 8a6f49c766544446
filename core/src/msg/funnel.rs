//! Words of the decision funnel: where a candidate was refused, and why.
//!
//! The reasons are those of the system this one descends from, in the terms of perpetuals: a source is a
//! lane, a token an asset, its liquidity the depth at the touch, its age the time since the listing.

crate::text_enum! {
    /// Tier of a candidate.
    pub enum Tier {
        /// Its score passes the strict threshold.
        A => "A",
        /// Its score passes the soft one.
        B => "B",
        /// Neither.
        C => "C",
    }
}

crate::text_enum! {
    /// The funnel's filters in their order; a candidate is what is left of the one before.
    pub enum FunnelBlock {
        /// Everything that was ranked.
        Raw => "raw",
        /// By lane: exclusions, record, caps of a scan.
        Source => "source",
        /// What is known of the instrument.
        Pre => "pre",
        /// Thresholds.
        Thr => "thr",
        /// What was entered lately.
        Quarantine => "quarantine",
        /// Direction, guards, size, edge.
        Exec => "exec",
    }
}

crate::text_enum! {
    /// Why a filter of the funnel refused a candidate.
    pub enum FunnelRefusal {
        /// On the exclusion list, for as long as that holds.
        ExcludedSymbol => "excluded_symbol",
        /// The lane's record is bad, and the draw was against the candidate.
        LaneRouteProb => "lane_route_prob",
        /// Its lane fails too often, and rests for a while.
        LaneCooldown => "lane_cooldown",
        /// Too many candidates of its lane in this scan.
        LaneCap => "lane_cap",
        /// Too many attempts on this asset lately.
        SymbolCap => "symbol_cap",
        /// Not among the first of this scan by priority.
        TopK => "topk",
        /// Listed too recently.
        ListingAge => "listing_age",
        /// A candidate for too long.
        SignalAge => "signal_age",
        /// Too little at the touch.
        DepthLow => "depth_low",
        /// Too little traded in five minutes.
        VolumeLow => "volume_5m_low",
        /// Moved too far in five minutes.
        Change5m => "change_5m",
        /// Below what the watchlist lane asks for.
        WatchlistFloor => "watchlist_floor",
        /// Score below the threshold.
        ScoreMin => "score_min",
        /// Planned a moment ago.
        SignalDedup => "signal_dedup",
        /// Beyond the first of the scan that are looked at.
        TopN => "top_n",
        /// A loss in this asset was too recent.
        SymbolCooldown => "symbol_cooldown",
        /// A trade in this asset was too recent.
        SymbolReentry => "symbol_reentry",
        /// Too large a share of the last hour's entries.
        SymbolConcentration => "symbol_concentration",
        /// More entries of the last hour than an asset may have.
        SymbolQualityCap => "symbol_quality_cap",
        /// Too few of the last hour's entries were in new assets, and this one is not new.
        NoveltyShare => "novelty_share",
        /// Too large a share of the last hour's entries came by this lane.
        LaneBudget => "lane_budget",
        /// The same for the watchlist lane.
        WatchlistShare => "watchlist_share",
        /// Too few candidates of other lanes beside it.
        NonWatchlistMin => "non_watchlist_min",
        /// The asset's record is bad, and the draw was against the candidate.
        SymbolMemoryProb => "symbol_memory_prob",
        /// Nobody asked: as many candidates of the scan had been tried or looked at as may be.
        NotTried => "not_tried",
        /// A better candidate of the scan got the slot.
        SlotTaken => "slot_taken",
        /// A smaller entry than the settings allow.
        MinTradeSize => "min_trade_size",
        /// The expected edge is not above zero.
        NegativeEdge => "negative_edge",
        /// The expected edge is below its floor in percent.
        EdgeLow => "edge_low",
        /// The same in money.
        EdgeUsdLow => "edge_usd_low",
        /// The expected net result, corrected by what the lane earned, is below its floor.
        EvNetLow => "ev_net_low",
    }
}

impl FunnelRefusal {
    /// The filter that refuses so.
    #[must_use]
    pub const fn block(self) -> FunnelBlock {
        match self {
            Self::ExcludedSymbol
            | Self::LaneRouteProb
            | Self::LaneCooldown
            | Self::LaneCap
            | Self::SymbolCap
            | Self::TopK => FunnelBlock::Source,
            Self::ListingAge
            | Self::SignalAge
            | Self::DepthLow
            | Self::VolumeLow
            | Self::Change5m
            | Self::WatchlistFloor => FunnelBlock::Pre,
            Self::ScoreMin | Self::SignalDedup | Self::TopN => FunnelBlock::Thr,
            Self::SymbolCooldown
            | Self::SymbolReentry
            | Self::SymbolConcentration
            | Self::SymbolQualityCap
            | Self::NoveltyShare
            | Self::LaneBudget
            | Self::WatchlistShare
            | Self::NonWatchlistMin
            | Self::SymbolMemoryProb
            | Self::NotTried
            | Self::SlotTaken => FunnelBlock::Quarantine,
            Self::MinTradeSize
            | Self::NegativeEdge
            | Self::EdgeLow
            | Self::EdgeUsdLow
            | Self::EvNetLow => FunnelBlock::Exec,
        }
    }
}
