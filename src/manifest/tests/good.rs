//! The meaning of valid manifests.

use crate::spec::{Base, CopyFrom};
use crate::workspace::{Image, Workspace};

use super::{checked, good};

fn one(manifest: &str) -> Workspace {
    good(&[("imgspec.kdl", manifest)], &[])
}

#[track_caller]
fn image<'a>(workspace: &'a Workspace, id: &str) -> &'a Image {
    let found = workspace.images.iter().find(|image| image.id == id);
    found.unwrap_or_else(|| panic!("no image `{id}`"))
}

fn ids(workspace: &Workspace) -> Vec<&str> {
    workspace
        .images
        .iter()
        .map(|image| image.id.as_str())
        .collect()
}

fn pairs(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" ")
}

#[test]
fn the_manifest_of_the_design_is_read() {
    let root = r#"
workspace {
    include "services/*"
}
variable "registry" env="REGISTRY" default="ghcr.io/acme"
defaults {
    registry "{{ registry }}"
    platform "linux/amd64"
}
template "python-service" {
    python-version "3.12"
    env PYTHONUNBUFFERED="1"
}
image "ml-base" {
    base-image "debian:bookworm-slim"
    apt-packages "git" "libgomp1"
}
"#;
    let services = r#"
image "train" extends="python-service" {
    base-image image="ml-base"
    requirements "requirements.txt"
    packages "torch==2.5.1"
    copy "src" to="/app/src"
    commands "python -m compileall /app/src"
    entrypoint "python" "-m" "train"
}
image "serve-py{{ python }}" {
    matrix { python "3.11" "3.12" }
    base-image image="ml-base"
    python-version "{{ python }}"
}
"#;
    let files = [
        ("imgspec.kdl", root),
        ("services/ml/imgspec.kdl", services),
        ("services/ml/requirements.txt", "numpy\n"),
        ("services/ml/src/train.py", ""),
        ("services/docs/readme", ""),
    ];
    let workspace = good(&files, &["env:REGISTRY=localhost:5000"]);
    assert_eq!(
        ids(&workspace),
        ["ml-base", "train", "serve-py3.11", "serve-py3.12"]
    );
    let train = image(&workspace, "train");
    assert_eq!(train.folder.as_str(), "services/ml");
    assert_eq!(train.spec.registry.as_deref(), Some("localhost:5000"));
    assert_eq!(train.spec.python_version.as_deref(), Some("3.12"));
    assert_eq!(train.spec.base_image, Some(Base::Image("ml-base".into())));
    assert_eq!(
        train.spec.requirements.as_ref().unwrap().path.as_str(),
        "services/ml/requirements.txt"
    );
    let CopyFrom::Workspace { path, given } = &train.spec.copy[0].from else {
        panic!("not of the workspace")
    };
    assert_eq!((path.as_str(), given.as_str()), ("services/ml/src", "src"));
    assert_eq!(
        train.spec.entrypoint.as_ref().unwrap().join(" "),
        "python -m train"
    );
    let place = train.places.get("packages[0]").unwrap();
    assert_eq!(workspace.sources.line_column(place), (5, 14));
    assert_eq!(
        workspace.sources.get(place.source).path,
        "services/ml/imgspec.kdl"
    );
}

#[test]
fn lists_append_scalars_replace_and_maps_merge() {
    let workspace = one(r#"
defaults {
    packages "a"
    user "one"
    env A="1" B="1"
    platform "linux/amd64" "linux/arm64"
    entrypoint "x"
}
template "t" { packages "b"; env B="2" C="2"; user "two" }
template "u" extends="t" { packages "c"; env { D "3" } }
image "i" extends="u" {
    extends "t"
    packages "d" "e"
    packages "f"
    env C="4" {
        reset "5"
    }
    platform "linux/arm64"
    cmd
}
image "plain"
"#);
    let spec = &image(&workspace, "i").spec;
    assert_eq!(spec.packages.join(" "), "a b c d e f");
    assert_eq!(pairs(&spec.env), "A=1 B=2 C=4 D=3 reset=5");
    assert_eq!(spec.user.as_deref(), Some("two"));
    assert_eq!(spec.platform, ["linux/arm64"]);
    assert_eq!(spec.cmd, Some(Vec::new()));
    assert_eq!(image(&workspace, "plain").spec.user.as_deref(), Some("one"));
}

#[test]
fn a_reset_drops_what_was_inherited_and_nothing_else() {
    let workspace = one(r#"
defaults { packages "a"; user "one"; env A="1"; entrypoint "x"; copy "."; base-image "scratch" }
template "t" { packages "b" }
image "i" extends="t" {
    packages "c"
    packages "d" reset=#true
    user reset=#true
    env reset=#true B="2"
    entrypoint reset=#true
    copy reset=#true
    base-image reset=#true
}
"#);
    let spec = &image(&workspace, "i").spec;
    assert_eq!(spec.packages.join(" "), "c d");
    assert_eq!(pairs(&spec.env), "B=2");
    assert_eq!(
        (&spec.user, &spec.entrypoint, &spec.base_image),
        (&None, &None, &None)
    );
    assert!(spec.copy.is_empty());
}

#[test]
fn names_are_filled_into_quoted_strings_and_raw_strings_are_left() {
    let workspace = one(r##"
variable "a" default="1"
variable "b" default="{{ a }}.{{a}}"
image "x-{{ b }}" {
    commands "echo {{b}}" #"echo {{ a }}"# """
        {{ a }}
        two
        """
    env A="{{ a }}"
    labels x="{{  b  }}"
}
"##);
    let spec = &image(&workspace, "x-1.1").spec;
    assert_eq!(spec.commands, ["echo 1.1", "echo {{ a }}", "1\ntwo"]);
    assert_eq!(pairs(&spec.env), "A=1");
    assert_eq!(pairs(&spec.labels), "x=1.1");
}

#[test]
fn a_flag_is_stronger_than_the_environment_and_that_than_a_default() {
    let files = [(
        "imgspec.kdl",
        "variable \"v\" env=\"V\" default=\"c\"\nimage \"i\" { user \"{{ v }}\" }\n",
    )];
    let user = |flags: &[&str]| good(&files, flags).images[0].spec.user.clone().unwrap();
    assert_eq!(user(&[]), "c");
    assert_eq!(user(&["env:V=b"]), "b");
    assert_eq!(user(&["env:V=b", "var:v=x", "var:v=a"]), "a");
}

#[test]
fn set_is_stronger_than_the_manifest() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"s\" }\nimage \"train-a\" { packages \"a\"; env A=\"1\"; user \"u\" }\nimage \"serve\"\n",
        ),
        ("s/imgspec.kdl", "image \"train-b\"\n"),
        ("s/other.txt", ""),
    ];
    let workspace = good(
        &files,
        &[
            "set:train-*.packages=x",
            "set:train-a.packages=y",
            "set:train-a.env.B=2=3",
            "set:serve.entrypoint=python -m 'a b'",
            "set:train-?.user=one",
            "set:train-a.user=two",
            "set:train-b.requirements=other.txt",
            "set:train-b.base-image=debian:12",
        ],
    );
    let a = &image(&workspace, "train-a").spec;
    assert_eq!(a.packages.join(" "), "x y");
    assert_eq!(pairs(&a.env), "A=1 B=2=3");
    assert_eq!(a.user.as_deref(), Some("two"));
    let b = &image(&workspace, "train-b").spec;
    assert_eq!(b.packages.join(" "), "x");
    assert_eq!(
        b.requirements.as_ref().unwrap().path.as_str(),
        "s/other.txt"
    );
    assert_eq!(b.base_image, Some(Base::Registry("debian:12".into())));
    let serve = &image(&workspace, "serve").spec;
    assert_eq!(
        serve.entrypoint.as_ref().unwrap().join("|"),
        "python|-m|a b"
    );
}

#[test]
fn a_file_gives_its_names_and_defaults_to_the_files_that_it_includes() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"a\" \"b.kdl\" }\nvariable \"v\" default=\"1\"\ndefaults { labels x=\"root\" }\ntemplate \"t\" { user \"t\" }\n",
        ),
        (
            "a/imgspec.kdl",
            "workspace { include \"../c\" }\ndefaults { labels x=\"{{ v }}\" y=\"a\" }\nvariable \"w\" default=\"a\"\nimage \"a\" extends=\"t\"\n",
        ),
        (
            "b.kdl",
            "variable \"w\" default=\"b\"\nimage \"b-{{ w }}\"\n",
        ),
        (
            "c/imgspec.kdl",
            "image \"c-{{ w }}\" { copy \"imgspec.kdl\" \"../b.kdl\" }\n",
        ),
    ];
    let workspace = good(&files, &[]);
    assert_eq!(ids(&workspace), ["a", "c-a", "b-b"]);
    assert_eq!(pairs(&image(&workspace, "c-a").spec.labels), "x=1 y=a");
    assert_eq!(pairs(&image(&workspace, "b-b").spec.labels), "x=root");
    assert_eq!(image(&workspace, "a").spec.user.as_deref(), Some("t"));
    let copies: Vec<String> = image(&workspace, "c-a")
        .spec
        .copy
        .iter()
        .map(|copy| format!("{:?}", copy.from))
        .collect();
    assert!(
        copies[0].contains("\"c/imgspec.kdl\"") && copies[1].contains("\"b.kdl\""),
        "{copies:?}"
    );
}

#[test]
fn a_matrix_makes_every_combination_the_first_axis_changing_slowest() {
    let workspace = one(
        "image \"s-{{ a }}-{{ b }}\" {\n    matrix { a \"1\" \"2\"; b \"x\" \"y\"; c \"only\" }\n    user \"{{ c }}\"\n}\n",
    );
    assert_eq!(ids(&workspace), ["s-1-x", "s-1-y", "s-2-x", "s-2-y"]);
    assert_eq!(
        image(&workspace, "s-2-x").spec.user.as_deref(),
        Some("only")
    );
}

#[test]
fn a_diamond_of_templates_counts_its_top_once() {
    let workspace = one(
        "template \"top\" { packages \"t\" }\ntemplate \"l\" extends=\"top\" { packages \"l\" }\ntemplate \"r\" extends=\"top\" { packages \"r\" }\nimage \"i\" { extends \"l\" \"r\"; packages \"i\" }\n",
    );
    assert_eq!(image(&workspace, "i").spec.packages.join(" "), "t l r i");
}

#[test]
fn copies_of_images_are_edges_and_recipes_follow_when_all_is_well() {
    let found = checked(
        &[(
            "imgspec.kdl",
            "image \"a\" { base-image \"scratch\" }\nimage \"b\" {\n    copy image=\"a\" \"/x\" \"/y\" to=\"/z/\" owner=\"1:1\"\n}\n",
        )],
        &[],
    );
    assert!(!found.has_errors());
    assert_eq!(found.recipes.len(), 2);
    let graph = found.graph.unwrap();
    assert_eq!(
        graph.bases(graph.find("b").unwrap()),
        [graph.find("a").unwrap()]
    );
}

#[test]
fn a_password_in_a_url_is_refused_wherever_it_stands() {
    let told = |field: &str| {
        let manifest = format!("image \"a\" {{ packages \"six\"; {field} }}\n");
        checked(&[("imgspec.kdl", &manifest)], &[])
            .diagnostics
            .len()
    };
    for refused in [
        "pip-index \"https://me:pass@x.org/simple\"",
        "pip-extra-index-url \"https://x.org\" \"https://token@x.org/simple\"",
        "pip-extra-args \"--find-links https://me:pass@x.org/\"",
        "packages \"x @ git+https://token@x.org/x.git\"",
    ] {
        assert_eq!(told(refused), 1, "{refused}");
    }
    assert_eq!(
        told("packages \"x @ git+ssh://git@x.org/x@v1\" \"y @ https://x.org/y@1.whl\""),
        0
    );
}
