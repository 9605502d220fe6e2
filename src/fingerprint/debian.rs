//! Whether the Debian packages that the lock has of an image are those that it would install today. Resolves nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::below::{debian_below, debian_locked, debian_outside};
use super::encode::debian_inputs;
use super::files::Files;
use super::outside::Pins;
use super::packages::Installing;
use crate::recipe::{DebianBelow, DebianOf};
use crate::workspace::{DebianField, Lock, PlatformDebs};

impl<'a> Installing<'a, '_> {
    /// All Debian packages that the image installs.
    #[must_use]
    pub fn debian(&self) -> Vec<DebianOf<'a>> {
        DebianOf::find(self.id, self.recipe, self.others)
    }

    /// The files that are lowest below these packages, if it is files.
    #[must_use]
    pub fn debian_files(&self, of: &DebianOf<'_>) -> Option<&'a Arc<Files>> {
        match of.lowest {
            DebianBelow::File(file) => (self.read)(file.files),
            _ => None,
        }
    }

    /// The digest of what Debian packages are resolved from.
    #[must_use]
    pub fn debian_inputs(&self, of: &DebianOf<'_>) -> String {
        debian_inputs(of, self.debian_files(of).map(AsRef::as_ref))
    }

    /// How the lock pins the Debian packages of each field.
    pub(super) fn debian_pins(
        &self,
        lock: Option<&Lock>,
    ) -> BTreeMap<DebianField, Pins<PlatformDebs>> {
        let Some((lock, fields)) = lock.and_then(|lock| Some((lock, lock.debian.get(self.id)?)))
        else {
            return BTreeMap::new();
        };
        let each = self.debian().into_iter().filter_map(|of| {
            let locked = fields.get(&of.field)?;
            let fits = |platform: &String| {
                let below = below(&of, lock, platform);
                let own = locked.platforms.get(platform);
                own.zip(below).is_some_and(|(own, below)| own.base == below)
            };
            let is_whole = self.recipe.platforms.iter().all(fits);
            let pins = if is_whole && self.debian_inputs(&of) == locked.inputs {
                Pins::Locked(Arc::clone(locked))
            } else {
                Pins::Stale
            };
            Some((of.field, pins))
        });
        each.collect()
    }
}

/// The digest of what the lock has below these packages on a platform; `None` if one of the lists is not locked.
#[allow(
    clippy::option_option,
    reason = "whether it is known, and whether there is one"
)]
fn below(of: &DebianOf<'_>, lock: &Lock, platform: &str) -> Option<Option<String>> {
    let lists = of.lists.iter().map(|(image, field, _)| (*image, *field));
    let lists = debian_locked(lists, &lock.debian, platform)?;
    Some(debian_below(
        debian_outside(of, &lock.bases, platform),
        &lists,
    ))
}
