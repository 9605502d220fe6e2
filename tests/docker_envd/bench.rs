//! A sandbox with an engine, envd, and a registry that both reach.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::engine::engines;
use crate::sandbox::{Ran, Sandbox};

/// One engine with what builds on it.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    /// Where its daemon listens, and the kind of its image store.
    pub(crate) engine: String,
    pub(crate) store: &'static str,
    envd: PathBuf,
}

/// Runs a test on each engine there is, if there is an envd.
pub(crate) fn on_each_engine(test: impl Fn(&Bench)) {
    let envd = std::env::var("IMGSPEC_TEST_ENVD").expect("tests/run says where envd is");
    if envd == "none" {
        return;
    }
    let envd = PathBuf::from(envd);
    let folder = envd.parent().expect("a program's folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (store, engine) in engines() {
        let sandbox = Sandbox::new()
            .env("DOCKER_HOST", &engine)
            .env("PATH", &format!("{}:{path}", folder.display()))
            .env("IMGSPEC_ENVD_REGISTRY", &registry);
        test(&Bench {
            sandbox,
            engine,
            store,
            envd: envd.clone(),
        });
    }
}

impl Bench {
    pub(crate) fn docker(&self, arguments: &[&str]) -> Ran {
        let mut docker = Command::new("docker");
        Ran::of(docker.args(arguments).env("DOCKER_HOST", &self.engine))
    }

    /// Calls envd as the user would, in the user's HOME.
    pub(crate) fn envd(&self, arguments: &[&str]) -> Ran {
        let mut envd = Command::new(&self.envd);
        envd.args(arguments).env("ENVD_ANALYTICS", "false");
        Ran::of(envd.env("HOME", self.sandbox.path("../home")))
    }

    pub(crate) fn build(&self, more: &[&str]) -> Ran {
        let all = [&["graph", "build", "--progress", "plain"], more].concat();
        self.sandbox.run(&all)
    }

    /// What an image is called.
    pub(crate) fn reference(&self, image: &str) -> String {
        let ran = self.sandbox.run(&["tag", image]).success();
        ran.stdout.trim().to_owned()
    }

    /// What docker says of an image.
    pub(crate) fn inspect(&self, image: &str) -> Value {
        let reference = self.reference(image);
        let ran = self.docker(&["image", "inspect", &reference]).success();
        ran.json()[0].clone()
    }

    /// What a shell says in a container of an image, as root.
    pub(crate) fn shell(&self, image: &str, command: &str) -> String {
        let reference = self.reference(image);
        let run = ["run", "--rm", "--user=0", "--entrypoint=/bin/sh"];
        let ran = self.docker(&[&run[..], &[&reference, "-c", command]].concat());
        ran.success().stdout
    }

    /// The names of images that begin like this.
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
