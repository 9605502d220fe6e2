//! What is known of the workspaces that the open documents belong to: made anew after every change, from the texts that the
//! client has and the files of those that it has not.
//!
//! In two stages. The first loads and checks the manifests, which takes milliseconds. The second reads the files that images
//! are made of, for their keys, and only what changed of them. Neither starts a program that a workspace names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::elsewhere::Elsewhere;
use crate::check::{self, Checked, looks_secret};
use crate::diagnostic::{Diagnostic, SourceId, Sources};
use crate::fingerprint::{FileReader, Trust};
use crate::manifest::{self, FILE_NAME, Instead, Overrides};
use crate::recipe::{FileSet, Recipe};
use crate::session::{self, Kept, Reading, Session};
use crate::spec::SecretSource;
use crate::workspace::{Meaning, Names, Origin, Workspace};

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// How workspaces are loaded.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The only root manifest; without it, each document's is looked for.
    pub(crate) manifest: Option<PathBuf>,
    /// The values of `--var`.
    pub(crate) vars: Vec<(String, String)>,
    /// Looks up an environment variable.
    pub(crate) env: Arc<Lookup>,
}

/// One workspace.
pub(super) struct Analysis {
    /// The path of its root manifest.
    pub(super) manifest: PathBuf,
    /// What the names in its manifests refer to.
    pub(super) names: Names,
    /// The texts of its manifests as they are; those of `checked` have their secrets masked, and are for showing.
    pub(super) sources: Sources,
    pub(super) checked: Arc<Checked>,
    /// Values of variables that may be secrets: a manifest may name any variable of the environment.
    secrets: BTreeSet<String>,
    /// Whether all manifests could be read.
    pub(super) is_whole: bool,
    /// What is wrong with it, as far as it has been looked at.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Its keys, once the files are read, if nothing is wrong.
    pub(super) session: Option<Session>,
}

impl Analysis {
    pub(super) fn root(&self) -> &Path {
        &self.checked.workspace.root
    }

    /// The path of the root manifest, as those of the other sources are.
    pub(super) fn root_manifest(&self) -> PathBuf {
        let name = self.manifest.file_name().unwrap_or_default();
        self.root().join(name)
    }

    /// The path of a source; `None` if it is not a file.
    pub(super) fn path(&self, source: SourceId) -> Option<PathBuf> {
        let path = &self.sources_and_lock().get(source).path;
        (!path.starts_with("--")).then(|| self.root().join(path))
    }

    /// The manifest with this path.
    pub(super) fn source(&self, path: &Path) -> Option<SourceId> {
        let mut ids = self.sources.ids();
        ids.find(|id| self.path(*id).as_deref() == Some(path))
    }

    /// The text of a source, as it is.
    pub(super) fn text(&self, source: SourceId) -> &str {
        let is_own = self.sources.ids().any(|id| id == source);
        let sources = if is_own {
            &self.sources
        } else {
            self.sources_and_lock()
        };
        &sources.get(source).text
    }

    /// Whether a value may be a secret.
    pub(super) fn is_secret(&self, value: &str) -> bool {
        self.secrets.contains(value)
    }

    /// A text for showing, in which secrets are masked, except those so short that they are in ordinary words.
    pub(super) fn masked(&self, text: &str) -> String {
        let secrets = self.secrets.iter().filter(|secret| secret.len() >= 4);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// The sources of `checked`, which has read the lock file too.
    fn sources_and_lock(&self) -> &Sources {
        &self.checked.workspace.sources
    }
}

/// What the first stage is to look at.
pub(super) struct Question {
    /// The number of changes so far.
    pub(super) generation: u64,
    /// The texts of open documents.
    pub(super) texts: Instead,
    pub(super) versions: BTreeMap<PathBuf, i32>,
    /// The directories that the client has open.
    pub(super) folders: Vec<PathBuf>,
}

/// What the first stage found.
pub(super) struct Found {
    pub(super) generation: u64,
    pub(super) versions: BTreeMap<PathBuf, i32>,
    pub(super) analyses: Vec<Analysis>,
    /// Documents whose workspace cannot be determined, and the reason.
    pub(super) astray: BTreeMap<PathBuf, Vec<Diagnostic>>,
}

/// The first stage.
pub(super) struct Checker {
    settings: Settings,
    overrides: Overrides,
    /// The root manifests of directories as last determined: while one is being typed, it may not lead anywhere.
    roots: BTreeMap<PathBuf, PathBuf>,
}

impl Checker {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            overrides: Overrides {
                vars: settings.vars.clone(),
                sets: Vec::new(),
            },
            settings,
            roots: BTreeMap::new(),
        }
    }

    pub(super) fn look(&mut self, question: Question) -> Found {
        let mut astray = BTreeMap::new();
        let mut manifests = BTreeSet::new();
        if let Some(manifest) = &self.settings.manifest {
            manifests.insert(manifest.clone());
        } else {
            for document in question.texts.keys() {
                let folder = document.parent().unwrap_or(document);
                match self.root(folder, &question.texts) {
                    Ok(root) => manifests.extend(root),
                    Err(mistakes) => {
                        astray.insert(document.clone(), mistakes);
                    }
                }
            }
            for folder in &question.folders {
                manifests.extend(self.root(folder, &question.texts).ok().flatten());
            }
        }
        let manifests = manifests.into_iter();
        Found {
            generation: question.generation,
            analyses: manifests
                .map(|manifest| self.analysis(manifest, &question.texts))
                .collect(),
            versions: question.versions,
            astray,
        }
    }

    /// The root manifest of a directory, if there is one.
    fn root(&mut self, folder: &Path, texts: &Instead) -> Result<Option<PathBuf>, Vec<Diagnostic>> {
        match manifest::find_instead(folder, &self.overrides, &*self.settings.env, texts) {
            Ok(Some(root)) => {
                let known = root.manifest.clone();
                self.roots.insert(folder.to_owned(), known);
                Ok(Some(root.manifest))
            }
            Ok(None) => Ok(None),
            Err(unsure) => match self.roots.get(folder) {
                Some(known) => Ok(Some(known.clone())),
                // The last one says what the others mean for this directory.
                None => Err(unsure.diagnostics.into_iter().rev().take(1).collect()),
            },
        }
    }

    fn analysis(&self, manifest: PathBuf, texts: &Instead) -> Analysis {
        let env = &*self.settings.env;
        let (loaded, names) = manifest::load_with_names(&manifest, &self.overrides, env, texts);
        let (sources, is_whole) = (loaded.workspace.sources.clone(), loaded.is_whole);
        let checked = check::loaded(loaded);
        Analysis {
            manifest,
            secrets: secrets(&names, &checked.workspace),
            names,
            sources,
            is_whole,
            diagnostics: checked.diagnostics.clone(),
            checked: Arc::new(checked),
            session: None,
        }
    }
}

/// The values of variables that may be secrets, by their names or because an image has the same variable as a secret.
fn secrets(names: &Names, workspace: &Workspace) -> BTreeSet<String> {
    let secrets = workspace.images.iter().flat_map(|it| &it.spec.secrets);
    let known: BTreeSet<&str> = secrets
        .filter_map(|secret| match &secret.source {
            SecretSource::Env(name) => Some(name.as_str()),
            SecretSource::File(_) => None,
        })
        .collect();
    let values = names.declared.values().filter_map(|declared| {
        let Meaning::Variable { value, origin } = &declared.meaning else {
            return None;
        };
        let value = value.as_ref()?;
        let looks_so = |name: &str| looks_secret(name, value).is_some();
        let is_secret = match origin {
            Origin::Env(env) => known.contains(env.as_str()) || looks_so(env),
            _ => false,
        };
        ((is_secret || looks_so(&declared.name)) && !value.is_empty()).then(|| value.clone())
    });
    values.collect()
}

/// A workspace without errors so far: the path of its root manifest, and what the first stage knows.
pub(super) type Sound = (PathBuf, Arc<Checked>);

/// What the second stage found of one workspace: its keys, or what is wrong.
pub(super) struct Examined {
    pub(super) manifest: PathBuf,
    pub(super) result: Result<Session, Vec<Diagnostic>>,
}

/// The second stage.
pub(super) struct Examiner {
    settings: Settings,
    /// What is kept of each workspace, by its root manifest, so that only what changed is read again.
    kept: BTreeMap<PathBuf, Kept>,
}

impl Examiner {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            kept: BTreeMap::new(),
        }
    }

    /// Examines workspaces without errors, and forgets all others.
    pub(super) fn look(&mut self, asked: Vec<Sound>) -> Vec<Examined> {
        self.kept
            .retain(|manifest, _| asked.iter().any(|(asked, _)| asked == manifest));
        let each = asked.into_iter();
        each.map(|(manifest, checked)| self.examine(manifest, checked))
            .collect()
    }

    fn examine(&mut self, manifest: PathBuf, checked: Arc<Checked>) -> Examined {
        let checked = Arc::unwrap_or_clone(checked);
        let instance = checked.workspace.builder_instance.clone();
        let kept = self.kept.remove(&manifest);
        let kept = kept.filter(|kept| kept.builder_instance == instance);
        let kept = match kept {
            Some(kept) => {
                read_again(&kept.reader, &checked.recipes);
                Some(kept)
            }
            None => self.fresh(&checked, instance),
        };
        let Some(kept) = kept else {
            return Examined {
                result: Err(checked.diagnostics),
                manifest,
            };
        };
        let reading = Reading::Kept(&kept);
        let examined = session::examine_checked(checked, kept.backends.clone(), None, reading);
        self.kept.insert(manifest.clone(), kept);
        Examined {
            manifest,
            result: examined.map_err(|wrong| wrong.diagnostics),
        }
    }

    /// What there is to keep of a workspace that has not been looked at; `None` if its directory is gone.
    fn fresh(&self, checked: &Checked, instance: Option<String>) -> Option<Kept> {
        let root = &checked.workspace.root;
        let elsewhere = Elsewhere::default().or_instance(instance.as_deref());
        Some(Kept {
            backends: session::backends(root, &*self.settings.env, &elsewhere),
            reader: Arc::new(FileReader::remembering(root, Trust::Times).ok()?),
            builder_instance: instance,
        })
    }
}

/// Reads what has changed of the files that recipes name.
fn read_again(reader: &FileReader, recipes: &[Recipe]) {
    let sets: BTreeSet<&FileSet> = recipes.iter().flat_map(Recipe::file_sets).collect();
    reader.keep_only(&sets);
    let sets: Vec<&FileSet> = sets.into_iter().collect();
    reader.read_again(&sets);
}

/// Whether a file is a manifest by its name alone.
pub(super) fn is_manifest_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == FILE_NAME)
}
