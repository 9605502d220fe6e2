//! Everything that can be wrong before a build, in one run: manifests, graph, names, files.
//!
//! Starts nothing and writes nothing. The choice made: all stages are asked even after a mistake, so that one run tells all;
//! recipes are made only of a workspace without errors.

mod state;
mod together;

pub use state::state;

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::{self, Diagnostic, Place};
use crate::disk::read::{Links, Root};
use crate::disk::{FileKind, system_words};
use crate::fingerprint::flytekit_ids;
use crate::graph::{Cycle, EdgeKind, Graph, Hop};
use crate::manifest::{self, Loaded, Overrides};
use crate::recipe::{self, Recipe};
use crate::reference::{self, DEFAULT_TAG_FORMAT};
use crate::spec::{OwnStep, PathKind, SecretStep, WorkspacePath};
use crate::suggest::closest;
use crate::workspace::{Image, Workspace};

/// A workspace with all that is wrong in it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The workspace; whole only when no diagnostic is an error.
    pub workspace: Workspace,
    /// Its graph; none when images are built on each other in a circle.
    pub graph: Option<Graph>,
    /// The images' recipes, in the order of the workspace; empty when a diagnostic is an error.
    pub recipes: Vec<Recipe>,
    /// All that is wrong or doubtful, in the order of the manifests.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Whether nothing can be built of it.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads and checks the workspace of a root manifest. `env` answers for environment variables.
pub fn check(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Checked {
    loaded(manifest::load(manifest, overrides, env))
}

/// Checks a workspace that was read.
#[must_use]
pub fn loaded(loaded: Loaded) -> Checked {
    let workspace = loaded.workspace;
    let mut diagnostics = loaded.diagnostics;
    let graph = match Graph::new(&workspace.images) {
        Ok(graph) => Some(graph),
        Err(cycles) => {
            diagnostics.extend(cycles.iter().map(|it| circle(it, &workspace.images)));
            None
        }
    };
    names(&workspace.images, &mut diagnostics);
    together::check(&workspace, &mut diagnostics);
    Files::new(&workspace).check(&workspace.images, &mut diagnostics);
    let diagnostics = diagnostic::in_order(diagnostics);
    let usable = graph.is_some() && !diagnostics.iter().any(Diagnostic::is_error);
    let recipes = if usable {
        recipe::lower(&workspace, &flytekit_ids(&workspace.images))
    } else {
        Vec::new()
    };
    Checked {
        workspace,
        graph,
        recipes,
        diagnostics,
    }
}

/// Images that need each other, every hop with its place.
fn circle(cycle: &Cycle, images: &[Image]) -> Diagnostic {
    let id = |hop: &Hop| images[hop.from.index()].id.as_str();
    let names: Vec<String> = cycle
        .iter()
        .chain(cycle.first())
        .map(|hop| format!("`{}`", id(hop)))
        .collect();
    let message = match cycle.as_slice() {
        [only] if only.kind == EdgeKind::Base => format!("image {} uses itself as base", names[0]),
        [_] => format!("image {} copies files out of itself", names[0]),
        _ => format!("images need each other in a circle: {}", names.join(" -> ")),
    };
    let said = |hop: &Hop| {
        let image = &images[hop.from.index()];
        let how = match hop.kind {
            EdgeKind::Base => "is built on",
            EdgeKind::Copy => "copies from",
        };
        let text = format!("`{}` {how} `{}`", image.id, images[hop.to.index()].id);
        (image.places.get(&hop.field).cloned(), text)
    };
    let mut mistake = Diagnostic::error("cycle", message);
    for (at, hop) in cycle.iter().enumerate() {
        if let (Some(place), text) = said(hop) {
            mistake = if at == 0 {
                mistake.at(place, text)
            } else {
                mistake.with(place, text)
            };
        }
    }
    if cycle.len() > 1 {
        mistake = mistake.help("one of them must be built on something else");
    }
    mistake
}

/// What images are called: by Docker's rules, and no two alike.
fn names(images: &[Image], diagnostics: &mut Vec<Diagnostic>) {
    let mut first: BTreeMap<(String, &str), &Image> = BTreeMap::new();
    for image in images {
        diagnostics.extend(id_as_name(image));
        diagnostics.extend(passwords(image));
        let format = image.spec.tag_format.as_deref();
        let key = (
            reference::repository(image),
            format.unwrap_or(DEFAULT_TAG_FORMAT),
        );
        if key.0.len() > 255 {
            diagnostics.extend(too_long(image));
        }
        if image.spec.flytekit.is_some() {
            // Its tag is known when its files are read.
            continue;
        }
        if let Some(before) = first.get(&key) {
            diagnostics.push(one_reference(before, image, &key.0));
        } else {
            first.insert(key, image);
        }
    }
}

/// An image without a name is called by its id, which may have characters that a name may not have.
fn id_as_name(image: &Image) -> Option<Diagnostic> {
    if image.spec.name.is_some() {
        return None;
    }
    let refused = reference::check_name(&image.id).err()?;
    let id = &image.id;
    let mend = refused.mend.unwrap_or_else(|| "…".into());
    Some(
        Diagnostic::error(
            "invalid-value",
            format!("image `{id}` cannot be called `{id}` in a registry"),
        )
        .at(image.places.get("")?.clone(), refused.why)
        .help(format!("give it a `name \"{mend}\"`, or another id")),
    )
}

/// Passwords in URLs: they would be kept in the image's history and in logs.
fn passwords(image: &Image) -> Vec<Diagnostic> {
    let spec = &image.spec;
    let one = |field: &'static str| move |text| (field.to_owned(), text);
    let many = |field: &'static str| move |(at, text)| (format!("{field}[{at}]"), text);
    let extra = spec.pip_extra_index_url.iter().enumerate();
    let packages = spec.packages.iter().enumerate();
    let runtime = spec.runtime_packages.iter().enumerate();
    let channels = spec.conda_channels.iter().enumerate();
    let own = spec.steps.iter().enumerate().flat_map(|(at, step)| {
        let packages = match step {
            OwnStep::Pip { packages, .. } => packages.as_slice(),
            _ => &[],
        };
        packages.iter().map(move |text| (at, text))
    });
    let texts = spec.pip_index.iter().map(one("pip-index"));
    texts
        .chain(spec.pip_extra_args.iter().map(one("pip-extra-args")))
        .chain(extra.map(many("pip-extra-index-url")))
        .chain(packages.map(many("packages")))
        .chain(runtime.map(many("runtime-packages")))
        .chain(channels.map(many("conda-channels")))
        .chain(own.map(many("steps")))
        .filter(|(field, text)| has_password(text) || has_token(field, text))
        .filter_map(|(field, _)| {
            let mistake = Diagnostic::error("password", "a URL has a password in it");
            let place = image.places.get(&field)?.clone();
            let step = if field.starts_with("conda") {
                SecretStep::Conda
            } else {
                SecretStep::Pip
            };
            Some(
                mistake
                    .at(place, "it would reach the image's history and the logs")
                    .help(format!(
                        "give it to the step as a secret: `secret \"netrc\" file=\"~/.netrc\" {{ {} mount=\"/root/.netrc\" }}`",
                        step.field()
                    )),
            )
        })
        .collect()
}

/// Whether a text is a channel of conda's with a token in it.
fn has_token(field: &str, text: &str) -> bool {
    field.starts_with("conda") && text.contains("://") && text.contains("/t/")
}

/// Whether a URL in the text names a user and a password, or over HTTP a user, which then is a token.
pub(crate) fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let authority =
            text[at + 3..].split(|char: char| char.is_whitespace() || "/?#".contains(char));
        let user = authority
            .into_iter()
            .next()
            .and_then(|authority| authority.rsplit_once('@'));
        let is_http = ["http", "https"]
            .iter()
            .any(|scheme| text[..at].ends_with(scheme));
        user.is_some_and(|(user, _)| is_http || user.contains(':'))
    })
}

fn too_long(image: &Image) -> Option<Diagnostic> {
    Some(
        Diagnostic::error(
            "invalid-value",
            format!("the reference of image `{}` is too long", image.id),
        )
        .at(
            image.places.get("name")?.clone(),
            "Docker takes at most 255 characters of registry and name",
        ),
    )
}

fn one_reference(before: &Image, image: &Image, repository: &str) -> Diagnostic {
    let mistake = Diagnostic::error(
        "one-reference",
        format!(
            "images `{}` and `{}` are both called `{repository}`",
            before.id, image.id
        ),
    )
    .help("give one of them another `name`, or each a `tag-format` of its own, such as \"{spec_hash}-cpu\"");
    match (image.places.get("name"), before.places.get("name")) {
        (Some(place), Some(other)) if place == other => {
            // One line names both: a matrix, a template or defaults.
            mistake.at(
                place.clone(),
                format!("said for `{}` and for `{}`", before.id, image.id),
            )
        }
        (Some(place), Some(other)) => mistake
            .at(place.clone(), format!("`{}` is called so here", image.id))
            .with(other.clone(), format!("`{}` is called so here", before.id)),
        _ => mistake,
    }
}

/// What a path was found to be.
#[derive(Clone)]
enum Found {
    Kind(FileKind),
    Missing,
    Outside,
    Unreadable(String),
}

/// Looks at files of the workspace, at each once.
struct Files<'a> {
    root: &'a Path,
    known: BTreeMap<WorkspacePath, Found>,
}

impl<'a> Files<'a> {
    fn new(workspace: &'a Workspace) -> Self {
        Self {
            root: &workspace.root,
            known: BTreeMap::new(),
        }
    }

    fn check(&mut self, images: &[Image], diagnostics: &mut Vec<Diagnostic>) {
        for image in images {
            for (field, path, kind) in image.spec.paths() {
                if let Some(place) = image.places.get(&field) {
                    diagnostics.extend(self.wrong(path, kind, place));
                }
            }
        }
    }

    fn wrong(
        &mut self,
        path: &WorkspacePath,
        wanted: PathKind,
        place: &Place,
    ) -> Option<Diagnostic> {
        let root = self.root;
        let found = self
            .known
            .entry(path.clone())
            .or_insert_with(|| look(root, path));
        let mistake = |code, what: String| Diagnostic::error(code, format!("`{path}` {what}"));
        match found {
            Found::Kind(FileKind::Directory) if wanted != PathKind::File => None,
            Found::Kind(FileKind::File) if wanted != PathKind::Folder => None,
            Found::Kind(kind) => Some(mistake("wrong-type", format!("is {kind}")).at(
                place.clone(),
                match wanted {
                    PathKind::File => "a file is wanted here",
                    PathKind::Folder => "a folder is wanted here",
                    PathKind::Any => "a file or folder is wanted here",
                },
            )),
            Found::Outside => Some(
                mistake("outside", "lies outside of the workspace".into())
                    .at(place.clone(), "a link on the way leads out of it")
                    .help("an image is made only of files below the folder of the root manifest"),
            ),
            Found::Unreadable(why) => {
                Some(mistake("unreadable", format!("cannot be read: {why}")).at(place.clone(), ""))
            }
            Found::Missing => Some(missing(root, path, place)),
        }
    }
}

fn look(root: &Path, path: &WorkspacePath) -> Found {
    let real = match path.under(root).canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Missing,
        Err(error) => return Found::Unreadable(system_words(&error)),
    };
    if !real.starts_with(root) {
        return Found::Outside;
    }
    match FileKind::at(&real) {
        Ok(kind) => Found::Kind(kind),
        Err(error) => Found::Unreadable(system_words(&error)),
    }
}

fn missing(root: &Path, path: &WorkspacePath, place: &Place) -> Diagnostic {
    let mistake = Diagnostic::error("missing-file", format!("`{path}` does not exist"));
    if path.under(root).symlink_metadata().is_ok() {
        return mistake.at(place.clone(), "a link that leads nowhere");
    }
    let folder = path.parent();
    let name = path.file_name().unwrap_or("");
    let listed = Root::open(root)
        .and_then(|root| root.list(Path::new(folder.as_str()), Links::Follow))
        .into_iter()
        .flatten();
    let mut names: Vec<String> = listed
        .filter_map(|listed| listed.name.into_string().ok())
        .collect();
    names.sort();
    let mistake = match closest(name, names.iter().map(String::as_str)) {
        Some(meant) => mistake.at(place.clone(), format!("did you mean `{meant}`?")),
        None => mistake.at(place.clone(), "no such file or folder"),
    };
    if name.contains(['*', '?']) {
        return mistake.help("globs are not expanded: copy the folder, and leave out what is not wanted with a `.dockerignore`");
    }
    mistake.help("paths are relative to the folder of the manifest that says them")
}
