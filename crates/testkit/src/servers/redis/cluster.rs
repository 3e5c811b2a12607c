//! Redis Cluster: three primaries with a replica each.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use super::node::Node;
use crate::servers::{
    binary, blocking,
    process::wait_until,
    sandbox::{Logs, Sandbox},
    settings::Settings,
};

const PRIMARIES: usize = 3;

/// Six Redis servers that share the slots. Clones are handles on the same ones; they end with the
/// last.
///
/// Nodes are numbered from 0. The first three are primaries until one of them fails.
#[derive(Debug, Clone)]
pub struct RedisCluster {
    nodes: Vec<Arc<Node>>,
    _logs: Logs,
}

impl RedisCluster {
    /// How many nodes there are.
    pub const SIZE: usize = 6;

    /// How long a node is silent until the others take it for dead.
    pub const NODE_TIMEOUT: Duration = Duration::from_secs(2);

    /// Starts one whose nodes keep what they acknowledge.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::RedisCluster;
    /// let cluster = RedisCluster::start().await;
    /// assert_eq!(cluster.urls().len(), RedisCluster::SIZE);
    /// # }
    /// ```
    pub async fn start() -> Self {
        Self::start_with(Settings::new()).await
    }

    /// Starts one with settings of `redis.conf` for every node.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::{RedisCluster, Settings};
    /// let lossy = RedisCluster::start_with(Settings::redis_snapshots()).await;
    /// # }
    /// ```
    pub async fn start_with(settings: Settings) -> Self {
        blocking(move || {
            let timeout = Self::NODE_TIMEOUT.as_millis().to_string();
            let settings = settings.over(&[
                ("cluster-enabled", "yes"),
                ("cluster-node-timeout", &timeout),
            ]);
            let this = Self::launch(&settings);
            this.join();
            wait_until("the cluster is whole", || this.is_whole());
            this
        })
        .await
    }

    /// The one that all tests of this process share. Each needs a prefix of its own for its keys,
    /// and may neither kill a node nor move slots.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::RedisCluster;
    /// let cluster = RedisCluster::shared().await;
    /// assert_eq!(cluster.primaries().await.len(), 3);
    /// # }
    /// ```
    pub async fn shared() -> Self {
        static SHARED: OnceCell<RedisCluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.clone()
    }

    /// Where clients connect to, node by node.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url()).collect()
    }

    /// Where the nodes listen.
    #[must_use]
    pub fn nodes(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address()).collect()
    }

    /// Their temporary directory: the data of the first are in `node0`, its log is `node0.log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.first().process.sandbox.directory()
    }

    /// The process id of a node.
    ///
    /// # Panics
    ///
    /// When there is no such node or it does not run.
    #[must_use]
    pub fn pid(&self, node: usize) -> u32 {
        self.nodes[node].process.pid()
    }

    /// What `redis-cli -c` prints for a command, which finds the node that serves the key.
    ///
    /// # Panics
    ///
    /// When no node runs, or it answers with an error.
    pub async fn cli(&self, command: &[&str]) -> String {
        let mut nodes = self.nodes.iter();
        let node = nodes.find(|node| node.process.runs());
        let command = [&["-c"], command].concat();
        node.expect("a node runs").cli(&command).await
    }

    /// What `redis-cli` prints for a command to this node.
    ///
    /// # Panics
    ///
    /// When the node does not answer, or with an error.
    pub async fn ask(&self, node: usize, command: &[&str]) -> String {
        self.nodes[node].cli(command).await
    }

    /// Which of the nodes that run are primaries.
    pub async fn primaries(&self) -> Vec<usize> {
        let this = self.clone();
        blocking(move || this.running_primaries()).await
    }

    /// Kills a node with SIGKILL; returns when it is gone.
    pub async fn kill(&self, node: usize) {
        self.nodes[node].kill().await;
    }

    /// Starts a node on its old port and its old data.
    pub async fn start_again(&self, node: usize) {
        self.nodes[node].start_again().await;
    }

    /// Waits until three primaries run and every node that runs says that all slots are served:
    /// after a kill, until a replica took over.
    pub async fn wait_until_ok(&self) {
        let this = self.clone();
        blocking(move || {
            wait_until("the cluster serves all slots", || {
                let mut running = this.nodes.iter().filter(|node| node.is_up());
                running.all(|node| node.cluster_says("cluster_state:ok"))
                    && this.running_primaries().len() == PRIMARIES
            });
        })
        .await;
    }

    /// Waits until all nodes run, know each other and every replica follows its primary.
    pub async fn wait_until_whole(&self) {
        let this = self.clone();
        blocking(move || wait_until("the cluster is whole", || this.is_whole())).await;
    }

    /// Moves slots with their keys from one primary to another, while both serve.
    pub async fn move_slots(&self, from: usize, to: usize, count: usize) {
        let this = self.clone();
        blocking(move || {
            let (from, to) = (this.nodes[from].id(), this.nodes[to].id());
            let count = count.to_string();
            this.manage(&[
                "reshard",
                &this.first().address().to_string(),
                "--cluster-from",
                &from,
                "--cluster-to",
                &to,
                "--cluster-slots",
                &count,
                "--cluster-yes",
            ]);
        })
        .await;
    }

    fn launch(settings: &Settings) -> Self {
        let sandbox = Arc::new(Sandbox::new());
        let logs = Logs::of(Arc::clone(&sandbox));
        let node = |index| {
            let place = format!("node{index}");
            Arc::new(Node::new(Arc::clone(&sandbox), &place, settings))
        };
        let nodes: Vec<_> = (0..Self::SIZE).map(node).collect();
        nodes.iter().for_each(|node| node.serve());
        Self { nodes, _logs: logs }
    }

    fn join(&self) {
        let addresses = self.nodes.iter().map(|node| node.address().to_string());
        let addresses: Vec<_> = addresses.collect();
        let mut words = vec!["create"];
        words.extend(addresses.iter().map(String::as_str));
        words.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        self.manage(&words);
    }

    fn running_primaries(&self) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        let primaries = nodes.filter(|(_, node)| node.is_up() && node.is_primary());
        primaries.map(|(index, _)| index).collect()
    }

    fn is_whole(&self) -> bool {
        self.running_primaries().len() == PRIMARIES
            && self.nodes.iter().all(|node| {
                node.cluster_says("cluster_state:ok")
                    && node.cluster_says("cluster_known_nodes:6")
                    && (node.is_primary() || node.follows())
            })
    }

    fn manage(&self, words: &[&str]) {
        let program = binary::find("redis-cli", "redis-tools");
        let arguments = [&["--cluster"], words].concat();
        self.first().process.sandbox.run(&program, &arguments);
    }

    fn first(&self) -> &Arc<Node> {
        &self.nodes[0]
    }
}

impl Node {
    fn id(&self) -> String {
        self.ask(&["cluster", "myid"])
    }

    fn is_primary(&self) -> bool {
        self.ask(&["role"]).starts_with("master")
    }

    fn cluster_says(&self, line: &str) -> bool {
        let info = self.ask(&["cluster", "info"]);
        info.lines().any(|other| other.trim_end() == line)
    }
}
