//! Docker's daemon, as used by every builder that builds with it: its address, its images, its builds and pushes.
//!
//! Independent of any builder. A daemon on a Unix socket is accessed directly, any other through Docker's commands. An
//! image that others are built on gets a private name, so that nobody can move it between two builds. A build's
//! reference is set by the build itself, after everything else has succeeded (measurements in `docs/design/docker.md`).

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
mod instance;
mod instances;
mod lent;
mod locked;
mod pins;
mod podman;
mod programs;
mod races;
mod round;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::Availability;
use super::buildkit::BuildKit;
use super::buildkit::address::Address;
use super::oci::lend::Lender;
use super::oci::name::Digest;
use super::oci::registry::Connections;
use super::once::Once;
use crate::asking::Asker;
use crate::disk::dir::Rooted;
use crate::limits::Limits;
pub(crate) use build::{broken_off, not_for};
use endpoint::Endpoint;
pub(in crate::backend) use engine::NoEngine;
use engine::{Buildx, EngineInfo};
pub(crate) use inspect::LocalImage;
pub(in crate::backend) use instances::Instance;
pub(crate) use lent::DOCKER;
pub(crate) use locked::locked_digests;
use parking_lot::Mutex;
use pins::Pins;
use races::Races;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

/// If set to 1, builds use Docker's commands even if the daemon could be accessed directly.
const BY_PROGRAMS: &str = "IMGSPEC_DOCKER_PROGRAMS";

/// If set to 0, no records of builds are left in registries or read from them.
const RECORDS: &str = "IMGSPEC_REMOTE_RECORDS";

/// A daemon, and the `docker` command that can reach it. Private image names are removed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    program: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    pub(crate) limits: Limits,
    engine: Mutex<Option<Engine>>,
    pins: Pins,
    races: Races,
    /// Where images come from that it does not have.
    lender: Option<Lender>,
    /// The digests of images in the lender's store, by what the daemon calls them.
    laid: Once<Digest>,
    /// buildx as called through `docker`, once it has been asked for its version.
    buildx: OnceLock<Buildx>,
    /// Whether the daemon failed to answer the most recent query.
    is_lost: AtomicBool,
    /// Whether it was there when that was first asked: within a run, and while a watch lasts, one builder builds an image.
    is_there: OnceLock<bool>,
    /// What all share who ask registries for it.
    connections: Connections,
}

/// What is known about a daemon, and the way to build with it.
#[derive(Debug, Clone)]
struct Engine {
    info: EngineInfo,
    /// `None` if builds use Docker's commands.
    buildkit: Option<Arc<BuildKit>>,
}

impl Default for Daemon {
    /// The daemon used by the `docker` in PATH, in the environment of this process.
    fn default() -> Self {
        Self::new(which::which("docker").ok(), Vec::new())
    }
}

impl Daemon {
    /// The daemon used by this `docker` command, with these variables in addition to the environment of this process.
    /// Starts nothing yet.
    pub fn new(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Self {
        let mut this = Self {
            program,
            environment,
            limits: Limits::default(),
            engine: Mutex::default(),
            pins: Pins::new(),
            races: Races::default(),
            lender: None,
            laid: Once::default(),
            buildx: OnceLock::new(),
            is_lost: AtomicBool::new(false),
            is_there: OnceLock::new(),
            connections: Connections::default(),
        };
        // Invalid limits are reported at startup; here they count as unset.
        this.limits = Limits::read(&|name| this.variable(name)).unwrap_or_default();
        this
    }

    /// Also builds on images of the store in this directory, the embedded builder's.
    pub(in crate::backend) fn borrowing(mut self, place: Rooted) -> Self {
        self.lender = Some(Lender::new(place, self.limits));
        self
    }

    /// Whether there is a `docker` command, and something listens on the daemon's socket. Nothing is waited for, so a daemon
    /// that is reached in another way counts as being there; and so does one whose address cannot be read, since that is an
    /// error to be told.
    pub(crate) fn is_there(&self) -> bool {
        *self.is_there.get_or_init(|| {
            let socket = self.endpoint().ok().and_then(|endpoint| endpoint.socket());
            self.program.is_some() && socket.is_none_or(|socket| listens(&socket))
        })
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

    /// Why its builds cannot leave their steps in caches of registries; `None` if they can, or if it does not answer.
    pub(crate) fn keeps_no_caches(&self) -> Option<String> {
        self.has_classic_store("cannot write caches to registries (it can read them)")
    }

    /// Why its images have no attestations; `None` if they can have some, or if it does not answer.
    pub(crate) fn keeps_no_attestations(&self) -> Option<String> {
        self.has_classic_store("keeps no attestations")
    }

    fn has_classic_store(&self, lacks: &str) -> Option<String> {
        let engine = self.engine(Asker::silent()).ok()?;
        let why = format!(
            "Docker's classic image store {lacks}: switch the daemon to the containerd image store \
             (`\"features\": {{\"containerd-snapshotter\": true}}` in daemon.json)"
        );
        (!engine.info.containerd_store).then_some(why)
    }

    /// What is known about the daemon, queried once. Only success is remembered: a daemon may be starting up.
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

    /// Direct access to `BuildKit`, if possible and not disabled.
    fn buildkit(&self, info: &EngineInfo, endpoint: &Endpoint) -> Option<Arc<BuildKit>> {
        if !info.can_be_direct() || !self.may_be_direct(endpoint) {
            return None;
        }
        let proxies = endpoint.proxies(self.configuration().as_deref());
        let (socket, name) = (endpoint.socket()?, endpoint.words());
        let buildkit =
            BuildKit::new(Address::Daemon(socket), name, self.registries(), proxies).ok()?;
        Some(Arc::new(buildkit))
    }
}

/// Whether a process listens on this socket. One whose queue is full does.
fn listens(socket: &Path) -> bool {
    let connect = || -> rustix::io::Result<()> {
        let address = SocketAddrUnix::new(socket)?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let own = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&own, &address)
    };
    matches!(connect(), Ok(()) | Err(Errno::AGAIN))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let names = self.pins.take();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // If the daemon does not answer now, `clean` removes them later.
        if !names.is_empty() && !self.is_lost.load(Ordering::Relaxed) {
            self.remove_names(&names);
        }
    }
}
