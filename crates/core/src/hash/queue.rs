//! Jobs that wait for a hashing thread.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A bounded queue that wakes one thread for one job.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<T>,
    idle: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// Holds this many jobs beyond those that an idle thread is about to take.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                idle: 0,
                closed: false,
            }),
            arrived: Condvar::new(),
            limit,
        }
    }

    /// Adds a job, or says how many are in the way.
    pub(super) fn push(&self, job: T) -> Result<(), usize> {
        let mut state = self.lock();
        if state.jobs.len() >= self.limit.saturating_add(state.idle) {
            return Err(state.jobs.len());
        }
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for a job. None once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.lock();
        state.idle += 1;
        while state.jobs.is_empty() && !state.closed {
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.idle -= 1;
        state.jobs.pop_front()
    }

    /// Lets the threads go once nothing is left to do.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics with the lock held, so a poisoned one is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn jobs_come_out_in_order_and_the_bound_holds() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(1), Ok(()));
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.push(3), Err(2));
        assert_eq!(queue.next(), Some(1));
        assert_eq!(queue.push(3), Ok(()));
        queue.close();
        assert_eq!(
            [queue.next(), queue.next(), queue.next()],
            [Some(2), Some(3), None]
        );
    }

    #[test]
    fn every_job_is_taken_once_by_one_of_many_threads() {
        let queue = Arc::new(Queue::new(usize::MAX));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || std::iter::from_fn(|| queue.next()).collect::<Vec<_>>())
            })
            .collect();
        for job in 0..1_000 {
            assert_eq!(queue.push(job), Ok(()));
        }
        queue.close();
        let mut taken: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn without_room_to_wait_only_an_idle_thread_takes_a_job() {
        let queue = Arc::new(Queue::new(0));
        assert_eq!(queue.push(1), Err(0));
        let taker = Arc::clone(&queue);
        let thread = thread::spawn(move || taker.next());
        while queue.push(2).is_err() {
            thread::yield_now();
        }
        assert_eq!(thread.join().unwrap(), Some(2));
    }
}
