//! The threads and the lock around [`Gate`], and nothing that decides.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    HashCost, HashError, HashPoolConfig,
    admission::{Gate, Job, Refusal},
};
use crate::{clock::Clock, id::OrgId, metrics};

/// What a queued job does when its turn comes or it is turned away.
pub(super) type Task = Box<dyn for<'a> FnOnce(Turn<'a>) + Send>;

/// What became of a queued job.
pub(super) enum Turn<'a> {
    Refused(HashError),
    Run(Running<'a>),
}

/// What the threads and the callers share.
///
/// A task is never dropped with the lock held: it holds a ticket, whose end takes the lock.
pub(super) struct Workers {
    gate: Mutex<Gate<Task>>,
    /// Something may start that could not before, or there is nothing more to wait for.
    changed: Condvar,
    /// A job waits, and nobody yet for its deadline; or there is nothing more to wait for.
    overdue: Condvar,
    emptied: Notify,
    clock: Arc<dyn Clock>,
}

impl Workers {
    /// Starts the threads. They have the priority of whoever starts them: above the rest of the
    /// machine, they would starve the threads that the store's fsync needs.
    pub(super) fn start(
        config: HashPoolConfig,
        usual: HashCost,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Arc<Self>> {
        let workers = Arc::new(Self {
            gate: Mutex::new(Gate::new(config, usual)),
            changed: Condvar::new(),
            overdue: Condvar::new(),
            emptied: Notify::new(),
            clock,
        });
        let mut started = workers.spawn("portcullis-deadline".to_owned(), Self::watch);
        for number in 0..config.workers.get() {
            started = started
                .and_then(|()| workers.spawn(format!("portcullis-hash-{number}"), Self::work));
        }
        if let Err(error) = started {
            workers.close();
            return Err(error);
        }
        Ok(workers)
    }

    fn spawn(self: &Arc<Self>, name: String, work: fn(&Self)) -> io::Result<()> {
        let own = Arc::clone(self);
        let thread = thread::Builder::new().name(name);
        thread.spawn(move || work(&own)).map(drop)
    }

    /// Lets a request in, in time or at the cost of another one's place.
    pub(super) fn admit(self: &Arc<Self>, organisation: &OrgId) -> Result<Ticket, HashError> {
        self.expire();
        let mut gate = self.lock();
        let (id, displaced) = gate.admit(organisation).map_err(shed)?;
        let retry_after = gate.retry_after(organisation);
        drop(gate);
        let ticket = Ticket {
            workers: Arc::clone(self),
            id,
        };
        if let Some(task) = displaced {
            task(Turn::Refused(shed(Refusal::Displaced(retry_after))));
        }
        Ok(ticket)
    }

    /// Lets no more requests in.
    pub(super) fn close(&self) {
        self.lock().close();
        self.changed.notify_all();
        self.overdue.notify_all();
    }

    /// Waits until nobody is in.
    pub(super) async fn emptied(&self) {
        loop {
            // Registered before the look, so that no end in between is missed.
            let emptied = self.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Requests that are in.
    #[cfg(test)]
    pub(super) fn present(&self) -> usize {
        self.lock().present()
    }

    /// Requests that were ever in.
    #[cfg(test)]
    pub(super) fn admitted(&self) -> u64 {
        self.lock().admitted()
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            let running = Running {
                workers: self,
                cost: job.cost,
                started: self.clock.elapsed(),
                ran: None,
            };
            (job.task)(Turn::Run(running));
        }
    }

    /// Waits for a job that may start. None once there will be no more.
    fn next(&self) -> Option<Job<Task>> {
        loop {
            self.expire();
            let mut gate = self.lock();
            if let Some(job) = gate.next(self.clock.elapsed()) {
                record(&gate);
                if gate.is_waiting() {
                    // There may be room for more than one.
                    self.changed.notify_one();
                }
                self.have_watched(&gate);
                return Some(job);
            }
            if gate.is_finished() {
                return None;
            }
            self.have_watched(&gate);
            let woken = self.changed.wait(gate);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Sees that what waits is turned away in time. Under load somebody already waits for that, so
    /// that this costs nothing.
    fn have_watched(&self, gate: &Gate<Task>) {
        if gate.is_unwatched() {
            self.overdue.notify_one();
        }
    }

    /// Turns away what waits for too long while all threads hash.
    fn watch(&self) {
        loop {
            self.expire();
            let mut gate = self.lock();
            if gate.is_finished() {
                return;
            }
            let deadline = gate.watch();
            match deadline {
                None => {
                    let woken = self.overdue.wait(gate);
                    drop(woken.unwrap_or_else(PoisonError::into_inner));
                }
                Some(deadline) => {
                    let patience = deadline.saturating_sub(self.clock.elapsed()).max(TICK);
                    drop(self.overdue.wait_timeout(gate, patience));
                }
            }
        }
    }

    /// Turns away whatever has waited for too long.
    fn expire(&self) {
        loop {
            let mut gate = self.lock();
            let Some((refusal, task)) = gate.expire(self.clock.elapsed()) else {
                return;
            };
            record(&gate);
            if gate.is_waiting() {
                // It stood before what may start now.
                self.changed.notify_one();
            }
            drop(gate);
            task(Turn::Refused(shed(refusal)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gate<Task>> {
        // The gate calls nothing foreign, so a poisoned lock means a bug here and not a torn state.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = self.lock().levels();
        f.debug_struct("Workers")
            .field("waiting", &levels.waiting)
            .field("running", &levels.running)
            .field("seated", &levels.seated)
            .field("memory", &levels.memory)
            .finish_non_exhaustive()
    }
}

/// A job while it runs. It gives its thread and its memory back however it ends.
pub(super) struct Running<'a> {
    workers: &'a Workers,
    cost: HashCost,
    started: Duration,
    ran: Option<Duration>,
}

impl Running<'_> {
    /// When it started, on the pool's clock.
    pub(super) const fn started(&self) -> Duration {
        self.started
    }

    /// It came to its end, which a panic does not. Its time then counts for the pace.
    pub(super) fn finish(mut self) -> Duration {
        let ran = self.workers.clock.elapsed().saturating_sub(self.started);
        self.ran = Some(ran);
        ran
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut gate = self.workers.lock();
        gate.done(self.cost, self.ran);
        record(&gate);
    }
}

/// A request that was let in. Its end frees its place, or its seat.
///
/// A running job holds it too: a caller that goes away must not free what is still in use.
pub(super) struct Ticket {
    workers: Arc<Workers>,
    id: u64,
}

impl Ticket {
    /// The time on the pool's clock.
    pub(super) fn now(&self) -> Duration {
        self.workers.clock.elapsed()
    }

    /// Queues a job. One that is refused is told so through its task.
    pub(super) fn offer(&self, cost: HashCost, task: Task) {
        let mut gate = self.workers.lock();
        let result = gate.offer(self.now(), self.id, cost, task);
        record(&gate);
        if gate.is_busy() {
            self.workers.have_watched(&gate);
        }
        drop(gate);
        match result {
            Ok(()) => self.workers.changed.notify_one(),
            Err((refusal, task)) => task(Turn::Refused(shed(refusal))),
        }
    }

    /// Takes a job back that has not started.
    pub(super) fn withdraw(&self) {
        let mut gate = self.workers.lock();
        let task = gate.withdraw(self.id);
        record(&gate);
        drop(gate);
        if task.is_some() {
            metrics::count_shed("abandoned", 1);
            // What it stood before may start now.
            self.workers.changed.notify_one();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut gate = self.workers.lock();
        let task = gate.leave(self.now(), self.id);
        record(&gate);
        let (empty, finished) = (gate.is_empty(), gate.is_finished());
        let waiting = gate.is_waiting();
        drop(gate);
        drop(task);
        if empty {
            self.workers.emptied.notify_waiters();
        }
        if finished {
            self.workers.changed.notify_all();
            self.workers.overdue.notify_all();
        } else if waiting {
            self.workers.changed.notify_one();
        }
    }
}

/// Counts a refusal and tells it.
fn shed(refusal: Refusal) -> HashError {
    let (reason, retry_after) = match refusal {
        Refusal::Closed => ("closed", None),
        Refusal::Displaced(retry_after) => ("displaced", Some(retry_after)),
        Refusal::Expired(retry_after) => ("expired", Some(retry_after)),
        Refusal::Full(retry_after) => ("full", Some(retry_after)),
        Refusal::Late(retry_after) => ("late", Some(retry_after)),
        Refusal::TooLarge { needed, budget } => {
            metrics::count_shed("too_large", 1);
            return HashError::TooLarge { needed, budget };
        }
    };
    metrics::count_shed(reason, 1);
    retry_after.map_or(HashError::Closed, |retry_after| HashError::Overloaded {
        retry_after,
    })
}

fn record(gate: &Gate<Task>) {
    metrics::record_levels(&gate.levels());
}

/// Every reason for which work is shed, so that counters can start at zero.
pub(super) const SHED: [&str; 7] = [
    "abandoned",
    "closed",
    "displaced",
    "expired",
    "full",
    "late",
    "too_large",
];

/// A clock that stands still must not make the thread spin that watches it.
const TICK: Duration = Duration::from_millis(1);
