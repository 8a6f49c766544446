//! What a fill will cost, before the venue has said so.
//!
//! `fee = notional × published rate × ratio`, rounded once, half to even. The published rates are
//! settings; the ratio, one for takers and one for makers, is learned: a moving average of what our own
//! fills really cost over what the published rate says. It only makes predictions better: a fee that the
//! venue tells replaces the prediction whatever the model thinks.
//!
//! A fee teaches once, when it is settled, and only when it can say something about the rate:
//! - its fill is ours, and whether it made or took is certain;
//! - it is no exact zero and no rebate where a cost is published (or the reverse): those are events of
//!   their own, not another rate;
//! - by the published rate it is at least [`LESSON_MIN`], so that the venue's rounding is small beside it;
//! - it is at most [`RATIO_OFF_MAX`] off the published rate. What is further off is refused and counted:
//!   one wrong fee must not spoil the predictions, and a rate that really changed that much belongs in
//!   the settings.
//!
//! The average starts at 1 and moves only between values inside that band, so it never leaves it.

use serde::{Deserialize, Serialize};

use crate::msg::record::FeeDeviation;
use crate::msg::{Maybe, Record};
use crate::settings::Settings;
use crate::units::{Money, Rate, SCALE, div_half_even};

/// Least expected fee that teaches: at a venue that rounds to four decimals, half a percent of it is
/// rounding at most.
pub const LESSON_MIN: Money = Money::from_raw(1_000_000);
/// A single fee further off than this fraction of the published rate is not believed.
pub const RATIO_OFF_MAX: Rate = Rate::from_raw(15_000_000);
/// A fee closer to the published rate than this fraction agrees with it: fees are told rounded, and what the
/// rounding left out is no other rate.
pub const ROUNDED: Rate = Rate::from_raw(100_000);
/// From this deviation of the ratio on the published rate deserves a look.
pub const WARN_FROM: Rate = Rate::from_raw(1_000_000);
/// From this deviation on it is wrong.
pub const ERROR_FROM: Rate = Rate::from_raw(5_000_000);

/// What a fee is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeBasis {
    /// Notional of the fill.
    pub notional: Money,
    /// It made, or it took.
    pub is_maker: bool,
}

/// One side of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    rate: Rate,
    ratio: Rate,
    state: FeeDeviation,
    taught: u64,
    refused: u64,
}

impl Calibration {
    const fn new(rate: Rate) -> Self {
        Self { rate, ratio: Rate::ONE, state: FeeDeviation::Ok, taught: 0, refused: 0 }
    }

    /// Fees that moved the ratio.
    #[must_use]
    pub const fn taught(&self) -> u64 {
        self.taught
    }

    /// Fees that were too far off to be believed.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// What our fees are over what the published rate says; 1 before the first.
    #[must_use]
    pub const fn ratio(&self) -> Rate {
        self.ratio
    }

    /// How far the ratio is off, as it was last reported.
    #[must_use]
    pub const fn state(&self) -> FeeDeviation {
        self.state
    }

    /// What a ratio learned against another rate says nothing about.
    fn publish(&mut self, rate: Rate) {
        if self.rate != rate {
            *self = Self::new(rate);
        }
    }
}

/// The model: both sides, and how fast they learn. Owner: the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeModel {
    taker: Calibration,
    maker: Calibration,
    weight: Rate,
}

impl FeeModel {
    pub(super) const fn new(settings: &Settings) -> Self {
        Self {
            taker: Calibration::new(settings.account_taker_rate),
            maker: Calibration::new(settings.account_maker_rate),
            weight: settings.account_fee_ema,
        }
    }

    /// Takes the rates in force. Another published rate forgets its ratio; a weight of zero forgets both.
    pub(super) fn publish(&mut self, settings: &Settings) {
        self.taker.publish(settings.account_taker_rate);
        self.maker.publish(settings.account_maker_rate);
        if self.weight != settings.account_fee_ema {
            self.weight = settings.account_fee_ema;
            if self.weight.is_zero() {
                *self = Self::new(settings);
            }
        }
    }

    /// The side that makes, or the side that takes.
    #[must_use]
    pub const fn side(&self, is_maker: bool) -> &Calibration {
        if is_maker { &self.maker } else { &self.taker }
    }

    /// The fee to book for a fill whose fee is not known yet; positive is a cost. `None` when it does
    /// not fit.
    #[must_use]
    pub fn predict(&self, basis: FeeBasis) -> Option<Money> {
        let side = self.side(basis.is_maker);
        let scaled = i128::from(basis.notional.raw())
            .checked_mul(i128::from(side.rate.raw()))?
            .checked_mul(i128::from(side.ratio.raw()))?;
        let one = i128::from(SCALE);
        div_half_even(scaled, one * one).map(Money::from_raw)
    }

    /// Learns from a settled fee (positive is a cost), once a fill; the record to write when the
    /// deviation changed its class.
    pub(super) fn teach(&mut self, basis: FeeBasis, fee: Money) -> Option<Record> {
        let weight = self.weight;
        let side = if basis.is_maker { &mut self.maker } else { &mut self.taker };
        let expected = basis.notional.times(side.rate)?;
        let says_nothing = weight.is_zero()
            || fee.is_zero()
            || fee.is_positive() != expected.is_positive()
            || expected.raw().unsigned_abs() < LESSON_MIN.raw().unsigned_abs();
        if says_nothing {
            return None;
        }
        let observed =
            div_half_even(i128::from(fee.raw()) * i128::from(SCALE), i128::from(expected.raw()))
                .map(Rate::from_raw)
                .map(|seen| if off(seen) < off_of(ROUNDED) { Rate::ONE } else { seen });
        let next = observed
            .filter(|seen| off(*seen) <= off_of(RATIO_OFF_MAX) || planted!(D22FeeUnguarded));
        let next = next.and_then(|seen| {
            let step = i128::from((seen - side.ratio).raw()) * i128::from(weight.raw());
            div_half_even(step, i128::from(SCALE)).map(|step| side.ratio + Rate::from_raw(step))
        });
        let before = side.state;
        match next {
            Some(ratio) => {
                side.ratio = ratio;
                side.taught += 1;
                side.state = class(ratio);
            }
            None => {
                side.refused += 1;
                side.state = FeeDeviation::Error;
            }
        }
        (side.state != before).then_some(Record::FeeRatio {
            is_maker: basis.is_maker,
            state: side.state,
            ratio: side.ratio,
            observed: Maybe::from(observed),
            taught: side.taught,
            refused: side.refused,
        })
    }
}

/// Distance from 1, raw.
const fn off(ratio: Rate) -> u64 {
    ratio.raw().abs_diff(Rate::ONE.raw())
}

const fn off_of(deviation: Rate) -> u64 {
    deviation.raw().unsigned_abs()
}

const fn class(ratio: Rate) -> FeeDeviation {
    let off = off(ratio);
    if off < off_of(WARN_FROM) {
        FeeDeviation::Ok
    } else if off < off_of(ERROR_FROM) {
        FeeDeviation::Warn
    } else {
        FeeDeviation::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(text: &str) -> Money {
        text.parse().expect("an amount")
    }

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    fn taker(notional: &str) -> FeeBasis {
        FeeBasis { notional: money(notional), is_maker: false }
    }

    fn model() -> FeeModel {
        FeeModel::new(&Settings::default())
    }

    #[test]
    fn a_rounded_fee_agrees_with_the_published_rate() {
        let mut model = model();
        // 2.4420573 by the rate; the venue told two decimals.
        model.teach(taker("4884.1146"), money("2.44"));
        assert_eq!(model.side(false).ratio(), Rate::ONE);
        assert_eq!(model.side(false).taught(), 1);
        model.teach(taker("4884.1146"), money("2.45"));
        assert!(model.side(false).ratio() > Rate::ONE, "0.3 % is no rounding");
    }

    /// State and ratio of a record.
    fn alert(record: Option<Record>) -> Option<(FeeDeviation, Rate)> {
        match record {
            Some(Record::FeeRatio { state, ratio, .. }) => Some((state, ratio)),
            _ => None,
        }
    }

    #[test]
    fn a_fee_moves_the_ratio_of_its_own_side_by_its_weight() {
        let mut model = model();
        assert_eq!(model.predict(taker("1000")), Some(money("0.5")));
        assert_eq!(model.teach(taker("1000"), money("0.52")), None, "0.4 % off is no news");
        assert_eq!(model.side(false).ratio(), rate("1.004"), "a tenth of 4 %");
        assert_eq!(model.predict(taker("1000")), Some(money("0.502")));
        assert_eq!(model.side(true).ratio(), Rate::ONE);
        let maker = FeeBasis { notional: money("1000"), is_maker: true };
        assert_eq!(model.predict(maker), Some(money("0.2")));
        assert_eq!(model.teach(maker, money("0.19")), None);
        assert_eq!(model.side(true).ratio(), rate("0.995"));
        assert_eq!(model.side(false).ratio(), rate("1.004"));
        assert_eq!((model.side(false).taught(), model.side(true).taught()), (1, 1));
    }

    #[test]
    fn a_fee_beyond_the_guard_is_refused_counted_and_reported_once() {
        let mut model = model();
        for wrong in ["1.5", "0.4249", "0.5751", "1000000000"] {
            let record = model.teach(taker("1000"), money(wrong));
            let first = model.side(false).refused() == 1;
            let expected = first.then_some((FeeDeviation::Error, Rate::ONE));
            assert_eq!(alert(record), expected, "{wrong}");
        }
        assert_eq!((model.side(false).refused(), model.side(false).taught()), (4, 0));
        assert_eq!(model.side(false).ratio(), Rate::ONE);
        // The edge itself is believed, and says that the refused ones were single cases.
        let record = model.teach(taker("1000"), money("0.425"));
        assert_eq!(alert(record), Some((FeeDeviation::Warn, rate("0.985"))));
    }

    #[test]
    fn zero_rebates_and_small_change_teach_nothing() {
        let mut model = model();
        let before = model;
        for (notional, fee) in
            [("1000", "0"), ("1000", "-0.5"), ("19.99", "0.0099"), ("19.99", "0.02"), ("0", "1")]
        {
            assert_eq!(model.teach(taker(notional), money(fee)), None, "{fee} of {notional}");
        }
        assert_eq!(model, before);
        assert_eq!(model.teach(taker("20"), money("0.0101")), None);
        assert_eq!(model.side(false).ratio(), rate("1.001"), "a cent is enough");
    }

    #[test]
    fn where_a_rebate_is_published_rebates_teach_and_costs_do_not() {
        let settings = Settings { account_maker_rate: rate("-0.0001"), ..Settings::default() };
        let mut model = FeeModel::new(&settings);
        let maker = FeeBasis { notional: money("1000"), is_maker: true };
        assert_eq!(model.predict(maker), Some(money("-0.1")));
        assert_eq!(model.teach(maker, money("0.1")), None);
        assert_eq!(model.side(true).taught(), 0);
        assert_eq!(model.teach(maker, money("-0.105")), None);
        assert_eq!(model.side(true).ratio(), rate("1.005"));
    }

    #[test]
    fn the_class_is_reported_when_it_changes_and_only_then() {
        let mut model = model();
        let mut seen = alloc::vec::Vec::new();
        for _ in 0..40 {
            seen.extend(alert(model.teach(taker("1000"), money("0.56"))));
        }
        for _ in 0..40 {
            seen.extend(alert(model.teach(taker("1000"), money("0.5"))));
        }
        let states: alloc::vec::Vec<_> = seen.iter().map(|(state, _)| *state).collect();
        use FeeDeviation::{Error, Ok, Warn};
        assert_eq!(states, [Warn, Error, Warn, Ok]);
        assert_eq!(seen[0].1, rate("1.012"));
        for (ratio, state) in [
            ("1.00999999", Ok),
            ("0.99000001", Ok),
            ("1.01", Warn),
            ("0.95000001", Warn),
            ("0.95", Error),
            ("1.05", Error),
        ] {
            assert_eq!(class(rate(ratio)), state, "{ratio}");
        }
    }

    #[test]
    fn another_published_rate_or_a_weight_of_zero_forgets_what_was_learned() {
        let mut settings = Settings::default();
        let mut model = model();
        model.teach(taker("1000"), money("0.55"));
        let maker = FeeBasis { notional: money("1000"), is_maker: true };
        model.teach(maker, money("0.21"));
        model.publish(&settings);
        assert_eq!(model.side(false).ratio(), rate("1.01"), "the same rates: nothing is forgotten");
        settings.account_taker_rate = rate("0.00055");
        model.publish(&settings);
        assert_eq!(model.side(false).ratio(), Rate::ONE);
        assert_eq!(model.side(true).ratio(), rate("1.005"));
        settings.account_fee_ema = Rate::ZERO;
        model.publish(&settings);
        assert_eq!(model.teach(maker, money("0.21")), None);
        assert_eq!(model, FeeModel::new(&settings));
    }

    #[test]
    fn a_prediction_is_rounded_once() {
        let mut model = model();
        model.teach(taker("1000"), money("0.51"));
        assert_eq!(model.side(false).ratio(), rate("1.002"));
        // 0.00000999 × 0.0005 × 1.002 = 0.0000000050…: one unit; rounded twice it would be none.
        assert_eq!(model.predict(taker("0.00000999")), Some(Money::from_raw(1)));
        assert_eq!(
            model.predict(FeeBasis { notional: Money::MAX, is_maker: false }).map(|_| ()),
            Some(())
        );
    }

    proptest! {
        #[test]
        fn the_ratio_never_leaves_its_band(
            fees in prop::collection::vec((1i64..1_000_000_000_000, -2_000_000_000i64..2_000_000_000), 1..200),
            weight in 1i64..=100_000_000,
        ) {
            let settings =
                Settings { account_fee_ema: Rate::from_raw(weight), ..Settings::default() };
            let mut model = FeeModel::new(&settings);
            for (notional, fee) in fees {
                let basis = FeeBasis { notional: Money::from_raw(notional), is_maker: false };
                model.teach(basis, Money::from_raw(fee));
                // Also one that is always believed.
                let cost = basis.notional.times(rate("0.00057")).expect("fits");
                model.teach(basis, cost);
                let ratio = model.side(false).ratio();
                prop_assert!(ratio >= rate("0.85") && ratio <= rate("1.15"), "{}", ratio);
            }
        }
    }
}
