//! Paths that do not exist, have the wrong kind, or are outside the workspace.

use insta::assert_snapshot;

use super::{told, told_of};

#[test]
fn paths_outside_of_the_workspace() {
    assert_snapshot!(told("image \"a\" {\n    requirements \"/etc/passwd\"\n    copy \"../secret\" \"\"\n}\n"), @r#"
    error[outside]: `/etc/passwd` is not a path in the workspace
     --> imgspec.kdl:2:18
      |
    2 |     requirements "/etc/passwd"
      |                  ^^^^^^^^^^^^^ paths are relative to the directory of this file
      |
      = help: images can use only files below the directory of the root manifest

    error[outside]: `../secret` is not a path in the workspace
     --> imgspec.kdl:3:10
      |
    3 |     copy "../secret" ""
      |          ^^^^^^^^^^^ this leads out of the workspace
      |
      = help: images can use only files below the directory of the root manifest

    error[outside]: `` is not a path in the workspace
     --> imgspec.kdl:3:22
      |
    3 |     copy "../secret" ""
      |                      ^^ a path cannot be empty; the directory of this file is `.`
      |
      = help: images can use only files below the directory of the root manifest

    3 errors
    "#);
}

#[test]
fn files_that_are_missing() {
    let files = [
        (
            "imgspec.kdl",
            "image \"a\" {\n    requirements \"requirments.txt\"\n    copy \"sorce\" \"src/*.py\" to=\"/app/\"\n}\nimage \"b\" { requirements \"src\" }\n",
        ),
        ("requirements.txt", ""),
        ("src/", ""),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[missing-file]: `requirments.txt` does not exist
     --> imgspec.kdl:2:18
      |
    2 |     requirements "requirments.txt"
      |                  ^^^^^^^^^^^^^^^^^ did you mean `requirements.txt`?
      |
      = help: paths are relative to the directory of the manifest that contains them

    error[missing-file]: `sorce` does not exist
     --> imgspec.kdl:3:10
      |
    3 |     copy "sorce" "src/*.py" to="/app/"
      |          ^^^^^^^ did you mean `src`?
      |
      = help: paths are relative to the directory of the manifest that contains them

    error[missing-file]: `src/*.py` does not exist
     --> imgspec.kdl:3:18
      |
    3 |     copy "sorce" "src/*.py" to="/app/"
      |                  ^^^^^^^^^^ no such file or directory
      |
      = help: globs are not expanded: copy the directory, and exclude unwanted files with a `.dockerignore`

    error[wrong-type]: `src` is a directory
     --> imgspec.kdl:5:26
      |
    5 | image "b" { requirements "src" }
      |                          ^^^^^ expected a file

    4 errors
    "#);
}

#[cfg(unix)]
#[test]
fn files_behind_links_out_of_the_workspace() {
    let files = super::folder(&[
        (
            "imgspec.kdl",
            "image \"a\" {\n    copy \"etc/passwd\" \"gone\"\n    requirements \"inside\"\n}\n",
        ),
        ("real", ""),
    ]);
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, files.path().join(at)).unwrap();
    link("/etc", "etc");
    link("nowhere", "gone");
    link("real", "inside");
    let checked = crate::check::check(
        &files.path().join("imgspec.kdl"),
        &crate::manifest::Overrides::default(),
        &|_| None,
    );
    assert_snapshot!(super::drawn(&checked), @r#"
    error[outside]: `etc/passwd` is outside the workspace
     --> imgspec.kdl:2:10
      |
    2 |     copy "etc/passwd" "gone"
      |          ^^^^^^^^^^^^ a link on this path leads outside
      |
      = help: images can use only files below the directory of the root manifest

    error[missing-file]: `gone` does not exist
     --> imgspec.kdl:2:23
      |
    2 |     copy "etc/passwd" "gone"
      |                       ^^^^^^ a broken link

    2 errors
    "#);
}
