//! User-defined envd contexts, which use a `BuildKit` other than the Docker daemon's.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use crate::bench::{Bench, nonce, on_each_engine};

/// A `BuildKit` on its own socket: the one inside Docker's daemon, without the surrounding HTTP API.
struct BuildKit {
    folder: tempfile::TempDir,
}

impl BuildKit {
    fn of(bench: &Bench) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("buildkitd.sock")).unwrap();
        let daemon = bench.engine.strip_prefix("unix://").unwrap();
        let daemon = PathBuf::from(daemon);
        thread::spawn(move || {
            for client in listener.incoming() {
                let daemon = daemon.clone();
                thread::spawn(move || converse(&client.unwrap(), &daemon));
            }
        });
        Self { folder }
    }

    fn address(&self) -> String {
        self.folder
            .path()
            .join("buildkitd.sock")
            .display()
            .to_string()
    }
}

fn converse(client: &UnixStream, daemon: &Path) {
    let mut server = UnixStream::connect(daemon).unwrap();
    let upgrade =
        "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    server.write_all(upgrade.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        server.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let pass = |from: &UnixStream, to: &UnixStream| {
        let (mut from, mut to) = (from, to);
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::scope(|scope| {
        scope.spawn(|| pass(client, &server));
        pass(&server, client);
    });
}

/// Runs a test with a context `mine` for a `BuildKit` on a socket; only if the daemon's is complete, which requires
/// containerd's image store.
fn on_a_buildkit(test: impl Fn(&Bench)) {
    on_each_engine(|bench| {
        if bench.store != "containerd" {
            return;
        }
        let buildkit = BuildKit::of(bench);
        let create = ["context", "create", "--name", "mine", "--builder", "unix"];
        let address = buildkit.address();
        let ran = bench.envd(&[&create[..], &["--builder-address", &address]].concat());
        ran.success();
        test(bench);
    });
}

fn two_images(bench: &Bench, more: &str) {
    let nonce = nonce();
    bench.sandbox.write(
        "imgspec.kdl",
        &format!(
            "image \"base\" {{\n  builder \"docker\"\n  base-image \"debian:bookworm-slim\"\n  labels nonce=\"{nonce}\"\n}}\n\
             image \"app\" {{\n  builder \"envd\"\n  base-image image=\"base\"\n  {more}\n  commands \"echo {nonce} > /said\"\n}}\n"
        ),
    );
}

#[test]
fn a_context_of_the_users_builds_and_stays_as_it_is() {
    on_a_buildkit(|bench| {
        let contexts = bench.sandbox.path("../home/.config/envd/contexts");
        let before = std::fs::read(&contexts).unwrap();
        two_images(bench, "");
        let mine = ["--envd-context", "mine"];
        bench.build(&mine).success().says("built 2");
        assert_eq!(bench.shell("app", "test -s /said && echo yes"), "yes\n");
        let doctor = bench.sandbox.run(&[&["doctor"], &mine[..]].concat());
        let doctor = doctor.success().stdout;
        assert!(
            doctor.contains("the envd context is `mine` (unix)"),
            "{doctor}"
        );
        assert_eq!(std::fs::read(&contexts).unwrap(), before);
        // flytekit's variable has the same effect.
        let mut command = bench.sandbox.command(&["doctor"]);
        let doctor = crate::sandbox::Ran::of(command.env("FLYTE_ENVD_CONTEXT", "mine"));
        assert!(doctor.success().stdout.contains("`mine` (unix)"));
    });
}

#[test]
fn registry_config_is_for_a_buildkit_that_envd_starts() {
    on_a_buildkit(|bench| {
        two_images(bench, "registry-config \"registries.json\"");
        let sandbox = &bench.sandbox;
        sandbox.write("registries.json", r#"{ "registries": [] }"#);
        bench
            .build(&[])
            .code(2)
            .says("the `envd` builder does not support `registry-config`")
            .says("choose a context of type `docker-container`");
        bench
            .build(&["--envd-context", "mine"])
            .code(1)
            .says("it applies only to a BuildKit that envd starts itself");

        let create = ["context", "create", "--name", "boxed", "--builder"];
        let kind = ["docker-container", "--builder-address", "imgspec-nobody"];
        bench.envd(&[&create[..], &kind[..]].concat()).success();
        sandbox.write("registries.json", "{ no JSON");
        bench
            .build(&["--envd-context", "boxed"])
            .code(1)
            .says("envd cannot apply `registry-config`");
    });
}
