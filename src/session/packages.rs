//! The packages that a workspace installs, Python's and Debian's, and how its lock pins them.

use std::sync::Arc;

use super::{Refusal, Session};
use crate::asking::Asker;
use crate::backend::Backend;
use crate::diagnostic::Diagnostic;
use crate::fingerprint::{Files, Installing, Pins, are_hashed};
use crate::graph::ImageId;
use crate::lock::{self, DebianNeed, FailedPackages, PackageNeed, PackageRenewal, Renewal, Which};
use crate::recipe::{FileSet, Pip, Recipe, Step};
use crate::spec::RequirementsKind;

impl Session {
    /// The steps of all images whose packages have to be locked.
    #[must_use]
    pub fn package_needs(&self) -> Vec<PackageNeed<'_>> {
        let ids = self.world.graph.ids();
        ids.flat_map(|id| self.package_needs_of(id)).collect()
    }

    fn recipe_of(&self, name: &str) -> Option<&Recipe> {
        let id = self.world.graph.find(name)?;
        self.world.recipes.get(id.index())
    }

    fn package_needs_of(&self, id: ImageId) -> Vec<PackageNeed<'_>> {
        let world = &self.world;
        let recipe: &Recipe = &world.recipes[id.index()];
        let image = Installing {
            id: world.graph.name(id),
            recipe,
            others: &|name| self.recipe_of(name),
            read: &|set| self.files_of(set),
        };
        let open = self.open_steps(id);
        let needs = open.map(|(step, pip, files)| {
            let python = image.python(pip);
            PackageNeed {
                image: image.id,
                step,
                recipe,
                pip,
                files: files.map(AsRef::as_ref),
                base_files: image.base_files(&python).map(AsRef::as_ref),
                python,
                inputs: image.inputs(pip, files),
                root: &world.workspace.root,
                backend: Arc::clone(self.resolver(id).unwrap_or(&world.backends[id.index()])),
            }
        });
        needs.collect()
    }

    /// The Debian packages of all images whose builders install what is locked.
    #[must_use]
    pub fn debian_needs(&self) -> Vec<DebianNeed<'_>> {
        let ids = self.world.graph.ids();
        ids.flat_map(|id| self.debian_needs_of(id)).collect()
    }

    fn debian_needs_of(&self, id: ImageId) -> Vec<DebianNeed<'_>> {
        let backend = &self.world.backends[id.index()];
        if !backend.locks_debian() {
            return Vec::new();
        }
        let recipe: &Recipe = &self.world.recipes[id.index()];
        let image = Installing {
            id: self.world.graph.name(id),
            recipe,
            others: &|name| self.recipe_of(name),
            read: &|set| self.files_of(set),
        };
        let needs = image.debian().into_iter().map(|of| DebianNeed {
            image: image.id,
            recipe,
            base_files: image.debian_files(&of).map(AsRef::as_ref),
            inputs: image.debian_inputs(&of),
            of,
            backend: Arc::clone(backend),
        });
        needs.collect()
    }

    /// What to say of the images whose builders take Debian packages as the archive has them.
    fn unlocked_debian(&self) -> Option<String> {
        let installs = |id: &ImageId| {
            let mut steps = self.world.recipes[id.index()].steps.iter();
            !self.world.backends[id.index()].locks_debian()
                && steps.any(|step| matches!(step, Step::Apt { .. }))
        };
        let all = self.world.graph.ids().filter(installs);
        let names: Vec<String> = all
            .map(|id| format!("`{}`", self.world.graph.name(id)))
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "the Debian packages of {} are not locked: only the builder `oci` installs what is locked, others what the archive has",
                names.join(", ")
            )
        })
    }

    /// The files of a set that an image of the workspace has.
    fn files_of(&self, set: &FileSet) -> Option<&Arc<Files>> {
        self.world.graph.ids().find_map(|id| {
            let mut sets = self.world.recipes[id.index()].file_sets();
            let at = sets.position(|other| other == set)?;
            self.prints.files(id).get(at)
        })
    }

    /// The steps of an image that install packages which its own files do not pin, with their numbers from 1.
    fn open_steps(&self, id: ImageId) -> impl Iterator<Item = (usize, &Pip, Option<&Arc<Files>>)> {
        let files = self.prints.files(id);
        let steps = self.world.recipes[id.index()].pips();
        let steps = steps.map(move |(pip, set)| (pip, set.and_then(|set| files.get(set))));
        let steps = steps.enumerate();
        let steps = steps.map(|(at, (pip, files))| (at + 1, pip, files));
        steps.filter(|(_, pip, files)| !is_complete(pip, *files))
    }

    /// The backend that resolves the packages of an image: its own, or else the first that can.
    fn resolver(&self, id: ImageId) -> Option<&Arc<dyn Backend>> {
        let own = &self.world.backends[id.index()];
        let mut all = [own].into_iter().chain(&self.known);
        all.find(|backend| backend.resolves_packages_of(own.as_ref()))
    }

    /// Whether an image installs packages that neither the lock nor its own files pin, although a lock could.
    pub(super) fn has_open_packages(&self, id: ImageId) -> bool {
        let pins = &self.prints.outside(id).packages;
        let is_open = |step: usize| match pins.get(step - 1) {
            Some(Pins::Locked(_)) => false,
            Some(Pins::Stale) => true,
            Some(Pins::Open) | None => self.resolver(id).is_some(),
        };
        self.open_steps(id).any(|(step, ..)| is_open(step)) || self.has_open_debian(id)
    }

    /// Whether an image installs Debian packages that the lock does not pin, although it could.
    fn has_open_debian(&self, id: ImageId) -> bool {
        let pins = &self.prints.outside(id).debian;
        let is_open =
            |need: &DebianNeed<'_>| !matches!(pins.get(&need.of.field), Some(Pins::Locked(_)));
        self.debian_needs_of(id).iter().any(is_open)
    }

    /// Adds the packages to a lock whose bases are renewed.
    pub(super) fn renew_packages(
        &self,
        renewal: &mut Renewal,
        which: &Which,
        asker: Asker<'_>,
    ) -> Result<(), Refusal> {
        let (needs, debian_needs) = (self.package_needs(), self.debian_needs());
        let before = self.world.workspace.lock.as_ref();
        let bases = &renewal.lock.bases;
        let found = lock::renew_debian(&debian_needs, before, bases, which, asker);
        let found = found
            .and_then(|found| lock::renew_packages(&needs, before, bases, which, found, asker));
        let PackageRenewal {
            packages,
            debian,
            remarks,
            left,
        } = found.map_err(|failed| {
            let errors = failed.iter().map(|failed| self.unresolved_packages(failed));
            Refusal::Wrong(errors.collect(), self.world.workspace.sources.clone())
        })?;
        renewal.lock.packages = packages;
        renewal.lock.debian = debian;
        renewal.packages = lock::package_changes(before, &renewal.lock);
        renewal.debian = lock::new_debian(before, &renewal.lock);
        let remarks = remarks.into_iter();
        let remarks = remarks.map(|(image, why)| format!("image `{image}`: {why}"));
        let left = left.into_iter();
        let left =
            left.map(|(image, why)| format!("image `{image}`: its packages are not locked: {why}"));
        let unlocked = self.unlocked_debian().into_iter();
        renewal.warnings = remarks.chain(left).chain(unlocked).collect();
        Ok(())
    }

    fn unresolved_packages(&self, failed: &FailedPackages) -> Diagnostic {
        let FailedPackages {
            image,
            field,
            platform,
            why,
        } = failed;
        let message = format!("the packages of `{image}` cannot be locked for {platform}: {why}");
        let mistake = Diagnostic::error("unresolved-packages", message);
        let place = self.world.graph.find(image).and_then(|id| {
            let places = &self.world.workspace.images[id.index()].places;
            places.get(field)
        });
        let mistake = match place {
            Some(place) => mistake.at(*place, "listed here"),
            None => mistake,
        };
        mistake.help("nothing was written; correct this and run it again")
    }
}

/// Whether the step's own files name the digest of everything that it installs.
fn is_complete(pip: &Pip, files: Option<&Arc<Files>>) -> bool {
    let Some(set) = &pip.requirements else {
        return false;
    };
    match set.path().requirements_kind() {
        RequirementsKind::Pylock => true,
        RequirementsKind::List => {
            let is_all = pip.packages.is_empty() && pip.unless_named.is_none();
            is_all && files.is_some_and(|files| are_hashed(files))
        }
        _ => false,
    }
}
