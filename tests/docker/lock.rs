//! Locking on real engines: a loopback registry in which a tag moves, images that exist only in the local store, bases
//! for other platforms, and the digests recorded after a push.

use std::cell::RefCell;

use crate::engine::by_turns;
use crate::sandbox::{Ran, Sandbox};
use crate::{docker, nonce, on};

/// A sandbox on one engine; the test's images are removed at its end.
struct Bench {
    sandbox: Sandbox,
    is_containerd: bool,
    engine: String,
    registry: String,
    word: String,
    names: RefCell<Vec<String>>,
}

/// Runs a test on each engine.
fn on_each(test: impl Fn(&Bench)) {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (store, engine) in by_turns() {
        test(&Bench {
            sandbox: on(&engine),
            is_containerd: store == "containerd",
            engine,
            registry: registry.clone(),
            word: nonce(),
            names: RefCell::default(),
        });
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let names = self.names.take();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _ = docker(
            &self.engine,
            &[&["image", "rm", "--force"], names.as_slice()].concat(),
        );
    }
}

impl Bench {
    fn docker(&self, arguments: &[&str]) -> Ran {
        docker(&self.engine, arguments)
    }

    /// The reference of a base that only this test uses.
    fn base(&self, name: &str) -> String {
        let reference = format!("{}/imgspec-test/{name}-{}:1", self.registry, self.word);
        self.names.borrow_mut().push(reference.clone());
        reference
    }

    /// Builds an image whose `/mark` contains this word; returns its id. The label makes the image this test's alone:
    /// tests that run at the same time would otherwise share one id, and no test could remove it.
    fn make(&self, reference: &str, content: &str, more: &[&str]) -> String {
        let text = format!("FROM busybox:1.36\nLABEL of={reference}\nRUN echo {content} > /mark\n");
        self.sandbox.write("../make/Dockerfile", &text);
        let folder = self.sandbox.path("../make").display().to_string();
        let head = [
            "buildx",
            "build",
            "--builder",
            "default",
            "--provenance=false",
            "-q",
            "-t",
            reference,
        ];
        self.docker(&[&head, more, &[&folder]].concat()).success();
        let id = ["image", "inspect", "--format", "{{.Id}}", reference];
        self.docker(&id).success().stdout.trim().to_owned()
    }

    /// The same, but only in the registry; returns its digest there.
    fn push(&self, reference: &str, content: &str) -> String {
        self.make(reference, content, &[]);
        let said = self.docker(&["push", reference]).success().stdout;
        let digest = said
            .split("digest: ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        self.docker(&["image", "rm", "--force", reference])
            .success();
        digest.to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let ran = self.sandbox.run(arguments);
        if let Ok(serde_json::Value::Array(tags)) =
            serde_json::from_str(&self.sandbox.run(&["tag", "--format", "json"]).stdout)
        {
            let tags = tags.iter().filter_map(|tag| tag["reference"].as_str());
            self.names.borrow_mut().extend(tags.map(str::to_owned));
        }
        ran
    }

    fn build(&self, more: &[&str]) -> Ran {
        self.run(&[&["graph", "build", "--progress", "plain"], more].concat())
    }

    fn reference(&self, image: &str) -> String {
        self.sandbox
            .run(&["tag", image])
            .success()
            .stdout
            .trim()
            .to_owned()
    }

    /// The contents of a file in an image of the workspace.
    fn holds(&self, image: &str, file: &str) -> String {
        let reference = self.reference(image);
        let ran = self.docker(&["run", "--rm", "--entrypoint=/bin/cat", &reference, file]);
        ran.success().stdout.trim().to_owned()
    }

    fn label(&self, image: &str, name: &str) -> String {
        let format = format!("{{{{index .Config.Labels {name:?}}}}}");
        let reference = self.reference(image);
        let ran = self.docker(&["image", "inspect", "--format", &format, &reference]);
        ran.success().stdout.trim().to_owned()
    }
}

/// An image with fields, and one with a Dockerfile that names the base in every way.
fn write_both(bench: &Bench, base: &str) {
    let (repository, tag) = base.rsplit_once(':').unwrap();
    bench.sandbox.write(
        "imgspec.kdl",
        &format!(
            "image \"app\" {{\n    base-image \"{base}\"\n    commands \"cp /mark /seen\"\n}}\n\
             image \"own\" {{\n    dockerfile \"Dockerfile\" {{\n        args TAG=\"{tag}\"\n    }}\n}}\n"
        ),
    );
    let text = format!(
        "ARG TAG\nFROM {repository}:$TAG AS one\nFROM {base}\nCOPY --from={base} /mark /copied\n\
         RUN --mount=type=bind,from={base},target=/other cat /mark /copied /other/mark > /seen\nCOPY --from=one /mark /staged\n"
    );
    bench.sandbox.write("Dockerfile", &text);
}

#[test]
fn a_base_that_moved_changes_nothing_until_the_lock_says_so() {
    on_each(|bench| {
        let base = bench.base("moves");
        let first = bench.push(&base, "first");
        write_both(bench, &base);
        bench
            .run(&["lock"])
            .success()
            .says(&format!("locked  {base} {first} (linux/amd64)"));
        bench.build(&["--locked"]).success();
        let contents = || {
            [
                bench.holds("app", "/seen"),
                bench.holds("own", "/seen"),
                bench.holds("own", "/staged"),
            ]
        };
        let all = |word: &str| {
            [
                word.to_owned(),
                format!("{word}\n{word}\n{word}"),
                word.to_owned(),
            ]
        };
        assert_eq!(contents(), all("first"));
        assert_eq!(
            bench.label("app", "org.opencontainers.image.base.digest"),
            first
        );

        let second = bench.push(&base, "second");
        bench
            .run(&["graph", "plan"])
            .success()
            .says("0 to build, 2 fresh");
        bench
            .run(&["graph", "plan", "--refresh-bases"])
            .success()
            .says(&format!("`{base}` moved: {first} -> {second}"));
        // Every step runs again, and the tag points to a different image: the result is built on the locked one.
        bench
            .build(&["--force"])
            .success()
            .says("already built under the same key: `app`, `own`");
        assert_eq!(contents(), all("first"));
        let keys = [bench.reference("app"), bench.reference("own")];

        bench.run(&["lock", "--update"]).success();
        bench
            .run(&["graph", "plan"])
            .success()
            .says("2 to build, 0 fresh")
            .says(&format!("locked {base} for linux/amd64 changed"));
        bench.build(&["--locked"]).success();
        assert_eq!(contents(), all("second"));
        assert_eq!(
            bench.label("app", "org.opencontainers.image.base.digest"),
            second
        );
        assert!(!keys.contains(&bench.reference("app")) && !keys.contains(&bench.reference("own")));
    });
}

#[test]
fn docker_programs_build_on_what_is_locked_too() {
    on_each(|bench| {
        let base = bench.base("programs");
        bench.push(&base, "first");
        write_both(bench, &base);
        bench.run(&["lock"]).success();
        bench.push(&base, "second");
        let mut build =
            bench
                .sandbox
                .command(&["graph", "build", "--locked", "--progress", "plain"]);
        Ran::of(build.env("IMGSPEC_DOCKER_PROGRAMS", "1")).success();
        bench.run(&["graph", "plan"]).success().says("2 fresh");
        assert_eq!(bench.holds("app", "/seen"), "first");
        assert_eq!(bench.holds("own", "/seen"), "first\nfirst\nfirst");
    });
}

#[test]
fn a_base_that_no_registry_has_is_locked_by_its_id() {
    on_each(|bench| {
        let base = bench.base("local");
        let first = bench.make(&base, "first", &[]);
        write_both(bench, &base);
        bench
            .run(&["lock"])
            .success()
            .says("which no other machine has (its registry does not have it)")
            .says(&first);
        assert!(
            bench
                .sandbox
                .read("imgspec.lock")
                .contains(&format!("local-id \"{first}\""))
        );
        // The name moves to another image; the first retains a name, as it might in a user's store.
        let kept = bench.base("kept");
        bench.docker(&["tag", &base, &kept]).success();
        bench.make(&base, "second", &[]);
        bench.build(&["--locked"]).success();
        assert_eq!(bench.holds("app", "/seen"), "first");
        assert_eq!(bench.holds("own", "/seen"), "first\nfirst\nfirst");
        // A missing digest is reported with how to proceed.
        for image in ["app", "own"] {
            let reference = bench.reference(image);
            bench
                .docker(&["image", "rm", "--force", &reference])
                .success();
        }
        bench.docker(&["image", "rm", "--force", &kept]).success();
        // containerd's store retains untagged images.
        bench.docker(&["image", "rm", "--force", &first]);
        bench
            .build(&["--force", "app"])
            .code(1)
            .says(&format!("to the image {first} of a local store"))
            .says(&format!("`imgspec lock --update {base}`"));
        bench.run(&["lock", "--update", &base]).success();
        bench.build(&["--locked"]).success();
        assert_eq!(bench.holds("app", "/seen"), "second");
    });
}

#[test]
fn a_locked_digest_that_only_the_local_store_has_is_built_on() {
    on_each(|bench| {
        let base = bench.base("held");
        let id = bench.make(&base, "first", &[]);
        write_both(bench, &base);
        bench.run(&["lock"]).success();
        // As if the registry had not answered: containerd's store knows each image by a digest.
        let lock = bench.sandbox.read("imgspec.lock");
        let lock = lock.replace(&format!("local-id \"{id}\""), &format!("digest \"{id}\""));
        assert!(lock.contains(&format!("digest \"{id}\"")), "{lock}");
        bench.sandbox.write("imgspec.lock", &lock);
        let ran = bench.build(&["--locked", "--attempts", "1"]);
        if bench.is_containerd {
            ran.success();
            assert_eq!(bench.holds("app", "/seen"), "first");
            assert_eq!(bench.holds("own", "/seen"), "first\nfirst\nfirst");
        } else {
            // The classic store has digests of registries alone.
            ran.code(1)
                .says(&format!("`imgspec.lock` pins this digest for `{base}`"));
        }
    });
}

#[test]
fn a_locked_digest_that_is_gone_is_told_with_what_to_do() {
    on_each(|bench| {
        let base = bench.base("gone");
        let digest = bench.push(&base, "first");
        write_both(bench, &base);
        bench.run(&["lock"]).success();
        let lock = bench.sandbox.read("imgspec.lock");
        let other = format!("sha256:{}", "0".repeat(64));
        bench
            .sandbox
            .write("imgspec.lock", &lock.replace(&digest, &other));
        bench
            .build(&["--locked", "app"])
            .code(1)
            .says(&other)
            .says(&format!("`imgspec.lock` pins this digest for `{base}`"))
            .says(&format!(
                "`imgspec lock --update {base}` locks what the tag points to now"
            ));
    });
}

#[test]
fn a_base_of_another_platform_is_refused_before_the_run() {
    on_each(|bench| {
        let base = bench.base("foreign");
        let write = |platform: &str| {
            let text = format!(
                "image \"app\" {{\n    base-image \"{base}\"\n    platform \"{platform}\"\n    env A=\"1\"\n}}\n"
            );
            bench.sandbox.write("imgspec.kdl", &text);
        };
        let refused = |command: &[&str]| {
            bench
                .run(command)
                .code(2)
                .says("it is not available for linux/arm64, only for linux/amd64")
                .says("build for a platform");
        };
        // Only in the local store, then only in the registry, then in both.
        bench.make(&base, "local", &[]);
        write("linux/arm64");
        refused(&["graph", "build"]);
        refused(&["lock"]);
        bench.push(&base, "remote");
        refused(&["graph", "build"]);
        refused(&["lock"]);
        bench.make(&base, "local", &[]);
        refused(&["graph", "build"]);
        write("linux/amd64");
        bench.run(&["lock"]).success();
        bench.build(&["--locked"]).success();
        // Locked for one platform is not locked for another.
        write("linux/arm64");
        bench.build(&["--locked"]).code(2).says("does not pin");
    });
}

#[test]
fn metadata_names_what_was_pushed_by_its_digest() {
    on_each(|bench| {
        let registry = &bench.registry;
        bench.sandbox.write(
            "imgspec.kdl",
            &format!(
                "image \"app\" {{\n    registry \"{registry}/imgspec-test\"\n    base-image \"busybox:1.36\"\n    env A=\"{}\"\n}}\n",
                bench.word
            ),
        );
        let pushed = |more: &[&str]| {
            bench
                .build(&[&["--metadata-file", "out.json"], more].concat())
                .success();
            let metadata: serde_json::Value =
                serde_json::from_str(&bench.sandbox.read("out.json")).unwrap();
            metadata["app"]["pushed"].as_str().map(str::to_owned)
        };
        assert_eq!(pushed(&[]), None);
        let first = pushed(&["--push"]).unwrap();
        assert!(
            first.starts_with(&format!("{registry}/imgspec-test/app@sha256:")),
            "{first}"
        );
        // Found in the registry, it is the same.
        assert_eq!(pushed(&["--push"]).as_ref(), Some(&first));
        bench.docker(&["pull", "-q", &first]).success();
        bench.names.borrow_mut().push(first);
        assert!(pushed(&["--push", "--force"]).is_some());
    });
}
