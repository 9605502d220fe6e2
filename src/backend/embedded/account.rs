//! As whom a program of an image runs, by the rules that Docker follows: names and groups are those of the image. Pure.

use super::owner::unknown;
use crate::backend::oci::tree::Tree;
use crate::backend::sandbox::Ids;

/// A user of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) ids: Ids,
    /// The home directory.
    pub(super) home: String,
}

impl Account {
    /// The account for the `User` of a config: `name`, `uid`, `name:group` or `uid:gid`; root if it is empty. A number that the
    /// image does not list has the group 0, as with Docker.
    pub(super) fn read(user: &str, tree: &Tree) -> Result<Self, String> {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        let user = if user.is_empty() { "0" } else { user };
        let listed = tree.text("etc/passwd").unwrap_or_default().lines();
        let mut listed = listed.map(|line| line.split(':').collect::<Vec<_>>());
        let found = listed.find_map(|line| match line.as_slice() {
            [name, _, uid, gid, _, home, ..] if *name == user || *uid == user => {
                Some((*name, uid.parse().ok()?, gid.parse().ok()?, *home))
            }
            _ => None,
        });
        let (name, uid, own, home) = match (found, user.parse()) {
            (Some(found), _) => found,
            (None, Ok(uid)) => ("", uid, 0, "/"),
            (None, Err(_)) if user == "root" => ("root", 0, 0, "/"),
            (None, Err(_)) => return Err(unknown("user", user, "etc/passwd")),
        };
        let lines = tree.text("etc/group").unwrap_or_default().lines();
        let groups: Vec<(&str, u32, &str)> = lines
            .filter_map(|line| {
                let mut parts = line.split(':');
                let (name, number) = (parts.next()?, parts.nth(1)?);
                Some((name, number.parse().ok()?, parts.next().unwrap_or_default()))
            })
            .collect();
        let (gid, more) = if group.is_empty() {
            let is_in = |list: &str| !name.is_empty() && list.split(',').any(|each| each == name);
            let more = groups.iter().filter(|(_, _, list)| is_in(list));
            (
                own,
                more.map(|(_, number, _)| *number).collect::<Vec<u32>>(),
            )
        } else {
            let known = groups.iter().find(|(name, _, _)| *name == group);
            let number = known.map(|(_, number, _)| *number).or(group.parse().ok());
            let number = number.ok_or_else(|| unknown("group", group, "etc/group"))?;
            (number, Vec::new())
        };
        // The group itself is among the groups: a file that excludes a group must exclude it, too.
        let mut all: Vec<u32> = vec![gid];
        all.extend(more.into_iter().filter(|group: &u32| *group != gid));
        let home = if home.is_empty() { "/" } else { home };
        Ok(Self {
            ids: Ids {
                uid,
                gid,
                groups: all,
            },
            home: home.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn accounts_are_those_of_the_image() {
        let tree = Tree::of_texts(&[
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\napp:x:7:8::/srv/app:\nbad:x:y\n",
            ),
            (
                "etc/group",
                "root:x:0:\nstaff:x:50:app,www\naudio:x:29:app\nodd\n",
            ),
        ]);
        let read = |user: &str| {
            let account = Account::read(user, &tree)?;
            let Ids { uid, gid, groups } = account.ids;
            Ok::<_, String>((uid, gid, groups, account.home))
        };
        let home = |path: &str| path.to_owned();
        assert_eq!(read("").unwrap(), (0, 0, vec![0], home("/root")));
        assert_eq!(
            read("app").unwrap(),
            (7, 8, vec![8, 50, 29], home("/srv/app"))
        );
        assert_eq!(
            read("7").unwrap(),
            (7, 8, vec![8, 50, 29], home("/srv/app"))
        );
        assert_eq!(
            read("app:staff").unwrap(),
            (7, 50, vec![50], home("/srv/app"))
        );
        assert_eq!(read("1000").unwrap(), (1000, 0, vec![0], home("/")));
        assert_eq!(
            read("1000:1000").unwrap(),
            (1000, 1000, vec![1000], home("/"))
        );
        for unknown in ["nobody", "bad", "app:nogroup", "-1", "4294967296"] {
            assert!(read(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn an_image_without_lists_has_root() {
        let tree = Tree::default();
        for root in ["", "root", "0"] {
            let account = Account::read(root, &tree).unwrap();
            assert_eq!((account.ids.uid, account.home.as_str()), (0, "/"));
        }
    }
}
