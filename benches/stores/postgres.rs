//! PostgreSQL: one statement by hand, prepared, on a pool of the same size.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use portcullis_core::{UserKey, UserStore, store::Version};
use portcullis_store_postgres::{
    PostgresConfig, PostgresStore,
    sqlx::{self, AssertSqlSafe, PgPool, Row, SqlSafeStr, SqlStr, postgres::PgPoolOptions},
};
use portcullis_testkit::servers::Postgres;

use crate::{
    contest::{Contender, HASH, Ring, fresh},
    sizes::Gauge,
};

const CONNECTIONS: u32 = 10;

struct ByHand {
    pool: PgPool,
    write: SqlStr,
    read: SqlStr,
}

pub(crate) async fn ring() -> Ring {
    let server = Postgres::start().await;
    let url = server.url("postgres");
    let config = PostgresConfig::parse(&url)
        .unwrap()
        .with_connections(CONNECTIONS);
    let store = PostgresStore::open(&config).await.unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .connect(&url)
        .await
        .unwrap();
    let by_hand = |remembering: &str| -> Arc<dyn Contender> {
        Arc::new(ByHand {
            pool: pool.clone(),
            write: AssertSqlSafe(format!(
                "{WRITE}{remembering} SELECT sequence, date FROM appended"
            ))
            .into_sql_str(),
            read: READ.into_sql_str(),
        })
    };
    Ring {
        store: Arc::new(store),
        by_hand: [by_hand(""), by_hand(REMEMBERED)],
        _server: Box::new(server),
    }
}

const WRITE: &str = "WITH saved AS (
    UPDATE portcullis.users SET hash = $4, must_change = true, password_changed = clock_timestamp(),
        epoch = epoch + 1, code_digest = NULL, code_expires = NULL, code_guesses = 0, failures = 0,
        last_failure = NULL, version = version + 1, sequence = sequence + 1,
        changed = greatest(clock_timestamp(), changed)
    WHERE organisation = $1 AND user_id = $2 AND version = $3 RETURNING *
), appended AS (
    INSERT INTO portcullis.events (organisation, user_id, sequence, kind, version, state, failures,
        must_change, hash_sha256, operation, date)
    SELECT organisation, user_id, sequence, 'user.human.password.changed', version, state,
        failures, must_change, sha256(convert_to(hash, 'UTF8')), $5, changed FROM saved
    RETURNING sequence, date
)";

const REMEMBERED: &str = ", remembered AS (
    INSERT INTO portcullis.operations (id, organisation, user_id, method, sequence, changed)
    SELECT $5, organisation, user_id, 'set_password', sequence, changed FROM saved
)";

const READ: &str = "SELECT * FROM portcullis.users WHERE organisation = $1 AND user_id = $2";

#[async_trait]
impl Contender for ByHand {
    async fn write(&self, user: &UserKey, version: Version) {
        let row = sqlx::query(self.write.clone())
            .bind(user.organisation().as_str())
            .bind(user.user().as_str())
            .bind(i64::try_from(version.0).unwrap())
            .bind(HASH)
            .bind(fresh().as_bytes().as_slice())
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let _: i64 = row.get("sequence");
    }

    async fn read(&self, user: &UserKey) {
        let row = sqlx::query(self.read.clone())
            .bind(user.organisation().as_str())
            .bind(user.user().as_str())
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let _: &str = row.get("hash");
    }
}

struct Filled {
    store: PostgresStore,
    server: Postgres,
}

pub(crate) async fn gauge() -> Box<dyn Gauge> {
    let server = Postgres::start().await;
    let config = PostgresConfig::parse(&server.url("postgres"))
        .unwrap()
        .with_connections(CONNECTIONS);
    let store = PostgresStore::open(&config).await.unwrap();
    Box::new(Filled { store, server })
}

#[async_trait]
impl Gauge for Filled {
    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.store.clone())
    }

    async fn sizes(&self) -> BTreeMap<String, i64> {
        let answer = self.server.query("postgres", SIZES).await;
        let lines = answer.lines().filter_map(|line| line.split_once('|'));
        lines
            .map(|(name, size)| (name.to_owned(), size.parse().unwrap()))
            .collect()
    }

    fn server(&self) -> Option<u32> {
        Some(self.server.pid())
    }
}

const SIZES: &str = "
    SELECT relname, pg_table_size(oid) FROM pg_class
    WHERE relnamespace = 'portcullis'::regnamespace AND relkind = 'r'
    UNION ALL
    SELECT relname || ' (index)', pg_relation_size(oid) FROM pg_class
    WHERE relnamespace = 'portcullis'::regnamespace AND relkind = 'i'
    UNION ALL
    SELECT 'write-ahead log', pg_current_wal_lsn() - '0/0'
    UNION ALL
    SELECT 'write-ahead log, full pages', wal_fpi FROM pg_stat_wal
    UNION ALL
    SELECT 'write-ahead log, syncs', wal_sync FROM pg_stat_wal";
