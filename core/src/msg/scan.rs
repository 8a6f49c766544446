//! Scan messages: results of the signal stage.

use crate::id::InstrumentId;
use crate::msg::PositionSide;
use crate::settings::Posture;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// A result of the signal stage. 128 bytes.
///
/// One scan is a run of [`ScanMsg::Rank`] rows, best first per direction, at most one
/// [`ScanMsg::Modifiers`], closed by one [`ScanMsg::Scan`]; the policy acts on the closing message.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub enum ScanMsg {
    /// One asset's place in the ranking of the scan that follows.
    Rank(Rank),
    /// What an outside source says about the scan that follows.
    Modifiers(Modifiers),
    /// The scan itself.
    Scan(Scan),
}

impl ScanMsg {
    /// The same message with its number counted on from `before`.
    #[must_use]
    pub const fn behind(mut self, before: u32) -> Self {
        match &mut self {
            Self::Rank(Rank { number, .. })
            | Self::Modifiers(Modifiers { number, .. })
            | Self::Scan(Scan { number, .. }) => *number = number.saturating_add(before),
        }
        self
    }
}

/// What an outside source says about one scan: factors of the size of an entry. What is missing is what
/// the settings under `modifiers.` say, and every value is held to the range given here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Modifiers {
    /// Number of the scan that they belong to; of any other scan they say nothing.
    pub number: u32,
    /// Posture of the moment; the more careful of this one and `policy.posture` counts.
    pub posture: Option<Posture>,
    /// Regime boost, at least 0.1.
    pub boost: Option<f64>,
    /// Scale of the scenario model behind the boost, at least 0.
    pub mc_scale: Option<f64>,
    /// Order-book factor, 0.85 to 1.20.
    pub ob: Option<f64>,
    /// Calendar factor, 0 to 1.
    pub esof: Option<f64>,
}

/// The regime at one scan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// Time of the scan.
    pub ts_ns: Nanos,
    /// Number of the scan, from 1.
    pub number: u32,
    /// Assets with a price in this scan.
    pub active: u16,
    /// Rank rows sent before this message.
    pub ranked: u16,
    /// `velocity_50 − velocity_750`; `None` when either is missing.
    pub vel_div: Option<f64>,
    /// Change of the first-eigenvalue share over 50 scans.
    pub velocity_50: Option<f64>,
    /// The same over 750 scans.
    pub velocity_750: Option<f64>,
    /// Standard deviation of the anchor's last 50 returns.
    pub vol: Option<f64>,
    /// Volatility is above its threshold and the warm-up is over.
    pub vol_ok: bool,
    /// Enough assets have a full ranking window.
    pub picker_warm: bool,
}

crate::text_enum! {
    /// The first ranking filter that an asset failed, or `pass`.
    pub enum RankVerdict {
        /// All filters passed.
        Pass => "pass",
        /// Not tradable, or excluded by the operator.
        Excluded => "excluded_symbol",
        /// A stablecoin.
        Stablecoin => "stablecoin",
        /// No movement: sigma is zero.
        Flat => "no_movement",
        /// Too few returns in the trade's direction.
        Alignment => "alignment_low",
        /// Returns too noisy.
        Noise => "noise_high",
        /// The move came too late in the window.
        Latency => "latency_high",
    }
}

/// One asset in a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rank {
    /// Number of the scan it belongs to.
    pub number: u32,
    /// Place, from 0 (best), among all ranked assets of this direction.
    pub place: u16,
    /// The asset.
    pub instrument: InstrumentId,
    /// Ranked for this direction.
    pub direction: PositionSide,
    /// Verdict of the filters.
    pub verdict: RankVerdict,
    /// Scans until the move reached one sigma (window length when never).
    pub latency: u16,
    /// |net move| ÷ sigma.
    pub efficiency: f64,
    /// Share of moves in the direction.
    pub alignment: f64,
    /// Sigma in parts per million.
    pub noise_ppm: f64,
    /// The ranking score.
    pub ars: f64,
}
