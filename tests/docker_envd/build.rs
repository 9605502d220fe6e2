//! The contents of built images.

use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, nonce, on_each_engine};
use crate::waiting::{is_running, wait_for, wait_for_step};

/// Characters that are special to a shell, Starlark or a Dockerfile.
const NASTY: &str = "it's \"q\" $A `x` $(id) \\ \\n é ☃ 🎉 # no comment; && || > < * ? ~ !";

const MANIFEST: &str = r##"
image "base" {
    builder "docker"
    base-image "debian:bookworm-slim"
    commands "echo NONCE > /from-docker"
    env FROM_BASE="1"
    cmd "cat" "/from-docker"
    labels from="base"
}
image "middle" {
    builder "envd"
    base-image image="base"
    apt-packages "hello" "python3-venv"
    env NASTY=VALUE LANG="C"
    requirements "requirements.txt"
    packages "idna==3.7"
    copy "src" to="/app/src"
    copy "src/run.sh" to="/usr/share/../../opt/tool/" owner="1234:5678"
    copy "odd [x] *.txt" to="/odd dir/a b.txt"
    commands "printf '%s' \"$NASTY\" > /nasty" COMMAND "cd /tmp && false | true" #"test "$FROM_BASE$LANG" = 1C; pwd > /folder"#
    entrypoint "/app/src/run.sh" "a b" ARGUMENT
    workdir "/app"
    user "nobody"
    labels title="x \"y\""
}
image "leaf" {
    builder "docker"
    base-image image="middle"
    commands "python3 -c 'import six, idna; print(six.__version__)' > /tmp/said"
}
"##;

/// Writes a workspace of three images that need no downloads; a single test covers those.
fn write_small(bench: &Bench) {
    write(bench, &nonce());
    let manifest = bench.sandbox.read("imgspec.kdl");
    let lines = manifest.lines();
    let fetches = |line: &&str| {
        line.contains("packages \"") || line.contains("requirements") || line.contains("import six")
    };
    let lines: Vec<&str> = lines.filter(|line| !fetches(line)).collect();
    bench.sandbox.write("imgspec.kdl", &lines.join("\n"));
}

fn write(bench: &Bench, nonce: &str) {
    let quoted = serde_json::Value::from(NASTY).to_string();
    let command = format!("printf '%s' '{}' > /command", NASTY.replace('\'', "'\\''"));
    let command = serde_json::Value::from(command).to_string();
    let manifest = MANIFEST
        .replace("NONCE", nonce)
        .replace("=VALUE", &format!("={quoted}"))
        .replace("COMMAND", &command)
        .replace("ARGUMENT", &quoted);
    let sandbox = &bench.sandbox;
    sandbox.write("imgspec.kdl", &manifest);
    sandbox.write(
        "requirements.txt",
        "# one\nsix==1.16.0 ; python_version > '3' # more\n",
    );
    sandbox.write("odd [x] *.txt", "odd");
    sandbox.write("src/run.sh", "#!/bin/sh\necho run \"$@\"\n");
    sandbox.write("src/deep/a.txt", "a");
    let executable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(sandbox.path("src/run.sh"), executable).unwrap();
    std::os::unix::fs::symlink("deep/a.txt", sandbox.path("src/link")).unwrap();
}

#[test]
fn an_image_between_two_of_dockers_has_everything_that_was_asked_for() {
    on_each_engine(|bench| {
        write(bench, &nonce());
        bench.build(&[]).success().says("middle: started with envd");
        assert_eq!(bench.shell("leaf", "cat /tmp/said"), "1.16.0\n");
        assert_eq!(bench.shell("leaf", "cat /nasty"), NASTY);
        assert_eq!(bench.shell("leaf", "cat /command"), NASTY);
        assert_eq!(bench.shell("leaf", "cat /folder"), "/app\n");
        assert_eq!(bench.shell("leaf", "hello | head -c5"), "Hello");
        let listed = bench.shell(
            "middle",
            "cd /; stat -c '%A %u:%g %n' app/src app/src/deep app/src/run.sh app/src/link opt/tool/run.sh 'odd dir/a b.txt'",
        );
        assert_eq!(
            listed,
            "drwxr-xr-x 0:0 app/src\n\
             drwxr-xr-x 0:0 app/src/deep\n\
             -rwxr-xr-x 0:0 app/src/run.sh\n\
             lrwxrwxrwx 0:0 app/src/link\n\
             -rwxr-xr-x 1234:5678 opt/tool/run.sh\n\
             -rw-r--r-- 0:0 odd dir/a b.txt\n"
        );
        // Nothing of envd's or ours is left behind.
        assert_eq!(
            bench.shell(
                "middle",
                "ls -A /home /tmp | grep -i -e envd -e imgspec || :"
            ),
            ""
        );
    });
}

#[test]
fn the_image_says_of_itself_what_dockers_would_say() {
    on_each_engine(|bench| {
        write_small(bench);
        bench.build(&["middle"]).success();
        let image = bench.inspect("middle");
        let config = &image["Config"];
        let wanted = serde_json::json!(["/app/src/run.sh", "a b", NASTY]);
        assert_eq!(config["Entrypoint"], wanted);
        assert!(
            config["Cmd"].is_null(),
            "the base's arguments were for its own program"
        );
        assert_eq!(
            (&config["User"], &config["WorkingDir"]),
            (&"nobody".into(), &"/app".into())
        );
        let variables: Vec<&str> = config["Env"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|each| each.as_str())
            .collect();
        assert!(
            variables.contains(&format!("NASTY={NASTY}").as_str()),
            "{variables:?}"
        );
        assert!(variables.contains(&"LANG=C") && variables.contains(&"FROM_BASE=1"));
        assert!(
            !variables
                .iter()
                .any(|variable| variable.starts_with("LC_ALL"))
        );
        let labels = config["Labels"].as_object().unwrap();
        let names: Vec<&str> = labels.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "dev.imgspec.image",
                "dev.imgspec.key",
                "from",
                "org.opencontainers.image.base.name",
                "title"
            ]
        );
        assert_eq!(labels["title"], "x \"y\"");
        assert_eq!(
            labels["org.opencontainers.image.base.name"],
            bench.reference("base")
        );
        assert!(
            labels["dev.imgspec.key"]
                .as_str()
                .unwrap()
                .starts_with(bench.reference("middle").rsplit(':').next().unwrap())
        );
    });
}

#[test]
fn what_is_built_is_fresh_and_an_edit_builds_it_again() {
    on_each_engine(|bench| {
        write_small(bench);
        bench.build(&[]).success();
        bench.build(&[]).success().says("fresh 3");
        bench.sandbox.write("src/deep/a.txt", "b");
        let ran = bench.build(&[]).success().says("built 2, fresh 1");
        assert!(!ran.stderr.contains("base: started"), "{}", ran.stderr);
        assert_eq!(bench.shell("leaf", "cat /app/src/link"), "b");
    });
}

/// Both concurrently, in one envd HOME that does not exist yet.
#[test]
fn many_images_are_built_at_once() {
    on_each_engine(|bench| {
        let image = |at: usize, nonce: &str| {
            format!(
                "image \"i{at}\" {{\n  builder \"envd\"\n  base-image \"debian:bookworm-slim\"\n  env A=\"{at}\"\n  commands \"echo {nonce} $A > /said\"\n}}\n"
            )
        };
        let nonce = nonce();
        let manifest: String = (0..8).map(|at| image(at, &nonce)).collect();
        bench.sandbox.write("imgspec.kdl", &manifest);
        bench
            .build(&["--jobs", "8", "--attempts", "1"])
            .success()
            .says("built 8");
        assert_eq!(bench.shell("i7", "cat /said"), format!("{nonce} 7\n"));
    });
}

#[test]
fn an_interrupt_leaves_no_tag_no_record_and_no_running_step() {
    on_each_engine(|bench| {
        let (mark, step) = (nonce(), step(300));
        bench.sandbox.write(
            "imgspec.kdl",
            &format!("image \"slow\" {{\n  name \"imgspec-slow-{mark}\"\n  builder \"envd\"\n  base-image \"debian:bookworm-slim\"\n  commands \"{step}\"\n}}\n"),
        );
        let child = bench
            .sandbox
            .spawn(&["graph", "build", "--progress", "plain"]);
        until_begun(bench, "slow", &step);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130));
        wait_for(|| !is_running(&step), "the daemon stops the step");
        assert_eq!(bench.names(&format!("imgspec-slow-{mark}:")), [""; 0]);
        let contexts = std::fs::read_dir(bench.sandbox.path(".imgspec/contexts"));
        assert_eq!(contexts.map_or(0, Iterator::count), 0);
    });
}

#[test]
fn what_was_pushed_is_found_by_its_key_where_nobody_built_it() {
    on_each_engine(|bench| {
        let nonce = nonce();
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").unwrap();
        bench.sandbox.write(
            "imgspec.kdl",
            &format!(
                "image \"base\" {{\n  builder \"docker\"\n  registry \"{registry}\"\n  base-image \"debian:bookworm-slim\"\n  labels nonce=\"{nonce}\"\n}}\n\
                 image \"it\" {{\n  builder \"envd\"\n  registry \"{registry}\"\n  base-image image=\"base\"\n  commands \"echo {nonce} > /said\"\n}}\n"
            ),
        );
        bench.build(&["--push"]).success().says("built 2");
        for image in ["it", "base"] {
            bench
                .docker(&["image", "rm", &bench.reference(image)])
                .success();
        }
        std::fs::remove_dir_all(bench.sandbox.path(".imgspec")).unwrap();
        bench.build(&["--push"]).success().says("fresh 2");
        // Built on an image that only the registry has.
        let manifest = bench
            .sandbox
            .read("imgspec.kdl")
            .replace("> /said", "> /said2");
        bench.sandbox.write("imgspec.kdl", &manifest);
        bench
            .build(&["--push"])
            .success()
            .says("built 1, pushed 1, fresh 1");
        bench
            .docker(&["image", "rm", &bench.reference("it")])
            .success();
        assert_eq!(bench.shell("it", "cat /said2"), format!("{nonce}\n"));
    });
}

/// The code path for daemons that are not used directly, such as those behind `docker buildx`'s other drivers.
#[test]
fn through_dockers_programs_the_image_is_the_same_but_for_two_variables() {
    on_each_engine(|bench| {
        write_small(bench);
        let mut command = bench.sandbox.command(&["graph", "build"]);
        command.env("IMGSPEC_DOCKER_PROGRAMS", "1");
        crate::sandbox::Ran::of(&mut command).success();
        bench.note();
        let config = bench.inspect("middle")["Config"].clone();
        let wanted = serde_json::json!(["/app/src/run.sh", "a b", NASTY]);
        assert_eq!(config["Entrypoint"], wanted);
        assert_eq!(
            (&config["User"], &config["WorkingDir"]),
            (&"nobody".into(), &"/app".into())
        );
        assert_eq!(config["Labels"]["title"], "x \"y\"");
        let labels = config["Labels"].as_object().unwrap();
        let theirs = labels.iter().filter(|(name, _)| name.contains("envd"));
        assert!(
            theirs.into_iter().all(|(_, value)| value == ""),
            "{labels:?}"
        );
        assert_eq!(bench.shell("leaf", "cat /nasty"), NASTY);
    });
}

#[test]
fn a_killed_run_leaves_no_tag_and_no_record_and_clean_takes_the_rest() {
    on_each_engine(|bench| {
        let (mark, step) = (nonce(), step(20));
        let manifest = |step: &str| {
            format!(
                "image \"killed\" {{\n  name \"imgspec-killed-{mark}\"\n  builder \"envd\"\n  base-image \"debian:bookworm-slim\"\n  commands \"{step}\"\n}}\n"
            )
        };
        bench.sandbox.write("imgspec.kdl", &manifest(&step));
        let mut child = bench
            .sandbox
            .spawn(&["graph", "build", "--progress", "plain"]);
        until_begun(bench, "killed", &step);
        child.kill().unwrap();
        child.wait().unwrap();
        bench.kill_what_runs();
        assert_eq!(bench.names(&format!("imgspec-killed-{mark}:")), [""; 0]);
        bench.sandbox.write("imgspec.kdl", &manifest("true"));
        bench.build(&[]).success().says("built 1");
        // As if killed while a base was being handed to envd.
        let left = "127.0.0.1:9/00ff/imgspec-base:00";
        bench
            .docker(&["image", "tag", "debian:bookworm-slim", left])
            .success();
        bench.sandbox.run(&["clean"]).success();
        assert_eq!(bench.names("127.0.0.1:9/"), [""; 0]);
    });
}

/// A command that takes this long, and that no other process has.
fn step(seconds: u32) -> String {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!(
        "sleep {seconds}.{:09}",
        time.expect("a clock").subsec_nanos()
    )
}

#[track_caller]
fn until_begun(bench: &Bench, image: &str, step: &str) {
    let log = bench.sandbox.path(&format!(".imgspec/logs/{image}.log"));
    wait_for_step(step, &log);
}
