//! How connections are made, on one server, through Sentinel and in a cluster.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisResult, TlsMode,
    aio::{MultiplexedConnection, SendError},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};

use crate::config::{Host, RedisConfig, Topology};

/// Where connections come from.
pub(crate) enum Source {
    Cluster(Box<ClusterClient>),
    Sentinel(Box<SentinelClient>),
    Standalone(Box<Client>),
}

/// A connection that any number of calls share.
#[derive(Clone)]
pub(crate) enum Connection {
    /// It repairs itself, node by node.
    Cluster(ClusterConnection),
    /// It ends with its socket.
    Single(MultiplexedConnection),
}

impl Source {
    pub(crate) fn new(config: &RedisConfig, answer: Duration) -> RedisResult<Self> {
        if config.tls {
            ready_for_tls();
        }
        match &config.topology {
            Topology::Cluster => cluster(config, answer).map(Box::new).map(Self::Cluster),
            Topology::Sentinel { master } => {
                sentinel(config, master).map(Box::new).map(Self::Sentinel)
            }
            Topology::Standalone => {
                let nodes = nodes(config)?;
                let node = nodes.into_iter().next().ok_or(NO_HOST)?;
                #[cfg(feature = "tls")]
                if let Some(authorities) = authorities(config)? {
                    let client = Client::build_with_tls(node, authorities);
                    return client.map(Box::new).map(Self::Standalone);
                }
                Client::open(node).map(Box::new).map(Self::Standalone)
            }
        }
    }

    /// Connects, and raises the flag as soon as the connection ends.
    pub(crate) async fn open(
        &mut self,
        answer: Duration,
        ended: Arc<AtomicBool>,
    ) -> RedisResult<Connection> {
        let on_push = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                ended.store(true, Ordering::Relaxed);
            }
            Ok::<_, SendError>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(answer))
            .set_push_sender(on_push);
        let client = match self {
            Self::Cluster(client) => {
                return client.get_async_connection().await.map(Connection::Cluster);
            }
            Self::Sentinel(client) => &client.async_get_client().await?,
            Self::Standalone(client) => &**client,
        };
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        connection.await.map(Connection::Single)
    }
}

fn cluster(config: &RedisConfig, answer: Duration) -> RedisResult<ClusterClient> {
    let builder = ClusterClientBuilder::new(nodes(config)?)
        .connection_timeout(CONNECT)
        .response_timeout(answer)
        .overall_response_timeout(Some(answer))
        // The client would send a script again whose answer was lost, and then report the second
        // error as if there had been no first call. What is safe to repeat is repeated here.
        .retries(0)
        .tcp_settings(tcp())
        .use_protocol(ProtocolVersion::RESP3);
    #[cfg(feature = "tls")]
    if let Some(authorities) = authorities(config)? {
        return builder.certs(authorities).build();
    }
    builder.build()
}

fn sentinel(config: &RedisConfig, master: &str) -> RedisResult<SentinelClient> {
    let sentinels = config.hosts.iter().map(|host| address(config, host));
    let kind = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(sentinels, master, kind)?
        .set_client_to_redis_db(config.database)
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if config.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    #[cfg(feature = "tls")]
    if let Some(authorities) = authorities(config)? {
        builder = builder
            .set_client_to_redis_certificates(authorities.clone())
            .set_client_to_sentinel_certificates(authorities);
    }
    if let Some(username) = &config.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &config.password {
        builder = builder.set_client_to_redis_password(password.as_str());
    }
    builder.build()
}

fn nodes(config: &RedisConfig) -> RedisResult<Vec<ConnectionInfo>> {
    let node = |host| {
        let node = address(config, host).into_connection_info()?;
        let mut redis = RedisConnectionInfo::default()
            .set_db(config.database)
            .set_protocol(ProtocolVersion::RESP3);
        if let Some(username) = &config.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &config.password {
            redis = redis.set_password(password.as_str());
        }
        Ok(node.set_tcp_settings(tcp()).set_redis_settings(redis))
    };
    config.hosts.iter().map(node).collect()
}

fn address(config: &RedisConfig, host: &Host) -> ConnectionAddr {
    let (host, port) = (host.name.clone(), host.port);
    if config.tls {
        return ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        };
    }
    ConnectionAddr::Tcp(host, port)
}

fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    // A cut cable is noticed by what is sent and not acknowledged.
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(CUT);
    settings
}

/// The authorities that the URL names, which are trusted in place of the usual ones.
#[cfg(feature = "tls")]
fn authorities(config: &RedisConfig) -> RedisResult<Option<redis::TlsCertificates>> {
    let Some(file) = &config.ca else {
        return Ok(None);
    };
    Ok(Some(redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(std::fs::read(file)?),
    }))
}

/// Chooses ring where the application has chosen nothing: without a choice rustls panics.
fn ready_for_tls() {
    #[cfg(feature = "tls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may be faster, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

const NO_HOST: (redis::ErrorKind, &str) =
    (redis::ErrorKind::InvalidClientConfig, "there is no host");
/// How long a connection may take to be made, for each address that is tried.
const CONNECT: Duration = Duration::from_secs(1);
#[cfg(target_os = "linux")]
const CUT: Duration = Duration::from_secs(5);
