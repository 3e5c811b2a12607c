//! REST/JSON, as grpc-gateway answers it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, FromRequestParts, RawPathParams, Request as HttpRequest, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use portcullis_core::{Code, ErrorStatus};

use crate::{
    api::Shared,
    body,
    call::{Call, TimeBudget},
    endpoint::Endpoint,
    limits::Limits,
    message::{self, Malformed, Message},
    metrics::{self, Transport},
    status::{self, json_response, malformed},
    validate::{Named, OPERATION, ORGANISATION},
};

/// Serves one endpoint.
pub(crate) async fn serve<E: Endpoint>(
    State(shared): State<Arc<Shared>>,
    Extension(operation): Extension<Named>,
    Extension(time): Extension<TimeBudget>,
    request: HttpRequest,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let request = match decode::<E>(&mut parts, body, time).await {
        Ok(request) => request,
        Err(response) => {
            let ended = Err::<(), _>(response.status);
            metrics::count_request(E::NAME, Transport::Rest, &ended, Duration::ZERO);
            return response.http;
        }
    };
    let call = Call {
        transport: Transport::Rest,
        headers: &parts.headers,
        operation,
        time,
    };
    let success = if E::CREATES {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = match shared.gate.run(&call, Ok::<E, _>(request)).await {
        Ok(message) => json_response(success, &message),
        Err(status) => status::rest(&status),
    };
    mirror_metadata(response.headers_mut());
    response
}

/// Row R1.
pub(crate) fn not_found() -> Response {
    status::rest(&ErrorStatus::plain(Code::NotFound, "Not Found"))
}

/// Row R2: code 12 keeps company with HTTP 405 here.
pub(crate) async fn method_not_allowed() -> Response {
    let status = ErrorStatus::plain(Code::Unimplemented, "Method Not Allowed");
    status::rest_with(StatusCode::METHOD_NOT_ALLOWED, &status)
}

/// A body that never became a request: row R3, or too large.
struct Undecoded {
    status: ErrorStatus,
    http: Response,
}

impl From<ErrorStatus> for Undecoded {
    fn from(status: ErrorStatus) -> Self {
        // Contract 11.14: over REST alone, a body that is too large is HTTP 413.
        let http = if status.code == Code::ResourceExhausted {
            status::rest_with(StatusCode::PAYLOAD_TOO_LARGE, &status)
        } else {
            status::rest(&status)
        };
        Self { status, http }
    }
}

/// Decodes before anybody is asked who calls, and lets the path win over the body.
async fn decode<E: Endpoint>(
    parts: &mut Parts,
    body: Body,
    time: TimeBudget,
) -> Result<E, Undecoded> {
    let mut message = if has_body::<E>(&parts.method) {
        let body = body::read(&parts.headers, body, Limits::MAX_BODY_BYTES, time).await?;
        message::from_json(&body).map_err(|Malformed| malformed())?
    } else {
        from_query(parts.uri.query().unwrap_or_default()).map_err(|Malformed| malformed())?
    };
    bind_path(&mut message, parts)
        .await
        .map_err(|Malformed| malformed())?;
    Ok(message)
}

/// Where ZITADEL binds none, grpc-gateway does not read it.
fn has_body<E: Endpoint>(method: &Method) -> bool {
    match *method {
        Method::DELETE => E::DELETES_WITH_BODY,
        Method::GET | Method::HEAD => false,
        _ => true,
    }
}

fn from_query<M: Message>(query: &str) -> Result<M, Malformed> {
    let mut message = M::default();
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        message.bind_query(&name, &text)?;
    }
    Ok(message)
}

/// Sets what the path names, percent-decoded. An empty segment is an empty id (contract section
/// 1.1), which a parameter never is, so it has a route without one.
async fn bind_path<M: Message>(message: &mut M, parts: &mut Parts) -> Result<(), Malformed> {
    let path = parts.uri.path();
    if path.contains("//") || path.ends_with('/') {
        let id = M::FIELDS.iter().find(|(name, _)| IDS.contains(name));
        return id.map_or(Ok(()), |(name, _)| message.bind(name, ""));
    }
    // It fails for what is not UTF-8.
    let params = RawPathParams::from_request_parts(parts, &()).await;
    let params = params.map_err(|_| Malformed)?;
    params
        .iter()
        .try_for_each(|(name, text)| message.bind(name, text))
}

/// The fields that stand in paths.
const IDS: [&str; 3] = ["id", "session_id", "user_id"];

/// grpc-gateway turns `Grpc-Metadata-Foo` into the metadata `foo`.
pub(crate) fn gateway_metadata(headers: &mut HeaderMap) {
    for name in [
        header::AUTHORIZATION,
        HeaderName::from_static(ORGANISATION),
        HeaderName::from_static(OPERATION),
    ] {
        let alias = format!("grpc-metadata-{name}");
        if !headers.contains_key(&name)
            && let Some(value) = headers.get(alias).cloned()
        {
            headers.insert(name, value);
        }
    }
}

/// What grpc-gateway repeats of the metadata behind it (contract section 1.3).
fn mirror_metadata(headers: &mut HeaderMap) {
    for (name, value) in [
        ("grpcgateway-content-type", "application/grpc"),
        ("grpcgateway-cache-control", "no-store"),
        ("grpcgateway-pragma", "no-cache"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}
