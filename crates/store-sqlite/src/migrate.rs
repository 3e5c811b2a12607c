//! From nothing, or an older file, to a database that this release can use.

use std::{
    fs::OpenOptions,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqliteConnection,
    migrate::{Migrate, MigrateError, Migration, MigrationType},
};
use tokio::time::Instant;

use crate::{config::SqliteConfig, error::Error, queries};

/// Whether a store may be made where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Create,
    Existing,
}

/// Makes sure that there is a file, that it is ours and that its schema is up to date.
///
/// It does so on a connection of its own, so that nothing it leaves behind meets later calls.
pub(crate) async fn prepare(config: &SqliteConfig, path: &Path, mode: Mode) -> Result<(), Error> {
    let file = path.to_owned();
    let found = tokio::task::spawn_blocking(move || touch(&file, mode)).await;
    found.map_err(|error| Error::Create(error.into()))??;
    let connection = config.writing(path).connect().await;
    let mut connection = connection.map_err(Error::Open)?;
    let result = bring_up(&mut connection, mode, config.busy_timeout).await;
    let closed = connection.close().await.map_err(Error::Statement);
    result.and(closed)
}

/// Creates the file for its owner alone, because it will hold hashes.
fn touch(path: &Path, mode: Mode) -> Result<(), Error> {
    // Closing any handle on a file drops every lock that the process holds on it, SQLite's too.
    // So a handle is only ever made on a file that did not exist, and nobody in this process can
    // be past this point with the same file before it is closed again.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if mode == Mode::Existing {
        let found = path.try_exists().map_err(Error::Create)?;
        return if found { Ok(()) } else { Err(Error::Missing) };
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::Create(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn bring_up(
    connection: &mut SqliteConnection,
    mode: Mode,
    patience: Duration,
) -> Result<(), Error> {
    let contents = queries::contents(connection).await?;
    match (contents.application, contents.tables) {
        (APPLICATION_ID, _) => {}
        (0, 0) if mode == Mode::Create => {}
        (0, 0) => return Err(Error::Missing),
        _ => return Err(Error::Foreign),
    }
    use_write_ahead_log(connection, patience).await?;
    // The driver has no lock for migrations of SQLite: of several processes, all would find the
    // same ones pending. The write lock makes them take turns.
    let mut transaction = queries::begin_on(connection).await?;
    let applied = apply_pending(&mut transaction).await;
    applied.map_err(Error::Migrate)?;
    queries::commit(transaction).await
}

/// The switch has to write after it has read, so SQLite does not wait for another writer there.
async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
    patience: Duration,
) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        match queries::use_write_ahead_log(connection).await {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(Error::NoWriteAheadLog),
            Err(error) if error.is_busy() && started.elapsed() < patience => {
                tokio::time::sleep(RETRY_EVERY).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// `Migrator::run` does the same, but its future is not `Send` on a borrowed connection.
///
/// Applied migrations that are unknown here are those of a newer release and left alone.
async fn apply_pending(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    for (version, name, script) in MIGRATIONS {
        let (kind, script) = (MigrationType::Simple, script.into_sql_str());
        let migration = Migration::new(version, name.into(), kind, script, false);
        match applied.iter().find(|done| done.version == version) {
            Some(done) if done.checksum == migration.checksum => {}
            Some(_) => return Err(MigrateError::VersionMismatch(version)),
            None => {
                connection.apply(TABLE, &migration).await?;
            }
        }
    }
    Ok(())
}

const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "init", include_str!("../migrations/0001_init.sql")),
    (
        2,
        "documents",
        include_str!("../migrations/0002_documents.sql"),
    ),
];
/// Not the driver's default, which an application that embeds the store might use as well.
const TABLE: &str = "portcullis_migrations";
/// Set by the first migration.
const APPLICATION_ID: i64 = 1_349_481_076;
const RETRY_EVERY: Duration = Duration::from_millis(10);
