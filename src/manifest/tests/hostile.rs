//! Hostile manifests.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{checked, drawn, good, told};
use crate::diagnostic::to_json;

#[track_caller]
fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    result
}

#[test]
fn variables_that_double_are_stopped() {
    let mut text = String::from("variable \"v0\" default=\"0123456789abcdef\"\n");
    for at in 1..60 {
        let _ = writeln!(
            text,
            "variable \"v{at}\" default=\"{{{{ v{before} }}}}{{{{ v{before} }}}}\"",
            before = at - 1
        );
    }
    let told = quickly(|| told(&text));
    assert!(told.contains("a string grows beyond 64 KiB"), "{told}");
}

#[test]
fn many_images_that_inherit_much_are_stopped() {
    let packages = "packages \"0123456789012345678901234567890123456789\"\n".repeat(5000);
    let axes: String = (0..1000).map(|at| format!(" \"{at}\"")).collect();
    let text =
        format!("defaults {{\n{packages}}}\nimage \"i{{{{ a }}}}\" {{ matrix {{ a{axes} }} }}\n");
    let told = quickly(|| told(&text));
    assert!(told.contains("the workspace grows beyond 64 MiB"), "{told}");
}

#[test]
fn a_flood_of_mistakes_is_cut() {
    let text = "x\n".repeat(300_000);
    let found = quickly(|| checked(&[("imgspec.kdl", &text)], &[]));
    assert_eq!(found.diagnostics.len(), 1001);
    quickly(|| drawn(&found));
    let _ = quickly(|| to_json(&found.diagnostics, &found.workspace.sources));
}

#[test]
fn mistakes_on_one_endless_line_are_drawn_in_time() {
    let found = checked(&[("imgspec.kdl", &"x;".repeat(200_000))], &[]);
    let drawn = quickly(|| drawn(&found));
    assert!(drawn.lines().all(|line| line.len() < 400));
}

#[test]
fn templates_in_a_long_chain_do_not_overflow() {
    let chain: String = (0..10_000)
        .map(|at| format!("template \"t{at}\" extends=\"t{}\" {{ }}\n", at + 1))
        .collect();
    quickly(|| {
        told(&format!(
            "{chain}template \"t10000\" {{ }}\nimage \"i\" extends=\"t0\"\n"
        ))
    });
    let ring = chain.replace("\"t10000\"", "\"t0\"");
    quickly(|| told(&format!("{ring}image \"i\"\n")));
}

#[test]
fn a_thousand_images_are_read_in_good_time() {
    let mut text = String::from(
        "template \"t\" { env A=\"1\" B=\"2\"; packages \"numpy\" \"torch\" }\nimage \"i0\"\n",
    );
    for at in 1..1000 {
        let _ = writeln!(
            text,
            "image \"i{at}\" extends=\"t\" {{\n    base-image image=\"i{}\"\n    packages \"p{at}\"\n    copy \"imgspec.kdl\" to=\"/app/\"\n    commands \"make\" \"make install\"\n}}",
            at / 3
        );
    }
    let workspace = quickly(|| good(&[("imgspec.kdl", &text)], &[]));
    assert_eq!(workspace.images.len(), 1000);
}

#[test]
fn a_rule_is_asked_of_what_stands_in_the_image_and_not_of_what_was_written() {
    // A variable must not bring in a value that would be refused as a literal.
    let found = checked(
        &[(
            "imgspec.kdl",
            "variable \"v\" env=\"V\"\nimage \"i\" { apt-packages \"{{ v }}\"; user \"{{ v }}\" }\n",
        )],
        &["env:V=-o Dir::x"],
    );
    assert_eq!(found.diagnostics.len(), 2);
}

#[cfg(unix)]
#[test]
fn globs_through_links_and_many_stars_end() {
    let stars = "**/".repeat(50_000);
    let files = super::folder(&[
        (
            "imgspec.kdl",
            &format!(
                "workspace {{ include \"{stars}*.kdl\" \"**/a/**/b/**/c/**\" \"*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/x.kdl\" }}\nimage \"i\"\n"
            ),
        ),
        ("a/b/c/imgspec.kdl", "image \"c\""),
    ]);
    for link in ["l1", "l2", "l3"] {
        std::os::unix::fs::symlink(".", files.path().join(link)).unwrap();
    }
    let manifest = files.path().join("imgspec.kdl");
    let found = quickly(|| {
        crate::check::check(&manifest, &crate::manifest::Overrides::default(), &|_| None)
    });
    assert_eq!(found.workspace.images.len(), 2, "{}", drawn(&found));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn soup_of_words_is_checked_and_drawn_without_a_panic(
        words in prop::collection::vec(prop::sample::select(&[
            "image ", "template ", "variable ", "defaults ", "workspace ", "include ", "matrix ", "extends ", "extends=", "env ", "copy ",
            "base-image ", "image=", "packages ", "requirements ", "platform ", "reset=#true ", "\"a\" ", "\"{{ a }}\" ", "\"é\" ", "a ", "A=\"1\" ",
            "{\n", "}\n", "\n", ";", "default=", "\"*\" ", "\".\" ", "1 ", "#true ", "\"linux/amd64\" ", "tag-format ", "\"{{\" ", "\r\n", "\t", "🦀",
        ][..]), 0..50)
    ) {
        let found = checked(&[("imgspec.kdl", &words.concat())], &["set:a.packages=x", "var:a=b"]);
        let _ = drawn(&found);
        let _ = to_json(&found.diagnostics, &found.workspace.sources);
    }
}
