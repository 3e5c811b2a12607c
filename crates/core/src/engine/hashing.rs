//! Every call of the pool, and what work makes refusals cost the same.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    clock::Clock,
    error::{BoxError, Error, ErrorKind},
    hash::{Admission, HashError, HashKind, HashPool, HashPoolConfig, PasswordHasher},
    hash_string::{HashString, Suite},
    id::OrgId,
    secret::Password,
};

/// A pool, and the costliest suite that any password is known to be hashed with.
#[derive(Debug)]
pub(super) struct Hashing {
    pool: HashPool,
    costliest: Mutex<Suite>,
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
        let costliest = suites.iter().copied().fold(own, costlier);
        Ok(Self {
            pool: HashPool::start_on(hasher, config, Arc::clone(clock))?,
            costliest: Mutex::new(costliest),
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

    /// Compares, and spends on a wrong answer what the costliest suite would have cost.
    pub(super) async fn compare(
        &self,
        admission: &mut Admission,
        password: &Arc<Password>,
        hash: &Arc<HashString>,
    ) -> Result<bool, HashError> {
        let costliest = self.observe(hash.parameters());
        let work = admission.verify(HashKind::Compare, password, Arc::clone(hash));
        let right = work.await?;
        if !right && let Some(rest) = costliest.beyond(hash.parameters()) {
            run(admission, password, rest).await?;
        }
        Ok(right)
    }

    /// Spends what the costliest suite would have cost.
    pub(super) async fn pretend(
        &self,
        admission: &mut Admission,
        password: &Arc<Password>,
    ) -> Result<(), HashError> {
        let costliest = *self.lock();
        run(admission, password, costliest).await
    }

    /// A stronger hash of a password that was just verified, where one is due.
    pub(super) async fn upgrade(
        &self,
        admission: &mut Admission,
        password: &Arc<Password>,
        verified: &HashString,
    ) -> Result<Option<HashString>, HashError> {
        if !self.pool.hasher().needs_upgrade(verified) {
            return Ok(None);
        }
        let hash = admission.hash(HashKind::Upgrade, password);
        hash.await.map(Some)
    }

    fn observe(&self, suite: Suite) -> Suite {
        let mut costliest = self.lock();
        *costliest = costlier(*costliest, suite);
        *costliest
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Suite> {
        // A plain value cannot be left half-written, so a poisoned lock is still good.
        self.costliest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
