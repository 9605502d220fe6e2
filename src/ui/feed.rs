//! What the pages are told: the whole history once, then what changed, a few times a second.
//!
//! The thread of the run only folds its event and notes what changed, so no page and no flood of output slows a build down.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast;

use super::scene::Scene;
use crate::run::Event;
use crate::run::history::{Activity, Change, History, Row, Span};

/// The time over which changes are collected: too short to be seen, long enough for a flood to be one message.
const PAUSE: Duration = Duration::from_millis(50);

/// How many messages a page may be behind before it is disconnected; it then connects again and gets the whole.
const BEHIND: usize = 256;

/// How soon a browser tries again after the connection broke, so that it finds the next run while that is young.
const RETRY: &[u8] = b"retry: 500\n\n";

/// How many lines of one image are sent in one message.
const LINES: usize = 200;

/// History, pages, and what these have not been told yet.
pub(super) struct Feed {
    begun: Instant,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// How many pages are connected.
    pages: AtomicUsize,
    was_seen: AtomicBool,
}

struct Inner {
    history: History,
    scene: Arc<Scene>,
    /// Names this run and the images it shows: a page with another one has to be loaded again.
    edition: String,
    news: News,
    /// `None` once the run has ended.
    sender: Option<broadcast::Sender<Bytes>>,
}

/// What changed since the last messages.
#[derive(Default)]
struct News {
    images: BTreeSet<String>,
    lines: BTreeMap<String, Vec<String>>,
    is_all: bool,
    is_scene: bool,
}

/// A connected page; it counts until it is dropped.
pub(super) struct Seat(Arc<Feed>);

impl Feed {
    pub(super) fn new(scene: Scene) -> Arc<Self> {
        let (sender, _) = broadcast::channel(BEHIND);
        Arc::new(Self {
            begun: Instant::now(),
            inner: Mutex::new(Inner {
                history: History::default(),
                scene: Arc::new(scene),
                edition: edition(),
                news: News::default(),
                sender: Some(sender),
            }),
            changed: Condvar::new(),
            pages: AtomicUsize::new(0),
            was_seen: AtomicBool::new(false),
        })
    }

    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Takes in an event of the run.
    pub(super) fn hear(&self, event: &Event) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { history, news, .. } = &mut *inner;
        match history.hear(now, event) {
            Change::Image(image) => {
                news.images.insert(image.to_owned());
            }
            Change::Line(image) => {
                let row = history.images.get(image);
                let line = row.and_then(|row| row.lines.back()).cloned();
                let lines = news.lines.entry(image.to_owned()).or_default();
                if lines.len() == LINES {
                    lines.remove(0);
                }
                lines.extend(line);
            }
            Change::All => news.is_all = true,
            Change::Nothing => {}
        }
        self.changed.notify_one();
    }

    /// Shows other images, or the same ones in another state.
    pub(super) fn show(&self, scene: Scene) {
        let mut inner = self.inner.lock();
        if !scene.is_like(&inner.scene) {
            inner.news.is_scene = true;
            inner.edition = edition();
        }
        inner.scene = Arc::new(scene);
        self.changed.notify_one();
    }

    /// What is shown now, its edition, and what happened so far.
    pub(super) fn whole(&self) -> (Arc<Scene>, String, History) {
        let inner = self.inner.lock();
        let history = History {
            at: self.now(),
            ..inner.history.clone()
        };
        (Arc::clone(&inner.scene), inner.edition.clone(), history)
    }

    pub(super) fn scene(&self) -> Arc<Scene> {
        Arc::clone(&self.inner.lock().scene)
    }

    /// Sends what changed, until the run has ended.
    pub(super) fn tell(&self) {
        let mut inner = self.inner.lock();
        while inner.sender.is_some() {
            if inner.news.is_none() {
                self.changed.wait(&mut inner);
                continue;
            }
            inner.tell(self.now());
            drop(inner);
            thread::sleep(PAUSE);
            inner = self.inner.lock();
        }
    }

    /// Connects a page: the first messages, and the source of the others; `None` if the run has ended.
    pub(super) fn connect(self: &Arc<Self>) -> Option<(Bytes, broadcast::Receiver<Bytes>, Seat)> {
        let mut inner = self.inner.lock();
        // Whoever is there already is told first, so that nobody hears anything twice.
        inner.tell(self.now());
        let receiver = inner.sender.as_ref()?.subscribe();
        let history = History {
            at: self.now(),
            ..inner.history.clone()
        };
        self.pages.fetch_add(1, Ordering::SeqCst);
        self.was_seen.store(true, Ordering::SeqCst);
        let edition = message("edition", &inner.edition);
        let first = [RETRY, &edition, &message("history", &history)].concat();
        Some((first.into(), receiver, Seat(Arc::clone(self))))
    }

    /// Whether a page has ever been connected.
    pub(super) fn was_seen(&self) -> bool {
        self.was_seen.load(Ordering::SeqCst)
    }

    /// Sends what is left, and waits until all pages have got it, or for this long.
    pub(super) fn end(&self, patience: Duration) {
        let begun = Instant::now();
        let mut inner = self.inner.lock();
        inner.history.activity = Activity::Ended;
        inner.news.is_all = true;
        inner.tell(self.now());
        inner.sender = None;
        drop(inner);
        self.changed.notify_all();
        while self.pages.load(Ordering::SeqCst) > 0 && begun.elapsed() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.pages.fetch_sub(1, Ordering::SeqCst);
    }
}

impl News {
    fn is_none(&self) -> bool {
        !self.is_all && !self.is_scene && self.images.is_empty() && self.lines.is_empty()
    }
}

/// The state of one image, for a page that knows the rest.
#[derive(Serialize)]
struct RowMessage<'a> {
    image: &'a str,
    row: &'a Row,
    spans: Vec<&'a Span>,
    at: f64,
}

impl Inner {
    fn tell(&mut self, now: f64) {
        let news = std::mem::take(&mut self.news);
        let Some(sender) = self
            .sender
            .as_ref()
            .filter(|sender| sender.receiver_count() > 0)
        else {
            return;
        };
        // Nobody listening is no failure.
        let send = |message: Bytes| drop(sender.send(message));
        if news.is_scene {
            send(message("edition", &self.edition));
        }
        if news.is_all {
            self.history.at = now;
            send(message("history", &self.history));
            return self.tell_path(&send);
        }
        for (image, lines) in &news.lines {
            // A row brings all its lines.
            if news.images.contains(image) {
                continue;
            }
            send(message("lines", &json!({ "image": image, "lines": lines })));
        }
        for image in &news.images {
            if let Some(row) = self.history.images.get(image) {
                let spans = self.history.spans.iter();
                let row = RowMessage {
                    image,
                    row,
                    spans: spans.filter(|span| span.image == *image).collect(),
                    at: now,
                };
                send(message("row", &row));
            }
        }
    }

    /// Tells which images decided how long it took, once that is known.
    fn tell_path(&self, send: &dyn Fn(Bytes)) {
        if matches!(self.history.activity, Activity::Waiting | Activity::Ended) {
            let path = self.scene.critical_path(&self.history);
            send(message("critical", &path));
        }
    }
}

/// A word that no other run and no other images have.
fn edition() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// A message as browsers read them from an event stream.
fn message(kind: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("our own values serialize");
    format!("event: {kind}\ndata: {data}\n\n").into()
}
