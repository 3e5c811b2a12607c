//! How many wrong answers an account stands, and how long it makes a guesser wait.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::{AttemptLimits, WaitSchedule};

/// The lockout policy of an organisation. Zero is off.
///
/// Whatever it says, an account stops at [`HARD_STOP`](Self::HARD_STOP) consecutive failures until
/// it gets a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LockoutPolicy {
    /// Failures at which the account is locked.
    pub max_attempts: u64,
    /// Failures before waits begin.
    pub wait_after: u64,
    /// The first wait; each further failure doubles it.
    pub wait_first_seconds: u64,
    /// The longest wait.
    pub wait_max_seconds: u64,
}

/// ZITADEL's default: nothing locks and nothing waits.
impl Default for LockoutPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 0,
            wait_after: 0,
            wait_first_seconds: 1,
            wait_max_seconds: 900,
        }
    }
}

impl LockoutPolicy {
    /// Consecutive failures that NIST SP 800-63B-4 (3.2.2) allows at most.
    pub const HARD_STOP: u32 = 100;

    /// Locks at this many failures.
    ///
    /// ```
    /// use portcullis_core::LockoutPolicy;
    /// assert_eq!(LockoutPolicy::new(5).limits().limit(), 5);
    /// assert_eq!(LockoutPolicy::new(0).limits().limit(), 100);
    /// assert_eq!(LockoutPolicy::new(u64::MAX).limits().limit(), 100);
    /// ```
    #[must_use]
    pub fn new(max_attempts: u64) -> Self {
        Self {
            max_attempts,
            ..Self::default()
        }
    }

    /// Makes attempts wait once there are `after` failures.
    #[must_use]
    pub const fn with_waits(mut self, after: u64, first_seconds: u64, max_seconds: u64) -> Self {
        self.wait_after = after;
        self.wait_first_seconds = first_seconds;
        self.wait_max_seconds = max_seconds;
        self
    }

    /// The limits under which a store hands out permits.
    #[must_use]
    pub fn limits(&self) -> AttemptLimits {
        let (first, max) = (
            seconds(self.wait_first_seconds),
            seconds(self.wait_max_seconds),
        );
        let schedule = || WaitSchedule::new(saturated(self.wait_after), first, max);
        AttemptLimits {
            lockout: self.lock_at(),
            hard_stop: Self::HARD_STOP,
            waits: (self.wait_after > 0).then(schedule),
            ..AttemptLimits::default()
        }
    }

    /// The failures at which a wrong answer locks, if any do.
    #[must_use]
    pub fn lock_at(&self) -> Option<u32> {
        (self.max_attempts > 0).then(|| saturated(self.max_attempts))
    }
}

pub(super) fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A hundred years at most: every store can add that to a date.
pub(super) fn seconds(seconds: u64) -> Duration {
    const CENTURY: u64 = 100 * 365 * 24 * 3_600;
    Duration::from_secs(seconds.min(CENTURY))
}
