//! Stored hash strings: one bounded, canonical parser, used at import and at every load.
//!
//! A verifier spends what the *stored* string asks for, so a hostile row is an attack on memory
//! and time. The string is therefore split by hand, each value is bounded, and exactly those
//! values go to the verifier: there is no second reading that could differ. Whatever does not
//! write itself back to the same bytes (duplicates, other order, leading zeros, padding, other
//! alphabets) is refused.

use std::fmt;

use base64ct::{Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::hash::HashCost;

/// Longest hash string, in bytes.
const MAX_BYTES: usize = 256;
/// Largest memory, in KiB: 512 MiB.
const MAX_MEMORY_KIB: u32 = 512 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 16;
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
const TAG_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Why a hash string was refused. The texts say what to do and never repeat the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashStringError {
    /// Not `$argon2id$v=19$m=…,t=…,p=…$salt$tag` written the one canonical way.
    #[error(
        "the hash string is not in canonical PHC form; \
         write it as $argon2id$v=19$m=…,t=…,p=…$salt$tag, parameters in this order, unpadded base64"
    )]
    NotCanonical,
    /// A parameter that would cost too much, or too little to be an Argon2 hash.
    #[error(
        "the hash string asks for parameters out of bounds; \
         allowed are m from 8·p to 524288 KiB, t 1 to 10, p 1 to 16, \
         salt 8 to 48 bytes, tag 16 to 64 bytes"
    )]
    OutOfBounds,
    /// More than 256 bytes.
    #[error("the hash string is longer than 256 bytes")]
    TooLong,
    /// An algorithm that this build cannot verify.
    #[error(
        "the hash string names an algorithm that is not supported; argon2id, argon2i and argon2d are"
    )]
    UnknownAlgorithm,
}

/// Which Argon2 made a hash (RFC 9106, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variant {
    /// Data-dependent addressing.
    Argon2d,
    /// Data-independent addressing.
    Argon2i,
    /// The hybrid that RFC 9106 recommends, and the only one that is created here.
    Argon2id,
}

impl Variant {
    /// The name in a hash string.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2d => "argon2d",
            Self::Argon2i => "argon2i",
            Self::Argon2id => "argon2id",
        }
    }
}

/// A hash string that passed the parser, so that verifying it costs a bounded amount.
///
/// It is wiped on drop and prints its parameters only.
pub struct HashString {
    text: Zeroizing<String>,
    variant: Variant,
    version: u32,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    tag: Zeroizing<Vec<u8>>,
}

impl HashString {
    /// Parses a stored or imported hash string.
    ///
    /// ```
    /// use portcullis_core::{HashString, HashStringError};
    /// let hash = HashString::parse(
    ///     "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW",
    /// )?;
    /// assert_eq!(hash.memory_kib(), 64);
    /// let twice = "$argon2id$v=19$m=64,m=1048576,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";
    /// assert_eq!(HashString::parse(twice).err(), Some(HashStringError::NotCanonical));
    /// # Ok::<_, HashStringError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the string is over-long, not canonical, out of bounds or of an unknown algorithm.
    pub fn parse(text: &str) -> Result<Self, HashStringError> {
        if text.len() > MAX_BYTES {
            return Err(HashStringError::TooLong);
        }
        let mut fields = text.split('$');
        let (Some(""), Some(name)) = (fields.next(), fields.next()) else {
            return Err(HashStringError::NotCanonical);
        };
        let variant = match name {
            "argon2d" => Variant::Argon2d,
            "argon2i" => Variant::Argon2i,
            "argon2id" => Variant::Argon2id,
            _ => return Err(HashStringError::UnknownAlgorithm),
        };
        let fields: Vec<_> = fields.collect();
        let [version, parameters, salt, tag] = fields[..] else {
            return Err(HashStringError::NotCanonical);
        };
        let version = named_number(version, "v=")?;
        let parameters: Vec<_> = parameters.split(',').collect();
        let [memory, passes, lanes] = parameters[..] else {
            return Err(HashStringError::NotCanonical);
        };
        let hash = Self {
            text: Zeroizing::new(text.to_owned()),
            variant,
            version,
            memory_kib: named_number(memory, "m=")?,
            passes: named_number(passes, "t=")?,
            lanes: named_number(lanes, "p=")?,
            salt: decode(salt)?,
            tag: Zeroizing::new(decode(tag)?),
        };
        hash.check_bounds()?;
        if *hash.serialize() != *hash.text {
            return Err(HashStringError::NotCanonical);
        }
        Ok(hash)
    }

    /// Puts a freshly computed tag into canonical form, through the same checks.
    pub(crate) fn from_argon2id(
        params: &argon2::Params,
        salt: &[u8],
        tag: Zeroizing<Vec<u8>>,
    ) -> Result<Self, HashStringError> {
        let mut hash = Self {
            text: Zeroizing::new(String::new()),
            variant: Variant::Argon2id,
            version: 0x13,
            memory_kib: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
            salt: salt.to_vec(),
            tag,
        };
        hash.check_bounds()?;
        hash.text = hash.serialize();
        Ok(hash)
    }

    /// The text to store. It is a secret: it belongs into the store and nowhere else.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text: what an event may carry.
    #[must_use]
    pub fn digest(&self) -> HashDigest {
        HashDigest::of(&self.text)
    }

    /// Algorithm and cost, without salt and tag: `argon2id,m=19456,t=2,p=1`.
    #[must_use]
    pub fn suite(&self) -> String {
        format!(
            "{},m={},t={},p={}",
            self.variant.as_str(),
            self.memory_kib,
            self.passes,
            self.lanes
        )
    }

    /// What comparing a password with it costs.
    #[must_use]
    pub const fn cost(&self) -> HashCost {
        HashCost::new(self.memory_kib, self.passes)
    }

    /// The Argon2 variant.
    #[must_use]
    pub const fn variant(&self) -> Variant {
        self.variant
    }

    /// The Argon2 version, `0x13` or `0x10`.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(crate) fn tag(&self) -> &[u8] {
        &self.tag
    }

    fn check_bounds(&self) -> Result<(), HashStringError> {
        let within = (self.version == 0x13 || self.version == 0x10)
            && (1..=MAX_LANES).contains(&self.lanes)
            && (8 * self.lanes..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && (1..=MAX_PASSES).contains(&self.passes)
            && SALT_BYTES.contains(&self.salt.len())
            && TAG_BYTES.contains(&self.tag.len());
        if within {
            Ok(())
        } else {
            Err(HashStringError::OutOfBounds)
        }
    }

    fn serialize(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "${}$v={}$m={},t={},p={}${}${}",
            self.variant.as_str(),
            self.version,
            self.memory_kib,
            self.passes,
            self.lanes,
            Base64Unpadded::encode_string(&self.salt),
            *Zeroizing::new(Base64Unpadded::encode_string(&self.tag)),
        ))
    }
}

impl fmt::Debug for HashString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashString({})", self.suite())
    }
}

fn named_number(field: &str, name: &str) -> Result<u32, HashStringError> {
    let digits = field
        .strip_prefix(name)
        .ok_or(HashStringError::NotCanonical)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HashStringError::NotCanonical);
    }
    // All digits, so the only failure left is a number beyond 32 bits.
    digits.parse().map_err(|_| HashStringError::OutOfBounds)
}

fn decode(field: &str) -> Result<Vec<u8>, HashStringError> {
    Base64Unpadded::decode_vec(field).map_err(|_| HashStringError::NotCanonical)
}

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
