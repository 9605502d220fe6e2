//! What names in the manifests refer to: recorded while manifests are loaded, by the code that resolves the names, and only
//! for those who ask for it.
//!
//! Editors ask: to go to a declaration, to list its uses, to rename an image.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Place;
use crate::spec::WorkspacePath;

/// The declarations of a workspace's manifests, and what refers to them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Variables, axes and templates, by the place of their name.
    pub(crate) declared: BTreeMap<Place, DeclaredName>,
    /// The place of each use of one of them, with the place of its declaration.
    pub(crate) uses: BTreeMap<Place, Place>,
    /// The fields that name images of the workspace. With a matrix, one place may name several.
    pub(crate) images: BTreeSet<NamedImage>,
    /// Included manifests, with the places that include them.
    pub(crate) included: BTreeMap<WorkspacePath, Place>,
}

/// A variable, an axis or a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredName {
    pub(crate) name: String,
    pub(crate) meaning: Meaning,
}

/// What a declared name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A variable, with its value if it has one.
    Variable {
        value: Option<String>,
        origin: Origin,
    },
    /// An axis of a matrix, with its values.
    Axis(Vec<String>),
    Template,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--var`.
    Flag,
    /// This environment variable.
    Env(String),
    Default,
    /// It has none.
    Nowhere,
}

/// A value that names an image of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NamedImage {
    /// The place of the value.
    pub(crate) place: Place,
    /// The id that it means, whether or not there is such an image.
    pub(crate) id: String,
    /// Whether the value spells out the id, without variables.
    pub(crate) is_plain: bool,
}
