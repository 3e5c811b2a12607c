//! Names of what this crate counts through the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Nothing is counted without the crate feature `metrics`. No label carries a user or an
//! organisation.

use std::time::Duration;

use portcullis_core::{Code, ErrorStatus};

/// Counter of requests by `endpoint`, `transport` and `code`, gRPC's name of the status.
pub const REQUESTS: &str = "portcullis_requests_total";

/// Histogram of seconds from the decoded request to the answer, by the same labels.
pub const REQUEST_DURATION: &str = "portcullis_request_duration_seconds";

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Connect,
    Grpc,
    GrpcWeb,
    Rest,
}

impl Transport {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Rest => "rest",
        }
    }
}

#[cfg(feature = "metrics")]
pub(crate) fn count_request<T>(
    endpoint: &'static str,
    transport: Transport,
    result: &Result<T, ErrorStatus>,
    time: Duration,
) {
    let code = result
        .as_ref()
        .err()
        .map_or("OK", |status| code_name(status.code));
    let labels = [
        ("endpoint", endpoint),
        ("transport", transport.as_str()),
        ("code", code),
    ];
    ::metrics::counter!(REQUESTS, &labels).increment(1);
    ::metrics::histogram!(REQUEST_DURATION, &labels).record(time);
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn count_request<T>(
    endpoint: &'static str,
    transport: Transport,
    result: &Result<T, ErrorStatus>,
    time: Duration,
) {
    let code = result
        .as_ref()
        .err()
        .map_or("OK", |status| code_name(status.code));
    tracing::trace!(
        endpoint,
        transport = transport.as_str(),
        code,
        ?time,
        "request ended"
    );
}

/// The name that gRPC's documentation gives a code.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Aborted => "ABORTED",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Internal => "INTERNAL",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::Unavailable => "UNAVAILABLE",
        Code::Unimplemented => "UNIMPLEMENTED",
        _ => "UNKNOWN",
    }
}
