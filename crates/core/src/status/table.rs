//! Which error has which code, id and text.

use super::Code;
use crate::{
    error::{ErrorKind, PolicyRefusal, Refusal, ResetRefusal, SessionRefusal, StateRefusal},
    hash_string::HashRefusal,
    policy::{PolicyKind, Violation},
};

/// One line for each kind: an exhaustive match, so that a new kind cannot be forgotten.
pub(super) const fn code_id_and_text(kind: &ErrorKind) -> (Code, &'static str, &'static str) {
    use Code::{
        Aborted, AlreadyExists, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument,
        NotFound, PermissionDenied, ResourceExhausted, Unavailable, Unknown,
    };
    match kind {
        ErrorKind::Bug | ErrorKind::Misuse => (Internal, "PORTCULLIS-Int01", INTERNAL),
        ErrorKind::Conflict => (Aborted, "PORTCULLIS-Abrt1", CONFLICT),
        ErrorKind::DeadlineExceeded => (DeadlineExceeded, "PORTCULLIS-Dead1", DEADLINE),
        ErrorKind::Hashing => (Internal, "COMMAND-CahN2", INTERNAL),
        ErrorKind::HashRefused(refusal) => hash_refused(*refusal),
        ErrorKind::MembershipNotFound => (NotFound, "AUTHZ-cdgFk", "membership not found"),
        ErrorKind::OperationReused => (InvalidArgument, "PORTCULLIS-Oper2", REUSED),
        ErrorKind::OrganisationNotFound => (PermissionDenied, "AUTH-Bs7Ds", NO_ORGANISATION),
        ErrorKind::OutcomeUnknown => (Unknown, "PORTCULLIS-Unkn1", UNKNOWN),
        ErrorKind::Overloaded { .. } => (ResourceExhausted, "PORTCULLIS-Load1", OVERLOADED),
        ErrorKind::PermissionDenied => (PermissionDenied, "AUTH-5mWD2", NO_PERMISSION),
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
        ErrorKind::UserNotInitialised => (FailedPrecondition, "COMMAND-M9dse", NOT_INITIALISED),
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

/// The wrong password, and in uniform answers everything else that is refused.
pub(super) const WRONG: (Code, &str, &str) = (
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

const CONFLICT: &str = "User was changed at the same time";
const DEADLINE: &str = "Deadline exceeded, the change may have been applied";
const INTERNAL: &str = "An internal error occurred";
const NO_ORGANISATION: &str = "Organisation doesn't exist";
const NO_PERMISSION: &str = "No matching permissions found";
const NOT_INITIALISED: &str = "User is not yet initialized";
const OVERLOADED: &str = "Too much work is waiting, nothing was changed";
const REUSED: &str = "Operation id belongs to another user or method";
const TOO_MANY: &str = "Too many attempts, try again later";
const TOO_YOUNG: &str = "Password was changed too recently";
const UNAVAILABLE: &str = "Store is unavailable, nothing was changed";
const UNCHANGED: &str = "New password cannot be the same as your current password";
const UNKNOWN: &str = "Outcome unknown, the change may have been applied";

/// Rows 15a to 15e of the contract's step table.
pub(super) const fn id_and_text(violation: Violation) -> (&'static str, &'static str) {
    match violation {
        Violation::MinLength => ("DOMAIN-HuJf6", "Password is too short"),
        Violation::Lowercase => ("DOMAIN-co3Xw", "Password must contain lower case"),
        Violation::Uppercase => ("DOMAIN-VoaRj", "Password must contain upper case"),
        Violation::Number => ("DOMAIN-ZBv4H", "Password must contain number"),
        Violation::Symbol => ("DOMAIN-ZDLwA", "Password must contain symbol"),
    }
}
