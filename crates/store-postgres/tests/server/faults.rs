//! What a network that misbehaves does to calls.

use std::time::{Duration, Instant};

use portcullis_core::store::{
    AttemptLimits, AttemptRequest, CommitOutcome, EventQuery, SettleOutcome, Settlement, Subject,
    Verification, Version,
};
use portcullis_core::{OperationId, StoreError, StoreErrorKind, StoreHealth, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::{proxy::Proxy, servers::Postgres};
use sqlx::postgres::PgPoolOptions;

use crate::{
    place::Place,
    users::{assert_consistent, commit, create, key, operation, set, walk},
};

/// A store behind a proxy, with one user and a connection that has seen every statement.
async fn behind_proxy(pgbouncer: bool) -> (Place, Proxy, PostgresStore) {
    let server = Postgres::shared().await;
    let place = Place::on(&server);
    place.open().await;
    let proxy = Proxy::to(server.address()).await;
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    let config = PostgresConfig::parse(&url).unwrap();
    let config = config.with_schema(&place.schema).unwrap();
    let config = config.with_acquire_timeout(Duration::from_secs(60));
    let config = config.with_pgbouncer(pgbouncer).with_connections(2);
    let store = PostgresStore::connect(&config).await.unwrap();
    create(&store, "42").await;
    (place, proxy, store)
}

/// What the network sees of an operation id.
fn trace(operation: OperationId, pgbouncer: bool) -> Vec<u8> {
    if pgbouncer {
        operation.to_string().into_bytes()
    } else {
        operation.as_bytes().to_vec()
    }
}

/// Asks again as long as the answer is lost.
async fn until_answered<T, F>(mut call: impl FnMut() -> F) -> (T, usize)
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut lost = 0;
    loop {
        match call().await {
            Ok(answer) => return (answer, lost),
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error:?}"),
        }
        lost += 1;
    }
}

/// How often in a row answers are lost.
const DROPS: [usize; 3] = [1, 3, 10];

/// Commits for each number of lost answers; `PORTCULLIS_LOST_ANSWERS` says how many in all.
fn commits() -> usize {
    let asked = std::env::var("PORTCULLIS_LOST_ANSWERS").ok();
    asked.map_or(5, |text| text.parse::<usize>().unwrap() / DROPS.len())
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_applied_once() {
    for pgbouncer in [false, true] {
        let (_place, proxy, store) = behind_proxy(pgbouncer).await;
        let mut version = Version::FIRST;
        for drops in DROPS {
            for _ in 0..commits() {
                let change = set("42", version);
                proxy.drop_replies(&trace(change.operation, pgbouncer), drops);
                let (outcome, lost) = until_answered(|| store.commit(&change)).await;
                assert!(matches!(outcome, CommitOutcome::Replayed(_)), "{outcome:?}");
                assert_eq!(lost, drops);
                let done = store.operation(&key("42"), change.operation).await.unwrap();
                assert!(done.is_some());
                version = version.next();
            }
        }
        assert_consistent(&store, "42").await;
        let events = walk(&store, EventQuery::user(key("42"))).await.len();
        assert_eq!(events, 1 + DROPS.len() * commits());
        assert_eq!(proxy.dropped(), DROPS.iter().sum::<usize>() * commits());
    }
}

/// The control: who asks again under another id gets another event.
#[tokio::test]
async fn a_commit_that_is_repeated_under_another_id_is_applied_again() {
    let (_place, proxy, store) = behind_proxy(false).await;
    let mut asked = 0;
    for _ in 0..3 {
        let change = set("42", Version(1 + asked));
        proxy.drop_replies(&trace(change.operation, false), 1);
        let lost = store.commit(&change).await.unwrap_err();
        assert_eq!(lost.kind(), StoreErrorKind::OutcomeUnknown);
        // The client is cut off before the server has answered.
        while store
            .operation(&key("42"), change.operation)
            .await
            .unwrap()
            .is_none()
        {}
        commit(&store, "42").await;
        asked += 2;
    }
    let events = walk(&store, EventQuery::user(key("42"))).await.len();
    assert_eq!(events, 1 + 2 * 3, "two for each change that was wanted");
}

#[tokio::test]
async fn an_attempt_whose_answers_are_lost_counts_once() {
    let (_place, proxy, store) = behind_proxy(false).await;
    for failures in 1..=5 {
        let (subject, permit) = (Subject::User(key("42")), operation());
        let request = AttemptRequest::new(subject.clone(), permit, AttemptLimits::default());
        proxy.drop_replies(&trace(permit, false), 3);
        until_answered(|| store.take_attempt(&request)).await;
        let settlement = Settlement::new(subject, permit, Verification::Wrong { lock_at: None });
        proxy.drop_replies(&trace(permit, false), 3);
        let (outcome, _) = until_answered(|| store.settle_attempt(&settlement)).await;
        let locked = false;
        assert_eq!(outcome, SettleOutcome::Settled { failures, locked });
    }
}

#[tokio::test]
async fn silence_ends_in_time_and_is_over_with_its_cause() {
    let (place, proxy, _) = behind_proxy(false).await;
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    let pool = PgPoolOptions::new().min_connections(2).max_connections(2);
    let pool = pool.test_before_acquire(false);
    let pool = pool.connect(&url).await.unwrap();
    let config = place
        .config()
        .with_statement_timeout(Duration::from_millis(500));
    let store = PostgresStore::from_pool(pool.clone(), &config);
    commit(&store, "42").await;
    while pool.num_idle() < 2 {
        tokio::task::yield_now().await;
    }
    proxy.black_hole(true);
    let started = Instant::now();
    let (read, write) = (key("42"), set("42", Version::FIRST.next()));
    let (read, write) = tokio::join!(store.load(&read), store.commit(&write));
    assert_eq!(read.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(write.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    assert!(started.elapsed() < Duration::from_millis(1_750));
    proxy.heal().await;
    let healed = Instant::now();
    commit(&store, "42").await;
    assert!(healed.elapsed() < Duration::from_secs(5));
    // What was sent into the silence has arrived or not; either is consistent.
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn a_connection_that_nobody_answers_on_does_not_stay_in_the_pool() {
    let (place, proxy, _) = behind_proxy(false).await;
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(&url).await.unwrap();
    let store = PostgresStore::from_pool(pool.clone(), &place.config());
    commit(&store, "42").await;
    proxy.black_hole(true);
    // The caller hangs up; the driver would wait for what it was told to forget.
    let call = tokio::time::timeout(Duration::from_millis(100), store.check());
    assert!(call.await.is_err());
    assert_eq!(pool.size(), 1);
    let started = Instant::now();
    while pool.size() > 0 {
        assert!(started.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    proxy.heal().await;
    commit(&store, "42").await;
}

#[tokio::test]
async fn connections_that_were_cut_while_idle_cost_nobody_a_call() {
    let (_place, proxy, store) = behind_proxy(false).await;
    let calls = (store.check(), store.check());
    let (one, two) = tokio::join!(calls.0, calls.1);
    one.and(two).unwrap();
    proxy.cut().await;
    // For as long as a connection is trusted without being asked.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for _ in 0..4 {
        commit(&store, "42").await;
    }
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn a_server_that_starts_again_is_found_again() {
    let server = Postgres::start().await;
    let place = Place::on(&server);
    let config = place
        .config()
        .with_acquire_timeout(Duration::from_millis(300));
    let store = PostgresStore::open(&config).await.unwrap();
    create(&store, "42").await;
    for _ in 0..3 {
        server.stop().await;
        let error = store.load(&key("42")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        server.start_again().await;
        let started = Instant::now();
        while store.load(&key("42")).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(5));
        }
        commit(&store, "42").await;
    }
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_not_applied() {
    let (place, _, _) = behind_proxy(false).await;
    let config = place
        .config()
        .with_statement_timeout(Duration::from_millis(100));
    let store = PostgresStore::connect(&config).await.unwrap();
    let mut raw = place.raw().await;
    crate::place::run(&mut raw, "BEGIN; SELECT turn('acme', '42', NULL)").await;
    let change = set("42", Version::FIRST);
    let error = store.commit(&change).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    crate::place::run(&mut raw, "ROLLBACK").await;
    let store = place.open().await;
    let done = store.operation(&key("42"), change.operation).await;
    assert!(done.unwrap().is_none());
    commit(&store, "42").await;
}

/// The control of callers who hang up: one that is dropped in a transaction of the driver keeps its
/// connection for as long as the statement runs.
#[tokio::test]
async fn a_dropped_transaction_of_the_driver_pins_its_connection() {
    let server = Postgres::shared().await;
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool.acquire_timeout(Duration::from_millis(500));
    let pool = pool.connect(&server.url("postgres")).await.unwrap();
    for _ in 0..2 {
        let call = async {
            let mut transaction = pool.begin().await.unwrap();
            let sleep = sqlx::query("SELECT pg_sleep(3)");
            sleep.execute(&mut *transaction).await.unwrap();
        };
        let dropped = tokio::time::timeout(Duration::from_millis(200), call).await;
        assert!(dropped.is_err());
    }
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error:?}");
}
