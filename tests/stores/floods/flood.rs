//! Many clients that guess as fast as they can.

use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{sync::watch, task::JoinSet};

use super::{doors::Guess, fleet::Fleet};

/// What is asked for of the n-th guess.
pub(super) type Script = Arc<dyn Fn(usize) -> Guess + Send + Sync>;

/// How many guesses come, from how many connections at once, and how often a server is killed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) guesses: usize,
    pub(super) connections: usize,
    pub(super) kills: usize,
}

impl Size {
    /// `./test --long` asks for more.
    pub(super) fn asked() -> Self {
        let asked = std::env::var("PORTCULLIS_GUESSES").ok();
        let guesses = asked.and_then(|text| text.parse().ok()).unwrap_or(500);
        let (connections, kills) = if guesses > 500 { (256, 10) } else { (64, 2) };
        Self {
            guesses,
            connections,
            kills,
        }
    }
}

/// What came of a flood.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) hashes: usize,
    pub(super) answered: usize,
    /// The answers that refuse a guess, as they came. Those that ask to wait tell for how long.
    pub(super) refusals: BTreeSet<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers for {} hashes;", self.answered, self.hashes)
    }
}

/// Floods a fleet, one server of which is killed over and over meanwhile.
pub(super) async fn flood(fleet: &mut Fleet, size: Size, script: Script) -> Outcome {
    let before = fleet.hashes().await;
    let addresses = Arc::new(Mutex::new(fleet.addresses()));
    let mut flood = Running::start(size, &addresses, &script);
    for kill in 1..=size.kills {
        flood.wait_for(size.guesses * kill / (size.kills + 1)).await;
        fleet.kill_one().await;
        *addresses.lock().unwrap() = fleet.addresses();
    }
    let mut outcome = flood.end().await;
    outcome.hashes = fleet.hashes().await - before;
    outcome
}

/// Clients at work.
pub(super) struct Running {
    clients: JoinSet<Outcome>,
    guesses: usize,
    made: watch::Sender<usize>,
}

impl Running {
    pub(super) fn start(
        size: Size,
        addresses: &Arc<Mutex<Vec<SocketAddr>>>,
        script: &Script,
    ) -> Self {
        let (next, made) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
        let clients = (0..size.connections).map(|_| {
            let (addresses, script) = (Arc::clone(addresses), Arc::clone(script));
            client(
                size.guesses,
                Arc::clone(&next),
                made.clone(),
                addresses,
                script,
            )
        });
        Self {
            clients: clients.collect(),
            guesses: size.guesses,
            made,
        }
    }

    /// Waits until so many guesses were made, answered or not.
    async fn wait_for(&self, guesses: usize) {
        let mut made = self.made.subscribe();
        let reached = made.wait_for(|made| *made >= guesses).await;
        reached.expect("the sender lives");
    }

    /// Whether every guess has been made.
    pub(super) fn is_over(&self) -> bool {
        *self.made.borrow() >= self.guesses
    }

    pub(super) async fn end(&mut self) -> Outcome {
        let mut all = Outcome::default();
        while let Some(client) = self.clients.join_next().await {
            let one = client.expect("a client ends");
            all.answered += one.answered;
            all.refusals.extend(one.refusals);
        }
        all
    }
}

async fn client(
    guesses: usize,
    next: Arc<AtomicUsize>,
    made: watch::Sender<usize>,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    script: Script,
) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= guesses {
            return outcome;
        }
        let address = {
            let addresses = addresses.lock().unwrap();
            addresses[n % addresses.len()]
        };
        if let Some(answer) = script(n).make(address).await {
            assert!(!answer.verified, "a wrong guess is right");
            outcome.answered += 1;
            outcome.refusals.extend(answer.refusal);
        }
        made.send_modify(|made| *made += 1);
    }
}
