//! Keeps images built while people edit: file events ▶ the images that they may touch ▶ fingerprint ▶ build what changed.
//!
//! Knows no screen and no command line. An event is a hint and never more: whatever it may touch is read again and compared by
//! key, and only a changed key builds. What is to be done is decided by the engine of `run`, anew from what is known. See
//! `docs/design/watch.md`.

mod adopt;
mod changes;
mod done;
mod ends;
mod git;
mod hints;
mod hook;
mod keeper;
mod keys;
mod look;
mod looks;
mod phase;
mod places;
mod poller;
mod quiet;
mod source;
mod system;

pub(crate) use keys::restore as restore_terminal;
use std::collections::BTreeSet;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::time::Duration;

use crate::fingerprint::FileReader;
use crate::manifest::Overrides;
use crate::plan::Judgement;
use crate::run::engine::Engine;
use crate::run::jobs::Jobs;
use crate::run::manner::Manner;
use crate::run::state::Rules;
use crate::run::{Event, Mailbox, Message, Options, Summary, Teller};
use crate::session::{Kept, Planned, Refusal, Session, Wrong, unusable_state};
use crate::store::Store;
use crate::world::View;
use keeper::Keeper;
use look::{Broken, Looked};
use phase::{Now, Phase};

/// How long it must have been silent before what changed is looked at, unless the user says.
pub const QUIET: Duration = Duration::from_millis(80);

/// Reads a variable of the environment, on any thread.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What to watch, and how.
pub struct Request {
    /// The root manifest.
    pub manifest: PathBuf,
    /// `--var` and `--set`.
    pub overrides: Overrides,
    /// The backend for images that name none; none takes the best that is there.
    pub builder: Option<String>,
    /// Reads a variable of the environment.
    pub env: Env,
    /// The images that were asked for; none means all.
    pub selection: Vec<String>,
    /// How to judge.
    pub judgement: Judgement,
    /// Whether bases that were not asked for are never built.
    pub no_bases: bool,
    /// How to run.
    pub options: Options,
    /// How long it must have been silent before what changed is looked at.
    pub quiet: Duration,
    /// Whether to look from time to time instead of hearing events, and how often.
    pub poll: Option<Duration>,
    /// A shell command for the end of each wave that went well.
    pub on_success: Option<String>,
    /// A shell command for the end of each wave in which something failed.
    pub on_failure: Option<String>,
    /// Whether to hear keys from the terminal.
    pub keys: bool,
}

/// What a watch begins with.
pub enum Start {
    /// Manifests that are right, and the plan for them.
    Sound(Box<Session>, Planned),
    /// Manifests that are wrong: it waits until they are mended.
    Broken(Box<Wrong>),
}

impl Request {
    fn rules(&self) -> Rules {
        Rules {
            manner: Manner::Watch,
            options: self.options,
            when_unknown: self.judgement.when_unknown,
            no_bases: self.no_bases,
        }
    }
}

/// What only a watch hears of.
enum Heard {
    /// A look ended; with words if it did not end well.
    Looked(Result<Looked, String>),
    /// A key was pressed.
    Key(char),
}

/// Wakes the keeper, from any thread.
#[derive(Clone)]
struct Bell {
    heard: Sender<Heard>,
    messages: SyncSender<Message>,
}

impl Bell {
    /// Tells the keeper something.
    fn ring(&self, heard: Heard) {
        // A keeper that is gone needs to know nothing.
        let _ = self.heard.send(heard);
        self.wake();
    }

    /// Never waits: a keeper with a full box is awake.
    fn wake(&self) {
        let _ = self.messages.try_send(Message::Wake);
    }

    /// Has the keeper tell an event.
    fn tell(&self, event: Event) {
        let _ = self.messages.send(Message::Event(event));
    }
}

/// Keeps the images built until the user ends it. Each wave's end is told to `ended` too.
///
/// # Errors
/// When it cannot begin: the state folder cannot be made, no worker can be started, or there is nowhere to look for manifests.
pub fn watch(
    request: Request,
    start: Start,
    mailbox: Mailbox,
    report: &mut dyn FnMut(&Event),
    ended: &mut dyn FnMut(&Summary),
) -> Result<(), Refusal> {
    let request = Arc::new(request);
    let root = match &start {
        Start::Sound(session, _) => session.world.workspace.root.clone(),
        Start::Broken(wrong) => wrong.workspace.root.clone(),
    };
    let store = Store::open(&root).map_err(|error| unusable_state(&error))?;
    let kept = kept(&start, &root)?;
    let Mailbox {
        sender,
        receiver,
        end,
    } = mailbox;
    end.set_reader(Some(Arc::clone(&kept.reader)));
    let jobs = Jobs::new(request.options.jobs, store.clone(), sender.clone())?;
    let (told, heard) = channel();
    let bell = Bell {
        heard: told,
        messages: sender,
    };
    let keeper = Keeper::new(
        Arc::clone(&request),
        &root,
        (kept, end),
        store,
        bell,
        report,
        ended,
    );
    let phase = first(&request, start, jobs, keeper.teller.clone());
    keeper.keep(phase, receiver, &heard);
    Ok(())
}

/// What outlives the first examination.
fn kept(start: &Start, root: &Path) -> Result<Kept, Refusal> {
    let (backends, reader) = match start {
        Start::Sound(session, _) => (&session.known, Arc::clone(session.prints.reader())),
        Start::Broken(wrong) => {
            let reader = FileReader::new(root).map_err(|error| Refusal::Other {
                message: error.to_string(),
                help: None,
            })?;
            (&wrong.known, Arc::new(reader))
        }
    };
    Ok(Kept {
        backends: backends.clone(),
        reader,
    })
}

fn first<'r>(request: &Request, start: Start, jobs: Jobs, teller: Teller<'r>) -> Phase<'r> {
    match start {
        Start::Broken(wrong) => Phase::Unread(jobs, Box::new(Broken::of(*wrong))),
        Start::Sound(session, planned) => {
            let view = View::new(session.world, session.prints, planned.asked);
            let (places, files) = (look::places_of(&view), look::count_of(&view));
            let known = (view, planned.facts, planned.plan);
            Phase::Sound(Box::new(Now {
                engine: Engine::new(request.rules(), known, jobs, teller),
                places: Arc::new(places),
                files,
                warnings: BTreeSet::new(),
            }))
        }
    }
}
