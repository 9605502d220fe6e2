//! Matches images against wanted platforms. Pure.
//!
//! Properties that an image does not declare match anything (old images omit the variant); declared ones must be equal.

use std::fmt;

use serde::Deserialize;

/// A platform as in image configs and indexes: <https://github.com/opencontainers/image-spec/blob/main/image-index.md>.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Platform {
    #[serde(default, alias = "Os")]
    pub(crate) os: String,
    #[serde(default, alias = "Architecture")]
    pub(crate) architecture: String,
    #[serde(default, alias = "Variant")]
    pub(crate) variant: String,
}

impl Platform {
    /// Reads `linux/arm64` or `linux/arm/v7`.
    pub(crate) fn read(text: &str) -> Self {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self {
            os: next(),
            architecture: next(),
            variant: next(),
        }
    }

    /// Whether this platform matches `wanted`, such as `linux/arm64` or `linux/arm/v7`.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        let mut parts = wanted.split('/');
        let os = parts.next().unwrap_or_default();
        let architecture = parts.next().unwrap_or_default();
        let variant = usual(architecture, parts.next().unwrap_or_default());
        let same = |own: &str, wanted: &str| own.is_empty() || own == wanted;
        let own = usual(&self.architecture, &self.variant);
        same(&self.os, os)
            && same(&self.architecture, architecture)
            && (self.variant.is_empty() || own == variant)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(to, "/{variant}"),
        }
    }
}

/// The variant, or an empty string if it is the default of the architecture.
fn usual<'a>(architecture: &str, variant: &'a str) -> &'a str {
    match (architecture, variant) {
        ("arm64", "v8") | ("amd64", "v1") => "",
        (_, variant) => variant,
    }
}

pub(crate) fn missing<'a>(there: &[Platform], wanted: &'a [String]) -> Vec<&'a str> {
    let is_missing = |wanted: &&String| !there.iter().any(|platform| platform.is(wanted));
    wanted
        .iter()
        .filter(is_missing)
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(os: &str, architecture: &str, variant: &str) -> Platform {
        Platform {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.into(),
        }
    }

    #[test]
    fn platforms_are_told_apart_as_far_as_they_say() {
        let arm = platform("linux", "arm64", "v8");
        assert!(arm.is("linux/arm64") && arm.is("linux/arm64/v8") && !arm.is("linux/amd64"));
        let old = platform("linux", "arm", "");
        assert!(old.is("linux/arm/v7") && old.is("linux/arm/v6"));
        let seven = platform("linux", "arm", "v7");
        assert!(seven.is("linux/arm/v7") && !seven.is("linux/arm/v6"));
        let three = platform("linux", "amd64", "v3");
        assert!(three.is("linux/amd64/v3") && !three.is("linux/amd64"));
        assert!(Platform::default().is("linux/amd64"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let there = [platform("linux", "amd64", "")];
        let wanted = ["linux/amd64".to_owned(), "linux/arm64".to_owned()];
        assert_eq!(missing(&there, &wanted), ["linux/arm64"]);
    }
}
