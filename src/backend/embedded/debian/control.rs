//! Reads the format of Debian's control files: stanzas of fields, separated by empty lines. Pure; borrows from the text.

use std::fmt;

/// One stanza: names and values in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stanza<'a> {
    fields: Vec<(&'a str, &'a str)>,
    text: &'a str,
}

impl<'a> Stanza<'a> {
    /// The value of a field, whose name may have any case. Further lines of the value follow as they are, each after its
    /// line end.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }

    /// The value of a field that has one line, or an empty text.
    pub(super) fn line(&self, name: &str) -> &'a str {
        let value = self.get(name).unwrap_or_default();
        value.lines().next().unwrap_or_default()
    }

    /// Whether a field says `yes`.
    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.line(name).eq_ignore_ascii_case("yes")
    }

    /// All fields.
    pub(super) fn fields(&self) -> &[(&'a str, &'a str)] {
        &self.fields
    }

    /// The stanza as it is written, without the empty line after it.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ControlError {
    /// From 1.
    line: usize,
    why: String,
}

impl fmt::Display for ControlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.why)
    }
}

/// The stanzas of a text, one after the other. After an error there are no more.
pub(super) fn stanzas(text: &str) -> Stanzas<'_> {
    Stanzas {
        text,
        at: 0,
        line: 0,
    }
}

/// The only stanza of a text, as in a package.
pub(super) fn single(text: &str) -> Result<Stanza<'_>, ControlError> {
    let refused = |why: &str| ControlError {
        line: 1,
        why: why.to_owned(),
    };
    let mut all = stanzas(text);
    let first = all.next().ok_or_else(|| refused("there is nothing"))??;
    match all.next() {
        None => Ok(first),
        Some(_) => Err(refused("there is more than one stanza")),
    }
}

/// See [`stanzas`].
#[derive(Debug)]
pub(super) struct Stanzas<'a> {
    text: &'a str,
    at: usize,
    /// How many lines were read.
    line: usize,
}

impl<'a> Stanzas<'a> {
    /// The next line, without its end, and where it starts.
    fn next_line(&mut self) -> Option<(usize, &'a str)> {
        let start = self.at;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.at += end;
        self.line += 1;
        Some((start, rest[..end].trim_end_matches(['\n', '\r'])))
    }

    fn refuse(&mut self, why: String) -> ControlError {
        self.at = self.text.len();
        ControlError {
            line: self.line,
            why,
        }
    }

    fn stanza(&mut self) -> Result<Option<Stanza<'a>>, ControlError> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        // Where the value of the last field starts.
        let (mut start, mut value, mut end) = (0, 0, 0);
        while let Some((at, line)) = self.next_line() {
            if line.trim_matches([' ', '\t']).is_empty() {
                if fields.is_empty() {
                    continue;
                }
                break;
            }
            end = at + line.len();
            if line.starts_with([' ', '\t']) {
                match fields.last_mut() {
                    Some(last) => last.1 = &self.text[value..end],
                    None => return Err(self.refuse("it begins with a blank".to_owned())),
                }
                continue;
            }
            let Some((name, rest)) = line.split_once(':').filter(|(name, _)| is_name(name)) else {
                return Err(self.refuse("it is no `Field: value`".to_owned()));
            };
            if fields
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                return Err(self.refuse(format!("`{name}` is there twice")));
            }
            if fields.is_empty() {
                start = at;
            }
            let rest = rest.trim_start_matches([' ', '\t']);
            value = end - rest.len();
            fields.push((name, rest.trim_end_matches([' ', '\t'])));
        }
        let text = &self.text[start..end];
        Ok((!fields.is_empty()).then_some(Stanza { fields, text }))
    }
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.stanza().transpose()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '#'])
        && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_have_fields_in_order_and_values_of_several_lines() {
        let text = "\n\nPackage: a\nDescription: short \n long\n .\n more\nEmpty:\n \t\npackage: b\r\nX: y\r\n";
        let all: Vec<_> = stanzas(text).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("package"), Some("a"));
        assert_eq!(all[0].get("Description"), Some("short \n long\n .\n more"));
        assert_eq!(all[0].line("Description"), "short ");
        assert_eq!(all[0].get("empty"), Some(""));
        assert_eq!(all[0].get("none"), None);
        assert_eq!(
            all[0].text(),
            "Package: a\nDescription: short \n long\n .\n more\nEmpty:"
        );
        assert_eq!(all[1].fields(), [("package", "b"), ("X", "y")]);
        assert!(single("A: yes").unwrap().is_yes("a"));
        assert_eq!(stanzas("\n \n").count(), 0);
    }

    #[test]
    fn what_is_no_stanza_is_told_with_its_line() {
        let told = |text: &str| {
            let mut all = stanzas(text);
            let error = all.find_map(Result::err).unwrap().to_string();
            assert!(all.next().is_none());
            error
        };
        assert_eq!(
            told("A: b\nno field\nC: d"),
            "line 2: it is no `Field: value`"
        );
        assert_eq!(told("A: b\n\n c"), "line 3: it begins with a blank");
        assert_eq!(told("A: b\na: c"), "line 2: `a` is there twice");
        assert_eq!(told(": b"), "line 1: it is no `Field: value`");
        assert_eq!(told("-a: b"), "line 1: it is no `Field: value`");
        assert_eq!(
            single("").unwrap_err().to_string(),
            "line 1: there is nothing"
        );
        let two = single("A: b\n\nC: d").unwrap_err();
        assert_eq!(two.to_string(), "line 1: there is more than one stanza");
    }
}
