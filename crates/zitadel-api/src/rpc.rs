//! gRPC, gRPC-Web and Connect: one dispatcher behind connectrpc's framing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request as HttpRequest, State},
    response::Response,
};
use bytes::Bytes;
use connectrpc::{
    CodecFormat, ConnectError, Dispatcher, MethodDescriptor, Payload, Protocol, RequestContext,
    dispatcher::{RequestStream, StreamingResult, UnaryResult},
};
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE, request::Parts};
use http_body_util::BodyExt;
use portcullis_core::{Code, ErrorStatus};
use tower::ServiceExt;
use zeroize::Zeroizing;

use crate::{
    api::Shared,
    body::{self, MAX_FRAMED, wiped_bytes},
    call::{Call, Gate, TimeBudget},
    endpoint::Endpoint,
    message::{self, Malformed},
    methods::Method as RpcMethod,
    metrics::{self, Transport},
    rest, status,
    validate::Named,
    web_text,
};

/// Serves every path that is an RPC: its service is known, or its content type says so.
pub(crate) async fn serve(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    if web_text::is_text(request.headers()) {
        return web_text::serve(&shared, request).await;
    }
    binary(&shared, request).await
}

/// Serves an RPC in any form but gRPC-Web's text.
pub(crate) async fn binary(shared: &Shared, request: HttpRequest) -> Response {
    if request.method() != Method::POST {
        return rest::method_not_allowed().await;
    }
    let (mut parts, body) = request.into_parts();
    if method(&parts).is_none() {
        return dispatch(shared, HttpRequest::from_parts(parts, body)).await;
    }
    let reached = Reached::default();
    parts.extensions.insert(reached.clone());
    let head = parts.clone();
    match with_wiped_body(&mut parts, body).await {
        Ok(body) => {
            let response = dispatch(shared, HttpRequest::from_parts(parts, body)).await;
            if reached.get() {
                response
            } else {
                counted(&head, response).await
            }
        }
        Err(status) => refuse(&parts, &status).await,
    }
}

/// The method of ours that a path names.
fn method(parts: &Parts) -> Option<&'static RpcMethod> {
    RpcMethod::find(parts.uri.path().strip_prefix('/')?)
}

async fn dispatch(shared: &Shared, request: HttpRequest) -> Response {
    let response = match shared.rpc.clone().oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    trailers_only(response).await
}

/// Whether a request has become a call.
#[derive(Debug, Clone, Default)]
struct Reached(Arc<AtomicBool>);

impl Reached {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads the message of our own methods into memory that is wiped. Other services stream.
async fn with_wiped_body(parts: &mut Parts, body: Body) -> Result<Body, ErrorStatus> {
    if has_unknown_encoding(&parts.headers) {
        // connectrpc's own words would repeat the header.
        let status = ErrorStatus::plain(Code::Unimplemented, "unsupported compression");
        return Err(status);
    }
    read(parts, body, MAX_FRAMED)
        .await
        .map(wiped_bytes)
        .map(Body::from)
}

/// Reads a body within the time that the call has in all.
pub(crate) async fn read(
    parts: &mut Parts,
    body: Body,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, ErrorStatus> {
    let time = parts.extensions.get::<TimeBudget>().copied();
    let time = time.ok_or_else(unnamed)?;
    body::read(&parts.headers, body, limit, time).await
}

/// A refusal in the form that the client speaks, before there is a call that counts itself.
pub(crate) async fn refuse(parts: &Parts, status: &ErrorStatus) -> Response {
    count(parts, status.code);
    let response = status::rpc(status).into_http_response(&parts.headers);
    trailers_only(response.map(Body::new)).await
}

/// Counts what connectrpc refused: a frame, an encoding or a content type.
async fn counted(parts: &Parts, response: Response) -> Response {
    let (head, body) = response.into_parts();
    // Bodies of refusals are complete.
    let body = body.collect().await.map(|body| body.to_bytes());
    let body = body.unwrap_or_default();
    count(parts, code_of(&head, &body));
    Response::from_parts(head, Body::from(body))
}

fn count(parts: &Parts, code: Code) {
    if let Some(method) = method(parts) {
        let transport = grpc_form(&parts.headers).unwrap_or(Transport::Connect);
        let ended = Err::<(), _>(ErrorStatus::plain(code, ""));
        metrics::count_request(method.name, transport, &ended, Duration::ZERO);
    }
}

/// gRPC's two forms say the code in a header or in a frame of trailers, Connect in its status.
fn code_of(head: &http::response::Parts, body: &[u8]) -> Code {
    let header = head.headers.get("grpc-status").map(HeaderValue::as_bytes);
    let frame = || {
        let name = b"grpc-status: ";
        let at = body.windows(name.len()).position(|window| window == name)?;
        let rest = body.get(at + name.len()..)?;
        rest.split(|byte| !byte.is_ascii_digit()).next()
    };
    match (header.or_else(frame), head.status.as_u16()) {
        (Some(b"3"), _) | (None, 400) => Code::InvalidArgument,
        (Some(b"4"), _) | (None, 504) => Code::DeadlineExceeded,
        (Some(b"8"), _) | (None, 429) => Code::ResourceExhausted,
        (Some(b"12"), _) | (None, 404 | 415 | 501) => Code::Unimplemented,
        (Some(b"13"), _) | (None, 500) => Code::Internal,
        _ => Code::Unknown,
    }
}

fn has_unknown_encoding(headers: &HeaderMap) -> bool {
    let names = ["grpc-encoding", "content-encoding"];
    let mut named = names.iter().filter_map(|name| headers.get(*name));
    named.any(|value| value != "identity" && value != "gzip")
}

/// Moves a failed gRPC call's trailers into its headers.
///
/// connectrpc sends status and message in both and the details in the trailers alone. A client
/// that finds a status in the headers reads on nowhere else, so the details would be lost.
async fn trailers_only(response: Response) -> Response {
    let failed = response.headers().contains_key("grpc-status");
    if !failed || grpc_form(response.headers()) != Some(Transport::Grpc) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let trailers = body
        .collect()
        .await
        .ok()
        .and_then(|body| body.trailers().cloned());
    parts.headers.extend(trailers.unwrap_or_default());
    Response::from_parts(parts, Body::empty())
}

/// Which of gRPC's two forms a content type names, if it names one.
fn grpc_form(headers: &HeaderMap) -> Option<Transport> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let rest = content_type.strip_prefix("application/grpc")?;
    Some(if rest.starts_with("-web") {
        Transport::GrpcWeb
    } else {
        Transport::Grpc
    })
}

/// The fallback: a gRPC client that asks for an unknown service wants a gRPC answer.
pub(crate) async fn unknown(state: State<Arc<Shared>>, request: HttpRequest) -> Response {
    if grpc_form(request.headers()).is_some() && request.method() == Method::POST {
        serve(state, request).await
    } else {
        rest::not_found()
    }
}

/// The methods that are served. It answers for every path, so it stands last in the chain.
#[derive(Debug, Clone)]
pub(crate) struct PasswordRpc(pub(crate) Gate);

impl Dispatcher for PasswordRpc {
    fn lookup(&self, _path: &str) -> Option<MethodDescriptor> {
        Some(MethodDescriptor::unary(false))
    }

    fn call_unary(
        &self,
        path: &str,
        context: RequestContext,
        request: Payload,
        format: CodecFormat,
    ) -> UnaryResult {
        match RpcMethod::find(path) {
            Some(method) => (method.call)(self.0.clone(), context, request, format),
            None => Box::pin(async { Err(unimplemented()) }),
        }
    }

    fn call_server_streaming(
        &self,
        _path: &str,
        _context: RequestContext,
        _request: Bytes,
        _format: CodecFormat,
    ) -> StreamingResult {
        Box::pin(async { Err(unimplemented()) })
    }

    fn call_client_streaming(
        &self,
        _path: &str,
        _context: RequestContext,
        _requests: RequestStream,
        _format: CodecFormat,
    ) -> UnaryResult {
        Box::pin(async { Err(unimplemented()) })
    }

    fn call_bidi_streaming(
        &self,
        _path: &str,
        _context: RequestContext,
        _requests: RequestStream,
        _format: CodecFormat,
    ) -> StreamingResult {
        Box::pin(async { Err(unimplemented()) })
    }
}

fn unimplemented() -> ConnectError {
    ConnectError::unimplemented("unknown service or method")
}

/// Calls one endpoint.
pub(crate) fn call<E: Endpoint>(
    gate: Gate,
    context: RequestContext,
    payload: Payload,
    format: CodecFormat,
) -> UnaryResult {
    Box::pin(async move {
        let request = decode::<E>(payload, format);
        let result = run(&gate, &context, request).await;
        let message = result.map_err(|status| status::rpc(&status))?;
        connectrpc::Response::new(message).encode::<E::Response>(format)
    })
}

async fn run<E: Endpoint>(
    gate: &Gate,
    context: &RequestContext,
    request: Result<E, Malformed>,
) -> Result<E::Response, ErrorStatus> {
    let extensions = context.extensions();
    if let Some(reached) = extensions.get::<Reached>() {
        reached.set();
    }
    let operation = extensions.get::<Named>().copied().ok_or_else(unnamed)?;
    let time = extensions.get::<TimeBudget>().copied();
    let transport = match context.protocol() {
        Some(Protocol::Grpc) => Transport::Grpc,
        Some(Protocol::GrpcWeb) => Transport::GrpcWeb,
        Some(_) | None => Transport::Connect,
    };
    let call = Call {
        transport,
        headers: context.headers(),
        operation,
        time: time.ok_or_else(unnamed)?,
    };
    gate.run(&call, request).await
}

/// Every request passes the middleware that names it, so this is a mistake of this crate.
fn unnamed() -> ErrorStatus {
    ErrorStatus::plain(Code::Internal, "An internal error occurred")
}

/// Decodes without keeping a copy: secrets move once, the buffer is wiped.
fn decode<E: Endpoint>(payload: Payload, format: CodecFormat) -> Result<E, Malformed> {
    let bytes = payload.encoded().map_err(|_| Malformed)?;
    drop(payload);
    let request = match format {
        CodecFormat::Json => message::from_json(&bytes),
        CodecFormat::Proto => message::from_proto(&bytes),
        _ => Err(Malformed),
    };
    body::wipe(bytes);
    request
}
