//! Kills at any moment, concurrent runs, files that change: nothing is lost and nothing wrong is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::dice::Dice;
use crate::sandbox::{Ran, Sandbox};

/// 60 images: 12 roots, 48 on top of them in four layers.
fn sixty() -> String {
    let mut text = String::new();
    for at in 0..60 {
        let base = if at < 12 {
            "\"scratch\"".to_owned()
        } else {
            format!("image=\"i{}\"", at - 12)
        };
        text.push_str(&format!(
            "image \"i{at}\" {{ base-image {base}; copy \"f{}\" to=\"/f\" }}\n",
            at % 5
        ));
    }
    text
}

fn sandbox_of_sixty() -> Sandbox {
    let sandbox = Sandbox::with(&[("imgspec.kdl", &sixty())]).env("IMGSPEC_FAKE_SECONDS", "0.02");
    for at in 0..5 {
        sandbox.write(&format!("f{at}"), &format!("{at}"));
    }
    sandbox
}

/// Keys by image, from all records; each record must be intact.
fn records(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(sandbox.path(".imgspec/state")) else {
        return BTreeMap::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let records = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    records
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let record: serde_json::Value = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (
                record["image"].as_str().unwrap().to_owned(),
                record["key"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn killed_at_50_random_moments_every_record_is_whole_and_the_rest_is_built() {
    let sandbox = sandbox_of_sixty();
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let keys: BTreeMap<String, String> = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| {
            (
                tag["image"].as_str().unwrap().to_owned(),
                tag["key"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let mut dice = Dice::default();
    for round in 0..50 {
        if round % 10 == 0 {
            let _ = std::fs::remove_dir_all(sandbox.path(".imgspec"));
        }
        let mut child = sandbox.spawn(&["graph", "build", "--builder", "fake", "-j", "4"]);
        std::thread::sleep(Duration::from_millis(10 + dice.below(250)));
        child.kill().unwrap();
        child.wait().unwrap();
        let recorded = records(&sandbox);
        for (image, key) in &recorded {
            assert_eq!(
                Some(key),
                keys.get(image),
                "a wrong record of {image} in round {round}"
            );
        }
        sandbox.built();
        let finished: BTreeSet<String> = sandbox
            .plan(&[])
            .iter()
            .filter(|line| line.ends_with(" fresh"))
            .map(|line| line.replace(" fresh", ""))
            .collect();
        assert!(
            recorded.keys().all(|image| finished.contains(image)),
            "a recorded image is not fresh in round {round}"
        );
        if round % 10 == 9 {
            sandbox.build(&[]).success();
            let expected: Vec<String> = {
                let mut all: Vec<String> = keys
                    .keys()
                    .filter(|image| !finished.contains(*image))
                    .cloned()
                    .collect();
                all.sort();
                all
            };
            assert_eq!(sandbox.built(), expected, "round {round}");
            assert_eq!(
                records(&sandbox).len() + finished.len().saturating_sub(recorded.len()),
                60
            );
        }
    }
}

#[test]
fn two_runs_at_once_build_each_image_once_and_both_succeed() {
    // skaffold: of two processes with one state file, the last one wins.
    let sandbox = sandbox_of_sixty();
    let arguments = ["graph", "build", "--builder", "fake", "-j", "4"];
    let (first, second) = (sandbox.spawn(&arguments), sandbox.spawn(&arguments));
    for child in [first, second] {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let built = sandbox.built();
    assert_eq!(built.len(), 60, "{built:?}");
    assert_eq!(built.iter().collect::<BTreeSet<_>>().len(), 60);
    assert_eq!(records(&sandbox).len(), 60);
}

/// Its record used to be adopted although the image was with another builder or daemon.
#[test]
fn what_another_run_builds_meanwhile_counts_only_where_this_run_has_it() {
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"f\" to=\"/f\" }\n";
    for builder in ["fake", "oci"] {
        let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "1")]);
        let build = |builder: &str| {
            let mut command = sandbox.command(&["graph", "build", "--builder", builder]);
            command.env("IMGSPEC_FAKE_SECONDS", "1");
            command
        };
        let first = build("fake").spawn().unwrap();
        let start = std::time::Instant::now();
        while !sandbox.path(".imgspec/logs/a.log").exists() {
            assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
            std::thread::sleep(Duration::from_millis(5));
        }
        // A store of its own, like another daemon's.
        let mut second = build(builder);
        second.env("IMGSPEC_FAKE_STORE", sandbox.path("other"));
        second.env("XDG_CACHE_HOME", sandbox.path("cache"));
        Ran::of(&mut second).success().says("built 1 in");
        assert!(first.wait_with_output().unwrap().status.success());
    }
}

#[test]
fn files_that_change_before_they_are_sent_are_noticed_and_built_as_they_are() {
    // flytekit#3246: `b` is staged only after `a` is built; its file changes in between.
    let manifest = "image \"a\" { base-image \"scratch\" }\nimage \"b\" { base-image image=\"a\"; copy \"f\" to=\"/f\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "old")])
        .env("IMGSPEC_FAKE_SECONDS", "0.6");
    let child = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    let start = std::time::Instant::now();
    while !sandbox.path(".imgspec/logs/a.log").exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
    sandbox.write("f", "new");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("changed while `b` was being built; restarting the build"),
        "{stderr}"
    );
    assert_eq!(sandbox.plan(&[]), ["a fresh", "b fresh"]);
}

/// The key of a restarted image used to depend on what its base would be now, instead of what it was built on.
#[test]
fn what_is_begun_again_is_called_by_the_base_that_is_in_it() {
    let manifest = "image \"x\" { base-image \"scratch\"; copy \"f\" to=\"/f\" }\nimage \"y\" { base-image image=\"x\"; copy \"f\" to=\"/g\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "old")])
        .env("IMGSPEC_FAKE_SECONDS", "0.6");
    let child = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    let start = std::time::Instant::now();
    while !std::fs::read_to_string(sandbox.path(".imgspec/logs/x.log"))
        .unwrap_or_default()
        .contains("pretending")
    {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
    sandbox.write("f", "new");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("changed while `y` was being built; restarting the build"),
        "{stderr}"
    );
    assert!(
        stderr
            .contains("`f` changed while `x` was being built: the image has the previous content"),
        "{stderr}"
    );
    let y_now = sandbox.run(&["tag", "y"]).success().stdout;
    assert!(!stderr.contains(y_now.trim()), "{stderr}");
    assert_eq!(sandbox.plan(&["x"]), ["x build input-changed:copy[0]:f"]);
}

#[test]
fn files_that_change_after_they_were_sent_are_noticed_and_left_for_the_next_run() {
    let manifest = "image \"b\" { base-image \"scratch\"; copy \"f\" to=\"/f\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "old")])
        .env("IMGSPEC_FAKE_SECONDS", "0.6");
    let child = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    let start = std::time::Instant::now();
    while !std::fs::read_to_string(sandbox.path(".imgspec/logs/b.log"))
        .unwrap_or_default()
        .contains("pretending")
    {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
    sandbox.write("f", "new");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("`f` changed while `b` was being built"),
        "{stderr}"
    );
    assert_eq!(sandbox.plan(&[]), ["b build input-changed:copy[0]:f"]);
}

#[test]
fn unreadable_records_count_as_never_built_and_say_so() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", "image \"a\" { base-image \"scratch\" }")]);
    sandbox.build(&[]).success();
    std::fs::remove_dir_all(sandbox.path(".imgspec/fake/local")).unwrap();
    let state = sandbox.path(".imgspec/state");
    let record = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "json"))
        .unwrap();
    for torn in ["", "{", "{\"version\": 999}", "\u{0}\u{0}"] {
        std::fs::write(&record, torn).unwrap();
        assert!(
            sandbox.plan(&[])[0].starts_with("a build never-built:"),
            "{torn:?}: {:?}",
            sandbox.plan(&[])
        );
    }
    sandbox.build(&[]).success();
    assert_eq!(sandbox.plan(&[]), ["a fresh"]);
}

#[test]
fn the_same_checkout_has_the_same_keys_wherever_it_lies() {
    // garden#5501, werf#7465: different path, umask, locale, time zone, and order of creation.
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"d\" to=\"/d\"; env A=\"1\" }\n";
    let names = ["d/z", "d/ä", "d/A", "d/sub/x", "d/sub/y"];
    let here = Sandbox::with(&[("imgspec.kdl", manifest)]);
    for name in names {
        here.write(name, name);
    }
    let there = Sandbox::new()
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("TZ", "Asia/Kathmandu");
    for name in names.iter().rev() {
        there.write(name, name);
        std::fs::set_permissions(there.path(name), std::fs::Permissions::from_mode(0o660)).unwrap();
    }
    there.write("imgspec.kdl", manifest);
    let key = |sandbox: &Sandbox| {
        sandbox.run(&["tag", "--format", "json"]).success().json()[0]["key"].clone()
    };
    assert_eq!(key(&here), key(&there));
}
