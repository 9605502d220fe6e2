//! User-supplied values arrive in the image unchanged, and none is interpreted as an instruction.

use imgspec::backend::Artifact;
use imgspec::recipe::{CopySource, CopyStep, Step};

use crate::bench::{Bench, copy, on_each_store, recipe, run};

/// Texts that are special to some layer: the lexer, the shell, JSON, globs, line readers, heredocs.
const TEXTS: &[&str] = &[
    "",
    " leading and trailing ",
    "a\"b'c`d",
    "$HOME ${HOME} $$ $(id) \\$HOME ${X:-y}",
    "\\ \\\\ \\n \\\" ends with \\",
    "# no comment",
    "line one\nRUN touch /pwned\nline three\n",
    "\n\n",
    "tab\tcarriage\rreturn",
    "<<EOF",
    "[\"json\"]",
    "--flag=x",
    "a=b=c",
    "%s %d {{ x }} ; && | > & * ? [a-z] ~ !",
    "Grüße 漢字 🚀 \u{200b}\u{85}\u{2028}",
    "\u{1}\u{7f}",
];

fn all() -> String {
    TEXTS.join("")
}

#[test]
fn environment_labels_and_arguments_hold_any_text() {
    on_each_store(|bench| {
        let texts = || {
            TEXTS
                .iter()
                .map(|text| (*text).to_owned())
                .chain([all(), "long ".repeat(20_000)])
        };
        let mut recipe = recipe("busybox:1.36", Vec::new());
        let named = |prefix: &str| -> Vec<(String, String)> {
            texts()
                .enumerate()
                .map(|(at, text)| (format!("{prefix}{at:02}"), text))
                .collect()
        };
        recipe.steps = vec![Step::Env(named("T")), run("test ! -e /pwned")];
        recipe.config.labels = named("label.");
        recipe
            .config
            .labels
            .push(("a \"strange\" $name\n\\".into(), "x".into()));
        let print = "for each; do printf '%s\\0' \"$each\"; done".to_owned();
        recipe.config.entrypoint = Some(["/bin/sh".into(), "-c".into(), print, "sh".into()].into());
        recipe
            .config
            .entrypoint
            .as_mut()
            .unwrap()
            .extend(TEXTS.iter().map(|text| (*text).to_owned()));
        recipe.config.cmd = Some(vec![all(), "last".into()]);
        let image = bench.build(&bench.backend(), &recipe).unwrap();
        let config = bench.config(&image);
        for (name, value) in &recipe.config.labels {
            assert_eq!(config["Labels"][name], **value, "label {name}");
        }
        let environment: Vec<&str> = config["Env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap())
            .collect();
        for (name, value) in named("T") {
            assert!(
                environment.contains(&format!("{name}={value}").as_str()),
                "{name}: {value:?}"
            );
        }
        // From inside: what a process sees.
        let said = bench.docker(&["run", "--rm", &image.reference]);
        let seen: Vec<&str> = said.split_terminator('\0').collect();
        let expected: Vec<String> = TEXTS
            .iter()
            .map(|text| (*text).to_owned())
            .chain([all(), "last".into()])
            .collect();
        assert_eq!(seen, expected);
        for (name, value) in named("T").iter().take(TEXTS.len()) {
            assert_eq!(
                bench.sh(&image, &format!("printf '%s|' \"${name}\"")),
                format!("{value}|")
            );
        }
    });
}

#[test]
fn commands_are_run_as_they_were_written() {
    on_each_store(|bench| {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let steps: Vec<Step> = TEXTS
            .iter()
            .enumerate()
            .map(|(at, text)| run(&format!("printf '%s|' {} > /t{at}", quoted(text))))
            .chain([
                run("cat > /heredoc <<'EOF'\n$HOME \\ \"x\"\n# hash\nEOF"),
                run(&format!(
                    "printf %s {} | wc -c > /long",
                    "x".repeat(100_000)
                )),
                run("test ! -e /pwned # a comment"),
            ])
            .collect();
        let image = bench
            .build(&bench.backend(), &recipe("busybox:1.36", steps))
            .unwrap();
        for (at, text) in TEXTS.iter().enumerate() {
            assert_eq!(bench.sh(&image, &format!("cat /t{at}")), format!("{text}|"));
        }
        assert_eq!(bench.sh(&image, "cat /heredoc"), "$HOME \\ \"x\"\n# hash\n");
        assert_eq!(bench.sh(&image, "cat /long").trim(), "100000");
    });
}

#[test]
fn paths_are_neither_patterns_nor_variables() {
    on_each_store(|bench| {
        let names = [
            "plain",
            "with space",
            "a*b",
            "q?",
            "[x]",
            "$HOME",
            "back\\slash",
            "it's",
            "do\"ble",
            "-dash",
            "new\nline",
            "#hash",
            "<<EOF",
            "ü漢",
            "[back\\slash*",
            "a[b",
            "a]b",
            "!x",
            "~",
        ];
        // Names that a pattern would also match.
        bench.write("in/aXb", "wrong");
        bench.write("in/qX", "wrong");
        bench.write("in/x", "wrong");
        let mut steps = Vec::new();
        for (at, name) in names.iter().enumerate() {
            bench.write(&format!("in/{name}"), &format!("content of {at}"));
            steps.push(copy(&format!("in/{name}"), &format!("/single/{at}/")));
            steps.push(copy(
                &format!("in/{name}"),
                &format!("/renamed/{at} {name}"),
            ));
            bench.write(
                &format!("folders/{at}/{name}/deep"),
                &format!("deep in {at}"),
            );
            steps.push(copy(
                &format!("folders/{at}"),
                &format!("/folders/{at} {name}"),
            ));
        }
        let backend = bench.backend();
        let parent = bench
            .build(&backend, &recipe("busybox:1.36", steps))
            .unwrap();
        for (at, name) in names.iter().enumerate() {
            let read = |path: String| read(bench, &parent, &path);
            assert_eq!(
                read(format!("/single/{at}/{name}")),
                format!("content of {at}")
            );
            assert_eq!(
                read(format!("/renamed/{at} {name}")),
                format!("content of {at}")
            );
            assert_eq!(
                read(format!("/folders/{at} {name}/{name}/deep")),
                format!("deep in {at}")
            );
        }
        let from = |path: String, to: String| {
            Step::Copy(Box::new(CopyStep {
                from: CopySource::Image {
                    image: "parent".into(),
                    path,
                },
                to,
                owner: Some("1000:12".into()),
            }))
        };
        let steps = names
            .iter()
            .enumerate()
            .map(|(at, name)| from(format!("/single/{at}/{name}"), format!("/out/{at}/")));
        let recipe = recipe("busybox:1.36", steps.collect());
        let bases = [("parent".to_owned(), parent)].into();
        let child = bench
            .build_on(
                &backend,
                &recipe,
                &bases,
                &bench.reference(),
                &crate::bench::Heard::default(),
            )
            .unwrap();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(
                read(bench, &child, &format!("/out/{at}/{name}")),
                format!("content of {at}")
            );
        }
        assert_eq!(
            bench.sh(&child, "stat -c %u:%g /out/0/plain").trim(),
            "1000:12"
        );
    });
}

fn read(bench: &Bench, image: &Artifact, path: &str) -> String {
    let cat = || {
        bench.docker(&[
            "run",
            "--rm",
            "--network=none",
            "--entrypoint",
            "/bin/cat",
            &image.digest,
            path,
        ])
    };
    // Occasionally `docker run` loses the output of a short container. The image does not change: an empty file is
    // empty the second time too.
    let said = cat();
    if said.is_empty() { cat() } else { said }
}

#[test]
fn working_folders_and_users_hold_any_text() {
    on_each_store(|bench| {
        let folder = "/a b/$HOME/\"q\"/it's/\\x/new\nline/#/ü";
        let mut recipe = recipe(
            "busybox:1.36",
            vec![
                Step::Workdir(folder.into()),
                run("pwd > here; id -u > user"),
            ],
        );
        recipe.config.user = Some("1000:12".into());
        let image = bench.build(&bench.backend(), &recipe).unwrap();
        assert_eq!(bench.config(&image)["WorkingDir"], folder);
        assert_eq!(bench.sh(&image, "cat here"), format!("{folder}\n"));
        // Steps run as root, containers as the user.
        assert_eq!(bench.sh(&image, "cat user; id -u"), "0\n1000\n");
        recipe.steps.clear();
        recipe.config.user = Some("a b\"$HOME\\\nUSER 0\n'#".into());
        let image = bench.build(&bench.backend(), &recipe).unwrap();
        assert_eq!(bench.config(&image)["User"], *recipe.config.user.unwrap());
    });
}
