//! Handles on stores, as processes of their own would have.

use std::{net::SocketAddr, path::Path, sync::Arc};

use portcullis_core::{SystemClock, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};

/// The URL of a database at an address, such as a proxy's.
pub(crate) fn postgres_url(address: SocketAddr) -> String {
    format!("postgres://postgres@{address}/postgres")
}

pub(crate) async fn postgres(url: &str) -> Arc<dyn UserStore> {
    let config = PostgresConfig::parse(url).unwrap();
    Arc::new(PostgresStore::open(&config).await.unwrap())
}

pub(crate) async fn redis(url: &str) -> Arc<dyn UserStore> {
    let config = RedisConfig::parse(url).unwrap();
    Arc::new(RedisStore::open(&config).await.unwrap())
}

pub(crate) async fn sqlite(path: &Path) -> Arc<dyn UserStore> {
    let config = SqliteConfig::new(path);
    let clock = Arc::new(SystemClock::new());
    Arc::new(SqliteStore::open(&config, clock).await.unwrap())
}
