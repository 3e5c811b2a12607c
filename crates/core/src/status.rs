//! The one mapping from [`Error`] to what goes over the wire.
//!
//! Ids and texts are ZITADEL's (contract section 2.2); those that begin with `PORTCULLIS-` are
//! ours, for answers that ZITADEL does not have (section 11).

mod code;
mod table;

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

pub use code::Code;
use table::{WRONG, code_id_and_text, id_and_text};

use crate::{
    error::{Error, ErrorKind, Refusal},
    policy::Violation,
};

/// A refusal as `google.rpc.Status` carries it: code, message, details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorStatus {
    /// The gRPC code.
    pub code: Code,
    /// The text, ending in `(id)` where the error has an id.
    pub message: Cow<'static, str>,
    /// What clients key on, in the order in which it is sent.
    pub details: Vec<Detail>,
}

/// One entry of [`ErrorStatus::details`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Detail {
    /// `google.rpc.BadRequest`: every violation of the policy, in ZITADEL's order.
    BadRequest(Vec<FieldViolation>),
    /// `zitadel.v1.CredentialsCheckError`: the same, with the failed attempts so far.
    Credentials {
        /// For example `COMMAND-3M0fs`.
        id: Cow<'static, str>,
        /// The text without the id.
        message: Cow<'static, str>,
        /// Settled failures.
        failed_attempts: u32,
    },
    /// `zitadel.v1.ErrorDetail`: the id that clients key on, and the text without it.
    Error {
        /// For example `COMMAND-G8dh3`.
        id: Cow<'static, str>,
        /// The text without the id.
        message: Cow<'static, str>,
    },
    /// `google.rpc.RetryInfo`: when a retry makes sense.
    RetryAfter(Duration),
}

/// One entry of [`Detail::BadRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FieldViolation {
    /// The field at fault; always `password` here.
    pub field: Cow<'static, str>,
    /// The id, for example `DOMAIN-HuJf6`.
    pub reason: Cow<'static, str>,
    /// The text.
    pub description: Cow<'static, str>,
}

impl ErrorStatus {
    /// A status without id and details, as gRPC itself produces it.
    ///
    /// ```
    /// use portcullis_core::{Code, ErrorStatus};
    /// let status = ErrorStatus::plain(Code::Unauthenticated, "auth header missing");
    /// assert!(status.details.is_empty());
    /// ```
    #[must_use]
    pub fn plain(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// A ZITADEL error: the id stands in the message and in the first detail.
    ///
    /// ```
    /// use portcullis_core::{Code, ErrorStatus};
    /// let status = ErrorStatus::with_id(Code::Unauthenticated, "AUTH-toLo1", "invalid auth header");
    /// assert_eq!(status.message, "invalid auth header (AUTH-toLo1)");
    /// ```
    #[must_use]
    pub fn with_id(code: Code, id: &'static str, text: &'static str) -> Self {
        Self {
            code,
            message: format!("{text} ({id})").into(),
            details: vec![Detail::Error {
                id: id.into(),
                message: text.into(),
            }],
        }
    }

    /// How long the caller is asked to wait, if it is.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.details.iter().find_map(|detail| match detail {
            Detail::RetryAfter(wait) => Some(*wait),
            Detail::BadRequest(_) | Detail::Credentials { .. } | Detail::Error { .. } => None,
        })
    }

    fn and(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }
}

/// How much an answer to a refused password or code tells.
///
/// The work behind an answer and the round trips to the store are the same in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerMode {
    /// ZITADEL's ids and details: whether the user exists, is locked, has a password.
    #[default]
    Zitadel,
    /// One answer to whatever was refused, and a reset request is always answered as for a user
    /// that exists.
    Uniform,
}

impl ErrorStatus {
    /// What a caller is told of an error.
    ///
    /// ```
    /// use portcullis_core::{AnswerMode, Error, ErrorKind, ErrorStatus, Refusal};
    /// let unknown = Error::new(ErrorKind::Refused(Refusal::UserNotFound));
    /// let wrong = Error::new(ErrorKind::Refused(Refusal::WrongPassword { failures: 3 }));
    /// let answer = |error, mode| ErrorStatus::of(error, mode);
    /// assert_eq!(answer(&unknown, AnswerMode::Uniform), answer(&wrong, AnswerMode::Uniform));
    /// assert_ne!(answer(&unknown, AnswerMode::Zitadel), answer(&wrong, AnswerMode::Zitadel));
    /// ```
    #[must_use]
    pub fn of(error: &Error, mode: AnswerMode) -> Self {
        match (error.kind(), mode) {
            (ErrorKind::PolicyViolated(violations), _) => policy_violated(violations.as_slice()),
            (ErrorKind::Refused(_), AnswerMode::Uniform) => {
                let (code, id, text) = WRONG;
                Self::with_id(code, id, text)
            }
            (
                kind @ ErrorKind::Refused(
                    Refusal::Locked { failures } | Refusal::WrongPassword { failures },
                ),
                AnswerMode::Zitadel,
            ) => credentials(code_id_and_text(kind), *failures),
            (kind, _) => {
                let (code, id, text) = code_id_and_text(kind);
                let status = Self::with_id(code, id, text);
                match retry_after(kind) {
                    Some(wait) => status.and(Detail::RetryAfter(wait)),
                    None => status,
                }
            }
        }
    }
}

/// As in [`AnswerMode::Zitadel`].
impl From<&Error> for ErrorStatus {
    fn from(error: &Error) -> Self {
        Self::of(error, AnswerMode::Zitadel)
    }
}

const fn retry_after(kind: &ErrorKind) -> Option<Duration> {
    match kind {
        ErrorKind::Overloaded { retry_after } | ErrorKind::TooManyAttempts { retry_after } => {
            Some(*retry_after)
        }
        ErrorKind::Unavailable => Some(STORE_RETURN),
        _ => None,
    }
}

fn credentials((code, id, text): (Code, &'static str, &'static str), failures: u32) -> ErrorStatus {
    ErrorStatus {
        code,
        message: format!("{text} ({id})").into(),
        details: vec![Detail::Credentials {
            id: id.into(),
            message: text.into(),
            failed_attempts: failures,
        }],
    }
}

/// The first violation speaks; all of them follow in one `BadRequest` (contract 11.6, 11.15).
fn policy_violated(violations: &[Violation]) -> ErrorStatus {
    let (id, text) = violations
        .first()
        .map_or(("", ""), |first| id_and_text(*first));
    let all = violations.iter().map(|violation| {
        let (id, text) = id_and_text(*violation);
        FieldViolation {
            field: "password".into(),
            reason: id.into(),
            description: text.into(),
        }
    });
    ErrorStatus::with_id(Code::InvalidArgument, id, text).and(Detail::BadRequest(all.collect()))
}

/// Nobody knows when a store is back; sooner than this it hardly is.
const STORE_RETURN: Duration = Duration::from_secs(1);
