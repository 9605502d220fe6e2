//! What the tests share: a root file system made of the machine's own programs, and turns as root, as an ordinary user, and as one
//! with subordinate ids.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::sandbox::{self, Bounds, Exit, Ids, Mount, Network, Run, SandboxError, Status};
use crate::cancel::Cancel;
use crate::process::Stream;

/// Says to a test that it is the turn of an ordinary user.
pub(super) const TURN: &str = "IMGSPEC_TEST_TURN";

/// Makes three tests of each function: as root, as an ordinary user, and with subordinate ids.
macro_rules! everyone {
    ($($name:ident),* $(,)?) => {
        mod as_root {
            $(#[test] fn $name() { super::super::stage::as_root(super::$name); })*
        }
        mod as_user {
            $(#[test] fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                super::super::stage::as_user(name, false, super::$name);
            })*
        }
        mod with_ids {
            $(#[test] fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                super::super::stage::as_user(name, true, super::$name);
            })*
        }
    };
}
pub(super) use everyone;

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) fn as_root(test: fn(&mut Stage)) {
    if is_root() {
        test(&mut Stage::new());
    } else {
        eprintln!("SKIPPED: only root can see what root can do");
    }
}

/// Says to a test that its process is the builder.
const BUILDER: &str = "IMGSPEC_TEST_BUILDER";

/// What a test was told if its process is a builder that it started itself.
pub(super) fn told_to_builder() -> Option<std::ffi::OsString> {
    std::env::var_os(BUILDER)
}

/// This very test once more, in a process of its own, which is told something.
pub(super) fn builder(stage: &Stage, told: impl AsRef<std::ffi::OsStr>) -> Command {
    let name = std::thread::current().name().unwrap().to_owned();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([&name, "--exact", "--nocapture"])
        .env(BUILDER, told)
        .env("TMPDIR", stage.path("."));
    command
}

/// The processes that a process has started and that have not ended, by number.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    numbers
        .filter(|it| state(*it).is_some_and(|(state, of)| of == parent && state != 'Z'))
        .collect()
}

/// The state of a process, and who has started it.
fn state(process: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may have anything in it.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Waits until a process has ended; `false` if that takes more than a second.
pub(super) fn has_ended(process: u32) -> bool {
    let until = Instant::now() + Duration::from_secs(1);
    let is_there = || state(process).is_some_and(|(state, _)| state != 'Z');
    while is_there() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    !is_there()
}

/// Runs a test in this process if it is its turn, else starts it once more as an ordinary user.
pub(super) fn as_user(name: &str, with_ids: bool, test: fn(&mut Stage)) {
    if std::env::var_os(TURN).is_some() || !is_root() && !with_ids {
        return test(&mut Stage::new());
    }
    if !is_root() {
        eprintln!("SKIPPED: only root can give subordinate ids");
        return;
    }
    if with_ids && which::which("newuidmap").is_err() {
        eprintln!("SKIPPED: subordinate ids are mapped by newuidmap, of Debian's package uidmap");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
    let ranges = place.path().join("ranges");
    let range = if with_ids { "4242:200000:65536\n" } else { "" };
    fs::write(&ranges, range).unwrap();
    // In a mount namespace of its own, so that no file of the machine changes.
    // newuidmap wants a user with a name.
    let script = "mount --make-rprivate / && touch /etc/subuid /etc/subgid \
        && cp /etc/passwd \"$1.users\" && echo ordinary:x:4242:4242::/:/bin/sh >> \"$1.users\" \
        && mount --bind \"$1.users\" /etc/passwd \
        && mount --bind \"$1\" /etc/subuid && mount --bind \"$1\" /etc/subgid && shift \
        && exec setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all \"$@\"";
    let name = name.split_once("::").unwrap().1;
    let ran = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(&ranges)
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(TURN, if with_ids { "ids" } else { "user" })
        .env("TMPDIR", place.path())
        .env("HOME", place.path())
        .current_dir("/")
        .output()
        .unwrap();
    let told =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "as an ordinary user:\n{told}");
    assert!(told.contains("1 passed"), "it did not run:\n{told}");
}

/// A place to run programs in, which can be changed before each run.
pub(super) struct Stage {
    directory: tempfile::TempDir,
    pub(super) layers: Vec<PathBuf>,
    pub(super) mounts: Vec<Mount>,
    pub(super) env: Vec<(String, String)>,
    pub(super) user: Ids,
    pub(super) network: Network,
    pub(super) bounds: Bounds,
    pub(super) cwd: String,
    runs: AtomicUsize,
}

/// How a program ended, and what it left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) status: Status,
    pub(super) out: String,
    pub(super) err: String,
    pub(super) upper: PathBuf,
    pub(super) exit: Exit,
}

impl Ran {
    /// What it printed, if it succeeded.
    #[track_caller]
    pub(super) fn ok(&self) -> &str {
        assert_eq!(self.status, Status::Code(0), "{self:#?}");
        self.out.trim_end()
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        let mut stage = Self {
            directory: tempfile::tempdir().unwrap(),
            layers: Vec::new(),
            mounts: vec![Mount::ReadOnly {
                source: "/usr".into(),
                target: "/usr".into(),
            }],
            env: vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())],
            user: Ids::default(),
            network: Network::Host,
            bounds: Bounds {
                reserve: 1 << 20,
                ..Bounds::default()
            },
            cwd: "/".into(),
            runs: AtomicUsize::new(0),
        };
        let base = stage.layer("base");
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), base.join(name)).unwrap();
        }
        for name in ["etc", "home", "root", "tmp"] {
            fs::create_dir(base.join(name)).unwrap();
        }
        let everyone = Permissions::from_mode(0o1777);
        fs::set_permissions(base.join("tmp"), everyone).unwrap();
        let users = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home:/bin/sh\n";
        fs::write(base.join("etc/passwd"), users).unwrap();
        fs::write(base.join("etc/group"), "root:x:0:\ntty:x:5:\napp:x:1000:\n").unwrap();
        stage
    }

    /// A new layer above the others, to be filled by the test.
    pub(super) fn layer(&mut self, name: &str) -> PathBuf {
        let layer = self.directory.path().join(name);
        fs::create_dir(&layer).unwrap();
        self.layers.push(layer.clone());
        layer
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    pub(super) fn sh(&self, script: &str) -> Ran {
        self.run(&["/bin/sh", "-ec", script]).unwrap()
    }

    #[track_caller]
    pub(super) fn run(&self, argv: &[&str]) -> Result<Ran, SandboxError> {
        self.run_until(argv, &Cancel::default(), &mut |_, _| {})
    }

    #[track_caller]
    pub(super) fn run_until(
        &self,
        argv: &[&str],
        cancel: &Cancel,
        hear: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Ran, SandboxError> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let (upper, work) = (
            self.path(&format!("upper{run}")),
            self.path(&format!("work{run}")),
        );
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        let argv: Vec<String> = argv.iter().map(|it| (*it).to_owned()).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let asked = Run {
            lower: &self.layers,
            upper: &upper,
            work: &work,
            argv: &argv,
            env: &self.env,
            cwd: &self.cwd,
            user: &self.user,
            network: self.network,
            mounts: &self.mounts,
            hostname: "inside",
            bounds: self.bounds,
        };
        let exit = sandbox::run(&asked, cancel, &mut |stream, bytes| {
            hear(stream, bytes);
            match stream {
                Stream::Out => out.extend_from_slice(bytes),
                Stream::Err => err.extend_from_slice(bytes),
            }
        })?;
        assert_eq!(
            fs::read_dir(&work).unwrap().count(),
            0,
            "left in the working directory"
        );
        Ok(Ran {
            status: exit.status,
            out: String::from_utf8_lossy(&out).into_owned(),
            err: String::from_utf8_lossy(&err).into_owned(),
            upper,
            exit,
        })
    }
}

/// All entries below a directory, sorted, by path relative to it.
pub(super) fn entries(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(directory).unwrap();
            found.push(name.to_str().unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}
