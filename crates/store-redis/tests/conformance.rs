//! The contract of `UserStore`, over one server.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

#[path = "common/space.rs"]
mod space;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{Clock, Timestamp, UserKey, UserStore};
use portcullis_testkit::Fixture;
use space::{Server, Space};

struct OneServer(Space);

#[async_trait]
impl Fixture for OneServer {
    async fn open() -> Self {
        Self(Space::on(Server::alone().await).await)
    }

    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.0.store.clone())
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        Arc::new(self.0.another().await)
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        self.0.damage(key, "hash", text.into()).await;
    }

    async fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    async fn set_back(&self, by: Duration) {
        self.0.clock.set(self.0.clock.now() - by);
    }
}

portcullis_testkit::store_conformance!(OneServer);
