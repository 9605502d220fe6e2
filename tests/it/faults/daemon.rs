//! A Docker daemon that is missing, restarted, slow, or wrong: every query ends, and the cause is reported.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::server::Answer;
use super::stage::{Stage, ended, runs, seconds, send, wait_for};
use crate::sandbox::Ran;

const THREE: &str = r#"
image "os" { builder "docker"; base-image "debian:bookworm-slim" }
image "app" { builder "docker"; base-image image="os"; copy "f" to="/f" }
image "docs" { builder "docker"; base-image "debian:bookworm-slim"; cmd "docs" }
"#;

const PLAN: &[&str] = &["graph", "plan"];

fn three() -> Stage {
    let stage = Stage::new(THREE);
    stage.sandbox.write("f", "1");
    stage
}

/// A daemon without images.
fn absent(path: &str) -> Answer {
    let name = path
        .trim_start_matches("/images/")
        .trim_end_matches("/json");
    let body = format!(r#"{{"message":"No such image: {name}"}}"#);
    Answer::Http(404, Vec::new(), body)
}

/// The lines of standard error that contain this text.
fn count(ran: &Ran, words: &str) -> usize {
    ran.stderr
        .lines()
        .filter(|line| line.contains(words))
        .count()
}

/// The plan is shown, with the cause of the uncertainty and its consequence reported once for all images.
#[track_caller]
fn is_in_doubt(ran: &Ran, why: &str) {
    let doubt = "could not determine whether 3 images exist: ";
    assert_eq!(count(ran, doubt), 1, "{}", ran.stderr);
    let line = ran
        .stderr
        .lines()
        .find(|line| line.contains(doubt))
        .unwrap();
    assert!(line.contains(why), "`{why}` is not in\n{line}");
    assert!(line.contains("`--when-unknown build`"), "{line}");
    let told = ran.stdout.matches("could not determine whether it exists");
    assert_eq!(told.count(), 3, "{}", ran.stdout);
}

#[test]
fn one_that_says_nothing_is_told_of_after_a_second_and_given_up_in_time() {
    let stage = three().env("IMGSPEC_ANSWER_TIMEOUT", "1.5");
    let _daemon = stage.daemon(|_| Answer::Nothing);
    let begun = Instant::now();
    let ran = stage.run(PLAN).success();
    assert!(begun.elapsed() < Duration::from_secs(6));
    let waiting = format!("waiting for {} (1.5 s at most)", stage.whom());
    assert_eq!(count(&ran, &waiting), 1, "{}", ran.stderr);
    is_in_doubt(
        &ran,
        "no answer within 1.5 s (IMGSPEC_ANSWER_TIMEOUT sets the time)",
    );
    let quiet = stage.run(&["-q", "graph", "plan"]).success();
    assert_eq!(quiet.stderr, "");
    let told = stage.run(&["--progress", "json", "graph", "plan", "--format", "json"]);
    let events: Vec<Value> = told
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "waiting");
    assert_eq!(events[0]["for"], stage.whom());
    assert_eq!(events[1]["event"], "warning");
    let reasons = &told.json()["images"][0]["reasons"];
    assert_eq!(reasons[0]["kind"], "never-built");
    assert_eq!(reasons[1]["kind"], "unknown");
    let refused = stage
        .run(&["graph", "plan", "--when-unknown", "fail"])
        .code(2);
    refused.says("could not determine whether 3 images exist: ");
}

#[test]
fn one_that_answers_nonsense_is_told_with_its_cause() {
    let mut stage = three().env("IMGSPEC_ANSWER_TIMEOUT", "15s");
    let daemon = stage.daemon(|_| Answer::HangUp);
    let head = "HTTP/1.1 200 OK\r\n";
    let long = format!("{head}content-length: 999999999999\r\n\r\n");
    let other = r#"{"Id":"sha256:1","RepoTags":["other:1"],"Config":{}}"#;
    let message = r#"{"message":"the disk is on fire"}"#;
    let cases: Vec<(Answer, &str)> = vec![
        (Answer::HangUp, "it closed the connection before answering"),
        (
            Answer::Bytes("SSH-2.0-x\r\n\r\n".into()),
            "its answer is not HTTP",
        ),
        (
            Answer::Bytes(head.into()),
            "it closed the connection before answering",
        ),
        (
            Answer::Http(500, vec![], message.into()),
            "answers with status 500: the disk is on fire",
        ),
        (Answer::status(503), "answers with status 503"),
        (
            Answer::Http(404, vec![], "<html>".into()),
            "answers with status 404",
        ),
        (Answer::json("{"), "cannot be parsed"),
        (Answer::json(other), "answers for another image (sha256:1)"),
        (
            Answer::Endless(head.into(), "a: b\r\n".into()),
            "its answer is not HTTP",
        ),
        (
            Answer::Endless(long, "x".into()),
            "its answer is longer than 16 MiB",
        ),
        (
            Answer::Slow(format!("{head}\r\n")),
            "no answer within 0.8 s",
        ),
    ];
    for (answer, why) in cases {
        let shown = format!("{answer:?}");
        if let Answer::Slow(_) = answer {
            stage = stage.env("IMGSPEC_ANSWER_TIMEOUT", "800ms");
        }
        daemon.now(move |_| answer.clone());
        let begun = Instant::now();
        let ran = stage.run(PLAN).success();
        assert!(begun.elapsed() < Duration::from_secs(14), "{shown:.80}");
        is_in_doubt(&ran, why);
    }
    // Without the fault everything works again.
    daemon.now(|request| absent(&request.path));
    let ran = stage.run(PLAN).success();
    assert_eq!(count(&ran, "could not determine"), 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("never built"), "{}", ran.stdout);
}

#[test]
fn one_that_is_gone_refuses_or_was_replaced_is_told_and_then_asked() {
    let stage = three();
    is_in_doubt(&stage.run(PLAN).success(), "no such file or directory");
    drop(UnixListener::bind(stage.socket()).unwrap());
    is_in_doubt(&stage.run(PLAN).success(), "connection refused");
    std::fs::remove_file(stage.socket()).unwrap();
    std::fs::write(stage.socket(), "no socket").unwrap();
    is_in_doubt(&stage.run(PLAN).success(), "connection refused");
    let first = stage.daemon(|_| Answer::status(500));
    is_in_doubt(&stage.run(PLAN).success(), "status 500");
    let second = stage.daemon(|request| absent(&request.path));
    let ran = stage.run(PLAN).success();
    assert_eq!(count(&ran, "could not determine"), 0, "{}", ran.stderr);
    assert_eq!((first.asked().len(), second.asked().len()), (3, 3));
}

/// The error messages of `docker` 28 for hosts that it cannot connect to.
const PROGRAM: &str = r#"
case "$DOCKER_HOST" in
    tcp:*) echo "Cannot connect to the Docker daemon at $DOCKER_HOST. Is the docker daemon running?" ;;
    ssh:*) echo "error during connect: ssh: Could not resolve hostname x" ;;
    npipe:*) echo "Failed to initialize: protocol not available" ;;
    fd:*) echo 'Failed to initialize: unable to parse docker host `fd://`' ;;
    *) echo "Failed to initialize: unable to resolve docker endpoint: invalid bind address format: $DOCKER_HOST" ;;
esac >&2
exit 1"#;

#[test]
fn a_docker_host_of_any_bad_kind_is_told_with_what_to_do() {
    let mut stage = three();
    stage.docker(PROGRAM);
    let cases = [
        ("://x", "invalid bind address format"),
        ("tcp://127.0.0.1:1", "nothing is listening there"),
        ("ssh://x", "Could not resolve hostname"),
        ("npipe:////./pipe/x", "protocol not available"),
        ("fd://", "unable to parse docker host"),
        ("http://127.0.0.1:1", "invalid bind address format"),
        ("a b", "invalid bind address format"),
        ("unix://relative.sock", "no such file or directory"),
        ("unix:///no such.sock", "no such file or directory"),
    ];
    for (host, why) in cases {
        stage = stage.env("DOCKER_HOST", host);
        let ran = stage.run(PLAN).success();
        is_in_doubt(&ran, why);
        is_in_doubt(
            &ran,
            &format!("the Docker daemon at {host} does not answer"),
        );
        is_in_doubt(
            &ran,
            "point `DOCKER_HOST` or `docker context use` at a running one",
        );
    }
    let mut command = stage.sandbox.command(PLAN);
    command.env("DOCKER_HOST", std::ffi::OsStr::from_bytes(b"unix:///\xff"));
    let ran = ended(command.spawn().unwrap()).success();
    is_in_doubt(&ran, "`DOCKER_HOST` is not UTF-8 text");
}

#[test]
fn a_configuration_of_docker_that_cannot_be_read_is_told_and_no_other_daemon_is_asked() {
    let stage = three().env("DOCKER_HOST", "");
    let folder = stage.sandbox.path("../home/.docker");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.json");
    std::fs::write(&file, "{").unwrap();
    is_in_doubt(
        &stage.run(PLAN).success(),
        "config.json` cannot be read: EOF while parsing",
    );
    std::fs::remove_file(&file).unwrap();
    let made = Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    is_in_doubt(&stage.run(PLAN).success(), "it is a named pipe, not a file");
    std::fs::remove_file(&file).unwrap();
    let stage = stage.env("DOCKER_CONTEXT", "nowhere");
    is_in_doubt(
        &stage.run(PLAN).success(),
        "there is no docker context `nowhere`",
    );
    let refused = stage.run(&["graph", "build"]).code(2);
    refused
        .says("there is no docker context `nowhere`")
        .says("set `DOCKER_HOST` to the daemon's address");
}

#[test]
fn a_docker_program_that_hangs_is_given_up_and_killed() {
    let stage = three()
        .env("DOCKER_HOST", "tcp://127.0.0.1:1")
        .env("IMGSPEC_ANSWER_TIMEOUT", "1.2s");
    let long = seconds();
    stage.program("docker", &format!("sleep {long}"));
    let waiting = "waiting for the Docker daemon at tcp://127.0.0.1:1 (1.2 s at most)";
    is_in_doubt(
        &stage.run(PLAN).success().says(waiting),
        "no answer within 1.2 s",
    );
    for (arguments, code, words) in [
        (&["graph", "build"][..], 2, "`docker` cannot build here"),
        (&["doctor"], 1, "no answer within 1.2 s"),
        (
            &["clean"],
            0,
            "could not clean the store of `docker` and `envd`: ",
        ),
    ] {
        let begun = Instant::now();
        let ran = stage.run(arguments).code(code).says(words).says(waiting);
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", ran.stderr);
    }
    assert!(!runs(&long), "a program was left behind");
}

#[test]
fn a_signal_ends_every_command_that_waits_for_an_answer_and_leaves_no_process() {
    let stage = three().env("DOCKER_HOST", "tcp://127.0.0.1:1");
    let long = seconds();
    stage.program(
        "docker",
        &format!("trap '' INT TERM HUP; sleep {long}; sleep {long}"),
    );
    let commands = [
        &["graph", "plan"][..],
        &["graph", "build"],
        &["doctor"],
        &["clean"],
        &["watch"],
    ];
    let signals = [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
    ];
    for (at, arguments) in commands.into_iter().enumerate() {
        let (signal, code) = signals[at % signals.len()];
        let child = stage.sandbox.spawn(arguments);
        wait_for("the question", || runs(&long));
        let begun = Instant::now();
        send(child.id(), signal);
        ended(child).code(code);
        assert!(begun.elapsed() < Duration::from_secs(3), "{arguments:?}");
        wait_for("the end of what was asked", || !runs(&long));
    }
}

#[test]
fn a_watch_that_waits_for_an_answer_says_so_and_ends_when_it_is_told() {
    let stage = three();
    let daemon = stage.daemon(|request| absent(&request.path));
    stage.docker("echo no builds today >&2; exit 1");
    let log = stage.sandbox.path("../stderr");
    let mut command = stage.sandbox.command(&["watch", "--poll=0.1", "app"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let child = command.spawn().unwrap();
    let said = |words: &str| std::fs::read_to_string(&log).unwrap().contains(words);
    wait_for("the first wave", || said("waiting for changes; failed: os"));
    daemon.now(|_| Answer::Nothing);
    stage.sandbox.write("f", "2");
    wait_for("what is waited for", || {
        said(&format!("waiting for {} (10 s at most)", stage.whom()))
    });
    let begun = Instant::now();
    send(child.id(), Signal::TERM);
    ended(child).code(0);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_result_that_is_for_another_platform_gets_no_name() {
    let stage =
        Stage::new("image \"a\" { base-image \"debian:bookworm-slim\"; platform \"linux/arm64\" }");
    let [made, log] = ["made", "log"].map(|name| stage.sandbox.path("..").join(name));
    let (_, reference) = stage.tag("a");
    let (named, done) = (reference.clone(), made.clone());
    let _daemon = stage.daemon(move |request| {
        if request.path.contains(&named) && done.exists() {
            let id = format!("sha256:{}", "1".repeat(64));
            return Answer::json(format!(
                r#"{{"Id":"{id}","RepoTags":["{named}"],"Os":"linux","Architecture":"amd64","Config":{{}}}}"#
            ));
        }
        absent(&request.path)
    });
    stage.docker(&format!(
        "echo \"$@\" >> {}\n[ \"$1\" = build ] || exit 0\ntouch {}\n\
         while [ $# -gt 0 ]; do [ \"$1\" = --iidfile ] && echo sha256:{} > \"$2\"; shift; done; exit 0",
        log.display(),
        made.display(),
        "1".repeat(64)
    ));
    stage
        .run(&["graph", "build"])
        .code(1)
        .says("the result is not for linux/arm64");
    let called = std::fs::read_to_string(&log).unwrap();
    assert!(
        called.contains(&format!("image rm {reference}")),
        "{called}"
    );
    let records = stage.sandbox.path(".imgspec/state").read_dir().unwrap();
    let records = records.flatten().filter(|entry| entry.path().is_file());
    assert_eq!(records.count(), 0);
}

#[test]
fn a_build_that_ignores_every_request_to_end_is_killed_within_the_grace() {
    let stage =
        Stage::new("image \"a\" { base-image \"debian:bookworm-slim\" }").env("IMGSPEC_GRACE", "1");
    let _daemon = stage.daemon(|request| absent(&request.path));
    let long = seconds();
    stage.docker(&format!("trap '' INT TERM HUP; sleep {long}; sleep {long}"));
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let child = stage.sandbox.spawn(&["graph", "build"]);
        wait_for("the build", || runs(&long));
        let begun = Instant::now();
        send(child.id(), signal);
        let ran = ended(child).code(code);
        assert!(begun.elapsed() < Duration::from_secs(4), "{}", ran.stderr);
        wait_for("the end of the builder", || !runs(&long));
        let records = stage.sandbox.path(".imgspec/state").read_dir().unwrap();
        let records = records.flatten().filter(|entry| entry.path().is_file());
        assert_eq!(records.count(), 0);
    }
}

#[test]
fn a_build_that_is_silent_goes_on_while_the_daemon_lives_and_ends_when_it_does_not() {
    let stage = Stage::new("image \"a\" { base-image \"debian:bookworm-slim\" }")
        .env("IMGSPEC_IDLE_TIMEOUT", "300ms")
        .env("IMGSPEC_ANSWER_TIMEOUT", "500ms");
    let daemon = stage.daemon(|request| match request.path.as_str() {
        "/_ping" => Answer::json("OK"),
        path => absent(path),
    });
    let result = "while [ \"$1\" != --iidfile ]; do shift; done; echo sha256:1 > \"$2\"";
    let image = "[ \"$1\" != image ] || exit 0";
    stage.docker(&format!("{image}\nsleep 1.5\n{result}"));
    stage.run(&["graph", "build"]).success();
    let pings = daemon
        .asked()
        .iter()
        .filter(|asked| asked.path == "/_ping")
        .count();
    assert!(pings > 1, "{pings}");
    let long = seconds();
    stage.docker(&format!("{image}\nsleep {long}"));
    daemon.now(|request| match request.path.as_str() {
        "/_ping" => Answer::Nothing,
        path => absent(path),
    });
    let begun = Instant::now();
    let ran = stage
        .run(&["graph", "build", "--force", "--attempts", "1"])
        .code(1);
    assert!(begun.elapsed() < Duration::from_secs(6));
    ran.says(&format!(
        "{} does not answer: no answer within 0.5 s",
        stage.whom()
    ));
    assert!(!runs(&long));
}

#[test]
fn a_limit_that_is_no_time_is_wrong_usage() {
    for name in ["CONNECT_TIMEOUT", "ANSWER_TIMEOUT", "IDLE_TIMEOUT", "GRACE"] {
        let stage = three().env(&format!("IMGSPEC_{name}"), "soon");
        let ran = stage.run(PLAN).code(2);
        ran.says(&format!("`IMGSPEC_{name}` is `soon`"))
            .says("write a time between");
    }
}
