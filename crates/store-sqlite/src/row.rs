//! Between rows and records. What cannot be read is an error, other than a hash.

use std::str::FromStr;

use chrono::DateTime;
use portcullis_core::{
    BoxError, HashDigest, ObjectDetails, OperationId, OrgId, Timestamp, UserId, UserKey,
    store::{
        AttemptState, Code, Event, EventKind, Method, OperationRecord, Permit, SettleOutcome,
        Subject, UserKind, UserRecord, Version,
    },
};
use sqlx::{Decode, Row, Sqlite, Type, sqlite::SqliteRow};
use zeroize::Zeroizing;

use crate::{
    documents::Stored,
    error::Error,
    user::{Done, User},
};

pub(crate) fn user(row: &SqliteRow) -> Result<User, Error> {
    let kind: UserKind = name(row, "kind")?;
    let username: String = column(row, "username")?;
    let mut record = UserRecord::new(key(row)?, username, kind, moment(row, "created")?);
    record.state = name(row, "state")?;
    record.version = Version(number(row, "version")?);
    record.sequence = number(row, "sequence")?;
    record.epoch = number(row, "epoch")?;
    record.changed = moment(row, "changed")?;
    if let Some(digest) = bytes(row, "code_digest")? {
        let mut code = Code::new(digest, moment(row, "code_expires")?);
        code.guesses = number(row, "code_guesses")?;
        record.code = Some(code);
    }
    Ok(User {
        record,
        hash: column::<Option<Vec<u8>>>(row, "hash")?.map(Zeroizing::new),
        must_change: column(row, "must_change")?,
        password_changed: some_moment(row, "password_changed")?,
        attempts: attempts(row)?,
    })
}

pub(crate) fn attempts(row: &SqliteRow) -> Result<AttemptState, Error> {
    let last_failure = some_moment(row, "last_failure")?;
    let failures = number(row, "failures")?;
    Ok(AttemptState::new(failures, last_failure, Vec::new()))
}

pub(crate) fn permit(row: &SqliteRow) -> Result<Permit, Error> {
    let (id, expires) = (operation_id(row, "id")?, moment(row, "expires")?);
    Ok(Permit::new(id, expires, column(row, "guesses_code")?))
}

pub(crate) fn done(row: &SqliteRow) -> Result<Done, Error> {
    let method: Method = name(row, "method")?;
    if method != Method::Attempt {
        let key = key(row)?;
        let record = record(row, method, key.organisation())?;
        return Ok(Done::Applied { key, record });
    }
    let subject = match column::<Option<i64>>(row, "slot")? {
        Some(_) => Subject::Sham {
            organisation: organisation(row)?,
            slot: number(row, "slot")?,
        },
        None => Subject::User(key(row)?),
    };
    let record = match column::<Option<i64>>(row, "sequence")? {
        Some(_) => Some(record(row, method, &organisation(row)?)?),
        None => None,
    };
    let settled = match column::<Option<bool>>(row, "settled_locked")? {
        Some(locked) => Some(SettleOutcome::Settled {
            failures: number(row, "settled_failures")?,
            locked,
        }),
        None => None,
    };
    Ok(Done::Permit {
        subject,
        settled,
        record,
    })
}

fn record(row: &SqliteRow, method: Method, owner: &OrgId) -> Result<OperationRecord, Error> {
    let (sequence, changed) = (number(row, "sequence")?, moment(row, "changed")?);
    let details = ObjectDetails::written(sequence, changed, owner.clone());
    Ok(OperationRecord::new(method, details))
}

/// An event and its position in the outbox.
pub(crate) fn event(row: &SqliteRow) -> Result<(u64, Event), Error> {
    let (kind, operation): (EventKind, _) = (name(row, "kind")?, operation_id(row, "operation")?);
    let mut event = Event::new(key(row)?, kind, operation, moment(row, "date")?);
    event.sequence = number(row, "sequence")?;
    event.version = Version(number(row, "version")?);
    event.state = name(row, "state")?;
    event.failures = number(row, "failures")?;
    event.must_change = column(row, "must_change")?;
    event.hash = bytes(row, "hash_sha256")?.map(HashDigest::from_bytes);
    let editor = column::<Option<String>>(row, "editor")?.map(UserId::new);
    event.editor = editor.transpose().map_err(unreadable("editor"))?;
    Ok((number(row, "position")?, event))
}

pub(crate) fn document(row: &SqliteRow) -> Result<Stored, Error> {
    let text = column::<Option<Vec<u8>>>(row, "text")?.map(String::from_utf8);
    let text = text
        .transpose()
        .map_err(|_| unreadable("text")("it is not one"))?;
    Ok(Stored {
        text: text.map(Zeroizing::new),
        operation: operation_id(row, "operation")?,
        revision: number(row, "revision")?,
        created: moment(row, "created")?,
        changed: moment(row, "changed")?,
        expires: some_moment(row, "expires")?,
    })
}

/// A count as the database keeps it.
pub(crate) fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(Error::Range)
}

pub(crate) fn column<'r, T>(row: &'r SqliteRow, column: &'static str) -> Result<T, Error>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(unreadable(column))
}

fn key(row: &SqliteRow) -> Result<UserKey, Error> {
    let user = UserId::new(column::<String>(row, "user")?);
    let user = user.map_err(unreadable("user"))?;
    Ok(UserKey::new(organisation(row)?, user))
}

fn organisation(row: &SqliteRow) -> Result<OrgId, Error> {
    let organisation = OrgId::new(column::<String>(row, "organisation")?);
    organisation.map_err(unreadable("organisation"))
}

fn operation_id(row: &SqliteRow, column: &'static str) -> Result<OperationId, Error> {
    let id = bytes(row, column)?.map(OperationId::from_bytes);
    id.ok_or_else(|| unreadable(column)("the id is missing"))
}

fn bytes<const N: usize>(row: &SqliteRow, name: &'static str) -> Result<Option<[u8; N]>, Error> {
    let bytes = column::<Option<&[u8]>>(row, name)?.map(<[u8; N]>::try_from);
    bytes.transpose().map_err(unreadable(name))
}

fn name<T: FromStr<Err: Into<BoxError>>>(row: &SqliteRow, name: &'static str) -> Result<T, Error> {
    column::<&str>(row, name)?.parse().map_err(unreadable(name))
}

fn number<T: TryFrom<i64, Error: Into<BoxError>>>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<T, Error> {
    T::try_from(column(row, name)?).map_err(unreadable(name))
}

fn moment(row: &SqliteRow, name: &'static str) -> Result<Timestamp, Error> {
    let moment = some_moment(row, name)?;
    moment.ok_or_else(|| unreadable(name)("the date is missing"))
}

fn some_moment(row: &SqliteRow, name: &'static str) -> Result<Option<Timestamp>, Error> {
    let Some(micros) = column::<Option<i64>>(row, name)? else {
        return Ok(None);
    };
    let moment = DateTime::from_timestamp_micros(micros);
    let moment = moment.ok_or_else(|| unreadable(name)("the date is out of range"));
    moment.map(Some)
}

fn unreadable<E: Into<BoxError>>(column: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::Row {
        column,
        source: source.into(),
    }
}
