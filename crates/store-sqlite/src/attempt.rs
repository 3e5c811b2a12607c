//! What an attempt reads, decides and writes within its transaction.
//!
//! The order of the checks is the one of `portcullis_core::MemoryStore`.

use portcullis_core::{
    OperationId, Timestamp,
    store::{
        AttemptOutcome, AttemptRequest, AttemptState, Decision, SettleOutcome, Settlement, Subject,
        UserState,
    },
};
use sqlx::SqliteConnection;

use crate::{
    error::Error,
    queries::{self, Known, Use},
    user::{Done, User},
};

pub(crate) async fn take(
    connection: &mut SqliteConnection,
    request: &AttemptRequest,
    now: Timestamp,
) -> Result<AttemptOutcome, Error> {
    let (subject, permit) = (&request.subject, request.permit);
    let (seen, known) = seen(connection, permit, subject).await?;
    let taken = match seen {
        Seen::Elsewhere => return Ok(AttemptOutcome::OperationReused),
        Seen::Settled(_) => return Ok(AttemptOutcome::Spent),
        Seen::New => false,
        Seen::Taken => true,
    };
    let mut attempts = match known {
        Some(known) => match open_user(connection, subject, &known, now).await? {
            Some(user) => user.attempts,
            None => return Ok(AttemptOutcome::NotFound),
        },
        None => open_sham(connection, subject, now).await?,
    };
    if !taken {
        return decide(connection, &mut attempts, request, now).await;
    }
    let failures = attempts.failures;
    Ok(if attempts.is_open(permit) {
        AttemptOutcome::Permitted { failures }
    } else {
        AttemptOutcome::Spent
    })
}

pub(crate) async fn settle(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Error> {
    let (seen, known) = seen(connection, settlement.permit, &settlement.subject).await?;
    match seen {
        Seen::Settled(first) => return Ok(first),
        Seen::Elsewhere | Seen::New => return Ok(SettleOutcome::Expired),
        Seen::Taken => {}
    }
    match known {
        Some(known) => settle_user(connection, &known, settlement, now).await,
        None => settle_sham(connection, settlement, now).await,
    }
}

async fn settle_sham(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Error> {
    let subject = &settlement.subject;
    let mut sham = open_sham(connection, subject, now).await?;
    let Some(permit) = sham.settle(settlement.permit, settlement.verification, now) else {
        return Ok(SettleOutcome::Expired);
    };
    let (failures, locked) = (sham.failures, false);
    queries::close_permits(connection, subject, &[permit]).await?;
    queries::save_sham(connection, subject, &sham).await?;
    queries::remember_settled(connection, permit.id, (failures, locked), None).await?;
    Ok(SettleOutcome::Settled { failures, locked })
}

async fn settle_user(
    connection: &mut SqliteConnection,
    known: &Known,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Error> {
    let (subject, verification) = (&settlement.subject, settlement.verification);
    let Some(mut user) = open_user(connection, subject, known, now).await? else {
        return Ok(SettleOutcome::Expired);
    };
    let Some(permit) = user.attempts.settle(settlement.permit, verification, now) else {
        return Ok(SettleOutcome::Expired);
    };
    let (events, locked) = user.settled(&permit, verification, now)?;
    let failures = user.attempts.failures;
    let details = (!events.is_empty()).then(|| user.details());
    queries::close_permits(connection, subject, &[permit]).await?;
    queries::save(connection, &user, &events, Use::Attempt).await?;
    let settled = (failures, locked);
    queries::remember_settled(connection, permit.id, settled, details.as_ref()).await?;
    Ok(SettleOutcome::Settled { failures, locked })
}

/// Decides, and opens the permit where nothing stands in the way.
async fn decide(
    connection: &mut SqliteConnection,
    attempts: &mut AttemptState,
    request: &AttemptRequest,
    now: Timestamp,
) -> Result<AttemptOutcome, Error> {
    let (subject, failures) = (&request.subject, attempts.failures);
    match attempts.take(request, now) {
        Decision::Busy(retry_in) => Ok(AttemptOutcome::Busy { retry_in }),
        Decision::Permit => {
            if let Some(permit) = attempts.permits.last() {
                queries::remember_permit(connection, subject, permit.id).await?;
                queries::open_permit(connection, subject, permit).await?;
            }
            Ok(AttemptOutcome::Permitted { failures })
        }
        Decision::Stopped => Ok(AttemptOutcome::Stopped { failures }),
        Decision::Wait(retry_in) => Ok(AttemptOutcome::Wait { retry_in }),
        _ => Err(Error::Unsupported),
    }
}

/// A user with its permits, after those whose lease ran out have been counted. None where there
/// is no user, or none any more: nothing comes after the event of a removal.
async fn open_user(
    connection: &mut SqliteConnection,
    subject: &Subject,
    known: &Known,
    now: Timestamp,
) -> Result<Option<User>, Error> {
    let user = known.user()?;
    let Some(mut user) = user.filter(|user| user.record.state != UserState::Removed) else {
        return Ok(None);
    };
    user.attempts.permits = known.permits()?;
    let (ended, events) = user.expire(now);
    queries::close_permits(connection, subject, &ended).await?;
    queries::save(connection, &user, &events, Use::Attempt).await?;
    Ok(Some(user))
}

/// A sham with its permits, after those whose lease ran out have been counted.
async fn open_sham(
    connection: &mut SqliteConnection,
    subject: &Subject,
    now: Timestamp,
) -> Result<AttemptState, Error> {
    let mut sham = queries::sham(connection, subject).await?;
    sham.permits = queries::permits(connection, subject).await?;
    let ended = sham.expire(now);
    if !ended.is_empty() {
        queries::close_permits(connection, subject, &ended).await?;
        queries::save_sham(connection, subject, &sham).await?;
    }
    Ok(sham)
}

/// What is known of an operation id before an attempt.
enum Seen {
    Elsewhere,
    New,
    /// Not settled: it is open, or its lease ran out.
    Taken,
    Settled(SettleOutcome),
}

/// A user comes along with the answer, whatever it is.
async fn seen(
    connection: &mut SqliteConnection,
    permit: OperationId,
    on: &Subject,
) -> Result<(Seen, Option<Known>), Error> {
    let (done, known) = match on {
        Subject::User(key) => {
            let known = Known::of(connection, permit, key).await?;
            (known.operation()?, Some(known))
        }
        _ => (queries::operation(connection, permit).await?, None),
    };
    let seen = match done {
        None => Seen::New,
        Some(Done::Permit {
            subject, settled, ..
        }) if subject == *on => settled.map_or(Seen::Taken, Seen::Settled),
        Some(_) => Seen::Elsewhere,
    };
    Ok((seen, known))
}
