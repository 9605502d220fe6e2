//! External faults: the guarantees in `docs/reliability.md`, one test per row.

mod daemon;
mod files;
mod lock;
mod records;
mod registry;
pub(crate) mod server;
mod signals;
mod stage;
pub(crate) mod state;
pub(crate) mod store;

use std::collections::BTreeSet;
use std::path::Path;

use crate::sandbox::Sandbox;

/// Text that must not be found anywhere; every image of a guarded sandbox gets it as a secret, and the fake builder
/// prints it.
const CANARY: &str = "canary-of-the-fault-table";

/// A sandbox whose images have a secret; when it is dropped, everything in it is searched for the secret's value.
fn guarded(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::with(files).env("IMGSPEC_TEST_CANARY", CANARY);
    let manifest = sandbox.path("imgspec.kdl");
    if let Ok(text) = std::fs::read_to_string(&manifest) {
        let secret =
            "allow \"unused-secret\"\ndefaults { secret \"canary\" env=\"IMGSPEC_TEST_CANARY\" }\n";
        std::fs::write(&manifest, format!("{secret}{text}")).expect("a manifest");
    }
    sandbox.without(CANARY)
}

/// The files of the tests that the table names.
const PLACES: &[(&str, &str)] = &[
    ("faults::daemon::", "tests/it/faults/daemon.rs"),
    ("faults::files::", "tests/it/faults/files.rs"),
    ("faults::files::kinds::", "tests/it/faults/files/kinds.rs"),
    ("faults::files::size::", "tests/it/faults/files/size.rs"),
    ("faults::files::swaps::", "tests/it/faults/files/swaps.rs"),
    ("faults::lock::", "tests/it/faults/lock.rs"),
    ("faults::records::", "tests/it/faults/records.rs"),
    ("faults::registry::", "tests/it/faults/registry.rs"),
    ("faults::signals::", "tests/it/faults/signals.rs"),
    ("faults::state::", "tests/it/faults/state.rs"),
    ("faults::state::index::", "tests/it/faults/state/index.rs"),
    (
        "faults::state::surroundings::",
        "tests/it/faults/state/surroundings.rs",
    ),
    ("faults::store::", "tests/it/faults/store.rs"),
];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The functions in a file that directly follow `#[test]`.
fn tests_in(path: &str) -> BTreeSet<String> {
    let text = text(path);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let below = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    below
        .filter_map(|pair| pair[1].strip_prefix("fn ")?.split('(').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_promise_of_the_fault_table_has_its_test_and_every_test_its_promise() {
    let table = text("docs/reliability.md");
    let named: BTreeSet<&str> = table
        .split('`')
        .filter(|word| word.starts_with("faults::"))
        .collect();
    let mut there = BTreeSet::new();
    for (module, file) in PLACES {
        there.extend(
            tests_in(file)
                .into_iter()
                .map(|test| format!("{module}{test}")),
        );
    }
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    assert_eq!(named, there);
}
