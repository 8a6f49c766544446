//! The key table: every setting, once.
//!
//! A row reads: field, type, default; name (| other names it may be given by), unit, domain, tuner step,
//! sensitivity, importance, when it applies, who writes it, protected or free, what it does.

use alloc::vec::Vec;

use crate::id::TextId;
use crate::router::hooks::TTL_NS_MAX;
use crate::settings::value::Field;
use crate::settings::{
    Apply,
    Apply::{Hot, NeedsFlat, Restart},
    Domain, Exhaust, Idle, Importance, Key, Layout, MarketMode, Miss, Mode, Posture,
    Sensitivity::{High, Low, Medium},
    Sides, Style, Value, VolMode,
    Writer::{Operator, Tuner},
};
use crate::units::{Money, Rate};

macro_rules! settings_table {
    ($($field:ident: $type:ty = $default:expr;
        $name:literal $(| $alias:literal)*, $unit:literal, $domain:expr, $step:literal, $sensitivity:ident,
        $importance:ident, $apply:ident, $writer:ident, $protected:literal,
        $doc:literal;)*) => {
        /// A snapshot of every setting. Immutable while a run reads it; one version at a time.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $(#[doc = $doc] pub $field: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Settings {
            /// True when a key of this class has another value in `other`. Does not allocate.
            #[must_use]
            pub fn differs(&self, other: &Self, class: Apply) -> bool {
                false $(|| (class == $apply && PartialEq::ne(&self.$field, &other.$field)))*
            }
        }

        /// Every key, in the order of the documents.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name,
            aliases: &[$($alias),*],
            unit: $unit,
            domain: $domain,
            step: $step,
            sensitivity: $sensitivity,
            importance: Importance::$importance,
            apply: $apply,
            writer: $writer,
            protected: $protected,
            doc: $doc,
            get: |settings| settings.$field.to_value(),
            set: |settings, value| match <$type as Field>::from_value(value) {
                Some(inner) => { settings.$field = inner; true }
                None => false,
            },
        },)*];
    };
}

const DAY_NS: i64 = 86_400_000_000_000;
const MAX_MONEY: i64 = 1_000_000_000 * 100_000_000;

const fn ns(max: i64) -> Domain {
    Domain::Int { min: 0, max }
}

const fn rate(min: i64, max: i64) -> Domain {
    Domain::Decimal { min, max }
}

settings_table! {
    engine_mode: Mode = Mode::Paper;
    "engine.mode", "", Domain::Choice(Mode::TEXTS), 0.0, High, Safety, Restart, Operator, true,
    "What the run trades against. Live also needs --live on the command line.";
    engine_layout: Layout = Layout::Inline;
    "engine.layout", "", Domain::Choice(Layout::TEXTS), 0.0, Low, Operation, Restart, Operator, true,
    "How stages are placed on threads.";
    engine_layout_fallback: bool = true;
    "engine.layout_fallback", "", Domain::Bool, 0.0, Low, Operation, Restart, Operator, true,
    "With too few cores for the layout, fall back to shared instead of refusing.";
    engine_idle: Idle = Idle::Backoff;
    "engine.idle", "", Domain::Choice(Idle::TEXTS), 0.0, Low, Operation, Restart, Operator, true,
    "What a stage thread does when there is nothing to do.";
    engine_cores: Vec<i64> = Vec::new();
    "engine.cores", "", Domain::Cores, 0.0, Low, Operation, Restart, Operator, true,
    "Cores for the stage threads, in the order ingest, kernel, egress; empty: the program chooses.";
    engine_seed: i64 = 1;
    "engine.seed", "", Domain::Int { min: 0, max: i64::MAX }, 0.0, High, Operation, Restart, Operator, true,
    "Seed of everything random: the built-in market, the paper venue's latencies.";
    engine_tick_ns: i64 = 1_000_000_000;
    "engine.tick_ns", "ns", Domain::Int { min: 1_000_000, max: 60_000_000_000 }, 0.0, Low, Operation, Hot, Operator, true,
    "Stream time between the kernel's time ticks: deadlines and the minute's summary are checked then.";
    engine_housekeeping_ns: i64 = 100_000_000;
    "engine.housekeeping_ns", "ns", Domain::Int { min: 1_000_000, max: 10_000_000_000 }, 0.0, Low, Operation, Restart, Operator, true,
    "Mean time between a stage thread's housekeeping ticks; each is jittered by half of it.";
    engine_stop_cancels: bool = true;
    "engine.stop_cancels", "", Domain::Bool, 0.0, Medium, Safety, Hot, Operator, true,
    "At the end of a run, call working entry orders back; false: they work on until the next start finds them.";

    account_starting_capital: Money = Money::from_whole(25_000);
    "account.starting_capital", "quote", Domain::Decimal { min: 0, max: MAX_MONEY }, 0.0, High, Risk, Restart, Operator, true,
    "Capital of a paper account at the start.";
    account_taker_rate: Rate = Rate::from_raw(50_000);
    "account.taker_rate", "fraction", rate(0, 1_000_000), 0.0, High, Risk, Restart, Operator, true,
    "Fee of a fill that took.";
    account_maker_rate: Rate = Rate::from_raw(20_000);
    "account.maker_rate", "fraction", rate(-100_000, 1_000_000), 0.0, High, Risk, Restart, Operator, true,
    "Fee of a fill that made; negative is a rebate.";
    account_fee_ema: Rate = Rate::from_raw(10_000_000);
    "account.fee_ema", "fraction", rate(0, 100_000_000), 0.0, Low, Risk, Restart, Operator, true,
    "Weight of a settled fee in the ratio that predictions are corrected by; 0: published rates as they are.";

    data_backstep_ns_max: i64 = 5_000_000_000;
    "data.backstep_ns_max", "ns", ns(DAY_NS), 0.0, Low, SourceQuality, Restart, Operator, false,
    "An event further back in time than this is rejected; a nearer one is taken at the present.";
    data_min_notional: Money = Money::from_whole(5);
    "data.min_notional", "quote", Domain::Decimal { min: 0, max: MAX_MONEY }, 0.0, Low, SourceQuality, Restart, Operator, false,
    "Least order notional of instruments whose recording does not say it.";

    signal_scan_ns: i64 = 5_000_000_000;
    "signal.scan_ns", "ns", Domain::Int { min: 1_000_000, max: DAY_NS }, 0.0, High, EntryQuality, Restart, Operator, false,
    "Stream time between scans; on bar data one scan per bar.";
    signal_stale_ns: i64 = 60_000_000_000;
    "signal.stale_ns", "ns", Domain::Int { min: 1_000_000, max: DAY_NS }, 0.0, Medium, EntryQuality, Restart, Operator, false,
    "A price older than this leaves the scan; on bar data five bars.";
    signal_assets_min: i64 = 3;
    "signal.assets_min", "assets", Domain::Int { min: 2, max: 256 }, 0.0, Medium, EntryQuality, Restart, Operator, false,
    "Fewest active assets for an eigenvalue.";
    signal_anchor: TextId = text("BTCUSDT");
    "signal.anchor", "", Domain::Symbol, 0.0, Medium, EntryQuality, Restart, Operator, false,
    "Asset of the volatility gate; the first instrument when the universe lacks it.";
    signal_vol_mode: VolMode = VolMode::Rolling;
    "signal.vol_mode", "", Domain::Choice(VolMode::TEXTS), 0.0, High, EntryQuality, Restart, Operator, false,
    "Threshold of the volatility gate: a quantile of the recent past, or signal.vol_static.";
    signal_vol_static: f64 = 0.000_098_68;
    "signal.vol_static", "fraction", Domain::Float { min: 0.0, max: 1.0 }, 0.0, High, EntryQuality, Restart, Operator, false,
    "Volatility threshold in static mode.";
    signal_vol_quantile: f64 = 0.6;
    "signal.vol_quantile", "fraction", Domain::Float { min: 0.0, max: 1.0 }, 0.0, High, EntryQuality, Restart, Operator, false,
    "Quantile (nearest rank) of the rolling threshold.";
    signal_vol_window: i64 = 2_000;
    "signal.vol_window", "scans", Domain::Int { min: 10, max: 100_000 }, 0.0, Medium, EntryQuality, Restart, Operator, false,
    "Volatility values that the rolling threshold looks back on.";
    signal_vol_samples_min: i64 = 100;
    "signal.vol_samples_min", "scans", Domain::Int { min: 1, max: 100_000 }, 0.0, Low, EntryQuality, Restart, Operator, false,
    "Fewest values for a rolling threshold.";
    signal_warmup_scans: i64 = 100;
    "signal.warmup_scans", "scans", Domain::Int { min: 0, max: 100_000 }, 0.0, Low, EntryQuality, Restart, Operator, false,
    "Scans at the start of a run during which the volatility gate stays closed.";

    picker_window: i64 = 50;
    "picker.window", "scans", Domain::Int { min: 5, max: 750 }, 0.0, High, EntryQuality, Restart, Operator, false,
    "Returns that the ranking looks at.";
    picker_assets_min: i64 = 3;
    "picker.assets_min", "assets", Domain::Int { min: 1, max: 256 }, 0.0, Medium, EntryQuality, Restart, Operator, false,
    "Fewest assets with a full window for the ranking to count.";
    picker_alignment_min: f64 = 0.2;
    "picker.alignment_min", "fraction", Domain::Float { min: 0.0, max: 1.0 }, 0.0, High, EntryQuality, Restart, Operator, false,
    "Least share of moves in the trade's direction.";
    picker_noise_ppm_max: f64 = 500.0;
    "picker.noise_ppm_max", "ppm", Domain::Float { min: 1.0, max: 1_000_000.0 }, 0.0, High, EntryQuality, Restart, Operator, false,
    "Largest standard deviation of returns.";
    picker_latency_max: i64 = 20;
    "picker.latency_max", "scans", Domain::Int { min: 1, max: 750 }, 0.0, Medium, EntryQuality, Restart, Operator, false,
    "Latest return by which the move must have reached one sigma.";
    picker_excluded: Vec<TextId> = Vec::new();
    "picker.excluded", "", Domain::Symbols { max: 40 }, 0.0, Medium, Diversification, Restart, Operator, false,
    "Symbols that are never ranked.";

    policy_sides: Sides = Sides::Short;
    "policy.sides", "", Domain::Choice(Sides::TEXTS), 0.0, High, Risk, Restart, Operator, true,
    "Directions that may be entered.";
    policy_posture: Posture = Posture::Apex;
    "policy.posture", "", Domain::Choice(Posture::TEXTS), 0.0, High, Risk, Hot, Operator, true,
    "How much the policy may do.";
    policy_stalker_leverage_max: f64 = 2.0;
    "policy.stalker_leverage_max", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Leverage cap in the stalker posture.";
    policy_vel_div_threshold: f64 = -0.02;
    "policy.vel_div_threshold", "vel_div", Domain::Float { min: -1.0, max: 0.0 }, 0.002, High, EntryQuality, Hot, Tuner, false,
    "An entry needs vel_div below this (a long entry: above its negative).";
    policy_vel_div_extreme: f64 = -0.05;
    "policy.vel_div_extreme", "vel_div", Domain::Float { min: -1.0, max: 0.0 }, 0.0, High, EntryQuality, Hot, Operator, false,
    "vel_div at which the strength reaches 1.";
    policy_size_fraction: f64 = 0.2;
    "policy.size_fraction", "fraction", Domain::Float { min: 0.001, max: 1.0 }, 0.02, High, Risk, Hot, Tuner, false,
    "Share of capital behind one position before leverage.";
    policy_leverage_min: f64 = 0.5;
    "policy.leverage_min", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Leverage at strength 0.";
    policy_leverage_max: f64 = 8.0;
    "policy.leverage_max", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Leverage at strength 1.";
    policy_venue_leverage_max: i64 = 3;
    "policy.venue_leverage_max", "x", Domain::Int { min: 1, max: 125 }, 0.0, Medium, Risk, NeedsFlat, Operator, true,
    "Whole-number leverage asked of the venue at policy.leverage_max; sets margin, never size.";
    policy_convexity: f64 = 3.0;
    "policy.convexity", "exponent", Domain::Float { min: 1.0, max: 8.0 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Exponent of the strength in the sizer.";
    policy_confirm_ticks: i64 = 7;
    "policy.confirm_ticks", "prices", Domain::Int { min: 0, max: 63 }, 1.0, Medium, EntryQuality, Hot, Tuner, false,
    "Prices of the asset that the direction check looks back; 0 switches it off.";
    policy_confirm_bps: f64 = 0.75;
    "policy.confirm_bps", "bps", Domain::Float { min: 0.0, max: 1_000.0 }, 0.1, Medium, EntryQuality, Hot, Tuner, false,
    "A move against the entry above this contradicts it.";
    policy_bucket_trades_min: i64 = 20;
    "policy.bucket_trades_min", "trades", Domain::Int { min: 1, max: 100_000 }, 0.0, Low, Risk, Hot, Operator, false,
    "Closed trades before a strength bucket's record counts.";
    policy_bucket_multiplier: f64 = 0.5;
    "policy.bucket_multiplier", "x", Domain::Float { min: 0.0, max: 1.0 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Size factor of a bucket with a negative mean.";
    policy_streak_losses: i64 = 3;
    "policy.streak_losses", "trades", Domain::Int { min: 1, max: 1_000 }, 0.0, Low, Risk, Hot, Operator, false,
    "Losses in a row that reduce the size.";
    policy_streak_multiplier: f64 = 0.5;
    "policy.streak_multiplier", "x", Domain::Float { min: 0.0, max: 1.0 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Size factor during a losing streak, until a win.";
    policy_strategy_leverage_max: f64 = 9.0;
    "policy.strategy_leverage_max", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Leverage cap after every factor of the size.";
    policy_liquidation_soft: f64 = 8.0;
    "policy.liquidation_soft", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Liquidation guard: leverage cap that regime, order-book and calendar factors move.";
    policy_liquidation_hard: f64 = 9.0;
    "policy.liquidation_hard", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Liquidation guard: leverage cap that nothing moves.";
    policy_liquidation_reference: f64 = 5.0;
    "policy.liquidation_reference", "x", Domain::Float { min: 0.1, max: 125.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Liquidation guard: position notional over capital stays below this times policy.liquidation_buffer.";
    policy_liquidation_buffer: f64 = 0.95;
    "policy.liquidation_buffer", "fraction", Domain::Float { min: 0.01, max: 1.0 }, 0.0, High, Risk, Hot, Operator, true,
    "Part of policy.liquidation_reference, and of the available margin, that a position may use.";

    exit_tp_bps: f64 = 95.0;
    "exit.tp_bps", "bps", Domain::Float { min: 1.0, max: 10_000.0 }, 5.0, High, Exit, Hot, Tuner, false,
    "Take-profit distance on the executable side.";
    exit_sl_bps: f64 = 150.0;
    "exit.sl_bps", "bps", Domain::Float { min: 1.0, max: 10_000.0 }, 5.0, High, Exit, Hot, Tuner, false,
    "Stop distance on the executable side.";
    exit_max_hold_scans: i64 = 250;
    "exit.max_hold_scans", "scans", Domain::Int { min: 1, max: 1_000_000 }, 10.0, Medium, Exit, Hot, Tuner, false,
    "Scans after which a position is closed.";
    exit_reversal_vel_div: f64 = 0.02;
    "exit.reversal_vel_div", "vel_div", Domain::Float { min: 0.0, max: 1.0 }, 0.002, Medium, Exit, Hot, Tuner, false,
    "A position in profit is closed when vel_div passes this (a long: its negative).";
    exit_legs: Vec<f64> = alloc::vec![1.0];
    "exit.legs", "fraction", Domain::Fractions, 0.0, Medium, Exit, NeedsFlat, Operator, false,
    "Parts in which a take-profit closes; the last is what remains.";
    exit_no_price_ns_max: i64 = 60_000_000_000;
    "exit.no_price_ns_max", "ns", ns(DAY_NS), 0.0, High, Exit, Hot, Operator, true,
    "An open slot without a usable price for this long is closed by market.";
    exit_retry_first_ns: i64 = 250_000_000;
    "exit.retry_first_ns", "ns", Domain::Int { min: 1_000_000, max: 60_000_000_000 }, 0.0, High, Exit, Hot, Operator, true,
    "Wait after a refused exit; doubles with every further refusal.";
    exit_retry_max_ns: i64 = 5_000_000_000;
    "exit.retry_max_ns", "ns", Domain::Int { min: 1_000_000, max: 600_000_000_000 }, 0.0, High, Exit, Hot, Operator, true,
    "Longest wait after a refused exit.";

    modifiers_boost: f64 = 1.0;
    "modifiers.boost" | "acb_boost", "x", Domain::Float { min: 0.1, max: 10.0 }, 0.0, High, Risk, Hot, Operator, false,
    "Regime boost of an entry, where no outside source gives one.";
    modifiers_boost_beta: f64 = 0.0;
    "modifiers.boost_beta", "x", Domain::Float { min: 0.0, max: 10.0 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Growth of the regime factor with the signal: times 1 + beta x strength cubed.";
    modifiers_mc_scale: f64 = 1.0;
    "modifiers.mc_scale", "x", Domain::Float { min: 0.0, max: 10.0 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Scale of the scenario model in the regime factor, where no outside source gives one.";
    modifiers_ob: f64 = 1.0;
    "modifiers.ob", "x", Domain::Float { min: 0.85, max: 1.2 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Order-book factor of an entry, where no outside source gives one.";
    modifiers_esof: f64 = 1.0;
    "modifiers.esof", "x", Domain::Float { min: 0.0, max: 1.0 }, 0.0, Medium, Risk, Hot, Operator, false,
    "Calendar factor of an entry, where no outside source gives one.";

    universe_excluded: Vec<TextId> = Vec::new();
    "universe.excluded" | "AUTO_TRADE_EXCLUDED_SYMBOLS", "", Domain::Symbols { max: 40 }, 40.0, Medium, Diversification, Hot, Tuner, false,
    "Symbols that are not entered for universe.excluded_ttl_s after they came onto this list.";
    universe_excluded_ttl_s: i64 = 1_200;
    "universe.excluded_ttl_s", "s", Domain::Int { min: 0, max: 86_400 }, 0.0, Medium, Diversification, Hot, Operator, false,
    "How long an entry of universe.excluded holds.";
    universe_watchlist: Vec<TextId> = Vec::new();
    "universe.watchlist", "", Domain::Symbols { max: 120 }, 0.0, Medium, Flow, Hot, Operator, false,
    "Symbols of the watchlist lane.";
    universe_liquidation_burst: f64 = 0.0;
    "universe.liquidation_burst", "x", Domain::Float { min: 0.0, max: 1_000.0 }, 0.0, Low, Routing, Hot, Operator, false,
    "Traded notional of 5 minutes over its daily average from which a candidate is of the liquidation lane; 0: never.";
    universe_carry_rate_min: f64 = 0.0;
    "universe.carry_rate_min", "fraction", Domain::Float { min: 0.0, max: 0.01 }, 0.0, Low, Routing, Hot, Operator, false,
    "Funding rate in favour of the entry from which a candidate is of the carry lane; 0: never.";
    universe_revert_alignment_max: f64 = 0.0;
    "universe.revert_alignment_max", "fraction", Domain::Float { min: 0.0, max: 1.0 }, 0.0, Low, Routing, Hot, Operator, false,
    "Alignment below which a candidate is of the mean-revert lane; 0: never.";
    universe_listing_age_min_s: i64 = 0;
    "universe.listing_age_min_s", "s", Domain::Int { min: 0, max: 315_360_000 }, 0.0, Medium, Safety, Hot, Operator, false,
    "Precheck: least time since the listing, where it is known.";
    universe_signal_age_max_s: i64 = 3_600;
    "universe.signal_age_max_s" | "TOKEN_AGE_MAX", "s", Domain::Int { min: 1_800, max: 21_600 }, 1_200.0, Medium, Flow, Hot, Tuner, false,
    "Precheck: longest time that an asset may have passed the ranking without a break.";
    universe_seen_ttl_s: i64 = 21_600;
    "universe.seen_ttl_s" | "SEEN_TOKEN_TTL", "s", Domain::Int { min: 300, max: 21_600 }, 1_800.0, Medium, Flow, Hot, Tuner, false,
    "An asset without an entry for this long counts as new for funnel.novelty_share_min.";
    universe_watchlist_depth_usd_min: f64 = 200_000.0;
    "universe.watchlist_depth_usd_min" | "WATCHLIST_MIN_LIQUIDITY_USD", "quote", Domain::Float { min: 5_000.0, max: 1_000_000.0 }, 50_000.0, Medium, SourceQuality, Hot, Tuner, false,
    "Least depth at the touch in the watchlist lane.";
    universe_watchlist_adv_usd_min: f64 = 500_000.0;
    "universe.watchlist_adv_usd_min" | "WATCHLIST_MIN_VOLUME_24H_USD", "quote", Domain::Float { min: 10_000.0, max: 5_000_000.0 }, 150_000.0, Medium, SourceQuality, Hot, Tuner, false,
    "Least daily notional in the watchlist lane.";
    universe_watchlist_volume_5m_usd_min: f64 = 500.0;
    "universe.watchlist_volume_5m_usd_min" | "PAPER_WATCHLIST_MIN_VOLUME_5M_USD", "quote", Domain::Float { min: 10.0, max: 20_000.0 }, 200.0, Medium, SourceQuality, Hot, Tuner, false,
    "Least notional of 5 minutes in the watchlist lane.";
    universe_watchlist_score_min: i64 = 90;
    "universe.watchlist_score_min" | "PAPER_WATCHLIST_MIN_SCORE", "points", Domain::Int { min: 70, max: 98 }, 4.0, Medium, SourceQuality, Hot, Tuner, false,
    "Least score in the watchlist lane.";

    funnel_source_router: bool = false;
    "funnel.source_router", "", Domain::Bool, 0.0, High, Routing, Hot, Operator, false,
    "Admit candidates of a lane with a bad record only by a draw.";
    funnel_lane_cap_momentum: i64 = 140;
    "funnel.lane_cap_momentum", "candidates", Domain::Int { min: 1, max: 600 }, 60.0, Medium, Routing, Hot, Tuner, false,
    "Most candidates of the momentum lane in a scan. Seed: V2_SOURCE_QOS_SOURCE_CAPS.";
    funnel_lane_cap_mean_revert: i64 = 140;
    "funnel.lane_cap_mean_revert", "candidates", Domain::Int { min: 1, max: 600 }, 60.0, Medium, Routing, Hot, Tuner, false,
    "Most candidates of the mean_revert lane in a scan. Seed: V2_SOURCE_QOS_SOURCE_CAPS.";
    funnel_lane_cap_carry: i64 = 120;
    "funnel.lane_cap_carry", "candidates", Domain::Int { min: 1, max: 600 }, 60.0, Medium, Routing, Hot, Tuner, false,
    "Most candidates of the carry lane in a scan. Seed: V2_SOURCE_QOS_SOURCE_CAPS.";
    funnel_lane_cap_liquidation: i64 = 120;
    "funnel.lane_cap_liquidation", "candidates", Domain::Int { min: 1, max: 600 }, 60.0, Medium, Routing, Hot, Tuner, false,
    "Most candidates of the liquidation lane in a scan. Seed: V2_SOURCE_QOS_SOURCE_CAPS.";
    funnel_lane_cap_watchlist: i64 = 50;
    "funnel.lane_cap_watchlist", "candidates", Domain::Int { min: 1, max: 600 }, 60.0, Medium, Routing, Hot, Tuner, false,
    "Most candidates of the watchlist lane in a scan. Seed: V2_SOURCE_QOS_SOURCE_CAPS.";
    funnel_lane_qos: bool = false;
    "funnel.lane_qos" | "V2_SOURCE_QOS_ENABLED", "", Domain::Bool, 0.0, Medium, SourceQuality, Hot, Operator, false,
    "Let a lane rest when two of its three rates over 12 scans are below their floors.";
    funnel_lane_cooldown_s: i64 = 900;
    "funnel.lane_cooldown_s" | "V2_SOURCE_QOS_COOLDOWN_SECONDS", "s", Domain::Int { min: 60, max: 3_600 }, 0.0, Medium, SourceQuality, Hot, Operator, false,
    "How long a lane rests.";
    funnel_lane_pass_rate_min: f64 = 0.005;
    "funnel.lane_pass_rate_min" | "V2_SOURCE_QOS_MIN_PASS_RATE", "fraction", Domain::Float { min: 0.0, max: 0.2 }, 0.0, Medium, SourceQuality, Hot, Operator, false,
    "Least share of a lane's candidates that passes the filters up to the thresholds.";
    funnel_lane_ev_rate_min: f64 = 0.05;
    "funnel.lane_ev_rate_min" | "V2_SOURCE_QOS_MIN_EV_POSITIVE_RATE", "fraction", Domain::Float { min: 0.0, max: 0.5 }, 0.0, Medium, SourceQuality, Hot, Operator, false,
    "Least share of a lane's sized candidates whose expected edge is above zero.";
    funnel_lane_open_rate_min: f64 = 0.03;
    "funnel.lane_open_rate_min" | "V2_SOURCE_QOS_MIN_OPEN_RATE", "fraction", Domain::Float { min: 0.0, max: 0.3 }, 0.0, Medium, SourceQuality, Hot, Operator, false,
    "Least share of a lane's passed candidates that is entered.";
    funnel_symbol_cycle_max: i64 = 20;
    "funnel.symbol_cycle_max" | "V2_SOURCE_QOS_MAX_PER_SYMBOL_PER_CYCLE", "attempts", Domain::Int { min: 1, max: 20 }, 1.0, Medium, Diversification, Hot, Tuner, false,
    "Most attempts to enter an asset within 12 scans.";
    funnel_cycle_topk: i64 = 220;
    "funnel.cycle_topk" | "V2_SOURCE_QOS_TOPK_PER_CYCLE", "candidates", Domain::Int { min: 20, max: 600 }, 24.0, Low, Flow, Hot, Tuner, false,
    "Most candidates of a scan, by priority.";
    funnel_prechecks: bool = false;
    "funnel.prechecks", "", Domain::Bool, 0.0, High, EntryQuality, Hot, Operator, false,
    "Check age, depth, notional of 5 minutes and change of 5 minutes before an entry.";
    funnel_volume_5m_usd_min: f64 = 1_200.0;
    "funnel.volume_5m_usd_min" | "SAFE_MIN_VOLUME_5M_USD", "quote", Domain::Float { min: 5.0, max: 8_000.0 }, 3.0, High, EntryQuality, Hot, Tuner, false,
    "Precheck: least notional of 5 minutes.";
    funnel_depth_usd_min: f64 = 0.0;
    "funnel.depth_usd_min", "quote", Domain::Float { min: 0.0, max: 1_000_000_000.0 }, 0.0, Medium, EntryQuality, Hot, Operator, false,
    "Precheck: least notional at the touch that an entry takes from.";
    funnel_change_5m_percent_max: f64 = 100.0;
    "funnel.change_5m_percent_max", "percent", Domain::Float { min: 0.1, max: 100.0 }, 0.0, Medium, EntryQuality, Hot, Operator, false,
    "Precheck: largest move of 5 minutes, either way.";
    funnel_market_mode: MarketMode = MarketMode::Open;
    "funnel.market_mode", "", Domain::Choice(MarketMode::TEXTS), 0.0, High, EntryQuality, Hot, Operator, false,
    "Which score an entry needs: none, the soft one, the strict one, or by posture.";
    funnel_score_soft: i64 = 70;
    "funnel.score_soft" | "MARKET_MODE_SOFT_SCORE", "points", Domain::Int { min: 10, max: 90 }, 2.0, High, EntryQuality, Hot, Tuner, false,
    "Least score in the soft market mode.";
    funnel_score_strict: i64 = 78;
    "funnel.score_strict" | "MARKET_MODE_STRICT_SCORE", "points", Domain::Int { min: 15, max: 95 }, 2.0, High, EntryQuality, Hot, Tuner, false,
    "Least score in the strict market mode; from here on a candidate is of tier A.";
    funnel_dedup_ttl_s: i64 = 0;
    "funnel.dedup_ttl_s" | "HEAVY_CHECK_DEDUP_TTL_SECONDS", "s", Domain::Int { min: 0, max: 120 }, 15.0, Medium, Flow, Hot, Tuner, false,
    "An asset and side that was planned is not planned again for this long.";
    funnel_quality: bool = false;
    "funnel.quality", "", Domain::Bool, 0.0, High, Diversification, Hot, Operator, false,
    "Hold entries to the shares and caps of the last hour, by asset, lane and novelty.";
    funnel_symbol_share_max: f64 = 0.1;
    "funnel.symbol_share_max" | "SYMBOL_CONCENTRATION_MAX_SHARE", "fraction", Domain::Float { min: 0.05, max: 0.5 }, 0.06, High, Diversification, Hot, Tuner, false,
    "Largest share of an asset in the entries of an hour; tier A 1.15 times as much.";
    funnel_novelty_share_min: f64 = 0.3;
    "funnel.novelty_share_min" | "V2_UNIVERSE_NOVELTY_MIN_SHARE", "fraction", Domain::Float { min: 0.05, max: 0.9 }, 0.06, Medium, Diversification, Hot, Tuner, false,
    "Least share of new assets in the entries of an hour.";
    funnel_lane_budget: bool = true;
    "funnel.lane_budget" | "V2_QUALITY_SOURCE_BUDGET_ENABLED", "", Domain::Bool, 1.0, Medium, Diversification, Hot, Tuner, false,
    "Hold entries to funnel.lane_share_max.";
    funnel_lane_share_max: f64 = 0.5;
    "funnel.lane_share_max" | "PLAN_MAX_SINGLE_SOURCE_SHARE", "fraction", Domain::Float { min: 0.2, max: 1.0 }, 0.06, Medium, Diversification, Hot, Tuner, false,
    "Largest share of a lane in the entries of an hour.";
    funnel_watchlist_share_max: f64 = 0.3;
    "funnel.watchlist_share_max" | "PLAN_MAX_WATCHLIST_SHARE", "fraction", Domain::Float { min: 0.0, max: 1.0 }, 0.06, Medium, Diversification, Hot, Tuner, false,
    "Largest share of the watchlist lane in the entries of an hour.";
    funnel_non_watchlist_min: i64 = 1;
    "funnel.non_watchlist_min" | "PLAN_MIN_NON_WATCHLIST_PER_BATCH", "candidates", Domain::Int { min: 0, max: 20 }, 1.0, Medium, Diversification, Hot, Tuner, false,
    "Candidates of other lanes that a scan needs before one of the watchlist lane may enter.";
    funnel_quality_share_max: f64 = 0.1;
    "funnel.quality_share_max" | "V2_QUALITY_SYMBOL_MAX_SHARE", "fraction", Domain::Float { min: 0.05, max: 0.5 }, 0.03, Medium, Diversification, Hot, Tuner, false,
    "Share of an hour's entries up to which an asset may go, once above funnel.quality_symbol_cap.";
    funnel_quality_symbol_cap: i64 = 2;
    "funnel.quality_symbol_cap" | "V2_QUALITY_SYMBOL_MIN_ABS_CAP", "entries", Domain::Int { min: 1, max: 10 }, 1.0, Medium, Diversification, Hot, Tuner, false,
    "Entries of an hour that every asset may have.";
    funnel_top_n: i64 = 10;
    "funnel.top_n" | "AUTO_TRADE_TOP_N", "candidates", Domain::Int { min: 8, max: 80 }, 6.0, Medium, Flow, Hot, Tuner, false,
    "Best candidates of a scan that are looked at after the thresholds.";
    funnel_attempts_max: i64 = 1;
    "funnel.attempts_max", "candidates", Domain::Int { min: 1, max: 80 }, 0.0, Medium, Flow, Hot, Operator, false,
    "Candidates of a scan that may fail at direction, guards, size or edge before the scan is given up.";
    funnel_trade_usd_min: f64 = 0.25;
    "funnel.trade_usd_min" | "MIN_TRADE_USD", "quote", Domain::Float { min: 0.01, max: 2.0 }, 0.1, Low, Flow, Hot, Tuner, false,
    "Least notional of an entry, beside the instrument's own (data.min_notional), which is the higher one on most venues.";
    funnel_core_trade_usd_min: f64 = 0.45;
    "funnel.core_trade_usd_min" | "ENTRY_A_CORE_MIN_TRADE_USD", "quote", Domain::Float { min: 0.1, max: 2.5 }, 0.1, Low, Flow, Hot, Tuner, false,
    "The same for tier A.";

    memory_lane_trades_min: i64 = 8;
    "memory.lane_trades_min" | "SOURCE_ROUTER_MIN_TRADES", "trades", Domain::Int { min: 4, max: 40 }, 2.0, Medium, Routing, Hot, Tuner, false,
    "Trades of a lane within 120 minutes before its record counts.";
    memory_lane_bad_probability: f64 = 0.55;
    "memory.lane_bad_probability" | "SOURCE_ROUTER_BAD_ENTRY_PROBABILITY", "fraction", Domain::Float { min: 0.35, max: 0.95 }, 0.06, High, Routing, Hot, Tuner, false,
    "Chance of a candidate of a lane with a bad record.";
    memory_lane_severe_probability: f64 = 0.35;
    "memory.lane_severe_probability" | "SOURCE_ROUTER_SEVERE_ENTRY_PROBABILITY", "fraction", Domain::Float { min: 0.2, max: 0.9 }, 0.06, High, Routing, Hot, Tuner, false,
    "The same with a severe record.";
    memory_enabled: bool = false;
    "memory.enabled", "", Domain::Bool, 0.0, High, EntryQuality, Hot, Operator, false,
    "Let the record of an asset reduce size and chance of its entries and raise the edge that they need.";
    memory_symbol_trades_min: i64 = 4;
    "memory.symbol_trades_min" | "TOKEN_EV_MEMORY_MIN_TRADES", "trades", Domain::Int { min: 2, max: 30 }, 2.0, Medium, EntryQuality, Hot, Tuner, false,
    "Trades of an asset before its record counts.";
    memory_symbol_bad_probability: f64 = 0.72;
    "memory.symbol_bad_probability" | "TOKEN_EV_MEMORY_BAD_ENTRY_PROBABILITY", "fraction", Domain::Float { min: 0.35, max: 0.95 }, 0.06, High, EntryQuality, Hot, Tuner, false,
    "Chance of a candidate with a bad record.";
    memory_symbol_severe_probability: f64 = 0.42;
    "memory.symbol_severe_probability" | "TOKEN_EV_MEMORY_SEVERE_ENTRY_PROBABILITY", "fraction", Domain::Float { min: 0.2, max: 0.9 }, 0.06, High, EntryQuality, Hot, Tuner, false,
    "The same with a severe record.";
    memory_cooldown_s: i64 = 0;
    "memory.cooldown_s" | "MAX_TOKEN_COOLDOWN_SECONDS", "s", Domain::Int { min: 0, max: 3_600 }, 40.0, Medium, Diversification, Hot, Tuner, false,
    "No entry into an asset for this long after a loss in it.";
    memory_reentry_s: i64 = 0;
    "memory.reentry_s" | "V2_QUALITY_SYMBOL_REENTRY_MIN_SECONDS", "s", Domain::Int { min: 0, max: 3_600 }, 60.0, Medium, Diversification, Hot, Tuner, false,
    "No entry into an asset for this long after any trade in it.";

    edge_gate: bool = false;
    "edge.gate" | "PROFIT_ENGINE_ENABLED", "", Domain::Bool, 1.0, High, EntryQuality, Hot, Tuner, false,
    "Refuse entries whose expected edge is below the floors.";
    edge_percent_min: f64 = 2.0;
    "edge.percent_min" | "MIN_EXPECTED_EDGE_PERCENT", "percent", Domain::Float { min: 0.05, max: 3.0 }, 0.1, High, EntryQuality, Hot, Tuner, false,
    "Least expected edge.";
    edge_usd_min: f64 = 0.05;
    "edge.usd_min" | "MIN_EXPECTED_EDGE_USD", "quote", Domain::Float { min: 0.000_5, max: 0.05 }, 0.001_5, High, EntryQuality, Hot, Tuner, false,
    "The same in money.";
    edge_rolling_percent_min: f64 = 0.35;
    "edge.rolling_percent_min" | "V2_ROLLING_EDGE_MIN_PERCENT", "percent", Domain::Float { min: 0.05, max: 3.0 }, 0.08, High, EntryQuality, Hot, Tuner, false,
    "A second floor of the expected edge; the higher counts.";
    edge_rolling_usd_min: f64 = 0.008;
    "edge.rolling_usd_min" | "V2_ROLLING_EDGE_MIN_USD", "quote", Domain::Float { min: 0.000_5, max: 0.05 }, 0.001_5, High, EntryQuality, Hot, Tuner, false,
    "The same in money.";
    edge_net_usd_min: f64 = 0.001;
    "edge.net_usd_min" | "EV_FIRST_ENTRY_MIN_NET_USD", "quote", Domain::Float { min: -0.002, max: 0.02 }, 0.001, High, EntryQuality, Hot, Tuner, false,
    "Least expected net result, corrected by what the lane earned.";
    edge_probe_tolerance_usd: f64 = 0.003;
    "edge.probe_tolerance_usd" | "EV_FIRST_ENTRY_CORE_PROBE_EV_TOLERANCE_USD", "quote", Domain::Float { min: 0.001, max: 0.01 }, 0.001, Medium, EntryQuality, Hot, Tuner, false,
    "How far below edge.net_usd_min a tier A candidate may be.";
    edge_risk_penalty: f64 = 0.0;
    "edge.risk_penalty", "fraction", Domain::Float { min: 0.0, max: 0.5 }, 0.0, High, EntryQuality, Hot, Operator, false,
    "Taken off the chance of the take-profit.";
    edge_calibration: bool = false;
    "edge.calibration" | "V2_CALIBRATION_ENABLED", "", Domain::Bool, 1.0, High, EntryQuality, Hot, Tuner, false,
    "Correct the expected edge by what trades of the lane earned.";
    edge_calibration_no_tighten: bool = true;
    "edge.calibration_no_tighten" | "V2_CALIBRATION_NO_TIGHTEN_DURING_RELAX_WINDOW", "", Domain::Bool, 1.0, Medium, EntryQuality, Hot, Tuner, false,
    "The correction may raise the expected edge and not lower it.";
    edge_calibration_weight: f64 = 0.1;
    "edge.calibration_weight", "fraction", Domain::Float { min: 0.001, max: 1.0 }, 0.0, Medium, EntryQuality, Hot, Operator, false,
    "Weight of the newest trade in the correction.";
    edge_calibration_usd_min: f64 = 0.01;
    "edge.calibration_usd_min" | "V2_CALIBRATION_EDGE_USD_MIN", "quote", Domain::Float { min: 0.000_5, max: 0.05 }, 0.001_5, High, EntryQuality, Hot, Tuner, false,
    "Least corrected edge in money while the correction is on.";
    edge_calibration_volume_usd_min: f64 = 20.0;
    "edge.calibration_volume_usd_min" | "V2_CALIBRATION_VOLUME_MIN", "quote", Domain::Float { min: 5.0, max: 450.0 }, 12.0, Medium, EntryQuality, Hot, Tuner, false,
    "Precheck: least notional of 5 minutes while the correction is on.";

    router_style: Style = Style::Taker;
    "router.style" | "DOLPHIN_PINK_EXEC_STYLE", "", Domain::Choice(Style::TEXTS), 0.0, High, Routing, Hot, Operator, true,
    "How orders leave: taker at once by market, maker resting at a price of their own first.";
    router_entry_ttl_ns: i64 = 6_000_000_000;
    "router.entry_ttl_ns", "ns", Domain::Int { min: 1_000_000, max: TTL_NS_MAX }, 0.0, High, Routing, Hot, Operator, true,
    "Life of a maker entry; then it is called back.";
    router_exit_ttl_ns: i64 = 5_000_000_000;
    "router.exit_ttl_ns", "ns", Domain::Int { min: 1_000_000, max: TTL_NS_MAX }, 0.0, High, Routing, Hot, Operator, true,
    "Life of a maker exit; what it has not closed by then leaves by market.";
    router_entry_miss: Miss = Miss::Skip;
    "router.entry_miss" | "entry_miss", "", Domain::Choice(Miss::TEXTS), 0.0, High, Routing, Hot, Operator, true,
    "What follows a maker entry with nothing filled: give it up, quote again, or take.";
    router_entry_retries: i64 = 1;
    "router.entry_retries" | "entry_retries", "orders", Domain::Int { min: 0, max: 10 }, 0.0, Medium, Routing, Hot, Operator, true,
    "Further quotes of a missed entry with router.entry_miss = retry.";
    router_retry_exhaust: Exhaust = Exhaust::Skip;
    "router.retry_exhaust" | "retry_exhaust", "", Domain::Choice(Exhaust::TEXTS), 0.0, High, Routing, Hot, Operator, true,
    "What follows when the retries are used up: give it up, or take.";
    router_post_only: bool = true;
    "router.post_only" | "post_only", "", Domain::Bool, 0.0, High, Routing, Hot, Operator, true,
    "Maker orders are refused by the venue rather than taking.";
    router_min_interval_ms: i64 = 0;
    "router.min_interval_ms" | "min_interval_ms", "ms", Domain::Int { min: 0, max: 300 }, 20.0, Medium, Routing, Hot, Tuner, false,
    "Least time between two entry orders; 0: none. Exits know no pace.";
    router_replace_rate_per_min: i64 = 300;
    "router.replace_rate_per_min" | "replace_rate_per_min", "orders", Domain::Int { min: 1, max: 400 }, 30.0, Medium, Routing, Hot, Tuner, false,
    "Most replacements of entry quotes in a minute; cap.orders_per_minute_max counts them too, and stops entries.";
    router_base_spread_bps: Rate = Rate::ZERO;
    "router.base_spread_bps" | "base_spread_bps", "bps", rate(0, 100 * 100_000_000), 0.0, Medium, Routing, Hot, Operator, false,
    "How much further from the market than the best price a quote stands.";
    router_base_spread_bps_delta: Rate = Rate::ZERO;
    "router.base_spread_bps_delta" | "base_spread_bps_delta", "bps", rate(0, 60_000_000), 0.05, Medium, Routing, Hot, Tuner, false,
    "Added to router.base_spread_bps.";
    router_impact_cap_ratio: Rate = Rate::ZERO;
    "router.impact_cap_ratio" | "impact_cap_ratio", "fraction", rate(0, 100_000_000), 0.01, Medium, Routing, Hot, Tuner, false,
    "Largest share of the depth shown at the touch that an entry asks for; 0: no cap.";
    router_tail_age_ms: i64 = 0;
    "router.tail_age_ms" | "tail_age_ms", "ms", Domain::Int { min: 0, max: 10_000 }, 50.0, Medium, Routing, Hot, Tuner, false,
    "An entry quote older than this that no longer stands where it should is replaced; 0: never.";
    router_max_delta_ratio: Rate = Rate::ONE;
    "router.max_delta_ratio" | "max_delta_ratio", "fraction", rate(0, 100_000_000), 0.01, Medium, Routing, Hot, Tuner, false,
    "How far the price of a replacement may be from the one it replaces, as a fraction of that.";
    router_concurrency_limit: i64 = 16;
    "router.concurrency_limit" | "concurrency_limit", "orders", Domain::Int { min: 1, max: 16 }, 0.0, Medium, Routing, Hot, Operator, false,
    "Most entry quotes at a time.";

    guard_quote_age_ns_max: i64 = 2_000_000_000;
    "guard.quote_age_ns_max", "ns", ns(DAY_NS), 0.0, High, Safety, Hot, Operator, true,
    "Oldest quote for an entry.";
    guard_trade_age_ns_max: i64 = 60_000_000_000;
    "guard.trade_age_ns_max", "ns", ns(DAY_NS), 0.0, High, Safety, Hot, Operator, true,
    "Oldest trade or bar for an entry, where the data has no quotes.";
    guard_balance_age_ns_max: i64 = 60_000_000_000;
    "guard.balance_age_ns_max", "ns", ns(DAY_NS), 0.0, High, Safety, Hot, Operator, true,
    "Oldest balance for an entry.";
    guard_probe_age_ns_max: i64 = 30_000_000_000;
    "guard.probe_age_ns_max", "ns", ns(DAY_NS), 0.0, High, Safety, Hot, Operator, true,
    "Oldest successful position probe for an entry.";
    guard_hot_window_ns: i64 = 5_000_000_000;
    "guard.hot_window_ns", "ns", ns(DAY_NS), 0.0, High, Safety, Hot, Operator, true,
    "No entry within this time of a fill on the symbol, ours or nobody's.";
    guard_order_silence_ns: i64 = 5_000_000_000;
    "guard.order_silence_ns", "ns", Domain::Int { min: 10_000_000, max: 600_000_000_000 }, 0.0, High, Safety, Hot, Operator, true,
    "An order without any answer for this long is looked up at the venue.";
    guard_lookup_first_ns: i64 = 1_000_000_000;
    "guard.lookup_first_ns", "ns", Domain::Int { min: 10_000_000, max: 600_000_000_000 }, 0.0, High, Safety, Hot, Operator, true,
    "Wait before a look-up is repeated; doubles with every repetition.";
    guard_lookup_max_ns: i64 = 8_000_000_000;
    "guard.lookup_max_ns", "ns", Domain::Int { min: 10_000_000, max: 600_000_000_000 }, 0.0, High, Safety, Hot, Operator, true,
    "Longest wait before a look-up is repeated.";
    guard_view_lag_ns: i64 = 5_000_000_000;
    "guard.view_lag_ns", "ns", Domain::Int { min: 0, max: 600_000_000_000 }, 0.0, High, Safety, Hot, Operator, true,
    "The venue's views of orders and positions may be this old: what they do not show counts only after it.";
    guard_not_found_ns: i64 = 15_000_000_000;
    "guard.not_found_ns", "ns", Domain::Int { min: 1_000_000_000, max: 3_600_000_000_000 }, 0.0, High, Safety, Hot, Operator, true,
    "An order that the venue denies for this long, with positions and open orders that agree, never arrived.";
    guard_outside_close_ns: i64 = 10_000_000_000;
    "guard.outside_close_ns", "ns", Domain::Int { min: 1_000_000_000, max: 3_600_000_000_000 }, 0.0, High, Safety, Hot, Operator, true,
    "A position that the venue shows smaller than ours for this long was closed by somebody else.";
    guard_reconcile_confirm_ns: i64 = 2_000_000_000;
    "guard.reconcile_confirm_ns", "ns", ns(DAY_NS), 0.0, High, Safety, Hot, Operator, true,
    "A difference to the wallet that events on their way may explain needs a second balance this much later.";
    guard_probe_interval_ns: i64 = 10_000_000_000;
    "guard.probe_interval_ns", "ns", Domain::Int { min: 1_000_000_000, max: DAY_NS }, 0.0, Medium, Safety, Hot, Operator, true,
    "Time between probes of open orders, positions and balance; sooner when an entry lacks fresh proof.";
    guard_drawdown_max: Rate = Rate::ZERO;
    "guard.drawdown_max", "fraction", rate(0, 100_000_000), 0.0, High, Risk, Hot, Operator, true,
    "Fall of the equity below its peak, as a fraction of the peak, that halts the engine; 0: none does.";
    guard_drawdown_samples: i64 = 3;
    "guard.drawdown_samples", "samples", Domain::Int { min: 2, max: 1_000 }, 0.0, High, Risk, Hot, Operator, true,
    "Readings in a row, one a tick and each with new prices, that a drawdown halt and a new peak both need.";

    cap_position_notional_max: Money = Money::from_whole(1_000_000);
    "cap.position_notional_max", "quote", Domain::Decimal { min: 0, max: MAX_MONEY }, 0.0, High, Safety, Restart, Operator, true,
    "Most notional on one instrument, entries under way included; checked where orders leave.";
    cap_total_notional_max: Money = Money::from_whole(2_000_000);
    "cap.total_notional_max", "quote", Domain::Decimal { min: 0, max: MAX_MONEY }, 0.0, High, Safety, Restart, Operator, true,
    "The same over all instruments.";
    cap_orders_per_second_max: i64 = 10;
    "cap.orders_per_second_max", "orders", Domain::Int { min: 1, max: 10_000 }, 0.0, High, Safety, Restart, Operator, true,
    "Most entry orders in a second.";
    cap_orders_per_minute_max: i64 = 100;
    "cap.orders_per_minute_max", "orders", Domain::Int { min: 1, max: 100_000 }, 0.0, High, Safety, Restart, Operator, true,
    "Most entry orders in a minute; a further one stops entries until the operator resumes.";
    cap_orders_per_day_max: i64 = 10_000;
    "cap.orders_per_day_max", "orders", Domain::Int { min: 1, max: 10_000_000 }, 0.0, High, Safety, Restart, Operator, true,
    "Most entry orders in 24 hours; a further one stops entries until the operator resumes.";
    cap_exits_per_second_max: i64 = 200;
    "cap.exits_per_second_max", "orders", Domain::Int { min: 50, max: 10_000 }, 0.0, Medium, Safety, Restart, Operator, true,
    "Most exits and cancels in a second; stops nothing but a runaway.";

    kernel_slots_max: i64 = 1;
    "kernel.slots_max", "slots", Domain::Int { min: 1, max: 16 }, 0.0, High, Risk, Restart, Operator, true,
    "Trade slots.";

    paper_order_latency_ns: i64 = 5_000_000;
    "paper.order_latency_ns", "ns", ns(60_000_000_000), 0.0, High, Operation, Restart, Operator, false,
    "Median time from our command to the paper venue.";
    paper_reply_latency_ns: i64 = 5_000_000;
    "paper.reply_latency_ns", "ns", ns(60_000_000_000), 0.0, High, Operation, Restart, Operator, false,
    "Median time from the paper venue to us.";
    paper_latency_sigma: f64 = 0.3;
    "paper.latency_sigma", "log", Domain::Float { min: 0.0, max: 3.0 }, 0.0, Medium, Operation, Restart, Operator, false,
    "Standard deviation of the logarithm of both latencies.";
    paper_trade_slip_ticks: i64 = 1;
    "paper.trade_slip_ticks", "ticks", Domain::Int { min: 0, max: 1_000 }, 0.0, Medium, Operation, Restart, Operator, false,
    "Ticks against us on a market order where the data has no quotes.";
    paper_funding_interval_ns: i64 = 28_800_000_000_000;
    "paper.funding_interval_ns", "ns", Domain::Int { min: 60_000_000_000, max: DAY_NS }, 0.0, Low, Operation, Restart, Operator, false,
    "Time between funding exchanges where the data does not say it.";
    paper_funding_rate: Rate = Rate::from_raw(10_000);
    "paper.funding_rate", "fraction", rate(-1_000_000, 1_000_000), 0.0, Medium, Operation, Restart, Operator, false,
    "Funding rate per interval where the data does not say it; positive: longs pay.";

    paper_leverage: i64 = 20;
    "paper.leverage", "x", Domain::Int { min: 1, max: 125 }, 0.0, High, Operation, Restart, Operator, false,
    "Initial margin of a paper position is its notional divided by this.";
    paper_maintenance_rate: Rate = Rate::from_raw(400_000);
    "paper.maintenance_rate", "fraction", rate(0, 100_000_000), 0.0, High, Operation, Restart, Operator, false,
    "Maintenance margin as a fraction of notional; equity at or below the sum liquidates the paper account.";
    paper_price_band: Rate = Rate::from_raw(20_000_000);
    "paper.price_band", "fraction", rate(0, 100_000_000), 0.0, Medium, Operation, Restart, Operator, false,
    "A taker gets nothing further beyond the touch than this.";
    paper_print_wait_ns: i64 = 60_000_000_000;
    "paper.print_wait_ns", "ns", ns(DAY_NS), 0.0, Medium, Operation, Restart, Operator, false,
    "How long a taker waits for trades where the data has no quotes; then its rest expires.";

    synth_instruments: i64 = 10;
    "synth.instruments", "instruments", Domain::Int { min: 1, max: 64 }, 0.0, High, Operation, Restart, Operator, false,
    "Perpetuals of the built-in market.";
    synth_duration_ns: i64 = DAY_NS;
    "synth.duration_ns", "ns", Domain::Int { min: 1_000_000_000, max: 365 * DAY_NS }, 0.0, High, Operation, Restart, Operator, false,
    "Length of the built-in market.";
}

fn text(symbol: &str) -> TextId {
    TextId::new(symbol).unwrap_or(TextId::EMPTY)
}

impl Settings {
    /// Finds a key by its dotted name, or by one of its other names.
    #[must_use]
    pub fn key(name: &str) -> Option<&'static Key> {
        Self::place(name).map(|place| &KEYS[place])
    }

    /// The position in [`KEYS`] of what [`Settings::key`] finds.
    #[must_use]
    pub fn place(name: &str) -> Option<usize> {
        KEYS.iter().position(|key| {
            key.name == name || key.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        })
    }

    /// The value of a key by its dotted name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value> {
        Self::key(name).map(|key| (key.get)(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_key_reads_back_what_it_wrote() {
        for (index, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..index].iter().all(|other| other.name != key.name), "{}", key.name);
            let value = (key.get)(&Settings::default());
            let mut copy = Settings::default();
            assert!((key.set)(&mut copy, &value), "{}", key.name);
            assert_eq!((key.get)(&copy), value);
        }
    }

    #[test]
    fn other_names_are_unique_and_find_their_key() {
        let taken = |name: &str| KEYS.iter().filter(|key| key.name == name).count();
        for key in KEYS {
            for alias in key.aliases {
                assert_eq!(taken(alias), 0, "{alias}");
                assert_eq!(Settings::key(alias).map(|found| found.name), Some(key.name));
                assert_eq!(Settings::key(&alias.to_lowercase()).map(|f| f.name), Some(key.name));
                // A dot would make it a section.
                assert!(!alias.contains('.'), "{alias}");
            }
        }
        assert_eq!(
            Settings::key("min_interval_ms").map(|key| key.name),
            Some("router.min_interval_ms")
        );
    }

    #[test]
    fn names_are_section_dot_name_in_lower_snake_case_and_docs_are_sentences() {
        for key in KEYS {
            let (section, name) = key.name.split_once('.').expect("a section and a name");
            for part in [section, name] {
                let plain = |b: u8| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit();
                assert!(!part.is_empty() && part.bytes().all(plain), "{}", key.name);
                // The environment form parts sections by two underscores.
                assert!(!part.contains("__"), "{}", key.name);
            }
            assert_ne!(section, "instrument", "that section holds overrides, not settings");
            assert!(key.doc.ends_with('.'), "{}", key.name);
        }
    }

    #[test]
    fn a_tuner_key_has_a_step_and_is_not_protected() {
        for key in KEYS {
            assert_eq!(key.writer == Tuner, key.step > 0.0, "{}", key.name);
            assert!(!(key.writer == Tuner && key.protected), "{}", key.name);
        }
    }
}
