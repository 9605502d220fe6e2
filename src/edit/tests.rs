//! The results of formatting and editing texts.

use proptest::prelude::*;

use super::formatted;
use crate::diagnostic::Sources;
use crate::manifest::{Data, parse, write};

#[track_caller]
fn laid_out(text: &str) -> String {
    let once = formatted("x", text, &mut Sources::default())
        .unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}"));
    let twice = formatted("x", &once, &mut Sources::default())
        .unwrap_or_else(|wrong| panic!("{once:?}: {wrong:?}"));
    assert_eq!(once, twice, "of {text:?}");
    once
}

#[test]
fn a_manifest_is_laid_out_in_the_canonical_way() {
    for (text, expected) in [
        ("", ""),
        ("\n\n", ""),
        ("a", "a\n"),
        ("a;b ;c", "a\nb\nc\n"),
        ("a   \"b\"\tc = d", "a \"b\" c=d\n"),
        ("\n\n// x  \n\n\n\na\n\n\n", "// x\n\na\n"),
        ("a {b  c=d;}", "a { b c=d }\n"),
        ("a { b; c }", "a {\n    b\n    c\n}\n"),
        ("a { b { c } }", "a {\n    b { c }\n}\n"),
        ("a {\n b }", "a {\n    b\n}\n"),
        ("a {}\nb {\n\n}", "a {}\nb {}\n"),
        ("a {\n\n  // x\n\n\n  b\n\n}", "a {\n    // x\n\n    b\n}\n"),
        (
            "a { // x\n b; c // y\n}// z",
            "a { // x\n    b\n    c // y\n} // z\n",
        ),
        ("a {b;c;};d", "a {\n    b\n    c\n}\nd\n"),
        (
            "a \"b\" \\\n \"c\" \\ // why\n\"d\"",
            "a \"b\" \\\n    \"c\" \\ // why\n    \"d\"\n",
        ),
        ("a b \\\n  \\\n\n c", "a b\nc\n"),
        ("a b \\ // x\n\nc", "a b // x\nc\n"),
        (
            "/- a  b\nc /-d  /- e = f /-{ g }",
            "/-a b\nc /-d /-e=f /-{ g }\n",
        ),
        ("/-\n// x\n a", "// x\n/-a\n"),
        ("a /-\n// x\n b c", "a \\ // x\n    /-b c\n"),
        (
            "/* x */ a /* y\n  y */ b\n/* z */\nc",
            "/* x */ a /* y\n  y */ b\n/* z */\nc\n",
        ),
        ("/* x */ // y\na", "/* x */ // y\na\n"),
        (
            "a \"\"\"\n  x\n    y\n  \"\"\" { b }",
            "a \"\"\"\n  x\n    y\n  \"\"\" { b }\n",
        ),
        ("a #\"x  y\"#  \"z  z\"", "a #\"x  y\"# \"z  z\"\n"),
        ("a { /-b; }", "a {\n    /-b\n}\n"),
        ("a\r\n  b {\r\nc }\r\n", "a\r\nb {\r\n    c\r\n}\r\n"),
        ("a\u{a0}b\u{2028}c", "a b\nc\n"),
        ("ä \"ö\"", "ä \"ö\"\n"),
    ] {
        assert_eq!(laid_out(text), expected, "of {text:?}");
    }
}

#[test]
fn a_text_with_mistakes_is_not_laid_out() {
    for text in ["a {", "a \"", "a true", "}"] {
        let wrong = formatted("x", text, &mut Sources::default()).unwrap_err();
        assert!(wrong[0].place.is_some(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Includes texts that nobody would write. `formatted` itself verifies that the meaning is unchanged.
    #[test]
    fn any_text_that_reads_has_a_layout_that_means_the_same_and_is_its_own(
        tokens in prop::collection::vec(prop::sample::select(&[
            "a", "b ", " ", "\n", "\"x\"", "{", "}", "{ ", " }", "/-", "/* c */", "// d\n", "\\\n", " \\ // e\n", "=", "c=d", ";", "\r\n",
            "\"\"\"\n  y\n  \"\"\"", "#\"z\"#", "1", "\t", "\n\n\n",
        ][..]), 0..40)
    ) {
        let text = tokens.concat();
        let is_sound = crate::manifest::parse(&text, Sources::default().add("x", "")).1.is_empty();
        if is_sound {
            laid_out(&text);
        }
    }

    #[test]
    fn any_text_is_written_as_a_value_that_is_read_as_it(text in "(\\PC|[\\x00-\\x1f\"\\\\#{}\u{85}\u{2028}\u{202e}\u{feff}]|\\{\\{){0,12}") {
        for written in [write::in_line(&text), write::text(&text, 1)].into_iter().flatten() {
            let (nodes, mistakes) = parse(&format!("x {written}\n"), Sources::default().add("x", ""));
            prop_assert!(mistakes.is_empty(), "{}: {:?}", written, mistakes);
            let Data::Text { text: read, quoted } = &nodes[0].args[0].data else { panic!("{written}") };
            prop_assert_eq!(read, &text);
            // In a quoted string, the braces would name a variable.
            prop_assert!(!quoted || !text.contains("{{"));
        }
    }
}
