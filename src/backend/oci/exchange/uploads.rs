//! Uploads of blobs: in one request, or in consecutive chunks. An upload outlives its connection, so that a client can
//! resume it.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::answer::{self, Code, ErrorResponse};
use super::call::{Call, PIECE, on_files, unknown};
use super::range::chunk;
use super::route::digest;
use crate::backend::oci::name::{Digest, Repository};
use crate::backend::oci::store::{StoreError, Writer};
use crate::loopback::Answer;

/// An upload locked for one writer, and its size in bytes.
type Held = (OwnedMutexGuard<Option<Writer>>, u64);

pub(super) async fn start(call: &mut Call<'_>, to: &Repository) -> Result<Answer, ErrorResponse> {
    let served = call.served;
    if let Some(wanted) = call.parameter("mount") {
        let (store, wanted) = (served.store.clone(), digest(&wanted)?);
        if on_files(move || store.size(wanted)).await?.is_some() {
            return Ok(created(to, wanted));
        }
    }
    let wanted = call.parameter("digest").map(|text| digest(&text));
    let wanted = wanted.transpose()?;
    let store = served.store.clone();
    let writer = on_files(move || store.writer()).await?;
    let id = served.uploads.add(to, writer)?;
    let Some(wanted) = wanted else {
        return Ok(accepted(StatusCode::ACCEPTED, to, &id, 0));
    };
    let finished = finish(call, to, &id, wanted).await;
    // No client knows its id, so none can resume it.
    served.uploads.remove(&id);
    finished
}

pub(super) async fn resume(
    call: &mut Call<'_>,
    to: &Repository,
    id: &str,
) -> Result<Answer, ErrorResponse> {
    let (_, size) = append(call, to, id).await?;
    Ok(accepted(StatusCode::ACCEPTED, to, id, size))
}

pub(super) async fn complete(
    call: &mut Call<'_>,
    to: &Repository,
    id: &str,
) -> Result<Answer, ErrorResponse> {
    let no_digest =
        || ErrorResponse::new(Code::DIGEST_INVALID, "the parameter `digest` is missing");
    let wanted = call.parameter("digest").ok_or_else(no_digest)?;
    finish(call, to, id, digest(&wanted)?).await
}

pub(super) async fn state(
    call: &Call<'_>,
    to: &Repository,
    id: &str,
) -> Result<Answer, ErrorResponse> {
    let (_, size) = hold(call, to, id).await?;
    Ok(accepted(StatusCode::NO_CONTENT, to, id, size))
}

pub(super) fn cancel(call: &Call<'_>, to: &Repository, id: &str) -> Result<Answer, ErrorResponse> {
    call.served.uploads.find(to, id)?;
    call.served.uploads.remove(id);
    Ok(answer::empty(answer::head(StatusCode::NO_CONTENT)))
}

async fn finish(
    call: &mut Call<'_>,
    to: &Repository,
    id: &str,
    wanted: Digest,
) -> Result<Answer, ErrorResponse> {
    let (mut slot, _) = append(call, to, id).await?;
    if let Some(writer) = slot.take() {
        call.served.uploads.remove(id);
        on_files(move || writer.finish(Some(wanted))).await?;
    }
    Ok(created(to, wanted))
}

async fn hold(call: &Call<'_>, to: &Repository, id: &str) -> Result<Held, ErrorResponse> {
    let slot = call.served.uploads.find(to, id)?.lock_owned().await;
    let size = slot.as_ref().map(Writer::size);
    if size.is_none() {
        call.served.uploads.remove(id);
    }
    Ok((slot, size.ok_or_else(|| unknown(id))?))
}

async fn append(call: &mut Call<'_>, to: &Repository, id: &str) -> Result<Held, ErrorResponse> {
    let (mut slot, size) = hold(call, to, id).await?;
    let length = announced(call, &location(to, id), size)?;
    if let Some(mut body) = call.body.take() {
        let idle = call.served.idle;
        // A task of its own: a client that disconnects halfway does not cancel the write.
        let received = tokio::spawn(async move {
            let outcome = receive(&mut body, &mut slot, length, idle).await;
            (body, slot, outcome)
        });
        let (body, filled, outcome) = received.await?;
        // The client may still be sending the rejected body.
        (call.body, slot) = (Some(body), filled);
        outcome?;
    }
    let size = slot.as_ref().map(Writer::size);
    Ok((slot, size.ok_or_else(|| unknown(id))?))
}

/// The length announced by `Content-Range`, if present; the chunk must follow the `size` bytes received so far.
fn announced(call: &Call<'_>, location: &str, size: u64) -> Result<Option<u64>, ErrorResponse> {
    if !call.head.headers.contains_key("content-range") {
        return Ok(None);
    }
    let no_range = || ErrorResponse::new(Code::UPLOAD_INVALID, "`Content-Range` is invalid");
    let (first, end) = call
        .header("content-range")
        .and_then(chunk)
        .ok_or_else(no_range)?;
    if first != size {
        let words = format!("the next byte is number {size}, not {first}");
        return Err(ErrorResponse::new(Code::RANGE, words)
            .with("Location", location)
            .with("Range", range_of(size)));
    }
    let length = call
        .header("content-length")
        .and_then(|length| length.parse::<u64>().ok());
    match length.filter(|length| end - first != *length) {
        Some(length) => {
            let words = format!("{length} bytes do not match `Content-Range`");
            Err(ErrorResponse::new(Code::SIZE_INVALID, words))
        }
        None => Ok(Some(end - first)),
    }
}

/// Writes a body, of this length if it is known; bytes received before a connection breaks are preserved. A client that
/// sends nothing for `idle` is considered gone.
async fn receive(
    body: &mut Incoming,
    slot: &mut Option<Writer>,
    length: Option<u64>,
    idle: Duration,
) -> Result<(), ErrorResponse> {
    let wrong = |received, length| {
        let words = format!("received {received} bytes, but `Content-Range` announced {length}");
        Err(ErrorResponse::new(Code::SIZE_INVALID, words))
    };
    let mut received = 0;
    loop {
        let (pieces, ended) = gather(body, idle).await;
        received += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if let Some(length) = length.filter(|length| received > *length) {
            *slot = None;
            return wrong(received, length);
        }
        if !pieces.is_empty()
            && let Some(mut writer) = slot.take()
        {
            let written = on_files(move || {
                pieces.iter().try_for_each(|piece| writer.add(piece))?;
                Ok::<_, StoreError>(writer)
            });
            *slot = Some(written.await?);
        }
        match (ended, length) {
            (None, _) => {}
            (Some(Ok(())), Some(length)) if received < length => return wrong(received, length),
            (Some(end), _) => return end,
        }
    }
}

/// Collects enough pieces to be worth a blocking thread; also returns how the body ended, if it has.
async fn gather(
    body: &mut Incoming,
    idle: Duration,
) -> (Vec<Bytes>, Option<Result<(), ErrorResponse>>) {
    let broken = |why: String| Err(ErrorResponse::new(Code::UPLOAD_INVALID, why));
    let (mut pieces, mut size) = (Vec::new(), 0);
    while size < PIECE {
        let end = match timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    size += piece.len();
                    pieces.push(piece);
                }
                continue;
            }
            Ok(None) => Ok(()),
            Ok(Some(Err(error))) => broken(error.to_string()),
            Err(_) => broken("the client stopped sending".into()),
        };
        return (pieces, Some(end));
    }
    (pieces, None)
}

fn location(to: &Repository, id: &str) -> String {
    format!("/v2/{to}/blobs/uploads/{id}")
}

/// The `Range` header; `0-0` even for an empty upload, which the protocol cannot express.
fn range_of(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn created(to: &Repository, blob: Digest) -> Answer {
    answer::created(&format!("/v2/{to}/blobs/{blob}"), blob)
}

fn accepted(status: StatusCode, to: &Repository, id: &str, size: u64) -> Answer {
    let head = answer::head(status)
        .header("Location", location(to, id))
        .header("Range", range_of(size))
        .header("Docker-Upload-UUID", id);
    answer::empty(match status {
        StatusCode::NO_CONTENT => head,
        _ => head.header("Content-Length", 0),
    })
}
