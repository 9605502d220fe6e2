//! Hostile manifests.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{checked, drawn, good, told};
use crate::diagnostic::to_json;
use crate::disk::limits;

/// Work of this thread that must end soon, however busy the machine is.
#[track_caller]
fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let (start, used) = (Instant::now(), processor_time());
    let result = work();
    let spent = match (used, processor_time()) {
        (Some(before), Some(after)) => after.checked_sub(before).unwrap_or_default(),
        _ => start.elapsed(),
    };
    assert!(spent < Duration::from_secs(20), "{spent:?}");
    result
}

/// How long this thread has been running, where the system tells.
fn processor_time() -> Option<Duration> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    times
        .split(' ')
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
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
fn the_largest_file_is_refused_in_good_time_whatever_it_is_full_of() {
    let most = usize::try_from(limits::MANIFEST).unwrap();
    let full_of = |unit: &str| unit.repeat(most / unit.len());
    let texts = [
        ("too-deep", full_of("a {")),
        ("too-deep", full_of("/* ")),
        ("too-deep", full_of("a /-{ ")),
        ("too-large", full_of("a\n")),
        (
            "too-large",
            format!("image \"a\" {{ packages{}", full_of(" b"))[..most].to_owned(),
        ),
        ("syntax", full_of("= ")),
        ("syntax", full_of("(")),
        ("syntax", full_of("\"\n")),
        ("syntax", full_of("\u{1}")),
        (
            "invalid-value",
            format!("image \"{}\"", "x".repeat(most - 8)),
        ),
    ];
    for (code, text) in texts {
        let found = quickly(|| checked(&[("imgspec.kdl", &text)], &[]));
        let codes: Vec<&str> = found.diagnostics.iter().map(|it| it.code).collect();
        assert!(codes.contains(&code) && codes.len() <= 1001, "{codes:?}");
        quickly(|| drawn(&found));
        let _ = quickly(|| to_json(&found.diagnostics, &found.workspace.sources));
    }
}

#[test]
fn what_all_files_hold_together_is_limited_and_said_once() {
    // Each file has 400,000 nodes; the third is one too many, and the others are not read.
    let nodes = "/-a\n".repeat(400_000);
    let names = ["a.kdl", "b.kdl", "c.kdl", "d.kdl", "e.kdl"];
    let include = "workspace { include \"*.kdl\" }\nimage \"a\"\n";
    let files = names.map(|name| (name, nodes.as_str()));
    let files: Vec<_> = files
        .into_iter()
        .chain([("imgspec.kdl", include)])
        .collect();
    let found = quickly(|| checked(&files, &[]));
    let mut large = found.diagnostics.iter().filter(|it| it.code == "too-large");
    let place = large.next().and_then(|it| it.place.as_ref()).unwrap();
    let source = found.workspace.sources.get(place.place.source);
    assert_eq!((source.path.as_str(), large.count()), ("c.kdl", 0));
}

#[test]
fn an_image_of_many_thousand_lines_is_read_in_good_time() {
    let of = |line: &dyn Fn(usize) -> String| (0..40_000).map(line).collect::<String>();
    let fields = of(&|at| format!("f{at} 1\n"));
    let props = of(&|at| format!(" p{at}=\"1\""));
    let labels = of(&|at| format!("labels l{at}=\"1\"\n"));
    let secrets = of(&|at| format!("secret \"s{at}\" env=\"A\" {{ run env=\"B\" }}\n"));
    let copies = of(&|at| format!("copy \"f{at}\" to=\"/\"\n"));
    let mut includes = of(&|at| format!("include \"f{at}\"\n"));
    includes = format!("workspace {{\n{includes}}}\n");
    let lines = [
        fields,
        labels,
        secrets,
        copies,
        format!("user \"a\"{props}\n"),
    ];
    let images = lines.map(|lines| format!("image \"a\" {{\n{lines}}}\n"));
    for text in images.into_iter().chain([includes]) {
        let found = quickly(|| checked(&[("imgspec.kdl", &text)], &[]));
        quickly(|| drawn(&found));
        let _ = quickly(|| to_json(&found.diagnostics, &found.workspace.sources));
    }
}

#[test]
fn images_in_a_long_chain_or_circle_do_not_overflow() {
    let image =
        |at: usize, base: usize| format!("image \"i{at}\" {{ base-image image=\"i{base}\" }}\n");
    let chain: String = (1..10_000).rev().map(|at| image(at, at - 1)).collect();
    let found = quickly(|| checked(&[("imgspec.kdl", &format!("{chain}image \"i0\""))], &[]));
    assert_eq!((found.diagnostics.len(), found.recipes.len()), (0, 10_000));
    let ring = format!("{chain}{}", image(0, 9_999));
    let found = quickly(|| checked(&[("imgspec.kdl", &ring)], &[]));
    let codes: Vec<&str> = found.diagnostics.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["cycle"]);
}

#[test]
fn thousands_of_bases_that_are_not_there_are_told_in_good_time() {
    let image = |at: usize| format!("image \"i{at}\" {{ base-image image=\"j{at}\" }}\n");
    let text: String = (0..10_000).map(image).collect();
    let found = quickly(|| checked(&[("imgspec.kdl", &text)], &[]));
    let told = quickly(|| drawn(&found));
    assert!(told.contains("did you mean `i0`?"), "{}", &told[..400]);
    assert!(
        told.ends_with("\nand 8999 more\n\n10000 errors\n"),
        "{}",
        &told[told.len() - 400..]
    );
}

#[test]
fn images_of_flytekit_are_not_built_on_each_other_without_end() {
    let image = |at: usize| format!("image \"i{at}\" {{ base-image image=\"i{}\" }}\n", at - 1);
    let images: String = (1..60).map(image).collect();
    let text = format!("defaults {{ flytekit \"1.16.31\" }}\nimage \"i0\"\n{images}");
    let told = told(&text);
    assert!(
        told.contains("built on each other more than 32 deep"),
        "{told}"
    );
    assert!(
        told.contains("image `i32`") && told.ends_with("\n1 error\n"),
        "{told}"
    );
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
