//! Every kind of unreadable or special file, in every place where a file is read.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use super::{bounded, by, fifo, run, within_memory};
use crate::faults::{CANARY, guarded};
use crate::sandbox::{Ran, Sandbox};
use crate::watch::Watch;

/// Every place where a file is parsed or hashed, and what is not a fault there.
const PLACES: [(&str, &[Thing]); 18] = [
    ("imgspec.kdl", &[]),
    ("other.kdl", &[]),
    ("teams/a/imgspec.kdl", &[]),
    (".dockerignore", &[NotText]),
    ("plain/.dockerignore", &[NotText]),
    ("own/Dockerfile.dockerignore", &[NotText]),
    ("plain/Dockerfile", &[NotText]),
    ("reqs/main.txt", &[]),
    ("reqs/more.txt", &[]),
    ("reqs/pins.txt", &[]),
    ("locked/uv.lock", &[NotText]),
    ("locked/pyproject.toml", &[NotText]),
    ("project/pyproject.toml", &[NotText]),
    ("single.txt", &[Directory, Large, NotText]),
    // A symlink is copied as is.
    (
        "src/a",
        &[Directory, Large, NotText, Dangling, Outside, Zero],
    ),
    ("fly/.dockerignore", &[]),
    // flytekit skips sockets and dangling symlinks.
    ("fly/a.py", &[Directory, Large, NotText, Dangling, Socket]),
    ("fly-reqs.txt", &[]),
];

const FILES: [(&str, &str); 18] = [
    (
        "imgspec.kdl",
        r#"
workspace { include "other.kdl"; include "teams/*" }
image "copied" { base-image "scratch"; copy "src" to="/src"; copy "single.txt" to="/single" }
image "list" { requirements "reqs/main.txt" }
image "locked" { requirements "locked/uv.lock" }
image "project" { requirements "project/pyproject.toml" }
image "plain" { dockerfile "plain/Dockerfile" context="plain" }
image "own" { dockerfile "own/Dockerfile" context="own" }
image "fly" { flytekit "1.16.31"; source-copy-mode "all"; source-root "fly"; requirements "fly-reqs.txt" }
"#,
    ),
    ("other.kdl", "image \"other\" { base-image \"scratch\" }\n"),
    (
        "teams/a/imgspec.kdl",
        "image \"a\" { base-image \"scratch\" }\n",
    ),
    (".dockerignore", "nothing\n"),
    ("plain/.dockerignore", "nothing\n"),
    ("plain/Dockerfile", "FROM scratch\n"),
    ("own/Dockerfile", "FROM scratch\n"),
    ("own/Dockerfile.dockerignore", "nothing\n"),
    ("reqs/main.txt", "-r more.txt\n"),
    ("reqs/more.txt", "numpy==2.0.0\n-c pins.txt\n"),
    ("reqs/pins.txt", "numpy==2.0.0\n"),
    ("locked/uv.lock", "version = 1\n"),
    ("locked/pyproject.toml", "[project]\nname = \"x\"\n"),
    ("project/pyproject.toml", "[project]\nname = \"y\"\n"),
    ("single.txt", "1"),
    ("src/a", "1"),
    ("fly/.dockerignore", "nothing\n"),
    ("fly/a.py", "1"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Pipe,
    /// A symlink to `/dev/zero`.
    Zero,
    Socket,
    Directory,
    Dangling,
    /// A symlink to a file outside the workspace.
    Outside,
    /// More bytes than any limit, sparse.
    Large,
    /// Mode 000.
    Denied,
    /// Invalid UTF-8.
    NotText,
}
use Thing::{Dangling, Denied, Directory, Large, NotText, Outside, Pipe, Socket, Zero};

impl Thing {
    /// Replaces the file at a path by it.
    fn put(self, path: &Path, outside: &Path) {
        let text = fs::read(path).expect("a file is there");
        fs::remove_file(path).expect("a file is there");
        match self {
            Pipe => fifo(path),
            Zero => symlink("/dev/zero", path).unwrap(),
            Socket => drop(UnixListener::bind(path).unwrap()),
            Directory => fs::create_dir(path).unwrap(),
            Dangling => symlink("nowhere", path).unwrap(),
            Outside => symlink(outside, path).unwrap(),
            Large => File::create(path).unwrap().set_len(65 << 20).unwrap(),
            Denied => {
                fs::write(path, text).unwrap();
                fs::set_permissions(path, PermissionsExt::from_mode(0o0)).unwrap();
            }
            NotText => fs::write(path, [&text[..], b"\xff\xfe\n"].concat()).unwrap(),
        }
    }

    /// Texts of which one must appear in the message.
    fn words(self) -> &'static [&'static str] {
        match self {
            Pipe => &["a named pipe"],
            Zero => &["is outside", "leads out", "a device"],
            Socket => &["a socket"],
            // A directory with the name of a manifest is taken for one that should contain a manifest.
            Directory => &["a directory", "there is no imgspec.kdl in"],
            Dangling => &["broken link"],
            Outside => &["is outside", "leads out"],
            Large => &["larger than"],
            Denied => &["permission denied"],
            NotText => &["not UTF-8"],
        }
    }
}

/// Texts that must not appear in any of these messages.
const MISLEADING: [&str; 5] = [
    "changed while",
    "there is none",
    "no .kdl file",
    "internal error",
    "os error",
];

fn workspace() -> Sandbox {
    let sandbox = Sandbox::with(&FILES).without(CANARY);
    sandbox.write("fly-reqs.txt", "numpy==2.0.0\n");
    sandbox
}

/// Puts the thing in each place in turn; `run` returns the messages.
fn in_every_place(thing: Thing, run: impl Fn(&Sandbox, &str) -> Vec<Ran>) {
    let sandbox = workspace();
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("secret");
    fs::write(&outside, CANARY).unwrap();
    fs::set_permissions(
        sandbox.root().parent().unwrap(),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    for (place, fine) in PLACES {
        let path = sandbox.path(place);
        let text = fs::read(&path).unwrap();
        thing.put(&path, &outside);
        let is_fine = fine.contains(&thing);
        for ran in run(&sandbox, place) {
            let what = format!("{thing:?} as {place}:\n{}{}", ran.stdout, ran.stderr);
            let said = thing.words().iter().any(|words| ran.stderr.contains(words));
            let misled = MISLEADING.iter().any(|words| ran.stderr.contains(words));
            assert_eq!(ran.code, Some(if is_fine { 0 } else { 2 }), "{what}");
            assert!(is_fine || (said && ran.stderr.contains(place)), "{what}");
            assert!(!misled && !what.contains(CANARY), "{what}");
        }
        if thing == Directory {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        fs::write(path, text).unwrap();
    }
    bounded(&sandbox, &["check"]).success();
}

fn checked(thing: Thing) {
    in_every_place(thing, |sandbox, _| vec![bounded(sandbox, &["check"])]);
}

#[test]
fn a_named_pipe_is_refused_by_every_command_wherever_a_file_is_read() {
    let commands: [&[&str]; 6] = [
        &["check"],
        &["graph", "plan", "--builder", "fake"],
        &["graph", "show"],
        &["explain", "copied"],
        &["render", "copied", "--builder", "fake"],
        &["graph", "build", "--builder", "fake"],
    ];
    in_every_place(Pipe, |sandbox, _| {
        let ran = commands.iter().map(|command| bounded(sandbox, command));
        ran.collect()
    });
}

#[test]
fn a_named_pipe_is_told_by_a_watch_that_goes_on_when_it_is_gone() {
    for place in [".dockerignore", "reqs/more.txt", "other.kdl"] {
        let sandbox = workspace();
        let path = sandbox.path(place);
        let text = fs::read(&path).unwrap();
        Pipe.put(&path, Path::new(""));
        let mut watch = Watch::start(&sandbox, &[]);
        let is_told = |event: &serde_json::Value| event.to_string().contains("a named pipe");
        watch.until_it(is_told, "a named pipe");
        fs::remove_file(&path).unwrap();
        fs::write(&path, &text).unwrap();
        watch.until("watch-waiting");
        Pipe.put(&path, Path::new(""));
        watch.until_it(is_told, "a named pipe");
        watch.stop();
    }
}

#[test]
fn a_link_to_a_device_without_end_is_refused_wherever_a_file_is_read() {
    checked(Zero);
}

#[test]
fn a_socket_is_refused_wherever_a_file_is_read() {
    checked(Socket);
}

#[test]
fn a_directory_is_refused_wherever_a_file_is_read() {
    checked(Directory);
}

#[test]
fn a_link_that_leads_nowhere_is_refused_wherever_a_file_is_read() {
    checked(Dangling);
}

#[test]
fn a_link_that_leads_out_of_the_workspace_is_refused_wherever_a_file_is_read() {
    checked(Outside);
}

#[test]
fn a_file_of_more_than_its_limit_is_refused_wherever_one_is_read_whole() {
    checked(Large);
}

#[test]
fn bytes_that_are_no_text_are_refused_wherever_text_is_read() {
    checked(NotText);
}

#[test]
fn a_file_that_may_not_be_read_is_refused_wherever_one_is_read() {
    // Root can read anything, so run as another user.
    let starter: &[&str] = if rustix::process::geteuid().is_root() {
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        &["env"]
    };
    let mut may = Command::new(starter[0]);
    let may = may.args(&starter[1..]).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is nobody to be but root, who reads everything");
        return;
    }
    in_every_place(Denied, |sandbox, _| {
        let command = within_memory(&by(starter, &sandbox.command(&["check"])));
        vec![run(&command, &"check")]
    });
}

#[test]
fn a_secret_that_is_no_file_is_refused_before_anything_is_built() {
    let manifest = "image \"a\" { base-image \"scratch\"; secret \"token\" file=\"token\"; commands \"true\" }\n";
    for thing in [Pipe, Zero, Socket, Directory, Dangling, Large] {
        let sandbox = guarded(&[("imgspec.kdl", manifest), ("token", "1")]);
        thing.put(&sandbox.path("token"), Path::new(""));
        let ran = bounded(&sandbox, &["graph", "build", "--builder", "fake"]);
        assert_ne!(ran.code, Some(0), "{thing:?}");
        let words = thing.words();
        let said = words.iter().any(|words| ran.stderr.contains(words));
        let told = ran.stderr.contains("/token` cannot be read: ");
        assert!(said && told, "{thing:?}: {}", ran.stderr);
        assert_eq!(sandbox.built(), [""; 0]);
    }
}

#[test]
fn what_is_imported_and_is_no_file_is_refused() {
    for name in [
        "spec.yaml",
        "docker-bake.hcl",
        "docker-bake.json",
        "specs.py",
    ] {
        for thing in [Pipe, Zero, Socket, Directory, Dangling, Large, NotText] {
            let sandbox = Sandbox::with(&[(name, "name: x\n")]);
            thing.put(&sandbox.path(name), Path::new(""));
            let ran = bounded(&sandbox, &["import", name]).code(2);
            let words = thing.words();
            let said = words.iter().any(|words| ran.stderr.contains(words));
            let no_text = thing == NotText && ran.stderr.contains("not UTF-8 text");
            assert!(said || no_text, "{thing:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(name), "{thing:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn what_is_written_over_on_demand_is_a_file_and_nothing_else() {
    for thing in [Pipe, Zero, Socket, Directory, Dangling, Outside] {
        let elsewhere = tempfile::tempdir().unwrap();
        let outside = elsewhere.path().join("mine");
        fs::write(&outside, "mine").unwrap();
        let sandbox = Sandbox::with(&[("imgspec.kdl", "old"), ("spec.yaml", "name: x\n")]);
        thing.put(&sandbox.path("imgspec.kdl"), &outside);
        let import: &[&str] = &["import", "spec.yaml", "--force", "-o", "imgspec.kdl"];
        for command in [&["init", "--force"], import] {
            let ran = bounded(&sandbox, command).code(2);
            ran.says("imgspec.kdl` ");
        }
        assert_eq!(fs::read_to_string(&outside).unwrap(), "mine");
        assert!(!sandbox.path("nowhere").exists());
    }
}
