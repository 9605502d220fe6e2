//! Interprets failures: whether a retry may help, and a short message in the manifest's terms.
//!
//! Pure. Only network errors reported by `BuildKit`, Docker or an installer count as transient; a user's command that
//! failed has failed, whatever it printed.

use super::passing::{RACING, fetch_is_passing, is_passing, says};
use super::progress::Failure;
use super::unfetched::unfetched;
use crate::backend::BuildError;
use crate::backend::steps::{NO_EMULATOR, StepName, exited, shell_help};

pub(crate) fn build(failure: &Failure, steps: &[StepName]) -> BuildError {
    let step = failure.step.and_then(|at| steps.get(at));
    let (field, message) = match &failure.image {
        Some(image) => unfetched(image, &clean(&failure.error), steps),
        None => (
            failure
                .step
                .filter(|_| step.is_some())
                .map(|at| StepName::field(steps, at)),
            words(failure, step),
        ),
    };
    let passing = match exit_code(&failure.error) {
        // A command ran and failed: transient only if an installer blames the network.
        Some(_) => {
            step.is_some_and(|step| step.fetches)
                && failure.lines.iter().any(|line| fetch_is_passing(line))
        }
        None => is_passing(&failure.error),
    };
    let error = BuildError::of(message, passing);
    match field {
        Some(field) => BuildError::Step {
            field,
            error: Box::new(error),
        },
        None => error,
    }
}

pub(crate) fn pull(reference: &str, said: &str) -> BuildError {
    let message = format!("`{reference}` cannot be pulled: {}", clean(said));
    BuildError::of(message, is_passing(said))
}

pub(crate) fn push(reference: &str, said: &str) -> BuildError {
    let message = format!("`{reference}` cannot be pushed: {}", clean(said));
    BuildError::of(message, is_passing(said))
}

/// Whether a build failed only because another one finished the same step.
pub(crate) fn is_race(error: &BuildError) -> bool {
    error.is_transient() && says(&error.to_string(), RACING)
}

fn words(failure: &Failure, step: Option<&StepName>) -> String {
    let said = clean(&failure.error);
    let Some(step) = step else {
        return if said.is_empty() {
            "the build failed without an error message".to_owned()
        } else {
            said + &login(&failure.error)
        };
    };
    let what = &step.words;
    match exit_code(&failure.error) {
        Some(code) => exited(what, code, help(failure, step)),
        None => match help(failure, step) {
            Some(help) => format!("`{what}` failed: {said}: {help}"),
            None => format!("`{what}` failed: {said}{}", login(&failure.error)),
        },
    }
}

/// A hint to log in, if the registry requires it; otherwise empty.
fn login(error: &str) -> String {
    let is_refused = says(
        error,
        &["401 unauthorized", "authorization failed", "no basic auth"],
    );
    let host = error
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '"', ' ']).next())
        .filter(|host| is_refused && !host.is_empty());
    host.map(|host| format!(": log in with `docker login {host}`"))
        .unwrap_or_default()
}

fn help(failure: &Failure, step: &StepName) -> Option<&'static str> {
    let said = |text: &str| failure.lines.iter().any(|line| line.contains(text));
    let is = |field: &str| step.words.starts_with(field);
    let said_anywhere = |text: &str| said(text) || failure.error.contains(text);
    if said_anywhere("exec format error") {
        return Some(NO_EMULATOR);
    }
    if (is("packages:") || is("requirements:")) && said("imgspec: there is no python3 in PATH") {
        return Some("the base has no Python: set `python-version`, or use a base that has one");
    }
    if (is("packages:") || is("requirements:")) && said(" has no pip") {
        return Some(
            "envd installs with pip, which the base's Python does not have: add `python3-venv` to `apt-packages`, or use the \
             `docker` builder, which brings its own installer",
        );
    }
    if said_anywhere("exec: \"bash\"") {
        return Some(
            "envd runs everything with bash, which the base does not have: add it, or use the `docker` builder",
        );
    }
    if is("apt-packages:") && said("apt-get: not found") {
        return Some("the base is not Debian: `apt-packages` needs `apt-get`");
    }
    exit_code(&failure.error)
        .filter(|_| is("commands:"))
        .and_then(shell_help)
}

/// The number in "did not complete successfully: exit code: 1".
fn exit_code(error: &str) -> Option<i32> {
    let (_, code) = error.rsplit_once("exit code: ")?;
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn clean(error: &str) -> String {
    let mut rest = error.trim();
    for wrapping in [
        "ERROR: ",
        "failed to build: ",
        "failed to solve: ",
        "failed to solve with frontend dockerfile.v0: ",
        "Error response from daemon: ",
        "rpc error: code = Unknown desc = ",
    ] {
        rest = rest.strip_prefix(wrapping).unwrap_or(rest);
    }
    rest.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(step: Option<usize>, error: &str, lines: &[&str]) -> Failure {
        Failure {
            step,
            image: None,
            error: error.into(),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    fn steps() -> Vec<StepName> {
        [
            ("base-image: debian:bookworm-slim", true),
            ("apt-packages: git", true),
            ("packages: numpy", true),
            ("commands: make", false),
        ]
        .map(|(words, fetches)| StepName {
            words: words.into(),
            fetches,
        })
        .to_vec()
    }

    #[test]
    fn a_failing_command_is_final_whatever_it_printed() {
        let said = r#"process "/bin/sh -c make" did not complete successfully: exit code: 2"#;
        let failure = failure(Some(3), said, &["connection reset by peer", "i/o timeout"]);
        let error = build(&failure, &steps());
        assert!(!error.is_transient());
        assert_eq!(
            error.to_string(),
            "`commands: make` failed with exit code 2"
        );
    }

    #[test]
    fn an_installer_that_lost_the_network_may_try_again() {
        let exit = "process \"…\" did not complete successfully: exit code: 100";
        for line in [
            "W: Failed to fetch http://mirror.example.org/x  Temporary failure resolving 'mirror.example.org'",
            "E: Failed to fetch http://x/y.deb  503  Service Unavailable [IP: 1.2.3.4 80]",
            "E: Failed to fetch http://x/Packages.xz  Hash Sum mismatch",
            "  ╰─▶ Failed to download distribution due to network timeout. Try increasing",
            "   File has unexpected size (1234 != 5678). Mirror sync in progress? [IP: 1.2.3.4 80]",
        ] {
            let error = build(&failure(Some(1), exit, &[line]), &steps());
            assert!(error.is_transient(), "{line}");
        }
        let uv = ["  Caused by: error sending request for url (https://x/simple/numpy/)"];
        let error = build(&failure(Some(2), exit, &uv), &steps());
        assert!(error.is_transient());
        let unknown = ["E: Unable to locate package gti"];
        let error = build(&failure(Some(1), exit, &unknown), &steps());
        assert!(!error.is_transient());
    }

    #[test]
    fn a_registry_that_asks_who_is_there_is_named() {
        let said = "unexpected status from HEAD request to http://127.0.0.1:5000/v2/a/manifests/1: 401 Unauthorized";
        let error = build(&failure(None, said, &[]), &steps());
        let message = format!("{said}: log in with `docker login 127.0.0.1:5000`");
        assert_eq!(error, BuildError::Failed(message));
    }

    #[test]
    fn a_base_that_cannot_be_fetched_is_named_once_with_its_field_and_what_to_try() {
        let told = |image: &str, error: &str, steps: &[StepName]| {
            let failure = Failure {
                image: Some(image.into()),
                ..failure(None, error, &[])
            };
            let error = build(&failure, steps);
            let field = error.field().unwrap_or("-");
            format!("{field}: {}: {error}", error.is_transient())
        };
        let base = "docker.io/library/debian:bookworm-slim";
        let refused = "failed to do request: Head \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host";
        let missing =
            format!("{base}: failed to resolve source metadata for {base}: {base}: not found");
        insta::assert_snapshot!([
            told(base, refused, &steps()),
            told(base, &missing, &steps()),
            told("docker.io/astral/uv:1", "docker.io/astral/uv:1: not found", &steps()),
            told("ghcr.io/a/b:1", "ghcr.io/a/b:1: pull access denied, repository does not exist or may require authorization", &[]),
            told("r:5000/a:1", "failed to do request: Head \"https://r:5000/v2/a\": dial tcp: connect: connection refused", &[]),
        ].join("\n"));
    }

    #[test]
    fn a_failed_step_says_which_field_asked_for_it() {
        let copy = |words: &str| StepName {
            words: words.into(),
            fetches: false,
        };
        let steps = [
            copy("copy: a to /a"),
            copy("commands: x"),
            copy("copy: b to /b"),
            copy("account: me"),
        ];
        let fields: Vec<String> = (0..4).map(|at| StepName::field(&steps, at)).collect();
        assert_eq!(fields, ["copy[0]", "commands[0]", "copy[1]", "user"]);
    }

    #[test]
    fn the_sentence_names_the_step_and_the_likely_mend() {
        let none = failure(
            Some(2),
            "process \"/run/imgspec/uv pip install\" did not complete successfully: exit code: 2",
            &["imgspec: there is no python3 in PATH"],
        );
        assert_eq!(
            build(&none, &steps()).to_string(),
            "`packages: numpy` failed with exit code 2: the base has no Python: set `python-version`, or use a base that has one"
        );
        let solve = failure(None, "failed to build: failed to solve: x: not found", &[]);
        assert_eq!(build(&solve, &steps()).to_string(), "x: not found");
        assert_eq!(
            push(
                "r/x:1",
                "denied: requested access to the resource is denied"
            )
            .to_string(),
            "`r/x:1` cannot be pushed: denied: requested access to the resource is denied"
        );
    }
}
