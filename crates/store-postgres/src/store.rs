//! The store: a pool, and one call for each method.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use portcullis_core::{
    Clock, OperationId, StoreError, StoreHealth, Timestamp, UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
        EventQuery, HashUpgrade, Method, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserRecord,
    },
};
use sqlx::{PgPool, postgres::PgRow};

use crate::{
    call::Call, config::PostgresConfig, durability::Durability, error::Error, migrate,
    queries::Queries, row, sessions::Sessions,
};

/// Users and documents in one schema of a PostgreSQL database. Clones share their connections.
#[derive(Clone)]
pub struct PostgresStore {
    clock: Option<Arc<dyn Clock>>,
    guarded: bool,
    pub(crate) queries: Arc<Queries>,
    schema: Arc<str>,
    require_durable: bool,
    pub(crate) sessions: Sessions,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date; with a
    /// [guarded](PostgresConfig::with_guarded) role it only makes sure that there is one.
    ///
    /// Any number of processes may do so at the same time.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_store_postgres::{PostgresConfig, PostgresStore};
    /// let config = PostgresConfig::parse("postgres://app:secret@db/identity?sslmode=require")?;
    /// let store = PostgresStore::open(&config).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the database cannot be reached or the schema cannot be brought up to date.
    pub async fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        let store = Self::connect_lazy(config);
        store.prepare().await?;
        Ok(store)
    }

    /// Connects to a schema that is there already.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_store_postgres::{PostgresConfig, PostgresStore};
    /// let config = PostgresConfig::parse("postgres://app:secret@pooler/identity?pgbouncer=true")?;
    /// let store = PostgresStore::connect(&config).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, is a standby or has no such schema.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, StoreError> {
        let store = Self::connect_lazy(config);
        store.check().await?;
        Ok(store)
    }

    /// Connects when it is first used, so that a server can start before its database.
    ///
    /// Until the database is there, calls end as
    /// [unavailable](portcullis_core::StoreErrorKind::Unavailable).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{StoreErrorKind, StoreHealth};
    /// use portcullis_store_postgres::{PostgresConfig, PostgresStore};
    /// let config = PostgresConfig::parse("postgres://app:secret@127.0.0.1:1/identity")?
    ///     .with_acquire_timeout(std::time::Duration::from_millis(50));
    /// let store = PostgresStore::connect_lazy(&config);
    /// assert_eq!(store.check().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    /// // Later, again and again until it succeeds:
    /// assert_eq!(store.migrate().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn connect_lazy(config: &PostgresConfig) -> Self {
        Self::from_pool(config.pool().connect_lazy_with(config.serving()), config)
    }

    /// Works on the application's own pool.
    ///
    /// Of the configuration, the schema, the kind of role and pooler and the statement timeout
    /// apply. Timeouts of the sessions are the pool's affair, and so is their isolation level,
    /// which has to be read committed.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_store_postgres::{PostgresConfig, PostgresStore, sqlx::PgPool};
    /// let pool = PgPool::connect("postgres://app:secret@db/identity").await?;
    /// let config = PostgresConfig::new((*pool.connect_options()).clone());
    /// let store = PostgresStore::from_pool(pool, &config);
    /// store.migrate().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn from_pool(pool: PgPool, config: &PostgresConfig) -> Self {
        Self {
            clock: None,
            guarded: config.guarded,
            queries: Arc::new(Queries::new(&config.schema, config.guarded)),
            schema: config.schema.as_str().into(),
            require_durable: config.require_durable,
            sessions: Sessions::new(pool, config),
        }
    }

    /// Takes the time from a clock of this process: for tests of what time does.
    ///
    /// Without it time is the server's, so that processes whose clocks disagree do not.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Does for a store that was connected lazily what [`open`](Self::open) would have done, and
    /// logs a warning if the server may lose what it acknowledges.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_store_postgres::{PostgresConfig, PostgresStore};
    /// let config = PostgresConfig::parse("postgres://app@db/identity?guarded=true")?;
    /// let store = PostgresStore::connect_lazy(&config);
    /// store.prepare().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the database cannot be reached or the schema cannot be brought up to date.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        if !self.guarded {
            self.migrate().await?;
        }
        self.check().await?;
        if !self.durability().await?.survives_crash() {
            tracing::warn!(
                "PostgreSQL may lose what it acknowledged: {}",
                Error::NotDurable
            );
        }
        Ok(())
    }

    /// Brings the schema up to date, on a connection of its own. An older release works on the
    /// schema of the next newer one.
    ///
    /// To be called again after a dump was restored, before anything else is done with it.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, a migration fails, or another process has been at it
    /// for eight seconds. Nothing is applied then.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let options = self.sessions.options();
        Ok(migrate::migrate(&options, &self.schema).await?)
    }

    /// Makes `owner` the owner of the schema, and lets the role `app` call the store's functions
    /// and nothing else: it can verify and change hashes one user at a time, and not read them
    /// from a table.
    ///
    /// To be called as a member of `owner` or as a superuser, after [`migrate`](Self::migrate).
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_store_postgres::{PostgresConfig, PostgresStore};
    /// let admin = PostgresStore::open(&PostgresConfig::parse("postgres://admin@db/identity")?).await?;
    /// admin.guard("portcullis_owner", "app").await?;
    /// let config = PostgresConfig::parse("postgres://app@db/identity?guarded=true")?;
    /// let store = PostgresStore::open(&config).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When one of the roles does not exist or this one may not do it.
    pub async fn guard(&self, owner: &str, app: &str) -> Result<(), StoreError> {
        self.sessions.write(self.queries.guard(owner, app)).await?;
        Ok(())
    }

    /// What the server does before it acknowledges a commit.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        let rows = self.sessions.read(self.queries.durability()).await?;
        let durability = rows.first().map(row::durability);
        Ok(durability.ok_or(Error::Unsupported)??)
    }

    /// Waits for running calls, then closes every connection of every clone.
    pub async fn close(&self) {
        self.sessions.close().await;
    }

    pub(crate) fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.schema)
            .field("guarded", &self.guarded)
            .finish_non_exhaustive()
    }
}

// Each mutation is one call of one function and so one transaction, which the server begins and
// ends by itself.
#[async_trait]
impl UserStore for PostgresStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        let call = self.queries.create(user, self.now());
        let (key, owner) = (&user.key, user.key.organisation());
        let row = self
            .mutate(call, key, user.operation, Method::Create)
            .await?;
        let outcome = row::created(&row, owner).map_err(unread)?;
        if matches!(outcome, CreateOutcome::Replayed(_)) {
            self.confirm().await?;
        }
        Ok(outcome)
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        let rows = self.sessions.read(self.queries.load(key)).await?;
        Ok(rows.first().map(row::user).transpose()?)
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let call = self.queries.commit(change, self.now())?;
        let (key, owner) = (&change.key, change.key.organisation());
        let row = self
            .mutate(call, key, change.operation, change.method)
            .await?;
        let outcome = row::committed(&row, owner).map_err(unread)?;
        if matches!(outcome, CommitOutcome::Replayed(_)) {
            self.confirm().await?;
        }
        Ok(outcome)
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        match self
            .sessions
            .write(self.queries.take(request, self.now())?)
            .await
        {
            Ok(row) => Ok(row::taken(&row).map_err(unread)?),
            Err(error) if error.is_operation_taken() => Ok(AttemptOutcome::OperationReused),
            Err(error) => Err(error.into()),
        }
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let call = self.queries.settle(settlement, self.now())?;
        let row = self.sessions.write(call).await?;
        Ok(row::settled(&row).map_err(unread)?)
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        let call = self.queries.upgrade(upgrade, self.now());
        let (key, owner) = (&upgrade.key, upgrade.key.organisation());
        let row = self
            .mutate(call, key, upgrade.operation, Method::UpgradeHash)
            .await?;
        let outcome = row::upgraded(&row, owner).map_err(unread)?;
        if matches!(outcome, UpgradeOutcome::Replayed(_)) {
            self.confirm().await?;
        }
        Ok(outcome)
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let rows = self.sessions.read(self.queries.events(query)?).await?;
        Ok(row::page(&rows, query)?)
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let rows = self
            .sessions
            .read(self.queries.operation(key, operation))
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        self.confirm().await?;
        Ok(Some(row::operation(row, key.organisation())?))
    }
}

impl PostgresStore {
    /// Makes sure that what was just read is kept: the commit that wrote it may not have waited for
    /// a standby, because its server died or was told not to.
    pub(crate) async fn confirm(&self) -> Result<(), Error> {
        let confirmed = self.sessions.write(self.queries.confirm()).await;
        confirmed.map_err(|error| Error::Unconfirmed(Box::new(error)))?;
        Ok(())
    }

    /// Calls, and asks what an operation id was used for where that stood in the way.
    async fn mutate(
        &self,
        call: Call,
        key: &UserKey,
        operation: OperationId,
        method: Method,
    ) -> Result<PgRow, Error> {
        match self.sessions.write(call).await {
            Err(error) if error.is_operation_taken() => {
                let rows = self
                    .sessions
                    .read(self.queries.seen(key, operation, method))
                    .await?;
                rows.into_iter().next().ok_or(error)
            }
            answer => answer,
        }
    }
}

#[async_trait]
impl StoreHealth for PostgresStore {
    async fn check(&self) -> Result<(), StoreError> {
        let rows = self.sessions.read(self.queries.check()).await?;
        let row = rows.first().ok_or(Error::Unsupported)?;
        if !row::column(row, "is_writable")? {
            return Err(Error::ReadOnly.into());
        }
        // The server may have been started again with other settings.
        if self.require_durable && !self.durability().await?.survives_crash() {
            return Err(Error::NotDurable.into());
        }
        Ok(())
    }
}

/// An answer came, so the statement was committed.
pub(crate) fn unread(error: Error) -> Error {
    Error::Answer(error.into())
}
