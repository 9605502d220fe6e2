//! What is known while a workspace is read: of all of it, of what a file sees, of one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::diagnostic::Place;
use crate::manifest::decode::{Decoder, Layer, NO_NAMES, Scope};
use crate::manifest::inherit::{NO_TEMPLATES, Overrides, Sets, Templates};
use crate::manifest::notes::Notes;
use crate::manifest::syntax::Node;
use crate::spec::WorkspacePath;
use crate::workspace::{Allows, Image, Looked};

/// Reads one workspace.
pub(super) struct Loader<'a> {
    pub notes: Notes,
    pub images: Vec<Image>,
    /// The ids so far, with their places.
    pub ids: BTreeMap<String, Place>,
    pub sets: Sets,
    pub overrides: &'a Overrides,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub root: PathBuf,
    /// Names of all variables, for flags that name none.
    pub variables: BTreeSet<String>,
    /// The files so far, with the include that led to each.
    pub files: BTreeMap<WorkspacePath, Option<Place>>,
    pub looked: Looked,
    pub allows: Allows,
    /// Variables and templates, to see in the end whether they are used.
    pub declared: Vec<Declared>,
    /// A file, by its path in the workspace, and the text that is read instead of its own.
    pub instead: Option<(&'a str, &'a str)>,
    /// Whether which builders there are is for others to judge.
    pub takes_any_builder: bool,
}

/// A variable or template that a file declares.
pub(super) struct Declared {
    /// What it is when nothing uses it.
    pub lint: &'static str,
    pub name: String,
    pub place: Place,
    /// What is allowed where it is declared.
    pub allows: Vec<usize>,
}

/// What a file gets from the files that include it.
#[derive(Clone, Copy)]
pub(super) struct Above<'a> {
    pub scope: &'a Scope<'a>,
    pub defaults: &'a [&'a Layer],
    pub templates: &'a Templates<'a>,
    /// What is allowed, the innermost first.
    pub allows: &'a [usize],
}

/// One file that is being read.
pub(super) struct File<'a> {
    pub folder: WorkspacePath,
    pub nodes: &'a [Node],
    /// The ids that its images have without variables: only to word a mistake.
    pub plain_ids: BTreeSet<String>,
    /// What is allowed in it, the innermost first.
    pub allows: Vec<usize>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(overrides: &'a Overrides, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let mut notes = Notes::default();
        let sets = Sets::new(overrides, &mut notes);
        Self {
            notes,
            images: Vec::new(),
            ids: BTreeMap::new(),
            sets,
            overrides,
            env,
            root: PathBuf::new(),
            variables: BTreeSet::new(),
            files: BTreeMap::new(),
            looked: Looked::default(),
            allows: Allows::default(),
            declared: Vec::new(),
            instead: None,
            takes_any_builder: false,
        }
    }

    pub(super) fn decoder<'d>(
        &'d mut self,
        scope: &'d Scope<'d>,
        folder: &'d WorkspacePath,
        owner: &'static str,
        besides: &'static [&'static str],
    ) -> Decoder<'d> {
        Decoder {
            notes: &mut self.notes,
            scope,
            folder,
            owner,
            besides,
            takes_any_builder: self.takes_any_builder,
        }
    }
}

impl Above<'_> {
    /// What the root manifest sees.
    pub(super) fn nothing() -> Above<'static> {
        Above {
            scope: &NO_NAMES,
            defaults: &[],
            templates: &NO_TEMPLATES,
            allows: &[],
        }
    }
}

impl<'a> File<'a> {
    pub(super) fn named(&self, name: &'static str) -> impl Iterator<Item = &'a Node> + use<'a> {
        self.nodes.iter().filter(move |node| node.name.text == name)
    }
}
