//! One workspace, loaded, checked and fingerprinted: what every command begins with, and what a library user calls.
//!
//! Knows nothing of clap or screens. The choice made: opening a session does everything that cannot start a process or
//! write a file; planning asks what exists; only running builds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::fake::{Fake, Wishes};
use crate::backend::{Availability, Backend, docker::Docker};
use crate::check::{self, Checked};
use crate::diagnostic::{Diagnostic, Sources};
use crate::fingerprint::{BadSet, Fingerprints};
use crate::graph::{Graph, ImageId, UnknownSelection};
use crate::manifest::Overrides;
use crate::plan::{Facts, Judgement, Plan, facts};
use crate::recipe::{CopySource, Recipe, Step};
use crate::run::{self, Event, Mailbox, Options, Push, Setting, Summary};
use crate::store::Store;
use crate::suggest;
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

impl Session {
    /// Loads, checks and fingerprints a workspace.
    ///
    /// # Errors
    /// Everything that is wrong with the manifests and the files they name, all at once; or that the state folder cannot
    /// be made.
    pub fn open(opening: &Opening<'_>) -> Result<Self, Refusal> {
        let Checked {
            workspace,
            graph,
            recipes,
            mut diagnostics,
        } = check::check(opening.manifest, opening.overrides, opening.env);
        let known = backends(&workspace.root, opening.env);
        let chosen = choose(
            &workspace,
            &recipes,
            &known,
            opening.builder,
            &mut diagnostics,
        );
        let (Some(graph), Some(backends), false) =
            (graph, chosen, diagnostics.iter().any(Diagnostic::is_error))
        else {
            return Err(Refusal::Wrong(diagnostics, workspace.sources));
        };
        let prints = Fingerprints::read(&workspace.root, &graph, &recipes).map_err(|bad| {
            Refusal::Wrong(
                bad_files(&workspace, &recipes, &bad),
                workspace.sources.clone(),
            )
        })?;
        let store = Store::look(&workspace.root);
        Ok(Self {
            workspace,
            graph,
            recipes,
            backends,
            prints,
            store,
            warnings: diagnostics,
        })
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
    pub fn plan(&self, asked: &BTreeSet<ImageId>, judgement: Judgement, push: Push) -> Planned {
        let relevant = self.graph.with_bases(asked);
        let facts = facts::gather(self.setting(), &self.prints, &relevant, push != Push::No);
        let plan = Plan::new(&self.graph, asked, &facts, judgement);
        Planned { plan, facts }
    }

    /// Why the plan cannot be carried out here: backends that are needed and missing, in words with what to do.
    #[must_use]
    pub fn missing_backends(&self, plan: &Plan) -> Vec<(String, String)> {
        let mut names = BTreeSet::new();
        let needed = plan
            .images
            .iter()
            .filter(|image| image.action != crate::plan::Action::Fresh);
        let backends = needed
            .map(|image| &self.backends[image.id.index()])
            .filter(|backend| names.insert(backend.name()));
        let missing = backends.filter_map(|backend| match backend.availability() {
            Availability::Ready { .. } => None,
            Availability::Missing { why, mend } => Some((
                format!("`{}` cannot build here: {why}", backend.name()),
                mend,
            )),
        });
        missing.collect()
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
        } = self;
        let store = Store::open(&workspace.root).map_err(|error| Refusal::Other {
            message: format!("the state folder `{STATE_FOLDER}` cannot be made: {error}"),
            help: Some("make the workspace's folder writable".to_owned()),
        })?;
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

    /// What an image is called as its files are now.
    #[must_use]
    pub fn reference(&self, id: ImageId) -> String {
        crate::reference::of(&self.workspace.images[id.index()], &self.prints.key(id))
    }
}

/// All backends, for a workspace in this folder.
#[must_use]
pub fn backends(root: &Path, env: &dyn Fn(&str) -> Option<String>) -> Vec<Arc<dyn Backend>> {
    let state: PathBuf = root.join(STATE_FOLDER);
    vec![
        Arc::new(Docker::new(root)),
        Arc::new(Fake::new(Wishes::read(env, &state))),
    ]
}

/// Who builds each image: its `builder`, else `--builder`, else the backend of the highest priority. Whether that one can
/// build here is asked only when there is something to build.
fn choose(
    workspace: &Workspace,
    recipes: &[Recipe],
    known: &[Arc<dyn Backend>],
    flag: Option<&str>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Arc<dyn Backend>>> {
    let best = known.iter().max_by_key(|backend| backend.priority())?;
    let find = |name: &str| known.iter().find(|backend| backend.name() == name);
    if let Some(name) = flag.filter(|name| find(name).is_none()) {
        let diagnostic =
            Diagnostic::error("unknown-builder", format!("there is no builder `{name}`"));
        diagnostics.push(diagnostic.help(builders(name, known)));
    }
    let mut chosen = Vec::with_capacity(recipes.len());
    for (image, recipe) in workspace.images.iter().zip(recipes) {
        let name = image.spec.builder.as_deref();
        if let Some(name) = name.filter(|name| find(name).is_none()) {
            let mut diagnostic = Diagnostic::error(
                "unknown-builder",
                format!("image `{}` wants the unknown builder `{name}`", image.id),
            );
            if let Some(place) = image.places.get("builder") {
                diagnostic = diagnostic.at(place.clone(), "unknown builder");
            }
            diagnostics.push(diagnostic.help(builders(name, known)));
            continue;
        }
        let backend = name.or(flag).and_then(find).unwrap_or(best);
        for unsupported in backend.check(recipe) {
            let message = format!(
                "image `{}`: the `{}` builder cannot honour `{}`: {}",
                image.id,
                backend.name(),
                unsupported.field,
                unsupported.why
            );
            let mut diagnostic = Diagnostic::error("unsupported-field", message);
            if let Some(place) = image.places.get(&unsupported.field) {
                diagnostic = diagnostic.at(place.clone(), "");
            }
            let able: Vec<String> = known
                .iter()
                .filter(|other| other.priority() > 0 && other.check(recipe).is_empty())
                .map(|other| format!("`{}`", other.name()))
                .collect();
            diagnostics.push(if able.is_empty() {
                diagnostic
            } else {
                diagnostic.help(format!("builders that can: {}", able.join(", ")))
            });
        }
        chosen.push(Arc::clone(backend));
    }
    (chosen.len() == recipes.len()).then_some(chosen)
}

/// File sets that cannot be read, as mistakes of the fields that name them.
fn bad_files(workspace: &Workspace, recipes: &[Recipe], bad: &[BadSet]) -> Vec<Diagnostic> {
    let mistake = |bad: &BadSet| {
        let image = &workspace.images[bad.image.index()];
        let field = bad
            .set
            .and_then(|set| field_of(&recipes[bad.image.index()], set))
            .unwrap_or_default();
        let said = bad
            .error
            .place()
            .map(|(file, line)| format!("{file}, line {line}: "))
            .unwrap_or_default();
        let message = format!("image `{}`: {said}{}", image.id, bad.error);
        let mut diagnostic = Diagnostic::error("unreadable-files", message);
        diagnostic.help = bad.error.help();
        if let Some(place) = image.places.get(&field) {
            diagnostic = diagnostic.at(place.clone(), "named here");
        }
        diagnostic
    };
    bad.iter().map(mistake).collect()
}

/// The manifest's name of the field that a recipe's file set comes from: `requirements`, or `copy[2]`.
fn field_of(recipe: &Recipe, set: usize) -> Option<String> {
    let mut copies = 0;
    let fields = recipe.steps.iter().filter_map(|step| match step {
        Step::Pip(pip) => pip.requirements.as_ref().map(|_| "requirements".to_owned()),
        Step::Copy(copy) => {
            copies += 1;
            matches!(copy.from, CopySource::Files(_)).then(|| format!("copy[{}]", copies - 1))
        }
        _ => None,
    });
    fields.into_iter().nth(set)
}

fn builders(name: &str, known: &[Arc<dyn Backend>]) -> String {
    let names: Vec<&str> = known.iter().map(|backend| backend.name()).collect();
    match suggest::closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("builders: {}", names.join(", ")),
    }
}
