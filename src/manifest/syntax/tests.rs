//! Tests of the parser: examples, the `kdl` crate as an oracle, and noise.

use proptest::prelude::*;

use super::cursor::{begins_forbidden, is_forbidden};
use super::{Data, Node, Value, parse};
use crate::diagnostic::Sources;

fn read(text: &str) -> (Vec<Node>, Vec<String>) {
    let source = Sources::default().add("x", text);
    let (nodes, mistakes) = parse(text, source);
    (nodes, mistakes.into_iter().map(|it| it.message).collect())
}

fn shown(value: &Value) -> String {
    match &value.data {
        Data::Text { text, .. } => format!("{text:?}"),
        Data::Number(number) => number.clone(),
        Data::Bool(value) => format!("#{value}"),
        Data::Null => "#null".into(),
    }
}

/// The tree in a canonical notation.
fn outline(nodes: &[Node]) -> String {
    let one = |node: &Node| {
        let mut out = format!("{:?}", node.name.text);
        out.extend(node.args.iter().map(|arg| format!(" {}", shown(arg))));
        out.extend(
            node.props
                .iter()
                .map(|prop| format!(" {:?}={}", prop.name.text, shown(&prop.value))),
        );
        if node.block.is_some() {
            out += &format!("{{{}}}", outline(&node.children));
        }
        out
    };
    nodes.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The oracle's tree in the same notation; `None` if it rejects the text.
fn oracle(text: &str) -> Option<String> {
    fn value(value: &kdl::KdlValue, repr: &str) -> String {
        match value {
            kdl::KdlValue::String(text) => format!("{text:?}"),
            kdl::KdlValue::Bool(value) => format!("#{value}"),
            kdl::KdlValue::Null => "#null".into(),
            _ => repr.to_owned(),
        }
    }
    fn outline(document: &kdl::KdlDocument) -> String {
        let one = |node: &kdl::KdlNode| {
            let mut out = format!("{:?}", node.name().value());
            let mut props = String::new();
            for entry in node.entries() {
                let shown = value(
                    entry.value(),
                    entry.format().map_or("", |format| &format.value_repr),
                );
                match entry.name() {
                    None => out += &format!(" {shown}"),
                    Some(name) => props += &format!(" {:?}={shown}", name.value()),
                }
            }
            out += &props;
            if let Some(children) = node.children() {
                out += &format!("{{{}}}", outline(children));
            }
            out
        };
        document
            .nodes()
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join("; ")
    }
    kdl::KdlDocument::parse_v2(text).ok().map(|it| outline(&it))
}

#[track_caller]
fn agrees(text: &str) {
    let (nodes, mistakes) = read(text);
    assert_eq!(mistakes, Vec::<String>::new(), "{text}");
    assert_eq!(Some(outline(&nodes)), oracle(text), "{text}");
}

#[test]
fn good_texts_read_as_the_oracle_reads_them() {
    for text in [
        "",
        "a",
        "a; b ; c",
        "image \"x\" extends=\"y\" {\n  packages \"a\" b c\n}\n",
        "a 1 -2 0x1F 0b1_0 1.5e-3 #true #false #null",
        "a { b { c } }",
        "a {}; b",
        "a b=c d = \"e\" \"f\"=g",
        "// c\na /* x /* y */ z */ b // d\n/- gone \"x\" { y }\nc /-d e /-f=g /-{ h } { i }",
        "a \\\n  b \\ // more\n  c",
        "a \"\\u{e9}\\n\\t\\\"\\\\\\s|\\   \n   x\"",
        "a #\"raw \\ {{ }}\"# ##\"with \"# inside\"##",
        "a \"\"\"\n    one\n      two\n\n    three \\\n       four\n    \"\"\"",
        "a #\"\"\"\n  raw \\n\n  \"\"\"#",
        "ünï -x .y +z a,b image: ?",
        "a\r\nb\rc\u{85}d\u{2028}e",
        "a\u{a0}b\u{3000}c",
        "a {b;c}",
    ] {
        agrees(text);
    }
}

#[test]
fn each_mistake_is_told_and_the_rest_is_read() {
    for (text, message) in [
        ("a true", "`true` is KDL 1"),
        ("a r#\"x\"#", "a raw string with `r` is KDL 1"),
        ("a b=", "`b=` has no value"),
        ("a = b", "a `=` has no property name before it"),
        ("a \"x", "a string is never closed"),
        ("a \"x\"\"y\"", "a space is missing between two values"),
        (
            "a \"x\", \"y\"",
            "values are separated by spaces, not by commas",
        ),
        ("a [1]", "a `[` is not expected here"),
        ("a {", "a block is never closed"),
        ("a }", "unmatched `}`"),
        ("{ }", "a block without a node"),
        ("a { } b", "nothing may follow a block on its line"),
        ("a { } { }", "nothing may follow a block on its line"),
        ("a 3.12-slim", "`3.12-slim` is neither a number nor a word"),
        ("a \"\\q\"", "`\\q` is not an escape"),
        ("a \"\\u{110000}\"", "`\\u` needs a code point in braces"),
        ("a #what", "`#what` is not a keyword"),
        ("a (u8)1", "manifests do not support type annotations"),
        ("a /* x", "a comment is never closed"),
        (
            "a \"\"\"x\"\"\"",
            "a `\"\"\"` string begins on the line after its quotes",
        ),
        (
            "a \"\"\"\n  x\n y\n  \"\"\"",
            "a line of this string is indented less than its closing quotes",
        ),
        ("12 x", "a node must begin with a name"),
        (
            "a \u{202e}",
            "the character U+202E is not allowed in a manifest",
        ),
    ] {
        let (_, mistakes) = read(&format!("{text}\nb\n"));
        assert_eq!(mistakes, [message], "{text}");
        // Types are the only feature of KDL that manifests lack.
        assert!(oracle(text).is_none() || text.contains("(u8)"), "{text}");
    }
}

#[test]
fn a_broken_line_takes_no_other_line_with_it() {
    let (nodes, mistakes) = read("a \"x\nb [\nimage \"y\" {\n  c =\n  d 1\n}\ne");
    assert_eq!(mistakes.len(), 3);
    assert_eq!(outline(&nodes), r#""image" "y"{"d" 1}; "e""#);
}

#[test]
fn nesting_without_end_is_told_in_no_time() {
    for (text, message) in [
        ("a {".repeat(100_000), "blocks are nested more than 64 deep"),
        (
            "a /-{".repeat(100_000),
            "blocks are nested more than 64 deep",
        ),
        (
            "/- a {".repeat(100_000),
            "blocks are nested more than 64 deep",
        ),
        (
            "/*".repeat(100_000),
            "comments are nested more than 64 deep",
        ),
    ] {
        assert_eq!(read(&text).1, [message]);
    }
    // Found by fuzzing: a mistake followed by very many strings on one line.
    assert_eq!(
        read(&format!("[{}\nb", "\"a\" ".repeat(200_000))).1.len(),
        1
    );
    // Input that made the oracle abort: docs/design/kdl.md.
    for text in [
        "= ", ")", "}", "/- ", "a /-b ", "\"\n", "#", "\\", "a=\n", "a #\"x", "\\u{", "/",
        "\"\"\"\n",
    ] {
        read(&text.repeat(100_000));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn token_soup_neither_panics_nor_disagrees_with_the_oracle(
        tokens in prop::collection::vec(prop::sample::select(&[
            "a", "b ", " ", "\n", "\"", "\"\"\"", "#\"", "\"#", "{", "}", "/-", "/*", "*/", "//", "\\", "=", "1", "-", ".", "#true",
            "true", "(", ")", "[", ";", ",", "r", "é", "\u{2028}", "\u{feff}", "\\u{", "{{ x }}", "\r", "\t", "\"x\"",
        ][..]), 0..60)
    ) {
        let text = tokens.concat();
        let (nodes, mistakes) = read(&text);
        let cut = super::tokens(&text, Sources::default().add("x", ""));
        let whole: String = cut.iter().map(|token| &text[token.span.clone()]).collect();
        prop_assert_eq!(&whole, &text);
        for node in &nodes {
            prop_assert!(text.get(node.head().span()).is_some());
        }
        // Texts that both accept must be read alike. Where only one accepts, the text is unusual, and either a mistake is
        // reported or nothing is lost.
        if mistakes.is_empty() && let Some(expected) = oracle(&text) {
            prop_assert_eq!(outline(&nodes), expected);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        read(&text);
    }
}

#[test]
fn every_forbidden_character_is_looked_for() {
    let first = |c: char| c.encode_utf8(&mut [0; 4]).as_bytes()[0];
    let forbidden = ('\0'..=char::MAX).filter(|c| is_forbidden(*c));
    assert!(forbidden.map(first).all(begins_forbidden));
}
