//! `also-tag`: further names are given after a build, in registries too, and without a build where only they are missing.

use serde_json::{Value, json};

use crate::build::events;
use crate::registry::{Fault, Registry};
use crate::sandbox::{Sandbox, files_with};

const REGISTRY: &str = "registry.example.com/team";

fn manifest(names: &str) -> String {
    format!("image \"app\" {{ base-image \"scratch\"; registry \"{REGISTRY}\"; {names}; }}\n")
}

/// A workspace for the fake builder.
fn sandbox(names: &str) -> Sandbox {
    Sandbox::with(&[("imgspec.kdl", &manifest(names))])
}

/// What the fake builder's store has under a name.
fn named(sandbox: &Sandbox, place: &str, reference: &str) -> Option<Value> {
    let file = reference.replace(['/', ':'], "+");
    let path = sandbox.path(&format!(".imgspec/fake/{place}/{file}.json"));
    let text = std::fs::read_to_string(path).ok()?;
    serde_json::from_str(&text).ok()
}

#[test]
fn names_are_given_after_the_build_and_need_none_afterwards() {
    let sandbox = sandbox("also-tag \"latest\" \"v1\"");
    sandbox.build(&[]).success().says("latest");
    assert_eq!(sandbox.built(), ["app"]);
    let latest = named(&sandbox, "local", &format!("{REGISTRY}/app:latest")).unwrap();
    assert_eq!(
        named(&sandbox, "local", &format!("{REGISTRY}/app:v1")).unwrap(),
        latest
    );
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
    sandbox.write("imgspec.kdl", &manifest("also-tag \"latest\" \"v2\""));
    let v2 = format!("{REGISTRY}/app:v2");
    assert_eq!(
        sandbox.plan(&[]),
        [format!("app build name-elsewhere:{v2}")]
    );
    let plan = sandbox
        .run(&["graph", "plan", "--builder", "fake"])
        .success();
    assert_eq!(
        plan.stdout,
        format!("app  tag    `{v2}` is not this image\n0 to build, 1 to tag, 0 fresh\n")
    );
    let show = [
        "graph",
        "show",
        "--plan",
        "--builder",
        "fake",
        "--format",
        "json",
    ];
    let drawn = sandbox.run(&show).success().json();
    assert_eq!(drawn["images"][0]["state"], "tag", "{drawn}");
    let ran = sandbox.build(&["--progress", "json"]).success();
    let heard = events(&ran);
    let started = heard.iter().find(|event| event["event"] == "run-started");
    assert_eq!(
        (&started.unwrap()["build"], &started.unwrap()["fresh"]),
        (&json!(0), &json!(1))
    );
    let tagged = heard.iter();
    let tagged: Vec<&Value> = tagged
        .filter(|event| event["event"] == "image-tagged")
        .collect();
    assert_eq!(tagged.len(), 1, "{}", ran.stderr);
    assert_eq!(
        tagged[0]["names"],
        json!([format!("{REGISTRY}/app:latest"), v2])
    );
    assert_eq!(sandbox.built(), [""; 0], "nothing is built for a name");
    assert_eq!(named(&sandbox, "local", &v2).unwrap(), latest);
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
}

#[test]
fn a_name_that_another_image_took_is_taken_back() {
    let sandbox = sandbox("also-tag \"latest\"");
    sandbox.build(&[]).success();
    let stolen = sandbox.path(&format!(
        ".imgspec/fake/local/{}+app+latest.json",
        REGISTRY.replace('/', "+")
    ));
    std::fs::write(
        &stolen,
        r#"{"key":"other","digest":"sha256:00","size":null}"#,
    )
    .unwrap();
    sandbox.built();
    sandbox.build(&[]).success().says("tagged");
    assert_eq!(sandbox.built(), [""; 0]);
    assert!(!std::fs::read_to_string(&stolen).unwrap().contains("other"));
}

#[test]
fn names_are_pushed_with_the_image_as_far_as_they_are_in_a_registry() {
    let sandbox = sandbox("also-tag \"latest\" \"other.example.com/x/y:1\" \"here/y:1\"");
    sandbox.build(&["--push"]).success();
    let pushed = |name: &str| named(&sandbox, "registry", name).is_some();
    assert!(pushed(&format!("{REGISTRY}/app:latest")));
    assert!(pushed("other.example.com/x/y:1"));
    assert!(!pushed("here/y:1"));
    assert!(named(&sandbox, "local", "here/y:1").is_some());
    assert_eq!(sandbox.plan(&["--push"]), ["app fresh"]);
    // A machine that has no image of its own gives names in the registry only.
    std::fs::remove_dir_all(sandbox.path(".imgspec/fake/local")).unwrap();
    std::fs::remove_dir_all(sandbox.path(".imgspec/state")).unwrap();
    sandbox.write("imgspec.kdl", &manifest("also-tag \"next\""));
    let next = format!("{REGISTRY}/app:next");
    assert_eq!(
        sandbox.plan(&["--push"]),
        [format!("app build name-elsewhere:{next}")]
    );
    sandbox.built();
    sandbox.build(&["--push"]).success();
    assert_eq!(sandbox.built(), [""; 0]);
    assert!(pushed(&next) && named(&sandbox, "local", &next).is_none());
}

#[test]
fn a_name_that_cannot_be_given_fails_the_image_and_not_its_build() {
    let latest = format!("{REGISTRY}/app:latest");
    let sandbox = sandbox("also-tag \"latest\"").env("IMGSPEC_FAKE_FAIL", "latest");
    let said = sandbox.build(&[]).code(1);
    said.says(&format!(
        "the name `{latest}` could not be given: told to fail"
    ));
    assert_eq!(sandbox.built(), ["app"]);
    let said = sandbox.build(&[]).code(1);
    said.says("it is built, but the name");
    assert_eq!(sandbox.built(), [""; 0]);
    let sandbox = sandbox.env("IMGSPEC_FAKE_FAIL", "");
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), [""; 0]);
    assert!(named(&sandbox, "local", &latest).is_some());
}

#[test]
fn a_name_is_tried_again_like_a_push() {
    let sandbox = sandbox("also-tag \"latest\"").env("IMGSPEC_FAKE_STUMBLE", "latest:1");
    let said = sandbox.build(&[]).success();
    said.says("attempt 2 of 3");
    assert_eq!(sandbox.built(), ["app"], "the build is not tried again");
}

#[test]
fn names_that_none_can_have_are_refused_at_their_places() {
    let check = |manifest: &str| {
        Sandbox::with(&[("imgspec.kdl", manifest)])
            .build(&[])
            .code(2)
            .stderr
    };
    let one = |names: &str| {
        check(&format!(
            "image \"a\" {{ base-image \"scratch\"; {names}; }}\n"
        ))
    };
    for (names, words) in [
        ("also-tag \"La test\"", "Docker does not allow ` ` in a tag"),
        ("also-tag \".x\"", "a tag cannot begin with `.` or `-`"),
        ("also-tag \"\"", "`also-tag` cannot be empty"),
        ("also-tag \":latest\"", "also-tag \"latest\""),
        ("also-tag \"r.io/a\"", "also-tag \"r.io/a:latest\""),
        (
            "also-tag \"r.io/a:1\"",
            "a further name in a registry needs `registry`",
        ),
        ("also-tag \"R.io/A:1\"", "error"),
        (
            &format!("also-tag \"a@sha256:{}\"", "0".repeat(64)),
            "a tag, not a digest",
        ),
        ("also-tags \"latest\"", "did you mean `also-tag`?"),
    ] {
        let said = one(names);
        assert!(said.contains(words), "{names}: {said}");
    }
    let said = check(
        "defaults { base-image \"scratch\"; registry \"r.io/x\"; name \"app\"; }\nimage \"a\" { tag-format \"a\"; also-tag \"latest\"; }\n\
         image \"b\" { tag-format \"b\"; also-tag \"v1\" \"latest\"; }\nimage \"c\" { tag-format \"v1\"; }\n",
    );
    for words in [
        "images `a` and `b` would both be tagged `r.io/x/app:latest`",
        "imgspec.kdl:3:",
        "images `b` and `c` would both be tagged `r.io/x/app:v1`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_files_that_others_read_have_all_names() {
    let sandbox = sandbox("also-tag \"latest\" \"app:dev\"");
    sandbox.build(&["--metadata-file", "meta.json"]).success();
    let names = json!([format!("{REGISTRY}/app:latest"), "app:dev"]);
    let meta: Value = serde_json::from_str(&sandbox.read("meta.json")).unwrap();
    assert_eq!(meta["app"]["names"], names);
    let tag = sandbox.run(&["tag", "--format", "json"]).success().json();
    assert_eq!(tag[0]["names"], names);
    let export = |format: &str| {
        sandbox
            .run(&["graph", "export", "--format", format, "-o", format])
            .success()
    };
    export("bake");
    let bake: Value = serde_json::from_str(&sandbox.read("bake/docker-bake.json")).unwrap();
    let tags = bake["target"]["app"]["tags"].as_array().unwrap();
    assert_eq!(tags[1..], names.as_array().unwrap()[..]);
    export("make");
    for name in names.as_array().unwrap() {
        let word = format!("--tag {}", name.as_str().unwrap());
        assert_ne!(files_with(&sandbox.path("make"), &word), "", "{word}");
    }
}

/// An image of the embedded builder.
fn embedded(registry: &Registry, names: &str) -> String {
    format!(
        "image \"app\" {{ builder \"oci\"; base-image \"scratch\"; registry \"{}/team\"; copy \"f\" to=\"/f\"; {names}; }}\n",
        registry.host
    )
}

#[test]
fn a_registry_gets_names_without_layers() {
    let registry = Registry::new();
    let own = embedded(&registry, "also-tag \"latest\"");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &own), ("f", "f\n")]);
    sandbox.run(&["graph", "build", "--push"]).success();
    let image = registry.manifest("team/app", "latest");
    let again = sandbox.run(&["graph", "build", "--push"]).success();
    again.says("1 image fresh");
    let own = embedded(
        &registry,
        &format!("also-tag \"latest\" \"{}/releases/app:1\"", registry.host),
    );
    sandbox.write("imgspec.kdl", &own);
    registry.asked();
    // Not even the store is needed.
    std::fs::remove_dir_all(sandbox.root().join("../home/.cache/imgspec")).unwrap();
    sandbox.run(&["graph", "build", "--push"]).success();
    assert_eq!(registry.manifest("releases/app", "1"), image);
    let asked = registry.asked();
    let uploads = asked
        .iter()
        .filter(|asked| asked.starts_with("PUT") && asked.contains("/blobs/"));
    assert_eq!(uploads.count(), 0, "{asked:?}");
    registry.is_whole();
}

#[test]
fn a_registry_that_refuses_a_name_is_told() {
    let registry = Registry::new();
    let own = embedded(&registry, "also-tag \"latest\"");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &own), ("f", "f\n")]);
    registry.faults(|method, path| {
        let is_it = method == "PUT" && path.ends_with("/manifests/latest");
        is_it.then(|| Fault::Status(403, String::new()))
    });
    let said = sandbox.run(&["graph", "build", "--push"]).code(1);
    said.says("could not be given").says("refused access");
    assert!(!registry.tags("team/app").contains(&"latest".to_owned()));
    registry.behaves();
    sandbox.run(&["graph", "build", "--push"]).success();
    assert!(registry.tags("team/app").contains(&"latest".to_owned()));
}

#[test]
fn files_of_images_have_all_names() {
    let registry = Registry::new();
    let own = embedded(&registry, "also-tag \"latest\" \"app:dev\"");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &own), ("f", "f\n")]);
    sandbox
        .run(&["graph", "build", "--output", "oci:layout"])
        .success();
    let index: Value = serde_json::from_str(&sandbox.read("layout/index.json")).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    let names: Vec<&str> = manifests
        .iter()
        .filter_map(|it| it["annotations"]["org.opencontainers.image.ref.name"].as_str())
        .collect();
    assert_eq!(names[1..], ["latest", "dev"]);
    let same = |it: &&Value| it["digest"] == manifests[0]["digest"];
    assert_eq!(manifests.iter().filter(same).count(), 3);
    sandbox
        .run(&["graph", "build", "--output", "tar:image.tar"])
        .success();
    let mut archive = tar::Archive::new(std::fs::File::open(sandbox.path("image.tar")).unwrap());
    let mut list = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("manifest.json") {
            std::io::Read::read_to_string(&mut entry, &mut list).unwrap();
        }
    }
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["RepoTags"].as_array().unwrap().len(), 3);
}
