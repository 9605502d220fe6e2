//! The environment of the state directory: disk, clock, cache, repository.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{BUILD, Other, PLAN, Place, file, link, list, pipe};
use crate::faults::guarded;
use crate::sandbox::{Ran, Sandbox, is_there};
use crate::watch::Watch;

#[test]
fn a_clock_set_back_a_day_hides_no_change_and_makes_none() {
    let place = Place::new();
    let tomorrow = SystemTime::now() + Duration::from_hours(24);
    let later = |path: &Path| File::open(path).unwrap().set_modified(tomorrow).unwrap();
    later(&place.sandbox.path("f"));
    let mut watch = Watch::settled(&place.sandbox, &[]);
    // The same except for one byte, including the time.
    fs::write(place.sandbox.path("f"), "2").unwrap();
    later(&place.sandbox.path("f"));
    watch.until("image-built");
    watch.until("watch-waiting");
    later(&place.sandbox.path("f"));
    watch.stays_still();
    watch.stop();
    let record = place.at("state/a.json");
    let text = fs::read_to_string(&record).unwrap();
    let finished = text.find("\"finished\": \"").unwrap() + "\"finished\": \"".len();
    let text = format!("{}2999{}", &text[..finished], &text[finished + 4..]);
    fs::write(&record, text).unwrap();
    let mut files = Vec::new();
    list(&place.at(""), &mut files);
    for file in &files {
        later(file);
    }
    assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
    fs::write(place.sandbox.path("f"), "3").unwrap();
    later(&place.sandbox.path("f"));
    assert_eq!(place.sandbox.plan(&[]), ["a build input-changed:copy[0]:f"]);
    place.run(BUILD).success();
    assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
    place.run(&["clean"]).success();
}

#[test]
fn what_only_looks_makes_no_state_directory() {
    let place = Place::new();
    for command in [
        PLAN,
        &["explain", "a"],
        &["check"],
        &["tag"],
        &["graph", "show"],
    ] {
        place.run(command).success();
    }
    place
        .run(&["render", "--builder", "fake", "-o", "to", "a"])
        .success();
    place.run(&["clean"]).success();
    place.run(&["doctor"]);
    assert!(!is_there(&place.at("")));
}

/// Runs a script with the program as `$0` where it may mount file systems; `tests/run` reports whether this machine
/// allows it.
pub(crate) fn mounting(sandbox: &Sandbox, script: &str, argument: &str) -> Option<Ran> {
    if std::env::var("IMGSPEC_TEST_MOUNTS").is_ok_and(|said| said == "none") {
        return None;
    }
    let program = sandbox.command(&[]);
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(program.get_program())
        .arg(argument)
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(sandbox.root());
    let ran = Ran::soon(&mut command);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    Some(ran)
}

/// Builds in a state directory with limited space, and again with more; returns the result of the first attempt.
const SHORT_OF_ROOM: &str = r#"
mkdir .imgspec
mount -t tmpfs -o "$1" none .imgspec || exit 9
"$0" graph build --builder fake
echo "first: $?"
"$0" graph plan --builder fake && "$0" explain a && "$0" explain b || exit 8
mount -o remount,size=4m,nr_inodes=1000 .imgspec || exit 9
"$0" graph build --builder fake || exit 7
"$0" graph plan --builder fake
"#;

#[test]
fn a_disk_that_is_full_at_any_write_is_said_and_nothing_wrong_is_recorded() {
    let images = "image \"a\" { base-image \"scratch\" }\nimage \"b\" { base-image image=\"a\" }\n";
    for (unit, first, step) in [("size", 4096, 4096), ("nr_inodes", 1, 1)] {
        let (mut room, mut enough, mut failures) = (first, 0, 0);
        while enough < 3 {
            let sandbox = guarded(&[("imgspec.kdl", images)]);
            let Some(ran) = mounting(&sandbox, SHORT_OF_ROOM, &format!("{unit}={room}")) else {
                return;
            };
            let ran = ran.success().says("0 to build, 2 fresh");
            for wrong in ["cannot be used", "could not determine"] {
                assert!(!ran.stdout.contains(wrong), "{}", ran.stdout);
            }
            let is_told = ran.stderr.contains("no space left on device");
            if ran.stdout.starts_with("first: 0\n") {
                enough += usize::from(!is_told);
            } else {
                assert!(is_told, "{}", ran.stderr);
                failures += 1;
            }
            room += step;
            assert!(room < 200 * step, "{unit}: {}", ran.stderr);
        }
        assert!(failures > 2, "{unit}: {failures}");
    }
}

const READ_ONLY: &str = r#"
mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" || exit 9
"$0" graph plan --builder fake || exit 8
"$0" check || exit 8
"$0" explain a || exit 8
"$0" graph build --builder fake
echo "build: $?"
"#;

#[test]
fn a_read_only_workspace_is_planned_and_its_build_is_refused_with_what_to_do() {
    let place = Place::new();
    let Some(ran) = mounting(&place.sandbox, READ_ONLY, "") else {
        return;
    };
    ran.success()
        .says("build: 2")
        .says("the state directory `.imgspec` cannot be created: `.imgspec` cannot be written: read-only file system")
        .says("make the workspace's directory writable");
    place.run(BUILD).success();
    place.sandbox.write("f", "2");
    let ran = mounting(&place.sandbox, READ_ONLY, "").unwrap();
    let ran = ran.success().says("build: 1");
    assert!(
        ran.stderr.contains("read-only file system"),
        "{}",
        ran.stderr
    );
}

/// Installs scripts with these names first in PATH.
fn with_programs(sandbox: Sandbox, programs: &[(&str, &str)]) -> Sandbox {
    let folder = sandbox.root().with_file_name("bin");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in programs {
        let at = folder.join(name);
        fs::write(&at, text).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    sandbox.env("PATH", &format!("{}:{path}", folder.display()))
}

#[test]
fn a_cache_directory_that_is_none_is_told_and_left_alone() {
    const ENVD: &str = "#!/bin/sh\necho 'envd: v1.3.6'\n";
    for (other, kind) in [
        (file as Other, "a file"),
        (link, "a symbolic link"),
        (pipe, "a named pipe"),
    ] {
        for name in ["imgspec", "imgspec/envd"] {
            let Place { sandbox, outside } = Place::new();
            let sandbox = with_programs(sandbox, &[("envd", ENVD)]);
            let place = Place { sandbox, outside };
            let cache = place.sandbox.root().with_file_name("home/.cache");
            fs::create_dir_all(cache.join(name).parent().unwrap()).unwrap();
            other(&cache.join(name), &place.outside);
            let said =
                format!("home/.cache/{name}` is {kind}, not a directory: imgspec keeps its cache");
            place
                .run(&["doctor"])
                .says(&said)
                .says("or set `IMGSPEC_CACHE`");
            place.run(&["-v", "clean"]).success();
            place.is_unharmed();
        }
        let place = Place::new();
        let cache = place.sandbox.root().with_file_name("home/.cache/imgspec");
        fs::create_dir_all(&cache).unwrap();
        other(&cache.join("oci"), &place.outside);
        let said = format!("imgspec/oci` is {kind}, not a directory");
        place.run(&["-v", "clean"]).success().says(&said);
        place.is_unharmed();
        is_told_of_the_embedded_builder(other, kind);
    }
    let place = Place::new();
    let cache = place.sandbox.root().with_file_name("theirs");
    fs::create_dir(&cache).unwrap();
    // Only root can give a directory away.
    if std::os::unix::fs::chown(&cache, Some(12345), None).is_ok() {
        let sandbox = Sandbox::with(&[("imgspec.kdl", EMBEDDED)])
            .env("IMGSPEC_CACHE", &cache.display().to_string());
        sandbox
            .run(&["graph", "build"])
            .code(1)
            .says("theirs` belongs to another user: imgspec keeps its cache")
            .says("or set `IMGSPEC_CACHE`");
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    }
}

const EMBEDDED: &str = "image \"a\" { builder \"oci\"; base-image \"scratch\"; env A=\"1\" }";

/// The same with a build, and with `IMGSPEC_CACHE`.
fn is_told_of_the_embedded_builder(other: Other, kind: &str) {
    let Place { sandbox, outside } = Place::new();
    let cache = sandbox.root().with_file_name("cache");
    let sandbox = sandbox.env("IMGSPEC_CACHE", &cache.display().to_string());
    sandbox.write("imgspec.kdl", EMBEDDED);
    let place = Place { sandbox, outside };
    other(&cache, &place.outside);
    let said = format!("cache` is {kind}, not a directory: imgspec keeps its cache");
    place.run(&["graph", "build"]).code(1).says(&said);
    place.is_unharmed();
    fs::remove_file(&cache).unwrap();
    place.run(&["graph", "build"]).success();
    let mode = fs::metadata(&cache).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    assert!(cache.join("images/blobs/sha256").is_dir());
    let usual = place.sandbox.root().with_file_name("home/.cache");
    assert!(!is_there(&usual));
}

fn git(sandbox: &Sandbox, words: &[&str]) {
    let mut git = Command::new("git");
    git.args(words)
        .current_dir(sandbox.root())
        .env("HOME", "/nowhere");
    assert!(git.status().unwrap().success(), "{words:?}");
}

#[test]
fn a_state_directory_that_is_committed_to_git_is_told_where_mistakes_are_looked_for() {
    let spy = "#!/bin/sh\necho \"$@\" >> ../git\nPATH=${PATH#*:} exec git \"$@\"\n";
    let place = Place::built();
    let sandbox = with_programs(place.sandbox, &[("git", spy)]);
    git(&sandbox, &["init", "--quiet"]);
    sandbox
        .run_soon(&["check"])
        .success()
        .says("no problems found");
    git(&sandbox, &["add", "--force", ".imgspec/state"]);
    let asked = sandbox.root().with_file_name("git");
    assert!(is_there(&asked));
    fs::remove_file(&asked).unwrap();
    let said = "the state directory `.imgspec` is committed to git";
    for command in [PLAN, BUILD] {
        let ran = sandbox.run_soon(command).success();
        assert!(!ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert!(!is_there(&asked), "a plan or a build started git");
    let help = "`git rm -r --cached .imgspec`";
    sandbox.run_soon(&["check"]).success().says(said).says(help);
    sandbox.run_soon(&["doctor"]).says(said).says(help);
    let found = sandbox.run_soon(&["check", "--format", "json"]).json();
    assert_eq!(found[0]["code"], "state-committed");
    assert_eq!(found[0]["severity"], "warning");
    git(&sandbox, &["rm", "-r", "--quiet", "--cached", ".imgspec"]);
    sandbox
        .run_soon(&["check"])
        .success()
        .says("no problems found");
}
