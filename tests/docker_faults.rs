//! A real daemon that fails in each phase of a build: the run ends in time, reports the cause, leaves no wrong name and
//! no process, and the next run is correct.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "engine/mod.rs"]
mod engine;
#[path = "docker_faults/proxy.rs"]
mod proxy;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use engine::by_turns;
use proxy::{Proxy, What, When};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Ran, Sandbox};

/// Nothing here takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(40);

/// A workspace on an engine behind a proxy.
struct Stage {
    store: &'static str,
    engine: String,
    sandbox: Sandbox,
    proxy: Proxy,
    name: String,
}

const CHAIN: &str = r#"
image "os" { name "NAME-os"; base-image "busybox:1.36"; labels nonce="NAME"; commands "echo NAME > /os" }
image "app" { name "NAME-app"; base-image image="os"; copy "f" to="/f"; commands "echo app; sleep 1" }
"#;

impl Stage {
    fn new(store: &'static str, engine: &str, manifest: &str) -> Self {
        let time = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
        let name = format!("imgspec-fault-{:x}-{time:x}", std::process::id());
        let sandbox = Sandbox::new();
        let socket = sandbox.path("../proxy.sock");
        let proxy = Proxy::new(&socket, engine);
        let mut sandbox = sandbox.env("DOCKER_HOST", &format!("unix://{}", socket.display()));
        for (variable, value) in [
            ("CONNECT_TIMEOUT", "1"),
            ("ANSWER_TIMEOUT", "1.5"),
            ("IDLE_TIMEOUT", "1"),
        ] {
            sandbox = sandbox.env(&format!("IMGSPEC_{variable}"), value);
        }
        sandbox.write("imgspec.kdl", &manifest.replace("NAME", &name));
        sandbox.write("f", "1");
        Self {
            store,
            engine: engine.to_owned(),
            sandbox,
            proxy,
            name,
        }
    }

    fn on_each(manifest: &str) -> Vec<Self> {
        let engines = by_turns();
        let on = |(store, engine): &(&'static str, String)| Self::new(store, engine, manifest);
        engines.iter().map(on).collect()
    }

    /// Bypasses the proxy.
    fn docker(&self, arguments: &[&str]) -> Ran {
        let mut docker = Command::new("docker");
        Ran::of(docker.args(arguments).env("DOCKER_HOST", &self.engine))
    }

    /// Runs the program, which must end within the time limit and leave no process behind.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let child = self.sandbox.spawn(arguments);
        let pid = child.id();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = output.recv_timeout(LIMIT) else {
            let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
            panic!("{}: it does not end", self.store);
        };
        let output = output.unwrap();
        assert!(!self.is_left(), "{}: a program was left behind", self.store);
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Whether some process is still connected to the proxy.
    fn is_left(&self) -> bool {
        let host = format!("DOCKER_HOST=unix://{}", self.proxy.socket.display());
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut all = processes.filter_map(|each| std::fs::read(each.path().join("environ")).ok());
        all.any(|line| {
            line.split(|byte| *byte == 0)
                .any(|each| each == host.as_bytes())
        })
    }

    /// The current references of the images.
    fn reference(&self, image: &str) -> String {
        let said = self.sandbox.run(&["tag", image]).success();
        said.stdout.trim().to_owned()
    }

    fn has(&self, image: &str) -> bool {
        let reference = self.reference(image);
        self.docker(&["image", "inspect", &reference]).code == Some(0)
    }

    /// Whether there is a record of the image with its current key.
    fn is_recorded(&self, image: &str) -> bool {
        let record = self.sandbox.path(&format!(".imgspec/state/{image}.json"));
        let record = std::fs::read_to_string(record).unwrap_or_default();
        record.contains(&format!("\"{}\"", self.reference(image)))
    }

    /// Asserts that no name exists without its image, and no record without its name.
    #[track_caller]
    fn is_honest(&self, image: &str) {
        assert!(
            !self.is_recorded(image) || self.has(image),
            "{}: a wrong record",
            self.store
        );
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let (format, own) = ("{{.Repository}}:{{.Tag}}", format!("*{}*", self.name));
        let own = self.docker(&[
            "image",
            "ls",
            "--format",
            format,
            "--filter",
            &format!("reference={own}"),
        ]);
        let own: Vec<&str> = own.stdout.lines().collect();
        if !own.is_empty() {
            self.docker(&[&["image", "rm", "--force"], own.as_slice()].concat());
        }
    }
}

const BUILD: &[&str] = &["graph", "build", "--attempts", "1"];

/// The phases of a build, each with the request or answer that identifies it.
const PHASES: &[(&str, When)] = &[
    ("session", When::Asked(" /session ")),
    ("connection", When::Asked(" /grpc ")),
    ("export", When::Said("exporting to image")),
];

#[test]
fn a_daemon_that_stops_or_goes_in_any_phase_of_a_build_fails_it_in_time_and_the_next_one_is_right()
{
    for stage in Stage::on_each(&CHAIN.replace("; sleep 1", "")) {
        for (phase, when) in PHASES {
            for what in [What::Silence, What::End, What::Drip] {
                if what == What::Drip && *phase != "session" {
                    continue;
                }
                let at = format!("{}: {phase}, {what:?}", stage.store);
                stage.sandbox.write("f", &at);
                stage.proxy.fault(*when, what);
                let begun = Instant::now();
                let ran = stage.run(BUILD);
                assert!(
                    stage.proxy.happened(),
                    "{at}: it did not happen\n{}",
                    ran.stderr
                );
                assert_eq!(ran.code, Some(1), "{at}\n{}", ran.stderr);
                assert!(
                    begun.elapsed() < Duration::from_secs(15),
                    "{at}: {:?}",
                    begun.elapsed()
                );
                let words = format!(
                    "the Docker daemon at unix://{} does not answer: ",
                    stage.proxy.socket.display()
                );
                assert!(ran.stderr.contains(&words), "{at}\n{}", ran.stderr);
                stage.proxy.heal();
                eprintln!("{at} {:?}", begun.elapsed());
                stage.is_honest("os");
                stage.is_honest("app");
                let again = stage.run(BUILD);
                assert_eq!(again.code, Some(0), "{at}\n{}", again.stderr);
                // An image that the daemon completed by itself is found by its key.
                assert!(stage.has("app"), "{at}");
                eprintln!("{at} {:?}", begun.elapsed());
            }
        }
    }
}

#[test]
fn a_daemon_that_stops_during_a_step_is_given_up_and_a_quiet_step_is_not() {
    let manifest = CHAIN.replace("sleep 1", "sleep 4");
    for stage in Stage::on_each(&manifest) {
        // Longer than the tolerated silence: the connection is alive.
        stage.run(BUILD).success();
        stage.sandbox.write("f", "2");
        stage
            .proxy
            .fault(When::Said("echo app; sleep"), What::Silence);
        let begun = Instant::now();
        let ran = stage.run(BUILD).code(1);
        assert!(stage.proxy.happened() && begun.elapsed() < Duration::from_secs(15));
        assert!(
            ran.stderr.contains("does not answer"),
            "{}: {}",
            stage.store,
            ran.stderr
        );
        stage.proxy.heal();
        stage.is_honest("app");
    }
}

#[test]
fn a_daemon_that_is_restarted_during_a_build_is_tried_again_and_said_so() {
    for stage in Stage::on_each(CHAIN) {
        for (at, when) in [When::Asked(" /session "), When::Said("echo app; sleep")]
            .into_iter()
            .enumerate()
        {
            stage.sandbox.write("f", &format!("restart {at}"));
            stage.proxy.fault(when, What::Restart);
            let ran = stage.run(&["graph", "build"]).success();
            assert!(stage.proxy.happened());
            let ran = ran.says("attempt 2 of 3 in 1.0s: the Docker daemon at");
            assert!(
                stage.has("app") && stage.is_recorded("app"),
                "{}: {}",
                stage.store,
                ran.stderr
            );
        }
    }
}

#[test]
fn a_daemon_that_fails_at_what_its_programs_ask_is_told_in_its_own_words() {
    const FULL: &str = r#"{"message":"write /var/lib/docker/tmp/x: no space left on device"}"#;
    for stage in Stage::on_each(CHAIN) {
        stage.run(&[BUILD, &["os"]].concat()).success();
        let host = stage.proxy.socket.display().to_string();
        for (request, what, words) in [
            (
                "/tag?",
                What::Answer(500, FULL),
                "no space left on device".to_owned(),
            ),
            (
                "/tag?",
                What::Silence,
                format!("at unix://{host} does not answer: no answer within 1.5 s"),
            ),
            (
                "/info ",
                What::Answer(500, FULL),
                "no space left on device".to_owned(),
            ),
            (
                "/info ",
                What::Silence,
                format!("at unix://{host} does not answer: no answer within 1.5 s"),
            ),
        ] {
            stage.proxy.fault(When::Asked(request), what);
            let begun = Instant::now();
            let ran = stage.run(BUILD);
            assert!(stage.proxy.happened(), "{request} {what:?}");
            let code = if request == "/tag?" { 1 } else { 2 };
            let ran = ran.code(code).says(&words);
            assert!(begun.elapsed() < Duration::from_secs(12), "{}", ran.stderr);
            stage.proxy.heal();
            assert!(!stage.has("app") && !stage.is_recorded("app"));
        }
        stage.run(BUILD).success();
        assert!(stage.has("app"));
    }
}

#[test]
fn a_daemon_that_cannot_say_what_exists_is_told_and_the_build_goes_on() {
    for stage in Stage::on_each(CHAIN) {
        stage.run(BUILD).success();
        for what in [
            What::Silence,
            What::End,
            What::Answer(500, "{}"),
            What::Drip,
        ] {
            stage.proxy.fault(When::Asked("GET /images/"), what);
            let begun = Instant::now();
            let ran = stage.run(&["graph", "plan"]).success();
            assert!(
                stage.proxy.happened() && begun.elapsed() < Duration::from_secs(6),
                "{what:?}"
            );
            let ran = ran
                .says("could not determine whether ")
                .says("`--when-unknown build`");
            assert!(!ran.stdout.contains("2 fresh"), "{}", ran.stdout);
            stage.proxy.heal();
            let ran = stage.run(&["graph", "plan"]).success();
            assert!(
                ran.stdout.contains("0 to build, 2 fresh"),
                "{what:?}: {}",
                ran.stdout
            );
        }
    }
}

#[test]
fn a_push_during_which_the_daemon_stops_goes_or_has_no_room_fails_and_the_next_one_is_right() {
    const FULL: &str = r#"{"message":"no space left on device"}"#;
    let registry =
        std::env::var("IMGSPEC_TEST_REGISTRY").expect("run these tests through tests/run");
    let manifest = format!(
        "image \"a\" {{ registry \"{registry}\"; name \"NAME\"; base-image \"busybox:1.36\"; labels nonce=\"NAME\" }}"
    );
    for stage in Stage::on_each(&manifest) {
        stage.run(BUILD).success();
        for (what, words) in [
            (What::Silence, "does not answer"),
            (What::End, "cannot be pushed: "),
            (What::Answer(500, FULL), "no space left on device"),
        ] {
            stage.proxy.fault(When::Asked("/push?"), what);
            let begun = Instant::now();
            let ran = stage.run(&[BUILD, &["--push"]].concat()).code(1);
            assert!(stage.proxy.happened() && begun.elapsed() < Duration::from_secs(12));
            ran.says("it is built, but could not be pushed: ")
                .says(words);
            stage.proxy.heal();
        }
        let ran = stage.run(&[BUILD, &["--push"]].concat()).success();
        ran.says("pushed 1");
        let fresh = stage.run(&["graph", "plan", "--push"]).success();
        assert!(fresh.stdout.contains("1 fresh"), "{}", fresh.stdout);
    }
}
