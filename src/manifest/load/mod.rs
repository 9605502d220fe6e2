//! Loads a root manifest and everything that it includes.

mod allow;
mod declare;
mod files;
mod glob;
mod group;
mod image;
mod include;
mod instance;
mod loader;
mod nodes;
mod read;
mod root;
mod unused;

use std::path::Path;

use self::loader::{Above, Loader};
use self::read::unreadable;
use super::inherit::Overrides;
use crate::diagnostic::{Diagnostic, Place};
use crate::spec::WorkspacePath;
use crate::suggest::closest;
use crate::workspace::{Loaded, Names, Workspace};

pub use glob::FILE_NAME;
pub(crate) use loader::Instead;
pub(crate) use nodes::load_nodes;
pub(crate) use root::find_instead;
pub use root::{Apart, Root, Unsure, find};

/// Loads a root manifest and everything that it includes. `env` looks up environment variables.
pub fn load(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    Loader::new(overrides, env).load(manifest)
}

/// Like [`load`], but with other texts for some files.
pub(crate) fn load_instead(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
    instead: &Instead,
) -> Loaded {
    let mut loader = Loader::new(overrides, env);
    loader.instead = Some(instead);
    loader.load(manifest)
}

/// Like [`load_instead`], and also returns what the names in the manifests refer to.
pub(crate) fn load_with_names(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
    instead: &Instead,
) -> (Loaded, Names) {
    let mut loader = Loader::new(overrides, env);
    loader.instead = Some(instead);
    loader.notes.names = Some(Names::default());
    loader.read(manifest);
    let mut names = loader.notes.names.take().unwrap_or_default();
    let included = loader.files.iter();
    let included = included.filter_map(|(path, by)| Some((path.clone(), (*by)?)));
    names.included.extend(included);
    (loader.ends(), names)
}

impl Loader<'_> {
    fn load(mut self, manifest: &Path) -> Loaded {
        self.read(manifest);
        self.ends()
    }

    /// Reads the manifest and everything that it includes.
    fn read(&mut self, manifest: &Path) {
        let parent = manifest.parent().filter(|it| !it.as_os_str().is_empty());
        let root = parent.unwrap_or(Path::new(".")).canonicalize();
        let name = manifest.file_name().and_then(|name| name.to_str());
        if let (Ok(root), Some(name)) = (root, name) {
            self.root = root;
            let path = WorkspacePath::resolve(&WorkspacePath::default(), name).unwrap_or_default();
            self.files.insert(path.clone(), None);
            self.file(&path, None, &Above::nothing(), &mut vec![path.clone()]);
        } else {
            self.notes.incomplete = true;
            self.notes.tell(unreadable(
                &manifest.display().to_string(),
                "there is no such file",
            ));
        }
    }

    /// Completes the load with the checks that need the whole workspace.
    fn ends(mut self) -> Loaded {
        let is_whole = !self.notes.incomplete;
        if is_whole {
            self.sets.unmet(&self.ids, &mut self.notes);
            self.unknown_variables();
            let wrong = self.notes.mistakes.iter().any(Diagnostic::is_error);
            if self.images.is_empty() && !wrong {
                self.no_image();
            }
            if !wrong && !self.images.is_empty() {
                self.unused();
            }
        }
        let (mut sources, diagnostics) = self.notes.finish();
        sources.put_below(&self.root);
        let manifests = self.files.keys().map(|path| path.under(&self.root));
        self.looked.files.extend(manifests);
        Loaded {
            workspace: Workspace {
                root: self.root,
                images: self.images,
                groups: self.groups,
                manifests: self.files.into_keys().collect(),
                sources,
                looked: self.looked,
                allows: self.allows,
                builder_instance: self.builder_instance,
                lock: None,
            },
            diagnostics,
            is_whole,
        }
    }

    fn unknown_variables(&mut self) {
        for (name, value) in &self.overrides.vars {
            if self.variables.contains(name) {
                continue;
            }
            let source = self.notes.sources.add("--var", format!("{name}={value}"));
            let place = Place::new(source, 0..name.len());
            let mistake =
                Diagnostic::error("unknown-variable", format!("unknown variable `{name}`"));
            let known = self.variables.iter().map(String::as_str);
            let meant = closest(name, known);
            let mistake = mistake.unfixed(&place, meant, "no manifest declares it");
            self.notes.tell(match meant {
                Some(_) => mistake,
                None => mistake.help(format!("declare it: `variable \"{name}\"`")),
            });
        }
    }

    fn no_image(&mut self) {
        let mistake = Diagnostic::error("no-image", "no image is declared")
            .help("declare one: `image \"app\" { base-image \"debian:bookworm-slim\"; packages \"numpy\" }`");
        let root = self.notes.sources.first_file();
        self.notes.tell(match root {
            Some(source) => mistake.at(Place::new(source, 0..0), ""),
            None => mistake,
        });
    }
}
