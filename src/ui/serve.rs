//! Answers the page's requests: the document, the events, an image's details, and the buttons.
//!
//! Other pages in the user's browser, and other users of the machine, can send requests here too. So every path begins with a
//! word that only the user was given, requests for another host or from another page are refused, and the buttons work only
//! where the user allowed them.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY,
};
use hyper::http::request::Parts;
use hyper::http::response::Builder;
use hyper::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::feed::{Feed, Seat};
use crate::loopback::{self, Answer, Loopback};
use crate::run::Remote;

/// How often a page that has nothing to hear hears that, so that a broken connection is noticed.
const BEAT: Duration = Duration::from_secs(10);

/// How long a page may read nothing.
const IDLE: Duration = Duration::from_secs(30);

/// What requests are answered from.
pub(super) struct Site {
    /// `127.0.0.1:PORT`.
    pub(super) host: String,
    /// The first part of every path.
    pub(super) word: String,
    pub(super) feed: Arc<Feed>,
    /// For the buttons, if they are allowed.
    pub(super) remote: Option<Remote>,
}

pub(super) fn start(listener: TcpListener, site: Site) -> io::Result<Loopback> {
    let site = Arc::new(site);
    Loopback::start("page", listener, IDLE, move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move {
            let (head, _) = request.into_parts();
            // Drawing a large graph takes a moment.
            let answered = tokio::task::spawn_blocking(move || site.answer(&head)).await;
            answered.unwrap_or_else(|_| {
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "imgspec failed to answer; please report it",
                )
            })
        }
    })
}

impl Site {
    fn answer(self: &Arc<Self>, head: &Parts) -> Answer {
        if let Err(why) = self.admit(head) {
            return text(StatusCode::FORBIDDEN, why);
        }
        let Some(path) = self.below_word(head.uri.path()) else {
            return text(
                StatusCode::NOT_FOUND,
                "not found: open the address that imgspec printed; it ends with a long word",
            );
        };
        match (head.method.as_str(), path) {
            ("GET", "") => self.document(),
            ("GET", "events") => self.events(),
            ("GET", path) if path.starts_with("detail/") => self.detail(&path["detail/".len()..]),
            ("POST", "control/rebuild") => self.control(head, Remote::rebuild),
            ("POST", "control/pause") => self.control(head, Remote::pause),
            (_, "" | "events" | "control/rebuild" | "control/pause") => text(
                StatusCode::METHOD_NOT_ALLOWED,
                "this method is not allowed here",
            ),
            _ => text(StatusCode::NOT_FOUND, "not found"),
        }
    }

    /// Whether the request is for this host, and from its own page if from any.
    fn admit(&self, head: &Parts) -> Result<(), &'static str> {
        if !loopback::is_for(&head.headers, &self.host) {
            return Err("only requests for this machine's loopback address are answered");
        }
        match head.headers.get(ORIGIN) {
            Some(_) if !self.is_own(head) => Err("requests from other pages are refused"),
            _ => Ok(()),
        }
    }

    /// Whether this site's own page sent the request.
    fn is_own(&self, head: &Parts) -> bool {
        let origin = head.headers.get(ORIGIN).and_then(|it| it.to_str().ok());
        let host = origin.and_then(|origin| origin.strip_prefix("http://"));
        host.is_some_and(|host| loopback::is_own(host, &self.host))
    }

    /// The path after `/WORD/`.
    fn below_word<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (word, rest) = path.strip_prefix('/')?.split_once('/')?;
        // Hashes are compared in constant time, so that answering time tells nothing.
        (blake3::hash(word.as_bytes()) == blake3::hash(self.word.as_bytes())).then_some(rest)
    }

    fn document(&self) -> Answer {
        let (scene, edition, history) = self.feed.whole();
        let page = scene.document(&history, &edition, self.remote.is_some());
        let head = head(StatusCode::OK, "text/html; charset=utf-8");
        full(
            head.header(CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
            page,
        )
    }

    fn detail(&self, name: &str) -> Answer {
        let name = percent_decode_str(name).decode_utf8_lossy();
        match self.feed.scene().detail(&name) {
            Some(detail) => full(head(StatusCode::OK, "application/json"), detail),
            None => text(StatusCode::NOT_FOUND, "there is no such image"),
        }
    }

    fn control(&self, head: &Parts, button: impl Fn(&Remote)) -> Answer {
        match &self.remote {
            None => text(
                StatusCode::FORBIDDEN,
                "this page only shows; start imgspec with `--ui-control` to have buttons",
            ),
            Some(_) if !self.is_own(head) => text(
                StatusCode::FORBIDDEN,
                "only the page's own buttons may do this",
            ),
            Some(remote) => {
                button(remote);
                full(self::head(StatusCode::NO_CONTENT, "text/plain"), "")
            }
        }
    }

    fn events(&self) -> Answer {
        let Some((first, receiver, seat)) = self.feed.connect() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the run has ended");
        };
        let (sender, body) = Channel::<Bytes, io::Error>::new(16);
        tokio::spawn(forward(sender, first, receiver));
        // The seat is taken until the body is, so until all was sent.
        let body = body.map_frame(move |frame| {
            let _: &Seat = &seat;
            frame
        });
        head(StatusCode::OK, "text/event-stream")
            .body(body.boxed())
            .expect("the headers are constants")
    }
}

/// Sends a page what it is to be told, until it has left, is too far behind, or the run has ended.
async fn forward(
    mut sender: Sender<Bytes, io::Error>,
    first: Bytes,
    mut receiver: broadcast::Receiver<Bytes>,
) {
    let mut next = first;
    while sender.send_data(next).await.is_ok() {
        next = match timeout(BEAT, receiver.recv()).await {
            Ok(Ok(message)) => message,
            Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return,
            Err(_) => Bytes::from_static(b": \n\n"),
        };
    }
}

fn head(status: StatusCode, kind: &'static str) -> Builder {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "no-store")
        .header(REFERRER_POLICY, "no-referrer")
        .header("Cross-Origin-Resource-Policy", "same-origin")
        .header("X-Content-Type-Options", "nosniff")
}

fn text(status: StatusCode, words: &'static str) -> Answer {
    full(
        head(status, "text/plain; charset=utf-8"),
        format!("{words}\n"),
    )
}

fn full(head: Builder, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {});
    head.body(body.boxed()).expect("the headers are constants")
}
