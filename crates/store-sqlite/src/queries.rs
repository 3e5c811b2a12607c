//! Every statement that reaches the database. Values are bound, and nothing else varies.

mod documents;
mod writing;

use portcullis_core::{
    OperationId, UserKey,
    store::{AttemptState, Cursor, EventPage, EventQuery, EventScope, Permit, Subject},
};
use sqlx::{
    Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

pub(crate) use documents::{document, save_document};
pub(crate) use writing::{
    Use, close_permits, open_permit, remember_permit, remember_settled, save, save_sham,
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
    let query = sqlx::query(USER).bind(None::<&[u8]>);
    let query = query.bind(key.organisation().as_str());
    let row = fetch(connection, query.bind(key.user().as_str())).await?;
    row.as_ref().map(row::user).transpose()
}

/// What a mutation of a user asks before it decides, in one go: each question by itself would wait
/// for the driver's thread. An answer is read when it is looked at, as damage may be in another.
pub(crate) struct Known {
    rows: Vec<SqliteRow>,
}

impl Known {
    pub(crate) async fn of(
        connection: &mut SqliteConnection,
        id: OperationId,
        key: &UserKey,
    ) -> Result<Self, Error> {
        let query = sqlx::query(KNOWN)
            .bind(id.as_bytes().as_slice())
            .bind(key.organisation().as_str())
            .bind(key.user().as_str());
        let rows = query.fetch_all(connection).await;
        let rows = rows.map_err(Error::Statement)?;
        Ok(Self { rows })
    }

    /// What the operation id was used for.
    pub(crate) fn operation(&self) -> Result<Option<Done>, Error> {
        let mut rows = self.part("operation");
        rows.next().map(row::done).transpose()
    }

    /// The user, without its permits.
    pub(crate) fn user(&self) -> Result<Option<User>, Error> {
        let mut rows = self.part("user");
        rows.next().map(row::user).transpose()
    }

    /// The user's open permits, in the order in which they were opened.
    pub(crate) fn permits(&self) -> Result<Vec<Permit>, Error> {
        self.part("permit").map(row::permit).collect()
    }

    fn part(&self, part: &str) -> impl Iterator<Item = &SqliteRow> {
        let is =
            move |row: &&SqliteRow| row::column::<&str>(row, "part").is_ok_and(|of| of == part);
        self.rows.iter().filter(is)
    }
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
    let query = sqlx::query(OPERATION).bind(id.as_bytes().as_slice());
    let row = fetch(connection, query).await?;
    row.as_ref().map(row::done).transpose()
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

/// A statement that is sent alone and with others. Its parameters are numbered with `$`, because
/// the driver counts the gaps that `?` would leave.
macro_rules! operation {
    () => {
        "SELECT 'operation' AS part, organisation, user, slot, method, sequence, changed, \
         settled_failures, settled_locked FROM operations WHERE id = $1;"
    };
}

// The hash is read as bytes, so that damage to it cannot make the row unreadable.
macro_rules! user {
    () => {
        "SELECT 'user' AS part, organisation, user, username, kind, state, \
         CAST(hash AS BLOB) AS hash, must_change, password_changed, code_digest, code_expires, \
         code_guesses, version, sequence, epoch, failures, last_failure, created, changed \
         FROM users WHERE organisation = $2 AND user = $3;"
    };
}

const OPERATION: &str = operation!();
const USER: &str = user!();
const KNOWN: &str = concat!(
    operation!(),
    user!(),
    "SELECT 'permit' AS part, id, expires, guesses_code FROM permits \
     WHERE organisation = $2 AND user = $3 AND slot = -1 ORDER BY position"
);

/// Makes a disk that is full, as far as the connections of this pool can tell.
#[cfg(test)]
pub(crate) async fn fill_disk(pool: &SqlitePool) {
    let query = sqlx::query("PRAGMA max_page_count = 1");
    query.execute(pool).await.unwrap();
}

/// What the connections of this pool wait for at a commit: 2 is FULL.
#[cfg(test)]
pub(crate) async fn synchronous(pool: &SqlitePool) -> i64 {
    let query = sqlx::query_scalar("PRAGMA synchronous");
    query.fetch_one(pool).await.unwrap()
}
