//! What a file is, by its first line.

use super::lines::Lines;
use crate::source::SourceFault;

/// What is accepted, for messages.
pub(super) const ACCEPTED: &str = "raw frames (`<receive time> <json>` a line), tick rows (`Q,…`/`T,…`), book rows (`L,…`), \
     minute bars (`ts_ms,symbol,open,high,low,close,volume`) or funding rows \
     (`ts_ms,symbol,funding_rate,mark_open`), plain, gzip or zstd";

const TICK_HEADER: &str = "type,symbol,exchange_ts_ns,local_ts_ns,";
const BAR_HEADER: &str = "ts_ms,symbol,open,high,low,close,volume";
const FUNDING_HEADER: &str = "ts_ms,symbol,funding_rate,mark_open";

/// A recognised format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Raw frames with receive time.
    Raw,
    /// Raw frames of `BingX` with receive time.
    Bingx,
    /// Quote, trade and book rows.
    Rows,
    /// Minute bars of that many columns.
    Bars {
        /// Columns a row.
        columns: usize,
    },
    /// Funding rates.
    Funding,
}

impl Format {
    /// For people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw frames",
            Self::Bingx => "raw frames of BingX",
            Self::Rows => "tick or book rows",
            Self::Bars { .. } => "minute bars",
            Self::Funding => "funding rows",
        }
    }

    /// Recognises a file by its first line and steps over a header.
    pub(super) fn detect(lines: &mut Lines) -> Result<Self, SourceFault> {
        if !lines.peek()? {
            return Err(SourceFault {
                origin: lines.origin().into(),
                line: None,
                found: "the file is empty".into(),
                expected: ACCEPTED.into(),
            });
        }
        let Some((format, is_header)) = recognise(lines.text()) else {
            return Err(lines.fault(format!("it begins with {}", lines.excerpt()), ACCEPTED));
        };
        if is_header {
            lines.advance();
        }
        Ok(format)
    }
}

fn recognise(first: &[u8]) -> Option<(Format, bool)> {
    let text = core::str::from_utf8(first).unwrap_or_default();
    let columns = text.split(',').count();
    if text == FUNDING_HEADER {
        Some((Format::Funding, true))
    } else if text == BAR_HEADER
        || text.strip_prefix(BAR_HEADER).is_some_and(|more| more.starts_with(','))
    {
        Some((Format::Bars { columns }, true))
    } else if text.starts_with(TICK_HEADER) && columns == 8 {
        Some((Format::Rows, true))
    } else if matches!(text.get(..2), Some("Q," | "T," | "L,")) {
        Some((Format::Rows, false))
    } else {
        let digits = first.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let framed = matches!(first.get(digits..digits + 2), Some(b" {" | b" ["));
        // Every market frame of that venue names its topic so, none of the other does.
        let is_bingx = memchr::memmem::find(first, b"\"dataType\"").is_some();
        let format = if is_bingx { Format::Bingx } else { Format::Raw };
        (digits > 0 && framed).then_some((format, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells_the_format() {
        for (line, format) in [
            ("1723161255030314667 {\"stream\"", Some((Format::Raw, false))),
            ("1723161255030 [{", Some((Format::Raw, false))),
            (
                "1723161255030314667 {\"code\":0,\"dataType\":\"BTC-USDT@trade\",\"data\":[]}",
                Some((Format::Bingx, false)),
            ),
            ("type,symbol,exchange_ts_ns,local_ts_ns,f1,f2,f3,f4", Some((Format::Rows, true))),
            (
                "type,symbol,exchange_ts_ns,local_ts_ns,side,price,qty,kind",
                Some((Format::Rows, true)),
            ),
            ("L,BTC,1,2,B,1,1,s", Some((Format::Rows, false))),
            ("ts_ms,symbol,open,high,low,close,volume", Some((Format::Bars { columns: 7 }, true))),
            (
                "ts_ms,symbol,open,high,low,close,volume,quote_volume,trades",
                Some((Format::Bars { columns: 9 }, true)),
            ),
            ("ts_ms,symbol,funding_rate,mark_open", Some((Format::Funding, true))),
            ("ts_ms,symbol,open,high,low,close,volumes", None),
            ("{\"t\":\"header\"}", None),
            ("123 hello", None),
            ("", None),
        ] {
            assert_eq!(recognise(line.as_bytes()), format, "{line}");
        }
    }
}
