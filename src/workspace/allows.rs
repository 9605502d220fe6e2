//! What manifests allow, and which of it was of any use.

use std::collections::BTreeSet;

use crate::diagnostic::Place;

/// One code of an `allow`.
#[derive(Debug, Clone)]
pub struct Allow {
    /// The lint.
    pub code: &'static str,
    /// Where it is said.
    pub place: Place,
}

/// All that the manifests of a workspace allow.
#[derive(Debug, Clone, Default)]
pub struct Allows {
    said: Vec<Allow>,
    used: BTreeSet<usize>,
}

impl Allows {
    /// Notes one, and says by which number it is known.
    pub fn add(&mut self, code: &'static str, place: Place) -> usize {
        self.said.push(Allow { code, place });
        self.said.len() - 1
    }

    /// Whether one of these, the innermost first, allows a lint; that one was of use then.
    pub fn take(&mut self, chain: &[usize], code: &str) -> bool {
        let mut chain = chain.iter();
        let found = chain.find(|at| self.said[**at].code == code);
        self.used.extend(found);
        found.is_some()
    }

    /// Those that allowed nothing so far.
    pub fn unused(&self) -> impl Iterator<Item = &Allow> {
        let said = self.said.iter().enumerate();
        said.filter(|(at, _)| !self.used.contains(at))
            .map(|(_, allow)| allow)
    }
}
