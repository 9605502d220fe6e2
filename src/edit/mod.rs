//! Changes of a manifest that a command asks for: a value of an image's field, or the layout.
//!
//! An edit touches one node, on the document model of the `kdl` crate, and nothing else of the file by a byte. It is checked as
//! `imgspec check` would, before anything is written, and proven to say what was asked for and nothing else.

mod file;
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
pub use item::{Change, Edit};

use crate::check;
use crate::diagnostic::{Diagnostic, Sources};
use crate::manifest::{self, Overrides};
use crate::session::{self, Opening, Refusal};
use target::Target;

/// An edit that checks and is not yet written.
pub struct ProposedEdit {
    file: File,
    /// The text that the manifest would have; none when it is as it should be.
    text: Option<String>,
    /// The manifest's path in the workspace.
    pub path: String,
    /// The line of the node, from 1.
    pub line: usize,
    /// What is done, in words.
    pub said: Vec<String>,
    /// What is doubtful in the workspace with the edit.
    pub warnings: Vec<Diagnostic>,
    /// The manifests' texts with the edit.
    pub sources: Sources,
}

/// How often something is tried that others undo, and how long they are left alone in between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

impl Edit {
    /// Makes the edit: worked out anew, and checked anew, as often as somebody else changes the manifest meanwhile. One that would
    /// not check leaves the manifest as it is.
    pub fn make(&self, opening: &Opening<'_>) -> Result<ProposedEdit, Refusal> {
        persist(opening.manifest, || {
            let proposal = self.propose(opening)?;
            Ok(proposal.write()?.then_some(proposal))
        })
    }

    /// Works the edit out and checks it; writes nothing. What the command line sets for one run is left aside.
    pub fn propose(&self, opening: &Opening<'_>) -> Result<ProposedEdit, Refusal> {
        persist(opening.manifest, || self.attempt(opening))
    }

    /// The same; none if the manifest changed while it was read.
    fn attempt(&self, opening: &Opening<'_>) -> Result<Option<ProposedEdit>, Refusal> {
        let overrides = Overrides {
            vars: opening.overrides.vars.clone(),
            sets: Vec::new(),
        };
        let loaded = manifest::load(opening.manifest, &overrides, opening.env);
        let target = Target::find(&loaded, &self.image, &self.field)?;
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
            said: changed.said,
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
        let instead = (target.path, text.as_str());
        let loaded = manifest::load_instead(opening.manifest, &overrides, opening.env, instead);
        let root = loaded.workspace.root.clone();
        let known = session::backends(&root, opening.env);
        let examined =
            session::examine_checked(check::loaded(loaded), known, opening.builder, None);
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
    /// Whether there is something to write.
    pub fn is_change(&self) -> bool {
        self.text.is_some()
    }

    /// Writes it. Says whether the manifest was still what was read; if not, it is left to who changed it.
    pub fn write(&self) -> Result<bool, Refusal> {
        let text = self.text.as_ref();
        text.map_or(Ok(true), |text| self.file.replace(text))
    }
}

/// Tries until nobody else has changed the manifest meanwhile; gives up in the end.
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
        format!("`{}` is changed by others all the time", manifest.display()),
        "nothing was written: try again",
    ))
}

/// Says below the last mistake that the manifest was left alone.
fn unwritten(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if let Some(last) = diagnostics.iter_mut().rfind(|it| it.is_error()) {
        last.help
            .push("nothing was written: this is what a check of the edit found".to_owned());
    }
    diagnostics
}

/// Lays a manifest out; `is_look` writes nothing. Says whether it was laid out otherwise. As often as somebody else changes it
/// meanwhile, it is done anew. Its text is added to the sources.
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

/// A manifest's text in the canonical layout, which means the same; `path` is what it is called.
/// Its source is added to the others.
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
        format!("`{path}` cannot be laid out so that it means the same"),
    );
    Err(vec![mistake.help(
        "it is left as it is; please tell imgspec's makers, with the file",
    )])
}
