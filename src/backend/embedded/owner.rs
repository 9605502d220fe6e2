//! Owners of copied files: numbers, or names that the image's own lists know. Pure.

use crate::backend::oci::tree::Tree;

/// The numbers of a user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Owner {
    pub(super) user: u64,
    pub(super) group: u64,
}

impl Owner {
    /// The owner that `user` or `user:group` names in an image. A user without a group has its own, or for a number the
    /// group of the same number, as with Docker.
    pub(super) fn read(text: &str, tree: &Tree) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let (user, own) = if let Ok(number) = user.parse() {
            (number, number)
        } else {
            let [user, group] = numbers(tree, "etc/passwd", user, [2, 3])
                .ok_or_else(|| unknown("user", user, "etc/passwd"))?;
            (user, group)
        };
        let group = match group.map(|group| (group, group.parse())) {
            None => own,
            Some((_, Ok(number))) => number,
            Some((name, Err(_))) => {
                let [group] = numbers(tree, "etc/group", name, [2])
                    .ok_or_else(|| unknown("group", name, "etc/group"))?;
                group
            }
        };
        Ok(Self { user, group })
    }
}

/// The message for a name that the image does not know.
pub(super) fn unknown(what: &str, name: &str, list: &str) -> String {
    format!("there is no {what} `{name}` in the image (`/{list}`); give its number")
}

/// The numbers in these columns of the line for `name`.
fn numbers<const N: usize>(
    tree: &Tree,
    list: &str,
    name: &str,
    columns: [usize; N],
) -> Option<[u64; N]> {
    if name == "root" && tree.text(list).is_none() {
        return Some([0; N]);
    }
    let mut lines = tree.text(list)?.lines();
    let line = lines.find(|line| line.split(':').next() == Some(name))?;
    let parts: Vec<&str> = line.split(':').collect();
    let mut found = [0; N];
    for (number, column) in found.iter_mut().zip(columns) {
        *number = parts.get(column)?.trim().parse().ok()?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn names_are_those_of_the_image() {
        let tree = Tree::of_texts(&[
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\napp:x:7:8::/:\n\nbad:x:y:z\n",
            ),
            ("etc/group", "root:x:0:\nstaff:x:50:app\n"),
        ]);
        let read = |text: &str| Owner::read(text, &tree).map(|owner| (owner.user, owner.group));
        assert_eq!(read("app"), Ok((7, 8)));
        assert_eq!(read("app:staff"), Ok((7, 50)));
        assert_eq!(read("1000"), Ok((1000, 1000)));
        assert_eq!(read("1000:0"), Ok((1000, 0)));
        assert_eq!(read("root:1"), Ok((0, 1)));
        assert_eq!(read("app:"), Ok((7, 8)));
        let missing = "there is no user `nobody` in the image (`/etc/passwd`); give its number";
        assert_eq!(read("nobody"), Err(missing.to_owned()));
        assert!(
            read("app:nogroup")
                .unwrap_err()
                .contains("no group `nogroup`")
        );
        assert!(read("bad").is_err());
    }

    #[test]
    fn an_image_without_lists_still_has_root() {
        let tree = Tree::default();
        assert_eq!(Owner::read("root", &tree), Ok(Owner::default()));
        assert!(Owner::read("app", &tree).is_err());
    }
}
