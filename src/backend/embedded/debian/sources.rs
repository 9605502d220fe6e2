//! apt's sources, of one line or as stanzas: which archives a base's packages come from, and whose signatures count. Pure.
//!
//! What decides which files are read and is not understood is an error, so that apt can be asked instead.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::control;

/// The files of a base, by path without a leading `/`.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    /// With a `/` at the end.
    pub(super) url: String,
    /// Such as `bookworm`; of an archive without components, a path that ends with `/`.
    pub(super) suite: String,
    pub(super) components: Vec<String>,
    pub(super) options: Options,
    /// The file that names it.
    pub(super) file: String,
}

/// How an archive is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Whose signatures count; those of all trusted keys if there is none.
    pub(super) signed_by: Vec<SignedBy>,
    /// Whether signatures are not needed.
    pub(super) is_trusted: bool,
    /// Whether it matters that the archive's state has expired.
    pub(super) ignores_expiry: bool,
    /// Whether it matters that the archive's state is from the future.
    pub(super) ignores_date: bool,
    /// Which architectures are there: only these.
    only: Option<Vec<String>>,
    without: Vec<String>,
    /// Whether lists may be asked for by their hash.
    pub(super) never_by_hash: bool,
}

/// Whose signature is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignedBy {
    /// The keys of a file, by its path without a leading `/`.
    File(String),
    /// A key by its fingerprint, in capitals.
    Key(String),
    /// Keys as text.
    Text(String),
}

impl Archive {
    /// Where a file of the suite is.
    pub(super) fn place(&self, file: &str) -> String {
        match self.suite.as_str() {
            "/" | "./" => format!("{}{file}", self.url),
            suite if suite.ends_with('/') => format!("{}{suite}{file}", self.url),
            suite => format!("{}dists/{suite}/{file}", self.url),
        }
    }

    /// Whether it has no components, only one list.
    pub(super) fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!("`{} {}`", self.url, self.suite)
    }
}

/// The archives of a base that have packages for this architecture, in apt's order.
pub(super) fn read(files: &Files, architecture: &str) -> Result<Vec<Archive>, String> {
    const LIST: &str = "etc/apt/sources.list";
    const MORE: &str = "etc/apt/sources.list.d/";
    let mut archives = Vec::new();
    for (path, bytes) in files {
        let name = path.strip_prefix(MORE).filter(|name| is_part(name));
        let end = name.and_then(|name| Some(name.rsplit_once('.')?.1));
        let is_stanzas = end == Some("sources");
        let is_lines = path == LIST || end == Some("list");
        if !is_stanzas && !is_lines {
            continue;
        }
        let wrong = |why: &dyn Display| format!("`/{path}`: {why}");
        let text = std::str::from_utf8(bytes).map_err(|_| wrong(&"it is no UTF-8"))?;
        let found = if is_stanzas {
            stanzas(text)
        } else {
            lines(text)
        };
        for entry in found.map_err(|why| wrong(&why))? {
            let each = entry.archives(path, architecture);
            archives.extend(each.map_err(|why| wrong(&why))?);
        }
    }
    archives.retain(|archive| archive.options.has(architecture));
    Ok(archives)
}

/// Whether apt reads a file of this name in a directory of parts.
fn is_part(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !name.starts_with('.') && name.bytes().all(is_fine)
}

impl Options {
    fn has(&self, architecture: &str) -> bool {
        let is = |known: &String| known == architecture;
        self.only.as_ref().is_none_or(|only| only.iter().any(is)) && !self.without.iter().any(is)
    }

    /// Sets what `name` means, by its name in a stanza. `sign` is `+` or `-` for changes of a list.
    fn set(&mut self, name: &str, sign: Option<char>, value: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        let list = || {
            value
                .split([',', ' ', '\t', '\n'])
                .filter(|word| !word.is_empty())
        };
        match (name.as_str(), sign) {
            ("architectures", None) => self.only = Some(list().map(str::to_owned).collect()),
            ("architectures", Some('+')) => {
                let only = self.only.get_or_insert_default();
                only.extend(list().map(str::to_owned));
            }
            ("architectures", Some(_)) => self.without.extend(list().map(str::to_owned)),
            (_, Some(_)) => return Err(format!("changes of `{name}` are not understood")),
            ("signed-by", _) => self.signed_by = signed_by(value)?,
            ("trusted", _) => self.is_trusted = is_on(&name, value)?,
            ("check-valid-until", _) => self.ignores_expiry = !is_on(&name, value)?,
            ("check-date", _) => self.ignores_date = !is_on(&name, value)?,
            ("by-hash", _) => self.never_by_hash = value != "force" && !is_on(&name, value)?,
            // They make apt accept what is refused here.
            ("allow-insecure" | "allow-weak" | "allow-downgrade-to-insecure", _)
                if !is_on(&name, value)? => {}
            (
                "allow-insecure"
                | "allow-weak"
                | "allow-downgrade-to-insecure"
                | "inrelease-path"
                | "snapshot"
                | "include"
                | "exclude"
                | "valid-until-max"
                | "valid-until-min"
                | "date-max-future",
                _,
            ) => return Err(format!("`{name}` is not understood")),
            // Languages, differences, remarks of other programs: nothing that decides.
            _ => {}
        }
        Ok(())
    }
}

fn is_on(name: &str, value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Ok(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Ok(false),
        _ => Err(format!("`{name}` is neither `yes` nor `no`")),
    }
}

fn signed_by(value: &str) -> Result<Vec<SignedBy>, String> {
    if value.contains("-----BEGIN") {
        // In a stanza, an empty line is a dot.
        let lines = value.lines().map(|line| match line.trim() {
            "." => "",
            line => line,
        });
        let text: Vec<&str> = lines.collect();
        return Ok(vec![SignedBy::Text(text.join("\n") + "\n")]);
    }
    let words = value
        .split([',', ' ', '\t', '\n'])
        .filter(|word| !word.is_empty());
    let each = words.map(|word| {
        if let Some(path) = word.strip_prefix('/') {
            return Ok(SignedBy::File(path.to_owned()));
        }
        let mut digits = word.trim_end_matches('!').bytes();
        let is_key = word.len() >= 40 && digits.all(|byte| byte.is_ascii_hexdigit());
        let key = is_key.then(|| SignedBy::Key(word.to_ascii_uppercase()));
        key.ok_or_else(|| format!("`{word}` is neither a path nor the fingerprint of a key"))
    });
    each.collect()
}

/// What a line or a stanza says.
#[derive(Default)]
struct Entry {
    urls: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    options: Options,
}

impl Entry {
    fn archives(&self, file: &str, architecture: &str) -> Result<Vec<Archive>, String> {
        let filled = |text: &str| {
            let text = text.replace("$(ARCH)", architecture);
            text.replace("$(NATIVE_ARCHITECTURE)", architecture)
        };
        let mut archives = Vec::new();
        for url in &self.urls {
            let mut url = filled(url);
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(format!(
                    "`{url}`: packages are fetched by `https` and `http` only"
                ));
            }
            if url.split('/').any(|part| part == "..") {
                return Err(format!("`{url}` is no address of an archive"));
            }
            if !url.ends_with('/') {
                url.push('/');
            }
            for suite in &self.suites {
                let suite = filled(suite);
                if suite.ends_with('/') != self.components.is_empty() {
                    return Err(format!("`{suite}` needs components, or a `/` at its end"));
                }
                if suite.split('/').any(|part| part == "..") {
                    return Err(format!("`{suite}` leads out of the archive"));
                }
                archives.push(Archive {
                    url: url.clone(),
                    suite,
                    components: self.components.clone(),
                    options: self.options.clone(),
                    file: file.to_owned(),
                });
            }
        }
        Ok(archives)
    }
}

/// Reads `deb [option=value] URL suite component…`.
fn lines(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let entry = entry_of(line.split('#').next().unwrap_or_default().trim());
        let entry = entry.map_err(|why| format!("line {}: {why}", number + 1))?;
        entries.extend(entry);
    }
    Ok(entries)
}

fn entry_of(line: &str) -> Result<Option<Entry>, String> {
    let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match kind {
        "" | "deb-src" => return Ok(None),
        "deb" => {}
        _ => return Err(format!("`{kind}` is neither `deb` nor `deb-src`")),
    }
    let mut rest = rest.trim_start();
    let mut entry = Entry::default();
    if let Some(inner) = rest.strip_prefix('[') {
        let (options, after) = inner.split_once(']').ok_or("`[` has no `]`")?;
        for option in options.split_whitespace() {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| format!("`{option}` has no value"))?;
            let sign = name
                .chars()
                .next_back()
                .filter(|sign| matches!(sign, '+' | '-'));
            let name = name.trim_end_matches(['+', '-']);
            let name = if name == "arch" {
                "architectures"
            } else {
                name
            };
            entry.options.set(name, sign, value.trim_matches('"'))?;
        }
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (Some(url), Some(suite)) = (words.next(), words.next()) else {
        return Err("a URL and a suite are missing".to_owned());
    };
    entry.urls.push(url);
    entry.suites.push(suite);
    entry.components = words.collect();
    Ok(Some(entry))
}

/// Reads stanzas with `Types`, `URIs`, `Suites` and `Components`.
fn stanzas(text: &str) -> Result<Vec<Entry>, String> {
    let lines = text.split_inclusive('\n');
    let without: String = lines.filter(|line| !line.starts_with('#')).collect();
    let mut entries = Vec::new();
    for stanza in control::stanzas(&without) {
        let stanza = stanza.map_err(|error| error.to_string())?;
        let words = |name: &str| {
            let value = stanza.get(name).unwrap_or_default();
            value
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let is_enabled = stanza.get("Enabled").map(|value| is_on("Enabled", value));
        if !is_enabled.transpose()?.unwrap_or(true)
            || !words("Types").iter().any(|kind| kind == "deb")
        {
            continue;
        }
        let mut entry = Entry {
            urls: words("URIs"),
            suites: words("Suites"),
            components: words("Components"),
            options: Options::default(),
        };
        if entry.urls.is_empty() || entry.suites.is_empty() {
            return Err("`URIs` and `Suites` are missing".to_owned());
        }
        for (name, value) in stanza.fields() {
            let sign = match name.to_ascii_lowercase() {
                name if name.ends_with("-add") => Some('+'),
                name if name.ends_with("-remove") => Some('-'),
                _ => None,
            };
            let field = name
                .strip_suffix("-Add")
                .or_else(|| name.strip_suffix("-Remove"));
            entry
                .options
                .set(field.unwrap_or(name), sign, value.trim())?;
        }
        entries.push(entry);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
