//! Owners of files, as Docker reads them. Pure.

/// User and group of a numeric owner; none given means root.
pub(super) fn numbers(owner: Option<&str>) -> Option<(u32, u32)> {
    let number = |text: &str| match text {
        "root" => Some(0),
        text => text.parse().ok(),
    };
    let Some(owner) = owner else {
        return Some((0, 0));
    };
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let user = number(user)?;
    // As with Docker: a number without a group is its own group.
    let group = if group.is_empty() {
        user
    } else {
        number(group)?
    };
    Some((user, group))
}

/// The same owner as the word that `chown` takes.
pub(super) fn word(owner: &str) -> String {
    // With a name alone, its own group.
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
    fn owners_are_read_as_docker_reads_them() {
        let read = ["0", "root:5", "7", "7:8", "app", "7:app"].map(|owner| numbers(Some(owner)));
        let wanted = [
            Some((0, 0)),
            Some((0, 5)),
            Some((7, 7)),
            Some((7, 8)),
            None,
            None,
        ];
        assert_eq!(read, wanted);
        assert_eq!(numbers(None), Some((0, 0)));
        let words = ["7", "app", "app:8"].map(word);
        assert_eq!(words, ["7:7", "app:", "app:8"]);
    }
}
