//! Polling, system limits, hooks, rejected options.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{STACK, Watch, all_fresh, stack};

/// Seen in notify#254 and tilt#1012.
#[test]
fn polling_sees_what_events_would() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &["--poll=0.1"]);
    let started = watch
        .heard
        .iter()
        .find(|event| event["event"] == "watch-started")
        .unwrap();
    assert_eq!(started["poll"], 0.1);
    sandbox.write("app/new/deep/x", "1");
    assert_eq!(watch.wave().built(), ["app"]);
    sandbox.write(
        "imgspec.kdl",
        &format!("{STACK}image \"new\" {{ base-image \"scratch\" }}\n"),
    );
    assert_eq!(watch.wave().built(), ["new"]);
    sandbox.write("imgspec.kdl", "image");
    watch.until("manifests-broken");
    sandbox.write("imgspec.kdl", STACK);
    watch.until("manifests-mended");
    fs::remove_dir_all(sandbox.path("other")).unwrap();
    assert_eq!(watch.wave().images("image-failed"), ["other"]);
    sandbox.write("other/x", "back");
    assert_eq!(watch.wave().built(), ["other"]);
    watch.stays_still();
    all_fresh(&sandbox);
    watch.stop();
}

/// Seen with compose's `max_user_instances` hint.
#[test]
fn where_the_system_lets_no_folder_be_watched_it_polls_and_says_what_to_raise() {
    // A user namespace has its own limits; without namespaces there is nothing to test.
    for (limit, words) in [
        ("max_inotify_watches", "max_user_watches"),
        ("max_inotify_instances", "max_user_instances"),
    ] {
        let sandbox = stack();
        let may = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c"])
            .arg(format!("echo 1 > /proc/sys/user/{limit}"))
            .output();
        if !may.is_ok_and(|may| may.status.success()) {
            return;
        }
        let program = env!("CARGO_BIN_EXE_imgspec");
        let script = format!(
            "echo 1 > /proc/sys/user/{limit}; [ {limit} = max_inotify_watches ] || echo 0 > /proc/sys/user/{limit}; exec {program} watch --builder fake --progress json --quiet-period 20ms"
        );
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", &script]);
        let template = sandbox.command(&[]);
        command.current_dir(sandbox.root()).env_clear();
        command.envs(
            template
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null());
        let mut watch = Watch::of(command.spawn().expect("it started just before"));
        let warning = watch.until("warning");
        let message = warning["message"].as_str().unwrap();
        assert!(
            message.contains(words) && message.contains("--poll"),
            "{message}"
        );
        watch.until("watch-waiting");
        sandbox.write("other/x", "2");
        assert_eq!(watch.wave().built(), ["other"]);
    }
}

#[test]
fn hooks_are_told_what_was_built_and_run_beside_the_watch() {
    let sandbox = stack().env("IMGSPEC_FAKE_FAIL", "other");
    let mut watch = Watch::start(
        &sandbox,
        &[
            "app",
            "--on-success",
            "cat > told; echo \"$IMGSPEC_BUILT\" > built; exec sleep 60",
            "--on-failure",
            "echo $IMGSPEC_FAILED > failed",
        ],
    );
    watch.until("hook-started");
    sandbox.write("app/x", "2");
    // The server of the first wave still runs; it blocks nothing, and the second wave's hook replaces it.
    let wave = watch.wave();
    assert_eq!(wave.built(), ["app"]);
    let end = watch.until("hook-ended");
    assert_eq!(
        (&end["hook"], &end["error"]),
        (&"on-success".into(), &"stopped".into())
    );
    let start = std::time::Instant::now();
    let told = loop {
        let told = fs::read_to_string(sandbox.path("told")).unwrap_or_default();
        if let Ok(told) = serde_json::from_str::<serde_json::Value>(&told)
            && told["wave"] == 2
        {
            break told;
        }
        assert!(start.elapsed() < super::LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    };
    let built: Vec<&str> = told["built"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["image"].as_str().unwrap())
        .collect();
    assert!(built.contains(&"app"), "{told}");
    let references: Vec<&str> = told["built"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["reference"].as_str().unwrap())
        .collect();
    while fs::read_to_string(sandbox.path("built")).unwrap_or_default()
        != format!("{}\n", references.join(" "))
    {
        assert!(start.elapsed() < super::LIMIT, "{told}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let start = std::time::Instant::now();
    watch.stop();
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "the end stops the hook"
    );
    let mut watch = Watch::start(
        &sandbox,
        &["other", "--on-failure", "echo $IMGSPEC_FAILED > failed"],
    );
    watch.until("hook-ended");
    assert_eq!(sandbox.read("failed"), "other\n");
}

/// Seen in compose#12089 and compose#10710.
#[test]
fn a_hook_that_writes_what_is_watched_is_named() {
    let sandbox = stack();
    let hook = "echo $IMGSPEC_WAVE > other/x";
    let mut watch = Watch::start(&sandbox, &["other", "--on-success", hook]);
    let warning = watch.until("warning");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.contains("`other/x` changes after every wave"),
        "{message}"
    );
}

#[test]
fn once_then_exit_is_refused_with_a_pointer() {
    stack()
        .run(&["watch", "--once-then-exit"])
        .code(2)
        .says("graph build");
}

#[test]
fn plain_lines_say_what_is_watched_what_woke_whom_and_what_came_of_it() {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "0");
    let mut child = sandbox.spawn(&["watch", "--builder", "fake", "--progress", "plain"]);
    let log = sandbox.path(".imgspec/fake/builds.log");
    let builds = |count: usize| {
        let start = std::time::Instant::now();
        while fs::read_to_string(&log).unwrap_or_default().lines().count() < count {
            assert!(start.elapsed() < super::LIMIT);
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    builds(3);
    sandbox.write("base/x", "2");
    builds(5);
    super::signal(child.id(), rustix::process::Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    for words in [
        "watching 3 images: 3 files in 4 directories\n",
        "base/x changed: app, base\n",
        "waiting for changes\n",
        "the watch ended after 2 waves\n",
    ] {
        assert!(said.contains(words), "`{words}` is not in\n{said}");
    }
}

#[test]
fn the_metadata_file_is_written_after_each_wave() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &["--metadata-file", "../meta.json"]);
    let read =
        || -> serde_json::Value { serde_json::from_str(&sandbox.read("../meta.json")).unwrap() };
    let start = std::time::Instant::now();
    while !sandbox.path("../meta.json").exists() && start.elapsed() < super::LIMIT {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(read().as_object().unwrap().len(), 3);
    sandbox.write("other/x", "2");
    watch.wave();
    watch.stop();
    assert_eq!(read().as_object().unwrap().len(), 1);
}
