//! The store contract: eight operations, each atomic, each told by its outcome what it did.
//!
//! Each bullet under *Behavior* is a case of the conformance suite in `portcullis-testkit`.

mod attempt;
mod budget;
mod change;
mod document;
mod event;
mod memory;
mod record;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

pub use attempt::{
    AttemptLimits, AttemptOutcome, AttemptRequest, SettleOutcome, Settlement, Subject,
    Verification, WaitSchedule,
};
pub use budget::{AttemptState, Decision, Permit};
pub use change::{
    Change, CodeChange, CommitOutcome, CreateOutcome, CredentialChange, HashUpgrade, NewUser,
    UpgradeOutcome,
};
pub use document::{
    Document, DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite,
};
pub use event::{Cursor, Event, EventKind, EventPage, EventQuery, EventScope};
pub use memory::MemoryStore;
pub use record::{
    Code, Credential, Method, OperationRecord, StoredHash, UnknownName, UserKind, UserRecord,
    UserState, Version,
};

use crate::{error::StoreError, id::OperationId, id::UserKey};

/// Keeps users, their credentials and their events.
///
/// Implement all of it and run `portcullis_testkit::store_conformance!` over it: the suite is
/// the contract. A refusal is an outcome; an error means that the store could not answer, and
/// its kind says whether anything may have been written.
#[async_trait]
pub trait UserStore: Debug + Send + Sync + 'static {
    /// Creates a user with its first event.
    ///
    /// # Behavior
    ///
    /// - The user starts with version 1, sequence 1 and one event.
    /// - An existing user is never touched: the answer is [`CreateOutcome::Exists`].
    /// - The id of a removed user starts a new identity. Sequence, version and epoch go on by one
    ///   each, so that nothing of the old identity fits; nothing else of it stays but its events.
    /// - A permit of the old identity is [`SettleOutcome::Expired`] and [`AttemptOutcome::Spent`].
    /// - Of N racers that create one user, one wins, anew as well.
    /// - The same operation id again returns the first details and writes nothing.
    /// - An operation id of another user or method is [`CreateOutcome::OperationReused`]; a
    ///   permit's is, open or ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};
    /// use portcullis_core::store::{CreateOutcome, NewUser, UserKind};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let user = NewUser::new(key, "alice", UserKind::Human, OperationId::random(&OsRandom)?);
    /// let outcome = MemoryStore::new().create(&user).await?;
    /// assert!(matches!(outcome, CreateOutcome::Created(details) if details.sequence == 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError>;

    /// Reads one user.
    ///
    /// # Behavior
    ///
    /// - A user of another organisation is as absent as one that does not exist.
    /// - What was acknowledged before the call is seen by it, in every process.
    /// - A hash string that does not parse loads as [`StoredHash::Unreadable`], not as an error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{MemoryStore, OrgId, UserId, UserKey, UserStore};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// assert!(MemoryStore::new().load(&key).await?.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError>;

    /// Replaces the credential or the state, if the version is still the one that was read.
    ///
    /// # Behavior
    ///
    /// - Hash, version, sequence, events and details change together or not at all.
    /// - Of N commits against one version, one wins; the others get [`CommitOutcome::Conflict`].
    /// - Sequences of one user are gapless and unique; the version moves by one.
    /// - The change date is the later of the time of the commit and the previous change date.
    /// - A changed credential clears failures and pending codes and moves the session epoch.
    /// - Becoming active clears failures.
    /// - What clears failures also forgets permits whose lease has run out by then; those still
    ///   open stay open.
    /// - A code is consumed in the same step as the write, or the write does not happen.
    /// - The version is compared before the code.
    /// - A guess at the code whose lease has run out counts against it, settled or not.
    /// - The same operation id again returns the first details and writes nothing.
    /// - An operation id of another user or method is [`CommitOutcome::OperationReused`]; a
    ///   permit's is, open or ended.
    /// - A [method](Method::is_committed) that is not committed is
    ///   [`Misuse`](crate::StoreErrorKind::Misuse), and nothing is written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};
    /// # use portcullis_core::store::{NewUser, UserKind};
    /// # let store = MemoryStore::new();
    /// # let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// # store.create(&NewUser::new(key.clone(), "alice", UserKind::Human, OperationId::random(&OsRandom)?)).await?;
    /// use portcullis_core::store::{Change, CommitOutcome, CredentialChange, EventKind, Method};
    /// let record = store.load(&key).await?.ok_or("no such user")?;
    /// let operation = OperationId::random(&OsRandom)?;
    /// let event = EventKind::PasswordRemoved;
    /// let change = Change::new(key, Method::RemovePassword, operation, record.version, event)
    ///     .with_credential(CredentialChange::Remove);
    /// assert!(matches!(store.commit(&change).await?, CommitOutcome::Committed(_)));
    /// assert!(matches!(store.commit(&change).await?, CommitOutcome::Replayed(_)));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer, or the method is not one of a change. Only
    /// [`OutcomeUnknown`](crate::StoreErrorKind::OutcomeUnknown) may have written.
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError>;

    /// Hands out a permit to compare one password or code, before anything is compared.
    ///
    /// # Behavior
    ///
    /// - A permit is granted while settled failures and open permits are below the limit.
    /// - However many ask at once, no more permits are open than the limit allows.
    /// - A permit whose lease ran out has become a failure, with its event. If it was taken to
    ///   guess at the one-time code, it is a guess at the code that is pending.
    /// - Leases are kept to the microsecond.
    /// - A permit reserves its id from now on, whatever it comes to; a refusal reserves nothing.
    /// - The same operation id again returns the same permit while it is open, and
    ///   [`AttemptOutcome::Spent`] once it was settled in any way or its lease ran out.
    /// - An operation id of another subject or method is [`AttemptOutcome::OperationReused`].
    /// - Sham subjects count and answer like users, without events.
    /// - A removed user is [`AttemptOutcome::NotFound`], and leases that run out leave no event.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, UserStore};
    /// use portcullis_core::store::{AttemptLimits, AttemptOutcome, AttemptRequest, Subject};
    /// let subject = Subject::Sham { organisation: OrgId::new("acme")?, slot: 7 };
    /// let permit = OperationId::random(&OsRandom)?;
    /// let request = AttemptRequest::new(subject, permit, AttemptLimits::default());
    /// let outcome = MemoryStore::new().take_attempt(&request).await?;
    /// assert!(matches!(outcome, AttemptOutcome::Permitted { failures: 0 }));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError>;

    /// Records what a permit came to.
    ///
    /// # Behavior
    ///
    /// - A right answer removes its own permit and the settled failures; other permits stay.
    /// - A wrong answer removes its permit and adds one failure; the counter saturates.
    /// - If the permit was taken to guess at the one-time code, a wrong answer is a guess at the
    ///   code that is pending; that counter saturates too.
    /// - A wrong answer that reaches `lock_at` locks an active user in the same step. The failure's
    ///   event still says active, the lock's says locked.
    /// - An abandoned attempt removes its permit and counts nothing.
    /// - The version does not move, not even when the user is locked.
    /// - Settling a permit again returns the first result and writes nothing, for an abandoned one
    ///   and for shams as well.
    /// - A permit whose lease ran out is [`SettleOutcome::Expired`], now and ever after; so is one
    ///   of another subject, and an id that is no permit, neither of which is touched.
    /// - An open permit of a removed user is [`SettleOutcome::Expired`]; nothing is written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, UserStore};
    /// use portcullis_core::store::{AttemptLimits, AttemptRequest, SettleOutcome, Settlement, Subject, Verification};
    /// # let store = MemoryStore::new();
    /// let subject = Subject::Sham { organisation: OrgId::new("acme")?, slot: 7 };
    /// let permit = OperationId::random(&OsRandom)?;
    /// store.take_attempt(&AttemptRequest::new(subject.clone(), permit, AttemptLimits::default())).await?;
    /// let settlement = Settlement::new(subject, permit, Verification::Wrong { lock_at: None });
    /// let outcome = store.settle_attempt(&settlement).await?;
    /// assert!(matches!(outcome, SettleOutcome::Settled { failures: 1, locked: false }));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError>;

    /// Replaces a hash by a stronger one of the same password, if it is still the one that was
    /// verified.
    ///
    /// # Behavior
    ///
    /// - A hash that was replaced in the meantime stays: the answer is
    ///   [`UpgradeOutcome::Superseded`].
    /// - Sequence and change date move; version, epoch, must-change, age and failures stay.
    /// - A removed user's hash stays: the answer is [`UpgradeOutcome::Superseded`].
    /// - The same operation id again returns the first result and writes nothing.
    /// - An operation id of another user or method is [`UpgradeOutcome::OperationReused`]; a
    ///   permit's is, open or ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{HashString, MemoryStore, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};
    /// use portcullis_core::store::{HashUpgrade, UpgradeOutcome};
    /// # let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// # let weak = HashString::parse("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")?;
    /// # let strong = HashString::parse("$argon2id$v=19$m=65,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")?;
    /// let upgrade = HashUpgrade::new(key, OperationId::random(&OsRandom)?, weak, strong);
    /// let outcome = MemoryStore::new().upgrade_hash(&upgrade).await?;
    /// assert!(matches!(outcome, UpgradeOutcome::Superseded), "there is no such user");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError>;

    /// Reads events: one user's by sequence, or all of them in the order of the outbox.
    ///
    /// # Behavior
    ///
    /// - One user's events come in the order of their sequence, all of them, once.
    /// - The outbox holds every event of every user; one user's events keep their order in it.
    /// - Reading on from a page's cursor repeats nothing and skips nothing.
    /// - A page holds at most the events asked for, and at most 1,000.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{MemoryStore, UserStore};
    /// use portcullis_core::store::EventQuery;
    /// let page = MemoryStore::new().events(&EventQuery::outbox()).await?;
    /// assert!(page.events.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer, or the cursor is not one of its own.
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError>;

    /// The outcome of an operation id on one user, if it was applied.
    ///
    /// # Behavior
    ///
    /// - An applied mutation is found with its method and its details.
    /// - A permit is found once a right or a wrong answer settled it. An open one, an abandoned
    ///   one and one whose lease ran out are absent.
    /// - A refused one, one that never came, and another user's are absent.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{MemoryStore, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let id = OperationId::random(&OsRandom)?;
    /// assert!(MemoryStore::new().operation(&key, id).await?.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError>;
}

/// Whether a store can serve, for readiness probes.
#[async_trait]
pub trait StoreHealth: Debug + Send + Sync + 'static {
    /// Asks the store for a sign of life.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{MemoryStore, StoreHealth};
    /// MemoryStore::new().check().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When it gives none.
    async fn check(&self) -> Result<(), StoreError>;
}

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: UserStore + ?Sized> UserStore for $pointer<T> {
            async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
                (**self).create(user).await
            }

            async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
                (**self).load(key).await
            }

            async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
                (**self).commit(change).await
            }

            async fn take_attempt(
                &self,
                request: &AttemptRequest,
            ) -> Result<AttemptOutcome, StoreError> {
                (**self).take_attempt(request).await
            }

            async fn settle_attempt(
                &self,
                settlement: &Settlement,
            ) -> Result<SettleOutcome, StoreError> {
                (**self).settle_attempt(settlement).await
            }

            async fn upgrade_hash(
                &self,
                upgrade: &HashUpgrade,
            ) -> Result<UpgradeOutcome, StoreError> {
                (**self).upgrade_hash(upgrade).await
            }

            async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
                (**self).events(query).await
            }

            async fn operation(
                &self,
                key: &UserKey,
                operation: OperationId,
            ) -> Result<Option<OperationRecord>, StoreError> {
                (**self).operation(key, operation).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
