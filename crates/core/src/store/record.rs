//! What a store keeps about a user.

use std::fmt;

use chrono::SubsecRound;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    details::ObjectDetails,
    hash_string::{HashDigest, HashString},
    id::UserKey,
};

/// Counts changes of a user's credential or state: what a conditional write compares.
///
/// Failed attempts do not move it, so a flood of guesses cannot starve a password change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u64);

impl Version {
    /// The version of a new user.
    pub const FIRST: Self = Self(1);

    /// The version after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A stored name is not one that this release knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored name is unknown to this release")]
pub struct UnknownName;

/// An enum that is stored, printed and configured by name.
macro_rules! named {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The name that is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::store::UnknownName;

            fn from_str(text: &str) -> Result<Self, $crate::store::UnknownName> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::store::UnknownName),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::store::UnknownName;

            fn try_from(text: String) -> Result<Self, $crate::store::UnknownName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use named;

named! {
    /// Who a user is.
    UserKind {
        /// A person, who has a password.
        Human = "human",
        /// A service account, which has none.
        Machine = "machine",
    }
}

named! {
    /// The life of a user, as ZITADEL's password model sees it (contract section 2.3).
    UserState {
        /// May log in.
        Active = "active",
        /// Deactivated; a password can still be set.
        Inactive = "inactive",
        /// Not yet initialised; a password cannot be set.
        Initial = "initial",
        /// Locked; a password can still be set and the user stays locked.
        Locked = "locked",
        /// Gone. The record stays as a tombstone, so that no sequence is used twice, not even by
        /// the next user of this id.
        Removed = "removed",
    }
}

named! {
    /// What a mutation was, as the scope of its operation id.
    Method {
        /// [`UserStore::take_attempt`](crate::UserStore::take_attempt) and its settlement.
        Attempt = "attempt",
        /// [`PasswordService::change_password`](crate::PasswordService::change_password).
        ChangePassword = "change_password",
        /// Any change of a user's state.
        ChangeState = "change_state",
        /// [`UserStore::create`](crate::UserStore::create).
        Create = "create",
        /// A one-time code was issued.
        IssueCode = "issue_code",
        /// The password was removed.
        RemovePassword = "remove_password",
        /// [`PasswordService::set_initial_password`](crate::PasswordService::set_initial_password).
        SetInitialPassword = "set_initial_password",
        /// [`PasswordService::set_password`](crate::PasswordService::set_password).
        SetPassword = "set_password",
        /// [`UserStore::upgrade_hash`](crate::UserStore::upgrade_hash).
        UpgradeHash = "upgrade_hash",
    }
}

impl Method {
    /// Whether [`UserStore::commit`](crate::UserStore::commit) takes it; the others have methods
    /// of their own.
    #[must_use]
    pub const fn is_committed(self) -> bool {
        !matches!(self, Self::Attempt | Self::Create | Self::UpgradeHash)
    }
}

/// Everything that [`UserStore::load`](crate::UserStore::load) knows of a user.
#[derive(Debug)]
#[non_exhaustive]
pub struct UserRecord {
    /// Organisation and user id.
    pub key: UserKey,
    /// The name that the user goes by.
    pub username: String,
    /// Person or machine.
    pub kind: UserKind,
    /// The state.
    pub state: UserState,
    /// The password's hash and what belongs to it.
    pub credential: Credential,
    /// The newest one-time code, if one is pending.
    pub code: Option<Code>,
    /// What a conditional write compares.
    pub version: Version,
    /// Number of the newest event.
    pub sequence: u64,
    /// Moves when the credential changes: sessions of an older epoch are void.
    pub epoch: u64,
    /// Settled failures since the last success or change.
    pub failures: u32,
    /// When the user was created.
    pub created: Timestamp,
    /// When the newest event was appended.
    pub changed: Timestamp,
}

impl UserRecord {
    /// A user as [`create`](crate::UserStore::create) leaves it, for stores to fill in.
    ///
    /// ```
    /// use portcullis_core::{Clock, OrgId, SystemClock, UserId, UserKey};
    /// use portcullis_core::store::{UserKind, UserRecord, Version};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// let record = UserRecord::new(key, "alice", UserKind::Human, SystemClock::new().now());
    /// assert_eq!((record.version, record.sequence), (Version::FIRST, 1));
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub fn new(
        key: UserKey,
        username: impl Into<String>,
        kind: UserKind,
        created: Timestamp,
    ) -> Self {
        Self {
            key,
            username: username.into(),
            kind,
            state: UserState::Active,
            credential: Credential::default(),
            code: None,
            version: Version::FIRST,
            sequence: 1,
            epoch: 1,
            failures: 0,
            created,
            changed: created,
        }
    }
}

/// A password's hash and what belongs to it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Credential {
    /// The hash, as far as it can be read.
    pub hash: StoredHash,
    /// Whether the user must change the password at the next login.
    pub must_change: bool,
    /// When the password was last set; a rehash does not count.
    pub changed: Option<Timestamp>,
}

impl Credential {
    /// What a store loaded.
    ///
    /// ```
    /// use portcullis_core::store::{Credential, StoredHash};
    /// let credential = Credential::new(StoredHash::load(None), false, None);
    /// assert!(matches!(credential.hash, StoredHash::Absent));
    /// ```
    #[must_use]
    pub fn new(hash: StoredHash, must_change: bool, changed: Option<Timestamp>) -> Self {
        Self {
            hash,
            must_change,
            changed,
        }
    }
}

/// A stored hash string, parsed once, at load.
#[derive(Default)]
#[non_exhaustive]
pub enum StoredHash {
    /// No password is set.
    #[default]
    Absent,
    /// A hash that can be verified at a bounded cost.
    Readable(HashString),
    /// A text that the parser refuses: never verified, but a set, a reset or a removal replaces
    /// it. Only its digest is kept.
    Unreadable(HashDigest),
}

impl StoredHash {
    /// Parses what a store holds. A text that does not parse is no error here.
    ///
    /// ```
    /// use portcullis_core::store::StoredHash;
    /// assert!(matches!(StoredHash::load(Some("$argon2id$damaged")), StoredHash::Unreadable(_)));
    /// ```
    #[must_use]
    pub fn load(text: Option<&str>) -> Self {
        text.map_or(Self::Absent, |text| {
            HashString::parse(text)
                .map_or_else(|_| Self::Unreadable(HashDigest::of(text)), Self::Readable)
        })
    }

    /// SHA-256 of the stored text, if there is one.
    #[must_use]
    pub fn digest(&self) -> Option<HashDigest> {
        match self {
            Self::Absent => None,
            Self::Readable(hash) => Some(hash.digest()),
            Self::Unreadable(digest) => Some(*digest),
        }
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Readable(hash) => write!(f, "Readable({})", hash.suite()),
            Self::Unreadable(_) => f.write_str("Unreadable(..)"),
        }
    }
}

/// A pending one-time code. The code itself is never stored, only its digest.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Code {
    /// Keyed or plain digest of the code, as the engine computed it.
    pub digest: [u8; 32],
    /// From this moment on it is void.
    pub expires: Timestamp,
    /// Guesses at it so far that were wrong or never settled.
    pub guesses: u32,
}

impl Code {
    /// A code that nobody has guessed at. Its end is cut to the microsecond, as stores keep it.
    ///
    /// ```
    /// use portcullis_core::{Clock, SystemClock, store::Code};
    /// let code = Code::new([7; 32], SystemClock::new().now());
    /// assert_eq!(code.guesses, 0);
    /// ```
    #[must_use]
    pub fn new(digest: [u8; 32], expires: Timestamp) -> Self {
        Self {
            digest,
            expires: expires.trunc_subsecs(6),
            guesses: 0,
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code")
            .field("expires", &self.expires)
            .field("guesses", &self.guesses)
            .finish_non_exhaustive()
    }
}

/// What an operation id did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationRecord {
    /// What was done.
    pub method: Method,
    /// What it returned.
    pub details: ObjectDetails,
}

impl OperationRecord {
    /// What a store found under an id.
    ///
    /// ```
    /// use portcullis_core::{Clock, ObjectDetails, OrgId, SystemClock, store::{Method, OperationRecord}};
    /// let details = ObjectDetails::written(1, SystemClock::new().now(), OrgId::new("acme")?);
    /// assert_eq!(OperationRecord::new(Method::Create, details).method, Method::Create);
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub const fn new(method: Method, details: ObjectDetails) -> Self {
        Self { method, details }
    }
}
