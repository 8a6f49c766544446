//! The decision funnel: from everything that was ranked to the candidates worth an order.
//!
//! raw → source → pre → thr → quarantine → exec → open. Each filter takes what the one before left; the
//! first that refuses a candidate gives the reason in its row. With the default settings every filter lets
//! everything pass and the best-ranked asset is tried, no other. Owner: the policy. Allocates once.

mod filters;
mod lanes;
pub(super) mod rows;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::broker::Broker;
use crate::engine::Damage;
use crate::instrument::InstrumentTable;
use crate::msg::funnel::{FunnelRefusal, Tier};
use crate::msg::record::{FunnelDecision, FunnelReason, FunnelStage};
use crate::msg::scan::RankVerdict;
use crate::msg::{PositionSide, Rank, Scan};
use crate::policy::draw::{Purpose, draw};
use crate::policy::edge::{self, Calibration};
use crate::policy::memory::{Memory, Standing};
use crate::settings::{Posture, Settings};
use crate::units::{Money, Nanos};
use crate::universe::{Lane, Listing, Universe, touch_notional};

use filters::{Expectation, Passed};
use lanes::Lanes;

/// Most candidates of one scan that get a row; a scan can rank more.
const ROWS_MAX: usize = 64;
const LANES: usize = Lane::ALL.len();

/// A ranked asset on its way through the funnel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Its place in the ranking.
    pub rank: Rank,
    /// Score, 0 to 100.
    pub score: f64,
    /// Tier of that score.
    pub tier: Tier,
    /// Lane it came by.
    pub lane: Lane,
    /// What is known of the instrument.
    pub listing: Listing,
    /// Notional at the touch that the entry would take from.
    pub depth: Option<Money>,
    /// Spread in basis points of the bid.
    pub spread_bps: Option<f64>,
    /// Why it is out; `FunnelReason::None` while it is in.
    pub reason: FunnelReason,
}

/// What the filters look at beside the candidate. All of one scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// Time of the turn.
    pub now: Nanos,
    /// The scan.
    pub scan: &'a Scan,
    /// Posture in force.
    pub posture: Posture,
    /// Settings in force.
    pub settings: &'a Settings,
    /// The run's instruments.
    pub table: &'a InstrumentTable,
    /// What is known of them.
    pub universe: &'a Universe,
}

/// State of the funnel. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Funnel {
    /// What was entered and how it ended.
    pub memory: Memory,
    /// What trades earned against what was expected.
    pub calibration: Calibration,
    /// How the lanes do.
    pub lanes: Lanes,
    #[serde(skip)]
    batch: Vec<Candidate>,
    /// Places in the batch by priority; used only where a cap of the scan bites.
    #[serde(skip)]
    order: Vec<(f64, usize)>,
}

impl Funnel {
    /// For so many instruments.
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            memory: Memory::new(instruments),
            calibration: Calibration::default(),
            lanes: Lanes::default(),
            batch: Vec::with_capacity(instruments),
            order: Vec::with_capacity(instruments),
        }
    }

    /// Read back with so many instruments; makes room for those of the table.
    pub(super) fn restored(
        &mut self,
        instruments: usize,
        table: &Arc<InstrumentTable>,
    ) -> Result<(), Damage> {
        self.memory.restored(instruments, table.len())?;
        let sound = self.calibration.is_sound();
        Damage::unless(sound, "edge calibration", None, "a correction within its bounds")?;
        Damage::unless(self.lanes.is_sound(), "funnel lanes", None, "a place among 12 scans")?;
        self.batch.reserve_exact(table.len());
        self.order.reserve_exact(table.len());
        Ok(())
    }

    /// Takes the ranking of a scan through raw, source, pre and thr, and writes a row for each of the first
    /// 64 candidates. What is left stays in [`Funnel::candidate`], best first.
    pub(super) fn sift(
        &mut self,
        moment: &Moment<'_>,
        ranks: &[Rank],
        side: PositionSide,
        broker: &mut Broker<'_>,
    ) {
        self.batch.clear();
        if moment.settings.funnel_lane_qos {
            self.lanes.begin(moment.now, moment.settings);
        }
        let standings = if moment.settings.funnel_source_router {
            self.memory.lane_standings(moment.now, moment.settings)
        } else {
            [Standing::Good; LANES]
        };
        // One asset is ranked once per direction, so the batch never outgrows its room.
        let room = self.batch.capacity();
        for rank in ranks.iter().filter(|rank| rank.direction == side).take(room) {
            let mut candidate = assess(moment, rank, broker);
            candidate.reason = match rank.verdict {
                RankVerdict::Pass => reason(self.source(moment, &candidate, &standings)),
                failed => FunnelReason::Filter(failed),
            };
            self.batch.push(candidate);
        }
        self.limit(moment.settings);
        for index in 0..self.batch.len() {
            let candidate = self.batch[index];
            // Asked whatever came of it: the age of a signal does not hang on caps.
            let passing_ns = (candidate.rank.verdict == RankVerdict::Pass).then(|| {
                self.memory.passed(candidate.rank.instrument, moment.scan.number, moment.now)
            });
            if let (FunnelReason::None, Some(passing_ns)) = (candidate.reason, passing_ns) {
                let passed = pre(moment, &candidate, passing_ns)
                    .and_then(|()| self.threshold(moment, &candidate));
                self.batch[index].reason = reason(passed);
            }
        }
        if moment.settings.funnel_lane_qos {
            for candidate in &self.batch {
                let passed = candidate.reason == FunnelReason::None;
                self.lanes.seen(candidate.lane, passed, moment.now);
            }
        }
        for candidate in self.batch.iter().take(ROWS_MAX) {
            let (stage, decision) = match candidate.reason {
                FunnelReason::None => (FunnelStage::PostFilters, FunnelDecision::CandidatePass),
                FunnelReason::Filter(_)
                | FunnelReason::Funnel(_)
                | FunnelReason::Guard(_)
                | FunnelReason::Policy(_) => (FunnelStage::FilterFail, FunnelDecision::Skip),
            };
            broker.record(rows::candidate(
                moment.scan,
                candidate,
                stage,
                decision,
                candidate.reason,
            ));
        }
    }

    /// The candidate at a place of the batch that [`Funnel::sift`] made; `None` behind its end.
    pub(super) fn candidate(&self, index: usize) -> Option<Candidate> {
        self.batch.get(index).copied()
    }

    /// Writes a row for every candidate from `index` on that passed the first filters and that nobody will
    /// look at, so that no candidate leaves the funnel without a reason.
    pub(super) fn leave(
        &self,
        scan: &Scan,
        index: usize,
        reason: FunnelRefusal,
        broker: &mut Broker<'_>,
    ) {
        let left = self.batch.iter().take(ROWS_MAX).skip(index);
        for candidate in left.filter(|candidate| candidate.reason == FunnelReason::None) {
            rows::gate(scan, candidate, FunnelReason::Funnel(reason), broker);
        }
    }

    /// True when a filter of the funnel, and not of the ranking, has refused a candidate of the batch.
    pub(super) fn has_refused(&self) -> bool {
        self.batch.iter().any(|candidate| matches!(candidate.reason, FunnelReason::Funnel(_)))
    }

    /// Source: exclusions, the lane's record, attempts.
    fn source(
        &self,
        moment: &Moment<'_>,
        candidate: &Candidate,
        standings: &[Standing; LANES],
    ) -> Passed {
        let Moment { now, scan, settings, table, .. } = *moment;
        let Candidate { rank, lane, listing, .. } = candidate;
        filters::exclusion(listing)?;
        let standing = standings[usize::from(lane.code())];
        if standing != Standing::Good {
            let symbol = table.symbol(rank.instrument);
            let drawn = draw(Purpose::Lane, symbol, *lane, rank.direction, now);
            filters::lane_route(standing, drawn, settings)?;
        }
        let rests = settings.funnel_lane_qos && self.lanes.rests(*lane, now);
        filters::lane_rest(rests)?;
        filters::symbol_cycle(self.memory.attempts(rank.instrument, scan.number), settings)
    }

    /// Source: no more than the caps of a scan allow, by priority. What stays keeps its place.
    fn limit(&mut self, settings: &Settings) {
        let mut counts = [0i64; LANES];
        let inside = |candidate: &&Candidate| candidate.reason == FunnelReason::None;
        for candidate in self.batch.iter().filter(inside) {
            counts[usize::from(candidate.lane.code())] += 1;
        }
        let fits = Lane::ALL
            .iter()
            .all(|lane| counts[usize::from(lane.code())] <= filters::lane_cap(*lane, settings));
        if fits && counts.iter().sum::<i64>() <= settings.funnel_cycle_topk {
            return;
        }
        self.order.clear();
        for (index, candidate) in self.batch.iter().enumerate() {
            if candidate.reason == FunnelReason::None {
                self.order.push((filters::priority(&candidate.listing, candidate.depth), index));
            }
        }
        // Equal priorities go by the ranking, so the order is total.
        self.order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut taken = [0i64; LANES];
        for (_, index) in &self.order {
            let candidate = &mut self.batch[*index];
            let lane = usize::from(candidate.lane.code());
            if taken[lane] >= filters::lane_cap(candidate.lane, settings) {
                candidate.reason = FunnelReason::Funnel(FunnelRefusal::LaneCap);
            } else if taken.iter().sum::<i64>() >= settings.funnel_cycle_topk {
                candidate.reason = FunnelReason::Funnel(FunnelRefusal::TopK);
            } else {
                taken[lane] += 1;
            }
        }
    }

    /// Thr: score and repetition.
    fn threshold(&self, moment: &Moment<'_>, candidate: &Candidate) -> Passed {
        let Candidate { rank, score, .. } = candidate;
        filters::score_min(*score, moment.posture, moment.settings)?;
        let since = self.memory.since_planned(rank.instrument, rank.direction, moment.now);
        filters::dedup(since, moment.settings)
    }

    /// Quarantine: what was entered lately, and how it went. `looked_at` candidates came before this one.
    pub(super) fn quarantine(
        &self,
        moment: &Moment<'_>,
        candidate: &Candidate,
        looked_at: usize,
    ) -> Passed {
        let Moment { now, settings, table, .. } = *moment;
        let Candidate { rank: Rank { instrument: id, direction, .. }, lane, tier, .. } = *candidate;
        if i64::try_from(looked_at).is_ok_and(|before| before >= settings.funnel_top_n) {
            return Err(FunnelRefusal::TopN);
        }
        filters::cooldown(self.memory.since_loss(id, now), settings)?;
        filters::reentry(self.memory.since_close(id, now), settings)?;
        if settings.funnel_quality {
            let hour = self.memory.hour(id, lane, now);
            filters::concentration(&hour, tier, settings)?;
            filters::quality_cap(&hour, settings)?;
            filters::novelty(&hour, self.memory.is_new(id, now, settings), settings)?;
            filters::lane_budget(&hour, settings)?;
            filters::watchlist_share(lane, &hour, settings)?;
            filters::non_watchlist(lane, self.others(), settings)?;
        }
        let standing = self.standing(candidate, settings);
        if standing != Standing::Good {
            let drawn = draw(Purpose::Symbol, table.symbol(id), lane, direction, now);
            filters::symbol_memory(standing, drawn, settings)?;
        }
        Ok(())
    }

    /// Candidates of the batch that are in, and not of the watchlist lane.
    fn others(&self) -> usize {
        let other = |candidate: &&Candidate| {
            candidate.reason == FunnelReason::None && candidate.lane != Lane::Watchlist
        };
        self.batch.iter().filter(other).count()
    }

    /// Record of the candidate's asset, as far as the settings let it count.
    pub(super) fn standing(&self, candidate: &Candidate, settings: &Settings) -> Standing {
        if settings.memory_enabled {
            self.memory.symbol_standing(candidate.rank.instrument, settings)
        } else {
            Standing::Good
        }
    }

    /// Exec: the planned notional and its expected edge, in percent.
    pub(super) fn exec(
        &self,
        candidate: &Candidate,
        notional: Money,
        percent: f64,
        settings: &Settings,
    ) -> Passed {
        filters::trade_size(notional, candidate.tier, settings)?;
        let corrected = self.calibration.corrected(candidate.lane, percent, settings);
        let expectation = Expectation {
            percent,
            usd: edge::in_money(percent, notional),
            net_usd: edge::in_money(corrected, notional),
            standing: self.standing(candidate, settings),
            tier: candidate.tier,
        };
        filters::edge(&expectation, settings)
    }
}

fn reason(passed: Passed) -> FunnelReason {
    passed.map_or_else(FunnelReason::Funnel, |()| FunnelReason::None)
}

/// Pre: what is known of the instrument.
fn pre(moment: &Moment<'_>, candidate: &Candidate, passing_ns: i64) -> Passed {
    let settings = moment.settings;
    let Candidate { listing, depth, lane, score, .. } = candidate;
    if settings.funnel_prechecks {
        filters::listing_age(listing, settings)?;
        filters::signal_age(passing_ns, settings)?;
        filters::depth(*depth, settings)?;
        filters::volume(listing, settings)?;
        filters::change(listing, settings)?;
    }
    filters::watchlist_floor(*lane, listing, *depth, *score, settings)
}

/// Raw: a ranked asset with its figures.
fn assess(moment: &Moment<'_>, rank: &Rank, broker: &Broker<'_>) -> Candidate {
    let row = moment.table.row(rank.instrument);
    let listing = moment.universe.listing(moment.now, rank.instrument, row, moment.settings);
    let top = broker.top(rank.instrument);
    let score = edge::score(rank.ars);
    Candidate {
        rank: *rank,
        score,
        tier: tier(score, moment.settings),
        lane: moment.universe.lane_of(rank, &listing, row, moment.settings),
        listing,
        depth: top.and_then(|top| touch_notional(&top, rank.direction.entry_side())),
        spread_bps: top.and_then(|top| top.bid.get()?.bps_to(top.ask.get()?)),
        reason: FunnelReason::None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 95")]
fn tier(score: f64, settings: &Settings) -> Tier {
    if score >= settings.funnel_score_strict as f64 {
        Tier::A
    } else if score >= settings.funnel_score_soft as f64 {
        Tier::B
    } else {
        Tier::C
    }
}
