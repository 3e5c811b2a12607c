//! The guess budget: permits before a comparison, settlements after it.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{
    clock::Timestamp,
    id::{OperationId, OrgId, UserKey},
};

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
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(subject: Subject, permit: OperationId, limits: AttemptLimits) -> Self {
        Self {
            subject,
            permit,
            limits,
        }
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
    /// There is no such user.
    NotFound,
    /// The id belongs to another subject or another method.
    OperationReused,
    /// Go on and compare.
    Permitted {
        /// Settled failures so far.
        failures: u32,
    },
    /// This permit was settled before.
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
    /// Whether it was a guess at the pending one-time code.
    pub guessed_code: bool,
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
    /// assert!(!settlement.guessed_code);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(subject: Subject, permit: OperationId, verification: Verification) -> Self {
        Self {
            subject,
            permit,
            verification,
            guessed_code: false,
        }
    }

    /// Counts a wrong answer against the pending one-time code as well.
    #[must_use]
    pub const fn with_guessed_code(mut self) -> Self {
        self.guessed_code = true;
        self
    }
}

/// The answer of [`UserStore::settle_attempt`](crate::UserStore::settle_attempt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleOutcome {
    /// The permit is not open: its lease ran out, or it never was.
    Expired,
    /// Done.
    Settled {
        /// Settled failures now.
        failures: u32,
        /// Whether this settlement locked the user.
        locked: bool,
    },
}

/// What stands between an attempt and its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Only open permits.
    Busy(Duration),
    /// Nothing.
    Permit,
    /// The settled failures.
    Stopped,
    /// Time.
    Wait(Duration),
}

/// The arithmetic of a guess budget, for stores that decide in Rust inside a transaction. A
/// store that decides in its own language must come to the same answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptState {
    /// Settled failures.
    pub failures: u32,
    /// When the newest of them was settled.
    pub last_failure: Option<Timestamp>,
    /// Open permits and when their leases end.
    pub permits: Vec<(OperationId, Timestamp)>,
}

impl AttemptState {
    /// A budget as a store keeps it.
    ///
    /// ```
    /// use portcullis_core::store::AttemptState;
    /// assert_eq!(AttemptState::new(3, None, Vec::new()).failures, 3);
    /// ```
    #[must_use]
    pub const fn new(
        failures: u32,
        last_failure: Option<Timestamp>,
        permits: Vec<(OperationId, Timestamp)>,
    ) -> Self {
        Self {
            failures,
            last_failure,
            permits,
        }
    }

    /// Turns permits whose lease ran out into failures and returns their ids, oldest first.
    pub fn expire(&mut self, now: Timestamp) -> Vec<OperationId> {
        let (mut ended, open): (Vec<_>, _) = self
            .permits
            .drain(..)
            .partition(|(_, expires)| *expires <= now);
        self.permits = open;
        ended.sort_by_key(|(_, expires)| *expires);
        for (_, expires) in &ended {
            self.fail(*expires);
        }
        ended.into_iter().map(|(permit, _)| permit).collect()
    }

    /// Decides, and opens the permit where nothing stands in the way.
    pub fn take(
        &mut self,
        permit: OperationId,
        limits: &AttemptLimits,
        now: Timestamp,
    ) -> Decision {
        let decision = self.decide(limits, now);
        if decision == Decision::Permit {
            let lease = TimeDelta::from_std(limits.lease).unwrap_or(TimeDelta::MAX);
            let expires = now.checked_add_signed(lease).unwrap_or(Timestamp::MAX_UTC);
            self.permits.push((permit, expires));
        }
        decision
    }

    /// Closes an open permit. False if it is not open.
    pub fn settle(
        &mut self,
        permit: OperationId,
        verification: Verification,
        now: Timestamp,
    ) -> bool {
        let Some(index) = self.permits.iter().position(|(open, _)| *open == permit) else {
            return false;
        };
        self.permits.swap_remove(index);
        match verification {
            Verification::Abandoned => {}
            Verification::Right => {
                self.failures = 0;
                self.last_failure = None;
            }
            Verification::Wrong { .. } => self.fail(now),
        }
        true
    }

    fn fail(&mut self, at: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = self.last_failure.max(Some(at));
    }

    fn decide(&self, limits: &AttemptLimits, now: Timestamp) -> Decision {
        if self.failures >= limits.limit() {
            return Decision::Stopped;
        }
        let open = u32::try_from(self.permits.len()).unwrap_or(u32::MAX);
        let mut busy = self.failures.saturating_add(open) >= limits.limit();
        if let Some(waits) = &limits.waits {
            let wait = waits.after_failures(self.failures);
            let since = self
                .last_failure
                .map(|last| now.signed_duration_since(last));
            // A clock set back makes `since` negative, which makes the wait longer, not shorter.
            let left = TimeDelta::from_std(wait)
                .unwrap_or(TimeDelta::MAX)
                .checked_sub(&since.unwrap_or(TimeDelta::MAX));
            if let Some(left) = left
                .and_then(|left| left.to_std().ok())
                .filter(|left| !left.is_zero())
            {
                return Decision::Wait(left.min(waits.max));
            }
            // Where waits apply, guesses go one at a time, or parallel ones would skip the wait.
            busy |= open > 0
                && !waits
                    .after_failures(self.failures.saturating_add(open))
                    .is_zero();
        }
        if busy {
            Decision::Busy(self.next_lease_end(now))
        } else {
            Decision::Permit
        }
    }

    fn next_lease_end(&self, now: Timestamp) -> Duration {
        let end = self.permits.iter().map(|(_, expires)| *expires).min();
        end.and_then(|end| end.signed_duration_since(now).to_std().ok())
            .unwrap_or(Duration::ZERO)
    }
}
