//! Uploads in memory: all of them together are bounded. Imports nothing of this
//! crate but errors.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;

/// Bytes of a permit.
const UNIT: usize = 64 * 1024;
/// Units that are held at once in the whole process.
const UNITS: usize = 4096;

static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(UNITS)));

/// What came of an upload. Room is taken as it comes, so that one that says
/// much and sends little takes little.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    free: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self::within(Arc::clone(&FREE))
    }

    fn within(free: Arc<Semaphore>) -> Self {
        Self { bytes: Vec::new(), free, taken: None }
    }

    /// Adds what came.
    ///
    /// # Errors
    /// When uploads fill all the memory that they may.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), ApiError> {
        // One that is larger than all the room has it to itself.
        let units = (self.bytes.len() + part.len()).div_ceil(UNIT).min(UNITS);
        let taken = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if let Some(more) = units.checked_sub(taken).filter(|more| *more > 0) {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let more = Arc::clone(&self.free).try_acquire_many_owned(more).map_err(|_| {
                ApiError::unavailable("service", "too much is being uploaded at the moment; try again shortly", 2)
            })?;
            match &mut self.taken {
                Some(taken) => taken.merge(more),
                None => self.taken = Some(more),
            }
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, whose room is held for as long as this is.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Reads a body of at most `most` bytes before its route does, within the room of
/// all uploads, and holds that room until the route has answered.
pub(super) async fn read_first(most: usize, request: Request, next: Next) -> Response {
    match read(most, request).await {
        Ok((request, _room)) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

async fn read(most: usize, request: Request) -> Result<(Request, Buffer), ApiError> {
    let large = || {
        ApiError::too_large("body", format!("the request may have {} MiB; send fewer or smaller pictures", most >> 20))
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > most as u64) {
        return Err(large());
    }
    let (parts, body) = request.into_parts();
    let (mut body, mut buffer) = (body.into_data_stream(), Buffer::new());
    while let Some(part) = body.next().await {
        let part = part.map_err(|_| ApiError::bad_request("body", "the body broke off; send it again"))?;
        if buffer.bytes().len() + part.len() > most {
            return Err(large());
        }
        buffer.push(&part)?;
    }
    let bytes = buffer.take();
    Ok((Request::from_parts(parts, Body::from(bytes)), buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_buffers_together_are_bounded_by_what_came() {
        let free = Arc::new(Semaphore::new(3));
        let [mut one, mut other] = [(); 2].map(|()| Buffer::within(Arc::clone(&free)));
        one.push(b"a").expect("room");
        one.push(&vec![0; UNIT]).expect("room");
        assert_eq!((one.bytes().len(), free.available_permits()), (UNIT + 1, 1));
        other.push(&vec![0; UNIT]).expect("room");
        assert_eq!(other.push(b"a").expect_err("full").kind, "busy");
        assert_eq!(other.bytes().len(), UNIT);
        drop(one);
        other.push(b"a").expect("room again");
        drop(other);
        assert_eq!(free.available_permits(), 3);
    }
}
