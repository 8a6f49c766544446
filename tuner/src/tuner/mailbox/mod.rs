//! One snapshot on its way to the kernel: published by one atomic swap, taken by another.
//!
//! The kernel pays one load a poll while there is nothing. The same code runs under a model checker with
//! its own atomics ([`model`]), and with an ordering planted wrong that the checker must find.

#[expect(
    unsafe_code,
    reason = "an atomic pointer owns what it points to; see the lines that say SAFETY"
)]
mod slot;

mod sync {
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{AtomicPtr, Ordering};

    /// What was written before a snapshot was posted is seen by who takes it.
    pub(super) const POST: Ordering = Ordering::AcqRel;
    pub(super) const TAKE: Ordering = Ordering::Acquire;
}

pub use slot::Mailbox;

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Says when it goes.
    struct Token(Arc<AtomicBool>);

    impl Drop for Token {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_nobody_took_comes_back_and_what_is_left_goes_with_it() {
        let mailbox = Mailbox::new();
        let gone = || Arc::new(AtomicBool::new(false));
        let (first, second) = (gone(), gone());
        assert!(mailbox.post(Arc::new(Token(Arc::clone(&first)))).is_none());
        let back = mailbox.post(Arc::new(Token(Arc::clone(&second))));
        assert!(back.is_some() && !first.load(Ordering::Relaxed));
        drop(back);
        assert!(first.load(Ordering::Relaxed) && !second.load(Ordering::Relaxed));
        drop(mailbox);
        assert!(second.load(Ordering::Relaxed));
    }

    #[test]
    fn a_million_swaps_against_a_reader_tear_nothing() {
        const SWAPS: u64 = 1_000_000;
        let mailbox: Arc<Mailbox<[u64; 16]>> = Arc::new(Mailbox::new());
        let poster = {
            let mailbox = Arc::clone(&mailbox);
            std::thread::spawn(move || {
                (1..=SWAPS).for_each(|version| drop(mailbox.post(Arc::new([version; 16]))));
            })
        };
        let mut last = 0;
        while last < SWAPS {
            let Some(snapshot) = mailbox.take() else {
                // With one core the poster must get its turn.
                std::thread::yield_now();
                continue;
            };
            assert!(snapshot[0] > last, "went back");
            assert!(snapshot.iter().all(|part| *part == snapshot[0]), "torn: {snapshot:?}");
            last = snapshot[0];
        }
        assert!(poster.join().is_ok());
        assert!(mailbox.take().is_none());
    }
}
