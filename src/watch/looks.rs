//! Schedules looks, and tracks the one in progress.
//!
//! Changes are collected until there is silence and git is idle. Then a single look, on its own thread, covers all of
//! them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::git::Git;
use super::hints::{Dirty, Hints};
use super::look::{self, Task};
use super::places::{Input, Places};
use super::quiet::{Quiet, Turn};
use super::request::Request;
use crate::asking::{Asker, Waiting};
use crate::cancel::Cancel;
use crate::recipe::FileSet;
use crate::run::Event;
use crate::session::{Kept, Selection};
use crate::store::Store;
use crate::world::View;

/// How long git is waited for before this is reported.
const SAY_HELD: Duration = Duration::from_secs(1);

pub(super) struct Looks {
    request: Arc<Request>,
    /// What the request selects, with the directory that the first valid manifests gave it.
    selection: Arc<OnceLock<Selection>>,
    kept: Kept,
    /// Cancels the queries of a look.
    cancel: Cancel,
    started: Instant,
    hints: Arc<Hints>,
    quiet: Quiet,
    git: Git,
    held: Held,
    going_on: Option<Looking>,
    /// Whether the next look queries all images, changed or not.
    asks_all: bool,
}

struct Looking {
    doubt: Dirty,
    /// Images whose builds ended during the look: the facts it gathers about them may be outdated.
    ended: BTreeSet<String>,
}

enum Held {
    No,
    Since(Instant),
    Said,
}

pub(super) enum Due {
    Never,
    At(Instant),
    Now,
}

impl Looks {
    pub(super) fn new(
        request: &Arc<Request>,
        (kept, cancel): (Kept, Cancel),
        root: &Path,
        hints: &Arc<Hints>,
    ) -> Self {
        Self {
            request: Arc::clone(request),
            selection: Arc::default(),
            kept,
            cancel,
            started: Instant::now(),
            hints: Arc::clone(hints),
            quiet: Quiet::new(request.quiet),
            git: Git::find(root),
            held: Held::No,
            going_on: None,
            asks_all: false,
        }
    }

    /// Picks up new hints.
    pub(super) fn listen(&mut self) {
        if self.hints.listen() {
            self.quiet.touch(self.started.elapsed());
        }
    }

    /// Marks inputs as dirty.
    pub(super) fn doubt(&mut self, inputs: impl IntoIterator<Item = Input>) {
        self.hints.doubt(inputs);
        self.quiet.touch(self.started.elapsed());
    }

    pub(super) fn doubt_sets<'s>(&mut self, sets: impl IntoIterator<Item = &'s FileSet>) {
        self.doubt(
            sets.into_iter()
                .map(|set| Input::Set(Arc::new(set.clone()))),
        );
    }

    /// Marks everything as dirty.
    pub(super) fn doubt_everything(&mut self) {
        self.hints.doubt_everything();
        self.quiet.touch(self.started.elapsed());
    }

    /// Makes the next look due without waiting for silence.
    pub(super) fn hurry(&mut self) {
        self.quiet.hurry(self.started.elapsed());
    }

    /// Requests a look at everything that also queries all images.
    pub(super) fn ask_all(&mut self) {
        self.asks_all = true;
        self.hints.doubt_everything();
        self.hurry();
    }

    pub(super) fn is_going_on(&self) -> bool {
        self.going_on.is_some()
    }

    /// Whether a look is in progress or due.
    pub(super) fn is_open(&self) -> bool {
        self.is_going_on() || self.quiet.is_open()
    }

    pub(super) fn unseen(&self) -> Dirty {
        let mut doubt = self.hints.doubts();
        if let Some(looking) = &self.going_on {
            doubt.add(&looking.doubt);
        }
        doubt
    }

    /// When the next look is due. Reports what postpones it.
    pub(super) fn due(&mut self, emit: impl FnOnce(Event)) -> Due {
        if self.is_going_on() {
            return Due::Never;
        }
        let mut busy = None;
        let git = &self.git;
        let turn = self.quiet.turn(self.started.elapsed(), || {
            busy = git.busy();
            busy.is_some()
        });
        match turn {
            Turn::Idle => Due::Never,
            Turn::Later(at) => Due::At(self.started + at),
            Turn::Held(at) => {
                self.hold(busy.unwrap_or_default(), emit);
                Due::At(self.started + at)
            }
            Turn::Now => {
                self.held = Held::No;
                self.quiet.close();
                Due::Now
            }
        }
    }

    fn hold(&mut self, why: &str, emit: impl FnOnce(Event)) {
        match self.held {
            Held::No => self.held = Held::Since(Instant::now()),
            Held::Since(since) if since.elapsed() >= SAY_HELD => {
                self.held = Held::Said;
                let why = format!("{why}; waiting for it to finish");
                emit(Event::WatchHeld { why });
            }
            Held::Since(_) | Held::Said => {}
        }
    }

    /// Starts a look at what is dirty; the bell announces its end. Returns false if there is nothing to look at.
    pub(super) fn begin(
        &mut self,
        before: Option<(Arc<View>, Arc<Places>)>,
        is_broken: bool,
        store: Store,
        bell: Bell,
    ) -> bool {
        let doubt = self.hints.take();
        let asks_all = std::mem::take(&mut self.asks_all);
        if doubt.is_empty() && !asks_all {
            return false;
        }
        let task = Task {
            before,
            doubt: doubt.clone(),
            is_broken,
            asks_all,
            selection: Arc::clone(&self.selection),
            kept: self.kept.clone(),
        };
        self.going_on = Some(Looking {
            doubt,
            ended: BTreeSet::new(),
        });
        let (request, cancel) = (Arc::clone(&self.request), self.cancel.clone());
        std::thread::spawn(move || {
            let emit = |waiting: &Waiting| bell.emit(waiting.into());
            let asker = Asker::new(&emit, &cancel);
            let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                look::look(&request, &store, &task, asker)
            }));
            let looked = looked.map_err(|_| {
                "internal error while reading changed files; please report it".to_owned()
            });
            bell.ring(looked);
        });
        true
    }

    /// Notes a finished build that the look in progress may have missed.
    pub(super) fn note_ended(&mut self, image: &str) {
        if let Some(looking) = &mut self.going_on {
            looking.ended.insert(image.to_owned());
        }
    }

    /// Ends the look. Returns the images whose builds ended during it.
    pub(super) fn end(&mut self) -> BTreeSet<String> {
        let looking = self.going_on.take();
        looking.map(|looking| looking.ended).unwrap_or_default()
    }
}
