//! Wheels of packages that have only sources: the image's Python builds them in the sandbox (PEP 517), over the image as it stands
//! and an environment with what they need, which consists of wheels' layers. They are kept like wheels that were fetched.

mod archive;
pub(super) mod described;
mod found;
mod hooks;
mod system;

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::base::{Image, Source};
use super::commands;
use super::common::{failed, mode};
use super::execute::{Program, Tools};
use super::foreign;
use super::made::Once;
use super::python::given::Given;
use super::python::indexes::Indexes;
use super::python::kept::Question;
use super::python::onto::Place;
use super::python::sources::{self, Describe, is_wheel};
use super::python::wanted::{self, Wanting};
use super::python::{Target, Wheel, fetch, install, target, venv};
use crate::backend::context::empty;
use crate::backend::oci::layer::Encoding;
use crate::backend::packages::sources_stem;
use crate::backend::steps::NO_EMULATOR;
use crate::backend::{BuildError, Job};
use crate::disk::dir::{Dir, unused};
use crate::recipe::{Interpreter, Pip};
use hooks::{Building, ENVIRONMENT, Hook, SCRIPT, SOURCES};
use system::System;

/// The version of how wheels are built; part of the keys of the notes of them.
const FORMAT: &str = "built 2";

/// How many packages may be built for each other.
const DEEPEST: usize = 16;

/// Builds wheels for the Python of an image.
pub(super) struct Sdists<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) source: &'a Source<'a>,
    pub(super) platform: &'a str,
    pub(super) encoding: Encoding,
    /// The image as it stands.
    pub(super) image: &'a Image,
    pub(super) target: &'a Target,
    pub(super) given: &'a Given,
    /// The indexes of the step.
    pub(super) index: Option<&'a String>,
    pub(super) extra_indexes: &'a [String],
    /// A directory for what uv reads.
    pub(super) scratch: &'a Dir,
    /// The packages for which this is built, the first one first.
    pub(super) for_whom: Vec<String>,
    /// What was built by this build: not anew for each question.
    pub(super) built: Mutex<BTreeMap<String, Wheel>>,
}

impl Describe for Sdists<'_> {
    fn metadata(&self, sources: &Wheel) -> Result<String, BuildError> {
        match archive::of(sources, self.given, self.source)?.promised() {
            Some(metadata) => Ok(metadata),
            None => install::metadata(&self.wheel(sources)?, self.source),
        }
    }
}

impl Sdists<'_> {
    /// The same wheels, fetched, and those built of which there are only sources.
    pub(super) fn wheels(&self, wanted: Vec<Wheel>) -> Result<Vec<Wheel>, BuildError> {
        let (ready, sources): (Vec<Wheel>, Vec<Wheel>) =
            wanted.into_iter().partition(|one| is_wheel(&one.file));
        fetch::all(&ready, self.given, self.source)?;
        let mut wheels = ready;
        for one in &sources {
            wheels.push(self.wheel(one)?);
        }
        wheels.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(wheels)
    }

    /// The wheel of these sources, which the store has then.
    fn wheel(&self, sources: &Wheel) -> Result<Wheel, BuildError> {
        let Wheel { name, version, .. } = sources;
        let named = |why: String| {
            if why.contains(name.as_str()) {
                why
            } else {
                format!("{name} {version}: {why}")
            }
        };
        self.found_or_built(sources)
            .map_err(|error| error.reworded(named))
    }

    fn found_or_built(&self, sources: &Wheel) -> Result<Wheel, BuildError> {
        let name = &sources.name;
        if self.for_whom.contains(name) || self.for_whom.len() == DEEPEST {
            let all = [self.for_whom.as_slice(), std::slice::from_ref(name)].concat();
            let all = all.join(" -> ");
            return Err(failed(format!(
                "what is built needs itself to be built: {all}; one of these has to be a wheel"
            )));
        }
        self.verify_machine(sources)?;
        let question = self.question(sources)?;
        let words = format!("building wheel of {name} {}", sources.version);
        // One at a time: compilers use all processors themselves.
        let mut built = self.built.lock();
        if let Some(known) = self.known(&question, &built, sources)? {
            self.source.notes.cached(&words);
            return Ok(known);
        }
        let note = question.name();
        let whom = format!("another run that is {words}");
        let turn = self.source.turn(&note, &whom).map_err(failed)?;
        let _turn = turn.ok_or(BuildError::Cancelled)?;
        if let Some(known) = self.known(&question, &built, sources)? {
            return Ok(known);
        }
        self.source.notes.step(0, 0, &words);
        self.source.notes.log(&words);
        let wheel = self.built_anew(sources)?;
        question.keep(std::slice::from_ref(&wheel), self.source.store)?;
        built.insert(note, wheel.clone());
        Ok(wheel)
    }

    /// Builds need the sandbox, and a machine that runs what the image has.
    fn verify_machine(&self, sources: &Wheel) -> Result<(), BuildError> {
        let why = if !foreign::runs(self.platform) {
            NO_EMULATOR.to_owned()
        } else if let Err(error) = mode() {
            error.to_string()
        } else {
            return Ok(());
        };
        let Wheel {
            name,
            version,
            file,
            ..
        } = sources;
        let platform = self.platform;
        Err(failed(format!(
            "{name} {version} has no wheel for {platform}, and one cannot be built of `{file}`: {why}"
        )))
    }

    /// All that decides the wheel: the sources, the Python, the layers with what compiles, and where more comes from.
    fn question(&self, sources: &Wheel) -> Result<Question, BuildError> {
        let program = Program {
            words: "",
            argv: &[SCRIPT.to_owned()],
            env: &hooks::variables(self.image),
            user: "",
            network: commands::network(self.job.recipe),
            left_out: &[],
            tools: Tools::default(),
        };
        let key = program.key(self.image, self.platform, &[])?;
        let mut question = Question::new(FORMAT);
        let target = self.target;
        let (major, minor) = target.version;
        question.add([
            key.named(""),
            sources.sha256.to_string(),
            sources.name.clone(),
            sources.version.clone(),
            target.interpreter.clone(),
            format!("{major}.{minor}"),
            target.full_version.clone().unwrap_or_default(),
            target.libc.to_string(),
        ]);
        // Without their logins: who asks does not decide what is there.
        let indexes = Indexes::of(self.index, self.extra_indexes, self.given).map_err(failed)?;
        question.add(indexes.all.iter().map(ToString::to_string));
        Ok(question)
    }

    /// The wheel of an earlier build, if it is still there.
    fn known(
        &self,
        question: &Question,
        built: &BTreeMap<String, Wheel>,
        sources: &Wheel,
    ) -> Result<Option<Wheel>, BuildError> {
        let known = match built.get(&question.name()) {
            Some(wheel) => Some(wheel.clone()),
            None if self.job.no_cache => None,
            None => question.known(self.source.store)?.and_then(only),
        };
        let Some(mut wheel) = known else {
            return Ok(None);
        };
        let size = self.source.store.size(wheel.sha256).map_err(failed)?;
        wheel.is_requested = sources.is_requested;
        Ok(size.map(|_| wheel))
    }

    fn built_anew(&self, sources: &Wheel) -> Result<Wheel, BuildError> {
        let about = archive::of(sources, self.given, self.source)?;
        let system = System::read(about.project.as_deref());
        let system = system.map_err(|why| failed(format!("`{}`: {why}", sources.file)))?;
        let stem = sources_stem(&sources.file).unwrap_or(&sources.name);
        let folder = format!("{SOURCES}/{stem}");
        let environment = self.environment(sources, &system.requires)?;
        let with_sources = |mut image: Image| {
            let layer = archive::layer(sources, &folder, &image.tree, &self.once())?;
            layer.onto(&mut image, &sources.file)?;
            Ok::<_, BuildError>(image)
        };
        let building = Building {
            sources,
            image: with_sources(environment)?,
            folder: &folder,
            system: &system,
            network: commands::network(self.job.recipe),
            source: self.source,
        };
        let more = building.call(Hook::Requires)?.answer;
        let building = if more.is_empty() {
            building
        } else {
            let all = [system.requires.as_slice(), more.as_slice()].concat();
            let image = with_sources(self.environment(sources, &all)?)?;
            Building { image, ..building }
        };
        let answered = building.call(Hook::Wheel)?;
        found::take(sources, &answered, self.target, self.source)
    }

    /// The image with an environment that has what a build needs.
    fn environment(&self, sources: &Wheel, requires: &[String]) -> Result<Image, BuildError> {
        let mut image = self.image.clone();
        let base = target::base(&image.tree, self.target);
        let layer = venv::layer(&base, ENVIRONMENT, &image.tree, &self.once())?;
        layer.onto(&mut image, ENVIRONMENT)?;
        if requires.is_empty() {
            return Ok(image);
        }
        let interpreter = Interpreter::Exec(format!("{ENVIRONMENT}/bin/python3"));
        let platform = &self.target.platform;
        let mut target = target::find(&image.tree, platform, &interpreter, &image.config)?;
        target.full_version.clone_from(&self.target.full_version);
        let wheels = self.required(sources, requires, (&interpreter, &target))?;
        let place = Place {
            target: &target,
            image: &image,
            encoding: self.encoding,
            use_known: !self.job.no_cache,
        };
        let layers = install::layers(&wheels, &place, self.source)?;
        for installed in layers {
            installed.made.onto(&mut image, &installed.words)?;
        }
        Ok(image)
    }

    /// The wheels of what a build needs.
    fn required(
        &self,
        sources: &Wheel,
        requires: &[String],
        (interpreter, target): (&Interpreter, &Target),
    ) -> Result<Vec<Wheel>, BuildError> {
        let packages = requires.iter().map(|text| sources::requirement(text));
        let packages: Vec<String> = packages.collect::<Result<_, _>>().map_err(failed)?;
        let words = format!("{} is built with {}", sources.name, packages.join(", "));
        self.source.notes.log(&words);
        let scratch = empty(self.scratch, unused())?;
        let pip = Pip {
            interpreter: interpreter.clone(),
            requirements: None,
            packages,
            index: self.index.cloned(),
            extra_indexes: self.extra_indexes.to_vec(),
            extra_args: Vec::new(),
            bytecode: None,
            unless_named: None,
        };
        let mut for_whom = self.for_whom.clone();
        for_whom.push(sources.name.clone());
        let nested = Sdists {
            for_whom,
            scratch: &scratch,
            built: Mutex::default(),
            ..*self
        };
        let wanting = Wanting {
            target,
            given: self.given,
            source: self.source,
            scratch: &scratch,
            is_anew: self.job.no_cache,
            preferred: &[],
            sources: &nested,
        };
        let wanted = wanted::pip(&pip, None, &wanting)?;
        nested.wheels(wanted)
    }

    fn once(&self) -> Once<'_> {
        Once {
            source: self.source,
            encoding: self.encoding,
            use_known: !self.job.no_cache,
        }
    }
}

/// The only wheel of a note.
fn only(wheels: Vec<Wheel>) -> Option<Wheel> {
    let mut wheels = wheels.into_iter();
    wheels.next().filter(|_| wheels.next().is_none())
}
