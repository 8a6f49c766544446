//! What a snapshot keeps: an order that works when the process dies is looked after by the next one.

use std::vec::Vec;

use super::rig::*;
use crate::engine::Damage;
use crate::kernel::Kernel;
use crate::msg::OrderKind;
use crate::msg::record::RouterEvent::{Cancel, EntryMiss, ExitMarketFallback, Requote, Working};
use crate::router::Router;

impl Rig {
    /// Everything through bytes, as a restart does it.
    fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.kernel.save(&mut bytes);
        self.kernel = Kernel::restore(&bytes, &self.settings, table()).expect("a kernel");
        self.router = restored(&self.router, 2).expect("a router");
    }
}

fn restored(router: &Router, slots: usize) -> Result<Router, Damage> {
    let bytes = postcard::to_allocvec(router).expect("bytes");
    let mut router: Router = postcard::from_bytes(&bytes).expect("a router");
    router.restored(2, slots).map(|()| router)
}

#[test]
fn a_working_entry_lives_on() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    let due = rig.router.next_deadline();
    rig.restart();
    assert_eq!(rig.router.next_deadline(), due);
    rig.wait(6 * SECOND);
    rig.quote("0.2000", "0.2001");
    assert_eq!(rig.canceled, [entry.client]);
    rig.restart();
    rig.ended(entry, 0);
    assert_eq!(rig.events(), [Working, Cancel, EntryMiss, Requote]);
    assert_ne!(rig.last().trade, entry.trade);
}

#[test]
fn a_working_exit_is_never_stranded() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.ack(exit);
    rig.restart();
    rig.tick_after(5 * SECOND);
    assert_eq!(rig.canceled, [exit.client]);
    rig.restart();
    rig.ended(exit, 0);
    assert_eq!(rig.last().kind, OrderKind::Market);
    assert_eq!(rig.events(), [Working, ExitMarketFallback]);
}

#[test]
fn without_its_router_the_kernel_brings_the_exit_home() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.ack(exit);
    rig.router = Router::new();
    rig.tick_after(5 * SECOND);
    rig.ended(exit, 0);
    assert_eq!((rig.last().kind, rig.last().qty), (OrderKind::Market, whole(1_000)));
}

#[test]
fn what_cannot_be_a_routers_state_is_refused() {
    let mut rig = Rig::new(retrying());
    rig.enter();
    let good = rig.router.clone();
    assert!(restored(&good, 2).is_ok());
    let broken = |breaks: fn(&mut Router)| {
        let mut router = good.clone();
        breaks(&mut router);
        restored(&router, 2)
    };
    assert!(broken(|router| router.followed = 7).is_err());
    assert!(broken(|router| router.entries.swap(0, 1)).is_err());
    let asset = |router: &mut Router| {
        let entry = router.entries[0].as_mut().expect("an entry");
        entry.plan.instrument = crate::id::InstrumentId::new(2);
    };
    assert!(broken(asset).is_err());
    // A slot that is no more takes its entry with it.
    let fewer = restored(&good, 0).expect("a router");
    assert!(!fewer.is_entering(0));
    assert_eq!(fewer.next_deadline(), None);
}
