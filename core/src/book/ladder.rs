//! One side of a book as two parallel arrays, best level last.
//!
//! Keys and quantities lie apart, so that the binary search of a 5,000-level side touches 40 kB, not 80.
//! Best last: changes cluster at the touch, and there an insertion moves few levels.

use alloc::vec::Vec;

use crate::units::{Price, Qty};

/// One price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its price.
    pub price: Price,
    /// Quantity resting there; above zero inside a book.
    pub qty: Qty,
}

#[derive(Clone, Debug)]
pub(super) struct Ladder {
    /// Ascending: the best key is the last.
    keys: Vec<i64>,
    qtys: Vec<Qty>,
    levels_max: usize,
    overflowed: u64,
}

impl Ladder {
    pub(super) fn new(levels_max: usize) -> Self {
        let levels_max = levels_max.max(1);
        Self {
            keys: Vec::with_capacity(levels_max),
            qtys: Vec::with_capacity(levels_max),
            levels_max,
            overflowed: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.qtys.clear();
    }

    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    pub(super) fn get(&self, key: i64) -> Option<Qty> {
        self.keys.binary_search(&key).ok().map(|at| self.qtys[at])
    }

    pub(super) fn best_first(&self) -> impl Iterator<Item = (i64, Qty)> {
        self.keys.iter().copied().zip(self.qtys.iter().copied()).rev()
    }

    pub(super) fn set(&mut self, key: i64, qty: Qty) {
        match (self.keys.binary_search(&key), qty.is_zero()) {
            (Ok(at), false) => self.qtys[at] = qty,
            (Ok(at), true) => {
                self.keys.remove(at);
                self.qtys.remove(at);
            }
            (Err(at), false) => self.insert(at, key, qty),
            // Removing what is not there is common: the level lay beyond the snapshot's window.
            (Err(_), true) => {}
        }
    }

    fn insert(&mut self, at: usize, key: i64, qty: Qty) {
        if self.keys.len() < self.levels_max {
            self.keys.insert(at, key);
            self.qtys.insert(at, qty);
            return;
        }
        self.overflowed += 1;
        // Full: the worst level is the first. A new level worse than it has no place.
        if let Some(last_moved) = at.checked_sub(1) {
            self.keys.copy_within(1..at, 0);
            self.qtys.copy_within(1..at, 0);
            self.keys[last_moved] = key;
            self.qtys[last_moved] = qty;
        }
    }
}
