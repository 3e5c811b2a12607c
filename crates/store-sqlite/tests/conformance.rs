//! The contracts of `UserStore` and `DocumentStore`, over a file.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    Clock, ManualClock, SystemClock, Timestamp, UserKey, UserStore, store::DocumentStore,
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use portcullis_testkit::{DocumentFixture, Fixture};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

struct File {
    clock: Arc<ManualClock>,
    directory: TempDir,
    store: Arc<SqliteStore>,
}

impl File {
    fn path(directory: &TempDir) -> PathBuf {
        directory.path().join("users.db")
    }

    async fn open_at(directory: &TempDir, clock: Arc<ManualClock>) -> Arc<SqliteStore> {
        let config = SqliteConfig::new(Self::path(directory));
        Arc::new(SqliteStore::open(&config, clock).await.unwrap())
    }
}

#[async_trait]
impl Fixture for File {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let store = Self::open_at(&directory, clock.clone()).await;
        Self {
            clock,
            directory,
            store,
        }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        self.store.clone()
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        Self::open_at(&self.directory, self.clock.clone()).await
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        let options = SqliteConnectOptions::new().filename(Self::path(&self.directory));
        let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
        let query = sqlx::query("UPDATE users SET hash = ?3 WHERE organisation = ?1 AND user = ?2");
        let query = query
            .bind(key.organisation().as_str())
            .bind(key.user().as_str())
            .bind(text);
        let done = query.execute(&mut raw).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
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

#[async_trait]
impl DocumentFixture for File {
    fn documents(&self) -> Arc<dyn DocumentStore> {
        self.store.clone()
    }

    async fn reopen_documents(&self) -> Arc<dyn DocumentStore> {
        Self::open_at(&self.directory, self.clock.clone()).await
    }
}

portcullis_testkit::store_conformance!(File);
portcullis_testkit::document_conformance!(File);
