//! A store from its URL.

use std::sync::Arc;

use portcullis_core::{Clock, MemoryStore, StoreHealth, SystemClock, UserStore};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};

use crate::{
    BoxError,
    options::{BadOption, StoreUrl},
};

/// One store in its two roles.
pub(crate) struct Opened {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) health: Arc<dyn StoreHealth>,
}

impl Opened {
    fn new(store: impl UserStore + StoreHealth) -> Self {
        let store = Arc::new(store);
        Self {
            users: Arc::clone(&store) as _,
            health: store,
        }
    }
}

const UNKNOWN: BadOption = BadOption("--store is memory: or sqlite:PATH");

/// Opens the store and creates it if need be.
pub(crate) async fn open(url: &StoreUrl) -> Result<Opened, BoxError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    if url.as_str() == "memory:" {
        return Ok(Opened::new(MemoryStore::with_clock(clock)));
    }
    Ok(Opened::new(SqliteStore::open(&sqlite(url)?, clock).await?))
}

/// Opens a store that must be there already.
pub(crate) async fn open_existing(url: &StoreUrl) -> Result<Arc<dyn UserStore>, BoxError> {
    let clock = Arc::new(SystemClock::new());
    Ok(Arc::new(
        SqliteStore::open_existing(&sqlite(url)?, clock).await?,
    ))
}

fn sqlite(url: &StoreUrl) -> Result<SqliteConfig, BadOption> {
    let path = url
        .as_str()
        .strip_prefix("sqlite:")
        .map(|path| path.strip_prefix("//").unwrap_or(path));
    path.filter(|path| !path.is_empty())
        .map(SqliteConfig::new)
        .ok_or(UNKNOWN)
}
