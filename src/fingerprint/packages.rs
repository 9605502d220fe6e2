//! Whether the packages that the lock has of an image are those that it would install today. Resolves nothing.

use std::sync::Arc;

use super::below::python_base;
use super::encode::package_inputs;
use super::files::{Files, is_hashed};
use super::outside::{self, Pins};
use crate::disk::limits;
use crate::recipe::{FileSet, Pip, PythonOf, Recipe};
use crate::workspace::Lock;

/// An image whose packages may be locked, with the recipes that tell which Python they are for.
pub struct Installing<'a, 'o> {
    /// Its id.
    pub id: &'a str,
    /// Its recipe.
    pub recipe: &'a Recipe,
    /// The recipes of the workspace, by id.
    pub others: &'o dyn Fn(&str) -> Option<&'a Recipe>,
    /// The files of the workspace, by set, as far as they can be read.
    pub read: &'o dyn Fn(&FileSet) -> Option<&'a Arc<Files>>,
}

impl<'a> Installing<'a, '_> {
    /// The Python that a step of the image installs packages for.
    #[must_use]
    pub fn python(&self, pip: &'a Pip) -> PythonOf<'a> {
        PythonOf::find(self.id, self.recipe, &pip.interpreter, self.others)
    }

    /// The digest of what the packages of a step are resolved from; `files` is the set of its requirements.
    #[must_use]
    pub fn inputs(&self, pip: &'a Pip, files: Option<&Arc<Files>>) -> String {
        self.inputs_for(pip, files, &self.python(pip))
    }

    /// The files of the base that the Python is in, if it is in any.
    #[must_use]
    pub fn base_files(&self, python: &PythonOf<'_>) -> Option<&'a Arc<Files>> {
        python.file.and_then(|file| (self.read)(file.files))
    }

    fn inputs_for(&self, pip: &Pip, files: Option<&Arc<Files>>, python: &PythonOf<'_>) -> String {
        let base = self.base_files(python);
        package_inputs(pip, files, python, base.map(AsRef::as_ref))
    }

    /// How the lock pins the packages of each step.
    pub(super) fn pins(&self, files: &[Arc<Files>], lock: Option<&Lock>) -> Vec<Pins> {
        let Some((lock, steps)) = lock.and_then(|lock| Some((lock, lock.packages.get(self.id)?)))
        else {
            return Vec::new();
        };
        let each = self.recipe.pips().enumerate().map(|(at, (pip, set))| {
            let Some(locked) = steps.get(&(at + 1)) else {
                return Pins::Open;
            };
            let python = self.python(pip);
            let files = set.and_then(|set| files.get(set));
            let platforms = &mut self.recipe.platforms.iter();
            let fits = |platform: &String| {
                let base = python_base(&python, &lock.bases, &lock.debian, platform);
                let of = locked.platforms.get(platform);
                of.is_some_and(|it| it.base == base)
            };
            if self.inputs_for(pip, files, &python) == locked.inputs && platforms.all(fits) {
                Pins::Locked(Arc::clone(locked))
            } else {
                Pins::Stale
            }
        });
        each.collect()
    }
}

/// Whether every requirement in these files has the hashes of its files, so that they need no lock.
#[must_use]
pub fn are_hashed(files: &Files) -> bool {
    let mut texts = files
        .entries
        .iter()
        .map(|entry| outside::text(files, entry, limits::REQUIREMENTS));
    texts.all(|text| text.is_some_and(|text| is_hashed(&text)))
}
