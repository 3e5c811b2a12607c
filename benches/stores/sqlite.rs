//! SQLite: the statements of one transaction by hand, on one connection that writes.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use portcullis_core::{SystemClock, UserKey, UserStore, store::Version};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use sqlx::{
    ConnectOptions, Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    contest::{Contender, HASH, Ring, fresh},
    sizes::Gauge,
};

struct ByHand {
    writer: SqlitePool,
    readers: SqlitePool,
    remembers: bool,
}

pub(crate) async fn ring() -> Ring {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let config = SqliteConfig::new(&path);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()))
        .await
        .unwrap();
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON");
    let pool = |connections, options| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .connect_with(options)
    };
    let writer = pool(1, options.clone()).await.unwrap();
    let readers = pool(config.readers, options.read_only(true)).await.unwrap();
    let by_hand = |remembers| -> Arc<dyn Contender> {
        let (writer, readers) = (writer.clone(), readers.clone());
        Arc::new(ByHand {
            writer,
            readers,
            remembers,
        })
    };
    Ring {
        store: Arc::new(store),
        by_hand: [by_hand(false), by_hand(true)],
        _server: Box::new(directory),
    }
}

#[async_trait]
impl Contender for ByHand {
    async fn write(&self, user: &UserKey, version: Version) {
        let operation = fresh();
        let operation = operation.as_bytes().as_slice();
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let row = sqlx::query(
            "UPDATE users SET hash = ?4, must_change = 1, password_changed = ?5, epoch = epoch + 1, \
             code_digest = NULL, code_expires = NULL, code_guesses = 0, failures = 0, \
             last_failure = NULL, version = version + 1, sequence = sequence + 1, changed = ?5 \
             WHERE organisation = ?1 AND user = ?2 AND version = ?3 RETURNING sequence, state",
        )
        .bind(user.organisation().as_str())
        .bind(user.user().as_str())
        .bind(i64::try_from(version.0).unwrap())
        .bind(HASH)
        .bind(1_700_000_000_000_000_i64)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
        let sequence: i64 = row.get("sequence");
        sqlx::query(
            "INSERT INTO events (organisation, user, sequence, kind, version, state, failures, \
             must_change, hash_sha256, operation, date) \
             VALUES (?1, ?2, ?3, 'user.human.password.changed', ?3, 'active', 0, 1, zeroblob(32), \
             ?4, ?5)",
        )
        .bind(user.organisation().as_str())
        .bind(user.user().as_str())
        .bind(sequence)
        .bind(operation)
        .bind(1_700_000_000_000_000_i64)
        .execute(&mut *transaction)
        .await
        .unwrap();
        if self.remembers {
            sqlx::query(
                "INSERT INTO operations (organisation, user, id, method, sequence, changed) \
                 VALUES (?1, ?2, ?3, 'set_password', ?4, ?5)",
            )
            .bind(user.organisation().as_str())
            .bind(user.user().as_str())
            .bind(operation)
            .bind(sequence)
            .bind(1_700_000_000_000_000_i64)
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn read(&self, user: &UserKey) {
        let row = sqlx::query("SELECT * FROM users WHERE organisation = ?1 AND user = ?2")
            .bind(user.organisation().as_str())
            .bind(user.user().as_str())
            .fetch_one(&self.readers)
            .await
            .unwrap();
        let _: &str = row.get("hash");
    }
}

struct Filled {
    store: SqliteStore,
    directory: tempfile::TempDir,
}

pub(crate) async fn gauge() -> Box<dyn Gauge> {
    let directory = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(directory.path().join("users.db"));
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    let store = store.await.unwrap();
    Box::new(Filled { store, directory })
}

#[async_trait]
impl Gauge for Filled {
    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.store.clone())
    }

    async fn sizes(&self) -> BTreeMap<String, i64> {
        let path = self.directory.path().join("users.db");
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await.unwrap();
        let tables = sqlx::query(
            "SELECT tbl_name, CAST(sum(pgsize) AS INTEGER) AS size \
             FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name",
        );
        let rows = tables.fetch_all(&mut connection).await.unwrap();
        rows.iter()
            .map(|row| (row.get("tbl_name"), row.get("size")))
            .collect()
    }

    fn server(&self) -> Option<u32> {
        None
    }
}
