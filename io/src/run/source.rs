//! The market of a run: recorded data or the built-in market, cut after the wanted duration.

use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{MarketKind, MarketMsg};
use pinion_core::settings::InstrumentOverride;
use pinion_core::units::Nanos;

use crate::data::{self, DataOptions, DataSet};
use crate::run::{PaperPlan, RunFault};
use crate::source::{Source, SourceCounts, SourceFault};
use crate::synth::{self, SynthMarket};

/// A market that was found, before its universe is fixed.
pub(super) struct Found {
    pub(super) instruments: Vec<Instrument>,
    pub(super) notices: Vec<String>,
    texts: Vec<String>,
    end: Nanos,
    /// Times of the first and the last event of recorded data that is no bars.
    pub(super) span: Option<(Nanos, Nanos)>,
    data: Option<DataSet>,
}

/// A market to run on.
pub(super) struct Opened {
    market: Box<dyn Source>,
    /// Where it comes from, for people.
    pub(super) texts: Vec<String>,
    /// Expected last moment, for a progress bar.
    pub(super) end: Nanos,
    /// Nothing after this moment is taken.
    limit: Option<Nanos>,
    duration_ns: Option<i64>,
    /// The limit cut something off.
    pub(super) cut: bool,
}

pub(super) fn open(plan: &PaperPlan) -> Result<Found, RunFault> {
    let settings = &plan.settings;
    if plan.data.is_empty() {
        let mut instruments = synth::instruments(settings);
        let mut notices = Vec::new();
        for row in &plan.instruments {
            match instruments.iter_mut().find(|known| known.symbol == row.symbol) {
                Some(known) => correct(known, row),
                None => notices
                    .push(format!("{}: configured, but not in the built-in market", row.symbol)),
            }
        }
        return Ok(Found {
            instruments,
            notices,
            texts: vec![format!("built-in market, seed {}", settings.engine_seed)],
            end: synth::START.plus(settings.synth_duration_ns),
            span: None,
            data: None,
        });
    }
    let options = DataOptions {
        backstep_ns_max: settings.data_backstep_ns_max,
        min_notional: settings.data_min_notional,
        overrides: &plan.instruments,
    };
    let mut set = data::open(&plan.data, &options)?;
    Ok(Found {
        instruments: std::mem::take(&mut set.instruments),
        notices: std::mem::take(&mut set.notices),
        texts: set.sources.clone(),
        end: set.span.map_or(Nanos::ZERO, |(_, last)| last),
        span: set.span.filter(|_| !set.kinds.contains(&MarketKind::Bar)),
        data: Some(set),
    })
}

/// What the operator knows better.
pub(super) fn correct(known: &mut Instrument, row: &InstrumentOverride) {
    known.tick = row.tick.unwrap_or(known.tick);
    known.lot = row.lot.unwrap_or(known.lot);
    known.min_notional = row.min_notional.unwrap_or(known.min_notional);
    known.tradable = row.tradable.unwrap_or(known.tradable);
}

impl Found {
    pub(super) fn into_source(
        self,
        plan: &PaperPlan,
        table: &InstrumentTable,
    ) -> Result<Opened, RunFault> {
        let market: Box<dyn Source> = match self.data {
            Some(set) => Box::new(set.into_source(table)?),
            None => Box::new(SynthMarket::new(&plan.settings, table)),
        };
        Ok(Opened {
            market,
            texts: self.texts,
            end: self.end,
            limit: None,
            duration_ns: plan.duration_ns,
            cut: false,
        })
    }
}

impl Source for Opened {
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
        let next = self.market.next_ts()?;
        let Some(ts) = next else { return Ok(None) };
        if self.limit.is_none()
            && let Some(duration_ns) = self.duration_ns
        {
            let limit = ts.plus(duration_ns);
            self.limit = Some(limit);
            self.end = self.end.min(limit);
        }
        if self.limit.is_some_and(|limit| ts > limit) {
            self.cut = true;
            return Ok(None);
        }
        Ok(next)
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
        self.market.next(batch)
    }

    fn counts(&self) -> SourceCounts {
        self.market.counts()
    }

    fn progress(&self) -> f64 {
        self.market.progress()
    }
}
