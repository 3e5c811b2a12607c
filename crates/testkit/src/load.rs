//! Load on a store, and the count of what the store made of it.
//!
//! Writers set passwords at full speed, while a test kills the server behind the store, cuts its
//! connections or loses its replies. They go on through all of it. In the end the audit compares
//! what was acknowledged with what is there; [`check`](crate::linearizability::check) tells the
//! same of the order in which it was seen.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use portcullis_core::{MemoryStore, UserStore};
//! use portcullis_testkit::{linearizability::check, load::Load};
//! let store: Arc<dyn UserStore> = Arc::new(MemoryStore::new());
//! let load = Load::on(&[Arc::clone(&store)]).writers(8).users(2).start().await?;
//! load.wait_for(100).await; // and kill the server here
//! let journal = load.stop().await;
//! let audit = journal.audit(&*store).await?;
//! assert!(audit.acknowledged >= 100 && audit.is_sound(), "{audit}");
//! assert!(check(journal.history()).is_ok());
//! # Ok(()) }
//! ```

mod audit;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use portcullis_core::{HashDigest, OperationId, StoreError, UserKey, UserStore};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    build::{key, new_user, op},
    linearizability::{History, Outcome, Recorder},
};

pub use audit::Audit;

/// A load that is to be put on a store.
#[derive(Debug, Clone)]
pub struct Load {
    stores: Vec<Arc<dyn UserStore>>,
    users: usize,
    writers: usize,
    retries: bool,
}

impl Load {
    /// A load of 32 writers on 8 users. The stores are handles on the same data, as different
    /// processes would have; writers are spread over them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::MemoryStore;
    /// let store = MemoryStore::new();
    /// let load = portcullis_testkit::load::Load::on(&[Arc::new(store)]);
    /// # drop(load);
    /// ```
    #[must_use]
    pub fn on(stores: &[Arc<dyn UserStore>]) -> Self {
        Self {
            stores: stores.to_vec(),
            users: 8,
            writers: 32,
            retries: false,
        }
    }

    /// Another number of users. They are new ones.
    #[must_use]
    pub const fn users(mut self, users: usize) -> Self {
        self.users = users;
        self
    }

    /// Another number of writers, which work at the same time.
    #[must_use]
    pub const fn writers(mut self, writers: usize) -> Self {
        self.writers = writers;
        self
    }

    /// Writers that try again, under the same operation id, what failed or has no outcome.
    #[must_use]
    pub const fn with_retries(mut self) -> Self {
        self.retries = true;
        self
    }

    /// Creates the users and starts the writers.
    ///
    /// # Errors
    ///
    /// When the users cannot be created.
    ///
    /// # Panics
    ///
    /// When there is no store.
    pub async fn start(self) -> Result<Running, StoreError> {
        let (run, recorder) = (op(), Recorder::new());
        let mut users = Vec::new();
        for number in 0..self.users {
            let key = key("load", &format!("{run}-{number}"));
            self.stores[0].create(&new_user(&key)).await?;
            let record = self.stores[0].load(&key).await?;
            recorder.begin(&record.expect("the user was created"));
            users.push(key);
        }
        let shared = Arc::new(Shared {
            users,
            recorder,
            retries: self.retries,
            stopped: AtomicBool::new(false),
            hashes: AtomicU64::new(0),
            acknowledged: watch::Sender::new(0),
        });
        let stores = self.stores.iter().cycle().take(self.writers);
        let writers = stores.enumerate().map(|(index, store)| {
            let (shared, store) = (Arc::clone(&shared), Arc::clone(store));
            async move { shared.write_on(&*store, index).await }
        });
        let writers = writers.collect();
        Ok(Running { shared, writers })
    }
}

/// A load that goes on until it is stopped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    writers: JoinSet<Vec<Written>>,
}

impl Running {
    /// How many writes were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        *self.shared.acknowledged.borrow()
    }

    /// Waits until so many writes were acknowledged since the start.
    pub async fn wait_for(&self, acknowledged: usize) {
        let mut count = self.shared.acknowledged.subscribe();
        let reached = count.wait_for(|count| *count >= acknowledged).await;
        // The sender is not gone as long as the load is there.
        drop(reached);
    }

    /// Waits until so many more writes were acknowledged than now: that the store works again.
    pub async fn wait_for_more(&self, acknowledged: usize) {
        self.wait_for(self.acknowledged() + acknowledged).await;
    }

    /// Lets every writer end what it has begun; what they did.
    ///
    /// # Panics
    ///
    /// When the store panicked.
    pub async fn stop(self) -> Journal {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let writes = self.writers.join_all().await.concat();
        Journal {
            users: self.shared.users.clone(),
            writes,
            history: self.shared.recorder.history(),
        }
    }
}

/// What writers did and what they were told.
#[derive(Debug)]
pub struct Journal {
    users: Vec<UserKey>,
    writes: Vec<Written>,
    history: History,
}

impl Journal {
    /// Every load and every commit, for [`check`](crate::linearizability::check).
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Compares what writers were told with what a store has.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn audit(&self, store: &dyn UserStore) -> Result<Audit, StoreError> {
        let mut audit = Audit::default();
        for user in &self.users {
            let writes = self.writes.iter().filter(|write| write.user == *user);
            audit.user(store, user, writes).await?;
        }
        Ok(audit)
    }
}

/// One write and what its writer was told.
#[derive(Debug, Clone)]
struct Written {
    user: UserKey,
    operation: OperationId,
    hash: HashDigest,
    outcome: Outcome,
}

/// What writers share.
#[derive(Debug)]
struct Shared {
    users: Vec<UserKey>,
    recorder: Recorder,
    retries: bool,
    stopped: AtomicBool,
    hashes: AtomicU64,
    acknowledged: watch::Sender<usize>,
}
