//! Every statement that reaches the database. Values are bound, and nothing else varies.

use portcullis_core::{
    ObjectDetails, OperationId, UserId, UserKey,
    store::{
        AttemptState, Cursor, Event, EventPage, EventQuery, EventScope, Method, Permit, Subject,
    },
};
use sqlx::{
    Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::{
    error::Error,
    row,
    user::{Done, User},
};

/// What is in a file before anything is written to it.
pub(crate) struct Contents {
    pub(crate) application: i64,
    pub(crate) tables: i64,
}

/// Takes the write lock at once: a transaction that reads first could not always be upgraded.
pub(crate) async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Error> {
    pool.begin_with(BEGIN).await.map_err(Error::Statement)
}

pub(crate) async fn begin_on(
    connection: &mut SqliteConnection,
) -> Result<Transaction<'_, Sqlite>, Error> {
    connection.begin_with(BEGIN).await.map_err(Error::Statement)
}

pub(crate) async fn commit(transaction: Transaction<'_, Sqlite>) -> Result<(), Error> {
    transaction.commit().await.map_err(Error::Commit)
}

pub(crate) async fn contents(connection: &mut SqliteConnection) -> Result<Contents, Error> {
    let row = sqlx::query(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) AS tables \
         FROM pragma_application_id",
    );
    let row = row.fetch_one(connection).await.map_err(Error::Statement)?;
    Ok(Contents {
        application: row::column(&row, "application_id")?,
        tables: row::column(&row, "tables")?,
    })
}

/// Returns the journal mode that the file has now.
pub(crate) async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
) -> Result<String, Error> {
    let mode = sqlx::query_scalar("PRAGMA journal_mode = WAL");
    mode.fetch_one(connection).await.map_err(Error::Statement)
}

pub(crate) async fn check(connection: &mut SqliteConnection) -> Result<(), Error> {
    fetch(connection, sqlx::query("SELECT 1 FROM users LIMIT 1")).await?;
    Ok(())
}

pub(crate) async fn user(
    connection: &mut SqliteConnection,
    key: &UserKey,
) -> Result<Option<User>, Error> {
    // The hash is read as bytes, so that damage to it cannot make the row unreadable.
    let query = sqlx::query(
        "SELECT organisation, user, username, kind, state, CAST(hash AS BLOB) AS hash, \
         must_change, password_changed, code_digest, code_expires, code_guesses, version, \
         sequence, epoch, failures, last_failure, created, changed \
         FROM users WHERE organisation = ?1 AND user = ?2",
    );
    let query = query.bind(key.organisation().as_str());
    let row = fetch(connection, query.bind(key.user().as_str())).await?;
    row.as_ref().map(row::user).transpose()
}

pub(crate) async fn insert_user(
    connection: &mut SqliteConnection,
    user: &User,
) -> Result<(), Error> {
    let sql = "INSERT INTO users (organisation, user, username, kind, state, hash, must_change, \
         password_changed, code_digest, code_expires, code_guesses, version, sequence, epoch, \
         failures, last_failure, created, changed) \
         VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS TEXT), ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
         ?16, ?17, ?18)";
    run(connection, bind_user(sql, user)?).await
}

pub(crate) async fn update_user(
    connection: &mut SqliteConnection,
    user: &User,
) -> Result<(), Error> {
    let sql = "UPDATE users SET username = ?3, kind = ?4, state = ?5, hash = CAST(?6 AS TEXT), \
         must_change = ?7, password_changed = ?8, code_digest = ?9, code_expires = ?10, \
         code_guesses = ?11, version = ?12, sequence = ?13, epoch = ?14, failures = ?15, \
         last_failure = ?16, created = ?17, changed = ?18 \
         WHERE organisation = ?1 AND user = ?2";
    run(connection, bind_user(sql, user)?).await
}

pub(crate) async fn append(connection: &mut SqliteConnection, event: &Event) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO events (organisation, user, sequence, kind, version, state, failures, \
         must_change, hash_sha256, operation, editor, date) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    );
    let query = query
        .bind(event.key.organisation().as_str())
        .bind(event.key.user().as_str())
        .bind(row::signed(event.sequence)?)
        .bind(event.kind.as_str())
        .bind(row::signed(event.version.0)?)
        .bind(event.state.as_str())
        .bind(event.failures)
        .bind(event.must_change)
        .bind(event.hash.as_ref().map(|hash| hash.as_bytes().as_slice()))
        .bind(event.operation.as_bytes().as_slice())
        .bind(event.editor.as_ref().map(UserId::as_str))
        .bind(event.date.timestamp_micros());
    run(connection, query).await
}

pub(crate) async fn events(
    connection: &mut SqliteConnection,
    query: &EventQuery,
) -> Result<EventPage, Error> {
    let after = query.after.as_ref().map(|cursor| cursor.as_str().parse());
    let after: u64 = after.transpose().map_err(Error::Cursor)?.unwrap_or(0);
    let page = match &query.scope {
        EventScope::Outbox => {
            sqlx::query("SELECT * FROM events WHERE position > ?1 ORDER BY position LIMIT ?2")
        }
        EventScope::User(_) => sqlx::query(
            "SELECT * FROM events WHERE sequence > ?1 AND organisation = ?3 AND user = ?4 \
             ORDER BY sequence LIMIT ?2",
        ),
        _ => return Err(Error::Unsupported),
    };
    // Nothing comes after a position that the database cannot count to.
    let mut page = page.bind(i64::try_from(after).unwrap_or(i64::MAX));
    page = page.bind(query.limit.min(EventQuery::MAX_PAGE));
    if let EventScope::User(key) = &query.scope {
        page = page
            .bind(key.organisation().as_str())
            .bind(key.user().as_str());
    }
    let rows = page.fetch_all(connection).await.map_err(Error::Statement)?;
    let (mut events, mut next) = (Vec::with_capacity(rows.len()), query.after.clone());
    for row in &rows {
        let (position, event) = row::event(row)?;
        let outbox = query.scope == EventScope::Outbox;
        let cursor = if outbox { position } else { event.sequence };
        next = Some(Cursor::new(cursor.to_string()));
        events.push(event);
    }
    Ok(EventPage::new(events, next))
}

pub(crate) async fn operation(
    connection: &mut SqliteConnection,
    id: OperationId,
) -> Result<Option<Done>, Error> {
    let query = sqlx::query(
        "SELECT organisation, user, slot, method, sequence, changed, settled_failures, \
         settled_locked FROM operations WHERE id = ?1",
    );
    let row = fetch(connection, query.bind(id.as_bytes().as_slice())).await?;
    row.as_ref().map(row::done).transpose()
}

/// Gives an operation id its one use. An open permit has no details yet.
pub(crate) async fn remember(
    connection: &mut SqliteConnection,
    subject: &Subject,
    id: OperationId,
    method: Method,
    details: Option<&ObjectDetails>,
) -> Result<(), Error> {
    let query = bind_subject(
        "INSERT INTO operations (organisation, user, slot, id, method, sequence, changed) \
         VALUES (?1, NULLIF(?2, ''), NULLIF(?3, -1), ?4, ?5, ?6, ?7)",
        subject,
    )?;
    let query = query.bind(id.as_bytes().as_slice()).bind(method.as_str());
    run(connection, bind_details(query, details)?).await
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
    let query = query.bind(id.as_bytes().as_slice());
    let query = query.bind(settled.0).bind(settled.1);
    run(connection, bind_details(query, details)?).await
}

/// The open permits of a subject, in the order in which they were opened.
pub(crate) async fn permits(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<Vec<Permit>, Error> {
    let query = bind_subject(
        "SELECT id, expires, guesses_code FROM permits \
         WHERE organisation = ?1 AND user = ?2 AND slot = ?3 ORDER BY position",
        subject,
    )?;
    let rows = query
        .fetch_all(connection)
        .await
        .map_err(Error::Statement)?;
    rows.iter().map(row::permit).collect()
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
    let query = query.bind(permit.id.as_bytes().as_slice());
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
        run(connection, query.bind(permit.id.as_bytes().as_slice())).await?;
    }
    Ok(())
}

/// The budget of a sham, without its permits; an untouched one is empty.
pub(crate) async fn sham(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<AttemptState, Error> {
    let query = bind_subject(
        "SELECT failures, last_failure FROM shams WHERE organisation = ?1 AND slot = ?3",
        subject,
    )?;
    let row = fetch(connection, query).await?;
    let sham = row.as_ref().map(row::attempts).transpose();
    sham.map(Option::unwrap_or_default)
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

fn bind_user(sql: &'static str, user: &User) -> Result<Statement, Error> {
    let (record, attempts) = (&user.record, &user.attempts);
    let code = record.code.as_ref();
    Ok(sqlx::query(sql)
        .bind(record.key.organisation().as_str().to_owned())
        .bind(record.key.user().as_str().to_owned())
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
        .bind(record.changed.timestamp_micros()))
}

/// Binds a subject to the first three parameters: organisation, user, slot.
fn bind_subject(sql: &'static str, subject: &Subject) -> Result<Statement, Error> {
    let query = sqlx::query(sql);
    match subject {
        Subject::Sham { organisation, slot } => {
            let query = query.bind(organisation.as_str().to_owned());
            Ok(query.bind("").bind(i64::from(*slot)))
        }
        Subject::User(key) => {
            let query = query.bind(key.organisation().as_str().to_owned());
            Ok(query.bind(key.user().as_str().to_owned()).bind(-1_i64))
        }
        _ => Err(Error::Unsupported),
    }
}

/// Binds the next two parameters: sequence, changed.
fn bind_details<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    details: Option<&ObjectDetails>,
) -> Result<Query<'q, Sqlite, SqliteArguments>, Error> {
    let sequence = details
        .map(|details| row::signed(details.sequence))
        .transpose()?;
    let changed = details.and_then(|details| details.change_date);
    let changed = changed.map(|date| date.timestamp_micros());
    Ok(query.bind(sequence).bind(changed))
}

type Statement = Query<'static, Sqlite, SqliteArguments>;

async fn run(
    connection: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<(), Error> {
    query.execute(connection).await.map_err(Error::Statement)?;
    Ok(())
}

async fn fetch(
    connection: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<Option<SqliteRow>, Error> {
    let row = query.fetch_optional(connection).await;
    row.map_err(Error::Statement)
}

const BEGIN: &str = "BEGIN IMMEDIATE";

/// Makes a disk that is full, as far as the connections of this pool can tell.
#[cfg(test)]
pub(crate) async fn fill_disk(pool: &SqlitePool) {
    let query = sqlx::query("PRAGMA max_page_count = 1");
    query.execute(pool).await.unwrap();
}
