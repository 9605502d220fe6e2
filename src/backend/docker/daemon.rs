//! Questions to the daemon over its Unix socket, without a process: what is there of some references.
//!
//! Knows HTTP and the socket, no recipes. The choice made: one round of questions over a few connections that are kept,
//! because the daemon answers for one image after the other (10 ms each with containerd's store), but on several
//! connections at a time. Source: <https://docs.docker.com/reference/api/engine/> (`GET /images/{name}/json`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::engine::PATIENCE;
use super::local;
use crate::backend::{Existence, Wanted};

/// Connections of one round. With more the daemon is no faster.
const CONNECTIONS: usize = 8;

/// A longer answer is none to a question for one image.
const LONGEST_ANSWER: usize = 16 << 20;

/// A connection that questions are asked on, one after the other.
type Line = SendRequest<Empty<Bytes>>;

/// One round of questions.
struct Round {
    socket: PathBuf,
    /// References, with the platforms that they must be for.
    wanted: Vec<(String, Vec<String>)>,
    /// The next one that nobody has asked.
    next: AtomicUsize,
}

/// What exists of these references, in their order.
///
/// # Errors
/// When nobody listens there: whoever knows another way may try it.
pub(super) fn exists(socket: &Path, wanted: &[Wanted<'_>]) -> io::Result<Vec<Existence>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let round = Arc::new(Round {
        socket: socket.to_owned(),
        wanted: wanted
            .iter()
            .map(|wanted| (wanted.reference.to_owned(), wanted.platforms.to_vec()))
            .collect(),
        next: AtomicUsize::new(0),
    });
    runtime.block_on(async {
        // Before any question, so that a daemon that is not there is told from one that cannot answer.
        let mut first = Some(in_time(connect(socket)).await?);
        let mut asking = JoinSet::new();
        for _ in 0..CONNECTIONS.min(wanted.len()) {
            asking.spawn(Arc::clone(&round).ask(first.take()));
        }
        let mut found: Vec<(usize, Existence)> =
            asking.join_all().await.into_iter().flatten().collect();
        found.sort_by_key(|(at, _)| *at);
        Ok(found.into_iter().map(|(_, found)| found).collect())
    })
}

impl Round {
    /// Asks on one connection until nothing is left to ask.
    async fn ask(self: Arc<Self>, mut line: Option<Line>) -> Vec<(usize, Existence)> {
        let mut found = Vec::new();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((reference, platforms)) = self.wanted.get(at) else {
                return found;
            };
            let existence = match in_time(self.one(&mut line, reference)).await {
                Ok((status, body)) => local::read_one(status.as_u16(), &body, platforms),
                Err(error) => {
                    line = None;
                    let why = format!("the Docker daemon does not answer: {error}");
                    Existence::Unknown { why }
                }
            };
            found.push((at, existence));
        }
    }

    async fn one(
        &self,
        line: &mut Option<Line>,
        reference: &str,
    ) -> io::Result<(StatusCode, Bytes)> {
        // The daemon may close a connection after an answer.
        if line.as_ref().is_none_or(SendRequest::is_closed) {
            *line = Some(connect(&self.socket).await?);
        }
        let line = line.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let question = Request::get(format!("/images/{reference}/json"))
            .header(header::HOST, "docker")
            .body(Empty::new())
            .map_err(io::Error::other)?;
        line.ready().await.map_err(io::Error::other)?;
        let answer = line
            .send_request(question)
            .await
            .map_err(io::Error::other)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER)
            .collect()
            .await
            .map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    }
}

async fn connect(socket: &Path) -> io::Result<Line> {
    let stream = UnixStream::connect(socket).await?;
    let (line, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Its errors are those of the questions on it.
    tokio::spawn(connection);
    Ok(line)
}

async fn in_time<T>(asked: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || {
        let seconds = PATIENCE.as_secs();
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {seconds} s"),
        )
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| late())?
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A daemon that has the images whose names end in an even digit, fails at those that end in 9, hangs up at 7, and
    /// counts the connections it gets.
    fn daemon(folder: &Path) -> (PathBuf, Arc<AtomicUsize>) {
        let socket = folder.join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || serve(&stream.unwrap()));
            }
        });
        (socket, connections)
    }

    fn serve(mut stream: &std::os::unix::net::UnixStream) {
        let mut lines = BufReader::new(stream).lines();
        while let Some(Ok(first)) = lines.next() {
            let name = first.strip_prefix("GET /images/").unwrap();
            let name = name.strip_suffix("/json HTTP/1.1").unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let (status, body) = match name.as_bytes().last() {
                Some(b'7') => return,
                Some(b'9') => ("500 Oops", r#"{"message":"disk on fire"}"#.to_owned()),
                Some(digit) if digit % 2 == 0 => ("200 OK", format!(r#"{{"Id":"sha256:{name}"}}"#)),
                _ => (
                    "404 Not Found",
                    format!(r#"{{"message":"No such image: {name}"}}"#),
                ),
            };
            let length = body.len();
            // Whoever asked may be gone.
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
    }

    fn exists(socket: &Path, references: &[&str]) -> io::Result<Vec<Existence>> {
        let wanted = references.iter().map(|reference| Wanted {
            reference,
            place: crate::backend::StoreKind::Local,
            platforms: &[],
        });
        super::exists(socket, &wanted.collect::<Vec<_>>())
    }

    #[test]
    fn one_round_over_a_few_connections_tells_of_all_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, connections) = daemon(folder.path());
        let names: Vec<String> = (0..600)
            .filter(|at| at % 10 != 7 && at % 10 != 9)
            .map(|at| format!("ghcr.io/team/image:{at}"))
            .collect();
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = exists(&socket, &wanted).unwrap();
        assert_eq!(found.len(), wanted.len());
        for (name, found) in wanted.iter().zip(found) {
            let is_even = name.as_bytes().last().unwrap() % 2 == 0;
            let expected = Existence::Present {
                key: None,
                digest: format!("sha256:{name}"),
            };
            assert_eq!(found, if is_even { expected } else { Existence::Absent });
        }
        assert!(connections.load(Ordering::Relaxed) <= CONNECTIONS);
    }

    #[test]
    fn what_the_daemon_fails_at_is_unknown_and_the_rest_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, _) = daemon(folder.path());
        let found = exists(&socket, &["a:2", "a:7", "a:9", "a:1", "a:4"]).unwrap();
        let said = |at: usize| match &found[at] {
            Existence::Unknown { why } => why.as_str(),
            other => panic!("{other:?}"),
        };
        assert!(said(1).starts_with("the Docker daemon does not answer: "));
        assert_eq!(said(2), "disk on fire");
        assert!(matches!(found[0], Existence::Present { .. }));
        assert_eq!(found[3], Existence::Absent);
        assert!(matches!(found[4], Existence::Present { .. }));
    }

    #[test]
    fn where_nobody_listens_there_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let error = exists(&folder.path().join("docker.sock"), &["a:1"]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
