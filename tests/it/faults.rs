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

/// The files whose tests the table names, all of them.
const PLACES: &[(&str, &str)] = &[
    ("affected::hostile::", "tests/it/affected/hostile.rs"),
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

/// The files with tests of faults among others.
const ALSO: &[(&str, &str)] = &[
    ("affected::", "tests/it/affected.rs"),
    ("affected::revisions::", "tests/it/affected/revisions.rs"),
    ("affected::submodules::", "tests/it/affected/submodules.rs"),
];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the functions that directly follow `#[test]` in these files.
fn tests_in(places: &[(&str, &str)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (module, file) in places {
        let text = text(file);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let below = lines.windows(2).filter(|pair| pair[0] == "#[test]");
        let names = below.filter_map(|pair| pair[1].strip_prefix("fn ")?.split('(').next());
        found.extend(names.map(|name| format!("{module}{name}")));
    }
    found
}

#[test]
fn every_promise_of_the_fault_table_has_its_test_and_every_test_its_promise() {
    let table = text("docs/reliability.md");
    let named: BTreeSet<&str> = table
        .split('`')
        .filter(|word| word.starts_with("faults::") || word.starts_with("affected::"))
        .collect();
    let (all, also) = (tests_in(PLACES), tests_in(ALSO));
    // What is named, and of the files with other tests too only that.
    let also = also.iter().filter(|test| named.contains(test.as_str()));
    let there: BTreeSet<&str> = all.iter().chain(also).map(String::as_str).collect();
    assert_eq!(named, there);
}
