//! Docker's daemon, as every builder that builds with it knows it: where it is, what it has, how it builds and pushes.
//!
//! Knows no builder. A daemon on a Unix socket is spoken to directly, any other one through Docker's programs; an image that
//! others are built on has a private name, so that nobody moves it between two builds; a reference is given by the build
//! itself, which gives it only after everything else succeeded (numbers in `docs/design/docker.md`).

mod ask;
mod build;
mod endpoint;
mod engine;
mod exists;
#[cfg(test)]
mod fuzz;
mod http;
mod images;
mod inspect;
mod locked;
mod pins;
mod programs;
mod races;
mod round;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Availability;
use super::buildkit::BuildKit;
use crate::asking::Asker;
use crate::limits::Limits;
pub(crate) use build::broken_off;
use endpoint::Endpoint;
use engine::{EngineInfo, NoEngine};
pub(crate) use inspect::LocalImage;
pub(crate) use locked::locked_digests;
use parking_lot::Mutex;
use pins::Pins;
use races::Races;

/// Set to 1, builds go through Docker's programs even where the daemon could be spoken to directly.
const BY_PROGRAMS: &str = "IMGSPEC_DOCKER_PROGRAMS";

/// A daemon, and the `docker` program that knows the way to it. Private names of images are removed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    program: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    pub(crate) limits: Limits,
    engine: Mutex<Option<Engine>>,
    pins: Pins,
    races: Races,
    /// Whether the daemon gave no answer when it was last asked.
    is_lost: AtomicBool,
}

/// What was found out about a daemon, and the way to build with it.
#[derive(Debug, Clone)]
struct Engine {
    info: EngineInfo,
    /// None where builds go through Docker's programs.
    buildkit: Option<Arc<BuildKit>>,
}

impl Default for Daemon {
    /// The one that the `docker` of PATH asks, in the environment of this process.
    fn default() -> Self {
        Self::new(which::which("docker").ok(), Vec::new())
    }
}

impl Daemon {
    /// The one that this `docker` program asks, with these variables besides the environment of this process. Nothing is
    /// started yet.
    pub fn new(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Self {
        let mut this = Self {
            program,
            environment,
            limits: Limits::default(),
            engine: Mutex::default(),
            pins: Pins::new(),
            races: Races::default(),
            is_lost: AtomicBool::new(false),
        };
        // Whoever starts the program is told of a time limit that is none; here it counts as not set.
        this.limits = Limits::read(&|name| this.variable(name)).unwrap_or_default();
        this
    }

    pub(crate) fn availability(&self, asker: Asker<'_>) -> Availability {
        match self.engine(asker) {
            Ok(engine) => engine.info.availability(engine.buildkit.is_some()),
            Err(none) => Availability::Missing {
                why: none.why,
                mend: none.mend,
            },
        }
    }

    pub(crate) fn is_direct(&self) -> bool {
        let engine = self.engine(Asker::silent());
        engine.is_ok_and(|engine| engine.buildkit.is_some())
    }

    /// What there is, asked once. Only success is remembered: a daemon may be starting.
    fn engine(&self, asker: Asker<'_>) -> Result<Engine, NoEngine> {
        let mut known = self.engine.lock();
        if let Some(engine) = known.as_ref() {
            return Ok(engine.clone());
        }
        let engine = self.probe(asker)?;
        *known = Some(engine.clone());
        Ok(engine)
    }

    fn probe(&self, asker: Asker<'_>) -> Result<Engine, NoEngine> {
        if self.program.is_none() {
            return Err(NoEngine::no_program());
        }
        let endpoint = self.endpoint()?;
        let name = endpoint.words();
        let said = self
            .ask(&["info", "--format", "{{json .}}"], asker)
            .map_err(|error| NoEngine::unreached(&name, &error))?;
        let mut info = engine::read(&name, &said.out, &said.err)?;
        if info.client.is_none() {
            let said = self.ask(&["version", "--format", "{{.Client.Version}}"], asker);
            info.client = said.ok().map(|said| said.out.trim().to_owned());
        }
        let buildkit = self.buildkit(&info, &endpoint);
        if buildkit.is_none() {
            info.can_build()?;
        }
        Ok(Engine { info, buildkit })
    }

    /// The direct way to build, where there is one and nobody forbade it.
    fn buildkit(&self, info: &EngineInfo, endpoint: &Endpoint) -> Option<Arc<BuildKit>> {
        if !info.can_be_direct() || !self.may_be_direct(endpoint) {
            return None;
        }
        let proxies = endpoint.proxies(self.configuration().as_deref());
        let (socket, name) = (endpoint.socket()?, endpoint.words());
        let buildkit = BuildKit::new(socket, name, self.registries(), proxies).ok()?;
        Some(Arc::new(buildkit))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let names = self.pins.take();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // `clean` removes them from a daemon that does not answer now.
        if !names.is_empty() && !self.is_lost.load(Ordering::Relaxed) {
            self.remove_names(&names);
        }
    }
}
