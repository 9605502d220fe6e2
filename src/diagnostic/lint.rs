//! The lints: what is probably a mistake, and may be meant. One table, from which everything else about them follows.
//!
//! Where a lint is found, its code is named; how bad it is, and whether a manifest may allow it, is said here. docs/lints.md
//! has the same list, with why and an example for each; a test compares the two.

use super::{Diagnostic, Severity};

/// One lint.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its stable name.
    pub code: &'static str,
    /// How bad it is unless somebody says otherwise.
    pub level: Severity,
    /// What it finds, in one sentence.
    pub summary: &'static str,
    /// Whether a manifest can allow it: it is about what a manifest says.
    pub is_allowable: bool,
}

const fn warning(code: &'static str, summary: &'static str) -> Lint {
    Lint {
        code,
        level: Severity::Warning,
        summary,
        is_allowable: true,
    }
}

/// All lints, by code.
pub static LINTS: [Lint; 17] = [
    warning(
        "ambiguous-base",
        "a base of a registry is called like an image of the workspace",
    ),
    warning(
        "empty-copy",
        "a directory is copied, and nothing is left of it",
    ),
    warning("floating-base", "a base has no tag, or `latest`"),
    warning(
        "install-command",
        "a command installs what a field could install",
    ),
    warning(
        "left-out",
        "a Dockerfile copies what is left out of its context",
    ),
    warning("no-effect", "a field means nothing beside the others"),
    warning(
        "no-ignore-file",
        "the directory of the manifest is copied, and nothing says what to leave out",
    ),
    Lint {
        is_allowable: false,
        ..warning(
            "not-included",
            "something is wrong, and a manifest above does not include this workspace",
        )
    },
    warning(
        "one-string-entrypoint",
        "an entrypoint is one text with blanks in it",
    ),
    warning(
        "scratch",
        "something is installed or run on `scratch`, which has no programs",
    ),
    warning(
        "secret-value",
        "a value of the environment looks like a secret",
    ),
    Lint {
        level: Severity::Error,
        ..warning("single-equals", "a Python package is pinned with one `=`")
    },
    Lint {
        is_allowable: false,
        ..warning(
            "state-committed",
            "the state directory `.imgspec` is committed to git",
        )
    },
    warning("unused-allow", "an `allow` allows nothing"),
    warning("unused-secret", "no step gets a secret"),
    warning("unused-template", "nothing extends a template"),
    warning("unused-variable", "nothing uses a variable"),
];

/// The lint of this code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.code == code)
}

impl Diagnostic {
    /// What a lint found, without a place yet.
    ///
    /// # Panics
    /// When there is no such lint.
    pub fn lint(code: &'static str, message: impl Into<String>) -> Self {
        let lint = find(code).expect("a lint of the table");
        Self {
            severity: lint.level,
            ..Self::error(code, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_summary_is_one_line() {
        assert!(LINTS.is_sorted_by(|one, next| one.code < next.code));
        for lint in &LINTS {
            let words = lint
                .code
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '-');
            assert!(words, "{}", lint.code);
            assert!(
                !lint.summary.contains(['\n', '.']) || lint.summary.contains("`."),
                "{}",
                lint.summary
            );
            assert_eq!(find(lint.code), Some(lint));
        }
        assert_eq!(find("nothing"), None);
    }
}
