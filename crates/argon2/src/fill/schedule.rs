//! The order of the segments, on one thread or several.

use std::{
    num::NonZeroUsize,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Fill, Lane, Plan};
use crate::params::SLICES;

/// Fills the memory.
///
/// # Safety
///
/// The memory holds the blocks of the plan, aligned to 64 bytes, and nobody else uses it. The first
/// two blocks of each lane are filled. The processor has what `fill` needs.
pub(crate) unsafe fn run(plan: &Plan, memory: *mut u64, fill: Fill, threads: NonZeroUsize) {
    let tickets = Tickets {
        plan,
        memory,
        fill,
        next: AtomicUsize::new(0),
        done: Mutex::new(0),
        slice_done: Condvar::new(),
    };
    let others = threads.get().min(plan.lanes) - 1;
    thread::scope(|scope| {
        for _ in 0..others {
            // A thread that is refused is not missed: the others take its tickets.
            let thread = thread::Builder::new().name("portcullis-lane".to_owned());
            if thread.spawn_scoped(scope, || tickets.work()).is_err() {
                break;
            }
        }
        tickets.work();
    });
}

/// All segments in order; whoever is free takes the next one.
///
/// Made only by [`run`], whose caller vouches for the memory and the processor.
struct Tickets<'a> {
    plan: &'a Plan,
    memory: *mut u64,
    fill: Fill,
    next: AtomicUsize,
    done: Mutex<usize>,
    slice_done: Condvar,
}

// SAFETY: the memory is written to only through segments, each of which is handed out once, and
// read only where the lock orders the reading after the writing.
unsafe impl Sync for Tickets<'_> {}

impl Tickets<'_> {
    fn work(&self) {
        let slices = self.plan.passes.saturating_mul(SLICES);
        let lanes = self.plan.lanes;
        loop {
            let ticket = self.next.fetch_add(1, Ordering::Relaxed);
            let (slice, lane) = (ticket / lanes, ticket % lanes);
            if slice >= slices {
                return;
            }
            self.wait(slice * lanes);
            let lane = Lane {
                pass: slice / SLICES,
                slice: slice % SLICES,
                lane,
            };
            // SAFETY: a ticket is drawn once, so the segment is this thread's own, and all earlier
            // slices are done. The rest is what the maker of the tickets vouches for.
            unsafe { (self.fill)(self.plan, self.memory, lane) };
            self.finish();
        }
    }

    /// Waits until this many segments are done.
    fn wait(&self, segments: usize) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while *done < segments {
            done = self
                .slice_done
                .wait(done)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        // Nobody waits for a lane that is alone, and the system call would be made all the same.
        if self.plan.lanes > 1 && done.is_multiple_of(self.plan.lanes) {
            self.slice_done.notify_all();
        }
    }
}
