//! An HTTP server on the loopback interface that runs inside this process: for the exchange between backends, and for the
//! live page.
//!
//! It only accepts connections and applies limits; what is answered is its owner's affair. It has a thread and a runtime of
//! its own, which end with all their tasks before it is gone.

use std::convert::Infallible;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio_io_timeout::TimeoutStream;

/// A response: whole, or a stream.
pub(crate) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// Maximum number of connections; each may occupy one of the runtime's 512 blocking threads.
const CONNECTIONS: usize = 256;

/// How long a connection may wait for its next request: longer than clients keep one open, so that the client closes it
/// first.
const KEPT: Duration = Duration::from_mins(10);

/// How long file access may continue after the end.
const LAST: Duration = Duration::from_secs(2);

/// Pause when the system cannot accept more connections.
const PAUSE: Duration = Duration::from_millis(50);

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Serves this listener. A client that reads nothing for `idle` is disconnected.
    pub(crate) fn start<A, F>(
        name: &'static str,
        listener: TcpListener,
        idle: Duration,
        answer: A,
    ) -> io::Result<Self>
    where
        A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(entered);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, idle, Arc::new(answer)) => {}
                }
            });
            runtime.shutdown_timeout(LAST);
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // If the thread has already ended, there is nothing to stop.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<A, F>(listener: tokio::net::TcpListener, idle: Duration, answer: Arc<A>)
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            converse(stream, idle, &*answer).await;
            drop(permit);
        });
    }
}

async fn converse<A, F>(stream: TcpStream, idle: Duration, answer: &A)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    // An optimization only, so errors do not matter.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    let mut stream = TimeoutStream::new(stream);
    // Closes the connection when the client stops reading.
    stream.set_write_timeout(Some(idle));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(KEPT);
    // The client deals with broken connections.
    let _ = http
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .await;
}

/// Whether a request names `host` (`127.0.0.1:PORT`), or localhost with the same port: a page that resolves its own name to
/// this machine does not (DNS rebinding).
pub(crate) fn is_for(headers: &HeaderMap, host: &str) -> bool {
    let named = headers.get(HOST).and_then(|named| named.to_str().ok());
    named.is_some_and(|named| is_own(named, host))
}

/// Whether `named` is `host` (`127.0.0.1:PORT`), or localhost with the same port.
pub(crate) fn is_own(named: &str, host: &str) -> bool {
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    named == host || named.strip_prefix("localhost:") == Some(port)
}

/// A word that cannot be guessed: 128 random bits, in hexadecimal.
pub(crate) fn random_word() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}
