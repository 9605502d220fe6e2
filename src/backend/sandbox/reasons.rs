//! What forbids a sandbox, from what was refused and from what the machine says about itself, and which setting would allow it.

use std::fs;
use std::path::Path;

use super::error::Forbidden;
use super::plan::Trouble;

/// What the machine says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `kernel.apparmor_restrict_unprivileged_userns`: whether only programs with a profile may use user namespaces.
    pub(super) apparmor: bool,
    /// `kernel.unprivileged_userns_clone` is 0, as on some older distributions.
    pub(super) switched_off: bool,
    /// `user.max_user_namespaces` is 0.
    pub(super) none_allowed: bool,
    /// Whether system calls of this process are filtered, as in a container.
    pub(super) filtered: bool,
    /// The kernel's release.
    pub(super) kernel: String,
    /// Where it was tried.
    pub(super) place: String,
}

impl Facts {
    pub(super) fn read(place: &Path) -> Self {
        let setting = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok();
        let is = |name: &str, value: &str| setting(name).is_some_and(|it| it.trim() == value);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            apparmor: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
            switched_off: is("kernel/unprivileged_userns_clone", "0"),
            none_allowed: is("user/max_user_namespaces", "0"),
            filtered: status.lines().any(|line| line == "Seccomp:\t2"),
            kernel: setting("kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            place: place.display().to_string(),
        }
    }
}

/// The numbers of errors that mean the same on every Linux.
const EPERM: i32 = 1;
const EACCES: i32 = 13;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const ENOSYS: i32 = 38;

/// Names what forbids a sandbox.
pub(super) fn explain(trouble: &Trouble, facts: &Facts) -> Forbidden {
    let (why, mend) = match (trouble.errno.unwrap_or_default(), trouble.step.as_str()) {
        (ENOSPC, "enter namespaces") if facts.none_allowed => (
            "user namespaces are forbidden (`user.max_user_namespaces` is 0)".to_owned(),
            "allow them (`sysctl user.max_user_namespaces=10000`), or run as root".to_owned(),
        ),
        (ENOSPC, "enter namespaces") => (
            "there are as many namespaces as the machine allows".to_owned(),
            "raise `user.max_user_namespaces`".to_owned(),
        ),
        (EPERM | EACCES, _) if facts.apparmor => (
            "AppArmor forbids user namespaces (`kernel.apparmor_restrict_unprivileged_userns` is 1)".to_owned(),
            "allow them (`sysctl kernel.apparmor_restrict_unprivileged_userns=0`), or run as root".to_owned(),
        ),
        (EPERM, _) if facts.switched_off => (
            "user namespaces are switched off (`kernel.unprivileged_userns_clone` is 0)".to_owned(),
            "switch them on (`sysctl kernel.unprivileged_userns_clone=1`), or run as root".to_owned(),
        ),
        (EPERM, "mount /proc") => (
            "parts of /proc are hidden, as in a container, so that it cannot be mounted anew".to_owned(),
            "start the container with `--security-opt systempaths=unconfined`, or with `--privileged`".to_owned(),
        ),
        (EPERM | ENOSYS, step) if facts.filtered => (
            format!("system calls are filtered, as in a container, and it cannot {step}"),
            "start the container with `--security-opt seccomp=unconfined`, or with `--privileged`".to_owned(),
        ),
        (ENODEV, "mount the overlay") => (
            "the kernel has no overlayfs".to_owned(),
            "load it (`modprobe overlay`)".to_owned(),
        ),
        (EINVAL, "mount the overlay") => (
            format!("overlayfs does not work in `{}`, which may be on overlayfs or on a network", facts.place),
            "set `IMGSPEC_CACHE` to a directory on a disk".to_owned(),
        ),
        (EPERM | ENOSYS | EINVAL, step) => (
            format!("Linux {} cannot {step}: {}", facts.kernel, trouble.why),
            "use Linux 5.12 or later, or run as root".to_owned(),
        ),
        (_, step) => (
            format!("the sandbox cannot {step}: {}", trouble.why),
            "run as root, or build with another builder".to_owned(),
        ),
    };
    Forbidden { why, mend }
}

#[cfg(test)]
mod tests {
    use super::{EINVAL, ENODEV, ENOSPC, EPERM, Facts, explain};
    use crate::backend::sandbox::plan::Trouble;

    fn why(errno: i32, step: &str, facts: &Facts) -> String {
        let trouble = Trouble {
            step: step.to_owned(),
            errno: Some(errno),
            why: "refused".to_owned(),
        };
        explain(&trouble, facts).to_string()
    }

    #[test]
    fn each_setting_that_forbids_it_is_named() {
        let none = Facts::default();
        let user = "enter namespaces";
        let facts = |set: fn(&mut Facts)| {
            let mut facts = Facts::default();
            set(&mut facts);
            facts
        };
        let told = [
            why(ENOSPC, user, &facts(|it| it.none_allowed = true)),
            why(EPERM, "enter namespaces", &facts(|it| it.apparmor = true)),
            why(EPERM, user, &facts(|it| it.switched_off = true)),
            why(EPERM, user, &facts(|it| it.filtered = true)),
            why(EPERM, "mount /proc", &none),
            why(ENODEV, "mount the overlay", &none),
            why(
                EINVAL,
                "mount the overlay",
                &facts(|it| it.place = "/on/a/network".into()),
            ),
            why(
                EPERM,
                "mount the overlay",
                &facts(|it| it.kernel = "5.4.0".into()),
            ),
            why(5, "start a process", &none),
        ];
        let named = [
            "user.max_user_namespaces",
            "kernel.apparmor_restrict_unprivileged_userns=0",
            "kernel.unprivileged_userns_clone=1",
            "seccomp=unconfined",
            "systempaths=unconfined",
            "modprobe overlay",
            "`/on/a/network`, which may be on overlayfs or on a network; set `IMGSPEC_CACHE`",
            "5.4.0",
            "cannot start a process",
        ];
        for (told, named) in told.iter().zip(named) {
            assert!(told.contains(named), "{told}");
        }
    }
}
