//! A connection inside a gRPC call: a `BuildKit` without a daemon in front of it receives sessions as `Control.Session`, whose
//! messages carry the bytes of an HTTP/2 connection on which it is the client.
//!
//! Source: `session/grpchijack` of <https://github.com/moby/buildkit>.

use std::io;

use bollard_buildkit_proto::moby::buildkit::v1::BytesMessage;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{AsciiMetadataKey, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The longest message, in bytes: what `BuildKit` itself sends.
const PIECE: usize = 32 << 10;

/// How many messages may be queued for `BuildKit`.
const QUEUE: usize = 8;

/// Opens a session with these headers; the stream ends with it, and it with the stream.
pub(super) async fn open(
    channel: Channel,
    headers: &[(&str, &str)],
) -> Result<DuplexStream, Status> {
    let (pieces, sent) = mpsc::channel(QUEUE);
    let mut request = Request::new(ReceiverStream::new(sent));
    for (name, value) in headers {
        let refused = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let name = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
        let value = MetadataValue::try_from(*value).map_err(|error| refused(&error))?;
        request
            .metadata_mut()
            .append(name.map_err(|error| refused(&error))?, value);
    }
    let mut answers = ControlClient::new(channel)
        .session(request)
        .await?
        .into_inner();
    let (own, far) = tokio::io::duplex(2 * PIECE);
    let (from_us, mut to_us) = tokio::io::split(far);
    tokio::spawn(async move {
        let heard = async {
            while let Ok(Some(message)) = answers.message().await {
                if to_us.write_all(&message.data).await.is_err() {
                    return;
                }
            }
            let _ = to_us.shutdown().await;
        };
        // Whichever side ends first ends the other one.
        tokio::select! {
            _ = send(from_us, &pieces) => {}
            () = heard => {}
        }
    });
    Ok(own)
}

async fn send(mut from: impl AsyncRead + Unpin, to: &Sender<BytesMessage>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        let data = piece[..read].to_vec();
        if read == 0 || to.send(BytesMessage { data }).await.is_err() {
            return Ok(());
        }
    }
}
