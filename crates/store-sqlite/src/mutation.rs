//! What each mutation of a user reads, decides and writes within its transaction.
//!
//! The order of the checks is the one of `portcullis_core::MemoryStore`.

use portcullis_core::{
    ObjectDetails, Timestamp, UserKey,
    store::{
        Change, CodeChange, CommitOutcome, CreateOutcome, EventKind, HashUpgrade, Method, NewUser,
        Subject, UpgradeOutcome, UserState,
    },
};
use sqlx::SqliteConnection;

use crate::{
    error::Error,
    queries::{self, Known, Use},
    user::{Done, User},
};

pub(crate) async fn create(
    connection: &mut SqliteConnection,
    user: &NewUser,
    now: Timestamp,
) -> Result<CreateOutcome, Error> {
    let known = Known::of(connection, user.operation, &user.key).await?;
    match seen(&known, &user.key, Method::Create)? {
        Seen::Before(details) => return Ok(CreateOutcome::Replayed(details)),
        Seen::Elsewhere => return Ok(CreateOutcome::OperationReused),
        Seen::New => {}
    }
    let before = known.user()?;
    let by = match &before {
        None => Use::Create,
        Some(before) if before.record.state == UserState::Removed => Use::Change(Method::Create),
        Some(_) => return Ok(CreateOutcome::Exists),
    };
    let created = User::new(user, before.as_ref(), now);
    // What a removed user left open is not the new one's.
    let subject = Subject::User(user.key.clone());
    queries::close_permits(connection, &subject, &known.permits()?).await?;
    let event = created.event(user.event(), user.operation, user.editor.as_ref());
    queries::save(connection, &created, &[event], by).await?;
    Ok(CreateOutcome::Created(created.details()))
}

pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    change: &Change,
    now: Timestamp,
) -> Result<CommitOutcome, Error> {
    if !change.method.is_committed() {
        return Err(Error::Method);
    }
    let known = Known::of(connection, change.operation, &change.key).await?;
    match seen(&known, &change.key, change.method)? {
        Seen::Before(details) => return Ok(CommitOutcome::Replayed(details)),
        Seen::Elsewhere => return Ok(CommitOutcome::OperationReused),
        Seen::New => {}
    }
    let Some(mut user) = known.user()? else {
        return Ok(CommitOutcome::NotFound);
    };
    if user.record.state == UserState::Removed {
        return Ok(CommitOutcome::NotFound);
    }
    if user.record.version != change.expected {
        return Ok(CommitOutcome::Conflict);
    }
    if change.clears_failures() || matches!(change.code, CodeChange::Consume { .. }) {
        user.attempts.permits = known.permits()?;
    }
    if !user.redeems(&change.code, now) {
        return Ok(CommitOutcome::CodeRejected);
    }
    let forgotten = user.apply(change, now)?;
    let subject = Subject::User(change.key.clone());
    queries::close_permits(connection, &subject, &forgotten).await?;
    let editor = change.editor.as_ref();
    let append = |kind: &EventKind| user.append(*kind, change.operation, editor, now);
    let events: Vec<_> = change.events().iter().map(append).collect();
    queries::save(connection, &user, &events, Use::Change(change.method)).await?;
    Ok(CommitOutcome::Committed(user.details()))
}

pub(crate) async fn upgrade_hash(
    connection: &mut SqliteConnection,
    upgrade: &HashUpgrade,
    now: Timestamp,
) -> Result<UpgradeOutcome, Error> {
    let (operation, method) = (upgrade.operation, Method::UpgradeHash);
    let known = Known::of(connection, operation, &upgrade.key).await?;
    match seen(&known, &upgrade.key, method)? {
        Seen::Before(details) => return Ok(UpgradeOutcome::Replayed(details)),
        Seen::Elsewhere => return Ok(UpgradeOutcome::OperationReused),
        Seen::New => {}
    }
    let user = known.user()?;
    let user = user.filter(|user| user.record.state != UserState::Removed);
    let verified = Some(upgrade.verified.as_stored());
    let Some(mut user) = user.filter(|user| user.hash_text().as_deref() == verified) else {
        return Ok(UpgradeOutcome::Superseded);
    };
    user.upgrade(upgrade.replacement.as_stored());
    let event = user.append(EventKind::HashUpdated, operation, None, now);
    queries::save(connection, &user, &[event], Use::Change(method)).await?;
    Ok(UpgradeOutcome::Upgraded(user.details()))
}

/// What is known of an operation id before a mutation.
enum Seen {
    Before(ObjectDetails),
    Elsewhere,
    New,
}

fn seen(known: &Known, on: &UserKey, method: Method) -> Result<Seen, Error> {
    Ok(match known.operation()? {
        None => Seen::New,
        Some(Done::Applied { key, record }) if key == *on && record.method == method => {
            Seen::Before(record.details)
        }
        Some(_) => Seen::Elsewhere,
    })
}
