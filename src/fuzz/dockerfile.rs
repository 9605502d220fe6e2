//! Parses Dockerfiles as `BuildKit` does, independently of the module that writes them, to find out what they say about the
//! image.
//!
//! Follows `BuildKit`'s sources (`frontend/dockerfile/parser`, `shell/lex.go`) as far as rendered Dockerfiles go. Anything
//! unknown is an error, so that nothing passes by being misunderstood. An engine test compares the result with `BuildKit`
//! itself.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// The maximum line length of `BuildKit`'s scanner.
const LONGEST: usize = 64 * 1024 - 1;

/// The parts of an image that a Dockerfile defines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) from: String,
    /// Environment variables by name, without those of the base.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) user: Option<String>,
    pub(crate) workdirs: Vec<String>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    /// Ports as written.
    pub(crate) expose: Vec<String>,
    pub(crate) volumes: Vec<String>,
    /// Flags and command of the health check: a list, or one line.
    pub(crate) healthcheck: Option<(Vec<String>, Vec<String>)>,
    pub(crate) stop_signal: Option<String>,
    pub(crate) shell: Option<Vec<String>>,
    /// The arguments of each RUN instruction.
    pub(crate) runs: Vec<Vec<String>>,
    /// Flags and paths of each COPY instruction.
    pub(crate) copies: Vec<(Vec<String>, Vec<String>)>,
    /// The paths of each ADD instruction.
    pub(crate) adds: Vec<Vec<String>>,
    args: BTreeMap<String, String>,
}

/// Parses a Dockerfile; `given` are the build arguments.
pub(crate) fn read(text: &str, given: &[(&str, &str)]) -> Result<Read, String> {
    let mut read = Read::default();
    for line in instructions(text)? {
        read.instruction(&line, given)
            .map_err(|why| format!("{why} in {line:?}"))?;
    }
    if read.from.is_empty() {
        return Err("there is no FROM".into());
    }
    Ok(read)
}

/// Lines without comments; continued lines are joined.
fn instructions(text: &str) -> Result<Vec<String>, String> {
    let (mut all, mut open): (Vec<String>, bool) = (Vec::new(), false);
    for line in text.split('\n') {
        if line.len() > LONGEST {
            return Err(format!("a line of {} bytes", line.len()));
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim_start().starts_with('#') || (line.trim().is_empty() && !open) {
            continue;
        }
        let kept = line.trim_end_matches([' ', '\t']);
        let body = kept.strip_suffix('\\').filter(|body| !body.ends_with('\\'));
        let piece = body.unwrap_or(line);
        match all.last_mut().filter(|_| open) {
            Some(last) => last.push_str(piece),
            None => all.push(piece.trim_start().to_owned()),
        }
        open = body.is_some();
    }
    Ok(all)
}

impl Read {
    fn instruction(&mut self, line: &str, given: &[(&str, &str)]) -> Result<(), String> {
        let (name, rest) = line.split_once([' ', '\t']).ok_or("nothing follows")?;
        let (flags, rest) = flags(rest.trim());
        match name {
            "FROM" => self.from = rest.to_owned(),
            "ARG" => {
                let found = given.iter().find(|(known, _)| *known == rest);
                let (_, value) = found.ok_or("an argument that nobody gives")?;
                self.args.insert(rest.to_owned(), (*value).to_owned());
            }
            "ENV" => {
                let pairs = self.pairs(rest)?;
                self.env.extend(pairs);
            }
            "LABEL" => {
                let pairs = self.pairs(rest)?;
                self.labels.extend(pairs);
            }
            "USER" => self.user = Some(self.word(rest)?),
            "WORKDIR" => {
                let folder = self.word(rest)?;
                self.workdirs.push(folder);
            }
            "RUN" => self.runs.push(exec(rest)?),
            "ENTRYPOINT" => self.entrypoint = Some(exec(rest)?),
            "CMD" => self.cmd = Some(exec(rest)?),
            "EXPOSE" => {
                let ports: Result<Vec<String>, String> = rest
                    .split_whitespace()
                    .map(|port| self.word(port))
                    .collect();
                self.expose.extend(ports?);
            }
            "VOLUME" => {
                let paths = exec(rest)?;
                let paths: Result<Vec<String>, String> =
                    paths.iter().map(|path| self.word(path)).collect();
                self.volumes.extend(paths?);
            }
            "STOPSIGNAL" => self.stop_signal = Some(self.word(rest)?),
            "SHELL" => self.shell = Some(exec(rest)?),
            "HEALTHCHECK" => self.healthcheck = Some((flags, healthcheck(rest)?)),
            "ADD" => self.adds.push(exec(rest)?),
            "COPY" => {
                let words = exec(rest)?;
                let words: Result<Vec<String>, String> =
                    words.iter().map(|word| self.word(word)).collect();
                self.copies.push((flags, words?));
            }
            _ => return Err(format!("`{name}` is not an instruction")),
        }
        Ok(())
    }

    /// Parses a sequence of `name=value`.
    fn pairs(&self, text: &str) -> Result<Vec<(String, String)>, String> {
        let mut pairs = Vec::new();
        for word in split(text)? {
            let (name, value) = word.split_once('=').ok_or("a word without `=`")?;
            pairs.push((self.word(name)?, self.word(value)?));
        }
        Ok(pairs)
    }

    fn word(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text.chars().peekable();
        while let Some(next) = rest.next() {
            match next {
                '\'' => loop {
                    match rest.next().ok_or("an open quote")? {
                        '\'' => break,
                        inside => out.push(inside),
                    }
                },
                '"' => self.quoted(&mut rest, &mut out)?,
                '\\' => out.extend(rest.next()),
                '$' => out += &self.variable(&mut rest)?,
                next => out.push(next),
            }
        }
        Ok(out)
    }

    fn quoted(&self, rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
        loop {
            match rest.next().ok_or("an open double quote")? {
                '"' => return Ok(()),
                '$' => *out += &self.variable(rest)?,
                '\\' => match rest.next().ok_or("a backslash at the end")? {
                    known @ ('"' | '$' | '\\') => out.push(known),
                    other => out.extend(['\\', other]),
                },
                inside => out.push(inside),
            }
        }
    }

    /// Expands the variable after a `$`.
    fn variable(&self, rest: &mut Peekable<Chars<'_>>) -> Result<String, String> {
        if rest.next_if_eq(&'{').is_none() {
            return Err("a `$` that is not escaped".into());
        }
        let inside: String = rest.by_ref().take_while(|c| *c != '}').collect();
        let (name, otherwise) = match inside.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inside.as_str(), None),
        };
        // The environment takes precedence over arguments.
        let value = self.env.get(name).or_else(|| self.args.get(name));
        value
            .map(String::as_str)
            .or(otherwise)
            .map(str::to_owned)
            .ok_or_else(|| format!("`{name}` is not known"))
    }
}

/// Splits off leading words that begin with `--`.
fn flags(text: &str) -> (Vec<String>, &str) {
    let (mut flags, mut rest) = (Vec::new(), text);
    while rest.starts_with("--") {
        let (flag, more) = rest.split_once(' ').unwrap_or((rest, ""));
        flags.push(flag.to_owned());
        rest = more.trim_start();
    }
    (flags, rest)
}

/// The test of a health check as it stands in the config of an image.
fn healthcheck(text: &str) -> Result<Vec<String>, String> {
    let Some(command) = text.strip_prefix("CMD ") else {
        let is_none = text == "NONE";
        return is_none
            .then(|| vec!["NONE".to_owned()])
            .ok_or("a check of another kind".into());
    };
    let mut words = vec!["CMD".to_owned()];
    match exec(command) {
        Ok(program) => words.extend(program),
        Err(_)
            if command.starts_with('[')
                && serde_json::from_str::<Vec<serde_json::Value>>(command).is_ok() =>
        {
            return Err("a list of other things than texts".into());
        }
        Err(_) => words = vec!["CMD-SHELL".to_owned(), command.to_owned()],
    }
    Ok(words)
}

fn exec(text: &str) -> Result<Vec<String>, String> {
    serde_json::from_str(text).map_err(|error| format!("no list of texts: {error}"))
}

/// Splits at whitespace outside of quotes, keeping the quotes.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let word = words.last_mut().expect("there is one");
        match (quote, next) {
            (None, next) if next.is_whitespace() => {
                if !word.is_empty() {
                    words.push(String::new());
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(next),
            (Some(open), next) if next == open => quote = None,
            (None | Some('"'), '\\') => {
                word.push(next);
                word.push(rest.next().ok_or("a backslash at the end")?);
                continue;
            }
            _ => {}
        }
        word.push(next);
    }
    if quote.is_some() {
        return Err("a quote is left open".into());
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

mod tests {
    use super::read;

    #[test]
    fn words_are_read_as_buildkit_reads_them() {
        let text = "# x\nFROM a\n\nENV A=\"b \\\"c\\\" \\$d \\\\e \\f\" B='$g' C=${D:-d}\nLABEL \"x y\"=\"${A}\"\n\
            RUN --mount=type=x [\"a\\nb\", \\\n# between\n\"c\"]\nCOPY --chown=a [\"it\\\\'s\",\"/x\"]\n";
        let read = read(text, &[]).unwrap();
        assert_eq!(read.env["A"], "b \"c\" $d \\e \\f");
        assert_eq!(
            (read.env["B"].as_str(), read.env["C"].as_str()),
            ("$g", "d")
        );
        assert_eq!(read.labels["x y"], read.env["A"]);
        assert_eq!(read.runs, [["a\nb", "c"]]);
        assert_eq!(read.copies[0].1, ["it's", "/x"]);
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for text in [
            "",
            "RUN x",
            "FROM a\nRUN x",
            "FROM a\nENV A",
            "FROM a\nENV A=\"b",
            "FROM a\nENV A=$b",
            "FROM a\nMAINTAINER x",
            "FROM a\nHEALTHCHECK x",
            "FROM a\nHEALTHCHECK CMD [1]",
            "FROM a\nARG X",
        ] {
            assert!(read(text, &[]).is_err(), "{text}");
        }
    }
}
