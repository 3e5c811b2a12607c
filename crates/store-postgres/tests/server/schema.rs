//! What the conformance suite opens for each case.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    Clock, ManualClock, SystemClock, Timestamp, UserKey, UserStore, store::DocumentStore,
};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::{DocumentFixture, Fixture};

use crate::place::{Place, run};

/// One case's schema: as it is made; used by a role that may only call functions, through a pooler
/// in transaction mode; or with every table partitioned by hash.
pub(crate) struct Schema<const KIND: u8> {
    clock: Arc<ManualClock>,
    config: PostgresConfig,
    place: Place,
    store: Arc<PostgresStore>,
}

pub(crate) const PLAIN: u8 = 0;
pub(crate) const GUARDED: u8 = 1;
pub(crate) const PARTITIONED: u8 = 2;

impl<const KIND: u8> Schema<KIND> {
    async fn open_at(config: &PostgresConfig, clock: &Arc<ManualClock>) -> Arc<PostgresStore> {
        let store = PostgresStore::open(config).await.unwrap();
        Arc::new(store.with_clock(clock.clone()))
    }
}

/// What an operator does before there are too many users.
async fn partition(place: &Place) {
    let mut raw = place.raw().await;
    for (table, key) in [
        ("users", "organisation, user_id"),
        ("events", "organisation, user_id"),
        ("permits", "organisation, user_id"),
        ("shams", "organisation, user_id"),
        ("operations", "id"),
        ("documents", "kind, digest"),
    ] {
        let statements = format!(
            "DROP TABLE IF EXISTS whole; ALTER TABLE {table} RENAME TO whole; \
             CREATE TABLE {table} (LIKE whole INCLUDING ALL) PARTITION BY HASH ({key}); \
             CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
             CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
             DROP TABLE whole CASCADE"
        );
        run(&mut raw, statements).await;
    }
    // The functions have rows of these tables for arguments, so they are made again.
    let forget = "DO $$ DECLARE name regprocedure; BEGIN \
            FOR name IN SELECT oid FROM pg_proc \
                WHERE pronamespace = current_schema()::regnamespace AND proname <> 'home' LOOP \
                EXECUTE 'DROP FUNCTION IF EXISTS ' || name || ' CASCADE'; \
            END LOOP; \
        END $$; \
        DELETE FROM migrations WHERE version > 1";
    run(&mut raw, forget).await;
}

#[async_trait]
impl<const KIND: u8> Fixture for Schema<KIND> {
    async fn open() -> Self {
        let place = Place::new().await;
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let config = match KIND {
            GUARDED => {
                place.guard().await;
                let role = format!("{}_app", place.schema);
                place.pooled(&role).await.with_guarded(true)
            }
            PARTITIONED => {
                place.open().await;
                partition(&place).await;
                place.config()
            }
            _ => place.config(),
        };
        let store = Self::open_at(&config, &clock).await;
        Self {
            clock,
            config,
            place,
            store,
        }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        self.store.clone()
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        Self::open_at(&self.config, &self.clock).await
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        let sql = "UPDATE users SET hash = $3 WHERE organisation = $1 AND user_id = $2";
        let query = sqlx::query(sql)
            .bind(key.organisation().as_str())
            .bind(key.user().as_str())
            .bind(text);
        let done = query.execute(&mut self.place.raw().await).await.unwrap();
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
impl<const KIND: u8> DocumentFixture for Schema<KIND> {
    fn documents(&self) -> Arc<dyn DocumentStore> {
        self.store.clone()
    }

    async fn reopen_documents(&self) -> Arc<dyn DocumentStore> {
        Self::open_at(&self.config, &self.clock).await
    }
}
