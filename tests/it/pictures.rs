//! `graph show`: the graph as a picture.

use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

/// `base` and `lib`, and in a directory of its own `app` on `base` that copies from `lib`.
fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "imgspec.kdl",
        "workspace { include \"apps\" }\n\
         image \"base\" { base-image \"debian:bookworm-slim\"; copy \"files\" to=\"/files\" }\n\
         image \"lib\" { base-image \"debian:bookworm-slim\"; env A=\"1\" }\n",
    );
    sandbox.write(
        "apps/imgspec.kdl",
        "image \"app\" { base-image image=\"base\"; copy image=\"lib\" \"/x\" to=\"/x\" }\n",
    );
    sandbox.write("files/x", "1");
    sandbox
}

#[test]
fn a_picture_is_written_whole_and_again() {
    let sandbox = shop();
    let words = ["graph", "show", "--format", "svg", "-o", "graph.svg"];
    sandbox.run(&words).success();
    let first = sandbox.read("graph.svg");
    assert!(first.starts_with("<svg ") && first.ends_with("</svg>\n"));
    assert!(first.contains(">app</text>") && !first.contains("class=\"image build"));
    sandbox.run(&words).success();
    assert_eq!(sandbox.read("graph.svg"), first);
    let printed = sandbox.run(&words[..4]).success();
    assert_eq!(printed.stdout, first);
    sandbox
        .run(&["graph", "show", "-o", "missing/graph.svg"])
        .code(2)
        .says("`missing/graph.svg` cannot be written")
        .says("no such file or directory");
}

#[test]
fn with_a_plan_it_says_what_would_be_built_and_why() {
    let sandbox = shop();
    let show = |more: &[&str]| {
        let words = [&["graph", "show", "--format", "json"], more].concat();
        sandbox.run(&words).success().json()
    };
    assert!(show(&[])["images"][0].get("state").is_none());
    let planned = ["--plan", "--builder", "fake"];
    assert_eq!(show(&planned)["images"][0]["note"], "never built");
    sandbox.build(&[]).success();
    sandbox.write("files/x", "2");
    let drawing = show(&planned);
    let states = [0, 1, 2].map(|at| drawing["images"][at]["state"].as_str().unwrap().to_owned());
    assert_eq!(states, ["build", "fresh", "build"]);
    assert_eq!(drawing["images"][2]["note"], "`base` is rebuilt");
    // The same words as the plan's, which a selection narrows in the same way.
    let of_app = show(&["--plan", "--builder", "fake", "app"]);
    let names: Vec<_> = of_app["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["image"])
        .collect();
    assert_eq!(
        names,
        ["base", "app"],
        "a base that has to be built is drawn"
    );
    sandbox
        .run(&["graph", "show", "--force"])
        .code(2)
        .says("add `--plan`");
}

#[test]
fn times_and_the_critical_path_come_from_the_last_builds() {
    let sandbox = shop();
    let show = |more: &[&str]| {
        let words = [&["graph", "show", "--times", "--format", "json"], more].concat();
        sandbox.run(&words).success().json()
    };
    assert!(show(&[]).get("critical_path").is_none(), "nothing is known");
    sandbox.build(&[]).success();
    let drawing = show(&[]);
    let images = &drawing["critical_path"]["images"];
    assert_eq!(images[images.as_array().unwrap().len() - 1], "app");
    assert!(drawing["critical_path"]["seconds"].as_f64().unwrap() > 0.0);
    assert!(drawing["images"][0]["seconds"].is_number());
    // The fake builder's images are as large as the files that they are made from.
    assert_eq!(drawing["images"][0]["size"], 1);
    assert!(drawing["images"][1].get("size").is_none(), "no files");
    let tree = sandbox.run(&["graph", "show", "--times"]).success();
    assert_eq!(tree.stdout.matches(" s  1 B").count(), 1, "{}", tree.stdout);
    // Nothing is to be built, so nothing is critical.
    let drawing = show(&["--plan", "--builder", "fake"]);
    assert!(drawing.get("critical_path").is_none());
}

#[test]
fn directories_stand_for_their_images() {
    let sandbox = shop();
    let folders = ["graph", "show", "--group", "folder"];
    let drawing = sandbox
        .run(&[&folders[..], &["--format", "json"]].concat())
        .success()
        .json();
    assert_eq!(drawing["images"][0]["image"], ".");
    assert_eq!(drawing["images"][0]["images"], 2);
    assert_eq!(
        drawing["edges"][0],
        serde_json::json!({ "from": "apps", "to": ".", "kind": "base" })
    );
    let tree = sandbox.run(&folders).success();
    assert_eq!(tree.stdout, ".        2 images\n└─ apps  1 image\n");
    // More images than a picture has room for, in more than one directory.
    let image =
        |at| format!("image \"i{at}\" {{ base-image \"debian:bookworm-slim\"; env A=\"{at}\" }}");
    let many: Vec<String> = (0..301).map(image).collect();
    let many = many.join("\n");
    let one = sandbox.read("apps/imgspec.kdl");
    sandbox.write("apps/imgspec.kdl", &format!("{one}{many}"));
    let picture = |more: &[&str]| {
        let words = [&["graph", "show", "--format", "svg"], more].concat();
        sandbox.run(&words).success().stdout
    };
    assert!(picture(&[]).contains("302 images"));
    assert!(picture(&["--group", "none"]).contains(">i300</text>"));
}

#[test]
fn a_page_is_one_file_with_the_details_of_each_image() {
    let sandbox = shop();
    sandbox.build(&[]).success();
    sandbox.write("files/x", "2");
    let data = |more: &[&str]| {
        let words = [&["graph", "show", "--format", "html"], more].concat();
        let text = sandbox.run(&words).success().stdout;
        let (_, rest) = text.split_once("id=\"data\">").unwrap();
        let (json, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str::<serde_json::Value>(json).unwrap()
    };
    let plain = data(&[]);
    assert!(plain["graph"]["images"][0].get("state").is_none());
    assert_eq!(plain["history"], serde_json::Value::Null);
    let base = &plain["details"]["base"];
    assert_eq!(base["place"], "imgspec.kdl:2:7");
    assert!(
        base["spec"]
            .as_str()
            .unwrap()
            .contains("copy \"files\" to=\"/files\"")
    );
    let explained = sandbox.run(&["explain", "base", "--format", "json"]);
    let explained = explained.success().json();
    assert_eq!(base["inputs"], explained["inputs"]);
    assert_eq!(base["key"], explained["key"]);
    assert_eq!(base["built"]["is-current"], false);
    assert_eq!(plain["details"]["app"]["place"], "apps/imgspec.kdl:1:7");
    let planned = data(&["--plan", "--builder", "fake", "--group", "folder"]);
    assert_eq!(planned["graph"]["images"][0]["state"], "build");
    let reasons = &planned["details"]["app"]["reasons"];
    assert_eq!(reasons[0], "`base` is rebuilt");
    assert_eq!(planned["folders"], true);
    assert_eq!(planned["graph"]["images"].as_array().unwrap().len(), 3);
    sandbox
        .run(&["graph", "show", "--format", "html", "-o", "graph.html"])
        .success();
    assert!(sandbox.read("graph.html").starts_with("<!DOCTYPE html>"));
}

#[test]
fn a_picture_is_opened_with_what_the_system_has() {
    let sandbox = shop();
    let opened = sandbox.path("opened");
    let script = format!(
        "#!/bin/sh\ncp \"$1\" '{0}.new' && mv '{0}.new' '{0}'\n",
        opened.display()
    );
    sandbox.write("bin/xdg-open", &script);
    let program = sandbox.path("bin/xdg-open");
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    let mut command = sandbox.command(&["graph", "show", "--format", "svg", "--open"]);
    command.env("PATH", path).env("TMPDIR", sandbox.root());
    crate::sandbox::Ran::of(&mut command).success();
    let start = std::time::Instant::now();
    while !opened.exists() {
        assert!(start.elapsed().as_secs() < 30, "it was opened");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(sandbox.read("opened").contains(">app</text>"));
    // Nothing to open it with.
    let mut command = sandbox.command(&["graph", "show", "--format", "svg", "--open"]);
    command
        .env("PATH", "/nowhere")
        .env("TMPDIR", sandbox.root());
    crate::sandbox::Ran::of(&mut command)
        .code(2)
        .says("nothing here opens");
}
