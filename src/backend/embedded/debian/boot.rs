//! A base from nothing: what is there before the packages of a suite, and in which order they come. Pure.

use super::Package;
use super::lay::{Content, Laid, LayError};
use crate::spec::Debian;

/// Debian's archive.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// The archive of security updates.
const SECURITY: &str = "http://security.debian.org/debian-security";

/// Suites that have no updates beside them, because they are updated themselves.
const ROLLING: [&str; 4] = ["unstable", "sid", "experimental", "rc-buggy"];

/// The packages that come first: their directories have the attributes of the system, and scripts of others need accounts.
pub(super) const FIRST: [&str; 2] = ["base-files", "base-passwd"];

/// Where apt finds a suite's packages.
pub(super) fn sources(debian: &Debian) -> String {
    let suite = &debian.suite;
    let line = |archive: &str, suite: &str| format!("deb {archive} {suite} main\n");
    match &debian.mirror {
        Some(mirror) => line(mirror, suite),
        None if ROLLING.contains(&suite.as_str()) => line(ARCHIVE, suite),
        None => [
            line(ARCHIVE, suite),
            line(ARCHIVE, &format!("{suite}-updates")),
            line(SECURITY, &format!("{suite}-security")),
        ]
        .concat(),
    }
}

/// Directories of the root that are links into `/usr`, beside `bin`, `sbin` and `lib`.
fn libraries(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" => &["lib32", "lib64", "libx32"],
        "i386" => &["lib64", "libx32"],
        "mips64el" | "mipsel" => &["lib32", "lib64", "libo32"],
        "loong64" | "ppc64el" => &["lib64"],
        "s390x" => &["lib32"],
        _ => &[],
    }
}

/// Makes what is there before any package: a merged `/usr`, dpkg's empty files, and apt's sources.
pub(super) fn begin(laid: &mut Laid, architecture: &str, sources: &str) -> Result<(), LayError> {
    laid.put("usr", Content::Folder, 0o755)?;
    for name in ["bin", "lib", "sbin"].iter().chain(libraries(architecture)) {
        laid.put(&format!("usr/{name}"), Content::Folder, 0o755)?;
        laid.put(name, Content::Link(format!("usr/{name}")), 0o777)?;
    }
    for name in ["available", "diversions", "statoverride"] {
        laid.put(
            &format!("var/lib/dpkg/{name}"),
            Content::Text(Vec::new()),
            0o644,
        )?;
    }
    let sources = Content::Text(sources.as_bytes().to_vec());
    laid.put("etc/apt/sources.list", sources, 0o644)
}

/// What a system has besides the packages of its variant: for a merged `/usr`, the small package that says so, rather than
/// the one that makes it with perl. Later suites need neither.
pub(super) fn besides(debian: &Debian) -> Vec<String> {
    let is_between = debian.suite.starts_with("bookworm");
    let name = is_between.then(|| "usr-is-merged".to_owned());
    name.into_iter().collect()
}

/// The packages in the order in which they are laid down.
pub(super) fn ordered(packages: &mut [Package]) {
    packages.sort_by_key(|package| {
        let first = FIRST.iter().position(|name| *name == package.name);
        first.unwrap_or(FIRST.len())
    });
}
