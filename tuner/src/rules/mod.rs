//! The rules: when each fires, what it does, to which family it belongs.
//!
//! [`TABLE`] is the order of evaluation. Every trigger is a pure function of the [`Context`] that says yes,
//! no, or unknown when an input is missing: a rule whose input is missing does not fire, and is counted.
//! Every set of steps works on the staged copy of the settings in [`Plan`].

mod churn;
mod contain;
mod context;
mod edges;
mod flow;
mod plan;
mod relax;
#[cfg(test)]
mod tests;

pub use churn::{Lock, LockState};
pub use context::Context;
pub use plan::{Action, Blocked, Plan};

pinion_core::text_enum! {
    /// What a rule is for; phases let families through.
    pub enum Family {
        /// More flow.
        Expand => "expand",
        /// Neither.
        Neutral => "neutral",
        /// Less risk.
        Tighten => "tighten",
        /// Must be, in every phase.
        Force => "force",
    }
}

pinion_core::text_enum! {
    /// Every rule, and the two ways of going back.
    pub enum Rule {
        /// The edge model has nothing to go by yet.
        PeColdStartGuard => "pe_cold_start_guard",
        /// A lane knob from which no flow can come back.
        RouteFloorNormalize => "route_floor_normalize",
        /// One asset opens and closes without moving.
        ChurnLock => "churn_lock",
        /// Lanes with a bad record refuse too much.
        RoutePressure => "route_pressure",
        /// The lane budget refuses too much.
        QualitySourceBudgetChoke => "quality_source_budget_choke",
        /// Excluded assets fill the ranking.
        ExcludedSymbolRotation => "excluded_symbol_rotation",
        /// Too few candidates come in.
        FeedStarvation => "feed_starvation",
        /// Caps of the scan refuse too much.
        SourceQosCapRebalance => "source_qos_cap_rebalance",
        /// Flow is there, and the edge floors stop all of it.
        EdgeDeadlockRecovery => "edge_deadlock_recovery",
        /// The correction of the edge was switched off, and can come back.
        CalibrationReenable => "calibration_reenable",
        /// Scores refuse.
        RelaxScoreMin => "relax_score_min",
        /// Traded notional refuses.
        RelaxSafeVolume => "relax_safe_volume",
        /// The net expectation refuses.
        RelaxEvLow => "relax_ev_low",
        /// Cooldowns refuse.
        RelaxCooldown => "relax_cooldown",
        /// Least sizes refuse.
        RelaxTradeSizeMin => "relax_trade_size_min",
        /// Look at more candidates.
        LowThroughputExpandTopn => "low_throughput_expand_topn",
        /// De-duplication refuses.
        DedupPressureRelax => "dedup_pressure_relax",
        /// The quality gate refuses everything.
        RelaxQualityConcentration => "relax_quality_concentration",
        /// There is flow to be choosy with.
        RecoverTighten => "recover_tighten",
        /// Too few different assets.
        DiversityKpiPenalty => "diversity_kpi_penalty",
        /// One asset takes most entries, or duplicates choke the flow.
        AntiConcentration => "anti_concentration",
        /// While starved, no knob may stop the flow for good.
        FlowFloorGuard => "flow_floor_guard",
        /// The soft score may not exceed the strict one.
        SoftLeqStrictGuard => "soft_leq_strict_guard",
        /// Few winners in a choosy mode.
        LowWinrateTighten => "low_winrate_tighten",
        /// Losing, or about to: less, smaller, better.
        RiskContain => "risk_contain",
        /// Single instruments refuse for their state: leave them out.
        BlacklistContain => "blacklist_contain",
        /// Healthy: back towards what the operator set.
        BaselineDecay => "baseline_decay",
        /// Bad for too long: back to what was stable, or to what the operator set.
        AutoRollback => "auto_rollback_degradation",
        /// The operator said so: back, at once and whole.
        OperatorRollback => "operator_rollback",
        /// A change did not do what it was made for.
        JudgedWorse => "judged_worse_revert",
    }
}

/// One rule.
pub struct Row {
    /// Which.
    pub rule: Rule,
    /// Its family.
    pub family: Family,
    /// The reasons whose hits it looks at, for the text.
    pub hits: &'static [&'static str],
    /// Not part of the original.
    pub is_own: bool,
    /// Fires; unknown when an input is missing.
    pub trigger: fn(&Context<'_>) -> Option<bool>,
    /// What it does then.
    pub steps: fn(&Context<'_>, &mut Plan<'_>),
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("rule", &self.rule).field("family", &self.family).finish()
    }
}

macro_rules! table {
    ($($rule:ident $family:ident $own:literal [$($hit:literal)*] $trigger:path => $steps:path;)*) => {
        /// Every rule in the order of evaluation.
        pub const TABLE: &[Row] = &[$(Row {
            rule: Rule::$rule,
            family: Family::$family,
            hits: &[$($hit),*],
            is_own: $own,
            trigger: $trigger,
            steps: $steps,
        },)*];
    };
}

table! {
    PeColdStartGuard Neutral false ["cold_start"]
        edges::cold_start => edges::gate_off;
    RouteFloorNormalize Expand false []
        flow::outside_band => flow::band;
    ChurnLock Neutral false []
        churn::is_locked => churn::targets;
    RoutePressure Expand false ["lane_route_prob"]
        flow::route_pressure => flow::ease_routes;
    QualitySourceBudgetChoke Expand false ["lane_budget"]
        flow::budget_choke => flow::budget_off;
    ExcludedSymbolRotation Expand false ["excluded_symbol"]
        flow::excluded_pressure => flow::rotate;
    FeedStarvation Expand false []
        flow::starved_feed => flow::widen_feed;
    SourceQosCapRebalance Expand false ["lane_cap" "symbol_cap"]
        flow::cap_pressure => flow::raise_caps;
    EdgeDeadlockRecovery Expand false ["edge_low" "edge_usd_low" "negative_edge" "ev_net_low"]
        edges::deadlock => edges::unlock;
    CalibrationReenable Neutral false []
        edges::can_calibrate => edges::calibrate;
    RelaxScoreMin Expand false ["score_min"]
        relax::score => relax::lower_scores;
    RelaxSafeVolume Expand false ["volume_5m_low"]
        relax::volume => relax::lower_volume;
    RelaxEvLow Expand false ["ev_net_low"]
        relax::ev => relax::lower_edges;
    RelaxCooldown Expand false ["symbol_cooldown"]
        relax::cooldown => relax::shorten_cooldown;
    RelaxTradeSizeMin Expand false ["min_trade_size"]
        relax::size => relax::lower_sizes;
    LowThroughputExpandTopn Expand false
        ["listing_age" "signal_age" "volume_5m_low" "min_trade_size"]
        relax::few => relax::look_further;
    DedupPressureRelax Expand false ["signal_dedup"]
        relax::dedup => relax::shorten_dedup;
    RelaxQualityConcentration Expand false []
        relax::quality => relax::widen_quality;
    RecoverTighten Tighten false ["symbol_concentration" "min_trade_size"]
        contain::can_be_choosy => contain::choose;
    DiversityKpiPenalty Neutral false []
        contain::one_asset => contain::diversify;
    AntiConcentration Neutral false []
        contain::concentrated => contain::spread;
    FlowFloorGuard Expand false []
        flow::is_low => flow::band;
    SoftLeqStrictGuard Force false []
        contain::soft_above_strict => contain::level_scores;
    LowWinrateTighten Tighten false []
        contain::few_winners => contain::raise_scores;
    RiskContain Tighten true []
        contain::risk => contain::contain;
    BlacklistContain Neutral true ["not_tradable"]
        contain::single_refusals => contain::exclude;
}

/// The family of a rule's change of a key. The original knew families only from words in a text, and
/// called two rules for more variety, and every change of two keys, an expansion.
#[must_use]
pub fn family(row_family: Family, rule: Rule, key: &str, strict_seed: bool) -> Family {
    let is_expansion = matches!(rule, Rule::DiversityKpiPenalty | Rule::AntiConcentration)
        || matches!(key, "funnel.novelty_share_min" | "funnel.symbol_share_max");
    let is_open = matches!(row_family, Family::Neutral | Family::Expand);
    if strict_seed && is_expansion && is_open { Family::Expand } else { row_family }
}
