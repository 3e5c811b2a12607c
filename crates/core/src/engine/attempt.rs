//! The one door for everything that is compared: a permit, the comparison, its settlement.
//!
//! A permit is taken in a commit of its own before anything is compared, and settled in another
//! one after it, so nothing that fails later gives the attempt back. Whoever hangs up in between
//! leaves a permit that becomes a failure when its lease ends.

use std::{mem, sync::Arc, time::Duration};

use super::{Engine, person};
use crate::{
    error::{Error, ErrorKind, Refusal, StoreError, StoreErrorKind},
    hash::{Admission, HashError},
    hash_string::HashString,
    id::{OperationId, OrgId, UserKey},
    metrics::count_attempt,
    policy::{AgePolicy, LockoutPolicy},
    secret::Password,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, SettleOutcome, Settlement, StoredHash,
        Subject, UserRecord, UserState, Verification,
    },
};

/// How long an attempt waits while only other open permits are in the way.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first pause between two questions for a permit, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(160));

/// A permit and the user that it was drawn on, as read before it was.
pub(super) struct Granted {
    subject: Subject,
    permit: OperationId,
    pub(super) record: Option<UserRecord>,
    pub(super) failures: u32,
}

/// A password was right.
pub(super) struct Proven {
    pub(super) record: UserRecord,
    pub(super) hash: Arc<HashString>,
    /// Of the comparison, for whatever is hashed and written because of it.
    pub(super) admission: Admission,
}

/// The policies that a comparison is made under, read before the user is.
pub(super) struct Rules {
    pub(super) lockout: LockoutPolicy,
    pub(super) age: AgePolicy,
}

/// How long one attempt has waited for its permit.
struct Waiting {
    until: Duration,
    pause: Duration,
}

impl Engine {
    pub(super) async fn rules(&self, organisation: &OrgId) -> Result<Rules, Error> {
        Ok(Rules {
            lockout: self.policies.lockout(organisation).await?,
            age: self.policies.age(organisation).await?,
        })
    }

    /// Compares a password with the user's, or does what costs the same.
    pub(super) async fn prove(
        &self,
        key: &UserKey,
        password: &Arc<Password>,
        rules: &Rules,
    ) -> Result<Proven, Error> {
        let limits = rules.lockout.limits();
        let mut granted = self.permit(key, |_| limits, false).await?;
        let hash = comparable(granted.record.as_mut());
        // After the permit: whoever waits for one must not keep a place from others.
        let (organisation, hashing) = (key.organisation(), &self.hashing);
        let mut admission = match hashing.admit(organisation) {
            Ok(admission) => admission,
            Err(error) => return Err(self.give_up(&granted, error).await),
        };
        let compared = match &hash {
            Some(hash) => {
                let work = hashing.compare(&mut admission, organisation, password, hash);
                work.await
            }
            None => {
                let work = hashing.pretend(&mut admission, organisation, password);
                work.await.map(|()| false)
            }
        };
        let right = match compared {
            Ok(right) => right,
            Err(error) => return Err(self.give_up(&granted, error).await),
        };
        match (right, granted.record.take(), hash) {
            (true, Some(record), Some(hash)) if !self.is_void(&record, &rules.age) => {
                self.settle_right(&granted).await?;
                self.still_active(key).await?;
                Ok(Proven {
                    record,
                    hash,
                    admission,
                })
            }
            (right, record, hash) => {
                if let Some(hash) = &hash {
                    let admission = &mut admission;
                    hashing
                        .make_up(admission, organisation, password, hash)
                        .await;
                }
                let refusal = refusal(record.as_ref(), hash.is_some(), right);
                Err(self
                    .settle_wrong(&granted, refusal, rules.lockout.lock_at())
                    .await)
            }
        }
    }

    /// Draws a permit, and waits for it while only open permits are in the way.
    ///
    /// The user is read before every try, because what is compared must not be older than the
    /// wait.
    pub(super) async fn permit(
        &self,
        key: &UserKey,
        limits: impl Fn(Option<&UserRecord>) -> AttemptLimits + Send + Sync,
        guessed_code: bool,
    ) -> Result<Granted, Error> {
        let permit = self.fresh_id()?;
        let mut waiting = Waiting {
            until: self.clock.elapsed().saturating_add(PATIENCE),
            pause: PAUSES.0,
        };
        loop {
            let record = person(self.load(key).await?);
            let subject = self.subject(key, record.is_some()).await?;
            let mut request = AttemptRequest::new(subject.clone(), permit, limits(record.as_ref()));
            request.guessed_code = guessed_code;
            let outcome = self.store.take_attempt(&request).await;
            match outcome.map_err(uncounted)? {
                AttemptOutcome::Permitted { failures } => {
                    return Ok(Granted {
                        subject,
                        permit,
                        record,
                        failures,
                    });
                }
                AttemptOutcome::Stopped { failures } => {
                    return Err(refused(stopped(record.as_ref(), failures)));
                }
                AttemptOutcome::Wait { retry_in } => return Err(too_many(retry_in)),
                AttemptOutcome::Busy { retry_in } => self.pause(&mut waiting, retry_in).await?,
                // Removed since it was read: the next try stands in for it.
                AttemptOutcome::NotFound => {
                    self.pause(&mut waiting, Duration::ZERO).await?;
                }
                AttemptOutcome::OperationReused | AttemptOutcome::Spent => {
                    return Err(ErrorKind::Bug.into());
                }
            }
        }
    }

    async fn pause(&self, waiting: &mut Waiting, retry_in: Duration) -> Result<(), Error> {
        if self.clock.elapsed() >= waiting.until {
            return Err(too_many(retry_in));
        }
        // Permits usually end long before their leases do.
        self.timer.sleep(waiting.pause.min(retry_in)).await;
        waiting.pause = (waiting.pause * 2).min(PAUSES.1);
        Ok(())
    }

    /// The user's own budget, or the one that stands in where there is no such user.
    async fn subject(&self, key: &UserKey, exists: bool) -> Result<Subject, Error> {
        // Worked out for both, so that it takes the same time.
        let sham_key = self.sham_key.get().await.map_err(uncounted)?;
        let slot = sham_key.slot(key).ok_or(ErrorKind::Bug)?;
        Ok(if exists {
            Subject::User(key.clone())
        } else {
            Subject::Sham {
                organisation: key.organisation().clone(),
                slot,
            }
        })
    }

    pub(super) async fn settle(
        &self,
        granted: &Granted,
        verification: Verification,
    ) -> Result<SettleOutcome, Error> {
        let subject = granted.subject.clone();
        let settlement = Settlement::new(subject, granted.permit, verification);
        let outcome = self.store.settle_attempt(&settlement).await;
        outcome.map_err(uncounted)
    }

    /// A right answer counts only once it is settled.
    async fn settle_right(&self, granted: &Granted) -> Result<(), Error> {
        match self.settle(granted, Verification::Right).await? {
            SettleOutcome::Settled { .. } => Ok(()),
            // The lease ran out, and with it the attempt was counted as a failure.
            SettleOutcome::Expired => {
                Err(Error::new(ErrorKind::Conflict).with_source("the attempt took too long"))
            }
        }
    }

    /// Whoever was locked or deactivated while the password was compared does not get in.
    async fn still_active(&self, key: &UserKey) -> Result<(), Error> {
        let record = person(self.load(key).await?);
        Err(refused(match record.map(|record| record.state) {
            Some(UserState::Active) => return Ok(()),
            Some(UserState::Locked) => Refusal::LockedMeanwhile,
            Some(UserState::Inactive | UserState::Initial) => Refusal::UserInactive,
            Some(UserState::Removed) | None => Refusal::UserNotFound,
        }))
    }

    pub(super) async fn settle_wrong(
        &self,
        granted: &Granted,
        refusal: Refusal,
        lock_at: Option<u32>,
    ) -> Error {
        let failures = match self.settle(granted, Verification::Wrong { lock_at }).await {
            Ok(SettleOutcome::Settled { failures, .. }) => failures,
            // The lease ran out, so this attempt is counted already.
            Ok(SettleOutcome::Expired) => granted.failures.saturating_add(1),
            Err(error) => return error,
        };
        refused(match refusal {
            Refusal::Locked { .. } => Refusal::Locked { failures },
            Refusal::WrongPassword { .. } => Refusal::WrongPassword { failures },
            other => other,
        })
    }

    /// Nothing was compared, so nothing counts, unless the work may have been done.
    async fn give_up(&self, granted: &Granted, error: HashError) -> Error {
        let verification = match &error {
            HashError::Died | HashError::Refused(_) => Verification::Wrong { lock_at: None },
            HashError::Closed
            | HashError::OutOfMemory
            | HashError::Overloaded { .. }
            | HashError::Random(_)
            | HashError::TooLarge { .. }
            | HashError::UnknownPepper
            | HashError::Unsupported => Verification::Abandoned,
        };
        if let Err(lost) = self.settle(granted, verification).await {
            // The first error is the one to report; the permit ends with its lease.
            tracing::warn!(error = %lost, "an attempt was not settled");
        }
        error.into()
    }

    fn is_void(&self, record: &UserRecord, age: &AgePolicy) -> bool {
        let credential = &record.credential;
        credential.must_change
            && credential
                .changed
                .is_some_and(|changed| age.initial_is_void(changed, self.clock.now()))
    }
}

/// The hash to compare with: only that of an active user.
fn comparable(record: Option<&mut UserRecord>) -> Option<Arc<HashString>> {
    let record = record.filter(|record| record.state == UserState::Active)?;
    if !matches!(record.credential.hash, StoredHash::Readable(_)) {
        return None;
    }
    match mem::take(&mut record.credential.hash) {
        StoredHash::Readable(hash) => Some(Arc::new(hash)),
        StoredHash::Absent | StoredHash::Unreadable(_) => None,
    }
}

/// Why a permitted attempt was refused. Failures are filled in when it is settled.
fn refusal(record: Option<&UserRecord>, compared: bool, right: bool) -> Refusal {
    let Some(record) = record else {
        return Refusal::UserNotFound;
    };
    match (record.state, &record.credential.hash) {
        (UserState::Removed, _) => Refusal::UserNotFound,
        (UserState::Initial, _) => Refusal::UserNotInitialised,
        (UserState::Inactive, _) => Refusal::UserInactive,
        (UserState::Locked, _) => Refusal::Locked { failures: 0 },
        (UserState::Active, StoredHash::Unreadable(_)) => Refusal::HashUnreadable,
        (UserState::Active, _) if !compared => Refusal::PasswordNotSet,
        (UserState::Active, _) if right => Refusal::InitialPasswordVoid,
        (UserState::Active, _) => Refusal::WrongPassword { failures: 0 },
    }
}

/// Why an attempt without a permit is refused.
fn stopped(record: Option<&UserRecord>, failures: u32) -> Refusal {
    record.map_or(Refusal::UserNotFound, |_| Refusal::Locked { failures })
}

pub(super) fn refused(refusal: Refusal) -> Error {
    ErrorKind::Refused(refusal).into()
}

fn too_many(retry_after: Duration) -> Error {
    ErrorKind::TooManyAttempts { retry_after }.into()
}

/// Counts what an attempt came to, once, where it is answered.
pub(super) fn counted<T>(result: Result<T, Error>) -> Result<T, Error> {
    match result.as_ref().map_err(Error::kind) {
        Ok(_) => count_attempt("verified"),
        Err(ErrorKind::Refused(refusal)) => {
            count_attempt(refusal.as_str());
            if *refusal == Refusal::HashUnreadable {
                tracing::error!("a stored hash cannot be read; an administrator can replace it");
            }
        }
        Err(ErrorKind::TooManyAttempts { .. }) => count_attempt("too_many"),
        Err(_) => {}
    }
    result
}

/// An attempt changes nothing that its caller could ask about by an operation id.
fn uncounted(error: StoreError) -> Error {
    match error.kind() {
        StoreErrorKind::OutcomeUnknown => Error::new(ErrorKind::Unavailable).with_source(error),
        _ => error.into(),
    }
}
