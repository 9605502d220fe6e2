//! The table of lints, which report things that are probably mistakes but may be intended.
//!
//! The code that detects a lint refers to it by its code; its level and whether a manifest may allow it are defined here.
//! docs/lints.md has the same list with a rationale and an example for each, and a test compares the two.

use super::{Diagnostic, Severity};

/// A lint.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// Stable name.
    pub code: &'static str,
    /// Default severity.
    pub level: Severity,
    /// What the lint detects, in one sentence.
    pub summary: &'static str,
    /// Whether a manifest can allow the lint, which makes sense only for lints about its own contents.
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

/// All lints, sorted by code.
pub static LINTS: [Lint; 19] = [
    warning(
        "ambiguous-base",
        "a registry base has the same name as an image of the workspace",
    ),
    warning("empty-copy", "a copied directory has no files left to copy"),
    warning("floating-base", "a base has no tag, or `latest`"),
    warning(
        "install-command",
        "a command installs what a field could install",
    ),
    warning(
        "left-out",
        "a Dockerfile copies files that are excluded from its context",
    ),
    warning(
        "no-effect",
        "a field has no effect in combination with others",
    ),
    warning(
        "no-ignore-file",
        "the manifest's directory is copied without an ignore file",
    ),
    Lint {
        is_allowable: false,
        ..warning(
            "not-included",
            "there are errors, and a manifest above does not include this workspace",
        )
    },
    warning(
        "one-string-entrypoint",
        "an entrypoint is a single string with spaces",
    ),
    warning(
        "scratch",
        "something is installed or run on `scratch`, which has no programs",
    ),
    warning(
        "secret-value",
        "the value of an environment variable, a label or a build argument looks like a secret",
    ),
    Lint {
        level: Severity::Error,
        ..warning("single-equals", "a Python package is pinned with one `=`")
    },
    Lint {
        is_allowable: false,
        ..warning(
            "stale-lock",
            "the lock has packages of an image for other requirements",
        )
    },
    Lint {
        is_allowable: false,
        ..warning(
            "state-committed",
            "the state directory `.imgspec` is committed to git",
        )
    },
    warning(
        "unselected-image",
        "no group selects an image, and no image needs it",
    ),
    warning("unused-allow", "an `allow` allows nothing"),
    warning("unused-secret", "a secret is not used by any step"),
    warning("unused-template", "nothing extends a template"),
    warning("unused-variable", "nothing uses a variable"),
];

/// Returns the lint with this code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.code == code)
}

impl Diagnostic {
    /// A diagnostic for a lint, as yet without a place.
    ///
    /// # Panics
    /// Panics if there is no lint with this code.
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
