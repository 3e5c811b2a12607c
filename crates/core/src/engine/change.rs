//! A user changes a password, by the current one or by a code.

use std::{sync::Arc, time::Duration};

use subtle::ConstantTimeEq;

use super::{
    Engine,
    attempt::{Granted, Proven, refused},
    commit::Tried,
    person,
    set::{Setting, new_password},
};
use crate::{
    authority::{Authorized, Permission},
    code::ResetCode,
    details::ObjectDetails,
    error::{Error, ErrorKind, Refusal},
    hash::HashKind,
    policy::{Expiry, ResetCodePolicy},
    secret::Password,
    service::{ChangePassword, Evidence},
    status::AnswerMode,
    store::{
        AttemptLimits, CodeChange, Method, UserRecord, UserState, Verification, Version,
        WaitSchedule,
    },
};

impl Engine {
    pub(super) async fn change(
        &self,
        proof: &Authorized,
        request: ChangePassword,
    ) -> Result<ObjectDetails, Error> {
        let key = proof.covers_own(Permission::UserWrite, &request.user)?;
        let operation = self.name(request.operation)?;
        let setting = Setting {
            proof,
            key,
            method: Method::ChangePassword,
            password: Arc::new(request.password),
            must_change: request.must_change,
            operation: operation.id(),
            deadline: self.deadline(request.time_limit),
        };
        let result = async {
            let methods = [Method::ChangePassword];
            if let Some(done) = self.earlier(&setting.key, operation, &methods).await? {
                return Ok(done);
            }
            // Before the user is read, so that the answer is the same for every user.
            self.check_policy(&setting.key, &setting.password).await?;
            match request.evidence {
                Evidence::Code(code) => self.change_by_code(&setting, code).await,
                Evidence::Password(current) => self.change_by_current(&setting, current).await,
            }
        };
        result
            .await
            .map_err(|error| error.with_operation(setting.operation))
    }

    async fn change_by_current(
        &self,
        setting: &Setting<'_>,
        current: Password,
    ) -> Result<ObjectDetails, Error> {
        if current.is_same(&setting.password) {
            return Err(ErrorKind::PasswordUnchanged.into());
        }
        let key = &setting.key;
        let rules = self.rules(key.organisation()).await?;
        let current = Arc::new(current);
        let proven = self.prove(key, &current, &rules).await;
        let Proven {
            record,
            mut admission,
            ..
        } = proven.map_err(not_set_to_change)?;
        // The rule is against users who run through their history, not against a forced change.
        if !record.credential.must_change
            && let Some(changed) = record.credential.changed
            && rules.age.expiry(changed, self.clock.now()) != Expiry::Expired
            && let Some(retry_after) = rules.age.too_young_for(changed, self.clock.now())
        {
            return Err(ErrorKind::PasswordTooYoung { retry_after }.into());
        }
        let hash = admission.hash(HashKind::Set, &setting.password).await?;
        let change = new_password(setting, record.version, hash);
        let again = || self.still_proven(setting, record.epoch);
        self.commit(change, setting.deadline, again).await
    }

    /// The version to write against, if the password that was right is still the current one.
    async fn still_proven(&self, setting: &Setting<'_>, epoch: u64) -> Result<Version, Error> {
        let record = person(self.load(&setting.key).await?);
        let record = record.ok_or_else(|| refused(Refusal::UserNotFound))?;
        match record.state {
            UserState::Active => {}
            UserState::Locked => return Err(refused(Refusal::LockedMeanwhile)),
            UserState::Inactive | UserState::Initial | UserState::Removed => {
                return Err(refused(Refusal::UserInactive));
            }
        }
        if record.epoch != epoch {
            return Err(Error::new(ErrorKind::Conflict).with_source("the proof went stale"));
        }
        self.check_policy(&setting.key, &setting.password).await?;
        Ok(record.version)
    }

    /// Guesses at a code go one at a time and cost no hash, so neither waits nor a lockout keep
    /// the owner of the right one away: the code's own limit does.
    async fn change_by_code(
        &self,
        setting: &Setting<'_>,
        code: ResetCode,
    ) -> Result<ObjectDetails, Error> {
        let key = &setting.key;
        let policy = self.policies.reset_code(key.organisation()).await?;
        let granted = self.code_permit(setting).await?;
        let Some(record) = granted.record.as_ref().filter(|user| can_reset(user)) else {
            let refusal = code_refusal(granted.record.as_ref());
            return Err(self.decline(&granted, refusal, &policy).await);
        };
        match guess(record, &code, &policy) {
            Guess::Right => self.redeem(setting, &granted, record, &code, &policy).await,
            Guess::Wrong => {
                let refusal = Refusal::CodeInvalid;
                Err(self.settle_wrong(&granted, refusal, None).await)
            }
            Guess::Nothing => Err(self.decline(&granted, Refusal::CodeInvalid, &policy).await),
        }
    }

    /// A permit that nobody shares: it is granted only if nobody else has one, and nothing has
    /// failed since the user was read. So the guesses at the code that were read are all there are.
    async fn code_permit(&self, setting: &Setting<'_>) -> Result<Granted, Error> {
        loop {
            let permit = self.permit(&setting.key, alone, true).await;
            match permit {
                // A failure came between reading and asking, or a success.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Refused(Refusal::Locked { .. })) => {}
                Err(error) if is_at_once(&error) => self.timer.sleep(AT_ONCE).await,
                Ok(granted) if is_overtaken(&granted) => {
                    self.settle(&granted, Verification::Abandoned).await?;
                }
                other => return other,
            }
            self.check_deadline(setting.deadline)?;
        }
    }

    async fn redeem(
        &self,
        setting: &Setting<'_>,
        granted: &Granted,
        record: &UserRecord,
        code: &ResetCode,
        policy: &ResetCodePolicy,
    ) -> Result<ObjectDetails, Error> {
        let done = self.try_redeem(setting, record, code, policy).await;
        let verification = match &done {
            Ok(_) => Verification::Right,
            // The digest was right; whatever came of it, it was no guess.
            Err(_) => Verification::Abandoned,
        };
        if let Err(error) = self.settle(granted, verification).await {
            // The password is set or it is not; the permit ends with its lease.
            tracing::warn!(%error, "an attempt was not settled");
        }
        done
    }

    async fn try_redeem(
        &self,
        setting: &Setting<'_>,
        record: &UserRecord,
        code: &ResetCode,
        policy: &ResetCodePolicy,
    ) -> Result<ObjectDetails, Error> {
        let key = &setting.key;
        let mut admission = self.hashing.admit(key.organisation())?;
        let hash = admission.hash(HashKind::Set, &setting.password).await?;
        let digest = code.digest(key, record.epoch);
        let consume = CodeChange::Consume {
            digest,
            max_guesses: policy.guesses(),
        };
        let mut change = new_password(setting, record.version, hash).with_code(consume);
        loop {
            match self.try_commit(&change).await? {
                Tried::Done(details) | Tried::DoneBefore(details) => return Ok(details),
                Tried::CodeRejected => return Err(refused(Refusal::CodeInvalid)),
                Tried::Conflict => self.check_deadline(setting.deadline)?,
            }
            let record = person(self.load(key).await?).filter(can_reset);
            let pending = record.filter(|user| guess(user, code, policy) == Guess::Right);
            let record = pending.ok_or_else(|| refused(Refusal::CodeInvalid))?;
            self.check_policy(key, &setting.password).await?;
            change.expected = record.version;
        }
    }

    /// Refuses where there was nothing to guess at. That counts against nobody, unless answers are
    /// uniform: there it counts as often as a wrong guess at a code would, so that the count does
    /// not tell whether there is a user, or a code.
    async fn decline(
        &self,
        granted: &Granted,
        refusal: Refusal,
        policy: &ResetCodePolicy,
    ) -> Error {
        if self.answers == AnswerMode::Uniform && granted.failures < policy.guesses() {
            return self.settle_wrong(granted, refusal, None).await;
        }
        match self.settle(granted, Verification::Abandoned).await {
            Ok(_) => refused(refusal),
            Err(error) => error,
        }
    }
}

/// What a presented code is.
#[derive(PartialEq, Eq)]
pub(super) enum Guess {
    /// There is no code that could be guessed.
    Nothing,
    Right,
    Wrong,
}

/// Whether the code is the pending one. When it ends is for the store's clock to say.
pub(super) fn guess(record: &UserRecord, code: &ResetCode, policy: &ResetCodePolicy) -> Guess {
    let digest = code.digest(&record.key, record.epoch);
    match &record.code {
        Some(pending) if pending.guesses < policy.guesses() => {
            if digest.ct_eq(&pending.digest).into() {
                Guess::Right
            } else {
                Guess::Wrong
            }
        }
        _ => Guess::Nothing,
    }
}

/// One permit at a time: beyond the failures that were read there is one.
///
/// Nobody's failures are not read, and what stands in for them must not stop. There a wait that is
/// over at once has the same effect: where waits apply, attempts go one by one.
fn alone(record: Option<&UserRecord>) -> AttemptLimits {
    match record {
        Some(user) => AttemptLimits {
            hard_stop: user.failures.saturating_add(1),
            ..AttemptLimits::default()
        },
        None => AttemptLimits {
            hard_stop: u32::MAX,
            waits: Some(WaitSchedule::new(1, AT_ONCE, AT_ONCE)),
            ..AttemptLimits::default()
        },
    }
}

/// A wait that is over before anybody could ask again.
const AT_ONCE: Duration = Duration::from_nanos(1);

fn is_at_once(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::TooManyAttempts { retry_after } => *retry_after <= AT_ONCE,
        _ => false,
    }
}

fn is_overtaken(granted: &Granted) -> bool {
    let record = granted.record.as_ref();
    record.is_some_and(|user| user.failures != granted.failures)
}

/// A locked user may reset the password and stays locked; a deactivated one may not.
fn can_reset(record: &UserRecord) -> bool {
    matches!(record.state, UserState::Active | UserState::Locked)
}

fn code_refusal(record: Option<&UserRecord>) -> Refusal {
    match record.map(|user| user.state) {
        None | Some(UserState::Removed) => Refusal::UserNotFound,
        Some(UserState::Initial) => Refusal::UserNotInitialised,
        Some(UserState::Inactive) => Refusal::UserInactive,
        Some(UserState::Active | UserState::Locked) => Refusal::CodeInvalid,
    }
}

/// ZITADEL has another id for it where a password was to be changed.
fn not_set_to_change(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Refused(Refusal::PasswordNotSet) => {
            ErrorKind::Refused(Refusal::PasswordNotSetToChange).into()
        }
        _ => error,
    }
}
