//! What one organisation has in the system.

use std::{collections::VecDeque, time::Duration};

use super::HashCost;

/// One hash that is to be computed.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) ticket: u64,
    pub(super) cost: HashCost,
    pub(super) deadline: Duration,
    pub(super) task: T,
}

/// An organisation's requests, in the order in which they came.
#[derive(Debug)]
pub(super) struct Lane<T> {
    /// Tickets of requests that were admitted and have nothing to hash yet.
    preparing: VecDeque<u64>,
    /// The first job of a request. It starts only if a seat is free.
    first: VecDeque<Job<T>>,
    first_work: u64,
    /// Further jobs of requests that have a seat.
    further: VecDeque<Job<T>>,
    further_work: u64,
    /// Requests whose first hash has started and whose commit is not done.
    pub(super) seated: usize,
}

impl<T> Lane<T> {
    pub(super) const fn new() -> Self {
        Self {
            preparing: VecDeque::new(),
            first: VecDeque::new(),
            first_work: 0,
            further: VecDeque::new(),
            further_work: 0,
            seated: 0,
        }
    }

    /// Requests that have not begun to hash.
    pub(super) fn queued(&self) -> usize {
        self.preparing.len() + self.first.len()
    }

    /// Everything that the organisation has in the system.
    pub(super) fn share(&self) -> usize {
        self.queued() + self.seated
    }

    /// Jobs that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.first.len() + self.further.len()
    }

    /// Work of those that have not begun, with a guess for those that still prepare.
    pub(super) fn queued_work(&self, usual: u64) -> u64 {
        let preparing = u64::try_from(self.preparing.len()).unwrap_or(u64::MAX);
        self.first_work
            .saturating_add(preparing.saturating_mul(usual))
    }

    pub(super) const fn further_work(&self) -> u64 {
        self.further_work
    }

    pub(super) fn prepare(&mut self, ticket: u64) {
        self.preparing.push_back(ticket);
    }

    pub(super) fn unprepare(&mut self, ticket: u64) {
        self.preparing.retain(|other| *other != ticket);
    }

    /// Queues the first job of a request.
    pub(super) fn push_first(&mut self, job: Job<T>) {
        self.unprepare(job.ticket);
        self.first_work = self.first_work.saturating_add(job.cost.work());
        self.first.push_back(job);
    }

    /// Queues another job of a request that has a seat.
    pub(super) fn push_further(&mut self, job: Job<T>) {
        self.further_work = self.further_work.saturating_add(job.cost.work());
        self.further.push_back(job);
    }

    /// The job that is next here. What was begun is ended first, so that its seat becomes free.
    pub(super) fn peek(&self, seat_free: bool) -> Option<&Job<T>> {
        let first = self.first.front().filter(|_| seat_free);
        self.further.front().or(first)
    }

    /// Takes what [`peek`](Self::peek) showed, and whether it needs a seat.
    pub(super) fn take(&mut self, seat_free: bool) -> Option<(Job<T>, bool)> {
        if !self.further.is_empty() {
            return self.take_further(0).map(|job| (job, false));
        }
        if !seat_free {
            return None;
        }
        self.take_first(0).map(|job| (job, true))
    }

    /// Takes a job back that has not started.
    pub(super) fn withdraw(&mut self, ticket: u64) -> Option<Job<T>> {
        let of = |job: &Job<T>| job.ticket == ticket;
        if let Some(index) = self.first.iter().position(of) {
            return self.take_first(index);
        }
        let index = self.further.iter().position(of)?;
        self.take_further(index)
    }

    /// Takes the request that came last and has not begun: its ticket, and its job if it has one.
    pub(super) fn take_newest(&mut self) -> Option<(u64, Option<Job<T>>)> {
        if self.first.is_empty() {
            return self.preparing.pop_back().map(|ticket| (ticket, None));
        }
        let job = self.take_first(self.first.len() - 1)?;
        Some((job.ticket, Some(job)))
    }

    /// Takes a job whose deadline has passed. Deadlines are in the order of arrival.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Job<T>> {
        let passed = |job: Option<&Job<T>>| job.is_some_and(|job| job.deadline <= now);
        if passed(self.first.front()) {
            return self.take_first(0);
        }
        if passed(self.further.front()) {
            return self.take_further(0);
        }
        None
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let fronts = [self.first.front(), self.further.front()];
        fronts.into_iter().flatten().map(|job| job.deadline).min()
    }

    fn take_first(&mut self, index: usize) -> Option<Job<T>> {
        let job = self.first.remove(index)?;
        self.first_work = self.first_work.saturating_sub(job.cost.work());
        Some(job)
    }

    fn take_further(&mut self, index: usize) -> Option<Job<T>> {
        let job = self.further.remove(index)?;
        self.further_work = self.further_work.saturating_sub(job.cost.work());
        Some(job)
    }
}
