//! The stores that a case runs on.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_testkit::servers::{Postgres, Redis, RedisCluster, RedisSentinel};
use portcullis_tests::Server;
use tokio::sync::OnceCell;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Cluster,
    Postgres,
    Redis,
    Sentinel,
    Sqlite,
}

impl Store {
    pub(crate) const fn cluster() -> Self {
        Self::Cluster
    }

    pub(crate) const fn postgres() -> Self {
        Self::Postgres
    }

    pub(crate) const fn redis() -> Self {
        Self::Redis
    }

    pub(crate) const fn sentinel() -> Self {
        Self::Sentinel
    }

    pub(crate) const fn sqlite() -> Self {
        Self::Sqlite
    }

    /// An empty place on a server that all tests share: a schema or a prefix of its own.
    pub(crate) async fn url(self) -> String {
        let name = unique();
        match self {
            Self::Cluster => {
                let cluster = RedisCluster::shared().await;
                format!("{}?prefix={name}:", cluster_url(&cluster))
            }
            Self::Postgres => {
                let postgres = Postgres::shared().await;
                format!("{}?schema={name}&pool=4", postgres.url("postgres"))
            }
            Self::Redis => format!("{}?prefix={name}:", Redis::shared().await.url()),
            Self::Sentinel => {
                let sentinel = sentinel_servers().await;
                format!("{}?prefix={name}:", sentinel_url(sentinel))
            }
            Self::Sqlite => "sqlite:portcullis.db".to_owned(),
        }
    }

    /// A server on an empty place.
    pub(crate) async fn serve(self) -> Server {
        Server::on(self.url().await).await
    }
}

/// A name that no other test of this process uses.
pub(crate) fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// All nodes of a cluster in one URL.
pub(crate) fn cluster_url(cluster: &RedisCluster) -> String {
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    format!("redis+cluster://{}", nodes.join(","))
}

/// All sentinels in one URL, with the name of what they watch and a database.
pub(crate) fn sentinel_url(servers: &RedisSentinel) -> String {
    let urls = servers.sentinel_urls();
    let hosts = urls.iter().map(|url| {
        let host = url.strip_prefix("redis://").unwrap();
        host.trim_end_matches('/')
    });
    let hosts: Vec<_> = hosts.collect();
    format!(
        "redis+sentinel://{}/{}/0",
        hosts.join(","),
        RedisSentinel::NAME
    )
}

async fn sentinel_servers() -> &'static RedisSentinel {
    static SHARED: OnceCell<RedisSentinel> = OnceCell::const_new();
    SHARED.get_or_init(|| RedisSentinel::start(3)).await
}
