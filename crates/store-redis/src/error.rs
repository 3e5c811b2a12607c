//! What can go wrong between a call and Redis, and what it means to a caller.

use portcullis_core::{RandomError, StoreError, StoreErrorKind};
use redis::RedisError;

use crate::durability::Weakness;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the time is before 1970 or too late to be calculated with")]
    Clock,
    #[error("the configuration cannot be used")]
    Config(#[source] RedisError),
    #[error("no connection could be made")]
    Connect(#[source] RedisError),
    #[error("the cursor is not one of this store")]
    Cursor,
    #[error("the answer to a read was lost")]
    LostRead(#[source] RedisError),
    #[error("the answer to a script was lost")]
    LostWrite(#[source] RedisError),
    #[error("the method is not one of a change")]
    Method,
    #[error("a durable store is required, but {0}")]
    NotDurable(Weakness),
    #[error("an operation could not be named")]
    Random(#[source] RandomError),
    #[error("the {field} of a record cannot be read")]
    Record { field: &'static str },
    // Details of the server can hold names of keys and users: only the code is kept.
    #[error("Redis refused with {0}")]
    Refused(String),
    #[error("the answer of a script cannot be read")]
    Reply,
    #[error("the connection took too long")]
    Slow,
    #[error("the connection that others were waiting for could not be made")]
    Unreachable,
    #[error("too few replicas confirmed the write in time")]
    Unreplicated,
    #[error("the request is unknown to this release")]
    Unsupported,
}

impl Error {
    /// What the server said, if it refused.
    pub(crate) fn refused(error: &redis::ServerError) -> Self {
        match error.code() {
            "CORRUPT" => Self::Record {
                field: field(error.details()),
            },
            code => Self::Refused(code.to_owned()),
        }
    }

    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Connect(error) if is_final(error) => StoreErrorKind::Internal,
            Self::Clock | Self::Config(_) | Self::Cursor | Self::Method => StoreErrorKind::Misuse,
            Self::Connect(_)
            | Self::LostRead(_)
            | Self::NotDurable(_)
            | Self::Slow
            | Self::Unreachable => StoreErrorKind::Unavailable,
            // A script that answers has run.
            Self::LostWrite(_) | Self::Reply | Self::Unreplicated => StoreErrorKind::OutcomeUnknown,
            Self::Random(_) | Self::Unsupported => StoreErrorKind::Internal,
            Self::Record { .. } => StoreErrorKind::Corrupt,
            Self::Refused(code) => refusal_kind(code),
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.kind()).with_source(error)
    }
}

/// Whether the server turned the connection away for a reason that only people mend. A cluster's
/// client hides the code in the text of an error of its own.
fn is_final(error: &RedisError) -> bool {
    let text = error.to_string();
    FINAL.iter().any(|reason| text.contains(reason))
}

/// The driver writes a code that it knows by the name of its own kind.
const FINAL: [&str; 4] = ["DB index is out of range", "NOAUTH", "NoPerm", "WRONGPASS"];

/// What an error code means. Scripts write last and cannot fail from then on, so a script that was
/// refused has written nothing.
fn refusal_kind(code: &str) -> StoreErrorKind {
    match code {
        "ASK" | "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "MISCONF" | "MOVED"
        | "NOREPLICAS" | "OOM" | "READONLY" | "TRYAGAIN" => StoreErrorKind::Unavailable,
        "WRONGTYPE" => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Internal,
    }
}

/// The field that a script named; never another word, which could be a value.
fn field(details: Option<&str>) -> &'static str {
    let word = details.and_then(|details| details.split(' ').next());
    let known = FIELDS.iter().find(|field| Some(**field) == word);
    known.copied().unwrap_or("content")
}

const FIELDS: [&str; 14] = [
    "changed",
    "code",
    "document",
    "epoch",
    "events",
    "failed",
    "failures",
    "operation",
    "permits",
    "revision",
    "sequence",
    "sham",
    "user",
    "version",
];

#[cfg(test)]
mod tests {
    use std::{error::Error as StdError, io};

    use super::*;

    fn answer(text: &str) -> redis::ServerError {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
        let error = value.unwrap().extract_error().unwrap_err();
        error.try_into().unwrap()
    }

    fn kind(error: Error) -> StoreErrorKind {
        StoreError::from(error).kind()
    }

    #[test]
    fn every_refusal_is_classified() {
        use StoreErrorKind::{Corrupt, Internal, Unavailable};
        let table = [
            ("ASK 1 127.0.0.1:1", Unavailable),
            ("BUSY Redis is busy running a script", Unavailable),
            ("CLUSTERDOWN Hash slot not served", Unavailable),
            ("CORRUPT version script: 0, on @user_script:1.", Corrupt),
            ("CROSSSLOT Keys in request", Internal),
            ("ERR user_script:1: bug", Internal),
            ("EXECABORT Transaction discarded", Internal),
            ("LOADING Redis is loading", Unavailable),
            ("MASTERDOWN Link with MASTER is down", Unavailable),
            ("MISCONF Redis is configured to save", Unavailable),
            ("MOVED 1 127.0.0.1:1", Unavailable),
            ("NOAUTH Authentication required.", Internal),
            ("NOPERM this user has no permissions", Internal),
            ("NOREPLICAS Not enough good replicas", Unavailable),
            ("NOSCRIPT No matching script", Internal),
            ("OOM command not allowed", Unavailable),
            ("READONLY You can't write", Unavailable),
            ("TRYAGAIN Multiple keys request", Unavailable),
            ("WRONGTYPE Operation against a key", Corrupt),
        ];
        for (text, expected) in table {
            assert_eq!(kind(Error::refused(&answer(text))), expected, "{text}");
        }
    }

    #[test]
    fn every_lost_answer_is_classified() {
        use StoreErrorKind::{OutcomeUnknown, Unavailable};
        for reason in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::TimedOut,
            io::ErrorKind::UnexpectedEof,
        ] {
            let error = || RedisError::from(io::Error::from(reason));
            assert_eq!(kind(Error::Connect(error())), Unavailable);
            assert_eq!(kind(Error::LostRead(error())), Unavailable);
            assert_eq!(kind(Error::LostWrite(error())), OutcomeUnknown);
        }
        assert_eq!(kind(Error::Unreplicated), OutcomeUnknown);
        assert_eq!(kind(Error::Reply), OutcomeUnknown);
        assert_eq!(kind(Error::Unreachable), Unavailable);
        assert_eq!(kind(Error::Slow), Unavailable);
    }

    #[test]
    fn a_connection_that_is_turned_away_for_good_is_told_from_one_that_fails() {
        use StoreErrorKind::{Internal, Unavailable};
        let table = [
            ("ERR DB index is out of range", Internal),
            ("ERR max number of clients reached", Unavailable),
            ("LOADING Redis is loading", Unavailable),
            ("NOAUTH HELLO must be called with", Internal),
            ("NOPERM User app has no permissions", Internal),
            ("WRONGPASS invalid username-password pair", Internal),
        ];
        for (text, expected) in table {
            let error = RedisError::from(answer(text));
            let hidden = (redis::ErrorKind::Io, "no node", error.to_string()).into();
            assert_eq!(kind(Error::Connect(error)), expected, "{text}");
            assert_eq!(
                kind(Error::Connect(hidden)),
                expected,
                "{text} in a cluster"
            );
        }
    }

    #[test]
    fn a_damaged_record_names_its_field_and_nothing_else() {
        let text = |text| Error::refused(&answer(text)).to_string();
        let damaged = "the version of a record cannot be read";
        assert_eq!(
            text("CORRUPT version script: 0, on @user_script:1."),
            damaged
        );
        assert!(!text("CORRUPT $argon2id$secret").contains("secret"));
        assert!(!text("ERR key portcullis:{p1}u:secret").contains("secret"));
    }

    #[test]
    fn the_cause_is_kept() {
        let cause = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = StoreError::from(Error::LostWrite(cause.into()));
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "the answer to a script was lost");
        assert!(cause.source().is_some());
    }
}
