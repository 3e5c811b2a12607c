//! The contract of `UserStore`, over a schema of a real server.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "server/place.rs"]
mod place;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{Clock, ManualClock, SystemClock, Timestamp, UserKey, UserStore};
use portcullis_testkit::Fixture;

use place::Place;

struct Schema {
    clock: Arc<ManualClock>,
    place: Place,
    store: Arc<dyn UserStore>,
}

impl Schema {
    async fn open_at(place: &Place, clock: &Arc<ManualClock>) -> Arc<dyn UserStore> {
        let store = place.open().await;
        Arc::new(store.with_clock(clock.clone()))
    }
}

#[async_trait]
impl Fixture for Schema {
    async fn open() -> Self {
        let place = Place::new().await;
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let store = Self::open_at(&place, &clock).await;
        Self {
            clock,
            place,
            store,
        }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        self.store.clone()
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        Self::open_at(&self.place, &self.clock).await
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

portcullis_testkit::store_conformance!(Schema);
