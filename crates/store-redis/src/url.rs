//! From a URL to a configuration.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::{ConfigError, DAY, Host, RedisConfig, Replicas, Topology};

pub(crate) fn parse(url: &str) -> Result<RedisConfig, ConfigError> {
    let (scheme, rest) = url.split_once("://").ok_or(ConfigError::Scheme)?;
    let (tls, kind) = scheme_of(scheme)?;
    if tls && !cfg!(feature = "tls") {
        return Err(ConfigError::TlsMissing);
    }
    if rest.contains('#') {
        return Err(ConfigError::Malformed);
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let port = if kind == Kind::Sentinel { 26379 } else { 6379 };
    let hosts: Vec<_> = hosts
        .split(',')
        .map(|text| host(text, port))
        .collect::<Result<_, _>>()?;
    if kind == Kind::Standalone && hosts.len() != 1 {
        return Err(ConfigError::Malformed);
    }
    let (topology, database) = place(kind, path)?;
    let mut config = RedisConfig::new(topology, hosts);
    config.tls = tls;
    config.database = database;
    if let Some(credentials) = credentials {
        let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        config.username = decode(username)?.filter_empty();
        config.password = decode(password)?.filter_empty().map(Zeroizing::new);
    }
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .try_fold(config, parameter)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cluster,
    Sentinel,
    Standalone,
}

fn scheme_of(scheme: &str) -> Result<(bool, Kind), ConfigError> {
    let (base, kind) = match scheme.split_once('+') {
        None => (scheme, Kind::Standalone),
        Some((base, "cluster")) => (base, Kind::Cluster),
        Some((base, "sentinel")) => (base, Kind::Sentinel),
        Some(_) => return Err(ConfigError::Scheme),
    };
    match base {
        "redis" => Ok((false, kind)),
        "rediss" => Ok((true, kind)),
        _ => Err(ConfigError::Scheme),
    }
}

/// `name`, `name:port`, `[address]` or `[address]:port`.
fn host(text: &str, default_port: u16) -> Result<Host, ConfigError> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(ConfigError::Malformed)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| ConfigError::Malformed)?,
        None if port.is_empty() => default_port,
        None => return Err(ConfigError::Malformed),
    };
    let name = decode(name)?;
    if name.is_empty() || port == 0 {
        return Err(ConfigError::Malformed);
    }
    Ok(Host { name, port })
}

/// What the path names, which is different for each kind.
fn place(kind: Kind, path: &str) -> Result<(Topology, i64), ConfigError> {
    match kind {
        Kind::Cluster if path.is_empty() => Ok((Topology::Cluster, 0)),
        Kind::Cluster => Err(ConfigError::Malformed),
        Kind::Sentinel => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = decode(master)?;
            if master.is_empty() {
                return Err(ConfigError::MasterMissing);
            }
            Ok((Topology::Sentinel { master }, number(database)?))
        }
        Kind::Standalone => Ok((Topology::Standalone, number(path)?)),
    }
}

fn number(database: &str) -> Result<i64, ConfigError> {
    if database.is_empty() {
        return Ok(0);
    }
    let number: u16 = database.parse().map_err(|_| ConfigError::Malformed)?;
    Ok(number.into())
}

fn parameter(mut config: RedisConfig, pair: &str) -> Result<RedisConfig, ConfigError> {
    let (name, value) = pair.split_once('=').ok_or(ConfigError::Malformed)?;
    match name {
        "ca" if config.tls => config.ca = Some(decode(value)?.into()),
        "prefix" => config.prefix = prefix(decode(value)?)?,
        "remember" => {
            let remember = Duration::from_secs(ranged(value, DAY.as_secs(), MAX_REMEMBER)?);
            config.remember = Some(remember);
        }
        "require_durable" => {
            config.require_durable = value.parse().map_err(|_| ConfigError::Value)?;
        }
        "wait" => {
            let count = u32::try_from(ranged(value, 1, 100)?).map_err(|_| ConfigError::Value)?;
            replicas(&mut config).count = count;
        }
        "wait_ms" => {
            replicas(&mut config).within = Duration::from_millis(ranged(value, 1, 60_000)?);
        }
        _ => return Err(ConfigError::Parameter),
    }
    Ok(config)
}

fn replicas(config: &mut RedisConfig) -> &mut Replicas {
    config.replicas.get_or_insert(Replicas {
        count: 1,
        within: Duration::from_secs(1),
    })
}

fn ranged(value: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
    let value: u64 = value.parse().map_err(|_| ConfigError::Value)?;
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::Value)
    }
}

/// The first brace of a key decides its slot, so it must be ours.
fn prefix(text: String) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}');
    if text.len() <= 64 && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(ConfigError::Prefix)
    }
}

fn decode(text: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or(ConfigError::Malformed)?;
        rest = tail;
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let value = digits.iter().try_fold(0, |value, byte| {
            let digit = u8::try_from(digit(byte)?).ok()?;
            Some(value << 4 | digit)
        });
        bytes.push(value.ok_or(ConfigError::Malformed)?);
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::Malformed)
}

trait FilterEmpty {
    fn filter_empty(self) -> Option<String>;
}

impl FilterEmpty for String {
    fn filter_empty(self) -> Option<String> {
        Some(self).filter(|text| !text.is_empty())
    }
}

/// A hundred years: longer than any operation id needs, and short enough to add to any time.
const MAX_REMEMBER: u64 = 100 * 365 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(config: &RedisConfig) -> Vec<(&str, u16)> {
        let hosts = config.hosts.iter();
        hosts.map(|host| (host.name.as_str(), host.port)).collect()
    }

    #[test]
    fn every_form_is_read() {
        let config = parse("redis://localhost").unwrap();
        assert_eq!(hosts(&config), [("localhost", 6379)]);
        assert_eq!(
            (config.topology, config.database),
            (Topology::Standalone, 0)
        );
        let config = parse("redis://app:p%40ss%2F@[::1]:7000/3").unwrap();
        assert_eq!(hosts(&config), [("::1", 7000)]);
        assert_eq!(config.username.as_deref(), Some("app"));
        assert_eq!(config.password.unwrap().as_str(), "p@ss/");
        assert_eq!(config.database, 3);
        let config = parse("redis+sentinel://:p@a,b:1/users/2").unwrap();
        assert_eq!(hosts(&config), [("a", 26379), ("b", 1)]);
        let master = "users".to_owned();
        assert_eq!(config.topology, Topology::Sentinel { master });
        assert_eq!((config.username, config.database), (None, 2));
        let config = parse("redis+cluster://a:1,b:2,c").unwrap();
        assert_eq!(hosts(&config), [("a", 1), ("b", 2), ("c", 6379)]);
        assert!(config.is_cluster());
    }

    #[test]
    fn every_parameter_is_read() {
        let url = "redis://a?prefix=x%3A&remember=86400&require_durable=true&wait=2&wait_ms=50";
        let config = parse(url).unwrap();
        assert_eq!((config.prefix.as_str(), config.remember), ("x:", Some(DAY)));
        assert!(config.require_durable);
        let within = Duration::from_millis(50);
        assert_eq!(config.replicas, Some(Replicas { count: 2, within }));
        let config = parse("redis://a").unwrap();
        let kept_for_ever = None;
        assert_eq!(
            (config.prefix.as_str(), config.remember),
            ("portcullis:", kept_for_ever)
        );
        assert!(!config.require_durable && config.replicas.is_none());
    }

    #[test]
    fn everything_else_is_refused() {
        use ConfigError::{Malformed, MasterMissing, Parameter, Prefix, Scheme, Value};
        let table = [
            ("", Scheme),
            ("localhost:6379", Scheme),
            ("http://a", Scheme),
            ("redis+shard://a", Scheme),
            ("redis://", Malformed),
            ("redis://a,b", Malformed),
            ("redis://a:", Malformed),
            ("redis://a:0", Malformed),
            ("redis://a:65536", Malformed),
            ("redis://a:1:2", Malformed),
            ("redis://[::1", Malformed),
            ("redis://[::1]7000", Malformed),
            ("redis://a/b", Malformed),
            ("redis://a/-1", Malformed),
            ("redis://a/1/2", Malformed),
            ("redis://a#b", Malformed),
            ("redis://u:%zz@a", Malformed),
            ("redis://u:%f@a", Malformed),
            ("redis://u:%+1@a", Malformed),
            ("redis://u:%ff@a", Malformed),
            ("redis+cluster://a,", Malformed),
            ("redis+cluster://a/1", Malformed),
            ("redis+sentinel://a", MasterMissing),
            ("redis+sentinel://a//1", MasterMissing),
            ("redis://a?wait", Malformed),
            ("redis://a?password=x", Parameter),
            ("redis://a?Wait=1", Parameter),
            ("redis://a?ca=/there", Parameter),
            ("redis://a?wait=0", Value),
            ("redis://a?wait=-1", Value),
            ("redis://a?wait=101", Value),
            ("redis://a?wait_ms=0", Value),
            ("redis://a?wait_ms=60001", Value),
            ("redis://a?remember=86399", Value),
            ("redis://a?remember=99999999999", Value),
            ("redis://a?require_durable=yes", Value),
            ("redis://a?prefix=a%7Bb", Prefix),
            ("redis://a?prefix=a%20b", Prefix),
            ("redis://a?prefix=%C3%A4", Prefix),
        ];
        for (url, error) in table {
            assert_eq!(parse(url), Err(error), "{url:?}");
        }
        let long = format!("redis://a?prefix={}", "x".repeat(65));
        assert_eq!(parse(&long), Err(Prefix));
    }

    #[test]
    fn tls_is_a_feature() {
        for url in ["rediss://a", "rediss+sentinel://a/m", "rediss+cluster://a"] {
            let parsed = parse(url).map(|config| config.tls);
            let expected = if cfg!(feature = "tls") {
                Ok(true)
            } else {
                Err(ConfigError::TlsMissing)
            };
            assert_eq!(parsed, expected);
        }
        #[cfg(feature = "tls")]
        {
            let config = parse("rediss://a?ca=/etc/our%20own.pem").unwrap();
            assert_eq!(config.ca, Some("/etc/our own.pem".into()));
        }
    }

    #[test]
    fn credentials_are_printed_by_nobody() {
        let config = parse("redis://anna:hunter2@a?wait=1").unwrap();
        let text = format!("{config:?} {config:#?}");
        assert!(!text.contains("hunter2") && !text.contains("anna"));
        let error = parse("redis://anna:hunter2%@a").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
