//! Bugs that affected other tools, tested on a real engine, each with its source.
//!
//! Runs on each engine that `tests/run` provides, and fails if there is none. Those that need no engine are in
//! `tests/it/traps.rs`.

#[path = "it/dice.rs"]
#[allow(dead_code, reason = "the dice serve several test programs")]
mod dice;
#[path = "engine/mod.rs"]
mod engine;
#[path = "docker_traps/ignore.rs"]
mod ignore;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;
#[path = "engine/waiting.rs"]
mod waiting;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use engine::by_turns;
use sandbox::{Ran, Sandbox};
use waiting::{heard, wait_for, wait_for_log};

/// A workspace on an engine, whose images are unique: `NAME` in its manifest is replaced by a unique word.
struct Stage {
    store: &'static str,
    engine: String,
    sandbox: Sandbox,
    name: String,
}

impl Stage {
    /// Sets an environment variable for all further runs.
    fn env(&mut self, name: &str, value: &str) {
        let sandbox = std::mem::replace(&mut self.sandbox, Sandbox::new());
        self.sandbox = sandbox.env(name, value);
    }

    fn new(store: &'static str, engine: &str, manifest: &str) -> Self {
        let time = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
        let name = format!("imgspec-trap-{:x}-{time:x}", std::process::id());
        let sandbox = Sandbox::new().env("DOCKER_HOST", engine);
        sandbox.write("imgspec.kdl", &manifest.replace("NAME", &name));
        Self {
            store,
            engine: engine.to_owned(),
            sandbox,
            name,
        }
    }

    fn on_each(manifest: &str) -> Vec<Self> {
        let engines = by_turns();
        let on = |(store, engine): &(&'static str, String)| Self::new(store, engine, manifest);
        engines.iter().map(on).collect()
    }

    fn docker(&self, arguments: &[&str]) -> Ran {
        let call = || {
            let mut docker = Command::new("docker");
            Ran::of(docker.args(arguments).env("DOCKER_HOST", &self.engine))
        };
        heard(arguments, call, Ran::is_silent)
    }

    #[track_caller]
    fn build(&self, more: &[&str]) -> Ran {
        self.sandbox
            .run(&[&["graph", "build", "--progress", "json"], more].concat())
    }

    /// The current reference of an image.
    fn reference(&self, image: &str) -> String {
        let said = self.sandbox.run(&["tag", image]).success();
        said.stdout.trim().to_owned()
    }

    /// A property of an image, from `docker inspect`.
    #[track_caller]
    fn inspect(&self, image: &str) -> serde_json::Value {
        let said = self.docker(&["image", "inspect", image]).success();
        said.json()[0].clone()
    }

    #[track_caller]
    fn layers(&self, image: &str) -> Vec<String> {
        let layers = self.inspect(image)["RootFS"]["Layers"].clone();
        serde_json::from_value(layers).expect("digests")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Removed by name: an engine with a thousand images takes seconds to list them all.
        let (format, own) = ("{{.Repository}}:{{.Tag}}", format!("{}*", self.name));
        let own = self.docker(&["image", "ls", "--format", format, &own]);
        let own: Vec<&str> = own.stdout.lines().collect();
        self.docker(&[&["image", "rm", "--force"], own.as_slice()].concat());
    }
}

/// The images of all events of a kind, sorted.
fn named(ran: &Ran, kind: &str) -> Vec<String> {
    let lines = ran.stderr.lines();
    let events = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut images: Vec<String> = events
        .filter(|event| event["event"] == kind)
        .map(|event| event["image"].as_str().expect("an id").to_owned())
        .collect();
    images.sort();
    images
}

const CHAIN: &str = r#"
defaults { labels nonce="NAME" }
image "os" { name "NAME-os"; base-image "busybox:1.36"; commands "echo NAME > /os" }
image "app" { name "NAME-app"; base-image image="os"; commands "echo app > /app" }
"#;

#[test]
fn a_build_that_is_all_cached_has_the_digest_that_it_had() {
    // moby#48391, for-mac#7297: provenance contains times, so the same image had a new digest, and all its dependents
    // with it.
    for stage in Stage::on_each(CHAIN) {
        stage.build(&[]).success();
        let before = stage.inspect(&stage.reference("os"))["Id"].clone();
        // Its name is gone, but its layers are still in the builder's cache.
        stage
            .docker(&["image", "rm", &stage.reference("os")])
            .success();
        let again = stage.build(&["os"]).success();
        assert_eq!(named(&again, "image-built"), ["os"], "{}", stage.store);
        let after = stage.inspect(&stage.reference("os"))["Id"].clone();
        assert_eq!(after, before, "{}", stage.store);
        let rest = stage.build(&[]).success();
        assert_eq!(named(&rest, "image-built"), [""; 0], "{}", stage.store);
    }
}

#[test]
fn a_parent_whose_tag_is_moved_meanwhile_stays_the_parent() {
    // buildx#1112: child and pushed parent had different layers; and anyone may run `docker tag` between the two
    // builds.
    let manifest = r#"
defaults { labels nonce="NAME" }
image "os" { name "NAME-os"; base-image "busybox:1.36"; commands "echo NAME > /os" }
image "slow" { name "NAME-slow"; base-image "busybox:1.36"; commands "echo NAME; sleep 4" }
image "app" { name "NAME-app"; base-image image="os"; copy image="slow" "/bin/true" to="/true" }
"#;
    for stage in Stage::on_each(manifest) {
        let child = stage.sandbox.spawn(&["graph", "build"]);
        let reference = stage.reference("os");
        wait_for(
            || stage.docker(&["image", "inspect", &reference]).code == Some(0),
            "the parent is built",
        );
        let parent = stage.layers(&reference);
        wait_for_log(&stage.sandbox.path(".imgspec/logs/slow.log"), "sleep 4");
        stage
            .docker(&["image", "tag", "busybox:1.36", &reference])
            .success();
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", stage.store);
        let app = stage.layers(&stage.reference("app"));
        assert_eq!(app[..parent.len()], parent, "{}", stage.store);
        // The lost name is noticed: it is built again.
        let again = named(&stage.build(&[]).success(), "image-built");
        assert!(
            again.contains(&"os".to_owned()),
            "{}: {again:?}",
            stage.store
        );
    }
}

#[test]
fn local_parents_are_found_whatever_builder_is_the_current_one() {
    // buildkit#2343: a builder in a container does not see the daemon's images, so they are sent along (`docker instance::`). One that is
    // not there is an error, and the daemon under its name in buildx is the daemon.
    for mut stage in Stage::on_each(CHAIN) {
        let with = |stage: &mut Stage, builder: &str| {
            stage.sandbox = std::mem::replace(&mut stage.sandbox, Sandbox::new())
                .env("BUILDX_BUILDER", builder);
        };
        with(&mut stage, "in-a-container-that-is-not-there");
        stage.build(&[]).code(2).says(
            "buildx has no builder `in-a-container-that-is-not-there`, which `BUILDX_BUILDER` names",
        );
        with(&mut stage, "default");
        let ran = stage.build(&[]).success();
        assert_eq!(named(&ran, "image-built"), ["app", "os"], "{}", stage.store);
    }
}

#[test]
fn a_base_that_is_only_in_the_local_store_is_a_base() {
    // pants#17458: `pull=true` broke every base that is in no registry.
    let manifest = "image \"app\" { name \"NAME-app\"; base-image \"NAME-only-here:1\"; labels nonce=\"NAME\" }\n";
    for stage in Stage::on_each(manifest) {
        let only = format!("{}-only-here:1", stage.name);
        stage
            .docker(&["image", "tag", "busybox:1.36", &only])
            .success();
        stage.build(&[]).success();
    }
}

#[test]
fn one_round_of_questions_tells_of_all_images_and_starts_no_process() {
    // pants#13461 queried each image separately; one process per image is most of the cost of a no-op run.
    for stage in Stage::on_each(&twelve_images()) {
        let calls = calls_without_work(stage, None);
        assert_eq!(calls, "");
    }
}

#[test]
fn one_call_of_docker_tells_of_all_images_where_the_daemon_is_not_asked_directly() {
    // pants#13461
    for stage in Stage::on_each(&twelve_images()) {
        let calls = calls_without_work(stage, Some(("IMGSPEC_DOCKER_PROGRAMS", "1")));
        let asked = calls.lines().filter(|line| line.contains("inspect"));
        assert_eq!(asked.count(), 1, "{calls}");
        assert!(calls.lines().count() <= 3, "{calls}");
    }
}

fn twelve_images() -> String {
    let image = |at: usize| {
        format!(
            "image \"i{at}\" {{ name \"NAME-{at}\"; base-image \"scratch\"; labels nonce=\"NAME\"; cmd \"{at}\" }}\n"
        )
    };
    (0..12).map(image).collect()
}

/// The `docker` calls of a run that has nothing to do.
fn calls_without_work(mut stage: Stage, variable: Option<(&str, &str)>) -> String {
    stage.build(&[]).success();
    let calls = note_calls(&mut stage);
    if let Some((name, value)) = variable {
        stage.env(name, value);
    }
    let again = stage.build(&[]).success();
    assert_eq!(named(&again, "image-fresh").len(), 12, "{}", stage.store);
    let noted = || std::fs::read_to_string(&calls).expect("they are noted");
    let quiet = noted();
    // A build, which queries the engine, shows that calls are recorded at all.
    stage.build(&["--force", "i0"]).success();
    assert!(noted().len() > quiet.len());
    quiet
}

/// Records each call of `docker` in the returned file from now on.
fn note_calls(stage: &mut Stage) -> PathBuf {
    let calls = stage.sandbox.path("calls");
    std::fs::write(&calls, "").expect("a file");
    let path = std::env::var("PATH").expect("PATH");
    let real = std::env::split_paths(&path).map(|folder| folder.join("docker"));
    let real: PathBuf = real
        .into_iter()
        .find(|file| file.is_file())
        .expect("docker");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nexec '{}' \"$@\"\n",
        calls.display(),
        real.display()
    );
    stage.sandbox.write("bin/docker", &script);
    let program = stage.sandbox.path("bin/docker");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("rights");
    let path = format!("{}:{path}", stage.sandbox.path("bin").display());
    stage.env("PATH", &path);
    calls
}

#[test]
fn only_what_others_are_built_on_gets_a_private_name() {
    // bake#1112: a base needs a name that nobody else moves. Every other name only costs the daemon time.
    let manifest = CHAIN.to_owned()
        + "image \"leaf\" { name \"NAME-leaf\"; base-image \"scratch\"; labels nonce=\"NAME\" }\n";
    for mut stage in Stage::on_each(&manifest) {
        let calls = note_calls(&mut stage);
        let private_names = || {
            let recorded = std::fs::read_to_string(&calls).expect("the recorded calls");
            std::fs::write(&calls, "").expect("a file");
            let removed = recorded.lines().filter(|line| line.starts_with("image rm"));
            removed
                .map(|line| line.matches("imgspec-pin:").count())
                .sum::<usize>()
        };
        let built = stage.build(&[]).success();
        assert_eq!(named(&built, "image-built").len(), 3, "{}", stage.store);
        assert_eq!(private_names(), 1, "{}", stage.store);
        // So does a base that was found rather than built.
        stage.build(&["--force", "app"]).success();
        assert_eq!(private_names(), 1, "{}", stage.store);
        stage.build(&["--force", "leaf"]).success();
        assert_eq!(private_names(), 0, "{}", stage.store);
    }
}

#[test]
fn two_runs_at_once_build_each_image_once() {
    // skaffold: two processes, one state file.
    for stage in Stage::on_each(CHAIN) {
        let arguments = ["graph", "build", "--progress", "json"];
        let runs = [(); 2].map(|()| stage.sandbox.spawn(&arguments));
        let mut built = Vec::new();
        for run in runs {
            let output = run.wait_with_output().expect("it ends");
            let stderr = String::from_utf8(output.stderr).expect("text");
            assert!(output.status.success(), "{}: {stderr}", stage.store);
            built.extend(named(
                &Ran {
                    code: None,
                    stdout: String::new(),
                    stderr,
                },
                "image-built",
            ));
        }
        built.sort();
        assert_eq!(built, ["app", "os"], "{}", stage.store);
    }
}

#[test]
fn after_a_kill_the_next_run_builds_what_was_asked_for_while_the_old_builder_lives() {
    // moby/buildkit#2855: the client is killed and the build continues. Its context must not be replaced by the next
    // one.
    let manifest = "image \"app\" { name \"NAME-app\"; base-image \"busybox:1.36\"; copy \"f\" to=\"/f\"; commands \"sleep 3; echo NAME > /app\" }\n";
    for stage in Stage::on_each(manifest) {
        stage.sandbox.write("f", "old");
        let old = stage.reference("app");
        let mut child = stage.sandbox.spawn(&["graph", "build"]);
        wait_for_log(&stage.sandbox.path(".imgspec/logs/app.log"), "sleep 3");
        child.kill().expect("a kill");
        child.wait().expect("it ends");
        stage.sandbox.write("f", "new");
        stage.build(&[]).success();
        let says = |reference: &str| {
            stage
                .docker(&["run", "--rm", reference, "cat", "/f"])
                .success()
                .stdout
        };
        assert_eq!(says(&stage.reference("app")), "new", "{}", stage.store);
        // If its builder finished, the killed run's own image exists; then it matches its name.
        if stage.docker(&["image", "inspect", &old]).code == Some(0) {
            assert_eq!(says(&old), "old", "{}", stage.store);
        }
        stage.sandbox.write("f", "old");
        stage.build(&[]).success();
        assert_eq!(says(&old), "old", "{}", stage.store);
    }
}
