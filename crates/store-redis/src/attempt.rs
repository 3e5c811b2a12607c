//! Attempts: what each script is told, and what its answer means.

use portcullis_core::store::{
    AttemptOutcome, AttemptRequest, AttemptState, Decision, Method, Permit, SettleOutcome,
    Settlement, Verification,
};

use crate::{
    config::DAY,
    error::Error,
    keys::Place,
    message::{Call, Lease, Outcome, Reply, Settle, Take, Waits},
    row::moment,
    scripts,
    store::RedisStore,
};

impl RedisStore {
    pub(crate) async fn take(&self, request: &AttemptRequest) -> Result<AttemptOutcome, Error> {
        let place = Place::subject(&request.subject).ok_or(Error::Unsupported)?;
        let limits = &request.limits;
        let body = Take {
            limit: limits.limit(),
            waits: limits.waits.as_ref().map(Waits::new),
            lease: Lease::new(limits.lease),
            guesses_code: request.guessed_code,
        };
        let call = Call::new(&place, Method::Attempt, request.permit, body);
        // An open permit must not be forgotten, and neither must what it comes to.
        let keep = limits.lease.saturating_add(DAY);
        let (script, permit) = (&scripts::TAKE, request.permit);
        let reply = self.run_claimed(script, &place, permit, keep, call);
        let reply = reply.await?;
        match (reply.outcome, reply.failures) {
            (Outcome::NotFound, _) => Ok(AttemptOutcome::NotFound),
            (Outcome::Permitted, Some(failures)) => Ok(AttemptOutcome::Permitted { failures }),
            (Outcome::Refused, Some(failures)) => refusal(request, &reply, failures),
            (Outcome::Reused, _) => Ok(AttemptOutcome::OperationReused),
            (Outcome::Spent, _) => Ok(AttemptOutcome::Spent),
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
        let body = Settle {
            verification,
            lock_at,
        };
        let (script, permit) = (&scripts::SETTLE, settlement.permit);
        let call = Call::new(&place, Method::Attempt, permit, body);
        // The permit claimed the id already.
        let reply = self.run(script, &place, permit, DAY, call).await?;
        match (reply.outcome, reply.failures, reply.locked) {
            (Outcome::Expired, ..) => Ok(SettleOutcome::Expired),
            (Outcome::Settled, Some(failures), Some(locked)) => {
                Ok(SettleOutcome::Settled { failures, locked })
            }
            _ => Err(Error::Reply),
        }
    }
}

/// What stands in the way of an attempt that a script refused, worked out from what it saw by the
/// arithmetic that all stores share.
fn refusal(
    request: &AttemptRequest,
    reply: &Reply,
    failures: u32,
) -> Result<AttemptOutcome, Error> {
    let time = |text: &Option<String>| {
        let moment = text.as_deref().map(|text| moment(text, "permits"));
        moment.transpose()
    };
    let now = time(&reply.now)?.ok_or(Error::Reply)?;
    // Only the lease that ends first has a say in the answer.
    let earliest = time(&reply.earliest)?;
    let permit = earliest.map(|end| Permit::new(request.permit, end, false));
    let open = reply.open.unwrap_or(0);
    let permits = permit.into_iter().cycle().take(open).collect();
    let mut seen = AttemptState::new(failures, time(&reply.failed)?, permits);
    match seen.take(request, now) {
        Decision::Busy(retry_in) => Ok(AttemptOutcome::Busy { retry_in }),
        Decision::Stopped => Ok(AttemptOutcome::Stopped { failures }),
        Decision::Wait(retry_in) => Ok(AttemptOutcome::Wait { retry_in }),
        // The script has refused; it must never see more in the way than there is.
        _ => Err(Error::Reply),
    }
}
