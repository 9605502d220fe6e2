//! A base from nothing: what is there before the packages of a suite, and in which order they come. Pure.

use super::Package;
use super::lay::{Content, Laid, LayError};
use crate::spec::Debian;

/// Debian's archive.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// The archive of security updates.
const SECURITY: &str = "http://security.debian.org/debian-security";

/// The archive of snapshots of both.
const SNAPSHOTS: &str = "http://snapshot.debian.org/archive";

/// Suites that have no updates beside them, because they are updated themselves.
const ROLLING: [&str; 4] = ["unstable", "sid", "experimental", "rc-buggy"];

/// The packages that come first: their directories have the attributes of the system, and scripts of others need accounts.
pub(super) const FIRST: [&str; 2] = ["base-files", "base-passwd"];

/// Where apt finds a suite's packages. A snapshot stays as it is signed, so what it says of until when it holds does not count.
pub(super) fn sources(debian: &Debian) -> String {
    let Debian {
        suite,
        mirror,
        snapshot,
        variant: _,
    } = debian;
    let mirror = mirror.as_deref();
    if let Some(time) = snapshot {
        let archive = |name: &str| {
            let all = mirror.unwrap_or(SNAPSHOTS);
            format!("[check-valid-until=no] {all}/{name}/{time}")
        };
        return lines(suite, &archive("debian"), &archive("debian-security"));
    }
    match mirror {
        Some(mirror) => line(mirror, suite),
        None => lines(suite, ARCHIVE, SECURITY),
    }
}

/// A suite with what it has beside it.
fn lines(suite: &str, archive: &str, security: &str) -> String {
    if ROLLING.contains(&suite) {
        return line(archive, suite);
    }
    [
        line(archive, suite),
        line(archive, &format!("{suite}-updates")),
        line(security, &format!("{suite}-security")),
    ]
    .concat()
}

fn line(archive: &str, suite: &str) -> String {
    format!("deb {archive} {suite} main\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_of_all_archives_of_a_suite_and_does_not_expire() {
        let of = |suite: &str, mirror: Option<&str>, snapshot: Option<&str>| {
            sources(&Debian {
                mirror: mirror.map(str::to_owned),
                snapshot: snapshot.map(str::to_owned),
                ..Debian::new(suite)
            })
        };
        let time = Some("20250520T000000Z");
        let all = "[check-valid-until=no] http://snapshot.debian.org/archive";
        assert_eq!(
            of("bookworm", None, time),
            format!(
                "deb {all}/debian/20250520T000000Z bookworm main\n\
                 deb {all}/debian/20250520T000000Z bookworm-updates main\n\
                 deb {all}/debian-security/20250520T000000Z bookworm-security main\n"
            )
        );
        assert_eq!(
            of("sid", Some("https://snapshots.example/archive"), time),
            "deb [check-valid-until=no] https://snapshots.example/archive/debian/20250520T000000Z sid main\n"
        );
        assert_eq!(
            of("bookworm", Some("https://mirror.example/debian"), None),
            "deb https://mirror.example/debian bookworm main\n"
        );
    }
}
