//! Chooses packages by trying all ways, for requests whose first choice clashes. The only user of `resolvo`.
//!
//! Of each name only what apt looks at is there: the candidate, what is installed, and the version that was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use resolvo::utils::{Pool as Terms, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem, Requirement,
    SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId,
    VersionSetUnionId,
};

use super::pool::{Known, Pool};
use super::relation::{Relation, words};
use super::state::SolveError;

/// The packages to install. `why` says why the first choice was none.
pub(super) fn solve(
    pool: &Pool,
    wanted: &[Rc<Known>],
    why: &str,
) -> Result<BTreeMap<String, Rc<Known>>, SolveError> {
    if let Some(chosen) = run(pool, wanted, true)? {
        return Ok(chosen);
    }
    if !pool.installed().is_empty() && run(pool, wanted, false)?.is_some() {
        return Err(SolveError::Unclear(format!(
            "packages of the base would have to be removed: {why}"
        )));
    }
    Err(SolveError::None(why.to_owned()))
}

fn run(
    pool: &Pool,
    wanted: &[Rc<Known>],
    keeps: bool,
) -> Result<Option<BTreeMap<String, Rc<Known>>>, SolveError> {
    let mut all = All {
        pool,
        terms: Terms::default(),
        known: Vec::new(),
        named: BTreeMap::new(),
        needs: Vec::new(),
    };
    let mut roots: Vec<Requirement> = Vec::new();
    for known in wanted {
        let number = all.add(known);
        roots.push(
            all.set(
                &known.name,
                &[number],
                format!("{} {}", known.name, known.version),
            )
            .into(),
        );
    }
    for (name, known) in pool.installed() {
        all.add(known);
        let versions = all.versions(name);
        if keeps {
            roots.push(all.set(name, &versions, name.clone()).into());
        }
    }
    all.explore();
    let mut solver = Solver::new(all);
    let problem = Problem::new().requirements(roots.into_iter().map(Into::into).collect());
    match solver.solve(problem) {
        Ok(found) => {
            let all = solver.provider();
            let each = found
                .into_iter()
                .map(|id| all.known[all.terms.resolve_solvable(id).record.0].clone());
            let new = each.filter(|known| known.place.is_some());
            Ok(Some(new.map(|known| (known.name.clone(), known)).collect()))
        }
        Err(UnsolvableOrCancelled::Unsolvable(_)) => Ok(None),
        Err(UnsolvableOrCancelled::Cancelled(_)) => Err(SolveError::None("interrupted".to_owned())),
    }
}

/// A version of a package, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Number(usize);

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Versions of one name, and the relation that means them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Meant {
    versions: BTreeSet<Number>,
    words: String,
}

impl fmt::Display for Meant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.words)
    }
}

impl VersionSet for Meant {
    type V = Number;
}

/// All versions that can be reached from the request.
struct All<'a> {
    pool: &'a Pool,
    terms: Terms<Meant>,
    known: Vec<Rc<Known>>,
    /// The versions of a name, the preferred one first, as they were found.
    named: BTreeMap<String, Vec<(Number, SolvableId)>>,
    needs: Vec<KnownDependencies>,
}

impl All<'_> {
    /// The number of a version.
    fn add(&mut self, known: &Rc<Known>) -> Number {
        let named = self.named.entry(known.name.clone()).or_default();
        let mut named = named.iter();
        if let Some((number, _)) =
            named.find(|(number, _)| self.known[number.0].version == known.version)
        {
            return *number;
        }
        let number = Number(self.known.len());
        self.known.push(known.clone());
        let name = self.terms.intern_package_name(known.name.as_str());
        let id = self.terms.intern_solvable(name, number);
        self.named
            .entry(known.name.clone())
            .or_default()
            .push((number, id));
        number
    }

    /// Finds all that can be reached, with what it needs and what must not be beside it.
    fn explore(&mut self) {
        let mut at = 0;
        while at < self.known.len() {
            let known = self.known[at].clone();
            let needs = known
                .needs
                .iter()
                .map(|group| self.requirement(group))
                .collect();
            self.needs.push(KnownDependencies {
                requirements: needs,
                constrains: Vec::new(),
            });
            at += 1;
        }
        for at in 0..self.known.len() {
            self.needs[at].constrains = self.constraints(at);
        }
    }

    /// What can be had of a name.
    fn versions(&mut self, name: &str) -> Vec<Number> {
        let each = self.pool.installed().get(name).cloned();
        for known in each.into_iter().chain(self.pool.candidate(name)) {
            self.add(&known);
        }
        let named = self.named.get(name).into_iter().flatten();
        named.map(|(number, _)| *number).collect()
    }

    fn set(&self, name: &str, versions: &[Number], words: String) -> VersionSetId {
        let name = self.terms.intern_package_name(name);
        let versions = versions.iter().copied().collect();
        self.terms
            .intern_version_set(name, Meant { versions, words })
    }

    /// A need: the versions of each name that satisfy it, in apt's order.
    fn requirement(&mut self, group: &[Relation]) -> resolvo::ConditionalRequirement {
        let mut names: Vec<String> = Vec::new();
        for wanted in group {
            let installed = self.pool.installed().values();
            let here = installed.filter(|known| known.satisfies(wanted, &self.pool.native));
            let here: Vec<String> = here.map(|known| known.name.clone()).collect();
            let own = std::iter::once(wanted.name.clone());
            let there = self.pool.candidates(wanted);
            let there = there.iter().map(|known| known.name.clone());
            for name in here.into_iter().chain(own).chain(there) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let mut sets = Vec::new();
        for name in names {
            let mut versions = self.versions(&name);
            versions.retain(|number| {
                let known = &self.known[number.0];
                group
                    .iter()
                    .any(|wanted| known.satisfies(wanted, &self.pool.native))
            });
            if !versions.is_empty() {
                sets.push(self.set(&name, &versions, words(group)));
            }
        }
        let requirement: Requirement = match sets.as_slice() {
            // A need that nothing satisfies.
            [] => self.set(&group[0].name, &[], words(group)).into(),
            [only] => (*only).into(),
            [first, others @ ..] => self
                .terms
                .intern_version_set_union(*first, others.iter().copied())
                .into(),
        };
        requirement.into()
    }

    /// What must not be there beside this version.
    fn constraints(&self, at: usize) -> Vec<VersionSetId> {
        let own = &self.known[at];
        let mut sets = Vec::new();
        for clash in &own.clashes {
            for (name, versions) in self.named.iter().filter(|(name, _)| **name != own.name) {
                let numbers: Vec<Number> = versions.iter().map(|(number, _)| *number).collect();
                let fits =
                    |number: &Number| !self.known[number.0].satisfies(clash, &self.pool.native);
                let allowed: Vec<Number> = numbers.iter().copied().filter(fits).collect();
                if allowed.len() < numbers.len() {
                    sets.push(self.set(name, &allowed, format!("not {clash}")));
                }
            }
        }
        sets
    }
}

impl Interner for All<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl fmt::Display + '_ {
        let known = &self.known[self.terms.resolve_solvable(solvable).record.0];
        format!("{} {}", known.name, known.version)
    }

    fn display_name(&self, name: NameId) -> impl fmt::Display + '_ {
        self.terms.resolve_package_name(name)
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl fmt::Display + '_ {
        self.terms.resolve_version_set(version_set)
    }

    fn display_string(&self, string: StringId) -> impl fmt::Display + '_ {
        self.terms.resolve_string(string)
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.terms.resolve_version_set_package_name(version_set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.terms.resolve_solvable(solvable).name
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.terms.resolve_version_set_union(union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.terms.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for All<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let meant = self.terms.resolve_version_set(version_set);
        let is_meant = |id: &&SolvableId| {
            meant
                .versions
                .contains(&self.terms.resolve_solvable(**id).record)
                != inverse
        };
        candidates.iter().filter(is_meant).copied().collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let versions = self.named.get(self.terms.resolve_package_name(name))?;
        Some(Candidates {
            candidates: versions.iter().map(|(_, id)| *id).collect(),
            hint_dependencies_available: HintDependenciesAvailable::All,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        // What is installed stays if it can; else as they were found.
        solvables.sort_by_key(|id| {
            let number = self.terms.resolve_solvable(*id).record;
            (self.known[number.0].place.is_some(), number)
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let number = self.terms.resolve_solvable(solvable).record;
        Dependencies::Known(self.needs[number.0].clone())
    }
}
