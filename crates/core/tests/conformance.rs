//! The reference store keeps the contract that other stores are held to.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    Clock, ManualClock, MemoryStore, SystemClock, Timestamp, UserKey, UserStore,
    store::DocumentStore,
};
use portcullis_testkit::{DocumentFixture, Fixture};

struct Memory {
    clock: Arc<ManualClock>,
    store: MemoryStore,
}

#[async_trait]
impl Fixture for Memory {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let store = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, store }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        self.store()
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        self.store.damage_hash(key, text);
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
impl DocumentFixture for Memory {
    fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::new(self.store.clone())
    }

    async fn reopen_documents(&self) -> Arc<dyn DocumentStore> {
        self.documents()
    }
}

portcullis_testkit::store_conformance!(Memory);
portcullis_testkit::document_conformance!(Memory);
