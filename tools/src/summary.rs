//! The summary of a run as text for a person.

use std::fmt::Write as _;
use std::path::Path;

use pinion_core::units::Money;
use pinion_io::journal::Summary;
use pinion_io::journal::execution::{Execution, OrderFigures};
use pinion_io::journal::summary::TICK_TO_ORDER;
use pinion_io::source::REJECT_REASONS;

/// A number with its thousands grouped: `1,125,382`.
#[must_use]
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An amount with its sign, its thousands grouped and two decimals, for people only.
#[must_use]
pub(crate) fn cents(amount: Money) -> String {
    let hundredths = (amount.raw().unsigned_abs() + 500_000) / 1_000_000;
    let sign = if amount < Money::ZERO && hundredths > 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", grouped(hundredths / 100), hundredths % 100)
}

/// The same with a plus in front of a gain.
fn signed(amount: Money) -> String {
    let text = cents(amount);
    if amount.is_positive() { format!("+{text}") } else { text }
}

/// The summary in about ten lines.
#[must_use]
pub(crate) fn render(summary: &Summary, run_dir: &Path) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _written = writeln!(out, "  {name:<12} {value}");
    };
    let source = &summary.end.source;
    let market_events = source.total();
    let seconds = wall_seconds(summary);
    line("run", format!("{} ({})", summary.run_id, summary.end.reason));
    line(
        "market",
        format!(
            "{} events in {seconds:.2} s ({} a second), {} scans",
            grouped(market_events),
            grouped(rate(market_events, seconds)),
            grouped(summary.end.scans)
        ),
    );
    line(
        "trades",
        format!(
            "{} closed, {} won, {} lost; {} orders, {} fills",
            summary.trades_closed, summary.wins, summary.losses, summary.orders, summary.fills
        ),
    );
    if summary.orders > 0 {
        line("execution", execution(summary));
    }
    line(
        "result",
        format!(
            "{} net: gross {}, fees {}, funding {}",
            signed(summary.net_pnl),
            signed(summary.gross_pnl),
            signed(-summary.fees),
            signed(-summary.funding)
        ),
    );
    line(
        "capital",
        format!(
            "{} → {}, deepest fall {}",
            cents(summary.starting_capital),
            cents(summary.ending_capital),
            cents(summary.max_drawdown)
        ),
    );
    line("latency", latency(summary));
    let troubles = troubles(summary);
    if !troubles.is_empty() {
        line("data", troubles);
    }
    line("files", run_dir.display().to_string());
    out.truncate(out.trim_end().len());
    out
}

/// Fill rate, slippage, age and cancels, entries before exits.
fn execution(summary: &Summary) -> String {
    let Execution { entries, exits, retries, .. } = &summary.execution;
    let pair = |of: fn(&OrderFigures) -> Option<String>| {
        let text = |figures| of(figures).unwrap_or_else(|| "-".to_owned());
        format!("{} / {}", text(entries), text(exits))
    };
    format!(
        "entries / exits: filled {} %, {} bps to mid, {} ms old, {} canceled, {retries} sent again",
        pair(|f| f.fill_rate().map(|rate| format!("{:.1}", rate * 100.0))),
        pair(|f| f.slippage_bps().map(|bps| format!("{bps:+.2}"))),
        pair(|f| f.age_ns_mean().map(|age| (age / 1_000_000).to_string())),
        pair(|f| Some(f.canceled.to_string())),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn wall_seconds(summary: &Summary) -> f64 {
    summary.wall.elapsed_ns as f64 / 1e9
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a figure for people"
)]
fn rate(events: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (events as f64 / seconds) as u64 } else { 0 }
}

fn latency(summary: &Summary) -> String {
    let tick_to_order = summary.wall.latency.iter().find(|row| row.name == TICK_TO_ORDER);
    let Some(row) = tick_to_order.filter(|row| !row.histogram.is_empty()) else {
        return "no order".to_owned();
    };
    let at = |quantile| row.histogram.value_at_quantile(quantile);
    format!(
        "tick to order p50 {} p90 {} p99 {} p99.9 {} max {} ns over {} orders",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        row.histogram.max(),
        row.histogram.len()
    )
}

fn troubles(summary: &Summary) -> String {
    let source = &summary.end.source;
    let rejected = REJECT_REASONS.iter().copied().zip(source.rejected);
    let others = [
        ("gaps", source.gaps),
        ("conflated", summary.end.conflated),
        ("dropped", summary.end.dropped),
    ];
    rejected
        .chain(others)
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {name}", grouped(count)))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_125_382, "1,125,382")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn cents_round_and_keep_the_sign() {
        for (text, shown) in [
            ("0", "0.00"),
            ("-0.004", "0.00"),
            ("-0.005", "-0.01"),
            ("1234.565", "1,234.57"),
            ("-98765.4", "-98,765.40"),
        ] {
            assert_eq!(cents(text.parse().expect("decimal")), shown);
        }
    }
}
