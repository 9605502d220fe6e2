//! A graph with two builders, whose images are bases for each other.

use crate::bench::{Bench, nonce, on_each_engine};
use crate::sandbox::Ran;

const EXAMPLE: &str = include_str!("../../examples/mixed/imgspec.kdl");

/// The images of all events of a kind, sorted.
fn named(ran: &Ran, kind: &str) -> Vec<String> {
    let lines = ran.stderr.lines();
    let events = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut images: Vec<String> = events
        .filter(|event| event["event"] == kind)
        .map(|event| event["image"].as_str().unwrap().to_owned())
        .collect();
    images.sort();
    images
}

/// The names under which the exchange hands bases to envd: in a repository of one random word and one name.
fn handed(bench: &Bench) -> Vec<String> {
    let mut names = bench.names("127.0.0.1:");
    names.retain(|name| name.contains("/imgspec-base:") && name.split('/').count() == 3);
    names
}

#[test]
fn a_graph_of_six_crosses_between_the_builders_both_ways() {
    on_each_engine(|bench| {
        let bench = bench.with_exchange();
        let manifest = format!("defaults {{ labels nonce=\"{}\" }}\n{EXAMPLE}", nonce());
        bench.sandbox.write("imgspec.kdl", &manifest);
        bench.sandbox.write("src/main.sh", "echo one\n");
        let build = || bench.build(&["--progress", "json"]).success();
        let all = [
            "app",
            "notebook",
            "notebook-server",
            "os",
            "report",
            "tools",
        ];
        assert_eq!(named(&build(), "image-built"), all);
        assert_eq!(bench.said("report"), "echo one\nmade by envd for search\n");
        assert_eq!(bench.shell("report", "cat /srv/notebook"), "a notebook\n");
        assert_eq!(bench.said("notebook-server"), "a notebook\n");
        assert_eq!(named(&build(), "image-fresh"), all);
        let words = ["graph", "show", "--times", "--format", "json"];
        let drawing = bench.sandbox.run(&words).success().json();
        for image in drawing["images"].as_array().unwrap() {
            let size = image["size"].as_u64();
            assert!(size.is_some_and(|size| size > 1_000_000), "{image}");
        }

        bench.sandbox.write("src/main.sh", "echo two\n");
        assert_eq!(named(&build(), "image-built"), ["app", "report"]);
        assert_eq!(bench.said("report"), "echo two\nmade by envd for search\n");
        assert_eq!(handed(&bench), [""; 0]);
    });
}

/// A system of Debian's packages, and images of the other builders on it.
const ON_DEBIAN: &str = r#"
image "system" {
    builder "oci"
    base-image debian="bookworm"
    apt-packages "less"
}
image "by-docker" {
    builder "docker"
    base-image image="system"
    copy "src" to="/app"
    commands "dpkg --audit" "less --version > /less"
    cmd "sh" "/app/main.sh"
}
image "by-envd" {
    builder "envd"
    base-image image="system"
    copy "src" to="/app"
    commands "dpkg --audit" "dpkg-query -W -f '${Status}' less > /less"
    entrypoint "sh" "/app/main.sh"
}
"#;

#[test]
fn docker_and_envd_build_on_a_system_of_packages_that_the_embedded_builder_made() {
    on_each_engine(|bench| {
        let bench = bench.with_exchange();
        let manifest = format!("defaults {{ labels nonce=\"{}\" }}\n{ON_DEBIAN}", nonce());
        bench.sandbox.write("imgspec.kdl", &manifest);
        bench.sandbox.write("src/main.sh", "echo one\n");
        let build = || bench.build(&["--progress", "json"]).success();
        let all = ["by-docker", "by-envd", "system"];
        assert_eq!(named(&build(), "image-built"), all);
        assert_eq!(bench.said("by-docker"), "one\n");
        assert_eq!(bench.said("by-envd"), "one\n");
        assert!(bench.shell("by-docker", "cat /less").starts_with("less "));
        assert_eq!(bench.shell("by-envd", "cat /less"), "install ok installed");
        assert_eq!(named(&build(), "image-fresh"), all);
        bench.sandbox.write("src/main.sh", "echo two\n");
        assert_eq!(named(&build(), "image-built"), ["by-docker", "by-envd"]);
        assert_eq!(bench.said("by-docker"), "two\n");
        assert_eq!(bench.said("by-envd"), "two\n");
        let less = manifest.replace("\"less\"", "\"less\" \"file\"");
        bench.sandbox.write("imgspec.kdl", &less);
        assert_eq!(named(&build(), "image-built"), all);
        let is_there = "dpkg-query -W -f '${Package} ' file";
        for image in ["by-docker", "by-envd"] {
            assert_eq!(bench.shell(image, is_there), "file ");
        }
        assert_eq!(handed(&bench), [""; 0]);
    });
}
