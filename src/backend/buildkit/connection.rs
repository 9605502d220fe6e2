//! Opens gRPC connections to `BuildKit`. Through a daemon's socket that means to upgrade an HTTP/1.1 connection to HTTP/2, in
//! both directions.
//!
//! The upgrade response is read byte by byte, so that nothing after it is consumed and the plain socket can be passed
//! on. Source: <https://docs.docker.com/reference/api/engine/> (`/session`) and moby's `/grpc`.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::address::Address;
use super::remote::{self, Greeted, Reason, Stream};
use crate::asking::GivenUp;
use crate::backend::elsewhere;
use crate::disk::system_words;
use crate::limits::Limits;

/// Maximum length of an upgrade response, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Pause between attempts while the daemon's connection backlog is full.
const PAUSE: Duration = Duration::from_millis(20);

/// Connects to the gRPC services of a `BuildKit`; reconnects whenever the connection breaks. A connection counts as broken if
/// nothing arrives on it, not even the answer to a ping.
pub(super) async fn channel(
    address: &Address,
    limits: Limits,
    reason: &Reason,
) -> Result<Channel, tonic::transport::Error> {
    let to = (address.clone(), reason.clone());
    let connect = tower::service_fn(move |_| {
        let (address, reason) = to.clone();
        async move { stream(&address, &limits, &reason).await.map(TokioIo::new) }
    });
    // The host is never resolved: the connector ignores it.
    Endpoint::from_static("http://buildkit")
        .http2_keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.answer)
        .connect_with_connector(connect)
        .await
}

async fn stream(
    address: &Address,
    limits: &Limits,
    reason: &Reason,
) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        Address::Daemon(socket) => Box::new(upgraded(socket, limits, "/grpc", &[]).await?),
        Address::Own { at, tls } => match at {
            elsewhere::Address::Unix(socket) => {
                let stream = dial(socket, limits).await?;
                Box::new(Greeted::new(stream, true, limits.connect(), reason))
            }
            elsewhere::Address::Tcp { host, port } => {
                Box::new(remote::dial(host, *port, tls.as_ref(), limits, reason).await?)
            }
        },
    })
}

/// Opens a connection and upgrades it from HTTP/1.1 to HTTP/2.
pub(super) async fn upgraded(
    socket: &Path,
    limits: &Limits,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<UnixStream> {
    let mut stream = dial(socket, limits).await?;
    let asked = async {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n"
        );
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).await?;
        accepted(&mut stream).await
    };
    let answer = tokio::time::timeout(limits.answer, asked).await;
    answer.map_err(|_| GivenUp::Late(limits.answer()))??;
    Ok(stream)
}

/// Reads the upgrade response, and nothing after it.
async fn accepted(stream: &mut UnixStream) -> io::Result<()> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == LONGEST_ANSWER {
            break;
        }
        answer.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).unwrap_or_default();
    if status == "101" {
        return Ok(());
    }
    let line = text.lines().next().unwrap_or_default();
    Err(io::Error::other(format!(
        "it refused the connection upgrade: {line}"
    )))
}

/// Formats the innermost cause of an error: the outer ones only state that there is one.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>() {
        Some(error) => system_words(error),
        None => innermost.to_string(),
    }
}

pub(super) fn random() -> String {
    let part = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", part(), part())
}

pub(crate) async fn dial(socket: &Path, limits: &Limits) -> io::Result<UnixStream> {
    let dialled = async {
        loop {
            match UnixStream::connect(socket).await {
                // The backlog is full; the daemon may be about to accept.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(PAUSE).await;
                }
                dialled => return dialled,
            }
        }
    };
    let late = |_| {
        let why = format!("no connection within {}", limits.connect());
        io::Error::new(io::ErrorKind::TimedOut, why)
    };
    let dialled = tokio::time::timeout(limits.connect, dialled).await;
    dialled
        .map_err(late)?
        .map_err(|error| io::Error::new(error.kind(), system_words(&error)))
}
