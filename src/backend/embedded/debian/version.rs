//! Versions of Debian packages: compared as dpkg does, and the relations between them. The only user of `debversion`.

use std::cmp::Ordering;
use std::fmt;

/// The longest version that is compared, in characters: numbers of any length would take any time.
const LONGEST: usize = 256;

/// A version that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(debversion::Version);

impl Version {
    /// Reads `[epoch:]upstream[-revision]`; `None` if it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let is_fine = text.len() <= LONGEST && text.is_ascii();
        let version = is_fine.then(|| debversion::Version::parse_lenient(text));
        Some(Self(version?.ok()?))
    }
}

/// A relation between versions, as in `libc6 (>= 2.36)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Earlier,
    AtMost,
    Exactly,
    AtLeast,
    Later,
}

impl Comparison {
    /// Reads `<<`, `<=`, `=`, `>=` or `>>`; `<` and `>` mean `<=` and `>=`, as they do for dpkg.
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            "<=" | "<" => Self::AtMost,
            "=" => Self::Exactly,
            ">=" | ">" => Self::AtLeast,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    /// Whether `version` has this relation to `wanted`.
    pub(super) fn holds(self, version: &Version, wanted: &Version) -> bool {
        let order = version.cmp(wanted);
        match self {
            Self::Earlier => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Exactly => order == Ordering::Equal,
            Self::AtLeast => order != Ordering::Less,
            Self::Later => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Earlier => "<<",
            Self::AtMost => "<=",
            Self::Exactly => "=",
            Self::AtLeast => ">=",
            Self::Later => ">>",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        let ascending = [
            "0~~",
            "0~~a",
            "0~",
            "0~rc1-1",
            "0",
            "0-1",
            "0-1+b1",
            "0a",
            "0+",
            "1.2.3~rc1",
            "1.2.3",
            "1.02.4",
            "1.10",
            "1.10-1~bpo12+1",
            "1.10-1",
            "1.10-1.1",
            "2.36-9+deb12u9",
            "2.36-9+deb12u10",
            "9999999999999999999999",
            "1:0",
            "2:0",
        ];
        for pair in ascending.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|text| Version::read(text).unwrap());
            assert!(a < b, "{pair:?}");
            assert!(Comparison::Later.holds(&b, &a) && Comparison::AtMost.holds(&a, &b));
        }
        for (a, b) in [("1.0", "1.0-0"), ("0:1", "1"), ("1.01", "1.1")] {
            assert_eq!(Version::read(a), Version::read(b), "{a} {b}");
        }
        for none in ["", "é", "1 2", "1/2", "99999999999:1"] {
            assert!(Version::read(none).is_none(), "{none}");
        }
        assert!(Version::read(&"1".repeat(LONGEST + 1)).is_none());
    }

    /// Needs Debian's own program.
    #[cfg(feature = "engine-tests")]
    #[test]
    fn versions_are_ordered_as_dpkg_itself_orders_them() {
        use crate::fuzz::Random;
        use std::process::Command;
        let words = [
            "0", "1", "01", "10", "9", ".", "+", "~", "a", "z", "deb12u1", "-1", "-", "2:", "~bpo",
        ];
        let mut random = Random::new(1);
        for _ in 0..300 {
            let [a, b] = [(); 2].map(|()| format!("1{}", random.soup(&words, 6)));
            let (Some(one), Some(two)) = (Version::read(&a), Version::read(&b)) else {
                continue;
            };
            for sign in ["<<", "=", ">>"] {
                let said = Command::new("dpkg")
                    .args(["--compare-versions", &a, sign, &b])
                    .output()
                    .unwrap();
                // What it warns about is no version.
                if !said.stderr.is_empty() {
                    continue;
                }
                let ours = Comparison::read(sign).unwrap().holds(&one, &two);
                assert_eq!(ours, said.status.success(), "{a} {sign} {b}");
            }
        }
    }
}
