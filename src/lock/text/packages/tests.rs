//! Tests of the text of locked packages.

use super::super::{read as read_text, write as write_text};
use super::*;
use crate::diagnostic::Sources;
use crate::workspace::Lock;

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
            format!("{line}: {}", it.message)
        });
        told.collect()
    })
}

fn wheel(name: &str, version: &str) -> LockedWheel {
    let file = format!("{name}-{version}-py3-none-any.whl");
    LockedWheel {
        name: name.into(),
        version: version.into(),
        url: format!("https://files.test/{file}"),
        file,
        sha256: DIGEST.into(),
        size: Some(12),
        is_requested: true,
    }
}

fn sample() -> Lock {
    let platform = |base: Option<&str>, wheels: &[LockedWheel]| PlatformPackages {
        target: "python 3.12, glibc 2.36".into(),
        base: base.map(str::to_owned),
        wheels: wheels.to_vec(),
    };
    let unasked = LockedWheel {
        size: None,
        is_requested: false,
        ..wheel("attrs", "25.1.0")
    };
    let first = StepPackages {
        inputs: INPUT.into(),
        platforms: BTreeMap::from([
            (
                "linux/arm64".into(),
                platform(None, &[wheel("six", "1.17")]),
            ),
            (
                "linux/amd64".into(),
                platform(Some(DIGEST), &[unasked, wheel("numpy", "2.2.5+cpu")]),
            ),
        ]),
    };
    let second = StepPackages {
        inputs: INPUT.into(),
        platforms: BTreeMap::new(),
    };
    let steps = BTreeMap::from([(2, Arc::new(second)), (1, Arc::new(first))]);
    Lock {
        packages: BTreeMap::from([("train".to_owned(), steps)]),
        ..Lock::default()
    }
}

#[test]
fn packages_are_written_one_to_a_line_and_read_back() {
    let text = write_text(&sample());
    insta::assert_snapshot!(text, @r#"
    // Resolved outside images and Python packages, written by `imgspec lock`. Commit this file with the manifests.
    version 2

    packages "train" {
        inputs "blake3:2222222222222222222222222222222222222222222222222222222222222222"
        platform "linux/amd64" target="python 3.12, glibc 2.36" base="sha256:1111111111111111111111111111111111111111111111111111111111111111" {
            wheel "attrs" "25.1.0" "attrs-25.1.0-py3-none-any.whl" "sha256:1111111111111111111111111111111111111111111111111111111111111111" "https://files.test/attrs-25.1.0-py3-none-any.whl"
            wheel "numpy" "2.2.5+cpu" "numpy-2.2.5+cpu-py3-none-any.whl" "sha256:1111111111111111111111111111111111111111111111111111111111111111" "https://files.test/numpy-2.2.5+cpu-py3-none-any.whl" size=12 requested=#true
        }
        platform "linux/arm64" target="python 3.12, glibc 2.36" {
            wheel "six" "1.17" "six-1.17-py3-none-any.whl" "sha256:1111111111111111111111111111111111111111111111111111111111111111" "https://files.test/six-1.17-py3-none-any.whl" size=12 requested=#true
        }
    }

    packages "train" step=2 {
        inputs "blake3:2222222222222222222222222222222222222222222222222222222222222222"
    }
    "#);
    assert_eq!(read(&text), Ok(sample()));
}

/// A valid list, changed in one place; what is told about it, and at which line.
#[track_caller]
fn refused(from: &str, to: &str, line: usize, told: &str) {
    let good = format!(
        "version 2\npackages \"a\" {{\n    inputs \"{INPUT}\"\n    platform \"p\" target=\"t\" {{\n        \
         wheel \"a\" \"1\" \"a-1-py3-none-any.whl\" \"{DIGEST}\" \"https://files.test/a.whl\" size=3\n    }}\n}}\n"
    );
    assert!(read(&good).is_ok() && good.contains(from), "{from}");
    let text = good.replacen(from, to, 1);
    let mistakes = read(&text).unwrap_err();
    let (at, words) = mistakes[0].split_once(": ").unwrap();
    assert!(
        at == line.to_string() && words.ends_with(told),
        "{text}: {mistakes:?}"
    );
}

#[test]
fn a_list_that_imgspec_would_not_write_is_told_at_its_line() {
    let inputs = format!("    inputs \"{INPUT}\"\n");
    let second = format!("{inputs}{inputs}");
    let list = "packages \"a\" {";
    refused(&inputs, "", 2, "this list has no digest of its inputs");
    refused(&inputs, &second, 4, "a list has one digest of its inputs");
    refused(INPUT, "blake3:22", 3, "this is not a digest of inputs");
    refused(
        &format!("\"{INPUT}\""),
        "1",
        3,
        "`inputs` has the wrong arguments",
    );
    refused(
        &inputs,
        "    note\n",
        3,
        "a list of packages cannot contain `note`",
    );
    for step in [
        "step=1",
        "step=2.5",
        "step=\"2\"",
        "steps=2",
        "step=2 step=3",
    ] {
        let to = format!("packages \"a\" {step} {{");
        refused(list, &to, 2, "`packages` has the wrong arguments");
    }
    let twice = format!("{list}\n{inputs}}}\n{list}");
    refused(list, &twice, 5, "has two lists of packages for `a`");
}

#[test]
fn a_platform_that_imgspec_would_not_write_is_told_at_its_line() {
    let target = "target=\"t\"";
    for wrong in [
        "",
        "target=\"\"",
        "target=\"t\" base=\"x\"",
        "target=\"t\" target=\"t\"",
    ] {
        refused(target, wrong, 4, "`platform` has the wrong arguments");
    }
    let platform = "    platform \"p\" target=\"t\" {";
    let twice = format!("    platform \"p\" target=\"t\"\n{platform}");
    refused(platform, &twice, 5, "this platform is listed twice");
    // Only newer versions can have them.
    refused("wheel", "sdist", 5, "a platform cannot contain `sdist`");
}

#[test]
fn a_package_that_imgspec_would_not_write_is_told_at_its_line() {
    let wrong = |from: &str, to: &str, told: &str| refused(from, to, 5, told);
    for name in ["A", "-r", "a b", "a--b", "a_b", "a\\n-r x", ""] {
        let to = format!("wheel \"{name}\"");
        wrong(
            "wheel \"a\"",
            &to,
            "this is not the normalized name of a package",
        );
    }
    for version in ["1 ; x", "1\\n-r x", "", "-1", "1'"] {
        let to = format!("\"a\" \"{version}\"");
        wrong("\"a\" \"1\"", &to, "this is not a version");
    }
    for file in ["../a.whl", "a.tar.gz", ".whl", "a b.whl"] {
        wrong(
            "a-1-py3-none-any.whl",
            file,
            "this is not the file name of a wheel",
        );
    }
    wrong(DIGEST, "sha256:00", "this is not a sha256 digest");
    for url in [
        "https://me:pw@files.test/a.whl",
        "ftp://files.test/a.whl",
        "https://files.test/a b",
    ] {
        wrong(
            "https://files.test/a.whl",
            url,
            "this is not a URL without credentials",
        );
    }
    for size in [
        "size=-1",
        "size=#true",
        "size=3 size=3",
        "requested=#false",
        "3",
    ] {
        wrong("size=3", size, "`wheel` has the wrong arguments");
    }
}

#[test]
fn sources_are_written_with_a_version_that_older_releases_refuse() {
    let mut lock = sample();
    let steps = lock.packages.get_mut("train").unwrap();
    let step = Arc::make_mut(steps.get_mut(&1).unwrap());
    let six = &mut step.platforms.get_mut("linux/arm64").unwrap().wheels[0];
    "six-1.17.tar.gz".clone_into(&mut six.file);
    let text = write_text(&lock);
    assert!(text.contains("\nversion 4\n"), "{text}");
    let line = format!("        sdist \"six\" \"1.17\" \"six-1.17.tar.gz\" \"{DIGEST}\"");
    assert!(text.contains(&line), "{text}");
    assert_eq!(read(&text), Ok(lock));
    for file in ["six-1.17-py3-none-any.whl", "../six.tar.gz", "six.rpm"] {
        let mistakes = read(&text.replace("six-1.17.tar.gz", file)).unwrap_err();
        let told = &mistakes[0];
        assert!(told.ends_with("not the file name of sources"), "{told}");
    }
    let mistakes = read(&text.replace("sdist", "wheel")).unwrap_err();
    let told = &mistakes[0];
    assert!(told.ends_with("not the file name of a wheel"), "{told}");
}

#[test]
fn a_package_stands_there_once() {
    let wheel = "        wheel \"a\" \"2\" \"a-2-py3-none-any.whl\"";
    let second = format!("{wheel} \"{DIGEST}\" \"https://files.test/a2.whl\"\n        wheel");
    refused(
        "        wheel",
        &second,
        4,
        "one of its packages is listed twice",
    );
}
