//! Jobs of GitHub Actions and GitLab: folds and annotations in their logs, files of their steps, and the matrix.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// `app` on `base`, and `docs` apart, in a directory of a repository.
fn repository() -> Sandbox {
    let sandbox = Sandbox::with(&[
        (
            "images/imgspec.kdl",
            "defaults { registry \"localhost:5000/shop\" }\n\
             image \"base\" { base-image \"scratch\"; env A=\"1\" }\n\
             image \"app\" { base-image image=\"base\"; env A=\"2\"; platform \"linux/amd64\" \"linux/arm64\" }\n\
             image \"docs\" { base-image \"scratch\"; env A=\"3\" }\n",
        ),
        ("summary.md", ""),
        ("output", "before=1"),
    ]);
    let path = |name: &str| sandbox.path(name).display().to_string();
    let (root, summary, output) = (path(""), path("summary.md"), path("output"));
    sandbox
        .env("GITHUB_WORKSPACE", &root)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_OUTPUT", &output)
}

const BUILD: &[&str] = &["-C", "images", "graph", "build", "--builder", "fake"];

/// The values of the step's outputs, by name.
fn outputs(text: &str) -> Vec<(String, Value)> {
    let (mut lines, mut found) = (text.lines(), Vec::new());
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<") {
            assert!(end.len() > 32, "nobody can know it: {end}");
            let value = lines.next().unwrap();
            assert_eq!(lines.next(), Some(end));
            found.push((name.to_owned(), serde_json::from_str(value).unwrap()));
        } else {
            assert!(line.is_empty() || line == "before=1", "{line}");
        }
    }
    found
}

#[test]
fn a_step_of_github_has_folds_a_summary_and_outputs() {
    let sandbox = repository().env("GITHUB_ACTIONS", "true");
    let ran = sandbox.run(&[BUILD, &["--push"]].concat()).success();
    assert_eq!(ran.stderr.matches("::group::").count(), 3, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("\n::endgroup::\n").count(), 3);
    let (_, fold) = ran.stderr.split_once("::group::app: output\n").unwrap();
    let (stop, fold) = fold.split_once('\n').unwrap();
    let word = stop.strip_prefix("::stop-commands::").unwrap();
    let (output, _) = fold
        .split_once(&format!("\n::{word}::\n::endgroup::\n"))
        .unwrap();
    assert!(output.contains("pretending to build app"), "{output}");
    assert!(ran.stderr.contains("\napp: built in "), "{}", ran.stderr);
    let summary = sandbox.read("summary.md");
    assert!(summary.starts_with("## imgspec: pushed 3 in "), "{summary}");
    assert!(summary.contains("```mermaid\n"), "{summary}");
    let found = outputs(&sandbox.read("output"));
    let [(images, entries), (built, ids)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!((images.as_str(), built.as_str()), ("images", "built"));
    let digest = entries["app"]["digest"].as_str().unwrap();
    let pushed = format!("localhost:5000/shop/app@{digest}");
    assert_eq!(entries["app"]["pushed"], pushed.as_str());
    assert_eq!(*ids, json!(["base", "app", "docs"]));
    // Once more: added, with nothing built.
    sandbox.run(BUILD).success();
    let found = outputs(&sandbox.read("output"));
    assert_eq!(found.last().unwrap(), &("built".to_owned(), json!([])));
    assert_eq!(
        sandbox.read("summary.md").matches("## imgspec: ").count(),
        2
    );
}

#[test]
fn a_summary_that_is_asked_for_is_written_once() {
    let sandbox = repository().env("GITHUB_ACTIONS", "true");
    let step = sandbox.path("summary.md").display().to_string();
    sandbox
        .run(&[BUILD, &["--summary", &step]].concat())
        .success();
    assert_eq!(
        sandbox.read("summary.md").matches("## imgspec: ").count(),
        1
    );
    let other = sandbox.path("other.md").display().to_string();
    sandbox
        .run(&[BUILD, &["--summary", &other]].concat())
        .success();
    assert_eq!(
        sandbox.read("summary.md").matches("## imgspec: ").count(),
        1
    );
    assert!(sandbox.read("other.md").starts_with("## imgspec: fresh 3"));
}

#[test]
fn failures_and_mistakes_are_shown_beside_the_code() {
    let sandbox = repository()
        .env("GITHUB_ACTIONS", "true")
        .env("IMGSPEC_FAKE_FAIL", "docs");
    let ran = sandbox.run(BUILD).code(1);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let annotation = lines.iter().find(|line| line.starts_with("::error "));
    assert_eq!(
        annotation.unwrap(),
        &"::error file=images/imgspec.kdl,line=4,col=7,title=docs failed::told to fail%0Apretending to build docs%0Aerror: told to fail"
    );
    assert!(sandbox.read("summary.md").contains("**failed**"));
    let wrong = "image \"a\" { base-image \"debian\"; pakages \"x\" }\n";
    sandbox.write("images/imgspec.kdl", wrong);
    let ran = sandbox.run(&["-C", "images", "check"]).code(2);
    assert!(
        ran.stderr.contains(
            "\n::error file=images/imgspec.kdl,line=1,col=34,title=unknown-field::unknown field `pakages` in an image"
        ),
        "{}",
        ran.stderr
    );
    sandbox.write(
        "images/imgspec.kdl",
        "image \"a\" { base-image \"debian\" }\n",
    );
    let ran = sandbox.run(&["-C", "images", "check"]).success();
    assert!(
        ran.stderr
            .contains("\n::warning file=images/imgspec.kdl,line=1,col="),
        "{}",
        ran.stderr
    );
    // The repository is elsewhere: no file of it is meant.
    let elsewhere = sandbox.path("images/other");
    std::fs::create_dir(&elsewhere).unwrap();
    let sandbox = sandbox.env("GITHUB_WORKSPACE", &elsewhere.display().to_string());
    let ran = sandbox.run(&["-C", "images", "check"]).success();
    assert!(
        ran.stderr.contains("\n::warning title=floating-base::"),
        "{}",
        ran.stderr
    );
}

#[test]
fn who_chooses_how_progress_is_shown_gets_just_that() {
    for (progress, text) in [("plain", "app: built in "), ("json", "\"image-built\"")] {
        let sandbox = repository().env("GITHUB_ACTIONS", "true");
        let ran = sandbox
            .run(&[BUILD, &["--progress", progress]].concat())
            .success();
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
        assert!(!ran.stderr.contains("::"), "{}", ran.stderr);
        assert_eq!(sandbox.read("summary.md"), "");
        assert_eq!(sandbox.read("output"), "before=1");
    }
    let sandbox = repository();
    let ran = sandbox.run(BUILD).success();
    assert!(!ran.stderr.contains("::") && sandbox.read("summary.md").is_empty());
}

#[test]
fn files_of_a_step_that_are_not_there_are_no_reason_not_to_build() {
    let sandbox = repository()
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", "/nowhere/summary")
        .env("GITHUB_OUTPUT", "");
    let ran = sandbox.run(BUILD).success();
    ran.says("`GITHUB_STEP_SUMMARY` names `/nowhere/summary`, which cannot be written here")
        .says("app: built in ");
}

#[test]
fn gitlab_gets_sections_and_nothing_of_githubs() {
    let sandbox = repository()
        .env("GITLAB_CI", "true")
        .env("IMGSPEC_FAKE_FAIL", "docs");
    let ran = sandbox.run(BUILD).code(1);
    let begins: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("section_start:"))
        .collect();
    assert_eq!(begins.len(), 3, "{}", ran.stderr);
    for begin in begins {
        let rest = begin.strip_prefix("\u{1b}[0Ksection_start:").unwrap();
        let (time, rest) = rest.split_once(':').unwrap();
        assert!(time.parse::<u64>().unwrap() > 1_700_000_000);
        let (name, title) = rest.split_once("[collapsed=true]\r\u{1b}[0K").unwrap();
        assert!(
            name.starts_with("imgspec_") && title.ends_with(": output"),
            "{begin}"
        );
        let end = format!(":{name}\r\u{1b}[0K\n");
        assert_eq!(ran.stderr.matches(&end).count(), 1, "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("::"), "{}", ran.stderr);
    assert_eq!(sandbox.read("summary.md"), "");
}

#[test]
fn the_matrix_has_what_is_built_or_pushed_with_levels() {
    let sandbox = repository();
    let matrix = |more: &[&str]| {
        let words = ["-C", "images", "graph", "plan", "--builder", "fake"];
        let words = [&words[..], &["--format", "github-matrix"], more].concat();
        let ran = sandbox.run(&words).success();
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
        ran.json()
    };
    let tags = sandbox
        .run(&["-C", "images", "tag", "--format", "json"])
        .success()
        .json();
    let row = |at: usize, platform: &str, level: usize| json!({ "image": tags[at]["image"], "reference": tags[at]["reference"], "platform": platform, "level": level });
    let both = "linux/amd64,linux/arm64";
    assert_eq!(
        matrix(&[]),
        json!({ "include": [row(0, "linux/amd64", 0), row(1, both, 1), row(2, "linux/amd64", 0)] })
    );
    sandbox.run(&[BUILD, &["base"]].concat()).success();
    assert_eq!(matrix(&["app"]), json!({ "include": [row(1, both, 0)] }));
    assert_eq!(
        matrix(&["--push", "app"]),
        json!({ "include": [row(1, both, 0)] })
    );
    assert_eq!(
        matrix(&["--push", "base"]),
        json!({ "include": [row(0, "linux/amd64", 0)] })
    );
    assert_eq!(matrix(&["base"]), json!({ "include": [] }));
}

#[test]
fn a_matrix_with_more_jobs_than_github_makes_is_told() {
    let sandbox = Sandbox::new();
    let image = |at| format!("image \"i{at}\" {{ base-image \"scratch\"; env A=\"{at}\" }}\n");
    let manifest: String = (0..257).map(image).collect();
    sandbox.write("imgspec.kdl", &manifest);
    let words = [
        "graph",
        "plan",
        "--builder",
        "fake",
        "--format",
        "github-matrix",
    ];
    let ran = sandbox.run(&words).success();
    assert_eq!(ran.json()["include"].as_array().unwrap().len(), 257);
    ran.says("the matrix has 257 jobs, and GitHub makes at most 256 of one");
}
