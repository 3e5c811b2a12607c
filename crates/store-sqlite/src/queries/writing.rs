//! The statements that write.

use portcullis_core::{
    ObjectDetails, OperationId,
    store::{AttemptState, Event, Method, Permit, Subject},
};
use sqlx::SqliteConnection;

use super::{Statement, bind_subject, run};
use crate::{error::Error, row, user::User};

/// What becomes of an operation id when a user is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It creates the user, and has no other use from now on.
    Create,
    /// It changes the user by this method, and has no other use from now on.
    Change(Method),
    /// It has its row already: it is a permit's.
    Attempt,
}

/// Writes a user as its newest event leaves it, with the event, in one go.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    user: &User,
    events: &[Event],
    by: Use,
) -> Result<(), Error> {
    // There is no change of a user without an event.
    let Some((newest, before)) = events.split_last() else {
        return Ok(());
    };
    for event in before {
        run(connection, bind_event(sqlx::query(APPEND), event)?).await?;
    }
    let (sql, method) = match by {
        Use::Create => (CREATE, Some(Method::Create)),
        Use::Change(method) => (CHANGE, Some(method)),
        Use::Attempt => (ATTEMPT, None),
    };
    let mut query = bind_event(bind_user(sqlx::query(sql), user)?, newest)?;
    if let Some(method) = method {
        let record = &user.record;
        query = query
            .bind(record.key.organisation().as_str().to_owned())
            .bind(record.key.user().as_str().to_owned())
            .bind(newest.operation.as_bytes().to_vec())
            .bind(method.as_str());
        query = bind_details(query, Some(&user.details()))?;
    }
    run(connection, query).await
}

/// Gives the id of a permit its one use. It has no details yet.
pub(crate) async fn remember_permit(
    connection: &mut SqliteConnection,
    subject: &Subject,
    id: OperationId,
) -> Result<(), Error> {
    let query = bind_subject(
        "INSERT INTO operations (organisation, user, slot, id, method) \
         VALUES (?1, NULLIF(?2, ''), NULLIF(?3, -1), ?4, 'attempt')",
        subject,
    )?;
    run(connection, query.bind(id.as_bytes().to_vec())).await
}

/// Keeps what an attempt came to: its failures, whether it locked, and details if it has any.
pub(crate) async fn remember_settled(
    connection: &mut SqliteConnection,
    id: OperationId,
    settled: (u32, bool),
    details: Option<&ObjectDetails>,
) -> Result<(), Error> {
    let query = sqlx::query(
        "UPDATE operations SET settled_failures = ?2, settled_locked = ?3, sequence = ?4, \
         changed = ?5 WHERE id = ?1 AND method = 'attempt' AND settled_failures IS NULL",
    );
    let query = query.bind(id.as_bytes().to_vec());
    let query = query.bind(settled.0).bind(settled.1);
    run(connection, bind_details(query, details)?).await
}

pub(crate) async fn open_permit(
    connection: &mut SqliteConnection,
    subject: &Subject,
    permit: &Permit,
) -> Result<(), Error> {
    let query = bind_subject(
        "INSERT INTO permits (organisation, user, slot, id, expires, guesses_code) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        subject,
    )?;
    let query = query.bind(permit.id.as_bytes().to_vec());
    let query = query.bind(permit.expires.timestamp_micros());
    run(connection, query.bind(permit.guesses_code)).await
}

pub(crate) async fn close_permits(
    connection: &mut SqliteConnection,
    subject: &Subject,
    permits: &[Permit],
) -> Result<(), Error> {
    for permit in permits {
        let query = bind_subject(
            "DELETE FROM permits WHERE organisation = ?1 AND user = ?2 AND slot = ?3 AND id = ?4",
            subject,
        )?;
        run(connection, query.bind(permit.id.as_bytes().to_vec())).await?;
    }
    Ok(())
}

pub(crate) async fn save_sham(
    connection: &mut SqliteConnection,
    subject: &Subject,
    sham: &AttemptState,
) -> Result<(), Error> {
    let query = bind_subject(
        "INSERT OR REPLACE INTO shams (organisation, slot, failures, last_failure) \
         VALUES (?1, ?3, ?4, ?5)",
        subject,
    )?;
    let last_failure = sham.last_failure.map(|date| date.timestamp_micros());
    run(connection, query.bind(sham.failures).bind(last_failure)).await
}

/// Binds the next 18 parameters.
fn bind_user(query: Statement, user: &User) -> Result<Statement, Error> {
    let (record, attempts) = (&user.record, &user.attempts);
    let code = record.code.as_ref();
    Ok(query
        .bind(record.username.clone())
        .bind(record.kind.as_str())
        .bind(record.state.as_str())
        .bind(user.hash.as_ref().map(|hash| hash.to_vec()))
        .bind(user.must_change)
        .bind(user.password_changed.map(|date| date.timestamp_micros()))
        .bind(code.map(|code| code.digest.to_vec()))
        .bind(code.map(|code| code.expires.timestamp_micros()))
        .bind(code.map_or(0, |code| code.guesses))
        .bind(row::signed(record.version.0)?)
        .bind(row::signed(record.sequence)?)
        .bind(row::signed(record.epoch)?)
        .bind(attempts.failures)
        .bind(attempts.last_failure.map(|date| date.timestamp_micros()))
        .bind(record.created.timestamp_micros())
        .bind(record.changed.timestamp_micros())
        .bind(record.key.organisation().as_str().to_owned())
        .bind(record.key.user().as_str().to_owned()))
}

/// Binds the next 12 parameters.
fn bind_event(query: Statement, event: &Event) -> Result<Statement, Error> {
    Ok(query
        .bind(event.key.organisation().as_str().to_owned())
        .bind(event.key.user().as_str().to_owned())
        .bind(row::signed(event.sequence)?)
        .bind(event.kind.as_str())
        .bind(row::signed(event.version.0)?)
        .bind(event.state.as_str())
        .bind(event.failures)
        .bind(event.must_change)
        .bind(event.hash.as_ref().map(|hash| hash.as_bytes().to_vec()))
        .bind(event.operation.as_bytes().to_vec())
        .bind(
            event
                .editor
                .as_ref()
                .map(|editor| editor.as_str().to_owned()),
        )
        .bind(event.date.timestamp_micros()))
}

/// Binds the next two parameters: sequence, changed.
fn bind_details(query: Statement, details: Option<&ObjectDetails>) -> Result<Statement, Error> {
    let sequence = details
        .map(|details| row::signed(details.sequence))
        .transpose()?;
    let changed = details.and_then(|details| details.change_date);
    let changed = changed.map(|date| date.timestamp_micros());
    Ok(query.bind(sequence).bind(changed))
}

// Several statements are sent as one. Each takes up the parameters where the one before it ended.

macro_rules! insert_user {
    () => {
        "INSERT INTO users (username, kind, state, hash, must_change, password_changed, \
         code_digest, code_expires, code_guesses, version, sequence, epoch, failures, \
         last_failure, created, changed, organisation, user) \
         VALUES (?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);"
    };
}

macro_rules! update_user {
    () => {
        "UPDATE users SET username = ?, kind = ?, state = ?, hash = CAST(? AS TEXT), \
         must_change = ?, password_changed = ?, code_digest = ?, code_expires = ?, \
         code_guesses = ?, version = ?, sequence = ?, epoch = ?, failures = ?, \
         last_failure = ?, created = ?, changed = ? WHERE organisation = ? AND user = ?;"
    };
}

macro_rules! append {
    () => {
        "INSERT INTO events (organisation, user, sequence, kind, version, state, failures, \
         must_change, hash_sha256, operation, editor, date) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);"
    };
}

macro_rules! remember {
    () => {
        "INSERT INTO operations (organisation, user, id, method, sequence, changed) \
         VALUES (?, ?, ?, ?, ?, ?);"
    };
}

const APPEND: &str = append!();
const ATTEMPT: &str = concat!(update_user!(), append!());
const CHANGE: &str = concat!(update_user!(), append!(), remember!());
const CREATE: &str = concat!(insert_user!(), append!(), remember!());
