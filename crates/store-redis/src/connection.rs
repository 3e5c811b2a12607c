//! One connection for all calls, made when it is needed and again when it is lost.
//!
//! Two things are kept apart that decide what an error means: a connection that could not be made,
//! and an answer that did not come. Nothing is sent twice unless Redis itself said that it did not
//! do it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerError, ServerErrorKind, Value,
    cluster_async::ClusterConnection,
    cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr},
};
use tokio::{sync::Mutex, time};

use crate::{
    config::RedisConfig,
    durability::{self, Weakness},
    error::Error,
    source::{Connection, Source},
};

/// What is sent in one packet to the server that has a key.
pub(crate) struct Packet<'a> {
    pub(crate) key: &'a str,
    pub(crate) commands: Pipeline,
    pub(crate) writes: bool,
}

impl<'a> Packet<'a> {
    pub(crate) fn read(key: &'a str, command: Cmd) -> Self {
        let mut commands = Pipeline::new();
        commands.add_command(command);
        Self {
            key,
            commands,
            writes: false,
        }
    }

    fn lost(&self, error: RedisError) -> Error {
        if self.writes {
            Error::LostWrite(error)
        } else {
            Error::LostRead(error)
        }
    }
}

pub(crate) struct Link {
    answer: Duration,
    require_durable: bool,
    slot: Mutex<Slot>,
}

struct Slot {
    source: Source,
    current: Option<Current>,
    failed: Option<Instant>,
    warned: Vec<Weakness>,
}

#[derive(Clone)]
struct Current {
    connection: Connection,
    ended: Arc<AtomicBool>,
    /// Answers that were lost in a cluster since the newest one that came.
    lost: Arc<AtomicU32>,
}

impl Current {
    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// A cluster's connection repairs itself. If it does not, a new one is better.
    fn lose(&self, error: &RedisError) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed);
        if lost >= PATIENCE || error.kind() == ErrorKind::ClusterConnectionNotFound {
            self.end();
        }
    }
}

impl Link {
    pub(crate) fn new(config: &RedisConfig) -> RedisResult<Self> {
        let replicas = config.replicas.map(|replicas| replicas.within);
        let answer = ANSWER + replicas.unwrap_or_default();
        Ok(Self {
            answer,
            require_durable: config.require_durable,
            slot: Mutex::new(Slot {
                source: Source::new(config, answer)?,
                current: None,
                failed: None,
                warned: Vec::new(),
            }),
        })
    }

    /// The connection, after one was made if there was none.
    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        Ok(self.current().await?.connection)
    }

    /// Sends a packet. The answers of the server are in the order of the commands, refusals among
    /// them.
    pub(crate) async fn send(&self, packet: &Packet<'_>) -> Result<Vec<Value>, Error> {
        let current = self.current().await?;
        match current.connection.clone() {
            Connection::Cluster(connection) => in_cluster(connection, &current, packet).await,
            Connection::Single(mut connection) => {
                let commands = &packet.commands;
                let answers = connection.send_packed_commands(commands, 0, commands.len());
                let answers = answers.await.map_err(|error| {
                    current.end();
                    packet.lost(error)
                })?;
                if answers.iter().any(is_demoted) {
                    current.end();
                }
                Ok(answers)
            }
        }
    }

    /// The same, where a refusal is an error.
    pub(crate) async fn answers(&self, packet: &Packet<'_>) -> Result<Vec<Value>, Error> {
        let answers = self.send(packet).await?;
        let refused = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(Error::refused(error)),
            _ => None,
        });
        refused.map_or(Ok(answers), Err)
    }

    /// The answer to a command that can be repeated.
    pub(crate) async fn one(&self, key: &str, command: Cmd) -> Result<Value, Error> {
        let answers = self.answers(&Packet::read(key, command)).await?;
        answers.into_iter().next().ok_or(Error::Reply)
    }

    /// The answers to commands on many keys that can be repeated, all at once.
    pub(crate) async fn each(&self, commands: Vec<(String, Cmd)>) -> Result<Vec<Value>, Error> {
        if let Connection::Cluster(_) = self.connection().await? {
            let each = commands
                .into_iter()
                .map(|(key, command)| async move { self.one(&key, command).await });
            return try_join_all(each).await;
        }
        let mut pipeline = Pipeline::new();
        for (_, command) in commands {
            pipeline.add_command(command);
        }
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let packet = Packet {
            key: "",
            commands: pipeline,
            writes: false,
        };
        self.answers(&packet).await
    }

    /// What the servers said about losing data.
    pub(crate) async fn durability(&self) -> Result<Vec<Weakness>, Error> {
        let weaknesses = durability::weaknesses(self.connection().await?).await?;
        self.allow(&weaknesses)?;
        Ok(weaknesses)
    }

    pub(crate) const fn requires_durable(&self) -> bool {
        self.require_durable
    }

    fn allow(&self, weaknesses: &[Weakness]) -> Result<(), Error> {
        match weaknesses.first() {
            Some(weakness) if self.require_durable => Err(Error::NotDurable(*weakness)),
            _ => Ok(()),
        }
    }

    async fn current(&self) -> Result<Current, Error> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        let usable = slot.current.as_ref();
        if let Some(current) = usable.filter(|current| !current.ended.load(Ordering::Relaxed)) {
            return Ok(current.clone());
        }
        // Calls that waited for this attempt share its failure, or each would make its own.
        if slot.failed.is_some_and(|failed| failed > asked) {
            return Err(Error::Unreachable);
        }
        slot.current = None;
        let opened = time::timeout(OPEN, self.open(&mut slot)).await;
        let opened = opened.unwrap_or(Err(Error::Slow));
        match &opened {
            Ok(current) => slot.current = Some(current.clone()),
            Err(_) => slot.failed = Some(Instant::now()),
        }
        opened
    }

    async fn open(&self, slot: &mut Slot) -> Result<Current, Error> {
        let ended = Arc::new(AtomicBool::new(false));
        let opened = slot.source.open(self.answer, Arc::clone(&ended)).await;
        let connection = opened.map_err(Error::Connect)?;
        // A cluster of which a part is down still serves the rest.
        let weaknesses = match durability::weaknesses(connection.clone()).await {
            Err(error) if self.require_durable => return Err(error),
            weaknesses => weaknesses.unwrap_or_default(),
        };
        self.allow(&weaknesses)?;
        if slot.warned != weaknesses {
            for weakness in &weaknesses {
                tracing::warn!("Redis may lose what it acknowledged: {weakness}");
            }
            slot.warned = weaknesses;
        }
        let lost = Arc::default();
        Ok(Current {
            connection,
            ended,
            lost,
        })
    }
}

/// Sends to the master of the key's slot, and again wherever a node says that it is not the one.
async fn in_cluster(
    mut connection: ClusterConnection,
    current: &Current,
    packet: &Packet<'_>,
) -> Result<Vec<Value>, Error> {
    let route = Route::with_key(packet.key, SlotAddr::Master);
    let deadline = Instant::now() + REDIRECT;
    loop {
        let commands = packet.commands.clone();
        let count = commands.len();
        let to = SingleNodeRoutingInfo::SpecificNode(route);
        let mut answers = connection.route_pipeline(commands, 0, count, to).await;
        if let Some(to) = answers.as_ref().err().and_then(asked_node) {
            let mut commands = Pipeline::new();
            commands.cmd("ASKING");
            for command in packet.commands.cmd_iter() {
                commands.add_command(command.clone());
            }
            answers = connection.route_pipeline(commands, 1, count, to).await;
        }
        let error = match answers {
            Ok(answers) => {
                current.lost.store(0, Ordering::Relaxed);
                return Ok(answers);
            }
            Err(error) => error,
        };
        let Some(code) = said_by_the_node(&error) else {
            current.lose(&error);
            return Err(packet.lost(error));
        };
        if Instant::now() + PAUSE > deadline {
            return Err(Error::Refused(code.to_owned()));
        }
        time::sleep(PAUSE).await;
    }
}

/// The code of an error that only the node that was asked can have said, and that says that it did
/// nothing. Others can come from the client's own questions while the packet is under way.
fn said_by_the_node(error: &RedisError) -> Option<&str> {
    let ErrorKind::Server(kind) = error.kind() else {
        return None;
    };
    let refused = matches!(
        kind,
        ServerErrorKind::Ask
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::Moved
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain
    );
    error.code().filter(|_| refused)
}

/// Where a slot is moving to, if that is the error.
fn asked_node(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    if error.kind() != ErrorKind::Server(ServerErrorKind::Ask) {
        return None;
    }
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// Whether the server is a master no more, or not yet: the next call looks for another.
fn is_demoted(answer: &Value) -> bool {
    let Value::ServerError(error) = answer else {
        return false;
    };
    matches!(ServerError::code(error), "MASTERDOWN" | "READONLY")
}

/// How long an answer may take, a flush to a slow disk included.
const ANSWER: Duration = Duration::from_secs(3);
/// How long a connection may take to be made in all, Sentinels and slots included.
const OPEN: Duration = Duration::from_secs(4);
/// How long a call looks for the node that has its slot.
const REDIRECT: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(20);
/// How many answers in a row may be lost until a cluster's connection is given up.
const PATIENCE: u32 = 32;
