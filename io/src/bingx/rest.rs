//! Answers of the REST calls of a bot's life, as typed rows.
//!
//! The rows of a list are handed out one by one, nothing is collected. Both spellings of every renamed field
//! are read; money never passes through a float. A row that cannot be read is an error of the whole answer:
//! half a list of positions proves nothing.

use std::borrow::Cow;

use super::fault::{Fault, FaultKind};
use super::json::{Tape, Value};
use super::value::required;
use super::words::{MarginType, PositionMode};
use pinion_core::units::{Nanos, Rate};

/// An answer, its envelope opened.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// 0 when it worked.
    pub code: i64,
    /// The venue's words; empty when it worked.
    pub msg: Cow<'a, str>,
    data: Option<Value<'a>>,
}

/// Opens the envelope `{"code":0,"msg":"","data":…}`. An answer without it (the listen key) counts as one
/// that worked, with itself as data.
///
/// # Errors
/// [`Fault`] for what is no JSON object: a gateway's page, an empty body. After a write its outcome is then
/// not known.
pub fn open<'a>(tape: &'a mut Tape, body: &'a [u8]) -> Result<Reply<'a>, Fault> {
    let root = tape.read(body)?;
    if !root.is_object() {
        return Err(Fault::new(FaultKind::Wrong, "body", "an object", 0));
    }
    let Some(code) = root.get("code") else {
        return Ok(Reply { code: 0, msg: Cow::Borrowed(""), data: Some(root) });
    };
    let msg = root.get("msg").and_then(|msg| msg.unescaped()).unwrap_or(Cow::Borrowed(""));
    Ok(Reply {
        code: required(code.signed("code")?, "code")?,
        msg,
        data: root.get("data").filter(|data| !data.is_null()),
    })
}

impl<'a> Reply<'a> {
    /// What it carries.
    ///
    /// # Errors
    /// [`Fault`] when it carries nothing.
    pub fn data(&self) -> Result<Value<'a>, Fault> {
        required(self.data, "data")
    }

    /// True when it carries something.
    #[must_use]
    pub const fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// The list that the answer is, or carries under one of these names.
    ///
    /// # Errors
    /// [`Fault`] when there is no list.
    pub(super) fn list(&self, names: &[&str], field: &'static str) -> Result<Value<'a>, Fault> {
        let data = self.data()?;
        let inner = names.iter().find_map(|name| data.get(name));
        let list = inner.unwrap_or(data);
        // A list of nothing may be written as null.
        if list.is_list() || (inner.is_some() && list.is_null()) {
            Ok(list)
        } else {
            Err(Fault::new(FaultKind::Wrong, field, "a list", list.place()))
        }
    }
}

/// `server/time`: the venue's clock.
///
/// # Errors
/// [`Fault`] without a time.
pub fn server_time(reply: &Reply<'_>) -> Result<Nanos, Fault> {
    const FIELD: &str = "serverTime";
    required(required(reply.data()?.get(FIELD), FIELD)?.time(FIELD)?, FIELD)
}

/// `userDataStream`: a new listen key. The text is checked to be one that can stand in an address.
///
/// # Errors
/// [`Fault`] without a key.
pub fn listen_key<'a>(reply: &Reply<'a>) -> Result<&'a str, Fault> {
    const FIELD: &str = "listenKey";
    let value = required(reply.data()?.get(FIELD), FIELD)?;
    let key = value.text(FIELD)?;
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if key.is_empty() || key.len() > 256 || !plain {
        let expected = "1 to 256 letters, digits, - and _";
        return Err(Fault::new(FaultKind::Wrong, FIELD, expected, value.place()));
    }
    Ok(key)
}

/// Leverage of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leverage {
    /// Of longs.
    pub long: u64,
    /// Of shorts.
    pub short: u64,
    /// Most allowed for longs, where told.
    pub long_max: Option<u64>,
    /// Most allowed for shorts, where told.
    pub short_max: Option<u64>,
}

/// `GET trade/leverage`.
///
/// # Errors
/// [`Fault`] for a missing or wrong field.
pub fn leverage(reply: &Reply<'_>) -> Result<Leverage, Fault> {
    let data = reply.data()?;
    let whole = |field: &'static str| data.get(field).map_or(Ok(None), |value| value.whole(field));
    Ok(Leverage {
        long: required(whole("longLeverage")?, "longLeverage")?,
        short: required(whole("shortLeverage")?, "shortLeverage")?,
        long_max: whole("maxLongLeverage")?,
        short_max: whole("maxShortLeverage")?,
    })
}

/// `POST trade/leverage`: the leverage now in force.
///
/// # Errors
/// [`Fault`] for a missing or wrong field.
pub fn leverage_set(reply: &Reply<'_>) -> Result<u64, Fault> {
    required(required(reply.data()?.get("leverage"), "leverage")?.whole("leverage")?, "leverage")
}

/// `GET trade/marginType`; `None` for a word that is not known.
///
/// # Errors
/// [`Fault`] for a missing field.
pub fn margin_type(reply: &Reply<'_>) -> Result<Option<MarginType>, Fault> {
    const FIELD: &str = "marginType";
    Ok(MarginType::read(required(reply.data()?.get(FIELD), FIELD)?.text(FIELD)?))
}

/// `GET` and `POST positionSide/dual`.
///
/// # Errors
/// [`Fault`] for a missing field.
pub fn position_mode(reply: &Reply<'_>) -> Result<PositionMode, Fault> {
    const FIELD: &str = "dualSidePosition";
    let dual = required(required(reply.data()?.get(FIELD), FIELD)?.flag(FIELD)?, FIELD)?;
    Ok(if dual { PositionMode::Hedge } else { PositionMode::OneWay })
}

/// What the account pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commission {
    /// Rate of a taker.
    pub taker: Rate,
    /// Rate of a maker.
    pub maker: Rate,
}

/// `user/commissionRate`.
///
/// # Errors
/// [`Fault`] for a missing field.
pub fn commission(reply: &Reply<'_>) -> Result<Commission, Fault> {
    let data = reply.data()?;
    let data = data.get("commission").unwrap_or(data);
    let rate =
        |field: &'static str| required(required(data.get(field), field)?.rate(field)?, field);
    Ok(Commission { taker: rate("takerCommissionRate")?, maker: rate("makerCommissionRate")? })
}

/// Answer to `cancelAllAfter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSet {
    /// When the venue will cancel everything; `None` when the timer is off.
    pub trigger_ns: Option<Nanos>,
    /// True when the venue says that the timer runs.
    pub is_armed: bool,
}

/// `trade/cancelAllAfter`. The trigger time is in seconds here, alone among all times.
///
/// # Errors
/// [`Fault`] for a missing field.
pub fn cancel_all_after(reply: &Reply<'_>) -> Result<TimerSet, Fault> {
    let data = reply.data()?;
    let seconds = data.get("triggerTime").map_or(Ok(None), |time| time.whole("triggerTime"))?;
    let status = required(data.get("status"), "status")?.text("status")?;
    let trigger_ns = seconds
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(Nanos::SECOND))
        .map(Nanos::new);
    Ok(TimerSet { trigger_ns, is_armed: status.eq_ignore_ascii_case("ACTIVATED") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn with<T>(body: &str, check: impl Fn(&Reply<'_>) -> T) -> T {
        let mut tape = Tape::new();
        check(&open(&mut tape, body.as_bytes()).expect("opens"))
    }

    #[test]
    fn codes_come_as_numbers_and_as_texts() {
        assert_eq!(
            with(r#"{"code":"0","msg":"","data":{"serverTime":"7"}}"#, |r| server_time(r).ok()),
            Some(Nanos::new(7_000_000))
        );
        let (code, msg) =
            with(r#"{"code":80012,"msg":"{\"Code\":101253}"}"#, |r| (r.code, r.msg.to_string()));
        assert_eq!((code, msg.as_str()), (80_012, r#"{"Code":101253}"#));
        for body in ["", "<html>", "[]", "null", "{\"code\":{}}"] {
            assert!(open(&mut Tape::new(), body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_listen_key_comes_bare_or_inside() {
        for body in [r#"{"listenKey":"a8ea"}"#, r#"{"code":0,"data":{"listenKey":"a8ea"}}"#] {
            assert_eq!(with(body, |r| listen_key(r).map(str::to_owned)), Ok("a8ea".to_owned()));
        }
        for body in [r#"{"listenKey":""}"#, r#"{"listenKey":"a&b=c"}"#, "{}"] {
            assert!(with(body, |r| listen_key(r).is_err()), "{body}");
        }
    }

    #[test]
    fn settings_of_the_account_are_read() {
        let body =
            r#"{"code":0,"data":{"longLeverage":50,"shortLeverage":"20","maxLongLeverage":75}}"#;
        let expected = Leverage { long: 50, short: 20, long_max: Some(75), short_max: None };
        assert_eq!(with(body, leverage), Ok(expected));
        let body = r#"{"code":0,"data":{"dualSidePosition":"true"}}"#;
        assert_eq!(with(body, position_mode), Ok(PositionMode::Hedge));
        let body = r#"{"code":0,"data":{"dualSidePosition":false}}"#;
        assert_eq!(with(body, position_mode), Ok(PositionMode::OneWay));
        assert!(
            with(r#"{"code":0,"data":{}}"#, |r| position_mode(r).is_err()),
            "absent is not one-way"
        );
        let body = r#"{"code":0,"data":{"triggerTime":"1710389137","status":"ACTIVATED"}}"#;
        let timer = with(body, cancel_all_after).expect("a timer");
        assert_eq!(timer.trigger_ns, Some(Nanos::new(1_710_389_137_000_000_000)));
        assert!(timer.is_armed);
    }
}
