//! What can go wrong, whether anything was written, and whether to try again.
//!
//! Messages are fixed texts: no error repeats input, a hash or a connection string.

mod refusal;
mod store;

use std::{error::Error as StdError, fmt, time::Duration};

pub use refusal::{PolicyRefusal, Refusal, ResetRefusal, SessionRefusal, StateRefusal};
pub use store::{StoreError, StoreErrorKind};

use crate::{
    hash_string::HashRefusal,
    id::OperationId,
    policy::{PolicyKind, Violations},
};

/// A cause of any type.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// What a call of [`PasswordService`](crate::PasswordService) came to when it did not succeed.
///
/// The wire's view of it is [`ErrorStatus`](crate::ErrorStatus).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    operation: Option<OperationId>,
    source: Option<BoxError>,
}

/// The kinds of [`Error`], each with the promise whether the change may have been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A state that this library rules out. Not applied; please report it.
    Bug,
    /// Other writers won until the deadline. Not applied; safe to retry.
    Conflict,
    /// The deadline fell before the call ended. May be applied; ask by operation id.
    DeadlineExceeded,
    /// Hashing failed. Not applied.
    Hashing,
    /// The hash of a password is none that is let in from elsewhere.
    HashRefused(HashRefusal),
    /// The caller is no member of the organisation, nor of the instance. Not applied.
    MembershipNotFound,
    /// The embedding application used the library wrongly. Not applied.
    Misuse,
    /// The operation id belongs to another user or another method. Not applied.
    OperationReused,
    /// There is no such organisation. Not applied.
    OrganisationNotFound,
    /// The store was asked to commit and did not answer. May be applied; ask by operation id.
    OutcomeUnknown,
    /// More work is queued than may wait. Not applied; retry after this long.
    Overloaded {
        /// How long the present backlog will take.
        retry_after: Duration,
    },
    /// The caller is a member without the permission. Not applied.
    PermissionDenied,
    /// The password was set too recently to be changed again. Not applied.
    PasswordTooYoung {
        /// When it may be changed.
        retry_after: Duration,
    },
    /// The new password is the current one. Not applied.
    PasswordUnchanged,
    /// A policy is not written, as things stand. Not applied.
    PolicyRefused(PolicyKind, PolicyRefusal),
    /// The new password breaks the organisation's policy. Not applied.
    PolicyViolated(Violations),
    /// A password or code was not accepted. Nothing but the attempt was recorded.
    Refused(Refusal),
    /// A reset code is not issued to this user. Not applied.
    ResetRefused(ResetRefusal),
    /// A session is not there or may not be used. Not applied.
    SessionRefused(SessionRefusal),
    /// The user's state does not allow this change of it. Not applied.
    StateRefused(StateRefusal),
    /// Attempts come too fast; nothing was compared. Retry after this long.
    TooManyAttempts {
        /// When the next attempt can be made.
        retry_after: Duration,
    },
    /// The store cannot be reached. Not applied; safe to retry.
    Unavailable,
    /// The login name belongs to another user. Not applied.
    UserExists,
    /// No such human in this organisation; machines and removed users included. Not applied.
    UserNotFound,
    /// The user has not been initialised yet. Not applied.
    UserNotInitialised,
}

impl Error {
    /// An error of this kind without a cause.
    ///
    /// ```
    /// use portcullis_core::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Conflict);
    /// assert!(error.is_retryable() && !error.may_be_applied());
    /// ```
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: None,
            source: None,
        }))
    }

    /// Keeps what caused it.
    ///
    /// ```
    /// use portcullis_core::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Unavailable).with_source("connection refused");
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the operation that it ended, unless one is named already.
    #[must_use]
    pub fn with_operation(mut self, operation: OperationId) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The operation to ask for when the outcome is unknown.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        self.0.operation
    }

    /// Whether the same call can succeed later without anything else being changed.
    ///
    /// Where the outcome is unknown, the retry must carry the same operation id.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Conflict
            | ErrorKind::DeadlineExceeded
            | ErrorKind::OutcomeUnknown
            | ErrorKind::Overloaded { .. }
            | ErrorKind::TooManyAttempts { .. }
            | ErrorKind::Unavailable => true,
            ErrorKind::Bug
            | ErrorKind::Hashing
            | ErrorKind::MembershipNotFound
            | ErrorKind::Misuse
            | ErrorKind::OperationReused
            | ErrorKind::OrganisationNotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::PasswordTooYoung { .. }
            | ErrorKind::PasswordUnchanged
            | ErrorKind::HashRefused(_)
            | ErrorKind::PolicyRefused(..)
            | ErrorKind::PolicyViolated(_)
            | ErrorKind::Refused(_)
            | ErrorKind::ResetRefused(_)
            | ErrorKind::SessionRefused(_)
            | ErrorKind::StateRefused(_)
            | ErrorKind::UserExists
            | ErrorKind::UserNotFound
            | ErrorKind::UserNotInitialised => false,
        }
    }

    /// Whether the change may have been written all the same.
    #[must_use]
    pub fn may_be_applied(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::DeadlineExceeded | ErrorKind::OutcomeUnknown
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            ErrorKind::Bug => "an impossible state was reached",
            ErrorKind::Conflict => "the user was changed by others until the deadline",
            ErrorKind::DeadlineExceeded => "the deadline fell before the call ended",
            ErrorKind::Hashing => "the password could not be hashed",
            ErrorKind::MembershipNotFound => "the caller is no member of the organisation",
            ErrorKind::Misuse => "the library was used wrongly",
            ErrorKind::OperationReused => "the operation id belongs to another user or method",
            ErrorKind::OrganisationNotFound => "the organisation does not exist",
            ErrorKind::OutcomeUnknown => "the store did not confirm the commit",
            ErrorKind::Overloaded { .. } => "too much work is waiting",
            ErrorKind::PermissionDenied => "the caller lacks the permission",
            ErrorKind::PasswordTooYoung { .. } => "the password was set too recently",
            ErrorKind::PasswordUnchanged => "the new password is the current one",
            ErrorKind::HashRefused(_) => "the hash is not let in",
            ErrorKind::PolicyRefused(..) => "the policy is not written",
            ErrorKind::PolicyViolated(_) => "the password breaks the policy",
            ErrorKind::Refused(_) => "the password or code was not accepted",
            ErrorKind::ResetRefused(_) => "no reset code is issued to this user",
            ErrorKind::SessionRefused(_) => "the session is not there or may not be used",
            ErrorKind::StateRefused(_) => "the user's state does not allow this change",
            ErrorKind::TooManyAttempts { .. } => "attempts come too fast",
            ErrorKind::Unavailable => "the store cannot be reached",
            ErrorKind::UserExists => "the login name belongs to another user",
            ErrorKind::UserNotFound => "the user does not exist in the organisation",
            ErrorKind::UserNotInitialised => "the user is not yet initialised",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind() {
            StoreErrorKind::Corrupt | StoreErrorKind::Internal => ErrorKind::Bug,
            StoreErrorKind::Misuse => ErrorKind::Misuse,
            StoreErrorKind::OutcomeUnknown => ErrorKind::OutcomeUnknown,
            StoreErrorKind::Unavailable => ErrorKind::Unavailable,
        };
        Self::new(kind).with_source(error)
    }
}
