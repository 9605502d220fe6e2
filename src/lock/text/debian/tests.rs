//! Tests of the text of locked Debian packages.

use super::super::{read as read_text, write as write_text};
use super::*;
use crate::diagnostic::Sources;
use crate::workspace::{Lock, StepPackages};

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const INPUT: &str = "blake3:2222222222222222222222222222222222222222222222222222222222222222";

fn read(text: &str) -> Result<Lock, Vec<String>> {
    let mut sources = Sources::default();
    let source = sources.add(LOCK_FILE, text);
    read_text(text, source).map_err(|mistakes| {
        let told = mistakes.iter().map(|it| {
            let at = it.place.as_ref().expect("a place");
            let (line, _) = sources.line_column(&at.place);
            assert!(!it.help.is_empty(), "{it:?}");
            let why = it.message.strip_prefix("`imgspec.lock` is damaged: ");
            format!("{line}: {}", why.unwrap_or(&it.message))
        });
        told.collect()
    })
}

fn deb(name: &str, version: &str) -> LockedDeb {
    LockedDeb {
        name: name.into(),
        version: version.into(),
        architecture: "amd64".into(),
        sha256: DIGEST.into(),
        size: 12,
        url: format!("http://deb.test/debian/pool/{name}_{version}_amd64.deb"),
        is_requested: name == "curl",
    }
}

fn sample() -> Lock {
    let list = |base: Option<&str>, debs: &[LockedDeb]| {
        let platform = PlatformDebs {
            base: base.map(str::to_owned),
            debs: debs.to_vec(),
        };
        Arc::new(StepPackages {
            inputs: INPUT.into(),
            platforms: BTreeMap::from([("linux/amd64".to_owned(), platform)]),
        })
    };
    let apt = list(
        Some(INPUT),
        &[
            deb("curl", "7.88.1-10+deb12u12"),
            deb("libstdc++6", "12.2.0~1"),
        ],
    );
    let fields = BTreeMap::from([
        (DebianField::Base, list(None, &[deb("dash", "0.5")])),
        (DebianField::Apt, apt),
    ]);
    Lock {
        debian: BTreeMap::from([("app".to_owned(), fields)]),
        ..Lock::default()
    }
}

#[test]
fn debian_packages_are_written_one_to_a_line_and_read_back() {
    let text = write_text(&sample());
    insta::assert_snapshot!(text, @r#"
    // Resolved outside images and packages, written by `imgspec lock`. Commit this file with the manifests.
    version 3

    debian "app" "base-image" {
        inputs "blake3:2222222222222222222222222222222222222222222222222222222222222222"
        platform "linux/amd64" {
            deb "dash" "0.5" "amd64" "sha256:1111111111111111111111111111111111111111111111111111111111111111" "http://deb.test/debian/pool/dash_0.5_amd64.deb" size=12
        }
    }

    debian "app" "apt-packages" {
        inputs "blake3:2222222222222222222222222222222222222222222222222222222222222222"
        platform "linux/amd64" base="blake3:2222222222222222222222222222222222222222222222222222222222222222" {
            deb "curl" "7.88.1-10+deb12u12" "amd64" "sha256:1111111111111111111111111111111111111111111111111111111111111111" "http://deb.test/debian/pool/curl_7.88.1-10+deb12u12_amd64.deb" size=12 requested=#true
            deb "libstdc++6" "12.2.0~1" "amd64" "sha256:1111111111111111111111111111111111111111111111111111111111111111" "http://deb.test/debian/pool/libstdc++6_12.2.0~1_amd64.deb" size=12
        }
    }
    "#);
    assert_eq!(read(&text), Ok(sample()));
    assert_eq!(sample().package_count(), 3);
}

#[test]
fn what_could_be_a_path_an_option_or_another_file_is_told_at_its_line() {
    let good = write_text(&sample());
    let line = good
        .lines()
        .position(|line| line.contains("\"curl\""))
        .unwrap()
        + 1;
    let url = "http://deb.test/debian/pool/curl_7.88.1-10+deb12u12_amd64.deb";
    let no_url = "this is not the URL of a package, without credentials";
    for (from, to, why) in [
        (
            "\"curl\"",
            "\"../curl\"",
            "this is not the name of a Debian package",
        ),
        (
            "\"curl\"",
            "\"-curl\"",
            "this is not the name of a Debian package",
        ),
        (
            "\"curl\"",
            "\"Curl\"",
            "this is not the name of a Debian package",
        ),
        ("\"7.88.1-10+deb12u12\"", "\"7 8\"", "this is not a version"),
        (
            "\"7.88.1-10+deb12u12\"",
            "\"../7\"",
            "this is not a version",
        ),
        (url, "http://deb.test/debian/../../x.deb", no_url),
        (url, "http://deb.test", no_url),
        (url, "http:///pool/x.deb", no_url),
        (url, "file:///etc/shadow", no_url),
        (url, "http://me:secret@deb.test/x.deb", no_url),
        (url, "http://deb.test/x.deb?a=b", no_url),
        (
            "size=12 requested",
            "size=99999999999999 requested",
            "a package has at most 8 GiB",
        ),
        (
            "size=12 requested",
            "requested",
            "`deb` has the wrong arguments",
        ),
        (
            "size=12 requested",
            "size=-1 requested",
            "`deb` has the wrong arguments",
        ),
        (
            "size=12 requested",
            "else=1 size=12 requested",
            "`deb` has the wrong arguments",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let told = read(&good.replacen(from, to, 1)).unwrap_err();
        assert_eq!(told, [format!("{line}: {why}")], "{to}");
    }
    let twice = good.replace("\"libstdc++6\"", "\"curl\"");
    assert_eq!(
        read(&twice).unwrap_err(),
        [format!("{}: one of its packages is listed twice", line - 1)]
    );
    let again = good.replace("\"base-image\"", "\"apt-packages\"");
    assert!(read(&again).unwrap_err()[0].contains("two lists of Debian packages for `app`"));
    let other = good.replace("\"base-image\"", "\"copy\"");
    assert!(read(&other).unwrap_err()[0].contains("no Debian packages are for `copy`"));
    let base = good.replace("base=\"blake3:", "base=\"blake4:");
    assert!(read(&base).unwrap_err()[0].contains("`platform` has the wrong arguments"));
}
