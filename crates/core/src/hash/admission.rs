//! Which request is let in, which hash starts next, and which is refused: the rules alone.
//!
//! Nothing here knows of threads, locks or clocks. Time is passed in, and what is to be told to a
//! caller is returned, so that every sequence of events can be tried out in a test.
//!
//! A request is *admitted* with a ticket, *queues* its first job, has a *seat* from the start of
//! that job to the end of its commit, and *leaves*. There are as many seats as there are threads
//! and commits. A slow store therefore keeps seats taken, jobs do not start, the queue fills and
//! newcomers are refused: nothing piles up behind the store.

mod estimate;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

pub(super) use super::lane::Job;
use super::{HashCost, HashPoolConfig, lane::Lane, pace::Pace};
use crate::id::OrgId;

/// The state of admission. `T` is what a job does, which is of no concern here.
#[derive(Debug)]
pub(super) struct Gate<T> {
    config: HashPoolConfig,
    pace: Pace,
    lanes: BTreeMap<OrgId, Lane<T>>,
    /// Organisations with a waiting job, the one whose turn it is first.
    turns: VecDeque<OrgId>,
    tickets: HashMap<u64, Ticket>,
    last_ticket: u64,
    queued: usize,
    seated: usize,
    running: usize,
    running_work: u64,
    memory: u64,
    /// Whether somebody wakes when the next waiting job is due, or sooner.
    watched: bool,
    closed: bool,
}

#[derive(Debug)]
struct Ticket {
    organisation: OrgId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preparing,
    Queued,
    /// Since this time.
    Seated(Duration),
}

/// Why a request or a job is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No more work is taken.
    Closed,
    /// It waited for as long as a job may.
    Expired(Duration),
    /// Neither the queue nor a larger share has room.
    Full(Duration),
    /// It would not start in time.
    Late(Duration),
    /// A request of an organisation with a smaller share took its place.
    Displaced(Duration),
    /// It asks for more memory than there is for all.
    TooLarge { needed: u64, budget: u64 },
}

/// Numbers for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) seated: usize,
    pub(crate) memory: u64,
}

impl<T> Gate<T> {
    pub(super) fn new(config: HashPoolConfig, usual: HashCost) -> Self {
        Self {
            config,
            pace: Pace::new(&config, usual),
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            queued: 0,
            seated: 0,
            running: 0,
            running_work: 0,
            memory: 0,
            watched: false,
            closed: false,
        }
    }

    /// Lets a request in. Where another one had to make room and its job was already queued, that
    /// job is returned.
    pub(super) fn admit(&mut self, organisation: &OrgId) -> Result<(u64, Option<T>), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        // Whoever cannot start in time learns it now and not at the deadline.
        if self.pace.time(self.queued_before(organisation)) > self.config.wait {
            return Err(Refusal::Late(self.retry_after(organisation)));
        }
        let room = self.config.queue.saturating_add(self.idle());
        let displaced = if self.queued < room {
            None
        } else {
            let full = Refusal::Full(self.retry_after(organisation));
            self.displace(organisation).ok_or(full)?
        };
        self.last_ticket += 1;
        self.queued += 1;
        let id = self.last_ticket;
        let ticket = Ticket {
            organisation: organisation.clone(),
            stage: Stage::Preparing,
        };
        self.tickets.insert(id, ticket);
        self.lane(organisation).prepare(id);
        Ok((id, displaced))
    }

    /// Queues a job of a request that was let in, or gives it back.
    pub(super) fn offer(
        &mut self,
        now: Duration,
        ticket: u64,
        cost: HashCost,
        task: T,
    ) -> Result<(), (Refusal, T)> {
        let (needed, budget) = (cost.memory_bytes(), self.config.memory);
        if needed > budget {
            return Err((Refusal::TooLarge { needed, budget }, task));
        }
        let Some(held) = self.tickets.get_mut(&ticket) else {
            // Without an organisation the whole backlog is before it.
            return Err((Refusal::Displaced(self.drains_in()), task));
        };
        let organisation = held.organisation.clone();
        let deadline = now.saturating_add(self.config.wait);
        let job = Job {
            ticket,
            cost,
            deadline,
            task,
        };
        let seated = matches!(held.stage, Stage::Seated(_));
        if !seated {
            held.stage = Stage::Queued;
        }
        let lane = self.lane(&organisation);
        if seated {
            lane.push_further(job);
        } else {
            lane.push_first(job);
        }
        if !self.turns.contains(&organisation) {
            self.turns.push_back(organisation);
        }
        Ok(())
    }

    /// Starts the next job, if there is one that may start now.
    ///
    /// Organisations take turns. A job that does not fit into the memory that is left keeps its
    /// turn until it does: passing it would starve costly jobs. One that needs a seat is passed by
    /// those that have one, since only they can make one free.
    pub(super) fn next(&mut self, now: Duration) -> Option<Job<T>> {
        if self.is_busy() {
            return None;
        }
        let seat_free = self.seats_left() > 0;
        let (turn, cost) = self
            .turns
            .iter()
            .enumerate()
            .find_map(|(turn, organisation)| {
                let job = self.lanes.get(organisation)?.peek(seat_free)?;
                Some((turn, job.cost))
            })?;
        if cost.memory_bytes() > self.config.memory.saturating_sub(self.memory) {
            return None;
        }
        let organisation = self.turns.remove(turn)?;
        let lane = self.lanes.get_mut(&organisation)?;
        let (job, needs_seat) = lane.take(seat_free)?;
        if needs_seat {
            lane.seated += 1;
            self.seated += 1;
            self.queued = self.queued.saturating_sub(1);
            if let Some(ticket) = self.tickets.get_mut(&job.ticket) {
                ticket.stage = Stage::Seated(now);
            }
        }
        if lane.waiting() > 0 {
            self.turns.push_back(organisation);
        }
        self.running += 1;
        self.running_work = self.running_work.saturating_add(cost.work());
        self.memory += cost.memory_bytes();
        Some(job)
    }

    /// A job has ended. Its time is given if it ran to its end.
    pub(super) fn done(&mut self, cost: HashCost, ran: Option<Duration>) {
        self.running = self.running.saturating_sub(1);
        self.running_work = self.running_work.saturating_sub(cost.work());
        self.memory = self.memory.saturating_sub(cost.memory_bytes());
        if let Some(time) = ran {
            self.pace.ran(cost, time);
        }
    }

    /// Takes back a job that nobody waits for any more, unless it has started.
    pub(super) fn withdraw(&mut self, ticket: u64) -> Option<T> {
        let held = self.tickets.get_mut(&ticket)?;
        let organisation = held.organisation.clone();
        let lane = self.lanes.get_mut(&organisation)?;
        let job = lane.withdraw(ticket)?;
        if held.stage == Stage::Queued {
            held.stage = Stage::Preparing;
            lane.prepare(ticket);
        }
        self.tidy(&organisation);
        Some(job.task)
    }

    /// A request has ended, one way or another. A job that it still has is returned.
    pub(super) fn leave(&mut self, now: Duration, ticket: u64) -> Option<T> {
        let task = self.withdraw(ticket);
        let held = self.tickets.remove(&ticket)?;
        let lane = self.lanes.get_mut(&held.organisation)?;
        if let Stage::Seated(since) = held.stage {
            lane.seated = lane.seated.saturating_sub(1);
            self.seated = self.seated.saturating_sub(1);
            self.pace.held(now.saturating_sub(since));
        } else {
            lane.unprepare(ticket);
            self.queued = self.queued.saturating_sub(1);
        }
        self.tidy(&held.organisation);
        task
    }

    /// Takes one job whose deadline has passed, and says when to come back.
    pub(super) fn expire(&mut self, now: Duration) -> Option<(Refusal, T)> {
        let lanes = self.lanes.iter_mut();
        let (organisation, job) = lanes
            .filter_map(|(name, lane)| lane.take_expired(now).map(|job| (name.clone(), job)))
            .next()?;
        self.forget(job.ticket);
        self.tidy(&organisation);
        Some((Refusal::Expired(self.retry_after(&organisation)), job.task))
    }

    /// When the next waiting job will have waited for too long. Whoever asks wakes then: later
    /// jobs have later deadlines.
    pub(super) fn watch(&mut self) -> Option<Duration> {
        let deadline = self.lanes.values().filter_map(Lane::next_deadline).min();
        self.watched = deadline.is_some();
        deadline
    }

    /// Whether jobs wait and nobody would wake to turn them away.
    pub(super) fn is_unwatched(&self) -> bool {
        !self.watched && self.is_waiting()
    }

    /// Whether no thread will look at the queue before one has hashed.
    pub(super) fn is_busy(&self) -> bool {
        self.running >= self.config.workers.get()
    }

    /// Lets no more requests in. Those that are in may end.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    /// Whether a job waits for its turn. A thread that is woken without one sleeps on at once.
    pub(super) fn is_waiting(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether nobody is in.
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Requests that were ever in.
    #[cfg(test)]
    pub(super) const fn admitted(&self) -> u64 {
        self.last_ticket
    }

    /// Requests that are in.
    #[cfg(test)]
    pub(super) fn present(&self) -> usize {
        self.tickets.len()
    }

    /// Whether nobody is in and nobody will be.
    pub(super) fn is_finished(&self) -> bool {
        self.closed && self.is_empty()
    }

    pub(super) fn levels(&self) -> Levels {
        Levels {
            waiting: self.lanes.values().map(Lane::waiting).sum(),
            running: self.running,
            seated: self.seated,
            memory: self.memory,
        }
    }

    /// Makes room at the cost of whoever has the largest share, if that is more than the share
    /// that `newcomer` would have. The newest request goes, so that no order is changed.
    fn displace(&mut self, newcomer: &OrgId) -> Option<Option<T>> {
        let own = self.lanes.get(newcomer).map_or(0, Lane::share);
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.queued() > 0);
        let (largest, lane) = lanes.max_by_key(|(_, lane)| lane.share())?;
        if own + 1 >= lane.share() {
            return None;
        }
        let largest = largest.clone();
        let (ticket, job) = self.lanes.get_mut(&largest)?.take_newest()?;
        self.forget(ticket);
        self.tidy(&largest);
        Some(job.map(|job| job.task))
    }

    /// Forgets a request that has not begun. One that has a seat keeps it until it leaves.
    fn forget(&mut self, ticket: u64) {
        if self
            .tickets
            .get(&ticket)
            .is_some_and(|held| !matches!(held.stage, Stage::Seated(_)))
        {
            self.tickets.remove(&ticket);
            self.queued = self.queued.saturating_sub(1);
        }
    }

    /// Keeps no turn of an organisation without jobs, and no lane without requests.
    fn tidy(&mut self, organisation: &OrgId) {
        let Some(lane) = self.lanes.get(organisation) else {
            return;
        };
        if lane.waiting() == 0 {
            self.turns.retain(|other| other != organisation);
        }
        if lane.share() == 0 && lane.waiting() == 0 {
            self.lanes.remove(organisation);
        }
    }

    /// Jobs that could start at once.
    fn idle(&self) -> usize {
        let threads = self.config.workers.get().saturating_sub(self.running);
        threads.min(self.seats_left())
    }

    fn seats_left(&self) -> usize {
        let seats = self
            .config
            .workers
            .get()
            .saturating_add(self.config.commits);
        seats.saturating_sub(self.seated)
    }

    fn lane(&mut self, organisation: &OrgId) -> &mut Lane<T> {
        self.lanes
            .entry(organisation.clone())
            .or_insert_with(Lane::new)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
