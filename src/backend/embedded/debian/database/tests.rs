//! dpkg's database, as dpkg itself would have written it.

use super::super::control;
use super::super::deb::{self, Deb};
use super::super::sample::Sample;
use super::super::settings::Settings;
use super::*;
use crate::backend::oci::tree::Tree;

fn files_of(
    samples: Vec<Sample>,
    before: &Before<'_>,
) -> Result<BTreeMap<String, String>, LayError> {
    files_on(Laid::on(Tree::default()), samples, before)
}

fn files_on(
    mut laid: Laid,
    samples: Vec<Sample>,
    before: &Before<'_>,
) -> Result<BTreeMap<String, String>, LayError> {
    let read = |sample: Sample| deb::read(&*sample.bytes(), &mut |_| Ok(())).unwrap();
    let debs: Vec<Deb> = samples.into_iter().map(read).collect();
    let incoming = debs.iter().map(|deb| {
        let text = std::str::from_utf8(&deb.control["control"].bytes).unwrap();
        Incoming::new(control::single(text).unwrap(), deb)
    });
    let incoming: Vec<Incoming<'_>> = incoming.collect();
    laid.lay(&incoming, &|| false)?;
    let files = files(&laid, &incoming, before)?.into_iter();
    let short = |path: &str| path.strip_prefix("var/lib/dpkg/").unwrap().to_owned();
    Ok(files
        .map(|(path, _, text)| (short(&path), String::from_utf8(text).unwrap()))
        .collect())
}

#[test]
fn a_package_is_unpacked_as_dpkg_would_say() {
    let sample = Sample::named("b", "1", "Multi-Arch: same\nDescription-x: more\n lines\n")
        .script("conffiles", "/etc/b\n/etc/gone\n")
        .script("postinst", "#!/bin/sh\n")
        .folder("./")
        .folder("./etc/")
        .file("./etc/b", "hello")
        .file("./b", "hello");
    let status = "Package: c\nStatus: install ok installed\nArchitecture: all\n\nPackage: a\nArchitecture: all\n";
    let before = Before {
        status,
        ..Before::default()
    };
    let files = files_of(vec![sample], &before).unwrap();
    let md5 = "5d41402abc4b2a76b9719d911017c592";
    assert_eq!(
        files["status"],
        format!(
            "Package: a\nArchitecture: all\n\nPackage: b\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a\nMulti-Arch: same\nDescription-x: more\n lines\nConffiles:\n /etc/b {md5}\n\nPackage: c\nStatus: install ok installed\nArchitecture: all\n\n"
        )
    );
    assert_eq!(files["info/b:all.list"], "/.\n/etc\n/etc/b\n/b\n");
    assert_eq!(files["info/b:all.md5sums"], format!("{md5}  b\n"));
    assert_eq!(files["info/b:all.conffiles"], "/etc/b\n/etc/gone\n");
    assert_eq!(files["info/b:all.postinst"], "#!/bin/sh\n");
    assert!(!files.contains_key("info/b:all.control"));
}

#[test]
fn a_file_that_another_package_replaces_is_not_in_the_list() {
    let a = Sample::named("a", "1", "").file("./x", "a");
    let b = Sample::named("b", "1", "Replaces: a\n").file("./x", "b");
    let files = files_of(vec![a, b], &Before::default()).unwrap();
    assert_eq!(files["info/a.list"], "/.\n");
    assert_eq!(files["info/a.md5sums"], "");
    assert_eq!(files["info/b.list"], "/.\n/x\n");
}

#[test]
fn triggers_are_kept_and_set_off() {
    let sample = Sample::named("a", "1", "")
        .script(
            "triggers",
            "# none\ninterest /usr/share/a\ninterest-noawait boot\nactivate-noawait ldconfig\n",
        )
        .folder("./usr/")
        .folder("./usr/fonts/")
        .file("./usr/fonts/x", "")
        .file("./usr/fontsier", "");
    let triggers = [
        ("File", "/usr/fonts fc/noawait\n/usr/fontsi x\n"),
        ("boot", "old\n"),
        ("Unincorp", "else -\n"),
    ];
    let before = Before {
        triggers: triggers
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        ..Before::default()
    };
    let files = files_of(vec![sample], &before).unwrap();
    assert_eq!(
        files["triggers/File"],
        "/usr/fonts fc/noawait\n/usr/fontsi x\n/usr/share/a a\n"
    );
    assert_eq!(files["triggers/boot"], "old\na/noawait\n");
    assert_eq!(files["triggers/Unincorp"], "else -\n/usr/fonts -\n");
    assert!(!files.contains_key("triggers/ldconfig"));
}

#[test]
fn apt_is_told_which_packages_nobody_asked_for() {
    let read = |sample: Sample| deb::read(&*sample.bytes(), &mut |_| Ok(())).unwrap();
    let debs = [
        read(Sample::named("a", "1", "")),
        read(Sample::named("b", "1", "")),
    ];
    let mut incoming: Vec<Incoming<'_>> = debs
        .iter()
        .map(|deb| {
            let text = std::str::from_utf8(&deb.control["control"].bytes).unwrap();
            Incoming::new(control::single(text).unwrap(), deb)
        })
        .collect();
    incoming[1].is_requested = false;
    let before = Before {
        extended: Some(("Package: old\n\n".to_owned(), "amd64")),
        ..Before::default()
    };
    let files = files(&Laid::on(Tree::default()), &incoming, &before).unwrap();
    let (path, _, text) = files.last().unwrap();
    assert_eq!(path, "var/lib/apt/extended_states");
    let text = String::from_utf8_lossy(text);
    assert_eq!(
        text,
        "Package: old\n\nPackage: b\nArchitecture: amd64\nAuto-Installed: 1\n\n"
    );
}

#[test]
fn a_trigger_cannot_be_a_file_elsewhere() {
    for name in ["../../../etc/x", "File", "Lock", ".x"] {
        let text = format!("interest {name}\n");
        let sample = Sample::named("a", "1", "").script("triggers", &text);
        let error = files_of(vec![sample], &Before::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`a` has a trigger called `{name}`")
        );
    }
}

#[test]
fn scripts_that_only_look_at_older_versions_do_not_run() {
    let helper = "dpkg-maintscript-helper rm_conffile /etc/a 1.2\\~ -- \"$@\"";
    let run = |lines: &str| {
        has_to_run(&format!(
            "#!/bin/sh\nset -e\n# Automatically added\n{lines}\nexit 0\n"
        ))
    };
    assert!(!run(helper));
    assert!(!run(&format!("{helper}\n\n  {helper}")));
    assert!(run("mkdir /x"));
    assert!(run(&format!("{helper}; mkdir /x")));
    assert!(run(
        "dpkg-maintscript-helper rm_conffile $(mkdir /x) 1 -- \"$@\""
    ));
    assert!(run("dpkg-maintscript-helper supports rm_conffile"));
    assert!(run("if [ \"$1\" = install ]; then"));
    assert!(has_to_run("#!/usr/bin/perl\n"));
    assert!(has_to_run("\u{7f}ELF"));
}

#[test]
fn configuration_files_that_wait_have_no_hash_yet() {
    let sample = Sample::named("a", "1", "")
        .script("conffiles", "/etc/a\n")
        .folder("./etc/")
        .file("./etc/a", "");
    let laid = Laid::on(Tree::default()).by(Settings::default(), Vec::new());
    let files = files_on(laid, vec![sample], &Before::default()).unwrap();
    let status = &files["status"];
    assert!(
        status.ends_with("Conffiles:\n /etc/a newconffile\n\n"),
        "{status}"
    );
    assert_eq!(files["info/a.list"], "/.\n/etc\n/etc/a\n");
}
