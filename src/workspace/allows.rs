//! The lints that manifests allow, and which of these permissions were used.

use std::collections::BTreeSet;

use crate::diagnostic::Place;

/// One code of an `allow` node.
#[derive(Debug, Clone)]
pub struct Allow {
    /// Code of the lint.
    pub code: &'static str,
    /// Place of the code in the manifest.
    pub place: Place,
}

/// All `allow` codes of a workspace's manifests.
#[derive(Debug, Clone, Default)]
pub struct Allows {
    said: Vec<Allow>,
    used: BTreeSet<usize>,
}

impl Allows {
    /// Adds an entry and returns its index.
    pub fn add(&mut self, code: &'static str, place: Place) -> usize {
        self.said.push(Allow { code, place });
        self.said.len() - 1
    }

    /// Whether any of these entries, innermost first, allows a lint. The entry that does is marked as used.
    pub fn take(&mut self, chain: &[usize], code: &str) -> bool {
        let mut chain = chain.iter();
        let found = chain.find(|at| self.said[**at].code == code);
        self.used.extend(found);
        found.is_some()
    }

    /// The entries that have not been used.
    pub fn unused(&self) -> impl Iterator<Item = &Allow> {
        let said = self.said.iter().enumerate();
        said.filter(|(at, _)| !self.used.contains(at))
            .map(|(_, allow)| allow)
    }
}
