//! An [`ErrorStatus`] in the forms of the transports.

use std::time::Duration;

use axum::{body::Body, response::Response};
use buffa::MessageField;
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};
use http::{HeaderValue, StatusCode, header};
use portcullis_core::{Code, Detail, ErrorStatus, FieldViolation};
use serde::Serialize;
use serde_json::json;

use crate::wire::{google::rpc, zitadel::v1};

/// Row R3, and its like over RPC. Decoders' own words would repeat input.
pub(crate) fn malformed() -> ErrorStatus {
    ErrorStatus::plain(Code::InvalidArgument, "invalid request body")
}

/// Contract 11.14.
pub(crate) fn too_large() -> ErrorStatus {
    ErrorStatus::plain(Code::ResourceExhausted, "request body too large")
}

/// `google.rpc.Status` as JSON; without details the member is left out (contract section 4).
#[derive(Serialize)]
struct StatusJson<'a> {
    code: u8,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<serde_json::Value>,
}

/// The REST form of a refusal, with the HTTP status that goes with its code.
pub(crate) fn rest(status: &ErrorStatus) -> Response {
    let http = StatusCode::from_u16(status.code.http_status());
    rest_with(http.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), status)
}

/// The REST form with an HTTP status of its own, for rows R2 and 413.
pub(crate) fn rest_with(http: StatusCode, status: &ErrorStatus) -> Response {
    let details = status.details.iter().map(detail_json).collect();
    let body = StatusJson {
        code: status.code.number(),
        message: &status.message,
        details,
    };
    let mut response = json_response(http, &body);
    let headers = response.headers_mut();
    if http == StatusCode::UNAUTHORIZED
        && let Ok(message) = HeaderValue::from_str(&status.message)
    {
        headers.insert(header::WWW_AUTHENTICATE, message);
    }
    if let Some(wait) = status.retry_after() {
        // Whole seconds, rounded up: an earlier retry would come too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    response
}

const INTERNAL: &[u8] = br#"{"code":13,"message":"An internal error occurred"}"#;

/// A JSON response.
pub(crate) fn json_response(http: StatusCode, body: &impl Serialize) -> Response {
    let (http, body) = match serde_json::to_vec(body) {
        Ok(body) => (http, body),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no response is made"
            );
            let internal = StatusCode::INTERNAL_SERVER_ERROR;
            (internal, INTERNAL.to_vec())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn detail_json(detail: &Detail) -> serde_json::Value {
    match detail {
        Detail::BadRequest(violations) => json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": violations.iter().map(violation_json).collect::<Vec<_>>(),
        }),
        Detail::Error { id, message } => json!({
            "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
            "id": id,
            "message": message,
        }),
        Detail::RetryAfter(wait) => json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": seconds(*wait),
        }),
        Detail::Credentials {
            id,
            message,
            failed_attempts,
        } => json!({
            "@type": "type.googleapis.com/zitadel.v1.CredentialsCheckError",
            "id": id,
            "message": message,
            "failedAttempts": failed_attempts,
        }),
        // A detail that this release does not know is one that old clients would ignore.
        _ => json!({}),
    }
}

/// A `google.protobuf.Duration` as protojson writes it: 0, 3, 6 or 9 digits after the point.
fn seconds(time: Duration) -> String {
    let (whole, nanos) = (time.as_secs(), time.subsec_nanos());
    match nanos {
        0 => format!("{whole}s"),
        _ if nanos % 1_000_000 == 0 => format!("{whole}.{:03}s", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{whole}.{:06}s", nanos / 1_000),
        _ => format!("{whole}.{nanos:09}s"),
    }
}

fn violation_json(violation: &FieldViolation) -> serde_json::Value {
    json!({
        "field": violation.field,
        "reason": violation.reason,
        "description": violation.description,
    })
}

/// The form of a refusal for gRPC, gRPC-Web and Connect.
pub(crate) fn rpc(status: &ErrorStatus) -> ConnectError {
    let error = ConnectError::new(rpc_code(status.code), status.message.as_ref());
    status
        .details
        .iter()
        .filter_map(detail_proto)
        .fold(error, ConnectError::with_detail)
}

fn detail_proto(detail: &Detail) -> Option<ErrorDetail> {
    match detail {
        Detail::BadRequest(violations) => {
            let field_violations = violations.iter().map(violation_proto).collect();
            let message = rpc::BadRequest { field_violations };
            Some(ErrorDetail::from_message("google.rpc.BadRequest", &message))
        }
        Detail::Error { id, message } => {
            let (id, message) = (id.clone().into_owned(), message.clone().into_owned());
            let message = v1::ErrorDetail { id, message };
            Some(ErrorDetail::from_message(
                "zitadel.v1.ErrorDetail",
                &message,
            ))
        }
        Detail::Credentials {
            id,
            message,
            failed_attempts,
        } => {
            let (id, message) = (id.clone().into_owned(), message.clone().into_owned());
            let failed_attempts = i32::try_from(*failed_attempts).unwrap_or(i32::MAX);
            let message = v1::CredentialsCheckError {
                id,
                message,
                failed_attempts,
            };
            let name = "zitadel.v1.CredentialsCheckError";
            Some(ErrorDetail::from_message(name, &message))
        }
        Detail::RetryAfter(wait) => {
            let delay = buffa_types::google::protobuf::Duration {
                seconds: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(wait.subsec_nanos()).unwrap_or_default(),
                ..Default::default()
            };
            let message = rpc::RetryInfo {
                retry_delay: MessageField::some(delay),
            };
            Some(ErrorDetail::from_message("google.rpc.RetryInfo", &message))
        }
        _ => None,
    }
}

fn violation_proto(violation: &FieldViolation) -> rpc::bad_request::FieldViolation {
    rpc::bad_request::FieldViolation {
        field: violation.field.clone().into_owned(),
        description: violation.description.clone().into_owned(),
        reason: violation.reason.clone().into_owned(),
    }
}

const fn rpc_code(code: Code) -> ErrorCode {
    match code {
        Code::Aborted => ErrorCode::Aborted,
        Code::AlreadyExists => ErrorCode::AlreadyExists,
        Code::DeadlineExceeded => ErrorCode::DeadlineExceeded,
        Code::FailedPrecondition => ErrorCode::FailedPrecondition,
        Code::Internal => ErrorCode::Internal,
        Code::InvalidArgument => ErrorCode::InvalidArgument,
        Code::NotFound => ErrorCode::NotFound,
        Code::PermissionDenied => ErrorCode::PermissionDenied,
        Code::ResourceExhausted => ErrorCode::ResourceExhausted,
        Code::Unauthenticated => ErrorCode::Unauthenticated,
        Code::Unavailable => ErrorCode::Unavailable,
        Code::Unimplemented => ErrorCode::Unimplemented,
        _ => ErrorCode::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_protojson_does() {
        for (nanos, text) in [
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.500s"),
            (2_000_000, "0.002s"),
            (2_000, "0.000002s"),
            (1, "0.000000001s"),
        ] {
            assert_eq!(seconds(Duration::from_nanos(nanos)), text);
        }
    }
}
