//! More work than may wait (contract 11.7): refused at once, with the time to come back.

use std::sync::{Arc, Condvar, Mutex};

use portcullis_core::{
    Argon2id, Engine, HashCost, HashError, HashPoolConfig, HashString, MemoryStore, Password,
    PasswordHasher, UserStore, store::EventQuery,
};
use portcullis_tests::{ADMIN, Ask, Detail, Door, InProcess, rig, user_key};
use portcullis_zitadel_api::ZitadelApi;
use tokio::task::JoinSet;

/// Hashes once it is let.
#[derive(Debug)]
struct Blocked {
    inner: Arc<Argon2id>,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    started: usize,
    open: bool,
}

impl Blocked {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: rig::cheap(),
            state: Mutex::default(),
            moved: Condvar::new(),
        })
    }

    fn wait_for_start(&self) {
        let state = self.state.lock().unwrap();
        drop(
            self.moved
                .wait_while(state, |state| state.started == 0)
                .unwrap(),
        );
    }

    fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.moved.notify_all();
    }
}

impl PasswordHasher for Blocked {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        let mut state = self.state.lock().unwrap();
        state.started += 1;
        self.moved.notify_all();
        drop(self.moved.wait_while(state, |state| !state.open).unwrap());
        self.inner.hash(password)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        self.inner.verify(password, hash)
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        self.inner.admits(hash)
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        self.inner.needs_upgrade(hash)
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        self.inner.rehash(password, verified)
    }

    fn cost(&self) -> HashCost {
        self.inner.cost()
    }

    fn suite(&self) -> String {
        self.inner.suite()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_wait_is_told_when_to_come_back() {
    let store = MemoryStore::new();
    rig::create(&store, "42").await;
    let hasher = Blocked::new();
    let pool = HashPoolConfig::default()
        .with_workers(std::num::NonZeroUsize::MIN)
        .with_queue(0);
    let engine = Engine::builder(Arc::new(store.clone()))
        .with_hasher(Arc::clone(&hasher) as Arc<dyn PasswordHasher>)
        .with_pool(pool)
        .build()
        .unwrap();
    let (engine, admin) = (Arc::new(engine), Arc::new(rig::OneAdmin));
    let server = InProcess::serve(ZitadelApi::new(engine, admin.clone(), admin).router()).await;
    let address = server.address;

    let mut running = JoinSet::new();
    running.spawn(async move { Ask::new("42", ADMIN).through(Door::Rest, address).await });
    let waiting = Arc::clone(&hasher);
    tokio::task::spawn_blocking(move || waiting.wait_for_start())
        .await
        .unwrap();
    for door in Door::ALL {
        let answer = Ask::new("42", ADMIN).through(door, address).await;
        assert!(answer.is_refused(door, 8), "{door:?}: {answer:?}");
        let [.., Detail::Retry(wait)] = answer.details[..] else {
            panic!("{door:?}: {answer:?}")
        };
        assert!(!wait.is_zero(), "{door:?}");
        let header = answer.retry_after.as_deref().map(str::parse::<u64>);
        match door {
            Door::Rest => assert!(matches!(header, Some(Ok(1..))), "{header:?}"),
            _ => assert_eq!(header, None, "{door:?}"),
        }
    }
    hasher.open();
    let answer = running.join_next().await.unwrap().unwrap();
    assert_eq!(
        (answer.code, answer.sequence),
        (0, Some(2)),
        "what ran is not disturbed"
    );
    let events = store
        .events(&EventQuery::user(user_key("42")))
        .await
        .unwrap();
    assert_eq!(events.events.len(), 2, "what was refused wrote nothing");
}
