//! The environment of a command.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::given::{self, Given};
use super::options::{Global, Progress};
use super::screen::{Screen, eprint_text};
use super::signals;
use crate::backend::elsewhere::Elsewhere;
use crate::backend::envd;
use crate::diagnostic::Diagnostic;
use crate::disk::{Shown, limits, system_words};
use crate::graph::{DEFAULT_GROUP, located};
use crate::limits::{Limits, NoTime};
use crate::manifest::{self, Apart, FILE_NAME, Overrides, Root};
use crate::report::{self, words::Count};
use crate::run::Event;
use crate::session::{self, Opening, Refusal, Selection, Session, Start, Trust, Wrong};
use crate::spec::WorkspacePath;

/// The environment of a command: its directory, manifest, limits and screen.
pub(super) struct Context {
    pub(super) folder: PathBuf,
    pub(super) file: Option<PathBuf>,
    root: Option<PathBuf>,
    found: OnceCell<Root>,
    pub(super) overrides: Overrides,
    envd_context: Option<String>,
    pub(super) trust: Trust,
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
            trust: if global.verify {
                Trust::Nothing
            } else {
                Trust::Times
            },
            screen,
            limits,
            signals: signals::hear(limits.grace)?,
        })
    }

    /// Returns a lookup of environment variables, in which flags take precedence over the variables they stand for.
    pub(super) fn env(&self) -> impl Fn(&str) -> Option<String> + Send + Sync + use<> {
        let envd_context = self.envd_context.clone();
        move |name| match &envd_context {
            Some(context) if name == envd::CONTEXT => Some(context.clone()),
            _ => std::env::var(name).ok(),
        }
    }

    /// Path of the root manifest, which is a file.
    pub(super) fn manifest(&self) -> Result<PathBuf, Failure> {
        if self.is_stdin() {
            let message = "this command needs a manifest that is a file";
            return Err(Failure::usage(message, "name one after `-f`"));
        }
        self.root_manifest()
    }

    /// Path of the root manifest. One from standard input has a path too: in the directory that its own paths start at.
    fn root_manifest(&self) -> Result<PathBuf, Failure> {
        match self.insisted() {
            Some(manifest) => Ok(manifest),
            None => Ok(self.found()?.manifest.clone()),
        }
    }

    fn is_stdin(&self) -> bool {
        self.file.as_deref().is_some_and(given::is_stdin)
    }

    /// Examines the workspace: the manifest found, named by a flag, or read from standard input.
    pub(super) fn examine(
        &self,
        builder: Option<&str>,
        elsewhere: &Elsewhere,
    ) -> Result<Result<Session, Box<Wrong>>, Failure> {
        let manifest = self.root_manifest()?;
        let opening = Opening {
            manifest: &manifest,
            overrides: &self.overrides,
            builder,
            elsewhere,
            env: &self.env(),
            trust: self.trust,
        };
        if !self.is_stdin() {
            return Ok(session::examine(&opening, None));
        }
        let text = Given::stdin().read(limits::MANIFEST)?;
        Ok(session::examine_text(&opening, &text))
    }

    /// Path of the root manifest given by a flag, if any.
    pub(super) fn insisted(&self) -> Option<PathBuf> {
        let of_root = |root| self.folder.join(root).join(FILE_NAME);
        let file = self.file.as_ref().map(|file| self.folder.join(file));
        file.or_else(|| self.root.as_ref().map(of_root))
    }

    /// The root manifest found from the directory; the search is made only once.
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
        // The search skips a directory or pipe of this name; report it only now that nothing else was found.
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
                    "`{}` belongs to another user and was not searched for an include of this one; use it with `-f`\n",
                    Shown(&shown)
                ));
            }
        }
    }

    /// A warning to show along with errors: the nearest manifest above does not include this workspace.
    pub(super) fn apart(&self) -> Option<Diagnostic> {
        let found = self.found.get()?;
        let nearest = found.apart.last()?;
        let Apart::NotIncluding(manifest) = nearest else {
            return None;
        };
        let (above, below) = (manifest.parent()?, found.nearest.parent()?);
        let below = below.strip_prefix(above).ok()?.to_string_lossy();
        let message = format!(
            "`{}` does not include this workspace, so none of its declarations apply here",
            Shown(&manifest.to_string_lossy())
        );
        Some(Diagnostic::lint("not-included", message).help(format!(
            "if it should, add `workspace {{ include \"{}\" }}` to it",
            Shown(&below)
        )))
    }

    pub(super) fn open(&self, builder: Option<&str>) -> Result<Session, Failure> {
        self.open_elsewhere(builder, &Elsewhere::default())
    }

    /// Like [`Self::open`], with images of the builder `docker` built there.
    pub(super) fn open_elsewhere(
        &self,
        builder: Option<&str>,
        elsewhere: &Elsewhere,
    ) -> Result<Session, Failure> {
        let examined = self.examine(builder, elsewhere)?.map_err(Refusal::from);
        let session = examined.map_err(|refusal| match refusal {
            Refusal::Wrong(mut diagnostics, sources) => {
                diagnostics.extend(self.apart());
                Failure::Refused(Refusal::Wrong(diagnostics, sources))
            }
            other @ Refusal::Other { .. } => other.into(),
        })?;
        session.leave_index();
        if !self.screen.quiet {
            self.warn(&session);
        }
        Ok(session)
    }

    /// The directory, relative to the workspace root, whose images are selected by default.
    pub(super) fn below(&self, root: &Path) -> WorkspacePath {
        if self.insisted().is_some() {
            return WorkspacePath::ROOT;
        }
        self.here(root)
    }

    /// The directory, relative to the workspace root, that arguments are relative to.
    pub(super) fn here(&self, root: &Path) -> WorkspacePath {
        let here = self.folder.canonicalize().ok();
        let inside = here.as_deref().and_then(|it| it.strip_prefix(root).ok());
        let inside = inside.and_then(Path::to_str);
        inside
            .and_then(|it| WorkspacePath::resolve(&WorkspacePath::ROOT, it))
            .unwrap_or_default()
    }

    /// Builds the selection from the command's arguments.
    pub(super) fn selection(&self, root: &Path, words: &[String]) -> Selection {
        let (here, below) = (self.here(root), self.below(root));
        let words = words.iter().map(|word| located(word, &here)).collect();
        Selection {
            words,
            below,
            stays: false,
        }
    }

    /// Prints a note if the default selection leaves images out.
    pub(super) fn tell_selection(&self, session: &Session, selection: &Selection) {
        let is_silent = self.screen.quiet || self.screen.progress == Progress::Json;
        if selection.is_default() && !is_silent {
            let all = session.world.workspace.images.len();
            let asked = Selection {
                words: Vec::new(),
                ..selection.clone()
            };
            let asked = session.select(&asked).map_or(all, |asked| asked.len());
            let what = match session.start(selection) {
                Start::Group => format!("the group `{DEFAULT_GROUP}`"),
                Start::Folder(folder) => format!("those that `{folder}` declares"),
                Start::All => return,
            };
            if asked < all {
                let all = Count(all, "image");
                eprint_text(&format!(
                    "selected {asked} of {all}: {what} (`'*'` selects all)\n"
                ));
            }
        }
    }

    pub(super) fn warn(&self, session: &Session) {
        if self.screen.progress == Progress::Json {
            // A stream of JSON events must contain nothing else.
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
