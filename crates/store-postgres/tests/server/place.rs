//! A schema of its own on a real server.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::servers::{PgBouncer, Postgres};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Where one test keeps its users.
pub(crate) struct Place {
    server: Postgres,
    pub(crate) schema: String,
}

impl Place {
    /// A schema that does not exist yet, on the server that all tests share.
    pub(crate) async fn new() -> Self {
        Self::on(&Postgres::shared().await)
    }

    pub(crate) fn on(server: &Postgres) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            server: server.clone(),
            schema: format!("test_{number}"),
        }
    }

    pub(crate) fn config(&self) -> PostgresConfig {
        self.config_of("postgres")
    }

    /// The same as a role that may only call functions, `<schema>_app`. The tables are those of
    /// `<schema>_owner`.
    pub(crate) async fn guard(&self) -> PostgresConfig {
        let (owner, app) = (
            format!("{}_owner", self.schema),
            format!("{}_app", self.schema),
        );
        run(
            &mut self.raw().await,
            format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {app} LOGIN"),
        )
        .await;
        let admin = self.open().await;
        admin.guard(&owner, &app).await.unwrap();
        admin.close().await;
        self.config_of(&app).with_guarded(true)
    }

    /// What a configuration would be behind the pooler that all tests share.
    pub(crate) async fn pooled(&self, role: &str) -> PostgresConfig {
        let address = PgBouncer::shared().await.address();
        let url = format!("postgres://{role}@{address}/postgres");
        self.patient(&url).with_pgbouncer(true)
    }

    /// The same as another role.
    pub(crate) fn config_of(&self, role: &str) -> PostgresConfig {
        let url = self.server.url("postgres");
        let url = url.replace("postgres@", &format!("{role}@"));
        self.patient(&url)
    }

    fn patient(&self, url: &str) -> PostgresConfig {
        let config = PostgresConfig::parse(url).unwrap();
        // A machine that is busy with other tests is no fault of the store.
        let config = config.with_acquire_timeout(Duration::from_secs(60));
        let config = config.with_statement_timeout(Duration::from_secs(60));
        let config = config.with_lock_timeout(Duration::from_secs(60));
        config.with_schema(&self.schema).unwrap()
    }

    pub(crate) async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.config()).await.unwrap()
    }

    /// A connection past the store, with the schema as its search path.
    pub(crate) async fn raw(&self) -> PgConnection {
        let url = self.server.url("postgres");
        let mut raw = PgConnection::connect(&url).await.unwrap();
        run(&mut raw, format!("SET search_path TO {}", self.schema)).await;
        raw
    }
}

/// Runs statements past the store.
pub(crate) async fn run(raw: &mut PgConnection, sql: impl Into<String>) {
    let query = sqlx::raw_sql(AssertSqlSafe(sql.into()));
    query.execute(raw).await.unwrap();
}
