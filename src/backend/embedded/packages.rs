//! Steps that install Python packages: which wheels they want, the wheels themselves, and the layers of them.

use super::base::{Image, Source};
use super::python::given::Given;
use super::python::install::{self, Installed, Place};
use super::python::wanted::{self, Wanting};
use super::python::{fetch, target};
use crate::backend::oci::layer::Encoding;
use crate::backend::platform::Platform;
use crate::backend::{BuildError, Job, context, secret};
use crate::fingerprint::Files;
use crate::recipe::Pip;

/// The layers of a step that installs packages for a Python of the image.
pub(super) fn pip(
    pip: &Pip,
    files: Option<&Files>,
    (image, platform): (&Image, &str),
    encoding: Encoding,
    (job, source): (&Job<'_>, &Source<'_>),
) -> Result<Vec<Installed>, BuildError> {
    let revealed = secret::of_job(job, &|name| std::env::var(name).ok())?;
    let hider = secret::Hider::new(&revealed);
    let given = Given::of(job.recipe, &revealed);
    let platform = Platform::read(platform);
    let target = target::find(&image.tree, &platform, &pip.interpreter, &image.config)?;
    let scratch = context::scratch(job)?;
    let wanting = Wanting {
        target: &target,
        given: &given,
        source,
        scratch: &scratch,
        is_anew: job.no_cache,
    };
    let wheels = wanted::pip(pip, files, &wanting);
    context::drop_scratch(job);
    let fetched = wheels.and_then(|wheels| {
        fetch::all(&wheels, &given, source)?;
        Ok(wheels)
    });
    let wheels = fetched.map_err(|error| hider.hide_error(error))?;
    let place = Place {
        target: &target,
        tree: &image.tree,
        layers: image.parts.len(),
        encoding,
        use_known: !job.no_cache,
    };
    install::layers(&wheels, &place, source)
}
