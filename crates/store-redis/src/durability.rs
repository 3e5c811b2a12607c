//! What a server would lose of what it acknowledged.

use std::fmt;

use redis::{
    Cmd, Value,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
    cmd, from_redis_value,
};

use crate::{error::Error, source::Connection};

/// A setting of a master by which an acknowledged write can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Weakness {
    /// `appendonly no`: everything since the newest snapshot goes with the process.
    AppendOnlyOff,
    /// `appendfsync no`: the operating system decides what a power cut takes.
    FsyncLeftToSystem,
    /// `appendfsync everysec`: a power cut takes about a second.
    FsyncEverySecond,
    /// `maxmemory-policy` is not `noeviction`: users or operation ids go when memory is full.
    Evicts,
    /// A setting could not be read.
    Unknown,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppendOnlyOff => "appendonly is off, a crash loses everything since a snapshot",
            Self::FsyncLeftToSystem => "appendfsync is no, a power cut loses many seconds",
            Self::FsyncEverySecond => "appendfsync is everysec, a power cut loses about a second",
            Self::Evicts => "maxmemory-policy is not noeviction, a full memory loses users",
            Self::Unknown => "its settings cannot be read; allow CONFIG GET",
        })
    }
}

/// What [`RedisStore::durability`](crate::RedisStore::durability) found on the masters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durability {
    /// Each of them once, the worst first.
    pub weaknesses: Vec<Weakness>,
}

impl Durability {
    /// Whether nothing that was acknowledged can be lost while the disks of the masters live.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.weaknesses.is_empty()
    }
}

/// Asks every master.
pub(crate) async fn weaknesses(mut connection: Connection) -> Result<Vec<Weakness>, Error> {
    let mut config = cmd("CONFIG");
    config.arg("GET").arg("appendonly").arg("appendfsync");
    config.arg("maxmemory-policy");
    let mut info = cmd("INFO");
    info.arg("persistence").arg("memory");
    let (config, info) = (
        ask(&mut connection, config).await?,
        ask(&mut connection, info).await?,
    );
    let mut found: Vec<_> = config.iter().zip(&info).flat_map(of_master).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The answer of every master to a command.
async fn ask(connection: &mut Connection, command: Cmd) -> Result<Vec<Value>, Error> {
    match connection {
        Connection::Cluster(connection) => {
            let masters = MultipleNodeRoutingInfo::AllMasters;
            let route = RoutingInfo::MultiNode((masters, Some(ResponsePolicy::Special)));
            match connection.route_command(command, route).await {
                Ok(Value::Map(mut answers)) => {
                    answers.sort_by(|(a, _), (b, _)| format!("{a:?}").cmp(&format!("{b:?}")));
                    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
                }
                Ok(_) => Err(Error::Reply),
                Err(error) => Err(Error::LostRead(error)),
            }
        }
        Connection::Single(connection) => {
            let answer = connection.send_packed_command(&command).await;
            answer.map(|answer| vec![answer]).map_err(Error::LostRead)
        }
    }
}

fn of_master((config, info): (&Value, &Value)) -> Vec<Weakness> {
    let config = pairs(config);
    let info = lines(info);
    let setting = |name: &str, in_info: &str| {
        let of = |pairs: &[(String, String)], name: &str| {
            let pair = pairs.iter().find(|(key, _)| key == name);
            pair.map(|(_, value)| value.clone())
        };
        of(&config, name).or_else(|| of(&info, in_info))
    };
    judge(
        setting("appendonly", "aof_enabled").as_deref(),
        setting("appendfsync", "").as_deref(),
        setting("maxmemory-policy", "maxmemory_policy").as_deref(),
    )
}

fn judge(
    appendonly: Option<&str>,
    appendfsync: Option<&str>,
    policy: Option<&str>,
) -> Vec<Weakness> {
    let log = match (appendonly, appendfsync) {
        (Some("no" | "0"), _) => Some(Weakness::AppendOnlyOff),
        (Some("yes" | "1"), Some("always")) => None,
        (Some("yes" | "1"), Some("everysec")) => Some(Weakness::FsyncEverySecond),
        (Some("yes" | "1"), Some("no")) => Some(Weakness::FsyncLeftToSystem),
        _ => Some(Weakness::Unknown),
    };
    let memory = match policy {
        Some("noeviction") => None,
        Some(_) => Some(Weakness::Evicts),
        None => Some(Weakness::Unknown),
    };
    log.into_iter().chain(memory).collect()
}

/// The settings in an answer; none in a refusal.
fn pairs(answer: &Value) -> Vec<(String, String)> {
    from_redis_value(answer.clone()).unwrap_or_default()
}

fn lines(answer: &Value) -> Vec<(String, String)> {
    let text: String = from_redis_value(answer.clone()).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_judged() {
        use Weakness::{AppendOnlyOff, Evicts, FsyncEverySecond, FsyncLeftToSystem, Unknown};
        let kept = Some("noeviction");
        let table = [
            (Some("yes"), Some("always"), kept, vec![]),
            (Some("no"), Some("always"), kept, vec![AppendOnlyOff]),
            (Some("yes"), Some("everysec"), kept, vec![FsyncEverySecond]),
            (Some("yes"), Some("no"), kept, vec![FsyncLeftToSystem]),
            (
                Some("yes"),
                Some("always"),
                Some("allkeys-lru"),
                vec![Evicts],
            ),
            (
                Some("yes"),
                Some("always"),
                Some("volatile-ttl"),
                vec![Evicts],
            ),
            (
                Some("no"),
                None,
                Some("allkeys-lfu"),
                vec![AppendOnlyOff, Evicts],
            ),
            (Some("1"), None, kept, vec![Unknown]),
            (Some("0"), None, kept, vec![AppendOnlyOff]),
            (None, None, None, vec![Unknown, Unknown]),
        ];
        for (appendonly, appendfsync, policy, expected) in table {
            assert_eq!(judge(appendonly, appendfsync, policy), expected);
        }
    }
}
