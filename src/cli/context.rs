//! What every command is given.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::options::{Global, Progress};
use super::screen::{Screen, eprint_text};
use super::signals;
use crate::backend::envd;
use crate::diagnostic::Diagnostic;
use crate::disk::{Shown, system_words};
use crate::limits::{Limits, NoTime};
use crate::manifest::{self, Apart, FILE_NAME, Overrides, Root};
use crate::report::{self, words::Count};
use crate::run::Event;
use crate::session::{Opening, Refusal, Selection, Session};
use crate::spec::WorkspacePath;

/// What every command is given: where it works, and how its screens look.
pub(super) struct Context {
    pub(super) folder: PathBuf,
    pub(super) file: Option<PathBuf>,
    root: Option<PathBuf>,
    found: OnceCell<Root>,
    pub(super) overrides: Overrides,
    envd_context: Option<String>,
    pub(super) screen: Screen,
    pub(super) limits: Limits,
    pub(super) signals: signals::Listening,
}

impl Context {
    pub(super) fn new(global: Global, screen: Screen) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::usage(
                format!(
                    "the current directory cannot be read: {}",
                    system_words(&error)
                ),
                "change to one that can",
            )
        })?;
        let folder = global
            .directory
            .map_or_else(|| here.clone(), |folder| here.join(folder));
        if !folder.is_dir() {
            return Err(Failure::usage(
                format!("`{}` is not a directory", folder.display()),
                "name an existing directory after `-C`",
            ));
        }
        let overrides = Overrides {
            vars: global.vars,
            sets: global.sets,
        };
        let limits = Limits::read(&|name| std::env::var(name).ok())
            .map_err(|wrong| Failure::usage(wrong.to_string(), NoTime::MEND))?;
        Ok(Self {
            folder,
            file: global.file,
            root: global.root,
            found: OnceCell::new(),
            overrides,
            envd_context: global.envd_context,
            screen,
            limits,
            signals: signals::hear(limits.grace)?,
        })
    }

    /// Reads a variable of the environment. What a flag says goes before the variable that means the same.
    pub(super) fn env(&self) -> impl Fn(&str) -> Option<String> + Send + use<> {
        let envd_context = self.envd_context.clone();
        move |name| match &envd_context {
            Some(context) if name == envd::CONTEXT => Some(context.clone()),
            _ => std::env::var(name).ok(),
        }
    }

    /// The root manifest.
    pub(super) fn manifest(&self) -> Result<PathBuf, Failure> {
        match self.insisted() {
            Some(manifest) => Ok(manifest),
            None => Ok(self.found()?.manifest.clone()),
        }
    }

    /// The root manifest that a flag names.
    pub(super) fn insisted(&self) -> Option<PathBuf> {
        let of_root = |root| self.folder.join(root).join(FILE_NAME);
        let file = self.file.as_ref().map(|file| self.folder.join(file));
        file.or_else(|| self.root.as_ref().map(of_root))
    }

    /// The root manifest of the directory, looked for once.
    pub(super) fn found(&self) -> Result<&Root, Failure> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let found = manifest::find(&self.folder, &self.overrides, &self.env());
        let found = found
            .map_err(|unsure| Failure::Refused(Refusal::Wrong(unsure.diagnostics, unsure.sources)))?
            .ok_or_else(|| self.no_manifest())?;
        self.tell_strangers(&found);
        Ok(self.found.get_or_init(|| found))
    }

    fn no_manifest(&self) -> Failure {
        // A directory or a pipe of this name is passed by, and said where nothing else is found.
        if let Some((other, why)) = manifest::find_other(&self.folder) {
            return Failure::usage(
                format!("`{}` cannot be read: {why}", other.display()),
                "put the manifest there as a file, or name another with `-f FILE`",
            );
        }
        let message = format!(
            "there is no `imgspec.kdl` in `{}` or above it",
            self.folder.display()
        );
        Failure::usage(
            message,
            "`imgspec init` writes a first one; `-f FILE` names another",
        )
    }

    fn tell_strangers(&self, found: &Root) {
        if self.screen.quiet || self.screen.progress == Progress::Json {
            return;
        }
        for apart in &found.apart {
            if let Apart::Stranger(manifest) = apart {
                let shown = manifest.to_string_lossy();
                eprint_text(&format!(
                    "`{}` belongs to another user and is not asked whether it includes this one; `-f` takes it all the same\n",
                    Shown(&shown)
                ));
            }
        }
    }

    /// What is to be told beside mistakes: a manifest above that declares nothing for this workspace.
    pub(super) fn apart(&self) -> Option<Diagnostic> {
        let found = self.found.get()?;
        let nearest = found.apart.last()?;
        let Apart::NotIncluding(manifest) = nearest else {
            return None;
        };
        let (above, below) = (manifest.parent()?, found.nearest.parent()?);
        let below = below.strip_prefix(above).ok()?.to_string_lossy();
        let message = format!(
            "`{}` does not include this workspace: nothing that it declares is known here",
            Shown(&manifest.to_string_lossy())
        );
        Some(Diagnostic::lint("not-included", message).help(format!(
            "if it should: `workspace {{ include \"{}\" }}` there",
            Shown(&below)
        )))
    }

    pub(super) fn open(&self, builder: Option<&str>) -> Result<Session, Failure> {
        let manifest = self.manifest()?;
        let opening = Opening {
            manifest: &manifest,
            overrides: &self.overrides,
            builder,
            env: &self.env(),
        };
        let session = Session::open(&opening).map_err(|refusal| match refusal {
            Refusal::Wrong(mut diagnostics, sources) => {
                diagnostics.extend(self.apart());
                Failure::Refused(Refusal::Wrong(diagnostics, sources))
            }
            other @ Refusal::Other { .. } => other.into(),
        })?;
        if !self.screen.quiet {
            self.warn(&session);
        }
        Ok(session)
    }

    /// The directory that counts where no word says which images are meant, from the workspace root.
    pub(super) fn below(&self, root: &Path) -> WorkspacePath {
        if self.insisted().is_some() {
            return WorkspacePath::ROOT;
        }
        let here = self.folder.canonicalize().ok();
        let inside = here.as_deref().and_then(|it| it.strip_prefix(root).ok());
        let inside = inside.and_then(Path::to_str);
        inside
            .and_then(|it| WorkspacePath::resolve(&WorkspacePath::ROOT, it))
            .unwrap_or_default()
    }

    /// What the words of a command select here; says so where that is not all that there is.
    pub(super) fn selection(&self, session: &Session, words: &[String]) -> Selection {
        let workspace = &session.world.workspace;
        let below = session.nearest_with_images(&self.below(&workspace.root));
        let words = words.to_vec();
        let selection = Selection { words, below };
        let is_silent = self.screen.quiet || self.screen.progress == Progress::Json;
        if selection.is_of_directory() && !is_silent {
            let all = workspace.images.len();
            let asked = Selection {
                words: Vec::new(),
                ..selection.clone()
            };
            let asked = session.select(&asked).map_or(all, |asked| asked.len());
            if asked < all {
                eprint_text(&format!(
                    "{asked} of {}: what `{}` declares; `'*'` means all\n",
                    Count(all, "image"),
                    selection.below
                ));
            }
        }
        selection
    }

    pub(super) fn warn(&self, session: &Session) {
        if self.screen.progress == Progress::Json {
            // A stream of events has nothing else in it.
            let mut report = report::reporter(self.screen.settings());
            for warning in &session.warnings {
                let message = warning.message.clone();
                report.event(&Event::Warning { message });
            }
        } else if !session.warnings.is_empty() {
            self.screen
                .show(&session.warnings, &session.world.workspace.sources);
        }
    }
}
