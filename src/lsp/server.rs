//! The server's state and what changes it: one event after the other.

mod changes;
mod lifecycle;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use lsp_server::{ErrorCode, Message, Notification, RequestId, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::analysis::{Examined, Found, Question, Sound};
use super::answers::{Answer, Fault, answer};
use super::ask::{Ask, Needs};
use super::client::Client;
use super::desk::Desk;
use super::documents::Documents;
use super::positions::Encoding;
use super::publish::Published;
use super::schedule::Schedule;
use super::stage::{Leave, Stage};
use super::vocabulary::Vocabularies;
use super::wire::{Incoming, Outgoing};
use crate::diagnostic::Diagnostic;

/// How often to see whether the client is still there.
const PULSE: Duration = Duration::from_secs(2);

/// How long the findings of the first stage are held back for those of the second, which are usually there at once: lints of
/// the second would vanish and come back with every change.
const HOLD: Duration = Duration::from_millis(300);

/// Something that happened.
pub(super) enum Event {
    Incoming(Incoming),
    /// The input has ended, or is not the protocol.
    Gone(Option<String>),
    Found(Found),
    Examined {
        generation: u64,
        examined: Vec<Examined>,
    },
    /// A thread has panicked.
    Broken,
}

/// Where questions go that take time.
pub(super) struct Workers {
    pub(super) check: Sender<Question>,
    /// With the number of changes that the first stage saw.
    pub(super) examine: Sender<(u64, Vec<Sound>)>,
}

/// A request that waits for the workspace to be looked at.
struct Waiting {
    id: RequestId,
    ask: Ask,
    /// The number of changes when it came.
    generation: u64,
    /// The version of its document then.
    version: Option<i32>,
}

pub(super) struct Server {
    out: SyncSender<Outgoing>,
    workers: Workers,
    stage: Stage,
    client: Client,
    desk: Desk,
    vocabularies: Vocabularies,
    published: Published,
    schedule: Schedule,
    waiting: Vec<Waiting>,
    /// Whether the second stage is at work.
    examining: bool,
    /// Whether the second stage has seen what the first found last.
    is_settled: bool,
    /// When what was found is published, whatever is still to come.
    publish_at: Option<Instant>,
    pulse: Instant,
}

impl Server {
    pub(super) fn new(out: SyncSender<Outgoing>, workers: Workers) -> Self {
        let found = Found {
            generation: 0,
            versions: BTreeMap::new(),
            analyses: Vec::new(),
            astray: BTreeMap::new(),
        };
        Self {
            out,
            workers,
            stage: Stage::New,
            client: Client::of(&Value::Null),
            desk: Desk {
                encoding: Encoding::Utf16,
                documents: Documents::default(),
                found,
            },
            vocabularies: Vocabularies::default(),
            published: Published::default(),
            schedule: Schedule::default(),
            waiting: Vec::new(),
            examining: false,
            is_settled: true,
            publish_at: None,
            pulse: Instant::now(),
        }
    }

    /// Takes events until the client leaves.
    pub(super) fn run(&mut self, inbox: &Receiver<Event>) -> Result<Leave, String> {
        loop {
            let now = Instant::now();
            let wait = self.next().saturating_duration_since(now);
            let event = match inbox.recv_timeout(wait) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(Leave::Abrupt),
            };
            if let Some(event) = event
                && let ControlFlow::Break(left) = self.take(event)
            {
                return left;
            }
            if let ControlFlow::Break(left) = self.tick(Instant::now()) {
                return left;
            }
        }
    }

    /// When something is to be done if nothing happens.
    fn next(&self) -> Instant {
        let due = self.schedule.due(!self.waiting.is_empty());
        let times = [due, self.publish_at, Some(self.pulse + PULSE)];
        times.into_iter().flatten().min().unwrap_or(self.pulse)
    }

    fn tick(&mut self, now: Instant) -> ControlFlow<Result<Leave, String>> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.schedule.due(!self.waiting.is_empty())) {
            self.look();
        }
        if is_due(self.publish_at) {
            self.publish();
        }
        if now >= self.pulse + PULSE {
            self.pulse = now;
            if self.client.is_gone() {
                return ControlFlow::Break(Ok(Leave::Abrupt));
            }
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, event: Event) -> ControlFlow<Result<Leave, String>> {
        match event {
            Event::Incoming(Incoming::Malformed { code, why }) => {
                self.say(Outgoing::Refusal { code, why });
            }
            Event::Incoming(Incoming::Message(message)) => return self.message(message),
            Event::Gone(None) if self.stage == Stage::Down => {
                return ControlFlow::Break(Ok(Leave::Orderly));
            }
            Event::Gone(None) => return ControlFlow::Break(Ok(Leave::Abrupt)),
            Event::Gone(Some(why)) => return ControlFlow::Break(Err(why)),
            Event::Found(found) => self.found(found),
            Event::Examined {
                generation,
                examined,
            } => self.examined(generation, examined),
            Event::Broken => {
                let why = "a bug: a thread has ended; please report it, with what it printed";
                return ControlFlow::Break(Err(why.to_owned()));
            }
        }
        ControlFlow::Continue(())
    }

    /// Answers a request, at once if it can be.
    fn ask(&mut self, id: RequestId, ask: Ask) {
        let document = ask.document().and_then(|uri| self.desk.documents.get(uri));
        let waiting = Waiting {
            version: document.map(|document| document.version),
            generation: self.schedule.generation(),
            id,
            ask,
        };
        self.try_answer(waiting);
    }

    /// Answers the requests that have waited long enough.
    fn answer_ready(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.try_answer(waiting);
        }
    }

    /// Answers a request, or has it wait.
    fn try_answer(&mut self, waiting: Waiting) {
        match self.answer(&waiting) {
            None => self.waiting.push(waiting),
            Some(Ok(answer)) => {
                for note in answer.notes {
                    self.notify("window/showMessage", json!({"type": 3, "message": note}));
                }
                self.reply(waiting.id, Ok(answer.result));
            }
            Some(Err(fault)) => self.reply(waiting.id, Err(fault)),
        }
    }

    /// The answer to a request; `None` if what it needs is not there yet.
    fn answer(&self, waiting: &Waiting) -> Option<Result<Answer, Fault>> {
        let Waiting { ask, .. } = waiting;
        let needs = ask.needs();
        if needs != Needs::Document {
            let found = &self.desk.found;
            let document = ask.document().and_then(|uri| self.desk.documents.get(uri));
            if document.map(|document| document.version) != waiting.version {
                let why = "the document has changed since";
                return Some(Err(Fault::new(ErrorCode::ContentModified, why)));
            }
            let path = document.and_then(|document| document.path.as_ref());
            let is_seen =
                path.is_none_or(|path| found.versions.get(path) == waiting.version.as_ref());
            if found.generation < waiting.generation || !is_seen {
                return None;
            }
            if needs == Needs::Keys && !self.is_settled {
                return None;
            }
        }
        let has_versions = self.client.has_versions;
        Some(answer(&self.desk, &self.vocabularies, has_versions, ask))
    }

    /// Begins to look at the workspaces.
    fn look(&mut self) {
        let question = Question {
            generation: self.schedule.begin(),
            texts: self.desk.documents.texts(),
            versions: self.desk.documents.versions(),
            folders: self.client.folders.clone(),
        };
        let _ = self.workers.check.send(question);
    }

    fn found(&mut self, found: Found) {
        self.schedule.end();
        self.vocabularies.learn(&found);
        self.desk.found = found;
        self.is_settled = false;
        let analyses = &self.desk.found.analyses;
        let is_wrong = |it: &Vec<Diagnostic>| it.iter().any(Diagnostic::is_error);
        if analyses.iter().any(|it| is_wrong(&it.diagnostics)) {
            self.publish();
        } else {
            self.publish_at.get_or_insert(Instant::now() + HOLD);
        }
        self.examine();
        self.answer_ready();
    }

    /// Has the second stage look at the workspaces without errors, unless it is at work, or something new will be found first.
    fn examine(&mut self) {
        if self.examining || self.is_settled || !self.schedule.is_idle() {
            return;
        }
        let analyses = self.desk.found.analyses.iter();
        let asked = analyses.filter(|it| !it.checked.has_errors());
        let asked = asked.map(|it| (it.manifest.clone(), Arc::clone(&it.checked)));
        let asked: Vec<_> = asked.collect();
        if asked.is_empty() {
            self.is_settled = true;
            self.publish();
            return;
        }
        self.examining = true;
        let _ = self
            .workers
            .examine
            .send((self.desk.found.generation, asked));
    }

    fn examined(&mut self, generation: u64, examined: Vec<Examined>) {
        self.examining = false;
        if generation == self.desk.found.generation {
            for Examined { manifest, result } in examined {
                let mut all = self.desk.found.analyses.iter_mut();
                let Some(analysis) = all.find(|it| it.manifest == manifest) else {
                    continue;
                };
                match result {
                    Ok(session) => {
                        analysis.diagnostics.clone_from(&session.warnings);
                        analysis.session = Some(session);
                    }
                    Err(diagnostics) => analysis.diagnostics = diagnostics,
                }
            }
            self.is_settled = true;
            self.publish();
        }
        self.examine();
        self.answer_ready();
    }

    /// Tells the client what is wrong.
    fn publish(&mut self) {
        self.publish_at = None;
        for params in self.published.update(&self.desk) {
            self.notify("textDocument/publishDiagnostics", params);
        }
    }

    fn notify(&mut self, method: &str, params: impl Serialize) {
        if let Ok(params) = serde_json::to_value(params) {
            let method = method.to_owned();
            self.say(Outgoing::Message(Message::Notification(Notification {
                method,
                params,
            })));
        }
    }

    fn reply(&mut self, id: RequestId, result: Result<Value, Fault>) {
        let response = match result {
            Ok(result) => Response::new_ok(id, result),
            Err(Fault { code, message }) => Response::new_err(id, code as i32, message),
        };
        self.say(Outgoing::Message(Message::Response(response)));
    }

    /// Says something; a client that has gone is noticed by its input.
    fn say(&mut self, message: Outgoing) {
        let _ = self.out.send(message);
    }
}
