//! The files of an image that decide which packages are installed and where their files go, read from its unpacked layers.

use std::path::PathBuf;

use globset::{GlobBuilder, GlobMatcher};

use super::is_read;
use super::sources::Files;
use crate::backend::BuildError;
use crate::backend::embedded::base::Image;
use crate::backend::embedded::common::failed;
use crate::backend::oci::layer::NodeKind;
use crate::disk::cache;
use crate::disk::dir::DirError;

/// Where dpkg's database is.
pub(super) const HOME: &str = "var/lib/dpkg";

/// apt's record of which packages nobody asked for.
pub(super) const EXTENDED: &str = "var/lib/apt/extended_states";

/// The largest of these files, in bytes.
const LARGEST: u64 = 64 << 20;

/// Reads them; `layers` are the directories of the image's layers, the lowest first.
pub(super) fn read(image: &Image, layers: &[PathBuf]) -> Result<Files, BuildError> {
    let mut files = Files::new();
    for (path, node) in image.tree.below("") {
        if !(is_read(path) || is_ours(path)) || node.kind == NodeKind::Folder {
            continue;
        }
        let Ok(real) = image.tree.resolve(path) else {
            continue;
        };
        if let Some(text) = topmost(&real, layers)? {
            files.insert(path.to_owned(), text);
        }
    }
    Ok(files)
}

/// Whether a file decides how packages are laid down.
fn is_ours(path: &str) -> bool {
    const FILES: [&str; 4] = [
        "etc/dpkg/dpkg.cfg",
        EXTENDED,
        "var/lib/dpkg/diversions",
        "var/lib/dpkg/statoverride",
    ];
    const FOLDERS: [&str; 2] = ["etc/dpkg/dpkg.cfg.d/", "var/lib/dpkg/triggers/"];
    FILES.contains(&path) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// The file at a path without links, in the highest layer that has it.
fn topmost(path: &str, layers: &[PathBuf]) -> Result<Option<Vec<u8>>, BuildError> {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    for layer in layers.iter().rev() {
        let open = || {
            let root = cache::below(layer).open()?;
            // The files are the image's, with its owners and modes.
            root.map_or(Ok(None), |root| root.lent()?.open_all(above))
        };
        let dir = match open() {
            // A layer may have something else in place of a directory, and then not the file.
            Err(error) if DirError::is_no_directory(&error) => None,
            opened => opened.map_err(failed)?,
        };
        let read = dir.map(|dir| dir.read(name, LARGEST)).transpose();
        if let Some(text) = read.map_err(failed)?.flatten() {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// dpkg's settings, as far as they decide what is unpacked.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Patterns of paths with a leading slash, and whether what fits them is left out; the last one counts.
    rules: Vec<(bool, GlobMatcher, String)>,
}

impl Settings {
    /// Reads them; in words what only dpkg understands.
    pub(super) fn of(files: &Files) -> Result<Self, String> {
        let mut settings = Self::default();
        let overrides = files.get(&format!("{HOME}/statoverride"));
        if overrides.is_some_and(|text| !text.trim_ascii().is_empty()) {
            return Err(
                "the base has overrides of owners and modes (`dpkg-statoverride`)".to_owned(),
            );
        }
        let is_setting = |path: &str| path.starts_with("etc/dpkg/dpkg.cfg");
        for (path, text) in files.iter().filter(|(path, _)| is_setting(path)) {
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_used = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if path.starts_with("etc/dpkg/dpkg.cfg.d/") && !name.chars().all(is_used) {
                continue;
            }
            let text = String::from_utf8_lossy(text);
            for line in text.lines().map(str::trim) {
                settings
                    .line(line)
                    .map_err(|why| format!("`/{path}`: {why}"))?;
            }
        }
        Ok(settings)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(['=', ' ']).unwrap_or((line, ""));
        let is_excluded = match name.trim_start_matches("--") {
            "path-exclude" => true,
            "path-include" => false,
            "no-debsig" | "log" | "force-unsafe-io" | "" => return Ok(()),
            _ if line.starts_with('#') => return Ok(()),
            _ => return Err(format!("`{line}` is for dpkg")),
        };
        let pattern = value.trim().trim_matches(['"', '\'']).to_owned();
        let glob = GlobBuilder::new(&pattern).literal_separator(false).build();
        let glob = glob.map_err(|error| error.to_string())?;
        self.rules
            .push((is_excluded, glob.compile_matcher(), pattern));
        Ok(())
    }

    /// Whether dpkg leaves out what a package has at this path, which has no leading slash.
    pub(super) fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        let path = format!("/{path}");
        let fits = self
            .rules
            .iter()
            .rev()
            .find(|(_, glob, _)| glob.is_match(&path));
        let is_out = fits.is_some_and(|(is_excluded, ..)| *is_excluded);
        // A directory stays if something in it may.
        let may_hold = |(is_excluded, _, pattern): &(bool, GlobMatcher, String)| {
            let fixed = pattern
                .split(['*', '?', '[', '\\'])
                .next()
                .unwrap_or_default();
            let above = fixed.rsplit_once('/').map_or("", |(above, _)| above);
            !is_excluded && (above == path || above.starts_with(&format!("{path}/")))
        };
        is_out && !(is_folder && self.rules.iter().any(may_hold))
    }
}

/// The paths, without a leading slash, that files of packages would be diverted from.
pub(super) fn diverted(files: &Files) -> Vec<String> {
    let text = files.get(&format!("{HOME}/diversions"));
    let text = text.map_or_else(String::new, |text| {
        String::from_utf8_lossy(text).into_owned()
    });
    // Each is three lines: from, to, and by whom.
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.chunks(3).filter_map(|each| each.first());
    from.map(|path| path.trim_start_matches('/').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn files(all: &[(&str, &str)]) -> Files {
        let pair = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        all.iter().map(pair).collect()
    }

    #[test]
    fn paths_are_left_out_as_dpkg_does() {
        let text = "# docs\npath-exclude /usr/share/man/*\npath-exclude=/usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n";
        let settings = Settings::of(&files(&[
            ("etc/dpkg/dpkg.cfg", "no-debsig\nlog /var/log/dpkg.log\n"),
            ("etc/dpkg/dpkg.cfg.d/docker", text),
            ("etc/dpkg/dpkg.cfg.d/x.dpkg-old", "abort-after 1"),
        ]))
        .unwrap();
        let out = |path: &str| settings.leaves_out(path, false);
        assert!(out("usr/share/man/man1/ls.1.gz") && out("usr/share/doc/a/changelog.gz"));
        assert!(!out("usr/share/doc/a/copyright") && !out("usr/bin/ls") && !out("usr/share/man"));
        assert!(settings.leaves_out("usr/share/man/man1", true));
        assert!(!settings.leaves_out("usr/share/doc", true));
    }

    #[test]
    fn what_only_dpkg_understands_is_told() {
        let why = |path: &str, text: &str| Settings::of(&files(&[(path, text)])).unwrap_err();
        assert_eq!(
            why("etc/dpkg/dpkg.cfg.d/a", "pre-invoke=\"rm x\""),
            "`/etc/dpkg/dpkg.cfg.d/a`: `pre-invoke=\"rm x\"` is for dpkg"
        );
        assert_eq!(
            why("var/lib/dpkg/statoverride", "root root 755 /x\n"),
            "the base has overrides of owners and modes (`dpkg-statoverride`)"
        );
    }

    #[test]
    fn the_highest_layers_file_counts_whoever_its_directory_belongs_to() {
        let folder = tempfile::tempdir().unwrap();
        let layers = ["below", "above", "other"].map(|name| folder.path().join(name));
        for (layer, text) in layers.iter().zip(["old", "new"]) {
            fs::create_dir_all(layer.join("etc/apt")).unwrap();
            fs::write(layer.join("etc/apt/sources.list"), text).unwrap();
        }
        fs::create_dir(&layers[2]).unwrap();
        fs::write(layers[2].join("etc"), "a file").unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            chown(layers[1].join("etc/apt"), Some(4242), Some(4242)).unwrap();
        }
        let found = topmost("etc/apt/sources.list", &layers).unwrap();
        assert_eq!(found.unwrap(), b"new");
        if is_root {
            // One that cannot be looked at is not taken for one without the file.
            chown(&layers[1], Some(4242), Some(4242)).unwrap();
            let error = topmost("etc/apt/sources.list", &layers).unwrap_err();
            assert!(error.to_string().contains("another user"), "{error}");
            chown(&layers[1], Some(0), Some(0)).unwrap();
        }
        fs::remove_dir_all(layers[1].join("etc/apt")).unwrap();
        symlink(layers[0].join("etc/apt"), layers[1].join("etc/apt")).unwrap();
        let found = topmost("etc/apt/sources.list", &layers).unwrap();
        assert_eq!(found.unwrap(), b"old");
    }

    #[test]
    fn diversions_are_three_lines_each() {
        let text = "/bin/sh\n/bin/sh.distrib\ndash\n/usr/a\n/usr/b\n:\n";
        let found = diverted(&files(&[("var/lib/dpkg/diversions", text)]));
        assert_eq!(found, ["bin/sh", "usr/a"]);
    }
}
