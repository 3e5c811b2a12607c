//! What can go wrong between a call and the database, and what it means to a caller.

mod failure;

use portcullis_core::{BoxError, StoreError, StoreErrorKind};
use tokio::task::JoinError;

use failure::Step;

pub(crate) use failure::Failure;

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
        "fsync, full_page_writes or synchronous_commit is off, so a crash loses the newest commits"
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
    #[error("that a synchronous standby has the operation could not be confirmed")]
    Unconfirmed(#[source] Box<Self>),
    #[error("the URL is not one of a PostgreSQL server")]
    Url,
    #[error("the server committed with a warning, so a standby may not have it")]
    Warned,
    #[error("a statement that writes failed")]
    Write(#[source] Failure),
}

impl Error {
    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Acquire(failure) | Self::Migrate(failure) | Self::Read(failure) => {
                failure.kind(Step::Read)
            }
            Self::Write(failure) => failure.kind(Step::Write),
            Self::ReadOnly | Self::SilentRead => StoreErrorKind::Unavailable,
            Self::Answer(_)
            | Self::SilentWrite
            | Self::Task(_)
            | Self::Unconfirmed(_)
            | Self::Warned => StoreErrorKind::OutcomeUnknown,
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
    pub(crate) fn is_operation_taken(&self) -> bool {
        matches!(self, Self::Write(failure) if failure.is_taken("operations"))
    }

    /// Whether the connection is of no more use, though it may look alive: it is broken, or it
    /// leads to a server that has become a standby.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Read(failure) | Self::Write(failure) => failure.ends_connection(),
            Self::SilentRead | Self::SilentWrite => true,
            _ => false,
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.kind()).with_source(error)
    }
}
