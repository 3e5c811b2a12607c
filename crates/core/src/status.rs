//! The one mapping from [`Error`] to what goes over the wire.
//!
//! Ids and texts are ZITADEL's (contract section 2.2); those that begin with `PORTCULLIS-` are
//! ours, for answers that ZITADEL does not have (section 11).

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, PolicyRefusal, Refusal, ResetRefusal, SessionRefusal, StateRefusal},
    hash_string::HashRefusal,
    policy::{PolicyKind, Violation},
};

/// A gRPC status code with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are gRPC's own")]
pub enum Code {
    Aborted = 10,
    AlreadyExists = 6,
    DeadlineExceeded = 4,
    FailedPrecondition = 9,
    Internal = 13,
    InvalidArgument = 3,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unauthenticated = 16,
    Unavailable = 14,
    Unimplemented = 12,
    Unknown = 2,
}

impl Code {
    /// The number that gRPC and `google.rpc.Status` carry.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The HTTP status that grpc-gateway gives it (contract section 4).
    ///
    /// ```
    /// use portcullis_core::Code;
    /// assert_eq!(Code::FailedPrecondition.http_status(), 400);
    /// assert_eq!(Code::ResourceExhausted.http_status(), 429);
    /// ```
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::FailedPrecondition | Self::InvalidArgument => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::Aborted | Self::AlreadyExists => 409,
            Self::ResourceExhausted => 429,
            Self::Internal | Self::Unknown => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::DeadlineExceeded => 504,
        }
    }
}

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

/// One line for each kind: an exhaustive match, so that a new kind cannot be forgotten.
const fn code_id_and_text(kind: &ErrorKind) -> (Code, &'static str, &'static str) {
    use Code::{
        Aborted, AlreadyExists, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument,
        NotFound, PermissionDenied, ResourceExhausted, Unavailable, Unknown,
    };
    match kind {
        ErrorKind::Bug | ErrorKind::Misuse => (Internal, "PORTCULLIS-Int01", INTERNAL),
        ErrorKind::Conflict => (
            Aborted,
            "PORTCULLIS-Abrt1",
            "User was changed at the same time",
        ),
        ErrorKind::DeadlineExceeded => (DeadlineExceeded, "PORTCULLIS-Dead1", DEADLINE),
        ErrorKind::Hashing => (Internal, "COMMAND-CahN2", INTERNAL),
        ErrorKind::HashRefused(refusal) => hash_refused(*refusal),
        ErrorKind::MembershipNotFound => (NotFound, "AUTHZ-cdgFk", "membership not found"),
        ErrorKind::OperationReused => (InvalidArgument, "PORTCULLIS-Oper2", REUSED),
        ErrorKind::OrganisationNotFound => {
            (PermissionDenied, "AUTH-Bs7Ds", "Organisation doesn't exist")
        }
        ErrorKind::OutcomeUnknown => (Unknown, "PORTCULLIS-Unkn1", UNKNOWN),
        ErrorKind::Overloaded { .. } => (ResourceExhausted, "PORTCULLIS-Load1", OVERLOADED),
        ErrorKind::PermissionDenied => (
            PermissionDenied,
            "AUTH-5mWD2",
            "No matching permissions found",
        ),
        ErrorKind::PasswordTooYoung { .. } => (FailedPrecondition, "PORTCULLIS-Age01", TOO_YOUNG),
        ErrorKind::PasswordUnchanged => (FailedPrecondition, "COMMAND-Aesh5", UNCHANGED),
        ErrorKind::Refused(refusal) => refused(*refusal),
        ErrorKind::ResetRefused(refusal) => reset_refused(*refusal),
        ErrorKind::StateRefused(refusal) => state_refused(*refusal),
        ErrorKind::TooManyAttempts { .. } => (ResourceExhausted, "PORTCULLIS-Wait1", TOO_MANY),
        ErrorKind::PolicyRefused(kind, refusal) => policy_refused(*kind, *refusal),
        ErrorKind::PolicyViolated(_) => (InvalidArgument, "DOMAIN-HuJf6", "Password is too short"),
        ErrorKind::SessionRefused(refusal) => session_refused(*refusal),
        ErrorKind::UserExists => (AlreadyExists, "V3-DKcYh", "User already exists"),
        ErrorKind::Unavailable => (Unavailable, "PORTCULLIS-Unav1", UNAVAILABLE),
        ErrorKind::UserNotFound => (FailedPrecondition, "COMMAND-G8dh3", "Password not found"),
        ErrorKind::UserNotInitialised => (
            FailedPrecondition,
            "COMMAND-M9dse",
            "User is not yet initialized",
        ),
    }
}

/// Contract section 7.
const fn hash_refused(refusal: HashRefusal) -> (Code, &'static str, &'static str) {
    let (id, text) = match refusal {
        HashRefusal::OutOfBounds => ("CRYPT-5uV9n", "Password hash parameters are out of bounds"),
        HashRefusal::Unreadable => ("CRYPT-r8Qm2", "Password hash cannot be read"),
        HashRefusal::Unsupported => ("CRYPT-2xK7d", "Password hash algorithm is not supported"),
    };
    (Code::InvalidArgument, id, text)
}

/// The wrong password, and in [`AnswerMode::Uniform`] everything else that is refused.
const WRONG: (Code, &str, &str) = (
    Code::InvalidArgument,
    "COMMAND-3M0fs",
    "Password is invalid",
);

/// Contract section 6; what ZITADEL has no answer to has an id of ours.
const fn refused(refusal: Refusal) -> (Code, &'static str, &'static str) {
    const NOT_SET: &str = "User has not set a password";
    const LOCKED: &str = "User is locked";
    match refusal {
        Refusal::CodeInvalid => (Code::InvalidArgument, "CODE-woT0xc", "Code is invalid"),
        Refusal::HashUnreadable => (Code::Internal, "PORTCULLIS-Hash1", INTERNAL),
        Refusal::InitialPasswordVoid => (
            Code::FailedPrecondition,
            "PORTCULLIS-Init1",
            "Initial password has expired",
        ),
        Refusal::Locked { .. } => (Code::FailedPrecondition, "COMMAND-JLK35", LOCKED),
        Refusal::LockedMeanwhile => (Code::FailedPrecondition, "COMMAND-SFA3t", LOCKED),
        Refusal::PasswordNotSet => (Code::FailedPrecondition, "COMMAND-3nJ4t", NOT_SET),
        Refusal::PasswordNotSetToChange => (Code::FailedPrecondition, "COMMAND-Fds3s", NOT_SET),
        Refusal::UserInactive => (
            Code::FailedPrecondition,
            "PORTCULLIS-Inac1",
            "User is not active",
        ),
        Refusal::UserNotFound => code_id_and_text(&ErrorKind::UserNotFound),
        Refusal::UserNotInitialised => code_id_and_text(&ErrorKind::UserNotInitialised),
        Refusal::WrongPassword { .. } => WRONG,
    }
}

/// Contract section 1.5, v2; v1 has ids of its own for the same.
const fn reset_refused(refusal: ResetRefusal) -> (Code, &'static str, &'static str) {
    match refusal {
        ResetRefusal::UserNotFound => (Code::NotFound, "COMMAND-SAF4f", "User could not be found"),
        ResetRefusal::UserNotInitialised => {
            let (code, _, text) = code_id_and_text(&ErrorKind::UserNotInitialised);
            (code, "COMMAND-Sfe4g", text)
        }
    }
}

/// The contract names no ids here; these are the ones by which ZITADEL's clients know them.
const fn policy_refused(
    kind: PolicyKind,
    refusal: PolicyRefusal,
) -> (Code, &'static str, &'static str) {
    let (code, text) = match refusal {
        PolicyRefusal::Exists => (Code::AlreadyExists, "Policy already exists"),
        PolicyRefusal::NotFound | PolicyRefusal::NotFoundToReset => {
            (Code::NotFound, "Policy not found")
        }
        PolicyRefusal::Unchanged => (Code::FailedPrecondition, "Policy has not been changed"),
    };
    let id = match (kind, refusal) {
        (PolicyKind::Age, PolicyRefusal::Exists) => "ORG-Lk0dS",
        (PolicyKind::Age, PolicyRefusal::NotFound) => "ORG-0oPew",
        (PolicyKind::Age, PolicyRefusal::NotFoundToReset) => "ORG-Dgs1g",
        (PolicyKind::Age, PolicyRefusal::Unchanged) => "Org-dsgjR",
        (PolicyKind::Complexity, PolicyRefusal::Exists) => "Org-LdhbS",
        (PolicyKind::Complexity, PolicyRefusal::NotFound) => "ORG-Dgs3g",
        (PolicyKind::Complexity, PolicyRefusal::NotFoundToReset) => "ORG-ADgs2",
        (PolicyKind::Complexity, PolicyRefusal::Unchanged) => "Org-DAs21",
        (PolicyKind::Lockout, PolicyRefusal::Exists) => "ORG-0olDf",
        (PolicyKind::Lockout, PolicyRefusal::NotFound) => "ORG-ADfs1",
        (PolicyKind::Lockout, PolicyRefusal::NotFoundToReset) => "ORG-D4zuz",
        (PolicyKind::Lockout, PolicyRefusal::Unchanged) => "ORG-0JFSr",
    };
    (code, id, text)
}

const fn session_refused(refusal: SessionRefusal) -> (Code, &'static str, &'static str) {
    match refusal {
        SessionRefusal::NoUser => (
            Code::FailedPrecondition,
            "PORTCULLIS-Sess1",
            "Session has no user whose password could be checked",
        ),
        SessionRefusal::NotFound => (Code::NotFound, "QUERY-SFeaa", "Session does not exist"),
        SessionRefusal::TokenInvalid => (
            Code::PermissionDenied,
            "COMMAND-sGr42",
            "Session Token is invalid",
        ),
        SessionRefusal::UserDiffers => (
            Code::InvalidArgument,
            "PORTCULLIS-Sess2",
            "Session belongs to another user",
        ),
    }
}

const fn state_refused(refusal: StateRefusal) -> (Code, &'static str, &'static str) {
    let (id, text) = match refusal {
        StateRefusal::AlreadyInactive => ("COMMAND-5M0sf", "User is already inactive"),
        StateRefusal::NotActive => ("COMMAND-3NN8v", "User should be active or initial"),
        StateRefusal::NotInactive => ("COMMAND-6M0sf", "User is not inactive"),
        StateRefusal::NotLocked => ("COMMAND-4M0ds", "User is not locked"),
        StateRefusal::NotInitialised => ("COMMAND-ke0fw", "User is not yet initialized"),
        StateRefusal::UserNotFound => {
            return (Code::NotFound, "COMMAND-5M9fs", "User could not be found");
        }
    };
    (Code::FailedPrecondition, id, text)
}

const DEADLINE: &str = "Deadline exceeded, the change may have been applied";
const INTERNAL: &str = "An internal error occurred";
const OVERLOADED: &str = "Too much work is waiting, nothing was changed";
const REUSED: &str = "Operation id belongs to another user or method";
const TOO_MANY: &str = "Too many attempts, try again later";
const TOO_YOUNG: &str = "Password was changed too recently";
const UNAVAILABLE: &str = "Store is unavailable, nothing was changed";
/// Nobody knows when a store is back; sooner than this it hardly is.
const STORE_RETURN: Duration = Duration::from_secs(1);
const UNCHANGED: &str = "New password cannot be the same as your current password";
const UNKNOWN: &str = "Outcome unknown, the change may have been applied";

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

/// Rows 15a to 15e of the contract's step table.
const fn id_and_text(violation: Violation) -> (&'static str, &'static str) {
    match violation {
        Violation::MinLength => ("DOMAIN-HuJf6", "Password is too short"),
        Violation::Lowercase => ("DOMAIN-co3Xw", "Password must contain lower case"),
        Violation::Uppercase => ("DOMAIN-VoaRj", "Password must contain upper case"),
        Violation::Number => ("DOMAIN-ZBv4H", "Password must contain number"),
        Violation::Symbol => ("DOMAIN-ZDLwA", "Password must contain symbol"),
    }
}
