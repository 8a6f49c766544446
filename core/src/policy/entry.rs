//! The way into a position: gates of the scan, the funnel, size, edge, order.

use arrayvec::ArrayVec;

use crate::broker::{Broker, EntryPlan};
use crate::id::InstrumentId;
use crate::kernel::intent::{Code, LEGS_MAX};
use crate::msg::funnel::FunnelRefusal;
use crate::msg::record::{Action, BlockReason, DecisionReason, FunnelReason};
use crate::msg::{PositionSide, Scan};
use crate::policy::confirm::Confirmation;
use crate::policy::edge::{self, Prospect};
use crate::policy::funnel::rows::{self, Planned};
use crate::policy::funnel::{Candidate, Moment};
use crate::policy::modifiers::Multipliers;
use crate::policy::sizer::{self, Basis, Factors};
use crate::policy::{EntryFacts, Policy, Trip, executable_price, track};
use crate::settings::{Posture, Settings, Sides, Style};
use crate::units::{Price, Rate};

/// Why an entry did not happen, and the asset it was about.
pub(super) struct Refusal {
    pub(super) instrument: Option<InstrumentId>,
    pub(super) reason: DecisionReason,
}

/// What a scan asks for.
struct Wish<'a> {
    slot: usize,
    scan: &'a Scan,
    vel_div: f64,
    side: PositionSide,
    multipliers: Multipliers,
}

impl Policy {
    /// Tries to open a position in a free slot: the first candidate of the funnel that gets as far as an
    /// order, among at most `funnel.attempts_max` that get past quarantine.
    pub(super) fn try_enter(
        &mut self,
        slot: usize,
        scan: &Scan,
        broker: &mut Broker<'_>,
    ) -> Result<(), Refusal> {
        let settings = broker.settings();
        let because = |reason| Refusal { instrument: None, reason };
        let multipliers = Multipliers::of(self.modifiers.as_ref(), scan.number, settings);
        if self.flatten || matches!(multipliers.posture, Posture::Turtle | Posture::Hibernate) {
            return Err(because(DecisionReason::Posture));
        }
        let vel_div = scan.vel_div.ok_or_else(|| because(DecisionReason::NoSignal))?;
        let side =
            signalled_side(vel_div, settings).ok_or_else(|| because(DecisionReason::NoEdge))?;
        if !scan.vol_ok {
            return Err(because(DecisionReason::VolGate));
        }
        if !scan.picker_warm {
            return Err(because(DecisionReason::PickerCold));
        }
        let wish = Wish { slot, scan, vel_div, side, multipliers };
        let moment = Moment {
            now: broker.now(),
            scan,
            posture: multipliers.posture,
            settings,
            table: &self.table,
            universe: &self.universe,
        };
        self.funnel.sift(&moment, &self.ranks, side, broker);
        self.first_of_batch(&wish, broker)
    }

    /// Goes through what the funnel left, best first.
    fn first_of_batch(&mut self, wish: &Wish<'_>, broker: &mut Broker<'_>) -> Result<(), Refusal> {
        let settings = broker.settings();
        let filtered = self.funnel.has_refused();
        let none = if filtered { DecisionReason::Filtered } else { DecisionReason::NoCandidate };
        let mut last = Refusal { instrument: None, reason: none };
        let (mut looked_at, mut attempts) = (0, 0);
        let mut index = 0;
        while let Some(candidate) = self.funnel.candidate(index) {
            index += 1;
            if candidate.reason != FunnelReason::None {
                continue;
            }
            let moment = Moment {
                now: broker.now(),
                scan: wish.scan,
                posture: wish.multipliers.posture,
                settings,
                table: &self.table,
                universe: &self.universe,
            };
            if let Err(refusal) = self.funnel.quarantine(&moment, &candidate, looked_at) {
                rows::gate(wish.scan, &candidate, FunnelReason::Funnel(refusal), broker);
                let instrument = Some(candidate.rank.instrument);
                last = Refusal { instrument, reason: DecisionReason::Filtered };
                if refusal == FunnelRefusal::TopN {
                    self.funnel.leave(wish.scan, index, refusal, broker);
                    break;
                }
                looked_at += 1;
                continue;
            }
            looked_at += 1;
            attempts += 1;
            match self.attempt(wish, &candidate, broker) {
                Ok(()) => {
                    self.funnel.leave(wish.scan, index, FunnelRefusal::SlotTaken, broker);
                    return Ok(());
                }
                Err(reason) => {
                    last = Refusal { instrument: Some(candidate.rank.instrument), reason };
                }
            }
            if attempts >= settings.funnel_attempts_max {
                self.funnel.leave(wish.scan, index, FunnelRefusal::NotTried, broker);
                break;
            }
        }
        Err(last)
    }

    /// One candidate: direction, guards, size, edge, order.
    fn attempt(
        &mut self,
        wish: &Wish<'_>,
        candidate: &Candidate,
        broker: &mut Broker<'_>,
    ) -> Result<(), DecisionReason> {
        let (scan, settings) = (wish.scan, broker.settings());
        let id = candidate.rank.instrument;
        let contradiction = match self.ticks.confirm(id, wish.side, settings) {
            Confirmation::Confirmed => None,
            Confirmation::Contradicted => Some(DecisionReason::DirectionContradicted),
            Confirmation::Warmup => Some(DecisionReason::DirectionWarmup),
        };
        let against = contradiction.map_or(FunnelReason::None, FunnelReason::Policy);
        rows::gate(scan, candidate, against, broker);
        if let Some(reason) = contradiction {
            return Err(reason);
        }
        self.funnel.memory.attempted(id, scan.number);
        let mut planned = Planned::default();
        if let Err(block) = broker.entry_guard(id) {
            rows::block(scan, candidate, planned, block, broker);
            return Err(DecisionReason::Guard);
        }
        let reference = executable_price(broker.kernel(), id, wish.side.entry_side());
        let Some(reference) = reference else {
            rows::block(scan, candidate, planned, BlockReason::NoPrice, broker);
            return Err(DecisionReason::Guard);
        };
        let factors = self.factors(wish, candidate, settings);
        let posture = wish.multipliers.posture;
        let row = *self.table.row(id);
        let sizing = sizer::size(basis(broker, reference), &row, &factors, posture, settings)
            .filter(|sizing| sizing.qty.is_positive());
        planned.size = sizing.and_then(|sizing| reference.notional(sizing.qty));
        let edge_percent = edge::expected(&prospect(candidate, settings), settings).net;
        planned.edge_percent = Some(edge_percent);
        let enough = planned.size.filter(|size| *size >= row.min_notional);
        let (Some(sizing), Some(notional)) = (sizing, enough) else {
            let reason = FunnelReason::Policy(DecisionReason::SizeTooSmall);
            rows::skip(scan, candidate, planned, reason, broker);
            return Err(DecisionReason::SizeTooSmall);
        };
        if settings.funnel_lane_qos {
            self.funnel.lanes.sized(candidate.lane, edge_percent > 0.0);
        }
        if let Err(refusal) = self.funnel.exec(candidate, notional, edge_percent, settings) {
            rows::skip(scan, candidate, planned, FunnelReason::Funnel(refusal), broker);
            return Err(DecisionReason::Filtered);
        }
        let plan = EntryPlan {
            slot: wish.slot,
            instrument: id,
            side: wish.side,
            qty: sizing.qty,
            leverage: sizer::margin_leverage(&factors, posture, settings),
            reference_price: reference,
            legs: legs(settings),
        };
        let held_back = broker.entry_allowed(&plan).err();
        let place = broker.records().len();
        let verdict = broker.enter(&plan);
        if !verdict.accepted {
            let reason = held_back.unwrap_or(DecisionReason::Guard);
            rows::decide(scan, candidate, sizing, (Action::Skip, reason), place, broker);
            match held_back {
                Some(reason) => {
                    rows::skip(scan, candidate, planned, FunnelReason::Policy(reason), broker);
                }
                None => rows::block(scan, candidate, planned, block_of(verdict.code), broker),
            }
            return Err(reason);
        }
        let entered = (Action::Enter, DecisionReason::Signal);
        rows::decide(scan, candidate, sizing, entered, place, broker);
        self.funnel.memory.planned(id, wish.side, broker.now());
        if settings.funnel_lane_qos {
            self.funnel.lanes.entered(candidate.lane);
        }
        planned.trade = broker.slot(wish.slot).trade();
        if let Some(trade) = planned.trade {
            let entry = EntryFacts {
                scan: scan.number,
                score: candidate.score,
                bucket: track::bucket_of(factors.strength),
                lane: candidate.lane,
                tier: candidate.tier,
                edge_percent,
            };
            let trip = Trip { trade, scan: Some(scan.number), opened: false, entry: Some(entry) };
            self.trips[wish.slot] = Some(trip);
        }
        rows::entry(scan, candidate, planned, broker);
        Ok(())
    }

    /// Everything that scales the size, in its order.
    fn factors(&self, wish: &Wish<'_>, candidate: &Candidate, settings: &Settings) -> Factors {
        let strength = sizer::strength(wish.vel_div, wish.side, settings);
        let bucket = track::bucket_of(strength);
        Factors {
            strength,
            leverage: sizer::leverage(strength, settings),
            bucket: self.track.bucket_factor(bucket, settings),
            streak: self.track.streak_factor(settings),
            regime: wish.multipliers.regime(strength),
            ob: wish.multipliers.ob,
            esof: wish.multipliers.esof,
            memory: self.funnel.standing(candidate, settings).size_factor(),
        }
    }
}

/// What a size is a share of, and what it has to fit into.
fn basis(broker: &Broker<'_>, price: Price) -> Basis {
    let kernel = broker.kernel();
    Basis { capital: kernel.ledger().capital(), available: kernel.available(), price }
}

/// The exit is counted as taking, whatever the style: in the end it leaves by market.
fn prospect(candidate: &Candidate, settings: &Settings) -> Prospect {
    let entry_fee = match settings.router_style {
        Style::Taker => settings.account_taker_rate,
        Style::Maker => settings.account_maker_rate,
    };
    Prospect {
        score: candidate.score,
        side: candidate.rank.direction,
        spread_bps: candidate.spread_bps,
        funding_rate: candidate.listing.funding_rate,
        entry_fee,
        exit_fee: settings.account_taker_rate,
    }
}

/// The direction that the signal asks for and the operator allows.
fn signalled_side(vel_div: f64, settings: &Settings) -> Option<PositionSide> {
    let short = matches!(settings.policy_sides, Sides::Short | Sides::Both);
    let long = matches!(settings.policy_sides, Sides::Long | Sides::Both);
    if short && vel_div < settings.policy_vel_div_threshold {
        Some(PositionSide::Short)
    } else if long && vel_div > -settings.policy_vel_div_threshold {
        Some(PositionSide::Long)
    } else {
        None
    }
}

fn legs(settings: &Settings) -> ArrayVec<Rate, LEGS_MAX> {
    settings.exit_legs.iter().filter_map(|part| Rate::from_f64(*part)).take(LEGS_MAX).collect()
}

fn block_of(code: Code) -> BlockReason {
    match code {
        Code::SlotBusy | Code::DuplicateEvent => BlockReason::SlotBusy,
        Code::EntryFrozen => BlockReason::EntryFrozen,
        Code::Killed => BlockReason::Killed,
        Code::StaleStateReconciling => BlockReason::UnresolvedOrder,
        Code::RateLimited => BlockReason::Cap,
        Code::Ok
        | Code::InvalidIntent
        | Code::NoOpenPosition
        | Code::OrderRejected
        | Code::ExitOrderRejected
        | Code::CancelRejected
        | Code::ForeignFill
        | Code::UnresolvedSlot
        | Code::EntryBlocked
        | Code::Violation
        | Code::ExitWorking
        | Code::NoWorkingOrder => BlockReason::InvalidIntent,
    }
}
