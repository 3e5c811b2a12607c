//! What can go wrong between a call and the database, and what it means to a caller.

use std::{error::Error as StdError, fmt};

use portcullis_core::{BoxError, StoreError, StoreErrorKind};
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::task::JoinError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no connection could be had")]
    Acquire(#[source] Failure),
    #[error("the answer of a statement that writes cannot be read")]
    Answer(#[source] BoxError),
    #[error("the cursor is not one of this store")]
    Cursor,
    #[error("the database is not encoded in UTF-8")]
    Encoding,
    #[error("the method is not one of a change")]
    Method,
    #[error("the schema cannot be brought up to date")]
    Migrate(#[source] Failure),
    #[error("the migration {0} was edited after it had been applied")]
    MigrationEdited(i64),
    #[error(
        "fsync, full_page_writes or synchronous_commit is off, so the server may lose what it \
         acknowledged"
    )]
    NotDurable,
    #[error("a number is too large for the database")]
    Range(#[source] std::num::TryFromIntError),
    #[error("a statement that only reads failed")]
    Read(#[source] Failure),
    #[error("the database is a standby")]
    ReadOnly,
    #[error("the column {column} cannot be read")]
    Row {
        column: &'static str,
        source: BoxError,
    },
    #[error("the schema's name is not a plain one")]
    Schema,
    #[error("the URL has a setting that is not known, or not so")]
    Setting,
    #[error("a reading statement was not answered in time")]
    SilentRead,
    #[error("a writing statement was not answered in time")]
    SilentWrite,
    #[error("a writing statement was left to itself")]
    Task(#[source] JoinError),
    #[error("the request is unknown to this release")]
    Unsupported,
    #[error("the URL is not one of a PostgreSQL server")]
    Url,
    #[error("a statement that writes failed")]
    Write(#[source] Failure),
}

/// What the driver reports, without what could repeat a stored value.
#[derive(Debug)]
pub(crate) enum Failure {
    Driver(sqlx::Error),
    Server(Report),
}

/// An error of the server. Its detail, hint and context are left out: they print rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    code: String,
    constraint: Option<String>,
    message: Option<String>,
    /// Whether the server ended the connection with it.
    fatal: bool,
}

impl Error {
    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Acquire(failure) | Self::Migrate(failure) | Self::Read(failure) => {
                failure.kind(Step::Read)
            }
            Self::Write(failure) => failure.kind(Step::Write),
            Self::ReadOnly | Self::SilentRead => StoreErrorKind::Unavailable,
            Self::Answer(_) | Self::SilentWrite | Self::Task(_) => StoreErrorKind::OutcomeUnknown,
            Self::Cursor
            | Self::Encoding
            | Self::Method
            | Self::NotDurable
            | Self::Schema
            | Self::Setting
            | Self::Url => StoreErrorKind::Misuse,
            Self::MigrationEdited(_) | Self::Range(_) | Self::Unsupported => {
                StoreErrorKind::Internal
            }
            Self::Row { .. } => StoreErrorKind::Corrupt,
        }
    }

    /// Whether the operation id was used before. A change finds out by this alone; anything else
    /// only if another subject took the id while its own transaction ran.
    ///
    /// A partition's key has a name of its own, which begins with that of its table.
    pub(crate) fn is_operation_taken(&self) -> bool {
        let Self::Write(Failure::Server(report)) = self else {
            return false;
        };
        let name = report.constraint.as_deref().unwrap_or_default();
        report.code == "23505" && name.starts_with("operations")
    }

    /// Whether the connection is of no more use, though it may look alive: it is broken, or it
    /// leads to a server that has become a standby.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Read(Failure::Server(report)) | Self::Write(Failure::Server(report)) => {
                report.fatal || report.code == "25006"
            }
            Self::Read(Failure::Driver(_))
            | Self::SilentRead
            | Self::SilentWrite
            | Self::Write(Failure::Driver(_)) => true,
            _ => false,
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.kind()).with_source(error)
    }
}

/// What was going on: nothing is left of what only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read,
    Write,
}

impl Failure {
    fn kind(&self, step: Step) -> StoreErrorKind {
        match self {
            Self::Driver(error) => driver_kind(error, step),
            Self::Server(report) => report.kind(step),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let report = error.as_database_error().map(|error| Report {
            code: error.code().unwrap_or_default().into_owned(),
            constraint: error.constraint().map(str::to_owned),
            message: error
                .code()
                .filter(|code| !code.starts_with("22"))
                .map(|_| {
                    // What a value should have been is told with the value.
                    error.message().to_owned()
                }),
            fatal: error
                .try_downcast_ref::<PgDatabaseError>()
                .is_none_or(|error| error.severity() != PgSeverity::Error),
        });
        report.map_or(Self::Driver(error), Self::Server)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(_) => f.write_str("the driver gave up"),
            Self::Server(report) => {
                write!(f, "the server reported {}", report.code)?;
                let message = report.message.as_deref();
                message.map_or(Ok(()), |message| write!(f, ": {message}"))
            }
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Driver(error) => Some(error),
            Self::Server(_) => None,
        }
    }
}

impl Report {
    /// A plain error takes everything back that the statement did. A fatal one may come at any
    /// time, between the commit and its answer too.
    fn kind(&self, step: Step) -> StoreErrorKind {
        if step == Step::Write && (self.fatal || self.code.starts_with("08")) {
            return StoreErrorKind::OutcomeUnknown;
        }
        code_kind(&self.code)
    }
}

/// What an SQLSTATE means where nothing was written.
fn code_kind(code: &str) -> StoreErrorKind {
    let class = code.get(..2).unwrap_or_default();
    match (code, class) {
        // NUL in a text, a character or a date that the database cannot store, an index row that
        // is too long; a pooler that was not named as one.
        ("22021" | "22P05" | "22008" | "54000" | "26000" | "42P05", _)
        // Transactions that would not see what they waited for.
        | ("25000", _) => StoreErrorKind::Misuse,
        // A standby; the schema is not there yet; the disk.
        ("25006" | "3F000" | "42P01" | "42883" | "58030", _)
        // Cancelled, locked, in a deadlock, out of resources, shutting down, not reached.
        | (_, "08" | "40" | "53" | "55" | "57") => StoreErrorKind::Unavailable,
        (_, "XX") if code != "XX000" => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Internal,
    }
}

fn driver_kind(error: &sqlx::Error, step: Step) -> StoreErrorKind {
    match error {
        // Nothing was sent.
        sqlx::Error::PoolClosed | sqlx::Error::PoolTimedOut => StoreErrorKind::Unavailable,
        sqlx::Error::Encode(_) => StoreErrorKind::Misuse,
        _ if step == Step::Write => StoreErrorKind::OutcomeUnknown,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreErrorKind::Corrupt,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            StoreErrorKind::Unavailable
        }
        _ => StoreErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use StoreErrorKind::{Corrupt, Internal, Misuse, OutcomeUnknown, Unavailable};

    fn report(code: &str, fatal: bool) -> Failure {
        Failure::Server(Report {
            code: code.to_owned(),
            constraint: None,
            message: None,
            fatal,
        })
    }

    fn kind(error: Error) -> StoreErrorKind {
        StoreError::from(error).kind()
    }

    #[test]
    fn every_sqlstate_is_classified_for_what_reads_and_what_writes() {
        let table = [
            ("08006 connection_failure", Unavailable, OutcomeUnknown),
            ("08P01 protocol_violation", Unavailable, OutcomeUnknown),
            ("0A000 feature_not_supported", Internal, Internal),
            ("22008 datetime_field_overflow", Misuse, Misuse),
            ("22021 character_not_in_repertoire", Misuse, Misuse),
            ("22P02 invalid_text_representation", Internal, Internal),
            ("22P05 untranslatable_character", Misuse, Misuse),
            ("23505 unique_violation", Internal, Internal),
            ("23514 check_violation", Internal, Internal),
            ("25000 invalid_transaction_state", Misuse, Misuse),
            ("25006 read_only_sql_transaction", Unavailable, Unavailable),
            ("26000 invalid_sql_statement_name", Misuse, Misuse),
            ("28P01 invalid_password", Internal, Internal),
            ("3D000 invalid_catalog_name", Internal, Internal),
            ("3F000 invalid_schema_name", Unavailable, Unavailable),
            ("40001 serialization_failure", Unavailable, Unavailable),
            ("40P01 deadlock_detected", Unavailable, Unavailable),
            ("42501 insufficient_privilege", Internal, Internal),
            ("42601 syntax_error", Internal, Internal),
            ("42883 undefined_function", Unavailable, Unavailable),
            ("42P01 undefined_table", Unavailable, Unavailable),
            ("42P05 duplicate_prepared_statement", Misuse, Misuse),
            ("53100 disk_full", Unavailable, Unavailable),
            ("53200 out_of_memory", Unavailable, Unavailable),
            ("53300 too_many_connections", Unavailable, Unavailable),
            ("54000 program_limit_exceeded", Misuse, Misuse),
            ("55P03 lock_not_available", Unavailable, Unavailable),
            ("57014 query_canceled", Unavailable, Unavailable),
            ("58030 io_error", Unavailable, Unavailable),
            ("XX000 internal_error", Internal, Internal),
            ("XX001 data_corrupted", Corrupt, Corrupt),
            ("XX002 index_corrupted", Corrupt, Corrupt),
        ];
        for (name, read, write) in table {
            let code = &name[..5];
            assert_eq!(kind(Error::Acquire(report(code, false))), read, "{name}");
            assert_eq!(kind(Error::Migrate(report(code, false))), read, "{name}");
            assert_eq!(kind(Error::Read(report(code, false))), read, "{name}");
            assert_eq!(kind(Error::Write(report(code, false))), write, "{name}");
        }
    }

    #[test]
    fn what_ends_the_connection_may_come_after_the_commit() {
        for code in ["57P01", "57P02", "57P03", "53300", "XX000"] {
            assert_eq!(
                kind(Error::Write(report(code, true))),
                OutcomeUnknown,
                "{code}"
            );
            assert!(Error::Write(report(code, true)).ends_connection());
        }
        for code in ["57P01", "57P02", "57P03", "53300"] {
            assert_eq!(kind(Error::Read(report(code, true))), Unavailable, "{code}");
            assert_eq!(
                kind(Error::Acquire(report(code, true))),
                Unavailable,
                "{code}"
            );
        }
    }

    #[test]
    fn failures_of_the_driver_are_classified_for_what_reads_and_what_writes() {
        let table = [
            (|| sqlx::Error::PoolTimedOut, Unavailable, Unavailable),
            (|| sqlx::Error::PoolClosed, Unavailable, Unavailable),
            (|| sqlx::Error::Encode("x".into()), Misuse, Misuse),
            (|| sqlx::Error::WorkerCrashed, Unavailable, OutcomeUnknown),
            (
                || io::Error::from(io::ErrorKind::BrokenPipe).into(),
                Unavailable,
                OutcomeUnknown,
            ),
            (
                || sqlx::Error::Protocol("x".into()),
                Unavailable,
                OutcomeUnknown,
            ),
            (|| sqlx::Error::Decode("x".into()), Corrupt, OutcomeUnknown),
            (|| sqlx::Error::Tls("x".into()), Internal, OutcomeUnknown),
        ] as [(fn() -> sqlx::Error, _, _); 8];
        for (error, read, write) in table {
            assert_eq!(kind(Error::Read(error().into())), read, "{:?}", error());
            assert_eq!(kind(Error::Write(error().into())), write, "{:?}", error());
        }
    }

    #[test]
    fn only_the_key_of_operations_means_a_taken_id() {
        let violation = |code: &str, constraint: &str| {
            Error::Write(Failure::Server(Report {
                code: code.to_owned(),
                constraint: Some(constraint.to_owned()),
                message: None,
                fatal: false,
            }))
        };
        assert!(violation("23505", "operations_pkey").is_operation_taken());
        assert!(violation("23505", "operations_p7_pkey").is_operation_taken());
        assert!(!violation("23505", "events_pkey").is_operation_taken());
        assert!(!violation("23514", "operations_check").is_operation_taken());
    }

    #[test]
    fn the_cause_is_kept() {
        let error = StoreError::from(Error::Read(sqlx::Error::PoolTimedOut.into()));
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "a statement that only reads failed");
        assert!(cause.source().unwrap().source().is_some());
    }
}
