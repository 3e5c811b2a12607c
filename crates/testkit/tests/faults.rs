//! `FaultyStore` fails as planned and is a store like any other until then.

#![expect(clippy::unwrap_used, reason = "what a test prepares has to work")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    Clock, ManualClock, MemoryStore, OperationId, OrgId, OsRandom, StoreErrorKind, SystemClock,
    Timestamp, UserId, UserKey, UserStore,
    store::{NewUser, UserKind},
};
use portcullis_testkit::{Fault, FaultyStore, Fixture, StoreMethod, store_conformance};

struct Unplanned {
    clock: Arc<ManualClock>,
    memory: MemoryStore,
    store: FaultyStore,
}

#[async_trait]
impl Fixture for Unplanned {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let memory = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let store = FaultyStore::new(Arc::new(memory.clone()));
        Self {
            clock,
            memory,
            store,
        }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        self.store()
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        self.memory.damage_hash(key, text);
    }

    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn set_back(&self, by: Duration) {
        self.clock.set(self.clock.now() - by);
    }
}

store_conformance!(Unplanned);

const UNAVAILABLE: StoreErrorKind = StoreErrorKind::Unavailable;
const UNKNOWN: StoreErrorKind = StoreErrorKind::OutcomeUnknown;

fn store() -> FaultyStore {
    FaultyStore::new(Arc::new(MemoryStore::new()))
}

fn user(id: &str) -> NewUser {
    let (organisation, id) = (OrgId::new("acme").unwrap(), UserId::new(id).unwrap());
    let operation = OperationId::random(&OsRandom).unwrap();
    let key = UserKey::new(organisation, id);
    NewUser::new(key, "alice", UserKind::Human, operation)
}

#[tokio::test]
async fn a_fault_before_the_call_writes_nothing() {
    let (store, user) = (store(), user("42"));
    store.fail_next(StoreMethod::Create, Fault::Before(UNAVAILABLE));
    let error = store.create(&user).await.unwrap_err();
    assert_eq!(error.kind(), UNAVAILABLE);
    assert!(store.load(&user.key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_fault_after_the_call_loses_the_answer_alone() {
    let (store, user) = (store(), user("42"));
    store.fail_next(StoreMethod::Create, Fault::After(UNKNOWN));
    let error = store.create(&user).await.unwrap_err();
    assert_eq!(error.kind(), UNKNOWN);
    assert!(store.load(&user.key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_planned_panic_leaves_the_store_usable() {
    let (store, user) = (store(), user("42"));
    store.fail_next(StoreMethod::Create, Fault::Panic);
    let (handle, key) = (store.clone(), user.key.clone());
    let panicked = tokio::spawn(async move { handle.create(&user).await });
    assert!(panicked.await.unwrap_err().is_panic());
    assert!(store.load(&key).await.unwrap().is_none());
    assert_eq!((store.calls(), store.planned()), (2, 0));
}

#[tokio::test]
async fn faults_wait_for_their_method_and_are_used_once() {
    let (store, user) = (store(), user("42"));
    store.fail_next(StoreMethod::Load, Fault::Before(UNAVAILABLE));
    store.fail_next(StoreMethod::Load, Fault::Before(UNKNOWN));
    store.create(&user).await.unwrap();
    for kind in [UNAVAILABLE, UNKNOWN] {
        assert_eq!(store.load(&user.key).await.unwrap_err().kind(), kind);
    }
    assert!(store.load(&user.key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_call_fails_by_its_number() {
    let store = store();
    store.create(&user("1")).await.unwrap();
    store.fail_after(1, Fault::Before(UNAVAILABLE));
    store.create(&user("2")).await.unwrap();
    let failed = user("3");
    assert!(store.load(&failed.key).await.is_err());
    store.create(&failed).await.unwrap();
    assert_eq!((store.calls(), store.planned()), (4, 0));
}
