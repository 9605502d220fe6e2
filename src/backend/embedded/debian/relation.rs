//! The relations between packages, as in `Depends: libc6 (>= 2.36), default-mta | mail-transport-agent`. Pure.

use std::fmt;

use super::version::{Comparison, Version};

/// The most relations that a field may have: Debian's longest has some hundreds.
const MOST: usize = 20_000;

/// One package that a relation names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) name: String,
    /// What follows the name after a colon: `any`, or an architecture.
    pub(super) architecture: Option<String>,
    /// The versions that are meant; all without it.
    pub(super) version: Option<(Comparison, String)>,
}

/// Alternatives, the preferred one first.
pub(super) type Group = Vec<Relation>;

impl Relation {
    /// Any version of a package.
    pub(super) fn to(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            architecture: None,
            version: None,
        }
    }

    /// Whether a version is meant. One that cannot be compared is not.
    pub(super) fn fits(&self, version: &str) -> bool {
        let Some((comparison, wanted)) = &self.version else {
            return true;
        };
        if wanted == version {
            return !matches!(comparison, Comparison::Earlier | Comparison::Later);
        }
        match (Version::read(version), Version::read(wanted)) {
            (Some(version), Some(wanted)) => comparison.holds(&version, &wanted),
            _ => false,
        }
    }

    /// Whether what a package provides in this version, or in none, is meant.
    pub(super) fn fits_provided(&self, version: Option<&str>) -> bool {
        match version {
            Some(version) => self.fits(version),
            None => self.version.is_none(),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(out, ":{architecture}")?;
        }
        match &self.version {
            Some((comparison, version)) => write!(out, " ({comparison} {version})"),
            None => Ok(()),
        }
    }
}

/// Alternatives as they are written.
pub(super) fn words(group: &[Relation]) -> String {
    let each: Vec<String> = group.iter().map(ToString::to_string).collect();
    each.join(" | ")
}

/// Reads the value of a field such as `Depends`.
pub(super) fn read(text: &str) -> Result<Vec<Group>, String> {
    let mut groups = Vec::new();
    let mut count = 0;
    for group in text.split(',') {
        // A comma at the end is nothing.
        if group.trim().is_empty() {
            continue;
        }
        let group: Result<Group, String> = group.split('|').map(relation).collect();
        let group = group?;
        count += group.len();
        if count > MOST {
            return Err(format!("it has more than {MOST} relations"));
        }
        groups.push(group);
    }
    Ok(groups)
}

/// Reads the value of a field without alternatives, such as `Conflicts` or `Provides`.
pub(super) fn read_flat(text: &str) -> Result<Vec<Relation>, String> {
    let mut all = Vec::new();
    for mut group in read(text)? {
        if group.len() != 1 {
            return Err(format!("`{}` are alternatives", words(&group)));
        }
        all.append(&mut group);
    }
    Ok(all)
}

fn relation(text: &str) -> Result<Relation, String> {
    let text = text.trim();
    let refused = || format!("`{text}` is no relation to a package");
    let (name, rest) = match text.find(|c: char| c == '(' || c.is_whitespace()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (name, None),
    };
    let is_architecture = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !is_name(name) || architecture.is_some_and(|text| !is_architecture(text)) {
        return Err(refused());
    }
    Ok(Relation {
        name: name.to_owned(),
        architecture: architecture.map(str::to_owned),
        version: match rest.trim() {
            "" => None,
            rest => Some(version(rest).ok_or_else(refused)?),
        },
    })
}

/// Reads `(>= 1.2)`.
fn version(text: &str) -> Option<(Comparison, String)> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?.trim();
    let start = inner.find(|c: char| !matches!(c, '<' | '=' | '>'))?;
    let (sign, version) = inner.split_at(start);
    let version = version.trim();
    let is_fine = is_version(version);
    is_fine.then_some((Comparison::read(sign)?, version.to_owned()))
}

/// Whether this can be the name of a package; old packages have capitals and underscores in the names of what they provide.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

/// Whether this can be a version: nothing that could lead elsewhere in a path.
pub(super) fn is_version(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-._~:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_read_as_they_are_written() {
        let text = "libc6 (>= 2.36), python3:any (<< 3.12) | python3.11:any ,\n a(=1:2~3-4),perl:amd64|  x+y , ";
        let groups = read(text).unwrap();
        let words: Vec<String> = groups.iter().map(|group| words(group)).collect();
        let wanted = [
            "libc6 (>= 2.36)",
            "python3:any (<< 3.12) | python3.11:any",
            "a (= 1:2~3-4)",
            "perl:amd64 | x+y",
        ];
        assert_eq!(words, wanted);
        assert!(read("").unwrap().is_empty());
        assert_eq!(read_flat("a, b (= 1)").unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for wrong in [
            "a b",
            "(>= 1)",
            "a (1)",
            "a (>= )",
            "a (>= 1",
            "a (=> 1)",
            "a |",
            "| a",
            "a [amd64]",
            "a <!x>",
            "../a",
            "a:",
            "a:/",
            "a (= ../1)",
            "é",
            "a (>= 1) b",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read_flat("a | b").is_err());
        assert!(read(&"a,".repeat(MOST + 1)).is_err());
    }

    #[test]
    fn a_relation_knows_which_versions_it_means() {
        let fits = |text: &str, version: &str| read(text).unwrap()[0][0].fits(version);
        assert!(fits("a", "1") && fits("a (= 1)", "1") && fits("a (>= 1)", "1"));
        assert!(!fits("a (<< 1)", "1") && !fits("a (>> 1)", "1"));
        assert!(fits("a (<< 1)", "1~rc1") && fits("a (>> 1.9)", "1.10"));
        assert!(!fits("a (>= 1)", "no version"));
        let provided = |text: &str, version| read(text).unwrap()[0][0].fits_provided(version);
        assert!(provided("a", None) && provided("a", Some("1")) && provided("a (>= 1)", Some("2")));
        assert!(!provided("a (>= 1)", None) && !provided("a (>= 1)", Some("0")));
    }
}
