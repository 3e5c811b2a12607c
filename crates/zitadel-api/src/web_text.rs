//! gRPC-Web in its text form: base64 around the binary form, both ways.
//!
//! connectrpc speaks the binary form only. Old browsers cannot read binary streams, and
//! ZITADEL's console still asks for text (contract section 1.4).

use axum::{body::Body, extract::Request as HttpRequest, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::{
    api::Shared,
    body::{MAX_FRAMED, wiped_bytes},
    rpc, status,
};

const TEXT: &str = "application/grpc-web-text";
const BINARY: &str = "application/grpc-web";
/// The largest text that can hold the largest frame, with padding after every chunk.
const MAX_TEXT: usize = MAX_FRAMED / 3 * 4 + 1024;

/// Whether the content type asks for the text form.
pub(crate) fn is_text(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|content_type| content_type.starts_with(TEXT))
}

/// Decodes, serves the binary form, encodes.
pub(crate) async fn serve(shared: &Shared, request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    rename(&mut parts.headers, TEXT, BINARY);
    let text = rpc::read(&mut parts, body, MAX_TEXT).await;
    parts.headers.remove(CONTENT_LENGTH);
    let response = match text.and_then(|text| decode(&text).ok_or_else(status::malformed)) {
        Ok(frame) => {
            let body = Body::from(wiped_bytes(frame));
            rpc::binary(shared, HttpRequest::from_parts(parts, body)).await
        }
        Err(status) => rpc::refuse(&parts, &status).await,
    };
    encode(response).await
}

/// Decodes base64 in which every chunk may bring its own padding.
pub(crate) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut frame = Zeroizing::new(vec![0; text.len().div_ceil(4) * 3]);
    let mut length = 0;
    for quantum in text.chunks(4) {
        let rest = frame.get_mut(length..)?;
        length += STANDARD.decode_slice(quantum, rest).ok()?;
    }
    frame.truncate(length);
    Some(frame)
}

async fn encode(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // Bodies made here are complete; one that breaks off is empty, which no client takes for an answer.
    let bytes = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    rename(&mut parts.headers, BINARY, TEXT);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(STANDARD.encode(bytes)))
}

/// Changes the media type and keeps what follows it: `+proto`, parameters.
fn rename(headers: &mut HeaderMap, from: &str, to: &str) {
    let renamed = content_type(headers).and_then(|content_type| {
        let rest = content_type.strip_prefix(from)?;
        HeaderValue::from_str(&format!("{to}{rest}")).ok()
    });
    if let Some(renamed) = renamed {
        headers.insert(CONTENT_TYPE, renamed);
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::decode;

    proptest! {
        #[test]
        fn chunks_may_be_cut_anywhere(chunks in any::<Vec<Vec<u8>>>()) {
            let text: String = chunks.iter().map(|chunk| STANDARD.encode(chunk)).collect();
            let frame = decode(text.as_bytes()).map(|frame| frame.to_vec());
            prop_assert_eq!(frame, Some(chunks.concat()));
        }

        #[test]
        fn bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode(&bytes);
        }
    }
}
