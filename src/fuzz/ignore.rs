//! Compares our ignore rules with a second implementation of what the builders do: moby's `ignorefile` and `patternmatcher`,
//! ported line by line with a matcher that simply tries everything.
//!
//! Rules that our parser rejects may have a meaning there (`\d`), so only accepted ones are compared.

use super::{Fuzz, Random};
use crate::fingerprint::ignore::Rules;

const RULES: &[&str] = &[
    "a", "b", "ab", "*", "*", "**", "/", "/", "?", "!", "#", "[ab]", "[^a]", "[a-c]", "[", "]",
    "-", "^", "\\*", "\\a", "\\", "..", ".", " ", "é", "☃", "\n", "\n", "\n!", "\r\n", "\t", "+",
    "{", "}", "$", "|", "(", ")", "**/", "/**", "a/b", ":", ",", "[é-ü]", "[\\]]", "\u{85}",
    "\u{a0}",
];

const PATHS: &[&str] = &[
    "a", "b", "ab", "c", "é", "☃", "/", "/", "/", "*", "!", "#", "[", "]", "-", "^", "\\", ".",
    ".a", "+", "$", " ", "␤", "{", "ü",
];

/// Rules and, on the last line, a path, in which `␤` stands for a line break.
fn make(random: &mut Random) -> String {
    let path: Vec<String> = (0..random.few(1, 4))
        .map(|_| random.soup(PATHS, 4).replace('/', ""))
        .filter(|part| !matches!(part.as_str(), "" | "." | ".."))
        .collect();
    let path = path.join("/");
    let rules = random.long(RULES).unwrap_or_else(|| {
        let rule = |random: &mut Random| {
            let rule = if random.chance(1, 2) {
                random.soup(RULES, 8)
            } else {
                near(&path, random)
            };
            let sign = if random.chance(1, 4) { "!" } else { "" };
            format!("{sign}{rule}")
        };
        let rules: Vec<String> = (0..random.few(1, 4)).map(|_| rule(random)).collect();
        rules.join("\n")
    });
    format!("{rules}\n{path}")
}

/// A pattern that matches a path, or nearly so.
fn near(path: &str, random: &mut Random) -> String {
    let mut out = String::new();
    for sign in path.chars() {
        match random.below(14) {
            0 => out.push('?'),
            1 => out.push('*'),
            2 => out += "**",
            3 => out += &format!("[{sign}b-c]"),
            4 => out += "[^x]",
            5 => out.extend(['\\', sign]),
            6 => {}
            _ => out.push(sign),
        }
    }
    let up = out.rfind('/').filter(|_| random.chance(1, 3));
    up.map_or(out.clone(), |at| out[..at].to_owned())
}

fn judge(input: &str) -> bool {
    let (text, path) = input.rsplit_once('\n').unwrap_or(("", input));
    let path = path.replace('␤', "\n");
    let rules = match Rules::read(text) {
        Ok(rules) => rules,
        Err(bad) => {
            assert!((1..=text.lines().count()).contains(&bad.line), "{bad:?}");
            assert!(!bad.why.is_empty());
            return false;
        }
    };
    let is_out = rules.excludes(&path);
    if text.len() < 4096 {
        let known = moby(text).unwrap_or_else(|why| panic!("moby refuses it: {why}"));
        assert_eq!(is_out, excludes(&known, &path), "it is left out");
    }
    for (at, _) in path.match_indices('/') {
        let folder = &path[..at];
        if rules.excludes(folder) && rules.may_prune(folder) {
            assert!(is_out, "{folder:?} need not be read");
        }
    }
    true
}

/// A rule in moby's representation.
struct Rule {
    exclusion: bool,
    cleaned: Vec<char>,
    kind: Kind,
}

enum Kind {
    Exact,
    Prefix,
    Suffix,
    Regexp(Vec<Atom>),
}

/// A part of the regular expression that moby generates for a pattern.
enum Atom {
    /// `^`
    Start,
    /// One character.
    One(Set),
    /// `[^/]*`
    Name,
    /// `.*`
    All,
    /// `(.*/)?`
    Folders,
}

enum Set {
    This(char),
    NotSlash,
    Class(bool, Vec<(char, char)>),
}

/// `ignorefile.ReadAll` and `patternmatcher.New`.
fn moby(text: &str) -> Result<Vec<Rule>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rules = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let mut pattern = line.trim().to_owned();
        let invert = pattern.starts_with('!');
        if invert {
            pattern = pattern[1..].trim().to_owned();
        }
        if !pattern.is_empty() {
            pattern = clean(&pattern);
            if pattern.len() > 1 && pattern.starts_with('/') {
                pattern.remove(0);
            }
        }
        if invert {
            pattern.insert(0, '!');
        }
        let pattern = clean(pattern.trim());
        let (exclusion, pattern) = match pattern.strip_prefix('!') {
            Some("") => return Err("illegal exclusion pattern".into()),
            Some(rest) => (true, rest.to_owned()),
            None => (false, pattern),
        };
        let cleaned: Vec<char> = pattern.chars().collect();
        let kind = compile(&cleaned)?;
        rules.push(Rule {
            exclusion,
            cleaned,
            kind,
        });
    }
    Ok(rules)
}

/// Go's `filepath.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        let can_go_up = out.last().is_some_and(|last| *last != "..");
        match part {
            ".." if can_go_up => drop(out.pop()),
            ".." if rooted => {}
            part => out.push(part),
        }
    }
    let joined = out.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// `Pattern.compile`.
fn compile(pattern: &[char]) -> Result<Kind, String> {
    let mut kind = Kind::Exact;
    let mut atoms = Vec::new();
    let mut at = 0;
    let mut is_regexp = false;
    while let Some(&next) = pattern.get(at) {
        let first = at == 0;
        at += 1;
        match next {
            '*' if pattern.get(at) == Some(&'*') => {
                at += 1;
                at += usize::from(pattern.get(at) == Some(&'/'));
                if at < pattern.len() {
                    atoms.push(Atom::Folders);
                    is_regexp = true;
                } else if !is_regexp && matches!(kind, Kind::Exact) {
                    kind = Kind::Prefix;
                } else {
                    atoms.push(Atom::All);
                    is_regexp = true;
                }
                if first {
                    (kind, is_regexp) = (Kind::Suffix, false);
                }
                continue;
            }
            '*' => atoms.push(Atom::Name),
            '?' => atoms.push(Atom::One(Set::NotSlash)),
            '\\' => {
                let escaped = pattern.get(at).ok_or("a trailing backslash")?;
                at += 1;
                atoms.push(Atom::One(Set::This(*escaped)));
            }
            '[' => atoms.push(class(pattern, &mut at)?),
            ']' => atoms.push(Atom::One(Set::This(']'))),
            '^' => {
                atoms.push(Atom::Start);
                continue;
            }
            other => {
                atoms.push(Atom::One(Set::This(other)));
                continue;
            }
        }
        is_regexp = true;
    }
    Ok(if is_regexp { Kind::Regexp(atoms) } else { kind })
}

/// A bracket expression as `filepath.Match` parses it.
fn class(pattern: &[char], at: &mut usize) -> Result<Atom, String> {
    let negated = pattern.get(*at) == Some(&'^');
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    while ranges.is_empty() || pattern.get(*at) != Some(&']') {
        let low = get_esc(pattern, at)?;
        let is_range = pattern.get(*at) == Some(&'-');
        *at += usize::from(is_range);
        let high = if is_range { get_esc(pattern, at)? } else { low };
        ranges.push((low, high));
    }
    *at += 1;
    Ok(Atom::One(Set::Class(negated, ranges)))
}

/// `filepath.getEsc`.
fn get_esc(pattern: &[char], at: &mut usize) -> Result<char, String> {
    let mut next = || {
        let found = pattern.get(*at).copied();
        *at += 1;
        found.ok_or("an open bracket")
    };
    match next()? {
        '-' | ']' => Err("a bad range".into()),
        '\\' => Ok(next()?),
        sign => Ok(sign),
    }
}

impl Rule {
    /// `Pattern.match`.
    fn matches(&self, path: &[char]) -> bool {
        let cleaned = &self.cleaned;
        match &self.kind {
            Kind::Exact => path == cleaned.as_slice(),
            Kind::Prefix => path.starts_with(&cleaned[..cleaned.len() - 2]),
            Kind::Suffix => {
                path.ends_with(&cleaned[2..])
                    || (cleaned.get(2) == Some(&'/') && path == &cleaned[3..])
            }
            Kind::Regexp(atoms) => tried(atoms, path, 0),
        }
    }
}

/// Backtracking matcher.
fn tried(atoms: &[Atom], path: &[char], at: usize) -> bool {
    let Some((atom, rest)) = atoms.split_first() else {
        return at == path.len();
    };
    let here = path.get(at);
    match atom {
        Atom::Start => at == 0 && tried(rest, path, at),
        Atom::One(set) => here.is_some_and(|sign| set.has(*sign)) && tried(rest, path, at + 1),
        Atom::Name => {
            tried(rest, path, at)
                || (here.is_some_and(|sign| *sign != '/') && tried(atoms, path, at + 1))
        }
        Atom::All => {
            tried(rest, path, at)
                || (here.is_some_and(|sign| *sign != '\n') && tried(atoms, path, at + 1))
        }
        Atom::Folders => {
            let line = path[at..]
                .iter()
                .take_while(|sign| **sign != '\n')
                .enumerate();
            let ends = line
                .filter(|(_, sign)| **sign == '/')
                .map(|(end, _)| at + end + 1);
            tried(rest, path, at) || ends.into_iter().any(|end| tried(rest, path, end))
        }
    }
}

impl Set {
    fn has(&self, sign: char) -> bool {
        match self {
            Self::This(this) => *this == sign,
            Self::NotSlash => sign != '/',
            Self::Class(negated, ranges) => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&sign))
                    != *negated
            }
        }
    }
}

/// `MatchesUsingParentResults`, from the topmost directory down, in the order of the builders' walk.
fn excludes(rules: &[Rule], path: &str) -> bool {
    let mut parent: Option<Vec<bool>> = None;
    let mut matched = false;
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    for end in ends.filter(|_| !path.is_empty()) {
        let file: Vec<char> = path[..end].chars().collect();
        matched = false;
        let mut own = vec![false; rules.len()];
        for (at, rule) in rules.iter().enumerate() {
            let mut hit = parent.as_ref().is_some_and(|parent| parent[at]);
            if !hit {
                if rule.exclusion != matched {
                    continue;
                }
                hit = rule.matches(&file);
            }
            own[at] = hit;
            if hit {
                matched = !rule.exclusion;
            }
        }
        parent = Some(own);
    }
    matched
}

#[test]
fn ignore_patterns() {
    let fuzz = Fuzz {
        name: "ignore patterns",
        runs: 60_000,
        make,
        judge: |input: &String| judge(input),
    };
    fuzz.run().accepts(34);
}
