//! Sends blobs, whole or in part, piece by piece, never more than a few pieces ahead of the client.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Method, StatusCode};
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::answer::{self, Code, ErrorResponse};
use super::call::{Call, PIECE, on_files};
use super::range::{Part, part};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::StoreError;
use crate::loopback::Answer;

const AHEAD: usize = 2;

pub(super) async fn get(call: &Call<'_>, digest: Digest) -> Result<Answer, ErrorResponse> {
    let store = call.served.store.clone();
    let (file, whole, size) = on_files(move || {
        let (file, size) = store.read(digest)?;
        Ok::<_, StoreError>((file, store.send(digest)?.0, size))
    })
    .await?;
    let head = |status, length: u64| {
        answer::head(status)
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", length)
            .header("Docker-Content-Digest", digest.to_string())
            .header("ETag", format!("\"{digest}\""))
            .header("Accept-Ranges", "bytes")
    };
    if call.head.method == Method::HEAD {
        return Ok(answer::empty(head(StatusCode::OK, size)));
    }
    match part(call.header("range"), size) {
        Part::All => Ok(answer::with(
            head(StatusCode::OK, size),
            stream(whole, size),
        )),
        Part::Bytes(first, last) => {
            let length = last - first + 1;
            let head = head(StatusCode::PARTIAL_CONTENT, length)
                .header("Content-Range", format!("bytes {first}-{last}/{size}"));
            let part = on_files(move || at(file, first)).await?;
            Ok(answer::with(head, stream(part, length)))
        }
        Part::None => Err(
            ErrorResponse::new(Code::RANGE, format!("the blob has {size} bytes"))
                .with("Content-Range", format!("bytes */{size}")),
        ),
    }
}

/// The file from this byte on.
fn at(mut file: File, first: u64) -> Result<File, StoreError> {
    file.seek(SeekFrom::Start(first))?;
    Ok(file)
}

fn stream(from: impl Read + Send + 'static, length: u64) -> BoxBody<Bytes, io::Error> {
    let (to, received) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send(from, length, &to) {
            // The length was announced, so the client notices that the body is shorter.
            let _ = to.blocking_send(Err(error));
        }
    });
    StreamBody::new(ReceiverStream::new(received)).boxed()
}

fn send(mut from: impl Read, length: u64, to: &Sender<io::Result<Frame<Bytes>>>) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let size = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = vec![0; size];
        from.read_exact(&mut piece)?;
        left -= size as u64;
        if to.blocking_send(Ok(Frame::data(piece.into()))).is_err() {
            // The client has disconnected.
            return Ok(());
        }
    }
    Ok(())
}
