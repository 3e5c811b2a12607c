//! What each mutation of a user reads, decides and writes within its transaction.
//!
//! The order of the checks is the one of `portcullis_core::MemoryStore`.

use portcullis_core::{
    ObjectDetails, OperationId, Timestamp, UserKey,
    store::{
        Change, CodeChange, CommitOutcome, CreateOutcome, Event, EventKind, HashUpgrade, Method,
        NewUser, Subject, UpgradeOutcome, UserState,
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
        Seen::Before(details) => return Ok(CreateOutcome::Replayed(details)),
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
    let details = remember(connection, &created, user.operation, Method::Create).await?;
    Ok(CreateOutcome::Created(details))
}

pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    change: &Change,
    now: Timestamp,
) -> Result<CommitOutcome, Error> {
    if !change.method.is_committed() {
        return Err(Error::Method);
    }
    match seen(connection, change.operation, &change.key, change.method).await? {
        Seen::Before(details) => return Ok(CommitOutcome::Replayed(details)),
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
    let subject = Subject::User(change.key.clone());
    if change.clears_failures() || matches!(change.code, CodeChange::Consume { .. }) {
        user.attempts.permits = queries::permits(connection, &subject).await?;
    }
    if !user.redeems(&change.code, now) {
        return Ok(CommitOutcome::CodeRejected);
    }
    let forgotten = user.apply(change, now)?;
    queries::close_permits(connection, &subject, &forgotten).await?;
    let editor = change.editor.as_ref();
    let append = |kind: &EventKind| user.append(*kind, change.operation, editor, now);
    let events: Vec<_> = change.events().iter().map(append).collect();
    save(connection, &user, &events).await?;
    let details = remember(connection, &user, change.operation, change.method).await?;
    Ok(CommitOutcome::Committed(details))
}

pub(crate) async fn upgrade_hash(
    connection: &mut SqliteConnection,
    upgrade: &HashUpgrade,
    now: Timestamp,
) -> Result<UpgradeOutcome, Error> {
    let (operation, method) = (upgrade.operation, Method::UpgradeHash);
    match seen(connection, operation, &upgrade.key, method).await? {
        Seen::Before(details) => return Ok(UpgradeOutcome::Replayed(details)),
        Seen::Elsewhere => return Ok(UpgradeOutcome::OperationReused),
        Seen::New => {}
    }
    let user = queries::user(connection, &upgrade.key).await?;
    let user = user.filter(|user| user.record.state != UserState::Removed);
    let verified = Some(upgrade.verified.as_stored());
    let Some(mut user) = user.filter(|user| user.hash_text().as_deref() == verified) else {
        return Ok(UpgradeOutcome::Superseded);
    };
    user.upgrade(upgrade.replacement.as_stored());
    let event = user.append(EventKind::HashUpdated, operation, None, now);
    save(connection, &user, &[event]).await?;
    let details = remember(connection, &user, operation, method).await?;
    Ok(UpgradeOutcome::Upgraded(details))
}

/// Writes a user and its new events. There is no change of a user without an event.
pub(crate) async fn save(
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

async fn remember(
    connection: &mut SqliteConnection,
    user: &User,
    operation: OperationId,
    method: Method,
) -> Result<ObjectDetails, Error> {
    let (subject, details) = (Subject::User(user.record.key.clone()), user.details());
    queries::remember(connection, &subject, operation, method, Some(&details)).await?;
    Ok(details)
}

/// What is known of an operation id before a mutation.
enum Seen {
    Before(ObjectDetails),
    Elsewhere,
    New,
}

async fn seen(
    connection: &mut SqliteConnection,
    operation: OperationId,
    on: &UserKey,
    method: Method,
) -> Result<Seen, Error> {
    Ok(match queries::operation(connection, operation).await? {
        None => Seen::New,
        Some(Done::Applied { key, record }) if key == *on && record.method == method => {
            Seen::Before(record.details)
        }
        Some(_) => Seen::Elsewhere,
    })
}
