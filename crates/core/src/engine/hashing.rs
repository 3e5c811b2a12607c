//! Every call of the pool, and what work makes refusals cost the same.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    clock::Clock,
    error::{BoxError, Error, ErrorKind},
    hash::{Admission, HashCost, HashError, HashKind, HashPool, HashPoolConfig, PasswordHasher},
    hash_string::{HashRefusal, HashString, Suite},
    id::OrgId,
    secret::Password,
};

/// A pool, and the costliest suite that passwords are known to be hashed with.
#[derive(Debug)]
pub(super) struct Hashing {
    pool: HashPool,
    usual: Suite,
    /// Costlier ones that were met, for the organisations whose users have them.
    costlier: Mutex<HashMap<OrgId, Suite>>,
}

impl Hashing {
    pub(super) fn start(
        hasher: Arc<dyn PasswordHasher>,
        config: HashPoolConfig,
        clock: &Arc<dyn Clock>,
        suites: &[Suite],
    ) -> io::Result<Self> {
        // A hasher of the application's may call its suite what it likes.
        let own = hasher.suite().parse().unwrap_or(DEFAULT);
        let usual = suites.iter().copied().fold(own, costlier);
        if HashCost::of(&usual).memory_bytes() > config.memory {
            let text = "the costliest suite does not fit into the memory for hashing";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            pool: HashPool::start_on(hasher, config, Arc::clone(clock))?,
            usual,
            costlier: Mutex::default(),
        })
    }

    /// A place for one request. It is kept until the request's last write, so that requests do
    /// not pile up behind a slow store.
    pub(super) fn admit(&self, organisation: &OrgId) -> Result<Admission, HashError> {
        self.pool.admit(organisation)
    }

    pub(super) async fn drain(&self) {
        self.pool.drain().await;
    }

    /// Compares. Only a comparison that could be made says what passwords here cost.
    pub(super) async fn compare(
        &self,
        admission: &mut Admission,
        organisation: &OrgId,
        password: &Arc<Password>,
        hash: &Arc<HashString>,
    ) -> Result<bool, HashError> {
        let work = admission.verify(HashKind::Compare, password, Arc::clone(hash));
        let right = work.await?;
        self.observe(organisation, hash.parameters());
        Ok(right)
    }

    /// Spends on a refusal what the costliest suite would have cost beyond this hash. The
    /// comparison was made, so whatever happens here, the attempt counts.
    pub(super) async fn make_up(
        &self,
        admission: &mut Admission,
        organisation: &OrgId,
        password: &Arc<Password>,
        hash: &HashString,
    ) {
        let costliest = self.costliest(organisation);
        let Some(rest) = costliest.beyond(hash.parameters()) else {
            return;
        };
        if let Err(error) = run(admission, password, rest).await {
            tracing::warn!(%error, "a refusal cost less than others do");
        }
    }

    /// Spends what the costliest suite would have cost.
    pub(super) async fn pretend(
        &self,
        admission: &mut Admission,
        organisation: &OrgId,
        password: &Arc<Password>,
    ) -> Result<(), HashError> {
        run(admission, password, self.costliest(organisation)).await
    }

    /// A stronger hash of a password that was just verified, where one is due.
    pub(super) async fn upgrade(
        &self,
        admission: &mut Admission,
        password: &Arc<Password>,
        verified: &Arc<HashString>,
    ) -> Result<Option<HashString>, HashError> {
        if !self.pool.hasher().needs_upgrade(verified) {
            return Ok(None);
        }
        let hash = admission.rehash(password, Arc::clone(verified));
        hash.await.map(Some)
    }

    /// Whether a hash from elsewhere could be compared here.
    pub(super) fn admits(&self, hash: &HashString) -> Result<(), HashRefusal> {
        self.pool.admits(hash).map_err(|error| match error {
            HashError::TooLarge { .. } => HashRefusal::OutOfBounds,
            HashError::Unsupported => HashRefusal::Unsupported,
            _ => HashRefusal::Unreadable,
        })
    }

    /// A suite that could be run, of a user of this organisation: others do not pay for it.
    fn observe(&self, organisation: &OrgId, suite: Suite) {
        if suite.work() > self.costliest(organisation).work() {
            self.lock().insert(organisation.clone(), suite);
        }
    }

    fn costliest(&self, organisation: &OrgId) -> Suite {
        self.lock().get(organisation).copied().unwrap_or(self.usual)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, Suite>> {
        // Whole values are put in, so a poisoned lock is still good.
        self.costlier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(
    admission: &mut Admission,
    password: &Arc<Password>,
    suite: Suite,
) -> Result<(), HashError> {
    let decoy =
        HashString::decoy(suite).map_err(|error| HashError::Refused(BoxError::from(error)))?;
    let work = admission.verify(HashKind::Dummy, password, Arc::new(decoy));
    // No password is right: nobody's hash is all zeros.
    work.await.map(|_| ())
}

const DEFAULT: Suite = Suite::Argon2 {
    variant: crate::hash_string::Variant::Argon2id,
    memory_kib: 19_456,
    passes: 2,
    lanes: 1,
};

fn costlier(one: Suite, other: Suite) -> Suite {
    if other.work() > one.work() {
        other
    } else {
        one
    }
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        let kind = match error {
            HashError::Closed => ErrorKind::Unavailable,
            HashError::Overloaded { retry_after } => ErrorKind::Overloaded { retry_after },
            HashError::Died
            | HashError::OutOfMemory
            | HashError::Random(_)
            | HashError::Refused(_)
            | HashError::TooLarge { .. }
            | HashError::UnknownPepper
            | HashError::Unsupported => ErrorKind::Hashing,
        };
        Self::new(kind).with_source(error)
    }
}
