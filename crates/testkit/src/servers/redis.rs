//! Redis, alone or with replicas.

mod cluster;
mod node;
mod sentinel;

use std::{net::SocketAddr, path::Path, sync::Arc};

use tokio::sync::OnceCell;

use super::{
    blocking,
    process::wait_until,
    sandbox::{Logs, Sandbox},
    settings::Settings,
};

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;

use node::Node;

/// A Redis server on the loopback. Clones are handles on the same one; it ends with the last.
#[derive(Debug, Clone)]
pub struct Redis {
    node: Arc<Node>,
    _logs: Logs,
}

impl Redis {
    /// Starts one that keeps what it acknowledges: it appends every command to a file, and syncs
    /// the file before it answers.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::Redis;
    /// let redis = Redis::start().await;
    /// assert_eq!(redis.cli(&["set", "key", "value"]).await, "OK");
    /// # }
    /// ```
    pub async fn start() -> Self {
        Self::start_with(Settings::new()).await
    }

    /// Starts one with settings of `redis.conf`.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::{Redis, Settings};
    /// let lossy = Redis::start_with(Settings::redis_snapshots()).await;
    /// # }
    /// ```
    pub async fn start_with(settings: Settings) -> Self {
        blocking(move || Self::launch(&settings)).await
    }

    /// The one that all tests of this process share. Each needs a prefix of its own for its keys.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::Redis;
    /// let redis = Redis::shared().await;
    /// assert_eq!(redis.pid(), Redis::shared().await.pid());
    /// # }
    /// ```
    pub async fn shared() -> Self {
        static SHARED: OnceCell<Redis> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.clone()
    }

    /// Starts a replica of this one and waits until it has all that the primary has.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::Redis;
    /// let primary = Redis::start().await;
    /// let replica = Redis::replica_of(&primary).await;
    /// primary.kill().await;
    /// replica.promote().await;
    /// # }
    /// ```
    pub async fn replica_of(primary: &Self) -> Self {
        Self::replica_through(primary.address()).await
    }

    /// Starts a replica of whatever listens at this address, as a proxy before a primary.
    pub async fn replica_through(address: SocketAddr) -> Self {
        blocking(move || {
            let primary = format!("{} {}", address.ip(), address.port());
            let this = Self::launch(&Settings::new().with("replicaof", primary));
            wait_until("the replica follows", || this.node.follows());
            this
        })
        .await
    }

    /// Makes a replica a primary.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn promote(&self) {
        assert_eq!(self.cli(&["replicaof", "no", "one"]).await, "OK");
    }

    /// Where clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        self.node.url()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.node.process.pid()
    }

    /// Its temporary directory: its data are in `redis`, its log is `redis.log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.node.process.sandbox.directory()
    }

    /// What `redis-cli` prints for a command.
    ///
    /// # Panics
    ///
    /// When the server does not answer, or with an error.
    pub async fn cli(&self, command: &[&str]) -> String {
        self.node.cli(command).await
    }

    /// Kills it with SIGKILL; returns when it is gone.
    pub async fn kill(&self) {
        self.node.kill().await;
    }

    /// Stops it in good order, as SHUTDOWN does.
    pub async fn stop(&self) {
        let node = Arc::clone(&self.node);
        blocking(move || {
            node.shut_down();
            node.process.reap();
        })
        .await;
    }

    /// Starts it on its old port and its old data.
    pub async fn start_again(&self) {
        self.node.start_again().await;
    }

    /// Stops it where it is: connections stay open and nothing answers.
    pub async fn pause(&self) {
        self.node.signal("STOP").await;
    }

    /// Lets it go on.
    pub async fn resume(&self) {
        self.node.signal("CONT").await;
    }

    fn launch(settings: &Settings) -> Self {
        let sandbox = Arc::new(Sandbox::new());
        let logs = Logs::of(Arc::clone(&sandbox));
        let node = Node::new(sandbox, "redis", settings);
        node.serve();
        Self {
            node: Arc::new(node),
            _logs: logs,
        }
    }
}
