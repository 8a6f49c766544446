//! A counting allocator: how many heap allocations a thread made.
//!
//! A test binary installs it as its global allocator; every thread then counts for itself, so that tests
//! running beside each other do not disturb a count.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

std::thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts allocations per thread and passes them to the system's allocator. A block that grows or shrinks
/// counts as one more; giving memory back does not count.
#[derive(Debug)]
pub struct CountingAllocator;

fn count() {
    // During a thread's teardown the counter is gone; those allocations are nobody's.
    let _gone = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call is passed to the system's allocator unchanged; the counter is a thread-local `Cell`
// that does not allocate.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations of this thread since it started; always 0 where [`CountingAllocator`] is not installed.
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Allocations that `work` made on this thread.
pub fn allocations_in(work: impl FnOnce()) -> u64 {
    let before = allocations();
    work();
    allocations() - before
}
