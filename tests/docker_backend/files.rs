//! The files that are sent are those that were hashed.

use std::collections::BTreeMap;

use imgspec::backend::{BuildError, Cancel};
use imgspec::recipe::Step;

use crate::bench::{Heard, copy, on_each_store, recipe, run};

/// flytekit#3246
#[test]
fn a_file_that_moved_since_it_was_hashed_is_noticed_and_nothing_is_built() {
    on_each_store(|bench| {
        bench.write("src/a.txt", "alpha");
        let recipe = recipe("busybox:1.36", vec![copy("src", "/src")]);
        let files = bench.files(&recipe);
        bench.write("src/a.txt", "alphb");
        let reference = bench.reference();
        let built = bench.build_files(
            &bench.backend(),
            &recipe,
            &files,
            &BTreeMap::new(),
            &reference,
            &Heard::default(),
            &Cancel::default(),
        );
        assert_eq!(
            built,
            Err(BuildError::Moved {
                path: "src/a.txt".into()
            })
        );
        assert!(!bench.has(&reference));
    });
}

/// flytekit#3246
#[test]
fn a_file_that_changes_while_it_is_built_is_not_in_the_image() {
    on_each_store(|bench| {
        bench.write("src/a.txt", "alpha");
        let steps = vec![run("echo begun; sleep 2"), copy("src", "/src")];
        let recipe = recipe("busybox:1.36", steps);
        let image = std::thread::scope(|scope| {
            let build = scope.spawn(|| bench.build(&bench.backend(), &recipe));
            std::thread::sleep(std::time::Duration::from_millis(1500));
            bench.write("src/a.txt", "later");
            build.join().unwrap().unwrap()
        });
        assert_eq!(bench.sh(&image, "cat /src/a.txt"), "alpha");
    });
}

/// buildkit#2592
#[test]
fn a_change_that_keeps_size_and_time_reaches_the_image() {
    on_each_store(|bench| {
        let backend = bench.backend();
        let recipe = recipe("busybox:1.36", vec![copy("src", "/src")]);
        let time =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for content in ["aaaa", "bbbb", "aaaa", "cccc"] {
            let path = bench.write("src/same", content);
            std::fs::File::open(path)
                .unwrap()
                .set_modified(time)
                .unwrap();
            let image = bench.build(&backend, &recipe).unwrap();
            assert_eq!(bench.sh(&image, "cat /src/same"), content);
        }
    });
}

#[test]
fn equal_files_make_equal_layers_wherever_they_are() {
    on_each_store(|bench| {
        let layers = |folder: &str| {
            bench.write(&format!("{folder}/a/x.py"), "x = 1");
            bench.write(&format!("{folder}/b"), "b");
            let recipe = recipe("scratch", vec![copy(folder, "/src")]);
            let image = bench.build(&bench.backend(), &recipe).unwrap();
            bench.docker(&[
                "image",
                "inspect",
                "--format",
                "{{json .RootFS.Layers}}",
                &image.digest,
            ])
        };
        assert_eq!(layers("one"), layers("two"));
    });
}

#[test]
fn what_is_rendered_is_what_is_built() {
    on_each_store(|bench| {
        bench.write("src/a.txt", "alpha");
        bench.write("one file", "one");
        let steps = vec![
            copy("src", "/src"),
            copy("one file", "/"),
            Step::Env(vec![("A".into(), "$x".into())]),
        ];
        let recipe = recipe("busybox:1.36", steps);
        let image = bench.build(&bench.backend(), &recipe).unwrap();
        let to = bench.root.path().join("rendered");
        bench.render(&recipe, &BTreeMap::new(), &to);
        let path = |name: &str| to.join(name).display().to_string();
        let reference = bench.reference();
        let arguments = [
            "buildx",
            "build",
            "--provenance=false",
            "-q",
            "-t",
            &reference,
            "-f",
        ];
        let (dockerfile, context) = (path("Dockerfile"), path("context"));
        let arguments: Vec<&str> = arguments
            .into_iter()
            .chain([dockerfile.as_str(), &context])
            .collect();
        bench.docker(&arguments);
        let layers = |name: &str| {
            bench.docker(&[
                "image",
                "inspect",
                "--format",
                "{{json .RootFS}} {{json .Config}}",
                name,
            ])
        };
        assert_eq!(layers(&reference), layers(&image.digest));
    });
}
