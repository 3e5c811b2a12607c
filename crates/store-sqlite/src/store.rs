//! The store: one connection that writes, a few that read.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    Clock, OperationId, StoreError, StoreHealth, UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserRecord,
    },
};
use sqlx::{
    Connection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use crate::{
    attempt,
    config::SqliteConfig,
    error::Error,
    migrate::{self, Mode},
    mutation, queries,
    readers::{Reader, Readers},
    user::User,
};

/// Users and documents in one SQLite file. Clones share their connections.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) clock: Arc<dyn Clock>,
    readers: Readers,
    pub(crate) writer: SqlitePool,
}

impl SqliteStore {
    /// Opens a file, creates it if there is none, and brings its schema up to date.
    ///
    /// Any number of processes may open one file, at the same time too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{StoreHealth, SystemClock};
    /// use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
    /// let directory = tempfile::tempdir()?;
    /// let config = SqliteConfig::new(directory.path().join("users.db"));
    /// let store = SqliteStore::open(&config, Arc::new(SystemClock::new())).await?;
    /// store.check().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the file cannot be created, opened or migrated, or belongs to something else.
    pub async fn open(config: &SqliteConfig, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(Self::prepare(config, clock, Mode::Create).await?)
    }

    /// Opens a store that is there already: for tools that must not make a new one by mistake.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::SystemClock;
    /// use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
    /// let directory = tempfile::tempdir()?;
    /// let config = SqliteConfig::new(directory.path().join("users.db"));
    /// let clock = Arc::new(SystemClock::new());
    /// assert!(SqliteStore::open_existing(&config, clock.clone()).await.is_err());
    /// SqliteStore::open(&config, clock.clone()).await?;
    /// assert!(SqliteStore::open_existing(&config, clock).await.is_ok());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no store, and for the reasons of [`open`](Self::open).
    pub async fn open_existing(
        config: &SqliteConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Ok(Self::prepare(config, clock, Mode::Existing).await?)
    }

    /// Waits for running calls, then closes every connection of every clone.
    ///
    /// A store that is dropped instead loses nothing; the next one to open the file tidies up.
    pub async fn close(&self) {
        // The last connection to go copies the log into the file, and a reader could not.
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn prepare(
        config: &SqliteConfig,
        clock: Arc<dyn Clock>,
        mode: Mode,
    ) -> Result<Self, Error> {
        let path = config.absolute().map_err(Error::Create)?;
        migrate::prepare(config, &path, mode).await?;
        Ok(Self {
            clock,
            writer: writer(config.writing(&path)).await?,
            readers: Readers::open(config.readers, config.reading(&path)).await?,
        })
    }

    pub(crate) async fn reader(&self) -> Result<Reader<'_>, Error> {
        self.readers.acquire(QUEUE_TIMEOUT).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

// Each mutation is one transaction, and its time is read with the write lock held. A transaction
// that is dropped on the way, by an error or with the caller's future, rolls back.
#[async_trait]
impl UserStore for SqliteStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        let mut transaction = queries::begin(&self.writer).await?;
        let outcome = mutation::create(&mut transaction, user, self.clock.now()).await?;
        queries::commit(transaction).await?;
        Ok(outcome)
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let user = queries::user(&mut reader, key).await;
        Ok(reader.done(user)?.map(User::load))
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let mut transaction = queries::begin(&self.writer).await?;
        let outcome = mutation::commit(&mut transaction, change, self.clock.now()).await?;
        queries::commit(transaction).await?;
        Ok(outcome)
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        let mut transaction = queries::begin(&self.writer).await?;
        let outcome = attempt::take(&mut transaction, request, self.clock.now()).await?;
        queries::commit(transaction).await?;
        Ok(outcome)
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let mut transaction = queries::begin(&self.writer).await?;
        let now = self.clock.now();
        let outcome = attempt::settle(&mut transaction, settlement, now).await?;
        queries::commit(transaction).await?;
        Ok(outcome)
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        let mut transaction = queries::begin(&self.writer).await?;
        let outcome = mutation::upgrade_hash(&mut transaction, upgrade, self.clock.now()).await?;
        queries::commit(transaction).await?;
        Ok(outcome)
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let mut reader = self.reader().await?;
        let page = queries::events(&mut reader, query).await;
        Ok(reader.done(page)?)
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let done = queries::operation(&mut reader, operation).await;
        Ok(reader.done(done)?.and_then(|done| done.applied_to(key)))
    }
}

#[async_trait]
impl StoreHealth for SqliteStore {
    async fn check(&self) -> Result<(), StoreError> {
        let mut reader = self.reader().await?;
        let checked = queries::check(&mut reader).await;
        Ok(reader.done(checked)?)
    }
}

async fn writer(options: SqliteConnectOptions) -> Result<SqlitePool, Error> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(QUEUE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // After some errors (a full disk is one) SQLite has rolled back by itself, the driver
        // still counts an open transaction, and would refuse to begin another for ever.
        .before_acquire(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        });
    pool.connect_with(options).await.map_err(Error::Open)
}

/// How long a call waits for its turn behind others of this process.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use portcullis_core::{OrgId, OsRandom, StoreErrorKind, SystemClock, UserId, store::UserKind};

    use super::*;

    #[tokio::test]
    async fn a_commit_waits_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("users.db"));
        let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
        let store = store.await.unwrap();
        assert_eq!(queries::synchronous(&store.writer).await, 2);
    }

    #[tokio::test]
    async fn a_full_disk_does_not_disable_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("users.db"));
        let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
        let store = store.await.unwrap();
        let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap());
        let operation = OperationId::random(&OsRandom).unwrap();
        let username = "a".repeat(1 << 16);
        let user = NewUser::new(key.clone(), username, UserKind::Human, operation);

        queries::fill_disk(&store.writer).await;
        let error = store.create(&user).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(store.load(&key).await.unwrap().is_none());

        let outcome = store.create(&user).await.unwrap();
        assert!(matches!(outcome, CreateOutcome::Created(_)));
    }
}
