//! A service on a store that writes down its calls, with a hasher that counts.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use portcullis_core::{
    Argon2Params, Argon2id, Authorized, Caller, ChangePassword, CheckPassword, Clock, Engine,
    EngineBuilder, Error, ErrorKind, Evidence, HashCost, HashError, HashString, ManualClock,
    MemoryStore, ObjectDetails, OperationId, OrgId, OsRandom, Password, PasswordHasher,
    PasswordService, Permission, Policies, Refusal, RequestReset, ResetCode, SetPassword,
    StaticPolicies, StoreError, SystemClock, Timer, UserId, UserKey, UserStore, Verified, danger,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserKind, UserRecord, UserState,
    },
};

pub(crate) const RIGHT: &str = "Secret-1234";
pub(crate) const WRONG: &str = "Secret-4321";
pub(crate) const NEW: &str = "Secret-5678";

/// Argon2id as cheap as it gets, counted.
#[derive(Debug)]
pub(crate) struct Counting {
    inner: Argon2id,
    pub(crate) hashes: AtomicU64,
    pub(crate) compares: AtomicU64,
    pub(crate) work: AtomicU64,
    pub(crate) faults: Mutex<VecDeque<HashError>>,
    pub(crate) upgrade_fault: Mutex<Option<HashError>>,
}

impl Counting {
    pub(crate) fn new(memory: u32) -> Self {
        Self::over(cheap(memory))
    }

    pub(crate) fn over(inner: Argon2id) -> Self {
        Self {
            inner,
            hashes: AtomicU64::new(0),
            compares: AtomicU64::new(0),
            work: AtomicU64::new(0),
            faults: Mutex::default(),
            upgrade_fault: Mutex::default(),
        }
    }

    /// Hashes, comparisons and their cost since the last call.
    pub(crate) fn take(&self) -> (u64, u64, u64) {
        let take = |counter: &AtomicU64| counter.swap(0, SeqCst);
        (take(&self.hashes), take(&self.compares), take(&self.work))
    }
}

impl PasswordHasher for Counting {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        if let Some(fault) = self.upgrade_fault.lock().unwrap().take() {
            return Err(fault);
        }
        let hash = self.inner.hash(password)?;
        self.hashes.fetch_add(1, SeqCst);
        self.work.fetch_add(hash.cost().work(), SeqCst);
        Ok(hash)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        if let Some(fault) = self.faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        self.compares.fetch_add(1, SeqCst);
        self.work.fetch_add(hash.cost().work(), SeqCst);
        self.inner.verify(password, hash)
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        self.inner.admits(hash)
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        self.inner.needs_upgrade(hash)
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        if let Some(fault) = self.upgrade_fault.lock().unwrap().take() {
            return Err(fault);
        }
        let hash = self.inner.rehash(password, verified)?;
        self.hashes.fetch_add(1, SeqCst);
        self.work.fetch_add(hash.cost().work(), SeqCst);
        Ok(hash)
    }

    fn cost(&self) -> HashCost {
        self.inner.cost()
    }

    fn suite(&self) -> String {
        self.inner.suite()
    }
}

pub(crate) fn cheap(memory: u32) -> Argon2id {
    Argon2id::new(Argon2Params::new(memory, 1, 1).unwrap())
}

/// Writes down which methods were called.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) inner: Arc<dyn UserStore>,
    calls: Mutex<Vec<&'static str>>,
}

impl Recorder {
    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn note(&self, method: &'static str) -> &dyn UserStore {
        self.calls.lock().unwrap().push(method);
        &*self.inner
    }
}

#[async_trait]
impl UserStore for Recorder {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        self.note("create").create(user).await
    }
    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        self.note("load").load(key).await
    }
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.note("commit").commit(change).await
    }
    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        self.note("take").take_attempt(request).await
    }
    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        self.note("settle").settle_attempt(settlement).await
    }
    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        self.note("upgrade").upgrade_hash(upgrade).await
    }
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.note("events").events(query).await
    }
    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        self.note("operation").operation(key, operation).await
    }
}

/// Time stands still while somebody waits.
#[derive(Debug)]
pub(crate) struct Still;

#[async_trait]
impl Timer for Still {
    async fn sleep(&self, _time: Duration) {
        tokio::task::yield_now().await;
    }
}

/// Time passes only while somebody waits.
#[derive(Debug)]
pub(crate) struct Passing(pub(crate) Arc<ManualClock>);

#[async_trait]
impl Timer for Passing {
    async fn sleep(&self, time: Duration) {
        self.0.advance(time);
        tokio::task::yield_now().await;
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) memory: MemoryStore,
    pub(crate) store: Arc<Recorder>,
    pub(crate) hasher: Arc<Counting>,
    pub(crate) service: Arc<Engine>,
}

impl World {
    pub(crate) fn new(policies: Policies) -> Self {
        Self::with(policies, Counting::new(8), |builder, _| builder)
    }

    pub(crate) fn with(
        policies: Policies,
        hasher: Counting,
        more: impl FnOnce(EngineBuilder, &Arc<ManualClock>) -> EngineBuilder,
    ) -> Self {
        Self::over(policies, hasher, more, |store| store)
    }

    pub(crate) fn over(
        policies: Policies,
        hasher: Counting,
        more: impl FnOnce(EngineBuilder, &Arc<ManualClock>) -> EngineBuilder,
        wrap: impl FnOnce(Arc<dyn UserStore>) -> Arc<dyn UserStore>,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let memory = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let store = Arc::new(Recorder {
            inner: wrap(Arc::new(memory.clone())),
            calls: Mutex::default(),
        });
        let hasher = Arc::new(hasher);
        let builder = Engine::builder(Arc::clone(&store) as Arc<dyn UserStore>)
            .with_policies(Arc::new(StaticPolicies::new(policies)))
            .with_hasher(Arc::clone(&hasher) as Arc<dyn PasswordHasher>)
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .with_timer(Arc::new(Still));
        let service = Arc::new(more(builder, &clock).build().unwrap());
        Self {
            clock,
            memory,
            store,
            hasher,
            service,
        }
    }

    /// A person in this state, with the right password if `password`.
    pub(crate) async fn person(&self, id: &str, state: UserState, password: bool) {
        let operation = OperationId::random(&OsRandom).unwrap();
        let mut user = NewUser::new(key(id), id, UserKind::Human, operation).with_state(state);
        if password {
            let hash = self.hasher.inner.hash(&secret(RIGHT)).unwrap();
            user = user.with_hash(hash, false);
        }
        self.memory.create(&user).await.unwrap();
    }

    pub(crate) async fn alice(policies: Policies) -> Self {
        let world = Self::new(policies);
        world.person("alice", UserState::Active, true).await;
        world
    }

    pub(crate) async fn check(&self, id: &str, password: &str) -> Result<Verified, Error> {
        let request = CheckPassword::new(user(id), secret(password));
        let proof = proof(Permission::SessionWrite, id);
        self.service.check_password(&proof, request).await
    }

    pub(crate) async fn set(&self, id: &str, password: &str) -> Result<ObjectDetails, Error> {
        let request = SetPassword::new(user(id), secret(password)).with_must_change(false);
        let proof = proof(Permission::UserWrite, id);
        self.service.set_password(&proof, request).await
    }

    pub(crate) async fn change(
        &self,
        id: &str,
        current: &str,
        new: &str,
    ) -> Result<ObjectDetails, Error> {
        let evidence = Evidence::Password(secret(current));
        let request = ChangePassword::new(user(id), evidence, secret(new));
        let proof = proof(Permission::UserWrite, id);
        self.service.change_password(&proof, request).await
    }

    pub(crate) async fn redeem(
        &self,
        id: &str,
        code: &str,
        new: &str,
    ) -> Result<ObjectDetails, Error> {
        let code = ResetCode::new(code.to_owned()).unwrap();
        let request = ChangePassword::new(user(id), Evidence::Code(code), secret(new));
        let proof = proof(Permission::UserWrite, id);
        self.service.change_password(&proof, request).await
    }

    pub(crate) async fn code(&self, id: &str) -> String {
        let request = RequestReset::new(user(id)).with_return_code(true);
        let proof = proof(Permission::UserWrite, id);
        let issued = self.service.request_reset(&proof, request).await.unwrap();
        issued.code.unwrap().expose().to_owned()
    }

    pub(crate) async fn record(&self, id: &str) -> UserRecord {
        self.memory.load(&key(id)).await.unwrap().unwrap()
    }
}

pub(crate) fn key(id: &str) -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), user(id))
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn secret(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

pub(crate) fn proof(permission: Permission, target: &str) -> Authorized {
    let admin = Caller::new(user("admin"), None);
    danger::assume(admin, OrgId::new("acme").unwrap(), permission, target)
}

pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result.unwrap_err().kind() {
        ErrorKind::Refused(refusal) => *refusal,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn lockout(max_attempts: u64) -> Policies {
    Policies::default().with_lockout(portcullis_core::LockoutPolicy::new(max_attempts))
}
