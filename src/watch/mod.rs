//! Keeps images built while people edit: file events ▶ images they may affect ▶ fingerprint ▶ build what changed.
//!
//! An event is only a hint: whatever it may affect is read again and compared by key, and only a changed key triggers a
//! build. The engine of `run` decides what to do. See `docs/design/watch.md`.

mod adopt;
mod bell;
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
mod request;
mod source;
mod system;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

pub(crate) use keys::restore as restore_terminal;
pub use request::{Audience, Env, QUIET, Request};

use crate::fingerprint::FileReader;
use crate::run::Mailbox;
use crate::run::engine::Engine;
use crate::run::jobs::Jobs;
use crate::run::mailbox::Reporter;
use crate::session::{Kept, Planned, Refusal, Session, Wrong, unusable_state};
use crate::store::Store;
use crate::world::View;
use bell::Bell;
use keeper::Keeper;
use look::Broken;
use phase::{Now, Phase};

/// The state that a watch starts from.
pub enum Start {
    /// A valid workspace, and the plan for it.
    Sound(Box<Session>, Planned),
    /// Manifests with errors; the watch waits until they are fixed.
    Broken(Box<Wrong>),
}

impl Start {
    /// The workspace's root.
    pub fn root(&self) -> &Path {
        match self {
            Self::Sound(session, _) => &session.world.workspace.root,
            Self::Broken(wrong) => &wrong.workspace.root,
        }
    }
}

/// Keeps the images up to date until the user stops it, telling `audience` about it. Fails only at the start: if
/// the state directory cannot be created, no worker can be started, or the workspace root cannot be opened.
pub fn watch(
    mut request: Request,
    start: Start,
    mailbox: Mailbox,
    audience: Audience<'_>,
) -> Result<(), Refusal> {
    if let Start::Sound(session, _) = &start {
        request.selection = session.staying(&request.selection);
    }
    let request = Arc::new(request);
    let root = start.root().to_owned();
    let store = Store::open(&root).map_err(|error| unusable_state(&error))?;
    let kept = kept(&start, &root)?;
    kept.reader.leave_index();
    let Mailbox {
        sender,
        receiver,
        end,
    } = mailbox;
    end.set_reader(Some(Arc::clone(&kept.reader)));
    let jobs = Jobs::new(request.options.jobs, store.clone(), sender.clone())?;
    let (bell_sender, heard) = channel();
    let bell = Bell {
        heard: bell_sender,
        messages: sender,
    };
    let keeper = Keeper::new(
        Arc::clone(&request),
        &root,
        (kept, end),
        store,
        bell,
        audience,
    );
    let phase = first(&request, start, jobs, keeper.reporter.clone());
    keeper.keep(phase, receiver, &heard);
    Ok(())
}

/// The state that outlives the first examination.
fn kept(start: &Start, root: &Path) -> Result<Kept, Refusal> {
    let (backends, reader) = match start {
        Start::Sound(session, _) => (&session.known, Arc::clone(&session.prints.reader)),
        Start::Broken(wrong) => {
            let reader = FileReader::new(root).map_err(|error| Refusal::Other {
                message: error.to_string(),
                help: None,
            })?;
            (&wrong.known, Arc::new(reader))
        }
    };
    let workspace = match start {
        Start::Sound(session, _) => &session.world.workspace,
        Start::Broken(wrong) => &wrong.workspace,
    };
    Ok(Kept {
        backends: backends.clone(),
        builder_instance: workspace.builder_instance.clone(),
        reader,
    })
}

fn first<'r>(request: &Request, start: Start, jobs: Jobs, reporter: Reporter<'r>) -> Phase<'r> {
    match start {
        Start::Broken(wrong) => Phase {
            built: Err(jobs),
            broken: Some(Box::new(Broken::of(*wrong))),
        },
        Start::Sound(session, planned) => {
            let view = View::new(session.world, session.prints, planned.asked);
            let (places, files) = (look::places_of(&view), look::count_of(&view));
            let known = (view, planned.facts, planned.plan);
            let now = Now {
                engine: Engine::new(request.rules(), known, jobs, reporter),
                places: Arc::new(places),
                files,
                warnings: BTreeSet::new(),
            };
            Phase {
                built: Ok(Box::new(now)),
                broken: None,
            }
        }
    }
}
