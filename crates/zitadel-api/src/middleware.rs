//! What surrounds every call: its operation id, and the headers of every response.

use std::{sync::Arc, time::SystemTime};

use axum::{
    extract::{Request as HttpRequest, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use portcullis_core::{Code, ErrorStatus, OperationId};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    api::Shared,
    call::TimeBudget,
    rest, status,
    validate::{Named, OPERATION},
};

/// Names the call and starts its time before anything else looks at it: every answer carries the
/// name, and one budget covers the body and the work.
pub(crate) async fn around(
    State(shared): State<Arc<Shared>>,
    mut request: HttpRequest,
    next: Next,
) -> Response {
    let Ok(fresh) = OperationId::random(&*shared.random) else {
        return status::rest(&ErrorStatus::plain(
            Code::Internal,
            "An internal error occurred",
        ));
    };
    let time = TimeBudget::from_now(shared.limits.time_for(request.headers()));
    if REST
        .iter()
        .any(|prefix| request.uri().path().starts_with(prefix))
    {
        rest::gateway_metadata(request.headers_mut());
    }
    let named = Named::from_headers(request.headers(), fresh);
    request.extensions_mut().insert(named);
    request.extensions_mut().insert(time);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&named.id().to_string()) {
        headers.insert(HeaderName::from_static(OPERATION), id);
    }
    no_store(headers);
    response
}

/// What grpc-gateway serves upstream.
const REST: [&str; 4] = ["/admin/", "/auth/", "/management/", "/v2/"];

/// Contract section 1.3.
fn no_store(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (HeaderName::from_static("x-robots-tag"), "none"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let now = httpdate::fmt_http_date(SystemTime::now());
    if let Ok(now) = HeaderValue::from_str(&now) {
        headers.insert(header::EXPIRES, now);
    }
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "grpc-status,grpc-message,grpc-status-details-bin,retry-after,\
             www-authenticate,x-portcullis-operation-id",
        ),
    );
}

/// Any origin (contract sections 1.4 and 11.11); preflights are answered here.
pub(crate) fn cors() -> CorsLayer {
    const ALLOWED: [&str; 14] = [
        "origin",
        "content-type",
        "accept",
        "accept-language",
        "authorization",
        "x-zitadel-orgid",
        "x-user-agent",
        "x-grpc-web",
        "grpc-timeout",
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-metadata-x-zitadel-orgid",
        "grpc-metadata-x-portcullis-operation-id",
        OPERATION,
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([
            Method::DELETE,
            Method::GET,
            Method::PATCH,
            Method::POST,
            Method::PUT,
        ])
        .allow_headers(ALLOWED.map(HeaderName::from_static))
}
