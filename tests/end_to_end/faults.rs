//! Rows 14, 17 and 18, and what section 11.7 makes of them: a store that fails, over every
//! transport.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    AgePolicy, ComplexityPolicy, Engine, LockoutPolicy, MemoryStore, OrgId, PolicyStore,
    ResetCodePolicy, StaticPolicies, StoreError, StoreErrorKind, UserStore,
};
use portcullis_testkit::{Fault, FaultyStore, StoreMethod};
use portcullis_tests::{ADMIN, Ask, Detail, Door, InProcess, rig, user_key};
use portcullis_zitadel_api::{Limits, ZitadelApi};

#[derive(Debug)]
struct NoPolicies;

#[async_trait]
impl PolicyStore for NoPolicies {
    async fn complexity(&self, _: &OrgId) -> Result<ComplexityPolicy, StoreError> {
        Err(away())
    }

    async fn lockout(&self, _: &OrgId) -> Result<LockoutPolicy, StoreError> {
        Err(away())
    }

    async fn age(&self, _: &OrgId) -> Result<AgePolicy, StoreError> {
        Err(away())
    }

    async fn reset_code(&self, _: &OrgId) -> Result<ResetCodePolicy, StoreError> {
        Err(away())
    }
}

fn away() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_source("secret-dsn")
}

struct World {
    store: FaultyStore,
    server: InProcess,
}

async fn world(policies: Arc<dyn PolicyStore>) -> World {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    rig::create(&store, "42").await;
    let engine = Engine::builder(Arc::new(store.clone()))
        .with_hasher(rig::cheap())
        .with_policies(policies)
        .build()
        .unwrap();
    let router = ZitadelApi::new(
        Arc::new(engine),
        Arc::new(rig::OneAdmin),
        Arc::new(rig::OneAdmin),
    )
    .router();
    World {
        store,
        server: InProcess::serve(router).await,
    }
}

async fn events(store: &FaultyStore) -> usize {
    let query = portcullis_core::store::EventQuery::user(user_key("42"));
    store.events(&query).await.unwrap().events.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_14_the_policy_cannot_be_read() {
    let world = world(Arc::new(NoPolicies)).await;
    for door in Door::ALL {
        let answer = Ask::new("42", ADMIN)
            .through(door, world.server.address)
            .await;
        assert!(answer.is_refused(door, 14), "{door:?}: {answer:?}");
        assert!(
            !format!("{answer:?}").contains("secret-dsn"),
            "internals stay inside"
        );
    }
    assert_eq!(events(&world.store).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_the_store_fails() {
    use StoreErrorKind::{Corrupt, Internal, Unavailable};
    let world = world(Arc::new(StaticPolicies::default())).await;
    let cases = [
        (StoreMethod::Load, Unavailable, 14),
        (StoreMethod::Load, Corrupt, 13),
        (StoreMethod::Commit, Unavailable, 14),
        (StoreMethod::Commit, Internal, 13),
    ];
    for door in Door::ALL {
        for (method, kind, code) in cases {
            world.store.fail_next(method, Fault::Before(kind));
            let answer = Ask::new("42", ADMIN)
                .through(door, world.server.address)
                .await;
            assert!(
                answer.is_refused(door, code),
                "{method:?} {kind:?} through {door:?}: {answer:?}"
            );
            if code == 14 {
                assert!(matches!(answer.details[..], [.., Detail::Retry(wait)] if !wait.is_zero()));
                assert_eq!(answer.retry_after.is_some(), door == Door::Rest, "{door:?}");
            }
            assert_eq!(events(&world.store).await, 1, "nothing is half-written");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_looked_up_and_told_truly() {
    let world = world(Arc::new(StaticPolicies::default())).await;
    let mut expected = 1;
    for door in Door::ALL {
        // Applied, answer lost, look-up works: a success with the right details.
        let lost = Fault::After(StoreErrorKind::OutcomeUnknown);
        world.store.fail_next(StoreMethod::Commit, lost);
        let answer = Ask::new("42", ADMIN)
            .through(door, world.server.address)
            .await;
        expected += 1;
        assert_eq!(
            (answer.code, answer.sequence),
            (0, Some(expected)),
            "{door:?}"
        );

        // Applied, answer lost, look-up fails: unknown, and the id resolves it later.
        world.store.fail_next(StoreMethod::Commit, lost);
        world.store.fail_next(
            StoreMethod::Operation,
            Fault::Before(StoreErrorKind::Unavailable),
        );
        let unknown = Ask::new("42", ADMIN)
            .through(door, world.server.address)
            .await;
        expected += 1;
        assert!(unknown.is_refused(door, 2), "{door:?}: {unknown:?}");
        assert!(
            unknown.message.contains("may have been applied"),
            "{unknown:?}"
        );
        let again = Ask::new("42", ADMIN).operation(&unknown.operation.unwrap());
        let again = again.through(door, world.server.address).await;
        assert_eq!(
            (again.code, again.sequence),
            (0, Some(expected)),
            "{door:?}"
        );

        // Not applied, answer lost: unknown too, never a false failure.
        world.store.fail_next(
            StoreMethod::Commit,
            Fault::Before(StoreErrorKind::OutcomeUnknown),
        );
        let unknown = Ask::new("42", ADMIN)
            .through(door, world.server.address)
            .await;
        assert!(unknown.is_refused(door, 2), "{door:?}: {unknown:?}");
        assert_eq!(events(&world.store).await as u64, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_18_a_panic_is_an_answer() {
    let world = world(Arc::new(StaticPolicies::default())).await;
    for door in Door::ALL {
        for method in [StoreMethod::Load, StoreMethod::Commit] {
            world.store.fail_next(method, Fault::Panic);
            let answer = Ask::new("42", ADMIN)
                .through(door, world.server.address)
                .await;
            assert!(answer.is_refused(door, 13), "{door:?}: {answer:?}");
            assert!(
                answer.message.starts_with("An internal error occurred"),
                "{answer:?}"
            );
        }
    }
    let answer = Ask::new("42", ADMIN)
        .through(Door::Rest, world.server.address)
        .await;
    assert_eq!(
        (answer.code, answer.sequence),
        (0, Some(2)),
        "it still serves"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_is_lost_for_ever_is_aborted_before_the_deadline() {
    for door in Door::ALL {
        // Of its own, as each race leaves many events behind.
        let store = FaultyStore::new(Arc::new(MemoryStore::new()));
        rig::create(&store, "42").await;
        store.overtake_commits();
        let engine = Engine::builder(Arc::new(store.clone())).with_hasher(rig::cheap());
        let (engine, admin) = (Arc::new(engine.build().unwrap()), Arc::new(rig::OneAdmin));
        let limits = Limits::default().with_default_deadline(Duration::from_secs(1));
        let api = ZitadelApi::new(engine, admin.clone(), admin).with_limits(limits);
        let server = InProcess::serve(api.router()).await;
        let answer = Ask::new("42", ADMIN).through(door, server.address).await;
        assert!(answer.is_refused(door, 10), "{door:?}: {answer:?}");
        let operation = answer.operation.unwrap().parse().unwrap();
        let applied = store.operation(&user_key("42"), operation).await.unwrap();
        assert!(applied.is_none(), "{door:?}: aborted means not applied");
        assert!(store.calls() > 100, "{door:?}: it did race");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11b_a_removed_user_is_as_absent_as_one_that_never_was() {
    use portcullis_core::{
        OperationId, OsRandom,
        store::{Change, CommitOutcome, EventKind, Method, UserState},
    };
    let world = world(Arc::new(StaticPolicies::default())).await;
    let version = world.store.load(&user_key("42")).await.unwrap().unwrap();
    let operation = OperationId::random(&OsRandom).unwrap();
    let (method, event) = (Method::ChangeState, EventKind::Removed);
    let removal = Change::new(user_key("42"), method, operation, version.version, event);
    let removal = removal.with_state(UserState::Removed);
    let removed = world.store.commit(&removal);
    assert!(matches!(
        removed.await.unwrap(),
        CommitOutcome::Committed(_)
    ));
    for door in Door::ALL {
        let [removed, absent] = ["42", "absent"].map(|user| Ask::new(user, ADMIN));
        let removed = removed.through(door, world.server.address).await;
        let absent = absent.through(door, world.server.address).await;
        assert!(removed.is_refused(door, 9), "{door:?}: {removed:?}");
        assert_eq!(removed.id(), Some("COMMAND-G8dh3"), "{door:?}");
        assert_eq!(removed.outcome(), absent.outcome(), "{door:?}");
    }
    assert_eq!(events(&world.store).await, 2, "created, removed");
}
