//! Lowers sources and copies, including their default destinations.

use super::lowering::{DEFAULT_DIRECTORY, FLYTEKIT_USER, Lowering};
use crate::recipe::files::FileSet;
use crate::recipe::model::{CopySource, CopyStep, Step};
use crate::spec::{self, CopyFrom, GivenPath, SourceCopyMode};

impl Lowering<'_> {
    /// Copies the image's own sources to where flytekit expects them.
    pub(super) fn sources(&mut self, root: Option<&GivenPath>) {
        let (Some(root), Some(SourceCopyMode::All)) = (root, self.copy_mode()) else {
            return;
        };
        let path = root.path.clone();
        let only = self.spec.source_files.clone();
        let files = if self.is_flytekit() || !only.is_empty() {
            FileSet::Source { path, only }
        } else {
            FileSet::Tree {
                path,
                ignore: self.directory.clone(),
                own: self.own.clone(),
            }
        };
        self.set_fields.push("source-root".to_owned());
        self.steps.push(Step::Copy(Box::new(CopyStep {
            from: CopySource::Files(files),
            to: self.home().to_owned(),
            owner: self.owner(None),
        })));
    }

    fn copy_mode(&self) -> Option<SourceCopyMode> {
        let default = self.spec.source_root.as_ref().map(|_| SourceCopyMode::All);
        self.spec.source_copy_mode.or(default)
    }

    pub(super) fn copy(&mut self, copy: &spec::Copy, field: String) {
        let mut step = self.copy_step(copy);
        step.owner = self.owner(step.owner);
        if matches!(step.from, CopySource::Files(_)) {
            self.set_fields.push(field);
        }
        self.steps.push(Step::Copy(Box::new(step)));
    }

    /// The destination directory for files without an explicit destination.
    fn home(&self) -> &str {
        let workdir = self.spec.workdir.as_deref();
        workdir
            .filter(|_| !self.is_flytekit())
            .unwrap_or(DEFAULT_DIRECTORY)
    }

    fn owner(&self, given: Option<String>) -> Option<String> {
        given.or_else(|| self.is_flytekit().then(|| FLYTEKIT_USER.to_owned()))
    }

    fn copy_step(&self, copy: &spec::Copy) -> CopyStep {
        let below = |path: &str| format!("{}/{path}", self.home().trim_end_matches('/'));
        match &copy.from {
            CopyFrom::Workspace { path, given } => CopyStep {
                from: CopySource::Files(FileSet::Tree {
                    path: path.clone(),
                    ignore: self.directory.clone(),
                    own: self.own.clone(),
                }),
                to: copy
                    .to
                    .clone()
                    .unwrap_or_else(|| below(&default_tail(given))),
                owner: copy.owner.clone(),
            },
            CopyFrom::Image { image, path } => CopyStep {
                from: CopySource::Image {
                    image: image.clone(),
                    path: path.clone(),
                },
                to: copy.to.clone().unwrap_or_else(|| path.clone()),
                owner: copy.owner.clone(),
            },
        }
    }
}

/// The path without `.` and `..`: `./a/../b` becomes `b`, and `../common` becomes `common`.
fn default_tail(given: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in given.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
