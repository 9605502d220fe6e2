//! dpkg's database for packages that were laid down here: whole, as if dpkg had just unpacked them. Pure.
//!
//! Format: dpkg's own, as dpkg 1.21 writes it (its `dbmodify.c`, `filesdb.c`, `triglib.c`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::control::stanzas;
use super::deb::{Item, Kind};
use super::lay::{Incoming, Laid, LayError};
use super::settings::{EXTENDED, HOME};

/// A file of the database: its path in the image, its mode and its text.
pub(super) type File = (String, u32, Vec<u8>);

/// What the base's database says.
#[derive(Debug, Default)]
pub(super) struct Before<'a> {
    pub(super) status: &'a str,
    /// Its files in `triggers`, by name.
    pub(super) triggers: BTreeMap<String, String>,
    /// apt's record of packages that nobody asked for, and the base's architecture; `None` if it is not kept.
    pub(super) extended: Option<(String, &'a str)>,
}

/// The files of the database that are new or change.
pub(super) fn files(
    laid: &Laid,
    packages: &[Incoming<'_>],
    before: &Before<'_>,
) -> Result<Vec<File>, LayError> {
    let lost: BTreeSet<(usize, usize)> = laid.lost.iter().copied().collect();
    let mut files = vec![
        (format!("{HOME}/info/format"), 0o644, b"1\n".to_vec()),
        (
            format!("{HOME}/status"),
            0o644,
            status(packages, before.status, laid.is_waiting).into_bytes(),
        ),
    ];
    for (at, package) in packages.iter().enumerate() {
        let info = |name: &str| format!("{HOME}/info/{}.{name}", package.key);
        let is_own = |number: usize| !lost.contains(&(at, number));
        let paths = list(package, &is_own);
        files.push((info("list"), 0o644, paths.into_bytes()));
        for (name, member) in &package.deb.control {
            if !matches!(name.as_str(), "control" | "list") {
                let mode = member.mode & 0o755 | 0o600;
                files.push((info(name), mode, member.bytes.clone()));
            }
        }
        if !package.deb.control.contains_key("md5sums") {
            files.push((
                info("md5sums"),
                0o644,
                md5sums(package, &is_own).into_bytes(),
            ));
        }
    }
    files.extend(triggers(packages, before)?);
    if let Some((text, architecture)) = &before.extended {
        let text = text.clone() + &automatic(packages, architecture);
        files.push((EXTENDED.to_owned(), 0o644, text.into_bytes()));
    }
    Ok(files)
}

/// What apt notes of packages that others need: it may remove them with those. Packages for all architectures count as
/// those of the base.
fn automatic(packages: &[Incoming<'_>], architecture: &str) -> String {
    let each = packages.iter().filter(|package| !package.is_requested);
    let each = each.map(|package| {
        let name = package.name;
        format!("Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n")
    });
    let each: Vec<String> = each.collect();
    each.concat()
}

/// All packages, sorted as dpkg writes them.
fn status(packages: &[Incoming<'_>], before: &str, is_waiting: bool) -> String {
    let mut all: Vec<((String, String), String)> = Vec::new();
    // A damaged status is left to dpkg, which tells what is wrong with it.
    for stanza in stanzas(before).map_while(Result::ok) {
        let key = (
            stanza.line("Package").to_owned(),
            stanza.line("Architecture").to_owned(),
        );
        all.push((key, stanza.text().trim_end().to_owned()));
    }
    for package in packages {
        let architecture = package.stanza.line("Architecture").to_owned();
        let key = (package.name.to_owned(), architecture);
        all.push((key, stanza(package, is_waiting)));
    }
    all.sort();
    let all: Vec<String> = all.iter().map(|(_, text)| format!("{text}\n\n")).collect();
    all.concat()
}

/// The stanza of an unpacked package. The hashes of configuration files that wait are not noted yet.
fn stanza(package: &Incoming<'_>, is_waiting: bool) -> String {
    let mut text = String::new();
    for (name, value) in package.stanza.fields() {
        let is_status = name.eq_ignore_ascii_case("Status");
        if is_status || name.eq_ignore_ascii_case("Conffiles") {
            continue;
        }
        let blank = if value.starts_with('\n') { "" } else { " " };
        let _ = writeln!(text, "{name}:{blank}{value}");
        if name.eq_ignore_ascii_case("Package") {
            text.push_str("Status: install ok unpacked\n");
        }
    }
    let conffiles = conffiles(package);
    if !conffiles.is_empty() {
        text.push_str("Conffiles:\n");
        for (path, md5) in conffiles {
            let hash = if is_waiting { "newconffile" } else { md5 };
            let _ = writeln!(text, " /{path} {hash}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The configuration files that the package brings, with their hashes.
fn conffiles<'p>(package: &'p Incoming<'_>) -> Vec<(&'p str, &'p str)> {
    let items = package.deb.items.iter();
    let found = items.filter(|item| package.configures(item));
    let found = found.filter_map(|item| Some((item.path.as_str(), md5(package, item)?)));
    found.collect()
}

fn md5<'p>(package: &'p Incoming<'_>, item: &'p Item) -> Option<&'p str> {
    match &item.kind {
        Kind::File { md5, .. } => Some(md5),
        Kind::HardLink { file } => md5(package, package.deb.items.get(*file)?),
        Kind::Folder | Kind::Link(_) => None,
    }
}

/// The paths of a package, as it has them.
fn list(package: &Incoming<'_>, is_own: &dyn Fn(usize) -> bool) -> String {
    let mut text = "/.\n".to_owned();
    for (number, item) in package.deb.items.iter().enumerate() {
        if is_own(number) {
            let _ = writeln!(text, "/{}", item.path);
        }
    }
    text
}

/// The hashes of its files, for a package that does not bring them.
fn md5sums(package: &Incoming<'_>, is_own: &dyn Fn(usize) -> bool) -> String {
    let conffiles: BTreeSet<&str> = conffiles(package).iter().map(|(path, _)| *path).collect();
    let mut text = String::new();
    for (number, item) in package.deb.items.iter().enumerate() {
        if let Some(md5) = md5(package, item)
            && is_own(number)
            && !conffiles.contains(item.path.as_str())
        {
            let _ = writeln!(text, "{md5}  {}", item.path);
        }
    }
    text
}

/// Who waits for what: of the new packages, and what they wake of those that are there.
fn triggers(packages: &[Incoming<'_>], before: &Before<'_>) -> Result<Vec<File>, LayError> {
    let old = |name: &str| before.triggers.get(name).cloned().unwrap_or_default();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let woken = woken(packages, &old("File"));
    if !woken.is_empty() {
        files.insert("Unincorp".to_owned(), old("Unincorp") + &woken);
    }
    for package in packages {
        let text = package.deb.text("triggers");
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let (Some(kind), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let waits = match kind {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            let (file, line) = if name.starts_with('/') {
                ("File", format!("{name} {}{waits}\n", package.key))
            } else if is_trigger(name) {
                (name, format!("{}{waits}\n", package.key))
            } else {
                let why = format!("`{}` has a trigger called `{name}`", package.name);
                return Err(LayError::Unclear(why));
            };
            files
                .entry(file.to_owned())
                .or_insert_with(|| old(file))
                .push_str(&line);
        }
    }
    let files = files.into_iter();
    let files =
        files.map(|(name, text)| (format!("{HOME}/triggers/{name}"), 0o644, text.into_bytes()));
    Ok(files.collect())
}

/// Whether a trigger may have this name, which is that of a file too.
fn is_trigger(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric();
    let is_ours = matches!(name, "File" | "Unincorp" | "Lock");
    name.starts_with(word) && name.chars().all(|c| word(c) || "-+.:_".contains(c)) && !is_ours
}

/// The triggers of files for which packages of the base wait, and which the new packages set off.
fn woken(packages: &[Incoming<'_>], files: &str) -> String {
    let waiting = files
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let waiting: BTreeSet<&str> = waiting.collect();
    let is_set_off = |wanted: &str| {
        let below = |path: &str| {
            let rest = path.strip_prefix(wanted.trim_start_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let items = packages.iter().flat_map(|package| &package.deb.items);
        items.into_iter().any(|item| below(&item.path))
    };
    let woken = waiting.into_iter().filter(|wanted| is_set_off(wanted));
    let lines: Vec<String> = woken.map(|wanted| format!("{wanted} -\n")).collect();
    lines.concat()
}

/// Whether a script that runs before unpacking has to run for a package that is new: not if it only calls what does
/// nothing without an older version.
pub(super) fn has_to_run(preinst: &str) -> bool {
    let mut lines = preinst.lines().map(str::trim);
    let is_shell = |line: &str| {
        let line = line.trim_start_matches("#!").trim();
        matches!(
            line,
            "/bin/sh" | "/bin/sh -e" | "/bin/bash" | "/bin/bash -e"
        )
    };
    if !lines.next().is_some_and(is_shell) {
        return true;
    }
    let does_nothing = |line: &str| {
        line.is_empty()
            || line.starts_with('#')
            || matches!(line, "set -e" | "set -eu" | "exit 0" | ":" | "true")
            || is_for_old(line)
    };
    !lines.all(does_nothing)
}

/// Whether this is one of the calls that only look at what an older version left, and nothing behind it.
fn is_for_old(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("dpkg-maintscript-helper ") else {
        return false;
    };
    let kind = rest.split_whitespace().next().unwrap_or_default();
    let kinds = [
        "rm_conffile",
        "mv_conffile",
        "symlink_to_dir",
        "dir_to_symlink",
    ];
    let Some(given) = rest.strip_suffix(r#" -- "$@""#) else {
        return false;
    };
    kinds.contains(&kind) && !given.contains([';', '|', '&', '`', '$', '<', '>', '('])
}

#[cfg(test)]
mod tests;
