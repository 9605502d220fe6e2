//! `add`, `remove`, `set` and `fmt`: what they write, what they reject, and that they never touch anything else.

mod files;
mod layout;
mod random;
mod refused;

use crate::sandbox::{Ran, Sandbox};

fn manifest(text: &str) -> Sandbox {
    Sandbox::with(&[("imgspec.kdl", text)])
}

/// The manifest after an edit.
#[track_caller]
fn edited(text: &str, arguments: &[&str]) -> String {
    let sandbox = manifest(text);
    sandbox.run(arguments).success();
    sandbox.read("imgspec.kdl")
}

/// An edit that is rejected and leaves the manifest unchanged.
#[track_caller]
fn refused(text: &str, arguments: &[&str]) -> Ran {
    let sandbox = manifest(text);
    let ran = sandbox.run(arguments).code(2);
    assert_eq!(sandbox.read("imgspec.kdl"), text);
    ran
}

const TRAIN: &str = r#"// What we train with.
image "train" { // one
    base-image "debian:bookworm-slim" // slim

    /* Python */ packages "torch==2.4" "numpy" // both
    env A="1" B="2"
    entrypoint "python" "-m" "train"
}
"#;

#[test]
fn a_package_is_added_replaced_and_removed_by_its_name() {
    let line = |text: &str| {
        text.lines()
            .find(|line| line.contains("packages"))
            .unwrap_or_default()
            .to_owned()
    };
    let added = edited(TRAIN, &["add", "train", "packages", "ruff>=0.9"]);
    assert_eq!(
        line(&added),
        r#"    /* Python */ packages "torch==2.4" "numpy" "ruff>=0.9" // both"#
    );
    let replaced = edited(
        TRAIN,
        &["add", "train", "packages", "Torch ==2.5", "NumPy[x]"],
    );
    assert_eq!(
        line(&replaced),
        r#"    /* Python */ packages "Torch ==2.5" "NumPy[x]" // both"#
    );
    let removed = edited(TRAIN, &["remove", "train", "packages", "torch"]);
    assert_eq!(
        line(&removed),
        r#"    /* Python */ packages "numpy" // both"#
    );
    let gone = edited(
        TRAIN,
        &["remove", "train", "packages", "numpy", "torch==2.4"],
    );
    assert_eq!(gone, TRAIN.replace(r#"packages "torch==2.4" "numpy" "#, ""));
    // A requirement for another platform is a different one.
    let marked = edited(
        TRAIN,
        &[
            "add",
            "train",
            "packages",
            "numpy<2; sys_platform == 'darwin'",
        ],
    );
    assert!(line(&marked).contains(r#""numpy" "numpy<2; sys_platform == 'darwin'""#));
}

#[test]
fn what_is_there_already_is_said_and_nothing_is_written() {
    let sandbox = manifest(TRAIN);
    let before = std::fs::metadata(sandbox.path("imgspec.kdl"))
        .unwrap()
        .modified()
        .unwrap();
    for (arguments, said) in [
        (
            ["add", "train", "packages", "numpy"],
            "\"numpy\" is already in packages of train (imgspec.kdl:5)",
        ),
        (
            ["set", "train", "env", "A=1"],
            "\"A=1\" is already in env of train",
        ),
        (
            ["set", "train", "base-image", "debian:bookworm-slim"],
            "is already the base-image of train",
        ),
    ] {
        sandbox.run(&arguments).success().says(said);
    }
    assert_eq!(
        std::fs::metadata(sandbox.path("imgspec.kdl"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[test]
fn maps_scalars_and_words_are_set() {
    let env = edited(TRAIN, &["set", "train", "env", "B=3", "C=a=b"]);
    assert_eq!(env, TRAIN.replace(r#"B="2""#, r#"B="3" C="a=b""#));
    let env = edited(TRAIN, &["remove", "train", "env", "A"]);
    assert_eq!(env, TRAIN.replace(r#" A="1""#, ""));
    let base = edited(TRAIN, &["set", "train", "base-image", "debian:trixie-slim"]);
    assert_eq!(base, TRAIN.replace("bookworm", "trixie"));
    let words = edited(
        TRAIN,
        &["set", "train", "entrypoint", "python3", "-u", "-m", "train"],
    );
    assert_eq!(
        words,
        TRAIN.replace(r#""python" "-m" "train""#, r#""python3" "-u" "-m" "train""#)
    );
    let fewer = edited(TRAIN, &["set", "train", "entrypoint", "train"]);
    assert_eq!(
        fewer,
        TRAIN.replace(r#""python" "-m" "train""#, r#""train""#)
    );
    let user = edited(TRAIN, &["set", "train", "user", "app"]);
    assert_eq!(
        user,
        TRAIN.replace("    entrypoint", "    user \"app\"\n    entrypoint")
    );
    let gone = edited(TRAIN, &["remove", "train", "entrypoint"]);
    assert_eq!(
        gone,
        TRAIN.replace("    entrypoint \"python\" \"-m\" \"train\"\n", "")
    );
    let two = "image \"a\" { base-image \"debian:12\" }\nimage \"b\" {\n    base-image \"debian:12\" // old\n}\n";
    let on = edited(two, &["set", "b", "base-image", "image=a"]);
    assert_eq!(
        on,
        two.replace(
            "base-image \"debian:12\" // old",
            "base-image image=\"a\" // old"
        )
    );
    assert_eq!(edited(&on, &["set", "b", "base-image", "debian:12"]), two);
}

#[test]
fn a_map_in_a_block_is_edited_in_its_block() {
    let text = "image \"x\" {\n    env {\n        A \"1\" // first\n        B \"2\"\n    }\n}\n";
    let set = edited(text, &["set", "x", "env", "A=9", "C=3"]);
    assert_eq!(
        set,
        text.replace("\"1\"", "\"9\"")
            .replace("B \"2\"\n", "B \"2\"\n        C \"3\"\n")
    );
    assert_eq!(
        edited(&set, &["remove", "x", "env", "C", "B"]),
        text.replace("\"1\"", "\"9\"")
            .replace("        B \"2\"\n", "")
    );
    let short = "image \"x\" { env { A \"1\" } }\n";
    assert_eq!(
        edited(short, &["add", "x", "env", "B=2"]),
        "image \"x\" { env { A \"1\"; B \"2\" } }\n"
    );
    assert_eq!(
        edited(short, &["remove", "x", "env", "A"]),
        "image \"x\" { }\n"
    );
    // What the `kdl` crate would lose: docs/design/kdl.md.
    let beside =
        "image \"x\" {\n    env { A \"1\" } // kept\n    user \"a\"; env B=\"2\" // kept too\n}\n";
    assert_eq!(
        edited(beside, &["set", "x", "env", "A=3", "B=4"]),
        beside.replace("\"1\"", "\"3\"").replace("\"2\"", "\"4\"")
    );
}

#[test]
fn lists_stay_as_they_stand_in_lines() {
    let image = |fields: &str| format!("image \"x\" {{\n{fields}}}\n");
    let add = |fields: &str| edited(&image(fields), &["add", "x", "packages", "new"]);
    let several = "    packages \"a\" \\\n        \"b\" \\ // why b\n        \"c\"\n";
    assert_eq!(
        add(several),
        image(&several.replace("\"c\"\n", "\"c\" \\\n        \"new\"\n"))
    );
    let each = "    packages \"a\"\n    packages \"b\" // last\n    user \"u\"\n";
    assert_eq!(
        add(each),
        image(&each.replace("last\n", "last\n    packages \"new\"\n"))
    );
    let long = format!("    packages \"{}\"\n", "a".repeat(80));
    assert_eq!(add(&long), image(&format!("{long}    packages \"new\"\n")));
    let short = format!("    packages \"{}\"\n", "a".repeat(70));
    assert_eq!(add(&short), image(&short.replace("\"\n", "\" \"new\"\n")));
    let words = format!("    cmd \"{}\"\n", "a".repeat(90));
    let cmd = edited(&image(&words), &["add", "x", "cmd", "b"]);
    assert_eq!(cmd, image(&words.replace("\"\n", "\" \\\n        \"b\"\n")));
}

#[test]
fn images_without_lines_of_their_own_are_edited_too() {
    for (before, after) in [
        ("image \"x\"", "image \"x\" {\n    packages \"p\"\n}"),
        ("image \"x\" {}\n", "image \"x\" {\n    packages \"p\"\n}\n"),
        ("image \"x\" { }", "image \"x\" {\n    packages \"p\"\n}"),
        (
            "image \"x\" {\n}\n",
            "image \"x\" {\n    packages \"p\"\n}\n",
        ),
        (
            "image \"x\" {\n  // later\n}",
            "image \"x\" {\n    packages \"p\"\n  // later\n}",
        ),
        (
            "image \"x\" { /* c */ }",
            "image \"x\" { packages \"p\"; /* c */ }",
        ),
        (
            "image \"x\" { user \"u\" }",
            "image \"x\" { packages \"p\"; user \"u\" }",
        ),
        (
            "image \"x\" {cuda \"12.4.1\";python-version \"3.12\";}",
            "image \"x\" {cuda \"12.4.1\";python-version \"3.12\"; packages \"p\";}",
        ),
        (
            "image \"x\" {\n\tpython-version \"3.12\" }",
            "image \"x\" {\n\tpython-version \"3.12\"; packages \"p\" }",
        ),
        (
            "image \"x\" {\n\t// on top\n\tuser \"u\"\n}",
            "image \"x\" {\n\tpackages \"p\"\n\t// on top\n\tuser \"u\"\n}",
        ),
        (
            "image \"x\" {\r\n  user \"u\"\r\n}\r\n",
            "image \"x\" {\r\n  packages \"p\"\r\n  user \"u\"\r\n}\r\n",
        ),
    ] {
        assert_eq!(
            edited(before, &["add", "x", "packages", "p"]),
            after,
            "{before:?}"
        );
    }
}

#[test]
fn comments_within_a_node_stay_when_values_go() {
    let text = "image \"x\" {\n    packages /* one */ \"a\" /-\"old\" \"b\" \\ // two\n        \"c\" // end\n}\n";
    let gone = edited(text, &["remove", "x", "packages", "a", "c"]);
    assert_eq!(
        gone,
        "image \"x\" {\n    packages /* one */ /-\"old\" \"b\" \\ // two\n // end\n}\n"
    );
    // An edit that would remove a comment is left to the user.
    refused(&gone, &["remove", "x", "packages", "b"])
        .says("imgspec.kdl:2:14")
        .says("this would be removed with it");
}

#[test]
fn any_text_is_written_so_that_it_is_read_as_it_was_meant() {
    for value in [
        "a\"b\\c",
        "tab\there",
        "{{ date }}",
        "two\nlines",
        "\u{1b}[31m",
        "\u{202e}abc",
        "ünï — 漢字",
        "",
        " ",
        "#\"raw\"#",
        "{{ \"# }}",
        "--flag",
    ] {
        let sandbox = manifest(TRAIN);
        let entry = format!("NEW={value}");
        sandbox.run(&["set", "train", "env", &entry]).success();
        let inputs = sandbox
            .run(&["explain", "train", "--format", "json"])
            .success()
            .json();
        let inputs = inputs["inputs"].as_array().unwrap().clone();
        let new = inputs
            .iter()
            .find(|input| input["name"] == "env.NEW")
            .unwrap();
        assert_eq!(new["value"], value, "{}", sandbox.read("imgspec.kdl"));
        sandbox.run(&["remove", "train", "env", "NEW"]).success();
        assert_eq!(sandbox.read("imgspec.kdl"), TRAIN);
    }
    refused(TRAIN, &["set", "train", "env", "A={{ \n }}"]).says("commands cannot write a value");
}

#[test]
fn raw_texts_and_texts_of_several_lines_are_known_by_what_they_say() {
    let text = r###"image "x" {
    commands #"echo "{{ a }}""# ##"a"#b"## // raw
    commands """
        for x in 1 2; do
            echo $x
        done
        """ // several lines
    labels { a #"1"#; "b" "2" }
}
"###;
    let loop_ = "for x in 1 2; do\n    echo $x\ndone";
    assert_eq!(
        edited(text, &["remove", "x", "commands", "echo \"{{ a }}\""]),
        text.replace("#\"echo \"{{ a }}\"\"# ", "")
    );
    let gone = edited(text, &["remove", "x", "commands", loop_]);
    let [before, after] = [
        text.find("commands \"\"\"").unwrap(),
        text.find("// several").unwrap(),
    ];
    assert_eq!(gone, format!("{}{}", &text[..before], &text[after..]));
    let more = edited(text, &["add", "x", "commands", loop_, "make"]);
    assert_eq!(
        more,
        text.replace(
            "// several lines\n",
            "// several lines\n    commands \"make\"\n"
        )
    );
    assert_eq!(
        edited(text, &["set", "x", "labels", "a=3", "b=2"]),
        text.replace("#\"1\"#", "\"3\"")
    );
}

#[test]
fn what_is_given_twice_is_added_once() {
    assert_eq!(
        edited(
            TRAIN,
            &["add", "train", "packages", "ruff", "Ruff==1", "numpy"]
        ),
        TRAIN.replace("\"numpy\"", "\"numpy\" \"Ruff==1\"")
    );
    assert_eq!(
        edited(TRAIN, &["set", "train", "env", "C=1", "C=2"]),
        TRAIN.replace("B=\"2\"", "B=\"2\" C=\"2\"")
    );
}

#[test]
fn flags_behind_the_values_begin_are_values() {
    let words = edited(TRAIN, &["set", "train", "cmd", "serve", "--quiet", "-v"]);
    assert!(words.contains(r#"cmd "serve" "--quiet" "-v""#), "{words}");
    let words = edited(TRAIN, &["set", "train", "cmd", "--", "--verbose"]);
    assert!(words.contains(r#"cmd "--verbose""#), "{words}");
}

#[test]
fn values_with_variables_are_other_values_than_they_say() {
    let text = "variable \"v\" default=\"1\"\nimage \"x\" {\n    env A=\"{{ v }}\"\n    packages \"torch=={{ v }}\"\n}\n";
    let literal = edited(text, &["set", "x", "env", "A={{ v }}"]);
    assert_eq!(literal, text.replace("\"{{ v }}\"", "#\"{{ v }}\"#"));
    let gone = edited(text, &["remove", "x", "packages", "torch"]);
    assert_eq!(gone, text.replace("    packages \"torch=={{ v }}\"\n", ""));
}

#[test]
fn a_template_is_edited_for_all_images_that_extend_it() {
    let text = r#"template "service" {
    packages "uvicorn==0.30" // served by
}
template "bare"
image "web" { extends "service" "bare"; base-image "debian:bookworm-slim"; }
"#;
    let edited = |arguments: &[&str]| edited(text, arguments);
    assert_eq!(
        edited(&[
            "add",
            "--template",
            "service",
            "packages",
            "uvicorn==0.31",
            "httpx"
        ]),
        text.replace("\"uvicorn==0.30\"", "\"uvicorn==0.31\" \"httpx\"")
    );
    assert_eq!(
        edited(&["set", "--template", "service", "python-version", "3.12"]),
        text.replace("    packages", "    python-version \"3.12\"\n    packages")
    );
    assert_eq!(
        edited(&["add", "--template", "bare", "env", "A=1"]),
        text.replace("\"bare\"\nimage", "\"bare\" {\n    env A=\"1\"\n}\nimage")
    );
    let sandbox = manifest(text);
    let ran = sandbox.run(&["add", "--template", "service", "packages", "httpx"]);
    assert_eq!(
        ran.success().stderr,
        "added \"httpx\" to packages of service (imgspec.kdl:2)\n"
    );
    // Every image that extends it is checked before anything is written.
    sandbox
        .run(&["set", "--template", "service", "python-version", "newest"])
        .code(2);
    let after = sandbox.read("imgspec.kdl");
    assert_eq!(after, text.replace("0.30\"", "0.30\" \"httpx\""));
}
