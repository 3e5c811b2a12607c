//! Algorithm and cost of a hash, without its salt and tag.

use std::{fmt, str::FromStr};

use super::{HashString, HashStringError, Variant};

/// Algorithm and cost of a hash string, written as `argon2id,m=19456,t=2,p=1` or
/// `bcrypt,cost=12`.
///
/// ```
/// use portcullis_core::Suite;
/// let suite: Suite = "argon2id,m=19456,t=2,p=1".parse()?;
/// assert_eq!(suite.work(), 2 * 19_456);
/// assert_eq!(suite.to_string(), "argon2id,m=19456,t=2,p=1");
/// # Ok::<_, portcullis_core::HashStringError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// One of the three variants of Argon2.
    Argon2 {
        /// Which; never [`Variant::Bcrypt`].
        variant: Variant,
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// bcrypt, which is verified and never created.
    Bcrypt {
        /// Binary logarithm of the number of rounds.
        cost: u32,
    },
}

/// What one round of bcrypt counts for, in KiB that Argon2 fills: about the ratio of their times
/// on one core.
const BCRYPT_ROUND: u64 = 100;

impl Suite {
    /// What a verification costs, in KiB that Argon2 fills. It orders suites and sizes the work
    /// that makes up for a cheaper one; between algorithms it is an estimate.
    #[must_use]
    pub const fn work(&self) -> u64 {
        match self {
            Self::Argon2 {
                memory_kib, passes, ..
            } => *memory_kib as u64 * *passes as u64,
            Self::Bcrypt { cost } if *cost < 32 => BCRYPT_ROUND << *cost,
            Self::Bcrypt { .. } => u64::MAX,
        }
    }

    /// The Argon2id that costs about what `self` costs beyond `other`, if it is worth running.
    pub(crate) fn beyond(self, other: Self) -> Option<Self> {
        let missing = self.work().checked_sub(other.work())?;
        // A fiftieth more or less is lost in the noise of any clock.
        if missing < self.work() / 50 || missing < 8 {
            return None;
        }
        let largest = match self {
            Self::Argon2 { memory_kib, .. } => u64::from(memory_kib),
            Self::Bcrypt { .. } => DEFAULT_MEMORY_KIB,
        };
        let passes = missing.div_ceil(largest).clamp(1, 10);
        let memory = (missing / passes).clamp(8, 512 * 1024);
        Some(Self::Argon2 {
            variant: Variant::Argon2id,
            memory_kib: u32::try_from(memory).unwrap_or(8),
            passes: u32::try_from(passes).unwrap_or(1),
            lanes: 1,
        })
    }
}

const DEFAULT_MEMORY_KIB: u64 = 19_456;

impl FromStr for Suite {
    type Err = HashStringError;

    /// Under the bounds of stored hashes, and of an algorithm that this build can verify.
    fn from_str(text: &str) -> Result<Self, HashStringError> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let mut next = |name| parts.next().and_then(|part| number(part, name));
        let suite = match Variant::named(name).ok_or(HashStringError::UnknownAlgorithm)? {
            Variant::Bcrypt => next("cost=").map(|cost| Self::Bcrypt { cost }),
            variant => match (next("m="), next("t="), next("p=")) {
                (Some(memory_kib), Some(passes), Some(lanes)) => Some(Self::Argon2 {
                    variant,
                    memory_kib,
                    passes,
                    lanes,
                }),
                _ => None,
            },
        };
        let suite = suite.ok_or(HashStringError::NotCanonical)?;
        HashString::decoy(suite)?;
        if suite.to_string() == text {
            Ok(suite)
        } else {
            Err(HashStringError::NotCanonical)
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2 {
                variant,
                memory_kib,
                passes,
                lanes,
            } => write!(
                f,
                "{},m={memory_kib},t={passes},p={lanes}",
                variant.as_str()
            ),
            Self::Bcrypt { cost } => write!(f, "bcrypt,cost={cost}"),
        }
    }
}

fn number(part: &str, name: &str) -> Option<u32> {
    part.strip_prefix(name)?.parse().ok()
}
