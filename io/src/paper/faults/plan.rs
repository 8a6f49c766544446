//! Which faults there are, how often and how long, and the draw of a plan from a seed.

use pinion_core::units::Nanos;

use super::dice::Draw;

/// One million: certainty.
pub(super) const MILLION: i64 = 1_000_000;

/// Declares the faults: name, group, highest rate per million, and what happens.
macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $name:literal $group:literal $rate_max:literal;)*) => {
        pinion_core::text_enum! {
            /// One way in which the venue, or the way to it, misbehaves.
            pub enum Fault { $($(#[$doc])* $variant => $name,)* }
        }

        impl Fault {
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The group that it is switched off with.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self { $(Self::$variant => $group,)* }
            }

            /// True when its opportunities are the seconds that go by.
            pub(super) const fn is_per_second(self) -> bool {
                matches!(
                    self,
                    Self::Liquidation
                        | Self::Adl
                        | Self::Outage
                        | Self::HalfOpen
                        | Self::ForeignSame
                        | Self::ForeignOther
                        | Self::Transfer
                        | Self::HandClose
                        | Self::HandOpen
                        | Self::Funding
                        | Self::Stall
                        | Self::Halt
                )
            }

            /// Highest rate that a plan draws, per million opportunities.
            const fn rate_max(self) -> i64 {
                match self { $(Self::$variant => $rate_max,)* }
            }
        }
    };
}
faults! {
    /// A match fills some lots only; what an immediate order has left expires. Per match.
    Partial "partial" "matching" 600_000;
    /// A match is told as two fills of the same price. Per match of two lots or more.
    Split "split" "matching" 300_000;
    /// An immediate order that is filled in part ends as filled, and nobody says so. Per such end.
    FilledShort "filled_short" "matching" 100_000;
    /// A resting order fills, whole or in part, as its cancel arrives. Per cancel of a resting order.
    CancelRace "cancel_race" "matching" 300_000;
    /// Refused as if it would take. Per post-only order.
    RejectPostOnly "reject_post_only" "matching" 100_000;
    /// Refused as if there were nothing to reduce. Per reduce-only order.
    RejectReduceOnly "reject_reduce_only" "matching" 100_000;
    /// Refused as too small. Per opening order.
    RejectMinNotional "reject_min_notional" "matching" 100_000;
    /// Refused for want of margin. Per opening order.
    RejectMargin "reject_margin" "matching" 100_000;
    /// Refused as too far from the market. Per limit order.
    RejectPriceBand "reject_price_band" "matching" 100_000;
    /// Refused as one request too many. Per order.
    RejectRate "reject_rate" "matching" 100_000;
    /// Cut below what it asked for. Per reduce-only order of two lots or more.
    ReduceTrim "reduce_trim" "matching" 100_000;
    /// Accepted and expired at once, as if it met an order of the same account. Per order.
    SelfTrade "self_trade" "matching" 100_000;
    /// No fee. Per fill.
    FeeZero "fee_zero" "matching" 1_000_000;
    /// A rebate where a cost was due. Per fill.
    FeeNegative "fee_negative" "matching" 1_000_000;
    /// The venue closes a position in part or whole for want of margin. Per second with a position.
    Liquidation "liquidation" "matching" 2_000;
    /// The venue closes a position in part or whole to relieve another account. Per second with a position.
    Adl "adl" "matching" 2_000;

    /// The fill comes without its fee, which is settled later. Per fill told.
    FeeLate "fee_late" "stream" 1_000_000;
    /// The fee is settled before the fill comes without it. Per fill told.
    FeeEarly "fee_early" "stream" 200_000;
    /// The fee comes with the fill and is settled again, twice. Per fill told.
    FeeTwice "fee_twice" "stream" 200_000;
    /// No fill id. Per fill told.
    NoFillId "no_fill_id" "stream" 100_000;
    /// No total. Per fill told.
    NoCum "no_cum" "stream" 1_000_000;
    /// Quantity zero: a query must complete it. Per fill told.
    NoQty "no_qty" "stream" 60_000;
    /// Price zero: a query must complete it. Per fill told.
    NoPrice "no_price" "stream" 60_000;
    /// The client id is not echoed. Per message about an order.
    NoClientId "no_client_id" "stream" 1_000_000;
    /// Neither identity is told. Per message about an order, also of somebody else's.
    NoIds "no_ids" "stream" 60_000;
    /// The same message again, later. Per message.
    Duplicate "duplicate" "stream" 200_000;
    /// Held back while others pass, on its own link and across both. Per message.
    Reorder "reorder" "stream" 200_000;
    /// Never comes. Per message.
    Lose "lose" "stream" 50_000;
    /// The stream is down; what it would have carried never comes. Per second.
    Outage "outage" "stream" 10_000;
    /// As an outage, but the connection looks alive. Per second.
    HalfOpen "half_open" "stream" 10_000;
    /// A balance of zero all over that means nothing. Per balance.
    ZeroBalance "zero_balance" "stream" 60_000;
    /// A balance without any number, of an asset that nobody asked about. Per balance.
    Placeholder "placeholder" "stream" 60_000;
    /// Some numbers of a balance are missing. Per balance.
    MissingFields "missing_fields" "stream" 60_000;

    /// The request never arrives; a placement's outcome is told as unknown. Per request.
    RequestLost "request_lost" "answer" 200_000;
    /// Done, and the answer never comes; a placement's outcome is told as unknown. Per request.
    ResponseLost "response_lost" "answer" 200_000;
    /// The outcome is told as unknown, and the answer comes after all. Per placement.
    AnswerLate "answer_late" "answer" 200_000;
    /// Sent twice on the way: the answer says that the id was used before. Per accepted placement.
    DuplicateId "duplicate_id" "answer" 100_000;
    /// Held back behind the stream, so that a fill comes first. Per acknowledgement.
    AckLate "ack_late" "answer" 300_000;
    /// Failed: a list proves nothing, a look-up or a balance says nothing. Per look-up and probe.
    Failed "failed" "answer" 300_000;
    /// Said not to exist soon after it was accepted. Per look-up of a young order.
    NotFound "not_found" "answer" 300_000;
    /// No average price. Per look-up of an order with fills.
    NoAverage "no_average" "answer" 1_000_000;
    /// A price 20 to 25 % off where the average belongs. Never drawn outside hell: it cannot be told
    /// from the truth. Per look-up of an order with fills.
    NominalPrice "nominal_price" "answer" 0;
    /// An old view of an order. Per look-up.
    OrderLag "order_lag" "answer" 1_000_000;
    /// An old view of the positions. Per probe.
    PositionsLag "positions_lag" "answer" 1_000_000;
    /// An old view of the open orders. Per probe.
    OpenOrdersLag "open_orders_lag" "answer" 1_000_000;
    /// An old view of the balance. Per probe.
    BalanceLag "balance_lag" "answer" 1_000_000;
    /// No rows, though there are some. Per list with rows.
    EmptyList "empty_list" "answer" 100_000;
    /// The last rows are missing, and the count says so. Per list with rows.
    TruncatedList "truncated_list" "answer" 100_000;
    /// A row comes twice. Per list with rows.
    DuplicateRow "duplicate_row" "answer" 100_000;

    /// Somebody else trades where we hold a position or an order; same side and size as ours included.
    /// Per second.
    ForeignSame "foreign_same" "account" 100_000;
    /// Somebody else trades elsewhere. Per second.
    ForeignOther "foreign_other" "account" 100_000;
    /// A deposit or a withdrawal. Per second.
    Transfer "transfer" "account" 5_000;
    /// A position is closed by hand. Per second with a position.
    HandClose "hand_close" "account" 5_000;
    /// A position is opened by hand. Per second.
    HandOpen "hand_open" "account" 5_000;
    /// Funding is exchanged out of its schedule. Per second with a position.
    Funding "funding" "account" 5_000;

    /// The request takes much longer; those behind it wait. Per request.
    OrderJump "order_jump" "time" 20_000;
    /// The message takes much longer; those behind it wait. Per message.
    ReplyJump "reply_jump" "time" 20_000;
    /// The venue's time on a message is off, to either side. Per message of the stream that is made, twice
    /// though it may come, and per answer that comes.
    ClockOff "clock_off" "time" 1_000_000;
    /// The venue answers nobody for a while, then catches up. Per second.
    Stall "stall" "time" 10_000;
    /// No trading for a while: nothing matches, orders are refused. Per second.
    Halt "halt" "time" 10_000;

    /// Refused as too small, as an opening order would be. Per reducing order below the least notional.
    RejectDust "reject_dust" "matching" 1_000_000;
    /// An order ends, and how much of it is filled is not told. Per end told.
    NoTotal "no_total" "stream" 1_000_000;
    /// A refused order is acknowledged first. Per refusal.
    AckFirst "ack_first" "answer" 200_000;
    /// A fee of three times the published rate. Per fill.
    FeeOdd "fee_odd" "matching" 200_000;
}

/// Declares the ranges of durations: name, group, least and greatest, and what it is of.
macro_rules! spans {
    ($($(#[$doc:meta])* $variant:ident $name:literal $group:literal $min:expr, $max:expr;)*) => {
        pinion_core::text_enum! {
            /// A range of durations; a plan holds its upper end.
            pub enum Span { $($(#[$doc])* $variant => $name,)* }
        }

        impl Span {
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The group that it belongs to.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self { $(Self::$variant => $group,)* }
            }

            /// Shortest and longest, in nanoseconds.
            pub(super) const fn ends(self) -> (i64, i64) {
                match self { $(Self::$variant => ($min, $max),)* }
            }
        }
    };
}
const MS: i64 = Nanos::SECOND / 1_000;
const SECOND: i64 = Nanos::SECOND;
spans! {
    /// Until a late fee is settled.
    Fee "fee_ns_max" "stream" MS, 10 * SECOND;
    /// Until a duplicate comes.
    Duplicate "duplicate_ns_max" "stream" MS, 2_400 * SECOND;
    /// By how much a message is held back.
    Reorder "reorder_ns_max" "stream" 50 * MS, 800 * MS;
    /// How long the stream is down or dead.
    Outage "outage_ns_max" "stream" 100 * MS, 60 * SECOND;
    /// Until an outcome is told as unknown.
    Timeout "timeout_ns_max" "answer" 100 * MS, 5 * SECOND;
    /// Age of a view of an order.
    OrderLag "order_lag_ns_max" "answer" MS, 5 * SECOND;
    /// Age of a view of the positions.
    PositionsLag "positions_lag_ns_max" "answer" MS, 5 * SECOND;
    /// Age of a view of the open orders.
    OpenOrdersLag "open_orders_lag_ns_max" "answer" MS, 5 * SECOND;
    /// Age of a view of the balance.
    BalanceLag "balance_lag_ns_max" "answer" MS, 5 * SECOND;
    /// Age below which an order may be said not to exist.
    Young "young_ns_max" "answer" MS, 5 * SECOND;
    /// Extra time on the way.
    Jump "jump_ns_max" "time" MS, 30 * SECOND;
    /// How far the venue's clock is off.
    ClockOff "clock_off_ns_max" "time" MS, 2 * SECOND;
    /// How long the venue stands still.
    Stall "stall_ns_max" "time" MS, 30 * SECOND;
    /// How long nothing trades.
    Halt "halt_ns_max" "time" SECOND, 60 * SECOND;
}

/// How often each fault happens and how long it may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// Per million opportunities, by [`Fault`].
    rates: [i64; Fault::COUNT],
    /// Upper ends in nanoseconds, by [`Span`].
    spans: [i64; Span::COUNT],
}

impl FaultPlan {
    /// Nothing ever goes wrong; the ranges are whole.
    pub const NONE: Self = {
        let mut spans = [0; Span::COUNT];
        let mut index = 0;
        while index < Span::COUNT {
            spans[index] = Span::ALL[index].ends().1;
            index += 1;
        }
        Self { rates: [0; Fault::COUNT], spans }
    };

    /// The plan of a seed: each fault is off in half of the seeds, else its rate is uniform up to the
    /// highest; so are the ranges. `hell` doubles the highest rates and adds what nobody can recover from.
    #[must_use]
    pub fn draw(seed: u64, hell: bool) -> Self {
        let mut plan = Self::NONE;
        for fault in Fault::ALL {
            let mut draw = Draw::of_plan(seed, u64::from(fault.code()));
            let rate_max = match (fault, hell) {
                (Fault::NominalPrice, true) => MILLION,
                (_, true) => (2 * fault.rate_max()).min(MILLION),
                (_, false) => fault.rate_max(),
            };
            let on = draw.below(2) == 1;
            if on && rate_max > 0 {
                plan.rates[usize::from(fault.code())] = draw.between(1, rate_max);
            }
        }
        for span in Span::ALL {
            let mut draw = Draw::of_plan(seed, 256 + u64::from(span.code()));
            let (min, max) = span.ends();
            plan.spans[usize::from(span.code())] = draw.between(min, max);
        }
        plan
    }

    /// Rate of a fault, per million opportunities.
    #[must_use]
    pub const fn rate(&self, fault: Fault) -> i64 {
        self.rates[fault.code() as usize]
    }

    /// Upper end of a range, in nanoseconds.
    #[must_use]
    pub const fn span_max(&self, span: Span) -> i64 {
        self.spans[span.code() as usize]
    }

    /// Every number of the plan: name, group, value.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str, i64)> {
        let rates = Fault::ALL.iter().map(|f| (f.as_str(), f.group(), self.rate(*f)));
        let spans = Span::ALL.iter().map(|s| (s.as_str(), s.group(), self.span_max(*s)));
        rates.chain(spans)
    }

    /// Sets one number by its name; false, and nothing is set, when the name is unknown, a rate is not
    /// within 0 to 1,000,000, or a range would end before it begins.
    #[must_use]
    pub fn set(&mut self, name: &str, value: i64) -> bool {
        if let Some(fault) = Fault::from_text(name) {
            let valid = (0..=MILLION).contains(&value);
            if valid {
                self.rates[usize::from(fault.code())] = value;
            }
            return valid;
        }
        let Some(span) = Span::from_text(name) else { return false };
        let valid = value >= span.ends().0;
        if valid {
            self.spans[usize::from(span.code())] = value;
        }
        valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_seeds_have_a_fault_off_and_the_rest_stay_below_its_highest_rate() {
        for fault in Fault::ALL.iter().filter(|fault| **fault != Fault::NominalPrice) {
            let rates: Vec<i64> =
                (0..400).map(|seed| FaultPlan::draw(seed, false).rate(*fault)).collect();
            let off = rates.iter().filter(|rate| **rate == 0).count();
            assert!((150..250).contains(&off), "{fault:?} is off in {off} of 400");
            assert!(rates.iter().all(|rate| *rate <= fault.rate_max()), "{fault:?}");
            assert!(rates.iter().any(|rate| *rate > fault.rate_max() / 2), "{fault:?}");
        }
    }

    #[test]
    fn only_hell_tells_prices_that_nobody_can_check() {
        let nominal = |seed, hell| FaultPlan::draw(seed, hell).rate(Fault::NominalPrice);
        assert!((0..200).all(|seed| nominal(seed, false) == 0));
        assert!((0..200).any(|seed| nominal(seed, true) > 0));
    }

    #[test]
    fn every_field_can_be_set_by_its_name_and_nothing_else_can() {
        let mut plan = FaultPlan::NONE;
        let drawn = FaultPlan::draw(3, true);
        for (name, _, value) in drawn.fields() {
            assert!(plan.set(name, value), "{name}");
        }
        assert_eq!(plan, drawn);
        assert!(!plan.set("nonsense", 1));
        assert!(!plan.set("partial", MILLION + 1));
        assert!(!plan.set("outage_ns_max", 1));
        assert_eq!(plan, drawn);
    }
}
