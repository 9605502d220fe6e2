//! The embedded builder's store over time: what is cleaned, and what need not be there.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::registry::{Registry, digest, layer, noise};
use crate::sandbox::{Ran, Sandbox};

fn store(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("../home/.cache/imgspec/images")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The size of all blobs and notes.
fn size(sandbox: &Sandbox) -> u64 {
    let store = store(sandbox);
    let all = [store.join("blobs/sha256"), store.join("notes")];
    let all = all.iter().flat_map(|folder| files(folder));
    all.map(|file| file.metadata().unwrap().len()).sum()
}

/// The size that `clean` told, in bytes, within what it rounds.
fn told(words: &str) -> f64 {
    let (_, size) = words.rsplit_once(" (").unwrap();
    let (number, unit) = size.trim().trim_end_matches(')').split_once(' ').unwrap();
    let unit = ["B", "kB", "MB", "GB"].iter().position(|one| *one == unit);
    let unit = 1000_f64.powi(i32::try_from(unit.unwrap()).unwrap());
    number.parse::<f64>().unwrap() * unit
}

#[track_caller]
fn is_about(told: f64, bytes: u64) {
    let bytes = f64::from(u32::try_from(bytes).unwrap());
    assert!((told - bytes).abs() <= bytes / 100.0, "{told}, but {bytes}");
}

/// Three images of a megabyte each, of which `c` is on `a`.
fn three() -> Sandbox {
    let image = |name: &str, base: &str| {
        format!("image \"{name}\" {{ base-image {base}; copy \"{name}.bin\" to=\"/{name}\" }}\n")
    };
    let images = [
        ("a", "\"scratch\""),
        ("b", "\"scratch\""),
        ("c", "image=\"a\""),
    ];
    let images: String = images.map(|(name, base)| image(name, base)).concat();
    let sandbox = Sandbox::with(&[(
        "imgspec.kdl",
        &format!("defaults {{ builder \"oci\" }}\n{images}"),
    )]);
    for (seed, name) in (1..).zip(["a.bin", "b.bin", "c.bin"]) {
        std::fs::write(sandbox.path(name), noise(1_000_000, seed)).unwrap();
    }
    sandbox
}

/// Makes the store believe that images were last used days ago, by id.
fn age(sandbox: &Sandbox, days: &[(&str, u64)]) {
    for (image, days) in days {
        let reference = sandbox.run(&["tag", image]).success().stdout;
        let name = format!(
            "image-{}",
            blake3::hash(reference.trim().as_bytes()).to_hex()
        );
        let note = store(sandbox).join("notes").join(name);
        let file = std::fs::File::options().write(true).open(note).unwrap();
        let then = SystemTime::now() - Duration::from_hours(24 * days);
        file.set_modified(then).unwrap();
    }
}

#[test]
fn a_dry_run_says_what_a_clean_then_removes() {
    let sandbox = three();
    sandbox.run(&["graph", "build"]).success();
    age(&sandbox, &[("a", 40), ("b", 50), ("c", 1)]);
    let before = size(&sandbox);
    let dry = sandbox
        .run(&["clean", "--older-than", "30d", "--dry-run"])
        .success()
        .stderr;
    assert!(
        dry.contains("would remove") && dry.contains("2 images"),
        "{dry}"
    );
    assert_eq!(size(&sandbox), before);
    let done = sandbox
        .run(&["clean", "--older-than", "30d"])
        .success()
        .stderr;
    // Warnings about builders that are not there come first.
    let last = |words: &str| words.lines().last().unwrap().to_owned();
    let (dry, done) = (last(&dry), last(&done));
    assert_eq!(dry.replace("would remove", "removed"), done);
    let freed = before - size(&sandbox);
    // What `c` needs of `a` stays.
    assert!(freed > 1_000_000 && freed < 1_100_000, "{freed}");
    is_about(told(&done), freed);
    let plan = sandbox.run(&["graph", "plan", "c"]).success().stdout;
    assert!(plan.contains("0 to build, 1 fresh"), "{plan}");
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(size(&sandbox), before);
}

#[test]
fn a_store_is_cleaned_to_a_size_beginning_with_what_was_not_used_for_longest() {
    let sandbox = three();
    sandbox.run(&["graph", "build"]).success();
    age(&sandbox, &[("a", 3), ("b", 1), ("c", 2)]);
    let before = size(&sandbox);
    let done = sandbox.run(&["clean", "--max-size", "1500kB"]).success();
    let after = size(&sandbox);
    assert!(after < 1_500_000, "{after}");
    is_about(told(&done.stderr), before - after);
    let plan = sandbox.run(&["graph", "plan"]).success().stdout;
    assert!(plan.contains("2 to build, 1 fresh"), "{plan}");
    sandbox.run(&["clean", "--max-size", "1B"]).success();
    assert_eq!(files(&store(&sandbox).join("blobs/sha256")).len(), 0);
    sandbox.run(&["graph", "build"]).success();
    for wrong in [["--max-size", "20"], ["--older-than", "x"]] {
        let ran = sandbox.run(&[&["clean"][..], &wrong].concat()).code(2);
        assert!(
            ran.stderr.contains("write a number and a unit"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_store_has_more_files_than_a_process_may_open() {
    let sandbox = three();
    sandbox.run(&["graph", "build"]).success();
    for number in 0..100 {
        let text = number.to_string();
        let name = digest(text.as_bytes()).replace("sha256:", "");
        std::fs::write(store(&sandbox).join("blobs/sha256").join(name), &text).unwrap();
        std::fs::write(store(&sandbox).join(format!("notes/{text}")), &text).unwrap();
    }
    let own = sandbox.command(&[]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", r#"ulimit -n 60; exec "$0" clean --older-than 0s"#]);
    limited.arg(own.get_program()).current_dir(sandbox.root());
    for (name, value) in own.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    Ran::of(&mut limited).success();
    assert_eq!(files(&store(&sandbox).join("blobs/sha256")).len(), 0);
}

#[test]
fn cleaning_beside_builds_takes_nothing_from_them() {
    let sandbox = three();
    let until = std::time::Instant::now() + Duration::from_secs(5);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while std::time::Instant::now() < until {
                let clean = ["clean", "--older-than", "0s", "--max-size", "0B"];
                sandbox.run(&clean).success();
            }
        });
        for image in ["b", "c"] {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let layout = format!("oci:out-{image}");
                while std::time::Instant::now() < until {
                    let ran = sandbox.run(&["graph", "build", image, "--output", &layout]);
                    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
                }
            });
        }
    });
    for image in ["b", "c"] {
        for blob in files(&sandbox.path(&format!("out-{image}/blobs/sha256"))) {
            let name = format!("sha256:{}", blob.file_name().unwrap().to_str().unwrap());
            assert_eq!(digest(&std::fs::read(&blob).unwrap()), name);
        }
    }
}

/// An image on a base of one registry, pushed to a registry; and the digests of the base's layers.
fn pushed(to: &Registry, base: &Registry) -> (Sandbox, Vec<String>) {
    let layers = [
        layer(&[("etc/passwd", b"app:x:7:8::/:\n")]),
        layer(&[("big", &noise(300_000, 7))]),
    ];
    let reference = base.image("team/base", &layers);
    let host = &to.host;
    let manifest = format!(
        "defaults {{ builder \"oci\"; platform \"linux/amd64\"; registry \"{host}/own\" }}\n\
         image \"app\" {{ base-image \"{reference}\"; copy \"f\" to=\"/srv/f\" owner=\"app\" }}\n"
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "1\n")]);
    // Blobs are counted, and records have some of their own.
    let sandbox = sandbox.env("IMGSPEC_REMOTE_RECORDS", "0");
    (sandbox, layers.iter().map(|layer| digest(layer)).collect())
}

/// The requests since the last call that move these blobs, as `METHOD repository`.
fn moved(registry: &Registry, layers: &[String]) -> Vec<String> {
    let asked = registry.asked().into_iter();
    let of_layers = asked.filter(|asked| {
        let is_moved = asked.starts_with("GET ") || asked.starts_with("PUT ");
        is_moved && layers.iter().any(|layer| asked.contains(layer.as_str()))
    });
    let words = of_layers.map(|asked| asked.split("/blobs/").next().unwrap().to_owned());
    let mut words: Vec<String> = words.collect();
    words.sort();
    words
}

const PUSH: &[&str] = &["graph", "build", "--push"];

#[test]
fn layers_that_the_registry_has_are_not_downloaded() {
    let registry = Registry::new();
    let (sandbox, layers) = pushed(&registry, &registry);
    sandbox.run(PUSH).success();
    // What is in them has to be seen once; then they are mounted.
    let seen = ["GET /v2/team/base", "GET /v2/team/base"];
    assert_eq!(moved(&registry, &layers), seen);
    let blobs = store(&sandbox).join("blobs/sha256");
    std::fs::remove_dir_all(&blobs).unwrap();
    sandbox.write("f", "2\n");
    sandbox.run(PUSH).success();
    assert_eq!(moved(&registry, &layers), [""; 0]);
    registry.is_whole();
    assert_eq!(registry.blobs("own/app").len(), 6);
    let plan = sandbox.run(&["graph", "plan"]).success().stdout;
    assert!(plan.contains("1 fresh"), "{plan}");

    // Files need the bytes.
    sandbox
        .run(&["graph", "build", "--output", "oci:out"])
        .success();
    assert_eq!(moved(&registry, &layers), seen);
    crate::layout::is_layout(&sandbox.path("out"));
    let written = files(&sandbox.path("out/blobs/sha256"));
    assert_eq!(written.len(), 5);

    std::fs::remove_dir_all(&blobs).unwrap();
    sandbox.write("f", "3\n");
    sandbox.run(PUSH).success();
    let gone = layers.clone();
    registry.faults(move |_, path| {
        let is_gone = gone.iter().any(|layer| path.contains(layer.as_str()));
        is_gone.then(|| crate::registry::Fault::Status(404, String::new()))
    });
    let ran = sandbox
        .run(&["graph", "build", "--output", "oci:out2"])
        .code(2);
    let host = &registry.host;
    let words = format!("neither in the store nor any longer in `{host}/team/base`");
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
}

#[test]
fn another_registry_gets_layers_from_where_they_are() {
    let (bases, own) = (Registry::new(), Registry::new());
    let (sandbox, layers) = pushed(&own, &bases);
    sandbox.run(&["graph", "build"]).success();
    moved(&bases, &layers);
    std::fs::remove_dir_all(store(&sandbox).join("blobs/sha256")).unwrap();
    sandbox.run(PUSH).success();
    let fetched = ["GET /v2/team/base", "GET /v2/team/base"];
    assert_eq!(moved(&bases, &layers), fetched);
    assert_eq!(moved(&own, &layers), ["PUT /v2/own/app", "PUT /v2/own/app"]);
    own.is_whole();
}
