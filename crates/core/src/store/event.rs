//! What happened to a user, in order. Events carry no hash, only its digest.

use serde::{Deserialize, Serialize};

use super::record::{UserState, Version, named};
use crate::{
    clock::Timestamp,
    hash_string::HashDigest,
    id::{OperationId, UserId, UserKey},
};

named! {
    /// The types of events; the names are ZITADEL's where ZITADEL has one.
    EventKind {
        /// A password or code was compared and was wrong, or its permit ran out.
        CheckFailed = "user.human.password.check.failed",
        /// A password or code was compared and was right.
        CheckSucceeded = "user.human.password.check.succeeded",
        /// A one-time code was issued.
        CodeAdded = "user.human.password.code.added",
        /// A user was deactivated.
        Deactivated = "user.deactivated",
        /// A verified password was hashed anew.
        HashUpdated = "user.human.password.hash.updated",
        /// A person was created.
        HumanAdded = "user.human.added",
        /// A user was locked.
        Locked = "user.locked",
        /// A service account was created.
        MachineAdded = "user.machine.added",
        /// A password was set.
        PasswordChanged = "user.human.password.changed",
        /// A password was removed.
        PasswordRemoved = "user.human.password.removed",
        /// A user was activated again.
        Reactivated = "user.reactivated",
        /// A user was removed.
        Removed = "user.removed",
        /// A user was unlocked.
        Unlocked = "user.unlocked",
    }
}

/// One event, with the state in which it left the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Whose event.
    pub key: UserKey,
    /// Its number: 1, 2, 3, … for each user.
    pub sequence: u64,
    /// What happened.
    pub kind: EventKind,
    /// The user's version after it.
    pub version: Version,
    /// The user's state after it.
    pub state: UserState,
    /// The settled failures after it.
    pub failures: u32,
    /// Whether the password must be changed at the next login, after it.
    pub must_change: bool,
    /// Digest of the stored hash after it, if there is one.
    pub hash: Option<HashDigest>,
    /// The operation that wrote it.
    pub operation: OperationId,
    /// Who did it, where that is known.
    pub editor: Option<UserId>,
    /// When. It never decreases for one user.
    pub date: Timestamp,
}

impl Event {
    /// A first event of this kind, for stores to fill in.
    ///
    /// ```
    /// use portcullis_core::{Clock, OperationId, OrgId, OsRandom, SystemClock, UserId, UserKey};
    /// use portcullis_core::store::{Event, EventKind};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let operation = OperationId::random(&OsRandom)?;
    /// let event = Event::new(key, EventKind::HumanAdded, operation, SystemClock::new().now());
    /// assert_eq!(event.sequence, 1);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(
        key: UserKey,
        kind: EventKind,
        operation: OperationId,
        date: Timestamp,
    ) -> Self {
        Self {
            key,
            sequence: 1,
            kind,
            version: Version::FIRST,
            state: UserState::Active,
            failures: 0,
            must_change: false,
            hash: None,
            operation,
            editor: None,
            date,
        }
    }
}

/// Where a reader of events stands. Only the store that made one understands it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(String);

impl Cursor {
    /// After this event of one user. In every store the cursor of a user's events is a sequence;
    /// that of the outbox is the store's own business.
    ///
    /// ```
    /// use portcullis_core::store::Cursor;
    /// assert_eq!(Cursor::sequence(17).as_str(), "17");
    /// ```
    #[must_use]
    pub fn sequence(sequence: u64) -> Self {
        Self(sequence.to_string())
    }

    /// A position as a store writes it.
    ///
    /// ```
    /// assert_eq!(portcullis_core::store::Cursor::new("17").as_str(), "17");
    /// ```
    #[must_use]
    pub fn new(position: impl Into<String>) -> Self {
        Self(position.into())
    }

    /// The position as the store wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose events are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventScope {
    /// Everybody's, in the order in which they became visible.
    Outbox,
    /// One user's, by sequence.
    User(UserKey),
}

/// A question to [`UserStore::events`](crate::UserStore::events).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventQuery {
    /// Whose events.
    pub scope: EventScope,
    /// Only events after this position.
    pub after: Option<Cursor>,
    /// At most this many, and never more than [`MAX_PAGE`](Self::MAX_PAGE).
    pub limit: u32,
}

impl EventQuery {
    /// The largest page that any store returns.
    pub const MAX_PAGE: u32 = 1_000;

    /// One user's events, from the first.
    ///
    /// ```
    /// use portcullis_core::{OrgId, UserId, UserKey, store::EventQuery};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// assert_eq!(EventQuery::user(key).with_limit(5_000).limit, EventQuery::MAX_PAGE);
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub const fn user(key: UserKey) -> Self {
        Self {
            scope: EventScope::User(key),
            after: None,
            limit: Self::MAX_PAGE,
        }
    }

    /// Everybody's events, from the first.
    ///
    /// ```
    /// use portcullis_core::store::{Cursor, EventQuery};
    /// let query = EventQuery::outbox().after(Cursor::new("17"));
    /// assert!(query.after.is_some());
    /// ```
    #[must_use]
    pub const fn outbox() -> Self {
        Self {
            scope: EventScope::Outbox,
            after: None,
            limit: Self::MAX_PAGE,
        }
    }

    /// Continues after an earlier page.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Asks for fewer events at a time.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = if limit > Self::MAX_PAGE {
            Self::MAX_PAGE
        } else {
            limit
        };
        self
    }
}

/// The answer of [`UserStore::events`](crate::UserStore::events).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Where to read on: after the last of them, or where the query stood if there are none.
    pub next: Option<Cursor>,
}

impl EventPage {
    /// A page and where to read on.
    ///
    /// ```
    /// assert!(portcullis_core::store::EventPage::new(Vec::new(), None).next.is_none());
    /// ```
    #[must_use]
    pub const fn new(events: Vec<Event>, next: Option<Cursor>) -> Self {
        Self { events, next }
    }
}
