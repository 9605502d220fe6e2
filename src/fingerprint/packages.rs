//! Whether the packages that the lock has of an image are those that it would install today. Resolves nothing.

use std::sync::Arc;

use super::encode::package_inputs;
use super::files::Files;
use super::outside::Pins;
use crate::recipe::{Pip, PythonOf, Recipe, familiar};
use crate::workspace::{Lock, LockedImage};

/// An image whose packages may be locked, with the recipes that tell which Python they are for.
pub(super) struct Installing<'a> {
    pub(super) id: &'a str,
    pub(super) recipe: &'a Recipe,
    /// The recipes of the workspace, by id.
    pub(super) others: &'a dyn Fn(&str) -> Option<&'a Recipe>,
}

impl<'a> Installing<'a> {
    /// The Python that a step of the image installs packages for.
    pub(super) fn python(&self, pip: &'a Pip) -> PythonOf<'a> {
        PythonOf::find(self.id, self.recipe, &pip.interpreter, self.others)
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
                let base = python
                    .outside
                    .and_then(|it| locked_base(lock, it, platform));
                let of = locked.platforms.get(platform);
                of.is_some_and(|it| it.base.as_deref() == base)
            };
            if package_inputs(pip, files, &python) == locked.inputs && platforms.all(fits) {
                Pins::Locked(Arc::clone(locked))
            } else {
                Pins::Stale
            }
        });
        each.collect()
    }
}

/// The digest that the lock has of an outside image for a platform.
fn locked_base<'a>(lock: &'a Lock, reference: &str, platform: &str) -> Option<&'a str> {
    let locked = lock.bases.get(&familiar(reference))?;
    match &locked.image {
        LockedImage::Digest(_) => locked.platforms.get(platform).map(String::as_str),
        LockedImage::Id(id) => Some(id),
    }
}
