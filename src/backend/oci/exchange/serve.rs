//! The registry's thread: accepts connections, reads requests, and dispatches each to the module that answers it.
//!
//! It has a runtime of its own, which ends with all its tasks before the exchange is gone. Requests under any host name
//! but the registry's own, and requests from a page in a browser, are rejected (DNS rebinding).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio_io_timeout::TimeoutStream;

use super::answer::{self, Answer, Code, ErrorResponse};
use super::call::{Call, Served};
use super::route::{self, Target};
use super::{blobs, manifests, uploads};

/// Maximum number of connections; each may occupy one of the runtime's 512 blocking threads.
const CONNECTIONS: usize = 256;

/// How long a connection may wait for its next request: longer than clients keep one open, so that the client closes it
/// first.
const KEPT: Duration = Duration::from_mins(10);

/// How long file access may continue after the exchange ends.
const LAST: Duration = Duration::from_secs(2);

/// Pause when the system cannot accept more connections.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopped` receives a message or its sender is dropped.
pub(super) fn start(
    listener: std::net::TcpListener,
    served: Arc<Served>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("exchange")
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    drop(entered);
    thread::Builder::new()
        .name("exchange".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, served) => {}
                }
            });
            runtime.shutdown_timeout(LAST);
        })
}

async fn accept(listener: TcpListener, served: Arc<Served>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            converse(stream, served).await;
            drop(permit);
        });
    }
}

async fn converse(stream: TcpStream, served: Arc<Served>) {
    // An optimization only, so errors do not matter.
    let _ = stream.set_nodelay(true);
    let idle = served.idle;
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { Ok::<_, Infallible>(answer(&served, request).await) }
    });
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

pub(super) async fn answer(served: &Arc<Served>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let mut call = Call {
        served,
        head: &head,
        body: Some(body),
    };
    match fulfil(&mut call).await {
        Ok(answer) => answer,
        Err(refusal) => {
            call.drain().await;
            refusal.answer()
        }
    }
}

async fn fulfil(call: &mut Call<'_>) -> Result<Answer, ErrorResponse> {
    guard(call)?;
    let method = call.head.method.clone();
    let is_get = matches!(method, Method::GET | Method::HEAD);
    let Some((of, target)) = route::target(call.head.uri.path(), &call.served.word)? else {
        if !is_get {
            return Err(not_allowed(&method, "GET, HEAD"));
        }
        let head = answer::head(StatusCode::OK).header("Content-Type", "application/json");
        return Ok(answer::full(head, "{}".into()));
    };
    match (method.as_str(), target) {
        (_, Target::Blob(digest)) if is_get => blobs::get(call, route::digest(&digest)?).await,
        (_, Target::Manifest(version)) if is_get => manifests::get(call, of, &version).await,
        ("PUT", Target::Manifest(version)) => manifests::put(call, of, &version).await,
        ("GET", Target::Tags) => manifests::tags(call, &of),
        ("POST", Target::Uploads) => uploads::start(call, &of).await,
        ("PATCH", Target::Upload(id)) => uploads::resume(call, &of, &id).await,
        ("PUT", Target::Upload(id)) => uploads::complete(call, &of, &id).await,
        ("GET", Target::Upload(id)) => uploads::state(call, &of, &id).await,
        ("DELETE", Target::Upload(id)) => uploads::cancel(call, &of, &id),
        (_, Target::Blob(_)) => Err(not_allowed(&method, "GET, HEAD")),
        (_, Target::Manifest(_)) => Err(not_allowed(&method, "GET, HEAD, PUT")),
        (_, Target::Uploads) => Err(not_allowed(&method, "POST")),
        (_, Target::Upload(_)) => Err(not_allowed(&method, "GET, PATCH, PUT, DELETE")),
        (_, Target::Tags) => Err(not_allowed(&method, "GET")),
    }
}

/// Rejects requests with another host name than the registry's, and requests from browsers, which send an origin.
fn guard(call: &Call<'_>) -> Result<(), ErrorResponse> {
    let host = call.served.host.as_str();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let is_own = call
        .header("host")
        .is_some_and(|named| named == host || named.strip_prefix("localhost:") == Some(port));
    if is_own && !call.head.headers.contains_key("origin") {
        return Ok(());
    }
    let words = format!("only requests for `{host}` are served, and none from browsers");
    Err(ErrorResponse::new(Code::DENIED, words))
}

fn not_allowed(method: &Method, allowed: &str) -> ErrorResponse {
    let words = format!("{method} is not allowed here");
    ErrorResponse::new(Code::UNSUPPORTED, words).with("Allow", allowed)
}
