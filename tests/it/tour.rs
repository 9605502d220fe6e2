//! The README's tour: each command in it is run, in order, and must print what the README shows.

use std::path::Path;
use std::process::Command;

use crate::sandbox::{Ran, Sandbox};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// A command with the lines shown below it.
struct Shown {
    command: String,
    lines: Vec<String>,
}

/// The commands of the tour, in order.
fn tour() -> Vec<Shown> {
    let text = std::fs::read_to_string(README).unwrap();
    let (_, tour) = text.split_once("\n## A minute's tour\n").unwrap();
    let (tour, _) = tour.split_once("\n## ").unwrap();
    let mut shown: Vec<Shown> = Vec::new();
    let mut is_code = false;
    for line in tour.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_code) {
            let command = command.to_owned();
            let lines = Vec::new();
            shown.push(Shown { command, lines });
        } else if is_code {
            shown.last_mut().unwrap().lines.push(line.to_owned());
        }
    }
    shown
}

/// The workspace as it is before the tour's first command.
fn shop() -> Sandbox {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let sandbox = Sandbox::new();
    for file in ["requirements.txt", "src/train.py", "src/serve.py"] {
        sandbox.write(file, &std::fs::read_to_string(shop.join(file)).unwrap());
    }
    sandbox
}

/// Masks durations, which differ from run to run.
fn timeless(line: &str) -> String {
    let word = |word: &str| {
        let inner = word.trim_matches(['(', ')']);
        let is_time = inner
            .strip_suffix('s')
            .is_some_and(|it| it.parse::<f64>().is_ok());
        if is_time {
            word.replace(inner, "Ns")
        } else {
            word.to_owned()
        }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Whether the printed lines match; `…` stands for any number of lines.
fn fits(shown: &[String], printed: &[String]) -> bool {
    match shown {
        [] => printed.is_empty(),
        [first, rest @ ..] if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        [first, rest @ ..] => {
            matches!(printed, [line, others @ ..] if timeless(line) == timeless(first) && fits(rest, others))
        }
    }
}

/// Runs a command of the tour and returns its output, as seen in `/home/ana/shop`.
fn run(sandbox: &Sandbox, command: &str) -> Vec<String> {
    let root = sandbox.path("");
    let ran = match command.strip_prefix("imgspec ") {
        Some(words) => {
            let mut words = shlex::split(words).unwrap();
            let is_planned = words.iter().any(|word| word == "--plan");
            if words.starts_with(&["graph".to_owned()]) && (words[1] != "show" || is_planned) {
                words.extend(["--builder", "fake"].map(str::to_owned));
            }
            sandbox.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
        }
        None => Ran::of(Command::new("sh").args(["-c", command]).current_dir(&root)),
    };
    let printed = format!("{}{}", ran.stdout, ran.stderr);
    let root = root.canonicalize().unwrap();
    let printed = printed.replace(root.to_str().unwrap(), "/home/ana/shop");
    printed.lines().map(str::to_owned).collect()
}

#[test]
fn the_readmes_tour_prints_what_the_readme_says() {
    let sandbox = shop();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let mut compared = Vec::new();
    for Shown { command, mut lines } in tour() {
        // Live builds need a terminal, a watch does not end, and the failure depends on a real registry.
        if command.starts_with("imgspec watch") {
            continue;
        }
        let printed = run(&sandbox, &command);
        if command == "imgspec init" {
            let manifest = std::fs::read_to_string(shop.join("imgspec.kdl")).unwrap();
            sandbox.write("imgspec.kdl", &manifest);
        }
        if command == "imgspec graph build" || command.contains(" --summary ") {
            continue;
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        assert!(
            fits(&lines, &printed),
            "$ {command}\nREADME:\n{}\n\nprinted:\n{}\n",
            lines.join("\n"),
            printed.join("\n")
        );
        compared.push(command);
    }
    for wanted in [
        "imgspec init",
        "imgspec graph plan",
        "imgspec explain train",
    ] {
        assert!(compared.iter().any(|it| it == wanted), "{compared:?}");
    }
}
