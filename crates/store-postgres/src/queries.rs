//! Every statement that reaches the database. Values are bound, and only the schema varies.

use portcullis_core::{
    OperationId, Timestamp, UserId, UserKey,
    store::{
        AttemptRequest, Change, CodeChange, CredentialChange, Cursor, DocumentKey, DocumentWrite,
        EventQuery, EventScope, HashUpgrade, Method, NewUser, Settlement, Subject, Verification,
    },
};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::{
    call::{Call, Value},
    error::Error,
    row::{self, Position},
};

/// The statements over one schema, written once.
#[derive(Debug)]
pub(crate) struct Queries {
    check: SqlStr,
    commit: SqlStr,
    commit_for: SqlStr,
    confirm: SqlStr,
    create: SqlStr,
    document: SqlStr,
    durability: SqlStr,
    guard: SqlStr,
    load: SqlStr,
    operation: SqlStr,
    outbox: SqlStr,
    seen: SqlStr,
    settle: SqlStr,
    take: SqlStr,
    upgrade: SqlStr,
    user_events: SqlStr,
    write_document: SqlStr,
}

impl Queries {
    /// A role that may only call functions reads through them too; any other reads a user by its
    /// primary key, the shortest way there is.
    pub(crate) fn new(schema: &str, guarded: bool) -> Self {
        let call = |columns: &str, function: &str, parameters: usize| {
            let list: Vec<_> = (1..=parameters).map(|n| format!("${n}")).collect();
            let list = list.join(", ");
            sql(format!("SELECT {columns} FROM {schema}.{function}({list})"))
        };
        let load = if guarded {
            call(USER, "load_user", 2)
        } else {
            sql(format!(
                "SELECT {USER} FROM {schema}.users WHERE organisation = $1 AND user_id = $2"
            ))
        };
        Self {
            check: call("is_writable", "is_writable", 0),
            commit: call(MUTATION, "commit_change", 16),
            commit_for: commit_for(schema),
            confirm: sql(CONFIRM.to_owned()),
            create: call(MUTATION, "create_identity", 11),
            document: call(DOCUMENT, "read_document", 3),
            durability: sql(DURABILITY.to_owned()),
            guard: call("guard::text", "guard", 2),
            load,
            operation: call("method, sequence, changed", "load_operation", 3),
            outbox: call(EVENT, "outbox", 4),
            seen: call(MUTATION, "seen", 4),
            settle: call("outcome, settled, was_locked", "settle_attempt", 7),
            take: call("outcome, settled, retry_in", "take_attempt", 11),
            upgrade: call(MUTATION, "upgrade_hash", 6),
            user_events: call(EVENT, "user_events", 4),
            write_document: call(WRITTEN, "write_document", 7),
        }
    }

    pub(crate) fn check(&self) -> Call {
        Call::new(&self.check)
    }

    /// Where commits wait for standbys, a commit that ends once they have everything before it.
    pub(crate) fn confirm(&self) -> Call {
        Call::new(&self.confirm)
    }

    pub(crate) fn durability(&self) -> Call {
        Call::new(&self.durability)
    }

    pub(crate) fn guard(&self, owner: &str, app: &str) -> Call {
        Call::new(&self.guard).text(owner).text(app)
    }

    pub(crate) fn load(&self, key: &UserKey) -> Call {
        of(&self.load, key)
    }

    pub(crate) fn operation(&self, key: &UserKey, id: OperationId) -> Call {
        of(&self.operation, key).bytes(id.as_bytes())
    }

    /// What an operation id was used for, as the answer of a mutation by this method.
    pub(crate) fn seen(&self, key: &UserKey, id: OperationId, method: Method) -> Call {
        of(&self.seen, key)
            .bytes(id.as_bytes())
            .text(method.as_str())
    }

    pub(crate) fn events(&self, query: &EventQuery) -> Result<Call, Error> {
        let limit = query.limit.min(EventQuery::MAX_PAGE);
        let after = query.after.as_ref().map(Cursor::as_str);
        Ok(match &query.scope {
            EventScope::Outbox => {
                let after = after.map_or(Ok(Position::START), str::parse)?;
                let call = Call::new(&self.outbox).with(Value::Small(after.era));
                call.text(after.tx.to_string())
                    .number(after.sequence)
                    .number(limit)
            }
            EventScope::User(key) => {
                let after: u64 = after.map_or(Ok(0), row::number_in)?;
                // Nothing comes after a sequence that the database cannot count to.
                let after = i64::try_from(after).unwrap_or(i64::MAX);
                of(&self.user_events, key).number(after).number(limit)
            }
            _ => return Err(Error::Unsupported),
        })
    }

    pub(crate) fn create(&self, user: &NewUser, now: Option<Timestamp>) -> Call {
        let hash = user.hash.as_ref().map(|hash| hash.as_stored().to_owned());
        of(&self.create, &user.key)
            .bytes(user.operation.as_bytes())
            .text(user.username.as_str())
            .text(user.kind.as_str())
            .text(user.state.as_str())
            .with(Value::Text(hash))
            .flag(user.must_change)
            .text(user.event().as_str())
            .with(editor(user.editor.as_ref()))
            .with(Value::Moment(now))
    }

    pub(crate) fn commit(&self, change: &Change, now: Option<Timestamp>) -> Result<Call, Error> {
        if !change.method.is_committed() {
            return Err(Error::Method);
        }
        // No version is as large as what does not fit.
        let expected = i64::try_from(change.expected.0).unwrap_or(i64::MAX);
        let text = match &change.code {
            CodeChange::IssueFor { .. } => &self.commit_for,
            _ => &self.commit,
        };
        let call = of(text, &change.key)
            .bytes(change.operation.as_bytes())
            .text(change.method.as_str())
            .number(expected);
        let call = match &change.credential {
            CredentialChange::Keep => call.text("keep").with(Value::Text(None)).flag(false),
            CredentialChange::Remove => call.text("remove").with(Value::Text(None)).flag(false),
            CredentialChange::Replace { hash, must_change } => call
                .text("replace")
                .text(hash.as_stored())
                .flag(*must_change),
            _ => return Err(Error::Unsupported),
        };
        let state = change.state.map(|state| state.as_str().to_owned());
        let call = with_code(call.with(Value::Text(state)), &change.code)?;
        let events = change.events().iter().map(|kind| kind.as_str()).collect();
        Ok(call
            .with(editor(change.editor.as_ref()))
            .with(Value::Texts(events))
            .with(Value::Moment(now)))
    }

    pub(crate) fn upgrade(&self, upgrade: &HashUpgrade, now: Option<Timestamp>) -> Call {
        of(&self.upgrade, &upgrade.key)
            .bytes(upgrade.operation.as_bytes())
            .text(upgrade.verified.as_stored())
            .text(upgrade.replacement.as_stored())
            .with(Value::Moment(now))
    }

    pub(crate) fn take(
        &self,
        request: &AttemptRequest,
        now: Option<Timestamp>,
    ) -> Result<Call, Error> {
        let limits = &request.limits;
        let lease = limits.lease.as_micros().min(LONGEST_LEASE);
        let lease = i64::try_from(lease).map_err(Error::Range)?;
        let waits = limits.waits.as_ref();
        let first = waits.map(|waits| waits.first.as_nanos().to_string());
        let max = waits.map(|waits| waits.max.as_nanos().to_string());
        let call = by(&self.take, &request.subject)?
            .bytes(request.permit.as_bytes())
            .flag(request.guessed_code)
            .number(limits.limit())
            .number(lease);
        Ok(call
            .with(Value::Number(waits.map(|waits| waits.after.into())))
            .with(Value::Text(first))
            .with(Value::Text(max))
            .with(Value::Moment(now)))
    }

    pub(crate) fn settle(
        &self,
        settlement: &Settlement,
        now: Option<Timestamp>,
    ) -> Result<Call, Error> {
        let (verification, lock_at) = match settlement.verification {
            Verification::Abandoned => ("abandoned", None),
            Verification::Right => ("right", None),
            Verification::Wrong { lock_at } => ("wrong", lock_at),
            _ => return Err(Error::Unsupported),
        };
        Ok(by(&self.settle, &settlement.subject)?
            .bytes(settlement.permit.as_bytes())
            .text(verification)
            .with(Value::Number(lock_at.map(i64::from)))
            .with(Value::Moment(now)))
    }

    pub(crate) fn document(&self, key: &DocumentKey, now: Option<Timestamp>) -> Call {
        at(&self.document, key).with(Value::Moment(now))
    }

    pub(crate) fn write_document(
        &self,
        write: &DocumentWrite,
        now: Option<Timestamp>,
    ) -> Result<Call, Error> {
        // No revision is as large as what does not fit.
        let expected = write
            .expected
            .map(|revision| i64::try_from(revision).unwrap_or(i64::MAX));
        let text = write.text.as_ref().map(|text| text.as_bytes().to_vec());
        let ttl = write
            .ttl
            .map(|ttl| i64::try_from(ttl.as_micros().min(LONGEST_LEASE)));
        let ttl = if write.keeps_end {
            Some(KEEP_END)
        } else {
            ttl.transpose().map_err(Error::Range)?
        };
        Ok(at(&self.write_document, &write.key)
            .bytes(write.operation.as_bytes())
            .with(Value::Number(expected))
            .with(Value::Bytes(text))
            .with(Value::Number(ttl))
            .with(Value::Moment(now)))
    }
}

/// A change that issues a code for so many microseconds, in place of the end: that is worked out by
/// the clock that the function goes by.
fn commit_for(schema: &str) -> SqlStr {
    let parameters = (1..=16).map(|n| match n {
        12 => END.to_owned(),
        n => format!("${n}"),
    });
    let list: Vec<_> = parameters.collect();
    let list = list.join(", ");
    sql(format!(
        "SELECT {MUTATION} FROM {schema}.commit_change({list})"
    ))
}

/// A statement about a document: its first two parameters.
fn at(text: &SqlStr, key: &DocumentKey) -> Call {
    Call::new(text).text(key.kind().as_str()).text(key.name())
}

/// A statement about a user: its first two parameters.
fn of(text: &SqlStr, key: &UserKey) -> Call {
    let call = Call::new(text).text(key.organisation().as_str());
    call.text(key.user().as_str())
}

/// A statement about a subject: its first three parameters.
fn by(text: &SqlStr, subject: &Subject) -> Result<Call, Error> {
    match subject {
        Subject::Sham { organisation, slot } => {
            let call = Call::new(text).text(organisation.as_str());
            Ok(call
                .text(slot.to_string())
                .with(Value::Small((*slot).into())))
        }
        Subject::User(key) => Ok(of(text, key).with(Value::Small(-1))),
        _ => Err(Error::Unsupported),
    }
}

/// Binds the next four parameters: what happens, digest, end, guesses.
fn with_code(call: Call, change: &CodeChange) -> Result<Call, Error> {
    Ok(match change {
        CodeChange::Consume {
            digest,
            max_guesses,
        } => {
            let call = call.text("consume").bytes(digest);
            call.with(Value::Moment(None)).number(*max_guesses)
        }
        CodeChange::Issue(code) => {
            let call = call.text("issue").bytes(&code.digest);
            call.with(Value::Moment(Some(code.expires)))
                .number(code.guesses)
        }
        CodeChange::IssueFor { digest, ttl } => {
            let ttl = i64::try_from(ttl.as_micros().min(LONGEST_LEASE)).map_err(Error::Range)?;
            let call = call.text("issue").bytes(digest);
            call.number(ttl).number(0)
        }
        CodeChange::Keep => {
            let call = call.text("keep").with(Value::Bytes(None));
            call.with(Value::Moment(None)).with(Value::Number(None))
        }
        _ => return Err(Error::Unsupported),
    })
}

fn editor(editor: Option<&UserId>) -> Value {
    Value::Text(editor.map(|editor| editor.as_str().to_owned()))
}

/// The schema's name was checked to need no quotes, and nothing else was put into the text.
fn sql(text: String) -> SqlStr {
    AssertSqlSafe(text).into_sql_str()
}

const USER: &str = "organisation, user_id, username, kind, state, hash, must_change, \
    password_changed, code_digest, code_expires, code_guesses, version, sequence, epoch, \
    failures, created, changed";
/// The driver has no name for the type of `tx`.
const EVENT: &str = "organisation, user_id, sequence, kind, version, state, failures, \
    must_change, hash_sha256, operation, editor, date, era, tx::text AS tx";
const DOCUMENT: &str = "text, operation, revision, created, changed, expires";
const WRITTEN: &str = "outcome, at_revision, at_created, at_changed";
const MUTATION: &str = "outcome, at_sequence, at_date";
const END: &str = "least(coalesce($16::timestamptz, clock_timestamp()) \
    + $12::bigint * interval '1 microsecond', '262142-12-31 23:59:59.999999+00'::timestamptz)";
const CONFIRM: &str = "SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' \
    THEN pg_logical_emit_message(true, 'portcullis', '')::text END";
const DURABILITY: &str = "SELECT current_setting('fsync')::boolean AS fsync, \
    current_setting('full_page_writes')::boolean AS full_page_writes, \
    current_setting('synchronous_commit') AS synchronous_commit, \
    current_setting('synchronous_standby_names') <> '' AS standbys";
/// In place of a time that passes: the document ends when the present one does.
const KEEP_END: i64 = -1;
/// 31,000 years in microseconds: no date that is so much later than one of ours is out of range.
const LONGEST_LEASE: u128 = 1_000_000_000_000_000_000;
