//! Stored hash strings: one bounded, canonical parser, used at import and at every load.
//!
//! A verifier spends what the *stored* string asks for, so a hostile row is an attack on memory
//! and time. The string is therefore split by hand, each value is bounded, and exactly those
//! values go to the verifier: there is no second reading that could differ. Whatever does not
//! write itself back to the same bytes (duplicates, other order, leading zeros, padding, other
//! alphabets) is refused.

mod digest;
mod refusal;
mod suite;
mod variant;

use std::fmt;

use base64ct::{Base64Bcrypt, Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use crate::hash::{Argon2Params, HashCost};

pub use digest::HashDigest;
pub use refusal::HashRefusal;
pub use suite::Suite;
pub use variant::{KeyId, Variant};

/// Longest hash string, in bytes.
const MAX_BYTES: usize = 256;
/// Largest memory, in KiB: 512 MiB.
const MAX_MEMORY_KIB: u32 = 512 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 16;
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
const TAG_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=16;
/// Salt and tag of bcrypt in its own base64.
const BCRYPT_SALT_CHARS: usize = 22;
const BCRYPT_SALT_BYTES: usize = 16;
const BCRYPT_TAG_BYTES: usize = 23;
/// The state of Blowfish, which is all the memory that bcrypt needs.
const BCRYPT_MEMORY_KIB: u32 = 4;

/// Why a hash string was refused. The texts say what to do and never repeat the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashStringError {
    /// Not `$argon2id$v=19$m=…,t=…,p=…$salt$tag` written the one canonical way, nor bcrypt's
    /// `$2b$12$…`.
    #[error(
        "the hash string is not in canonical form; \
         write it as $argon2id$v=19$m=…,t=…,p=…$salt$tag, parameters in this order, unpadded base64"
    )]
    NotCanonical,
    /// A parameter that would cost too much, or too little to be a hash.
    #[error(
        "the hash string asks for parameters out of bounds; \
         allowed are m from 8·p to 524288 KiB, t 1 to 10, p 1 to 16, \
         salt 8 to 48 bytes, tag 16 to 64 bytes, keyid 1 to 8 bytes; for bcrypt, cost 4 to 16"
    )]
    OutOfBounds,
    /// More than 256 bytes.
    #[error("the hash string is longer than 256 bytes")]
    TooLong,
    /// An algorithm that this build cannot verify.
    #[error(
        "the hash string names an algorithm that is not supported; argon2id, argon2i and argon2d \
         are, and bcrypt in a build that has it"
    )]
    UnknownAlgorithm,
}

/// A hash string that passed the parser, so that verifying it costs a bounded amount.
///
/// It is wiped on drop and prints its parameters only.
pub struct HashString {
    text: Zeroizing<String>,
    suite: Suite,
    /// Argon2's version, or the letter of bcrypt's.
    version: u32,
    key: Option<KeyId>,
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
        let fields: Vec<_> = fields.collect();
        let mut hash = match name {
            "2a" | "2b" | "2y" if cfg!(feature = "bcrypt") => Self::read_bcrypt(name, &fields)?,
            "argon2d" => Self::read_argon2(Variant::Argon2d, &fields)?,
            "argon2i" => Self::read_argon2(Variant::Argon2i, &fields)?,
            "argon2id" => Self::read_argon2(Variant::Argon2id, &fields)?,
            _ => return Err(HashStringError::UnknownAlgorithm),
        };
        hash.check_bounds()?;
        hash.text = hash.serialize();
        if *hash.text != *text {
            return Err(HashStringError::NotCanonical);
        }
        Ok(hash)
    }

    fn read_argon2(variant: Variant, fields: &[&str]) -> Result<Self, HashStringError> {
        let [version, parameters, salt, tag] = fields else {
            return Err(HashStringError::NotCanonical);
        };
        let parameters: Vec<_> = parameters.split(',').collect();
        let (memory, passes, lanes, key) = match parameters[..] {
            [memory, passes, lanes] => (memory, passes, lanes, None),
            [memory, passes, lanes, key] => (memory, passes, lanes, Some(key)),
            _ => return Err(HashStringError::NotCanonical),
        };
        Ok(Self {
            text: Zeroizing::new(String::new()),
            version: named_number(version, "v=")?,
            suite: Suite::Argon2 {
                variant,
                memory_kib: named_number(memory, "m=")?,
                passes: named_number(passes, "t=")?,
                lanes: named_number(lanes, "p=")?,
            },
            key: key.map(read_key).transpose()?,
            salt: decode(salt)?,
            tag: Zeroizing::new(decode(tag)?),
        })
    }

    fn read_bcrypt(name: &str, fields: &[&str]) -> Result<Self, HashStringError> {
        let [cost, rest] = fields else {
            return Err(HashStringError::NotCanonical);
        };
        let (salt, tag) = rest
            .split_at_checked(BCRYPT_SALT_CHARS)
            .ok_or(HashStringError::NotCanonical)?;
        let decode =
            |field| Base64Bcrypt::decode_vec(field).map_err(|_| HashStringError::NotCanonical);
        Ok(Self {
            text: Zeroizing::new(String::new()),
            version: name.bytes().next_back().map_or(0, u32::from),
            suite: Suite::Bcrypt {
                cost: named_number(cost, "")?,
            },
            key: None,
            salt: decode(salt)?,
            tag: Zeroizing::new(decode(tag)?),
        })
    }

    /// Puts a freshly computed tag into canonical form, through the same checks.
    pub(crate) fn from_argon2id(
        params: Argon2Params,
        salt: &[u8],
        tag: Zeroizing<Vec<u8>>,
    ) -> Result<Self, HashStringError> {
        let suite = Suite::Argon2 {
            variant: Variant::Argon2id,
            memory_kib: params.memory_kib(),
            passes: params.passes(),
            lanes: params.lanes(),
        };
        Self::build(suite, salt.to_vec(), tag)
    }

    /// A hash of nothing: verifying against it costs what this suite costs and never succeeds.
    pub(crate) fn decoy(suite: Suite) -> Result<Self, HashStringError> {
        let (salt, tag) = match suite {
            Suite::Argon2 { .. } => (16, 32),
            Suite::Bcrypt { .. } => (BCRYPT_SALT_BYTES, BCRYPT_TAG_BYTES),
        };
        Self::build(suite, vec![0; salt], Zeroizing::new(vec![0; tag]))
    }

    fn build(
        suite: Suite,
        salt: Vec<u8>,
        tag: Zeroizing<Vec<u8>>,
    ) -> Result<Self, HashStringError> {
        let mut hash = Self {
            text: Zeroizing::new(String::new()),
            suite,
            version: match suite {
                Suite::Argon2 { .. } => 0x13,
                Suite::Bcrypt { .. } => u32::from(b'b'),
            },
            key: None,
            salt,
            tag,
        };
        hash.check_bounds()?;
        hash.text = hash.serialize();
        Ok(hash)
    }

    /// Says which pepper went into the hash.
    pub(crate) fn with_key(mut self, key: KeyId) -> Self {
        self.key = Some(key);
        self.text = self.serialize();
        self
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
        self.suite.to_string()
    }

    /// What comparing a password with it costs.
    #[must_use]
    pub const fn cost(&self) -> HashCost {
        HashCost::of(&self.suite)
    }

    /// Algorithm and cost as a value.
    #[must_use]
    pub const fn parameters(&self) -> Suite {
        self.suite
    }

    /// Which pepper went into the hash, if one did.
    #[must_use]
    pub const fn key_id(&self) -> Option<&KeyId> {
        self.key.as_ref()
    }

    /// Which function made the hash.
    #[must_use]
    pub const fn variant(&self) -> Variant {
        match self.suite {
            Suite::Argon2 { variant, .. } => variant,
            Suite::Bcrypt { .. } => Variant::Bcrypt,
        }
    }

    /// The Argon2 version, `0x13` or `0x10`; for bcrypt, the letter of its version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        match self.suite {
            Suite::Argon2 { memory_kib, .. } => memory_kib,
            Suite::Bcrypt { .. } => BCRYPT_MEMORY_KIB,
        }
    }

    /// Passes over the memory; none for bcrypt.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        match self.suite {
            Suite::Argon2 { passes, .. } => passes,
            Suite::Bcrypt { .. } => 0,
        }
    }

    /// Lanes; none for bcrypt.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        match self.suite {
            Suite::Argon2 { lanes, .. } => lanes,
            Suite::Bcrypt { .. } => 0,
        }
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(crate) fn tag(&self) -> &[u8] {
        &self.tag
    }

    fn check_bounds(&self) -> Result<(), HashStringError> {
        let within = match self.suite {
            Suite::Argon2 {
                memory_kib,
                passes,
                lanes,
                ..
            } => {
                (self.version == 0x13 || self.version == 0x10)
                    && (1..=MAX_LANES).contains(&lanes)
                    && (8 * lanes..=MAX_MEMORY_KIB).contains(&memory_kib)
                    && (1..=MAX_PASSES).contains(&passes)
                    && SALT_BYTES.contains(&self.salt.len())
                    && TAG_BYTES.contains(&self.tag.len())
            }
            Suite::Bcrypt { cost } => {
                BCRYPT_COST.contains(&cost)
                    && self.salt.len() == BCRYPT_SALT_BYTES
                    && self.tag.len() == BCRYPT_TAG_BYTES
            }
        };
        if within {
            Ok(())
        } else {
            Err(HashStringError::OutOfBounds)
        }
    }

    fn serialize(&self) -> Zeroizing<String> {
        Zeroizing::new(match self.suite {
            Suite::Argon2 {
                variant,
                memory_kib,
                passes,
                lanes,
            } => format!(
                "${}$v={}$m={memory_kib},t={passes},p={lanes}{}${}${}",
                variant.as_str(),
                self.version,
                self.key.as_ref().map_or_else(String::new, |key| {
                    format!(",keyid={}", Base64Unpadded::encode_string(key.as_bytes()))
                }),
                Base64Unpadded::encode_string(&self.salt),
                *Zeroizing::new(Base64Unpadded::encode_string(&self.tag)),
            ),
            Suite::Bcrypt { cost } => format!(
                "$2{}${cost:02}${}{}",
                char::from_u32(self.version).unwrap_or_default(),
                Base64Bcrypt::encode_string(&self.salt),
                *Zeroizing::new(Base64Bcrypt::encode_string(&self.tag)),
            ),
        })
    }
}

impl fmt::Debug for HashString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashString({})", self.suite)
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

fn read_key(field: &str) -> Result<KeyId, HashStringError> {
    let text = field.strip_prefix("keyid=");
    KeyId::new(&decode(text.ok_or(HashStringError::NotCanonical)?)?)
}

fn decode(field: &str) -> Result<Vec<u8>, HashStringError> {
    Base64Unpadded::decode_vec(field).map_err(|_| HashStringError::NotCanonical)
}
