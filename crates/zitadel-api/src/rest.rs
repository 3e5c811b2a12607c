//! REST/JSON, as grpc-gateway answers it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, FromRequestParts, RawPathParams, Request as HttpRequest, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use portcullis_core::{Code, ErrorStatus, ObjectDetails};
use serde::Serialize;

use crate::{
    api::Shared,
    body,
    call::{Call, TimeBudget},
    command::{Endpoint, Malformed, Request},
    details, json,
    limits::Limits,
    metrics::{self, Transport},
    status::{self, json_response, malformed},
    validate::{Named, OPERATION, ORGANISATION},
    wire::zitadel::v1,
};

/// `POST /management/v1/users/{user_id}/password`
pub(crate) async fn set_human_password(
    State(shared): State<Arc<Shared>>,
    Extension(operation): Extension<Named>,
    Extension(time): Extension<TimeBudget>,
    request: HttpRequest,
) -> Response {
    serve(
        Endpoint::SetHumanPassword,
        &shared,
        operation,
        time,
        request,
    )
    .await
}

/// `POST /management/v1/users/{user_id}/password/_initialize`
pub(crate) async fn set_human_initial_password(
    State(shared): State<Arc<Shared>>,
    Extension(operation): Extension<Named>,
    Extension(time): Extension<TimeBudget>,
    request: HttpRequest,
) -> Response {
    serve(
        Endpoint::SetHumanInitialPassword,
        &shared,
        operation,
        time,
        request,
    )
    .await
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

#[derive(Serialize)]
struct DetailsJson {
    details: v1::ObjectDetails,
}

async fn serve(
    endpoint: Endpoint,
    shared: &Shared,
    operation: Named,
    time: TimeBudget,
    request: HttpRequest,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = user_id(&mut parts).await;
    let request = match decode(endpoint, &parts.headers, path, body, time).await {
        Ok(request) => request,
        Err(response) => {
            let ended = Err::<(), _>(response.status);
            metrics::count_request(endpoint.name(), Transport::Rest, &ended, Duration::ZERO);
            return response.http;
        }
    };
    let call = Call {
        transport: Transport::Rest,
        headers: &parts.headers,
        operation,
        time,
    };
    let mut response = match shared.gate.run(endpoint, &call, Ok(request)).await {
        Ok(details) => success(&details),
        Err(status) => status::rest(&status),
    };
    mirror_metadata(response.headers_mut());
    response
}

fn success(details: &ObjectDetails) -> Response {
    json_response(
        StatusCode::OK,
        &DetailsJson {
            details: details::wire(details),
        },
    )
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
async fn decode(
    endpoint: Endpoint,
    headers: &HeaderMap,
    path: Option<String>,
    body: Body,
    time: TimeBudget,
) -> Result<Request, Undecoded> {
    let body = body::read(headers, body, Limits::MAX_BODY_BYTES, time).await?;
    let request = json::decode(endpoint, &body).map_err(|Malformed| malformed())?;
    let user_id = path.ok_or_else(malformed)?;
    Ok(Request { user_id, ..request })
}

/// The percent-decoded user id, none if it is not UTF-8. `/users//password` has an empty one.
async fn user_id(parts: &mut http::request::Parts) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let found = params.iter().find(|(name, _)| *name == "user_id");
    Some(found.map_or_else(String::new, |(_, value)| value.to_owned()))
}

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
