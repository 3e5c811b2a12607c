//! Where Redis is, how much it must promise, and how long operation ids are remembered.

use std::{fmt, path::PathBuf, time::Duration};

use zeroize::Zeroizing;

/// How a [`RedisStore`](crate::RedisStore) finds its servers and what it asks of them.
///
/// It prints no credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisConfig {
    pub(crate) topology: Topology,
    pub(crate) hosts: Vec<Host>,
    pub(crate) tls: bool,
    /// A file with the certificates of authorities, in place of the usual ones.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) database: i64,
    pub(crate) prefix: String,
    pub(crate) remember: Option<Duration>,
    pub(crate) require_durable: bool,
    pub(crate) replicas: Option<Replicas>,
}

/// Who the hosts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    Cluster,
    Sentinel { master: String },
    Standalone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// How many replicas must have a write before it counts, and how long to wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replicas {
    pub(crate) count: u32,
    pub(crate) within: Duration,
}

/// Why a URL was refused. The texts name no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a URL of the documented form.
    #[error("the URL of Redis is malformed; percent-encode what is special in it")]
    Malformed,
    /// Sentinel without the name of a master.
    #[error("the URL of Redis Sentinel names no master; write /MASTER after the hosts")]
    MasterMissing,
    /// A parameter without a meaning.
    #[error(
        "the URL of Redis has an unknown parameter; \
         there are ca, prefix, remember, require_durable, wait and wait_ms"
    )]
    Parameter,
    /// A key prefix that could change the place of a key.
    #[error(
        "the prefix in the URL of Redis must be at most 64 printable ASCII characters without braces"
    )]
    Prefix,
    /// None of the schemes.
    #[error(
        "the URL of Redis must begin with redis://, redis+sentinel://, redis+cluster:// \
         or one of the same with rediss"
    )]
    Scheme,
    /// `rediss` in a build without TLS.
    #[error("the URL of Redis asks for TLS, which this build lacks; enable the feature `tls`")]
    TlsMissing,
    /// A parameter's value that is out of its range.
    #[error(
        "the URL of Redis has a parameter out of range; remember is at least 86400 seconds, \
         wait 1 to 100 replicas, wait_ms 1 to 60000, require_durable true or false"
    )]
    Value,
}

impl RedisConfig {
    /// Reads a URL.
    ///
    /// | what | how |
    /// | --- | --- |
    /// | one server | `redis://[user:password@]host[:6379][/database]` |
    /// | Sentinel | `redis+sentinel://[user:password@]host[:26379],…/master[/database]` |
    /// | Cluster | `redis+cluster://[user:password@]host[:6379],…` |
    ///
    /// With `rediss` in place of `redis` the connections are encrypted; that needs the feature
    /// `tls`. The credentials are those of the servers; Sentinels are asked without any.
    ///
    /// | parameter | meaning | if absent |
    /// | --- | --- | --- |
    /// | `ca` | with `rediss`, a file of the authorities to trust, in PEM | those of the build |
    /// | `prefix` | what every key begins with | `portcullis:` |
    /// | `remember` | seconds for which operation ids are kept, at least a day | as long as their events |
    /// | `require_durable` | refuse servers that may lose what was acknowledged | `false` |
    /// | `wait` | replicas that must have a write before it counts | none |
    /// | `wait_ms` | how long to wait for them | 1000 |
    ///
    /// ```
    /// use portcullis_store_redis::{ConfigError, RedisConfig};
    /// let config = RedisConfig::parse("redis+sentinel://app:secret@a,b,c/users?wait=1")?;
    /// assert!(!format!("{config:?}").contains("secret"));
    /// assert_eq!(RedisConfig::parse("redis://a?ttl=1"), Err(ConfigError::Parameter));
    /// # Ok::<_, ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what is wrong without repeating the URL.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        crate::url::parse(url)
    }

    /// What a URL without parameters means.
    pub(crate) fn new(topology: Topology, hosts: Vec<Host>) -> Self {
        Self {
            topology,
            hosts,
            tls: false,
            ca: None,
            username: None,
            password: None,
            database: 0,
            prefix: "portcullis:".to_owned(),
            remember: None,
            require_durable: false,
            replicas: None,
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.topology == Topology::Cluster
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("topology", &self.topology)
            .field("hosts", &self.hosts)
            .field("tls", &self.tls)
            .field("prefix", &self.prefix)
            .field("remember", &self.remember)
            .field("require_durable", &self.require_durable)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
