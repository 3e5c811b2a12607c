//! Hashing as requests see it: admitted in bytes, on threads of its own.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::{
    HashCost, HashError, HashKind, HashPoolConfig, PasswordHasher,
    suites::Suites,
    workers::{SHED, Task, Ticket, Turn, Workers},
};
use crate::{
    clock::{Clock, SystemClock},
    hash_string::{HashString, Suite},
    id::OrgId,
    metrics,
    secret::Password,
};

/// Runs a [`PasswordHasher`] on a fixed number of threads, within a budget of memory.
///
/// Each job is charged what *its* hash string asks for. It waits while the memory that is left is
/// too little; costly jobs are not passed by cheap ones. Within an organisation jobs start in the
/// order in which they came, and organisations take turns. When the queue is full, a request of
/// the organisation that has the most makes room for one that has less; every other request is
/// refused with the time that the backlog will take. A job whose caller went away, or that has
/// waited for too long, never runs.
///
/// The threads have the priority of whoever started them. Nothing raises it, and nothing should:
/// a store that fsyncs would starve.
pub struct HashPool {
    hasher: Arc<dyn PasswordHasher>,
    config: HashPoolConfig,
    suites: Arc<Suites>,
    workers: Arc<Workers>,
}

impl HashPool {
    /// Starts the threads, with deadlines on the system's clock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{
    ///     Argon2Params, Argon2id, HashKind, HashPool, HashPoolConfig, OrgId, Password,
    /// };
    /// let hasher = Argon2id::new(Argon2Params::new(8, 1, 1)?);
    /// let pool = HashPool::start(Arc::new(hasher), HashPoolConfig::default())?;
    /// let (acme, password) = (OrgId::new("acme")?, Arc::new(Password::new("Secret-1234".to_owned())?));
    /// let hash = pool.hash(HashKind::Set, &acme, &password).await?;
    /// assert!(pool.verify(HashKind::Compare, &acme, &password, Arc::new(hash)).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread, or when a new hash does not fit into the memory
    /// of the configuration ([`io::ErrorKind::InvalidInput`]).
    pub fn start(hasher: Arc<dyn PasswordHasher>, config: HashPoolConfig) -> io::Result<Self> {
        Self::start_on(hasher, config, Arc::new(SystemClock::new()))
    }

    /// Starts the threads, with deadlines on this clock.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Argon2id, HashPool, HashPoolConfig, SystemClock};
    /// let config = HashPoolConfig::default().with_memory(64 * 1024 * 1024);
    /// let clock = Arc::new(SystemClock::new());
    /// assert!(HashPool::start_on(Arc::new(Argon2id::default()), config, clock.clone()).is_ok());
    /// let nothing = config.with_memory(0);
    /// assert!(HashPool::start_on(Arc::new(Argon2id::default()), nothing, clock).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_on(
        hasher: Arc<dyn PasswordHasher>,
        config: HashPoolConfig,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let usual = hasher.cost();
        let (needed, budget) = (usual.memory_bytes(), config.memory);
        if needed > budget {
            let error = HashError::TooLarge { needed, budget };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        let pool = Self {
            suites: Arc::new(Suites::new(hasher.suite())),
            workers: Workers::start(config, usual, clock)?,
            hasher,
            config,
        };
        for kind in HashKind::ALL {
            metrics::count_hash(kind, 0);
        }
        for reason in SHED {
            metrics::count_shed(reason, 0);
        }
        metrics::record_config(&config);
        Ok(pool)
    }

    /// Lets a request of this organisation in, or says when to come back.
    ///
    /// The request keeps its place in the queue, and once it hashes its seat, until the
    /// [`Admission`] is dropped. Hold it until the commit is done: then requests cannot pile up
    /// behind a slow store.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{
    ///     Argon2Params, Argon2id, HashKind, HashPool, HashPoolConfig, OrgId, Password,
    /// };
    /// let hasher = Arc::new(Argon2id::new(Argon2Params::new(8, 1, 1)?));
    /// let pool = HashPool::start(hasher, HashPoolConfig::default())?;
    /// let password = Arc::new(Password::new("Secret-1234".to_owned())?);
    /// let mut admission = pool.admit(&OrgId::new("acme")?)?;
    /// let hash = admission.hash(HashKind::Set, &password).await?;
    /// // Commit the hash here.
    /// drop(admission);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`HashError::Overloaded`] when there is no room, [`HashError::Closed`] after
    /// [`close`](Self::close).
    pub fn admit(&self, organisation: &OrgId) -> Result<Admission, HashError> {
        Ok(Admission {
            hasher: Arc::clone(&self.hasher),
            suites: Arc::clone(&self.suites),
            ticket: Arc::new(self.workers.admit(organisation)?),
        })
    }

    /// Hashes a new password, admitted for this one hash alone.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit), or when the hasher fails.
    pub async fn hash(
        &self,
        kind: HashKind,
        organisation: &OrgId,
        password: &Arc<Password>,
    ) -> Result<HashString, HashError> {
        self.admit(organisation)?.hash(kind, password).await
    }

    /// Compares a password with a hash, admitted for this one hash alone.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit), [`HashError::TooLarge`] when the hash asks for more than all
    /// memory there is, or when the hasher fails. An error is never a wrong password.
    pub async fn verify(
        &self,
        kind: HashKind,
        organisation: &OrgId,
        password: &Arc<Password>,
        hash: Arc<HashString>,
    ) -> Result<bool, HashError> {
        self.admit(organisation)?.verify(kind, password, hash).await
    }

    /// Whether a hash can be compared here, without comparing one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Argon2id, HashError, HashPool, HashPoolConfig, HashString};
    /// let config = HashPoolConfig::default().with_memory(64 * 1024 * 1024);
    /// let pool = HashPool::start(Arc::new(Argon2id::default()), config)?;
    /// let text = "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";
    /// let refused = pool.admits(&HashString::parse(text)?);
    /// assert!(matches!(refused, Err(HashError::TooLarge { .. })));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`HashError::TooLarge`] when the hash asks for more than all memory there is, or as
    /// [`PasswordHasher::admits`].
    pub fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        let (needed, budget) = (hash.cost().memory_bytes(), self.config.memory);
        if needed > budget {
            return Err(HashError::TooLarge { needed, budget });
        }
        self.hasher.admits(hash)
    }

    /// The hasher that runs here.
    #[must_use]
    pub fn hasher(&self) -> &dyn PasswordHasher {
        &*self.hasher
    }

    /// The values in use.
    #[must_use]
    pub const fn config(&self) -> &HashPoolConfig {
        &self.config
    }

    /// Lets no more requests in. Those that are in go on to their end.
    pub fn close(&self) {
        self.workers.close();
    }

    /// Lets no more requests in, and waits until those that are in have ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{Argon2id, HashError, HashPool, HashPoolConfig, OrgId};
    /// let pool = HashPool::start(Arc::new(Argon2id::default()), HashPoolConfig::default())?;
    /// pool.drain().await;
    /// assert!(matches!(pool.admit(&OrgId::new("acme")?), Err(HashError::Closed)));
    /// # Ok(()) }
    /// ```
    pub async fn drain(&self) {
        self.close();
        self.workers.emptied().await;
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("hasher", &self.hasher)
            .field("config", &self.config)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// A request that [`HashPool::admit`] let in.
///
/// Its hashes are computed one after the other. Once the first has started, no further one is
/// refused for want of room.
#[must_use = "dropping it ends the admission"]
pub struct Admission {
    hasher: Arc<dyn PasswordHasher>,
    suites: Arc<Suites>,
    ticket: Arc<Ticket>,
}

impl Admission {
    /// Hashes a new password.
    ///
    /// # Errors
    ///
    /// [`HashError::Overloaded`] when the request lost its place to another organisation's or
    /// waited for too long, or when the hasher fails.
    pub async fn hash(
        &mut self,
        kind: HashKind,
        password: &Arc<Password>,
    ) -> Result<HashString, HashError> {
        let (hasher, password) = (Arc::clone(&self.hasher), Arc::clone(password));
        let (cost, suite) = (hasher.cost(), hasher.suite());
        self.run(kind, cost, suite, move || hasher.hash(&password))
            .await
    }

    /// Hashes a password anew that was found right for `verified`.
    ///
    /// # Errors
    ///
    /// As [`hash`](Self::hash).
    pub async fn rehash(
        &mut self,
        password: &Arc<Password>,
        verified: Arc<HashString>,
    ) -> Result<HashString, HashError> {
        let (hasher, password) = (Arc::clone(&self.hasher), Arc::clone(password));
        let (mut cost, mut suite) = (hasher.cost(), hasher.suite());
        let of = verified.parameters();
        if matches!(of, Suite::Argon2 { .. }) && of.work() > cost.work() {
            (cost, suite) = (verified.cost(), verified.suite());
        }
        let work = move || hasher.rehash(&password, &verified);
        self.run(HashKind::Upgrade, cost, suite, work).await
    }

    /// Compares a password with a hash.
    ///
    /// # Errors
    ///
    /// As [`hash`](Self::hash), and [`HashError::TooLarge`] when the hash asks for more than all
    /// memory there is. An error is never a wrong password.
    pub async fn verify(
        &mut self,
        kind: HashKind,
        password: &Arc<Password>,
        hash: Arc<HashString>,
    ) -> Result<bool, HashError> {
        let (hasher, password) = (Arc::clone(&self.hasher), Arc::clone(password));
        let (cost, suite) = (hash.cost(), hash.suite());
        self.run(kind, cost, suite, move || hasher.verify(&password, &hash))
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        kind: HashKind,
        cost: HashCost,
        suite: String,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let (reply, answer) = oneshot::channel();
        let (ticket, suites) = (Arc::clone(&self.ticket), Arc::clone(&self.suites));
        let offered = self.ticket.now();
        let task: Task = Box::new(move |turn| {
            let running = match turn {
                Turn::Run(running) if !reply.is_closed() => running,
                Turn::Run(_) => return,
                Turn::Refused(error) => {
                    let _ = reply.send(Err(error));
                    return;
                }
            };
            metrics::count_hash(kind, 1);
            tracing::debug!(kind = kind.as_str(), suite, "hash started");
            let label = suites.label(&suite);
            metrics::record_wait(label.clone(), running.started().saturating_sub(offered));
            // A panic costs this answer and not the thread: dropping `reply` reports it.
            let Ok(result) = catch_unwind(AssertUnwindSafe(work)) else {
                return;
            };
            metrics::record_run(label, running.finish());
            // Whoever has the answer may ask again at once, and finds the place free.
            drop(ticket);
            let _ = reply.send(result);
        });
        self.ticket.offer(cost, task);
        let _withdrawn = Withdraw(&self.ticket);
        answer.await.unwrap_or(Err(HashError::Died))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Takes the job back when its caller goes away.
struct Withdraw<'a>(&'a Ticket);

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

#[cfg(test)]
mod tests;
