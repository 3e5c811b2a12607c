//! What the conformance suite opens for each case.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{Clock, ManualClock, SystemClock, Timestamp, UserKey, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::Fixture;

use crate::place::Place;

/// One case's schema. A guarded one is used by a role that may only call functions, through what
/// could be a pooler.
pub(crate) struct Schema<const GUARDED: bool> {
    clock: Arc<ManualClock>,
    config: PostgresConfig,
    place: Place,
    store: Arc<dyn UserStore>,
}

impl<const GUARDED: bool> Schema<GUARDED> {
    async fn open_at(config: &PostgresConfig, clock: &Arc<ManualClock>) -> Arc<dyn UserStore> {
        let store = PostgresStore::open(config).await.unwrap();
        Arc::new(store.with_clock(clock.clone()))
    }
}

#[async_trait]
impl<const GUARDED: bool> Fixture for Schema<GUARDED> {
    async fn open() -> Self {
        let place = Place::new().await;
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let config = if GUARDED {
            place.guard().await.with_pgbouncer(true)
        } else {
            place.config()
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
