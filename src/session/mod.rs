//! One workspace, loaded, checked and fingerprinted: what every command begins with, and what a library user calls.
//!
//! Opening a session does everything that cannot start a process or write a file; planning asks what exists; only running
//! builds.

mod choice;
mod lints;
mod locked;
mod mistakes;
mod prepare;
mod select;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use crate::backend::table::all as backends;
pub use locked::{Floating, look_words, remark};
pub use prepare::{Obstacle, Wish};
pub use select::Selection;
pub(crate) use select::unselectable;

use crate::asking::Asker;
use crate::backend::{Availability, Backend, secret};
use crate::check::{self, Checked};
use crate::diagnostic::{self, Diagnostic, Sources};
use crate::disk::dir::DirError;
use crate::disk::system_words;
use crate::fingerprint::files::Trail;
use crate::fingerprint::{BadSet, FileReader, Fingerprints};
use crate::graph::ImageId;
use crate::manifest::Overrides;
use crate::plan::{self, Facts, Judgement, Plan, facts};
use crate::process;
use crate::recipe::Recipe;
use crate::run::{self, Event, Mailbox, NoWorkers, Options, Push, Summary};
use crate::store::Store;
use crate::workspace::{STATE_FOLDER, Workspace};
use crate::world::{View, World};

/// What a session is opened with.
pub struct Opening<'a> {
    /// The root manifest.
    pub manifest: &'a Path,
    /// `--var` and `--set`.
    pub overrides: &'a Overrides,
    /// The backend for images that name none; none takes the best that is there.
    pub builder: Option<&'a str>,
    /// Reads a variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A workspace that is ready to be planned and built.
pub struct Session {
    /// What the manifests say.
    pub world: Arc<World>,
    /// The keys and files.
    pub prints: Fingerprints,
    /// Where records are kept.
    pub store: Store,
    /// What is doubtful in the manifests.
    pub warnings: Vec<Diagnostic>,
    /// All backends, chosen or not.
    pub known: Vec<Arc<dyn Backend>>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum Refusal {
    /// The manifests are wrong.
    Wrong(Vec<Diagnostic>, Sources),
    /// Something else, in words, with what to do.
    Other {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
}

/// A plan, and what it was judged by.
pub struct Planned {
    /// The images that were asked for.
    pub asked: BTreeSet<ImageId>,
    /// What to do.
    pub plan: Plan,
    /// What was known.
    pub facts: Vec<Facts>,
}

impl Planned {
    /// That images are built anew under tags that are there, in words; none when none is.
    #[must_use]
    pub fn forced(&self, session: &Session) -> Option<String> {
        let exists = |image: &&plan::Planned| {
            image
                .reasons
                .contains(&plan::Reason::Forced { exists: true })
        };
        let forced = self.plan.images.iter().filter(exists);
        let names: Vec<String> = forced
            .map(|image| format!("`{}`", session.world.graph.name(image.id)))
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "already there under the same key: {}; a forced build may put other content under the same tag, and only its digest tells \
                 the two apart",
                names.join(", ")
            )
        })
    }

    /// What nobody could say of what exists, with what is done about it: a line for each cause.
    pub fn doubts(&self, session: &Session, judgement: Judgement) -> Vec<String> {
        let doubts = plan::doubts(&session.world.graph, &self.plan, &self.facts);
        let each = doubts.iter();
        each.map(|doubt| doubt.warning(judgement.when_unknown))
            .collect()
    }
}

/// A workspace that is wrong, with all that is.
pub struct Wrong {
    /// The images, as far as they could be read.
    pub workspace: Workspace,
    /// All that is wrong or doubtful.
    pub diagnostics: Vec<Diagnostic>,
    /// What the images' files were read from; known only when nothing else is wrong.
    pub trail: Trail,
    /// All backends.
    pub known: Vec<Arc<dyn Backend>>,
}

/// What outlives one examination of a workspace, so that the next one is quick.
#[derive(Clone)]
pub struct Kept {
    /// All backends.
    pub backends: Vec<Arc<dyn Backend>>,
    /// What has read the files.
    pub reader: Arc<FileReader>,
}

/// Loads, checks and fingerprints a workspace, with what an earlier examination of the same root left.
/// Everything that is wrong with the manifests and the files they name is told at once, with the workspace.
pub fn examine(opening: &Opening<'_>, kept: Option<&Kept>) -> Result<Session, Box<Wrong>> {
    let checked = check::check(opening.manifest, opening.overrides, opening.env);
    let known = kept.map_or_else(
        || backends(&checked.workspace.root, opening.env),
        |kept| kept.backends.clone(),
    );
    examine_checked(checked, known, opening.builder, kept)
}

/// Examines a workspace that was checked, wherever its images come from; `known` are all backends.
pub fn examine_checked(
    checked: Checked,
    known: Vec<Arc<dyn Backend>>,
    builder: Option<&str>,
    kept: Option<&Kept>,
) -> Result<Session, Box<Wrong>> {
    let Checked {
        workspace,
        graph,
        recipes,
        mut diagnostics,
    } = checked;
    let wrong = |workspace, diagnostics, trail, known| {
        Box::new(Wrong {
            workspace,
            diagnostics: diagnostic::in_order(diagnostics),
            trail,
            known,
        })
    };
    process::withhold(secret::variables(&recipes));
    let chosen = choice::choose(&workspace.images, &recipes, &known, builder);
    let (Ok(backends), Some(graph), false) = (
        chosen.map_err(|mistakes| diagnostics.extend(mistakes)),
        graph,
        diagnostics.iter().any(Diagnostic::is_error),
    ) else {
        return Err(wrong(workspace, diagnostics, Trail::default(), known));
    };
    let mut world = World {
        workspace,
        graph,
        recipes,
        backends,
    };
    let prints = match read(&world, kept) {
        Ok(prints) => prints,
        Err((bad, trail)) => {
            diagnostics.extend(mistakes::unreadable_files(
                &world.workspace,
                &world.recipes,
                &bad,
            ));
            return Err(wrong(world.workspace, diagnostics, trail, known));
        }
    };
    let clashes = mistakes::clashes(&world, &prints);
    if !clashes.is_empty() {
        diagnostics.extend(clashes);
        return Err(wrong(world.workspace, diagnostics, Trail::default(), known));
    }
    diagnostics.extend(lints::check(&mut world, &prints));
    Ok(Session {
        store: Store::look(&world.workspace.root),
        world: Arc::new(world),
        prints,
        warnings: diagnostic::in_order(diagnostics),
        known,
    })
}

/// Reads the files and makes the keys; of what cannot be read, where that was looked for.
fn read(world: &World, kept: Option<&Kept>) -> Result<Fingerprints, (Vec<BadSet>, Trail)> {
    let World {
        workspace,
        graph,
        recipes,
        ..
    } = world;
    let reader = match kept {
        Some(kept) => Ok(Arc::clone(&kept.reader)),
        None => FileReader::new(&workspace.root).map(Arc::new),
    };
    let reader = reader.map_err(|error| {
        let (image, set) = (ImageId(0), None);
        (vec![BadSet { image, set, error }], Trail::default())
    })?;
    Fingerprints::read(Arc::clone(&reader), workspace, graph, recipes).map_err(|bad| {
        let mut trail = Trail::default();
        for set in recipes.iter().flat_map(Recipe::file_sets) {
            trail.add(&reader.trail(set));
        }
        // What names an image is read by other ways than a set.
        let unnamed = bad.iter().filter(|bad| bad.set.is_none());
        let unnamed = unnamed.map(|bad| workspace.root.join(bad.error.path()));
        trail.paths.extend(unnamed);
        (bad, trail)
    })
}

impl Refusal {
    /// One that is in no manifest.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other {
            message: message.into(),
            help: Some(help.into()),
        }
    }

    /// As diagnostics with their texts; one that is in no manifest is a mistake of usage.
    pub(crate) fn into_mistakes(self) -> (Vec<Diagnostic>, Sources) {
        match self {
            Self::Wrong(mistakes, sources) => (mistakes, sources),
            Self::Other { message, help } => {
                let mut mistake = Diagnostic::error("usage", message);
                mistake.help.extend(help);
                (vec![mistake], Sources::default())
            }
        }
    }
}

impl From<Box<Wrong>> for Refusal {
    fn from(wrong: Box<Wrong>) -> Self {
        Self::Wrong(wrong.diagnostics, wrong.workspace.sources)
    }
}

impl From<NoWorkers> for Refusal {
    fn from(error: NoWorkers) -> Self {
        Self::Other {
            message: error.to_string(),
            help: Some("ask for fewer with `--jobs N`".to_owned()),
        }
    }
}

impl Session {
    /// Loads, checks and fingerprints a workspace.
    pub fn open(opening: &Opening<'_>) -> Result<Self, Refusal> {
        Ok(examine(opening, None)?)
    }

    /// Why an image's builder builds it; `flag` is the builder that the user asked for.
    pub fn builder_reason(&self, image: ImageId, flag: Option<&str>) -> &'static str {
        let own = &self.world.spec(image).builder;
        match (own, flag) {
            (Some(_), _) => "the manifest names it",
            (None, Some(_)) => "`--builder` names it",
            (None, None) => "the default",
        }
    }

    /// Finds out what exists and decides what to do for the images that were asked for.
    pub fn plan(
        &self,
        asked: &BTreeSet<ImageId>,
        judgement: Judgement,
        push: Push,
        by: Asker<'_>,
    ) -> Planned {
        let graph = &self.world.graph;
        let relevant = graph.with_bases(asked);
        let facts = facts::gather(&self.world, &self.prints, &self.store, &relevant, push, by);
        Planned {
            asked: asked.clone(),
            plan: Plan::new(graph, asked, &facts, judgement),
            facts,
        }
    }

    /// Why the plan cannot be carried out here: backends that are needed and missing, in words with what to do.
    pub fn missing_backends(&self, plan: &Plan, asker: Asker<'_>) -> Vec<(String, String)> {
        let mut names = BTreeSet::new();
        let needed = plan
            .images
            .iter()
            .filter(|image| image.action != crate::plan::Action::Fresh);
        let backends = needed
            .map(|image| &self.world.backends[image.id.index()])
            .filter(|backend| names.insert(backend.name()));
        let missing = backends.filter_map(|backend| match backend.availability(asker) {
            Availability::Ready { .. } => None,
            Availability::Missing { why, mend } => Some((
                format!("`{}` cannot build here: {why}", backend.name()),
                mend,
            )),
        });
        missing.collect()
    }

    /// Why the plan cannot be carried out here: secrets of images that are to be built and cannot be had, in words.
    pub fn missing_secrets(&self, plan: &Plan) -> Vec<String> {
        let variable = |name: &str| std::env::var(name).ok();
        let missing = |id: ImageId| {
            let recipe = &self.world.recipes[id.index()];
            let missing = secret::reveal(recipe, &self.world.workspace.root, &variable);
            let missing = missing.err().unwrap_or_default();
            missing
                .into_iter()
                .map(move |missing| format!("image `{}`: {missing}", self.world.graph.name(id)))
        };
        plan.builds().flat_map(|image| missing(image.id)).collect()
    }

    /// Carries a plan out.
    /// An error means that nothing has been begun.
    pub fn run(
        self,
        planned: Planned,
        options: Options,
        mailbox: Mailbox,
        report: &mut dyn FnMut(&Event),
    ) -> Result<Summary, Refusal> {
        let store =
            Store::open(&self.world.workspace.root).map_err(|error| unusable_state(&error))?;
        let view = View::new(self.world, self.prints, planned.asked);
        let (plan, facts) = (planned.plan, planned.facts);
        run::run(view, plan, facts, store, options, mailbox, report).map_err(Refusal::from)
    }

    /// Looks whether the state directory can be used, as far as it is there, and is none of it a link, for example; nothing is made.
    pub fn verify_state(&self) -> Result<(), Refusal> {
        let verified = self.store.verify();
        verified.map_err(|error| unusable_state(&error))
    }

    /// What an image is called as its files are now.
    pub fn reference(&self, id: ImageId) -> String {
        self.world.reference(&self.prints, id)
    }
}

pub(crate) fn unusable_state(error: &io::Error) -> Refusal {
    let (message, help) = state_trouble(error);
    Refusal::Other {
        message,
        help: Some(help),
    }
}

/// Why the state directory cannot be used, and what to do.
fn state_trouble(error: &io::Error) -> (String, String) {
    let misplaced = DirError::of(error).and_then(|it| Some((it.what(), it.help()?)));
    misplaced.unwrap_or_else(|| {
        let why = system_words(error);
        (
            format!("the state directory `{STATE_FOLDER}` cannot be made: {why}"),
            "make the workspace's directory writable".to_owned(),
        )
    })
}
