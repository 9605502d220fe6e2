//! Decides on which file systems the times of a file reliably show every change of it: local ones, whose times come from
//! this kernel's clock.
//!
//! This is an allowlist, so that an unknown file system costs time rather than correctness. Network file systems (NFS, SMB,
//! 9p, Ceph) use another clock and may serve cached attributes while someone else writes. FUSE returns whatever its program
//! likes. FAT has a resolution of two seconds and no ctime. An overlay does not reveal what is beneath it. See
//! `docs/design/index.md`.

use std::os::fd::AsFd;

/// The magic numbers of ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS and tmpfs.
#[cfg(target_os = "linux")]
const RELIABLE: [u64; 7] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0xca45_1a4e,
    0x2fc1_2fc1,
    0x0102_1994,
];

/// Whether file times can be trusted on the file system of an open file or directory.
pub(super) fn are_reliable(at: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        // The field's type depends on the architecture; the numbers have 32 bits.
        #[allow(
            clippy::cast_sign_loss,
            clippy::cast_lossless,
            reason = "the type depends on the architecture"
        )]
        let is_known =
            |stat: rustix::fs::StatFs| RELIABLE.contains(&(stat.f_type as u64 & 0xffff_ffff));
        rustix::fs::fstatfs(at).is_ok_and(is_known)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = at;
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;

    use super::are_reliable;

    #[test]
    fn virtual_file_systems_are_not_trusted() {
        assert!(!are_reliable(File::open("/proc").unwrap()));
        assert!(!are_reliable(File::open("/sys").unwrap()));
    }
}
