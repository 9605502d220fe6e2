//! The state of loading a workspace: global, as visible to a file, and of a single file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::diagnostic::Place;
use crate::manifest::decode::{Decoder, Layer, NO_NAMES, Scope};
use crate::manifest::inherit::{NO_TEMPLATES, Overrides, Sets, Templates};
use crate::manifest::notes::Notes;
use crate::manifest::syntax::Node;
use crate::spec::WorkspacePath;
use crate::workspace::{Allows, Group, Image, Looked};

/// Loads a workspace.
pub(super) struct Loader<'a> {
    pub notes: Notes,
    pub images: Vec<Image>,
    pub groups: Vec<Group>,
    /// The ids so far, with their places.
    pub ids: BTreeMap<String, Place>,
    pub sets: Sets,
    /// The builder of buildx that the root manifest names.
    pub builder_instance: Option<String>,
    pub overrides: &'a Overrides,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub root: PathBuf,
    /// Names of all variables, to detect flags that match none.
    pub variables: BTreeSet<String>,
    /// The files so far, each with the place that includes it.
    pub files: BTreeMap<WorkspacePath, Option<Place>>,
    pub looked: Looked,
    /// How many nodes and values were parsed so far.
    pub parts: usize,
    pub allows: Allows,
    /// Variables and templates; at the end, those that were not used are reported.
    pub declared: Vec<Declared>,
    /// Texts to use instead of the contents of files.
    pub instead: Option<&'a Instead>,
    /// Accepts any builder name, because another component validates it.
    pub takes_any_builder: bool,
}

/// Texts to use instead of the contents of files, by absolute paths without links: edits that are not written yet, and what
/// an editor has not saved.
pub(crate) type Instead = BTreeMap<PathBuf, String>;

/// A variable or template declared in a file.
pub(super) struct Declared {
    /// The lint to report if it is not used.
    pub lint: &'static str,
    pub name: String,
    pub place: Place,
    /// The lints allowed at the declaration, as indexes.
    pub allows: Vec<usize>,
}

/// What a file inherits from the files that include it.
#[derive(Clone, Copy)]
pub(super) struct Above<'a> {
    pub scope: &'a Scope<'a>,
    pub defaults: &'a [&'a Layer],
    pub templates: &'a Templates<'a>,
    /// Allowed lints, innermost first.
    pub allows: &'a [usize],
}

/// A file being loaded.
pub(super) struct File<'a> {
    pub folder: WorkspacePath,
    pub nodes: &'a [Node],
    /// The ids of its images that contain no variables, for error messages only.
    pub plain_ids: BTreeSet<String>,
    /// Lints allowed in the file, innermost first.
    pub allows: Vec<usize>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(overrides: &'a Overrides, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let mut notes = Notes::default();
        let sets = Sets::new(overrides, &mut notes);
        Self {
            notes,
            images: Vec::new(),
            groups: Vec::new(),
            ids: BTreeMap::new(),
            sets,
            builder_instance: None,
            overrides,
            env,
            root: PathBuf::new(),
            variables: BTreeSet::new(),
            files: BTreeMap::new(),
            looked: Looked::default(),
            parts: 0,
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
    /// What the root manifest inherits.
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
