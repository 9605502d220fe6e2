//! What a failure means: whether another try may help, and a short sentence for it in the user's words.
//!
//! Pure. Only what `BuildKit`, Docker or an installer says about the network counts as passing; a user's command that failed
//! has failed, whatever it printed.

use super::progress::Failure;
use crate::backend::BuildError;
use crate::backend::steps::StepName;

/// What the network, a registry or the daemon say when they are unavailable for a moment. In lower case.
const PASSING: &[&str] = &[
    "429 too many requests",
    "toomanyrequests",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway time",
    "unexpected status code 50",
    "unexpected status from",
    "connection reset by peer",
    "connection refused",
    "connection timed out",
    "broken pipe",
    "i/o timeout",
    "tls handshake timeout",
    "net/http: timeout",
    "client.timeout exceeded",
    "request canceled while waiting for connection",
    "network is unreachable",
    "no route to host",
    "temporary failure",
    "server misbehaving",
    "unexpected eof",
    ": eof",
    "http2: server sent goaway",
    "http2: client connection lost",
    "no active session",
    "closing transport",
    "transport is closing",
    "code = unavailable",
    "graceful_stop",
    "cannot connect to the docker daemon",
    "error reading from server",
    "use of closed network connection",
];

/// What apt, uv and curl say then. In lower case.
const FETCHING: &[&str] = &[
    "temporary failure resolving",
    "could not resolve",
    "could not connect to",
    "connection failed",
    "connection timed out",
    "connection reset",
    "hash sum mismatch",
    // Another build uses the cache.
    "could not get lock",
    "mirror sync in progress",
    "file has unexpected size",
    "429  too many requests",
    "500  internal server error",
    "502  bad gateway",
    "503  service unavailable",
    "504  gateway",
    "dns error",
    "error sending request",
    "timed out",
    "network timeout",
    "request failed after",
    "connection closed before message completed",
    "server error (5",
    "too many requests (429)",
];

/// What `BuildKit` says when two builds finish the same step at once, as after a client was killed; the next try finds it
/// done. In lower case.
const RACING: &[&str] = &["failed to stat active key during commit", "during finalize"];

/// What looks like the network but is a matter of names or permissions. In lower case.
const LASTING: &[&str] = &[
    "no such host",
    "pull access denied",
    "unauthorized",
    "authentication required",
    "access to the requested resource is not authorized",
    "denied:",
    "manifest unknown",
    "not found",
    "no space left on device",
    "x509:",
    "server gave http response to https client",
];

pub(crate) fn build(failure: &Failure, steps: &[StepName]) -> BuildError {
    let step = failure.step.and_then(|at| steps.get(at));
    let message = words(failure, step);
    let passing = match exit_code(&failure.error) {
        // A program ran and failed: that is transient only if an installer blames the network.
        Some(_) => {
            step.is_some_and(|step| step.fetches)
                && failure.lines.iter().any(|line| says(line, FETCHING))
        }
        None => is_passing(&failure.error),
    };
    BuildError::of(message, passing)
}

pub(crate) fn push(reference: &str, said: &str) -> BuildError {
    let message = format!("`{reference}` cannot be pushed: {}", clean(said));
    BuildError::of(message, is_passing(said))
}

/// Whether a build failed only because another one finished the same step.
pub(crate) fn is_race(error: &BuildError) -> bool {
    matches!(error, BuildError::Transient(why) if says(why, RACING))
}

/// Whether Docker's message is about something transient.
pub(crate) fn is_passing(said: &str) -> bool {
    says(said, RACING) || (says(said, PASSING) && !says(said, LASTING))
}

fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

fn words(failure: &Failure, step: Option<&StepName>) -> String {
    let said = clean(&failure.error);
    let Some(step) = step else {
        return if said.is_empty() {
            "the build failed without a word".to_owned()
        } else {
            said + &login(&failure.error)
        };
    };
    let what = &step.words;
    match exit_code(&failure.error) {
        Some(code) => {
            let mut message = format!("`{what}` failed with exit code {code}");
            if let Some(help) = help(failure, step) {
                message += ": ";
                message += help;
            }
            message
        }
        None => match help(failure, step) {
            Some(help) => format!("`{what}` failed: {said}: {help}"),
            None => format!("`{what}` failed: {said}{}", login(&failure.error)),
        },
    }
}

/// What to do about a registry that requires a login.
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

/// What is likely missing, for common failures.
fn help(failure: &Failure, step: &StepName) -> Option<&'static str> {
    let said = |text: &str| failure.lines.iter().any(|line| line.contains(text));
    let is = |field: &str| step.words.starts_with(field);
    let said_anywhere = |text: &str| said(text) || failure.error.contains(text);
    if said_anywhere("exec format error") {
        return Some(
            "this machine cannot run programs of that platform: install an emulator \
             (`docker run --privileged --rm tonistiigi/binfmt --install all`), or build on a machine that has it",
        );
    }
    if (is("packages:") || is("requirements:")) && said("imgspec: there is no python3 in PATH") {
        return Some("the base has no Python: set `python-version`, or take a base that has one");
    }
    if (is("packages:") || is("requirements:")) && said(" has no pip") {
        return Some(
            "envd installs with pip, which the base's Python does not have: add `python3-venv` to `apt-packages`, or take the \
             `docker` builder, which brings an installer",
        );
    }
    if said_anywhere("exec: \"bash\"") {
        return Some(
            "envd runs everything with bash, which the base does not have: add it, or take the `docker` builder",
        );
    }
    if is("apt-packages:") && said("apt-get: not found") {
        return Some("the base is no Debian: `apt-packages` needs `apt-get`");
    }
    (exit_code(&failure.error) == Some(127) && is("commands:"))
        .then_some("a program that it calls is not in the image")
}

/// The number in "did not complete successfully: exit code: 1".
fn exit_code(error: &str) -> Option<i32> {
    let (_, code) = error.rsplit_once("exit code: ")?;
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// `BuildKit`'s words without their prefixes.
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
        assert_eq!(
            error,
            BuildError::Failed("`commands: make` failed with exit code 2".into())
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
            assert!(matches!(error, BuildError::Transient(_)), "{line}");
        }
        let uv = ["  Caused by: error sending request for url (https://x/simple/numpy/)"];
        let error = build(&failure(Some(2), exit, &uv), &steps());
        assert!(matches!(error, BuildError::Transient(_)));
        let unknown = ["E: Unable to locate package gti"];
        let error = build(&failure(Some(1), exit, &unknown), &steps());
        assert!(matches!(error, BuildError::Failed(_)));
    }

    #[test]
    fn registries_and_daemons_that_are_away_for_a_moment_are_passing() {
        for said in [
            "failed to do request: Head \"https://r/v2/x/manifests/1\": dial tcp 1.2.3.4:443: connect: connection refused",
            "failed to resolve source metadata for r/x:1: unexpected status from HEAD request to https://r/v2/x: 503 Service Unavailable",
            "toomanyrequests: You have reached your pull rate limit",
            "failed to copy: httpReadSeeker: failed open: unexpected status code https://r: 502 Bad Gateway",
            "error reading from server: EOF",
            "rpc error: code = Unavailable desc = closing transport due to: connection error: EOF",
            "no active session for abc: context deadline exceeded",
            "Get \"https://r/v2/\": net/http: TLS handshake timeout",
            "dial tcp: lookup r on 127.0.0.53:53: server misbehaving",
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ] {
            assert!(is_passing(said), "{said}");
        }
    }

    #[test]
    fn names_and_rights_do_not_mend_themselves() {
        for said in [
            "debian:bokworm-slim: failed to resolve source metadata for docker.io/library/debian:bokworm-slim: not found",
            "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r/token: 401 Unauthorized",
            "dial tcp: lookup registry.exmaple.com on 127.0.0.53:53: no such host",
            "failed to compute cache key: \"/x\": not found",
            "write /var/lib/docker/tmp/x: no space left on device",
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "dockerfile parse error on line 1: unknown instruction: FORM",
        ] {
            assert!(!is_passing(said), "{said}");
        }
    }

    #[test]
    fn a_registry_that_asks_who_is_there_is_named() {
        let said = "unexpected status from HEAD request to http://127.0.0.1:5000/v2/a/manifests/1: 401 Unauthorized";
        let error = build(&failure(None, said, &[]), &steps());
        let message = format!("{said}: log in with `docker login 127.0.0.1:5000`");
        assert_eq!(error, BuildError::Failed(message));
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
            "`packages: numpy` failed with exit code 2: the base has no Python: set `python-version`, or take a base that has one"
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

    #[test]
    fn two_builds_that_finish_one_step_at_once_are_worth_another_try() {
        let said = "failed to commit qq5 to vdd during finalize: failed to stat active key during commit: snapshot qq5 does not exist: not found";
        assert!(is_passing(said));
        assert!(!is_passing("pull access denied: not found"));
    }
}
