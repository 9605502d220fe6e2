//! The thread that owns a watch: receives messages and dispatches each to the component in charge.
//!
//! Its loop: look at dirty inputs when it is time, let the engine start what may start, end the wave when nothing is
//! left, wait for a message. Every turn decides from current knowledge, so a change during a build is no special case.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use super::bell::{Bell, Ending};
use super::ends::Ends;
use super::hints::Hints;
use super::keys::Keys;
use super::look::readers;
use super::looks::{Due, Looks};
use super::phase::{Now, Phase};
use super::poller::Poller;
use super::request::{Audience, Request};
use super::source::{DirectoryWatcher, Wake};
use crate::graph::ImageId;
use crate::plan::Plan;
use crate::run::Event;
use crate::run::mailbox::{End, Ended, Message, Reporter};
use crate::session::Kept;
use crate::store::Store;
use crate::world::View;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    Pause,
    End,
}

/// The state of a watch, except for the images: these are in the phase, which is passed along.
pub(super) struct Keeper<'r> {
    pub(super) request: Arc<Request>,
    pub(super) store: Store,
    pub(super) reporter: Reporter<'r>,
    show: &'r mut dyn FnMut(&Arc<View>, &Plan),
    /// Whether there is a view that the audience has not been given.
    pub(super) is_unshown: bool,
    pub(super) looks: Looks,
    pub(super) end: End,
    bell: Bell,
    hints: Arc<Hints>,
    source: DirectoryWatcher,
    poller: Poller,
    ends: Ends<'r>,
    keys: Option<Keys>,
    wish: Wish,
    /// The number of watched images last reported, and whether by polling.
    shown: Option<(usize, bool)>,
}

impl<'r> Keeper<'r> {
    pub(super) fn new(
        request: Arc<Request>,
        root: &Path,
        (kept, end): (Kept, End),
        store: Store,
        bell: Bell,
        audience: Audience<'r>,
    ) -> Self {
        let Audience { event, wave, view } = audience;
        let hints = Arc::new(Hints::default());
        let hint = bell.clone();
        let wake: Wake = Arc::new(move || hint.wake());
        let (source, why) = DirectoryWatcher::new(&hints, &wake, request.poll);
        let key = bell.clone();
        let hear = || Keys::hear(Arc::new(move |pressed| key.press(pressed)));
        let this = Self {
            reporter: Reporter::new(event),
            show: view,
            is_unshown: false,
            looks: Looks::new(&request, (kept, end.cancel.clone()), root, &hints),
            ends: Ends::new(&request, root, &bell, wave),
            keys: request.keys.then(hear).flatten(),
            request,
            store,
            end,
            bell,
            hints,
            source,
            poller: Poller::default(),
            wish: Wish::GoOn,
            shown: None,
        };
        if let Some(why) = why {
            this.report_poll(&why);
        }
        this
    }

    /// Keeps the images up to date until the user stops it. `receiver` and `looked` receive what the bell sends.
    pub(super) fn keep(
        mut self,
        mut phase: Phase<'r>,
        receiver: Receiver<Message>,
        looked: &Receiver<Ending>,
    ) {
        self.begin(&mut phase);
        loop {
            let until = self.work(&mut phase);
            if self.wish == Wish::End && phase.is_idle() && !self.looks.is_going_on() {
                break;
            }
            match wait(&receiver, until) {
                Ok(Some(message)) => self.hear(&mut phase, message),
                Ok(None) => {}
                Err(()) => break,
            }
            while let Ok(looked) = looked.try_recv() {
                phase = self.looked(phase, looked);
            }
        }
        // Dropped first, so that no sender blocks on a full channel.
        drop(receiver);
        self.ends.stop();
        self.keys = None;
        let waves = phase.now().map_or(0, |now| now.engine.waves);
        self.reporter.emit(Event::WatchEnded { waves });
    }

    fn begin(&mut self, phase: &mut Phase<'r>) {
        if let Some(broken) = &phase.broken {
            self.report_broken(None, broken);
        }
        if let Some(now) = phase.now_mut() {
            now.engine.decide();
        }
        self.follow(phase);
        if let Some(now) = phase.now_mut() {
            let all = now.engine.state.view.relevant.clone();
            self.wake(now, &all, (Vec::new(), 0));
        }
    }

    /// Does what is due now. Returns when something is due next.
    fn work(&mut self, phase: &mut Phase<'r>) -> Option<Instant> {
        if self.wish == Wish::End {
            return None;
        }
        self.looks.listen();
        let due = match self.wish {
            Wish::GoOn => self.look_if_due(phase),
            Wish::Pause | Wish::End => None,
        };
        if let Some(now) = phase.now_mut() {
            self.turn(now);
        }
        due
    }

    fn look_if_due(&mut self, phase: &mut Phase<'r>) -> Option<Instant> {
        if self.looks.is_going_on() {
            return None;
        }
        let poll = self.poll(phase);
        let reporter = &self.reporter;
        let due = match self.looks.due(|event| reporter.emit(event)) {
            Due::Never => None,
            Due::At(at) => Some(at),
            Due::Now => {
                self.look(phase);
                return None;
            }
        };
        due.into_iter().chain(poll).min()
    }

    /// Marks everything as dirty if a poll is due. Returns when the next one is.
    fn poll(&mut self, phase: &Phase<'r>) -> Option<Instant> {
        let every = self.source.poll()?;
        let view = phase.now().map(|now| &*now.engine.state.view);
        let is_broken = phase.broken.is_some();
        if self.poller.poll(every, view, is_broken, &self.hints) {
            self.looks.hurry();
        }
        self.poller.at
    }

    fn look(&mut self, phase: &mut Phase<'r>) {
        let before = |now: &Now<'r>| (Arc::clone(&now.engine.state.view), Arc::clone(&now.places));
        let before = phase.now().map(before);
        let is_broken = phase.broken.is_some();
        let (store, bell) = (self.store.clone(), self.bell.clone());
        let begins = self.looks.begin(before, is_broken, store, bell);
        if let Some(now) = phase.now_mut().filter(|_| !begins) {
            now.engine.touch();
        }
    }

    fn turn(&mut self, now: &mut Now<'r>) {
        if now.engine.is_stale() {
            let state = &mut now.engine.state;
            state.in_doubt = readers(&state.view, &self.looks.unseen());
        }
        now.engine.turn(self.wish == Wish::GoOn);
        if std::mem::take(&mut self.is_unshown) {
            let state = &now.engine.state;
            (self.show)(&state.view, &state.plan);
        }
        if now.engine.wave.is_some() && now.engine.is_done() && !self.looks.is_open() {
            let end = now.engine.end_wave();
            self.reporter.emit(Event::WatchWaiting {
                failed: end.stuck.clone(),
                waiting: end.waiting.clone(),
            });
            self.ends.notify(end);
        }
    }

    fn hear(&mut self, phase: &mut Phase<'r>, message: Message) {
        match message {
            // Wakes the loop only: each turn polls the hints and the bell.
            // A watch claims nothing.
            Message::Wake | Message::Unclaimed(_) => {}
            Message::Event(event) => self.reporter.emit(event),
            Message::Ended(ended) => {
                if let Some(now) = phase.now_mut() {
                    self.ended(now, ended);
                }
            }
            Message::Interrupt => self.finish(phase),
            Message::Key(key) => self.key(phase, key),
            Message::Continued => {
                if let Some(keys) = &self.keys {
                    keys.again();
                }
            }
        }
    }

    fn ended(&mut self, now: &mut Now<'r>, ended: Ended) {
        self.looks.note_ended(&ended.image);
        let Some(moved) = now.engine.ended(ended) else {
            return;
        };
        // Its files are not the ones last seen: it is built again after they are read.
        let view = &now.engine.state.view;
        if let Some(id) = view.world.graph.find(&moved.image) {
            let recipe = &view.world.recipes[id.index()];
            view.prints.doubt(id, recipe);
            self.looks.doubt_sets(recipe.file_sets());
        }
        let image = moved.image;
        self.reporter.emit(Event::ImageSuperseded { image });
    }

    fn key(&mut self, phase: &mut Phase<'r>, key: char) {
        match key.to_ascii_lowercase() {
            'q' => {
                self.end.request();
                self.finish(phase);
            }
            'p' => self.pause(phase),
            'r' => {
                // Retries failed images or, if none failed, rebuilds those that changed last.
                if let Some(now) = phase.now_mut() {
                    now.engine.try_again(&self.ends.last_woken);
                }
                self.looks.ask_all();
                if self.wish == Wish::Pause {
                    let why = "noted; it starts when you resume (`p`)".to_owned();
                    self.reporter.emit(Event::WatchHeld { why });
                }
            }
            _ => {}
        }
    }

    fn pause(&mut self, phase: &mut Phase<'r>) {
        self.wish = match self.wish {
            Wish::GoOn => Wish::Pause,
            Wish::Pause => Wish::GoOn,
            Wish::End => return,
        };
        if let Some(now) = phase.now_mut() {
            now.engine.touch();
        }
        let paused = self.wish == Wish::Pause;
        self.reporter.emit(Event::WatchPaused { paused });
    }

    /// Requests running builds to stop; the second call stops them at once.
    fn finish(&mut self, phase: &mut Phase<'r>) {
        self.wish = Wish::End;
        if let Some(now) = phase.now_mut() {
            now.engine.interrupt();
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.wish == Wish::End
    }

    /// Starts or extends a wave for changed images.
    pub(super) fn wake(
        &mut self,
        now: &mut Now<'r>,
        woken: &BTreeSet<ImageId>,
        (files, count): (Vec<String>, usize),
    ) {
        if woken.is_empty() && !now.engine.has_work() {
            return;
        }
        let is_first = now.engine.waves == 0;
        let wakening = now.engine.wake(woken);
        let blame = self.ends.blame(&wakening, &files);
        if !is_first && !wakening.images.is_empty() {
            self.reporter.emit(Event::FilesChanged {
                files,
                count,
                images: wakening.images.clone(),
                build: wakening.build,
            });
        }
        if let Some(file) = blame {
            let message = format!(
                "`{file}` changes after every wave: does a hook write it? exclude it with a `.dockerignore`"
            );
            self.reporter.emit(Event::Warning { message });
        }
        if wakening.begins {
            now.engine.report_start(&wakening);
        }
    }

    /// Updates the set of watched directories. Inputs in newly watched directories are looked at again: until now,
    /// changes there went unnoticed.
    pub(super) fn follow(&mut self, phase: &Phase<'r>) {
        let places = phase.places();
        match self.source.follow(&places) {
            Ok(new) if new.is_empty() => {}
            Ok(new) => {
                let concerned = new.iter().flat_map(|folder| places.of(folder));
                self.looks.doubt(concerned);
            }
            Err(why) => {
                self.report_poll(&why);
                self.looks.doubt_everything();
            }
        }
        if let Some(now) = phase.now() {
            self.report_watched(now);
        }
    }

    fn report_poll(&self, why: &str) {
        let every = self.source.poll().unwrap_or_default().as_secs_f64();
        let message = format!(
            "{why}; polling all files every {every} s instead (`--poll=SECONDS` sets the interval)"
        );
        self.reporter.emit(Event::Warning { message });
    }

    fn report_watched(&mut self, now: &Now<'r>) {
        let images = now.engine.state.view.relevant.len();
        let poll = self.source.poll();
        let shown = Some((images, poll.is_some()));
        if self.shown == shown {
            return;
        }
        self.shown = shown;
        self.reporter.emit(Event::WatchStarted {
            images,
            folders: now.places.len(),
            files: now.files,
            poll: poll.map(|every| every.as_secs_f64()),
        });
    }
}

/// The next message; `None` if `until` passes first.
fn wait(receiver: &Receiver<Message>, until: Option<Instant>) -> Result<Option<Message>, ()> {
    let Some(until) = until else {
        return receiver.recv().map(Some).map_err(drop);
    };
    match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(message) => Ok(Some(message)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(()),
    }
}
