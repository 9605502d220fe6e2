//! Images of the embedded builder in a real Docker: as bases of its images, loaded into it, and made of its files.

use std::process::Command;

use super::Bench;
use crate::engine::{by_turns, engines};
use crate::{built, docker, named};

const MIXED: &str = r#"
image "tools" {
    builder "oci"
    base-image "BASE"
    copy "tree" to="/opt/tools" owner="app"
    env TOOLS="/opt/tools"
}
image "app" {
    builder "docker"
    base-image image="tools"
    commands "cat $TOOLS/a.txt > /said"
    copy image="tools" "/opt/tools/sub" to="/copied/"
    cmd "cat" "/said"
}
"#;

/// Writes this manifest for the builder's base.
fn write(bench: &Bench, manifest: &str) {
    let manifest = manifest.replace("BASE", &bench.base);
    let head = format!("defaults {{ registry \"{}/reach\"; }}\n", bench.prefix);
    bench
        .sandbox
        .write("imgspec.kdl", &format!("{head}{manifest}"));
}

fn reference(bench: &Bench, image: &str) -> String {
    let tag = bench.sandbox.run(&["tag", image]).success().stdout;
    tag.trim().to_owned()
}

/// The names that the exchange left behind.
fn left(bench: &Bench) -> Vec<String> {
    let names = bench.docker(&[
        "image",
        "ls",
        "-a",
        "--digests",
        "--format",
        "{{.Repository}}",
    ]);
    let names = names.lines().filter(|name| name.contains("imgspec-image"));
    names.map(str::to_owned).collect()
}

#[test]
fn docker_builds_on_images_of_the_embedded_builder() {
    for (_, engine) in by_turns() {
        let bench = Bench::new(&engine);
        write(&bench, MIXED);
        let build = || {
            let ran = bench.sandbox.run(&["--progress", "json", "graph", "build"]);
            ran.success()
        };
        assert_eq!(built(&build()), ["app", "tools"]);
        let app = reference(&bench, "app");
        let run = ["run", "--rm", "--entrypoint", "cat", &app];
        assert_eq!(bench.docker(&[&run[..], &["/said"]].concat()), "a\n");
        let files = bench.files(&app);
        for line in [
            "/opt/tools/a.txt regular file 644 70:71",
            "/copied/run.sh regular file 755 70:71",
        ] {
            assert!(
                files.iter().any(|file| file.starts_with(line)),
                "{line}: {files:#?}"
            );
        }
        assert_eq!(named(&build(), "image-fresh"), ["app", "tools"]);
        bench.sandbox.write("tree/a.txt", "other\n");
        assert_eq!(built(&build()), ["app", "tools"]);
        let app = reference(&bench, "app");
        let run = ["run", "--rm", "--entrypoint", "cat", &app];
        assert_eq!(bench.docker(&[&run[..], &["/said"]].concat()), "other\n");
        assert!(left(&bench).is_empty(), "{:?}", left(&bench));
    }
}

#[test]
fn images_are_loaded_into_docker() {
    for (_, engine) in by_turns() {
        let bench = Bench::new(&engine);
        write(&bench, MIXED);
        let ran = bench.sandbox.run(&["graph", "build", "tools", "--load"]);
        let ran = ran.success();
        assert!(
            ran.stderr.contains("loaded 1 into Docker"),
            "{}",
            ran.stderr
        );
        let tools = reference(&bench, "tools");
        let run = [
            "run",
            "--rm",
            "--entrypoint",
            "cat",
            &tools,
            "/opt/tools/a.txt",
        ];
        assert_eq!(bench.docker(&run), "a\n");
        assert!(left(&bench).is_empty(), "{:?}", left(&bench));
        // Fresh images are loaded too: Docker may have lost them, or never had them. So may the store, of layers that a
        // registry has.
        bench.docker(&["image", "rm", "--force", &tools]);
        assert!(lose_layers(&bench) > 1);
        bench
            .sandbox
            .run(&["graph", "build", "tools", "--load"])
            .success();
        assert_eq!(bench.docker(&run), "a\n");
    }
}

/// Removes the layers of bases from the store; returns how many.
fn lose_layers(bench: &Bench) -> usize {
    let store = bench.sandbox.root().join("../home/.cache/imgspec/images");
    let notes = store.join("notes").read_dir().unwrap();
    let names = notes.map(|note| note.unwrap().file_name().into_string().unwrap());
    let mut lost = 0;
    for name in names {
        if let Some(hex) = name.strip_prefix("from-") {
            std::fs::remove_file(store.join("blobs/sha256").join(hex)).unwrap();
            lost += 1;
        }
    }
    lost
}

/// The files of an image's file system as Docker writes them, as a tar in the workspace.
fn export(bench: &Bench, image: &str, file: &str) {
    let container = bench.docker(&["create", image]);
    let path = bench.sandbox.path(file).display().to_string();
    bench.docker(&["export", "-o", &path, container.trim()]);
    bench.docker(&["rm", container.trim()]);
}

const FILES: &str = r#"
image "base" {
    base-image file="base.tar"
    copy "tree" to="/lib2"
    copy "one.txt" to="/var/srv/x.txt" owner="app:crew"
    user "app"
    env A="1"
}
"#;

#[test]
fn a_root_file_system_gives_the_same_files_with_both_builders() {
    for (_, engine) in by_turns() {
        let bench = Bench::new(&engine);
        export(&bench, &bench.base, "base.tar");
        let image = |builder: &str| {
            write(&bench, FILES);
            let ran = bench
                .sandbox
                .run(&["graph", "build", "--load", "--builder", builder]);
            ran.success();
            let image = reference(&bench, "base");
            let files = bench.files(&image);
            let config = bench.config(&image);
            bench.docker(&["image", "rm", "--force", &image]);
            (files, config)
        };
        let ((wanted, by_docker), (found, embedded)) = (image("docker"), image("oci"));
        let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
        let extra: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
        assert!(
            missing.is_empty() && extra.is_empty() && wanted.len() > 100,
            "{} files; Docker: {missing:#?}\nembedded: {extra:#?}",
            wanted.len()
        );
        assert_eq!(by_docker, embedded);
    }
}

#[test]
fn archives_of_docker_save_are_bases() {
    for (store, engine) in by_turns() {
        let bench = Bench::new(&engine);
        let (one, two) = (
            bench.base.clone(),
            format!("{}:2", bench.base.trim_end_matches(":1")),
        );
        bench.docker(&["tag", &one, &two]);
        let path = bench.sandbox.path("saved.tar").display().to_string();
        bench.docker(&["save", "-o", &path, &one, &two]);
        let manifest = FILES.replace("base.tar\"", &format!("saved.tar\" ref=\"{two}\""));
        let manifest = manifest.replace("user", "builder \"oci\"\n    user");
        write(&bench, &manifest);
        let build = ["graph", "build", "--load"];
        bench.sandbox.run(&build).success();
        let image = reference(&bench, "base");
        let said = bench.docker(&["run", "--rm", "--entrypoint", "cat", &image, "/usr/lib2/x"]);
        assert_eq!(said, "x\n", "{store}");
        let config = bench.docker(&[
            "image",
            "inspect",
            "--format",
            "{{json .Config.Env}}",
            &image,
        ]);
        assert!(
            config.contains("\"B=base\"") && config.contains("\"A=1\""),
            "{config}"
        );
        write(&bench, &manifest.replace(&two, "nothing:1"));
        let ran = bench.sandbox.run(&build).code(1);
        assert!(
            ran.stderr.contains("it has no image `nothing:1`, only"),
            "{}",
            ran.stderr
        );
    }
}

/// What skopeo says of a layout and an archive, and what it makes of them in a registry.
#[test]
fn skopeo_takes_what_is_written() {
    let program = std::env::var("IMGSPEC_TEST_SKOPEO").unwrap_or_else(|_| "skopeo".to_owned());
    if program == "none" {
        // `tests/run` says so.
        return;
    }
    let (_, engine) = engines().swap_remove(0);
    let bench = Bench::new(&engine);
    write(&bench, MIXED);
    for output in ["oci:layout", "tar:images.tar"] {
        let build = ["graph", "build", "tools", "--output", output];
        bench.sandbox.run(&build).success();
    }
    let skopeo = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("--insecure-policy").args(arguments);
        let output = command.current_dir(bench.sandbox.root()).output();
        let output = output.expect("tests/run installs skopeo, or says that there is none");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "skopeo {arguments:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    };
    let layout: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", "oci:layout"])).unwrap();
    let archive: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", "docker-archive:images.tar"])).unwrap();
    assert_eq!(layout["Env"], archive["Env"]);
    let layers = layout["Layers"].as_array().unwrap();
    assert!(layers.len() > 2, "{layout}");
    let to = format!("docker://{}/skopeo:1", bench.prefix);
    skopeo(&["copy", "-q", "--dest-tls-verify=false", "oci:layout", &to]);
    let pulled = to.trim_start_matches("docker://");
    bench.docker(&["pull", "-q", pulled]);
    let run = [
        "run",
        "--rm",
        "--entrypoint",
        "cat",
        pulled,
        "/opt/tools/a.txt",
    ];
    assert_eq!(bench.docker(&run), "a\n");
    let _ = docker(&engine, &["image", "rm", "--force", pulled]);
}
