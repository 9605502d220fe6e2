//! Whether this machine runs programs of a platform: its own, or one for which the kernel has an emulator.
//!
//! An emulator counts only if the kernel holds it open (`F`): otherwise it would be looked for inside the image.

use std::env::consts;
use std::fs;

use crate::backend::platform::Platform;
use crate::disk::read::{self, Links};

/// Where the kernel lists its emulators.
const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Larger than any description of an emulator, in bytes.
const LARGEST: u64 = 4096;

/// Architectures in Rust's words and in OCI's, with what this one runs besides.
const NAMES: [(&str, &str, &[&str]); 8] = [
    ("x86_64", "amd64", &["386"]),
    ("aarch64", "arm64", &[]),
    ("x86", "386", &[]),
    ("arm", "arm", &[]),
    ("powerpc64", "ppc64le", &[]),
    ("riscv64", "riscv64", &[]),
    ("s390x", "s390x", &[]),
    ("loongarch64", "loong64", &[]),
];

/// Architectures in OCI's words, with ELF's class, byte order and machine.
const MACHINES: [(&str, u8, u8, u16); 8] = [
    ("amd64", 2, 1, 62),
    ("arm64", 2, 1, 183),
    ("386", 1, 1, 3),
    ("arm", 1, 1, 40),
    ("ppc64le", 2, 1, 21),
    ("riscv64", 2, 1, 243),
    ("s390x", 2, 2, 22),
    ("loong64", 2, 1, 258),
];

/// Whether programs of this platform run here.
pub(super) fn runs(platform: &str) -> bool {
    let platform = Platform::read(platform);
    let own = NAMES.iter().find(|(rust, _, _)| *rust == consts::ARCH);
    let is_own = own.is_some_and(|(_, name, more)| {
        *name == platform.architecture || more.contains(&platform.architecture.as_str())
    });
    is_own
        || handlers()
            .iter()
            .any(|text| is_for(text, &platform.architecture))
}

/// The descriptions of all emulators.
fn handlers() -> Vec<String> {
    let Ok(entries) = fs::read_dir(HANDLERS) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let texts = paths.filter_map(|path| read::bytes(&path, Links::Refuse, LARGEST).ok());
    texts
        .filter_map(|text| String::from_utf8(text).ok())
        .collect()
}

/// Whether a description is that of an emulator for this architecture.
fn is_for(text: &str, architecture: &str) -> bool {
    let mut lines = text.lines();
    if lines.next() != Some("enabled") {
        return false;
    }
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let is_open = field("flags: ").is_some_and(|flags| flags.contains('F'));
    let magic = field("magic ").and_then(|magic| hex::decode(magic.trim()).ok());
    let machine = MACHINES.iter().find(|(name, ..)| *name == architecture);
    let (Some(magic), Some((_, class, order, machine))) = (magic.filter(|_| is_open), machine)
    else {
        return false;
    };
    let number = match order {
        1 => machine.to_le_bytes(),
        _ => machine.to_be_bytes(),
    };
    let starts = magic.starts_with(b"\x7fELF") && magic.get(4..6) == Some(&[*class, *order]);
    starts && magic.get(18..20) == Some(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: POCF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn emulators_are_known_by_the_programs_that_they_run() {
        assert!(is_for(ARM, "arm64"));
        assert!(!is_for(ARM, "amd64") && !is_for(ARM, "unheard-of"));
        assert!(!is_for(&ARM.replace("POCF", "POC"), "arm64"));
        assert!(!is_for(&ARM.replace("enabled", "disabled"), "arm64"));
        assert!(!is_for("enabled\nflags: F\nmagic zz\n", "arm64"));
        assert!(!is_for("", "arm64"));
    }

    #[test]
    fn this_machine_runs_its_own_programs() {
        let (_, own, _) = NAMES
            .iter()
            .find(|(rust, ..)| *rust == consts::ARCH)
            .unwrap();
        assert!(runs(&format!("linux/{own}")));
        assert!(!runs("linux/mips64"));
    }
}
