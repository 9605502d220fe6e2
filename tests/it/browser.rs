//! A real browser, and what else pictures are shown to: provided by `tests/run`.
//!
//! Scripts in `tests/it/browser/` drive it through Playwright. Plain `cargo test` has none, and skips these tests.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The value of a variable of `tests/run`; `None` if it could not provide what the variable names, and reports so at its end.
#[track_caller]
pub(crate) fn provided(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    assert!(
        value.is_some() || !cfg!(feature = "engine-tests"),
        "no {variable}: run these tests through tests/run"
    );
    value.filter(|value| value != "none")
}

/// Runs a script with a browser and returns what it found; `None` if there is no browser here.
#[track_caller]
pub(crate) fn in_browser(script: &str, input: &serde_json::Value) -> Option<serde_json::Value> {
    provided("IMGSPEC_TEST_BROWSER")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/browser")
        .join(script);
    let said = fed(Command::new("node").arg(script), &input.to_string());
    let found = said.unwrap_or_else(|why| panic!("the script failed:\n{why}"));
    Some(serde_json::from_str(&found).unwrap())
}

/// Whether Graphviz accepts a drawing, with its picture or its complaint; `None` if it is not installed here.
#[track_caller]
pub(crate) fn in_graphviz(drawing: &str) -> Option<Result<String, String>> {
    let dot = provided("IMGSPEC_TEST_GRAPHVIZ")?;
    Some(fed(Command::new(dot).arg("-Tsvg"), drawing))
}

/// The output of a program that gets this input, or its errors: Graphviz also warns of what it does not understand.
pub(crate) fn fed(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that fails early closes its input.
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let errors = text(output.stderr);
    if output.status.success() && errors.is_empty() {
        Ok(text(output.stdout))
    } else {
        Err(errors)
    }
}
