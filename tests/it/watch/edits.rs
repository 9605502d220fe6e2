//! Which edits trigger builds, and which do not.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::{STACK, Watch, all_fresh, stack};
use crate::sandbox::Sandbox;

#[test]
fn it_builds_what_is_stale_then_what_an_edit_touches() {
    let sandbox = stack();
    let mut watch = Watch::start(&sandbox, &[]);
    assert_eq!(watch.wave().built(), ["app", "base", "other"]);
    sandbox.write("app/x", "2");
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.files()),
        (vec!["app".to_owned()], vec!["app/x".to_owned()])
    );
    sandbox.write("base/x", "2");
    assert_eq!(watch.wave().built(), ["app", "base"]);
    all_fresh(&sandbox);
    watch.stop();
    let mut watch = Watch::start(&sandbox, &["other"]);
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-fresh")),
        (vec![], vec!["other".to_owned()])
    );
    sandbox.write("base/x", "3");
    watch.stays_still();
    watch.stop();
}

#[test]
fn what_changes_no_key_builds_nothing() {
    // compose#13136, compose#12089: touch, same bytes, a revert, an editor saving the same bytes, ignored and unrelated
    // files.
    let sandbox = stack();
    sandbox.write(".dockerignore", "base/cache\n");
    sandbox.write("base/cache/deep/x", "");
    let mut watch = Watch::settled(&sandbox, &["--quiet-period", "150ms"]);
    let started = watch
        .heard
        .iter()
        .find(|event| event["event"] == "watch-started")
        .unwrap()
        .clone();
    assert_eq!(started["images"], 3);
    assert_eq!(started["files"], 3);
    assert_eq!(
        started["folders"], 4,
        "the root and three directories, nothing ignored"
    );
    let file = fs::File::open(sandbox.path("base/x")).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    sandbox.write("app/x", "1");
    sandbox.write("other/x", "2");
    sandbox.write("other/x", "1");
    sandbox.write("base/x~", "1");
    fs::rename(sandbox.path("base/x~"), sandbox.path("base/x")).unwrap();
    sandbox.write("base/cache/new/y", "y");
    sandbox.write("README.md", "");
    sandbox.write(".imgspec/logs/z", "");
    let now = fs::read_to_string(sandbox.path("imgspec.kdl")).unwrap();
    sandbox.write("imgspec.kdl", &now);
    watch.stays_still();
    assert_eq!(watch.stop().last().unwrap()["waves"], 1);
}

#[test]
fn a_revert_after_the_build_is_found_again_and_not_built() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &[]);
    sandbox.write("other/x", "2");
    assert_eq!(watch.wave().built(), ["other"]);
    sandbox.write("other/x", "1");
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-fresh")),
        (vec![], vec!["other".to_owned()])
    );
}

/// Seen in fff#391 and devenv#2605.
#[test]
fn new_nested_folders_made_in_one_go_are_seen_50_of_50() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &[]);
    for round in 0..50 {
        let path = format!("other/n{round}/a/b/file");
        sandbox.write(&path, "x");
        watch.until_it(
            |event| {
                event["files"]
                    .as_array()
                    .is_some_and(|files| files.iter().any(|file| *file == path))
            },
            &path,
        );
        watch.until("watch-waiting");
    }
    // Later changes in them are detected too.
    for round in [0, 49] {
        sandbox.write(&format!("other/n{round}/a/b/file"), "y");
        assert_eq!(watch.wave().built(), ["other"]);
    }
    all_fresh(&sandbox);
}

#[test]
fn renamed_folders_are_followed() {
    let sandbox = stack();
    sandbox.write("other/a/b/x", "1");
    sandbox.write("aside/c/x", "1");
    let mut watch = Watch::settled(&sandbox, &[]);
    fs::rename(sandbox.path("other/a"), sandbox.path("other/z")).unwrap();
    assert_eq!(watch.wave().built(), ["other"]);
    sandbox.write("other/z/b/x", "2");
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.files()),
        (vec!["other".to_owned()], vec!["other/z/b/x".to_owned()])
    );
    // Moved out of the file set and back into it.
    fs::rename(sandbox.path("other/z"), sandbox.path("aside/z")).unwrap();
    assert_eq!(watch.wave().count("image-started"), 1);
    sandbox.write("aside/z/b/x", "3");
    watch.stays_still();
    fs::rename(sandbox.path("aside"), sandbox.path("other/aside")).unwrap();
    assert_eq!(watch.wave().built(), ["other"]);
    sandbox.write("other/aside/z/b/x", "4");
    assert_eq!(watch.wave().built(), ["other"]);
    all_fresh(&sandbox);
}

/// Seen in fff#391 and devenv#2605.
#[test]
fn saves_by_renaming_are_seen_every_time() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &[]);
    for round in 0..10 {
        let (new, file) = (sandbox.path("app/.x.swp"), sandbox.path("app/x"));
        fs::write(&new, format!("r{round}")).unwrap();
        fs::rename(new, file).unwrap();
        assert_eq!(watch.wave().built(), ["app"]);
    }
    sandbox.write("imgspec.kdl~", &STACK.replace("\"true\"", "\"false\""));
    fs::rename(sandbox.path("imgspec.kdl~"), sandbox.path("imgspec.kdl")).unwrap();
    assert_eq!(watch.wave().built(), ["app"]);
}

/// Seen in skaffold#769 and tilt#1816.
#[test]
fn files_and_folders_that_go_and_come_back_are_seen() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &[]);
    for round in 0..5 {
        fs::remove_file(sandbox.path("app/x")).unwrap();
        assert_eq!(
            watch.wave().built(),
            if round == 0 { vec!["app"] } else { vec![] },
            "an empty directory"
        );
        sandbox.write("app/x", &format!("{round} again"));
        assert_eq!(watch.wave().built(), ["app"]);
    }
    for round in 0..5 {
        fs::remove_dir_all(sandbox.path("other")).unwrap();
        let wave = watch.wave();
        assert_eq!(wave.images("image-failed"), ["other"], "{wave:?}");
        sandbox.write("other/x", &format!("back {round}"));
        let wave = watch.wave();
        assert_eq!(wave.built(), ["other"], "{wave:?}");
    }
    // A whole directory is replaced between two looks.
    for round in 0..10 {
        let (old, new) = (sandbox.path("base"), sandbox.path(&format!("new{round}")));
        fs::create_dir(&new).unwrap();
        fs::write(new.join("x"), format!("replaced {round}")).unwrap();
        fs::rename(&old, sandbox.path(&format!("old{round}"))).unwrap();
        fs::rename(&new, &old).unwrap();
        assert_eq!(watch.wave().built(), ["app", "base"]);
        sandbox.write("base/y", &format!("later {round}"));
        assert_eq!(watch.wave().built(), ["app", "base"]);
        sandbox.write(&format!("old{round}/x"), "nobody reads it");
    }
    watch.stays_still();
    all_fresh(&sandbox);
}

/// Seen in fff#391 and devenv#2605.
#[test]
fn swapped_links_are_seen() {
    let manifest = "image \"site\" { base-image \"scratch\"; copy \"current\" to=\"/site\" }\n";
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", manifest),
        ("releases/0/x", "zero"),
        ("releases/1/x", "one"),
    ]);
    let swap = |to: &str| {
        let (new, link) = (sandbox.path("next"), sandbox.path("current"));
        symlink(to, &new).unwrap();
        fs::rename(new, link).unwrap();
    };
    swap("releases/0");
    let mut watch = Watch::settled(&sandbox, &[]);
    for round in 1..6 {
        swap(&format!("releases/{}", round % 2));
        let wave = watch.wave();
        let expected = if round == 1 { vec!["site"] } else { vec![] };
        assert_eq!(
            wave.built(),
            expected,
            "what was built before is found again"
        );
        assert_eq!(wave.built().len() + wave.images("image-fresh").len(), 1);
    }
    sandbox.write("releases/1/x", "one, edited");
    assert_eq!(watch.wave().built(), ["site"]);
    sandbox.write("releases/0/x", "nobody reads it now");
    watch.stays_still();
}

#[test]
fn requirements_and_ignore_files_wake_who_reads_them() {
    let manifest = "image \"a\" { base-image \"scratch\"; requirements \"requirements.txt\" }\nimage \"b\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", manifest),
        ("requirements.txt", "-r deps/more.txt\n"),
        ("deps/more.txt", "six\n"),
        ("src/x", "1"),
        ("src/skip/y", "1"),
    ]);
    let mut watch = Watch::settled(&sandbox, &[]);
    sandbox.write("deps/more.txt", "six==1.16\n");
    assert_eq!(watch.wave().built(), ["a"]);
    sandbox.write(".dockerignore", "src/skip\n");
    assert_eq!(watch.wave().built(), ["b"]);
    sandbox.write("src/skip/y", "2");
    watch.stays_still();
    fs::remove_file(sandbox.path(".dockerignore")).unwrap();
    assert_eq!(watch.wave().built(), ["b"]);
    sandbox.write("src/skip/y", "3");
    assert_eq!(watch.wave().built(), ["b"]);
}

#[test]
fn a_manifest_edit_adds_removes_and_rewires_images() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &[]);
    let more = format!("{STACK}image \"new\" {{ base-image image=\"other\" }}\n");
    sandbox.write("imgspec.kdl", &more);
    let wave = watch.wave();
    assert_eq!(wave.built(), ["new"]);
    assert!(
        wave.0
            .iter()
            .any(|event| event["event"] == "graph-changed" && event["added"][0] == "new")
    );
    sandbox.write("other/x", "2");
    assert_eq!(watch.wave().built(), ["new", "other"]);
    sandbox.write(
        "imgspec.kdl",
        &more.replace("image=\"other\"", "image=\"base\""),
    );
    assert_eq!(watch.wave().built(), ["new"]);
    sandbox.write("other/x", "3");
    assert_eq!(watch.wave().built(), ["other"]);
    sandbox.write("imgspec.kdl", STACK);
    let changed = watch.until("graph-changed");
    assert_eq!(changed["removed"][0], "new");
    sandbox.write("base/x", "2");
    assert_eq!(watch.wave().built(), ["app", "base"]);
}

#[test]
fn included_manifests_are_followed_also_those_that_come_later() {
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", "workspace { include \"services/*\" }\n"),
        (
            "services/a/imgspec.kdl",
            "image \"a\" { base-image \"scratch\" }\n",
        ),
    ]);
    let mut watch = Watch::settled(&sandbox, &[]);
    sandbox.write(
        "services/b/imgspec.kdl",
        "image \"b\" { base-image \"scratch\"; copy \"src\" to=\"/\" }\n",
    );
    watch.until("manifests-broken");
    sandbox.write("services/b/src/x", "1");
    watch.until("manifests-mended");
    assert_eq!(watch.wave().built(), ["b"]);
    sandbox.write("services/b/src/x", "2");
    assert_eq!(watch.wave().built(), ["b"]);
    fs::create_dir(sandbox.path("services/c")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    sandbox.write(
        "services/c/imgspec.kdl",
        "image \"c\" { base-image \"scratch\" }\n",
    );
    assert_eq!(watch.wave().built(), ["c"]);
    fs::remove_dir_all(sandbox.path("services/b")).unwrap();
    assert_eq!(watch.until("graph-changed")["removed"][0], "b");
}

/// Seen in skaffold#769 and tilt#1816.
#[test]
fn a_broken_manifest_is_shown_the_last_good_graph_lives_and_it_recovers() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &[]);
    sandbox.write("imgspec.kdl", "image \"base\" {");
    let broken = watch.until("manifests-broken");
    assert_eq!(broken["mistakes"][0]["code"], "syntax");
    sandbox.write("other/x", "2");
    assert_eq!(watch.wave().built(), ["other"]);
    sandbox.write(
        "imgspec.kdl",
        "image \"base\" { base-image image=\"gone\" }",
    );
    watch.until("manifests-broken");
    sandbox.write("imgspec.kdl", STACK);
    watch.until("manifests-mended");
    fs::remove_file(sandbox.path("imgspec.kdl")).unwrap();
    watch.until("manifests-broken");
    sandbox.write("imgspec.kdl", &STACK.replace("\"true\"", "\"again\""));
    watch.until("manifests-mended");
    assert_eq!(watch.wave().built(), ["app"]);
    all_fresh(&sandbox);
}

/// Only the start of a watch used to respect `--locked`.
#[test]
fn what_is_not_pinned_is_never_built_by_a_locked_watch() {
    let manifest = |base: &str| {
        format!(
            "image \"a\" {{ dockerfile \"Dockerfile\" context=\"own\" }}\nimage \"b\" {{ base-image \"{base}\"; copy \"f\" to=\"/f\" }}\n"
        )
    };
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", "image"),
        ("Dockerfile", "FROM scratch\n"),
        ("own/x", "1"),
        ("f", "1"),
    ]);
    let mut watch = Watch::start(&sandbox, &["--locked"]);
    let is_broken = |words: &'static str| {
        move |event: &serde_json::Value| {
            let message = event["mistakes"][0]["message"].as_str().unwrap_or_default();
            event["event"] == "manifests-broken" && message.contains(words)
        }
    };
    let unlocked = "`imgspec.lock` does not pin `debian:12` (of b)";
    watch.until("manifests-broken");
    sandbox.write("imgspec.kdl", &manifest("debian:12"));
    watch.until_it(is_broken(unlocked), unlocked);
    sandbox.write("imgspec.kdl", &manifest("scratch"));
    watch.until("manifests-mended");
    assert_eq!(watch.wave().built(), ["a", "b"]);

    sandbox.write("imgspec.kdl", &manifest("debian:12"));
    watch.until_it(is_broken(unlocked), unlocked);
    // What was right goes on, files included.
    sandbox.write("f", "2");
    assert_eq!(watch.wave().built(), ["b"]);
    sandbox.write("imgspec.kdl", &manifest("scratch"));
    watch.until("manifests-mended");

    sandbox.write("Dockerfile", "FROM debian:12\n");
    let wave = watch.wave();
    assert_eq!(wave.images("image-failed"), ["a"]);
    assert_eq!(wave.built(), [""; 0]);
    let failed = watch
        .heard
        .iter()
        .rfind(|event| event["event"] == "image-failed");
    assert_eq!(
        failed.unwrap()["error"],
        "`imgspec.lock` does not pin `debian:12` (of a)"
    );
    sandbox.write("Dockerfile", "FROM scratch\nENV A=1\n");
    assert_eq!(watch.wave().built(), ["a"]);
}

/// It used to end with the start of a watch.
#[test]
fn flytekits_variable_for_unknown_images_holds_in_a_watch() {
    let manifest = |value: &str| {
        format!(
            "image \"it\" {{ flytekit \"1.16.31\"; python-exec \"/usr/bin/python3\"; env A=\"{value}\" }}\n"
        )
    };
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest("1"))]).env("FLYTE_IMG_FAST_FAIL", "1");
    let mut watch = Watch::start(&sandbox, &[]);
    assert_eq!(watch.wave().built(), ["it"]);
    let store = sandbox.path(".imgspec/fake/local");
    fs::remove_dir_all(&store).unwrap();
    fs::write(&store, "no directory").unwrap();
    sandbox.write("imgspec.kdl", &manifest("2"));
    let wave = watch.wave();
    assert_eq!(wave.images("image-started"), [""; 0], "{wave:?}");
    let failed = wave.0.iter().find(|event| event["event"] == "image-failed");
    let error = failed.expect("it fails")["error"].as_str().unwrap();
    assert!(
        error.starts_with("could not determine whether it exists"),
        "{error}"
    );
}

/// It used to select nothing: only a watch that began with sound manifests looked further up.
#[test]
fn a_watch_in_a_folder_without_images_builds_all_of_them_once_broken_manifests_are_mended() {
    let sandbox = stack();
    sandbox.write("docs/page.md", "");
    sandbox.write("imgspec.kdl", "image");
    let mut command = sandbox.command(&["watch", "--builder", "fake", "--progress", "json"]);
    let mut watch = Watch::of(command.current_dir(sandbox.path("docs")).spawn().unwrap());
    watch.until("manifests-broken");
    sandbox.write("imgspec.kdl", STACK);
    watch.until("manifests-mended");
    assert_eq!(watch.wave().built(), ["app", "base", "other"]);
}

#[test]
fn a_watch_may_begin_with_a_broken_manifest() {
    let sandbox = stack();
    sandbox.write("imgspec.kdl", "image");
    let mut watch = Watch::start(&sandbox, &[]);
    watch.until("manifests-broken");
    sandbox.write("imgspec.kdl", STACK);
    watch.until("manifests-mended");
    assert_eq!(watch.wave().built(), ["app", "base", "other"]);
    watch.stop();
    let said = sandbox
        .run(&["watch", "--builder", "fake", "nobody"])
        .code(2);
    said.says("nobody");
}
