//! What an error of the venue means: its class, and what may be done after it.
//!
//! The venue renumbered its codes in 2025; both generations are in the table, and some codes mean several
//! things that only their text tells apart. A code that is not in the table is ambiguous on the order path:
//! the order is looked up.

use pinion_core::msg::venue::RejectReason;

pinion_core::text_enum! {
    /// Class of an error.
    pub enum ErrorClass {
        /// Too many requests: that endpoint is closed until the time in the text.
        RateLimit => "rate_limit",
        /// The venue restricts this account's trading.
        RiskControl => "risk_control",
        /// Key, signature, permission, address list.
        Auth => "auth",
        /// The clock is off, or the timestamp is missing.
        Timestamp => "timestamp",
        /// No such endpoint.
        Route => "route",
        /// The venue is busy: whether it acted is not known.
        Busy => "busy",
        /// Bad parameters.
        Params => "params",
        /// The order's position side does not fit the account's mode.
        PositionModeMismatch => "position_mode_mismatch",
        /// Not enough margin.
        InsufficientMargin => "insufficient_margin",
        /// Value or quantity too small.
        MinNotional => "min_notional",
        /// Too many decimals.
        Precision => "precision",
        /// Position too large.
        PositionLimit => "position_limit",
        /// Price too far from the market.
        PriceBand => "price_band",
        /// A post-only order would have taken.
        PostOnlyWouldCross => "post_only_would_cross",
        /// A reduce-only order that would not reduce.
        ReduceOnly => "reduce_only",
        /// There is no position to close.
        NoPosition => "no_position",
        /// No such order: it was probably filled or cancelled.
        UnknownOrder => "unknown_order",
        /// The order is over.
        OrderFinal => "order_final",
        /// The order is being worked on.
        InProgress => "in_progress",
        /// The same order was named twice within a second.
        SameOrderTooFast => "same_order_too_fast",
        /// The client id was used before: the order may be there.
        DuplicateClientId => "duplicate_client_id",
        /// Too many open orders.
        OrderCount => "order_count",
        /// The symbol does not trade.
        Symbol => "symbol",
        /// Settlement is under way.
        Settlement => "settlement",
        /// The position mode cannot be changed now.
        ModeSwitch => "mode_switch",
        /// A stop or take-profit that makes no sense.
        StopOrder => "stop_order",
        /// A topic of the socket that does not exist, or one too many.
        Topic => "topic",
        /// Not in the table.
        Unknown => "unknown",
    }
}

pinion_core::text_enum! {
    /// What is known after an error, and what may follow.
    pub enum Outcome {
        /// Refused for certain: nothing happened.
        Definitive => "definitive",
        /// Nobody knows: look it up, never send again.
        Ambiguous => "ambiguous",
        /// Refused for certain, and worth the same request later or after a remedy.
        Retry => "retry",
        /// Nothing will work until a person acts.
        Halt => "halt",
    }
}

/// An error, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its class.
    pub class: ErrorClass,
    /// What is known after it.
    pub outcome: Outcome,
    /// When the venue takes requests again, in its ms since 1970, where the text says it.
    pub retry_at_ms: Option<u64>,
}

/// Codes that mean one thing each.
const CODES: &[(ErrorClass, &[i64])] = &[
    (ErrorClass::RateLimit, &[100_410, 109_429, 100_409, 100_202]),
    (ErrorClass::RiskControl, &[109_403, 80_020, 40_029, 40_020, 100_414]),
    (ErrorClass::Auth, &[100_001, 100_004, 100_412, 100_413, 100_419, 101_484, 101_210]),
    (ErrorClass::Timestamp, &[100_421]),
    (ErrorClass::Route, &[100_400, 100_404]),
    (ErrorClass::Busy, &[100_500, 109_500, 80_012, 110_500, 101_500, 109_701]),
    (ErrorClass::Params, &[109_400, 80_014, 109_414, 80_001, 101_400, 110_400, 110_426]),
    (ErrorClass::InsufficientMargin, &[101_204, 101_206, 101_253, 101_212, 110_424, 102_201]),
    (ErrorClass::MinNotional, &[101_202, 101_485, 110_422]),
    (ErrorClass::Precision, &[110_425]),
    (ErrorClass::PositionLimit, &[101_209, 101_201, 101_429, 110_287, 112_414, 101_222]),
    (ErrorClass::PriceBand, &[101_211, 110_402, 101_460, 101_461]),
    (ErrorClass::PostOnlyWouldCross, &[101_215]),
    (ErrorClass::ReduceOnly, &[101_290]),
    (ErrorClass::NoPosition, &[101_205, 109_420, 80_017, 110_203]),
    (ErrorClass::UnknownOrder, &[109_421, 80_016]),
    (ErrorClass::OrderFinal, &[109_422, 80_018]),
    (ErrorClass::InProgress, &[109_423, 80_019]),
    (ErrorClass::SameOrderTooFast, &[109_201]),
    (ErrorClass::DuplicateClientId, &[101_481]),
    (ErrorClass::OrderCount, &[101_419, 80_013]),
    (ErrorClass::Symbol, &[109_425, 101_415, 110_280, 109_417, 101_514, 101_515, 101_413]),
    (ErrorClass::Settlement, &[101_214]),
    (ErrorClass::ModeSwitch, &[104_103, 104_108]),
    (
        ErrorClass::StopOrder,
        &[
            110_406, 110_407, 110_411, 110_412, 110_413, 110_414, 110_415, 110_418, 110_419,
            110_420, 110_206,
        ],
    ),
    (ErrorClass::Topic, &[80_015, 80_403]),
];

/// What a code whose text decides may mean instead: code, a piece of the text in lower case, class.
const TEXTS: &[(i64, &str, ErrorClass)] = &[
    (109_400, "timestamp", ErrorClass::Timestamp),
    (109_400, "one-way mode", ErrorClass::PositionModeMismatch),
    (109_400, "hedge mode", ErrorClass::PositionModeMismatch),
    (109_414, "order not exist", ErrorClass::UnknownOrder),
    (101_400, "nominal value", ErrorClass::MinNotional),
    (80_012, "101253", ErrorClass::InsufficientMargin),
    (80_012, "101204", ErrorClass::InsufficientMargin),
    (80_012, "margin is not enough", ErrorClass::InsufficientMargin),
];

/// Judges an error answer. `code` is that of the envelope; `None` when there is none, because the body is
/// empty or no JSON: then the HTTP status alone speaks, and a write's outcome is not known.
#[must_use]
pub fn judge(http_status: u16, code: Option<i64>, msg: &str) -> Judged {
    let class = match (http_status, code) {
        (429 | 418, _) => ErrorClass::RateLimit,
        (500.., None) => ErrorClass::Busy,
        // The firewall in front of the venue.
        (403, None) => ErrorClass::RateLimit,
        (401, None) => ErrorClass::Auth,
        (404 | 405, None) => ErrorClass::Route,
        (_, None) => ErrorClass::Busy,
        (_, Some(code)) => class(code, msg),
    };
    let retry_at_ms = if class == ErrorClass::RateLimit { retry_time(msg) } else { None };
    Judged { class, outcome: outcome(class), retry_at_ms }
}

fn class(code: i64, msg: &str) -> ErrorClass {
    let lower = msg.to_ascii_lowercase();
    if let Some((_, _, class)) =
        TEXTS.iter().find(|(known, piece, _)| *known == code && lower.contains(piece))
    {
        return *class;
    }
    // Some endpoints put the real code into the text.
    if lower.contains("code:100410") || lower.contains("code:100202") {
        return ErrorClass::RateLimit;
    }
    CODES
        .iter()
        .find(|(_, codes)| codes.contains(&code))
        .map_or(ErrorClass::Unknown, |(class, _)| *class)
}

/// What is known after an error of this class.
#[must_use]
pub const fn outcome(class: ErrorClass) -> Outcome {
    match class {
        ErrorClass::RateLimit
        | ErrorClass::Timestamp
        | ErrorClass::InProgress
        | ErrorClass::SameOrderTooFast
        | ErrorClass::Settlement => Outcome::Retry,
        ErrorClass::Busy | ErrorClass::DuplicateClientId | ErrorClass::Unknown => {
            Outcome::Ambiguous
        }
        ErrorClass::Auth | ErrorClass::Route | ErrorClass::RiskControl => Outcome::Halt,
        ErrorClass::Params
        | ErrorClass::PositionModeMismatch
        | ErrorClass::InsufficientMargin
        | ErrorClass::MinNotional
        | ErrorClass::Precision
        | ErrorClass::PositionLimit
        | ErrorClass::PriceBand
        | ErrorClass::PostOnlyWouldCross
        | ErrorClass::ReduceOnly
        | ErrorClass::NoPosition
        | ErrorClass::UnknownOrder
        | ErrorClass::OrderFinal
        | ErrorClass::OrderCount
        | ErrorClass::Symbol
        | ErrorClass::ModeSwitch
        | ErrorClass::StopOrder
        | ErrorClass::Topic => Outcome::Definitive,
    }
}

/// The engine's reason for a refused order.
#[must_use]
pub const fn reject_reason(class: ErrorClass) -> RejectReason {
    match class {
        ErrorClass::RateLimit | ErrorClass::SameOrderTooFast => RejectReason::RateLimited,
        ErrorClass::InsufficientMargin | ErrorClass::PositionLimit => RejectReason::Margin,
        ErrorClass::MinNotional => RejectReason::MinNotional,
        ErrorClass::Precision => RejectReason::TickSize,
        ErrorClass::PriceBand => RejectReason::PriceBand,
        ErrorClass::PostOnlyWouldCross => RejectReason::PostOnlyWouldTake,
        ErrorClass::ReduceOnly | ErrorClass::NoPosition => RejectReason::ReduceOnly,
        ErrorClass::UnknownOrder | ErrorClass::OrderFinal => RejectReason::UnknownOrder,
        ErrorClass::DuplicateClientId => RejectReason::DuplicateClientId,
        ErrorClass::Symbol | ErrorClass::Settlement => RejectReason::NotTrading,
        ErrorClass::RiskControl
        | ErrorClass::Auth
        | ErrorClass::Timestamp
        | ErrorClass::Route
        | ErrorClass::Busy
        | ErrorClass::Params
        | ErrorClass::PositionModeMismatch
        | ErrorClass::InProgress
        | ErrorClass::OrderCount
        | ErrorClass::ModeSwitch
        | ErrorClass::StopOrder
        | ErrorClass::Topic
        | ErrorClass::Unknown => RejectReason::Other,
    }
}

/// The last number of exactly 13 digits in a text: a time in ms.
fn retry_time(msg: &str) -> Option<u64> {
    msg.split(|c: char| !c.is_ascii_digit())
        .rfind(|digits| digits.len() == 13)
        .and_then(|digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_in_two_classes() {
        let all: Vec<i64> = CODES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        for (index, code) in all.iter().enumerate() {
            assert!(!all[..index].contains(code), "{code} twice");
        }
        for (code, _, _) in TEXTS {
            assert!(all.contains(code), "{code} has no class without a text");
        }
        for class in ErrorClass::ALL {
            let has_code = CODES.iter().any(|(known, _)| known == class)
                || TEXTS.iter().any(|(_, _, known)| known == class);
            assert!(has_code || *class == ErrorClass::Unknown, "{class:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_never_taken_for_a_refusal() {
        for (status, code, msg) in [
            (200, Some(123_456), "something new"),
            (200, Some(80_012), "The current system is busy, please try again later"),
            (200, Some(101_481), ""),
            (504, None, "<html>"),
            (500, None, ""),
            (200, None, ""),
        ] {
            assert_eq!(judge(status, code, msg).outcome, Outcome::Ambiguous, "{status} {code:?}");
        }
        assert_eq!(judge(200, Some(100_001), "").outcome, Outcome::Halt);
        assert_eq!(judge(200, Some(101_204), "").outcome, Outcome::Definitive);
    }

    #[test]
    fn the_time_of_reopening_is_read_from_the_text() {
        for (msg, at) in [
            ("will be unblocked after 1727193814249", Some(1_727_193_814_249)),
            ("code:100410: can retry after time: 1727193970155.", Some(1_727_193_970_155)),
            ("order 1970374651259387904 is too fast", None),
            ("rate limitation", None),
        ] {
            assert_eq!(judge(200, Some(100_410), msg).retry_at_ms, at, "{msg}");
        }
        assert_eq!(judge(429, None, "").class, ErrorClass::RateLimit);
        assert_eq!(judge(200, Some(100_404), "code:100410:…").class, ErrorClass::RateLimit);
    }

    #[test]
    fn texts_tell_apart_what_one_code_means() {
        let class = |code, msg| judge(200, Some(code), msg).class;
        assert_eq!(class(109_400, "timestamp is invalid"), ErrorClass::Timestamp);
        assert_eq!(
            class(109_400, "In the Hedge mode, the field"),
            ErrorClass::PositionModeMismatch
        );
        assert_eq!(class(109_400, "quantity"), ErrorClass::Params);
        assert_eq!(class(109_414, "order not exist"), ErrorClass::UnknownOrder);
        assert_eq!(reject_reason(class(101_290, "")), RejectReason::ReduceOnly);
    }
}
