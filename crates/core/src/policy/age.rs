//! How old a password may become, and how young it may be replaced.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Ages of passwords, as the password age policy of an organisation sets them. Zero is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AgePolicy {
    /// Days after which a password has expired.
    pub max_days: u64,
    /// Days before that from which on the user is warned.
    pub warn_days: u64,
    /// Hours before which a user may not change a password again.
    pub min_hours: u64,
    /// Hours after which a password that must be changed, and was not, is void.
    pub initial_max_hours: u64,
}

/// Passwords do not age; one that must be changed is void after three days.
impl Default for AgePolicy {
    fn default() -> Self {
        Self {
            max_days: 0,
            warn_days: 0,
            min_hours: 0,
            initial_max_hours: 72,
        }
    }
}

/// Where a password stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// It expires at this moment, which is not near.
    At(Timestamp),
    /// It has expired: the user has to change it.
    Expired,
    /// It does not expire.
    Never,
    /// It expires at this moment, and the user should be warned.
    Soon(Timestamp),
}

impl AgePolicy {
    /// A policy with these ages, in ZITADEL's units.
    ///
    /// ```
    /// use portcullis_core::AgePolicy;
    /// assert_eq!(AgePolicy::new(90, 14).max_days, 90);
    /// ```
    #[must_use]
    pub fn new(max_days: u64, warn_days: u64) -> Self {
        Self {
            max_days,
            warn_days,
            ..Self::default()
        }
    }

    /// Hours before which a user may not change a password again.
    #[must_use]
    pub const fn with_min_hours(mut self, hours: u64) -> Self {
        self.min_hours = hours;
        self
    }

    /// Hours after which a password that must be changed, and was not, is void.
    #[must_use]
    pub const fn with_initial_max_hours(mut self, hours: u64) -> Self {
        self.initial_max_hours = hours;
        self
    }

    /// Where a password that was set at `changed` stands at `now`.
    ///
    /// ```
    /// use portcullis_core::{AgePolicy, Clock, Expiry, SystemClock};
    /// let now = SystemClock::new().now();
    /// let (policy, days) = (AgePolicy::new(90, 14), chrono::TimeDelta::days);
    /// assert_eq!(policy.expiry(now - days(1), now), Expiry::At(now + days(89)));
    /// assert_eq!(policy.expiry(now - days(80), now), Expiry::Soon(now + days(10)));
    /// assert_eq!(policy.expiry(now - days(90), now), Expiry::Expired);
    /// assert_eq!(AgePolicy::default().expiry(now - days(9_000), now), Expiry::Never);
    /// ```
    #[must_use]
    pub fn expiry(&self, changed: Timestamp, now: Timestamp) -> Expiry {
        // What lies beyond the calendar is never reached.
        let Some(end) = after(changed, days(self.max_days)) else {
            return Expiry::Never;
        };
        if now >= end {
            return Expiry::Expired;
        }
        let warns = days(self.warn_days).is_some_and(|warn| end.signed_duration_since(now) <= warn);
        if warns {
            Expiry::Soon(end)
        } else {
            Expiry::At(end)
        }
    }

    /// Whether a password that must be changed, set at `changed`, was left so for too long.
    ///
    /// ```
    /// use portcullis_core::{AgePolicy, Clock, SystemClock};
    /// let (now, hours) = (SystemClock::new().now(), chrono::TimeDelta::hours);
    /// assert!(AgePolicy::default().initial_is_void(now - hours(72), now));
    /// assert!(!AgePolicy::default().initial_is_void(now - hours(71), now));
    /// ```
    #[must_use]
    pub fn initial_is_void(&self, changed: Timestamp, now: Timestamp) -> bool {
        after(changed, hours(self.initial_max_hours)).is_some_and(|end| now >= end)
    }

    /// How long a password that was set at `changed` has to stay, if it is too young.
    ///
    /// ```
    /// use portcullis_core::{AgePolicy, Clock, SystemClock};
    /// let (now, hours) = (SystemClock::new().now(), chrono::TimeDelta::hours);
    /// let policy = AgePolicy::default().with_min_hours(24);
    /// assert!(policy.too_young_for(now - hours(1), now).is_some());
    /// assert!(policy.too_young_for(now - hours(24), now).is_none());
    /// ```
    #[must_use]
    pub fn too_young_for(&self, changed: Timestamp, now: Timestamp) -> Option<std::time::Duration> {
        let end = match hours(self.min_hours) {
            None if self.min_hours == 0 => return None,
            hours => after(changed, hours).unwrap_or(Timestamp::MAX_UTC),
        };
        let left = end.signed_duration_since(now).to_std().ok()?;
        (!left.is_zero()).then_some(left)
    }
}

/// None for zero, and for what no calendar holds.
fn days(days: u64) -> Option<TimeDelta> {
    let days = i64::try_from(days).ok().filter(|days| *days > 0)?;
    TimeDelta::try_days(days)
}

fn hours(hours: u64) -> Option<TimeDelta> {
    let hours = i64::try_from(hours).ok().filter(|hours| *hours > 0)?;
    TimeDelta::try_hours(hours)
}

fn after(start: Timestamp, time: Option<TimeDelta>) -> Option<Timestamp> {
    start.checked_add_signed(time?)
}
