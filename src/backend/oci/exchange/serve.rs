//! The registry's thread: listens, reads requests, and hands each to the file that answers it.
//!
//! It has a runtime of its own, which ends with all its tasks before the exchange is gone. Whoever comes by another name than the
//! registry's own, or from a page in a browser, is refused (DNS rebinding).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::answer::{self, Answer, Code, Refusal};
use super::impatient::Impatient;
use super::limits::{CONNECTIONS, KEPT};
use super::request::{Body, hear_out};
use super::route::{self, Target};
use super::served::Served;
use super::{blobs, manifests, tags, uploads};

/// How long a file may still be read or written when the exchange ends.
const LAST: Duration = Duration::from_secs(2);

/// How long to wait when the system has no more connections to give.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopped` is told so or dropped.
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
    // Only makes it faster.
    let _ = stream.set_nodelay(true);
    let idle = served.idle;
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { Ok::<_, Infallible>(answer(&served, request).await) }
    });
    let stream = Impatient::new(stream, idle);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(KEPT);
    // A connection that breaks is the client's to mend.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

pub(super) async fn answer(served: &Arc<Served>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let mut body = Some(body);
    match fulfil(served, &head, &mut body).await {
        Ok(answer) => answer,
        Err(refusal) => {
            hear_out(body).await;
            refusal.answer()
        }
    }
}

async fn fulfil(served: &Arc<Served>, head: &Parts, body: &mut Body) -> Result<Answer, Refusal> {
    guard(&served.host, head)?;
    let target = route::target(head.uri.path(), &served.word)?;
    let (store, links) = (&served.store, served.run.links());
    let is_get = matches!(head.method, Method::GET | Method::HEAD);
    match (head.method.as_str(), target) {
        (_, Target::Root) if is_get => {
            let head = answer::head(StatusCode::OK).header("Content-Type", "application/json");
            Ok(answer::full(head, "{}".into()))
        }
        (_, Target::Blob(_, digest)) if is_get => {
            blobs::get(store, route::digest(&digest)?, head).await
        }
        (_, Target::Manifest(of, version)) if is_get => {
            manifests::get(store, links, of, &version).await
        }
        ("PUT", Target::Manifest(of, version)) => {
            let body = (body, served.idle);
            manifests::put(store, links, of, &version, head, body).await
        }
        ("GET", Target::Tags(of)) => tags::list(links, of, head.uri.query()).await,
        ("POST", Target::Uploads(of)) => uploads::begin(served, &of, head, body).await,
        ("PATCH", Target::Upload(of, id)) => uploads::go_on(served, &of, &id, head, body).await,
        ("PUT", Target::Upload(of, id)) => uploads::end(served, &of, &id, head, body).await,
        ("GET", Target::Upload(of, id)) => uploads::state(served, &of, &id).await,
        ("DELETE", Target::Upload(of, id)) => uploads::give_up(served, &of, &id),
        (method, target) => Err(not_done(method, &target)),
    }
}

/// Only clients that were told of this registry come by its name; pages of browsers say where they are from.
fn guard(host: &str, head: &Parts) -> Result<(), Refusal> {
    let named = head.headers.get("host").and_then(|host| host.to_str().ok());
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let is_own = named.is_some_and(|named| {
        named == host
            || named
                .strip_prefix("localhost:")
                .is_some_and(|own| own == port)
    });
    if is_own && !head.headers.contains_key("origin") {
        return Ok(());
    }
    let words = format!("only `{host}` is served, and no page in a browser");
    Err(Refusal::new(Code::Denied, words))
}

fn not_done(method: &str, target: &Target) -> Refusal {
    let allowed = match target {
        Target::Root | Target::Blob(..) => "GET, HEAD",
        Target::Manifest(..) => "GET, HEAD, PUT",
        Target::Uploads(_) => "POST",
        Target::Upload(..) => "GET, PATCH, PUT, DELETE",
        Target::Tags(_) => "GET",
    };
    let words = format!("{method} is not done here");
    Refusal::new(Code::Unsupported, words).with("Allow", allowed)
}
