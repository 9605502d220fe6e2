//! What every command is given.

use std::path::PathBuf;

use super::failure::Failure;
use super::options::Global;
use super::screen::{Screen, eprint_text, width};
use super::signals;
use crate::backend::envd;
use crate::disk::system_words;
use crate::limits::{Limits, NoTime};
use crate::manifest::{self, Overrides};
use crate::report;
use crate::session::{Opening, Session};

/// What every command is given: where it works, and how its screens look.
pub(super) struct Context {
    pub(super) folder: PathBuf,
    pub(super) file: Option<PathBuf>,
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

    pub(super) fn manifest(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(self.folder.join(file));
        }
        manifest::find(&self.folder).ok_or_else(|| {
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
        })
    }

    pub(super) fn open(&self, builder: Option<&str>) -> Result<Session, Failure> {
        let manifest = self.manifest()?;
        let opening = Opening {
            manifest: &manifest,
            overrides: &self.overrides,
            builder,
            env: &self.env(),
        };
        let session = Session::open(&opening)?;
        if !self.screen.quiet {
            self.warn(&session);
        }
        Ok(session)
    }

    pub(super) fn warn(&self, session: &Session) {
        if !session.warnings.is_empty() {
            eprint_text(&report::diagnostics::render(
                &session.warnings,
                &session.world.workspace.sources,
                self.screen.color,
                width(),
            ));
        }
    }
}
