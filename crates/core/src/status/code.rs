//! The codes of gRPC, and their HTTP statuses.

use serde::{Deserialize, Serialize};

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
