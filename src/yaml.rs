//! YAML as a stream of events with their places: the only module that names the parser.
//!
//! Events rather than trees: they deliver scalars as written and aliases unexpanded, and say which bytes of the source are
//! theirs.

use std::ops::Range;

use saphyr_parser::{Parser, Span, StrInput};

use crate::diagnostic::Diagnostic;

pub(crate) use saphyr_parser::{Event, ScalarStyle, Tag};

const MARK: char = '\u{feff}';

/// Where an event begins; line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The number of characters before it.
    characters: usize,
}

/// Why a text is not YAML.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) at: Begin,
    /// In the parser's words.
    pub(crate) why: String,
}

impl NotYaml {
    /// The error, as yet without a place.
    pub(crate) fn mistake() -> Diagnostic {
        Diagnostic::error("not-yaml", "invalid YAML")
    }
}

/// The events of a text.
pub(crate) struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    /// A place that was looked up before: its characters and its bytes.
    known: (usize, usize),
}

impl<'t> Events<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            parser: Parser::new_from_str(text.strip_prefix(MARK).unwrap_or(text)),
            text,
            known: (0, 0),
        }
    }

    /// The next event; [`Event::StreamEnd`] at the end, and from then on.
    pub(crate) fn next(&mut self) -> Result<(Event<'t>, Begin), NotYaml> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.begin(&span))),
            Some(Err(error)) => {
                let mark = *error.marker();
                let why = error.info().to_owned();
                let at = self.begin(&Span::empty(mark));
                Err(NotYaml { at, why })
            }
            None => Ok((Event::StreamEnd, self.begin(&Span::default()))),
        }
    }

    /// Converts the parser's position, which counts lines from 1 and columns from 0, and knows of no byte order mark.
    fn begin(&self, span: &Span) -> Begin {
        let marks = usize::from(self.text.starts_with(MARK));
        let (line, column) = (span.start.line(), span.start.col() + 1);
        Begin {
            line,
            column: if line <= 1 { column + marks } else { column },
            characters: span.start.index() + marks,
        }
    }

    /// The byte at which something begins. Asked in the order of the text, all answers together take one walk through it.
    pub(crate) fn offset(&mut self, at: Begin) -> usize {
        let (characters, bytes) = match self.known {
            known if known.0 <= at.characters => known,
            _ => (0, 0),
        };
        let rest = &self.text[bytes..];
        let further = rest.char_indices().nth(at.characters - characters);
        let offset = bytes + further.map_or(rest.len(), |(offset, _)| offset);
        if further.is_some() {
            self.known = (at.characters, offset);
        }
        offset
    }

    /// The bytes of a scalar on one line, with its quotes. Its event begins with its tag and anchor.
    pub(crate) fn scalar(&mut self, at: Begin, style: ScalarStyle, value: &str) -> Range<usize> {
        let start = self.offset(at);
        let start = start + properties(&self.text[start..]);
        let rest = &self.text[start..];
        let length = match style {
            ScalarStyle::SingleQuoted => quoted(rest, '\'', '\''),
            ScalarStyle::DoubleQuoted => quoted(rest, '"', '\\'),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => value.len(),
        };
        start..start + length.min(rest.len())
    }
}

/// The length of the tag and the anchor before a scalar, with what separates them from it.
fn properties(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let end: &[char] = match rest.chars().next() {
            Some('#') => &['\r', '\n'],
            Some('&' | '!') => &[' ', '\t', '\r', '\n'],
            _ => return text.len() - rest.len(),
        };
        rest = &rest[rest.find(end).unwrap_or(rest.len())..];
    }
}

/// The length of a text in quotes, in which `escape` takes its meaning from a quote or whatever follows it.
fn quoted(text: &str, quote: char, escape: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let is_escape = char == escape && (escape != quote || next == Some(quote));
        if is_escape {
            chars.next();
        } else if char == quote {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalars of a text, each as the source writes it.
    fn written(text: &str) -> Vec<&str> {
        let mut events = Events::new(text);
        let mut found = Vec::new();
        loop {
            let (event, at) = events.next().unwrap();
            match event {
                Event::Scalar(value, style, ..) => {
                    found.push(&text[events.scalar(at, style, &value)]);
                }
                Event::StreamEnd => return found,
                _ => {}
            }
        }
    }

    #[test]
    fn scalars_are_found_where_the_source_has_them() {
        assert_eq!(written("a: b # c\n"), ["a", "b"]);
        assert_eq!(
            written("\u{feff}é: 'x''y'  # ü\r\n\"z\\\"\\\\\" : [ü, \"\"]\r\n"),
            ["é", "'x''y'", "\"z\\\"\\\\\"", "ü", "\"\""]
        );
        assert_eq!(
            written("- !t &x one\n- *x\n- &y # 'é'\n  !<tag:a> 'two' # three\n"),
            ["one", "'two'"]
        );
        assert_eq!(
            written("%YAML 1.2\n---\n- 1\n...\n---\n\t \n- é\n"),
            ["1", "é"]
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        let mut events = Events::new("\u{feff}a: [\n");
        let wrong = loop {
            if let Err(wrong) = events.next() {
                break wrong;
            }
        };
        assert!(wrong.at.line >= 1 && !wrong.why.is_empty());
        assert!(events.offset(wrong.at) <= "\u{feff}a: [\n".len());
    }
}
