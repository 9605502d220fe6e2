//! Files that are not ImageSpecs, including hostile ones.

use insta::assert_snapshot;

use super::{imported, refused};

#[test]
fn unknown_fields_are_refused_with_what_is_meant() {
    assert_snapshot!(refused("x.yaml", "pip_packages: [a]\npackagse: [a]\nfoo: 1\n3: x\nbase_image:\n  nmae: x\n"), @"
    error[unknown-field]: unknown field `pip_packages` of flytekit's ImageSpec
     --> x.yaml:1:1
      |
    1 | pip_packages: [a]
      | ^^^^^^^^^^^^ did you mean `packages`?

    error[unknown-field]: unknown field `packagse` of flytekit's ImageSpec
     --> x.yaml:2:1
      |
    2 | packagse: [a]
      | ^^^^^^^^ did you mean `packages`?

    error[unknown-field]: unknown field `foo` of flytekit's ImageSpec
     --> x.yaml:3:1
      |
    3 | foo: 1
      | ^^^
      |
      = help: flytekit's documentation of ImageSpec lists all fields

    error[unknown-field]: a number cannot be the name of a field
     --> x.yaml:4:1
      |
    4 | 3: x
      | ^
      |
      = help: flytekit's documentation of ImageSpec lists all fields

    error[unknown-field]: unknown field `nmae` of flytekit's ImageSpec
     --> x.yaml:6:3
      |
    6 |   nmae: x
      |   ^^^^ did you mean `name`?

    5 errors
    ");
}

#[test]
fn what_is_no_imagespec_is_refused() {
    let mut told = String::new();
    for text in ["", "  \n", "- a\n", "hello\n", "~\n", "a: b\n---\nc: d\n"] {
        told += &refused("x.yaml", text);
    }
    assert_snapshot!(told, @"
    error[empty]: `x.yaml` is empty
     |
     = help: name a file that defines images

    1 error
    error[empty]: `x.yaml` is empty
     |
     = help: name a file that defines images

    1 error
    error[wrong-type]: `x.yaml` contains a list, not a mapping
     --> x.yaml:1:1
      |
    1 | - a
      | ^
      |
      = help: an ImageSpec file is a mapping of fields, such as `packages: [numpy]`

    1 error
    error[wrong-type]: `x.yaml` contains a string, not a mapping
     --> x.yaml:1:1
      |
    1 | hello
      | ^^^^^
      |
      = help: an ImageSpec file is a mapping of fields, such as `packages: [numpy]`

    1 error
    error[wrong-type]: `x.yaml` contains null, not a mapping
     --> x.yaml:1:1
      |
    1 | ~
      | ^
      |
      = help: an ImageSpec file is a mapping of fields, such as `packages: [numpy]`

    1 error
    error[several]: a second document begins here
     --> x.yaml:2:1
      |
    2 | ---
      | ^^^
      |
      = help: write one ImageSpec per file

    1 error
    ");
}

#[test]
fn what_is_no_yaml_is_refused_where_it_is_not() {
    let mut told = String::new();
    for text in [
        "a: [\n",
        "\ta: b\n",
        "a: !!python/tuple [1]\n",
        "a: !x y\n",
        "a: *b\n",
        "a: &a [*a]\n",
        "<<: 3\n",
    ] {
        told += &refused("x.yaml", text);
    }
    assert_snapshot!(told, @"
    error[not-yaml]: invalid YAML
     --> x.yaml:2:1
      |
    2 |
      | ^ while parsing a node, did not find expected node content

    1 error
    error[unknown-field]: unknown field `a` of flytekit's ImageSpec
     --> x.yaml:1:2
      |
    1 |     a: b
      |     ^
      |
      = help: flytekit's documentation of ImageSpec lists all fields

    1 error
    error[unknown-tag]: unknown tag `!!python/tuple`
     --> x.yaml:1:4
      |
    1 | a: !!python/tuple [1]
      |    ^

    1 error
    error[unknown-tag]: unknown tag `!x`
     --> x.yaml:1:4
      |
    1 | a: !x y
      |    ^

    1 error
    error[not-yaml]: invalid YAML
     --> x.yaml:1:4
      |
    1 | a: *b
      |    ^ while parsing node, found unknown anchor

    1 error
    error[not-yaml]: an alias is inside the value that it repeats
     --> x.yaml:1:8
      |
    1 | a: &a [*a]
      |        ^

    1 error
    error[not-yaml]: `<<` takes a mapping
     --> x.yaml:1:5
      |
    1 | <<: 3
      |     ^

    1 error
    ");
}

#[test]
fn a_file_of_aliases_does_not_grow() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..12 {
        let aliases = vec![format!("*a{}", at - 1); 10].join(", ");
        bomb += &format!("a{at}: &a{at} [{aliases}]\n");
    }
    assert_snapshot!(refused("x.yaml", &bomb), @"
    error[too-large]: the file has more than 20000 values
     --> x.yaml:5:10
      |
    5 | a4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3]
      |          ^
      |
      = help: an alias (`*name`) counts as often as it repeats its values

    1 error
    ");
}

#[test]
fn deep_and_broken_texts_are_told_and_nothing_breaks() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "- ".repeat(50_000),
        "? ".repeat(10_000),
    ] {
        assert!(refused("x.yaml", &format!("a: {text}")).contains("error["));
    }
    for text in [
        "a: \"\\ud800\"\n",
        "a: \u{fffe}\n",
        "%YAML 9.9\n---\na: b\n",
        "a: 'x\n",
        "\u{feff}a: b\n",
        "a: |9\n x\n",
        "a: >-\n",
    ] {
        refused("x.yaml", text);
    }
    imported(
        "x.yaml",
        "\u{feff}packages: [a]\r\npython_version: '3.12'\r\n",
    );
}
