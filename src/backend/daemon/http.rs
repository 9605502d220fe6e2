//! HTTP over the daemon's socket: a connection, requests on it, and readable errors.

use std::io;
use std::path::Path;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;

use crate::backend::buildkit::dial;
use crate::limits::Limits;

/// Maximum size of an answer about one image, in bytes.
const LONGEST_ANSWER: usize = 16 << 20;

/// A connection for consecutive requests.
pub(super) type Line = SendRequest<Empty<Bytes>>;

pub(super) async fn get(line: &mut Line, path: &str) -> io::Result<(StatusCode, Bytes)> {
    let question = Request::get(path)
        .header(header::HOST, "docker")
        .body(Empty::new())
        .map_err(io::Error::other)?;
    line.ready().await.map_err(|error| broken(&error))?;
    let answer = line
        .send_request(question)
        .await
        .map_err(|error| broken(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER)
        .collect()
        .await;
    let body = body.map_err(|error| match error.downcast_ref::<hyper::Error>() {
        Some(error) => broken(error),
        None if error.is::<LengthLimitError>() => io::Error::other(format!(
            "its answer is longer than {} MiB",
            LONGEST_ANSWER >> 20
        )),
        None => io::Error::other(error),
    })?;
    Ok((status, body.to_bytes()))
}

fn broken(error: &hyper::Error) -> io::Error {
    io::Error::other(if error.is_parse() || error.is_parse_too_large() {
        format!("its answer is not HTTP ({error})")
    } else if error.is_incomplete_message() || error.is_closed() {
        "it closed the connection before answering".to_owned()
    } else if error.is_canceled() {
        "it closed the connection, or its answer is invalid".to_owned()
    } else {
        error.to_string()
    })
}

pub(super) async fn connect(socket: &Path, limits: &Limits) -> io::Result<Line> {
    let stream = dial(socket, limits).await?;
    let (line, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Its errors surface in the requests made on it.
    tokio::spawn(connection);
    Ok(line)
}
