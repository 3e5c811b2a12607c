//! Threads of its own for hashing, so that the async runtime never blocks.

use std::{
    fmt, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{HashError, HashKind, PasswordHasher, queue::Queue};
use crate::{hash_string::HashString, metrics::count_hash, secret::Password};

/// Size of a [`HashPool`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HashPoolConfig {
    /// Threads that hash. The default is the number of cores given to the process.
    pub workers: NonZeroUsize,
    /// Jobs that may wait beyond those that run. The default is 512.
    pub queue: usize,
}

impl HashPoolConfig {
    /// This many threads.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use portcullis_core::HashPoolConfig;
    /// let config = HashPoolConfig::default().with_workers(NonZeroUsize::MIN);
    /// assert_eq!(config.workers.get(), 1);
    /// ```
    #[must_use]
    pub const fn with_workers(mut self, workers: NonZeroUsize) -> Self {
        self.workers = workers;
        self
    }

    /// This many waiting jobs.
    #[must_use]
    pub const fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }
}

impl Default for HashPoolConfig {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            queue: 512,
        }
    }
}

type Job = Box<dyn FnOnce(&Pace) + Send>;

/// Runs a [`PasswordHasher`] on a fixed number of threads with a bounded queue.
///
/// A job whose caller went away is dropped before it hashes; one that does not fit into the
/// queue is refused at once. Dropping the pool lets running jobs end.
pub struct HashPool {
    hasher: Arc<dyn PasswordHasher>,
    jobs: Arc<Queue<Job>>,
    pace: Arc<Pace>,
}

impl HashPool {
    /// Starts the threads.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{Argon2Params, Argon2id, HashKind, HashPool, HashPoolConfig, Password};
    /// let hasher = Argon2id::new(Argon2Params::new(8, 1, 1)?);
    /// let pool = HashPool::start(Arc::new(hasher), HashPoolConfig::default())?;
    /// let password = Arc::new(Password::new("Secret-1234".to_owned())?);
    /// let hash = pool.hash(HashKind::Set, &password).await?;
    /// assert!(pool.verify(HashKind::Compare, &password, Arc::new(hash)).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread.
    pub fn start(hasher: Arc<dyn PasswordHasher>, config: HashPoolConfig) -> io::Result<Self> {
        let pool = Self {
            hasher,
            jobs: Arc::new(Queue::new(config.queue)),
            pace: Arc::new(Pace::new(config.workers)),
        };
        for number in 0..config.workers.get() {
            let (jobs, pace) = (Arc::clone(&pool.jobs), Arc::clone(&pool.pace));
            thread::Builder::new()
                .name(format!("portcullis-hash-{number}"))
                .spawn(move || work(&jobs, &pace))?;
        }
        for kind in HashKind::ALL {
            count_hash(kind, 0);
        }
        Ok(pool)
    }

    /// Hashes a new password.
    ///
    /// # Errors
    ///
    /// When the queue is full or the hasher fails.
    pub async fn hash(
        &self,
        kind: HashKind,
        password: &Arc<Password>,
    ) -> Result<HashString, HashError> {
        let (hasher, password) = (Arc::clone(&self.hasher), Arc::clone(password));
        self.run(kind, self.hasher.suite(), move || hasher.hash(&password))
            .await
    }

    /// Compares a password with a hash.
    ///
    /// # Errors
    ///
    /// When the queue is full or the hasher fails. An error is never a wrong password.
    pub async fn verify(
        &self,
        kind: HashKind,
        password: &Arc<Password>,
        hash: Arc<HashString>,
    ) -> Result<bool, HashError> {
        let (hasher, password) = (Arc::clone(&self.hasher), Arc::clone(password));
        self.run(kind, hash.suite(), move || hasher.verify(&password, &hash))
            .await
    }

    /// The hasher that runs here.
    #[must_use]
    pub fn hasher(&self) -> &dyn PasswordHasher {
        &*self.hasher
    }

    async fn run<T: Send + 'static>(
        &self,
        kind: HashKind,
        suite: String,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |pace| {
            if reply.is_closed() {
                return;
            }
            count_hash(kind, 1);
            tracing::debug!(kind = kind.as_str(), suite, "hash started");
            let start = Instant::now();
            // A panic costs this answer and not the thread: dropping `reply` reports it.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
                pace.ran_for(start.elapsed());
                let _ = reply.send(result);
            }
        });
        self.jobs
            .push(job)
            .map_err(|waiting| HashError::Overloaded {
                retry_after: self.pace.drains_in(waiting),
            })?;
        answer.await.unwrap_or(Err(HashError::Died))
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("hasher", &self.hasher)
            .finish_non_exhaustive()
    }
}

fn work(jobs: &Queue<Job>, pace: &Pace) {
    while let Some(job) = jobs.next() {
        job(pace);
    }
}

/// How fast the queue moves, for an honest retry time.
#[derive(Debug)]
struct Pace {
    workers: NonZeroUsize,
    mean_micros: AtomicU64,
}

impl Pace {
    fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers,
            mean_micros: AtomicU64::new(0),
        }
    }

    /// A moving average over about eight runs. A lost update costs a little accuracy.
    fn ran_for(&self, time: Duration) {
        let sample = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mean = self.mean_micros.load(Ordering::Relaxed);
        let next = if mean == 0 {
            sample
        } else {
            mean - mean / 8 + sample / 8
        };
        self.mean_micros.store(next, Ordering::Relaxed);
    }

    fn drains_in(&self, waiting: usize) -> Duration {
        let jobs = waiting.div_ceil(self.workers.get());
        let mean = Duration::from_micros(self.mean_micros.load(Ordering::Relaxed));
        let time = mean.saturating_mul(u32::try_from(jobs).unwrap_or(u32::MAX));
        time.max(Duration::from_millis(1))
    }
}
