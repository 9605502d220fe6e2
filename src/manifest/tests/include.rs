//! Files that include files.

use insta::assert_snapshot;

use super::{drawn, folder, good, told, told_of};
use crate::check::check;
use crate::manifest::Overrides;

#[test]
fn includes_that_match_nothing() {
    let files = [
        (
            "imgspec.kdl",
            "workspace {\n    include \"servces\" \"*.kd\" \"empty\" \"notes.txt\" \"a{b\" \"nowhere/x\"\n}\n",
        ),
        ("services/imgspec.kdl", ""),
        ("empty/", ""),
        ("notes.txt", ""),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[nothing-included]: `servces` includes nothing
     --> imgspec.kdl:2:13
      |
    2 |     include "servces" "*.kd" "empty" "notes.txt" "a{b" "nowhere/x"
      |             ^^^^^^^^^
      |
      = help: there is no `servces`; did you mean `services`?

    error[nothing-included]: `*.kd` includes nothing
     --> imgspec.kdl:2:23
      |
    2 |     include "servces" "*.kd" "empty" "notes.txt" "a{b" "nowhere/x"
      |                       ^^^^^^
      |
      = help: a directory is included if it contains an imgspec.kdl, a file if its name ends in .kdl

    error[nothing-included]: `empty` includes nothing
     --> imgspec.kdl:2:30
      |
    2 |     include "servces" "*.kd" "empty" "notes.txt" "a{b" "nowhere/x"
      |                              ^^^^^^^
      |
      = help: there is no imgspec.kdl in `empty`

    error[nothing-included]: `notes.txt` includes nothing
     --> imgspec.kdl:2:38
      |
    2 |     include "servces" "*.kd" "empty" "notes.txt" "a{b" "nowhere/x"
      |                                      ^^^^^^^^^^^
      |
      = help: `notes.txt` is not a .kdl file

    error[invalid-value]: `a{b` is not a glob
     --> imgspec.kdl:2:50
      |
    2 |     include "servces" "*.kd" "empty" "notes.txt" "a{b" "nowhere/x"
      |                                                  ^^^^^ unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)

    error[nothing-included]: `nowhere/x` includes nothing
     --> imgspec.kdl:2:56
      |
    2 |     include "servces" "*.kd" "empty" "notes.txt" "a{b" "nowhere/x"
      |                                                        ^^^^^^^^^^^
      |
      = help: there is no `nowhere/x`

    6 errors
    "#);
}

#[test]
fn includes_that_leave_the_workspace() {
    assert_snapshot!(told("workspace {\n    include \"../other\" \"/etc\"\n    includes \"x\"\n    include\n}\n"), @r#"
    error[outside]: `../other` leaves the workspace
     --> imgspec.kdl:2:13
      |
    2 |     include "../other" "/etc"
      |             ^^^^^^^^^^
      |
      = help: a workspace is the directory of its root manifest and everything below it

    error[outside]: `/etc` leaves the workspace
     --> imgspec.kdl:2:24
      |
    2 |     include "../other" "/etc"
      |                        ^^^^^^
      |
      = help: a workspace is the directory of its root manifest and everything below it

    error[unknown-field]: unknown field `includes` in the workspace
     --> imgspec.kdl:3:5
      |
    3 |     includes "x"
      |     ^^^^^^^^ did you mean `include`?
      |
    help: write it like this
      |
    3 -     includes "x"
    3 +     include "x"
      |

    error[missing-argument]: `include` needs a path
     --> imgspec.kdl:4:5
      |
    4 |     include
      |     ^^^^^^^ nothing follows
      |
      = help: write `include "services/*"`

    4 errors
    "#);
}

#[cfg(unix)]
#[test]
fn an_include_behind_a_link_out_of_the_workspace() {
    let other = folder(&[("imgspec.kdl", "image \"x\"")]);
    let files = folder(&[(
        "imgspec.kdl",
        "workspace {\n    include \"link\" \"l*\" \"link/*\" \"*/*.kdl\"\n}\nimage \"a\"\n",
    )]);
    std::os::unix::fs::symlink(other.path(), files.path().join("link")).unwrap();
    let checked = check(
        &files.path().join("imgspec.kdl"),
        &Overrides::default(),
        &|_| None,
    );
    assert_snapshot!(drawn(&checked), @r#"
    error[outside]: `link` leaves the workspace
     --> imgspec.kdl:2:13
      |
    2 |     include "link" "l*" "link/*" "*/*.kdl"
      |             ^^^^^^ `link/imgspec.kdl` is behind a link that leads outside
      |
      = help: a workspace is the directory of its root manifest and everything below it

    error[outside]: `l*` leaves the workspace
     --> imgspec.kdl:2:20
      |
    2 |     include "link" "l*" "link/*" "*/*.kdl"
      |                    ^^^^ `link/imgspec.kdl` is behind a link that leads outside
      |
      = help: a workspace is the directory of its root manifest and everything below it

    error[outside]: `link/*` leaves the workspace
     --> imgspec.kdl:2:25
      |
    2 |     include "link" "l*" "link/*" "*/*.kdl"
      |                         ^^^^^^^^ `link` is behind a link that leads outside
      |
      = help: a workspace is the directory of its root manifest and everything below it

    error[nothing-included]: `*/*.kdl` includes nothing
     --> imgspec.kdl:2:34
      |
    2 |     include "link" "l*" "link/*" "*/*.kdl"
      |                                  ^^^^^^^^^
      |
      = help: a directory is included if it contains an imgspec.kdl, a file if its name ends in .kdl

    4 errors
    "#);
    assert_eq!(checked.workspace.images.len(), 1);
}

#[test]
fn files_that_include_themselves() {
    let files = [
        (
            "imgspec.kdl",
            "workspace {\n    include \"imgspec.kdl\" \"a\"\n}\nimage \"root\"\n",
        ),
        ("a/imgspec.kdl", "workspace { include \"../b\" }\n"),
        (
            "b/imgspec.kdl",
            "workspace { include \"../a\" \"../*.kdl\" }\n",
        ),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[cycle]: `imgspec.kdl` includes itself
     --> imgspec.kdl:2:13
      |
    2 |     include "imgspec.kdl" "a"
      |             ^^^^^^^^^^^^^

    error[cycle]: files include each other in a cycle: `a/imgspec.kdl` -> `b/imgspec.kdl` -> `a/imgspec.kdl`
     --> b/imgspec.kdl:1:21
      |
    1 | workspace { include "../a" "../*.kdl" }
      |                     ^^^^^^ this closes the cycle
      |
     ::: a/imgspec.kdl:1:21
      |
    1 | workspace { include "../b" }
      |                     ------ `b/imgspec.kdl` is included here

    error[cycle]: files include each other in a cycle: `imgspec.kdl` -> `a/imgspec.kdl` -> `b/imgspec.kdl` -> `imgspec.kdl`
     --> b/imgspec.kdl:1:28
      |
    1 | workspace { include "../a" "../*.kdl" }
      |                            ^^^^^^^^^^ this closes the cycle
      |
     ::: imgspec.kdl:2:27
      |
    2 |     include "imgspec.kdl" "a"
      |                           --- `a/imgspec.kdl` is included here
      |
     ::: a/imgspec.kdl:1:21
      |
    1 | workspace { include "../b" }
      |                     ------ `b/imgspec.kdl` is included here

    3 errors
    "#);
}

#[test]
fn a_file_that_two_files_include() {
    let files = [
        (
            "imgspec.kdl",
            "workspace {\n    include \"a\" \"a/*\"\n}\nimage \"root\"\n",
        ),
        ("a/imgspec.kdl", "workspace { include \"b\" }\n"),
        ("a/b/imgspec.kdl", "image \"b\"\n"),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[included-twice]: `a/b/imgspec.kdl` is included twice
     --> imgspec.kdl:2:17
      |
    2 |     include "a" "a/*"
      |                 ^^^^^ again here
      |
     ::: a/imgspec.kdl:1:21
      |
    1 | workspace { include "b" }
      |                     --- first included here
      |
      = help: include it from one place, so that its defaults are clear

    1 error
    "#);
}

#[test]
fn includes_without_end() {
    let files: Vec<(String, String)> = (0..40)
        .map(|at| {
            (
                format!("{at}.kdl"),
                format!("workspace {{ include \"{}.kdl\" }}", at + 1),
            )
        })
        .chain([(
            "imgspec.kdl".into(),
            "workspace { include \"0.kdl\" }".into(),
        )])
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[too-deep]: includes are nested more than 32 files deep
     --> 30.kdl:1:21
      |
    1 | workspace { include "31.kdl" }
      |                     ^^^^^^^^

    1 error
    "#);
}

#[test]
fn globs_skip_hidden_folders_and_go_in_order() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"**\" \"b/*.kdl\" }\nimage \"root\"\n",
        ),
        ("b/imgspec.kdl", "image \"b\"\n"),
        ("b/extra.kdl", "image \"extra\"\n"),
        ("a/x/imgspec.kdl", "image \"x\"\n"),
        (".cache/imgspec.kdl", "not {"),
        ("c/readme", ""),
    ];
    let images = good(&files, &[]).images;
    let ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
    assert_eq!(ids, ["root", "x", "b", "extra"]);
}
