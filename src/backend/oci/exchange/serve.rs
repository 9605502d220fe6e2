//! Reads requests to the registry and dispatches each to the module that answers it.
//!
//! Requests under any host name but the registry's own, and requests from a page in a browser, are rejected (DNS rebinding).

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::answer::{self, Code, ErrorResponse};
use super::call::{Call, Served};
use super::route::{self, Target};
use super::{blobs, manifests, uploads};
use crate::loopback::{self, Answer, Loopback};

pub(super) fn start(listener: TcpListener, served: &Arc<Served>) -> io::Result<Loopback> {
    let (served, idle) = (Arc::clone(served), served.idle);
    Loopback::start("exchange", listener, idle, move |request| {
        let served = Arc::clone(&served);
        async move { answer(&served, request).await }
    })
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
    let headers = &call.head.headers;
    if loopback::is_for(headers, host) && !headers.contains_key("origin") {
        return Ok(());
    }
    let words = format!("only requests for `{host}` are served, and none from browsers");
    Err(ErrorResponse::new(Code::DENIED, words))
}

fn not_allowed(method: &Method, allowed: &str) -> ErrorResponse {
    let words = format!("{method} is not allowed here");
    ErrorResponse::new(Code::UNSUPPORTED, words).with("Allow", allowed)
}
