//! A workspace whose Docker daemon and `docker` binary are scripts, and waits with a time limit.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{Answer, Request, Server};
use crate::faults::guarded;
use crate::sandbox::{Ran, Sandbox};

/// Nothing here takes this long unless it hangs.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A Docker version before direct access to its `BuildKit`, with a client that can build.
const INFO: &str = r#"{"ServerVersion":"20.10.24","Driver":"overlay2","OSType":"linux","ClientInfo":{"Version":"20.10.24","Context":"default"}}"#;

/// A workspace with its own daemon socket and `docker` binary.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
}

impl Stage {
    pub(super) fn new(manifest: &str) -> Self {
        let sandbox = guarded(&[("imgspec.kdl", manifest)]);
        let beside = |name: &str| sandbox.path("..").join(name).display().to_string();
        let (host, path) = (
            format!("unix://{}", beside("docker.sock")),
            format!("{}:/usr/bin:/bin", beside("bin")),
        );
        let stage = Self {
            sandbox: sandbox.env("DOCKER_HOST", &host).env("PATH", &path),
        };
        stage.docker("exit 1");
        stage
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.sandbox = self.sandbox.env(name, value);
        self
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.sandbox.path("../docker.sock")
    }

    /// The daemon's address.
    pub(super) fn whom(&self) -> String {
        format!("the Docker daemon at unix://{}", self.socket().display())
    }

    /// Starts a daemon with these answers.
    pub(super) fn daemon(
        &self,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let _ = std::fs::remove_file(self.socket());
        Server::unix(&self.socket(), script)
    }

    /// Installs a `docker` binary that reports an engine, and otherwise runs this script.
    pub(super) fn docker(&self, script: &str) {
        self.program(
            "docker",
            &format!("[ \"$1\" != info ] || {{ echo '{INFO}'; exit; }}\n{script}"),
        );
    }

    /// Installs a binary first in PATH.
    pub(super) fn program(&self, name: &str, script: &str) {
        let file = self.sandbox.path("../bin").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the program, which must end within the time limit.
    #[track_caller]
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.sandbox.spawn(arguments))
    }

    /// Key and reference by image, from `tag`.
    pub(super) fn tag(&self, image: &str) -> (String, String) {
        let told = self
            .run(&["tag", "--format", "json", image])
            .success()
            .json();
        let word = |name: &str| told[0][name].as_str().unwrap().to_owned();
        (word("key"), word("reference"))
    }
}

/// Waits for a process to end within the time limit.
#[track_caller]
pub(super) fn ended(child: Child) -> Ran {
    let pid = child.id();
    let (sender, output) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = output.recv_timeout(LIMIT) else {
        send(pid, Signal::KILL);
        panic!("it does not end");
    };
    let output = output.unwrap();
    Ran {
        code: code(output.status),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

pub(super) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for a condition.
#[track_caller]
pub(super) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether some process on this machine has this argument.
pub(super) fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|each| std::fs::read(each.path().join("cmdline")).ok());
    lines.any(|line| {
        line.split(|byte| *byte == 0)
            .any(|each| each == word.as_bytes())
    })
}

/// A number of seconds that no other test sleeps.
pub(super) fn seconds() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    format!("{}.{:04}", 1000 + next, std::process::id() % 10_000)
}
