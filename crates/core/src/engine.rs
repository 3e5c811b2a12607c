//! The one implementation of [`PasswordService`]: rules, hash, conditional commit.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    authority::{Authorized, Permission},
    clock::{Clock, SystemClock},
    details::ObjectDetails,
    error::{Error, ErrorKind, StoreErrorKind},
    hash::{Admission, Argon2id, HashError, HashKind, HashPool, HashPoolConfig, PasswordHasher},
    id::{Operation, OperationId, UserId, UserKey},
    policy::{PolicyStore, StaticPolicies},
    random::{OsRandom, RandomSource},
    secret::Password,
    service::{PasswordService, SetInitialPassword, SetPassword},
    store::{
        Change, CommitOutcome, CredentialChange, EventKind, Method, UserKind, UserRecord,
        UserState, UserStore,
    },
};

/// Sets passwords in a [`UserStore`] by the rules of a [`PolicyStore`].
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn UserStore>,
    policies: Arc<dyn PolicyStore>,
    hashing: HashPool,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
}

impl Engine {
    /// An engine over this store, with defaults for everything else.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore, PasswordService};
    /// let engine = Engine::builder(Arc::new(MemoryStore::new())).build()?;
    /// let service: Arc<dyn PasswordService> = Arc::new(engine);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn builder(store: Arc<dyn UserStore>) -> EngineBuilder {
        EngineBuilder {
            store,
            policies: Arc::new(StaticPolicies::default()),
            hasher: Arc::new(Argon2id::default()),
            pool: HashPoolConfig::default(),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
        }
    }

    /// Takes no more requests that hash, and waits until those that were begun have ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore};
    /// let engine = Engine::builder(Arc::new(MemoryStore::new())).build()?;
    /// engine.drain().await;
    /// # Ok(()) }
    /// ```
    pub async fn drain(&self) {
        self.hashing.drain().await;
    }
}

/// Puts an [`Engine`] together.
#[derive(Debug)]
#[must_use]
pub struct EngineBuilder {
    store: Arc<dyn UserStore>,
    policies: Arc<dyn PolicyStore>,
    hasher: Arc<dyn PasswordHasher>,
    pool: HashPoolConfig,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
}

impl EngineBuilder {
    /// Where policies come from; ZITADEL's default applies to everybody otherwise.
    pub fn with_policies(mut self, policies: Arc<dyn PolicyStore>) -> Self {
        self.policies = policies;
        self
    }

    /// What hashes; Argon2id with m = 19 MiB, t = 2, p = 1 otherwise.
    pub fn with_hasher(mut self, hasher: Arc<dyn PasswordHasher>) -> Self {
        self.hasher = hasher;
        self
    }

    /// How many threads hash and how much may wait; one thread for each core otherwise.
    pub fn with_pool(mut self, pool: HashPoolConfig) -> Self {
        self.pool = pool;
        self
    }

    /// What deadlines are kept on; the system's clock otherwise.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What operation ids are drawn from; the operating system otherwise.
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// Starts the hashing threads.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread, or when a new hash does not fit into the pool's
    /// memory.
    pub fn build(self) -> io::Result<Engine> {
        Ok(Engine {
            hashing: HashPool::start_on(self.hasher, self.pool, Arc::clone(&self.clock))?,
            store: self.store,
            policies: self.policies,
            clock: self.clock,
            random: self.random,
        })
    }
}

/// What the two endpoints differ in (contract section 2.4), and what they share.
struct Setting<'a> {
    proof: &'a Authorized,
    key: UserKey,
    method: Method,
    password: Arc<Password>,
    must_change: bool,
    operation: OperationId,
    deadline: Duration,
}

#[async_trait]
impl PasswordService for Engine {
    async fn set_password(
        &self,
        proof: &Authorized,
        request: SetPassword,
    ) -> Result<ObjectDetails, Error> {
        let operation = self.name(request.operation)?;
        let setting = Setting {
            proof,
            key: proof.covers(Permission::UserWrite, &request.user)?,
            method: Method::SetPassword,
            password: Arc::new(request.password),
            must_change: request.must_change,
            operation: operation.id(),
            deadline: self.deadline(request.time_limit),
        };
        self.set(&setting, operation).await
    }

    async fn set_initial_password(
        &self,
        proof: &Authorized,
        request: SetInitialPassword,
    ) -> Result<ObjectDetails, Error> {
        let operation = self.name(request.operation)?;
        let setting = Setting {
            proof,
            key: proof.covers(Permission::UserWrite, &request.user)?,
            method: Method::SetInitialPassword,
            password: Arc::new(request.password),
            must_change: true,
            operation: operation.id(),
            deadline: self.deadline(request.time_limit),
        };
        self.set(&setting, operation).await
    }

    async fn operation(
        &self,
        proof: &Authorized,
        user: &UserId,
        operation: OperationId,
    ) -> Result<Option<ObjectDetails>, Error> {
        let key = proof.covers(Permission::UserRead, user)?;
        let record = self.store.operation(&key, operation).await?;
        Ok(record.map(|record| record.details))
    }
}

impl Engine {
    async fn set(
        &self,
        setting: &Setting<'_>,
        operation: Operation,
    ) -> Result<ObjectDetails, Error> {
        let earlier = match operation {
            Operation::Fresh(_) => None,
            Operation::Given(id) => self.store.operation(&setting.key, id).await?,
        };
        let result = match earlier {
            Some(done) if done.method == setting.method => return Ok(done.details),
            Some(_) => Err(ErrorKind::OperationReused.into()),
            None => self.set_anew(setting).await,
        };
        result.map_err(|error: Error| error.with_operation(setting.operation))
    }

    async fn set_anew(&self, setting: &Setting<'_>) -> Result<ObjectDetails, Error> {
        // Held until the commit is done, so that requests do not pile up behind a slow store.
        let mut admission = self.hashing.admit(setting.key.organisation())?;
        let record = self.settable(setting).await?;
        let mut change = self.change(setting, &record, &mut admission).await?;
        loop {
            match self.store.commit(&change).await {
                Ok(CommitOutcome::Committed(details) | CommitOutcome::Replayed(details)) => {
                    return Ok(details);
                }
                Ok(CommitOutcome::Conflict) => {}
                Ok(CommitOutcome::NotFound) => return Err(ErrorKind::UserNotFound.into()),
                Ok(CommitOutcome::OperationReused) => {
                    return Err(ErrorKind::OperationReused.into());
                }
                Ok(CommitOutcome::CodeRejected) => return Err(ErrorKind::Bug.into()),
                Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => {
                    return self.resolve(setting, error.into()).await;
                }
                Err(error) => return Err(error.into()),
            }
            if self.clock.elapsed() >= setting.deadline {
                return Err(ErrorKind::Conflict.into());
            }
            // State and policy are read again, the password is not hashed again.
            change.expected = self.settable(setting).await?.version;
        }
    }

    /// The user, if the rules allow this password to be set now.
    async fn settable(&self, setting: &Setting<'_>) -> Result<UserRecord, Error> {
        let record = self
            .store
            .load(&setting.key)
            .await?
            .ok_or(ErrorKind::UserNotFound)?;
        match (record.kind, record.state) {
            (UserKind::Machine, _) | (_, UserState::Removed) => {
                return Err(ErrorKind::UserNotFound.into());
            }
            (UserKind::Human, UserState::Initial) => {
                return Err(ErrorKind::UserNotInitialised.into());
            }
            (UserKind::Human, UserState::Active | UserState::Inactive | UserState::Locked) => {}
        }
        let policy = self.policies.complexity(setting.key.organisation()).await?;
        policy
            .check(&setting.password.composition())
            .map_err(ErrorKind::PolicyViolated)?;
        Ok(record)
    }

    async fn change(
        &self,
        setting: &Setting<'_>,
        record: &UserRecord,
        admission: &mut Admission,
    ) -> Result<Change, Error> {
        let hash = admission.hash(HashKind::Set, &setting.password).await?;
        let (key, operation) = (setting.key.clone(), setting.operation);
        let event = EventKind::PasswordChanged;
        let change = Change::new(key, setting.method, operation, record.version, event)
            .with_credential(CredentialChange::Replace {
                hash,
                must_change: setting.must_change,
            })
            .with_editor(setting.proof.caller().user().clone());
        Ok(change)
    }

    /// Asks once what became of a commit whose answer was lost. Only "applied" settles it: a
    /// commit that is not there yet may still come.
    async fn resolve(&self, setting: &Setting<'_>, unknown: Error) -> Result<ObjectDetails, Error> {
        match self.store.operation(&setting.key, setting.operation).await {
            Ok(Some(done)) => Ok(done.details),
            Ok(None) | Err(_) => Err(unknown),
        }
    }

    fn name(&self, given: Option<Operation>) -> Result<Operation, Error> {
        given.map_or_else(
            || {
                let id = OperationId::random(&*self.random);
                id.map(Operation::Fresh)
                    .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
            },
            Ok,
        )
    }

    fn deadline(&self, time_limit: Duration) -> Duration {
        self.clock.elapsed().saturating_add(time_limit)
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
            | HashError::TooLarge { .. } => ErrorKind::Hashing,
        };
        Self::new(kind).with_source(error)
    }
}
