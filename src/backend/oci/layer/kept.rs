//! Texts that are kept of a layer, because what is installed on it depends on them: accounts, the system's name, versions
//! of the C library and of Python.

use std::io::{self, Read};

/// The largest file that is kept as it is.
const LARGEST: u64 = 1 << 20;

/// The largest file that is searched.
const LARGEST_SEARCHED: u64 = 64 << 20;

/// Files that are kept as they are.
const WHOLE: [&str; 4] = [
    "etc/passwd",
    "etc/group",
    "etc/os-release",
    "usr/lib/os-release",
];

/// What is kept of a file.
enum Kept {
    Whole,
    /// The line in which glibc names its version.
    Glibc,
    /// The version in the program loader of musl.
    Musl,
    /// `name version` of Debian's packages of Python.
    Dpkg,
    /// The same of Alpine's packages of Python and the C library.
    Apk,
}

fn kept(path: &str, size: u64) -> Option<Kept> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let kind = match path {
        path if WHOLE.contains(&path) => Kept::Whole,
        "var/lib/dpkg/status" => Kept::Dpkg,
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Kept::Apk,
        _ if name == "libc.so.6" || is_old_glibc(name) => Kept::Glibc,
        _ if name.starts_with("ld-musl-") => Kept::Musl,
        _ => return None,
    };
    let largest = match kind {
        Kept::Whole => LARGEST,
        _ => LARGEST_SEARCHED,
    };
    (size <= largest).then_some(kind)
}

/// Whether this is a file to which older versions of glibc link its usual name.
fn is_old_glibc(name: &str) -> bool {
    let version = name.strip_prefix("libc-2.");
    version.is_some_and(|version| version.strip_suffix(".so").is_some())
}

/// Whether something of a file at this path is kept.
pub(super) fn is_kept(path: &str, size: u64) -> bool {
    kept(path, size).is_some()
}

/// What is kept of the file at this path; nothing of most files.
pub(super) fn text(path: &str, size: u64, file: impl Read) -> io::Result<Option<String>> {
    let Some(kind) = kept(path, size) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_SEARCHED).read_to_end(&mut bytes)?;
    Ok(match kind {
        Kept::Whole => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Kept::Glibc => glibc(&bytes),
        Kept::Musl => musl(&bytes),
        Kept::Dpkg => {
            let is_kept = |name: &str| name.starts_with("python3.") && name.ends_with("-minimal");
            Some(packages(&bytes, ["Package: ", "Version: "], is_kept))
        }
        Kept::Apk => {
            let is_kept = |name: &str| matches!(name, "python3" | "musl");
            Some(packages(&bytes, ["P:", "V:"], is_kept))
        }
    })
}

fn glibc(bytes: &[u8]) -> Option<String> {
    let name = b"GNU C Library";
    let at = bytes.windows(name.len()).position(|part| part == name)?;
    let line = &bytes[at..bytes.len().min(at + 300)];
    let line = line.split(|byte| matches!(byte, 0 | b'\n')).next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}

/// The only string of the form `1.2.3`.
fn musl(bytes: &[u8]) -> Option<String> {
    let is_version = |text: &&str| {
        let mut parts = text.split('.');
        parts.next() == Some("1")
            && parts.clone().count() == 2
            && parts.all(|part| part.parse::<u16>().is_ok())
    };
    let texts = bytes.split(|byte| *byte == 0);
    let mut texts = texts.filter_map(|text| std::str::from_utf8(text).ok());
    texts.find(is_version).map(str::to_owned)
}

/// `name version` of some packages of a package manager, a line each.
fn packages(bytes: &[u8], fields: [&str; 2], is_kept: impl Fn(&str) -> bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut all = String::new();
    for entry in text.split("\n\n") {
        let field = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(name), Some(version)) = (field(fields[0]), field(fields[1]))
            && is_kept(name)
        {
            all.push_str(&format!("{name} {version}\n"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(path: &str, content: &[u8]) -> Option<String> {
        text(path, content.len() as u64, content).unwrap()
    }

    #[test]
    fn versions_are_found_in_what_is_there() {
        let libc = b"\x7fELF\0\0GNU C Library (Debian GLIBC 2.36-9+deb12u9) stable release version 2.36.\nCopyright\0";
        let line = "GNU C Library (Debian GLIBC 2.36-9+deb12u9) stable release version 2.36.";
        for path in ["usr/lib/x86_64-linux-gnu/libc.so.6", "lib/libc-2.31.so"] {
            assert_eq!(kept(path, libc).as_deref(), Some(line));
        }
        let musl = b"\x7fELF\x001.2\x001.2.5\x00musl libc (x86_64)\nVersion %s\n\0";
        assert_eq!(
            kept("lib/ld-musl-x86_64.so.1", musl).as_deref(),
            Some("1.2.5")
        );
        let status = b"Package: python3\nVersion: 3.11.2-1+b1\n\nPackage: python3.11-minimal\nStatus: install ok installed\nVersion: 3.11.2-6\n";
        assert_eq!(
            kept("var/lib/dpkg/status", status).as_deref(),
            Some("python3.11-minimal 3.11.2-6\n")
        );
        let installed = b"C:x\nP:musl\nV:1.2.5-r1\n\nP:python3\nV:3.12.8-r1\n\nP:zlib\nV:1\n";
        assert_eq!(
            kept("lib/apk/db/installed", installed).as_deref(),
            Some("musl 1.2.5-r1\npython3 3.12.8-r1\n")
        );
        assert_eq!(kept("etc/passwd", b"root").as_deref(), Some("root"));
        assert_eq!(kept("etc/shadow", b"root"), None);
        assert_eq!(kept("lib/libc.so.6", b"no library"), None);
    }
}
