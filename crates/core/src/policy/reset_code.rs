//! How long a reset code lives, and how often it may be guessed at.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lockout::{saturated, seconds};

/// The rules for one-time codes of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ResetCodePolicy {
    /// Seconds until a code is void. At zero it is void at once.
    pub ttl_seconds: u64,
    /// Wrong guesses at which a code is void. At zero no code is ever right.
    pub max_guesses: u64,
}

/// An hour and five guesses.
impl Default for ResetCodePolicy {
    fn default() -> Self {
        Self {
            ttl_seconds: 3_600,
            max_guesses: 5,
        }
    }
}

impl ResetCodePolicy {
    /// A code that lives this long and stands this many guesses.
    ///
    /// ```
    /// use portcullis_core::ResetCodePolicy;
    /// assert_eq!(ResetCodePolicy::new(3_600, 5), ResetCodePolicy::default());
    /// ```
    #[must_use]
    pub const fn new(ttl_seconds: u64, max_guesses: u64) -> Self {
        Self {
            ttl_seconds,
            max_guesses,
        }
    }

    pub(crate) fn ttl(&self) -> Duration {
        seconds(self.ttl_seconds)
    }

    /// At most as many as NIST SP 800-63B-4 (3.2.2) allows for anything that is guessed at.
    pub(crate) fn guesses(&self) -> u32 {
        saturated(self.max_guesses).min(super::LockoutPolicy::HARD_STOP)
    }
}
