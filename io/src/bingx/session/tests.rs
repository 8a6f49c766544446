use proptest::prelude::*;

use super::*;

const fn at(ms: i64) -> Nanos {
    Nanos::new(1_000_000_000_000 + ms * 1_000_000)
}

fn poll(session: &mut Session, ms: i64) -> Vec<Act> {
    let mut acts = Vec::new();
    session.poll(at(ms), &mut |act| acts.push(act));
    acts
}

fn on(session: &mut Session, ms: i64, happened: Happened) -> Vec<Act> {
    let mut acts = Vec::new();
    session.on(at(ms), happened, &mut |act| acts.push(act));
    acts
}

/// Brings a session from its start to live, all at one moment.
fn live(plan: SessionPlan, ms: i64) -> Session {
    let mut session = Session::new(plan, 7);
    session.start(at(ms));
    assert_eq!(poll(&mut session, ms), [Act::Connect]);
    bring_live(&mut session, ms);
    session
}

fn bring_live(session: &mut Session, ms: i64) {
    assert_eq!(on(session, ms, Happened::Connected), [Act::Encrypt]);
    assert_eq!(on(session, ms, Happened::Encrypted), [Act::Upgrade]);
    let mut acts = on(session, ms, Happened::Upgraded);
    for topic in 0..session.plan.topics {
        acts.extend(on(session, ms, Happened::Confirmed { topic }));
    }
    assert_eq!(acts.last(), Some(&Act::Resync), "{acts:?}");
    assert!(!session.is_live(), "not before it agrees with the venue");
    assert_eq!(on(session, ms, Happened::Resynced), [Act::Ready]);
    assert!(session.is_live());
}

#[test]
fn topics_leave_at_their_pace_and_each_must_be_confirmed() {
    let mut session = Session::new(SessionPlan::market(25), 7);
    session.start(at(0));
    let _acts = poll(&mut session, 0);
    let _acts = on(&mut session, 0, Happened::Connected);
    let _acts = on(&mut session, 0, Happened::Encrypted);
    let first = on(&mut session, 0, Happened::Upgraded);
    assert_eq!(first.len(), 10);
    assert_eq!(poll(&mut session, 999), []);
    assert_eq!(poll(&mut session, 1_000).len(), 10);
    assert_eq!(poll(&mut session, 2_000).len(), 5);
    for topic in 0..24 {
        assert_eq!(on(&mut session, 2_100, Happened::Confirmed { topic }), []);
    }
    // Heartbeats come, the last confirmation does not.
    assert_eq!(on(&mut session, 6_900, Happened::Heartbeat), []);
    assert_eq!(poll(&mut session, 7_000), [Act::Close], "healthy-looking and deaf");
}

#[test]
fn a_silent_market_socket_is_made_anew_though_heartbeats_come() {
    let mut session = live(SessionPlan::market(1), 0);
    for ms in (0..1_900).step_by(100) {
        assert_eq!(on(&mut session, ms, Happened::Data), []);
    }
    assert_eq!(on(&mut session, 3_799, Happened::Heartbeat), []);
    assert_eq!(poll(&mut session, 3_799), []);
    assert_eq!(poll(&mut session, 3_800), [Act::Lost, Act::Close]);
    assert!(!session.is_live());
}

#[test]
fn a_quiet_account_is_asked_about_and_stays() {
    let mut session = live(SessionPlan::account(), 0);
    let mut asked = 0;
    for ms in (0..3_600_000).step_by(1_000) {
        if ms % 5_000 == 0 {
            assert_eq!(on(&mut session, ms, Happened::Heartbeat), []);
        }
        for act in poll(&mut session, ms) {
            assert_eq!(act, Act::Ask);
            asked += 1;
            assert!(session.is_live());
            assert_eq!(on(&mut session, ms, Happened::Agrees), []);
        }
    }
    assert_eq!(asked, 119, "every half minute");
    let mut session = live(SessionPlan::account(), 0);
    let _acts = on(&mut session, 29_000, Happened::Heartbeat);
    assert_eq!(poll(&mut session, 30_000), [Act::Ask]);
    assert_eq!(on(&mut session, 30_100, Happened::Mute), [Act::Lost, Act::Close]);
}

#[test]
fn a_socket_without_heartbeat_is_dead() {
    let mut session = live(SessionPlan::account(), 0);
    assert_eq!(poll(&mut session, 14_999), []);
    assert_eq!(poll(&mut session, 15_000), [Act::Lost, Act::Close]);
}

#[test]
fn a_step_that_hangs_is_given_up() {
    let mut session = Session::new(SessionPlan::market(1), 7);
    session.start(at(0));
    assert_eq!(poll(&mut session, 0), [Act::Connect]);
    assert_eq!(on(&mut session, 100, Happened::Connected), [Act::Encrypt]);
    assert_eq!(poll(&mut session, 5_099), []);
    assert_eq!(poll(&mut session, 5_100), [Act::Close], "nothing was live, nothing is lost");
    let until = session.next_attempt().expect("waits");
    let waited = until.since(at(5_100)) / 1_000_000;
    assert!((125..250).contains(&waited), "{waited} ms");
    assert_eq!(on(&mut session, 5_101, Happened::Encrypted), [], "late news of the old socket");
    let mut acts = Vec::new();
    session.stop(&mut |act| acts.push(act));
    assert_eq!(acts, [], "it is closed already");
    assert_eq!(poll(&mut session, 60_000), []);
}

#[test]
fn waits_grow_and_a_steady_hour_forgets_them() {
    let mut session = Session::new(SessionPlan::market(0), 7);
    session.start(at(0));
    let mut waits = Vec::new();
    let mut ms = 0;
    for _ in 0..9 {
        assert_eq!(poll(&mut session, ms), [Act::Connect]);
        assert_eq!(on(&mut session, ms, Happened::Broken), [Act::Close]);
        let until = session.next_attempt().expect("waits");
        let wait = until.since(at(ms)) / 1_000_000;
        waits.push(wait);
        ms += wait + 1;
    }
    for (failures, wait) in waits.iter().enumerate() {
        let most = (250 << failures).min(30_000);
        assert!((most / 2..=most).contains(wait), "{waits:?}");
    }
    assert_eq!(poll(&mut session, ms), [Act::Connect]);
    bring_live(&mut session, ms);
    for _ in 0..61 {
        ms += 1_000;
        let _acts = on(&mut session, ms, Happened::Data);
        assert_eq!(poll(&mut session, ms), []);
    }
    let _acts = on(&mut session, ms, Happened::Broken);
    let wait = session.next_attempt().expect("waits").since(at(ms)) / 1_000_000;
    assert!(wait <= 250, "{wait}");
}

#[test]
fn the_same_seed_waits_the_same_and_another_does_not() {
    let waits = |seed| {
        let mut session = Session::new(SessionPlan::market(0), seed);
        session.start(at(0));
        let _acts = poll(&mut session, 0);
        let _acts = on(&mut session, 0, Happened::Broken);
        session.next_attempt()
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

fn any_happened() -> impl Strategy<Value = Happened> {
    prop_oneof![
        Just(Happened::Connected),
        Just(Happened::Encrypted),
        Just(Happened::Upgraded),
        (0u16..4).prop_map(|topic| Happened::Confirmed { topic }),
        Just(Happened::Refused),
        Just(Happened::Heartbeat),
        Just(Happened::Data),
        Just(Happened::Resynced),
        Just(Happened::Agrees),
        Just(Happened::Mute),
        Just(Happened::Broken),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one socket at a time, Ready and Lost in turn, and never more
    /// attempts in an hour than allowed.
    #[test]
    fn any_order_of_events_keeps_the_rules(
        steps in proptest::collection::vec((0i64..20_000, proptest::option::of(any_happened())), 1..600),
    ) {
        let plan = SessionPlan { attempts_per_hour: 20, ..SessionPlan::market(2) };
        let mut session = Session::new(plan, 7);
        session.start(at(0));
        let (mut ms, mut open, mut live) = (0, false, false);
        let mut attempts: Vec<i64> = Vec::new();
        for (wait, happened) in steps {
            ms += wait;
            let mut acts = poll(&mut session, ms);
            acts.extend(happened.into_iter().flat_map(|happened| on(&mut session, ms, happened)));
            for act in acts {
                match act {
                    Act::Connect => {
                        prop_assert!(!open);
                        open = true;
                        attempts.push(ms);
                    }
                    Act::Close => {
                        prop_assert!(open && !live);
                        open = false;
                    }
                    Act::Ready => {
                        prop_assert!(open && !live);
                        live = true;
                    }
                    Act::Lost => {
                        prop_assert!(live);
                        live = false;
                    }
                    Act::Encrypt | Act::Upgrade | Act::Subscribe { .. } | Act::Resync | Act::Ask => {
                        prop_assert!(open);
                    }
                }
            }
            prop_assert_eq!(session.is_live(), live);
        }
        for first in &attempts {
            let hour = attempts.iter().filter(|attempt| (*first..first + 3_600_000).contains(attempt));
            prop_assert!(hour.count() <= 20);
        }
    }
}
