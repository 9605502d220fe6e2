//! Resolves `{{ name }}`: the names visible at a place, and their substitution in strings.
//!
//! Applies to variables and matrix axes alike. A name is visible in the file that declares it and in the files that this one
//! includes. It cannot be shadowed, so that `--var` is unambiguous along a chain of includes.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::notes::Notes;
use crate::manifest::syntax::{Data, Value};
use crate::spec::rules::declared_name;
use crate::suggest::closest;

/// The label for a variable or template that is not declared in any visible file.
pub(in crate::manifest) const UNDECLARED: &str =
    "declared neither here nor in a file that includes this one";

const BRACES: &str = "for literal braces, write a raw string: `#\"…\"#`";

const LENGTH_LIMIT: usize = 64 * 1024;

/// The declarations of one file and of those that include it, by name.
pub(in crate::manifest) struct Seen<'a, T> {
    pub own: BTreeMap<String, T>,
    pub outer: Option<&'a Seen<'a, T>>,
}

/// The meaning of names at one place.
pub(in crate::manifest) type Scope<'a> = Seen<'a, Name>;

pub(in crate::manifest) static NO_NAMES: Scope<'static> = Seen::NOTHING;

pub(in crate::manifest) struct Name {
    /// The value; `None` if an error about it has been reported.
    pub value: Option<String>,
    pub place: Place,
}

impl<T> Seen<'_, T> {
    pub(in crate::manifest) const NOTHING: Self = Self {
        own: BTreeMap::new(),
        outer: None,
    };

    pub(in crate::manifest) fn find(&self, name: &str) -> Option<&T> {
        self.own
            .get(name)
            .or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }

    pub(in crate::manifest) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.own.keys().map(String::as_str).collect();
        names.extend(self.outer.map(Seen::names).unwrap_or_default());
        names
    }
}

impl Scope<'_> {
    /// The string value with names substituted; `None` if an error was reported. `what` names the field or part for messages.
    pub(in crate::manifest) fn text(
        &self,
        value: &Value,
        what: &str,
        notes: &mut Notes,
    ) -> Option<Spanned> {
        let (text, plain) = match &value.data {
            Data::Text { text, quoted: true } if text.contains("{{") => {
                (self.fill(text, &value.place, notes)?, false)
            }
            Data::Text { text, .. } => (text.clone(), true),
            data => {
                notes.tell(wrong_type(data, &value.place, what));
                return None;
            }
        };
        Some(Spanned {
            text,
            place: value.place,
            plain,
        })
    }

    fn fill(&self, text: &str, place: &Place, notes: &mut Notes) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        let mut fine = true;
        let mut count = 0;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((inside, after)) = after.split_once("}}") else {
                notes.tell(unclosed(&hole(text, count, "", place, notes)));
                return None;
            };
            match self.meaning(inside, &hole(text, count, inside, place, notes), notes) {
                Some(value) => out.push_str(value),
                None => fine = false,
            }
            if out.len() > LENGTH_LIMIT || !notes.spend(out.len(), place) {
                notes.tell(
                    Diagnostic::error("too-large", "a string grows beyond 64 KiB")
                        .at(*place, "after substitution of its variables"),
                );
                return None;
            }
            rest = after;
            count += 1;
        }
        fine.then(|| out + rest)
    }

    fn meaning(&self, inside: &str, place: &Place, notes: &mut Notes) -> Option<&str> {
        let name = inside.trim();
        if let Some(found) = self.find(name) {
            notes.use_of(&found.place, place);
            return found.value.as_deref();
        }
        if declared_name(name).is_err() {
            let message = format!("`{{{{{inside}}}}}` is not a variable");
            notes.tell(
                Diagnostic::error("unknown-variable", message)
                    .at(*place, "")
                    .help(BRACES),
            );
            return None;
        }
        // An unreadable part may declare it.
        if !notes.incomplete {
            notes.tell(self.unknown(name, place));
        }
        None
    }

    fn unknown(&self, name: &str, place: &Place) -> Diagnostic {
        let mistake = Diagnostic::error("unknown-variable", format!("unknown variable `{name}`"));
        mistake
            .unknown(place, closest(name, self.names()), UNDECLARED)
            .or_help(format!("declare it: `variable \"{name}\" default=\"…\"`"))
            .or_help("a matrix axis is visible only inside its image; raw strings (`#\"…\"#`) are taken literally")
    }
}

/// The place of the name in the `count`th pair of braces, or of the whole value if escapes make that hard to locate.
fn hole(text: &str, count: usize, inside: &str, place: &Place, notes: &Notes) -> Place {
    let source = &notes.sources.get(place.source).text;
    let (Some(written), true) = (source.get(place.span()), text.len() < 4096) else {
        return *place;
    };
    let mut holes = written.match_indices("{{").map(|(at, _)| at + 2);
    match holes.nth(count) {
        Some(at) if written[at..].starts_with(inside) => {
            let name = inside.trim();
            let start = place.start() + at + inside.len() - inside.trim_start().len();
            let span = if name.is_empty() {
                start - 2..start
            } else {
                start..start + name.len()
            };
            Place::new(place.source, span)
        }
        _ => *place,
    }
}

fn unclosed(place: &Place) -> Diagnostic {
    Diagnostic::error("syntax", "a `{{` is never closed")
        .at(*place, "a variable's name and `}}` must follow")
        .help(BRACES)
}

fn wrong_type(data: &Data, place: &Place, what: &str) -> Diagnostic {
    let (kind, mend) = match data {
        Data::Number(number) => ("a number", Some(number.clone())),
        Data::Bool(value) => ("a boolean", Some(value.to_string())),
        Data::Null | Data::Text { .. } => ("`#null`", None),
    };
    let mistake = Diagnostic::error("wrong-type", format!("`{what}` takes a string, not {kind}"));
    match mend {
        Some(mend) => mistake
            .at(*place, "strings need quotes here")
            .fix(*place, format!("\"{mend}\"")),
        None => mistake.at(*place, "").help(format!(
            "to discard inherited values, write `{what} reset=#true`"
        )),
    }
}
