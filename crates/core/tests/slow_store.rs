//! While the store is slow, requests neither pile up behind it nor shut others out.
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use portcullis_core::{
    Argon2Params, Argon2id, Caller, Engine, Error, ErrorKind, HashPoolConfig, MemoryStore,
    ObjectDetails, OperationId, OrgId, OsRandom, Password, PasswordService, Permission,
    SetPassword, StoreError, UserId, UserKey, UserStore, danger,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserKind, UserRecord,
    },
};
use tokio::{sync::Semaphore, task::JoinHandle};

/// A store whose commits wait until they are let go on.
#[derive(Debug)]
struct Slow {
    inner: MemoryStore,
    allowed: Semaphore,
    entered: AtomicUsize,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserStore for Slow {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        self.inner.create(user).await
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        self.inner.load(key).await
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let _permit = self.allowed.acquire().await.unwrap();
        self.inner.commit(change).await
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        self.inner.take_attempt(request).await
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        self.inner.settle_attempt(settlement).await
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        self.inner.upgrade_hash(upgrade).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.inner.events(query).await
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        self.inner.operation(key, operation).await
    }
}

type Answer = JoinHandle<Result<ObjectDetails, Error>>;

struct World {
    store: Arc<Slow>,
    engine: Arc<Engine>,
}

impl World {
    /// One thread, one more commit than threads, and two places to wait.
    async fn new() -> Self {
        let store = Arc::new(Slow {
            inner: MemoryStore::new(),
            allowed: Semaphore::new(0),
            entered: AtomicUsize::new(0),
        });
        for (organisation, user) in (0..20).map(|user| ("flood", user)).chain([("small", 0)]) {
            let operation = OperationId::random(&OsRandom).unwrap();
            let key = key(organisation, user);
            let user = NewUser::new(key, user.to_string(), UserKind::Human, operation);
            store.create(&user).await.unwrap();
        }
        let hasher = Argon2id::new(Argon2Params::new(8, 1, 1).unwrap());
        let pool = HashPoolConfig::default()
            .with_workers(NonZeroUsize::MIN)
            .with_queue(2)
            .with_commits(1);
        let engine = Engine::builder(store.clone())
            .with_hasher(Arc::new(hasher))
            .with_pool(pool)
            .build()
            .unwrap();
        let engine = Arc::new(engine);
        Self { store, engine }
    }

    fn send(&self, organisation: &'static str, user: u32) -> Answer {
        let engine = Arc::clone(&self.engine);
        tokio::spawn(async move {
            let key = key(organisation, user);
            let caller = Caller::new(UserId::new("operator").unwrap(), None);
            let (write, name) = (Permission::UserWrite, user.to_string());
            let proof = danger::assume(caller, key.organisation().clone(), write, &name);
            let password = Password::new("Secret-1234".to_owned()).unwrap();
            let request = SetPassword::new(key.user().clone(), password);
            engine.set_password(&proof, request).await
        })
    }
}

fn key(organisation: &str, user: u32) -> UserKey {
    let user = UserId::new(user.to_string()).unwrap();
    UserKey::new(OrgId::new(organisation).unwrap(), user)
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}

fn finished(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.is_finished()).count()
}

#[tokio::test]
async fn requests_do_not_pile_up_behind_a_slow_store() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for user in 0..2 {
        answers.push(world.send("flood", user));
        until(|| answers.len() == world.store.entered.load(Ordering::SeqCst)).await;
    }
    // Both seats are with the store. The thread is free, but two may wait and nothing starts.
    answers.extend((2..20).map(|user| world.send("flood", user)));
    until(|| finished(&answers) == 16).await;
    // Another organisation gets the place of the newest of them.
    let small = world.send("small", 0);
    until(|| finished(&answers) == 17).await;
    assert_eq!(world.store.entered.load(Ordering::SeqCst), 2);

    world.store.allowed.add_permits(100);
    assert!(small.await.unwrap().is_ok());
    let mut set = 0;
    for answer in answers {
        match answer.await.unwrap() {
            Ok(_) => set += 1,
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Overloaded { retry_after } if !retry_after.is_zero()),
                "{error:?}"
            ),
        }
    }
    assert_eq!(set, 3);
    assert_eq!(world.store.entered.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_drained_engine_ends_its_commits_and_is_unavailable() {
    let world = World::new().await;
    let answer = world.send("flood", 0);
    until(|| world.store.entered.load(Ordering::SeqCst) == 1).await;
    let engine = Arc::clone(&world.engine);
    let drained = tokio::spawn(async move { engine.drain().await });
    // Tasks of this runtime run in the order in which they were spawned.
    let refused = world.send("small", 0).await.unwrap().unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Unavailable);
    assert!(refused.is_retryable() && !refused.may_be_applied());
    assert!(!drained.is_finished());
    world.store.allowed.add_permits(100);
    assert!(answer.await.unwrap().is_ok());
    drained.await.unwrap();
}
