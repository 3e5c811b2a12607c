//! Identifiers. One that exists is valid; none of them carries meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::{RandomError, RandomSource};

/// Why a user or organisation id was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing was given.
    #[error("an id must not be empty")]
    Empty,
    /// NUL, which PostgreSQL cannot store in a text.
    #[error("an id must not contain NUL")]
    Nul,
    /// More than 1 KiB of UTF-8.
    #[error("an id must not be longer than 1024 bytes")]
    TooLong,
}

/// Ids are opaque: numeric snowflakes in ZITADEL, anything else elsewhere.
const MAX_ID_BYTES: usize = 1024;

fn parse_id(text: Box<str>) -> Result<Box<str>, IdError> {
    if text.is_empty() {
        Err(IdError::Empty)
    } else if text.len() > MAX_ID_BYTES {
        Err(IdError::TooLong)
    } else if text.contains('\0') {
        Err(IdError::Nul)
    } else {
        Ok(text)
    }
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "Box<str>", into = "Box<str>")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes an opaque text of 1 to 1024 bytes without NUL.
            ///
            /// ```
            #[doc = concat!("use portcullis_core::{IdError, ", stringify!($name), "};")]
            #[doc = concat!("assert!(", stringify!($name), "::new(\"69629023906488334\").is_ok());")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::new(\"\"), Err(IdError::Empty));")]
            /// ```
            ///
            /// # Errors
            ///
            /// [`IdError`] says which bound was broken; it does not repeat the text.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdError> {
                parse_id(text.into()).map(Self)
            }

            /// The id as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<Box<str>> for $name {
            type Error = IdError;

            fn try_from(text: Box<str>) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for Box<str> {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

opaque_id! {
    /// An organisation: the tenant that owns a user.
    OrgId
}

opaque_id! {
    /// A user, unique within its organisation.
    UserId
}

/// A user of an organisation: what every store is keyed by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserKey {
    organisation: OrgId,
    user: UserId,
}

impl UserKey {
    /// The same user id in another organisation is another key.
    ///
    /// ```
    /// use portcullis_core::{OrgId, UserId, UserKey};
    /// let key = UserKey::new(OrgId::new("acme")?, UserId::new("42")?);
    /// assert_eq!(key.user().as_str(), "42");
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub fn new(organisation: OrgId, user: UserId) -> Self {
        Self { organisation, user }
    }

    /// The organisation, ZITADEL's resource owner.
    #[must_use]
    pub fn organisation(&self) -> &OrgId {
        &self.organisation
    }

    /// The user within it.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }
}

/// A text is not an operation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an operation id is 32 hexadecimal digits")]
pub struct OperationIdError;

/// 128 bits that name one mutation, so that it can be repeated and looked up.
///
/// The same id again returns the first result and writes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperationId([u8; 16]);

impl OperationId {
    /// Draws a fresh id.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OsRandom};
    /// assert_ne!(OperationId::random(&OsRandom)?, OperationId::random(&OsRandom)?);
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the random source fails.
    pub fn random(source: &dyn RandomSource) -> Result<Self, RandomError> {
        let mut bytes = [0; 16];
        source.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// An id with these bits.
    ///
    /// ```
    /// use portcullis_core::OperationId;
    /// assert!(OperationId::from_bytes([0xab; 16]).to_string().starts_with("abab"));
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes that stores keep.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::str::FromStr for OperationId {
    type Err = OperationIdError;

    /// Exactly 32 hexadecimal digits, in either case.
    fn from_str(text: &str) -> Result<Self, OperationIdError> {
        // `from_str_radix` alone would take a sign.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(OperationIdError);
        }
        let value = u128::from_str_radix(text, 16).map_err(|_| OperationIdError)?;
        Ok(Self(value.to_be_bytes()))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationId({self})")
    }
}

impl TryFrom<String> for OperationId {
    type Error = OperationIdError;

    fn try_from(text: String) -> Result<Self, OperationIdError> {
        text.parse()
    }
}

impl From<OperationId> for String {
    fn from(id: OperationId) -> Self {
        id.to_string()
    }
}

/// An operation id and whether it can have been used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Made up for this call: nothing can be stored under it yet, so nothing is looked up.
    Fresh(OperationId),
    /// Given by the caller, who may be repeating a call whose answer was lost.
    Given(OperationId),
}

impl Operation {
    /// The id itself.
    #[must_use]
    pub const fn id(&self) -> OperationId {
        match self {
            Self::Fresh(id) | Self::Given(id) => *id,
        }
    }
}
