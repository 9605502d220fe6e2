//! Finds the images that a Dockerfile refers to in `FROM`, `COPY --from` and `RUN --mount=from=…`.
//!
//! Reads only as much of the Dockerfile as that requires: lines with continuations and heredocs, the arguments before the
//! first `FROM`, and stage names. References that are unknown before the build, such as `FROM $X` without a value, are
//! reported separately and never guessed. Source: <https://docs.docker.com/reference/dockerfile/>.

use std::collections::{BTreeMap, BTreeSet};

use super::build::DockerfileRecipe;

/// An outside image referred to by tag, which may point to another image tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutsideImage {
    /// The reference in Docker's familiar form, so that each image has one name.
    pub name: String,
    /// Whether it may be used for platforms other than the image's own (`FROM --platform=…`).
    pub any_platform: bool,
}

/// The images that a Dockerfile refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Froms {
    /// Images from registries, in order of appearance.
    pub images: Vec<OutsideImage>,
    /// Instructions whose image is unknown until the build, as written.
    pub unread: Vec<String>,
    /// The platform that the target stage is fixed to, regardless of the one requested: `FROM --platform=linux/amd64`.
    pub platform: Option<String>,
}

/// Parses the text of a user-supplied Dockerfile.
#[must_use]
pub fn froms(text: &str, own: &DockerfileRecipe) -> Froms {
    let mut reader = Reader {
        given: own.args.iter().cloned().collect(),
        known: BTreeMap::new(),
        named: own
            .contexts
            .iter()
            .map(|(name, _)| familiar(name))
            .collect(),
        names: BTreeMap::new(),
        stages: Vec::new(),
        found: Froms::default(),
    };
    for instruction in instructions(text) {
        reader.instruction(&instruction);
    }
    let target = own.target.as_deref().map(str::to_ascii_lowercase);
    let at = match &target {
        Some(name) => reader.names.get(name).copied().or(name.parse().ok()),
        None => reader.stages.len().checked_sub(1),
    };
    let stage = at.and_then(|at| reader.stages.get(at));
    reader.found.platform = stage.cloned().flatten();
    reader.found
}

/// The familiar form of a reference, by which named contexts are looked up.
#[must_use]
pub fn familiar(reference: &str) -> String {
    let short = reference
        .strip_prefix("docker.io/")
        .or_else(|| reference.strip_prefix("index.docker.io/"));
    let short = match short {
        Some(short) => short.strip_prefix("library/").unwrap_or(short),
        None => reference.strip_prefix("library/").unwrap_or(reference),
    };
    short.strip_suffix(":latest").unwrap_or(short).to_owned()
}

struct Reader {
    /// Build arguments from the manifest.
    given: BTreeMap<String, String>,
    /// The arguments before the first `FROM`, with their values.
    known: BTreeMap<String, String>,
    /// Names that the manifest defines as contexts.
    named: BTreeSet<String>,
    /// Stage names and their indexes.
    names: BTreeMap<String, usize>,
    /// For each stage so far, the platform that it is fixed to.
    stages: Vec<Option<String>>,
    found: Froms,
}

impl Reader {
    fn instruction(&mut self, line: &str) {
        let (word, rest) = split(line);
        match word.to_ascii_uppercase().as_str() {
            "ARG" if self.stages.is_empty() => self.arguments(rest),
            "FROM" => self.from(rest),
            "COPY" => {
                let flags = rest.split_whitespace();
                let flags = flags.take_while(|word| word.starts_with("--"));
                for name in flags.filter_map(|flag| flag.strip_prefix("--from=")) {
                    self.named_image(name);
                }
            }
            "RUN" => self.mounts(rest),
            // Includes `ONBUILD`, which takes effect only in a Dockerfile that builds on this image.
            _ => {}
        }
    }

    /// Handles `ARG NAME=default OTHER`: values from the manifest take precedence over defaults.
    fn arguments(&mut self, rest: &str) {
        for word in rest.split_whitespace() {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, self.filled(unquoted(default))),
                None => (word, None),
            };
            if let Some(value) = self.given.get(name).cloned().or(default) {
                self.known.insert(name.to_owned(), value);
            }
        }
    }

    fn from(&mut self, rest: &str) {
        let mut words = rest.split_whitespace().peekable();
        let mut given = None;
        while let Some(flag) = words.next_if(|word| word.starts_with("--")) {
            given = flag.strip_prefix("--platform=").or(given);
        }
        let mut platform = given
            .filter(|given| !given.contains('$'))
            .map(str::to_owned);
        let name = words.next().map(unquoted).unwrap_or_default();
        let name_of_stage = words
            .next()
            .filter(|word| word.eq_ignore_ascii_case("as"))
            .and_then(|_| words.next());
        match self.filled(name) {
            // Names of stages and of the manifest's contexts are not registry images.
            Some(name) if self.names.contains_key(&name.to_ascii_lowercase()) => {
                platform.clone_from(&self.stages[self.names[&name.to_ascii_lowercase()]]);
            }
            Some(name) if name == "scratch" => platform = None,
            Some(name) => self.image(&name, given.is_some()),
            None => self.found.unread.push(format!("FROM {name}")),
        }
        let name_of_stage = name_of_stage.map(str::to_ascii_lowercase);
        self.names
            .extend(name_of_stage.map(|name| (name, self.stages.len())));
        self.stages.push(platform);
    }

    /// The value of `--from`: a stage by name or index, or an image.
    fn named_image(&mut self, name: &str) {
        let name = unquoted(name);
        let is_number = name.parse::<usize>().is_ok();
        if is_number || self.names.contains_key(&name.to_ascii_lowercase()) {
            return;
        }
        if name.contains('$') {
            self.found.unread.push(format!("--from={name}"));
        } else {
            self.image(name, false);
        }
    }

    fn mounts(&mut self, rest: &str) {
        let mut rest = rest;
        while let (flag, tail) = split(rest)
            && flag.starts_with("--")
        {
            if let Some(mount) = flag.strip_prefix("--mount=") {
                let parts = mount.split(',');
                for name in parts.filter_map(|part| part.strip_prefix("from=")) {
                    self.named_image(name);
                }
            }
            rest = tail;
        }
    }

    fn image(&mut self, name: &str, any_platform: bool) {
        let name = familiar(name);
        if name.is_empty() || name == "scratch" || self.named.contains(&name) {
            return;
        }
        let image = OutsideImage { name, any_platform };
        if !self.found.images.contains(&image) {
            self.found.images.push(image);
        }
    }

    /// Expands the variables of a text. `None` if one has no value or uses syntax that is not supported here.
    fn filled(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (value, tail) = if let Some(braced) = after.strip_prefix('{') {
                let (inside, tail) = braced.split_once('}')?;
                (self.value(inside)?, tail)
            } else {
                let is_name = |each: char| each.is_ascii_alphanumeric() || each == '_';
                let end = after.find(|each| !is_name(each)).unwrap_or(after.len());
                (self.known.get(&after[..end])?.clone(), &after[end..])
            };
            filled.push_str(&value);
            rest = tail;
        }
        filled.push_str(rest);
        (!filled.contains('\\')).then_some(filled)
    }

    /// Evaluates `NAME`, `NAME:-default` or `NAME:+other`.
    fn value(&self, inside: &str) -> Option<String> {
        let (name, rest) = match inside.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (inside, None),
        };
        let known = self.known.get(name).filter(|value| !value.is_empty());
        match rest {
            None => self.known.get(name).cloned(),
            Some(rest) => {
                let (how, other) = rest.split_at_checked(1)?;
                let other = (!other.contains('$')).then(|| other.to_owned());
                match how {
                    "-" => known.cloned().or(other),
                    "+" if known.is_some() => other,
                    "+" => Some(String::new()),
                    _ => None,
                }
            }
        }
    }
}

/// Splits off the first word.
fn split(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    (&line[..end], line[end..].trim_start())
}

fn unquoted(word: &str) -> &str {
    let inside = |quote: char| word.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(word)
}

/// The instructions of a Dockerfile, one line each, without comments, continuations and heredoc bodies.
fn instructions(text: &str) -> Vec<String> {
    let escape = escape(text);
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(first) = lines.next() {
        let mut whole = String::new();
        let mut next = Some(first);
        while let Some(line) = next {
            let line = line.trim();
            // Comments and empty lines do not end an instruction.
            let is_nothing = line.is_empty() || line.starts_with('#');
            match line.strip_suffix(escape) {
                _ if is_nothing && whole.is_empty() => break,
                _ if is_nothing => {}
                Some(part) => {
                    whole.push_str(part);
                    whole.push(' ');
                }
                None => {
                    whole.push_str(line);
                    break;
                }
            }
            next = lines.next();
        }
        for (word, is_indented) in heredocs(&whole) {
            let ends = |line: &str| {
                let tabs: &[char] = if is_indented { &['\t'] } else { &[] };
                line.trim_start_matches(tabs) == word
            };
            let _ = lines.by_ref().find(|line| ends(line));
        }
        if !whole.is_empty() {
            all.push(whole);
        }
    }
    all
}

/// The line continuation character: `\` unless an `# escape=` directive at the top changes it.
fn escape(text: &str) -> char {
    let mut directives = text.lines().map_while(|line| {
        let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
        Some((name.trim().to_ascii_lowercase(), value.trim()))
    });
    let directive = directives.find(|(name, _)| name == "escape");
    if directive.is_some_and(|(_, value)| value == "`") {
        '`'
    } else {
        '\\'
    }
}

/// The delimiters of an instruction's heredocs, and whether tabs may precede them. As `BuildKit` has it: a heredoc is a word of
/// its own, so neither `x << y` nor what is in quotes is one, and neither is `<<<`, a shell's here-string.
fn heredocs(line: &str) -> Vec<(String, bool)> {
    let (word, _) = split(line);
    if !["RUN", "COPY", "ADD"].contains(&word.to_ascii_uppercase().as_str()) {
        return Vec::new();
    }
    let found = shell_words(line).into_iter().filter_map(|word| {
        let rest = word.trim_start_matches(|each: char| each.is_ascii_digit());
        let rest = rest.strip_prefix("<<")?;
        let (rest, is_indented) = match rest.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        (!rest.is_empty() && !rest.contains('<')).then(|| (without_quotes(rest), is_indented))
    });
    found.collect()
}

/// The words of a line as a shell splits them, with their quotes; none if a quote is not closed.
fn shell_words(line: &str) -> Vec<&str> {
    let (mut words, mut start, mut quote) = (Vec::new(), None, None);
    let mut letters = line.char_indices();
    while let Some((at, each)) = letters.next() {
        match quote {
            None if each.is_whitespace() => {
                words.extend(start.take().map(|start| &line[start..at]));
                continue;
            }
            None if matches!(each, '"' | '\'') => quote = Some(each),
            Some(open) if open == each => quote = None,
            None | Some('"') if each == '\\' => drop(letters.next()),
            _ => {}
        }
        start.get_or_insert(at);
    }
    if quote.is_some() {
        return Vec::new();
    }
    words.extend(start.map(|start| &line[start..]));
    words
}

/// A word without quotes and escapes.
fn without_quotes(word: &str) -> String {
    let (mut text, mut quote) = (String::new(), None);
    let mut letters = word.chars();
    while let Some(each) = letters.next() {
        match quote {
            None if matches!(each, '"' | '\'') => quote = Some(each),
            Some(open) if open == each => quote = None,
            None | Some('"') if each == '\\' => text.extend(letters.next()),
            _ => text.push(each),
        }
    }
    text
}

#[cfg(test)]
mod tests;
