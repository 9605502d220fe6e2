//! Files written where the user says: nothing is destroyed, and problems are reported before work starts.

use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::Command;

use crate::sandbox::Sandbox;

const ONE: &str = "image \"app\" { base-image \"scratch\" }\n";

fn one() -> Sandbox {
    Sandbox::with(&[("imgspec.kdl", ONE)])
}

#[test]
fn a_place_that_cannot_be_is_refused_before_anything_is_built() {
    for (flag, file, what, why) in [
        (
            "--metadata-file",
            "none/meta.json",
            "the metadata file",
            "there is no directory",
        ),
        ("--metadata-file", ".", "the metadata file", "a directory"),
        (
            "--timeline",
            "none/t.json",
            "the timeline",
            "there is no directory",
        ),
        ("--timeline", "folder.json", "the timeline", "a directory"),
        ("--summary", ".", "the summary", "a directory"),
    ] {
        let sandbox = one();
        std::fs::create_dir(sandbox.path("folder.json")).unwrap();
        sandbox.build(&[flag, file]).code(2).says(what).says(why);
        assert!(!sandbox.path(".imgspec").exists());
    }
}

#[test]
fn metadata_goes_behind_a_link_and_may_be_read_by_others() {
    let sandbox = one();
    sandbox.write("real.json", "old");
    symlink("real.json", sandbox.path("link.json")).unwrap();
    for file in ["link.json", "new.json"] {
        sandbox.build(&["--metadata-file", file]).success();
    }
    assert!(sandbox.path("link.json").is_symlink());
    assert!(sandbox.read("real.json").contains("\"reference\""));
    let mode = |file: &str| {
        let meta = std::fs::metadata(sandbox.path(file)).unwrap();
        meta.permissions().mode() & 0o777
    };
    sandbox.write("usual", "");
    assert_eq!(mode("new.json"), mode("usual"));
}

#[test]
fn a_pipe_that_metadata_is_written_to_stays_a_pipe() {
    let sandbox = one();
    let pipe = sandbox.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap())
    };
    sandbox.build(&["--metadata-file", "pipe"]).success();
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    assert!(reader.join().unwrap().contains("\"reference\""));
}

#[test]
fn a_failed_build_stays_one_when_its_files_cannot_be_written() {
    let files = [
        "--metadata-file",
        "/proc/imgspec-nowhere",
        "--timeline",
        "/proc/imgspec-nowhere.json",
    ];
    let sandbox = one().env("IMGSPEC_FAKE_FAIL", "app");
    let said = sandbox.build(&files).code(1);
    said.says("the metadata file").says("the timeline");
    // A run that is fine otherwise fails.
    let said = one().build(&files).code(2);
    said.says("the metadata file").says("the timeline");
}

#[test]
fn what_is_rendered_replaces_nothing() {
    let sandbox = one();
    sandbox.write("full/x", "");
    for (place, why) in [
        ("full", "is not empty"),
        ("imgspec.kdl", "is not a directory"),
    ] {
        sandbox
            .run(&["render", "app", "-o", place])
            .code(2)
            .says(why);
    }
    assert_eq!(sandbox.read("imgspec.kdl"), ONE);
}

#[test]
fn mistakes_are_counted_once() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", "imgae \"a\"\n")]);
    let said = sandbox.run(&["check"]).code(2).stderr;
    let counts = said
        .lines()
        .filter(|line| line.ends_with(" errors") || *line == "1 error");
    assert_eq!(counts.count(), 1, "{said}");
}
