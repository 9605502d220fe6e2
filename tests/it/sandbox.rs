//! A workspace in a temporary directory in which the real binary runs: with its own HOME and state, isolated from the
//! machine.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Reading and rejecting takes milliseconds; but the machine may be busy.
const SOON: Duration = Duration::from_secs(20);

/// Nothing in a test takes longer.
const LONG: Duration = Duration::from_mins(10);

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    env: BTreeMap<String, String>,
    /// Text that must not appear in any output or file.
    never: Option<String>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a temporary directory"))
    }

    /// In memory, where the system supports it: for more files than a disk handles well.
    pub(crate) fn in_memory() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::at(memory.expect("a temporary directory"))
    }

    fn at(folder: tempfile::TempDir) -> Self {
        std::fs::create_dir(folder.path().join("home")).expect("a home");
        std::fs::create_dir(folder.path().join("work")).expect("a workspace");
        Self {
            folder,
            env: BTreeMap::from([("IMGSPEC_FAKE_SECONDS".into(), "0".into())]),
            never: None,
        }
    }

    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// This text must not appear in any output, nor in any file when the sandbox is dropped.
    pub(crate) fn without(mut self, text: &str) -> Self {
        self.never = Some(text.into());
        self
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgspec"));
        command.args(arguments).current_dir(self.root()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.folder.path().join("home"))
            .envs(&self.env);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let ran = Ran::of(&mut self.command(arguments));
        if let Some(never) = &self.never {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains(never), "`{never}` is said:\n{said}");
        }
        ran
    }

    /// Runs a command with this text as its standard input.
    #[track_caller]
    pub(crate) fn fed(&self, text: &str, arguments: &[&str]) -> Ran {
        let file = self.folder.path().join("standard-input");
        std::fs::write(&file, text).expect("a file");
        let input = std::fs::File::open(&file).expect("a file");
        Ran::of(self.command(arguments).stdin(input))
    }

    /// For commands that must not wait: killed, failing the test, if they take long.
    #[track_caller]
    pub(crate) fn run_soon(&self, arguments: &[&str]) -> Ran {
        Ran::soon(&mut self.command(arguments))
    }

    /// `graph build` with the fake backend.
    #[track_caller]
    pub(crate) fn build(&self, more: &[&str]) -> Ran {
        self.run(&[&["graph", "build", "--builder", "fake"], more].concat())
    }

    /// The output of `graph plan`, as `image action reason,reason`.
    #[track_caller]
    pub(crate) fn plan(&self, more: &[&str]) -> Vec<String> {
        let ran = self
            .run(
                &[
                    &["graph", "plan", "--builder", "fake", "--format", "json"],
                    more,
                ]
                .concat(),
            )
            .success();
        let images = ran.json()["images"].as_array().expect("images").clone();
        images
            .iter()
            .map(|image| {
                let reasons = image["reasons"]
                    .as_array()
                    .expect("reasons")
                    .iter()
                    .map(|reason| {
                        let kind = reason["kind"].as_str().expect("a kind");
                        reason["input"]
                            .as_str()
                            .map_or(kind.to_owned(), |input| format!("{kind}:{input}"))
                    });
                let reasons = reasons.collect::<Vec<_>>().join(",");
                format!(
                    "{} {} {reasons}",
                    image["image"].as_str().expect("an id"),
                    image["action"].as_str().expect("an action")
                )
                .trim_end()
                .to_owned()
            })
            .collect()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program starts")
    }

    /// The images built since the last call, sorted.
    pub(crate) fn built(&self) -> Vec<String> {
        let log = self.path(".imgspec/fake/builds.log");
        let mut built: Vec<String> = std::fs::read_to_string(&log)
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        let _ = std::fs::remove_file(log);
        built.sort();
        built
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(never) = &self.never
            && !std::thread::panicking()
        {
            assert_eq!(files_with(self.folder.path(), never), "", "hold `{never}`");
        }
    }
}

/// The regular files below a directory that contain a text, one per line.
pub(crate) fn files_with(folder: &Path, text: &str) -> String {
    let mut found = String::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.is_dir() {
            found.push_str(&files_with(&path, text));
        } else if meta.is_file() && meta.len() < 64 << 20 {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let mut windows = bytes.windows(text.len());
            if windows.any(|window| window == text.as_bytes()) {
                found.push_str(&format!("{}\n", path.display()));
            }
        }
    }
    found
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::within(command, LONG)
    }

    /// The same, of what must not wait: it is killed, and the test fails, when it takes long.
    #[track_caller]
    pub(crate) fn soon(command: &mut Command) -> Self {
        Self::within(command, SOON)
    }

    #[track_caller]
    fn within(command: &mut Command, limit: Duration) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                break status;
            }
            if begun.elapsed() > limit {
                let _ = child.kill();
                let said = stderr.recv_timeout(SOON);
                panic!("{command:?} still ran after {limit:?}: {said:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let said = |pipe: Receiver<Vec<u8>>| {
            let bytes = pipe.recv_timeout(SOON).expect("nobody else has the pipe");
            String::from_utf8(bytes).expect("text")
        };
        Self {
            code: status.code(),
            stdout: said(stdout),
            stderr: said(stderr),
        }
    }

    /// Whether it succeeded without having printed anything.
    #[allow(dead_code, reason = "only programs that run containers need it")]
    pub(crate) fn is_silent(&self) -> bool {
        self.code == Some(0) && self.stdout.is_empty()
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(
            all.contains(words),
            "`{words}` is not in\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

/// Everything read from a pipe until it is closed.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// Whether a path exists, without following symlinks.
pub(crate) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
