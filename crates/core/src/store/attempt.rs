//! The guess budget: permits before a comparison, settlements after it.

use std::time::Duration;

use crate::id::{OperationId, OrgId, UserKey};

/// Whose budget an attempt draws on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// One of 65,536 counters that stand in for ids that do not exist, so that asking for such
    /// an id costs and answers the same.
    Sham {
        /// The organisation that the request named.
        organisation: OrgId,
        /// Chosen by a keyed digest of the id.
        slot: u16,
    },
    /// A user.
    User(UserKey),
}

/// Waits that grow with the failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitSchedule {
    /// Failures at which waits begin; at least 1.
    pub after: u32,
    /// The first wait. Each further failure doubles it.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl WaitSchedule {
    /// Waits from the `after`-th failure on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_core::store::WaitSchedule;
    /// let waits = WaitSchedule::new(3, Duration::from_secs(1), Duration::from_secs(900));
    /// assert_eq!(waits.after_failures(2), Duration::ZERO);
    /// assert_eq!(waits.after_failures(5), Duration::from_secs(4));
    /// assert_eq!(waits.after_failures(u32::MAX), Duration::from_secs(900));
    /// ```
    #[must_use]
    pub const fn new(after: u32, first: Duration, max: Duration) -> Self {
        Self { after, first, max }
    }

    /// How long after the newest failure the next attempt may come.
    #[must_use]
    pub fn after_failures(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(self.after.max(1)) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

/// The limits under which a permit is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptLimits {
    /// The organisation's lockout: settled failures at which no permit is granted. None is off.
    pub lockout: Option<u32>,
    /// Consecutive failures that nothing but a new password resolves. NIST SP 800-63B-4, 3.2.2,
    /// allows at most 100.
    pub hard_stop: u32,
    /// Growing waits, if the organisation wants them.
    pub waits: Option<WaitSchedule>,
    /// How long a permit may stay open before it counts as a failure.
    pub lease: Duration,
}

/// No lockout and no waits, a stop at 100 failures, 30 seconds to settle.
impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            lockout: None,
            hard_stop: 100,
            waits: None,
            lease: Duration::from_secs(30),
        }
    }
}

impl AttemptLimits {
    /// The number of failures and open permits at which no more are granted.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.lockout
            .map_or(self.hard_stop, |lockout| lockout.min(self.hard_stop))
    }

    /// Stops at this many failures.
    #[must_use]
    pub const fn with_lockout(mut self, failures: u32) -> Self {
        self.lockout = Some(failures);
        self
    }

    /// Makes attempts wait after failures.
    #[must_use]
    pub const fn with_waits(mut self, waits: WaitSchedule) -> Self {
        self.waits = Some(waits);
        self
    }
}

/// A question to [`UserStore::take_attempt`](crate::UserStore::take_attempt).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRequest {
    /// Whose budget.
    pub subject: Subject,
    /// The permit's id, under which it will be settled.
    pub permit: OperationId,
    /// The limits that apply now.
    pub limits: AttemptLimits,
    /// Whether it will be a guess at the pending one-time code.
    pub guessed_code: bool,
}

impl AttemptRequest {
    /// Asks for one permit.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OrgId, OsRandom};
    /// use portcullis_core::store::{AttemptLimits, AttemptRequest, Subject};
    /// let subject = Subject::Sham { organisation: OrgId::new("acme")?, slot: 7 };
    /// let permit = OperationId::random(&OsRandom)?;
    /// let request = AttemptRequest::new(subject, permit, AttemptLimits::default());
    /// assert_eq!(request.limits.limit(), 100);
    /// assert!(!request.guessed_code);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(subject: Subject, permit: OperationId, limits: AttemptLimits) -> Self {
        Self {
            subject,
            permit,
            limits,
            guessed_code: false,
        }
    }

    /// Counts the attempt against the pending one-time code as well, unless its answer is right
    /// or it is abandoned.
    ///
    /// It is said before the comparison, because an attempt that is never settled counts too.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OrgId, OsRandom};
    /// use portcullis_core::store::{AttemptLimits, AttemptRequest, Subject};
    /// let subject = Subject::Sham { organisation: OrgId::new("acme")?, slot: 7 };
    /// let permit = OperationId::random(&OsRandom)?;
    /// let request = AttemptRequest::new(subject, permit, AttemptLimits::default());
    /// assert!(request.with_guessed_code().guessed_code);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_guessed_code(mut self) -> Self {
        self.guessed_code = true;
        self
    }
}

/// The answer of [`UserStore::take_attempt`](crate::UserStore::take_attempt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// Only open permits are in the way; one of them ends within this time.
    Busy {
        /// When to ask again at the latest.
        retry_in: Duration,
    },
    /// There is no such user, or it was removed.
    NotFound,
    /// The id belongs to another subject or another method.
    OperationReused,
    /// Go on and compare.
    Permitted {
        /// Settled failures so far.
        failures: u32,
    },
    /// This permit was settled before, or its lease ran out.
    Spent,
    /// The settled failures reach the limit.
    Stopped {
        /// Settled failures so far.
        failures: u32,
    },
    /// Too soon after the newest failure.
    Wait {
        /// When to ask again.
        retry_in: Duration,
    },
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Nothing was compared; the attempt does not count.
    Abandoned,
    /// The password or code was right.
    Right,
    /// It was wrong.
    Wrong {
        /// Lock an active user once it has this many settled failures.
        lock_at: Option<u32>,
    },
}

/// A report to [`UserStore::settle_attempt`](crate::UserStore::settle_attempt).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// Whose budget the permit was drawn on.
    pub subject: Subject,
    /// The permit.
    pub permit: OperationId,
    /// What the comparison came to.
    pub verification: Verification,
}

impl Settlement {
    /// Settles one permit.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OrgId, OsRandom};
    /// use portcullis_core::store::{Settlement, Subject, Verification};
    /// let subject = Subject::Sham { organisation: OrgId::new("acme")?, slot: 7 };
    /// let permit = OperationId::random(&OsRandom)?;
    /// let settlement = Settlement::new(subject, permit, Verification::Right);
    /// assert_eq!(settlement.verification, Verification::Right);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(subject: Subject, permit: OperationId, verification: Verification) -> Self {
        Self {
            subject,
            permit,
            verification,
        }
    }
}

/// The answer of [`UserStore::settle_attempt`](crate::UserStore::settle_attempt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleOutcome {
    /// The permit is not open: its lease ran out, it never was, or the user was removed.
    Expired,
    /// Done.
    Settled {
        /// Settled failures now.
        failures: u32,
        /// Whether this settlement locked the user.
        locked: bool,
    },
}
