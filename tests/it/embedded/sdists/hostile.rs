//! Sources of strangers: nothing leaves the sandbox but a wheel that is what was asked for.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tar::EntryType::{Char, Link, Regular};

use super::{Index, Sandbox, gzip, own, pinned, sandbox, sdist};
use crate::embedded::store;
use crate::sandbox::Ran;

/// Builds `foo 1.0` with this backend, which is refused in these words, and leaves nothing behind.
#[track_caller]
fn refused(backend: &str, words: &str) {
    let _ = refused_with(&own("foo", "1.0", "", backend), words);
}

#[track_caller]
fn refused_with(sources: &[u8], words: &str) -> (Index, Sandbox, Ran) {
    let index = Index::new();
    let sandbox = sandbox(&index, &pinned(&index, "foo", "1.0", sources));
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
    assert!(ran.stderr.contains("imgspec.kdl:5"), "{}", ran.stderr);
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
    (index, sandbox, ran)
}

#[test]
fn a_wheel_of_something_else_is_refused() {
    let made = |what: &str| format!("def build_wheel(folder, *more):\n    return {what}\n");
    refused(
        &made("wheel(folder, name='bar')"),
        "a wheel of something else",
    );
    refused(
        &made("wheel(folder, version='2.0')"),
        "a wheel of something else",
    );
    refused(
        &made("os.rename(os.path.join(folder, wheel(folder)), os.path.join(folder, 'x')) or 'x'"),
        "which is not the name of a wheel",
    );
    refused(
        &made(
            "os.rename(os.path.join(folder, wheel(folder)), os.path.join(folder, 'foo-1.0-cp27-none-win32.whl')) or 'foo-1.0-cp27-none-win32.whl'",
        ),
        "which is not for the image's Python",
    );
    refused(
        &made(
            "open(os.path.join(folder, 'foo-1.0-py3-none-any.whl'), 'w').close() or 'foo-1.0-py3-none-any.whl'",
        ),
        "`build_wheel` made a wheel that is none",
    );
}

#[test]
fn an_answer_that_is_not_what_was_made_is_refused() {
    let made =
        |what: &str| format!("def build_wheel(folder, *more):\n    wheel(folder)\n    {what}\n");
    refused(
        &made("return '../../../../etc/passwd'"),
        "but says `../../../../etc/passwd`",
    );
    refused(&made("return 7"), "answers with 7, which is no text");
    refused(
        &made("return wheel(folder, version='2.0')"),
        "made 2 files instead of a wheel",
    );
    refused(
        "def build_wheel(folder, *more):\n    return 'foo-1.0-py3-none-any.whl'\n",
        "made no wheel",
    );
    let link = "\
def build_wheel(folder, *more):
    name = 'foo-1.0-py3-none-any.whl'
    os.symlink('/etc/passwd', os.path.join(folder, name))
    return name
";
    refused(link, "which is no file");
    let pipe = link.replace("os.symlink('/etc/passwd', ", "os.mkfifo(");
    refused(&pipe, "which is no file");
    let moved = "\
def build_wheel(folder, *more):
    name = wheel(folder)
    os.rename(folder, '/elsewhere')
    os.symlink('/elsewhere', folder)
    return name
";
    refused(moved, "left no directory with a wheel");
    let gone = "\
def build_wheel(folder, *more):
    os._exit(0)
";
    refused(gone, "left no answer");
}

#[test]
fn a_backend_that_fails_is_told_with_its_last_words() {
    refused(
        "def build_wheel(folder, *more):\n    raise ValueError('it is Tuesday')\n",
        "failed with exit code 1: ValueError: it is Tuesday",
    );
    refused(
        "import numpy\n",
        "No module named 'numpy'; it does not say what it is built with",
    );
    refused(
        "def build_wheel(folder, *more):\n    raise SystemExit(\"error: command 'gcc' failed: No such file or directory\")\n",
        "it needs a compiler: add `build-essential` to `apt-packages`",
    );
    refused(
        "def get_requires_for_build_wheel(*more):\n    return ['-r /etc/passwd']\n",
        "it needs `-r /etc/passwd` to be built, which is not the name of a package",
    );
}

#[test]
fn what_a_backend_writes_elsewhere_is_gone() {
    let index = Index::new();
    let backend = "\
def build_wheel(folder, *more):
    for path in ['/etc/new', '/usr/new', '/.imgspec/src/new', '/tmp/new']:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, 'w').close()
    return wheel(folder)
";
    let pins = pinned(&index, "foo", "1.0", &own("foo", "1.0", "", backend));
    let sandbox = sandbox(&index, &pins);
    sandbox.run(&["graph", "build"]).success();
    let layers = super::layers(&sandbox);
    // The base and the wheel are all that there is.
    assert_eq!(layers.len(), 2);
    let all = super::entries(&sandbox, &layers[1]);
    let new = all.iter().find(|entry| entry.contains("new "));
    assert_eq!(new, None);
    assert!(!std::path::Path::new("/etc/new").exists());
}

#[test]
fn archives_that_lead_outside_are_refused() {
    let escape = |path: &str, kind, link: &str| {
        let mut head = tar::Header::new_gnu();
        head.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        head.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        head.set_entry_type(kind);
        head.set_size(0);
        head.set_mode(0o644);
        head.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&head, &[][..]).unwrap();
        gzip(&tar.into_inner().unwrap())
    };
    let environment = "[build-system]\nrequires = []\nbackend-path = ['.']\nbuild-backend = 'b'\n";
    let with = |bad: Vec<u8>| {
        // What is hostile follows what is not, in a gzip member of its own.
        let good = sdist("foo", "1.0", &[("pyproject.toml", environment)]);
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&good[..]), &mut plain)
            .unwrap();
        plain.truncate(plain.len() - 1024);
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bad[..]), &mut plain)
            .unwrap();
        gzip(&plain)
    };
    for (bad, words) in [
        (
            escape("foo-1.0/../../etc/x", Regular, ""),
            "is not in its directory `foo-1.0`",
        ),
        (
            escape("/etc/x", Regular, ""),
            "is not in its directory `foo-1.0`",
        ),
        (
            escape("foo-1.0/x", Link, "/etc/passwd"),
            "is not in its directory `foo-1.0`",
        ),
        (
            escape("foo-1.0/x", Link, "foo-1.0/none"),
            "which is no file before it",
        ),
        (
            escape("foo-1.0/x", Char, ""),
            "is no file, directory or symbolic link",
        ),
        (
            escape("foo-1.0/pyproject.toml/x", Regular, ""),
            "which is no directory",
        ),
    ] {
        let _ = refused_with(&with(bad), words);
    }
    let _ = refused_with(b"not an archive", "it is no archive that is known");
}

#[test]
fn packages_that_need_themselves_to_be_built_are_told() {
    let index = Index::new();
    let one = own("foo", "1.0", "'bar'", "");
    let other = own("bar", "1.0", "'foo'", "");
    index.offer("bar-1.0.tar.gz", &other);
    let Some(sandbox) = super::with_uv(sandbox(&index, &pinned(&index, "foo", "1.0", &one))) else {
        return;
    };
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    let words = "what is built needs itself to be built: foo -> bar -> foo";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn a_build_that_hangs_ends_with_its_run() {
    let index = Index::new();
    let hangs = "\
import time
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
time.sleep(3600)
";
    let backend = super::tells(&index, "/hangs") + hangs;
    let pins = pinned(&index, "foo", "1.0", &own("foo", "1.0", "", &backend));
    let sandbox = sandbox(&index, &pins);
    let mut command = sandbox.command(&["graph", "build"]);
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !index.asked().iter().any(|path| path == "/hangs") {
        assert_eq!(run.try_wait().unwrap(), None, "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let begun = Instant::now();
    let killed = Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(20));
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
}
