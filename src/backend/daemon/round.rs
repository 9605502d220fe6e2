//! Queries to the daemon over its Unix socket, without a process: which references exist, and whether it is alive.
//!
//! A round of queries uses a few persistent connections, because on each the daemon answers for one image after the
//! other (10 ms each with containerd's store), but it serves several connections concurrently. If the daemon breaks
//! connections repeatedly, or does not answer, the rest of the round is skipped. Source:
//! <https://docs.docker.com/reference/api/engine/> (`GET /images/{name}/json`, `GET /_ping`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::StatusCode;
use hyper::body::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::endpoint::Endpoint;
use super::engine::NoEngine;
use super::http::{Line, connect, get};
use super::inspect;
use crate::asking::{Asker, GivenUp, LastSign};
use crate::backend::{Existence, Wanted};
use crate::limits::Limits;

/// Number of connections per round. More do not make the daemon faster.
const CONNECTIONS: usize = 8;

/// After this many consecutive failures, the rest of the round is skipped.
const BROKEN: usize = 4;

/// A round of queries, shared by its connections.
struct Round {
    socket: PathBuf,
    limits: Limits,
    whom: String,
    /// References, with the platforms that they must support.
    wanted: Vec<(String, Vec<String>)>,
    next: AtomicUsize,
    found: Mutex<Vec<Option<Existence>>>,
    /// Number of failures since the last answer.
    broken: AtomicUsize,
    /// Why the rest of the round was skipped.
    lost: Mutex<Option<String>>,
    heard: LastSign,
}

/// The existence of each of these references, in order.
pub(super) fn exists(
    endpoint: &Endpoint,
    wanted: &[Wanted<'_>],
    limits: &Limits,
    asker: Asker<'_>,
) -> Result<Vec<Existence>, NoEngine> {
    let whom = endpoint.words();
    let question = asker.ask(&whom, limits.answer());
    let round = Arc::new(Round::new(endpoint, wanted, limits, question.heard()));
    let unreached = |error: &io::Error| NoEngine::unreached(&whom, error);
    let runtime = runtime().map_err(|error| unreached(&error))?;
    let ended = runtime.block_on(question.wait(async {
        // Connects first, to tell a daemon that is not running from one that cannot answer.
        let mut first = Some(connect(&round.socket, limits).await?);
        let mut asking = JoinSet::new();
        for _ in 0..CONNECTIONS.min(wanted.len()) {
            asking.spawn(Arc::clone(&round).ask(first.take()));
        }
        asking.join_all().await;
        Ok(())
    }));
    // Drops the queries that are still open.
    runtime.shutdown_background();
    match ended {
        Ok(Err(error)) => Err(unreached(&error)),
        Ok(Ok(())) => Ok(round.told(None)),
        Err(given_up) => Ok(round.told(Some(given_up))),
    }
}

/// Checks that the daemon answers at all, whatever the answer.
pub(super) fn lives(
    endpoint: &Endpoint,
    limits: &Limits,
    asker: Asker<'_>,
) -> Result<(), NoEngine> {
    let whom = endpoint.words();
    let question = asker.ask(&whom, limits.answer());
    let unreached = |error: &io::Error| NoEngine::unreached(&whom, error);
    let runtime = runtime().map_err(|error| unreached(&error))?;
    let answered = runtime.block_on(question.wait(async {
        let mut line = connect(&endpoint.socket().unwrap_or_default(), limits).await?;
        get(&mut line, "/_ping").await.map(drop)
    }));
    runtime.shutdown_background();
    let answer = answered.unwrap_or_else(|given_up| Err(given_up.into()));
    answer.map_err(|error| unreached(&error))
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}

impl Round {
    fn new(endpoint: &Endpoint, wanted: &[Wanted<'_>], limits: &Limits, heard: LastSign) -> Self {
        let own = |wanted: &Wanted<'_>| (wanted.reference.to_owned(), wanted.platforms.to_vec());
        Self {
            socket: endpoint.socket().unwrap_or_default(),
            limits: *limits,
            whom: endpoint.words(),
            wanted: wanted.iter().map(own).collect(),
            next: AtomicUsize::new(0),
            found: Mutex::new(vec![None; wanted.len()]),
            broken: AtomicUsize::new(0),
            lost: Mutex::default(),
            heard,
        }
    }

    async fn ask(self: Arc<Self>, mut line: Option<Line>) {
        while self.broken.load(Ordering::Relaxed) < BROKEN {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((reference, platforms)) = self.wanted.get(at) else {
                return;
            };
            let existence = match self.one(&mut line, reference).await {
                Ok((status, body)) => {
                    self.heard.now();
                    self.broken.store(0, Ordering::Relaxed);
                    let wanted = (reference.as_str(), platforms.as_slice());
                    inspect::read_one(&self.whom, status.as_u16(), &body, wanted)
                }
                Err(error) => {
                    line = None;
                    let why = NoEngine::unreached(&self.whom, &error).sentence();
                    if self.broken.fetch_add(1, Ordering::Relaxed) + 1 == BROKEN {
                        *self.lost.lock() = Some(why.clone());
                    }
                    Existence::Unknown { why }
                }
            };
            self.found.lock()[at] = Some(existence);
        }
    }

    async fn one(
        &self,
        line: &mut Option<Line>,
        reference: &str,
    ) -> io::Result<(StatusCode, Bytes)> {
        // The daemon may close a connection after an answer.
        if line.as_ref().is_none_or(Line::is_closed) {
            *line = Some(connect(&self.socket, &self.limits).await?);
        }
        let line = line.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        get(line, &format!("/images/{reference}/json")).await
    }

    /// The results; queries that were skipped or not answered are unknown, all for the same reason.
    fn told(&self, given_up: Option<GivenUp>) -> Vec<Existence> {
        let lost = self.lost.lock().take();
        let why = match given_up {
            Some(given_up) => NoEngine::unreached(&self.whom, &given_up.into()).sentence(),
            None => lost.unwrap_or_default(),
        };
        let mut found = self.found.lock();
        let each = std::mem::take(&mut *found).into_iter();
        each.map(|found| found.unwrap_or_else(|| Existence::Unknown { why: why.clone() }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// A daemon that has the images whose names end in an even digit, returns an error for 9, closes the connection for
    /// 7, and counts its connections.
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
                Some(digit) if digit % 2 == 0 => (
                    "200 OK",
                    format!(r#"{{"Id":"sha256:{name}","RepoTags":["{name}"]}}"#),
                ),
                _ => (
                    "404 Not Found",
                    format!(r#"{{"message":"No such image: {name}"}}"#),
                ),
            };
            let length = body.len();
            // The client may be gone.
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
    }

    fn exists(socket: &Path, references: &[&str]) -> Result<Vec<Existence>, NoEngine> {
        exists_within(socket, references, &Limits::default())
    }

    fn exists_within(
        socket: &Path,
        references: &[&str],
        limits: &Limits,
    ) -> Result<Vec<Existence>, NoEngine> {
        let endpoint = Endpoint::at(&format!("unix://{}", socket.display()));
        let wanted = references.iter().map(|reference| Wanted {
            reference,
            place: crate::backend::StoreKind::Local,
            platforms: &[],
        });
        super::exists(
            &endpoint,
            &wanted.collect::<Vec<_>>(),
            limits,
            Asker::silent(),
        )
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
                size: None,
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
        let whom = format!("the Docker daemon at unix://{}", socket.display());
        assert!(said(1).starts_with(&format!("{whom} does not answer: it closed the connection")));
        assert_eq!(
            said(2),
            format!("{whom} answers with status 500: disk on fire")
        );
        assert!(matches!(found[0], Existence::Present { .. }));
        assert_eq!(found[3], Existence::Absent);
        assert!(matches!(found[4], Existence::Present { .. }));
    }

    #[test]
    fn where_nobody_listens_there_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let none = exists(&folder.path().join("docker.sock"), &["a:1"]).unwrap_err();
        assert!(
            none.why.ends_with("no such file or directory"),
            "{}",
            none.why
        );
    }

    /// A daemon that sends these bytes on every connection, and then nothing.
    fn says(folder: &Path, words: &'static [u8]) -> PathBuf {
        let socket = folder.join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let _ = stream.read(&mut [0; 1024]);
                    let _ = stream.write_all(words);
                    let _ = stream.read_to_end(&mut Vec::new());
                });
            }
        });
        socket
    }

    #[test]
    fn a_daemon_that_says_nothing_is_waited_for_once_for_all() {
        let limits = Limits {
            answer: Duration::from_millis(200),
            ..Limits::default()
        };
        let names: Vec<String> = (0..100).map(|at| format!("a:{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for words in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: ",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let socket = says(folder.path(), words);
            let begun = std::time::Instant::now();
            let found = exists_within(&socket, &names, &limits).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(4));
            assert_eq!(found.len(), 100);
            for found in found {
                let Existence::Unknown { why } = found else {
                    panic!("{found:?}")
                };
                assert!(why.contains("no answer within 0.2 s"), "{why}");
            }
        }
    }

    #[test]
    fn a_daemon_that_speaks_no_http_is_not_asked_for_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let socket = says(folder.path(), b"SSH-2.0-OpenSSH\r\n\r\n");
        let names = ["a:1"; 40];
        for found in exists(&socket, &names).unwrap() {
            let Existence::Unknown { why } = found else {
                panic!("{found:?}")
            };
            assert!(why.contains("its answer is not HTTP"), "{why}");
        }
        let endpoint = Endpoint::at(&format!("unix://{}", socket.display()));
        lives(&endpoint, &Limits::default(), Asker::silent()).unwrap_err();
    }
}
