//! Pools of packages for tests.

use std::rc::Rc;
use std::sync::Arc;

use super::index::Index;
use super::pool::{Known, Listing, Pool};

/// Lists with their priorities, for `amd64`; a stanza without an architecture is for it. `status` is dpkg's.
pub(super) fn pool(lists: &[(u16, &str)], status: &str) -> Pool {
    let each = lists.iter().map(|(priority, list)| {
        let stanzas = list.split("\n\n").map(str::trim);
        let whole = stanzas.filter(|stanza| !stanza.is_empty()).map(|stanza| {
            let is_whole = stanza.contains("Architecture:");
            let rest = if is_whole {
                ""
            } else {
                "\nArchitecture: amd64"
            };
            format!("{stanza}{rest}\n\n")
        });
        let index = Index::encode(&whole.collect::<String>()).unwrap();
        Listing {
            index: Arc::new(Index::read(index).unwrap()),
            archive: "http://deb.example/debian/".to_owned(),
            priority: *priority,
        }
    });
    Pool::new(each.collect(), status, "amd64").unwrap()
}

/// The names in their order; with the version if it is not the highest of its name.
pub(super) fn names(packages: &[Rc<Known>]) -> String {
    let each = packages.iter().map(
        |known| match (known.name.as_str(), known.version.as_str()) {
            ("lib", "1") => "lib=1".to_owned(),
            (name, _) => name.to_owned(),
        },
    );
    each.collect::<Vec<_>>().join(" ")
}
