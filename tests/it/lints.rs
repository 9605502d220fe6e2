//! Lints: each matches docs/lints.md, can be allowed as documented there, and does not fire on ordinary manifests.

use std::collections::BTreeMap;

use imgspec::diagnostic::{Severity, lint};

use crate::sandbox::Sandbox;

/// The sections of the page: code, and the example if there is one.
fn sections() -> BTreeMap<String, Option<String>> {
    let page = include_str!("../../docs/lints.md");
    let sections = page.split("\n## ").skip(1);
    let section = |text: &str| {
        let (code, text) = text.split_once('\n').unwrap();
        let example = text
            .split_once("```kdl\n")
            .and_then(|(_, it)| it.split_once("```"));
        (
            code.to_owned(),
            example.map(|(example, _)| example.to_owned()),
        )
    };
    sections.map(section).collect()
}

/// A workspace with this manifest, and the files that the examples refer to.
fn workspace(manifest: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", manifest),
        ("manifest.Dockerfile", "FROM scratch\nCOPY imgspec.kdl /\n"),
    ]);
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox
}

/// The codes that `check` reports, each once.
#[track_caller]
fn codes(sandbox: &Sandbox) -> Vec<String> {
    let found = sandbox.run(&["check", "--format", "json"]).json();
    let found = found.as_array().unwrap().iter();
    let mut codes: Vec<String> = found
        .map(|it| it["code"].as_str().unwrap().to_owned())
        .collect();
    codes.dedup();
    codes
}

/// The codes reported for a standalone manifest.
#[track_caller]
fn of(manifest: &str) -> Vec<String> {
    codes(&workspace(manifest))
}

#[test]
fn the_page_and_the_program_have_the_same_lints() {
    let codes: Vec<&str> = lint::LINTS.iter().map(|lint| lint.code).collect();
    assert_eq!(sections().into_keys().collect::<Vec<_>>(), codes);
    let page = include_str!("../../docs/lints.md");
    for lint in &lint::LINTS {
        let level = match lint.level {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (code, summary) = (lint.code, lint.summary);
        let row = format!("| [`{code}`](#{code}) | {level} | {summary} |\n");
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn the_example_of_each_lint_is_one_and_can_be_allowed() {
    for (code, example) in sections() {
        let is_allowable = lint::find(&code).unwrap().is_allowable;
        assert_eq!(example.is_some(), is_allowable, "{code}");
        let Some(example) = example else { continue };
        let found = of(&example);
        assert!(found.contains(&code), "{code}: {found:?}");
        if code == "unused-allow" {
            continue;
        }
        let allowed = of(&format!("allow \"{code}\"\n{example}"));
        let is_quiet = |found: &[String]| {
            let told = found.iter().any(|it| *it == code || it == "unused-allow");
            assert!(!told, "{code}: {found:?}");
        };
        is_quiet(&allowed);
        // In the image that it is about; lints about files are allowed in files.
        if code.starts_with("unused-t") || code.starts_with("unused-v") {
            continue;
        }
        let (before, after) = example.rsplit_once("{ ").unwrap_or((&example, ""));
        let inside = if after.starts_with("commands }") {
            example.replace(
                "image \"app\" { ",
                &format!("image \"app\" {{ allow \"{code}\"; "),
            )
        } else {
            format!("{before}{{ allow \"{code}\"; {after}")
        };
        is_quiet(&of(&inside));
    }
}

#[test]
fn what_is_ordinary_is_no_lint() {
    for fine in [
        "image \"a\" { entrypoint \"python\" \"-m\" \"train\"; cmd \"hello world\" }",
        "image \"a\" { entrypoint \"sh\" \"-c\" \"exec python -m train\" }",
        "image \"a\" { packages \"torch==2.5\" \"numpy>=2\" \"x @ https://x.org/x?a=b\" }",
        "image \"a\" { python-version \"3.12\"; conda-packages \"numpy=1.26\" }",
        "image \"a\" { base-image \"scratch\"; entrypoint \"/app\" }",
        "image \"b\" { }\nimage \"a\" { base-image \"scratch\"; copy image=\"b\" \"/bin/sh\" to=\"/bin/sh\"; commands \"true\" }",
        "image \"a\" { base-image \"localhost:5000/x:1.2\" }",
        "image \"a\" { base-image \"debian@sha256:0000000000000000000000000000000000000000000000000000000000000000\" }",
        "image \"a\" { }",
        "image \"a\" { commands \"echo apt-get install git\" \"npm install\" \"pip install .\" }",
        "image \"a\" { env TOKENIZERS_PARALLELISM=\"false\" PAD_TOKEN=\"<pad>\" TOKEN_FILE=\"/run/x\" MODE=\"a\" }",
        "variable \"v\" default=\"1\"\ntemplate \"t\" { env V=\"{{ v }}\" }\ntemplate \"u\" extends=\"t\" { }\nimage \"a\" extends=\"u\" { }",
        "variable \"v\" default=\"more\"\nvariable \"w\" default=\"{{ v }}.kdl\"\nworkspace { include \"{{ w }}\" }\nimage \"a\" { }",
        "defaults { secret \"s\" env=\"S\" { commands } }\nimage \"a\" { }\nimage \"b\" { commands \"true\" }",
        "image \"a\" { secret \"s\" env=\"S\"; packages \"six\" }",
    ] {
        let sandbox = workspace(fine);
        sandbox.write("more.kdl", "");
        assert_eq!(codes(&sandbox), [""; 0], "{fine}");
    }
    let sandbox = workspace("image \"a\" { copy \".\" to=\"/app\" }");
    sandbox.write(".dockerignore", "");
    assert_eq!(codes(&sandbox), [""; 0]);
    let sandbox = workspace("image \"a\" { dockerfile \"manifest.Dockerfile\" }");
    sandbox.write(".dockerignore", "!imgspec.kdl\n");
    assert_eq!(codes(&sandbox), [""; 0]);
}

#[test]
fn the_examples_of_this_repository_are_free_of_warnings() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = std::fs::read_dir(root.join("examples")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path());
    let manifests = examples.filter(|path| path.join("imgspec.kdl").is_file());
    let mut checked = 0;
    for folder in manifests.chain([root.to_owned()]) {
        let sandbox = Sandbox::new();
        let folder = folder.to_str().unwrap();
        let ran = sandbox.run(&["-C", folder, "check", "--deny", "warnings"]);
        assert!(
            ran.success().stderr.ends_with("no problems found\n"),
            "{folder}"
        );
        checked += 1;
    }
    assert!(checked > 5);
}

#[test]
fn a_warning_that_is_denied_is_an_error() {
    let sandbox = workspace("image \"a\" { base-image \"debian\"; conda-channels \"x\" }\n");
    sandbox.run(&["check"]).success().says("2 warnings");
    sandbox
        .run(&["check", "--deny", "warnings"])
        .code(2)
        .says("2 errors");
    let one = ["check", "--deny", "floating-base", "--format", "json"];
    let found = sandbox.run(&one).code(2).json();
    assert_eq!(found[0]["code"], "floating-base");
    assert_eq!(found[0]["severity"], "error");
    assert_eq!(found[1]["severity"], "warning");
    sandbox.run(&["check", "--deny", "scratch"]).success();
    let ran = sandbox.run(&["check", "--deny", "floating-bse"]).code(2);
    ran.says("no lint has this code; did you mean `floating-base`?");
    // A build uses the lint's default level.
    sandbox.build(&[]).success();
}

#[test]
fn an_allow_counts_for_its_file_and_what_that_includes() {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            "workspace { include \"sub\" \"more.kdl\" }\nimage \"a\" { base-image \"debian\" }\n",
        ),
        ("more.kdl", "image \"c\" { base-image \"debian\" }\n"),
        (
            "sub/imgspec.kdl",
            "allow \"floating-base\"\nworkspace { include \"deep\" }\nimage \"b\" { base-image \"debian\" }\n",
        ),
        (
            "sub/deep/imgspec.kdl",
            "image \"d\" { base-image \"debian\" }\n",
        ),
    ]);
    let files = |sandbox: &Sandbox| -> Vec<String> {
        let found = sandbox.run(&["check", "--format", "json"]).json();
        let found = found.as_array().unwrap().iter();
        found
            .map(|it| {
                format!(
                    "{} {}",
                    it["code"].as_str().unwrap(),
                    it["file"].as_str().unwrap()
                )
            })
            .collect()
    };
    assert_eq!(
        files(&sandbox),
        ["floating-base imgspec.kdl", "floating-base more.kdl"]
    );
    // The innermost `allow` is used; an outer one that matches nothing else is not.
    let image = "image \"d\" { allow \"floating-base\"; base-image \"debian\" }\n";
    sandbox.write("sub/deep/imgspec.kdl", image);
    sandbox.write(
        "sub/imgspec.kdl",
        "allow \"floating-base\"\nworkspace { include \"deep\" }\nimage \"b\" { }\n",
    );
    assert_eq!(
        files(&sandbox),
        [
            "floating-base imgspec.kdl",
            "unused-allow sub/imgspec.kdl",
            "floating-base more.kdl"
        ]
    );
}

#[test]
fn an_allow_of_nothing_known_is_refused() {
    for (allow, says) in [
        ("allow \"floating-bse\"", "did you mean `floating-base`?"),
        (
            "allow \"nothing-of-the-kind\"",
            "the lints are ambiguous-base, empty-copy, floating-base",
        ),
        (
            "allow \"state-committed\"",
            "`state-committed` cannot be allowed",
        ),
        ("allow", "`allow` needs the code of a lint"),
        ("allow floating-base why=\"x\"", "it takes no properties"),
        ("allow 1", "`allow` takes a string, not a number"),
        (
            "template \"t\" { allow \"scratch\" }",
            "it belongs at the top of a file, or in an image",
        ),
    ] {
        let sandbox = workspace(&format!("{allow}\nimage \"a\" {{ }}\n"));
        sandbox.run(&["check"]).code(2).says(says);
    }
}

#[test]
fn a_secret_value_is_shown_nowhere() {
    for (line, secret) in [
        ("env API_TOKEN=\"correct-horse-battery\"", "correct-horse"),
        ("env API_TOKEN=\"abc!\"", "abc!"),
        (
            "env { API_TOKEN \"correct-horse-battery\"; OTHER 1 }",
            "correct-horse",
        ),
        (
            "env X=\"ghp_0123456789012345678901234567890123456789\"; usr \"x\"",
            "ghp_0123",
        ),
        (
            "dockerfile \"Dockerfile\" { args API_TOKEN=\"correct-horse-battery\"; }",
            "correct-horse",
        ),
        (
            "labels { api-token \"correct-horse-battery\"; }",
            "correct-horse",
        ),
        (
            "steps { env DB_PASSWORD=\"hunter2hunter2\"; run 1 }",
            "hunter2",
        ),
        (
            "env KEY=\"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg\\n-----END PRIVATE KEY-----\"",
            "MIIEvQ",
        ),
    ] {
        let sandbox = workspace(&format!("image \"a\" {{ {line} }}\n"));
        for format in ["text", "json"] {
            let ran = sandbox.run(&["check", "--format", format]);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains("looks like a secret"), "{said}");
            assert!(!said.contains(secret), "{said}");
        }
    }
    // Nor in its origin.
    let sandbox = workspace(
        "variable \"t\" default=\"correct-horse\" nonsense=1\nimage \"a\" { env API_TOKEN=\"{{ t }}\" }\n",
    );
    let ran = sandbox.run(&["check"]).code(2);
    assert!(!ran.stderr.contains("correct-horse"), "{}", ran.stderr);
}

#[test]
fn lints_show_what_to_write_instead() {
    let manifest = "image \"a\" {\n    entrypoint \"python -m train\"\n    packages \"torch=2.5\"\n    commands \"apt-get install git\"\n    env API_TOKEN=\"correct-horse\"\n}\n";
    let ran = workspace(manifest).run(&["check"]).code(2);
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn every_command_that_reads_manifests_tells_lints() {
    let sandbox = workspace("image \"a\" { base-image \"debian\" }\n");
    for command in [&["graph", "plan"][..], &["graph", "show"], &["tag"]] {
        sandbox
            .run(command)
            .success()
            .says("warning[floating-base]");
    }
    let quiet = sandbox.run(&["-q", "tag"]).success();
    assert_eq!(quiet.stderr, "");
}
