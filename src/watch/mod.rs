//! Keeps images built while people edit: file events ▶ the images that they may touch ▶ fingerprint ▶ build what changed.
//!
//! Knows no screen and no command line. The choices made: an event is a hint and never more — whatever it may touch is read
//! again and compared by key, and only a changed key builds; one thread, the keeper, owns all state and hears of everything
//! through one channel; what is to be done is decided anew from what is known, never remembered. See
//! `docs/design/watch.md`.

mod board;
mod git;
mod hints;
mod hook;
mod keeper;
mod keys;
mod look;
mod places;
mod quiet;
mod source;
mod system;
mod wave;

pub(crate) use keys::restore as restore_terminal;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use crate::backend::Cancel;
use crate::fingerprint::FileReader;
use crate::manifest::Overrides;
use crate::plan::Judgement;
use crate::run::worker::Built;
use crate::run::{self, Event, Options, Summary, Trouble};
use crate::session::{Examination, Kept, Planned, Refusal, Session, unusable_state};
use crate::store::Store;
use keeper::{First, Keeper};

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
    Broken(Box<Examination>),
}

/// What reaches the keeper.
enum Message {
    /// There are new hints.
    Hint,
    /// Something happened in a build or in a hook.
    Event(Event),
    /// A build ended.
    Built {
        image: String,
        result: Result<Built, Trouble>,
        seconds: f64,
    },
    /// A push ended.
    Pushed {
        image: String,
        result: Result<(), Trouble>,
        seconds: f64,
    },
    /// A look ended; with words if it did not end well.
    Looked(Result<look::Looked, String>),
    /// A key was pressed.
    Key(char),
    /// The user wants an end.
    Interrupt,
    /// The program was stopped and goes on.
    Continued,
}

/// Where everything that concerns a watch arrives; made before it so that signals have somewhere to go.
pub struct Mailbox {
    sender: SyncSender<Message>,
    receiver: Receiver<Message>,
    /// Asked for by signals: the keeper may not hear of messages while it waits for an answer.
    quits: Cancel,
}

impl Default for Mailbox {
    fn default() -> Self {
        let (sender, receiver) = run::channel();
        Self {
            sender,
            receiver,
            quits: Cancel::default(),
        }
    }
}

impl Mailbox {
    /// A handle for signals.
    #[must_use]
    pub fn signals(&self) -> Signals {
        Signals(self.sender.clone(), self.quits.clone())
    }
}

/// Tells a watch of signals; may be kept and used after its end, without effect.
#[derive(Clone)]
pub struct Signals(SyncSender<Message>, Cancel);

impl Signals {
    /// Ends the watch: the first time politely, the second time at once.
    pub fn interrupt(&self) {
        self.1.request();
        // A watch that has ended hears nothing: that is right.
        let _ = self.0.send(Message::Interrupt);
    }

    /// The program was stopped and goes on: the terminal may have been used by others.
    pub fn continued(&self) {
        let _ = self.0.send(Message::Continued);
    }
}

/// Keeps the images built until the user ends it. Each wave's end is told to `ended` too.
///
/// # Errors
/// When it cannot begin: the state folder cannot be made, or there is nowhere to look for manifests.
pub fn watch(
    request: &Request,
    start: Start,
    mailbox: Mailbox,
    report: &mut dyn FnMut(&Event),
    ended: &mut dyn FnMut(&Summary),
) -> Result<(), Refusal> {
    let root = match &start {
        Start::Sound(session, _) => session.workspace.root.clone(),
        Start::Broken(wrong) => wrong.workspace.root.clone(),
    };
    let store = Store::open(&root).map_err(|error| unusable_state(&error))?;
    let (kept, first) = match start {
        Start::Sound(session, planned) => {
            let kept = Kept {
                backends: session.known.clone(),
                reader: Arc::clone(session.prints.reader()),
            };
            let asked = session.select(&request.selection)?;
            let (world, prints, _) = look::World::new(*session, asked);
            let view = look::View {
                world: Arc::new(world),
                prints,
                unreadable: std::collections::BTreeMap::new(),
            };
            (kept, First::Sound(Box::new(view), planned.facts))
        }
        Start::Broken(wrong) => {
            let reader = FileReader::new(&root).map_err(|error| Refusal::Other {
                message: error.to_string(),
                help: None,
            })?;
            let kept = Kept {
                backends: wrong.known.clone(),
                reader: Arc::new(reader),
            };
            (kept, First::Broken(Box::new(look::broken(*wrong))))
        }
    };
    Keeper::new(request, &store, &root, kept, mailbox, report, ended).keep(first);
    Ok(())
}
