//! A store of its own in a server, or a cluster, that all tests of a process share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::{
    Clock, ManualClock, SystemClock, Timestamp, UserKey, UserStore, store::DocumentStore,
};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::{
    DocumentFixture, Fixture,
    servers::{Redis, RedisCluster},
};
use sha2::{Digest, Sha256};

/// A store whose keys begin with a prefix that no other has.
pub(crate) struct Shared<const CLUSTER: bool> {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: RedisStore,
    config: RedisConfig,
    prefix: String,
}

impl<const CLUSTER: bool> Shared<CLUSTER> {
    async fn connect(&self) -> RedisStore {
        let store = RedisStore::open(&self.config).await.unwrap();
        store.with_clock(self.clock.clone())
    }
}

#[async_trait]
impl<const CLUSTER: bool> Fixture for Shared<CLUSTER> {
    async fn open() -> Self {
        let prefix = fresh_prefix();
        let url = format!("{}?prefix={prefix}", url(CLUSTER).await);
        let config = RedisConfig::parse(&url).unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let store = RedisStore::open(&config).await.unwrap();
        Self {
            store: store.with_clock(clock.clone()),
            clock,
            config,
            prefix,
        }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        Arc::new(self.connect().await)
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        let key = user_key(&self.prefix, key);
        let stored = cli(CLUSTER, &["get", &key]).await;
        let mut user: serde_json::Value = serde_json::from_str(&stored).unwrap();
        *user.get_mut("hash").unwrap() = text.into();
        let set = ["set", &key, &user.to_string()];
        assert_eq!(cli(CLUSTER, &set).await, "OK");
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
impl<const CLUSTER: bool> DocumentFixture for Shared<CLUSTER> {
    fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::new(self.store.clone())
    }

    async fn reopen_documents(&self) -> Arc<dyn DocumentStore> {
        Arc::new(self.connect().await)
    }
}

async fn url(cluster: bool) -> String {
    if !cluster {
        return Redis::shared().await.url();
    }
    let nodes = RedisCluster::shared().await.nodes();
    let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    format!("redis+cluster://{}", nodes.join(","))
}

async fn cli(cluster: bool, command: &[&str]) -> String {
    if cluster {
        RedisCluster::shared().await.cli(command).await
    } else {
        Redis::shared().await.cli(command).await
    }
}

fn fresh_prefix() -> String {
    static STORES: AtomicU32 = AtomicU32::new(0);
    let store = STORES.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{store}:", std::process::id())
}

/// The key of a user, worked out by the documentation and not by the code under test.
fn user_key(prefix: &str, key: &UserKey) -> String {
    let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let organisation = encode(key.organisation().as_str());
    let id = format!("{organisation}.{}", encode(key.user().as_str()));
    let partition = Sha256::digest(id.as_bytes())[0];
    format!("{prefix}{{p{partition}}}u:{id}")
}
