//! What installing a wheel makes: each file with where its content comes from. Only small files are read for it.
//!
//! The tree is that of `uv pip install`, except for the INSTALLER's name.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::entry_points::{self, Program};
use super::places::{Names, Place, relative};
use super::record::{self, Hash};
use super::zip::{Chunk, Start, Zip, ZipError, refused};
use super::{Target, Wheel};

/// The largest metadata file or script with a rewritten first line, in bytes.
const LARGEST: u64 = 64 << 20;

/// What scripts start with that are for whichever Python they are installed for.
const ANY_PYTHON: &[u8] = b"#!python";

/// The files of an installed wheel, by absolute path.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) files: BTreeMap<String, Placed>,
    /// Directories that the wheel has itself.
    pub(super) folders: BTreeSet<String>,
}

/// An installed file.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) content: Content,
    pub(super) is_executable: bool,
}

/// Where the content of a file comes from.
#[derive(Debug)]
pub(super) enum Content {
    /// A member of the wheel, with the hash that it must have.
    Member { at: usize, hash: Hash },
    /// Made here.
    Made(Vec<u8>),
}

/// All directories into which files of the wheel could go, by its paths alone.
pub(super) fn folders(
    zip: &Zip,
    wheel: &Wheel,
    target: &Target,
) -> Result<BTreeSet<String>, ZipError> {
    let names = Names::find(zip, &wheel.name)?;
    let scheme = &target.scheme;
    let mut folders = BTreeSet::from([scheme.scripts.clone()]);
    for library in BTreeSet::from([&scheme.purelib, &scheme.platlib]) {
        let mut last = String::new();
        for member in &zip.members {
            let Some(path) = names.path(names.place(&member.name)?, scheme, library) else {
                continue;
            };
            if member.is_folder {
                folders.insert(path);
                continue;
            }
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            if above != last {
                above.clone_into(&mut last);
                folders.insert(above.to_owned());
            }
        }
    }
    Ok(folders)
}

/// The metadata of a wheel.
pub(super) fn metadata(zip: &Zip, wheel: &Wheel) -> Result<String, ZipError> {
    let names = Names::find(zip, &wheel.name)?;
    let name = format!("{}/METADATA", names.info);
    let Some(at) = zip.find(&name) else {
        return refused(format!("it has no `{name}`"));
    };
    let bytes = zip.content(at, zip.starts()?[at], LARGEST)?;
    String::from_utf8(bytes)
        .or_else(|error| Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

impl Plan {
    /// Reads what is needed of a wheel.
    pub(super) fn new(
        zip: &Zip,
        starts: &[Start],
        wheel: &Wheel,
        target: &Target,
    ) -> Result<Self, ZipError> {
        let names = Names::find(zip, &wheel.name)?;
        let reading = Reading {
            zip,
            starts,
            names,
            target,
        };
        reading.plan()
    }
}

struct Reading<'a> {
    zip: &'a Zip,
    starts: &'a [Start],
    names: Names,
    target: &'a Target,
}

impl Reading<'_> {
    fn plan(&self) -> Result<Plan, ZipError> {
        let scheme = &self.target.scheme;
        let library = if self.is_pure()? {
            &scheme.purelib
        } else {
            &scheme.platlib
        };
        let info = &self.names.info;
        let own_record = format!("{info}/RECORD");
        let Some(text) = self.text(&own_record)? else {
            return refused(format!("it has no `{own_record}`"));
        };
        let Some(hashes) = record::read(&text) else {
            return refused(format!("its `{own_record}` is no list of files"));
        };
        let programs = match self.text(&format!("{info}/entry_points.txt"))? {
            Some(text) => {
                let minor = self.target.version.1;
                entry_points::read(&text, minor).map_err(ZipError::Refused)?
            }
            None => Vec::new(),
        };
        let mut plan = Plan {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
        };
        let mut data = Vec::new();
        for at in 0..self.zip.members.len() {
            let name = &self.zip.members[at].name;
            match self.names.place(name)? {
                Place::Root(path) if path == own_record => {}
                place @ Place::Root(_) => self.add(&mut plan, at, place, library, &hashes)?,
                place => data.push((at, place)),
            }
        }
        for program in &programs {
            let path = format!("{}/{}", scheme.scripts, program.name);
            let script = program.script(&self.target.interpreter);
            plan.make(path, script.into_bytes(), true);
        }
        for (at, place) in data {
            if !is_replaced(place, &programs) {
                self.add(&mut plan, at, place, library, &hashes)?;
            }
        }
        let info = format!("{library}/{info}");
        plan.make(format!("{info}/INSTALLER"), b"imgspec".to_vec(), false);
        plan.make(format!("{info}/REQUESTED"), Vec::new(), false);
        plan.record(library, &info, self.zip, &own_record);
        plan.check()?;
        Ok(plan)
    }

    fn add(
        &self,
        plan: &mut Plan,
        at: usize,
        place: Place<'_>,
        library: &str,
        hashes: &BTreeMap<String, Hash>,
    ) -> Result<(), ZipError> {
        let member = &self.zip.members[at];
        let Some(path) = self.names.path(place, &self.target.scheme, library) else {
            return Ok(());
        };
        if member.is_folder {
            if matches!(place, Place::Script(_)) {
                let name = &member.name;
                return refused(format!("it has the directory `{name}` among its scripts"));
            }
            plan.folders.insert(path);
            return Ok(());
        }
        let is_script = matches!(place, Place::Script(_));
        if is_script && self.zip.first(at, self.starts[at], ANY_PYTHON.len())? == ANY_PYTHON {
            let script = self.zip.content(at, self.starts[at], LARGEST)?;
            plan.make(path, rewritten(&script, &self.target.interpreter), true);
            return Ok(());
        }
        let hash = match hashes.get(&member.name) {
            Some(hash) => *hash,
            None => self.hash(at)?,
        };
        let placed = Placed {
            content: Content::Member { at, hash },
            is_executable: is_script || member.is_executable,
        };
        plan.files.insert(path, placed);
        Ok(())
    }

    /// Whether the root goes where packages without compiled parts go.
    fn is_pure(&self) -> Result<bool, ZipError> {
        let name = format!("{}/WHEEL", self.names.info);
        let Some(text) = self.text(&name)? else {
            return refused(format!("it has no `{name}`"));
        };
        let field = |wanted: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let version = field("Wheel-Version").unwrap_or_default();
        if !matches!(version.split('.').next(), Some("0" | "1")) {
            return refused(format!(
                "its `Wheel-Version` is `{version}`; 1.x is supported"
            ));
        }
        let is_pure = field("Root-Is-Purelib").unwrap_or_default();
        Ok(is_pure.eq_ignore_ascii_case("true"))
    }

    fn text(&self, name: &str) -> Result<Option<String>, ZipError> {
        let Some(at) = self.zip.find(name) else {
            return Ok(None);
        };
        let bytes = self.zip.content(at, self.starts[at], LARGEST)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => refused(format!("its `{name}` is not UTF-8")),
        }
    }

    /// The hash of a member that RECORD does not list.
    fn hash(&self, at: usize) -> Result<Hash, ZipError> {
        let mut hash = Sha256::new();
        self.zip
            .stream(&self.zip.members[at], self.starts[at], &mut |chunk| {
                if let Chunk::Plain(bytes) = chunk {
                    hash.update(&bytes);
                }
                Ok(())
            })?;
        Ok(hash.finalize().into())
    }
}

impl Plan {
    fn make(&mut self, path: String, content: Vec<u8>, is_executable: bool) {
        let placed = Placed {
            content: Content::Made(content),
            is_executable,
        };
        self.files.insert(path, placed);
    }

    /// Adds the RECORD of what is installed, with the mode of the wheel's own.
    fn record(&mut self, library: &str, info: &str, zip: &Zip, replaced: &str) {
        let path = format!("{info}/RECORD");
        let line = |(path, placed): (&String, &Placed)| {
            let path = relative(library, path);
            let line = match &placed.content {
                Content::Member { at, hash } => record::line(&path, hash, zip.members[*at].size),
                Content::Made(bytes) => {
                    let hash: Hash = Sha256::digest(bytes).into();
                    record::line(&path, &hash, bytes.len() as u64)
                }
            };
            (path, line)
        };
        let mut lines: BTreeMap<String, String> = self.files.iter().map(line).collect();
        let own = relative(library, &path);
        lines.insert(own.clone(), record::own_line(&own));
        let text: String = lines.into_values().collect();
        let is_executable = zip.find(replaced).map(|at| zip.members[at].is_executable);
        self.make(path, text.into_bytes(), is_executable.unwrap_or(false));
    }

    /// Nothing is both a file and a directory.
    fn check(&self) -> Result<(), ZipError> {
        for path in self.files.keys().chain(&self.folders) {
            let mut above = path.as_str();
            while let Some((next, _)) = above.rsplit_once('/') {
                above = next;
                if self.files.contains_key(above) {
                    return refused(format!(
                        "it installs `{above}` as a file and as a directory"
                    ));
                }
            }
        }
        match self
            .folders
            .iter()
            .find(|path| self.files.contains_key(*path))
        {
            Some(path) => refused(format!("it installs `{path}` as a file and as a directory")),
            None => Ok(()),
        }
    }
}

/// Whether a script is one of the programs, whose own is written.
fn is_replaced(place: Place<'_>, programs: &[Program]) -> bool {
    let Place::Script(name) = place else {
        return false;
    };
    let endings = [".exe", "-script.py", ".pya"];
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
    let stem = stem.unwrap_or(name);
    programs.iter().any(|program| program.name == stem)
}

/// A script for this interpreter.
fn rewritten(script: &[u8], interpreter: &str) -> Vec<u8> {
    let end = script.iter().position(|byte| *byte == b'\n');
    let rest = end.map_or(&[][..], |end| &script[end..]);
    let mut all = entry_points::shebang(interpreter).into_bytes();
    all.extend_from_slice(rest);
    all
}
