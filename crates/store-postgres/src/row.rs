//! Between rows and records. What cannot be read is an error, other than a hash.

use std::{fmt, str::FromStr, time::Duration};

use portcullis_core::{
    BoxError, HashDigest, ObjectDetails, OperationId, OrgId, Timestamp, UserId, UserKey,
    store::{
        AttemptOutcome, Code, CommitOutcome, CreateOutcome, Credential, Cursor, Document,
        DocumentOutcome, Event, EventKind, EventPage, EventQuery, EventScope, Method,
        OperationRecord, SettleOutcome, StoredHash, UpgradeOutcome, UserKind, UserRecord, Version,
    },
};
use sqlx::{
    Decode, Postgres, Row, Type,
    postgres::{PgRow, PgTypeInfo, PgValueFormat, PgValueRef},
};

use crate::{durability::Durability, error::Error};

/// Where an event stands in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) era: i32,
    pub(crate) tx: u64,
    pub(crate) sequence: i64,
}

impl Position {
    /// Before every event.
    pub(crate) const START: Self = Self {
        era: 0,
        tx: 0,
        sequence: 0,
    };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.era, self.tx, self.sequence)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().ok_or(Error::Cursor);
        Ok(Self {
            era: number_in(next()?)?,
            tx: number_in(next()?)?,
            sequence: number_in(next()?)?,
        })
    }
}

/// A number as a cursor writes it, without a sign.
pub(crate) fn number_in<T: FromStr>(text: &str) -> Result<T, Error> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        text.parse().map_err(|_| Error::Cursor)
    } else {
        Err(Error::Cursor)
    }
}

pub(crate) fn user(row: &PgRow) -> Result<UserRecord, Error> {
    let kind: UserKind = name(row, "kind")?;
    let username: String = column(row, "username")?;
    let mut record = UserRecord::new(key(row)?, username, kind, moment(row, "created")?);
    record.state = name(row, "state")?;
    let hash = StoredHash::load(column(row, "hash")?);
    let must_change = column(row, "must_change")?;
    record.credential = Credential::new(hash, must_change, some_moment(row, "password_changed")?);
    if let Some(digest) = bytes(row, "code_digest")? {
        let mut code = Code::new(digest, moment(row, "code_expires")?);
        code.guesses = number(row, "code_guesses")?;
        record.code = Some(code);
    }
    record.version = Version(number(row, "version")?);
    record.sequence = number(row, "sequence")?;
    record.epoch = number(row, "epoch")?;
    record.failures = number(row, "failures")?;
    record.changed = moment(row, "changed")?;
    Ok(record)
}

pub(crate) fn operation(row: &PgRow, owner: &OrgId) -> Result<OperationRecord, Error> {
    let method: Method = name(row, "method")?;
    let (sequence, changed) = (number(row, "sequence")?, moment(row, "changed")?);
    let details = ObjectDetails::written(sequence, changed, owner.clone());
    Ok(OperationRecord::new(method, details))
}

/// The answer to a query about events.
pub(crate) fn page(rows: &[PgRow], query: &EventQuery) -> Result<EventPage, Error> {
    let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let next = match (&query.scope, rows.last(), events.last()) {
        (EventScope::Outbox, Some(row), _) => Some(position(row)?),
        (_, _, Some(event)) => Some(Cursor::new(event.sequence.to_string())),
        _ => query.after.clone(),
    };
    Ok(EventPage::new(events, next))
}

fn event(row: &PgRow) -> Result<Event, Error> {
    let kind: EventKind = name(row, "kind")?;
    let operation = bytes(row, "operation")?.map(OperationId::from_bytes);
    let operation = operation.ok_or_else(|| unreadable("operation")("the id is missing"))?;
    let mut event = Event::new(key(row)?, kind, operation, moment(row, "date")?);
    event.sequence = number(row, "sequence")?;
    event.version = Version(number(row, "version")?);
    event.state = name(row, "state")?;
    event.failures = number(row, "failures")?;
    event.must_change = column(row, "must_change")?;
    event.hash = bytes(row, "hash_sha256")?.map(HashDigest::from_bytes);
    let editor = column::<Option<String>>(row, "editor")?.map(UserId::new);
    event.editor = editor.transpose().map_err(unreadable("editor"))?;
    Ok(event)
}

/// Where an event stands in the outbox, as a cursor.
fn position(row: &PgRow) -> Result<Cursor, Error> {
    let tx = column::<&str>(row, "tx")?.parse();
    let position = Position {
        era: column(row, "era")?,
        tx: tx.map_err(unreadable("tx"))?,
        sequence: column(row, "sequence")?,
    };
    Ok(Cursor::new(position.to_string()))
}

pub(crate) fn created(row: &PgRow, owner: &OrgId) -> Result<CreateOutcome, Error> {
    Ok(match column(row, "outcome")? {
        "created" => CreateOutcome::Created(details(row, owner)?),
        "exists" => CreateOutcome::Exists,
        "replayed" => CreateOutcome::Replayed(details(row, owner)?),
        "reused" => CreateOutcome::OperationReused,
        _ => return Err(unheard_of()),
    })
}

pub(crate) fn committed(row: &PgRow, owner: &OrgId) -> Result<CommitOutcome, Error> {
    Ok(match column(row, "outcome")? {
        "code_rejected" => CommitOutcome::CodeRejected,
        "committed" => CommitOutcome::Committed(details(row, owner)?),
        "conflict" => CommitOutcome::Conflict,
        "not_found" => CommitOutcome::NotFound,
        "replayed" => CommitOutcome::Replayed(details(row, owner)?),
        "reused" => CommitOutcome::OperationReused,
        _ => return Err(unheard_of()),
    })
}

pub(crate) fn upgraded(row: &PgRow, owner: &OrgId) -> Result<UpgradeOutcome, Error> {
    Ok(match column(row, "outcome")? {
        "replayed" => UpgradeOutcome::Replayed(details(row, owner)?),
        "reused" => UpgradeOutcome::OperationReused,
        "superseded" => UpgradeOutcome::Superseded,
        "upgraded" => UpgradeOutcome::Upgraded(details(row, owner)?),
        _ => return Err(unheard_of()),
    })
}

pub(crate) fn taken(row: &PgRow) -> Result<AttemptOutcome, Error> {
    Ok(match column(row, "outcome")? {
        "busy" => AttemptOutcome::Busy {
            retry_in: wait(row)?,
        },
        "not_found" => AttemptOutcome::NotFound,
        "permitted" => AttemptOutcome::Permitted {
            failures: number(row, "settled")?,
        },
        "reused" => AttemptOutcome::OperationReused,
        "spent" => AttemptOutcome::Spent,
        "stopped" => AttemptOutcome::Stopped {
            failures: number(row, "settled")?,
        },
        "wait" => AttemptOutcome::Wait {
            retry_in: wait(row)?,
        },
        _ => return Err(unheard_of()),
    })
}

pub(crate) fn settled(row: &PgRow) -> Result<SettleOutcome, Error> {
    Ok(match column(row, "outcome")? {
        "expired" => SettleOutcome::Expired,
        "settled" => SettleOutcome::Settled {
            failures: number(row, "settled")?,
            locked: column(row, "was_locked")?,
        },
        _ => return Err(unheard_of()),
    })
}

pub(crate) fn document(row: &PgRow) -> Result<Document, Error> {
    let text = String::from_utf8(column(row, "text")?);
    let text = text.map_err(|_| unreadable("text")("it is not one"))?;
    let operation = bytes(row, "operation")?.map(OperationId::from_bytes);
    let operation = operation.ok_or_else(|| unreadable("operation")("the id is missing"))?;
    Ok(Document::new(
        text,
        operation,
        number(row, "revision")?,
        moment(row, "created")?,
        moment(row, "changed")?,
        some_moment(row, "expires")?,
    ))
}

/// What the write of a document came to, and whether that was before.
pub(crate) fn written(row: &PgRow) -> Result<(DocumentOutcome, bool), Error> {
    let replayed = match column(row, "outcome")? {
        "conflict" => return Ok((DocumentOutcome::Conflict, false)),
        "replayed" => true,
        "written" => false,
        _ => return Err(unheard_of()),
    };
    let written = DocumentOutcome::Written {
        revision: number(row, "at_revision")?,
        created: moment(row, "at_created")?,
        changed: moment(row, "at_changed")?,
    };
    Ok((written, replayed))
}

pub(crate) fn durability(row: &PgRow) -> Result<Durability, Error> {
    Ok(Durability {
        fsync: column(row, "fsync")?,
        full_page_writes: column(row, "full_page_writes")?,
        synchronous_commit: column(row, "synchronous_commit")?,
        standbys: column(row, "standbys")?,
    })
}

pub(crate) fn column<'r, T>(row: &'r PgRow, column: &'static str) -> Result<T, Error>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(unreadable(column))
}

fn details(row: &PgRow, owner: &OrgId) -> Result<ObjectDetails, Error> {
    let date = moment(row, "at_date")?;
    Ok(ObjectDetails::written(
        number(row, "at_sequence")?,
        date,
        owner.clone(),
    ))
}

/// Nanoseconds, which may be more than a number of the database can count.
fn wait(row: &PgRow) -> Result<Duration, Error> {
    let nanoseconds = column::<&str>(row, "retry_in")?.parse::<u128>();
    let nanoseconds = nanoseconds.map_err(unreadable("retry_in"))?;
    let seconds = u64::try_from(nanoseconds / NANOSECONDS).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanoseconds % NANOSECONDS).map_err(unreadable("retry_in"))?;
    Ok(Duration::new(seconds, rest))
}

fn key(row: &PgRow) -> Result<UserKey, Error> {
    let organisation = OrgId::new(column::<String>(row, "organisation")?);
    let organisation = organisation.map_err(unreadable("organisation"))?;
    let user = UserId::new(column::<String>(row, "user_id")?);
    Ok(UserKey::new(
        organisation,
        user.map_err(unreadable("user_id"))?,
    ))
}

fn bytes<const N: usize>(row: &PgRow, name: &'static str) -> Result<Option<[u8; N]>, Error> {
    let bytes = column::<Option<Vec<u8>>>(row, name)?.map(<[u8; N]>::try_from);
    let bytes = bytes.transpose();
    bytes.map_err(|_| unreadable(name)("the length is not the right one"))
}

fn name<T: FromStr<Err: Into<BoxError>>>(row: &PgRow, name: &'static str) -> Result<T, Error> {
    column::<&str>(row, name)?.parse().map_err(unreadable(name))
}

fn number<T: TryFrom<i64, Error: Into<BoxError>>>(
    row: &PgRow,
    name: &'static str,
) -> Result<T, Error> {
    T::try_from(column(row, name)?).map_err(unreadable(name))
}

fn moment(row: &PgRow, name: &'static str) -> Result<Timestamp, Error> {
    Ok(column::<Moment>(row, name)?.0)
}

fn some_moment(row: &PgRow, name: &'static str) -> Result<Option<Timestamp>, Error> {
    Ok(column::<Option<Moment>>(row, name)?.map(|moment| moment.0))
}

/// A date, whatever it is. The driver's own panics beyond the year 262142.
struct Moment(Timestamp);

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        <Timestamp as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Moment {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxError> {
        if value.format() == PgValueFormat::Text {
            return <Timestamp as Decode<Postgres>>::decode(value).map(Self);
        }
        let micros = <i64 as Decode<Postgres>>::decode(value)?.checked_add(YEAR_2000);
        let moment = micros.and_then(Timestamp::from_timestamp_micros);
        moment
            .map(Self)
            .ok_or_else(|| "the date is out of range".into())
    }
}

fn unheard_of() -> Error {
    unreadable("outcome")("the outcome is unknown to this release")
}

fn unreadable<E: Into<BoxError>>(column: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::Row {
        column,
        source: source.into(),
    }
}

/// From which PostgreSQL counts, in microseconds since 1970.
const YEAR_2000: i64 = 946_684_800_000_000;
const NANOSECONDS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let position = Position {
            era: 2,
            tx: u64::MAX,
            sequence: 7,
        };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        for text in [
            "", "1", "1.2", "1.2.", "+1.2.3", "1.-2.3", "1.2.3.4", "1.2.x", " 1.2.3",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
