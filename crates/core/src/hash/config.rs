//! How much hashing a process does at once.

use std::{num::NonZeroUsize, thread, time::Duration};

use super::memory;

/// Size of a [`HashPool`](super::HashPool).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HashPoolConfig {
    /// Threads that hash. The default is the number of cores given to the process.
    pub workers: NonZeroUsize,
    /// Bytes of memory that running hashes may take together. The default is half of the control
    /// group's limit or of the machine's memory, whichever is less, and 512 MiB where neither can
    /// be read.
    pub memory: u64,
    /// Requests that may wait for a thread. The default is 512.
    pub queue: usize,
    /// How long a job may wait before it starts. The default is five seconds.
    pub wait: Duration,
    /// Requests that may be past their hash and not yet done with the store. The default is eight
    /// for each thread, and at least 64.
    pub commits: usize,
}

impl HashPoolConfig {
    /// This many threads, and the default number of commits for them.
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
        self.commits = commits(workers);
        self
    }

    /// This many bytes for all hashes that run.
    #[must_use]
    pub const fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// This many waiting requests. Without any, one is taken only if a thread is free, and nothing
    /// keeps one organisation from taking every turn.
    #[must_use]
    pub const fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// No job starts that has waited for this long.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// This many requests between hash and answer.
    #[must_use]
    pub const fn with_commits(mut self, commits: usize) -> Self {
        self.commits = commits;
        self
    }
}

impl Default for HashPoolConfig {
    fn default() -> Self {
        let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            workers,
            memory: memory::default_budget(),
            queue: 512,
            wait: Duration::from_secs(5),
            commits: commits(workers),
        }
    }
}

/// Enough that threads do not wait for commits that take eight times as long as a hash.
const fn commits(workers: NonZeroUsize) -> usize {
    let scaled = workers.get().saturating_mul(8);
    if scaled < 64 { 64 } else { scaled }
}
