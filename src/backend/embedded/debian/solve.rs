//! Which packages are to be installed, as apt chooses them without recommended ones: of alternatives the first that can be
//! had, of a name its candidate, and nothing that the base or the request has already.
//!
//! If what is chosen this way clashes, a solver that tries all ways takes its place (`clash`).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Set;
use super::clash;
use super::pool::{Known, Pool};
use super::relation::{self, Relation};
use super::state::{SolveError, State, names_of};
use crate::suggest;

/// What is to be installed, in the order of their needs, and the names that were asked for.
#[derive(Debug)]
pub(super) struct Solution {
    pub(super) packages: Vec<Rc<Known>>,
    pub(super) requested: BTreeSet<String>,
}

/// The packages that a request needs and the base lacks.
pub(super) fn solve(
    pool: &Pool,
    packages: &[String],
    set: Option<Set>,
) -> Result<Solution, SolveError> {
    let mut wanted = Vec::new();
    if let Some(set) = set {
        wanted.extend(members(pool, set));
    }
    for package in packages {
        wanted.push(requested(pool, package)?);
    }
    let mut state = State::new(pool);
    // As apt does, all that is asked for is marked before anything that it needs: it may be what another one needs.
    let names = wanted.iter().map(|known| known.name.clone()).collect();
    for known in wanted.clone() {
        state.mark(&known)?;
        let others = match known.place {
            Some(_) => state.siblings(&known),
            None => Vec::new(),
        };
        for other in others {
            state.mark(&other)?;
            wanted.push(other);
        }
    }
    let found = wanted.iter().try_for_each(|known| state.needs_of(known));
    let found = found.and_then(|()| state.settle());
    let chosen = match (found, state.clash()) {
        (Ok(()), None) => state.marked,
        (Ok(()), Some(why)) | (Err(SolveError::None(why)), _) => clash::solve(pool, &wanted, &why)?,
        (Err(unclear), _) => return Err(unclear),
    };
    Ok(Solution {
        requested: names,
        packages: ordered(pool, &chosen),
    })
}

/// The packages of a new base.
fn members(pool: &Pool, set: Set) -> Vec<Rc<Known>> {
    let rank = match set {
        Set::Essential | Set::Apt => None,
        Set::Required => Some(0),
        Set::Important => Some(1),
    };
    let is_member = |known: &Rc<Known>| {
        known.is_essential
            || rank.is_some_and(|rank| known.rank <= rank)
            || known.name == "apt" && set != Set::Essential
    };
    let names = pool.names().into_iter();
    names
        .filter_map(|name| pool.candidate(name))
        .filter(is_member)
        .collect()
}

/// The version that `name[:architecture][=version]` means.
fn requested(pool: &Pool, package: &str) -> Result<Rc<Known>, SolveError> {
    let (rest, version) = match package.split_once('=') {
        Some((rest, version)) => (rest, Some(version)),
        None => (package, None),
    };
    let name = match rest.split_once(':') {
        Some((name, architecture)) if [pool.native.as_str(), "native"].contains(&architecture) => {
            name
        }
        Some(_) => {
            return Err(SolveError::Unclear(format!(
                "`{package}` is for another architecture"
            )));
        }
        None => rest,
    };
    if !relation::is_name(name) || version.is_some_and(|version| !relation::is_version(version)) {
        return Err(SolveError::None(format!("`{package}` is no package")));
    }
    if let Some(version) = version {
        return exactly(pool, name, version);
    }
    if let Some(known) = pool.candidate(name) {
        return Ok(known);
    }
    let all = pool.candidates(&Relation::to(name));
    match all.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(SolveError::None(unknown(pool, name))),
        many => {
            let each: Vec<String> = many
                .iter()
                .map(|known| format!("`{}`", known.name))
                .collect();
            Err(SolveError::None(format!(
                "`{name}` is provided by several packages, choose one: {}",
                each.join(", ")
            )))
        }
    }
}

fn exactly(pool: &Pool, name: &str, version: &str) -> Result<Rc<Known>, SolveError> {
    let mut all = pool.versions(name);
    all.extend(pool.installed().get(name).cloned());
    if let Some(known) = all.iter().find(|known| known.version == version) {
        if pool
            .installed()
            .get(name)
            .is_some_and(|own| own.version != version)
        {
            return Err(SolveError::Unclear(format!(
                "`{name}` of the base is to be replaced by version `{version}`"
            )));
        }
        return Ok(known.clone());
    }
    if all.is_empty() {
        return Err(SolveError::None(unknown(pool, name)));
    }
    let each: Vec<String> = all
        .iter()
        .map(|known| format!("`{}`", known.version))
        .collect();
    Err(SolveError::None(format!(
        "package `{name}` has no version `{version}`, only {}",
        each.join(", ")
    )))
}

fn unknown(pool: &Pool, name: &str) -> String {
    let names = pool.names();
    let meant = suggest::closest(
        name,
        names
            .iter()
            .copied()
            .filter(|known| known.starts_with(&name[..1])),
    );
    let meant = meant.or_else(|| suggest::closest(name, names.iter().copied()));
    match meant {
        Some(meant) => format!("unknown Debian package `{name}`; did you mean `{meant}`?"),
        None => format!("unknown Debian package `{name}`: no source of the image has it"),
    }
}

/// The packages, each after those that it needs, as far as that is possible; in the order of names where it does not matter.
fn ordered(pool: &Pool, chosen: &BTreeMap<String, Rc<Known>>) -> Vec<Rc<Known>> {
    let mut by_name: BTreeMap<&str, Vec<&Rc<Known>>> = BTreeMap::new();
    for known in chosen.values() {
        for name in names_of(known) {
            by_name.entry(name).or_default().push(known);
        }
    }
    let needed = |known: &Known| {
        let relations = known.needs.iter().flatten();
        let each = relations.flat_map(|wanted| {
            let found = by_name.get(wanted.name.as_str()).into_iter().flatten();
            found
                .filter(|other| other.satisfies(wanted, &pool.native))
                .map(|other| (*other).clone())
        });
        each.collect::<Vec<Rc<Known>>>()
    };
    let mut done = Vec::new();
    let mut seen = BTreeSet::new();
    for known in chosen.values() {
        let mut open = Vec::new();
        if seen.insert(known.name.clone()) {
            open.push((known.clone(), needed(known).into_iter()));
        }
        while let Some((known, rest)) = open.last_mut() {
            let Some(next) = rest.next() else {
                done.push(known.clone());
                open.pop();
                continue;
            };
            if seen.insert(next.name.clone()) {
                let needs = needed(&next).into_iter();
                open.push((next, needs));
            }
        }
    }
    done
}

#[cfg(test)]
mod tests;
