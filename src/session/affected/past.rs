//! The workspace as it was at a commit: loaded, checked and fingerprinted by the code that does so for the present, from a
//! private copy of those files that matter.
//!
//! Which files matter turns out by reading: what was looked up and is in the commit is written, and read again, until
//! nothing is wanting. An error counts only once everything has been written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::asking::Asker;
use crate::check::{self, Checked};
use crate::diagnostic::Diagnostic;
use crate::fingerprint::files::Trail;
use crate::fingerprint::files::trail::way;
use crate::fingerprint::ignore::IGNORE_FILE;
use crate::fingerprint::{FileReader, Fingerprint, FingerprintError, fingerprint};
use crate::git::{Extract, Tree};
use crate::graph::{Graph, ImageId};
use crate::manifest::{self, Overrides};
use crate::recipe::{FileSet, Recipe};
use crate::workspace::{LOCK_FILE, Workspace};

/// What to compare a workspace with.
pub struct Since<'a> {
    /// A revision, or `REV...` for its merge base with `HEAD`; `None` for the merge base with the upstream branch.
    pub revision: Option<&'a str>,
    /// Path of the root manifest.
    pub manifest: &'a Path,
    /// The values of `--var` and `--set`, which apply to the past too.
    pub overrides: &'a Overrides,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A workspace at a commit.
pub(super) struct Past {
    pub(super) workspace: Workspace,
    pub(super) graph: Graph,
    pub(super) recipes: Vec<Recipe>,
    pub(super) prints: Vec<Result<Fingerprint, FingerprintError>>,
    /// Images whose key is uncertain, because the repository does not have all of their files; with the reason.
    pub(super) uncertain: BTreeMap<ImageId, String>,
}

/// Reads the workspace with this manifest. An error of its manifests comes as text.
pub(super) fn read(
    tree: &Tree,
    manifest: &str,
    since: &Since<'_>,
    asker: Asker<'_>,
) -> io::Result<Result<Past, String>> {
    let folder = tempfile::Builder::new()
        .prefix("imgspec-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    let root = folder.path().canonicalize()?;
    let mut extract = Extract::new(tree, &root, asker)?;
    let Checked {
        workspace,
        graph,
        recipes,
        diagnostics,
    } = checked(&root.join(manifest), since, &mut extract)?;
    let Some(graph) = graph.filter(|_| !diagnostics.iter().any(Diagnostic::is_error)) else {
        return Ok(Err(first(&diagnostics, &workspace)));
    };
    let reader = FileReader::new(&root).map_err(io::Error::other)?;
    let sets: BTreeSet<&FileSet> = recipes.iter().flat_map(Recipe::file_sets).collect();
    let prints = loop {
        let prints = fingerprint(&graph, &recipes, workspace.lock.as_ref(), &reader);
        let wanting = sets.iter().map(|set| {
            let touched = Touched::by(&root, &reader.trail(set));
            (*set, touched.wanting(&extract))
        });
        let mut wanting: Vec<(&FileSet, BTreeSet<&str>)> = wanting.collect();
        wanting.retain(|(_, paths)| !paths.is_empty());
        let paths = wanting.iter().flat_map(|(_, paths)| paths);
        if extract.write(paths.copied())? {
            for (set, _) in &wanting {
                reader.forget(set);
            }
        } else if prints.iter().any(Result::is_err) && extract.all(|_| true)? {
            for set in &sets {
                reader.forget(set);
            }
        } else {
            break prints;
        }
    };
    let uncertain = uncertain(&recipes, &graph, |set| {
        Touched::by(&root, &reader.trail(set)).missing(tree, &extract)
    });
    Ok(Ok(Past {
        workspace,
        graph,
        recipes,
        prints,
        uncertain,
    }))
}

/// Loads and checks the manifests.
fn checked(manifest: &Path, since: &Since<'_>, extract: &mut Extract<'_>) -> io::Result<Checked> {
    let is_rules = |path: &str| {
        let ending = Path::new(path).extension();
        let is_manifest = ending.is_some_and(|it| it.eq_ignore_ascii_case("kdl"));
        is_manifest || path.ends_with(IGNORE_FILE) || path.ends_with(LOCK_FILE)
    };
    extract.all(is_rules)?;
    let loaded = manifest::load(manifest, since.overrides, since.env);
    let root = loaded.workspace.root.clone();
    let mut touched = Touched::default();
    for image in &loaded.workspace.images {
        for (_, path, _) in image.spec.paths() {
            touched.look_up(&root, &path.under(&root));
            // Some lock files need their project.
            touched.look_up(&root, &path.parent().under(&root).join("pyproject.toml"));
        }
    }
    let wanting = touched.wanting(extract);
    extract.write(wanting)?;
    let checked = check::loaded(loaded);
    if checked.has_errors() && extract.all(|_| true)? {
        return Ok(check::check(manifest, since.overrides, since.env));
    }
    Ok(checked)
}

/// The first error, in one line.
fn first(diagnostics: &[Diagnostic], workspace: &Workspace) -> String {
    let Some(error) = diagnostics.iter().find(|it| it.is_error()) else {
        return "they cannot be read".to_owned();
    };
    match &error.place {
        Some(label) => {
            let place = workspace.sources.words(&label.place);
            format!("{place}: {}", error.message)
        }
        None => error.message.clone(),
    }
}

/// What a reading touched, relative to the root.
#[derive(Default)]
struct Touched {
    paths: BTreeSet<String>,
    /// Directories that were listed.
    listed: BTreeSet<String>,
}

impl Touched {
    fn by(root: &Path, trail: &Trail) -> Self {
        let mut touched = Self::default();
        for path in &trail.paths {
            touched.look_up(root, path);
        }
        let listed = trail.listed.iter();
        touched.listed = listed.filter_map(|path| inside(root, path)).collect();
        touched
    }

    /// Adds a path that was looked up, and everything on the way to what it leads to.
    fn look_up(&mut self, root: &Path, path: &Path) {
        let way = way(root, path).into_iter();
        let steps = way.filter_map(|(folder, name)| inside(root, &folder.join(name)));
        self.paths.extend(steps);
    }

    /// The files of the commit that would have been read, and are not written yet.
    fn wanting<'a>(&self, extract: &Extract<'a>) -> BTreeSet<&'a str> {
        let paths = self.paths.iter();
        let named = paths.filter_map(|path| extract.wanting(path));
        let inside = self.listed.iter().flat_map(|folder| extract.inside(folder));
        let inside = inside.filter_map(|path| extract.wanting(path));
        named.chain(inside).collect()
    }

    /// Why something that was touched is not as it was at the commit.
    fn missing(&self, tree: &Tree, extract: &Extract<'_>) -> Option<String> {
        let is_below = |path: &str, folder: &str| {
            let rest = path.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut modules = tree.missing.iter();
        let module = modules.find(|(module, _)| {
            let mut all = self.paths.iter().chain(&self.listed);
            all.any(|path| is_below(path, module))
        });
        let mut files = extract.missing.iter();
        let file = files.find(|(file, _)| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.paths.contains(**file) || self.listed.contains(folder)
        });
        let module = module.map(|(_, why)| why.clone());
        module.or_else(|| file.map(|(_, why)| why.clone()))
    }
}

fn inside(root: &Path, path: &Path) -> Option<String> {
    let inside: PathBuf = path.strip_prefix(root).ok()?.components().collect();
    inside.into_os_string().into_string().ok()
}

/// The images with a set that is not whole.
fn uncertain(
    recipes: &[Recipe],
    graph: &Graph,
    why: impl Fn(&FileSet) -> Option<String>,
) -> BTreeMap<ImageId, String> {
    let images = graph.ids().zip(recipes);
    let found = images.filter_map(|(id, recipe)| Some((id, recipe.file_sets().find_map(&why)?)));
    found.collect()
}
