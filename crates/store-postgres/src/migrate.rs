//! From nothing, or an older schema, to one that this release can use.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType},
    postgres::{PgConnectOptions, PgRow},
};

use crate::{
    error::{Error, Failure},
    row,
};

/// Brings a schema up to date, on a connection of its own that is closed whatever happens.
///
/// Everything is one transaction, and so is its lock: nothing outlives a failure, and a pooler in
/// transaction mode is no obstacle. The driver's own migrator locks the session.
pub(crate) async fn migrate(options: &PgConnectOptions, schema: &str) -> Result<(), Error> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
    let silent = |_| Error::Acquire(sqlx::Error::PoolTimedOut.into());
    let connected = connected.map_err(silent)?;
    let mut connection = connected.map_err(|error| Error::Acquire(error.into()))?;
    let result = bring_up(&mut connection, schema).await;
    // What it came to is known already.
    let _ = connection.close().await;
    result
}

async fn bring_up(connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
    let begin = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED");
    let mut transaction = begin.await.map_err(failed)?;
    take_turn(&mut transaction, schema).await?;
    apply_pending(&mut transaction).await?;
    run(&mut transaction, "SELECT renew_era()").await?;
    transaction.commit().await.map_err(failed)
}

/// Waits for whoever else is at it, and goes to the schema.
async fn take_turn(connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
    run(connection, format!("{TIMEOUTS}; {}", lock(schema))).await?;
    let encoding = fetch(connection, "SHOW server_encoding").await?;
    if column::<String>(&encoding, "server_encoding")? != "UTF8" {
        return Err(Error::Encoding);
    }
    let exists = format!("SELECT FROM pg_namespace WHERE nspname = '{schema}'");
    if fetch(connection, exists).await?.is_empty() {
        run(connection, format!("CREATE SCHEMA {schema}")).await?;
    }
    let path = format!("SET LOCAL search_path TO {schema}, pg_temp");
    run(connection, path).await
}

/// Applied migrations that are unknown here are those of a newer release and left alone.
async fn apply_pending(connection: &mut PgConnection) -> Result<(), Error> {
    let table = "SELECT to_regclass('migrations') IS NOT NULL AS found";
    if !column::<bool>(&fetch(connection, table).await?, "found")? {
        run(connection, TABLE).await?;
    }
    let applied = fetch(connection, "SELECT version, checksum FROM migrations").await?;
    let applied: Vec<(i64, Vec<u8>)> = applied
        .iter()
        .map(|row| Ok((row::column(row, "version")?, row::column(row, "checksum")?)))
        .collect::<Result<_, Error>>()?;
    for (version, name, script) in MIGRATIONS {
        let (kind, script) = (MigrationType::Simple, script.into_sql_str());
        let migration = Migration::new(version, name.into(), kind, script, false);
        match applied.iter().find(|(done, _)| *done == version) {
            Some((_, checksum)) if *checksum == *migration.checksum => {}
            Some(_) => return Err(Error::MigrationEdited(version)),
            None => apply(connection, migration).await?,
        }
    }
    Ok(())
}

async fn apply(connection: &mut PgConnection, migration: Migration) -> Result<(), Error> {
    let checksum: String = migration
        .checksum
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let record = format!(
        "INSERT INTO migrations (version, description, success, checksum, execution_time) \
         VALUES ({}, '{}', true, '\\x{checksum}', 0)",
        migration.version, migration.description
    );
    let script = sqlx::raw_sql(migration.sql);
    script.execute(&mut *connection).await.map_err(failed)?;
    run(connection, record).await
}

async fn run(connection: &mut PgConnection, sql: impl Into<String>) -> Result<(), Error> {
    fetch(connection, sql).await.map(drop)
}

/// Nothing but our own names and numbers is ever put into a text here. None is prepared, which a
/// pooler could mistake for that of another client.
async fn fetch(connection: &mut PgConnection, sql: impl Into<String>) -> Result<Vec<PgRow>, Error> {
    let query = sqlx::raw_sql(AssertSqlSafe(sql.into()));
    query.fetch_all(connection).await.map_err(failed)
}

fn column<'r, T>(rows: &'r [PgRow], name: &'static str) -> Result<T, Error>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let row = rows.first().ok_or(Error::Unsupported)?;
    row::column(row, name)
}

fn failed(error: sqlx::Error) -> Error {
    Error::Migrate(Failure::from(error))
}

/// Others wait for as long as the first one may need, and still say within ten seconds that it
/// did not end.
fn lock(schema: &str) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('portcullis migrates {schema}', 0))")
}

const TIMEOUTS: &str = "SET LOCAL lock_timeout = '8s'; SET LOCAL statement_timeout = '10min'; \
    SET LOCAL idle_in_transaction_session_timeout = '10s'";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// As the driver's own migrator has it, so that its tools can read it.
const TABLE: &str = "CREATE TABLE migrations (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    installed_on timestamptz NOT NULL DEFAULT now(),
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
)";
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (1, "tables", include_str!("../migrations/0001_tables.sql")),
    (
        2,
        "mutations",
        include_str!("../migrations/0002_mutations.sql"),
    ),
    (
        3,
        "attempts",
        include_str!("../migrations/0003_attempts.sql"),
    ),
    (4, "reading", include_str!("../migrations/0004_reading.sql")),
    (5, "roles", include_str!("../migrations/0005_roles.sql")),
    (
        6,
        "documents",
        include_str!("../migrations/0006_documents.sql"),
    ),
    (
        7,
        "identities",
        include_str!("../migrations/0007_identities.sql"),
    ),
    (8, "ends", include_str!("../migrations/0008_ends.sql")),
];
