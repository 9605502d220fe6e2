//! Steps that install Python and packages for it: which wheels they want, the wheels themselves, and the layers of them.

use parking_lot::Mutex;

use super::base::{Image, Source};
use super::common::failed;
use super::made::{Made, Once};
use super::pins;
use super::python::given::Given;
use super::python::install;
use super::python::managed::Mirrors;
use super::python::onto::{Installed, Place};
use super::python::wanted::{self, Wanting};
use super::python::{Target, Wheel, managed, target, venv};
use super::sdists::Sdists;
use crate::backend::oci::layer::Encoding;
use crate::backend::platform::Platform;
use crate::backend::{BuildError, Job, context, secret};
use crate::fingerprint::Files;
use crate::recipe::{Interpreter, Lock, Pip, VENV_HOME};

/// What the steps of an image have in common on a platform.
pub(super) struct Packages<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) source: &'a Source<'a>,
    pub(super) platform: &'a str,
    pub(super) encoding: Encoding,
}

impl Packages<'_> {
    /// The layers of a step that installs packages for a Python of the image.
    pub(super) fn pip(
        &self,
        pip: &Pip,
        files: Option<&Files>,
        image: &Image,
    ) -> Result<Vec<Installed>, BuildError> {
        let target = self.target(&pip.interpreter, image)?;
        let locked = pins::of_job(self.job, pip, &target)?;
        let indexes = (pip.index.as_ref(), pip.extra_indexes.as_slice());
        self.install(image, &target, indexes, |wanting| match locked {
            Some(locked) => Ok(locked),
            None => wanted::pip(pip, files, wanting),
        })
    }

    /// The layers of a lock file's packages, whose environment the image has.
    pub(super) fn lock(
        &self,
        lock: &Lock,
        files: &Files,
        image: &Image,
    ) -> Result<Vec<Installed>, BuildError> {
        let target = self.target(&Interpreter::Venv, image)?;
        let indexes = (lock.index.as_ref(), lock.extra_indexes.as_slice());
        self.install(image, &target, indexes, |wanting| {
            wanted::lock(lock, files, wanting)
        })
    }

    /// The layer of a lock file's environment.
    pub(super) fn environment(&self, lock: &Lock, image: &Image) -> Result<Made, BuildError> {
        let base = self.target(&lock.interpreter, image)?;
        venv::layer(&base, VENV_HOME, &image.tree, &self.once())
    }

    /// The layer of a Python of the image's own.
    pub(super) fn python(&self, version: &str, image: &Image) -> Result<Made, BuildError> {
        let platform = Platform::read(self.platform);
        let libc = target::libc(&image.tree, &platform).map_err(failed)?;
        let mirrors = Mirrors::of(&|name| std::env::var(name).ok());
        let system = (&platform, libc);
        managed::layer(version, &image.tree, system, &mirrors, &self.once())
    }

    fn once(&self) -> Once<'_> {
        Once {
            source: self.source,
            encoding: self.encoding,
            use_known: !self.job.no_cache,
        }
    }

    /// The Python of a step.
    pub(super) fn target(
        &self,
        interpreter: &Interpreter,
        image: &Image,
    ) -> Result<Target, BuildError> {
        let platform = Platform::read(self.platform);
        target::find(&image.tree, &platform, interpreter, &image.config)
    }

    fn install(
        &self,
        image: &Image,
        target: &Target,
        (index, extra_indexes): (Option<&String>, &[String]),
        wanted: impl FnOnce(&Wanting<'_>) -> Result<Vec<Wheel>, BuildError>,
    ) -> Result<Vec<Installed>, BuildError> {
        let (job, source) = (self.job, self.source);
        let revealed = secret::of_job(job, &|name| std::env::var(name).ok())?;
        let hider = secret::Hider::new(&revealed);
        let given = Given::of(job.recipe, &revealed);
        let scratch = context::scratch(job)?;
        let sdists = Sdists {
            job,
            source,
            platform: self.platform,
            encoding: self.encoding,
            image,
            target,
            given: &given,
            index,
            extra_indexes,
            scratch: &scratch,
            for_whom: Vec::new(),
            built: Mutex::default(),
        };
        let wanting = Wanting {
            target,
            given: &given,
            source,
            scratch: &scratch,
            is_anew: job.no_cache,
            preferred: &[],
            sources: &sdists,
        };
        let wheels = wanted(&wanting).and_then(|wanted| sdists.wheels(wanted));
        context::drop_scratch(job);
        let wheels = wheels.map_err(|error| hider.hide_error(error))?;
        let place = Place {
            target,
            image,
            encoding: self.encoding,
            use_known: !job.no_cache,
        };
        install::layers(&wheels, &place, source)
    }
}
