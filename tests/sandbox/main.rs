//! The sandbox of the embedded builder, tried as root and as an ordinary user: what a program sees and what it cannot reach.
//!
//! The module is no part of the library's interface, so its source is compiled here once more, and started from the program of this
//! build.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]
#![allow(
    dead_code,
    unused_imports,
    reason = "what the builder uses and these tests do not"
)]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "they are the library's, compiled once more"
)]
#![cfg(target_os = "linux")]

#[path = "../../src/backend"]
mod backend {
    pub(crate) mod sandbox;

    #[path = "../../tests/sandbox/ends.rs"]
    mod ends;
    #[path = "../../tests/sandbox/escapes.rs"]
    mod escapes;
    #[path = "../../tests/sandbox/forbidden.rs"]
    mod forbidden;
    #[path = "../../tests/sandbox/isolation.rs"]
    mod isolation;
    #[path = "../../tests/sandbox/nursery.rs"]
    mod nursery;
    #[path = "../../tests/sandbox/overlay.rs"]
    mod overlay;
    #[path = "../../tests/sandbox/owners.rs"]
    mod owners;
    #[path = "../../tests/sandbox/stage.rs"]
    mod stage;
}

#[path = "../../src/cancel.rs"]
mod cancel;

/// The words of an error; the library's own module has many more uses.
mod disk {
    pub(crate) fn system_words(error: &std::io::Error) -> String {
        error.to_string()
    }
}

#[path = "../../src/process"]
mod process {
    mod group;
    mod lines;

    pub(crate) use group::{Group, Started, Stream, start};
}

/// The rows of `docs/reliability.md` about sandboxes name these tests.
#[test]
fn each_end_and_each_escape_is_a_row_of_the_page_about_reliability() {
    let read = |path: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(path).unwrap()
    };
    let page = read("docs/reliability.md");
    let named = |prefix: &str| {
        let words = page.split('`').filter_map(|word| word.strip_prefix(prefix));
        words
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    for file in ["ends", "escapes", "nursery"] {
        let text = read(&format!("tests/sandbox/{file}.rs"));
        let tests = text.lines().filter_map(|line| {
            let name = line
                .strip_prefix("fn ")?
                .strip_suffix("(stage: &mut Stage) {")?;
            Some(name.to_owned())
        });
        assert_eq!(named(&format!("sandbox::{file}::")), tests.collect());
    }
}
