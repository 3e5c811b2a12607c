//! Redis with sentinels that fail over.

use std::{path::Path, sync::Arc, time::Duration};

use super::node::Node;
use crate::servers::{
    blocking,
    process::wait_until,
    sandbox::{Logs, Sandbox},
    settings::Settings,
};

/// A primary, its replica, and sentinels that promote the replica when the primary is gone.
/// Clones are handles on the same ones; they end with the last.
#[derive(Debug, Clone)]
pub struct RedisSentinel {
    data: [Arc<Node>; 2],
    sentinels: Vec<Arc<Node>>,
    _logs: Logs,
}

impl RedisSentinel {
    /// The name under which sentinels know the primary.
    pub const NAME: &str = "portcullis";

    /// How long the primary is silent until a sentinel takes it for dead.
    pub const DOWN_AFTER: Duration = Duration::from_secs(1);

    /// Starts them with so many sentinels; more than half of them decide.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::RedisSentinel;
    /// let redis = RedisSentinel::start(3).await;
    /// redis.kill(redis.primary().await).await;
    /// redis.wait_for_primary(1).await;
    /// # }
    /// ```
    pub async fn start(sentinels: usize) -> Self {
        Self::start_with(sentinels, Settings::new()).await
    }

    /// Starts them with settings of `redis.conf` for the primary and the replica.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::{RedisSentinel, Settings};
    /// let lossy = RedisSentinel::start_with(1, Settings::redis_snapshots()).await;
    /// # }
    /// ```
    pub async fn start_with(sentinels: usize, settings: Settings) -> Self {
        blocking(move || {
            let this = Self::launch(sentinels, &settings);
            let others = sentinels.saturating_sub(1);
            wait_until("the sentinels know each other", || {
                this.sentinels.iter().all(|node| {
                    node.watches("num-slaves", 1) && node.watches("num-other-sentinels", others)
                })
            });
            this
        })
        .await
    }

    /// Where clients ask for the primary, sentinel by sentinel.
    #[must_use]
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(|node| node.url()).collect()
    }

    /// Where the data are: at first the primary, then the replica.
    #[must_use]
    pub fn urls(&self) -> [String; 2] {
        [self.data[0].url(), self.data[1].url()]
    }

    /// Their temporary directory: the first one's data are in `data0`, its log is `data0.log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.data[0].process.sandbox.directory()
    }

    /// The process id of the first or the second server of data.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[must_use]
    pub fn pid(&self, node: usize) -> u32 {
        self.data[node].process.pid()
    }

    /// Which of the two servers of data all sentinels take for the primary.
    ///
    /// # Panics
    ///
    /// When they do not agree on one for a long time.
    pub async fn primary(&self) -> usize {
        let this = self.clone();
        blocking(move || {
            let mut primary = None;
            wait_until("the sentinels agree", || {
                primary = (0..this.data.len()).find(|index| this.all_say(*index));
                primary.is_some()
            });
            primary.expect("it was waited for")
        })
        .await
    }

    /// Waits until all sentinels take this one for the primary.
    pub async fn wait_for_primary(&self, node: usize) {
        let this = self.clone();
        blocking(move || wait_until("the sentinels failed over", || this.all_say(node))).await;
    }

    /// Waits until one of the two servers of data follows the other, so that a write that waits for
    /// a replica can succeed.
    ///
    /// # Panics
    ///
    /// When neither does for a long time.
    pub async fn wait_until_replicated(&self) {
        let this = self.clone();
        let follows = move || this.data.iter().any(|node| node.follows());
        blocking(move || wait_until("a replica follows", follows)).await;
    }

    /// What `redis-cli` prints for a command to one of the two servers of data.
    ///
    /// # Panics
    ///
    /// When the server does not answer, or with an error.
    pub async fn cli(&self, node: usize, command: &[&str]) -> String {
        self.data[node].cli(command).await
    }

    /// Kills one of the two with SIGKILL; returns when it is gone.
    pub async fn kill(&self, node: usize) {
        self.data[node].kill().await;
    }

    /// Starts one of the two on its old port and its old data.
    pub async fn start_again(&self, node: usize) {
        self.data[node].start_again().await;
    }

    fn launch(sentinels: usize, settings: &Settings) -> Self {
        let sandbox = Arc::new(Sandbox::new());
        let logs = Logs::of(Arc::clone(&sandbox));
        let primary = Node::new(Arc::clone(&sandbox), "data0", settings);
        let port = primary.process.port.number();
        let following = settings
            .clone()
            .with("replicaof", format!("127.0.0.1 {port}"));
        let replica = Node::new(Arc::clone(&sandbox), "data1", &following);
        primary.serve();
        replica.serve();
        wait_until("the replica follows", || replica.follows());
        let (name, quorum) = (Self::NAME, sentinels / 2 + 1);
        let down_after = Self::DOWN_AFTER.as_millis();
        // Names of settings of a sentinel have two words; `monitor` has to come first.
        let watching = Settings::new()
            .with(
                "sentinel monitor",
                format!("{name} 127.0.0.1 {port} {quorum}"),
            )
            .with(
                "sentinel down-after-milliseconds",
                format!("{name} {down_after}"),
            )
            .with("sentinel failover-timeout", format!("{name} 5000"));
        let sentinel = |index| {
            let place = format!("sentinel{index}");
            Arc::new(Node::sentinel(
                Arc::clone(&sandbox),
                &place,
                watching.clone(),
            ))
        };
        let sentinels: Vec<_> = (0..sentinels).map(sentinel).collect();
        sentinels.iter().for_each(|node| node.serve());
        Self {
            data: [Arc::new(primary), Arc::new(replica)],
            sentinels,
            _logs: logs,
        }
    }

    fn all_say(&self, node: usize) -> bool {
        let port = self.data[node].process.port.number().to_string();
        let said = |sentinel: &Arc<Node>| {
            let words = ["sentinel", "get-master-addr-by-name", Self::NAME];
            sentinel.ask(&words) == format!("127.0.0.1\n{port}")
        };
        self.sentinels.iter().all(said)
            && self.data[node].is_up()
            && self.data[node].ask(&["role"]).starts_with("master")
    }
}

impl Node {
    /// Whether a sentinel says this of what it watches.
    fn watches(&self, name: &str, value: usize) -> bool {
        let facts = self.ask(&["sentinel", "master", RedisSentinel::NAME]);
        let (lines, value) = (facts.lines().collect::<Vec<_>>(), value.to_string());
        lines.windows(2).any(|pair| pair == [name, &value])
    }
}
