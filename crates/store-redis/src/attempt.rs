//! Attempts: what each script is told, and what its answer means.

use std::time::Duration;

use portcullis_core::store::{
    AttemptOutcome, AttemptRequest, AttemptState, Decision, Method, Permit, SettleOutcome,
    Settlement, Verification,
};

use crate::{
    config::DAY,
    error::Error,
    keys::Place,
    message::{Call, Outcome, Reply},
    row::moment,
    scripts,
    store::RedisStore,
};

impl RedisStore {
    pub(crate) async fn take(&self, request: &AttemptRequest) -> Result<AttemptOutcome, Error> {
        let place = Place::subject(&request.subject).ok_or(Error::Unsupported)?;
        let limits = &request.limits;
        let call = Call::new(&place, Method::Attempt, request.permit)
            .with("limit", limits.limit().to_string())
            .with_waits(limits.waits.as_ref())
            .with_lease(limits.lease)
            .with_flag("guesses_code", request.guessed_code);
        // An open permit must not be forgotten, and neither must what it comes to.
        let at_least = limits.lease.saturating_add(DAY);
        let keep = self.keep_attempt(&place, at_least);
        let reply = self.run_claimed(&scripts::TAKE, &place, keep, call).await?;
        match reply.outcome {
            Outcome::NotFound => Ok(AttemptOutcome::NotFound),
            Outcome::Permitted => {
                let failures = reply.count(0)?;
                Ok(AttemptOutcome::Permitted { failures })
            }
            Outcome::Refused => refusal(request, &reply),
            Outcome::Reused => Ok(AttemptOutcome::OperationReused),
            Outcome::Spent => Ok(AttemptOutcome::Spent),
            _ => Err(Error::Reply),
        }
    }

    pub(crate) async fn settle(&self, settlement: &Settlement) -> Result<SettleOutcome, Error> {
        let place = Place::subject(&settlement.subject).ok_or(Error::Unsupported)?;
        let (verification, lock_at) = match settlement.verification {
            Verification::Abandoned => ("abandoned", None),
            Verification::Right => ("right", None),
            Verification::Wrong { lock_at } => ("wrong", lock_at),
            _ => return Err(Error::Unsupported),
        };
        let call = Call::new(&place, Method::Attempt, settlement.permit)
            .with("verification", verification)
            .with_some("lock_at", lock_at.map(|failures| failures.to_string()));
        // The permit claimed the id already.
        let keep = self.keep_attempt(&place, DAY);
        let reply = self.run(&scripts::SETTLE, &place, keep, call).await?;
        match reply.outcome {
            Outcome::Expired => Ok(SettleOutcome::Expired),
            Outcome::Settled => Ok(SettleOutcome::Settled {
                failures: reply.count(0)?,
                locked: reply.count(1)? == 1,
            }),
            _ => Err(Error::Reply),
        }
    }

    /// How long an attempt's id is remembered. One on a sham has no event that it could be kept
    /// with, and whoever makes up ids of users must not fill the memory.
    fn keep_attempt(&self, place: &Place, at_least: Duration) -> Option<Duration> {
        if place.is_sham() {
            Some(at_least)
        } else {
            self.remember.map(|remember| remember.max(at_least))
        }
    }
}

/// What stands in the way of an attempt that a script refused, worked out from what it saw by the
/// arithmetic that all stores share.
fn refusal(request: &AttemptRequest, reply: &Reply) -> Result<AttemptOutcome, Error> {
    let (failures, open) = (reply.count(0)?, reply.count(2)?);
    let time = |index| {
        let word = reply.some_word(index)?;
        word.map(|word| moment(word, "permits")).transpose()
    };
    let (failed, earliest, now) = (time(1)?, time(3)?, time(4)?);
    // Only the lease that ends first has a say in the answer.
    let permit = earliest.map(|end| Permit::new(request.permit, end, false));
    let permits = (0..open).filter_map(|_| permit).collect();
    let mut seen = AttemptState::new(failures, failed, permits);
    match seen.take(request, now.ok_or(Error::Reply)?) {
        Decision::Busy(retry_in) => Ok(AttemptOutcome::Busy { retry_in }),
        Decision::Stopped => Ok(AttemptOutcome::Stopped { failures }),
        Decision::Wait(retry_in) => Ok(AttemptOutcome::Wait { retry_in }),
        // The script has refused; it must never see more in the way than there is.
        _ => Err(Error::Reply),
    }
}
