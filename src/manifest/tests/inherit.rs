//! Templates and matrices.

use insta::assert_snapshot;

use super::told;

#[test]
fn unknown_templates() {
    assert_snapshot!(
        told("template \"python\" { }\nimage \"a\" extends=\"pyton\"\nimage \"b\" extends=\"a\"\nimage \"c\" extends=\"nothing\" extend=\"x\"\n"),
        @r#"
    error[unknown-template]: unknown template `pyton`
     --> imgspec.kdl:2:19
      |
    2 | image "a" extends="pyton"
      |                   ^^^^^^^ did you mean `python`?
      |
    help: write it like this
      |
    2 | image "a" extends="python"
      |                       +

    error[unknown-template]: unknown template `a`
     --> imgspec.kdl:3:19
      |
    3 | image "b" extends="a"
      |                   ^^^ this is an image
      |
      = help: only templates can be extended; to build on an image, write `base-image image="…"`

    error[unknown-template]: unknown template `nothing`
     --> imgspec.kdl:4:19
      |
    4 | image "c" extends="nothing" extend="x"
      |                   ^^^^^^^^^ declared neither here nor in a file that includes this one
      |
      = help: declare it: `template "nothing" { … }`

    error[unknown-property]: `image` has no property `extend`
     --> imgspec.kdl:4:29
      |
    4 | image "c" extends="nothing" extend="x"
      |                             ^^^^^^ did you mean `extends`?
      |
    help: write it like this
      |
    4 | image "c" extends="nothing" extends="x"
      |                                   +

    4 errors
    "#
    );
}

#[test]
fn templates_that_extend_themselves() {
    assert_snapshot!(
        told("template \"own\" extends=\"own\" { }\ntemplate \"a\" extends=\"b\" { }\ntemplate \"b\" {\n    extends \"c\"\n}\ntemplate \"c\" extends=\"a\" { }\nimage \"i\" extends=\"b\"\n"),
        @r#"
    error[cycle]: template `own` extends itself
     --> imgspec.kdl:1:24
      |
    1 | template "own" extends="own" { }
      |                        ^^^^^

    error[cycle]: templates extend each other in a cycle: `a` -> `b` -> `c` -> `a`
     --> imgspec.kdl:2:22
      |
    2 | template "a" extends="b" { }
      |                      ^^^ `a` extends `b`
    3 | template "b" {
    4 |     extends "c"
      |             --- `b` extends `c`
    5 | }
    6 | template "c" extends="a" { }
      |                      --- `c` extends `a`

    2 errors
    "#
    );
}

#[test]
fn a_matrix_whose_id_does_not_name_its_axes() {
    assert_snapshot!(told("image \"serve-{{ python }}\" {\n    matrix { python \"3.11\" \"3.12\"; cuda \"12\" \"13\" }\n}\n"), @r#"
    error[duplicate-image]: all images of this matrix would have the id `serve-{{ python }}`
     --> imgspec.kdl:1:7
      |
    1 | image "serve-{{ python }}" {
      |       ^^^^^^^^^^^^^^^^^^^^ the id does not contain the axis `cuda`
    2 |     matrix { python "3.11" "3.12"; cuda "12" "13" }
      |                                    ---- 2 values
      |
    help: write it like this
      |
    1 | image "serve-{{ python }}-{{ cuda }}" {
      |                          +++++++++++

    1 error
    "#);
}

#[test]
fn a_matrix_that_makes_an_id_twice() {
    assert_snapshot!(told("image \"x{{ a }}{{ b }}\" {\n    matrix { a \"1\" \"11\"; b \"11\" \"1\" }\n}\n"), @r#"
    error[duplicate-image]: image `x111` is declared twice
     --> imgspec.kdl:1:7
      |
    1 | image "x{{ a }}{{ b }}" {
      |       ^^^^^^^^^^^^^^^^^ two combinations of the matrix have this id
      |
      = help: separate the axes in the id with some text

    1 error
    "#);
}

#[test]
fn axes_that_are_wrong() {
    assert_snapshot!(
        told("variable \"v\" default=\"1\"\nimage \"x{{ v }}\" {\n    matrix { v \"1\"; w; u \"1\" \"1\"; u \"2\"; n 3 }\n}\nimage \"y\" { matrix \"a\" }\ntemplate \"t\" { matrix { a \"1\" } }\n"),
        @r#"
    error[duplicate-variable]: axis `v` has the name of a variable
     --> imgspec.kdl:3:14
      |
    1 | variable "v" default="1"
      |          --- the variable
    2 | image "x{{ v }}" {
    3 |     matrix { v "1"; w; u "1" "1"; u "2"; n 3 }
      |              ^ rename it

    error[missing-argument]: axis `w` has no values
     --> imgspec.kdl:3:21
      |
    3 |     matrix { v "1"; w; u "1" "1"; u "2"; n 3 }
      |                     ^ nothing follows

    error[duplicate-field]: axis `u` has `1` twice
     --> imgspec.kdl:3:30
      |
    3 |     matrix { v "1"; w; u "1" "1"; u "2"; n 3 }
      |                          --- ^^^ again here
      |                          |
      |                          first here

    error[duplicate-field]: axis `u` is given twice
     --> imgspec.kdl:3:35
      |
    3 |     matrix { v "1"; w; u "1" "1"; u "2"; n 3 }
      |                        -          ^ again here
      |                        |
      |                        first here

    error[wrong-type]: `n` takes a string, not a number
     --> imgspec.kdl:3:44
      |
    3 |     matrix { v "1"; w; u "1" "1"; u "2"; n 3 }
      |                                            ^ strings need quotes here
      |
    help: write it like this
      |
    3 -     matrix { v "1"; w; u "1" "1"; u "2"; n 3 }
    3 +     matrix { v "1"; w; u "1" "1"; u "2"; n "3" }
      |

    error[missing-argument]: `matrix` takes a block of axes
     --> imgspec.kdl:5:13
      |
    5 | image "y" { matrix "a" }
      |             ^^^^^^^^^^
      |
      = help: write `matrix { python "3.11" "3.12" }`

    error[misplaced]: `matrix` cannot be used in a template
     --> imgspec.kdl:6:16
      |
    6 | template "t" { matrix { a "1" } }
      |                ^^^^^^ a matrix belongs in an image

    7 errors
    "#
    );
}

#[test]
fn a_matrix_that_is_too_large() {
    let axes: String = ('a'..='e')
        .map(|axis| format!("{axis} \"1\" \"2\" \"3\" \"4\" \"5\"; "))
        .collect();
    let id = "{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}";
    assert_snapshot!(told(&format!("image \"{id}\" {{ matrix {{ {axes} }} }}\n")), @r#"
    error[too-large]: this matrix makes 3125 images
     --> imgspec.kdl:1:47
      |
    1 | image "{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}" { matrix { a "1" "2" "3" "4" "5"; b "1" "2" "3" "4" "5"; c "1" "2" "3...
      |                                               ^^^^^^ the limit is 1000

    1 error
    "#);
}
