//! A store that fails on demand.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use portcullis_core::{
    BoxError, OperationId, OsRandom, StoreError, StoreErrorKind, UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventKind, EventPage,
        EventQuery, HashUpgrade, Method, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserRecord,
    },
};

/// A method of [`UserStore`], by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreMethod {
    /// [`UserStore::commit`].
    Commit,
    /// [`UserStore::create`].
    Create,
    /// [`UserStore::events`].
    Events,
    /// [`UserStore::load`].
    Load,
    /// [`UserStore::operation`].
    Operation,
    /// [`UserStore::settle_attempt`].
    SettleAttempt,
    /// [`UserStore::take_attempt`].
    TakeAttempt,
    /// [`UserStore::upgrade_hash`].
    UpgradeHash,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call is applied and its answer is lost.
    After(StoreErrorKind),
    /// The call never reaches the store.
    Before(StoreErrorKind),
    /// The call panics before it reaches the store.
    Panic,
}

/// A store that fails when it is told to and hands every other call on.
///
/// Faults are used once, in the order in which they were planned. Clones share the plan.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, StoreErrorKind, UserId, UserKey, UserStore};
/// use portcullis_core::store::{CreateOutcome, NewUser, UserKind};
/// use portcullis_testkit::{Fault, FaultyStore, StoreMethod};
///
/// let store = FaultyStore::new(Arc::new(MemoryStore::new()));
/// store.fail_next(StoreMethod::Create, Fault::After(StoreErrorKind::OutcomeUnknown));
/// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
/// let user = NewUser::new(key, "alice", UserKind::Human, OperationId::random(&OsRandom)?);
/// let lost = store.create(&user).await.unwrap_err();
/// assert_eq!(lost.kind(), StoreErrorKind::OutcomeUnknown);
/// // The answer was lost, the user was not: the same operation again says so.
/// assert!(matches!(store.create(&user).await?, CreateOutcome::Replayed(_)));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn UserStore>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    overtaken: bool,
    calls: u64,
    next: VecDeque<(StoreMethod, Fault)>,
    numbered: Vec<(u64, Fault)>,
}

impl FaultyStore {
    /// Hands every call on to `inner`, until faults are planned.
    ///
    /// ```
    /// use std::sync::Arc;
    /// let inner = Arc::new(portcullis_core::MemoryStore::new());
    /// assert_eq!(portcullis_testkit::FaultyStore::new(inner).calls(), 0);
    /// ```
    #[must_use]
    pub fn new(inner: Arc<dyn UserStore>) -> Self {
        Self {
            inner,
            plan: Arc::default(),
        }
    }

    /// Fails the next call of `method` for which no earlier fault is planned.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{MemoryStore, StoreErrorKind};
    /// use portcullis_testkit::{Fault, FaultyStore, StoreMethod};
    /// let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    /// store.fail_next(StoreMethod::Commit, Fault::Before(StoreErrorKind::Unavailable));
    /// assert_eq!(store.planned(), 1);
    /// ```
    pub fn fail_next(&self, method: StoreMethod, fault: Fault) {
        self.lock().next.push_back((method, fault));
    }

    /// Fails the call that comes after `calls` others from now on, whichever it is.
    ///
    /// To try every point of failure of some use, count its calls and fail them one by one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{MemoryStore, StoreErrorKind};
    /// use portcullis_testkit::{Fault, FaultyStore};
    /// let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    /// store.fail_after(2, Fault::Before(StoreErrorKind::Unavailable));
    /// assert_eq!(store.planned(), 1);
    /// ```
    pub fn fail_after(&self, calls: u64, fault: Fault) {
        let mut plan = self.lock();
        let number = plan.calls.saturating_add(calls);
        plan.numbered.push((number, fault));
    }

    /// From now on somebody else changes a user just before every commit to it, so that every
    /// commit loses its race.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};
    /// # use portcullis_core::store::{Change, CommitOutcome, EventKind, Method, NewUser, UserKind};
    /// # let store = portcullis_testkit::FaultyStore::new(Arc::new(MemoryStore::new()));
    /// # let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// # store.create(&NewUser::new(key.clone(), "alice", UserKind::Human, OperationId::random(&OsRandom)?)).await?;
    /// # let version = store.load(&key).await?.ok_or("no such user")?.version;
    /// # let operation = OperationId::random(&OsRandom)?;
    /// # let change = Change::new(key, Method::ChangeState, operation, version, EventKind::Reactivated);
    /// store.overtake_commits();
    /// assert_eq!(store.commit(&change).await?, CommitOutcome::Conflict);
    /// # Ok(()) }
    /// ```
    pub fn overtake_commits(&self) {
        self.lock().overtaken = true;
    }

    async fn overtake(&self, key: &UserKey) -> Result<(), StoreError> {
        if !self.lock().overtaken {
            return Ok(());
        }
        let operation = OperationId::random(&OsRandom);
        let operation = operation.map_err(|error| planned(StoreErrorKind::Internal, error))?;
        if let Some(user) = self.inner.load(key).await? {
            let (key, event) = (key.clone(), EventKind::Reactivated);
            let rival = Change::new(key, Method::ChangeState, operation, user.version, event);
            self.inner.commit(&rival).await?;
        }
        Ok(())
    }

    /// How many calls came so far, failed ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// How many faults have not been used yet.
    #[must_use]
    pub fn planned(&self) -> usize {
        let plan = self.lock();
        plan.next.len() + plan.numbered.len()
    }

    /// Fails now or hands back the error that takes the place of the answer.
    fn enter(&self, method: StoreMethod) -> Result<Option<StoreError>, StoreError> {
        // The lock is released before a planned panic.
        let fault = self.lock().enter(method);
        match fault {
            None => Ok(None),
            Some(Fault::After(kind)) => Ok(Some(planned(kind, PLANNED))),
            Some(Fault::Before(kind)) => Err(planned(kind, PLANNED)),
            Some(Fault::Panic) => panic!("a planned panic"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn enter(&mut self, method: StoreMethod) -> Option<Fault> {
        let number = self.calls;
        self.calls = number.saturating_add(1);
        if let Some(index) = self.numbered.iter().position(|(at, _)| *at == number) {
            return Some(self.numbered.remove(index).1);
        }
        let index = self.next.iter().position(|(at, _)| *at == method)?;
        self.next.remove(index).map(|(_, fault)| fault)
    }
}

const PLANNED: &str = "a planned fault";

fn planned(kind: StoreErrorKind, cause: impl Into<BoxError>) -> StoreError {
    StoreError::new(kind).with_source(cause)
}

/// One call: the fault before it, the call itself, the fault after it.
macro_rules! call {
    ($self:ident, $method:ident, $call:expr) => {{
        let lost = $self.enter(StoreMethod::$method)?;
        let answer = $call.await;
        lost.map_or(answer, Err)
    }};
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserStore for FaultyStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        call!(self, Create, self.inner.create(user))
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        call!(self, Load, self.inner.load(key))
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.overtake(&change.key).await?;
        call!(self, Commit, self.inner.commit(change))
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        call!(self, TakeAttempt, self.inner.take_attempt(request))
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        call!(self, SettleAttempt, self.inner.settle_attempt(settlement))
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        call!(self, UpgradeHash, self.inner.upgrade_hash(upgrade))
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        call!(self, Events, self.inner.events(query))
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        call!(self, Operation, self.inner.operation(key, operation))
    }
}
