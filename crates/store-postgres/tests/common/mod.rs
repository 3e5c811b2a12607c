//! A schema of its own on a real server.

use std::sync::atomic::{AtomicU32, Ordering};

use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::servers::Postgres;
use sqlx::{Connection, PgConnection};

/// Where one test keeps its users.
pub struct Place {
    pub server: Postgres,
    pub schema: String,
}

impl Place {
    /// A schema that does not exist yet, on the server that all tests share.
    pub async fn new() -> Self {
        Self::on(Postgres::shared().await)
    }

    pub fn on(server: Postgres) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            server,
            schema: format!("test_{number}"),
        }
    }

    pub fn config(&self) -> PostgresConfig {
        let url = self.server.url("postgres");
        let config = PostgresConfig::parse(&url).unwrap();
        config.with_schema(&self.schema).unwrap()
    }

    pub async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.config()).await.unwrap()
    }

    /// A connection past the store, with the schema as its search path.
    pub async fn raw(&self) -> PgConnection {
        let url = self.server.url("postgres");
        let mut raw = PgConnection::connect(&url).await.unwrap();
        let path = format!("SET search_path TO {}", self.schema);
        let path = sqlx::raw_sql(sqlx::AssertSqlSafe(path));
        path.execute(&mut raw).await.unwrap();
        raw
    }
}
