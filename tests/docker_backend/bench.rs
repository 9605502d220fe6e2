//! A workspace with one engine: makes recipes, builds them, and inspects the results.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use imgspec::backend::docker::Docker;
use imgspec::backend::{Artifact, Backend, BuildError, Cancel, Job, Notes};
use imgspec::fingerprint::{Files, Key, Outside, read_files};
use imgspec::recipe::{Config, CopySource, CopyStep, FileSet, Own, Recipe, Step};
use imgspec::spec::{Base, WorkspacePath};

use crate::engine::by_turns;
use crate::waiting::heard;

/// Runs a test with an image store, or with each.
pub(crate) fn on_each_store(test: impl Fn(&Bench)) {
    for (store, host) in by_turns() {
        eprintln!("store: {store}");
        test(&Bench::new(&host));
    }
}

/// A variable set by `tests/run`.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run these tests through tests/run"))
}

/// An engine and a separate workspace.
pub(crate) struct Bench {
    pub(crate) host: String,
    pub(crate) root: tempfile::TempDir,
    config: tempfile::TempDir,
    names: Mutex<Vec<String>>,
}

/// The output of a build.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) steps: Mutex<Vec<String>>,
    pub(crate) cached: Mutex<Vec<String>>,
    pub(crate) lines: Mutex<Vec<String>>,
}

impl Notes for Heard {
    fn step(&self, _: usize, _: usize, name: &str) {
        self.steps.lock().unwrap().push(name.to_owned());
    }
    fn cached(&self, name: &str) {
        self.cached.lock().unwrap().push(name.to_owned());
    }
    fn log(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }
}

/// A text that no other test run uses.
pub(crate) fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{since:x}-{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

impl Bench {
    fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            root: tempfile::tempdir().unwrap(),
            config: tempfile::tempdir().unwrap(),
            names: Mutex::default(),
        }
    }

    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("DOCKER_HOST".into(), self.host.clone().into()),
            ("DOCKER_CONFIG".into(), self.config.path().into()),
        ]
    }

    pub(crate) fn is_classic(&self) -> bool {
        std::env::var("IMGSPEC_TEST_DOCKER_CLASSIC").is_ok_and(|host| host == self.host)
    }

    /// The backend as in a run.
    pub(crate) fn backend(&self) -> Docker {
        self.backend_with(&[])
    }

    pub(crate) fn backend_with(&self, more: &[(&str, &str)]) -> Docker {
        let more = more.iter().map(|(name, value)| (name.into(), value.into()));
        let environment = self.environment().into_iter().chain(more).collect();
        Docker::with(which::which("docker").ok(), environment)
    }

    /// A reference that is removed when the test ends.
    pub(crate) fn reference(&self) -> String {
        let name = format!("imgspec-test/{}:1", unique());
        self.names.lock().unwrap().push(name.clone());
        name
    }

    pub(crate) fn note(&self, reference: &str) {
        self.names.lock().unwrap().push(reference.to_owned());
    }

    pub(crate) fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The current file sets of a recipe.
    pub(crate) fn files(&self, recipe: &Recipe) -> Vec<Arc<Files>> {
        let root = self.root.path().canonicalize().unwrap();
        recipe
            .file_sets()
            .map(|set| Arc::new(read_files(&root, set).unwrap()))
            .collect()
    }

    pub(crate) fn build(&self, backend: &Docker, recipe: &Recipe) -> Result<Artifact, BuildError> {
        self.build_on(
            backend,
            recipe,
            &BTreeMap::new(),
            &self.reference(),
            &Heard::default(),
        )
    }

    pub(crate) fn build_on(
        &self,
        backend: &Docker,
        recipe: &Recipe,
        bases: &BTreeMap<String, Artifact>,
        reference: &str,
        heard: &Heard,
    ) -> Result<Artifact, BuildError> {
        let files = self.files(recipe);
        self.build_files(
            backend,
            recipe,
            &files,
            bases,
            reference,
            heard,
            &Cancel::default(),
        )
    }

    #[expect(clippy::too_many_arguments, reason = "the most general of the builds")]
    pub(crate) fn build_files(
        &self,
        backend: &Docker,
        recipe: &Recipe,
        files: &[Arc<Files>],
        bases: &BTreeMap<String, Artifact>,
        reference: &str,
        heard: &Heard,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let key = key();
        let job = Job {
            image: "it",
            recipe,
            key: &key,
            reference,
            files,
            bases: bases.clone(),
            outside: &Outside::default(),
            no_cache: false,
            is_base: true,
            root: self.root.path(),
            scratch: self.root.path().join(".imgspec/contexts").join(unique()),
        };
        let built = backend.build(&job, heard, cancel);
        assert!(!job.scratch.exists(), "the context is left");
        if built.is_err() {
            eprintln!("{:#?}", heard.lines.lock().unwrap());
        }
        built
    }

    pub(crate) fn render(&self, recipe: &Recipe, bases: &BTreeMap<String, Artifact>, to: &Path) {
        let key = key();
        let job = Job {
            image: "it",
            recipe,
            key: &key,
            reference: "it:1",
            files: &self.files(recipe),
            bases: bases.clone(),
            outside: &Outside::default(),
            no_cache: false,
            is_base: true,
            root: self.root.path(),
            scratch: self.root.path().join("unused"),
        };
        self.backend().render(&job, to).unwrap();
    }

    /// The output of `docker`, which must succeed.
    #[track_caller]
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn try_docker(&self, arguments: &[&str]) -> Output {
        let call = || {
            let mut command = Command::new("docker");
            command.envs(self.environment()).args(arguments);
            command.output().unwrap()
        };
        let is_silent = |output: &Output| output.status.success() && output.stdout.is_empty();
        heard(arguments, call, is_silent)
    }

    /// The output of a shell command in the image.
    #[track_caller]
    pub(crate) fn sh(&self, image: &Artifact, command: &str) -> String {
        let head = ["run", "--rm", "--network=none", "--entrypoint", "/bin/sh"];
        let tail = [image.digest.as_str(), "-c", command];
        let arguments: Vec<&str> = head.into_iter().chain(tail).collect();
        self.docker(&arguments)
    }

    #[track_caller]
    pub(crate) fn config(&self, image: &Artifact) -> serde_json::Value {
        let text = self.docker(&[
            "image",
            "inspect",
            "--format",
            "{{json .Config}}",
            &image.digest,
        ]);
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn has(&self, reference: &str) -> bool {
        self.try_docker(&["image", "inspect", reference])
            .status
            .success()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for name in self.names.lock().unwrap().iter() {
            self.try_docker(&["image", "rm", name]);
        }
    }
}

pub(crate) fn key() -> Key {
    Key::new([0xab; 32])
}

/// A recipe with this base and these steps.
pub(crate) fn recipe(base: &str, steps: Vec<Step>) -> Recipe {
    Recipe {
        platforms: vec!["linux/amd64".into()],
        base: match base {
            "scratch" => Base::Scratch,
            base if base.contains(':') => Base::Registry(base.into()),
            base => Base::Image(base.into()),
        },
        steps,
        config: Config::default(),
        ..Recipe::default()
    }
}

pub(crate) fn run(command: &str) -> Step {
    Step::Run {
        command: command.into(),
    }
}

pub(crate) fn copy(path: &str, to: &str) -> Step {
    let root = WorkspacePath::default();
    Step::Copy(Box::new(CopyStep {
        from: CopySource::Files(FileSet::Tree {
            path: WorkspacePath::resolve(&root, path).unwrap(),
            ignore: root,
            own: Own::NOTHING,
        }),
        to: to.into(),
        owner: None,
    }))
}

/// Asserts a permanent failure; returns the field that caused it, and the message.
#[track_caller]
pub(crate) fn failed(built: Result<Artifact, BuildError>) -> (String, String) {
    match built {
        Err(error) if !error.is_transient() => (
            error.field().unwrap_or_default().to_owned(),
            error.to_string(),
        ),
        other => panic!("{other:?}"),
    }
}
