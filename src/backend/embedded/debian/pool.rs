//! All packages that can be chosen: those of the archives and those that the base has, by name and by what they provide.
//! Which version of a name is the candidate follows apt's rules. Pure.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::control::{self, Stanza};
use super::index::Index;
use super::relation::{self, Group, Relation};
use super::version::Version;

/// What a version that is installed counts, where archives count 500.
const INSTALLED: u16 = 100;

/// A list of packages and where it is from.
pub(super) struct Listing {
    pub(super) index: Arc<Index>,
    /// The URL of the archive.
    pub(super) archive: String,
    pub(super) priority: u16,
}

/// A version of a package, as far as it decides.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) multi_arch: String,
    /// The source that it is built from, and its version.
    pub(super) source: (String, String),
    pub(super) is_essential: bool,
    /// How important it is: 0 is `required`.
    pub(super) rank: u8,
    /// What must be there, first what must be configured before.
    pub(super) needs: Vec<Group>,
    /// What must not be there.
    pub(super) clashes: Vec<Relation>,
    pub(super) provides: Vec<Relation>,
    /// The list and the number in it; `None` if the base has it.
    pub(super) place: Option<(usize, usize)>,
}

impl Known {
    fn read(stanza: &Stanza<'_>, place: Option<(usize, usize)>) -> Result<Self, String> {
        let name = stanza.line("Package").trim().to_owned();
        let version = stanza.line("Version").trim().to_owned();
        if !relation::is_name(&name) || !relation::is_version(&version) {
            return Err(format!(
                "`{name}` `{version}` is no name and version of a package"
            ));
        }
        let field = |field: &str| stanza.get(field).unwrap_or_default();
        let wrong = |why| format!("package `{name}`: {why}");
        let mut needs = relation::read(field("Pre-Depends")).map_err(wrong)?;
        needs.extend(relation::read(field("Depends")).map_err(wrong)?);
        let mut clashes = relation::read_flat(field("Conflicts")).map_err(wrong)?;
        clashes.extend(relation::read_flat(field("Breaks")).map_err(wrong)?);
        let provides = relation::read_flat(field("Provides")).map_err(wrong)?;
        let source = match stanza.line("Source").trim() {
            "" => (name.clone(), version.clone()),
            source => match source.split_once(" (") {
                Some((source, of)) => (source.to_owned(), of.trim_end_matches(')').to_owned()),
                None => (source.to_owned(), version.clone()),
            },
        };
        Ok(Self {
            source,
            version,
            architecture: stanza.line("Architecture").trim().to_owned(),
            multi_arch: stanza.line("Multi-Arch").trim().to_owned(),
            is_essential: stanza.is_yes("Essential"),
            rank: rank(stanza.line("Priority").trim()),
            needs,
            clashes,
            provides,
            place,
            name,
        })
    }

    /// Whether it is what a relation means, by its name or by what it provides.
    pub(super) fn satisfies(&self, wanted: &Relation, native: &str) -> bool {
        let is_fitting = match wanted.architecture.as_deref() {
            None | Some("native") => true,
            Some("any") => self.multi_arch == "allowed",
            Some(architecture) => architecture == native,
        };
        if self.name == wanted.name {
            return is_fitting && wanted.fits(&self.version);
        }
        let mut provides = self.provides.iter();
        provides.any(|provided| {
            let version = provided
                .version
                .as_ref()
                .map(|(_, version)| version.as_str());
            provided.name == wanted.name
                && provided
                    .architecture
                    .as_deref()
                    .is_none_or(|it| it == native)
                && is_fitting
                && wanted.fits_provided(version)
        })
    }
}

fn rank(priority: &str) -> u8 {
    let all = ["required", "important", "standard", "optional", "extra"];
    let at = all.iter().position(|known| *known == priority);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(3)
}

/// The packages of lists that were looked at, by list and number; `None` for those that are of no use here.
type Read = HashMap<(usize, usize), Option<Rc<Known>>>;

/// See the module.
pub(super) struct Pool {
    listings: Vec<Listing>,
    installed: BTreeMap<String, Rc<Known>>,
    pub(super) native: String,
    /// Versions that are chosen where an archive has them, by name.
    pub(super) preferred: BTreeMap<String, String>,
    read: RefCell<Read>,
}

impl Pool {
    /// The archives' packages, and those of dpkg's `status`. A base in the middle of something is an error.
    pub(super) fn new(listings: Vec<Listing>, status: &str, native: &str) -> Result<Self, String> {
        let mut installed = BTreeMap::new();
        for stanza in control::stanzas(status) {
            let stanza = stanza.map_err(|error| format!("dpkg's status: {error}"))?;
            let words: Vec<&str> = stanza.line("Status").split_whitespace().collect();
            match words.as_slice() {
                ["install" | "hold", "ok", "installed"] => {
                    let known = Known::read(&stanza, None)?;
                    if ![native, "all"].contains(&known.architecture.as_str()) {
                        return Err(format!(
                            "the base has `{}` for `{}`",
                            known.name, known.architecture
                        ));
                    }
                    if words[0] == "hold" {
                        return Err(format!("the base holds `{}`", known.name));
                    }
                    installed.insert(known.name.clone(), Rc::new(known));
                }
                [_, "ok", "not-installed" | "config-files"] => {}
                _ => {
                    let name = stanza.line("Package");
                    return Err(format!("`{name}` is not wholly installed in the base"));
                }
            }
        }
        Ok(Self {
            listings,
            installed,
            native: native.to_owned(),
            preferred: BTreeMap::new(),
            read: RefCell::default(),
        })
    }

    pub(super) fn installed(&self) -> &BTreeMap<String, Rc<Known>> {
        &self.installed
    }

    pub(super) fn listing(&self, number: usize) -> &Listing {
        &self.listings[number]
    }

    /// A package of a list, unless it is for another architecture, or cannot be read.
    fn known(&self, place: (usize, usize)) -> Option<Rc<Known>> {
        if let Some(known) = self.read.borrow().get(&place) {
            return known.clone();
        }
        let stanza = control::single(self.listings[place.0].index.stanza(place.1)).ok();
        let known = stanza.and_then(|stanza| Known::read(&stanza, Some(place)).ok());
        let known = known
            .filter(|known| [self.native.as_str(), "all"].contains(&known.architecture.as_str()));
        let known = known.map(Rc::new);
        self.read.borrow_mut().insert(place, known.clone());
        known
    }

    /// All versions of a name in archives, the first of equal ones.
    pub(super) fn versions(&self, name: &str) -> Vec<Rc<Known>> {
        let mut all: Vec<Rc<Known>> = Vec::new();
        for (number, listing) in self.listings.iter().enumerate() {
            for at in listing.index.named(name) {
                if let Some(known) = self.known((number, at))
                    && !all.iter().any(|other| other.version == known.version)
                {
                    all.push(known);
                }
            }
        }
        all
    }

    /// What apt would install of this name: of the highest priority, then of the highest version. What is installed stays
    /// unless there is something newer.
    pub(super) fn candidate(&self, name: &str) -> Option<Rc<Known>> {
        let installed = self.installed.get(name);
        let mut best: Option<(u16, Option<Version>, Rc<Known>)> =
            installed.map(|known| (INSTALLED, Version::read(&known.version), known.clone()));
        let least = best.as_ref().and_then(|(_, version, _)| version.clone());
        for known in self.versions(name) {
            let priority = self.priority(&known);
            let version = Version::read(&known.version);
            if version.is_none() || least.is_some() && version <= least {
                continue;
            }
            if self.preferred.get(name) == Some(&known.version) {
                return Some(known);
            }
            if best
                .as_ref()
                .is_none_or(|(top, newest, _)| (priority, &version) > (*top, newest))
            {
                best = Some((priority, version, known));
            }
        }
        best.map(|(_, _, known)| known)
    }

    /// The highest priority of the lists that have this version.
    fn priority(&self, known: &Known) -> u16 {
        let has = |(number, listing): (usize, &Listing)| {
            let mut named = listing.index.named(&known.name);
            let is = named.any(|at| {
                self.known((number, at))
                    .is_some_and(|other| other.version == known.version)
            });
            is.then_some(listing.priority)
        };
        self.listings
            .iter()
            .enumerate()
            .filter_map(has)
            .max()
            .unwrap_or(INSTALLED)
    }

    /// The candidates that satisfy a relation, in the order in which apt tries them: the package of that name, then those
    /// that provide it, essential and important ones first.
    pub(super) fn candidates(&self, wanted: &Relation) -> Vec<Rc<Known>> {
        let mut names = BTreeSet::from([wanted.name.clone()]);
        for (number, listing) in self.listings.iter().enumerate() {
            let each = listing.index.providing(&wanted.name);
            names.extend(
                each.filter_map(|at| self.known((number, at)))
                    .map(|known| known.name.clone()),
            );
        }
        let installed = self.installed.values();
        names.extend(
            installed
                .filter(|known| known.satisfies(wanted, &self.native))
                .map(|known| known.name.clone()),
        );
        let each = names.iter().filter_map(|name| self.candidate(name));
        let mut fitting: Vec<Rc<Known>> = each
            .filter(|known| known.satisfies(wanted, &self.native))
            .collect();
        fitting.sort_by_key(|known| {
            (
                Reverse(known.name == wanted.name),
                Reverse(known.is_essential),
                known.rank,
            )
        });
        fitting
    }

    /// The names of all packages of archives.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let each = self.listings.iter().map(|listing| &listing.index);
        each.flat_map(|index| (0..index.len()).map(|at| index.name(at)))
            .collect()
    }
}
