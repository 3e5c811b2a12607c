//! A store's server that is one test's alone, to be killed.

use std::net::SocketAddr;

use portcullis_testkit::servers::{Postgres, Redis, RedisCluster, RedisSentinel, Settings};

use crate::store::{Store, cluster_url, sentinel_url};

/// A running server, or all of a cluster's.
#[derive(Debug)]
pub(crate) enum Own {
    Cluster(RedisCluster),
    Postgres(Postgres),
    Redis(Redis),
    Sentinel(RedisSentinel),
}

impl Own {
    /// Starts one that keeps what it acknowledges.
    pub(crate) async fn start(store: Store) -> Self {
        Self::start_with(store, Settings::new()).await
    }

    pub(crate) async fn start_with(store: Store, settings: Settings) -> Self {
        match store {
            Store::Cluster => Self::Cluster(RedisCluster::start_with(settings).await),
            Store::Postgres => Self::Postgres(Postgres::start_with(settings).await),
            Store::Redis => Self::Redis(Redis::start_with(settings).await),
            Store::Sentinel => Self::Sentinel(RedisSentinel::start_with(3, settings).await),
            Store::Sqlite => panic!("{store:?} is not killed here"),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Cluster(cluster) => cluster_url(cluster),
            Self::Postgres(postgres) => postgres.url("postgres"),
            Self::Redis(redis) => redis.url(),
            Self::Sentinel(sentinel) => sentinel_url(sentinel),
        }
    }

    /// The same, with what keeps a failover from losing what was acknowledged.
    pub(crate) fn safe_url(&self) -> String {
        match self {
            Self::Sentinel(_) => format!("{}?wait=1&wait_ms=1000", self.url()),
            _ => self.url(),
        }
    }

    /// Where it listens; of a cluster, its first node, and of what Sentinel watches, the primary.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Cluster(cluster) => cluster.nodes()[0],
            Self::Postgres(postgres) => postgres.address(),
            Self::Redis(redis) => redis.address(),
            Self::Sentinel(sentinel) => {
                let [primary, _] = sentinel.urls();
                let address = primary.trim_start_matches("redis://");
                address.trim_end_matches('/').parse().unwrap()
            }
        }
    }

    /// Kills every process of it with SIGKILL; of what Sentinel watches, the servers of data.
    pub(crate) async fn kill(&self) {
        match self {
            Self::Cluster(cluster) => {
                for node in 0..RedisCluster::SIZE {
                    cluster.kill(node).await;
                }
            }
            Self::Postgres(postgres) => postgres.kill().await,
            Self::Redis(redis) => redis.kill().await,
            // The replica first: killed last, it could be the primary of a moment.
            Self::Sentinel(sentinel) => {
                let primary = sentinel.primary().await;
                sentinel.kill(1 - primary).await;
                sentinel.kill(primary).await;
            }
        }
    }

    /// Starts it on what it left; returns when it serves.
    pub(crate) async fn start_again(&self) {
        match self {
            Self::Cluster(cluster) => {
                for node in 0..RedisCluster::SIZE {
                    cluster.start_again(node).await;
                }
                cluster.wait_until_ok().await;
            }
            Self::Postgres(postgres) => postgres.start_again().await,
            Self::Redis(redis) => redis.start_again().await,
            Self::Sentinel(sentinel) => {
                tokio::join!(sentinel.start_again(0), sentinel.start_again(1));
                sentinel.wait_until_replicated().await;
                sentinel.primary().await;
            }
        }
    }
}
