//! The arithmetic of a guess budget.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};

use super::attempt::{AttemptLimits, AttemptRequest, Verification};
use crate::{clock::Timestamp, id::OperationId};

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

/// An open permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permit {
    /// Its id.
    pub id: OperationId,
    /// When its lease ends, to the microsecond.
    pub expires: Timestamp,
    /// Whether it was taken to guess at the pending one-time code.
    pub guesses_code: bool,
}

impl Permit {
    /// A permit as a store keeps it.
    ///
    /// ```
    /// use portcullis_core::{Clock, OperationId, OsRandom, SystemClock, store::Permit};
    /// let id = OperationId::random(&OsRandom)?;
    /// let permit = Permit::new(id, SystemClock::new().now(), true);
    /// assert!(permit.guesses_code);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(id: OperationId, expires: Timestamp, guesses_code: bool) -> Self {
        Self {
            id,
            expires,
            guesses_code,
        }
    }
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
    /// Open permits.
    pub permits: Vec<Permit>,
}

impl AttemptState {
    /// A budget as a store keeps it.
    ///
    /// ```
    /// use portcullis_core::store::AttemptState;
    /// assert_eq!(AttemptState::new(3, None, Vec::new()).failures, 3);
    /// ```
    #[must_use]
    pub const fn new(failures: u32, last_failure: Option<Timestamp>, permits: Vec<Permit>) -> Self {
        Self {
            failures,
            last_failure,
            permits,
        }
    }

    /// Whether this permit is open; ask after [`expire`](Self::expire).
    #[must_use]
    pub fn is_open(&self, permit: OperationId) -> bool {
        self.permits.iter().any(|open| open.id == permit)
    }

    /// Turns permits whose lease ran out into failures and returns them, oldest first.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Permit> {
        let ended = self.end(now);
        for permit in &ended {
            self.fail(permit.expires);
        }
        ended
    }

    /// Forgets the failures, and with them the permits whose lease ran out, which it returns,
    /// oldest first: as failures they would be older than this.
    ///
    /// ```
    /// use portcullis_core::store::AttemptState;
    /// use portcullis_core::{Clock, SystemClock};
    /// let mut budget = AttemptState::new(3, None, Vec::new());
    /// assert!(budget.clear(SystemClock::new().now()).is_empty());
    /// assert_eq!(budget.failures, 0);
    /// ```
    pub fn clear(&mut self, now: Timestamp) -> Vec<Permit> {
        self.failures = 0;
        self.last_failure = None;
        self.end(now)
    }

    /// Guesses at the one-time code that were never settled and whose lease has run out.
    ///
    /// ```
    /// use portcullis_core::store::{AttemptState, Permit};
    /// use portcullis_core::{Clock, OperationId, OsRandom, SystemClock};
    /// let now = SystemClock::new().now();
    /// let guess = Permit::new(OperationId::random(&OsRandom)?, now, true);
    /// assert_eq!(AttemptState::new(0, None, vec![guess]).ended_guesses(now), 1);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ended_guesses(&self, now: Timestamp) -> u32 {
        let permits = self.permits.iter();
        let ended = permits.filter(|permit| permit.guesses_code && permit.expires <= now);
        u32::try_from(ended.count()).unwrap_or(u32::MAX)
    }

    /// Decides, and opens the permit where nothing stands in the way.
    pub fn take(&mut self, request: &AttemptRequest, now: Timestamp) -> Decision {
        let decision = self.decide(&request.limits, now);
        if decision == Decision::Permit {
            let lease = TimeDelta::from_std(request.limits.lease).unwrap_or(TimeDelta::MAX);
            let expires = now.checked_add_signed(lease).unwrap_or(Timestamp::MAX_UTC);
            // What is not stored must not decide, or stores would end a lease at two moments.
            let expires = expires.trunc_subsecs(6);
            let permit = Permit::new(request.permit, expires, request.guessed_code);
            self.permits.push(permit);
        }
        decision
    }

    /// Closes an open permit and returns it. None if it is not open.
    pub fn settle(
        &mut self,
        permit: OperationId,
        verification: Verification,
        now: Timestamp,
    ) -> Option<Permit> {
        let index = self.permits.iter().position(|open| open.id == permit)?;
        // The order stays: of two leases that end together, every store counts the same one first.
        let permit = self.permits.remove(index);
        match verification {
            Verification::Abandoned => {}
            Verification::Right => {
                self.failures = 0;
                self.last_failure = None;
            }
            Verification::Wrong { .. } => self.fail(now),
        }
        Some(permit)
    }

    /// Closes the permits whose lease ran out.
    fn end(&mut self, now: Timestamp) -> Vec<Permit> {
        let permits = self.permits.drain(..);
        let (mut ended, open): (Vec<_>, _) = permits.partition(|permit| permit.expires <= now);
        self.permits = open;
        ended.sort_by_key(|permit| permit.expires);
        ended
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
        let end = self.permits.iter().map(|permit| permit.expires).min();
        end.and_then(|end| end.signed_duration_since(now).to_std().ok())
            .unwrap_or(Duration::ZERO)
    }
}
