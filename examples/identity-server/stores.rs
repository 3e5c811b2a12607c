//! A store from its URL.

use std::sync::Arc;

use portcullis_core::{Clock, MemoryStore, StoreError, StoreHealth, SystemClock, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};

use crate::{
    BoxError,
    options::{BadOption, StoreUrl},
};

/// One store in its roles.
pub(crate) struct Store {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) health: Arc<dyn StoreHealth>,
    server: Option<Server>,
}

/// What keeps users in another process, which may not be there yet.
enum Server {
    Postgres(PostgresStore),
    Redis(RedisStore),
}

/// Where users can be kept.
enum Place {
    Memory,
    Postgres(Box<PostgresConfig>),
    Redis(RedisConfig),
    Sqlite(SqliteConfig),
}

const UNKNOWN: BadOption = BadOption(
    "--store is memory:, sqlite:PATH, postgres://…, redis://…, redis+sentinel://… \
     or redis+cluster://…",
);

/// Opens the store and creates it if need be. One in another process may come later.
pub(crate) async fn open(url: &StoreUrl) -> Result<Store, BoxError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Ok(match place(url)? {
        Place::Memory => Store::new(MemoryStore::with_clock(clock), None),
        Place::Sqlite(config) => Store::new(SqliteStore::open(&config, clock).await?, None),
        Place::Postgres(config) => {
            let store = PostgresStore::connect_lazy(&config);
            Store::new(store.clone(), Some(Server::Postgres(store)))
        }
        Place::Redis(config) => {
            let store = RedisStore::open(&config).await?;
            Store::new(store.clone(), Some(Server::Redis(store)))
        }
    })
}

/// Opens a store that must be there already.
pub(crate) async fn open_existing(url: &StoreUrl) -> Result<Arc<dyn UserStore>, BoxError> {
    Ok(match place(url)? {
        Place::Memory => return Err(BadOption("memory: ends with its process").into()),
        Place::Postgres(config) => Arc::new(PostgresStore::connect(&config).await?),
        Place::Redis(config) => Arc::new(RedisStore::open(&config).await?),
        Place::Sqlite(config) => {
            let clock = Arc::new(SystemClock::new());
            Arc::new(SqliteStore::open_existing(&config, clock).await?)
        }
    })
}

impl Store {
    fn new(store: impl UserStore + StoreHealth, server: Option<Server>) -> Self {
        let store = Arc::new(store);
        Self {
            users: Arc::clone(&store) as _,
            health: store,
            server,
        }
    }

    /// Brings the store into the shape that this release needs, and says by which settings it may
    /// lose what it has acknowledged.
    pub(crate) async fn prepare(&self) -> Result<Vec<String>, StoreError> {
        match &self.server {
            None => Ok(Vec::new()),
            Some(Server::Postgres(store)) => {
                store.migrate().await?;
                store.check().await?;
                let durable = store.durability().await?.survives_crash();
                Ok(notes([(!durable).then_some(POSTGRES_MAY_LOSE)]))
            }
            Some(Server::Redis(store)) => {
                let durability = store.durability().await?;
                Ok(notes(durability.weaknesses.iter().map(Some)))
            }
        }
    }
}

fn notes(found: impl IntoIterator<Item = Option<impl ToString>>) -> Vec<String> {
    let found = found.into_iter().flatten();
    found.map(|note| note.to_string()).collect()
}

const POSTGRES_MAY_LOSE: &str =
    "fsync, full_page_writes or synchronous_commit is off, a crash loses the newest commits";

fn place(url: &StoreUrl) -> Result<Place, BoxError> {
    let url = url.as_str();
    let (scheme, rest) = url.split_once(':').ok_or(UNKNOWN)?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Place::Memory),
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let path = Some(path).filter(|path| !path.is_empty()).ok_or(UNKNOWN)?;
            Ok(Place::Sqlite(SqliteConfig::new(path)))
        }
        "postgres" | "postgresql" => {
            let config = PostgresConfig::parse(url)?;
            Ok(Place::Postgres(Box::new(config)))
        }
        _ if scheme.starts_with("redis") => Ok(Place::Redis(RedisConfig::parse(url)?)),
        _ => Err(UNKNOWN.into()),
    }
}
