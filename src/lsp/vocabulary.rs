//! The words that can be completed, as of the last time that all manifests of a workspace could be read: while a line is
//! typed, its file often cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::analysis::{Analysis, Found};
use crate::workspace::Meaning;

/// The words of one workspace.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    pub(super) images: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// Templates, by the files that declare them.
    templates: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Variables, likewise.
    variables: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Axes, which only the images of their own file can use.
    axes: BTreeMap<PathBuf, BTreeSet<String>>,
    /// The file that includes each file.
    included: BTreeMap<PathBuf, PathBuf>,
}

/// The words of all workspaces, by their root manifests.
#[derive(Debug, Default)]
pub(super) struct Vocabularies(BTreeMap<PathBuf, Vocabulary>);

impl Vocabularies {
    /// Learns from the workspaces that could be read.
    pub(super) fn learn(&mut self, found: &Found) {
        self.0
            .retain(|manifest, _| found.analyses.iter().any(|it| it.manifest == *manifest));
        for analysis in &found.analyses {
            if analysis.is_whole || !self.0.contains_key(&analysis.manifest) {
                let words = Vocabulary::of(analysis);
                self.0.insert(analysis.manifest.clone(), words);
            }
        }
    }

    pub(super) fn of(&self, analysis: &Analysis) -> Option<&Vocabulary> {
        self.0.get(&analysis.manifest)
    }
}

impl Vocabulary {
    fn of(analysis: &Analysis) -> Self {
        let workspace = &analysis.checked.workspace;
        let mut words = Self {
            images: workspace.images.iter().map(|it| it.id.clone()).collect(),
            groups: workspace
                .groups
                .iter()
                .map(|it| it.name.text.clone())
                .collect(),
            ..Self::default()
        };
        for (place, declared) in &analysis.names.declared {
            let of_kind = match declared.meaning {
                Meaning::Template => &mut words.templates,
                Meaning::Variable { .. } => &mut words.variables,
                Meaning::Axis(_) => &mut words.axes,
            };
            if let Some(path) = analysis.path(place.source) {
                of_kind
                    .entry(path)
                    .or_default()
                    .insert(declared.name.clone());
            }
        }
        for (path, by) in &analysis.names.included {
            if let Some(by) = analysis.path(by.source) {
                words.included.insert(path.under(analysis.root()), by);
            }
        }
        words
    }

    /// The templates that a file can use: its own, and those of the files that include it.
    pub(super) fn templates<'a>(&'a self, file: &Path) -> BTreeSet<&'a str> {
        self.visible(&self.templates, file)
    }

    /// The variables and axes that a file can use.
    pub(super) fn variables<'a>(&'a self, file: &Path) -> BTreeSet<&'a str> {
        let mut names = self.visible(&self.variables, file);
        let axes = self.axes.get(file).into_iter().flatten();
        names.extend(axes.map(String::as_str));
        names
    }

    fn visible<'a>(
        &'a self,
        declared: &'a BTreeMap<PathBuf, BTreeSet<String>>,
        file: &Path,
    ) -> BTreeSet<&'a str> {
        // Files that include each other in a cycle are an error, but must not make this endless.
        let above = std::iter::successors(Some(file), |file| {
            self.included.get(*file).map(PathBuf::as_path)
        });
        let above = above.take(self.included.len() + 1);
        let names = above.filter_map(|file| declared.get(file)).flatten();
        names.map(String::as_str).collect()
    }
}
