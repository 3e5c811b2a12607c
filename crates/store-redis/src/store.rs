//! The store: one connection, and a script for each mutation.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use portcullis_core::{
    Clock, OperationId, StoreError, StoreHealth, UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, Cursor, EventPage,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserRecord,
    },
};
use redis::{cmd, from_redis_value};
use zeroize::Zeroizing;

use crate::{
    config::{RedisConfig, Replicas},
    connection::Link,
    cursor::Positions,
    durability::Durability,
    error::Error,
    events,
    keys::{Keys, Place},
    row, scripts,
};

/// Users and documents in Redis. Clones share their connection.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) keys: Keys,
    pub(crate) link: Arc<Link>,
    pub(crate) remember: Option<Duration>,
    pub(crate) replicas: Option<Replicas>,
}

impl RedisStore {
    /// Prepares a store, and connects if Redis can be reached.
    ///
    /// A server that cannot be reached yet is no error: calls report that the store is unavailable
    /// until it can be.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::StoreHealth;
    /// use portcullis_store_redis::{RedisConfig, RedisStore};
    /// let config = RedisConfig::parse("redis://localhost/?require_durable=true")?;
    /// let store = RedisStore::open(&config).await?;
    /// store.check().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When a durable store is required and the server is none, or the configuration cannot be
    /// used at all.
    pub async fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        let store = Self {
            clock: None,
            keys: Keys::new(config.prefix.clone(), config.is_cluster()),
            link: Arc::new(Link::new(config).map_err(Error::Config)?),
            remember: config.remember,
            replicas: config.replicas,
        };
        match store.link.connection().await {
            Err(error @ Error::NotDurable(_)) => Err(error.into()),
            _ => Ok(store),
        }
    }

    /// Takes the time from a clock and not from the server, for tests of time.
    ///
    /// All processes must agree on the time, and the server's is the one that they share.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{Clock, ManualClock, SystemClock};
    /// use portcullis_store_redis::{RedisConfig, RedisStore};
    /// let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    /// let config = RedisConfig::parse("redis://localhost")?;
    /// let store = RedisStore::open(&config).await?.with_clock(clock);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Asks all masters how much of what they acknowledge they could lose.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_store_redis::{RedisConfig, RedisStore};
    /// let store = RedisStore::open(&RedisConfig::parse("redis://localhost")?).await?;
    /// for weakness in store.durability().await?.weaknesses {
    ///     eprintln!("{weakness}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When a server does not answer, or a durable store is required and one of them is none.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        let weaknesses = self.link.durability().await?;
        Ok(Durability { weaknesses })
    }

    /// Removes what a reader of the outbox has read from it. Users keep their events.
    ///
    /// Whoever reads the outbox from the beginning later does not see what was removed.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{UserStore, store::EventQuery};
    /// use portcullis_store_redis::{RedisConfig, RedisStore};
    /// let store = RedisStore::open(&RedisConfig::parse("redis://localhost")?).await?;
    /// let page = store.events(&EventQuery::outbox()).await?;
    /// if let Some(delivered) = page.next {
    ///     store.trim_outbox(&delivered).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer, or the cursor is not one of its outbox.
    pub async fn trim_outbox(&self, until: &Cursor) -> Result<(), StoreError> {
        let positions = Positions::parse(Some(until))?;
        let trims = positions.read().map(|(partition, number)| {
            let stream = self.keys.outbox(partition);
            let mut trim = cmd("XTRIM");
            trim.arg(&stream).arg("MINID");
            trim.arg(format!("0-{}", number.saturating_add(1)));
            (stream, trim)
        });
        self.link.each(trims.collect()).await?;
        Ok(())
    }

    async fn find(&self, key: &UserKey) -> Result<Option<UserRecord>, Error> {
        let place = self.keys.holder(&Place::user(key));
        let mut get = cmd("GET");
        get.arg(&place);
        let answer = self.link.one(&place, get).await?;
        let stored: Option<Vec<u8>> = from_redis_value(answer).map_err(|_| UNREADABLE)?;
        let stored = stored.map(Zeroizing::new);
        stored.map(|stored| row::user(key, &stored)).transpose()
    }

    async fn outcome(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, Error> {
        let place = Place::user(key);
        let record = self.keys.operation(&place, operation);
        let (answer, replicated) = if self.replicas.is_some() {
            self.evaluate(&scripts::LOOK, &[record], &[], false).await?
        } else {
            let mut get = cmd("GET");
            get.arg(&record);
            (self.link.one(&record, get).await?, true)
        };
        let stored: Option<Vec<u8>> = from_redis_value(answer).map_err(|_| UNREADABLE)?;
        let found = match stored {
            Some(stored) => row::operation(key, &place, &stored)?,
            None => None,
        };
        if found.is_some() && !replicated {
            return Err(Error::Unreplicated);
        }
        Ok(found)
    }

    async fn sign_of_life(&self) -> Result<(), Error> {
        // Redis refuses this one for the same reasons for which it would refuse to find a user.
        let outbox = self.keys.outbox(0);
        let mut exists = cmd("EXISTS");
        exists.arg(&outbox);
        self.link.one(&outbox, exists).await?;
        if self.link.requires_durable() {
            self.link.durability().await?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl UserStore for RedisStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        Ok(self.create_user(user).await?)
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        Ok(self.find(key).await?)
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        Ok(self.commit_change(change).await?)
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        Ok(self.take(request).await?)
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        Ok(self.settle(settlement).await?)
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        Ok(self.upgrade(upgrade).await?)
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        Ok(events::page(&self.link, &self.keys, query).await?)
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        Ok(self.outcome(key, operation).await?)
    }
}

#[async_trait]
impl StoreHealth for RedisStore {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(self.sign_of_life().await?)
    }
}

const UNREADABLE: Error = Error::Record { field: "content" };
