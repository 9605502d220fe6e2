//! A backend that builds nothing: it takes its time, fails on demand and counts builds. For tests and demos.
//!
//! Its "images" are small files in a directory. It reads and checks the same files that a real backend would send, and
//! names a result only after success, so that everything around a build (keys, records, kills, races) is exercised for
//! real.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{
    Artifact, Availability, Backend, BuildError, Cancel, Existence, Job, Notes, Outsider, Resolved,
    StoreKind, Unresolved, Unsupported, Wanted, context,
    oci::name::Digest,
    oci::registry::{self, Access},
    packages,
    secret::{self, Discreet, Hider},
};
use crate::asking::Asker;
use crate::disk::dir::{Dir, Rooted};
use crate::disk::system_words;
use crate::limits::Limits;
use crate::recipe::{PythonSource, Recipe};
use crate::workspace::LockedWheel;

/// Maximum size of an image file in bytes; a larger file was not written by this backend.
const LARGEST_IMAGE: u64 = 1 << 20;

/// Configuration of the fake backend.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The duration of a build.
    pub time: Duration,
    /// Images whose builds always fail, and tags that cannot be given.
    pub fail: Vec<String>,
    /// Images whose first builds fail with a transient error, with the number of such builds.
    pub stumble: BTreeMap<String, u32>,
    /// The directory in which images are stored.
    pub folder: PathBuf,
    /// A file to which all received content is appended.
    pub received: Option<PathBuf>,
    /// The newest versions of Python packages, by name; others have 1.0.
    pub versions: BTreeMap<String, String>,
}

impl Wishes {
    /// Reads the configuration from environment variables: `IMGSPEC_FAKE_SECONDS` (default 0.3), `IMGSPEC_FAKE_FAIL`
    /// (`a,b`), `IMGSPEC_FAKE_STUMBLE` (`a:2,b:1`), `IMGSPEC_FAKE_STORE` (default `fake` in the workspace's state
    /// directory), `IMGSPEC_FAKE_RECEIVED` and `IMGSPEC_FAKE_VERSIONS` (`six:1.17,numpy:2.2.5`).
    pub fn read(env: &dyn Fn(&str) -> Option<String>, state: &Path) -> Self {
        let list = |name: &str| {
            env(name)
                .unwrap_or_default()
                .split(',')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let seconds = env("IMGSPEC_FAKE_SECONDS")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.3_f64);
        let stumble = list("IMGSPEC_FAKE_STUMBLE");
        let versions = list("IMGSPEC_FAKE_VERSIONS");
        let versions = versions.iter().filter_map(|word| word.split_once(':'));
        Self {
            time: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
            fail: list("IMGSPEC_FAKE_FAIL"),
            stumble: stumble
                .iter()
                .filter_map(|word| word.split_once(':'))
                .filter_map(|(image, times)| Some((image.to_owned(), times.parse().ok()?)))
                .collect(),
            folder: env("IMGSPEC_FAKE_STORE").map_or_else(|| state.join("fake"), PathBuf::from),
            received: env("IMGSPEC_FAKE_RECEIVED").map(PathBuf::from),
            versions: versions
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .collect(),
        }
    }
}

/// The fake backend.
#[derive(Debug, Default)]
pub struct Fake {
    wishes: Wishes,
    stumbled: Mutex<BTreeMap<String, u32>>,
}

#[derive(Serialize, Deserialize)]
struct FakeImage {
    key: String,
    digest: String,
    /// The size of the files that were received.
    size: Option<u64>,
}

impl Fake {
    /// Creates a fake backend with this configuration.
    pub fn new(wishes: Wishes) -> Self {
        Self {
            wishes,
            stumbled: Mutex::default(),
        }
    }

    fn store(&self, place: StoreKind) -> Rooted {
        let store = match place {
            StoreKind::Local => "local",
            StoreKind::Registry => "registry",
        };
        context::ours(&self.wishes.folder).join(store)
    }

    fn keep(
        &self,
        place: StoreKind,
        job: &Job<'_>,
        digest: &str,
        size: Option<u64>,
    ) -> Result<(), BuildError> {
        let image = FakeImage {
            key: job.key.to_string(),
            digest: digest.to_owned(),
            size,
        };
        let bytes = serde_json::to_vec(&image).expect("two texts are JSON");
        let keep = || {
            let store = self.store(place).make()?;
            let mut new = store.fresh()?;
            new.write(&bytes)?;
            new.keep(&store, &file_name(job.reference))
        };
        keep().map_err(failed)
    }

    /// Reads the files of a job; returns how many bytes they have.
    fn receive(&self, job: &Job<'_>, cancel: &Cancel) -> Result<u64, BuildError> {
        let kept = self.wishes.received.as_ref();
        let mut kept = kept.map(append).transpose().map_err(failed)?;
        let mut size = 0;
        let mut take = |piece: &[u8]| {
            size += piece.len() as u64;
            if cancel.is_requested() {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            kept.as_mut().map_or(Ok(()), |kept| kept.write_all(piece))
        };
        let mut sets = job.files.iter();
        sets.try_for_each(|files| context::send_all(files, &mut take))?;
        Ok(size)
    }

    /// Logs one line per build, so that tests can count builds across processes.
    fn count(&self, image: &str) -> std::io::Result<()> {
        let folder = context::ours(&self.wishes.folder).make()?;
        let mut log = folder.append("builds.log")?;
        let written = log.write_all(format!("{image}\n").as_bytes());
        written.map_err(|error| folder.unwritten("builds.log", error))
    }

    /// Pretends to resolve what `packages` lists, one pure wheel each.
    fn choose(
        &self,
        step: &packages::Requested<'_>,
    ) -> Result<packages::Found, packages::NotFound> {
        if let PythonSource::Built(image) | PythonSource::Debian(image) = step.python.source {
            let why = format!("which Python `{image}` has shows only when it is built");
            return Err(packages::NotFound::Unknowable(why));
        }
        let target = step.python.to_string();
        if let Some(kept) = step.kept.filter(|kept| kept.target == target) {
            let wheels = kept.wheels.clone();
            let remark = None;
            return Ok(packages::Found {
                target,
                wheels,
                remark,
            });
        }
        let wheel = |requirement: &String| {
            let (name, exact) = requirement.split_once("==").unwrap_or((requirement, ""));
            let preferred = step.preferred.iter().find(|wheel| wheel.name == name);
            let newest = self.wishes.versions.get(name).map_or("1.0", String::as_str);
            let version = match (exact, preferred) {
                ("", Some(wheel)) => &wheel.version,
                ("", None) => newest,
                (exact, _) => exact,
            };
            let file = format!("{name}-{version}-py3-none-any.whl");
            let digest = Digest::of(file.as_bytes());
            LockedWheel {
                name: name.to_owned(),
                version: version.to_owned(),
                url: format!("https://files.test/{file}"),
                file,
                sha256: digest.to_string(),
                size: None,
                is_requested: true,
            }
        };
        let mut wheels: Vec<LockedWheel> = step.pip.packages.iter().map(wheel).collect();
        wheels.sort();
        let remark = None;
        Ok(packages::Found {
            target,
            wheels,
            remark,
        })
    }

    fn stumbles(&self, image: &str) -> bool {
        let times = self.wishes.stumble.get(image).copied().unwrap_or(0);
        let mut stumbled = self.stumbled.lock();
        let so_far = stumbled.entry(image.to_owned()).or_insert(0);
        *so_far += 1;
        *so_far <= times
    }

    fn take_time(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        let steps = job.recipe.steps.len();
        let share = self.wishes.time / u32::try_from(steps.max(1)).expect("a handful of steps");
        if steps == 0 {
            return pause(share, cancel);
        }
        for (at, step) in job.recipe.steps.iter().enumerate() {
            notes.step(at + 1, steps, &step.words());
            pause(share, cancel)?;
        }
        Ok(())
    }
}

impl Backend for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn priority(&self) -> u8 {
        0
    }

    fn availability(&self, _: Asker<'_>) -> Availability {
        Availability::Ready {
            versions: Vec::new(),
            remarks: vec!["builds nothing; for tests and demos".to_owned()],
        }
    }

    fn check(&self, _: &Recipe) -> Vec<Unsupported> {
        Vec::new()
    }

    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        stage(job, to)
    }

    fn exists(&self, wanted: &[Wanted<'_>], _: Asker<'_>) -> Vec<Existence> {
        let open = |place| {
            let store = self.store(place).open();
            store.map_err(|error| system_words(&error))
        };
        let local = LazyCell::new(|| open(StoreKind::Local));
        let registry = LazyCell::new(|| open(StoreKind::Registry));
        let find = |wanted: &Wanted<'_>| match wanted.place {
            StoreKind::Local => find(wanted.reference, &local),
            StoreKind::Registry => find(wanted.reference, &registry),
        };
        let found = wanted.iter().map(find);
        found
            .map(|found| found.unwrap_or_else(|why| Existence::Unknown { why }))
            .collect()
    }

    /// Queries real registries, without a login.
    fn resolve(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Resolved, Unresolved>> {
        let access = Access {
            limits: Limits::default(),
            configuration: None,
            ..Access::default()
        };
        registry::resolve(wanted, &access, asker)
    }

    fn resolves_packages_of(&self, builder: &dyn Backend) -> bool {
        builder.name() == self.name()
    }

    fn packages(
        &self,
        wanted: &[packages::Requested<'_>],
        _: Asker<'_>,
    ) -> Vec<Result<packages::Found, packages::NotFound>> {
        wanted.iter().map(|step| self.choose(step)).collect()
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        self.count(job.image).map_err(failed)?;
        // Logged on purpose, as careless commands print what they receive.
        let secrets = secret::of_job(job, &|name| std::env::var(name).ok())?;
        let hider = Hider::new(&secrets);
        let notes: &dyn Notes = &Discreet {
            notes,
            hider: &hider,
        };
        for secret in &secrets {
            let value = String::from_utf8_lossy(&secret.value);
            notes.log(&format!("the secret `{}` is {value}", secret.id));
        }
        let size = Some(self.receive(job, cancel)?).filter(|size| *size > 0);
        notes.log(&format!("pretending to build {}", job.image));
        self.take_time(job, notes, cancel)?;
        if self.stumbles(job.image) {
            return Err(BuildError::Transient(
                "the pretended network is down".to_owned(),
            ));
        }
        if self.wishes.fail.iter().any(|image| image == job.image) {
            notes.log("error: told to fail");
            return Err(BuildError::Failed("told to fail".to_owned()));
        }
        let content = format!("{}{:?}", job.key, job.bases);
        let digest = format!("sha256:{}", blake3::hash(content.as_bytes()).to_hex());
        self.keep(StoreKind::Local, job, &digest, size)?;
        Ok(job.artifact(self.name(), digest, size))
    }

    /// A name fails if its tag is to fail, like an image.
    fn also_name(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        place: StoreKind,
        _: &dyn Notes,
        _: &Cancel,
    ) -> Result<(), BuildError> {
        let tag = job.reference.rsplit(':').next().unwrap_or_default();
        if self.stumbles(tag) {
            let why = "the pretended network is down".to_owned();
            return Err(BuildError::Transient(why));
        }
        if self.wishes.fail.iter().any(|name| name == tag) {
            return Err(BuildError::Failed("told to fail".to_owned()));
        }
        self.keep(place, job, &artifact.digest, artifact.size)
    }

    fn push(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        _: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Option<String>, BuildError> {
        pause(self.wishes.time / 4, cancel)?;
        self.keep(StoreKind::Registry, job, &artifact.digest, artifact.size)?;
        Ok(Some(artifact.digest.clone()))
    }
}

fn append(path: impl AsRef<Path>) -> std::io::Result<std::fs::File> {
    let mut open = std::fs::OpenOptions::new();
    open.create(true).append(true).open(path)
}

fn find(reference: &str, store: &Result<Option<Dir>, String>) -> Result<Existence, String> {
    let Some(store) = store.as_ref().map_err(Clone::clone)? else {
        return Ok(Existence::Absent);
    };
    let bytes = store.read(file_name(reference), LARGEST_IMAGE);
    let Some(bytes) = bytes.map_err(|error| system_words(&error))? else {
        return Ok(Existence::Absent);
    };
    let image: FakeImage = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    Ok(Existence::Present {
        key: Some(image.key),
        digest: image.digest,
        size: image.size,
    })
}

/// Writes the files that a builder would receive, one directory per set.
fn stage(job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
    let to = context::theirs(to)?;
    job.files.iter().enumerate().try_for_each(|(at, files)| {
        let set = context::empty(&to, at.to_string())?;
        context::stage_in(files, &set)
    })
}

fn file_name(reference: &str) -> String {
    reference.replace(['/', ':'], "+") + ".json"
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn failed(error: std::io::Error) -> BuildError {
    BuildError::Failed(format!(
        "the fake's store cannot be used: {}",
        system_words(&error)
    ))
}

fn pause(time: Duration, cancel: &Cancel) -> Result<(), BuildError> {
    let end = Instant::now() + time;
    loop {
        if cancel.is_requested() {
            return Err(BuildError::Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(5)));
    }
}
