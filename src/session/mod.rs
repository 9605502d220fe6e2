//! One workspace, loaded, checked and fingerprinted: the start of every command, and the library's entry point.
//!
//! Opening a session starts no process and writes no file. Planning queries what exists; only running builds.

mod affected;
mod choice;
mod job;
mod leaving;
mod lints;
mod locked;
mod memory;
mod mistakes;
mod nodes;
mod packages;
mod prepare;
mod published;
mod pull;
mod refusal;
mod select;
mod selection;
mod standby;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use crate::backend::table::all as backends;
pub use affected::{Affected, Cause, Revision, Since};
pub use locked::{Floating, look_words, remark};
pub use memory::Recorded;
pub use prepare::{Obstacle, Wish};
pub use published::Unpublished;
pub use pull::PullState;
pub use refusal::Refusal;
pub(crate) use select::unselectable;
pub use selection::{Selection, Start};
pub use standby::Standby;

use crate::asking::Asker;
use crate::backend::elsewhere::Elsewhere;
use crate::backend::{Availability, Backend, secret};
use crate::check::{self, Checked};
use crate::diagnostic::{self, Diagnostic};
use crate::disk::dir::DirError;
use crate::disk::system_words;
pub use crate::fingerprint::Trust;
use crate::fingerprint::files::Trail;
use crate::fingerprint::{BadSet, FileReader, Fingerprints};
use crate::graph::ImageId;
use crate::manifest::{self, Instead, Overrides};
use crate::plan::{self, Action, Facts, Judgement, Plan, facts};
use crate::process;
use crate::recipe::Recipe;
use crate::run::{self, Event, Mailbox, Options, Push, Summary};
use crate::store::Store;
use crate::workspace::{STATE_FOLDER, Workspace};
use crate::world::{View, World};

/// The parameters of [`Session::open`].
pub struct Opening<'a> {
    /// Path of the root manifest.
    pub manifest: &'a Path,
    /// The values of `--var` and `--set`.
    pub overrides: &'a Overrides,
    /// Backend for images that name none; `None` picks the one with the highest priority.
    pub builder: Option<&'a str>,
    /// Where images of the builder `docker` are built.
    pub elsewhere: &'a Elsewhere,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether unchanged file times are trusted.
    pub trust: Trust,
}

/// A workspace that is ready to be planned and built.
pub struct Session {
    /// What the manifests declare.
    pub world: Arc<World>,
    /// The keys, and the files they were made from.
    pub prints: Fingerprints,
    /// The build records.
    pub store: Store,
    /// Warnings about the manifests.
    pub warnings: Vec<Diagnostic>,
    /// All backends, whether an image uses them or not.
    pub known: Vec<Arc<dyn Backend>>,
}

/// A plan, and the facts it was made from.
pub struct Planned {
    /// The requested images.
    pub asked: BTreeSet<ImageId>,
    /// What to do about each image.
    pub plan: Plan,
    /// The facts of each image, in id order.
    pub facts: Vec<Facts>,
    /// Warnings about registries that could not be asked for records.
    pub unasked: Vec<String>,
}

impl Planned {
    /// A warning that images are rebuilt under tags that already exist; `None` if there are none.
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
                "already built under the same key: {}; a forced build may put other content under the same tag, and only its digest tells \
                 the two apart",
                names.join(", ")
            )
        })
    }

    /// Warnings about images whose existence could not be determined, and what is done about them, and about records that could not
    /// be looked for: one line per cause.
    pub fn doubts(&self, session: &Session, judgement: Judgement) -> Vec<String> {
        let doubts = plan::doubts(&session.world.graph, &self.plan, &self.facts);
        let each = doubts.iter();
        each.map(|doubt| doubt.warning(judgement.when_unknown))
            .chain(self.unasked.iter().cloned())
            .collect()
    }
}

/// A workspace with errors.
pub struct Wrong {
    /// The images, as far as they could be read.
    pub workspace: Workspace,
    /// All errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Where the images' files were looked for; known only if nothing else is wrong.
    pub trail: Trail,
    /// All backends.
    pub known: Vec<Arc<dyn Backend>>,
}

/// State that outlives one examination of a workspace, so that the next one is fast.
#[derive(Clone)]
pub struct Kept {
    /// All backends.
    pub backends: Vec<Arc<dyn Backend>>,
    /// The builder of buildx that the manifest named for them.
    pub builder_instance: Option<String>,
    /// The reader, with its cache of file digests.
    pub reader: Arc<FileReader>,
}

/// Loads, checks and fingerprints a workspace, reusing `kept` from an earlier examination of the same root. Reports all
/// errors in the manifests and in the files they name at once, together with the workspace.
pub fn examine(opening: &Opening<'_>, kept: Option<&Kept>) -> Result<Session, Box<Wrong>> {
    let checked = check::check(opening.manifest, opening.overrides, opening.env);
    examine_opened(checked, opening, kept)
}

/// Like [`examine`], with this text as the root manifest: its path in `opening` is where it would be, and need not exist.
pub fn examine_text(opening: &Opening<'_>, text: &str) -> Result<Session, Box<Wrong>> {
    let folder = opening.manifest.parent().map(Path::canonicalize);
    let path = match (folder, opening.manifest.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => opening.manifest.to_owned(),
    };
    let instead = Instead::from([(path, text.to_owned())]);
    let loaded = manifest::load_instead(opening.manifest, opening.overrides, opening.env, &instead);
    examine_opened(check::loaded(loaded), opening, None)
}

fn examine_opened(
    mut checked: Checked,
    opening: &Opening<'_>,
    kept: Option<&Kept>,
) -> Result<Session, Box<Wrong>> {
    let is_other = |kept: &Kept| kept.builder_instance != checked.workspace.builder_instance;
    if kept.is_some_and(is_other) && !checked.diagnostics.iter().any(Diagnostic::is_error) {
        checked.diagnostics.push(mistakes::other_instance());
    }
    let known = kept.map_or_else(
        || {
            let named = checked.workspace.builder_instance.as_deref();
            let elsewhere = opening.elsewhere.or_instance(named);
            backends(&checked.workspace.root, opening.env, &elsewhere)
        },
        |kept| kept.backends.clone(),
    );
    let reading = kept.map_or(Reading::Anew(opening.trust), Reading::Kept);
    examine_checked(checked, known, opening.builder, reading)
}

/// What an examination can reuse instead of reading files.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// What an earlier examination kept in memory.
    Kept(&'a Kept),
    /// The index that earlier runs left on disk, if trusted.
    Anew(Trust),
}

/// Examines a workspace that is already checked, wherever its images come from; `known` lists all backends.
pub fn examine_checked(
    checked: Checked,
    known: Vec<Arc<dyn Backend>>,
    builder: Option<&str>,
    reading: Reading<'_>,
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
    let prints = match read(&world, reading) {
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
    diagnostics.extend(mistakes::clashes(&world, &prints));
    diagnostics.extend(choice::unusable(&world, &prints, &known));
    if diagnostics.iter().any(Diagnostic::is_error) {
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

/// Reads the files and computes the keys. If files cannot be read, also returns where they were looked for.
fn read(world: &World, reading: Reading<'_>) -> Result<Fingerprints, (Vec<BadSet>, Trail)> {
    let World {
        workspace,
        graph,
        recipes,
        ..
    } = world;
    let reader = match reading {
        Reading::Kept(kept) => Ok(Arc::clone(&kept.reader)),
        Reading::Anew(trust) => FileReader::remembering(&workspace.root, trust).map(Arc::new),
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
        // An error that belongs to no file set has a path of its own.
        let unnamed = bad.iter().filter(|bad| bad.set.is_none());
        let unnamed = unnamed.map(|bad| workspace.root.join(bad.error.path()));
        trail.paths.extend(unnamed);
        (bad, trail)
    })
}

impl From<Box<Wrong>> for Refusal {
    fn from(wrong: Box<Wrong>) -> Self {
        Self::Wrong(wrong.diagnostics, wrong.workspace.sources)
    }
}

impl Session {
    /// Loads, checks and fingerprints a workspace.
    pub fn open(opening: &Opening<'_>) -> Result<Self, Refusal> {
        Ok(examine(opening, None)?)
    }

    /// Queries what exists, and decides what to do for the requested images.
    pub fn plan(
        &self,
        asked: &BTreeSet<ImageId>,
        judgement: Judgement,
        push: Push,
        by: Asker<'_>,
    ) -> Planned {
        let graph = &self.world.graph;
        let relevant = graph.with_bases(asked);
        let (world, prints) = (&*self.world, &self.prints);
        let mut facts = facts::gather(world, prints, &self.store, &relevant, push, by);
        let mut plan = Plan::new(graph, asked, &facts, judgement);
        let unasked = plan::memory::fill((world, prints), &plan, &mut facts, push, by);
        if unasked.is_some() {
            plan = Plan::new(graph, asked, &facts, judgement);
        }
        Planned {
            asked: asked.clone(),
            plan,
            facts,
            unasked: unasked.unwrap_or_default(),
        }
    }

    /// Backends that the plan needs and that cannot build on this machine, each as (problem, remedy).
    pub fn missing_backends(&self, plan: &Plan, asker: Asker<'_>) -> Vec<(String, String)> {
        let mut names = BTreeSet::new();
        let needed = plan
            .images
            .iter()
            .filter(|image| image.action != Action::Fresh);
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

    /// What this machine keeps the builders of these images from; may start a process.
    pub fn forbidden(&self, images: impl Iterator<Item = ImageId>) -> Vec<Diagnostic> {
        diagnostic::in_order(choice::forbidden(&self.world, &self.known, images))
    }

    /// Refuses a plan that builds what this machine keeps its builders from, or what could not leave where it is built.
    pub fn verify_allowed(&self, plan: &Plan) -> Result<(), Refusal> {
        let builds = || plan.builds().map(|image| image.id);
        let mut forbidden = self.forbidden(builds());
        forbidden.extend(leaving::stuck(&self.world, &self.prints, builds()));
        let named = plan.images.iter();
        let named = named.filter(|image| image.action != Action::Fresh);
        let named = named.map(|image| image.id);
        forbidden.extend(leaving::unnameable(&self.world, &self.prints, named));
        if forbidden.is_empty() {
            return Ok(());
        }
        let sources = self.world.workspace.sources.clone();
        Err(Refusal::Wrong(forbidden, sources))
    }

    /// Secrets that the plan's builds need and that are not available, one line each.
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

    /// Executes a plan. On error, nothing has been started.
    pub fn run(
        self,
        planned: Planned,
        options: Options,
        mailbox: Mailbox,
        report: &mut dyn FnMut(&Event),
    ) -> Result<Summary, Refusal> {
        let store =
            Store::open(&self.world.workspace.root).map_err(|error| unusable_state(&error))?;
        self.leave_index();
        let view = View::new(self.world, self.prints, planned.asked);
        let (plan, facts) = (planned.plan, planned.facts);
        run::run(view, plan, facts, store, options, mailbox, report).map_err(Refusal::from)
    }

    /// Writes the index of file times, so that later runs need not read unchanged files again. Does nothing if there is no
    /// state directory yet.
    pub fn leave_index(&self) {
        self.prints.reader.leave_index();
    }

    /// Checks that the state directory is usable as far as it exists (for example, that no part of it is a symlink).
    /// Creates nothing.
    pub fn verify_state(&self) -> Result<(), Refusal> {
        let verified = self.store.verify();
        verified.map_err(|error| unusable_state(&error))
    }

    /// The full reference of an image with its current files.
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

/// Why the state directory cannot be used, and how to fix it.
fn state_trouble(error: &io::Error) -> (String, String) {
    let misplaced = DirError::of(error).and_then(|it| Some((it.what(), it.help()?)));
    misplaced.unwrap_or_else(|| {
        let why = system_words(error);
        (
            format!("the state directory `{STATE_FOLDER}` cannot be created: {why}"),
            "make the workspace's directory writable".to_owned(),
        )
    })
}
