//! One workspace, loaded, checked and fingerprinted: what every command begins with, and what a library user calls.
//!
//! Knows nothing of clap or screens. The choice made: opening a session does everything that cannot start a process or
//! write a file; planning asks what exists; only running builds.

mod choice;
mod files;
mod names;
mod prepare;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use crate::backend::table::all as backends;
pub use prepare::{Obstacle, Wish};

use crate::asking::Asker;
use crate::backend::{Availability, Backend, secret};
use crate::check::{self, Checked};
use crate::diagnostic::{self, Diagnostic, Sources};
use crate::disk::dir::Trouble;
use crate::disk::system_words;
use crate::fingerprint::{FileReader, FilesError, Fingerprints};
use crate::graph::{Graph, ImageId, UnknownSelection};
use crate::manifest::Overrides;
use crate::plan::{self, Facts, Judgement, Plan, facts};
use crate::process;
use crate::recipe::Recipe;
use crate::run::{self, Event, Mailbox, Options, Push, Setting, Summary};
use crate::store::Store;
use crate::workspace::{STATE_FOLDER, Workspace};

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
    /// The images.
    pub workspace: Workspace,
    /// Who needs whom.
    pub graph: Graph,
    /// What each is made of.
    pub recipes: Vec<Recipe>,
    /// Who builds each.
    pub backends: Vec<Arc<dyn Backend>>,
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
    /// What to do.
    pub plan: Plan,
    /// What was known.
    pub facts: Vec<Facts>,
}

impl Planned {
    /// What nobody could say of what exists, with what is done about it: a line for each cause.
    #[must_use]
    pub fn doubts(&self, session: &Session, judgement: Judgement) -> Vec<String> {
        let doubts = plan::doubts(&session.graph, &self.plan, &self.facts);
        let each = doubts.iter();
        each.map(|doubt| doubt.warning(judgement.when_unknown))
            .collect()
    }
}

/// A workspace with everything that is wrong in it, and all that could be made of it.
pub struct Examination {
    /// The images.
    pub workspace: Workspace,
    /// All that is wrong or doubtful.
    pub diagnostics: Vec<Diagnostic>,
    /// What of the images' files cannot be read; known only when nothing else is wrong.
    pub unreadable: Vec<FilesError>,
    /// All backends.
    pub known: Vec<Arc<dyn Backend>>,
    sound: Option<Sound>,
}

/// What only a workspace without errors has.
struct Sound {
    graph: Graph,
    recipes: Vec<Recipe>,
    backends: Vec<Arc<dyn Backend>>,
    prints: Fingerprints,
}

/// What outlives one examination of a workspace, so that the next one is quick.
#[derive(Clone)]
pub struct Kept {
    /// All backends.
    pub backends: Vec<Arc<dyn Backend>>,
    /// What has read the files.
    pub reader: Arc<FileReader>,
}

/// Loads, checks and fingerprints a workspace, and tells everything that is wrong.
#[must_use]
pub fn examine(opening: &Opening<'_>) -> Examination {
    examine_with(opening, None)
}

/// The same, with what an earlier examination of the same root left.
#[must_use]
pub fn examine_with(opening: &Opening<'_>, kept: Option<&Kept>) -> Examination {
    let checked = check::check(opening.manifest, opening.overrides, opening.env);
    let known = kept.map_or_else(
        || backends(&checked.workspace.root, opening.env),
        |kept| kept.backends.clone(),
    );
    examine_checked(checked, known, opening.builder, kept)
}

/// Examines a workspace that was checked, wherever its images come from; `known` are all backends.
#[must_use]
pub fn examine_checked(
    checked: Checked,
    known: Vec<Arc<dyn Backend>>,
    builder: Option<&str>,
    kept: Option<&Kept>,
) -> Examination {
    let Checked {
        workspace,
        graph,
        recipes,
        mut diagnostics,
    } = checked;
    let chosen = choice::choose(&workspace.images, &recipes, &known, builder);
    let backends = chosen.unwrap_or_else(|mistakes| {
        diagnostics.extend(mistakes);
        Vec::new()
    });
    let is_sound = !diagnostics.iter().any(Diagnostic::is_error);
    process::withhold(secret::variables(&recipes));
    let mut unreadable = Vec::new();
    let sound = graph.filter(|_| is_sound).and_then(|graph| {
        let read = match kept {
            Some(kept) => {
                Fingerprints::read_with(Arc::clone(&kept.reader), &workspace, &graph, &recipes)
            }
            None => Fingerprints::read(&workspace, &graph, &recipes),
        };
        match read {
            Ok(prints) => {
                let clashes = names::clashes(&workspace, &graph, &prints);
                let is_clear = clashes.is_empty();
                diagnostics.extend(clashes);
                is_clear.then_some(Sound {
                    graph,
                    recipes,
                    backends,
                    prints,
                })
            }
            Err(bad) => {
                diagnostics.extend(files::mistakes(&workspace, &recipes, &bad));
                unreadable = bad.into_iter().map(|bad| bad.error).collect();
                None
            }
        }
    });
    Examination {
        workspace,
        diagnostics: diagnostic::in_order(diagnostics),
        unreadable,
        known,
        sound,
    }
}

impl Examination {
    /// The session, if nothing is wrong.
    ///
    /// # Errors
    /// Itself, when something is.
    pub fn into_session(mut self) -> Result<Session, Box<Self>> {
        let Some(sound) = self.sound.take() else {
            return Err(Box::new(self));
        };
        let Sound {
            graph,
            recipes,
            backends,
            prints,
        } = sound;
        Ok(Session {
            store: Store::look(&self.workspace.root),
            workspace: self.workspace,
            graph,
            recipes,
            backends,
            prints,
            warnings: self.diagnostics,
            known: self.known,
        })
    }
}

impl Session {
    /// Loads, checks and fingerprints a workspace.
    ///
    /// # Errors
    /// Everything that is wrong with the manifests and the files they name, all at once.
    pub fn open(opening: &Opening<'_>) -> Result<Self, Refusal> {
        examine(opening)
            .into_session()
            .map_err(|wrong| Refusal::Wrong(wrong.diagnostics, wrong.workspace.sources))
    }

    /// Why an image's builder builds it; `flag` is the builder that the user asked for.
    #[must_use]
    pub fn builder_reason(&self, image: ImageId, flag: Option<&str>) -> &'static str {
        let own = &self.workspace.images[image.index()].spec.builder;
        match (own, flag) {
            (Some(_), _) => "the image says so",
            (None, Some(_)) => "`--builder` says so",
            (None, None) => "it goes before the others",
        }
    }

    /// The images that a selection names.
    ///
    /// # Errors
    /// A word that names none, with the id that was probably meant.
    pub fn select(&self, words: &[String]) -> Result<BTreeSet<ImageId>, Refusal> {
        self.graph.select(words).map_err(|unknown| {
            let message = unknown
                .iter()
                .map(UnknownSelection::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            let meant: Vec<String> = unknown
                .into_iter()
                .filter_map(|word| word.suggestion)
                .map(|id| format!("did you mean `{id}`?"))
                .collect();
            let help = if meant.is_empty() {
                "`imgspec graph show` lists the images".to_owned()
            } else {
                meant.join(" ")
            };
            Refusal::Other {
                message,
                help: Some(help),
            }
        })
    }

    /// Finds out what exists and decides what to do for the images that were asked for.
    #[must_use]
    pub fn plan(
        &self,
        asked: &BTreeSet<ImageId>,
        judgement: Judgement,
        push: Push,
        by: Asker<'_>,
    ) -> Planned {
        let relevant = self.graph.with_bases(asked);
        let facts = facts::gather(self.setting(), &self.prints, &relevant, push, by);
        let plan = Plan::new(&self.graph, asked, &facts, judgement);
        Planned { plan, facts }
    }

    /// Why the plan cannot be carried out here: backends that are needed and missing, in words with what to do.
    #[must_use]
    pub fn missing_backends(&self, plan: &Plan, asker: Asker<'_>) -> Vec<(String, String)> {
        let mut names = BTreeSet::new();
        let needed = plan
            .images
            .iter()
            .filter(|image| image.action != crate::plan::Action::Fresh);
        let backends = needed
            .map(|image| &self.backends[image.id.index()])
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
    #[must_use]
    pub fn missing_secrets(&self, plan: &Plan) -> Vec<String> {
        let variable = |name: &str| std::env::var(name).ok();
        let missing = |id: ImageId| {
            let recipe = &self.recipes[id.index()];
            let missing = secret::reveal(recipe, &self.workspace.root, &variable);
            let missing = missing.err().unwrap_or_default();
            missing
                .into_iter()
                .map(move |missing| format!("image `{}`: {missing}", self.graph.name(id)))
        };
        plan.builds().flat_map(|image| missing(image.id)).collect()
    }

    /// Carries a plan out.
    ///
    /// # Errors
    /// When the state folder cannot be made; nothing has been begun then.
    pub fn run(
        self,
        planned: &Planned,
        options: Options,
        mailbox: Mailbox,
        report: &mut dyn FnMut(&Event),
    ) -> Result<Summary, Refusal> {
        let Self {
            workspace,
            graph,
            recipes,
            backends,
            prints,
            store: _,
            warnings: _,
            known: _,
        } = self;
        let store = Store::open(&workspace.root).map_err(|error| unusable_state(&error))?;
        let setting = Setting {
            workspace: &workspace,
            graph: &graph,
            recipes: &recipes,
            backends: &backends,
            store: &store,
        };
        Ok(run::run(
            setting,
            &planned.plan,
            &planned.facts,
            prints,
            options,
            mailbox,
            report,
        ))
    }

    /// What a run stands on.
    #[must_use]
    pub fn setting(&self) -> Setting<'_> {
        Setting {
            workspace: &self.workspace,
            graph: &self.graph,
            recipes: &self.recipes,
            backends: &self.backends,
            store: &self.store,
        }
    }

    /// Looks whether the state folder can be used, as far as it is there; nothing is made.
    ///
    /// # Errors
    /// When one of its folders is something else, a link for example.
    pub fn verify_state(&self) -> Result<(), Refusal> {
        let verified = self.store.verify();
        verified.map_err(|error| unusable_state(&error))
    }

    /// What an image is called as its files are now.
    #[must_use]
    pub fn reference(&self, id: ImageId) -> String {
        crate::reference::of(&self.workspace.images[id.index()], &self.prints.tag(id))
    }
}

/// The refusal of a state folder that cannot be used.
pub(crate) fn unusable_state(error: &io::Error) -> Refusal {
    let (message, help) = state_trouble(error);
    Refusal::Other {
        message,
        help: Some(help),
    }
}

/// Why the state folder cannot be used, and what to do.
fn state_trouble(error: &io::Error) -> (String, String) {
    let misplaced = Trouble::of(error).and_then(|it| Some((it.what(), it.help()?)));
    misplaced.unwrap_or_else(|| {
        let why = system_words(error);
        (
            format!("the state folder `{STATE_FOLDER}` cannot be made: {why}"),
            "make the workspace's folder writable".to_owned(),
        )
    })
}
