//! What there will be once everything that is marked is installed, and what still has to be marked. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::pool::{Known, Pool};
use super::relation::{Group, Relation, words};

/// Why nothing was chosen, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SolveError {
    /// Only apt can say what is to be done.
    Unclear(String),
    /// There is no choice.
    None(String),
}

/// What there will be.
pub(super) struct State<'a> {
    pool: &'a Pool,
    /// What is to be installed, by name.
    pub(super) marked: BTreeMap<String, Rc<Known>>,
    /// For each what it was marked for.
    reasons: BTreeMap<String, String>,
    /// By name and by what they provide: the packages that will be there.
    there: BTreeMap<String, Vec<Rc<Known>>>,
}

impl<'a> State<'a> {
    pub(super) fn new(pool: &'a Pool) -> Self {
        let mut state = Self {
            pool,
            marked: BTreeMap::new(),
            reasons: BTreeMap::new(),
            there: BTreeMap::new(),
        };
        for known in pool.installed().values() {
            state.add(known);
        }
        state
    }

    fn add(&mut self, known: &Rc<Known>) {
        for name in names_of(known) {
            let there = self.there.entry(name.to_owned()).or_default();
            if !there.iter().any(|other| Rc::ptr_eq(other, known)) {
                there.push(known.clone());
            }
        }
    }

    fn remove(&mut self, known: &Known) {
        for name in names_of(known) {
            if let Some(there) = self.there.get_mut(name) {
                there.retain(|other| other.name != known.name);
            }
        }
    }

    /// The package of this name that will be there.
    fn own(&self, name: &str) -> Option<&Rc<Known>> {
        let there = self.there.get(name)?;
        there.iter().find(|known| known.name == name)
    }

    fn is_satisfied(&self, group: &[Relation]) -> bool {
        let satisfies = |wanted: &Relation| {
            let there = self.there.get(&wanted.name);
            there.is_some_and(|there| {
                there
                    .iter()
                    .any(|known| known.satisfies(wanted, &self.pool.native))
            })
        };
        group.iter().any(satisfies)
    }

    /// Notes that a package is to be installed, unless it is.
    pub(super) fn mark(&mut self, known: &Rc<Known>) -> Result<(), SolveError> {
        if let Some(own) = self.own(&known.name) {
            if Rc::ptr_eq(own, known) || own.version == known.version {
                return Ok(());
            }
            if let Some(marked) = self.marked.get(&known.name) {
                let (one, other) = (marked.version.clone(), known.version.clone());
                return Err(SolveError::None(format!(
                    "package `{}` is wanted in two versions, `{one}` and `{other}`",
                    known.name
                )));
            }
            let own = own.clone();
            self.remove(&own);
        }
        self.add(known);
        if known.place.is_some() {
            self.marked.insert(known.name.clone(), known.clone());
        }
        Ok(())
    }

    /// Marks what a package needs, and what that needs, one after the other.
    pub(super) fn needs_of(&mut self, known: &Rc<Known>) -> Result<(), SolveError> {
        // The packages whose needs are looked at, each with the number of the next one. No recursion: a list may have a
        // chain of any length.
        let mut open = vec![(known.clone(), 0)];
        let mut seen = BTreeSet::from([known.name.clone()]);
        while let Some((known, at)) = open.last_mut() {
            let Some(group) = known.needs.get(*at) else {
                open.pop();
                continue;
            };
            *at += 1;
            if self.is_satisfied(group) {
                // What was marked at first has needs of its own.
                continue;
            }
            let (known, group) = (known.clone(), group.clone());
            let next = self.choose(&known, &group)?;
            self.reasons
                .entry(next.name.clone())
                .or_insert_with(|| known.name.clone());
            self.mark(&next)?;
            let others = self.siblings(&next);
            for next in others.into_iter().chain([next]) {
                self.mark(&next)?;
                if seen.insert(next.name.clone()) {
                    open.push((next, 0));
                }
            }
        }
        Ok(())
    }

    /// Newer versions of what the base has from the same source as this package: apt moves them together.
    pub(super) fn siblings(&self, known: &Known) -> Vec<Rc<Known>> {
        let is_sibling =
            |other: &&Rc<Known>| other.source.0 == known.source.0 && other.name != known.name;
        let old = self.pool.installed().values().filter(is_sibling);
        let newer = old.filter_map(|other| self.pool.candidate(&other.name));
        newer
            .filter(|newer| newer.place.is_some() && newer.source == known.source)
            .collect()
    }

    /// The first alternative that can be had.
    fn choose(&self, of: &Known, group: &Group) -> Result<Rc<Known>, SolveError> {
        for wanted in group {
            // Another version of what is marked already is none.
            let is_free = |known: &&Rc<Known>| !self.marked.contains_key(&known.name);
            let candidates = self.pool.candidates(wanted);
            if let Some(found) = candidates.iter().find(is_free) {
                return Ok(found.clone());
            }
        }
        Err(SolveError::None(self.unsatisfied(of, group)))
    }

    /// Which relation of which package cannot be satisfied, why that package is wanted, and what there is instead.
    fn unsatisfied(&self, of: &Known, group: &Group) -> String {
        let mut text = format!(
            "package `{}` needs `{}`, which is not available",
            of.name,
            words(group)
        );
        let there: BTreeSet<String> = group
            .iter()
            .filter_map(|wanted| {
                let known = self
                    .own(&wanted.name)
                    .cloned()
                    .or_else(|| self.pool.candidate(&wanted.name))?;
                Some(format!("`{} {}`", known.name, known.version))
            })
            .collect();
        if !there.is_empty() {
            let there: Vec<String> = there.into_iter().collect();
            text += &format!(" (there is {})", there.join(", "));
        }
        let mut name = &of.name;
        let mut chain = Vec::new();
        while let Some(reason) = self.reasons.get(name).filter(|_| chain.len() < 8) {
            chain.push(format!("`{reason}`"));
            name = reason;
        }
        if !chain.is_empty() {
            text += &format!("; it is needed by {}", chain.join(", needed by "));
        }
        text
    }

    /// Brings what the base has to versions that fit what is to be installed.
    pub(super) fn settle(&mut self) -> Result<(), SolveError> {
        let mut last = usize::MAX;
        loop {
            let broken: Vec<Rc<Known>> = self
                .pool
                .installed()
                .values()
                .filter(|known| self.is_broken(known))
                .cloned()
                .collect();
            if broken.is_empty() || broken.len() >= last {
                return Ok(());
            }
            last = broken.len();
            for known in broken {
                let Some(newer) = self
                    .pool
                    .candidate(&known.name)
                    .filter(|newer| newer.place.is_some())
                else {
                    continue;
                };
                self.mark(&newer)?;
                self.needs_of(&newer)?;
            }
        }
    }

    /// Whether a package of the base, as it is, does not go with what will be there.
    fn is_broken(&self, known: &Rc<Known>) -> bool {
        let stays = self
            .own(&known.name)
            .is_some_and(|own| Rc::ptr_eq(own, known));
        let clashes = || {
            let marked = self.marked.values();
            marked
                .flat_map(|other| &other.clashes)
                .any(|clash| known.satisfies(clash, &self.pool.native))
                || known.clashes.iter().any(|clash| {
                    self.hits(known, clash)
                        .is_some_and(|hit| hit.place.is_some())
                })
        };
        stays && (known.needs.iter().any(|group| !self.is_satisfied(group)) || clashes())
    }

    /// Another package that will be there and is what `clash` names.
    fn hits(&self, known: &Known, clash: &Relation) -> Option<&Rc<Known>> {
        let there = self.there.get(&clash.name)?;
        there
            .iter()
            .find(|other| other.name != known.name && other.satisfies(clash, &self.pool.native))
    }

    /// Two packages that will be there and must not be there together, or a need that is not satisfied; in words.
    pub(super) fn clash(&self) -> Option<String> {
        let all: BTreeMap<&str, &Rc<Known>> = self
            .there
            .values()
            .flatten()
            .map(|known| (known.name.as_str(), known))
            .collect();
        for known in all.values() {
            for clash in &known.clashes {
                if let Some(hit) = self.hits(known, clash) {
                    return Some(format!(
                        "package `{}` does not go with `{} {}`",
                        known.name, hit.name, hit.version
                    ));
                }
            }
            if let Some(group) = known.needs.iter().find(|group| !self.is_satisfied(group)) {
                return Some(self.unsatisfied(known, group));
            }
        }
        None
    }
}

/// The names under which a package is found.
pub(super) fn names_of(known: &Known) -> impl Iterator<Item = &str> {
    let provided = known.provides.iter().map(|provided| provided.name.as_str());
    std::iter::once(known.name.as_str()).chain(provided)
}
