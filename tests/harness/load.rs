//! Load on a running server, and the count of what its store made of it.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    http::{get, request, try_send_raw},
    server::Server,
    world::{ADMIN, ORG},
};

const USERS: [&str; 3] = ["42", "locked", "inactive"];
const CLIENTS: usize = 16;

/// An operation id that nobody else in this process uses.
pub fn operation_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Clients that set passwords until they are stopped. They go on while nobody answers.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: watch::Sender<usize>,
    clients: JoinSet<Vec<Write>>,
}

/// A password that a client asked for, and what it was told.
#[derive(Debug)]
struct Write {
    user: &'static str,
    operation: String,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is there, under this sequence.
    Applied(u64),
    /// It is not there.
    Refused,
    /// Nothing, or that nobody knows.
    Unknown,
}

impl Load {
    /// Sixteen clients on three users of the usual organisation.
    pub fn on(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = watch::Sender::new(0);
        let clients = (0..CLIENTS)
            .map(|client| {
                let user = USERS[client % USERS.len()];
                run(address, user, Arc::clone(&stop), acknowledged.clone())
            })
            .collect();
        Self {
            stop,
            acknowledged,
            clients,
        }
    }

    /// Waits until so many more writes are acknowledged than now.
    pub async fn wait_for_more(&self, writes: usize) {
        let mut count = self.acknowledged.subscribe();
        let goal = *count.borrow() + writes;
        let reached = count.wait_for(|count| *count >= goal).await;
        reached.expect("the sender lives");
    }

    /// Lets every client end what it has begun.
    pub async fn stop(self) -> Journal {
        self.stop.store(true, Ordering::Relaxed);
        Journal {
            writes: self
                .clients
                .join_all()
                .await
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}

async fn run(
    address: SocketAddr,
    user: &'static str,
    stop: Arc<AtomicBool>,
    acknowledged: watch::Sender<usize>,
) -> Vec<Write> {
    let mut writes = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let operation = operation_id();
        let told = write(address, user, &operation).await;
        if let Told::Applied(_) = told {
            acknowledged.send_modify(|count| *count += 1);
        } else {
            // A server that is gone answers faster than one that works.
            sleep(Duration::from_millis(10)).await;
        }
        writes.push(Write {
            user,
            operation,
            told,
        });
    }
    writes
}

async fn write(address: SocketAddr, user: &str, operation: &str) -> Told {
    match try_set_password(address, user, operation).await {
        None => Told::Unknown,
        Some((0, sequence)) => Told::Applied(sequence.expect("a sequence")),
        // UNKNOWN and DEADLINE_EXCEEDED: it may have been applied.
        Some((2 | 4, _)) => Told::Unknown,
        // RESOURCE_EXHAUSTED, ABORTED and UNAVAILABLE: it was not. NOT_FOUND and
        // FAILED_PRECONDITION are the answers of a store that has lost its users, which the audit
        // will say.
        Some((5 | 8 | 9 | 10 | 14, _)) => Told::Refused,
        Some((code, _)) => panic!("no fault of a store is a reason for the code {code}"),
    }
}

/// Sets a password of a user of the usual organisation, over REST: the code of the answer and its
/// sequence, or nothing if there is no answer.
pub async fn try_set_password(
    address: SocketAddr,
    user: &str,
    operation: &str,
) -> Option<(i64, Option<u64>)> {
    let path = format!("/management/v1/users/{user}/password");
    let authorization = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-portcullis-operation-id", operation),
    ];
    let body = br#"{"password":"Secret-1234"}"#;
    let request = request("POST", &path, &headers, body);
    let reply = try_send_raw(address, &request).await?;
    let json = reply.json();
    if reply.status == 200 {
        let sequence = json["details"]["sequence"].as_str().expect("a sequence");
        return Some((0, Some(sequence.parse().expect("a number"))));
    }
    Some((json["code"].as_i64().expect("a code"), None))
}

/// What clients were told.
#[derive(Debug, Default)]
pub struct Journal {
    writes: Vec<Write>,
}

impl Journal {
    /// Adds what clients of another load were told.
    pub fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
    }

    /// Compares it with what `inspect` and the look-up of operations find.
    pub async fn audit(&self, server: &Server) -> Audit {
        let mut audit = Audit::default();
        for user in USERS {
            let (exit, lines) = server.inspect(ORG, user).await;
            audit.half_applied += usize::from(exit != 0);
            let events = lines.get(1..).unwrap_or_default();
            audit.numbers(events);
            let stored: HashMap<_, _> = events
                .iter()
                .map(|event| (event["operation_id"].as_str(), event["sequence"].as_u64()))
                .collect();
            for write in self.writes.iter().filter(|write| write.user == user) {
                let event = stored.get(&Some(write.operation.as_str())).copied();
                audit.write(write, event.flatten());
                if write.told == Told::Unknown {
                    let found = is_applied(server, write).await;
                    audit.half_applied += usize::from(found != event.is_some());
                }
            }
        }
        audit
    }
}

async fn is_applied(server: &Server, write: &Write) -> bool {
    let Write {
        user, operation, ..
    } = write;
    let path = format!("/portcullis/v1/operations/{ORG}/{user}/{operation}");
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str())];
    let asked = Instant::now();
    loop {
        let reply = get(server.address, &path, &headers).await;
        // A store that waits for replicas does not vouch for what they do not have yet.
        if reply.json()["code"] == UNKNOWN && asked.elapsed() < REPLICATES {
            continue;
        }
        assert_eq!(reply.status, 200, "{}", reply.text());
        return reply.json()["state"] == "applied";
    }
}

/// The code of an outcome that is unknown.
const UNKNOWN: u64 = 2;
/// Within this time the replicas of a store that was killed have caught up.
const REPLICATES: Duration = Duration::from_secs(30);

/// What became of the writes of a load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Those of them that are not there as they were acknowledged.
    pub lost: usize,
    /// Users that `inspect` does not find consistent, and operations without their event.
    pub half_applied: usize,
    /// Sequences that no event has.
    pub gaps: usize,
    /// Sequences or operations that several events have.
    pub duplicates: usize,
    /// Writes that are there though they were refused.
    pub refused_applied: usize,
    /// Writes without an answer.
    pub unknown: usize,
    /// Those of them that are there.
    pub unknown_applied: usize,
}

impl Audit {
    /// Whether nothing was lost, halved, doubled or done in spite of a refusal.
    pub fn is_sound(&self) -> bool {
        let Self {
            lost,
            half_applied,
            gaps,
            duplicates,
            refused_applied,
            ..
        } = self;
        lost + half_applied + gaps + duplicates + refused_applied == 0
    }

    fn numbers(&mut self, events: &[serde_json::Value]) {
        let sequences = events.iter().map(|event| event["sequence"].as_u64());
        let sequences: HashSet<_> = sequences.flatten().collect();
        let operations = events.iter().map(|event| event["operation_id"].as_str());
        let operations: HashSet<_> = operations.collect();
        let last = sequences.iter().max().copied().unwrap_or_default();
        self.gaps += (1..=last).filter(|n| !sequences.contains(n)).count();
        self.duplicates += events.len() - sequences.len();
        self.duplicates += events.len() - operations.len();
    }

    fn write(&mut self, write: &Write, event: Option<u64>) {
        match write.told {
            Told::Applied(sequence) => {
                self.acknowledged += 1;
                self.lost += usize::from(event != Some(sequence));
            }
            Told::Refused => self.refused_applied += usize::from(event.is_some()),
            Told::Unknown => {
                self.unknown += 1;
                self.unknown_applied += usize::from(event.is_some());
            }
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged, {} of them lost; {} without an answer, {} of them applied; \
             half-applied {}, gaps {}, duplicates {}, refused and applied {}",
            self.acknowledged,
            self.lost,
            self.unknown,
            self.unknown_applied,
            self.half_applied,
            self.gaps,
            self.duplicates,
            self.refused_applied,
        )
    }
}
