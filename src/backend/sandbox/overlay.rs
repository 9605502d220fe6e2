//! The root of a sandbox: an overlay of the layers, with `upper` on top.
//!
//! Options that a machine may have on by default would make `upper` something that cannot be read as a layer: with `redirect_dir` a
//! renamed directory is empty in it, with `metacopy` a file whose mode was changed has no content. With `userxattr` overlayfs marks
//! directories in attributes that anyone may read and write, so that trees made by root and by others are the same; without it, removing
//! a directory in a user namespace fails. With `userxattr` the kernel also leaves redirects and metacopy off, whatever its defaults.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount as mount_old,
    move_mount, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use super::asked::MOST_LAYERS;
use super::mounts::memory;
use super::plan::{At, Kind, Plan, Trouble};

/// Options besides directories.
const OPTIONS: [(&str, &str); 2] = [("index", "off"), ("metacopy", "off")];

/// Mounts the overlay over `upper`, where nobody else sees it, and opens it.
pub(super) fn mount(plan: &Plan) -> Result<OwnedFd, Trouble> {
    let names = prepare(plan).at("prepare the overlay")?;
    // Layers are named by short links beside each other: the kernel takes no option of more than 255 bytes, older ones none of more than
    // a page altogether, and in these a path would have to be quoted.
    chdir(&names.directory).at("enter the directory of layers")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
    match assemble(names.layers).and_then(|it| attach(&it, attributes)) {
        // Kernels before 6.8 do not know single layers.
        Err(Errno::INVAL | Errno::NOSYS) => mount_by_text(names.layers),
        mounted => mounted,
    }
    .at("mount the overlay")?;
    open_root(&plan.upper).at("open the overlay")
}

struct Names {
    directory: PathBuf,
    layers: usize,
}

/// Makes the links `u`, `w` and `0`, `1` … to the layers from the uppermost one on, and below all layers one of our own that has the
/// mount points, so that they need not be made in `upper`. Both in memory, which is faster than a disk and leaves nothing to remove.
fn prepare(plan: &Plan) -> io::Result<Names> {
    let directory = plan.work.join("names");
    memory(&directory, "0755", "16m")?;
    let (work, below) = (plan.work.join("overlay"), directory.join("below"));
    for made in [&work, &below] {
        fs::create_dir(made)?;
    }
    mount_points(plan, &below)?;
    // The root has the attributes of `upper`, and has to be readable for every user.
    fs::set_permissions(&plan.upper, Permissions::from_mode(0o755))?;
    fs::set_permissions(&below, Permissions::from_mode(0o755))?;
    symlink(&plan.upper, directory.join("u"))?;
    symlink(&work, directory.join("w"))?;
    let room = plan.lower.len() < MOST_LAYERS;
    let lower = plan.lower.iter().rev().chain(room.then_some(&below));
    let mut layers = 0;
    for layer in lower {
        symlink(layer, directory.join(layers.to_string()))?;
        layers += 1;
    }
    Ok(Names { directory, layers })
}

fn mount_points(plan: &Plan, below: &Path) -> io::Result<()> {
    let system = ["/proc", "/dev", "/sys"].map(|it| (it, true));
    let files = ["/etc/resolv.conf", "/etc/hosts"].map(|it| (it, false));
    let wanted = plan.mounts.iter().map(|place| {
        let is_directory = matches!(place.kind, Kind::Cache { .. } | Kind::Directory { .. });
        (place.target.as_str(), is_directory)
    });
    for (target, is_directory) in system.into_iter().chain(files).chain(wanted) {
        let mut path = below.to_owned();
        let parts = Path::new(target).components();
        path.extend(parts.filter(|part| matches!(part, Component::Normal(_))));
        let directory = if is_directory {
            Some(path.as_path())
        } else {
            path.parent()
        };
        // One target may be below another one that is a file: then mounting it fails, and says so.
        if directory.is_some_and(|it| fs::create_dir_all(it).is_err()) || is_directory {
            continue;
        }
        if !path.exists() {
            fs::File::create(&path)?;
        }
    }
    Ok(())
}

fn assemble(layers: usize) -> Result<OwnedFd, Errno> {
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let overlay_fd = overlay.as_fd();
    for layer in 0..layers {
        fsconfig_set_string(overlay_fd, "lowerdir+", layer.to_string())?;
    }
    fsconfig_set_string(overlay_fd, "upperdir", "u")?;
    fsconfig_set_string(overlay_fd, "workdir", "w")?;
    fsconfig_set_flag(overlay_fd, "userxattr")?;
    for (option, value) in OPTIONS {
        fsconfig_set_string(overlay_fd, option, value)?;
    }
    // What is in `upper` after a crash is thrown away, so nothing has to reach the disk. A kernel that does not know this writes more.
    let _ = fsconfig_set_flag(overlay_fd, "volatile");
    fsconfig_create(overlay_fd)?;
    Ok(overlay)
}

fn attach(overlay: &OwnedFd, attributes: MountAttrFlags) -> Result<(), Errno> {
    let mounted = fsmount(overlay.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let from = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    move_mount(mounted.as_fd(), "", CWD, "u", from)
}

fn mount_by_text(layers: usize) -> Result<(), Errno> {
    let text = std::ffi::CString::new(text_of(layers)).map_err(|_| Errno::INVAL)?;
    mount_old(
        "overlay",
        "u",
        "overlay",
        MountFlags::NODEV,
        Some(text.as_c_str()),
    )
}

/// All options in one text, which must be shorter than a page.
fn text_of(layers: usize) -> String {
    let lower: Vec<String> = (0..layers).map(|layer| layer.to_string()).collect();
    let lower = lower.join(":");
    let mut text = format!("lowerdir={lower},upperdir=u,workdir=w,userxattr,volatile");
    for (option, value) in OPTIONS {
        text.push_str(&format!(",{option}={value}"));
    }
    text
}

/// Opens a directory to go there.
pub(super) fn open_root(upper: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(upper, flags, Mode::empty())
}

/// Makes the overlay the root, and the root of the machine unreachable. Paths are resolved inside from here on.
pub(super) fn enter(root: &OwnedFd) -> Result<(), Trouble> {
    fchdir(root).at("enter the overlay")?;
    pivot_root(".", ".").at("change the root")?;
    unmount(".", UnmountFlags::DETACH).at("leave the root of the machine")?;
    chdir("/").at("enter the new root")
}

#[cfg(test)]
mod tests {
    use super::{MOST_LAYERS, text_of};

    #[test]
    fn the_options_of_all_layers_fit_into_a_page_for_older_kernels() {
        let all = text_of(MOST_LAYERS);
        assert!(all.len() < 4095, "{}", all.len());
        assert_eq!(
            text_of(2),
            "lowerdir=0:1,upperdir=u,workdir=w,userxattr,volatile,index=off,metacopy=off"
        );
    }
}
