//! Fields as the venue sends them: the same one as a number, a text or an empty text.

use pinion_core::id::TextId;
use pinion_core::units::{DecimalFault, Money, Nanos, Price, Qty, Rate};

use super::fault::{Fault, FaultKind};
use super::json::{Scalar, Value};
use super::number::{Excess, decimal};

const NS_PER_MS: i64 = 1_000_000;

impl<'a> Value<'a> {
    fn wrong(&self, field: &'static str, expected: &'static str) -> Fault {
        Fault::new(FaultKind::Wrong, field, expected, self.place())
    }

    /// The text or the number's digits; `None` for null and the empty text.
    ///
    /// # Errors
    /// [`Fault`] for an object, a list, true or false.
    fn token(&self, field: &'static str, expected: &'static str) -> Result<Option<&'a str>, Fault> {
        match self.scalar() {
            Some(Scalar::Text("") | Scalar::Null) => Ok(None),
            Some(Scalar::Text(text) | Scalar::Number(text)) => Ok(Some(text)),
            Some(Scalar::Flag(_)) | None => Err(self.wrong(field, expected)),
        }
    }

    fn raw(&self, field: &'static str, excess: Excess) -> Result<Option<i64>, Fault> {
        let Some(token) = self.token(field, "a decimal")? else { return Ok(None) };
        match decimal(token, excess) {
            Ok(raw) => Ok(Some(raw)),
            Err(fault @ (DecimalFault::TooPrecise | DecimalFault::TooLarge)) => {
                Err(Fault::new(FaultKind::OutOfRange, field, fault.expected(), self.place()))
            }
            Err(fault @ (DecimalFault::Empty | DecimalFault::Malformed)) => {
                Err(self.wrong(field, fault.expected()))
            }
        }
    }

    /// A price to the digit; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for what is no decimal of at most eight places.
    pub fn price(&self, field: &'static str) -> Result<Option<Price>, Fault> {
        Ok(self.raw(field, Excess::Refuse)?.map(Price::from_raw))
    }

    /// A price the venue computed, rounded to eight places; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for what is no decimal.
    pub fn mean_price(&self, field: &'static str) -> Result<Option<Price>, Fault> {
        Ok(self.raw(field, Excess::Round)?.map(Price::from_raw))
    }

    /// A quantity to the digit; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for what is no decimal of at most eight places.
    pub fn qty(&self, field: &'static str) -> Result<Option<Qty>, Fault> {
        Ok(self.raw(field, Excess::Refuse)?.map(Qty::from_raw))
    }

    /// An amount, rounded to eight places; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for what is no decimal.
    pub fn money(&self, field: &'static str) -> Result<Option<Money>, Fault> {
        Ok(self.raw(field, Excess::Round)?.map(Money::from_raw))
    }

    /// A rate, rounded to eight places; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for what is no decimal.
    pub fn rate(&self, field: &'static str) -> Result<Option<Rate>, Fault> {
        Ok(self.raw(field, Excess::Round)?.map(Rate::from_raw))
    }

    /// A text without escapes; null counts as empty.
    ///
    /// # Errors
    /// [`Fault`] for anything else.
    pub fn text(&self, field: &'static str) -> Result<&'a str, Fault> {
        match self.scalar() {
            Some(Scalar::Text(text)) if !text.contains('\\') => Ok(text),
            Some(Scalar::Null) => Ok(""),
            Some(Scalar::Text(_) | Scalar::Number(_) | Scalar::Flag(_)) | None => {
                Err(self.wrong(field, "a plain text"))
            }
        }
    }

    /// An identity: text, or the digits of a number; empty for null, empty and the number 0.
    ///
    /// # Errors
    /// [`Fault`] for what does not fit a [`TextId`].
    pub fn id(&self, field: &'static str) -> Result<TextId, Fault> {
        const EXPECTED: &str = "an identity of at most 23 printable characters";
        match self.token(field, EXPECTED)? {
            None | Some("0") => Ok(TextId::EMPTY),
            Some(token) => TextId::new(token).ok_or_else(|| self.wrong(field, EXPECTED)),
        }
    }

    /// A whole number, as number or text; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for anything else.
    pub fn whole(&self, field: &'static str) -> Result<Option<u64>, Fault> {
        const EXPECTED: &str = "a whole number";
        let Some(token) = self.token(field, EXPECTED)? else { return Ok(None) };
        let digits = token.bytes().all(|byte| byte.is_ascii_digit());
        match token.parse() {
            Ok(number) if digits => Ok(Some(number)),
            Ok(_) | Err(_) => Err(self.wrong(field, EXPECTED)),
        }
    }

    /// A whole number that may be negative, as number or text; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for anything else.
    pub fn signed(&self, field: &'static str) -> Result<Option<i64>, Fault> {
        const EXPECTED: &str = "a whole number";
        let Some(token) = self.token(field, EXPECTED)? else { return Ok(None) };
        token.parse().map(Some).map_err(|_| self.wrong(field, EXPECTED))
    }

    /// A time in ms since 1970, as number or text; `None` for null, empty and 0.
    ///
    /// # Errors
    /// [`Fault`] for anything else.
    pub fn time(&self, field: &'static str) -> Result<Option<Nanos>, Fault> {
        let Some(ms) = self.whole(field)?.filter(|ms| *ms != 0) else { return Ok(None) };
        i64::try_from(ms)
            .ok()
            .and_then(|ms| ms.checked_mul(NS_PER_MS))
            .map(|ns| Some(Nanos::new(ns)))
            .ok_or_else(|| {
                let expected = "a time in ms since 1970";
                Fault::new(FaultKind::OutOfRange, field, expected, self.place())
            })
    }

    /// True or false, also as text; `None` for null and empty.
    ///
    /// # Errors
    /// [`Fault`] for anything else.
    pub fn flag(&self, field: &'static str) -> Result<Option<bool>, Fault> {
        match self.scalar() {
            Some(Scalar::Flag(flag)) => Ok(Some(flag)),
            Some(Scalar::Text("") | Scalar::Null) => Ok(None),
            Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(Scalar::Text(_) | Scalar::Number(_)) | None => {
                Err(self.wrong(field, "true or false"))
            }
        }
    }
}

/// A field that must be there.
pub(super) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::missing(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bingx::json::Tape;

    #[track_caller]
    fn with(text: &str, check: impl Fn(Value<'_>)) {
        let mut tape = Tape::new();
        check(tape.read(text.as_bytes()).expect("reads"));
    }

    #[test]
    fn number_text_and_empty_mean_what_they_mean() {
        with("\"1.50\"", |value| {
            assert_eq!(value.price("p"), Ok(Some(Price::from_raw(150_000_000))));
        });
        with("1.5", |value| assert_eq!(value.qty("q"), Ok(Some(Qty::from_raw(150_000_000)))));
        with("\"\"", |value| {
            assert_eq!(value.money("n"), Ok(None));
            assert_eq!(value.id("i"), Ok(TextId::EMPTY));
            assert_eq!(value.flag("f"), Ok(None));
            assert_eq!(value.time("T"), Ok(None));
        });
        with("0", |value| {
            assert_eq!(value.id("td"), Ok(TextId::EMPTY));
            assert_eq!(value.time("T"), Ok(None));
            assert_eq!(value.qty("z"), Ok(Some(Qty::ZERO)), "a zero is no absence");
        });
        with("\"false\"", |value| assert_eq!(value.flag("sg"), Ok(Some(false))));
        with("172264854643022330000", |value| {
            let id = value.id("i").expect("an identity");
            assert_eq!(id.as_str(), "172264854643022330000");
        });
    }

    #[test]
    fn what_was_not_agreed_is_a_fault_with_its_field() {
        with("\"1.123456789\"", |value| {
            assert_eq!(value.qty("q").map_err(|fault| fault.kind), Err(FaultKind::OutOfRange));
            assert_eq!(value.money("n"), Ok(Some(Money::from_raw(112_345_679))));
        });
        with("{}", |value| {
            assert_eq!(value.price("p").map_err(|fault| fault.field), Err("p"));
            assert!(value.id("i").is_err() && value.text("s").is_err() && value.flag("f").is_err());
        });
        with("\"NaN\"", |value| assert!(value.price("p").is_err()));
        with("-1", |value| {
            assert!(value.time("T").is_err());
            assert_eq!(value.signed("code"), Ok(Some(-1)));
        });
    }
}
