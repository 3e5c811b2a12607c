//! Names that occur in hash strings.

use super::HashStringError;

const KEY_ID_BYTES: std::ops::RangeInclusive<usize> = 1..=8;

/// Which function made a hash: one of Argon2's (RFC 9106, section 3.1), or bcrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Variant {
    /// Data-dependent addressing.
    Argon2d,
    /// Data-independent addressing.
    Argon2i,
    /// The hybrid that RFC 9106 recommends, and the only one that is created here.
    Argon2id,
    /// bcrypt, for hashes that were made elsewhere.
    Bcrypt,
}

impl Variant {
    /// The name in a hash string.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2d => "argon2d",
            Self::Argon2i => "argon2i",
            Self::Argon2id => "argon2id",
            Self::Bcrypt => "bcrypt",
        }
    }

    /// None for an algorithm that this build cannot verify.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "argon2d" => Some(Self::Argon2d),
            "argon2i" => Some(Self::Argon2i),
            "argon2id" => Some(Self::Argon2id),
            "bcrypt" => cfg!(feature = "bcrypt").then_some(Self::Bcrypt),
            _ => None,
        }
    }
}

/// Names the pepper that went into a hash: 1 to 8 bytes, the `keyid` of PHC strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(Box<[u8]>);

impl KeyId {
    /// An id of these bytes.
    ///
    /// ```
    /// use portcullis_core::KeyId;
    /// assert!(KeyId::new(b"2026-a").is_ok());
    /// assert!(KeyId::new(b"").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// When there are none, or more than 8.
    pub fn new(bytes: &[u8]) -> Result<Self, HashStringError> {
        if KEY_ID_BYTES.contains(&bytes.len()) {
            Ok(Self(bytes.into()))
        } else {
            Err(HashStringError::OutOfBounds)
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
