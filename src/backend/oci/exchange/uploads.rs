//! Incoming blobs: at once, or in chunks that follow each other.
//!
//! An upload outlives its connection, so that a client can resume it; chunks are received by a task of their own, so that a
//! client that disconnects halfway does not take the upload with it.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::sync::OwnedMutexGuard;

use super::answer::{self, Answer, Code, Refusal};
use super::range::chunk;
use super::receive::receive;
use super::request::{Body, on_files};
use super::route::{digest, parameter};
use super::served::{Served, unknown};
use crate::backend::oci::name::{Digest, Repository};
use crate::backend::oci::store::Writer;

/// An upload, locked for one writer.
struct Held<'a> {
    to: &'a Repository,
    id: &'a str,
    writer: OwnedMutexGuard<Option<Writer>>,
    size: u64,
    /// How long a client may send nothing.
    idle: Duration,
}

async fn hold<'a>(served: &Served, to: &'a Repository, id: &'a str) -> Result<Held<'a>, Refusal> {
    let writer = served.uploads.find(to, id)?.lock_owned().await;
    let Some(size) = writer.as_ref().map(Writer::size) else {
        served.uploads.remove(id);
        return Err(unknown(id));
    };
    Ok(Held {
        to,
        id,
        writer,
        size,
        idle: served.idle,
    })
}

impl Held<'_> {
    /// The announced length of a chunk, if it has one and follows what is there.
    fn check(&self, head: &Parts) -> Result<Option<u64>, Refusal> {
        let text = |name| head.headers.get(name).map(|value| value.to_str().ok());
        let Some(range) = text("content-range") else {
            return Ok(None);
        };
        let no_range = || Refusal::new(Code::BlobUploadInvalid, "`Content-Range` cannot be read");
        let (first, end) = range.and_then(chunk).ok_or_else(no_range)?;
        if first != self.size {
            let words = format!("the next byte is number {}, not {first}", self.size);
            return Err(Refusal::new(Code::Range, words)
                .with("Location", location(self.to, self.id))
                .with("Range", range_of(self.size)));
        }
        let length = text("content-length").flatten();
        match length.and_then(|length| length.parse::<u64>().ok()) {
            Some(length) if end - first != length => {
                let words = format!("{length} bytes are not those of `Content-Range`");
                Err(Refusal::new(Code::SizeInvalid, words))
            }
            _ => Ok(Some(end - first)),
        }
    }

    /// Adds a body; then the upload has so many bytes.
    async fn add(&mut self, head: &Parts, body: &mut Body) -> Result<u64, Refusal> {
        let most = self.check(head)?;
        if let (Some(incoming), Some(writer)) = (body.take(), self.writer.take()) {
            let done = tokio::spawn(receive(incoming, writer, most, self.idle)).await?;
            *body = done.body;
            *self.writer = done.writer;
            done.outcome?;
        }
        let size = self.writer.as_ref().map(Writer::size);
        size.ok_or_else(|| unknown(self.id))
    }
}

pub(super) async fn begin(
    served: &Arc<Served>,
    to: &Repository,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, Refusal> {
    let query = head.uri.query();
    if let Some(wanted) = parameter(query, "mount") {
        let (store, wanted) = (served.store.clone(), digest(&wanted)?);
        if on_files(move || store.size(wanted)).await?.is_some() {
            return Ok(made(to, wanted));
        }
    }
    let wanted = parameter(query, "digest").map(|text| digest(&text));
    let wanted = wanted.transpose()?;
    let store = served.store.clone();
    let writer = on_files(move || store.writer()).await?;
    let id = served.uploads.add(to, writer)?;
    match wanted {
        Some(wanted) => {
            let made = finish(served, to, &id, wanted, head, body).await;
            // Nobody was told of it, so nobody goes on with it.
            served.uploads.remove(&id);
            made
        }
        None => Ok(accepted(StatusCode::ACCEPTED, to, &id, 0)),
    }
}

pub(super) async fn go_on(
    served: &Arc<Served>,
    to: &Repository,
    id: &str,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, Refusal> {
    let mut own = hold(served, to, id).await?;
    let size = own.add(head, body).await?;
    Ok(accepted(StatusCode::ACCEPTED, to, id, size))
}

pub(super) async fn end(
    served: &Arc<Served>,
    to: &Repository,
    id: &str,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, Refusal> {
    let no_digest = || Refusal::new(Code::DigestInvalid, "the blob's `digest` is not said");
    let wanted = parameter(head.uri.query(), "digest").ok_or_else(no_digest)?;
    finish(served, to, id, digest(&wanted)?, head, body).await
}

async fn finish(
    served: &Arc<Served>,
    to: &Repository,
    id: &str,
    wanted: Digest,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, Refusal> {
    let mut own = hold(served, to, id).await?;
    own.add(head, body).await?;
    if let Some(writer) = own.writer.take() {
        served.uploads.remove(id);
        on_files(move || writer.finish(Some(wanted))).await?;
    }
    Ok(made(to, wanted))
}

pub(super) async fn state(
    served: &Arc<Served>,
    to: &Repository,
    id: &str,
) -> Result<Answer, Refusal> {
    let own = hold(served, to, id).await?;
    Ok(accepted(StatusCode::NO_CONTENT, to, id, own.size))
}

pub(super) fn give_up(served: &Arc<Served>, to: &Repository, id: &str) -> Result<Answer, Refusal> {
    served.uploads.find(to, id)?;
    served.uploads.remove(id);
    Ok(answer::empty(answer::head(StatusCode::NO_CONTENT)))
}

fn location(to: &Repository, id: &str) -> String {
    format!("/v2/{to}/blobs/uploads/{id}")
}

/// Of nothing it is `0-0` too: the protocol has no words for less.
fn range_of(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn made(to: &Repository, blob: Digest) -> Answer {
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
