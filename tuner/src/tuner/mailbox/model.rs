//! The slot under loom: every order in which two threads can run, and what each may see.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The slot as it is.
mod real {
    pub(super) mod sync {
        pub(in super::super) use loom::sync::Arc;
        pub(in super::super) use loom::sync::atomic::{AtomicPtr, Ordering};

        pub(super) const POST: Ordering = super::super::super::sync::POST;
        pub(super) const TAKE: Ordering = super::super::super::sync::TAKE;
    }
    #[expect(unsafe_code, unreachable_pub, reason = "the same file")]
    pub(super) mod slot {
        include!("slot.rs");
    }
}

/// The same with the mistake that is easily made: the snapshot may be seen before what is in it.
mod twin {
    pub(super) mod sync {
        pub(in super::super) use loom::sync::Arc;
        pub(in super::super) use loom::sync::atomic::{AtomicPtr, Ordering};

        pub(super) const POST: Ordering = Ordering::Relaxed;
        pub(super) const TAKE: Ordering = super::super::super::sync::TAKE;
    }
    #[expect(unsafe_code, unreachable_pub, reason = "the same file")]
    pub(super) mod slot {
        include!("slot.rs");
    }
}

/// A snapshot whose halves loom watches: each read must come after the write.
struct Snapshot {
    version: loom::cell::UnsafeCell<u64>,
    again: loom::cell::UnsafeCell<u64>,
}

#[expect(unsafe_code, reason = "loom proves what this claims, or the test fails")]
// SAFETY: written before it is shared, read only afterwards; loom panics where that does not hold.
unsafe impl Sync for Snapshot {}

#[expect(unsafe_code, reason = "loom's cells give pointers")]
impl Snapshot {
    fn new(version: u64) -> Self {
        let cell = || loom::cell::UnsafeCell::new(0);
        let snapshot = Self { version: cell(), again: cell() };
        // SAFETY: nobody else has it yet.
        snapshot.version.with_mut(|half| unsafe { *half = version });
        // SAFETY: nobody else has it yet.
        snapshot.again.with_mut(|half| unsafe { *half = version });
        snapshot
    }

    fn read(&self) -> (u64, u64) {
        // SAFETY: nobody writes any more; loom checks it.
        let half = |cell: &loom::cell::UnsafeCell<u64>| cell.with(|half| unsafe { *half });
        (half(&self.version), half(&self.again))
    }
}

macro_rules! model {
    ($module:ident) => {
        catch_unwind(AssertUnwindSafe(|| {
            loom::model(|| {
                use loom::sync::Arc;
                let mailbox = Arc::new($module::slot::Mailbox::new());
                let poster = {
                    let mailbox = Arc::clone(&mailbox);
                    loom::thread::spawn(move || {
                        for version in [1, 2] {
                            let unread = mailbox.post(Arc::new(Snapshot::new(version)));
                            assert!(unread.is_none_or(|old| old.read() == (1, 1)));
                        }
                    })
                };
                let mut last = 0;
                for _ in 0..2 {
                    if let Some(snapshot) = mailbox.take() {
                        let (version, again) = snapshot.read();
                        assert_eq!(version, again, "torn");
                        assert!(version > last, "went back");
                        last = version;
                    }
                }
                poster.join().expect("no panic");
                // The last one is there, or was taken.
                let rest = mailbox.take().map(|snapshot| snapshot.read().0);
                assert_eq!(rest.unwrap_or(last), 2);
            });
        }))
    };
}

#[test]
fn no_order_of_two_threads_tears_loses_or_repeats_a_snapshot() {
    assert!(model!(real).is_ok());
}

#[test]
fn the_model_finds_the_planted_ordering() {
    assert!(model!(twin).is_err());
}
