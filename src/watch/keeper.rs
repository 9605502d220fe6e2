//! The one thread that owns a watch: hears hints, looks and builds, decides what is next, tells the report.
//!
//! Its loop: look at what is in doubt when it is time; start what may start; end the wave when nothing is left; wait for a
//! message. Knows nothing of how files are read and images are built. The choice made: every turn decides from what is
//! known now; a change during a build is nothing special.

mod adopt;
mod jobs;
mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::board::{self, Known, Standing};
use super::git::Git;
use super::hints::{Doubt, Hints};
use super::hook::{Commands, Hooks};
use super::keys::Keys;
use super::look::{self, Broken, Task, View};
use super::places::{Places, Who};
use super::quiet::{Quiet, Turn};
use super::source::{Source, Wake};
use super::wave::{Repeats, Wave};
use super::{Mailbox, Message, Request};
use crate::asking::{Asker, Waiting};
use crate::backend::{Cancel, Existence};
use crate::disk::limits;
use crate::disk::read::{Links, Root};
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::plan::{Facts, Plan};
use crate::run::{Event, Summary};
use crate::session::Kept;
use crate::store::Store;

/// Git is waited for this long before it is said.
const SAY_HELD: Duration = Duration::from_secs(1);

/// What a watch begins with.
pub(super) enum First {
    Sound(Box<View>, Vec<Facts>),
    Broken(Box<Broken>),
}

/// The owner of a watch.
pub(super) struct Keeper<'a, 'r> {
    request: &'a Request,
    store: &'a Store,
    kept: Kept,
    sender: SyncSender<Message>,
    receiver: Option<Receiver<Message>>,
    /// Whether answers are wanted no more.
    quits_now: Cancel,
    report: &'r mut dyn FnMut(&Event),
    ended: &'r mut dyn FnMut(&Summary),
    started: Instant,
    hints: Arc<Hints>,
    source: Source,
    poll_at: Option<Instant>,
    /// What the manifests and what includes match held when they were polled last.
    polled: Option<blake3::Hash>,
    quiet: Quiet,
    git: Git,
    held_since: Option<Instant>,
    hooks: Option<Hooks>,
    keys: Option<Keys>,
    /// By the manifests as they last were right.
    now: Option<Now>,
    /// What is wrong with them now.
    broken: Option<Box<Broken>>,
    looking: Option<Looking>,
    jobs: BTreeMap<String, Job>,
    failed: BTreeMap<String, Fault>,
    /// Images that are built although they are there.
    forced: BTreeSet<String>,
    wave: Option<Wave>,
    waves: usize,
    last_woken: BTreeSet<String>,
    repeats: Repeats,
    wave_ended: Option<Instant>,
    asks_all: bool,
    /// Something may be startable that was not before.
    is_stale: bool,
    is_paused: bool,
    /// `--fail-fast`: nothing more starts until something changes.
    is_halted: bool,
    quits: bool,
    shown: Option<(usize, bool)>,
}

/// What is known now.
struct Now {
    view: View,
    facts: Vec<Facts>,
    plan: Plan,
    board: Vec<Standing>,
    places: Arc<Places>,
    /// How many files are watched.
    files: usize,
    /// Warnings of the manifests, so that each is told once.
    warnings: BTreeSet<String>,
}

/// A look that goes on.
struct Looking {
    doubt: Doubt,
    /// Images whose builds ended meanwhile: what the look gathers of them may be old.
    ended: BTreeSet<String>,
}

/// A build or push that goes on.
struct Job {
    key: Key,
    reference: String,
    bases: Vec<String>,
    cancel: Cancel,
    /// Its result is not wanted any more.
    is_superseded: bool,
    is_push: bool,
}

/// What an image was when it failed.
#[derive(PartialEq, Eq)]
struct Fault {
    key: Key,
    bases: Vec<String>,
}

impl<'a, 'r> Keeper<'a, 'r> {
    pub(super) fn new(
        request: &'a Request,
        store: &'a Store,
        root: &Path,
        kept: Kept,
        mailbox: Mailbox,
        report: &'r mut dyn FnMut(&Event),
        ended: &'r mut dyn FnMut(&Summary),
    ) -> Self {
        let Mailbox {
            sender,
            receiver,
            quits,
        } = mailbox;
        let hints = Arc::new(Hints::default());
        let hint = sender.clone();
        // Never waits: a keeper with a full box will look at the hints anyway.
        let wake: Wake = Arc::new(move || drop(hint.try_send(Message::Hint)));
        let (source, why) = Source::new(&hints, &wake, request.poll);
        let mut this = Self {
            request,
            store,
            kept,
            hooks: hooks(request, root, &sender),
            sender,
            receiver: Some(receiver),
            quits_now: quits,
            report,
            ended,
            started: Instant::now(),
            hints,
            source,
            poll_at: None,
            polled: None,
            quiet: Quiet::new(request.quiet),
            git: Git::find(root),
            held_since: None,
            keys: None,
            now: None,
            broken: None,
            looking: None,
            jobs: BTreeMap::new(),
            failed: BTreeMap::new(),
            forced: BTreeSet::new(),
            wave: None,
            waves: 0,
            last_woken: BTreeSet::new(),
            repeats: Repeats::default(),
            wave_ended: None,
            asks_all: false,
            is_stale: true,
            is_paused: false,
            is_halted: false,
            quits: false,
            shown: None,
        };
        if let Some(why) = why {
            this.tell_poll(&why);
        }
        if request.keys {
            let keys = this.sender.clone();
            this.keys = Keys::hear(Arc::new(move |key| drop(keys.send(Message::Key(key)))));
        }
        this
    }

    /// Keeps the images built until the user ends it.
    pub(super) fn keep(mut self, first: First) {
        let receiver = self.receiver.take().expect("a keeper keeps once");
        std::thread::scope(|scope| {
            self.begin(first);
            loop {
                let until = self.work(scope);
                if self.quits && self.jobs.is_empty() && self.looking.is_none() {
                    break;
                }
                match wait(&receiver, until) {
                    Ok(Some(message)) => self.hear(message),
                    Ok(None) => {}
                    Err(()) => break,
                }
            }
        });
        // Whoever still has something to say must not wait for a listener.
        drop(receiver);
        self.hooks = None;
        self.keys = None;
        let waves = self.waves;
        self.tell(Event::WatchEnded { waves });
    }

    fn begin(&mut self, first: First) {
        match first {
            First::Sound(view, facts) => self.begin_sound(*view, facts),
            First::Broken(broken) => self.adopt_broken(broken),
        }
        self.follow();
    }

    /// Does what is due now; returns when something is due again.
    fn work<'s>(&mut self, scope: &'s Scope<'s, '_>) -> Option<Instant>
    where
        'a: 's,
    {
        if self.quits {
            return None;
        }
        if self.hints.listen() {
            self.quiet.touch(self.started.elapsed());
        }
        self.poll();
        let due = self.look_if_due(scope);
        if std::mem::take(&mut self.is_stale) {
            self.judge();
            if !self.is_paused && !self.is_halted {
                self.start_jobs(scope);
            }
        }
        self.end_wave_if_done();
        let poll = self
            .poll_at
            .filter(|_| self.looking.is_none() && !self.is_paused);
        due.into_iter().chain(poll).min()
    }

    fn look_if_due<'s>(&mut self, scope: &'s Scope<'s, '_>) -> Option<Instant>
    where
        'a: 's,
    {
        if self.is_paused || self.looking.is_some() {
            return None;
        }
        let mut busy = None;
        let git = &self.git;
        let turn = self.quiet.turn(self.started.elapsed(), || {
            busy = git.busy();
            busy.is_some()
        });
        match turn {
            Turn::Idle => None,
            Turn::Later(at) => Some(self.started + at),
            Turn::Held(at) => {
                self.say_held(busy.unwrap_or_default());
                Some(self.started + at)
            }
            Turn::Now => {
                self.held_since = None;
                self.quiet.close();
                self.look(scope);
                None
            }
        }
    }

    fn say_held(&mut self, why: &str) {
        match self.held_since {
            None => self.held_since = Some(Instant::now()),
            Some(since) if since.elapsed() >= SAY_HELD => {
                // Said once: the far future is never reached.
                self.held_since = Some(Instant::now() + Duration::from_hours(1));
                let why = format!("{why}: waiting for its end");
                self.tell(Event::WatchHeld { why });
            }
            Some(_) => {}
        }
    }

    fn look<'s>(&mut self, scope: &'s Scope<'s, '_>)
    where
        'a: 's,
    {
        let doubt = self.hints.take();
        let asks_all = std::mem::take(&mut self.asks_all);
        if doubt.is_empty() && !asks_all {
            self.is_stale = true;
            return;
        }
        let task = Task {
            before: self.now.as_ref().map(|now| now.view.clone()),
            places: self.now.as_ref().map(|now| Arc::clone(&now.places)),
            doubt: doubt.clone(),
            is_broken: self.broken.is_some(),
            asks_all,
            kept: self.kept.clone(),
        };
        self.looking = Some(Looking {
            doubt,
            ended: BTreeSet::new(),
        });
        let (request, store, sender) = (self.request, self.store, self.sender.clone());
        let (quits, events) = (self.quits_now.clone(), self.sender.clone());
        scope.spawn(move || {
            let tell = |waiting: &Waiting| drop(events.send(Message::Event(waiting.into())));
            let asker = Asker::new(&tell, &quits);
            let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                look::look(request, store, task, asker)
            }));
            let looked = looked.map_err(|_| {
                "internal error while files were looked at; please report it".to_owned()
            });
            let _ = sender.send(Message::Looked(looked));
        });
    }

    fn hear(&mut self, message: Message) {
        match message {
            // It only wakes: each turn listens to the hints.
            Message::Hint => {}
            Message::Event(event) => self.tell(event),
            Message::Built {
                image,
                result,
                seconds,
            } => self.build_ended(&image, result, seconds),
            Message::Pushed {
                image,
                result,
                seconds,
            } => self.push_ended(&image, result, seconds),
            Message::Looked(looked) => self.looked(looked),
            Message::Key(key) => self.key(key),
            Message::Interrupt => self.quit(),
            Message::Continued => {
                if let Some(keys) = &self.keys {
                    keys.again();
                }
            }
        }
    }

    fn key(&mut self, key: char) {
        match key.to_ascii_lowercase() {
            'q' => self.quit(),
            'p' => {
                self.is_paused = !self.is_paused;
                self.is_stale = true;
                let paused = self.is_paused;
                self.tell(Event::WatchPaused { paused });
            }
            'r' => self.rebuild(),
            _ => {}
        }
    }

    /// Looks at everything; what failed is tried again, or else what changed last is built again.
    fn rebuild(&mut self) {
        if self.failed.is_empty() {
            self.forced.extend(self.last_woken.iter().cloned());
        }
        self.failed.clear();
        self.is_halted = false;
        self.asks_all = true;
        self.hints.doubt_everything();
        self.quiet.hurry(self.started.elapsed());
        self.is_stale = true;
    }

    /// The first time, what runs is asked to stop; a second time, at once.
    fn quit(&mut self) {
        self.quits = true;
        self.quits_now.request();
        self.kept.reader.stop();
        for job in self.jobs.values() {
            job.cancel.request();
        }
    }

    /// Where there are no events, everything is in doubt from time to time.
    fn poll(&mut self) {
        let Some(every) = self.source.poll() else {
            return;
        };
        if self.is_paused || self.looking.is_some() {
            return;
        }
        let now = Instant::now();
        if self.poll_at.is_some_and(|at| now < at) {
            return;
        }
        let is_first = self.poll_at.is_none();
        self.poll_at = Some(now + every);
        let manifests = self.manifests();
        if self.polled.is_some_and(|before| before != manifests) || self.broken.is_some() {
            self.hints.doubt([Who::Manifests]);
        }
        self.polled = Some(manifests);
        if is_first {
            // Whatever changed before the first comparison.
            self.hints.doubt_everything();
        }
        if let Some(now) = &self.now {
            let sets = now.view.world.sets().into_iter().cloned();
            self.hints.doubt(sets.map(|set| Who::Set(Arc::new(set))));
        }
        self.quiet.hurry(self.started.elapsed());
    }

    /// What the manifests hold, and what is where includes are looked for.
    fn manifests(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let Some(now) = &self.now else {
            return hasher.finalize();
        };
        let workspace = &now.view.world.workspace;
        let looked = &workspace.looked;
        let Ok(root) = Root::open(&workspace.root) else {
            return hasher.finalize();
        };
        let inside = |path: &Path| path.strip_prefix(root.path()).unwrap_or(path).to_owned();
        for file in &looked.files {
            let bytes = root.bytes(&inside(file), Links::Follow, limits::MANIFEST);
            // What cannot be read is as it was as long as the reason is.
            let bytes = bytes.unwrap_or_else(|refusal| refusal.to_string().into_bytes());
            hasher.update(blake3::hash(&bytes).as_bytes());
        }
        for folder in &looked.folders {
            let listed = root.list(&inside(folder), Links::Follow);
            let listed = listed.into_iter().flatten();
            let names: BTreeSet<_> = listed.map(|listed| listed.name).collect();
            hasher.update(blake3::hash(format!("{names:?}").as_bytes()).as_bytes());
        }
        hasher.finalize()
    }

    /// Watches what has to be watched now. What was not watched before is looked at once more: until now, nobody would have
    /// heard of a change in it.
    fn follow(&mut self) {
        let Some(root) = self.root() else { return };
        let places = match (&self.now, &self.broken) {
            (Some(now), None) => Arc::clone(&now.places),
            (Some(now), Some(broken)) => Arc::new(now.places.and(&broken.places)),
            (None, Some(broken)) => Arc::new(broken.places.clone()),
            (None, None) => Arc::new(Places::new(&root)),
        };
        match self.source.follow(&places) {
            Ok(new) if new.is_empty() => {}
            Ok(new) => {
                self.hints
                    .doubt(new.iter().flat_map(|folder| places.of(folder)));
                self.quiet.touch(self.started.elapsed());
            }
            Err(why) => {
                self.tell_poll(&why);
                self.hints.doubt_everything();
                self.quiet.touch(self.started.elapsed());
            }
        }
        self.tell_watched();
    }

    fn root(&self) -> Option<std::path::PathBuf> {
        let now = self
            .now
            .as_ref()
            .map(|now| now.view.world.workspace.root.clone());
        now.or_else(|| {
            self.broken
                .as_ref()
                .map(|broken| broken.places.root().to_owned())
        })
    }

    fn tell_poll(&mut self, why: &str) {
        let every = self.source.poll().unwrap_or_default().as_secs_f64();
        let message = format!(
            "{why}; looking at all files every {every} s instead (`--poll=SECONDS` sets the time)"
        );
        self.tell(Event::Warning { message });
    }

    fn tell_watched(&mut self) {
        let Some(now) = &self.now else { return };
        let images = now.view.world.relevant.len();
        let poll = self.source.poll();
        if self.shown == Some((images, poll.is_some())) {
            return;
        }
        self.shown = Some((images, poll.is_some()));
        let event = Event::WatchStarted {
            images,
            folders: now.places.len(),
            files: now.files,
            poll: poll.map(|every| every.as_secs_f64()),
        };
        self.tell(event);
    }

    /// Decides anew what is to be done.
    fn judge(&mut self) {
        let doubt = self.doubt();
        let Some(now) = &mut self.now else { return };
        let world = &now.view.world;
        let mut facts = now.facts.clone();
        for name in &self.forced {
            if let Some(id) = world.graph.find(name) {
                pretend_gone(&mut facts[id.index()]);
            }
        }
        let judgement = self.request.judgement.unforced();
        now.plan = Plan::new(&world.graph, &world.asked, &facts, judgement);
        let running = |pushes: bool| {
            let jobs = self
                .jobs
                .iter()
                .filter(move |(_, job)| job.is_push == pushes);
            jobs.filter_map(|(name, _)| world.graph.find(name))
                .collect()
        };
        let is_failed = |(name, fault): (&String, &Fault)| {
            let id = world.graph.find(name)?;
            let is_same = fault.key == now.view.prints.key(id)
                && fault.bases == digests(&now.facts, &world.graph.bases(id));
            is_same.then_some(id)
        };
        let known = Known {
            running: running(false),
            pushing: running(true),
            failed: self.failed.iter().filter_map(is_failed).collect(),
            unreadable: now.view.unreadable.keys().copied().collect(),
            in_doubt: world.readers(&doubt),
            no_bases: self.request.no_bases,
        };
        now.board = board::standings(&world.graph, &now.plan, &known);
    }

    /// What is heard but not seen yet.
    fn doubt(&self) -> Doubt {
        let mut doubt = self.hints.doubts();
        if let Some(looking) = &self.looking {
            doubt.who.extend(looking.doubt.who.iter().cloned());
            doubt.everything |= looking.doubt.everything;
        }
        doubt
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "events are made where they are told"
    )]
    fn tell(&mut self, event: Event) {
        (self.report)(&event);
    }
}

/// What bases are now, so that a failure on others does not count.
fn digests(facts: &[Facts], bases: &[ImageId]) -> Vec<String> {
    bases
        .iter()
        .map(|base| facts[base.index()].digest())
        .collect()
}

fn pretend_gone(facts: &mut Facts) {
    facts.local = Existence::Absent;
    if facts.registry.is_some() {
        facts.registry = Some(Existence::Absent);
    }
}

fn hooks(request: &Request, root: &Path, sender: &SyncSender<Message>) -> Option<Hooks> {
    if request.on_success.is_none() && request.on_failure.is_none() {
        return None;
    }
    let commands = Commands {
        on_success: request.on_success.clone(),
        on_failure: request.on_failure.clone(),
        root: root.to_owned(),
    };
    let sender = sender.clone();
    Some(Hooks::new(
        commands,
        Arc::new(move |event| drop(sender.send(Message::Event(event)))),
    ))
}

/// The next message; none when it is time before one came.
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
