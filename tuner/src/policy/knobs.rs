//! The target policy: every knob once, with default and range. A file beats the command line.

use std::fmt;

use serde_json::{Map, Value};

/// A knob that cannot be what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnobFault {
    /// Its name, as given.
    pub knob: String,
    /// What was given.
    pub found: String,
    /// What would be taken.
    pub expected: String,
}

impl fmt::Display for KnobFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target policy: {} = {}; expected {}", self.knob, self.found, self.expected)
    }
}

impl std::error::Error for KnobFault {}

/// What a knob can hold.
trait Knob: Copy {
    fn read(value: &Value, min: Self, max: Self) -> Option<Self>;
    fn expected(min: Self, max: Self) -> String;
    fn json(self) -> Value;
}

impl Knob for f64 {
    fn read(value: &Value, min: Self, max: Self) -> Option<Self> {
        value.as_f64().filter(|value| (min..=max).contains(value))
    }
    fn expected(min: Self, max: Self) -> String {
        format!("a number from {min} to {max}")
    }
    fn json(self) -> Value {
        self.into()
    }
}

impl Knob for u64 {
    fn read(value: &Value, min: Self, max: Self) -> Option<Self> {
        value.as_u64().filter(|value| (min..=max).contains(value))
    }
    fn expected(min: Self, max: Self) -> String {
        format!("a whole number from {min} to {max}")
    }
    fn json(self) -> Value {
        self.into()
    }
}

impl Knob for bool {
    fn read(value: &Value, _min: Self, _max: Self) -> Option<Self> {
        value.as_bool()
    }
    fn expected(_min: Self, _max: Self) -> String {
        "true or false".to_owned()
    }
    fn json(self) -> Value {
        self.into()
    }
}

macro_rules! knobs {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $min:expr, $max:expr;)*) => {
        /// The knobs. Rates are shares of one; times and counts are those of their windows.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct TargetPolicy {
            $($(#[doc = $doc])+ pub $name: $type,)*
        }

        impl Default for TargetPolicy {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl TargetPolicy {
            /// Every knob's name.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            fn set(&mut self, name: &str, value: &Value) -> Result<(), KnobFault> {
                let fault = |expected| KnobFault {
                    knob: name.to_owned(),
                    found: value.to_string(),
                    expected,
                };
                match name {
                    $(stringify!($name) => {
                        self.$name = <$type as Knob>::read(value, $min, $max)
                            .ok_or_else(|| fault(<$type as Knob>::expected($min, $max)))?;
                        Ok(())
                    })*
                    _ => Err(fault(format!("one of the knobs {}", Self::NAMES.join(", ")))),
                }
            }

            /// Every knob with its value.
            #[must_use]
            pub fn to_json(&self) -> Value {
                let mut map = Map::new();
                $(map.insert(stringify!($name).to_owned(), Knob::json(self.$name));)*
                Value::Object(map)
            }
        }
    };
}

/// A number without a bound of its own.
const ANY: f64 = 1e9;
const MANY: u64 = 1_000_000_000;

knobs! {
    /// Entries an hour: a ceiling that is asked for, not a demand.
    target_trades_per_hour: f64 = 12.0, 0.0, ANY;
    /// Result an hour; a loss of more in 60 minutes is a fail.
    target_pnl_per_hour_usd: f64 = 0.05, -ANY, ANY;
    /// Least share of plans that open.
    min_open_rate_15m: f64 = 0.04, 0.0, 1.0;
    /// Fewest selected candidates for the flow to be judged.
    min_selected_15m: u64 = 16, 1, MANY;
    /// Fewest closed round trips for the risk to be judged.
    min_closed_for_risk_checks: u64 = 6, 1, MANY;
    /// Least share of winners.
    min_winrate_closed_15m: f64 = 0.35, 0.0, 1.0;
    /// Greatest share of plans that end at an instrument's state.
    max_blacklist_share_15m: f64 = 0.45, 0.0, 1.0;
    /// Most refusals for an instrument's state.
    max_blacklist_added_15m: u64 = 80, 1, MANY;
    /// Fewest plans for the early risk checks.
    pre_risk_min_plan_attempts_15m: u64 = 8, 1, MANY;
    /// Share of plans without a book or a way to the venue that is too much.
    pre_risk_route_fail_rate_15m: f64 = 0.35, 0.0, 1.0;
    /// Share of refused entries that is too much.
    pre_risk_buy_fail_rate_15m: f64 = 0.35, 0.0, 1.0;
    /// Share of refused exits that is too much.
    pre_risk_sell_fail_rate_15m: f64 = 0.30, 0.0, 1.0;
    /// Median loss in percent that is too deep.
    pre_risk_roundtrip_loss_median_pct_15m: f64 = -1.2, -100.0, -0.05;
    /// Fewest closed round trips for the tail to be judged.
    tail_loss_min_closes_60m: u64 = 6, 1, MANY;
    /// Deepest loss over median winner that is too much.
    tail_loss_ratio_max: f64 = 8.0, 1.0, ANY;
    /// Bad ticks in a row that end in a rollback.
    rollback_degrade_streak: u64 = 3, 1, MANY;
    /// Open rate at which a phase is left.
    hold_hysteresis_open_rate: f64 = 0.07, 0.0, 1.0;
    /// Entries an hour at which tighten is left.
    hold_hysteresis_trades_per_hour: f64 = 6.0, 0.0, ANY;
    /// Fewest entries for the diversity to be judged.
    diversity_min_buys_15m: u64 = 4, 1, MANY;
    /// Fewest different assets.
    diversity_min_unique_symbols_15m: u64 = 2, 1, MANY;
    /// Greatest share of one asset.
    diversity_max_top1_open_share_15m: f64 = 0.72, 0.20, 1.0;
    /// Let the target follow what the market gives.
    adaptive_target_enabled: bool = true, false, true;
    /// Least target.
    adaptive_target_floor_trades_per_hour: f64 = 4.0, 0.0, ANY;
    /// Step up.
    adaptive_target_step_up_trades_per_hour: f64 = 1.5, 0.1, ANY;
    /// Step down.
    adaptive_target_step_down_trades_per_hour: f64 = 3.0, 0.1, ANY;
    /// The target stays below what is observed, times this,
    adaptive_target_headroom_mult: f64 = 1.35, 1.0, ANY;
    /// plus this.
    adaptive_target_headroom_add_trades_per_hour: f64 = 2.0, 0.0, ANY;
    /// Good ticks in a row before a step up.
    adaptive_target_stable_ticks_for_step_up: u64 = 2, 1, MANY;
    /// Bad ticks in a row before a step down.
    adaptive_target_fail_ticks_for_step_down: u64 = 2, 1, MANY;
}

impl TargetPolicy {
    /// Sets the knobs of a JSON object over those that are there.
    ///
    /// # Errors
    /// The first knob that is unknown or out of its range, with that range; nothing is set then.
    pub fn with(mut self, knobs: &Map<String, Value>) -> Result<Self, KnobFault> {
        for (name, value) in knobs {
            self.set(name, value)?;
        }
        Ok(self)
    }

    /// Stacks defaults, command line (`name=value` texts) and file; the file wins.
    ///
    /// # Errors
    /// As [`TargetPolicy::with`].
    pub fn stack(line: &[String], file: Option<&Map<String, Value>>) -> Result<Self, KnobFault> {
        let mut policy = Self::default();
        for text in line {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            policy.set(name.trim(), &value)?;
        }
        file.map_or(Ok(policy), |file| policy.with(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("an object")
    }

    #[test]
    fn defaults_are_inside_their_own_ranges() {
        let json = TargetPolicy::default().to_json();
        let Value::Object(all) = json else { unreachable!("an object") };
        assert_eq!(all.len(), TargetPolicy::NAMES.len());
        assert_eq!(TargetPolicy::default().with(&all), Ok(TargetPolicy::default()));
    }

    #[test]
    fn the_file_beats_the_command_line() {
        let line = ["min_open_rate_15m=0.1".to_owned(), "min_selected_15m=9".to_owned()];
        let file = map(r#"{"min_open_rate_15m": 0.2}"#);
        let policy = TargetPolicy::stack(&line, Some(&file)).expect("fits");
        assert_eq!((policy.min_open_rate_15m, policy.min_selected_15m), (0.2, 9));
    }

    #[test]
    fn unknown_and_out_of_range_are_refused_with_what_is_allowed() {
        for (text, expected) in [
            (r#"{"min_open_rate_15m": 1.01}"#, "a number from 0 to 1"),
            (r#"{"min_open_rate_15m": "0.1"}"#, "a number from 0 to 1"),
            (r#"{"min_selected_15m": 0}"#, "a whole number from 1 to 1000000000"),
            (r#"{"min_selected_15m": 1.5}"#, "a whole number from 1 to 1000000000"),
            (r#"{"adaptive_target_enabled": 1}"#, "true or false"),
            (r#"{"pre_risk_roundtrip_loss_median_pct_15m": -0.04}"#, "a number from -100 to -0.05"),
            (r#"{"min_open_rate": 0.1}"#, "one of the knobs"),
        ] {
            let fault = TargetPolicy::default().with(&map(text)).expect_err(text);
            assert!(fault.expected.starts_with(expected), "{fault}");
        }
    }
}
