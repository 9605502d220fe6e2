//! Changes during builds: no stale result remains, unaffected builds continue, failures wait.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::{STACK, Watch, all_fresh, stack};
use crate::dice::Dice;
use crate::sandbox::Sandbox;

/// References by image, from tags and records.
fn tags(sandbox: &Sandbox) -> Vec<String> {
    let folder = fs::read_dir(sandbox.path(".imgspec/fake/local"));
    let mut tags: Vec<String> = folder
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    tags.sort();
    tags
}

/// Seen in skaffold#769 and tilt#1816.
#[test]
fn an_edit_stops_the_builds_that_it_touches_and_no_others() {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "1.5");
    let mut watch = Watch::start(&sandbox, &[]);
    watch.until_it(
        |event| event["event"] == "image-step" && event["image"] == "base",
        "base",
    );
    std::thread::sleep(Duration::from_millis(300));
    sandbox.write("base/x", "2");
    let wave = watch.wave();
    assert_eq!(wave.images("image-superseded"), ["base"]);
    // `base` was started before the test began to collect this wave's events.
    let starts = watch
        .heard
        .iter()
        .filter(|event| event["event"] == "image-started");
    let mut starts: Vec<&str> = starts
        .map(|event| event["image"].as_str().unwrap())
        .collect();
    starts.sort_unstable();
    assert_eq!(starts, ["app", "base", "base", "other"]);
    assert_eq!(wave.built(), ["app", "base", "other"]);
    assert_eq!(tags(&sandbox).len(), 3, "nothing stale has a tag");
    all_fresh(&sandbox);
}

/// Seen in skaffold#769 and tilt#1816.
#[test]
fn an_edit_in_every_phase_of_a_build_ends_in_the_newest() {
    // Base and app take 0.3 s each: the edits happen before, during and between their locks, stagings, steps, tags and
    // records.
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "0.3");
    let mut watch = Watch::settled(&sandbox, &[]);
    for round in 0..18_u64 {
        sandbox.write("base/x", &format!("first {round}"));
        std::thread::sleep(Duration::from_millis(20 + round * 41));
        sandbox.write("base/x", &format!("second {round}"));
        sandbox.write("app/x", &format!("{round}"));
        wait_until_fresh(&sandbox, &mut watch);
    }
    let log = fs::read_to_string(sandbox.path(".imgspec/fake/builds.log")).unwrap();
    assert_eq!(
        log.lines().filter(|image| *image == "other").count(),
        1,
        "nobody touched it"
    );
}

/// Waits until a fresh plan finds nothing to do and the wave has ended.
#[track_caller]
pub(super) fn wait_until_fresh(sandbox: &Sandbox, watch: &mut Watch) {
    let start = std::time::Instant::now();
    loop {
        let plan = sandbox.run(&["graph", "plan", "--builder", "fake", "--format", "json"]);
        if plan.code == Some(0)
            && plan.json()["images"]
                .as_array()
                .unwrap()
                .iter()
                .all(|image| image["action"] == "fresh")
        {
            return;
        }
        while watch
            .events
            .try_recv()
            .map(|event| watch.heard.push(event))
            .is_ok()
        {}
        assert!(
            start.elapsed() < super::LIMIT,
            "{plan:?}\n{}",
            watch.story()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_edit_of_the_manifest_stops_only_whose_inputs_it_changes() {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "1");
    let mut watch = Watch::start(&sandbox, &[]);
    watch.until_it(
        |event| event["event"] == "image-step" && event["image"] == "other",
        "other",
    );
    let edited = STACK.replace("copy \"other\"", "env A=\"1\"; copy \"other\"");
    sandbox.write(
        "imgspec.kdl",
        &format!("{edited}image \"new\" {{ base-image \"scratch\" }}\n"),
    );
    let wave = watch.wave();
    assert_eq!(wave.images("image-superseded"), ["other"]);
    assert_eq!(wave.built(), ["app", "base", "new", "other"]);
    assert_eq!(tags(&sandbox).len(), 4);
    all_fresh(&sandbox);
}

#[test]
fn an_image_that_is_taken_out_while_it_is_built_is_stopped() {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "1");
    let mut watch = Watch::start(&sandbox, &[]);
    watch.until_it(
        |event| event["event"] == "image-step" && event["image"] == "other",
        "other",
    );
    let without = STACK.lines().take(2).collect::<Vec<_>>().join("\n") + "\n";
    sandbox.write("imgspec.kdl", &without);
    let wave = watch.wave();
    assert_eq!(wave.images("image-superseded"), ["other"]);
    assert_eq!(wave.built(), ["app", "base"]);
    assert_eq!(tags(&sandbox).len(), 2);
}

#[test]
fn a_failed_image_waits_for_a_change_that_can_mend_it() {
    let sandbox = stack().env("IMGSPEC_FAKE_FAIL", "base");
    let mut watch = Watch::start(&sandbox, &[]);
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-failed")),
        (vec!["other".to_owned()], vec!["base".to_owned()])
    );
    let waits = wave
        .0
        .iter()
        .find(|event| event["event"] == "image-waiting")
        .expect("app waits");
    assert_eq!(
        (&waits["image"], &waits["because"][0]),
        (&"app".into(), &"base".into())
    );
    let last = wave.0.last().unwrap();
    assert_eq!(
        (&last["failed"][0], &last["waiting"][0]),
        (&"base".into(), &"app".into())
    );
    // A change that cannot fix it does not retry it.
    sandbox.write("other/x", "2");
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-started")),
        (vec!["other".to_owned()], vec!["other".to_owned()])
    );
    sandbox.write("app/x", "2");
    assert_eq!(watch.wave().images("image-started"), [""; 0]);
    // One that may fix it does.
    sandbox.write("base/x", "2");
    assert_eq!(watch.wave().images("image-failed"), ["base"]);
    let mended = format!(
        "{}\nimage \"base\" {{ base-image \"scratch\" }}\n",
        STACK
            .lines()
            .skip(1)
            .map(|line| line.replace("image=\"base\"", "\"scratch\""))
            .collect::<Vec<_>>()
            .join("\n")
    );
    sandbox.write("imgspec.kdl", &mended);
    let wave = watch.wave();
    assert_eq!(wave.built(), ["app"]);
}

/// Only what changed the key used to count: an image whose registry was mistyped stayed failed once that was corrected.
#[test]
fn a_failed_image_is_tried_again_under_another_name_and_with_another_builder() {
    let image = |more: &str| format!("image \"a\" {{ base-image \"scratch\"; {more} }}\n");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &image("registry \"one.example\""))])
        .env("IMGSPEC_FAKE_FAIL", "a");
    let mut watch = Watch::start(&sandbox, &[]);
    assert_eq!(watch.wave().images("image-failed"), ["a"]);
    for corrected in [
        "registry \"two.example\"",
        "registry \"two.example\"; name \"b\"",
        "registry \"two.example\"; name \"b\"; tag-format \"{spec_hash}-x\"",
    ] {
        sandbox.write("imgspec.kdl", &image(corrected));
        let wave = watch.wave();
        assert_eq!(wave.images("image-failed"), ["a"], "{corrected}: {wave:?}");
    }
    sandbox.write("imgspec.kdl", &image("builder \"oci\""));
    assert_eq!(watch.wave().built(), ["a"]);
}

/// The other builder's image used to count as this one's, which does not have it.
#[test]
fn a_build_is_stopped_when_another_builder_is_to_make_the_image() {
    let image = |builder: &str| {
        format!(
            "image \"a\" {{ builder \"{builder}\"; base-image \"scratch\"; copy \"f\" to=\"/f\" }}\n"
        )
    };
    let sandbox = Sandbox::with(&[("imgspec.kdl", &image("fake")), ("f", "1")])
        .env("IMGSPEC_FAKE_SECONDS", "2");
    let mut watch = Watch::start(&sandbox, &[]);
    watch.until("image-step");
    sandbox.write("imgspec.kdl", &image("oci"));
    let wave = watch.wave();
    assert_eq!(wave.images("image-superseded"), ["a"]);
    assert_eq!(wave.built(), ["a"]);
    let built = wave.0.iter().find(|event| event["event"] == "image-built");
    assert_eq!(built.unwrap()["backend"], "oci");
    all_fresh(&sandbox);
}

#[test]
fn fail_fast_stops_everything_until_something_changes() {
    let manifest = "image \"bad\" { base-image \"scratch\"; copy \"f\" to=\"/\" }\nimage \"good\" { base-image \"scratch\"; commands \"1\" \"2\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "1")])
        .env("IMGSPEC_FAKE_FAIL", "bad")
        .env("IMGSPEC_FAKE_SECONDS", "0.4");
    let mut watch = Watch::start(&sandbox, &["--fail-fast", "-j", "1"]);
    assert_eq!(watch.wave().built(), [""; 0]);
    sandbox.write("imgspec.kdl", &manifest.replace("\"bad\"", "\"mended\""));
    assert_eq!(watch.wave().built(), ["good", "mended"]);
}

#[test]
fn ctrl_c_during_a_build_is_a_clean_end_without_tag_or_record() {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "30");
    let mut watch = Watch::start(&sandbox, &[]);
    watch.until("image-step");
    let heard = watch.stop();
    assert_eq!(heard.last().unwrap()["event"], "watch-ended");
    assert_eq!(tags(&sandbox), [""; 0]);
    let state = fs::read_dir(sandbox.path(".imgspec/state")).unwrap();
    let records = state.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "json")
    });
    assert_eq!(records.count(), 0);
}

#[test]
fn each_image_is_pushed_when_it_is_built_again() {
    let manifest =
        "image \"a\" { registry \"r.example\"; base-image \"scratch\"; copy \"f\" to=\"/f\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "1")]);
    let mut watch = Watch::start(&sandbox, &["--push"]);
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-pushed")),
        (vec!["a".to_owned()], vec!["a".to_owned()])
    );
    sandbox.write("f", "2");
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-pushed")),
        (vec!["a".to_owned()], vec!["a".to_owned()])
    );
    assert_eq!(
        fs::read_dir(sandbox.path(".imgspec/fake/registry"))
            .unwrap()
            .count(),
        2
    );
}

#[test]
fn force_builds_once_what_is_fresh() {
    let sandbox = stack();
    sandbox.build(&[]).success();
    let mut watch = Watch::start(&sandbox, &["--force", "other"]);
    assert_eq!(watch.wave().built(), ["other"]);
    sandbox.write("other/x", "2");
    assert_eq!(watch.wave().built(), ["other"]);
    watch.stays_still();
}

#[test]
fn a_file_that_is_written_while_it_is_sent_does_not_get_into_a_record() {
    // flytekit#3246: `app` is staged only after `base` is built.
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "0.5");
    let mut watch = Watch::start(&sandbox, &["--quiet-period", "2s"]);
    watch.until_it(
        |event| event["event"] == "image-step" && event["image"] == "base",
        "base",
    );
    sandbox.write("app/x", "changed, and nobody has looked yet");
    let wave = watch.wave();
    assert_eq!(wave.built(), ["app", "base", "other"], "{wave:?}");
    assert_eq!(tags(&sandbox).len(), 3);
    all_fresh(&sandbox);
}

/// One random edit, after which the workspace can always be built.
fn edit(sandbox: &Sandbox, dice: &mut Dice) {
    let image = ["base", "app", "other"][dice.index(3)];
    let name = format!("{image}/f{}", dice.below(4));
    let (text, at) = (format!("{}", dice.below(3)), sandbox.path(&name));
    match dice.below(10) {
        0..=2 => {
            if !at.is_dir() {
                sandbox.write(&name, &text);
            }
        }
        3 => drop(fs::remove_file(&at)),
        4 => {
            sandbox.write(&format!("{image}/.save"), &text);
            let _ = fs::rename(sandbox.path(&format!("{image}/.save")), &at);
        }
        5 => sandbox.write(&format!("{image}/d{}/e/g", dice.below(3)), &text),
        6 => drop(fs::remove_dir_all(
            sandbox.path(&format!("{image}/d{}", dice.below(3))),
        )),
        7 => drop(std::os::unix::fs::symlink(&text, &at)),
        8 => {
            let (old, new) = (
                format!("{image}/d{}", dice.below(3)),
                format!("{image}/d{}", dice.below(3)),
            );
            let _ = fs::rename(sandbox.path(&old), sandbox.path(&new));
        }
        _ => {
            let base = ["\"scratch\"", "image=\"base\""][dice.index(2)];
            let manifest = STACK
                .replace("image=\"base\"", base)
                .replace("\"true\"", &format!("\"true {text}\""));
            sandbox.write("imgspec.kdl", &manifest);
        }
    }
}

fn scripts(seed: u64, count: usize) {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "0.05");
    let mut watch = Watch::settled(&sandbox, &[]);
    let mut dice = Dice::new(seed);
    for _ in 0..count {
        for _ in 0..=dice.below(6) {
            edit(&sandbox, &mut dice);
            std::thread::sleep(Duration::from_millis(dice.below(4) * dice.below(25)));
        }
        wait_until_fresh(&sandbox, &mut watch);
    }
    let heard = watch.stop();
    let mut built: BTreeMap<String, usize> = BTreeMap::new();
    for event in heard.iter().filter(|event| event["event"] == "image-built") {
        *built
            .entry(event["reference"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let most = built.values().max().copied().unwrap_or_default();
    assert_eq!(most, 1, "what is there is never built again: {built:?}");
    // Records match what a fresh plan calls fresh, and every tag was reported.
    all_fresh(&sandbox);
}

#[test]
fn after_200_random_edit_scripts_records_are_what_a_fresh_plan_calls_fresh() {
    std::thread::scope(|scope| {
        for seed in [
            0x9e37_79b9_7f4a_7c15,
            0xbf58_476d_1ce4_e5b9,
            0x94d0_49bb_1331_11eb,
            0x2545_f491_4f6c_dd1d,
        ] {
            scope.spawn(move || scripts(seed, 50));
        }
    });
}
