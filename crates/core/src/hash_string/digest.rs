//! What tells two hash strings apart.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a stored hash string: tells two hashes apart without being one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashDigest([u8; 32]);

impl HashDigest {
    /// Digests any stored text, one that cannot be parsed included.
    ///
    /// ```
    /// use portcullis_core::HashDigest;
    /// assert_eq!(HashDigest::of("a").to_string().len(), 64);
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// A digest that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes that a store keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for HashDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HashDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashDigest({self})")
    }
}
