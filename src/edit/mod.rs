//! Changes of a manifest that a command asks for: a value of an image's field, or the layout.
//!
//! An edit touches one node, on the document model of the `kdl` crate, and nothing else of the file by a byte. It is checked as
//! `imgspec check` would, before anything is written, and proven to say what was asked for and nothing else. Knows neither
//! clap nor screens.

mod file;
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

use std::path::Path;

pub use file::File;

use crate::check;
use crate::diagnostic::{Diagnostic, Sources};
use crate::manifest::{self, Overrides};
use crate::session::{self, Opening, Refusal};
use target::Target;

/// What is to be said of one field of one image.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The image's id.
    pub image: String,
    /// The field, as manifests call it.
    pub field: String,
    /// What becomes of its values.
    pub change: Change,
}

/// What becomes of the values of a field; those of a map are `NAME=VALUE`.
#[derive(Debug, Clone)]
pub enum Change {
    /// These are there, beside the others; a package by its name.
    Add(Vec<String>),
    /// These are there no more; of a map, names will do, and of packages too.
    Remove(Vec<String>),
    /// These are all that the image says; of a map, the entries of these names.
    Set(Vec<String>),
}

/// An edit that checks and is not yet written.
pub struct Proposal {
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

impl Edit {
    /// Works the edit out and checks it; writes nothing. What the command line sets for one run is left aside.
    ///
    /// # Errors
    /// When it cannot be made or would not check, with the places.
    pub fn propose(&self, opening: &Opening<'_>) -> Result<Proposal, Refusal> {
        let overrides = Overrides {
            vars: opening.overrides.vars.clone(),
            sets: Vec::new(),
        };
        let loaded = manifest::load(opening.manifest, &overrides, opening.env);
        let target = Target::find(&loaded, &self.image, &self.field)?;
        let file = File::read(&loaded.workspace.root, Path::new(target.path))?;
        if file.text() != target.text {
            return Err(file.moved());
        }
        let changed = items::change(&target, &self.change)?;
        let mut proposal = Proposal {
            path: target.path.to_owned(),
            line: changed.line,
            said: changed.said,
            file,
            text: None,
            warnings: Vec::new(),
            sources: Sources::default(),
        };
        if changed.splices.is_empty() {
            return Ok(proposal);
        }
        let text = splice::spliced(target.text, changed.splices);
        proof::prove(&target, &text, &changed.values)?;
        let instead = (target.path, text.as_str());
        let loaded = manifest::load_instead(opening.manifest, &overrides, opening.env, instead);
        let root = loaded.workspace.root.clone();
        let known = session::backends(&root, opening.env);
        let examined =
            session::examine_checked(check::loaded(loaded), known, opening.builder, None);
        let sources = examined.workspace.sources;
        if examined.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Refusal::Wrong(unwritten(examined.diagnostics), sources));
        }
        proposal.text = Some(text);
        proposal.warnings = examined.diagnostics;
        proposal.sources = sources;
        Ok(proposal)
    }
}

impl Proposal {
    /// Whether there is something to write.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.text.is_some()
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the manifest is not what it was, or cannot be written; it is left as it is then.
    pub fn write(&self) -> Result<(), Refusal> {
        self.text
            .as_ref()
            .map_or(Ok(()), |text| self.file.replace(text))
    }
}

/// Says below the last mistake that the manifest was left alone.
fn unwritten(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if let Some(last) = diagnostics.iter_mut().rfind(|it| it.is_error()) {
        last.help
            .push("nothing was written: this is what a check of the edit found".to_owned());
    }
    diagnostics
}

/// A manifest's text in the canonical layout, which means the same; `path` is what it is called.
///
/// # Errors
/// All syntax mistakes, when it has some; their source is added to the others.
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
