//! What each mutation reads, decides and writes within its transaction.
//!
//! The order of the checks is the one of `portcullis_core::MemoryStore`.

use portcullis_core::{
    OperationId, Timestamp, UserKey,
    store::{
        AttemptOutcome, AttemptRequest, AttemptState, Change, CommitOutcome, CreateOutcome,
        Decision, Event, EventKind, HashUpgrade, Method, NewUser, SettleOutcome, Settlement,
        Subject, UpgradeOutcome, UserState, Verification,
    },
};
use sqlx::SqliteConnection;

use crate::{
    error::Error,
    queries,
    user::{Done, User},
};

pub(crate) async fn create(
    connection: &mut SqliteConnection,
    user: &NewUser,
    now: Timestamp,
) -> Result<CreateOutcome, Error> {
    match seen(connection, user.operation, &user.key, Method::Create).await? {
        Seen::Before(done) => return Ok(CreateOutcome::Replayed(done.record.details)),
        Seen::Elsewhere => return Ok(CreateOutcome::OperationReused),
        Seen::New => {}
    }
    if queries::user(connection, &user.key).await?.is_some() {
        return Ok(CreateOutcome::Exists);
    }
    let created = User::new(user, now);
    let event = created.event(user.event(), user.operation, user.editor.as_ref());
    queries::insert_user(connection, &created).await?;
    queries::append(connection, &event).await?;
    queries::remember(connection, &created, user.operation, Method::Create, None).await?;
    Ok(CreateOutcome::Created(created.details()))
}

pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    change: &Change,
    now: Timestamp,
) -> Result<CommitOutcome, Error> {
    match seen(connection, change.operation, &change.key, change.method).await? {
        Seen::Before(done) => return Ok(CommitOutcome::Replayed(done.record.details)),
        Seen::Elsewhere => return Ok(CommitOutcome::OperationReused),
        Seen::New => {}
    }
    let Some(mut user) = queries::user(connection, &change.key).await? else {
        return Ok(CommitOutcome::NotFound);
    };
    if user.record.state == UserState::Removed {
        return Ok(CommitOutcome::NotFound);
    }
    if user.record.version != change.expected {
        return Ok(CommitOutcome::Conflict);
    }
    if !user.redeems(&change.code, now) {
        return Ok(CommitOutcome::CodeRejected);
    }
    user.apply(change, now)?;
    let editor = change.editor.as_ref();
    let append = |kind: &EventKind| user.append(*kind, change.operation, editor, now);
    let events: Vec<_> = change.events().iter().map(append).collect();
    save(connection, &user, &events).await?;
    queries::remember(connection, &user, change.operation, change.method, None).await?;
    Ok(CommitOutcome::Committed(user.details()))
}

pub(crate) async fn upgrade_hash(
    connection: &mut SqliteConnection,
    upgrade: &HashUpgrade,
    now: Timestamp,
) -> Result<UpgradeOutcome, Error> {
    let (operation, method) = (upgrade.operation, Method::UpgradeHash);
    match seen(connection, operation, &upgrade.key, method).await? {
        Seen::Before(done) => return Ok(UpgradeOutcome::Replayed(done.record.details)),
        Seen::Elsewhere => return Ok(UpgradeOutcome::OperationReused),
        Seen::New => {}
    }
    let user = queries::user(connection, &upgrade.key).await?;
    let verified = Some(upgrade.verified.as_stored());
    let Some(mut user) = user.filter(|user| user.hash_text().as_deref() == verified) else {
        return Ok(UpgradeOutcome::Superseded);
    };
    user.upgrade(upgrade.replacement.as_stored());
    let event = user.append(EventKind::HashUpdated, operation, None, now);
    save(connection, &user, &[event]).await?;
    queries::remember(connection, &user, operation, method, None).await?;
    Ok(UpgradeOutcome::Upgraded(user.details()))
}

pub(crate) async fn take_attempt(
    connection: &mut SqliteConnection,
    request: &AttemptRequest,
    now: Timestamp,
) -> Result<AttemptOutcome, Error> {
    let Subject::User(key) = &request.subject else {
        let mut sham = open_sham(connection, &request.subject, now).await?;
        return take(connection, &mut sham, request, now).await;
    };
    match seen(connection, request.permit, key, Method::Attempt).await? {
        Seen::Before(_) => return Ok(AttemptOutcome::Spent),
        Seen::Elsewhere => return Ok(AttemptOutcome::OperationReused),
        Seen::New => {}
    }
    let Some((mut user, expired)) = open_user(connection, &request.subject, key, now).await? else {
        return Ok(AttemptOutcome::NotFound);
    };
    save(connection, &user, &expired).await?;
    take(connection, &mut user.attempts, request, now).await
}

pub(crate) async fn settle_attempt(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Error> {
    match &settlement.subject {
        Subject::User(key) => settle_user(connection, key, settlement, now).await,
        _ => settle_sham(connection, settlement, now).await,
    }
}

async fn settle_sham(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Error> {
    let (subject, permit) = (&settlement.subject, settlement.permit);
    let mut sham = open_sham(connection, subject, now).await?;
    if !sham.settle(permit, settlement.verification, now) {
        return Ok(SettleOutcome::Expired);
    }
    queries::close_permit(connection, subject, permit).await?;
    if settlement.verification != Verification::Abandoned {
        queries::save_sham(connection, subject, &sham).await?;
    }
    Ok(SettleOutcome::Settled {
        failures: sham.failures,
        locked: false,
    })
}

async fn settle_user(
    connection: &mut SqliteConnection,
    key: &UserKey,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<SettleOutcome, Error> {
    let (subject, permit) = (&settlement.subject, settlement.permit);
    let seen = seen(connection, permit, key, Method::Attempt).await?;
    if let Seen::Before(done) = seen
        && let Some(first) = done.settled
    {
        return Ok(first);
    }
    let Some((mut user, mut events)) = open_user(connection, subject, key, now).await? else {
        return Ok(SettleOutcome::Expired);
    };
    if !user.attempts.settle(permit, settlement.verification, now) {
        save(connection, &user, &events).await?;
        return Ok(SettleOutcome::Expired);
    }
    queries::close_permit(connection, subject, permit).await?;
    let (verification, guessed_code) = (settlement.verification, settlement.guessed_code);
    let (more, locked) = user.settled(permit, verification, guessed_code, now)?;
    events.extend(more);
    save(connection, &user, &events).await?;
    let failures = user.attempts.failures;
    let outcome = SettleOutcome::Settled { failures, locked };
    if verification != Verification::Abandoned {
        let settled = Some((failures, locked));
        queries::remember(connection, &user, permit, Method::Attempt, settled).await?;
    }
    Ok(outcome)
}

/// Decides, and opens the permit where nothing stands in the way.
async fn take(
    connection: &mut SqliteConnection,
    attempts: &mut AttemptState,
    request: &AttemptRequest,
    now: Timestamp,
) -> Result<AttemptOutcome, Error> {
    let failures = attempts.failures;
    let mut open = attempts.permits.iter();
    if open.any(|(permit, _)| *permit == request.permit) {
        return Ok(AttemptOutcome::Permitted { failures });
    }
    match attempts.take(request.permit, &request.limits, now) {
        Decision::Busy(retry_in) => Ok(AttemptOutcome::Busy { retry_in }),
        Decision::Permit => {
            if let Some((permit, expires)) = attempts.permits.last() {
                queries::open_permit(connection, &request.subject, *permit, *expires).await?;
            }
            Ok(AttemptOutcome::Permitted { failures })
        }
        Decision::Stopped => Ok(AttemptOutcome::Stopped { failures }),
        Decision::Wait(retry_in) => Ok(AttemptOutcome::Wait { retry_in }),
        _ => Err(Error::Unsupported),
    }
}

/// A user with its permits, and the events of those whose lease ran out, which are yet to be saved.
async fn open_user(
    connection: &mut SqliteConnection,
    subject: &Subject,
    key: &UserKey,
    now: Timestamp,
) -> Result<Option<(User, Vec<Event>)>, Error> {
    let Some(mut user) = queries::user(connection, key).await? else {
        return Ok(None);
    };
    user.attempts.permits = queries::permits(connection, subject).await?;
    let expired = user.expire(now);
    if !expired.is_empty() {
        queries::close_permits(connection, subject, now).await?;
    }
    Ok(Some((user, expired)))
}

/// A sham with its permits, after those whose lease ran out have been counted.
async fn open_sham(
    connection: &mut SqliteConnection,
    subject: &Subject,
    now: Timestamp,
) -> Result<AttemptState, Error> {
    let mut sham = queries::sham(connection, subject).await?;
    sham.permits = queries::permits(connection, subject).await?;
    if !sham.expire(now).is_empty() {
        queries::close_permits(connection, subject, now).await?;
        queries::save_sham(connection, subject, &sham).await?;
    }
    Ok(sham)
}

/// Writes a user and its new events. There is no change of a user without an event.
async fn save(
    connection: &mut SqliteConnection,
    user: &User,
    events: &[Event],
) -> Result<(), Error> {
    if !events.is_empty() {
        queries::update_user(connection, user).await?;
    }
    for event in events {
        queries::append(connection, event).await?;
    }
    Ok(())
}

/// What is known of an operation id before a mutation.
enum Seen {
    Before(Done),
    Elsewhere,
    New,
}

async fn seen(
    connection: &mut SqliteConnection,
    operation: OperationId,
    key: &UserKey,
    method: Method,
) -> Result<Seen, Error> {
    Ok(match queries::operation(connection, operation).await? {
        None => Seen::New,
        Some(done) if done.key == *key && done.record.method == method => Seen::Before(done),
        Some(_) => Seen::Elsewhere,
    })
}
