//! Request bodies, read into memory that is wiped.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body_util::BodyExt;
use portcullis_core::{Error, ErrorKind, ErrorStatus};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    call::TimeBudget,
    limits::Limits,
    status::{malformed, too_large},
};

/// Reads a whole body of at most `limit` bytes and no more of a longer one.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: TimeBudget,
) -> Result<Zeroizing<Vec<u8>>, ErrorStatus> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(too_large());
    }
    let collected = collect(body, announced.unwrap_or(FIRST_BUFFER), limit);
    tokio::time::timeout_at(time.deadline(), collected)
        .await
        .unwrap_or_else(|_| Err((&Error::new(ErrorKind::DeadlineExceeded)).into()))
}

async fn collect(
    mut body: Body,
    capacity: usize,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, ErrorStatus> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(capacity));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| malformed())?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = buffer.len() + data.len();
        if length > limit {
            wipe(data);
            return Err(too_large());
        }
        if length > buffer.capacity() {
            buffer = moved(&buffer, limit.min(length * 2));
        }
        buffer.extend_from_slice(&data);
        wipe(data);
    }
    Ok(buffer)
}

/// A larger copy; the caller drops the old buffer, which wipes it. One that grew by itself would
/// leave what it held behind.
fn moved(buffer: &[u8], capacity: usize) -> Zeroizing<Vec<u8>> {
    let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
    larger.extend_from_slice(buffer);
    larger
}

/// More than any request for a password. Wiping costs time for every byte, used or not.
const FIRST_BUFFER: usize = 1_024;

/// Hands a buffer on as [`Bytes`] that are wiped when the last reference is gone.
pub(crate) fn wiped_bytes(buffer: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(WipedOnDrop(buffer))
}

struct WipedOnDrop(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for WipedOnDrop {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Wipes what nobody else refers to. A connection's own read buffer is out of reach.
pub(crate) fn wipe(bytes: Bytes) {
    if let Ok(mut unique) = bytes.try_into_mut() {
        unique.as_mut().zeroize();
    }
}

/// The limit on a framed message: the frame's five-byte header comes on top.
pub(crate) const MAX_FRAMED: usize = Limits::MAX_BODY_BYTES + 5;
