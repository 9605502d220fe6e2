//! Which manifest is the root for a directory.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::folder;
use crate::manifest::{Apart, Overrides, Root, Unsure, find};

fn found_in(folder: &Path, from: &str, vars: &[(&str, &str)]) -> Result<Root, Box<Unsure>> {
    let vars = vars.iter();
    let vars = vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let overrides = Overrides {
        vars: vars.collect(),
        sets: Vec::new(),
    };
    find(&folder.join(from), &overrides, &|_| None).map(|found| found.expect("a manifest"))
}

/// The root manifest of a directory, relative to the test directory.
#[track_caller]
fn root(files: &[(&str, &str)], from: &str) -> String {
    let folder = folder(files);
    let real = folder.path().canonicalize().unwrap();
    let found = found_in(folder.path(), from, &[]).unwrap();
    let inside = found.manifest.strip_prefix(&real).unwrap();
    inside.display().to_string()
}

/// The errors as codes and messages.
#[track_caller]
fn unsure(folder: &Path, from: &str) -> Vec<String> {
    let unsure = found_in(folder, from, &[]).unwrap_err();
    let real = folder.canonicalize().unwrap().display().to_string();
    let told = unsure.diagnostics.iter();
    told.map(|it| format!("{}: {}", it.code, it.message.replace(&real, "…")))
        .collect()
}

fn including(pattern: &str) -> String {
    format!("workspace {{ include \"{pattern}\" }}\n")
}

#[test]
fn the_nearest_manifest_upwards_is_found() {
    let files = [("imgspec.kdl", ""), ("a/b/c/", ""), ("a/imgspec.kdl/", "")];
    assert_eq!(root(&files, "a/b/c"), "imgspec.kdl");
    let nothing = folder(&[("a/", "")]);
    let found = find(&nothing.path().join("a"), &Overrides::default(), &|_| None);
    assert_eq!(found.unwrap(), None);
}

#[test]
fn the_outermost_manifest_that_includes_the_nearest_is_the_root() {
    for pattern in [
        "services/a",
        "services/*",
        "services/a/imgspec.kdl",
        "**",
        "{services,tools}/?",
        "./services/../services/[a-c]",
    ] {
        let files = [
            ("imgspec.kdl", including(pattern)),
            ("services/a/imgspec.kdl", String::new()),
            ("services/a/src/", String::new()),
        ];
        let files = files.each_ref().map(|(path, text)| (*path, &**text));
        assert_eq!(root(&files, "services/a"), "imgspec.kdl", "{pattern}");
        assert_eq!(root(&files, "services/a/src"), "imgspec.kdl", "{pattern}");
    }
}

#[test]
fn what_leads_there_may_lie_in_between_or_aside() {
    let files = [
        ("imgspec.kdl", "workspace { include \"services\" }"),
        ("services/imgspec.kdl", "workspace { include \"a\" }"),
        ("services/a/imgspec.kdl", ""),
    ];
    assert_eq!(root(&files, "services/a"), "imgspec.kdl");
    let files = [
        ("imgspec.kdl", "workspace { include \"tools/all.kdl\" }"),
        ("tools/all.kdl", "workspace { include \"../services/?\" }"),
        ("services/a/imgspec.kdl", ""),
        ("services/imgspec.kdl", ""),
    ];
    assert_eq!(root(&files, "services/a"), "imgspec.kdl");
    assert_eq!(root(&files, "services"), "services/imgspec.kdl");
    // Cycles are reported when the manifest is loaded; here the search only has to end.
    let files = [
        ("imgspec.kdl", "workspace { include \"a.kdl\" }"),
        ("a.kdl", "workspace { include \"imgspec.kdl\" \"a.kdl\" }"),
        ("sub/imgspec.kdl", ""),
    ];
    assert_eq!(root(&files, "sub"), "sub/imgspec.kdl");
}

#[test]
fn a_manifest_above_that_does_not_include_it_leaves_it_its_own_root() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"services/*\" }\nimage \"x\" { nonsense }",
        ),
        ("services/b/imgspec.kdl", ""),
        ("examples/a/imgspec.kdl", ""),
        ("services/.hidden/imgspec.kdl", ""),
    ];
    let folder = folder(&files);
    let real = folder.path().canonicalize().unwrap();
    for apart in ["examples/a", "services/.hidden"] {
        let found = found_in(folder.path(), apart, &[]).unwrap();
        let own = real.join(apart).join("imgspec.kdl");
        let above = Apart::NotIncluding(real.join("imgspec.kdl"));
        let expected = Root {
            manifest: own.clone(),
            nearest: own,
            apart: vec![above],
        };
        assert_eq!(found, expected, "{apart}");
    }
}

#[test]
fn variables_of_includes_count() {
    let files = [
        (
            "imgspec.kdl",
            "variable \"where\"\nworkspace { include \"{{ where }}/*\" }",
        ),
        ("services/a/imgspec.kdl", ""),
    ];
    let folder = folder(&files);
    let real = folder.path().canonicalize().unwrap();
    let with = |value| found_in(folder.path(), "services/a", &[("where", value)]);
    assert_eq!(with("services").unwrap().manifest, real.join("imgspec.kdl"));
    assert_eq!(
        with("tools").unwrap().manifest,
        real.join("services/a/imgspec.kdl")
    );
    assert_eq!(
        unsure(folder.path(), "services/a"),
        [
            "no-value: variable `where` has no value",
            "unsure-root: cannot tell whether `…/imgspec.kdl` includes `…/services/a/imgspec.kdl`"
        ]
    );
}

#[test]
fn a_broken_manifest_above_never_makes_the_inner_one_the_root_silently() {
    let broken = [
        ("imgspec.kdl", "workspace { include \"serv"),
        ("services/a/imgspec.kdl", ""),
    ];
    let broken = folder(&broken);
    let told = unsure(broken.path(), "services/a");
    assert!(told[0].starts_with("syntax"), "{told:?}");
    assert!(told.last().unwrap().starts_with("unsure-root"), "{told:?}");
    // The readable part suffices to decide; its mistakes are reported when it is loaded.
    let enough = [
        (
            "imgspec.kdl",
            "workspace { include \"services/*\" }\nimage \"x {\n",
        ),
        ("services/a/imgspec.kdl", ""),
    ];
    assert_eq!(root(&enough, "services/a"), "imgspec.kdl");

    let files = [
        ("imgspec.kdl", "workspace { include \"*\" }"),
        ("a/imgspec.kdl", ""),
    ];
    let link = folder(&files[1..]);
    symlink("nowhere", link.path().join("imgspec.kdl")).unwrap();
    assert_eq!(
        unsure(link.path(), "a"),
        [
            "unreadable: `imgspec.kdl` cannot be read: it is a broken link",
            "unsure-root: cannot tell whether `…/imgspec.kdl` includes `…/a/imgspec.kdl`"
        ]
    );
    let denied = folder(&files);
    let path = denied.path().join("imgspec.kdl");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_err() {
        assert!(unsure(denied.path(), "a")[0].contains("permission denied"));
    }
}

#[test]
fn what_only_bears_the_name_above_is_passed_by() {
    let files = [("imgspec.kdl/", ""), ("a/imgspec.kdl", "")];
    assert_eq!(root(&files, "a"), "a/imgspec.kdl");
}

#[test]
fn a_directory_counts_where_it_really_is() {
    let files = [
        ("imgspec.kdl", "workspace { include \"services/*\" }"),
        ("services/a/imgspec.kdl", ""),
        ("elsewhere/imgspec.kdl", "workspace { include \"*\" }"),
    ];
    let folder = folder(&files);
    let real = folder.path().canonicalize().unwrap();
    symlink("../services/a", folder.path().join("elsewhere/link")).unwrap();
    let found = found_in(folder.path(), "elsewhere/link", &[]).unwrap();
    assert_eq!(found.manifest, real.join("imgspec.kdl"));
    // `..` is resolved on disk.
    let found = found_in(folder.path(), "services/a/..", &[]).unwrap();
    assert_eq!(found.manifest, real.join("imgspec.kdl"));
    // A manifest that is included through a link is identified by its resolved path.
    let files = [
        ("imgspec.kdl", "workspace { include \"current/*\" }"),
        ("releases/one/a/imgspec.kdl", ""),
    ];
    let folder = super::folder(&files);
    let real = folder.path().canonicalize().unwrap();
    symlink("releases/one", folder.path().join("current")).unwrap();
    let found = found_in(folder.path(), "current/a", &[]).unwrap();
    assert_eq!(found.manifest, real.join("imgspec.kdl"));
}

#[test]
fn nobody_elses_manifest_becomes_the_root() {
    let files = [
        ("imgspec.kdl", "workspace { include \"*\" }"),
        ("a/imgspec.kdl", ""),
    ];
    let folder = folder(&files);
    let path = folder.path().join("imgspec.kdl");
    // Only root can give files away, so this part needs root.
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
        return;
    }
    let found = found_in(folder.path(), "a", &[]).unwrap();
    let real = folder.path().canonicalize().unwrap();
    assert_eq!(found.manifest, real.join("a/imgspec.kdl"));
    assert_eq!(found.apart, [Apart::Stranger(real.join("imgspec.kdl"))]);
    // A whole checkout owned by another user, as in a container, is one workspace.
    let inner = folder.path().join("a/imgspec.kdl");
    std::os::unix::fs::chown(inner, Some(12_345), None).unwrap();
    let found = found_in(folder.path(), "a", &[]).unwrap();
    assert_eq!(found.manifest, real.join("imgspec.kdl"));
}
