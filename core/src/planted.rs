//! Planted defects: mistakes that engines of this kind have made, compiled in behind the feature `planted`
//! and switched on one at a time, so that the simulation can show that it catches each.
//!
//! A site asks with `planted!(D13TotalAsIncrement)` beside the right code. Without the feature the answer is
//! the constant `false` and this module does not exist: the shipped code has none of it. With the feature and
//! nothing planted the answer is `false` at run time, so the engine under test behaves like the shipped one.

use core::sync::atomic::{AtomicU8, Ordering};

crate::text_enum! {
    /// A defect. The text is its identity in the catalogue and a plain name.
    pub enum Defect {
        /// The result of an exit is multiplied by the leverage.
        D01LeverageInPnl => "d01-leverage-in-pnl",
        /// A fill is priced at the limit of its order.
        D02NominalPrice => "d02-nominal-price",
        /// What a fill is follows from the slot's stage, not from its order.
        D03RoleFromStage => "d03-role-from-stage",
        /// The entry basis is the price of the last fill.
        D04BasisLastFill => "d04-basis-last-fill",
        /// The result so far is booked again at a recovery.
        D05CarriedResultTwice => "d05-carried-result-twice",
        /// The wallet of zero of a placeholder frame is taken for real.
        D06PlaceholderWallet => "d06-placeholder-wallet",
        /// A fill on an asset where we work is ours, whoever's it is.
        D07FillBySymbol => "d07-fill-by-symbol",
        /// A fill without any identity is ours.
        L08FillWithoutIdentity => "l08-fill-without-identity",
        /// A slot is free as soon as the cancel of its entry is sent.
        D08FreeAtCancel => "d08-free-at-cancel",
        /// A recovery asks for positions without waiting for the open orders.
        D09PositionsFirst => "d09-positions-first",
        /// An order that a list of open orders does not have is over.
        D10AbsentIsCancelled => "d10-absent-is-cancelled",
        /// The total that a fill tells is taken for its quantity.
        D13TotalAsIncrement => "d13-total-as-increment",
        /// An exit is as large as it was asked for, whatever remains.
        D17ExitUnlimited => "d17-exit-unlimited",
        /// The leg of an exit never moves on.
        D18LegStuck => "d18-leg-stuck",
        /// The last leg is its part of the whole, not what remains.
        X46LastLegByRatio => "x46-last-leg-by-ratio",
        /// The fee model learns from any fee.
        D22FeeUnguarded => "d22-fee-unguarded",
        /// An entry needs no balance.
        D23NoBalanceNeeded => "d23-no-balance-needed",
        /// A balance of any age will do.
        X27BalanceOfAnyAge => "x27-balance-of-any-age",
        /// A wallet or a margin of zero is no obstacle.
        L04ZeroNoObstacle => "l04-zero-no-obstacle",
        /// What no slot can take of the venue's positions is nobody's business.
        D25RestIgnored => "d25-rest-ignored",
        /// A saved state need not be whole nor in its canonical form.
        D26DamagedAccepted => "d26-damaged-accepted",
        /// A saved state of other instruments will do.
        X48ForeignAccepted => "x48-foreign-accepted",
        /// An own fill does not arm the hot window.
        D27OwnFillCold => "d27-own-fill-cold",
        /// A cancel that is refused, so that the order may have filled, does not arm it.
        D27PossibleFillCold => "d27-possible-fill-cold",
        /// A fill that nobody claims does not arm it.
        D27UnclaimedFillCold => "d27-unclaimed-fill-cold",
        /// A failed look at the positions shows that there are none.
        D28FailedIsFlat => "d28-failed-is-flat",
        /// A failed look at the positions will do for a recovery.
        L01FailedIsRecovered => "l01-failed-is-recovered",
        /// The time of an exit is never over.
        D29DeadlineNeverFires => "d29-deadline-never-fires",
        /// What a slot owes is lost over a restart.
        L10PromiseLost => "l10-promise-lost",
        /// An urgent exit does not wait for the end of the resting one.
        D30UrgentAtOnce => "d30-urgent-at-once",
        /// An end without a total ends an order at what is booked.
        D31EndWithoutTotal => "d31-end-without-total",
        /// A freeze holds exits back.
        D34ExitsFrozen => "d34-exits-frozen",
        /// A kill holds exits back.
        X21ExitsKilled => "x21-exits-killed",
        /// A second exit leaves while one works.
        D35SecondExit => "d35-second-exit",
        /// A settled fee is added to the predicted one.
        D36FeeAdded => "d36-fee-added",
        /// A fee of zero never settles.
        L18ZeroNeverSettles => "l18-zero-never-settles",
        /// Whether a fill made is read off the order's type.
        L19MakerByType => "l19-maker-by-type",
        /// A late fee goes to the round trip that the slot holds by then.
        L07LateFeeToPresent => "l07-late-fee-to-present",
        /// The books take over every wallet before they are compared with it.
        L02BooksReseeded => "l02-books-reseeded",
        /// An adopted round trip is named by its asset.
        L13AdoptedIdCollides => "l13-adopted-id-collides",
        /// Exits may increase.
        L21ExitsIncrease => "l21-exits-increase",
        /// A submission without an answer is sent again under a new identity.
        X01SentAgain => "x01-sent-again",
        /// The identities of orders begin anew after a restart.
        X02IdentitiesAgain => "x02-identities-again",
        /// A submission without an answer has failed.
        X03AmbiguousFailed => "x03-ambiguous-failed",
        /// What the venue denies once has never arrived.
        X04DeniedOnce => "x04-denied-once",
        /// An acknowledged cancel says that nothing more was filled.
        X05CancelMeansUnfilled => "x05-cancel-means-unfilled",
        /// An entry that works at a restart is taken for a position.
        X07WorkingIsPosition => "x07-working-is-position",
        /// Which fills were applied is forgotten over a restart.
        X10FillsForgotten => "x10-fills-forgotten",
        /// The venue's own fill is booked beside the one inferred for it.
        X11InferredTwice => "x11-inferred-twice",
        /// A position snapshot from before our last activity counts.
        X14StaleBelieved => "x14-stale-believed",
        /// Exit fills of an adopted position are dropped.
        X17AdoptedExitDropped => "x17-adopted-exit-dropped",
        /// An exit fill beyond the position turns it around. Alone it never happens, because no exit is larger
        /// than what remains and the venue trims those that have become so; planted with an unlimited exit.
        X18ExitFlips => "x18-exit-flips",
        /// An exit that the venue has trimmed never ends.
        X19TrimmedNeverEnds => "x19-trimmed-never-ends",
        /// A kill leaves resting entries where they are.
        X22KillLeavesEntries => "x22-kill-leaves-entries",
        /// A refused cancel goes again at once.
        X24CancelStorm => "x24-cancel-storm",
        /// Fills that were applied are not remembered.
        X26NoFillMemory => "x26-no-fill-memory",
        /// An order that is told as filled is taken whole, whatever its total.
        X34FilledTakenWhole => "x34-filled-taken-whole",
        /// A late acknowledgement revives an order that has ended.
        X42LateAckRevives => "x42-late-ack-revives",
        /// A fill that comes after the end of its order is dropped.
        X43LateFillDropped => "x43-late-fill-dropped",
        /// A fill that waits for its order is marked as applied before it is.
        X44MarkedBeforeBooked => "x44-marked-before-booked",
        /// Positions are compared only where the venue sent a row.
        X47OnlyRowsCompared => "x47-only-rows-compared",
        /// The gate does not look at the kill switch.
        K03KillAtDecision => "k03-kill-at-decision",
        /// The gate has no cap, and a slot is free when the cancel is sent.
        X52NoCap => "x52-no-cap",
        /// A close by the venue is not booked.
        F01ForcedNotBooked => "f01-forced-not-booked",
        /// Too many orders latch nothing.
        C01NoLatch => "c01-no-latch",
    }
}

/// Nothing is planted.
const NONE: u8 = u8::MAX;

static PLANTED: AtomicU8 = AtomicU8::new(NONE);

/// Plants a defect in place of the one before, for the whole process; `None`: the engine is whole.
pub fn plant(defect: Option<Defect>) {
    PLANTED.store(defect.map_or(NONE, Defect::code), Ordering::Relaxed);
}

/// True while this defect is planted. Cost: one load.
#[must_use]
pub fn is_planted(defect: Defect) -> bool {
    PLANTED.load(Ordering::Relaxed) == defect.code()
}
