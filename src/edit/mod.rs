//! Edits of a manifest on behalf of a command: one field of an image or a template, or the layout.
//!
//! An edit changes one node, using the document model of the `kdl` crate, and not a byte of anything else. Before it is
//! written, it is checked like `imgspec check`, and verified to make exactly the requested change.

mod file;
mod holder;
mod item;
mod items;
mod layout;
mod mistakes;
mod names;
mod piece;
mod proof;
mod splice;
mod target;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use file::File;
pub use file::ManifestPath;
pub use holder::Holder;
pub(crate) use holder::templates;
pub use item::{Change, Edit};

use crate::check;
use crate::diagnostic::{Diagnostic, Sources};
use crate::manifest::{self, Instead, Overrides};
use crate::session::{self, Opening, Reading, Refusal};
use target::Target;

/// An edit that has been checked but not written.
pub struct ProposedEdit {
    file: File,
    /// The new text of the manifest; `None` if nothing has to change.
    text: Option<String>,
    /// Path of the manifest in the workspace.
    pub path: String,
    /// Line of the node, from 1.
    pub line: usize,
    /// What was done, one sentence each.
    pub said: Vec<String>,
    /// Warnings about the workspace as edited.
    pub warnings: Vec<Diagnostic>,
    /// The texts of the manifests as edited.
    pub sources: Sources,
}

/// How often to retry after somebody else has changed the manifest, and how long to wait in between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

impl Edit {
    /// Makes the edit. If somebody else changes the manifest in the meantime, the edit is redone and checked again. An edit
    /// that fails the check leaves the manifest unchanged.
    pub fn make(&self, opening: &Opening<'_>) -> Result<ProposedEdit, Refusal> {
        persist(opening.manifest, || {
            let proposal = self.propose(opening)?;
            Ok(proposal.write()?.then_some(proposal))
        })
    }

    /// Prepares and checks the edit without writing it. Overrides of single fields from the command line are ignored.
    pub fn propose(&self, opening: &Opening<'_>) -> Result<ProposedEdit, Refusal> {
        persist(opening.manifest, || self.attempt(opening))
    }

    /// A single attempt; `None` if the manifest changed while it was read.
    fn attempt(&self, opening: &Opening<'_>) -> Result<Option<ProposedEdit>, Refusal> {
        let overrides = Overrides {
            vars: opening.overrides.vars.clone(),
            sets: Vec::new(),
        };
        let loaded = manifest::load(opening.manifest, &overrides, opening.env);
        let target = Target::find(&loaded, &self.of, &self.field)?;
        let file = File::read(&ManifestPath {
            root: loaded.workspace.root.clone(),
            path: PathBuf::from(target.path),
            shown: target.path.to_owned(),
        })?;
        if file.text() != target.text {
            return Ok(None);
        }
        let changed = items::change(&target, &self.change)?;
        let mut proposal = ProposedEdit {
            path: target.path.to_owned(),
            line: changed.line,
            said: changed.actions,
            file,
            text: None,
            warnings: Vec::new(),
            sources: Sources::default(),
        };
        if changed.splices.is_empty() {
            return Ok(Some(proposal));
        }
        let text = splice::spliced(target.text, changed.splices);
        proof::prove(&target, &text, &changed.values)?;
        let whole = loaded.workspace.root.join(target.path);
        let instead = Instead::from([(whole, text.clone())]);
        let loaded = manifest::load_instead(opening.manifest, &overrides, opening.env, &instead);
        let root = loaded.workspace.root.clone();
        let known = session::backends(&root, opening.env, opening.elsewhere);
        let examined = session::examine_checked(
            check::loaded(loaded),
            known,
            opening.builder,
            Reading::Anew(opening.trust),
        );
        let session = examined.map_err(|wrong| {
            Refusal::Wrong(unwritten(wrong.diagnostics), wrong.workspace.sources)
        })?;
        proposal.text = Some(text);
        proposal.sources = session.world.workspace.sources.clone();
        proposal.warnings = session.warnings;
        Ok(Some(proposal))
    }
}

impl ProposedEdit {
    /// Whether there is anything to write.
    pub fn is_change(&self) -> bool {
        self.text.is_some()
    }

    /// Writes the edit. Returns `false`, without writing, if somebody else has changed the manifest since it was read.
    pub fn write(&self) -> Result<bool, Refusal> {
        let text = self.text.as_ref();
        text.map_or(Ok(true), |text| self.file.replace(text))
    }
}

/// Retries while somebody else changes the manifest, up to a limit.
fn persist<T>(
    manifest: &Path,
    mut attempt: impl FnMut() -> Result<Option<T>, Refusal>,
) -> Result<T, Refusal> {
    for _ in 0..TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
        std::thread::sleep(PAUSE);
    }
    Err(Refusal::usage(
        format!(
            "`{}` keeps being changed by something else",
            manifest.display()
        ),
        "nothing was written: try again",
    ))
}

/// Notes below the last error that the manifest was left unchanged.
fn unwritten(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if let Some(last) = diagnostics.iter_mut().rfind(|it| it.is_error()) {
        last.help
            .push("nothing was written: the edit would not pass `imgspec check`".to_owned());
    }
    diagnostics
}

/// Formats a manifest, or only checks the format if `is_look`. Returns whether the format differed. Retries if somebody else
/// changes the manifest in the meantime. Its text is added to `sources`.
pub fn format(
    at: &ManifestPath,
    is_look: bool,
    sources: &mut Sources,
) -> Result<bool, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let done = persist(Path::new(&at.shown), || {
        let file = File::read(at)?;
        let text = match formatted(&at.shown, file.text(), sources) {
            Ok(text) => text,
            Err(found) => {
                mistakes = found;
                return Ok(Some(false));
            }
        };
        let is_changed = text != file.text();
        let is_done = !is_changed || is_look || file.replace(&text)?;
        Ok(is_done.then_some(is_changed))
    });
    match done {
        _ if !mistakes.is_empty() => Err(mistakes),
        Ok(is_changed) => Ok(is_changed),
        Err(refusal) => Err(refusal.into_mistakes().0),
    }
}

/// Returns a manifest's text in the canonical layout, with the same meaning. `path` is its name in messages; the text is added
/// to `sources`.
pub fn formatted(path: &str, text: &str, sources: &mut Sources) -> Result<String, Vec<Diagnostic>> {
    let source = sources.add(path, text);
    let (nodes, mistakes) = manifest::parse(text, source);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let tokens = manifest::tokens(text, source);
    let out = layout::layout(text, &tokens);
    let (after, mistakes) = manifest::parse(&out, source);
    let comments = proof::comments(&out, &manifest::tokens(&out, source));
    if mistakes.is_empty()
        && comments == proof::comments(text, &tokens)
        && manifest::same(&nodes, &after)
    {
        return Ok(out);
    }
    let mistake = Diagnostic::error(
        "bug",
        format!("`{path}` cannot be formatted without changing its meaning"),
    );
    Err(vec![mistake.help(
        "it was left unchanged; please report this bug, with the file",
    )])
}
