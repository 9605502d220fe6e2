//! Receives the body of an upload, in pieces large enough to be worth a file's thread; what came before a connection broke counts.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::time::timeout;

use super::answer::{Code, Refusal};
use super::limits::PIECE;
use super::request::on_files;
use crate::backend::oci::store::{StoreError, Writer};

/// What came of a body.
pub(super) struct Received {
    /// What may still come, for whoever refuses.
    pub(super) body: Option<Incoming>,
    /// The blob; none if it cannot go on.
    pub(super) writer: Option<Writer>,
    pub(super) outcome: Result<(), Refusal>,
}

/// Adds a body of this many bytes, if that is known.
/// A client that sends nothing more for `idle` has broken off.
pub(super) async fn receive(
    mut body: Incoming,
    writer: Writer,
    length: Option<u64>,
    idle: Duration,
) -> Received {
    let mut writer = Some(writer);
    let mut received = 0;
    let outcome = loop {
        let (pieces, ended) = gather(&mut body, idle).await;
        received += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if length.is_some_and(|length| received > length) {
            writer = None;
            break Err(wrong(received, length));
        }
        if let Err(refusal) = write(&mut writer, pieces).await {
            break Err(refusal);
        }
        match ended {
            None => {}
            Some(Ok(())) if length.is_some_and(|length| received < length) => {
                break Err(wrong(received, length));
            }
            Some(end) => break end,
        }
    };
    Received {
        body: Some(body),
        writer,
        outcome,
    }
}

fn wrong(received: u64, length: Option<u64>) -> Refusal {
    let length = length.unwrap_or_default();
    let words = format!("{received} bytes came, where `Content-Range` says {length}");
    Refusal::new(Code::SizeInvalid, words)
}

async fn write(writer: &mut Option<Writer>, pieces: Vec<Bytes>) -> Result<(), Refusal> {
    if pieces.is_empty() {
        return Ok(());
    }
    let Some(mut own) = writer.take() else {
        return Ok(());
    };
    let work = move || {
        for piece in pieces {
            own.add(&piece)?;
        }
        Ok(own)
    };
    *writer = Some(on_files::<_, StoreError>(work).await?);
    Ok(())
}

/// Some pieces, and how the body ended, if it has.
async fn gather(body: &mut Incoming, idle: Duration) -> (Vec<Bytes>, Option<Result<(), Refusal>>) {
    let broken = |why: String| Refusal::new(Code::BlobUploadInvalid, why);
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
            Ok(Some(Err(error))) => Err(broken(error.to_string())),
            Err(_) => Err(broken("nothing more came".into())),
        };
        return (pieces, Some(end));
    }
    (pieces, None)
}
