//! A sandbox with an engine, envd, and a registry that both can reach.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::engine::by_turns;
use crate::sandbox::{Ran, Sandbox};
use crate::waiting::heard;

/// An engine, and what builds on it.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    /// The daemon's address, and the kind of its image store.
    pub(crate) engine: String,
    pub(crate) store: &'static str,
    envd: PathBuf,
    /// Built images, to be removed.
    built: Mutex<BTreeSet<String>>,
}

/// References that are removed from the engine at the end.
impl Drop for Bench {
    fn drop(&mut self) {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let names = built.iter().map(String::as_str);
        let arguments: Vec<&str> = ["image", "rm", "--force"]
            .into_iter()
            .chain(names)
            .collect();
        if arguments.len() > 3 {
            self.docker(&arguments);
        }
    }
}

/// Runs a test on each available engine, if envd is available.
pub(crate) fn on_each_engine(test: impl Fn(&Bench)) {
    let envd = std::env::var("IMGSPEC_TEST_ENVD").expect("tests/run says where envd is");
    if envd == "none" {
        return;
    }
    let envd = PathBuf::from(envd);
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (store, engine) in by_turns() {
        let sandbox = sandbox(&engine, &envd).env("IMGSPEC_ENVD_REGISTRY", &registry);
        test(&Bench {
            sandbox,
            engine,
            store,
            envd: envd.clone(),
            built: Mutex::default(),
        });
    }
}

/// A sandbox that builds on this engine with this envd.
fn sandbox(engine: &str, envd: &Path) -> Sandbox {
    let folder = envd.parent().expect("a program's directory");
    let path = std::env::var("PATH").unwrap_or_default();
    Sandbox::new()
        .env("DOCKER_HOST", engine)
        .env("PATH", &format!("{}:{path}", folder.display()))
}

impl Bench {
    pub(crate) fn docker(&self, arguments: &[&str]) -> Ran {
        let call = || {
            let mut docker = Command::new("docker");
            Ran::of(docker.args(arguments).env("DOCKER_HOST", &self.engine))
        };
        heard(arguments, call, Ran::is_silent)
    }

    /// Runs envd as the user would, in the user's HOME.
    pub(crate) fn envd(&self, arguments: &[&str]) -> Ran {
        let mut envd = Command::new(&self.envd);
        envd.args(arguments).env("ENVD_ANALYTICS", "false");
        Ran::of(envd.env("HOME", self.sandbox.path("../home")))
    }

    /// The same engine with a new sandbox in which bases are handed to envd by imgspec's own registry.
    pub(crate) fn with_exchange(&self) -> Self {
        let sandbox = sandbox(&self.engine, &self.envd);
        Self {
            sandbox,
            engine: self.engine.clone(),
            store: self.store,
            envd: self.envd.clone(),
            built: Mutex::default(),
        }
    }

    pub(crate) fn build(&self, more: &[&str]) -> Ran {
        let mut all = vec!["graph", "build"];
        if !more.contains(&"--progress") {
            all.extend(["--progress", "plain"]);
        }
        let ran = self.sandbox.run(&[&all, more].concat());
        self.note();
        ran
    }

    /// Remembers the current references of the images.
    pub(crate) fn note(&self) {
        let tags = self.sandbox.run(&["tag", "--format", "json"]);
        let Ok(Value::Array(tags)) = serde_json::from_str(&tags.stdout) else {
            return;
        };
        let names = tags.iter().filter_map(|tag| tag["reference"].as_str());
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.extend(names.map(str::to_owned));
    }

    /// The output of running an image.
    pub(crate) fn said(&self, image: &str) -> String {
        let ran = self.docker(&["run", "--rm", &self.reference(image)]);
        ran.success().stdout
    }

    /// The current reference of an image.
    pub(crate) fn reference(&self, image: &str) -> String {
        let ran = self.sandbox.run(&["tag", image]).success();
        ran.stdout.trim().to_owned()
    }

    /// A property of an image, from `docker inspect`.
    pub(crate) fn inspect(&self, image: &str) -> Value {
        let reference = self.reference(image);
        let ran = self.docker(&["image", "inspect", &reference]).success();
        ran.json()[0].clone()
    }

    /// The output of a shell command in a container of an image, as root.
    pub(crate) fn shell(&self, image: &str, command: &str) -> String {
        let reference = self.reference(image);
        let run = ["run", "--rm", "--user=0", "--entrypoint=/bin/sh"];
        let run = [&run[..], &[&reference, "-c", command]].concat();
        self.docker(&run).success().stdout
    }

    /// Kills what a killed run left running.
    pub(crate) fn kill_what_runs(&self) {
        let home = self.sandbox.path("../home").canonicalize();
        let home = format!("HOME={}", home.unwrap().display());
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let number = process.file_name().into_string().unwrap_or_default();
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            let mut variables = environment.split(|&byte| byte == 0);
            if !variables.any(|variable| variable.starts_with(home.as_bytes())) {
                continue;
            }
            let pid = number.parse().ok().and_then(Pid::from_raw).unwrap();
            // It may have ended already.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// The image names with this prefix.
    pub(crate) fn names(&self, beginning: &str) -> Vec<String> {
        let format = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];
        let ran = self.docker(&format).success();
        let names = ran.stdout.lines();
        let names = names.filter(|name| name.starts_with(beginning));
        names.map(str::to_owned).collect()
    }
}

/// A word that no other test and no earlier run uses, so that every key is new.
pub(crate) fn nonce() -> String {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_nanos();
    format!("{:x}-{time:x}", std::process::id())
}
