//! Where the database is, and how the store talks to it.

use std::{fmt, io, str::FromStr, time::Duration};

use portcullis_core::StoreError;
use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{call::Protocol, error::Error};

/// How a [`PostgresStore`](crate::PostgresStore) reaches its database. Printing it shows no
/// address, user or password.
#[derive(Clone)]
pub struct PostgresConfig {
    pub(crate) options: PgConnectOptions,
    pub(crate) schema: String,
    pub(crate) pgbouncer: bool,
    pub(crate) guarded: bool,
    pub(crate) require_durable: bool,
    pub(crate) connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
}

impl PostgresConfig {
    /// A server as the driver describes it, and defaults for everything else.
    ///
    /// ```
    /// use portcullis_store_postgres::{PostgresConfig, sqlx::postgres::PgConnectOptions};
    /// let server = PgConnectOptions::new().host("db.internal").database("identity");
    /// let config = PostgresConfig::new(server).with_connections(20);
    /// ```
    #[must_use]
    pub fn new(server: PgConnectOptions) -> Self {
        Self {
            options: server,
            schema: "portcullis".to_owned(),
            pgbouncer: false,
            guarded: false,
            require_durable: false,
            connections: 10,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
        }
    }

    /// Reads a URL, as `postgres://user:password@host:5432/database?schema=portcullis`.
    ///
    /// Beside the driver's own (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host`, `hostaddr`,
    /// `port`, `dbname`, `user`, `password`, `application_name`) it takes `schema`, `pool` (a
    /// number of connections), `pgbouncer`, `guarded` and `require_durable` (`true` or `false`).
    /// What the URL leaves out comes from the environment, as with `psql`.
    ///
    /// ```
    /// use portcullis_store_postgres::PostgresConfig;
    /// let config = PostgresConfig::parse("postgres://app:secret@db/identity?schema=tenant_7")?;
    /// assert!(!format!("{config:?}").contains("secret"));
    /// assert!(PostgresConfig::parse("postgres://db/identity?shema=tenant_7").is_err());
    /// # Ok::<_, portcullis_core::StoreError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is no such URL or has a setting that is not known. The error does not repeat it.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        Ok(url.parse::<Parsed>()?.0)
    }

    /// Keeps the tables in another schema; `portcullis` otherwise. Each schema is a store of its
    /// own.
    ///
    /// # Errors
    ///
    /// When the name is not a lower-case letter or `_`, then at most 62 of these or digits, or is
    /// one of PostgreSQL's own.
    pub fn with_schema(mut self, schema: &str) -> Result<Self, StoreError> {
        self.schema = schema_name(schema)?;
        Ok(self)
    }

    /// Talks through PgBouncer in transaction mode, or another pooler of its kind.
    #[must_use]
    pub const fn with_pgbouncer(mut self, pgbouncer: bool) -> Self {
        self.pgbouncer = pgbouncer;
        self
    }

    /// Connects as a role that may only call the store's functions, which
    /// [`guard`](crate::PostgresStore::guard) arranges.
    #[must_use]
    pub const fn with_guarded(mut self, guarded: bool) -> Self {
        self.guarded = guarded;
        self
    }

    /// Refuses a server that may lose what it acknowledged, see
    /// [`Durability::survives_crash`](crate::Durability::survives_crash).
    #[must_use]
    pub const fn with_require_durable(mut self, required: bool) -> Self {
        self.require_durable = required;
        self
    }

    /// Keeps up to this many connections; 10 otherwise.
    #[must_use]
    pub const fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Waits this long for a connection; 3 seconds otherwise.
    #[must_use]
    pub const fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Lets a statement run this long; 5 seconds otherwise.
    #[must_use]
    pub const fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Lets a statement wait this long for others; 2 seconds otherwise.
    #[must_use]
    pub const fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How long an answer may take before the connection is given up: what the server allows
    /// itself, and a second for the way.
    pub(crate) const fn patience(&self) -> Duration {
        self.statement_timeout
            .saturating_add(Duration::from_secs(1))
    }

    /// Options of a connection that serves calls.
    pub(crate) fn serving(&self) -> PgConnectOptions {
        let options = self.options.clone().disable_statement_logging();
        if self.pgbouncer {
            // A pooler takes no options of a session, not even the driver's own one. They travel
            // with each statement.
            return options.extra_float_digits(None);
        }
        options.options([
            ("statement_timeout", milliseconds(self.statement_timeout)),
            ("lock_timeout", milliseconds(self.lock_timeout)),
            ("idle_in_transaction_session_timeout", "10000".to_owned()),
            ("default_transaction_isolation", "read committed".to_owned()),
        ])
    }

    /// How statements reach the server, with what has to be set for each behind a pooler. No
    /// transaction is ever idle there: it begins and ends with one message.
    pub(crate) fn protocol(&self) -> Protocol {
        if !self.pgbouncer {
            return Protocol::Prepared;
        }
        let settings = format!(
            "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; ",
            milliseconds(self.statement_timeout),
            milliseconds(self.lock_timeout)
        );
        Protocol::Simple(settings.into())
    }

    pub(crate) fn pool(&self) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(self.connections.max(1))
            .acquire_timeout(self.acquire_timeout)
            // The driver would ask each time whether the connection is alive, a round trip that
            // doubles a read. One that was used just now is taken for alive.
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for < TRUSTED_FOR {
                        return Ok(true);
                    }
                    // A firewall may have dropped it without a word.
                    let answer = tokio::time::timeout(PING_TIMEOUT, connection.ping()).await;
                    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
                    answer.map_err(silent)??;
                    Ok(true)
                })
            })
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("schema", &self.schema)
            .field("pgbouncer", &self.pgbouncer)
            .field("guarded", &self.guarded)
            .field("require_durable", &self.require_durable)
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .finish_non_exhaustive()
    }
}

struct Parsed(PostgresConfig);

impl FromStr for Parsed {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let (server, query) = url.split_once('?').unwrap_or((url, ""));
        if !(server.starts_with("postgres://") || server.starts_with("postgresql://")) {
            return Err(Error::Url);
        }
        let (mut settings, mut passed) = (Vec::new(), Vec::new());
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').ok_or(Error::Setting)?;
            if DRIVER_SETTINGS.contains(&name) {
                passed.push(setting);
            } else {
                settings.push((name, value));
            }
        }
        // The driver's own errors would repeat parts of the URL.
        let server = format!("{server}?{}", passed.join("&"));
        let options = server.parse().map_err(|_: sqlx::Error| Error::Url)?;
        let mut config = PostgresConfig::new(options);
        for (name, value) in settings {
            match name {
                "guarded" => config.guarded = setting(value)?,
                "pgbouncer" => config.pgbouncer = setting(value)?,
                "pool" => config.connections = setting(value)?,
                "require_durable" => config.require_durable = setting(value)?,
                "schema" => config.schema = schema_name(value)?,
                _ => return Err(Error::Setting),
            }
        }
        Ok(Self(config))
    }
}

fn milliseconds(timeout: Duration) -> String {
    timeout.as_millis().to_string()
}

fn setting<T: FromStr>(value: &str) -> Result<T, Error> {
    value.parse().map_err(|_| Error::Setting)
}

/// The name stands in every statement, so it is held to what needs no quotes.
fn schema_name(name: &str) -> Result<String, Error> {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| matches!(byte, b'a'..=b'z' | b'_'));
    let rest = bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let own = name.starts_with("pg_") || name == "information_schema";
    if first && rest && !own && name.len() <= 63 {
        Ok(name.to_owned())
    } else {
        Err(Error::Schema)
    }
}

/// What the URL may pass on. An unknown one would be ignored by the driver, with a warning that
/// prints its value.
const DRIVER_SETTINGS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "password",
    "port",
    "ssl-mode",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

const TRUSTED_FOR: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use portcullis_core::StoreErrorKind;
    use portcullis_testkit::servers::Postgres;

    use super::*;

    #[tokio::test]
    async fn a_session_has_its_timeouts_from_the_beginning() {
        let url = Postgres::shared().await.url("postgres");
        let config = PostgresConfig::parse(&url).unwrap();
        let mut session = config.serving().connect().await.unwrap();
        for (show, value) in [
            ("SHOW statement_timeout", "5s"),
            ("SHOW lock_timeout", "2s"),
            ("SHOW idle_in_transaction_session_timeout", "10s"),
            ("SHOW default_transaction_isolation", "read committed"),
        ] {
            let told = sqlx::query_scalar::<_, String>(show);
            assert_eq!(told.fetch_one(&mut session).await.unwrap(), value);
        }
    }

    #[test]
    fn a_url_says_everything() {
        let url = "postgresql://app:pa%3Fss@db.internal:6432/identity?schema=tenant_7\
                   &pgbouncer=true&pool=3&guarded=true&application_name=login";
        let config = PostgresConfig::parse(url).unwrap();
        assert_eq!(config.schema, "tenant_7");
        assert!(config.pgbouncer && config.guarded);
        assert_eq!(config.connections, 3);
        assert_eq!(config.options.get_host(), "db.internal");
        assert_eq!(config.options.get_port(), 6432);
        assert_eq!(config.options.get_username(), "app");
        assert_eq!(config.options.get_database(), Some("identity"));
        assert_eq!(config.options.get_application_name(), Some("login"));
        assert_eq!(config.serving().get_options(), None, "a pooler takes none");
    }

    #[test]
    fn what_is_not_known_is_refused_and_not_repeated() {
        for url in [
            "",
            "canary",
            "mysql://canary@db/x",
            "postgres://canary@db:port/x",
            "postgres://canary@db/x?canary=1",
            "postgres://canary@db/x?pool=canary",
            "postgres://canary@db/x?pool=-1",
            "postgres://canary@db/x?pgbouncer=canary",
            "postgres://canary@db/x?require_durable=canary",
            "postgres://canary@db/x?sslmode=canary",
            "postgres://canary@db/x?schema",
            "postgres://canary@db/x?schema=Canary",
            "postgres://canary@db/x?options=-c%20canary=1",
        ] {
            let error = PostgresConfig::parse(url).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Misuse, "{url}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        let long = "a".repeat(63);
        for good in ["portcullis", "_", "t1", long.as_str()] {
            assert!(schema_name(good).is_ok(), "{good}");
        }
        let longer = "a".repeat(64);
        for bad in [
            "",
            "1a",
            "A",
            "a-b",
            "a\"b",
            "ä",
            "pg_x",
            "information_schema",
            &longer,
        ] {
            assert!(schema_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn printing_shows_no_server() {
        let config = PostgresConfig::parse("postgres://canary:canary@canary/canary").unwrap();
        assert!(!format!("{config:?}").contains("canary"));
    }
}
