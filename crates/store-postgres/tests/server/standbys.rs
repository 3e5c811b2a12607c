//! Commits that have to wait for a synchronous standby.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use portcullis_core::store::{CommitOutcome, Version};
use portcullis_core::{StoreError, StoreErrorKind, UserStore};
use portcullis_store_postgres::PostgresStore;
use portcullis_testkit::servers::Postgres;
use sqlx::Connection;

use crate::{
    place::{Place, run},
    users::{assert_consistent, commit, create, key, set},
};

/// A primary whose only standby is not there.
struct Waiting {
    place: Place,
    primary: Postgres,
    standby: Postgres,
    store: PostgresStore,
}

impl Waiting {
    async fn new(timeout: Duration) -> Self {
        let primary = Postgres::start().await;
        let place = Place::on(&primary);
        let config = place.config().with_statement_timeout(timeout);
        let store = PostgresStore::open(&config).await.unwrap();
        create(&store, "42").await;
        let standby = Postgres::standby_of(&primary, true).await;
        commit(&store, "42").await;
        standby.kill().await;
        Self {
            place,
            primary,
            standby,
            store,
        }
    }

    /// Tells every commit that waits for the standby to wait no longer, until a call ends.
    async fn cancel<T>(&self, call: impl Future<Output = T>) -> T {
        let cancel = "select count(pg_cancel_backend(pid)) from pg_stat_activity \
                      where wait_event = 'SyncRep'";
        let over = AtomicBool::new(false);
        let call = async {
            let answer = call.await;
            over.store(true, Ordering::Relaxed);
            answer
        };
        let cancel = async {
            while !over.load(Ordering::Relaxed) {
                self.primary.query("postgres", cancel).await;
            }
        };
        tokio::join!(call, cancel).0
    }
}

fn is_unknown<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error:?}");
}

/// The timeout of statements is longer than the test; the server alone ends the wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_told_not_to_wait_is_not_acknowledged() {
    let waiting = Waiting::new(Duration::from_secs(60)).await;
    let (store, change) = (waiting.store.clone(), set("42", Version::FIRST.next()));
    let (user, operation) = (key("42"), change.operation);
    is_unknown(waiting.cancel(store.commit(&change)).await);
    // It is there, and neither a repetition nor a question is told that it will stay.
    let record = store.load(&user).await.unwrap().unwrap();
    assert_eq!(record.version, Version::FIRST.next().next());
    is_unknown(waiting.cancel(store.commit(&change)).await);
    is_unknown(waiting.cancel(store.operation(&user, operation)).await);

    waiting.standby.start_again().await;
    let outcome = store.commit(&change).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Replayed(_)), "{outcome:?}");
    let done = store.operation(&user, operation).await.unwrap();
    assert!(done.is_some());
    assert_consistent(&store, "42").await;
}

/// The control: the driver alone reports a success, which is lost with the primary.
#[tokio::test(flavor = "multi_thread")]
async fn the_driver_takes_a_canceled_wait_for_a_success() {
    let waiting = Waiting::new(Duration::from_secs(60)).await;
    let mut raw = waiting.place.raw().await;
    let call = async move {
        let insert = "INSERT INTO shams VALUES ('acme', '7', 7, 0, NULL)";
        let done = sqlx::query(insert).execute(&mut raw).await;
        done.map(|done| done.rows_affected())
    };
    assert_eq!(waiting.cancel(call).await.unwrap(), 1);
    waiting.primary.kill().await;
    waiting.standby.start_again().await;
    waiting.standby.promote().await;
    let raw = sqlx::PgConnection::connect(&waiting.standby.url("postgres"));
    let mut raw = raw.await.unwrap();
    let count = format!(
        "SELECT 1 / (count(*) = 0)::int FROM {}.shams",
        waiting.place.schema
    );
    run(&mut raw, count).await;
}

/// Our own timeout ends statements, and never the wait of their commit.
#[tokio::test(flavor = "multi_thread")]
async fn no_timeout_of_ours_turns_a_wait_into_a_success() {
    let timeout = Duration::from_millis(200);
    let waiting = Waiting::new(timeout).await;
    let (store, change) = (waiting.store.clone(), set("42", Version::FIRST.next()));
    let began = std::time::Instant::now();
    is_unknown(store.commit(&change).await);
    let patience = timeout + Duration::from_secs(1);
    assert!(
        began.elapsed() >= patience,
        "it waited for as long as it may"
    );
    let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    assert_eq!(waiting.primary.query("postgres", waits).await, "1");
    waiting.standby.start_again().await;
    let outcome = store.commit(&change).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Replayed(_)), "{outcome:?}");
}
