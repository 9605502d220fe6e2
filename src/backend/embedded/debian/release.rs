//! The head of a suite, once its signature is verified: which lists it has, with their hashes, and until when it holds. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::control;
use super::sources::Archive;
use crate::backend::oci::name::Digest;

/// How far the clock of a mirror may be ahead, in seconds.
const AHEAD: i64 = 10;

/// The largest list of packages, in bytes: Debian's has 50 MiB.
const LARGEST: u64 = 512 << 20;

/// A file of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path within the suite.
    pub(super) path: String,
    pub(super) sha256: Digest,
    /// In bytes.
    pub(super) size: u64,
}

/// The head of a suite.
#[derive(Debug)]
pub(super) struct Release {
    suite: String,
    codename: String,
    date: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    /// Whether lists can be asked for by their hash, so that an update of the mirror between two requests does no harm.
    pub(super) has_by_hash: bool,
    /// Whether packages for all architectures have lists of their own.
    has_all: bool,
    /// apt's priority of its packages.
    pub(super) priority: u16,
    files: BTreeMap<String, (Digest, u64)>,
}

impl Release {
    /// Reads the text that was signed.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let stanza = control::single(text).map_err(|error| error.to_string())?;
        let date = |name: &str| {
            let text = stanza.get(name);
            let read = text
                .map(|text| read_date(text).ok_or_else(|| format!("`{name}: {text}` is no date")));
            read.transpose()
        };
        let Some(hashes) = stanza.get("SHA256") else {
            return Err("it has no sha256 of its lists".to_owned());
        };
        let mut words = stanza.line("Architectures").split_whitespace();
        let apart = stanza.line("No-Support-for-Architecture-all");
        Ok(Self {
            suite: stanza.line("Suite").trim().to_owned(),
            codename: stanza.line("Codename").trim().to_owned(),
            date: date("Date")?,
            valid_until: date("Valid-Until")?,
            has_by_hash: stanza.is_yes("Acquire-By-Hash"),
            has_all: words.any(|word| word == "all") && apart.trim() != "Packages",
            priority: match (
                stanza.is_yes("NotAutomatic"),
                stanza.is_yes("ButAutomaticUpgrades"),
            ) {
                (true, false) => 1,
                (true, true) => 100,
                (false, _) => 500,
            },
            files: read_files(hashes)?,
        })
    }

    /// Checks that this is the suite that was asked for, and that it holds now. A mirror could otherwise answer with
    /// something else that Debian signed once.
    pub(super) fn check(&self, archive: &Archive, now: Timestamp) -> Result<(), String> {
        let wanted = archive.suite.trim_end_matches('/');
        // `bookworm/updates` calls itself `bookworm`.
        let wanted = [wanted, wanted.split('/').next().unwrap_or_default()];
        let own = [self.suite.as_str(), self.codename.as_str()];
        let is_named = own.iter().any(|own| !own.is_empty());
        if !archive.is_flat() && is_named && !own.iter().any(|own| wanted.contains(own)) {
            return Err(format!(
                "it is `{}` (`{}`), not `{}`",
                self.codename, self.suite, archive.suite
            ));
        }
        if let Some(until) = self
            .valid_until
            .filter(|until| !archive.options.ignores_expiry && *until <= now)
        {
            return Err(format!(
                "it held until {until}: the mirror is not up to date; a snapshot needs `check-valid-until=no` in its sources"
            ));
        }
        let is_ahead = |date: &Timestamp| date.as_second() > now.as_second() + AHEAD;
        if let Some(date) = self
            .date
            .filter(|date| !archive.options.ignores_date && is_ahead(date))
        {
            return Err(format!(
                "it is from the future ({date}): is the clock of this machine right?"
            ));
        }
        Ok(())
    }

    /// The lists of packages for an architecture, each in its smallest form; and the components that the suite lacks.
    pub(super) fn lists(
        &self,
        archive: &Archive,
        architecture: &str,
    ) -> Result<(Vec<Listed>, Vec<String>), String> {
        let mut lists = Vec::new();
        let mut missing = Vec::new();
        if archive.is_flat() {
            match self.smallest("Packages")? {
                Some(list) => lists.push(list),
                None => return Err("it has no list of packages".to_owned()),
            }
        }
        for component in &archive.components {
            match self.smallest(&format!("{component}/binary-{architecture}/Packages"))? {
                Some(list) => lists.push(list),
                None => missing.push(component.clone()),
            }
            if self.has_all {
                lists.extend(self.smallest(&format!("{component}/binary-all/Packages"))?);
            }
        }
        Ok((lists, missing))
    }

    fn smallest(&self, path: &str) -> Result<Option<Listed>, String> {
        let forms = [".xz", ".gz", ""].map(|end| format!("{path}{end}"));
        let mut forms = forms.into_iter();
        let found = forms.find_map(|path| {
            let (sha256, size) = self.files.get(&path)?;
            Some(Listed {
                path,
                sha256: *sha256,
                size: *size,
            })
        });
        match found {
            Some(list) if list.size > LARGEST => Err(format!(
                "`{}` has {} bytes, more than {} MiB",
                list.path,
                list.size,
                LARGEST >> 20
            )),
            found => Ok(found),
        }
    }
}

fn read_date(text: &str) -> Option<Timestamp> {
    // RFC 2822 knows this zone by another name.
    let text = text.trim();
    let text = match text.strip_suffix("UTC") {
        Some(rest) => format!("{rest}GMT"),
        None => text.to_owned(),
    };
    Some(rfc2822::parse(&text).ok()?.timestamp())
}

/// Reads lines of hash, size and path.
fn read_files(text: &str) -> Result<BTreeMap<String, (Digest, u64)>, String> {
    let mut files = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let refused = || format!("`{}` is no hash, size and path", line.trim());
        let mut words = line.split_whitespace();
        let (Some(hash), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(refused());
        };
        let digest = Digest::read(&format!("sha256:{}", hash.to_ascii_lowercase()));
        let (Some(digest), Ok(size)) = (digest, size.parse()) else {
            return Err(refused());
        };
        let path = path.strip_prefix("./").unwrap_or(path).to_owned();
        let known = files.insert(path, (digest, size));
        if known.is_some_and(|known| known != (digest, size)) {
            return Err(format!("{}: two hashes of one file", refused()));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::embedded::debian::sources;

    const TEXT: &str = "Origin: Debian\nSuite: oldstable\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n\
        Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC\nAcquire-By-Hash: yes\nArchitectures: all amd64 arm64\n\
        No-Support-for-Architecture-all: Packages\nComponents: main\nMD5Sum:\n 0 1 x\nSHA256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages\n \
        2bf8b69fe8e957e2a3aa8f8aaf8525803e35de2c7cd77f4addef838e95c18903     2732 main/binary-amd64/Packages.xz\n \
        f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec       20 main/binary-all/Packages.gz\n";

    fn archive(line: &str) -> Archive {
        let files = BTreeMap::from([("etc/apt/sources.list".to_owned(), line.as_bytes().to_vec())]);
        sources::read(&files, "amd64").unwrap().remove(0)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_smallest_form_of_each_list_is_taken() {
        let release = Release::read(TEXT).unwrap();
        let (lists, missing) = release
            .lists(&archive("deb http://a bookworm main x"), "amd64")
            .unwrap();
        assert_eq!(lists.len(), 1);
        assert_eq!(
            (lists[0].path.as_str(), lists[0].size),
            ("main/binary-amd64/Packages.xz", 2732)
        );
        assert_eq!(missing, ["x"]);
        assert!(release.has_by_hash);
        // An archive that keeps packages for all architectures apart.
        let apart = TEXT.replace("No-Support-for-Architecture-all: Packages\n", "");
        let release = Release::read(&apart).unwrap();
        let (lists, _) = release
            .lists(&archive("deb http://a bookworm main"), "amd64")
            .unwrap();
        assert_eq!(lists[1].path, "main/binary-all/Packages.gz");
        // Without components.
        let flat = Release::read(&TEXT.replace("main/binary-amd64/", "./")).unwrap();
        let (lists, _) = flat.lists(&archive("deb http://a ./"), "amd64").unwrap();
        assert_eq!(lists[0].path, "Packages.xz");
    }

    #[test]
    fn another_suite_or_another_time_is_refused() {
        let release = Release::read(TEXT).unwrap();
        let now = at("2026-07-12T00:00:00Z");
        let check = |line: &str, now| release.check(&archive(line), now);
        assert_eq!(check("deb http://a bookworm main", now), Ok(()));
        assert_eq!(check("deb http://a oldstable main", now), Ok(()));
        assert_eq!(check("deb http://a bookworm/updates main", now), Ok(()));
        assert_eq!(check("deb http://a bookworm/ ", now), Ok(()));
        let other = check("deb http://a trixie main", now).unwrap_err();
        assert_eq!(other, "it is `bookworm` (`oldstable`), not `trixie`");
        let late = at("2026-07-18T10:16:37Z");
        assert!(
            check("deb http://a bookworm main", late)
                .unwrap_err()
                .contains("held until 2026-07-18T10:16:37Z")
        );
        assert_eq!(
            check("deb [check-valid-until=no] http://a bookworm main", late),
            Ok(())
        );
        let early = at("2026-07-11T10:16:00Z");
        assert!(
            check("deb http://a bookworm main", early)
                .unwrap_err()
                .contains("future")
        );
        assert_eq!(
            check("deb [check-date=no] http://a bookworm main", early),
            Ok(())
        );
        assert_eq!(
            check("deb http://a bookworm main", at("2026-07-11T10:16:30Z")),
            Ok(())
        );
    }

    #[test]
    fn priorities_are_those_of_apt() {
        let priority = |more: &str| Release::read(&format!("{more}{TEXT}")).unwrap().priority;
        assert_eq!(priority(""), 500);
        assert_eq!(priority("NotAutomatic: yes\n"), 1);
        assert_eq!(
            priority("NotAutomatic: yes\nButAutomaticUpgrades: yes\n"),
            100
        );
    }

    #[test]
    fn heads_that_cannot_be_used_are_told() {
        for (wrong, why) in [
            (
                TEXT.replace("SHA256", "SHA1"),
                "it has no sha256 of its lists",
            ),
            (TEXT.replace("Date: Sat, 11", "Date: Mon, 99"), "is no date"),
            (TEXT.replace(" 2732 ", " x "), "is no hash, size and path"),
            (
                TEXT.replace("2bf8b69f", "2bf8"),
                "is no hash, size and path",
            ),
            (
                format!(
                    "{TEXT} {} 1 main/binary-amd64/Packages.xz\n",
                    "0".repeat(64)
                ),
                "two hashes of one file",
            ),
            (format!("{TEXT}\nA: b\n"), "more than one stanza"),
            (String::new(), "there is nothing"),
        ] {
            let error = Release::read(&wrong).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let large = Release::read(&TEXT.replace(" 2732 ", " 999999999999 ")).unwrap();
        assert!(
            large
                .lists(&archive("deb http://a bookworm main"), "amd64")
                .is_err()
        );
    }
}
