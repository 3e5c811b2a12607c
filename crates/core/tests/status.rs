//! From an error to a status, row by row.

use std::time::Duration;

use portcullis_core::{
    AnswerMode, Code, Detail, Error, ErrorKind, ErrorStatus, HashRefusal, PolicyKind,
    PolicyRefusal, Refusal, ResetRefusal, SessionRefusal, StateRefusal,
};

const REFUSALS: [(Refusal, Code, &str, &str); 11] = [
    (
        Refusal::CodeInvalid,
        Code::InvalidArgument,
        "CODE-woT0xc",
        "Code is invalid",
    ),
    (
        Refusal::HashUnreadable,
        Code::Internal,
        "PORTCULLIS-Hash1",
        "An internal error occurred",
    ),
    (
        Refusal::InitialPasswordVoid,
        Code::FailedPrecondition,
        "PORTCULLIS-Init1",
        "Initial password has expired",
    ),
    (
        Refusal::Locked { failures: 5 },
        Code::FailedPrecondition,
        "COMMAND-JLK35",
        "User is locked",
    ),
    (
        Refusal::LockedMeanwhile,
        Code::FailedPrecondition,
        "COMMAND-SFA3t",
        "User is locked",
    ),
    (
        Refusal::PasswordNotSet,
        Code::FailedPrecondition,
        "COMMAND-3nJ4t",
        "User has not set a password",
    ),
    (
        Refusal::PasswordNotSetToChange,
        Code::FailedPrecondition,
        "COMMAND-Fds3s",
        "User has not set a password",
    ),
    (
        Refusal::UserInactive,
        Code::FailedPrecondition,
        "PORTCULLIS-Inac1",
        "User is not active",
    ),
    (
        Refusal::UserNotFound,
        Code::FailedPrecondition,
        "COMMAND-G8dh3",
        "Password not found",
    ),
    (
        Refusal::UserNotInitialised,
        Code::FailedPrecondition,
        "COMMAND-M9dse",
        "User is not yet initialized",
    ),
    (
        Refusal::WrongPassword { failures: 5 },
        Code::InvalidArgument,
        "COMMAND-3M0fs",
        "Password is invalid",
    ),
];

#[test]
fn refusals_have_zitadels_ids_and_one_uniform_answer() {
    for (refusal, code, id, text) in REFUSALS {
        let error = Error::new(ErrorKind::Refused(refusal));
        let status = ErrorStatus::of(&error, AnswerMode::Zitadel);
        assert_eq!(
            (status.code, status.message.as_ref()),
            (code, format!("{text} ({id})").as_str())
        );
        let counted = matches!(
            refusal,
            Refusal::Locked { .. } | Refusal::WrongPassword { .. }
        );
        let expected = if counted {
            Detail::Credentials {
                id: id.into(),
                message: text.into(),
                failed_attempts: 5,
            }
        } else {
            Detail::Error {
                id: id.into(),
                message: text.into(),
            }
        };
        assert_eq!(status.details, [expected]);

        let uniform = ErrorStatus::of(&error, AnswerMode::Uniform);
        let wrong = ErrorStatus::with_id(
            Code::InvalidArgument,
            "COMMAND-3M0fs",
            "Password is invalid",
        );
        assert_eq!(uniform, wrong);
    }
}

#[test]
fn other_errors_are_the_same_in_both_modes() {
    let wait = Duration::from_secs(7);
    let rows = [
        (ErrorKind::PasswordUnchanged, 9, 400, "COMMAND-Aesh5"),
        (
            ErrorKind::HashRefused(HashRefusal::OutOfBounds),
            3,
            400,
            "CRYPT-5uV9n",
        ),
        (
            ErrorKind::HashRefused(HashRefusal::Unreadable),
            3,
            400,
            "CRYPT-r8Qm2",
        ),
        (
            ErrorKind::HashRefused(HashRefusal::Unsupported),
            3,
            400,
            "CRYPT-2xK7d",
        ),
        (
            ErrorKind::PasswordTooYoung { retry_after: wait },
            9,
            400,
            "PORTCULLIS-Age01",
        ),
        (
            ErrorKind::TooManyAttempts { retry_after: wait },
            8,
            429,
            "PORTCULLIS-Wait1",
        ),
        (
            ErrorKind::ResetRefused(ResetRefusal::UserNotFound),
            5,
            404,
            "COMMAND-SAF4f",
        ),
        (
            ErrorKind::ResetRefused(ResetRefusal::UserNotInitialised),
            9,
            400,
            "COMMAND-Sfe4g",
        ),
        (
            ErrorKind::StateRefused(StateRefusal::AlreadyInactive),
            9,
            400,
            "COMMAND-5M0sf",
        ),
        (
            ErrorKind::StateRefused(StateRefusal::NotActive),
            9,
            400,
            "COMMAND-3NN8v",
        ),
        (
            ErrorKind::StateRefused(StateRefusal::NotInactive),
            9,
            400,
            "COMMAND-6M0sf",
        ),
        (
            ErrorKind::StateRefused(StateRefusal::NotInitialised),
            9,
            400,
            "COMMAND-ke0fw",
        ),
        (
            ErrorKind::StateRefused(StateRefusal::NotLocked),
            9,
            400,
            "COMMAND-4M0ds",
        ),
        (
            ErrorKind::StateRefused(StateRefusal::UserNotFound),
            5,
            404,
            "COMMAND-5M9fs",
        ),
        (
            refused(PolicyKind::Age, PolicyRefusal::Exists),
            6,
            409,
            "ORG-Lk0dS",
        ),
        (
            refused(PolicyKind::Age, PolicyRefusal::NotFound),
            5,
            404,
            "ORG-0oPew",
        ),
        (
            refused(PolicyKind::Age, PolicyRefusal::NotFoundToReset),
            5,
            404,
            "ORG-Dgs1g",
        ),
        (
            refused(PolicyKind::Age, PolicyRefusal::Unchanged),
            9,
            400,
            "Org-dsgjR",
        ),
        (
            refused(PolicyKind::Complexity, PolicyRefusal::Exists),
            6,
            409,
            "Org-LdhbS",
        ),
        (
            refused(PolicyKind::Complexity, PolicyRefusal::NotFound),
            5,
            404,
            "ORG-Dgs3g",
        ),
        (
            refused(PolicyKind::Complexity, PolicyRefusal::NotFoundToReset),
            5,
            404,
            "ORG-ADgs2",
        ),
        (
            refused(PolicyKind::Complexity, PolicyRefusal::Unchanged),
            9,
            400,
            "Org-DAs21",
        ),
        (
            refused(PolicyKind::Lockout, PolicyRefusal::Exists),
            6,
            409,
            "ORG-0olDf",
        ),
        (
            refused(PolicyKind::Lockout, PolicyRefusal::NotFound),
            5,
            404,
            "ORG-ADfs1",
        ),
        (
            refused(PolicyKind::Lockout, PolicyRefusal::NotFoundToReset),
            5,
            404,
            "ORG-D4zuz",
        ),
        (
            refused(PolicyKind::Lockout, PolicyRefusal::Unchanged),
            9,
            400,
            "ORG-0JFSr",
        ),
        (
            ErrorKind::SessionRefused(SessionRefusal::NoUser),
            9,
            400,
            "PORTCULLIS-Sess1",
        ),
        (
            ErrorKind::SessionRefused(SessionRefusal::NotFound),
            5,
            404,
            "QUERY-SFeaa",
        ),
        (
            ErrorKind::SessionRefused(SessionRefusal::TokenInvalid),
            7,
            403,
            "COMMAND-sGr42",
        ),
        (
            ErrorKind::SessionRefused(SessionRefusal::UserDiffers),
            3,
            400,
            "PORTCULLIS-Sess2",
        ),
        (ErrorKind::UserExists, 6, 409, "V3-DKcYh"),
        (ErrorKind::Hashing, 13, 500, "COMMAND-CahN2"),
        (ErrorKind::UserNotFound, 9, 400, "COMMAND-G8dh3"),
    ];
    for (kind, number, http, id) in rows {
        let waits = matches!(kind, ErrorKind::TooManyAttempts { .. });
        let error = Error::new(kind);
        let status = ErrorStatus::of(&error, AnswerMode::Zitadel);
        assert_eq!(
            (status.code.number(), status.code.http_status()),
            (number, http)
        );
        assert!(
            status.message.ends_with(&format!("({id})")),
            "{}",
            status.message
        );
        assert_eq!(status.retry_after(), waits.then_some(wait));
        assert_eq!(status, ErrorStatus::of(&error, AnswerMode::Uniform));
    }
}

fn refused(kind: PolicyKind, refusal: PolicyRefusal) -> ErrorKind {
    ErrorKind::PolicyRefused(kind, refusal)
}
