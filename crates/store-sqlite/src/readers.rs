//! The connections that read. The driver's own pool asks a connection's thread for a sign of life
//! each time one is given back, which costs as much as reading a user does.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::Error;

/// A few connections, opened when they are needed and kept.
#[derive(Clone)]
pub(crate) struct Readers(Arc<Shared>);

struct Shared {
    options: SqliteConnectOptions,
    places: Semaphore,
    most: u32,
    idle: Mutex<Vec<SqliteConnection>>,
    /// Whoever closes second waits for the first.
    closing: tokio::sync::Mutex<()>,
}

impl Readers {
    /// Opens the first connection, so that what is wrong with the file is told at once.
    pub(crate) async fn open(most: u32, options: SqliteConnectOptions) -> Result<Self, Error> {
        let most = most.clamp(1, MOST);
        let first = options.connect().await.map_err(Error::Open)?;
        Ok(Self(Arc::new(Shared {
            options,
            places: Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)),
            most,
            idle: Mutex::new(vec![first]),
            closing: tokio::sync::Mutex::default(),
        })))
    }

    /// A connection for one call, when it is this call's turn.
    pub(crate) async fn acquire(&self, patience: Duration) -> Result<Reader<'_>, Error> {
        let place = tokio::time::timeout(patience, self.0.places.acquire()).await;
        let place = place.map_err(|_| Error::Statement(sqlx::Error::PoolTimedOut))?;
        let place = place.map_err(|_| Error::Statement(sqlx::Error::PoolClosed))?;
        let idle = self.0.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.0.options.connect().await.map_err(Error::Open)?,
        };
        Ok(Reader {
            connection,
            shared: &self.0,
            _place: place,
        })
    }

    /// Waits for running calls, then closes every connection.
    pub(crate) async fn close(&self) {
        let _closing = self.0.closing.lock().await;
        if let Ok(places) = self.0.places.acquire_many(self.0.most).await {
            places.forget();
            self.0.places.close();
        }
        let idle = std::mem::take(&mut *self.0.idle());
        for connection in idle {
            // One that does not close is dropped, which ends its thread as well.
            let _ = connection.close().await;
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        // Whole connections are put in and taken out, so a poisoned lock is still good.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. It is kept only if it is given back: one that failed, or whose caller went
/// away in the middle of a statement, is closed instead.
pub(crate) struct Reader<'a> {
    connection: SqliteConnection,
    shared: &'a Shared,
    _place: SemaphorePermit<'a>,
}

impl Reader<'_> {
    /// Gives the connection back after a call that succeeded.
    pub(crate) fn done<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        let Self {
            connection, shared, ..
        } = self;
        if result.is_ok() {
            shared.idle().push(connection);
        }
        result
    }
}

impl Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Each connection has a thread, so there is an end to how many are useful.
const MOST: u32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn readers(directory: &tempfile::TempDir, most: u32) -> Readers {
        let path = directory.path().join("users.db");
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        Readers::open(most, options).await.unwrap()
    }

    fn failed() -> Error {
        Error::Statement(sqlx::Error::WorkerCrashed)
    }

    #[tokio::test]
    async fn a_connection_is_kept_unless_it_failed() {
        let directory = tempfile::tempdir().unwrap();
        let readers = readers(&directory, 2).await;
        let patience = Duration::from_secs(30);
        let kept = || readers.0.idle().len();

        let first = readers.acquire(patience).await.unwrap();
        let second = readers.acquire(patience).await.unwrap();
        first.done(Ok(())).unwrap();
        second.done(Ok(())).unwrap();
        assert_eq!(kept(), 2);

        let first = readers.acquire(patience).await.unwrap();
        first.done::<()>(Err(failed())).unwrap_err();
        assert_eq!(kept(), 1);
        drop(readers.acquire(patience).await.unwrap());
        assert_eq!(kept(), 0);
        // There is room for as many as before.
        let both = [
            readers.acquire(patience).await.unwrap(),
            readers.acquire(patience).await.unwrap(),
        ];
        drop(both);
    }

    #[tokio::test]
    async fn a_call_waits_for_its_turn_and_not_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let readers = readers(&directory, 1).await;
        let only = readers.acquire(Duration::ZERO).await.unwrap();
        let late = readers.acquire(Duration::ZERO).await;
        assert!(matches!(
            late.err(),
            Some(Error::Statement(sqlx::Error::PoolTimedOut))
        ));
        let next = async { readers.acquire(Duration::from_secs(30)).await.is_ok() };
        let release = async { only.done(Ok(())).unwrap() };
        let (next, ()) = tokio::join!(next, release);
        assert!(next);
    }

    #[tokio::test]
    async fn nobody_reads_after_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let readers = readers(&directory, 1).await;
        readers.close().await;
        readers.close().await;
        let late = readers.acquire(Duration::from_secs(30)).await;
        assert!(matches!(
            late.err(),
            Some(Error::Statement(sqlx::Error::PoolClosed))
        ));
    }
}
