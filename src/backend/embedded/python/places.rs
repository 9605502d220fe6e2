//! Where the files of a wheel go, by their paths alone. Pure.
//!
//! Format: <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>.

use super::Scheme;
use super::zip::{Zip, ZipError, refused};

/// The names that a wheel's paths start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// `name-1.0.dist-info`
    pub(super) info: String,
    /// `name-1.0.data/`
    data: String,
    /// The normalized name of the project.
    project: String,
}

/// Which part of a wheel a file belongs to, and its path there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Beside other packages.
    Root(&'a str),
    Purelib(&'a str),
    Platlib(&'a str),
    /// A script, by its name.
    Script(&'a str),
    Header(&'a str),
    Data(&'a str),
    /// A directory of the archive that is not installed.
    Nowhere,
}

impl Names {
    /// The names in the wheel of this project.
    pub(super) fn find(zip: &Zip, project: &str) -> Result<Self, ZipError> {
        let mut found: Option<&str> = None;
        for member in &zip.members {
            let (top, is_folder) = match member.name.split_once('/') {
                Some((top, _)) => (top, true),
                None => (member.name.as_str(), member.is_folder),
            };
            if !is_folder || !top.ends_with(".dist-info") {
                continue;
            }
            match found {
                Some(other) if other != top => {
                    return refused(format!("it has both `{other}` and `{top}`"));
                }
                _ => found = Some(top),
            }
        }
        let Some(info) = found else {
            return refused("it has no `*.dist-info` directory, so it is no wheel");
        };
        let stem = info.trim_end_matches(".dist-info");
        let own = stem.split_once('-').map_or(stem, |(name, _)| name);
        if normal(own) != normal(project) {
            return refused(format!("it is a wheel of `{own}`"));
        }
        Ok(Self {
            info: info.to_owned(),
            data: format!("{stem}.data/"),
            project: normal(project),
        })
    }

    /// What a path of the wheel is.
    pub(super) fn place<'a>(&self, path: &'a str) -> Result<Place<'a>, ZipError> {
        if path == self.data.trim_end_matches('/') {
            return Ok(Place::Nowhere);
        }
        let Some(rest) = path.strip_prefix(&self.data) else {
            return Ok(Place::Root(path));
        };
        let (kind, rest) = rest.split_once('/').unwrap_or((rest, ""));
        match kind {
            "purelib" | "platlib" | "headers" | "data" | "scripts" if rest.is_empty() => {
                Ok(Place::Nowhere)
            }
            "purelib" => Ok(Place::Purelib(rest)),
            "platlib" => Ok(Place::Platlib(rest)),
            "headers" => Ok(Place::Header(rest)),
            "data" => Ok(Place::Data(rest)),
            "scripts" if !rest.contains('/') => Ok(Place::Script(rest)),
            "scripts" => refused(format!("it has the directory `{path}` among its scripts")),
            _ => refused(format!("its `{path}` is no known kind of data")),
        }
    }

    /// The absolute path of a file, whose root goes to `library`.
    pub(super) fn path(&self, place: Place<'_>, scheme: &Scheme, library: &str) -> Option<String> {
        let (folder, path) = match place {
            Place::Root(path) => (library, path),
            Place::Purelib(path) => (scheme.purelib.as_str(), path),
            Place::Platlib(path) => (scheme.platlib.as_str(), path),
            Place::Script(path) => (scheme.scripts.as_str(), path),
            Place::Data(path) => (scheme.data.as_str(), path),
            Place::Header(path) => {
                let (headers, project) = (&scheme.headers, &self.project);
                return Some(format!("{headers}/{project}/{path}"));
            }
            Place::Nowhere => return None,
        };
        Some(format!("{folder}/{path}"))
    }
}

/// A project's name as PEP 503 writes it.
pub(super) fn normal(name: &str) -> String {
    let mut normal = String::new();
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normal.is_empty() {
            normal.push('-');
        }
        normal.push_str(&part.to_ascii_lowercase());
    }
    normal
}

/// The path to `to` from a directory, as RECORD writes it; both are absolute.
pub(super) fn relative(folder: &str, to: &str) -> String {
    let folder: Vec<&str> = folder.split('/').collect();
    let parts: Vec<&str> = to.split('/').collect();
    let same = folder.iter().zip(&parts);
    let same = same.take_while(|(one, other)| one == other).count();
    let up = folder[same..].iter().map(|_| "..");
    let down = parts[same..].iter().copied();
    up.chain(down).collect::<Vec<_>>().join("/")
}
