//! Mutations of a user and what they come to.

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    event::EventKind,
    record::{Code, Method, UserKind, UserState, Version},
};
use crate::{
    clock::Timestamp,
    details::ObjectDetails,
    hash_string::HashString,
    id::{OperationId, UserId, UserKey},
};

/// A user to be created.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewUser {
    /// Organisation and user id.
    pub key: UserKey,
    /// The name that the user goes by.
    pub username: String,
    /// Person or machine.
    pub kind: UserKind,
    /// The first state.
    pub state: UserState,
    /// An imported hash, if there is one.
    pub hash: Option<HashString>,
    /// Whether an imported password must be changed at the next login.
    pub must_change: bool,
    /// The name of this mutation.
    pub operation: OperationId,
    /// Who creates the user, where that is known.
    pub editor: Option<UserId>,
}

impl NewUser {
    /// An active user without a password.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OrgId, OsRandom, UserId, UserKey};
    /// use portcullis_core::store::{NewUser, UserKind, UserState};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let user = NewUser::new(key, "alice", UserKind::Human, OperationId::random(&OsRandom)?)
    ///     .with_state(UserState::Initial);
    /// assert!(user.hash.is_none());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(
        key: UserKey,
        username: impl Into<String>,
        kind: UserKind,
        operation: OperationId,
    ) -> Self {
        Self {
            key,
            username: username.into(),
            kind,
            state: UserState::Active,
            hash: None,
            must_change: false,
            operation,
            editor: None,
        }
    }

    /// Another first state.
    #[must_use]
    pub fn with_state(mut self, state: UserState) -> Self {
        self.state = state;
        self
    }

    /// An imported hash.
    #[must_use]
    pub fn with_hash(mut self, hash: HashString, must_change: bool) -> Self {
        self.hash = Some(hash);
        self.must_change = must_change;
        self
    }

    /// Who creates the user.
    #[must_use]
    pub fn with_editor(mut self, editor: UserId) -> Self {
        self.editor = Some(editor);
        self
    }

    /// The event that this writes.
    #[must_use]
    pub const fn event(&self) -> EventKind {
        match self.kind {
            UserKind::Human => EventKind::HumanAdded,
            UserKind::Machine => EventKind::MachineAdded,
        }
    }
}

/// The answer of [`UserStore::create`](crate::UserStore::create).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateOutcome {
    /// The user was created, anew if the id was a removed user's.
    Created(ObjectDetails),
    /// A user with this key exists already and was not touched.
    Exists,
    /// The operation id belongs to another user or another method.
    OperationReused,
    /// This operation created the user before.
    Replayed(ObjectDetails),
}

/// What a [`Change`] does to the credential.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum CredentialChange {
    /// Nothing.
    #[default]
    Keep,
    /// Removes the password.
    Remove,
    /// Sets a new password.
    Replace {
        /// Its hash.
        hash: HashString,
        /// Whether it must be changed at the next login.
        must_change: bool,
    },
}

/// What a [`Change`] does to the pending one-time code. A changed credential voids the code
/// unless a new one is issued in the same step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeChange {
    /// Redeems it: the change happens only if the pending code has this digest, has not expired
    /// and was not guessed at too often.
    Consume {
        /// Digest of the code that was presented.
        digest: [u8; 32],
        /// Guesses at which a code is void.
        max_guesses: u32,
    },
    /// Replaces it; older ones are void.
    Issue(Code),
    /// The same for so long, from the moment of the commit by the store's clock.
    IssueFor {
        /// What [`Code::digest`] is to be.
        digest: [u8; 32],
        /// How long it is good.
        ttl: Duration,
    },
    /// Nothing.
    #[default]
    Keep,
}

impl CodeChange {
    /// The code that is issued if the change is committed now, for stores that calculate it here.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_core::{Clock, SystemClock, store::CodeChange};
    /// let (now, ttl) = (SystemClock::new().now(), Duration::from_secs(3_600));
    /// let code = CodeChange::IssueFor { digest: [7; 32], ttl }.issued(now);
    /// assert!(code.is_some_and(|code| code.expires > now));
    /// assert!(CodeChange::Keep.issued(now).is_none());
    /// ```
    #[must_use]
    pub fn issued(&self, now: Timestamp) -> Option<Code> {
        match self {
            Self::Issue(code) => Some(code.clone()),
            Self::IssueFor { digest, ttl } => {
                let ttl = TimeDelta::from_std(*ttl).unwrap_or(TimeDelta::MAX);
                let end = now.checked_add_signed(ttl).unwrap_or(Timestamp::MAX_UTC);
                Some(Code::new(*digest, end))
            }
            Self::Consume { .. } | Self::Keep => None,
        }
    }
}

/// A change to be committed against one version of a user.
#[derive(Debug)]
#[non_exhaustive]
pub struct Change {
    /// Whose.
    pub key: UserKey,
    /// What it is, as the scope of the operation id; one that is [committed](Method::is_committed).
    pub method: Method,
    /// The name of this mutation.
    pub operation: OperationId,
    /// The version that was read.
    pub expected: Version,
    /// What happens to the credential. A changed one clears failures and moves the epoch.
    pub credential: CredentialChange,
    /// The new state, if it changes. Becoming active clears failures.
    pub state: Option<UserState>,
    /// What happens to the pending one-time code.
    pub code: CodeChange,
    /// Who does it, where that is known.
    pub editor: Option<UserId>,
    events: Vec<EventKind>,
}

impl Change {
    /// A change that appends one event and does nothing else yet.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OrgId, OsRandom, UserId, UserKey};
    /// use portcullis_core::store::{Change, EventKind, Method, UserState, Version};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let operation = OperationId::random(&OsRandom)?;
    /// let change = Change::new(key, Method::ChangeState, operation, Version::FIRST, EventKind::Locked)
    ///     .with_state(UserState::Locked);
    /// assert_eq!(change.events(), [EventKind::Locked]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(
        key: UserKey,
        method: Method,
        operation: OperationId,
        expected: Version,
        event: EventKind,
    ) -> Self {
        Self {
            key,
            method,
            operation,
            expected,
            credential: CredentialChange::Keep,
            state: None,
            code: CodeChange::Keep,
            editor: None,
            events: vec![event],
        }
    }

    /// Changes the credential.
    #[must_use]
    pub fn with_credential(mut self, credential: CredentialChange) -> Self {
        self.credential = credential;
        self
    }

    /// Changes the state.
    #[must_use]
    pub fn with_state(mut self, state: UserState) -> Self {
        self.state = Some(state);
        self
    }

    /// Changes the pending one-time code.
    #[must_use]
    pub fn with_code(mut self, code: CodeChange) -> Self {
        self.code = code;
        self
    }

    /// Says who does it.
    #[must_use]
    pub fn with_editor(mut self, editor: UserId) -> Self {
        self.editor = Some(editor);
        self
    }

    /// Appends one more event. The details are those of the last.
    #[must_use]
    pub fn with_event(mut self, event: EventKind) -> Self {
        self.events.push(event);
        self
    }

    /// What is appended, in order; never empty.
    #[must_use]
    pub fn events(&self) -> &[EventKind] {
        &self.events
    }

    /// Whether the credential changes.
    #[must_use]
    pub const fn changes_credential(&self) -> bool {
        !matches!(self.credential, CredentialChange::Keep)
    }

    /// Whether failures are forgotten: the settled ones and leases that have run out.
    #[must_use]
    pub const fn clears_failures(&self) -> bool {
        self.changes_credential() || matches!(self.state, Some(UserState::Active))
    }
}

/// The answer of [`UserStore::commit`](crate::UserStore::commit).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitOutcome {
    /// The one-time code is not the pending one, or void.
    CodeRejected,
    /// The change was made.
    Committed(ObjectDetails),
    /// The version has moved since it was read.
    Conflict,
    /// There is no such user, or it was removed.
    NotFound,
    /// The operation id belongs to another user or another method.
    OperationReused,
    /// This operation was committed before.
    Replayed(ObjectDetails),
}

/// A stronger hash of a password that was just verified.
#[derive(Debug)]
#[non_exhaustive]
pub struct HashUpgrade {
    /// Whose.
    pub key: UserKey,
    /// The name of this mutation.
    pub operation: OperationId,
    /// The hash that was verified.
    pub verified: HashString,
    /// What replaces it.
    pub replacement: HashString,
}

impl HashUpgrade {
    /// Replaces `verified` by `replacement`.
    ///
    /// ```
    /// use portcullis_core::{HashString, OperationId, OrgId, OsRandom, UserId, UserKey};
    /// use portcullis_core::store::HashUpgrade;
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let weak = HashString::parse("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")?;
    /// let strong = HashString::parse("$argon2id$v=19$m=65,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")?;
    /// let upgrade = HashUpgrade::new(key, OperationId::random(&OsRandom)?, weak, strong);
    /// assert_ne!(upgrade.verified.digest(), upgrade.replacement.digest());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(
        key: UserKey,
        operation: OperationId,
        verified: HashString,
        replacement: HashString,
    ) -> Self {
        Self {
            key,
            operation,
            verified,
            replacement,
        }
    }
}

/// The answer of [`UserStore::upgrade_hash`](crate::UserStore::upgrade_hash).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeOutcome {
    /// The operation id belongs to another user or another method.
    OperationReused,
    /// This operation was applied before.
    Replayed(ObjectDetails),
    /// The hash is not the one that was verified any more, or the user was removed; nothing was
    /// written.
    Superseded,
    /// The hash was replaced.
    Upgraded(ObjectDetails),
}
