// The slot itself, written against the atomics of `super::sync`. The model includes this file with others.

use std::marker::PhantomData;
use std::ptr;

use super::sync::{Arc, AtomicPtr, Ordering, POST, TAKE};

/// Room for one snapshot. Any thread may post and take.
#[derive(Debug)]
pub struct Mailbox<T> {
    /// Null, or a pointer of `Arc::into_raw` that this owns.
    slot: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

impl<T> Mailbox<T> {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self { slot: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Puts a snapshot in; gives back one that nobody took.
    pub fn post(&self, snapshot: Arc<T>) -> Option<Arc<T>> {
        owned(self.slot.swap(Arc::into_raw(snapshot).cast_mut(), POST))
    }

    /// Takes what is there. One load where there is nothing.
    pub fn take(&self) -> Option<Arc<T>> {
        if self.slot.load(Ordering::Relaxed).is_null() {
            return None;
        }
        owned(self.slot.swap(ptr::null_mut(), TAKE))
    }
}

/// The owner of a pointer that was swapped out.
fn owned<T>(pointer: *mut T) -> Option<Arc<T>> {
    // SAFETY: only `post` stores pointers, each of one `Arc::into_raw`; a swap hands each to one caller only.
    (!pointer.is_null()).then(|| unsafe { Arc::from_raw(pointer) })
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
