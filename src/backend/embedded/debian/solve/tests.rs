//! Which packages are chosen, by made-up lists.

use super::*;
use crate::backend::embedded::debian::state::SolveError;
use crate::backend::embedded::debian::testing::{names, pool};

const LIST: &str = "Package: app\nVersion: 1\nDepends: lib (>= 2), one | two, mail\n\n\
    Package: lib\nVersion: 2\nPre-Depends: base\n\nPackage: lib\nVersion: 1\n\n\
    Package: base\nVersion: 1\nEssential: yes\nPriority: required\n\n\
    Package: two\nVersion: 1\n\nPackage: one\nVersion: 1\n\n\
    Package: postfix\nVersion: 1\nProvides: mail\nPriority: optional\n\n\
    Package: exim\nVersion: 1\nProvides: mail\nPriority: standard\nConflicts: postfix\n\n\
    Package: apt\nVersion: 1\nPriority: important\n\nPackage: foreign\nArchitecture: i386\nVersion: 1\n\n\
    Package: tool\nVersion: 1\nPriority: important\n\n\
    Package: old\nVersion: 1\nDepends: lib (= 1)\n\n\
    Package: broken\nVersion: 1\nDepends: old | nothing\n\n\
    Package: deep\nVersion: 1\nDepends: none (>= 3)\n\nPackage: deeper\nVersion: 1\nDepends: deep\n\n\
    Package: careful\nVersion: 1\nDepends: deep | two\n\n\
    Package: ring-a\nVersion: 1\nDepends: ring-b\n\nPackage: ring-b\nVersion: 1\nDepends: ring-a\n\n\
    Package: python\nVersion: 3\nMulti-Arch: allowed\n\nPackage: script\nVersion: 1\nDepends: python:any (>= 3), base:amd64\n\n\
    Package: wrong\nVersion: 1\nDepends: base:any\n\n\
    Package: b\nVersion: 2\nBreaks: c (<< 2)\n\nPackage: c\nVersion: 2\n\nPackage: s-bin\nSource: s\nVersion: 2\n\n\
    Package: s-lib\nSource: s\nVersion: 2\n";

fn choose(status: &str, packages: &[&str]) -> String {
    let packages: Vec<String> = packages.iter().map(|&package| package.to_owned()).collect();
    match solve(&pool(&[(500, LIST)], status), &packages, None) {
        Ok(found) => names(&found.packages),
        Err(SolveError::None(why) | SolveError::Unclear(why)) => why,
    }
}

#[test]
fn what_is_needed_comes_first_and_the_first_alternative_is_taken() {
    assert_eq!(choose("", &["app"]), "base lib one exim app");
    assert_eq!(choose("", &["two", "app"]), "base lib two exim app");
    assert_eq!(choose("", &["app", "postfix"]), "base lib one postfix app");
    assert_eq!(choose("", &["ring-a"]), "ring-b ring-a");
    assert_eq!(choose("", &["script"]), "base python script");
    assert_eq!(choose("", &["lib=1"]), "lib=1");
    assert_eq!(choose("", &["lib:amd64"]), "base lib");
    assert_eq!(choose("", &[]), "");
}

fn installed(packages: &str) -> String {
    let each = packages.split("; ").map(|package| {
        let package = package.replacen(' ', "\nVersion: ", 1).replace(", ", "\n");
        format!("Package: {package}\nStatus: install ok installed\nArchitecture: amd64\n\n")
    });
    each.collect()
}

#[test]
fn what_the_base_has_stays_or_is_replaced_by_what_is_newer() {
    let status = installed("base 1; lib 2; two 1; postfix 1, Provides: mail");
    assert_eq!(choose(&status, &["app"]), "app");
    assert_eq!(choose(&status, &["two"]), "");
    // Too old, and a newer one is there.
    assert_eq!(
        choose(
            &installed("base 1; lib 1; two 1; exim 1, Provides: mail"),
            &["app"]
        ),
        "lib app"
    );
    // What would break moves along; what is built from the same source too.
    assert_eq!(choose(&installed("c 1"), &["b"]), "b c");
    assert_eq!(
        choose(&installed("s-lib 1, Source: s"), &["s-bin"]),
        "s-bin s-lib"
    );
}

#[test]
fn other_ways_are_tried_if_the_first_one_fails() {
    assert_eq!(choose("", &["careful"]), "two careful");
}

#[test]
fn what_cannot_be_is_told_with_its_reason() {
    assert_eq!(
        choose("", &["ap"]),
        "unknown Debian package `ap`; did you mean `app`?"
    );
    assert_eq!(
        choose("", &["zzzzzzzz"]),
        "unknown Debian package `zzzzzzzz`: no source of the image has it"
    );
    assert_eq!(
        choose("", &["foreign"]),
        "unknown Debian package `foreign`; did you mean `foreign`?"
    );
    assert_eq!(
        choose("", &["lib=3"]),
        "package `lib` has no version `3`, only `2`, `1`"
    );
    assert_eq!(
        choose("", &["mail"]),
        "`mail` is provided by several packages, choose one: `exim`, `postfix`"
    );
    assert_eq!(
        choose("", &["deeper"]),
        "package `deep` needs `none (>= 3)`, which is not available; it is needed by `deeper`"
    );
    assert_eq!(
        choose("", &["broken"]),
        "package `old` needs `lib (= 1)`, which is not available (there is `lib 2`); it is needed by `broken`"
    );
    assert_eq!(
        choose("", &["exim", "postfix"]),
        "package `exim` does not go with `postfix 1`"
    );
    assert_eq!(
        choose("", &["wrong"]),
        "package `wrong` needs `base:any`, which is not available (there is `base 1`)"
    );
}

#[test]
fn what_only_apt_decides_is_left_to_it() {
    assert!(choose("", &["lib:i386"]).contains("another architecture"));
    let other = installed("postfix 1, Provides: mail");
    assert!(
        choose(&other, &["exim"]).contains("would have to be removed"),
        "{}",
        choose(&other, &["exim"])
    );
    assert!(choose(&installed("lib 2"), &["lib=1"]).contains("is to be replaced"));
}

#[test]
fn the_packages_of_a_new_base_are_those_of_its_variant() {
    let members = |set| {
        names(
            &solve(&pool(&[(500, LIST)], ""), &[], Some(set))
                .unwrap()
                .packages,
        )
    };
    assert_eq!(members(Set::Essential), "base");
    assert_eq!(members(Set::Apt), "apt base");
    assert_eq!(members(Set::Required), "apt base");
    assert_eq!(members(Set::Important), "apt base tool");
}

#[test]
fn the_candidate_is_of_the_highest_priority_then_version() {
    let backports = "Package: lib\nVersion: 9\n";
    let chosen = |priority| {
        let pool = pool(&[(500, LIST), (priority, backports)], "");
        let found = solve(&pool, &["lib".to_owned()], None).unwrap();
        found
            .packages
            .iter()
            .find(|known| known.name == "lib")
            .unwrap()
            .version
            .clone()
    };
    assert_eq!([chosen(500), chosen(100), chosen(1)], ["9", "2", "2"]);
}
