//! A store from its URL.

use std::sync::Arc;

use portcullis_core::{
    Clock, LoginNames, MemoryStore, StoreError, StoreHealth, SystemClock, UserStore,
    store::DocumentStore,
};
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
    pub(crate) documents: Arc<dyn DocumentStore>,
    pub(crate) health: Arc<dyn StoreHealth>,
    server: Option<Server>,
}

/// What keeps users in another process, which may not be there yet.
enum Server {
    Postgres(PostgresStore),
    Redis(RedisStore),
}

/// Where users can be kept.
pub(crate) enum Place {
    Memory,
    Postgres(Box<PostgresConfig>),
    Redis(RedisConfig),
    Sqlite(SqliteConfig),
}

/// Opens the store and creates it if need be. One in another process may come later.
pub(crate) async fn open(place: Place) -> Result<Store, BoxError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Ok(match place {
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
        Place::Memory => return Err(BadOption::new("memory: ends with its process").into()),
        Place::Postgres(config) => Arc::new(PostgresStore::connect(&config).await?),
        Place::Redis(config) => Arc::new(RedisStore::open(&config).await?),
        Place::Sqlite(config) => {
            let clock = Arc::new(SystemClock::new());
            Arc::new(SqliteStore::open_existing(&config, clock).await?)
        }
    })
}

impl Store {
    fn new(store: impl UserStore + DocumentStore + StoreHealth, server: Option<Server>) -> Self {
        let store = Arc::new(store);
        Self {
            users: Arc::clone(&store) as _,
            documents: Arc::clone(&store) as _,
            health: store,
            server,
        }
    }

    /// Which login name is whose.
    pub(crate) fn names(&self) -> LoginNames {
        let (documents, users) = (Arc::clone(&self.documents), Arc::clone(&self.users));
        LoginNames::new(documents, users, Arc::new(SystemClock::new()))
    }

    /// Brings the store into the shape that this release needs, and says by which settings it may
    /// lose what it has acknowledged. The store has logged a warning of them itself.
    pub(crate) async fn prepare(&self) -> Result<Vec<String>, StoreError> {
        match &self.server {
            None => Ok(Vec::new()),
            Some(Server::Postgres(store)) => {
                store.prepare().await?;
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

/// What the URL says.
pub(crate) fn place(url: &StoreUrl) -> Result<Place, BadOption> {
    const FORMS: &str = "--store is memory:, sqlite:PATH, postgres://…, redis://…, \
                         redis+sentinel://… or redis+cluster://…";
    const UNUSABLE: &str = "--store is a URL that cannot be used";
    let url = url.as_str();
    let unknown = || BadOption::new(FORMS);
    let (scheme, rest) = url.split_once(':').ok_or_else(unknown)?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Place::Memory),
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let path = Some(path).filter(|path| !path.is_empty());
            Ok(Place::Sqlite(SqliteConfig::new(path.ok_or_else(unknown)?)))
        }
        "postgres" | "postgresql" => PostgresConfig::parse(url)
            .map(|config| Place::Postgres(Box::new(config)))
            .map_err(|error| BadOption::because(UNUSABLE, error)),
        _ if scheme.starts_with("redis") => RedisConfig::parse(url)
            .map(Place::Redis)
            .map_err(|error| BadOption::because(UNUSABLE, error)),
        _ => Err(unknown()),
    }
}
