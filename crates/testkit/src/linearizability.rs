//! Whether many clients saw one register for each user, and not something weaker.
//!
//! A [`Recorder`] stands between clients and a store and notes when each call began, when it
//! ended and what it said. [`check`] then asks whether every call could have happened at one
//! moment between its begin and its end. In general that takes a search; here every write says
//! which version it replaces and every answer says its sequence, so the order is known and the
//! check takes hardly longer than sorting.
//!
//! What is recorded of a user has to be all that happens to it: loads, and changes that set a hash
//! which is used only once. Calls that fail, or whose outcome is unknown, belong to the history.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use portcullis_core::{HashString, MemoryStore, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};
//! # use portcullis_core::store::{Change, CredentialChange, EventKind, Method, NewUser, UserKind};
//! # let store = MemoryStore::new();
//! # let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
//! # store.create(&NewUser::new(key.clone(), "alice", UserKind::Human, OperationId::random(&OsRandom)?)).await?;
//! # let hash = HashString::parse("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")?;
//! use portcullis_testkit::linearizability::{Recorder, check};
//! let recorder = Recorder::new();
//! let record = store.load(&key).await?.ok_or("no such user")?;
//! recorder.begin(&record);
//! let operation = OperationId::random(&OsRandom)?;
//! let change = Change::new(key.clone(), Method::SetPassword, operation, record.version, EventKind::PasswordChanged)
//!     .with_credential(CredentialChange::Replace { hash, must_change: false });
//! recorder.commit(&change, store.commit(&change)).await?;
//! recorder.load(store.load(&key)).await?;
//! let counts = check(&recorder.history()).expect("a register");
//! assert_eq!((counts.acknowledged, counts.reads), (1, 1));
//! # Ok(()) }
//! ```

mod check;
mod recorder;

use std::{collections::HashMap, fmt};

use portcullis_core::{
    HashDigest, StoreError, StoreErrorKind, UserKey,
    store::{CommitOutcome, Version},
};

pub use check::check;
pub use recorder::Recorder;

/// A moment, on the one clock of a history.
pub type Moment = u64;

/// What happened to some users.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(crate) users: HashMap<UserKey, UserHistory>,
}

/// What happened to one user.
#[derive(Debug, Clone)]
pub(crate) struct UserHistory {
    pub(crate) start: Seen,
    pub(crate) entries: Vec<Entry>,
}

/// What a read returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests write them down")]
pub struct Seen {
    /// Number of the newest event.
    pub sequence: u64,
    /// The version that goes with it.
    pub version: Version,
    /// Digest of the hash, if there is one.
    pub hash: Option<HashDigest>,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests write them down")]
pub struct Entry {
    /// When it began.
    pub began: Moment,
    /// When its answer came. That of an unknown outcome does not count.
    pub ended: Moment,
    /// What it was.
    pub call: Call,
}

/// What was called and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests write them down")]
pub enum Call {
    /// A read that was answered.
    Read(Seen),
    /// A write that was answered or not.
    Write {
        /// The version that it replaces.
        base: Version,
        /// Digest of the new hash, which no other write of the history has.
        hash: HashDigest,
        /// What it came to.
        outcome: Outcome,
    },
}

/// What a write came to, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests write them down")]
pub enum Outcome {
    /// It was made, as the event of this sequence.
    Acknowledged(u64),
    /// The user had another version.
    Conflict,
    /// It failed, and nothing was written.
    NotApplied,
    /// It may have been made at any time since, or not at all.
    Unknown,
}

impl Outcome {
    /// What the answer of a store comes to.
    #[must_use]
    pub fn of(answer: &Result<CommitOutcome, StoreError>) -> Self {
        match answer {
            Ok(CommitOutcome::Committed(details) | CommitOutcome::Replayed(details)) => {
                Self::Acknowledged(details.sequence)
            }
            Ok(CommitOutcome::Conflict) => Self::Conflict,
            Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => Self::Unknown,
            Ok(_) | Err(_) => Self::NotApplied,
        }
    }
}

impl History {
    /// Nothing yet.
    ///
    /// ```
    /// use portcullis_testkit::linearizability::{History, check};
    /// assert!(check(&History::new()).is_ok());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user as it is before the first call.
    pub fn start(&mut self, user: UserKey, start: Seen) {
        let entries = Vec::new();
        self.users.insert(user, UserHistory { start, entries });
    }

    /// Adds a call on a user, in any order.
    ///
    /// # Panics
    ///
    /// When the user was not added.
    pub fn push(&mut self, user: &UserKey, entry: Entry) {
        let user = self.users.get_mut(user);
        user.expect("a history has a start").entries.push(entry);
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.values().map(|user| user.entries.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many calls of which kind a history has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Writes that met another version.
    pub conflicts: usize,
    /// Writes that failed without being made.
    pub not_applied: usize,
    /// Reads that were answered.
    pub reads: usize,
    /// Writes whose outcome the client does not know.
    pub unknown: usize,
    /// Those of them that a read found made.
    pub unknown_applied: usize,
}

/// Something that no register does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Whose history has it.
    pub user: UserKey,
    /// The sequence at which it shows.
    pub sequence: u64,
    /// What it is.
    pub kind: ViolationKind,
}

/// The things that no register does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViolationKind {
    /// One hash is seen at two sequences.
    AppliedTwice,
    /// Two writes have this sequence.
    Forked,
    /// No write can have had this sequence.
    Gap,
    /// A write met another version where there was no other.
    ImpossibleConflict,
    /// A read returned a hash that nobody wrote.
    Phantom,
    /// A write that was refused is seen.
    RefusedIsApplied,
    /// A write began after a later one was over.
    Reordered,
    /// A read began after a later state had been seen or acknowledged.
    Stale,
    /// Version and sequence of a read do not belong together.
    Torn,
    /// A write does not follow on the version that it replaces.
    WrongBase,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, sequence) = (self.user.user().as_str(), self.sequence);
        write!(f, "{:?} at sequence {sequence} of user {user}", self.kind)
    }
}
