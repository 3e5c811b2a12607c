//! A store of its own in a server that all tests of a process share.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::{Clock, ManualClock, SystemClock, UserKey};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::{Redis, RedisCluster};
use sha2::{Digest, Sha256};

/// Whose keys begin with a prefix that nobody else has.
pub struct Space {
    pub clock: Arc<ManualClock>,
    pub store: RedisStore,
    config: RedisConfig,
    prefix: String,
    server: Server,
}

pub enum Server {
    Alone(Redis),
    Cluster(RedisCluster),
}

impl Server {
    pub async fn alone() -> Self {
        Self::Alone(Redis::shared().await)
    }

    pub async fn cluster() -> Self {
        Self::Cluster(RedisCluster::shared().await)
    }

    pub fn url(&self) -> String {
        match self {
            Self::Alone(redis) => redis.url(),
            Self::Cluster(cluster) => {
                let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
                format!("redis+cluster://{}", nodes.join(","))
            }
        }
    }

    pub async fn cli(&self, command: &[&str]) -> String {
        match self {
            Self::Alone(redis) => redis.cli(command).await,
            Self::Cluster(cluster) => cluster.cli(command).await,
        }
    }
}

impl Space {
    pub async fn on(server: Server) -> Self {
        let prefix = fresh_prefix();
        let url = format!("{}?prefix={prefix}", server.url());
        let config = RedisConfig::parse(&url).unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let store = RedisStore::open(&config).await.unwrap();
        Self {
            store: store.with_clock(clock.clone()),
            clock,
            config,
            prefix,
            server,
        }
    }

    /// Another handle with a connection of its own.
    pub async fn another(&self) -> RedisStore {
        let store = RedisStore::open(&self.config).await.unwrap();
        store.with_clock(self.clock.clone())
    }

    /// Replaces a field of a stored user.
    pub async fn damage(&self, key: &UserKey, field: &str, value: serde_json::Value) {
        let key = user_key(&self.prefix, key);
        let stored = self.server.cli(&["get", &key]).await;
        let mut user: serde_json::Value = serde_json::from_str(&stored).unwrap();
        *user.get_mut(field).unwrap() = value;
        assert_eq!(
            self.server.cli(&["set", &key, &user.to_string()]).await,
            "OK"
        );
    }
}

pub fn fresh_prefix() -> String {
    static SPACES: AtomicU32 = AtomicU32::new(0);
    let space = SPACES.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{space}:", std::process::id())
}

/// The key of a user, worked out by the README and not by the code under test.
pub fn user_key(prefix: &str, key: &UserKey) -> String {
    let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let organisation = encode(key.organisation().as_str());
    let id = format!("{organisation}.{}", encode(key.user().as_str()));
    let partition = Sha256::digest(id.as_bytes())[0];
    format!("{prefix}{{p{partition}}}u:{id}")
}
