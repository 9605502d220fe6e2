//! Which wheels an image's Python takes, best first: PEP 425 tags with the platforms of PEP 600 and PEP 656. Pure.

use std::collections::BTreeMap;

use super::places::normal;
use super::{Libc, Target};

/// The tags of a target, each with its rank; 0 is the best.
#[derive(Debug, Clone)]
pub(in super::super) struct Tags {
    ranks: BTreeMap<String, usize>,
    /// The best tag, for messages.
    best: String,
}

/// The parts of a wheel's file name: <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct WheelName {
    /// Normalized.
    pub(in super::super) name: String,
    pub(in super::super) version: String,
    /// The number and the rest of the build tag; a wheel with the higher one wins.
    build: (u64, String),
    python: String,
    abi: String,
    platform: String,
}

/// The longest file name: that of file systems.
const LONGEST: usize = 255;

impl WheelName {
    pub(in super::super) fn read(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".whl")?;
        let is_fine = |char: char| char.is_ascii_alphanumeric() || "._-+!".contains(char);
        let parts: Vec<&str> = stem.split('-').collect();
        if file.len() > LONGEST
            || !stem.chars().all(is_fine)
            || parts.iter().any(|part| part.is_empty())
        {
            return None;
        }
        let (name, version, build, rest) = match parts.as_slice() {
            [name, version, python, abi, platform] => (name, version, "", [python, abi, platform]),
            [name, version, build, python, abi, platform] => {
                (name, version, *build, [python, abi, platform])
            }
            _ => return None,
        };
        let digits = build.find(|char: char| !char.is_ascii_digit());
        let (number, letters) = build.split_at(digits.unwrap_or(build.len()));
        if !build.is_empty() && number.is_empty() {
            return None;
        }
        let [python, abi, platform] = rest.map(|part| (*part).to_owned());
        Some(Self {
            name: normal(name),
            version: (*version).to_owned(),
            build: (number.parse().unwrap_or(0), letters.to_owned()),
            python,
            abi,
            platform,
        })
    }
}

impl Tags {
    pub(in super::super) fn of(target: &Target) -> Self {
        let platforms = platforms(target);
        let (major, minor) = target.version;
        let own = format!("cp{major}{minor}");
        // Until 3.7, the name of the ABI told of an option that nobody turned off.
        let abi = match (major, minor) {
            (3, ..8) => format!("{own}m"),
            _ => own.clone(),
        };
        let generic = || {
            let this = std::iter::once(format!("py{major}{minor}"));
            let older = (0..minor).rev().map(|minor| format!("py{major}{minor}"));
            this.chain([format!("py{major}")]).chain(older)
        };
        let mut tags = Vec::new();
        let mut add = |python: &str, abi: &str, platforms: &[String]| {
            let each = platforms.iter();
            tags.extend(each.map(|platform| format!("{python}-{abi}-{platform}")));
        };
        add(&own, &abi, &platforms);
        add(&own, "abi3", &platforms);
        add(&own, "none", &platforms);
        for older in (2..minor).rev() {
            add(&format!("cp{major}{older}"), "abi3", &platforms);
        }
        for python in generic() {
            add(&python, "none", &platforms);
        }
        let any = ["any".to_owned()];
        add(&own, "none", &any);
        for python in generic() {
            add(&python, "none", &any);
        }
        let best = tags.first().cloned().unwrap_or_default();
        let tags = tags.into_iter().enumerate();
        Self {
            ranks: tags.map(|(rank, tag)| (tag, rank)).collect(),
            best,
        }
    }

    /// The best tag of the target, such as `cp312-cp312-manylinux_2_36_x86_64`.
    pub(super) fn best(&self) -> &str {
        &self.best
    }

    /// How well a wheel suits, lower is better; `None` if it does not.
    pub(in super::super) fn rank(&self, wheel: &WheelName) -> Option<impl Ord + use<>> {
        let mut best = None;
        for python in wheel.python.split('.') {
            for abi in wheel.abi.split('.') {
                for platform in wheel.platform.split('.') {
                    let rank = self.ranks.get(&format!("{python}-{abi}-{platform}"));
                    best = best.into_iter().chain(rank.copied()).min();
                }
            }
        }
        best.map(|rank| (rank, std::cmp::Reverse(wheel.build.clone())))
    }
}

/// What Python calls the machine of a platform.
pub(super) fn machine(target: &Target) -> &str {
    let platform = &target.platform;
    match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "i686",
        ("arm", "v6") => "armv6l",
        ("arm", "v5") => "armv5tel",
        ("arm", _) => "armv7l",
        (other, _) => other,
    }
}

/// The platform tags, best first.
fn platforms(target: &Target) -> Vec<String> {
    let machine = machine(target);
    let mut platforms = Vec::new();
    match target.libc {
        Libc::Glibc(major, minor) => {
            let is_old = matches!(machine, "x86_64" | "i686");
            let first = if is_old { 5 } else { 17 };
            // There is no other major version than 2.
            for minor in (first..=minor).rev().filter(|_| major == 2) {
                platforms.push(format!("manylinux_2_{minor}_{machine}"));
                let alias = match minor {
                    17 => "manylinux2014",
                    12 => "manylinux2010",
                    5 => "manylinux1",
                    _ => continue,
                };
                platforms.push(format!("{alias}_{machine}"));
            }
        }
        Libc::Musl(major, minor) => {
            let each = (0..=minor).rev();
            platforms.extend(each.map(|minor| format!("musllinux_{major}_{minor}_{machine}")));
        }
    }
    platforms.push(format!("linux_{machine}"));
    platforms
}

#[cfg(test)]
mod tests {
    use super::super::testing::target;
    use super::*;

    fn best<'a>(target: &Target, files: &[&'a str]) -> Option<&'a str> {
        let tags = Tags::of(target);
        let ranked = files.iter().filter_map(|file| {
            let rank = tags.rank(&WheelName::read(file)?)?;
            Some((rank, *file))
        });
        ranked.min().map(|(_, file)| file)
    }

    #[test]
    fn file_names_are_taken_apart() {
        let read = |file: &str| WheelName::read(file).map(|it| (it.name, it.version, it.build));
        let none = (0, String::new());
        assert_eq!(
            read("Zope.Interface-1.0+cpu-cp312-cp312-linux_x86_64.whl"),
            Some(("zope-interface".into(), "1.0+cpu".into(), none))
        );
        let build = (12, "a".to_owned());
        assert_eq!(
            read("a_b-1-12a-py2.py3-none-any.whl"),
            Some(("a-b".into(), "1".into(), build))
        );
        for wrong in [
            "",
            ".whl",
            "a-1.whl",
            "a-1-py3-none.whl",
            "a-1-x-py3-none-any.whl",
            "a-1-1-2-py3-none-any.whl",
            "a--py3-none-any.whl",
            "../a-1-py3-none-any.whl",
            "a-1-py3-none-any.zip",
            "a-1-py3-none-\u{e9}.whl",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_nearest_platform_wins_and_the_future_does_not() {
        let files = [
            "a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_28_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_39_x86_64.whl",
            "a-1-cp313-cp313-manylinux_2_17_x86_64.whl",
            "a-1-cp312-cp312-musllinux_1_2_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_17_aarch64.whl",
            "a-1-cp39-abi3-manylinux1_x86_64.whl",
            "a-1-py3-none-any.whl",
        ];
        let on = |platform, libc| best(&target((3, 12), platform, libc), &files);
        assert_eq!(on("linux/amd64", Libc::Glibc(2, 36)), Some(files[1]));
        assert_eq!(on("linux/amd64", Libc::Glibc(2, 17)), Some(files[0]));
        assert_eq!(on("linux/amd64", Libc::Glibc(2, 12)), Some(files[6]));
        assert_eq!(on("linux/amd64", Libc::Musl(1, 2)), Some(files[4]));
        assert_eq!(on("linux/amd64", Libc::Musl(1, 1)), Some(files[7]));
        assert_eq!(on("linux/arm64", Libc::Glibc(2, 36)), Some(files[5]));
        assert_eq!(on("linux/s390x", Libc::Glibc(2, 36)), Some(files[7]));
    }

    #[test]
    fn own_abi_comes_before_abi3_before_none_and_the_higher_build_wins() {
        let target = target((3, 12), "linux/amd64", Libc::Glibc(2, 36));
        let all = [
            "a-1-cp312-cp312-linux_x86_64.whl",
            "a-1-cp312-abi3-manylinux_2_17_x86_64.whl",
            "a-1-cp312-none-linux_x86_64.whl",
            "a-1-cp311-abi3-manylinux_2_36_x86_64.whl",
            "a-1-py312-none-linux_x86_64.whl",
            "a-1-cp312-none-any.whl",
            "a-1-py312-none-any.whl",
            "a-1-py3-none-any.whl",
            "a-1-py31-none-any.whl",
        ];
        for at in 0..all.len() {
            assert_eq!(best(&target, &all[at..]), Some(all[at]));
        }
        for none in [
            "a-1-cp313-abi3-linux_x86_64.whl",
            "a-1-py2-none-any.whl",
            "a-1-cp312-cp312-win_amd64.whl",
            "a-1-cp312-cp312t-linux_x86_64.whl",
        ] {
            assert_eq!(best(&target, &[none]), None, "{none}");
        }
        let builds = [
            "a-1-9-py3-none-any.whl",
            "a-1-10-py3-none-any.whl",
            "a-1-py3-none-any.whl",
        ];
        assert_eq!(best(&target, &builds), Some(builds[1]));
    }
}
