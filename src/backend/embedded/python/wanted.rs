//! Which wheels a step wants: from a lock file as it stands, or resolved by uv, or as it was found out before.

use std::collections::BTreeMap;

use pep508_rs::ExtraName;

use super::arguments::{self, OnlyWheels};
use super::environment::Environment;
use super::given::Given;
use super::index::Index;
use super::indexes::Indexes;
use super::kept::Question;
use super::locks::project::Project;
use super::locks::uv_lock::{self, Choice};
use super::locks::{self, Locked, poetry, pylock, requirements};
use super::places::normal;
use super::sources::{Describe, is_wheel};
use super::tags::Tags;
use super::uv::{self, Request};
use super::whole::{self, Described};
use super::{Target, Wheel, fetch, install};
use crate::backend::BuildError;
use crate::backend::context::{self, text_of};
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{at_once, failed};
use crate::backend::oci::name::Digest;
use crate::backend::steps::{join_path, main_file};
use crate::disk::dir::Dir;
use crate::fingerprint::{Files, index_lines};
use crate::recipe::{Lock, LockTool, Pip, asks_for};
use crate::spec::RequirementsKind;

/// The file with the packages that the manifest lists, for uv.
const PACKAGES: &str = "packages.in";

/// The directory with the requirements files, for uv.
const REQUIREMENTS: &str = "requirements";

/// The file that a project's lock file belongs to.
const PROJECT: &str = "pyproject.toml";

/// What decides and finds out which wheels are wanted, besides the step itself.
pub(in super::super) struct Wanting<'a> {
    pub(in super::super) target: &'a Target,
    pub(in super::super) given: &'a Given,
    pub(in super::super) source: &'a Source<'a>,
    /// A directory for what uv reads.
    pub(in super::super) scratch: &'a Dir,
    /// Whether what was found out before does not count.
    pub(in super::super) is_anew: bool,
    /// Names and versions of packages that are to stay as they are, as far as requirements allow it. What depends on them
    /// is not kept as an answer.
    pub(in super::super) preferred: &'a [(&'a str, &'a str)],
    /// Who knows what packages need that have only sources.
    pub(in super::super) sources: &'a dyn Describe,
}

/// The wheels that packages and a requirements file want.
pub(in super::super) fn pip(
    pip: &Pip,
    files: Option<&Files>,
    wanting: &Wanting<'_>,
) -> Result<Vec<Wheel>, BuildError> {
    let indexes = Indexes::of(pip.index.as_ref(), &pip.extra_indexes, wanting.given);
    let indexes = indexes.map_err(failed)?;
    let mut question = wanting.question("pip", files, &indexes);
    question.add(&pip.packages);
    question.add(&pip.extra_args);
    let unless = pip.unless_named.iter();
    question.add(unless.flat_map(|(name, package)| [name, package]));
    let only = OnlyWheels::of(&arguments::pip(&pip.extra_args).map_err(failed)?);
    wanting.asked(&question, || {
        let kind = files.map(|files| RequirementsKind::of(main_file(files)));
        match (kind, files) {
            (Some(RequirementsKind::Pylock), Some(files)) if pip.packages.is_empty() => {
                wanting.in_file(files, main_file(files), pylock::read, &indexes, &only)
            }
            (Some(RequirementsKind::Pylock), Some(files)) => Err(failed(format!(
                "`{}` lists everything to install; `packages` cannot be combined with it",
                main_file(files)
            ))),
            (Some(RequirementsKind::List), Some(files)) => match wanting.closed(pip, files)? {
                Some(wheels) => Ok(wheels),
                None => wanting.resolve(pip, Some(files), &indexes, &only),
            },
            _ => wanting.resolve(pip, files, &indexes, &only),
        }
    })
}

/// The wheels that a project's lock file wants.
pub(in super::super) fn lock(
    lock: &Lock,
    files: &Files,
    wanting: &Wanting<'_>,
) -> Result<Vec<Wheel>, BuildError> {
    let indexes = match lock.tool {
        LockTool::Uv => Indexes::of(lock.index.as_ref(), &lock.extra_indexes, wanting.given),
        LockTool::Poetry => Indexes::public(),
    };
    let indexes = indexes.map_err(failed)?;
    let mut question = wanting.question("lock", Some(files), &indexes);
    question.add(&lock.extra_args);
    let only = OnlyWheels::of(&match lock.tool {
        LockTool::Uv => arguments::sync(&lock.extra_args).map_err(failed)?,
        LockTool::Poetry => Vec::new(),
    });
    wanting.asked(&question, || {
        let text = text(files, PROJECT)?;
        let project = Project::read(&text).map_err(failed)?;
        let read = |text: &str, environment: &Environment| match lock.tool {
            LockTool::Uv => {
                let choice = Choice::of(&arguments::sync(&lock.extra_args)?);
                uv_lock::read(text, &project, &choice, environment)
            }
            LockTool::Poetry => {
                let extras = arguments::poetry_extras(&lock.extra_args)?;
                poetry::read(text, &project, extras.as_ref(), environment)
            }
        };
        let name = match lock.tool {
            LockTool::Uv => "uv.lock",
            LockTool::Poetry => "poetry.lock",
        };
        wanting.in_file(files, name, read, &indexes, &only)
    })
}

impl Wanting<'_> {
    fn question(&self, kind: &str, files: Option<&Files>, indexes: &Indexes) -> Question {
        let mut question = Question::new(kind);
        let target = self.target;
        let libc = target.libc.to_string();
        let version = format!("{}.{}", target.version.0, target.version.1);
        let full = target.full_version.clone().unwrap_or_default();
        question.add([version, full, target.platform.to_string(), libc]);
        question.add(indexes.all.iter().map(ToString::to_string));
        question.add(files.iter().map(|files| files.digest));
        question
    }

    /// The answer to a question: what is kept of an earlier one, or a new one.
    fn asked(
        &self,
        question: &Question,
        answer: impl FnOnce() -> Result<Vec<Wheel>, BuildError>,
    ) -> Result<Vec<Wheel>, BuildError> {
        let store = self.source.store;
        if !self.is_anew
            && let Some(known) = question.known(store)?
        {
            return Ok(known);
        }
        let wheels = answer()?;
        if self.preferred.is_empty() {
            question.keep(&wheels, store)?;
        }
        Ok(wheels)
    }

    /// The wheels that a lock file names.
    fn in_file(
        &self,
        files: &Files,
        name: &str,
        read: impl FnOnce(&str, &Environment) -> Result<Vec<Locked>, String>,
        indexes: &Indexes,
        only: &OnlyWheels,
    ) -> Result<Vec<Wheel>, BuildError> {
        let text = text(files, name)?;
        let place = shown_in(files, name);
        let named = |why: String| failed(format!("`{place}`: {why}"));
        let environment = Environment::of(self.target).map_err(failed)?;
        let locked = read(&text, &environment).map_err(named)?;
        self.chosen(&locked, &environment, indexes, only)
            .map_err(|error| error.reworded(|why| format!("`{place}`: {why}")))
    }

    /// The best wheel of each package.
    fn chosen(
        &self,
        locked: &[Locked],
        environment: &Environment,
        indexes: &Indexes,
        only: &OnlyWheels,
    ) -> Result<Vec<Wheel>, BuildError> {
        let tags = Tags::of(self.target);
        let index = Index::new(self.given, indexes, self.source);
        let mut wheels = at_once(locked, |locked| {
            let may_build = only.may_build(&locked.name);
            let offer = locks::choose(locked, &tags, may_build);
            if let Ok(offer) = offer
                && offer.url.is_some()
            {
                return locked.wheel(offer).map_err(failed);
            }
            let is_closed = !locked.wheels.is_empty() && locked.hashes.is_empty();
            if is_closed && offer.is_err() {
                return Err(failed(offer.err().unwrap_or_default()));
            }
            let admits = |requires: &str| environment.admits(requires).unwrap_or(true);
            let found = index.complete(locked, &admits)?;
            let offer = locks::choose(&found, &tags, may_build).map_err(failed)?;
            found.wheel(offer).map_err(failed)
        })?;
        wheels.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(wheels)
    }

    /// The wheels of a requirements file that pins everything; `None` if a resolver is needed.
    fn closed(&self, pip: &Pip, files: &Files) -> Result<Option<Vec<Wheel>>, BuildError> {
        let has_more = !pip.packages.is_empty() || pip.unless_named.is_some();
        // What is listed is all that is wanted.
        let is_alone = pip.extra_args == ["--no-deps"];
        if has_more || !(pip.extra_args.is_empty() || is_alone) {
            return Ok(None);
        }
        let environment = Environment::of(self.target).map_err(failed)?;
        let include = |from: &str, name: &str| included(files, from, name);
        let name = main_file(files);
        let Some(closed) = requirements::read(name, &include, &environment) else {
            return Ok(None);
        };
        let index = pip.index.as_ref().or(closed.index.as_ref());
        let extra = [pip.extra_indexes.as_slice(), &closed.extra_indexes].concat();
        let indexes = Indexes::of(index, &extra, self.given).map_err(failed)?;
        let place = shown_in(files, name);
        let only = OnlyWheels::default();
        let named = |error: BuildError| error.reworded(|why| format!("`{place}`: {why}"));
        let chosen = self.chosen(&closed.locked, &environment, &indexes, &only);
        let wheels = chosen.map_err(named)?;
        let is_whole = is_alone
            || self
                .are_whole(&wheels, &closed.extras, &environment)
                .map_err(named)?;
        Ok(is_whole.then_some(wheels))
    }

    /// Whether wheels need no others. They are fetched for that, as they are about to be anyway.
    fn are_whole(
        &self,
        wheels: &[Wheel],
        extras: &BTreeMap<String, Vec<ExtraName>>,
        environment: &Environment,
    ) -> Result<bool, BuildError> {
        let is_made = |wheel: &&Wheel| is_wheel(&wheel.file);
        let made: Vec<Wheel> = wheels.iter().filter(is_made).cloned().collect();
        fetch::all(&made, self.given, self.source)?;
        let described = at_once(wheels, |wheel| -> Result<_, BuildError> {
            let metadata = if is_wheel(&wheel.file) {
                install::metadata(wheel, self.source)?
            } else {
                self.sources.metadata(wheel)?
            };
            let version = wheel.version.clone();
            Ok((wheel.name.clone(), Described { version, metadata }))
        })?;
        let described = described.into_iter().collect();
        Ok(whole::are_whole(&described, extras, environment))
    }

    /// What uv chooses.
    fn resolve(
        &self,
        pip: &Pip,
        files: Option<&Files>,
        indexes: &Indexes,
        only: &OnlyWheels,
    ) -> Result<Vec<Wheel>, BuildError> {
        let environment = Environment::of(self.target).map_err(failed)?;
        let mut list = files.map_or_else(
            || Ok(List::default()),
            |files| self.staged(files, &environment),
        )?;
        list.requested.extend(pip.packages.iter().cloned());
        // As the other builders have it: unless a line begins with the name, as a pattern of grep says it.
        let is_named = |name: &str| {
            let mut lines = list.requested.iter();
            lines.any(|line| asks_for(line.trim_start(), name))
        };
        let mut packages = pip.packages.clone();
        let unless = pip.unless_named.iter();
        packages.extend(
            unless
                .filter(|(name, _)| !is_named(name))
                .map(|(_, package)| package.clone()),
        );
        if !packages.is_empty() {
            let text = packages.join("\n") + "\n";
            self.scratch
                .write(PACKAGES, text.as_bytes())
                .map_err(context::unwritten)?;
            list.sources.push(PACKAGES.to_owned());
        }
        let described = (!only.is_all()).then_some(self.sources);
        let mut locked = uv::resolve(
            &Request {
                target: self.target,
                given: self.given,
                indexes,
                arguments: &pip.extra_args,
                named: list.named,
                preferred: self.preferred,
                files: &list.sources,
                folder: self.scratch,
            },
            described,
            self.source,
        )?;
        list.requested.extend(packages);
        mark(&mut locked, &list.requested);
        for one in &mut locked {
            if let Some(hashes) = list.hashes.get(&one.name) {
                one.keep_only(hashes).map_err(failed)?;
            }
        }
        self.chosen(&locked, &environment, indexes, only)
    }

    /// Lays a requirements file out for uv, with those that it includes.
    fn staged(&self, files: &Files, environment: &Environment) -> Result<List, BuildError> {
        let name = main_file(files);
        let text = text(files, name)?;
        let folder = context::empty(self.scratch, REQUIREMENTS)?;
        context::stage_in(files, &folder)?;
        let include = |from: &str, name: &str| included(files, from, name);
        let hashes = requirements::hashes(name, &include, environment);
        Ok(List {
            requested: text.lines().map(str::to_owned).collect(),
            sources: vec![format!("{REQUIREMENTS}/{name}")],
            named: indexes_in(&text),
            hashes: hashes.map_err(|why| failed(format!("`{}`: {why}", shown_in(files, name))))?,
        })
    }
}

/// What uv is asked for.
#[derive(Default)]
struct List {
    /// Requirements, and lines among which they are.
    requested: Vec<String>,
    /// The files that it reads.
    sources: Vec<String>,
    named: arguments::Named,
    /// Those that the files of a package may have.
    hashes: BTreeMap<String, Vec<Digest>>,
}

/// Notes which packages these requirements name.
fn mark(locked: &mut [Locked], requested: &[String]) {
    let requested: Vec<String> = requested.iter().filter_map(|line| name_of(line)).collect();
    for one in locked {
        one.is_requested = requested.contains(&one.name);
    }
}

/// The text of a file of a set.
fn text(files: &Files, name: &str) -> Result<String, BuildError> {
    let entry = files.entries.iter().find(|entry| entry.path == name);
    let missing = || failed(format!("`{}` is missing", shown_in(files, name)));
    text_of(files, entry.ok_or_else(missing)?)
}

/// A file that another one of a set includes: its path there, and its text.
fn included(files: &Files, from: &str, name: &str) -> Option<(String, String)> {
    let above = from.rsplit_once('/').map_or("", |(above, _)| above);
    let path = join_path(&format!("/{above}"), name);
    let path = path.trim_start_matches('/').to_owned();
    let text = text(files, &path).ok()?;
    Some((path, text))
}

/// The path of a file of a set, for messages.
fn shown_in(files: &Files, name: &str) -> String {
    match files.place.as_str() {
        "" => name.to_owned(),
        place => format!("{place}/{name}"),
    }
}

/// The indexes that a requirements file names: one in place of the default, and additional ones.
fn indexes_in(text: &str) -> arguments::Named {
    let (mut default, mut more) = (None, Vec::new());
    for line in index_lines(text) {
        let words = shlex::split(&line).unwrap_or_default();
        let (option, value) = match words.as_slice() {
            [both] => both.split_once('=').unwrap_or((both, "")),
            [option, value] => (option.as_str(), value.as_str()),
            _ => continue,
        };
        match option {
            "-i" | "--index-url" => default = Some(value.to_owned()),
            "--extra-index-url" => more.push(value.to_owned()),
            _ => {}
        }
    }
    (default, more)
}

/// The package that a requirement names.
fn name_of(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let end = requirement
        .find(|char| !is_part(char))
        .unwrap_or(requirement.len());
    let name = &requirement[..end];
    let begins = name.starts_with(|char: char| char.is_ascii_alphanumeric());
    begins.then(|| normal(name))
}
