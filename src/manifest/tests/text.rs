//! Files that are not manifests.

use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::{checked, drawn, folder, good, told, told_of};
use crate::check::check;
use crate::disk::limits;
use crate::manifest::Overrides;

#[test]
fn text_that_is_not_kdl() {
    assert_snapshot!(told("FROM debian:bookworm\nRUN apt-get install [git]\n"), @r#"
    error[unknown-node]: unknown node `FROM`
     --> imgspec.kdl:1:1
      |
    1 | FROM debian:bookworm
      | ^^^^ there is no node with this name
      |
      = help: the top level of a file can have workspace, variable, defaults, template, image, group, builder-instance, allow

    error[syntax]: a `[` is not expected here
     --> imgspec.kdl:2:21
      |
    2 | RUN apt-get install [git]
      |                     ^
      |
      = help: a list is written without brackets: `packages "a" "b"`

    2 errors
    "#);
}

#[test]
fn json_is_not_kdl() {
    assert_snapshot!(told("{\n  \"image\": {\"name\": \"app\"}\n}\n"), @r#"
    error[syntax]: a block without a node
     --> imgspec.kdl:1:1
      |
    1 | {
      | ^ there is nothing before it
      |
      = help: the `{` of a node must be on the same line as the node

    error[syntax]: a name is followed by its values without a `:`
     --> imgspec.kdl:2:10
      |
    2 |   "image": {"name": "app"}
      |          ^
      |
    help: write it like this
      |
    2 -   "image": {"name": "app"}
    2 +   "image" {"name": "app"}
      |

    error[syntax]: a name is followed by its values without a `:`
     --> imgspec.kdl:2:19
      |
    2 |   "image": {"name": "app"}
      |                   ^
      |
    help: write it like this
      |
    2 -   "image": {"name": "app"}
    2 +   "image": {"name" "app"}
      |

    3 errors
    "#);
}

#[test]
fn toml_is_not_kdl() {
    assert_snapshot!(told("image \"app\" {\n    python-version = \"3.12\"\n    packages [\"a\", \"b\"]\n}\n"), @r#"
    error[syntax]: a `=` has no property name before it
     --> imgspec.kdl:2:20
      |
    2 |     python-version = "3.12"
      |                    ^
      |
    help: the values of `python-version` follow it without a `=`
      |
    2 -     python-version = "3.12"
    2 +     python-version "3.12"
      |

    error[syntax]: a `[` is not expected here
     --> imgspec.kdl:3:14
      |
    3 |     packages ["a", "b"]
      |              ^
      |
      = help: a list is written without brackets: `packages "a" "b"`

    2 errors
    "#);
}

#[test]
fn true_of_kdl_1() {
    assert_snapshot!(told("image \"app\" {\n    packages reset=true\n    commands r#\"echo \"$HOME\"\"#\n}\n"), @r##"
    error[kdl-1]: `true` is KDL 1
     --> imgspec.kdl:2:20
      |
    2 |     packages reset=true
      |                    ^^^^ KDL 2 writes `#true`
      |
    help: write `#true` or, for the string, `"true"`
      |
    2 |     packages reset=#true
      |                    +

    error[kdl-1]: a raw string with `r` is KDL 1
     --> imgspec.kdl:3:14
      |
    3 |     commands r#"echo "$HOME""#
      |              ^ KDL 2 writes `#"…"#`
      |
    help: write it like this
      |
    3 -     commands r#"echo "$HOME""#
    3 +     commands #"echo "$HOME""#
      |

    2 errors
    "##);
}

#[test]
fn commas_between_values() {
    assert_snapshot!(told("image \"app\" {\n    packages \"numpy\", \"torch\"\n}\n"), @r#"
    error[syntax]: values are separated by spaces, not by commas
     --> imgspec.kdl:2:21
      |
    2 |     packages "numpy", "torch"
      |                     ^
      |
    help: write it like this
      |
    2 -     packages "numpy", "torch"
    2 +     packages "numpy" "torch"
      |

    1 error
    "#);
}

#[test]
fn strings_and_blocks_that_are_never_closed() {
    assert_snapshot!(told("image \"app\" {\n    user \"me\n    workdir \"/app\"\n\nimage \"other\" {\n}\n"), @r#"
    error[syntax]: a block is never closed
     --> imgspec.kdl:1:13
      |
    1 | image "app" {
      |             ^ opened here
      |
      = help: close it with `}`

    error[syntax]: a string is never closed
     --> imgspec.kdl:2:10
      |
    2 |     user "me
      |          ^ begins here
      |
      = help: close it on the same line; a multi-line string begins and ends with `"""`

    2 errors
    "#);
}

#[test]
fn bytes_that_are_not_utf_8() {
    let files = folder(&[]);
    let manifest = files.path().join("imgspec.kdl");
    std::fs::write(&manifest, b"image \"caf\xe9\"\n").unwrap();
    let checked = check(&manifest, &Overrides::default(), &|_| None);
    assert_snapshot!(drawn(&checked), @r#"
    error[not-utf-8]: `imgspec.kdl` is not UTF-8
     --> imgspec.kdl:1:11
      |
    1 | image "caf�"
      |           ^ these bytes are not a character
      |
      = help: save it as UTF-8

    1 error
    "#);
    std::fs::write(&manifest, b"\xff\xfei\0m\0a\0g\0e\0").unwrap();
    let checked = check(&manifest, &Overrides::default(), &|_| None);
    assert!(drawn(&checked).contains("it seems to be UTF-16"));
}

#[test]
fn a_byte_order_mark_is_no_mistake_and_moves_no_column() {
    good(&[("imgspec.kdl", "\u{feff}image \"app\"\n")], &[]);
    assert_snapshot!(told("\u{feff}imag \"app\"\n"), @r#"
    error[unknown-node]: unknown node `imag`
     --> imgspec.kdl:1:1
      |
    1 | imag "app"
      | ^^^^ did you mean `image`?
      |
    help: write it like this
      |
    1 | image "app"
      |     +

    1 error
    "#);
}

#[test]
fn windows_line_ends_are_no_mistake() {
    assert_snapshot!(told("image \"app\" {\r\n    user \"app\"\r\n    pakages \"x\"\r\n}\r\n"), @r#"
    error[unknown-field]: unknown field `pakages` in an image
     --> imgspec.kdl:3:5
      |
    3 |     pakages "x" 
      |     ^^^^^^^ did you mean `packages`?
      |
    help: write it like this
      |
    3 |     packages "x" 
      |       +

    1 error
    "#);
}

#[test]
fn an_empty_file() {
    assert_snapshot!(told(""), @r#"
    error[no-image]: no image is declared
    --> imgspec.kdl
     = help: declare one: `image "app" { base-image "debian:bookworm-slim"; packages "numpy" }`

    1 error
    "#);
}

#[test]
fn a_file_with_nothing_but_a_comment() {
    assert_snapshot!(told("// soon\n"), @r#"
    error[no-image]: no image is declared
     --> imgspec.kdl:1:1
      |
    1 | // soon
      | ^
      |
      = help: declare one: `image "app" { base-image "debian:bookworm-slim"; packages "numpy" }`

    1 error
    "#);
}

#[test]
fn no_file_at_all() {
    let files = folder(&[]);
    let checked = check(
        &files.path().join("imgspec.kdl"),
        &Overrides::default(),
        &|_| None,
    );
    assert_snapshot!(drawn(&checked), @r#"
    error[unreadable]: `imgspec.kdl` cannot be read: there is no such file
     |
     = help: name another with `-f`, or create one with `imgspec init`

    1 error
    "#);
}

#[test]
fn a_file_of_one_byte_more_than_may_be() {
    let head = "image \"app\" // ";
    let most = usize::try_from(limits::MANIFEST).unwrap();
    let mut text = format!("{head}{}", "x".repeat(most - head.len()));
    assert_eq!(told(&text), "");
    text.push('x');
    assert_snapshot!(told(&text), @r#"
    error[too-large]: `imgspec.kdl` is larger than 16 MiB
    --> imgspec.kdl
     = help: split it: `workspace { include "…" }`

    1 error
    "#);
}

#[test]
fn nesting_that_is_too_deep_is_told_in_milliseconds() {
    let start = Instant::now();
    let braces = "a {".repeat(100_000);
    let comments = "/* ".repeat(100_000);
    let slashdash = "a /-{ ".repeat(50_000);
    for text in [&braces, &comments, &slashdash] {
        let told = told(text);
        assert!(told.contains("error[too-deep]: "), "{told}");
        assert!(told.ends_with("\n1 error\n"), "{told}");
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn mistakes_of_all_files_and_stages_are_told_in_one_run() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"a\" \"b\" }\nimage \"root\" { user \"a b\" }\n",
        ),
        (
            "a/imgspec.kdl",
            "image \"a\" {\n    base-image image=\"rot\"\n    copy \"nothing\"\n}\n",
        ),
        (
            "b/imgspec.kdl",
            "image \"b\" { base-image image=\"b\"; packages }\n",
        ),
    ];
    let told = told_of(&files, &[]);
    for part in [
        "invalid-value",
        "unknown-image",
        "missing-file",
        "cycle",
        "missing-argument",
        "5 errors",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_file_that_cannot_be_read_makes_no_other_mistakes() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"a\" }\nimage \"root\" { base-image image=\"a\" }\n",
        ),
        ("a/imgspec.kdl", "image \"a\" {\n"),
    ];
    assert_eq!(checked(&files, &[]).diagnostics.len(), 1);
}
