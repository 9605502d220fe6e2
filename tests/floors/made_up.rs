//! Tests the check itself on small, deliberately broken source trees.

use std::collections::BTreeMap;

use crate::house::{House, Table};

/// A crate with these floors and files; `lib.rs` declares the top-level ones.
fn house(floors: &str, files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut lib = "//! A crate.\n//!\n//! # Floors\n//!\n//! ```text\n".to_owned();
    for floor in floors.lines() {
        lib += &format!("//! {}\n", floor.trim());
    }
    lib += "//! ```\n";
    for (path, _) in files {
        if let (top, "mod.rs") = path.split_once('/').unwrap_or((path, "mod.rs")) {
            lib += &format!("mod {};\n", top.trim_end_matches(".rs"));
        }
    }
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    files.chain([("lib.rs".to_owned(), lib)]).collect()
}

/// Kinds and messages of the violations.
fn mistakes(floors: &str, files: &[(&str, &str)]) -> Vec<String> {
    let mistakes = House::new(&house(floors, files)).mistakes(&[]);
    let told = mistakes
        .iter()
        .map(|it| format!("{}: {}", it.kind, it.message));
    told.collect()
}

#[test]
fn a_sound_house_passes() {
    let files = [
        (
            "cli.rs",
            "use crate::plan::{self, Plan};\nfn run() { crate::spec::read(); plan::plan() }",
        ),
        (
            "plan/mod.rs",
            "mod order;\npub use order::Order;\npub struct Plan;",
        ),
        (
            "plan/order.rs",
            "use super::Plan;\nuse crate::spec::Spec;\npub struct Order;",
        ),
        ("spec.rs", "pub struct Spec;"),
    ];
    assert_eq!(mistakes("cli\nplan\nspec", &files), [""; 0]);
}

#[test]
fn an_arrow_up_is_told_with_its_place() {
    let files = [
        ("cli.rs", ""),
        ("plan.rs", "use std::io;\nuse crate::cli::Args;"),
    ];
    assert_eq!(
        mistakes("cli\nplan", &files),
        [
            "arrow up: src/plan.rs:2: `plan` names `cli`, which stands above it: move what it needs below both, or have it handed in"
        ]
    );
}

#[test]
fn an_arrow_up_is_found_however_it_is_written() {
    for text in [
        "fn a() { crate::cli::run() }",
        "fn a() -> super::cli::Args { b }",
        "use crate::{cli::Args};",
        "use crate::{spec::{self, Spec}, cli as above};",
        "pub use super::cli::*;",
        "use crate::Handed;",
        "mod inner { use super::super::cli::Args; }",
    ] {
        let mut texts = house(
            "cli\nplan\nspec",
            &[("cli.rs", ""), ("plan.rs", text), ("spec.rs", "")],
        );
        *texts.get_mut("lib.rs").unwrap() += "pub use cli::Handed;\n";
        let found = House::new(&texts).mistakes(&[]);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].kind, "arrow up", "{text}");
    }
}

#[test]
fn comments_texts_tests_and_visibility_name_nothing() {
    let text = r##"
        //! See [`crate::cli`].
        /* use crate::cli; /* use crate::cli; */ use crate::cli; */
        const A: &str = "crate::cli \" crate::cli";
        const B: &str = r#"" crate::cli "#;
        const C: (char, u8, &'static str) = ('"', b'"', "use crate::cli;");
        pub(in crate::plan) struct D;
        #[cfg(test)]
        use crate::cli::Args;
        struct E { #[cfg(test)] args: crate::cli::Args, }
        #[cfg(test)]
        #[allow(dead_code)]
        pub(crate) fn f() -> [u8; 1] { crate::cli::run() }
        #[cfg(test)]
        mod tests { use crate::cli::Args; fn g() { if a { b } } }
        #[cfg(test)]
        mod fuzz;
    "##;
    let files = [
        ("cli.rs", ""),
        ("plan.rs", text),
        ("plan/fuzz.rs", "use crate::cli::Args;"),
    ];
    assert_eq!(mistakes("cli\nplan", &files), [""; 0]);
}

#[test]
fn modules_of_one_floor_do_not_name_each_other() {
    let files = [("plan.rs", "use crate::store::Store;"), ("store.rs", "")];
    let found = mistakes("plan store", &files);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("`plan` names `store`, which stands on the same floor"));
}

#[test]
fn a_circle_of_modules_is_told_once_with_all_its_places() {
    let files = [
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "\nuse crate::c::C;"),
        ("c.rs", "\n\nuse crate::a::A;"),
    ];
    let found = mistakes("a\nb\nc", &files);
    let circles: Vec<_> = found
        .iter()
        .filter(|it| it.starts_with("module circle"))
        .collect();
    assert_eq!(
        circles,
        [
            "module circle: src/a.rs:1: `a` names `b`, src/b.rs:2: `b` names `c`, src/c.rs:3: `c` names `a`, a circle: let the lower one know nothing of the higher"
        ]
    );
}

#[test]
fn a_circle_of_files_is_told_within_their_module() {
    let files = [
        (
            "syntax/mod.rs",
            "mod lexer;\nmod parser;\npub use parser::parse;",
        ),
        ("syntax/lexer.rs", "use super::parser::Node;"),
        ("syntax/parser.rs", "use crate::syntax::lexer::Token;"),
    ];
    assert_eq!(
        mistakes("syntax", &files),
        [
            "file circle: src/syntax/lexer.rs:1: `syntax::lexer` names `syntax::parser`, src/syntax/parser.rs:1: `syntax::parser` names `syntax::lexer`, a circle: move what both need into a file below them"
        ]
    );
}

#[test]
fn a_circle_through_what_the_parent_hands_on_is_one() {
    let files = [
        (
            "syntax/mod.rs",
            "mod lexer;\nmod parser;\npub use parser::Node;\npub use lexer::Token;",
        ),
        ("syntax/lexer.rs", "use super::Node;\npub struct Token;"),
        ("syntax/parser.rs", "use super::Token;\npub struct Node;"),
    ];
    let found = mistakes("syntax", &files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("file circle: "));
}

#[test]
fn a_child_may_name_its_parent_until_the_parent_uses_the_child() {
    let child = ("plan/order.rs", "use super::Plan;\npub struct Order;");
    let of = |parent| mistakes("plan", &[("plan/mod.rs", parent), child]).len();
    assert_eq!(of("mod order;\npub use order::Order;\npub struct Plan;"), 0);
    assert_eq!(of("mod order;\nuse order::Order;\npub struct Plan;"), 1);
    assert_eq!(of("mod order;\npub struct Plan(order::Order);"), 1);
    assert_eq!(
        of("mod order;\npub use order::Order;\npub struct Plan(Order);"),
        1
    );
}

#[test]
fn the_list_has_every_module_once_and_no_other() {
    let found = mistakes("a\nb a\ngone", &[("a.rs", ""), ("b.rs", ""), ("c.rs", "")]);
    assert_eq!(
        found,
        [
            "list of floors: src/lib.rs: `a` stands on two floors: delete one of them",
            "list of floors: src/lib.rs: `c` stands on no floor: add it to the list of floors, above all that it names",
            "list of floors: src/lib.rs: `gone` of the list of floors is no module: delete it there",
        ]
    );
}

#[test]
fn long_files_are_told() {
    let of = |lines| mistakes("a", &[("a.rs", "//\n".repeat(lines).as_str())]);
    assert_eq!(of(450), [""; 0]);
    assert_eq!(
        of(451),
        ["long file: src/a.rs:1: 451 lines, at most 450: split it by what it does"]
    );
}

#[test]
fn long_functions_are_told_unless_they_are_tables() {
    let of = |lines: usize, tables: &[Table]| {
        let body = "    let a = [1; 2];\n".repeat(lines - 2);
        let text = format!("struct A;\n\npub fn rules(a: [u8; 2]) -> impl Fn() {{\n{body}}}\n");
        let found = House::new(&house("a", &[("a.rs", &text)])).mistakes(tables);
        let told = found.into_iter().map(|it| it.message);
        told.collect::<Vec<_>>()
    };
    let table = [Table {
        file: "a.rs",
        function: "rules",
        reason: "one table",
    }];
    assert_eq!(of(60, &[]), [""; 0]);
    assert_eq!(
        of(61, &[]),
        ["src/a.rs:3: `rules` has 61 lines, at most 60: name its parts as functions of their own"]
    );
    assert_eq!(of(61, &table), [""; 0]);
    assert_eq!(
        of(60, &table),
        ["src/a.rs:1: `rules` (one table) is short or gone: delete it from the list of tables"]
    );
}
