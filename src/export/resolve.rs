//! `imgspec:ID` in YAML: finds where images are named so, and puts their references there.
//!
//! The events of a parser say which bytes are a value, and only these bytes are replaced. A tree that is written anew would
//! have lost comments, quotes and layout.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Place, Severity, SourceId, shown};
use crate::recipe::repository;
use crate::suggest::closest;
use crate::yaml::{Begin, Event, Events, NotYaml, ScalarStyle};

/// What the name of an image begins with.
const SIGN: &str = "imgspec:";

/// What of an image stands in the place of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it: `registry/name:tag@digest`.
    Reference,
    /// `registry/name`.
    Repository,
    /// The tag.
    Tag,
    /// The digest.
    Digest,
}

/// The parts that can be asked for alone, after a `#`.
const PARTS: [(&str, Part); 3] = [
    ("repository", Part::Repository),
    ("tag", Part::Tag),
    ("digest", Part::Digest),
];

/// A value that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The image's id, as far as anybody knows.
    pub image: String,
    /// What stands there in the end.
    pub part: Part,
    /// The value with its quotes.
    pub place: Place,
}

/// How a file begins, which decides what has to come before it when it follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With `---`.
    Marker,
    /// With comments or directives, and `---` after them.
    Head,
    /// With the content of its first document.
    Content,
    /// It has no document.
    Empty,
}

/// A file that may name images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The values that name images, in the order of the text.
    pub mentions: Vec<Mention>,
    /// Warnings about what looks like such a value and is none.
    pub doubts: Vec<Diagnostic>,
    start: Start,
}

impl Deployment {
    /// Reads a file with any number of documents. Returns also what is wrong with it: that it is not YAML, in which case the
    /// mentions are those before that place, or every name with an unknown part.
    pub fn read(source: SourceId, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut reader = Reader::new(source, text);
        if let Err(wrong) = reader.read() {
            let wrong = reader.not_yaml(&wrong);
            reader.mistakes.push(wrong);
        }
        (reader.found, reader.mistakes)
    }

    /// The text with the values in the places of the mentions, which are as many.
    pub fn with(&self, text: &str, values: &[String]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (mention, value) in self.mentions.iter().zip(values) {
            let Range { start, end } = mention.place.span();
            out.push_str(&text[done..start]);
            out.push_str(&written(&text[start..end], value));
            done = end;
        }
        out + &text[done..]
    }
}

/// The value in the quotes that the source has. Nothing in the parts of a reference means anything between quotes.
fn written(source: &str, value: &str) -> String {
    match source.chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{value}{quote}"),
        _ if is_text(value) => value.to_owned(),
        _ => format!("\"{value}\""),
    }
}

/// Words that some reader of YAML takes for something other than a string.
const WORDS: [&str; 11] = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "inf", "nan",
];

/// Whether every reader of YAML takes a part of a reference for a string if it stands without quotes. A tag may look like a
/// number, and a registry begin with a bracket.
fn is_text(value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    let is_word = || WORDS.contains(&value.to_ascii_lowercase().as_str());
    let begins = |first: fn(char) -> bool| value.starts_with(first);
    let is_safe = value.contains(['/', '@']) && begins(|c| c.is_ascii_alphanumeric())
        || begins(|c| c.is_ascii_alphabetic()) && !is_word();
    is_safe && value.chars().all(is_plain) && !value.ends_with(':')
}

/// The value of a part of an image; `None` for the digest of an image whose digest is not known.
pub fn value(part: Part, reference: &str, digest: Option<&str>) -> Option<String> {
    let name = repository(reference);
    match (part, digest) {
        (Part::Reference, Some(digest)) => Some(format!("{reference}@{digest}")),
        (Part::Reference, None) => Some(reference.to_owned()),
        (Part::Repository, _) => Some(name.to_owned()),
        (Part::Tag, _) => Some(reference[name.len()..].trim_start_matches(':').to_owned()),
        (Part::Digest, digest) => digest.map(str::to_owned),
    }
}

/// The files one after the other, as one stream of documents.
pub fn joined<'a>(files: impl IntoIterator<Item = (&'a Deployment, &'a str)>) -> String {
    let mut out = String::new();
    for (file, text) in files {
        if out.is_empty() {
            out.push_str(text);
            continue;
        }
        // A byte order mark is for the beginning of a stream.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(match file.start {
            Start::Marker => "",
            Start::Content => "---\n",
            // Directives are read only after the end of a document, and what has no document must not become an empty one.
            Start::Head | Start::Empty => "...\n",
        });
        out.push_str(text);
    }
    out
}

/// Where in a mapping a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

/// A list or a mapping that is not at its end.
enum Open {
    List,
    /// With the role of its next node.
    Map(Role),
}

struct Reader<'t> {
    events: Events<'t>,
    text: &'t str,
    source: SourceId,
    open: Vec<Open>,
    found: Deployment,
    mistakes: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    fn new(source: SourceId, text: &'t str) -> Self {
        Self {
            events: Events::new(text),
            text,
            source,
            open: Vec::new(),
            found: Deployment {
                mentions: Vec::new(),
                doubts: Vec::new(),
                start: Start::Empty,
            },
            mistakes: Vec::new(),
        }
    }

    fn read(&mut self) -> Result<(), NotYaml> {
        loop {
            let (event, begin) = self.events.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(is_marked) if self.found.start == Start::Empty => {
                    self.found.start = self.start(is_marked);
                }
                Event::Scalar(value, style, ..) => {
                    let role = self.role();
                    if value.starts_with(SIGN) {
                        self.scalar(&value, style, begin, role);
                    }
                }
                Event::Alias(_) => {
                    self.role();
                }
                Event::SequenceStart(..) => {
                    self.role();
                    self.open.push(Open::List);
                }
                Event::MappingStart(..) => {
                    self.role();
                    self.open.push(Open::Map(Role::Key));
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    self.open.pop();
                }
                _ => {}
            }
        }
    }

    fn start(&self, is_marked: bool) -> Start {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        if !is_marked {
            Start::Content
        } else if text.starts_with("---") {
            Start::Marker
        } else {
            Start::Head
        }
    }

    /// The role of the node that begins now.
    fn role(&mut self) -> Role {
        let Some(Open::Map(next)) = self.open.last_mut() else {
            return Role::Value;
        };
        let other = match next {
            Role::Key => Role::Value,
            Role::Value => Role::Key,
        };
        std::mem::replace(next, other)
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, begin: Begin, role: Role) {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let place = if is_block {
            let start = self.events.offset(begin);
            Place::new(self.source, start..start + 1)
        } else {
            Place::new(self.source, self.events.scalar(begin, style, value))
        };
        let name = &value[SIGN.len()..];
        let why = if role == Role::Key {
            "it is the key of a mapping, and only values are replaced"
        } else if is_block {
            "it is text of several lines"
        } else if name.is_empty() || name.contains(char::is_whitespace) {
            "what follows is no image's id"
        } else {
            return self.mention(name, place);
        };
        let message = format!("`{}` stays as it is", shown(value.trim_end()));
        let doubt = Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error("not-resolved", message)
        };
        self.found.doubts.push(doubt.at(place, why));
    }

    fn mention(&mut self, name: &str, place: Place) {
        let (image, part) = match name.split_once('#') {
            None => (name, Some(Part::Reference)),
            Some((image, word)) => {
                let part = PARTS.iter().find(|(known, _)| *known == word);
                (image, part.map(|(_, part)| *part))
            }
        };
        if let Some(part) = part {
            let image = image.to_owned();
            return self.found.mentions.push(Mention { image, part, place });
        }
        let word = &name[image.len() + 1..];
        let message = if word.is_empty() {
            "nothing follows the `#`".to_owned()
        } else {
            format!("an image has no part `{}`", shown(word))
        };
        let known = || PARTS.iter().map(|(known, _)| *known);
        let meant = closest(word, known());
        let mistake = Diagnostic::error("unknown-part", message);
        let mistake = mistake.unfixed(&place, meant, "");
        self.mistakes.push(match meant {
            Some(_) => mistake,
            None => mistake.help("parts: `#repository`, `#tag`, `#digest`"),
        });
    }

    fn not_yaml(&mut self, wrong: &NotYaml) -> Diagnostic {
        let start = self.events.offset(wrong.at);
        let length = self.text[start..].chars().next().map_or(0, char::len_utf8);
        let place = Place::new(self.source, start..start + length);
        let mistake = NotYaml::mistake().at(place, wrong.why.as_str());
        if self.text.contains("{{") {
            mistake.help(
                "a template of Helm becomes YAML only when it is rendered: resolve the values file that it takes the image from, or \
                 what `helm template` prints",
            )
        } else {
            mistake
        }
    }
}

#[cfg(test)]
mod tests;
