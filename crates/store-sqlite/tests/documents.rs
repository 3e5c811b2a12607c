//! What becomes of documents beyond the contract of the trait.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use portcullis_core::store::{
    DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite,
};
use portcullis_core::{Clock, ManualClock, OperationId, OsRandom, StoreErrorKind, SystemClock};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);

struct Place {
    clock: Arc<ManualClock>,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            clock: Arc::new(ManualClock::at(SystemClock::new().now())),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("users.db")
    }

    async fn open(&self) -> SqliteStore {
        let config = SqliteConfig::new(self.path());
        SqliteStore::open(&config, self.clock.clone())
            .await
            .unwrap()
    }

    async fn run(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.path());
        let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut raw).await.unwrap();
    }

    async fn documents(&self) -> i64 {
        let options = SqliteConnectOptions::new().filename(self.path());
        let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
        let count = sqlx::query_scalar("SELECT count(*) FROM documents");
        count.fetch_one(&mut raw).await.unwrap()
    }
}

fn set(name: &str) -> DocumentWrite {
    let key = DocumentKey::new(DocumentKind::Session, name);
    let operation = OperationId::random(&OsRandom).unwrap();
    DocumentWrite::new(key, operation, None, "canary-value".to_owned())
}

async fn write(store: &SqliteStore, write: DocumentWrite) {
    let outcome = store.write_document(&write).await.unwrap();
    assert!(matches!(outcome, DocumentOutcome::Written { .. }));
}

#[tokio::test]
async fn each_write_forgets_a_few_that_ended_more_than_a_day_ago() {
    let place = Place::new();
    let store = place.open().await;
    for name in 0..20 {
        write(&store, set(&name.to_string()).with_ttl(DAY)).await;
    }
    write(&store, set("stays")).await;
    place.clock.advance(2 * DAY);
    write(&store, set("in time")).await;
    assert_eq!(place.documents().await, 22, "a day has not passed yet");
    place.clock.advance(Duration::from_micros(1));
    for (name, left) in [("a", 15), ("b", 8), ("c", 5), ("d", 6)] {
        write(&store, set(name)).await;
        assert_eq!(place.documents().await, left);
    }
}

#[tokio::test]
async fn what_was_removed_is_forgotten_at_the_end_it_had() {
    let place = Place::new();
    let store = place.open().await;
    for (name, ttl) in [("ends", Some(DAY)), ("stays", None)] {
        let mut first = set(name);
        first.ttl = ttl;
        let key = first.key.clone();
        write(&store, first).await;
        let operation = OperationId::random(&OsRandom).unwrap();
        write(&store, DocumentWrite::removal(key, operation, 1)).await;
    }
    assert_eq!(place.documents().await, 2);
    place.clock.advance(3 * DAY);
    write(&store, set("another")).await;
    assert_eq!(place.documents().await, 2);
    write(&store, set("ends")).await;
    let again = store.write_document(&set("stays")).await.unwrap();
    assert!(matches!(
        again,
        DocumentOutcome::Written { revision: 3, .. }
    ));
}

#[tokio::test]
async fn a_file_without_documents_gets_its_table() {
    let place = Place::new();
    place.open().await.close().await;
    place
        .run("DROP TABLE documents; DELETE FROM portcullis_migrations WHERE version > 1")
        .await;
    let store = place.open().await;
    write(&store, set("42")).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt_and_not_repeated() {
    for damage in [
        "UPDATE documents SET text = x'63616e617279ff'",
        "UPDATE documents SET revision = -1",
        "UPDATE documents SET changed = 9223372036854775807",
        "UPDATE documents SET expires = -9223372036854775807",
    ] {
        let place = Place::new();
        let store = place.open().await;
        write(&store, set("42")).await;
        place.run(damage).await;
        let read = store.document(&set("42").key).await.unwrap_err();
        let written = store.write_document(&set("42")).await.unwrap_err();
        for error in [read, written] {
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
