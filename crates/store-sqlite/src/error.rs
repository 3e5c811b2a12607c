//! What can go wrong between a call and the file, and what it means to a caller.

use std::io;

use portcullis_core::{BoxError, StoreError, StoreErrorKind};
use sqlx::migrate::MigrateError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a commit was not confirmed")]
    Commit(#[source] sqlx::Error),
    #[error("the database file cannot be created")]
    Create(#[source] io::Error),
    #[error("the cursor is not one of this store")]
    Cursor(#[source] std::num::ParseIntError),
    #[error("the file is the database of another application")]
    Foreign,
    #[error("the method is not one of a change")]
    Method,
    #[error("the schema cannot be brought up to date")]
    Migrate(#[source] MigrateError),
    #[error("there is no store in this place")]
    Missing,
    #[error("the file system does not support a write-ahead log")]
    NoWriteAheadLog,
    #[error("the database cannot be opened")]
    Open(#[source] sqlx::Error),
    #[error("a number is too large for the database")]
    Range(#[source] std::num::TryFromIntError),
    #[error("the column {column} cannot be read")]
    Row {
        column: &'static str,
        source: BoxError,
    },
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
    #[error("the request is unknown to this release")]
    Unsupported,
}

impl Error {
    /// Whether another connection was in the way.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Open(error) | Self::Statement(error) => {
                matches!(result_code(error), Some(BUSY | LOCKED))
            }
            _ => false,
        }
    }

    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Commit(error) => match result_code(error) {
                // SQLite takes these two back before it reports them.
                Some(BUSY | FULL) => StoreErrorKind::Unavailable,
                _ => StoreErrorKind::OutcomeUnknown,
            },
            Self::Create(_) | Self::Missing => StoreErrorKind::Unavailable,
            Self::Cursor(_) | Self::Foreign | Self::Method => StoreErrorKind::Misuse,
            Self::Migrate(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            )
            | Self::Open(error)
            | Self::Statement(error) => driver_kind(error),
            Self::Migrate(_) | Self::NoWriteAheadLog | Self::Range(_) | Self::Unsupported => {
                StoreErrorKind::Internal
            }
            Self::Row { .. } => StoreErrorKind::Corrupt,
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.kind()).with_source(error)
    }
}

fn driver_kind(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::Database(_) => {
            result_code(error).map_or(StoreErrorKind::Internal, result_kind)
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreErrorKind::Corrupt,
        sqlx::Error::Io(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Internal,
    }
}

/// What a primary result code means before anything was committed.
const fn result_kind(code: i32) -> StoreErrorKind {
    match code {
        BUSY | CANTOPEN | FULL | IOERR | LOCKED | PROTOCOL => StoreErrorKind::Unavailable,
        CORRUPT | NOTADB => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Internal,
    }
}

/// The low byte of the extended result code, which is all that the driver reports.
fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

// https://www.sqlite.org/rescode.html
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const NOTADB: i32 = 26;

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, error::Error as StdError, fmt};

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    #[derive(Debug)]
    struct Reported(i32);

    impl fmt::Display for Reported {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.0)
        }
    }

    impl StdError for Reported {}

    impl DatabaseError for Reported {
        fn message(&self) -> &'static str {
            "reported"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn reported(code: i32) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Reported(code)))
    }

    #[test]
    fn result_codes_are_classified_at_every_step() {
        use StoreErrorKind::{Corrupt, Internal, OutcomeUnknown, Unavailable};
        let table = [
            ("SQLITE_ERROR", 1, Internal, OutcomeUnknown),
            ("SQLITE_BUSY", 5, Unavailable, Unavailable),
            ("SQLITE_BUSY_SNAPSHOT", 517, Unavailable, Unavailable),
            ("SQLITE_LOCKED", 6, Unavailable, OutcomeUnknown),
            ("SQLITE_READONLY", 8, Internal, OutcomeUnknown),
            ("SQLITE_IOERR_FSYNC", 1034, Unavailable, OutcomeUnknown),
            ("SQLITE_CORRUPT", 11, Corrupt, OutcomeUnknown),
            ("SQLITE_FULL", 13, Unavailable, Unavailable),
            ("SQLITE_CANTOPEN", 14, Unavailable, OutcomeUnknown),
            ("SQLITE_PROTOCOL", 15, Unavailable, OutcomeUnknown),
            ("SQLITE_CONSTRAINT_UNIQUE", 2067, Internal, OutcomeUnknown),
            ("SQLITE_NOTADB", 26, Corrupt, OutcomeUnknown),
        ];
        for (name, code, statement, commit) in table {
            let kind = |error: Error| StoreError::from(error).kind();
            assert_eq!(kind(Error::Statement(reported(code))), statement, "{name}");
            assert_eq!(kind(Error::Open(reported(code))), statement, "{name}");
            let migrate = MigrateError::ExecuteMigration(reported(code), 1);
            assert_eq!(kind(Error::Migrate(migrate)), statement, "{name}");
            assert_eq!(kind(Error::Commit(reported(code))), commit, "{name}");
        }
    }

    #[test]
    fn failures_of_the_driver_are_classified_at_every_step() {
        use StoreErrorKind::{Corrupt, Internal, Unavailable};
        let table = [
            (sqlx::Error::PoolTimedOut, Unavailable),
            (sqlx::Error::PoolClosed, Unavailable),
            (sqlx::Error::WorkerCrashed, Unavailable),
            (sqlx::Error::Io(io::ErrorKind::NotFound.into()), Unavailable),
            (sqlx::Error::Decode("damaged".into()), Corrupt),
            (sqlx::Error::RowNotFound, Internal),
        ];
        for (error, kind) in table {
            let text = format!("{error:?}");
            assert_eq!(
                StoreError::from(Error::Statement(error)).kind(),
                kind,
                "{text}"
            );
        }
        let lost = StoreError::from(Error::Commit(sqlx::Error::WorkerCrashed));
        assert_eq!(lost.kind(), StoreErrorKind::OutcomeUnknown);
    }

    #[test]
    fn the_cause_is_kept() {
        let error = StoreError::from(Error::Statement(reported(5)));
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "a statement failed");
        assert!(cause.source().is_some());
    }
}
