//! Subordinate ids: which ranges an ordinary user was given, and the two helpers of the system, set-user-id root, that map them.

use std::fs;
use std::io;
use std::process::Command;

use rustix::process::{getgid, getuid};

use super::plan::Mode;

/// How many ids distributions use, and therefore how many a range needs to have.
const ENOUGH: u32 = 65_535;

/// The mode with subordinate ids, if this user has enough of them and the helpers are installed.
pub(super) fn subordinate() -> Option<Mode> {
    for helper in ["newuidmap", "newgidmap"] {
        which::which(helper).ok()?;
    }
    let uid = getuid().as_raw();
    let name = name(uid);
    let range = |file: &str| {
        let text = fs::read_to_string(file).ok()?;
        range_of(&text, uid, name.as_deref())
    };
    Some(Mode::Subordinate {
        uids: range("/etc/subuid")?,
        gids: range("/etc/subgid")?,
    })
}

/// The name of a user in `/etc/passwd`.
fn name(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let user = users.lines().find(|line| {
        let id = line.split(':').nth(2);
        id.is_some_and(|it| it.parse() == Ok(uid))
    })?;
    user.split(':').next().map(str::to_owned)
}

/// The first range that is large enough, in lines of `user:first:count`, where the user is a name or a number.
fn range_of(text: &str, uid: u32, name: Option<&str>) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let user = parts.next()?;
        if user.parse() != Ok(uid) && Some(user) != name {
            return None;
        }
        let first: u32 = parts.next()?.trim().parse().ok()?;
        let count: u32 = parts.next()?.trim().parse().ok()?;
        (count >= ENOUGH).then_some((first, count))
    })
}

/// Maps ids of a process that has just entered a user namespace: 0 is the user who runs this, the others are subordinate.
pub(super) fn map(pid: u32, uids: (u32, u32), gids: (u32, u32)) -> io::Result<()> {
    let own = (getuid().as_raw(), getgid().as_raw());
    for (helper, own, (first, count)) in [("newuidmap", own.0, uids), ("newgidmap", own.1, gids)] {
        let mut command = Command::new(helper);
        command.arg(pid.to_string());
        for number in [0, own, 1, 1, first, count] {
            command.arg(number.to_string());
        }
        let output = command.output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{helper}: {}", why.trim())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn a_range_is_found_by_name_or_number_if_it_is_large_enough() {
        let text = "other:1:65536\nme:7:100\n1000:100000:65536\nme:300000:65536\n";
        assert_eq!(range_of(text, 1000, Some("me")), Some((100_000, 65536)));
        assert_eq!(range_of(text, 1001, Some("me")), Some((300_000, 65536)));
        assert_eq!(range_of(text, 1002, None), None);
        assert_eq!(range_of("me\nme:x:y\n", 1, Some("me")), None);
    }
}
