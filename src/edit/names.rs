//! Finds the package that a value refers to, so that a new requirement can replace an old one.

/// The package that a value requires. Values with equal names are requirements of the same package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub package: String,
    /// Environment marker: a package may have different requirements on two platforms.
    marker: String,
}

/// The name of a value; `None` if values of the field have no names, or this one has none.
pub(super) fn name_of(field: &str, value: &str) -> Option<Name> {
    let (package, marker) = match field {
        "packages" | "runtime-packages" => requirement(value)?,
        "apt-packages" => (value.split('=').next()?.to_owned(), String::new()),
        "conda-packages" => (conda(value)?, String::new()),
        _ => return None,
    };
    Some(Name { package, marker })
}

/// The package, if the value is nothing but its name.
pub(super) fn bare_name(field: &str, value: &str) -> Option<String> {
    let name = name_of(field, value)?;
    value.trim().chars().all(in_name).then_some(name.package)
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.+:".contains(c)
}

/// The name of a Python requirement, normalized according to PEP 503, and its marker. URLs and paths have no name.
fn requirement(value: &str) -> Option<(String, String)> {
    let value = value.trim();
    let end = value.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let (name, rest) = value.split_at(end.unwrap_or(value.len()));
    let follows = rest.trim_start().chars().next();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && follows.is_none_or(|c| "[(<>=!~;@".contains(c));
    let marker = rest.split_once(';').map_or("", |(_, marker)| marker);
    is_name.then(|| (normalised(name), marker.split_whitespace().collect()))
}

/// Lower case, with `-` in place of each run of `-`, `_` and `.`.
fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// The name of a conda package, without its channel.
fn conda(value: &str) -> Option<String> {
    let package = value.rsplit("::").next()?;
    let end = package.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let end = end.unwrap_or(package.len());
    (end > 0).then(|| package[..end].to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_of_one_package_have_one_name() {
        let name = |value| name_of("packages", value);
        let package = |field, value| name_of(field, value).map(|name| name.package);
        for value in [
            "torch==2.5",
            "Torch",
            "torch [cuda] >=2",
            "torch@ https://x/torch.whl",
            "torch~=2.0",
        ] {
            assert_eq!(
                package("packages", value).as_deref(),
                Some("torch"),
                "{value}"
            );
        }
        assert_eq!(name("Ruamel_.yaml>1"), name("ruamel-yaml"));
        assert_ne!(name("torch ; sys_platform == 'linux'"), name("torch"));
        assert_eq!(name("a; b=='c'"), name("a ;b == 'c'"));
        for value in [
            "https://x/y.whl",
            "./wheels/x.whl",
            "git+https://x/y",
            "wheels/x.whl",
            "-x",
            "",
        ] {
            assert_eq!(name(value), None, "{value}");
        }
        assert_eq!(
            package("apt-packages", "git=1:2.39").as_deref(),
            Some("git")
        );
        assert_eq!(
            package("conda-packages", "conda-forge::NumPy>=1.26").as_deref(),
            Some("numpy")
        );
        assert_eq!(package("commands", "make"), None);
        assert_eq!(bare_name("packages", "Torch").as_deref(), Some("torch"));
        assert_eq!(bare_name("packages", "torch==2"), None);
    }
}
