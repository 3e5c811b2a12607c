//! What the driver and the server report, and what each SQLSTATE means.

use std::{error::Error as StdError, fmt};

use portcullis_core::StoreErrorKind;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

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

/// What was going on: nothing is left of what only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Read,
    Write,
}

impl Failure {
    pub(super) fn kind(&self, step: Step) -> StoreErrorKind {
        match self {
            Self::Driver(error) => driver_kind(error, step),
            Self::Server(report) => report.kind(step),
        }
    }

    /// Whether a key of this table is taken. A partition's key has a name of its own, which
    /// begins with that of its table.
    pub(super) fn is_taken(&self, table: &str) -> bool {
        let Self::Server(report) = self else {
            return false;
        };
        let name = report.constraint.as_deref().unwrap_or_default();
        report.code == "23505" && name.starts_with(table)
    }

    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Driver(_) => true,
            Self::Server(report) => report.fatal || report.code == "25006",
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
        ("25006" | "3F000" | "42P01" | "42P13" | "42883" | "58030", _)
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

    use StoreErrorKind::{Corrupt, Internal, Misuse, OutcomeUnknown, Unavailable};
    use portcullis_core::StoreError;

    use super::*;
    use crate::error::Error;

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
            // A table that gains a column under a call: its functions are read again next time.
            (
                "42P13 invalid_function_definition",
                Unavailable,
                Unavailable,
            ),
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
