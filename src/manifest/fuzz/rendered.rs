//! Parses the rendered build scripts and asserts that they say exactly what the manifest says.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::DOCKERFILE;
use crate::fuzz::dockerfile::{self, Read};
use crate::recipe::{Recipe, Step};
use crate::spec::{CopyFrom, HealthTest, ImageSpec, OwnStep};

/// Variables that imgspec itself sets, possibly overriding the manifest's.
const OURS: &[&str] = &[
    "PATH",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "FLYTE_SDK_RICH_TRACEBACKS",
    "_F_RUNTIME_PACKAGES",
    "_F_IMG_ID",
];

/// Checks a rendered Dockerfile.
pub(super) fn dockerfile(text: &str, spec: &ImageSpec, recipe: &Recipe) {
    if spec.dockerfile.is_some() {
        assert_eq!(
            text, DOCKERFILE,
            "the user's own Dockerfile is sent unchanged"
        );
        return;
    }
    let read = dockerfile::read(text, &[("IMGSPEC_NEWLINE", "\n")]);
    let read = read.unwrap_or_else(|why| panic!("the Dockerfile is none: {why}\n{text}"));
    environment(&read.env, spec);
    config(&read, spec, recipe);
    assert_eq!(
        commands(&read.runs, &shell(spec)),
        said_commands(spec),
        "the commands are run"
    );
    packages(&read.runs, spec);
    copies(&read, spec, recipe);
}

/// The environment variables of fields and steps; later ones override earlier ones.
fn said_environment(spec: &ImageSpec) -> BTreeMap<&str, &str> {
    let steps = spec.steps.iter().flat_map(|step| match step {
        OwnStep::Env(pairs) => pairs.as_slice(),
        _ => &[],
    });
    let pairs = spec.env.iter().chain(steps);
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn environment(env: &BTreeMap<String, String>, spec: &ImageSpec) {
    let said = said_environment(spec);
    for (name, value) in env
        .iter()
        .filter(|(name, _)| !OURS.contains(&name.as_str()))
    {
        assert_eq!(
            said.get(name.as_str()),
            Some(&value.as_str()),
            "the variable {name:?}"
        );
    }
    for (name, _) in said {
        assert!(env.contains_key(name), "the variable {name:?} is set");
    }
}

fn config(read: &Read, spec: &ImageSpec, recipe: &Recipe) {
    assert_eq!(read.entrypoint, spec.entrypoint, "the entrypoint");
    assert_eq!(read.cmd, spec.cmd, "the arguments");
    assert_eq!(read.user, recipe.config.user, "the user");
    runtime(read, spec, recipe);
    let mut labels = read.labels.clone();
    labels.retain(|name, _| !name.starts_with("dev.imgspec."));
    for (name, value) in &spec.labels {
        assert_eq!(
            labels.remove(name).as_ref(),
            Some(value),
            "the label {name:?}"
        );
    }
    labels.remove("org.opencontainers.image.base.name");
    assert!(labels.is_empty(), "nobody asked for {labels:?}");
    let steps = recipe.steps.iter().filter_map(|step| match step {
        Step::Workdir(folder) => Some(folder),
        _ => None,
    });
    assert!(
        read.workdirs.iter().eq(steps),
        "the working directories {:?}",
        read.workdirs
    );
    let own = spec.steps.iter().filter_map(|step| match step {
        OwnStep::Workdir(folder) => Some(folder),
        _ => None,
    });
    let said: Vec<&String> = spec.workdir.iter().chain(own).collect();
    assert!(
        read.workdirs
            .iter()
            .take(said.len())
            .eq(said.iter().copied()),
        "the working directories {:?}",
        read.workdirs
    );
}

/// Ports, volumes and the like.
fn runtime(read: &Read, spec: &ImageSpec, recipe: &Recipe) {
    assert_eq!(read.expose, recipe.config.expose, "the ports");
    let said: BTreeSet<&String> = spec.volume.iter().collect();
    assert!(
        read.volumes.iter().eq(said),
        "the volumes {:?}",
        read.volumes
    );
    assert_eq!(read.stop_signal, spec.stop_signal, "the signal");
    assert_eq!(read.shell, spec.shell, "the shell");
    let said = spec.healthcheck.as_ref().map(|check| match &check.test {
        HealthTest::Off => vec!["NONE".to_owned()],
        HealthTest::CommandLine(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        HealthTest::Program(words) => [&["CMD".to_owned()], words.as_slice()].concat(),
    });
    let found = read.healthcheck.as_ref();
    assert_eq!(
        found.map(|(_, test)| test),
        said.as_ref(),
        "the health check"
    );
    let settings = spec
        .healthcheck
        .as_ref()
        .map(|check| check.settings().count());
    let flags = found.map(|(flags, _)| flags.len());
    assert_eq!(flags, settings, "the settings of the health check");
}

/// The words before a command.
fn shell(spec: &ImageSpec) -> Vec<String> {
    let usual = || ["/bin/sh", "-c"].map(str::to_owned).to_vec();
    spec.shell.clone().unwrap_or_else(usual)
}

fn said_commands(spec: &ImageSpec) -> Vec<&str> {
    let own = spec.steps.iter().filter_map(|step| match step {
        OwnStep::Run(command) => Some(command),
        _ => None,
    });
    spec.commands
        .iter()
        .chain(own)
        .map(String::as_str)
        .collect()
}

/// The user's commands among the RUN instructions.
fn commands<'r>(runs: &'r [Vec<String>], shell: &[String]) -> Vec<&'r str> {
    let command = |run: &'r Vec<String>| {
        // A command with secrets in environment variables comes after what sets those.
        let run = match run.as_slice() {
            [_, _, script, rest @ ..] if script.ends_with("exec \"$0\" \"$@\"") => rest,
            run => run,
        };
        match run.strip_prefix(shell) {
            Some([command]) => Some(command.as_str()),
            _ => None,
        }
    };
    runs.iter().filter_map(command).collect()
}

fn packages(runs: &[Vec<String>], spec: &ImageSpec) {
    let steps = spec.steps.iter();
    let apt = steps.clone().filter_map(|step| match step {
        OwnStep::Apt(packages) => Some(packages),
        _ => None,
    });
    let apt: Vec<&String> = spec.apt_packages.iter().chain(apt.flatten()).collect();
    let found = runs.iter().filter_map(|run| {
        // A package of another kind may have the same name.
        let is_apt = |pair: &[String]| pair[0].contains("\napt-get ") && pair[1] == "apt-packages";
        let at = run.windows(2).position(is_apt)?;
        Some(&run[at + 2..])
    });
    assert!(found.flatten().eq(apt), "the Debian packages");
    let pip = steps.filter_map(|step| match step {
        OwnStep::Pip { packages, .. } => Some(packages),
        _ => None,
    });
    for packages in [&spec.packages]
        .into_iter()
        .chain(pip)
        .filter(|packages| !packages.is_empty())
    {
        let mut wanted = vec!["--".to_owned()];
        wanted.extend(packages.iter().cloned());
        let has = |run: &Vec<String>| run.windows(wanted.len()).any(|some| some == wanted);
        assert!(runs.iter().any(has), "the Python packages {packages:?}");
    }
}

fn copies(read: &Read, spec: &ImageSpec, recipe: &Recipe) {
    let bases = usize::from(recipe.base_file.is_some());
    assert_eq!(read.adds.len(), bases, "a base in a file is added");
    let is_copy = |step: &&Step| matches!(step, Step::Copy(_));
    assert_eq!(
        read.copies.len(),
        recipe.steps.iter().filter(is_copy).count(),
        "the copies"
    );
    let own = spec.steps.iter().filter_map(|step| match step {
        OwnStep::Copy(copy) => Some(copy),
        _ => None,
    });
    let said: Vec<_> = spec.copy.iter().chain(own).collect();
    let first = read.copies.len() - said.len();
    for ((flags, words), copy) in read.copies[first..].iter().zip(said) {
        let [source, to] = words.as_slice() else {
            panic!("a copy has a source and a target: {words:?}")
        };
        if let Some(said) = &copy.to {
            let is_it = to == said || (said.ends_with('/') && to.starts_with(said.as_str()));
            assert!(is_it, "it goes to {said:?} and not to {to:?}");
        }
        if let Some(owner) = &copy.owner {
            assert!(
                flags.contains(&format!("--chown={owner}")),
                "it is {owner}'s: {flags:?}"
            );
        }
        if let CopyFrom::Image { path, .. } = &copy.from {
            assert_eq!(meant(source, path), *path, "this is copied");
        }
    }
}

/// The one path that a pattern matches. Text without wildcards is returned unchanged.
fn meant(pattern: &str, path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return pattern.to_owned();
    }
    ["*", "?"]
        .iter()
        .fold(pattern.replace("[[]", "\u{1}"), |text, sign| {
            text.replace(&format!("[{sign}]"), sign)
        })
        .replace('\u{1}', "[")
        .replace("\\\\", "\\")
}

/// Checks a rendered `build.envd`.
pub(super) fn envd(text: &str, spec: &ImageSpec, recipe: &Recipe) {
    let (_, body) = text
        .split_once("\ndef build():\n")
        .expect("it defines a build");
    let said = said_environment(spec);
    let mut found = Vec::new();
    let shell = shell(spec);
    for line in body.lines() {
        let line = line
            .strip_prefix("    ")
            .unwrap_or_else(|| panic!("a line stands outside: {line:?}"));
        let (head, arguments) = line.split_once('(').expect("a call");
        let arguments = arguments
            .strip_suffix(')')
            .expect("a call that ends in its line");
        match head {
            "runtime.environ" => {
                let pairs: BTreeMap<String, String> = value(arguments, "env=");
                for (name, value) in pairs
                    .iter()
                    .filter(|(name, _)| !OURS.contains(&name.as_str()))
                {
                    let is_overridden = said.contains_key(name.as_str()) && !spec.steps.is_empty();
                    assert!(
                        is_overridden || said.get(name.as_str()) == Some(&value.as_str()),
                        "the variable {name:?}"
                    );
                }
            }
            "config.entrypoint" => {
                let words: Vec<String> = value(arguments, "args=");
                assert_eq!(Some(words), recipe.config.entrypoint, "the entrypoint");
            }
            "run" => {
                let lines: Vec<String> = value(arguments, "commands=");
                let [line] = lines.as_slice() else {
                    panic!("one command a run: {lines:?}")
                };
                found.extend(command(line, &shell));
            }
            "base"
            | "config.owner"
            | "install.apt_packages"
            | "install.conda"
            | "install.python"
            | "install.conda_packages"
            | "io.copy" => {}
            _ => panic!("nobody asked for {head:?}"),
        }
    }
    let said = said_commands(spec);
    assert_eq!(found, said, "the commands are run");
}

/// Parses a Starlark value, which is JSON except for hexadecimal escapes.
fn value<T: serde::de::DeserializeOwned>(text: &str, name: &str) -> T {
    let text = text
        .strip_prefix(name)
        .unwrap_or_else(|| panic!("`{name}` begins {text:?}"));
    let mut json = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        json.push(next);
        if next == '\\' {
            match rest.next().expect("an escape has a sign") {
                'x' => json += "u00",
                sign => json.push(sign),
            }
        }
    }
    // Starlark's writer escapes DEL as a control character; JSON does not.
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// The user's command in a line that envd puts between single quotes and splits as a shell would; `None` if the line is
/// imgspec's own.
fn command(line: &str, shell: &[String]) -> Option<String> {
    let words = shlex::split(&format!("bash -c '{line}'")).expect("it splits");
    let [_, _, script] = words.as_slice() else {
        panic!("envd would take this for more than one word: {words:?}")
    };
    assert!(!script.contains('\n'), "a command is one line");
    let (_, tail) = script
        .rsplit_once("; exec ")
        .expect("something is executed");
    match bash(tail).strip_prefix(shell) {
        Some([command]) => Some(command.clone()),
        _ => None,
    }
}

/// Splits a bash command into words, either plain or in `$'…'`.
fn bash(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some(inside) = rest.strip_prefix("$'") else {
            let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = more;
            continue;
        };
        let (mut word, mut signs) = (String::new(), inside.char_indices());
        let end = loop {
            let (at, sign) = signs.next().expect("the quote is closed");
            match sign {
                '\'' => break at,
                '\\' => match signs.next().expect("an escape has a sign").1 {
                    'n' => word.push('\n'),
                    't' => word.push('\t'),
                    '\\' => word.push('\\'),
                    first => {
                        let digits: String = [
                            Some(first),
                            signs.next().map(|it| it.1),
                            signs.next().map(|it| it.1),
                        ]
                        .into_iter()
                        .flatten()
                        .collect();
                        word.push(char::from(
                            u8::from_str_radix(&digits, 8).expect("three octal digits"),
                        ));
                    }
                },
                sign => word.push(sign),
            }
        };
        words.push(word);
        rest = inside[end + 1..].trim_start();
    }
    words
}
