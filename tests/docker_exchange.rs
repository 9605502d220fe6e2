//! The exchange with real engines: images pushed by one are pulled by another, and builds use them as bases.
//!
//! `tests/run` starts the engines and sets their addresses; without it these tests fail instead of being skipped
//! silently.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "engine/mod.rs"]
mod engine;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::engines;
use imgspec::backend::oci::exchange::Exchange;
use imgspec::backend::oci::store::Store;
use imgspec::limits::Limits;

/// An exchange, and engines from which received images are removed at the end.
struct Bench {
    exchange: Exchange,
    folder: tempfile::TempDir,
    names: Mutex<Vec<(String, String)>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("oci")).unwrap();
        Self {
            exchange: Exchange::start(&store, &Limits::default()).unwrap(),
            folder,
            names: Mutex::default(),
        }
    }

    fn command(&self, engine: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(arguments)
            .env("DOCKER_HOST", engine)
            .env("DOCKER_CONFIG", self.folder.path())
            .env("DOCKER_BUILDKIT", "1");
        command
    }

    #[track_caller]
    fn docker(&self, engine: &str, arguments: &[&str]) -> String {
        let output = self.command(engine, arguments).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {err}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Builds an image that no other test has, with two layers and an empty one.
    fn build(&self, engine: &str, from: &str, name: &str) {
        self.note(engine, name);
        std::fs::write(
            self.folder.path().join("Dockerfile"),
            format!(
                "FROM {from}\nRUN echo {} >> /mark\nENV A=1\nRUN true\n",
                unique()
            ),
        )
        .unwrap();
        let context = self.folder.path().join("context");
        std::fs::create_dir_all(&context).unwrap();
        let (file, context) = (self.folder.path().join("Dockerfile"), context);
        let paths = [file.to_str().unwrap(), context.to_str().unwrap()];
        self.docker(
            engine,
            &["build", "-q", "-t", name, "-f", paths[0], paths[1]],
        );
    }

    fn note(&self, engine: &str, name: &str) {
        let pair = (engine.to_owned(), name.to_owned());
        self.names.lock().unwrap().push(pair);
    }

    /// The layers of an image, by their contents.
    #[track_caller]
    fn layers(&self, engine: &str, name: &str) -> String {
        let format = "{{json .RootFS.Layers}} {{json .Config.Env}}";
        self.docker(engine, &["image", "inspect", "--format", format, name])
    }

    fn pull(&self, engine: &str, reference: &str) {
        self.note(engine, reference);
        self.docker(engine, &["pull", "-q", reference]);
    }

    /// Offers an image of an engine's store, by pushing it under another name that is then removed.
    fn offer(&self, engine: &str, image: &str, name: &str) -> String {
        let reference = format!("{}:1", self.exchange.repository(name).unwrap());
        self.docker(engine, &["tag", image, &reference]);
        self.docker(engine, &["push", "-q", &reference]);
        self.docker(engine, &["image", "rm", "--no-prune", &reference]);
        reference
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for (engine, name) in self.names.lock().unwrap().iter() {
            let _ = self
                .command(engine, &["image", "rm", "--force", name])
                .output();
        }
    }
}

fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{since:x}-{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

#[test]
fn what_one_engine_pushes_every_engine_pulls() {
    for (store, from) in engines() {
        let bench = Bench::new();
        let reference = format!("{}:1", bench.exchange.repository("team/app").unwrap());
        bench.build(&from, "busybox:1.36", &reference);
        bench.docker(&from, &["push", "-q", &reference]);
        let found = bench.exchange.find("team/app", "1").unwrap().unwrap();
        assert!(found.media_type.contains("manifest") || found.media_type.contains("index"));
        let expected = bench.layers(&from, &reference);
        bench.docker(&from, &["image", "rm", "--force", &reference]);
        for (other, to) in engines() {
            bench.pull(&to, &reference);
            assert_eq!(
                bench.layers(&to, &reference),
                expected,
                "{store} to {other}"
            );
            let pinned = format!("{}@{}", reference.trim_end_matches(":1"), found.digest);
            bench.pull(&to, &pinned);
        }
    }
}

#[test]
fn builds_stand_on_what_is_only_in_the_exchange() {
    for (_, from) in engines() {
        let bench = Bench::new();
        let base = format!("imgspec-test/{}:1", unique());
        bench.build(&from, "busybox:1.36", &base);
        let reference = bench.offer(&from, &base, "base");
        for (store, to) in engines() {
            let child = format!("imgspec-test/{}:1", unique());
            bench.build(&to, &reference, &child);
            let (below, all) = (bench.layers(&from, &base), bench.layers(&to, &child));
            let below = below.split(']').next().unwrap();
            assert!(all.starts_with(below), "{below} {all}");
            // The result is pushed without sending the base again.
            let pushed = format!("{}:1", bench.exchange.repository(store).unwrap());
            bench.note(&to, &pushed);
            bench.docker(&to, &["tag", &child, &pushed]);
            bench.docker(&to, &["push", "-q", &pushed]);
            assert!(bench.exchange.find(store, "1").unwrap().is_some());
        }
    }
}

#[test]
fn engines_push_and_pull_at_once() {
    let bench = &Bench::new();
    let engines = &engines();
    let names: &Vec<String> = &(0..4).map(|n| format!("at-once/{n}")).collect();
    let reference = |name: &str| format!("{}:1", bench.exchange.repository(name).unwrap());
    for (number, name) in names.iter().enumerate() {
        let from = &engines[number % engines.len()].1;
        bench.build(from, "busybox:1.36", &reference(name));
    }
    let base = format!("imgspec-test/{}:1", unique());
    bench.build(&engines[0].1, "busybox:1.36", &base);
    let base = &bench.offer(&engines[0].1, &base, "base");
    std::thread::scope(|scope| {
        for (number, name) in names.iter().enumerate() {
            let from = &engines[number % engines.len()].1;
            scope.spawn(move || bench.docker(from, &["push", "-q", &reference(name)]));
        }
        for number in 0..8 {
            let to = &engines[number % engines.len()].1;
            scope.spawn(move || bench.pull(to, base));
        }
    });
    for name in names {
        for (_, to) in engines {
            bench.pull(to, &reference(name));
        }
    }
}

#[test]
fn when_it_is_gone_engines_say_so() {
    let (_, engine) = engines().remove(0);
    let bench = Bench::new();
    let reference = format!("{}:1", bench.exchange.repository("gone").unwrap());
    let absent = bench
        .command(&engine, &["pull", &reference])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&absent.stderr).contains("not found"));
    let (store, host) = (
        bench.exchange.store().clone(),
        bench.exchange.host().to_owned(),
    );
    drop(bench);
    drop(store);
    assert!(std::net::TcpStream::connect(host).is_err());
}
