//! What the documentation says about a field, a node or a lint. It is written once, in docs/, and shown from there.

/// The reference of manifests, and that of lints.
const MANIFEST: &str = include_str!("../../docs/manifest.md");
const LINTS: &str = include_str!("../../docs/lints.md");

/// An entry of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// One line.
    pub(super) summary: String,
    /// What kind of values it takes, and the default; for fields.
    pub(super) kind: Option<String>,
    /// Its section, as Markdown without links to other pages.
    pub(super) section: String,
}

/// The entry of a field.
pub(super) fn field(name: &str) -> Option<Entry> {
    let cells = row(section(MANIFEST, "fields")?, name)?;
    let [names, kind, default, summary] = cells.as_slice() else {
        return None;
    };
    let default = match *default {
        "" => String::new(),
        default => format!("; default: {default}"),
    };
    Some(Entry {
        summary: (*summary).to_owned(),
        kind: Some(format!("{kind}{default}")),
        section: without_links(section(MANIFEST, anchor(names)?)?),
    })
}

/// The entry of a node at the top of a file.
pub(super) fn node(name: &str) -> Option<Entry> {
    let cells = row(section(MANIFEST, "top-level-nodes")?, name)?;
    let [names, summary] = cells.as_slice() else {
        return None;
    };
    Some(Entry {
        summary: (*summary).to_owned(),
        kind: None,
        section: without_links(section(MANIFEST, anchor(names)?)?),
    })
}

/// The section about a lint.
pub(super) fn lint(code: &str) -> Option<String> {
    section(LINTS, code).map(without_links)
}

/// The cells of the row of a table whose first cell names this in backticks.
fn row<'t>(table: &'t str, name: &str) -> Option<Vec<&'t str>> {
    let rows = table.lines().filter(|line| line.starts_with("| ["));
    let mut rows = rows.map(|row| {
        let row = row.trim().trim_matches('|');
        row.split('|').map(str::trim).collect()
    });
    let named = format!("`{name}`");
    rows.find(|cells: &Vec<&str>| cells.first().is_some_and(|first| first.contains(&named)))
}

/// The anchor that a cell links to.
fn anchor(cell: &str) -> Option<&str> {
    Some(cell.split_once("](#")?.1.split_once(')')?.0)
}

/// The text below the heading with this anchor, up to the next heading.
fn section<'t>(page: &'t str, anchor: &str) -> Option<&'t str> {
    let mut offset = 0;
    let mut begin = None;
    for line in page.split_inclusive('\n') {
        let heading = line.trim_start_matches('#');
        if line.starts_with("##") && heading.starts_with(' ') {
            if let Some(begin) = begin {
                return Some(page[begin..offset].trim());
            }
            if anchor_of(heading) == anchor {
                begin = Some(offset + line.len());
            }
        }
        offset += line.len();
    }
    begin.map(|begin| page[begin..].trim())
}

/// The anchor of a heading, as Markdown renderers make it.
fn anchor_of(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// Replaces links within the documentation by their text: a client cannot follow them.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (target, after) = after.split_once(')').unwrap_or((after, ""));
        match before.rfind('[').filter(|_| !target.contains("://")) {
            Some(open) => {
                out += &before[..open];
                out += &before[open + 1..];
            }
            None => out += &format!("{before}]({target})"),
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::lint::LINTS;
    use crate::manifest::inside;
    use crate::spec::fields;

    #[test]
    fn everything_is_documented() {
        for name in fields::names() {
            let entry = field(name).unwrap_or_else(|| panic!("{name}"));
            assert!(!entry.summary.is_empty() && entry.kind.is_some(), "{name}");
            assert!(entry.section.len() > 20, "{name}: {}", entry.section);
            assert!(!entry.section.contains("](#"), "{}", entry.section);
        }
        for name in inside(&[]).nodes {
            let entry = node(name).unwrap_or_else(|| panic!("{name}"));
            assert!(
                !entry.summary.is_empty() && !entry.section.is_empty(),
                "{name}"
            );
        }
        for lint in &LINTS {
            assert!(
                super::lint(lint.code).is_some_and(|it| it.len() > 20),
                "{}",
                lint.code
            );
        }
        assert_eq!(
            (field("x"), node("x"), super::lint("x")),
            (None, None, None)
        );
    }

    #[test]
    fn a_field_is_told_with_its_kind_and_its_section() {
        let entry = field("cudnn").unwrap();
        assert_eq!(entry.summary, "use NVIDIA's image as base");
        let entry = field("workdir").unwrap();
        assert_eq!(
            entry.kind.as_deref(),
            Some("path in the image; default: the base's")
        );
        assert!(entry.section.starts_with("```kdl\nworkdir \"/app\"\n```\n"));
    }

    #[test]
    fn links_to_other_pages_become_text() {
        let text = "see [`lock`](commands.md#lock), [x](https://x/y) and [this](#that).";
        let plain = "see `lock`, [x](https://x/y) and this.";
        assert_eq!(without_links(text), plain);
        assert_eq!(without_links("a ](b"), "a ](b)");
    }
}
