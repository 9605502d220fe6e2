//! Paths inside images, and owners of files, with Docker's semantics. Pure.

/// Directories that installers read or write: a copy into one of them must not precede an installation.
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt/conda",
    "/sbin",
    "/usr",
    "/var",
];

/// Whether a path is in a directory that installers read or write.
pub(super) fn is_system(path: &str) -> bool {
    SYSTEM.iter().any(|folder| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_end_matches('/'), other.trim_end_matches('/'));
    let is_in = |path: &str, folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_in(one, other) || is_in(other, one)
}

/// Whether this is a directory of every base, which a copy into it does not take over.
pub(super) fn is_everyones(folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    matches!(
        folder,
        "" | "/home" | "/mnt" | "/opt" | "/root" | "/run" | "/srv" | "/tmp"
    ) || is_system(folder)
}

/// User and group of a numeric owner, root if there is none. `None` if the owner is not numeric.
pub(super) fn owner_numbers(owner: Option<&str>) -> Option<(u32, u32)> {
    let number = |text: &str| match text {
        "root" => Some(0),
        text => text.parse().ok(),
    };
    let Some(owner) = owner else {
        return Some((0, 0));
    };
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let user = number(user)?;
    // As with Docker: a number without a group is also its group.
    let group = if group.is_empty() {
        user
    } else {
        number(group)?
    };
    Some((user, group))
}

/// The owner in the form that `chown` expects.
pub(super) fn owner_word(owner: &str) -> String {
    // A trailing colon selects the user's own group.
    if owner.contains(':') {
        owner.to_owned()
    } else if owner.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{owner}:{owner}")
    } else {
        format!("{owner}:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_overlaps_with_what_is_above_and_below_it() {
        assert!(overlap("/a/b", "/a/") && overlap("/a", "/a/b") && overlap("/", "/a"));
        assert!(!overlap("/a/b", "/a/bc") && !overlap("a", "/a"));
    }

    #[test]
    fn owners_are_read_as_docker_reads_them() {
        let read =
            ["0", "root:5", "7", "7:8", "app", "7:app"].map(|owner| owner_numbers(Some(owner)));
        let wanted = [
            Some((0, 0)),
            Some((0, 5)),
            Some((7, 7)),
            Some((7, 8)),
            None,
            None,
        ];
        assert_eq!(read, wanted);
        assert_eq!(owner_numbers(None), Some((0, 0)));
        let words = ["7", "app", "app:8"].map(owner_word);
        assert_eq!(words, ["7:7", "app:", "app:8"]);
    }
}
