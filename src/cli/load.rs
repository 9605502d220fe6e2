//! `--load` of `graph build`: the requested images in the local Docker or Podman, after everything has been built.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::failure::Failure;
use super::notifier::Notifier;
use super::options::Progress;
use super::screen::eprint_text;
use crate::asking::Asker;
use crate::backend::{Backend, BuildError};
use crate::run::Summary;
use crate::session::{Planned, Session};

/// The requested images, with the builders that bring them into Docker or Podman.
pub(super) struct Loader(BTreeMap<String, Arc<dyn Backend>>);

impl Loader {
    /// Fails if a requested image could not be brought into Docker once it is built.
    pub(super) fn new(session: &Session, planned: &Planned) -> Result<Self, Failure> {
        let world = &session.world;
        let mut images = BTreeMap::new();
        for id in &planned.asked {
            let (image, backend) = (world.graph.name(*id), &world.backends[id.index()]);
            if !backend.loads() {
                let builder = backend.name();
                return Err(Failure::usage(
                    format!(
                        "`{image}` is built by `{builder}`, whose images `--load` cannot bring into Docker"
                    ),
                    "select images of the builder `oci`; those of `docker` and `envd` are there anyway",
                ));
            }
            images.insert(image.to_owned(), Arc::clone(backend));
        }
        Ok(Self(images))
    }

    /// Brings the requested images into Docker or Podman, under their references.
    pub(super) fn load(
        &self,
        summary: &Summary,
        notifier: &Notifier,
        context: &Context,
    ) -> Result<(), Failure> {
        let cancel = context.signals.cancel();
        let loaded = self.load_each(summary, notifier.asker().or(&cancel));
        context.signals.verify(&cancel)?;
        let loaded = loaded?;
        let screen = context.screen;
        if !screen.quiet && !matches!(screen.progress, Progress::Json) {
            for (place, count) in loaded {
                eprint_text(&format!("loaded {count} into {place}\n"));
            }
        }
        Ok(())
    }

    /// Returns how many images were brought where.
    fn load_each(
        &self,
        summary: &Summary,
        asker: Asker<'_>,
    ) -> Result<BTreeMap<&'static str, usize>, Failure> {
        let mut loaded = BTreeMap::new();
        for built in &summary.images {
            let Some(backend) = self.0.get(&built.image) else {
                continue;
            };
            let place = backend
                .load(&built.artifact, asker)
                .map_err(|error| unloaded(&built.image, &error))?;
            for named in built.also_named() {
                backend
                    .load(&named, asker)
                    .map_err(|error| unloaded(&built.image, &error))?;
            }
            *loaded.entry(place).or_default() += 1;
        }
        Ok(loaded)
    }
}

fn unloaded(image: &str, error: &BuildError) -> Failure {
    Failure::usage(
        format!("`{image}` cannot be brought into Docker: {error}"),
        "the images were built nevertheless; `--output tar:FILE` writes an archive that `docker load` and `podman load` take",
    )
}
