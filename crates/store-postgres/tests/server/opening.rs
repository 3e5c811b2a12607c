//! How a schema becomes a store, and what does not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::store::{
    Change, CommitOutcome, EventKind, EventQuery, Method, UserState, Version,
};
use portcullis_core::{StoreErrorKind, StoreHealth, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::servers::Postgres;
use sqlx::{
    PgConnection, PgPool, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};
use tokio::sync::Barrier;

use crate::{
    place::{Place, run},
    users::{assert_consistent, create, key, operation, walk},
};

const OPENERS: usize = 16;

async fn open_error(place: &Place) -> StoreErrorKind {
    let store = PostgresStore::open(&place.config()).await;
    store.unwrap_err().kind()
}

async fn count(raw: &mut PgConnection, sql: &'static str) -> i64 {
    let query = sqlx::query_scalar(sql);
    query.fetch_one(raw).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_stores_open_one_new_schema_at_once() {
    let place = Place::new().await;
    let openers: Vec<_> = (0..OPENERS)
        .map(|opener| {
            let config = place.config().with_connections(2);
            tokio::spawn(async move {
                let store = PostgresStore::open(&config).await.unwrap();
                create(&store, &opener.to_string()).await;
                store.close().await;
            })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap();
    }
    let store = place.open().await;
    let events = walk(&store, EventQuery::outbox()).await;
    assert_eq!(events.len(), OPENERS);
    let mut raw = place.raw().await;
    let applied = count(&mut raw, "SELECT count(*) FROM migrations").await;
    let files = count(&mut raw, "SELECT count(DISTINCT version) FROM migrations").await;
    assert_eq!((applied, files), (8, 8));
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 \
                 AND (classid::bigint << 32) | objid::bigint \
                   = hashtextextended('portcullis migrates ' || current_schema(), 0)";
    assert_eq!(
        count(&mut raw, locks).await,
        0,
        "no migration holds on to its lock"
    );
}

/// The control: who looks first and does not wait for its turn is in the way of the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_turns_the_starts_are_in_each_others_way() {
    let place = Arc::new(Place::new().await);
    run(
        &mut place.raw().await,
        format!("CREATE SCHEMA {}", place.schema),
    )
    .await;
    let all_have_looked = Arc::new(Barrier::new(OPENERS));
    let openers: Vec<_> = (0..OPENERS)
        .map(|_| {
            let (place, all_have_looked) = (Arc::clone(&place), Arc::clone(&all_have_looked));
            tokio::spawn(async move {
                let mut raw = place.raw().await;
                let missing = "SELECT (to_regclass('users') IS NULL)::int::bigint";
                assert_eq!(count(&mut raw, missing).await, 1);
                all_have_looked.wait().await;
                let tables = include_str!("../../migrations/0001_tables.sql");
                sqlx::raw_sql(tables).execute(&mut raw).await.is_ok()
            })
        })
        .collect();
    let mut ready = 0;
    for opener in openers {
        ready += usize::from(opener.await.unwrap());
    }
    assert!(ready < OPENERS, "{ready} of {OPENERS} are ready");
}

/// The control: the driver's own migrator leaves its lock behind, in a pool that lives on.
#[tokio::test]
async fn the_drivers_migrator_keeps_its_lock_when_a_migration_fails() {
    let server = Postgres::shared().await;
    server.query("postgres", "CREATE DATABASE stock").await;
    let bad = Migration::new(
        1,
        "bad".into(),
        MigrationType::Simple,
        "SELECT 1 / 0".into_sql_str(),
        false,
    );
    let migrator = Migrator::with_migrations(vec![bad]);
    let first = PgPool::connect(&server.url("stock")).await.unwrap();
    migrator.run(&first).await.unwrap_err();
    let second = PgPool::connect(&server.url("stock")).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_secs(2), migrator.run(&second));
    assert!(waits.await.is_err(), "the next start learns nothing");
    first.close().await;
}

#[tokio::test]
async fn a_failing_migration_says_so_each_time_and_leaves_nothing() {
    let place = Place::new().await;
    let mut raw = place.raw().await;
    run(&mut raw, format!("CREATE SCHEMA {}", place.schema)).await;
    run(&mut raw, "CREATE TABLE shams (in_the_way int)").await;
    let first = PostgresStore::connect_lazy(&place.config());
    for store in [&first, &PostgresStore::connect_lazy(&place.config())] {
        let started = Instant::now();
        let error = store.migrate().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Internal);
        assert!(started.elapsed() < Duration::from_secs(10));
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
        assert_eq!(count(&mut raw, tables).await, 1);
    }
    run(&mut raw, "DROP TABLE shams").await;
    first.migrate().await.unwrap();
    create(&first, "42").await;
}

#[tokio::test]
async fn another_process_is_waited_for_but_not_for_ever() {
    let place = Place::new().await;
    let mut other = place.raw().await;
    let lock = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('portcullis migrates {}', 0))",
        place.schema
    );
    run(&mut other, lock).await;
    let started = Instant::now();
    assert_eq!(open_error(&place).await, StoreErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(10));
    let open = tokio::spawn(async move { place.open().await });
    run(&mut other, "ROLLBACK").await;
    create(&open.await.unwrap(), "42").await;
}

#[tokio::test]
async fn a_newer_schema_is_no_obstacle_and_an_edited_one_is() {
    let place = Place::new().await;
    place.open().await;
    let mut raw = place.raw().await;
    let newer = "INSERT INTO migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'newer', true, '\\x00', 0); \
                 ALTER TABLE users ADD COLUMN newer text; \
                 ALTER TABLE events ADD COLUMN newer text; \
                 ALTER TABLE operations ADD COLUMN newer text";
    run(&mut raw, newer).await;
    let store = place.open().await;
    create(&store, "42").await;
    assert_eq!(walk(&store, EventQuery::outbox()).await.len(), 1);

    run(
        &mut raw,
        "UPDATE migrations SET checksum = '\\x00' WHERE version = 1",
    )
    .await;
    assert_eq!(open_error(&place).await, StoreErrorKind::Internal);
}

#[tokio::test]
async fn a_schema_that_grows_under_an_open_store_is_no_obstacle() {
    let place = Place::new().await;
    let store = place.open().await;
    create(&store, "42").await;
    assert!(store.load(&key("42")).await.unwrap().is_some());
    run(
        &mut place.raw().await,
        "ALTER TABLE users ADD COLUMN newer text",
    )
    .await;
    assert!(store.load(&key("42")).await.unwrap().is_some());
    crate::users::commit(&store, "42").await;
}

#[tokio::test]
async fn each_schema_is_a_store_of_its_own() {
    let (one, two) = (Place::new().await, Place::new().await);
    let (one, two) = (one.open().await, two.open().await);
    create(&one, "42").await;
    assert!(two.load(&key("42")).await.unwrap().is_none());
    create(&two, "42").await;
    assert_eq!(walk(&two, EventQuery::outbox()).await.len(), 1);
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_unavailable() {
    let place = Place::new().await;
    let store = PostgresStore::connect(&place.config()).await;
    assert_eq!(store.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let store = PostgresStore::connect_lazy(&place.config());
    let error = store.load(&key("42")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    store.migrate().await.unwrap();
    assert!(store.load(&key("42")).await.unwrap().is_none());
    assert!(PostgresStore::connect(&place.config()).await.is_ok());
}

#[tokio::test]
async fn a_store_can_be_made_before_its_server_runs() {
    let server = Postgres::start().await;
    let place = Place::on(&server);
    server.stop().await;
    let config = place
        .config()
        .with_acquire_timeout(Duration::from_millis(200));
    let store = PostgresStore::connect_lazy(&config);
    for error in [
        store.check().await.unwrap_err(),
        store.migrate().await.unwrap_err(),
        store
            .create(&crate::users::new_user("42"))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
    server.start_again().await;
    store.migrate().await.unwrap();
    create(&store, "42").await;
    store.close().await;
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_standby_serves_nobody_until_it_is_promoted() {
    let primary = Postgres::start().await;
    let place = Place::on(&primary);
    create(&place.open().await, "42").await;
    let standby = Postgres::standby_of(&primary, true).await;
    let config = PostgresConfig::parse(&standby.url("postgres")).unwrap();
    let config = config.with_schema(&place.schema).unwrap();
    let error = PostgresStore::connect(&config).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let store = PostgresStore::connect_lazy(&config);
    let error = store
        .create(&crate::users::new_user("43"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(
        place
            .open()
            .await
            .durability()
            .await
            .unwrap()
            .survives_failover()
    );

    primary.kill().await;
    standby.promote().await;
    crate::users::commit(&store, "42").await;
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let server = Postgres::shared().await;
    let create = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    server.query("postgres", create).await;
    let config = PostgresConfig::parse(&server.url("latin")).unwrap();
    let error = PostgresStore::open(&config).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misuse);
}

#[tokio::test]
async fn settings_that_lose_commits_are_told() {
    let place = Place::new().await;
    let store = place.open().await;
    let durability = store.durability().await.unwrap();
    assert!(durability.survives_crash() && !durability.survives_failover());

    let url = Postgres::shared().await.url("postgres");
    let lossy: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let config = PostgresConfig::new(lossy.options([("synchronous_commit", "off")]));
    let store = PostgresStore::connect_lazy(&config);
    assert!(!store.durability().await.unwrap().survives_crash());
}

/// A release that knows nothing of new identities brings nobody back.
#[tokio::test]
async fn what_a_release_before_calls_leaves_a_removed_user_alone() {
    let place = Place::new().await;
    let store = place.open().await;
    create(&store, "42").await;
    let event = EventKind::Removed;
    let removal = Change::new(
        key("42"),
        Method::ChangeState,
        operation(),
        Version(1),
        event,
    );
    let removal = removal.with_state(UserState::Removed);
    let outcome = store.commit(&removal).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
    let mut raw = place.raw().await;
    let call = "SELECT outcome FROM create_user('acme', '42', \
                '\\x00000000000000000000000000000001', 'bob', 'human', 'active', NULL, false, \
                'user.human.added', NULL, NULL)";
    let outcome: String = sqlx::query_scalar(call).fetch_one(&mut raw).await.unwrap();
    assert_eq!(outcome, "exists");
    let record = store.load(&key("42")).await.unwrap().unwrap();
    assert_eq!((record.state, record.sequence), (UserState::Removed, 2));
    create(&store, "42").await;
    assert_consistent(&store, "42").await;
}
