//! Sources and copies, and where they go that say no destination. Pure.

use super::{DEFAULT_FOLDER, FLYTEKIT_USER, Lowering};
use crate::recipe::{CopySource, CopyStep, FileSet, Step};
use crate::spec::{self, CopyFrom, GivenPath, SourceCopyMode, WorkspacePath};

impl Lowering<'_> {
    /// The image's own sources, whose folder goes where flytekit looks for it.
    pub(super) fn sources(&mut self, root: Option<&GivenPath>) {
        let (Some(root), Some(SourceCopyMode::All)) = (root, self.copy_mode()) else {
            return;
        };
        let path = root.path.clone();
        let files = if self.is_flytekit() {
            FileSet::Source { path }
        } else {
            let ignore = self.folder.clone();
            FileSet::Tree { path, ignore }
        };
        self.set_fields.push("source-root".to_owned());
        self.steps.push(Step::Copy(CopyStep {
            from: CopySource::Files(files),
            to: self.home().to_owned(),
            owner: self.owner(None),
        }));
    }

    pub(super) fn copy_mode(&self) -> Option<SourceCopyMode> {
        let unsaid = self.spec.source_root.as_ref().map(|_| SourceCopyMode::All);
        self.spec.source_copy_mode.or(unsaid)
    }

    pub(super) fn copy(&mut self, copy: &spec::Copy, field: String) {
        let mut step = copy_step(copy, self.folder, self.home());
        step.owner = self.owner(step.owner);
        if matches!(step.from, CopySource::Files(_)) {
            self.set_fields.push(field);
        }
        self.steps.push(Step::Copy(step));
    }

    /// Where files go that say no destination.
    pub(super) fn home(&self) -> &str {
        let workdir = self.spec.workdir.as_deref();
        workdir
            .filter(|_| !self.is_flytekit())
            .unwrap_or(DEFAULT_FOLDER)
    }

    pub(super) fn owner(&self, said: Option<String>) -> Option<String> {
        said.or_else(|| self.is_flytekit().then(|| FLYTEKIT_USER.to_owned()))
    }
}

fn copy_step(copy: &spec::Copy, folder: &WorkspacePath, home: &str) -> CopyStep {
    let below = |path: &str| format!("{}/{path}", home.trim_end_matches('/'));
    match &copy.from {
        CopyFrom::Workspace { path, given } => CopyStep {
            from: CopySource::Files(FileSet::Tree {
                path: path.clone(),
                ignore: folder.clone(),
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

/// The given path without parts that lead nowhere: `./a/../b` is `b`, and `../common` is `common`.
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
