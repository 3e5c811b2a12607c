//! Servers of a store behind proxies.

use std::{sync::Arc, time::Duration};

use portcullis_core::UserStore;
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::{
    proxy::Proxy,
    servers::{Postgres, Redis, RedisCluster, Settings},
};
use portcullis_tests::ORG;
use tokio::time::{sleep, timeout};

use crate::{
    dice::Dice,
    handles::{postgres_url, redis},
};

/// A store, and everything between it and its clients.
pub(crate) struct Site {
    /// Where clients connect to: proxies.
    pub(crate) url: String,
    /// All of these.
    pub(crate) proxies: Vec<Proxy>,
    /// What requests that write have in them.
    pub(crate) pattern: &'static [u8],
    /// How long a handle waits for an answer.
    pub(crate) patience: Duration,
    servers: Servers,
}

enum Servers {
    Cluster(RedisCluster),
    Postgres(Postgres),
    Redis(Redis),
}

impl Site {
    /// Kills a server of the store and starts it again, at the same address on the same data.
    pub(crate) async fn kill_and_restart(&self, dice: &mut Dice) {
        match &self.servers {
            Servers::Cluster(cluster) => {
                let node = dice.index(RedisCluster::SIZE);
                cluster.kill(node).await;
                cluster.start_again(node).await;
                cluster.wait_until_whole().await;
            }
            Servers::Postgres(server) => {
                server.kill().await;
                server.start_again().await;
            }
            Servers::Redis(server) => {
                server.kill().await;
                server.start_again().await;
            }
        }
    }

    pub(crate) async fn postgres() -> Self {
        let server = Postgres::start().await;
        let proxy = Proxy::to(server.address()).await;
        Self {
            url: postgres_url(proxy.address()),
            proxies: vec![proxy],
            pattern: ORG.as_bytes(),
            patience: STATEMENT + Duration::from_secs(1),
            servers: Servers::Postgres(server),
        }
    }

    pub(crate) async fn redis() -> Self {
        let server = Redis::start().await;
        let proxy = Proxy::to(server.address()).await;
        Self {
            url: format!("redis://{}", proxy.address()),
            proxies: vec![proxy],
            pattern: SCRIPT,
            patience: ANSWER,
            servers: Servers::Redis(server),
        }
    }

    /// Every node has a proxy, and tells clients and its replicas the proxy's port for its own.
    ///
    /// None fails over: that a replica knows all that was read is more than Redis promises.
    pub(crate) async fn cluster() -> Self {
        let settings = Settings::new().with("cluster-replica-no-failover", "yes");
        let cluster = RedisCluster::start_with(settings).await;
        let mut proxies = Vec::new();
        for (node, address) in cluster.nodes().into_iter().enumerate() {
            let proxy = Proxy::to(address).await;
            let port = proxy.address().port().to_string();
            let announce = ["config", "set", "cluster-announce-port", &port];
            cluster.ask(node, &announce).await;
            // A node that is started again says the same.
            cluster.ask(node, &["config", "rewrite"]).await;
            proxies.push(proxy);
        }
        let heard = timeout(GOSSIP, heard_of(&cluster, &proxies)).await;
        heard.expect("the nodes hear of each other's ports");
        cluster.wait_until_whole().await;
        let addresses: Vec<_> = proxies
            .iter()
            .map(|proxy| proxy.address().to_string())
            .collect();
        Self {
            url: format!("redis+cluster://{}", addresses.join(",")),
            proxies,
            pattern: SCRIPT,
            patience: ANSWER,
            servers: Servers::Cluster(cluster),
        }
    }

    /// Another handle on the store, with connections of its own.
    pub(crate) async fn open(&self) -> Arc<dyn UserStore> {
        if !self.url.starts_with("postgres") {
            return redis(&self.url).await;
        }
        let config = PostgresConfig::parse(&self.url).unwrap();
        let config = config
            .with_acquire_timeout(STATEMENT)
            .with_statement_timeout(STATEMENT);
        Arc::new(PostgresStore::open(&config).await.unwrap())
    }
}

/// Waits until every node knows every node by the port of its proxy.
async fn heard_of(cluster: &RedisCluster, proxies: &[Proxy]) {
    let ports: Vec<_> = proxies
        .iter()
        .map(|proxy| format!(":{}@", proxy.address().port()))
        .collect();
    for node in 0..RedisCluster::SIZE {
        loop {
            let nodes = cluster.ask(node, &["cluster", "nodes"]).await;
            if ports.iter().all(|port| nodes.contains(port)) {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Every mutation in Redis is one.
const SCRIPT: &[u8] = b"EVALSHA";
/// What PostgreSQL is given here, so that a test does not wait for the usual five seconds.
const STATEMENT: Duration = Duration::from_millis(500);
/// How long the store on Redis waits.
const ANSWER: Duration = Duration::from_secs(3);
const GOSSIP: Duration = Duration::from_secs(30);
