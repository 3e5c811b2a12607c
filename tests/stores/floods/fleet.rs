//! Servers on one store.

use std::net::SocketAddr;

use portcullis_tests::{BOOTSTRAP, Options, Server, get};

use super::LIMIT;
use crate::store::Store;

const SERVERS: usize = 4;

/// Four servers, and what those logged that are gone.
pub(super) struct Fleet {
    servers: Vec<Server>,
    last_words: Vec<String>,
}

impl Fleet {
    pub(super) async fn start(store: Store) -> Self {
        let lockout = format!("name = \"acme\"\n[org.lockout]\nmax_attempts = {LIMIT}\n");
        let bootstrap = BOOTSTRAP.replacen("name = \"acme\"\n", &lockout, 1);
        let first = Server::with(Options {
            store: store.url().await,
            bootstrap: Some(format!("[instance]\nanswers = \"uniform\"\n{bootstrap}")),
            ..Options::default()
        });
        let mut servers = vec![first.await];
        while servers.len() < SERVERS {
            servers.push(servers[0].beside().await);
        }
        Self {
            servers,
            last_words: Vec::new(),
        }
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// Kills the last server and starts it again.
    pub(super) async fn kill_one(&mut self) {
        let server = self.servers.last_mut().expect("there are servers");
        let log = server.kill_and_restart().await;
        self.last_words.push(log);
    }

    /// Comparisons and dummies so far, in servers that are gone as well: each is logged before it
    /// begins, and a kill takes no line back.
    pub(super) async fn hashes(&self) -> usize {
        let mut hashes = 0;
        for log in &self.last_words {
            let started = log.lines().filter(|line| line.contains("hash started"));
            hashes += started
                .filter(|line| !line.contains("kind=\"set\""))
                .count();
        }
        for server in &self.servers {
            let metrics = get(server.address, "/metrics", &[]).await.text();
            for kind in ["compare", "dummy", "upgrade"] {
                let name = format!("portcullis_hash_operations_total{{kind=\"{kind}\"}} ");
                let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
                let count = count.and_then(|count| count.parse::<usize>().ok());
                hashes += count.expect("a counter");
            }
        }
        hashes
    }
}
