//! Named groups of images.

use insta::assert_snapshot;

use super::{checked, drawn, told, told_of};

const IMAGES: &str = "image \"base\" { base-image \"debian:bookworm-slim\"; }
image \"train\" { base-image image=\"base\"; }
image \"serve-a\" { base-image image=\"base\"; }
image \"serve-b\" { base-image image=\"base\"; }
";

/// The groups of a workspace and the ids in each.
#[track_caller]
fn groups(files: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
    let checked = checked(files, flags);
    assert_eq!(drawn(&checked), "");
    let graph = checked.graph.unwrap();
    let line = |(name, ids): (&String, &std::collections::BTreeSet<_>)| {
        let ids = ids.iter().map(|id| graph.name(*id));
        format!("{name}: {}", ids.collect::<Vec<_>>().join(" "))
    };
    graph.groups().iter().map(line).collect()
}

/// What is told of a manifest with these nodes after four images.
fn told_with(nodes: &str) -> String {
    told(&format!("{IMAGES}{nodes}"))
}

#[test]
fn members_are_ids_globs_variables_and_other_groups_of_all_files() {
    let root = format!(
        "workspace {{ include \"sub\"; }}
variable \"kind\" default=\"serve\"
{IMAGES}
group \"services\" {{ images \"{{{{ kind }}}}-*\"; images \"tools\"; }}
group \"all but training\" {{ images \"*\" \"!train\"; }}
"
    )
    .replace("all but training", "rest");
    let sub = "image \"cli\" { base-image \"debian:bookworm-slim\"; }
group \"tools\" { images \"cli\" \"+train\"; }
";
    let files = [("imgspec.kdl", &*root), ("sub/imgspec.kdl", sub)];
    let expected = [
        "rest: base serve-a serve-b cli",
        "services: base train serve-a serve-b cli",
        "tools: base train cli",
    ];
    assert_eq!(groups(&files, &[]), expected);
    let other = groups(&files, &["var:kind=*"]);
    assert_eq!(other[1], "services: base train serve-a serve-b cli");
}

#[test]
fn unknown_members_are_told_with_what_may_be_meant() {
    assert_snapshot!(told_with("group \"tools\" { images \"trian\" \"!serve-c\" \"x-*\" \"...nothing\"; }\ngroup \"more\" { images \"tool\"; }\n"), @r#"
    error[unknown-image]: no image or group matches `trian`
     --> imgspec.kdl:5:24
      |
    5 | group "tools" { images "trian" "!serve-c" "x-*" "...nothing"; }
      |                        ^^^^^^^ did you mean `train`?
      |
    help: write it like this
      |
    5 - group "tools" { images "trian" "!serve-c" "x-*" "...nothing"; }
    5 + group "tools" { images "train" "!serve-c" "x-*" "...nothing"; }
      |

    error[unknown-image]: no image or group matches `serve-c`
     --> imgspec.kdl:5:32
      |
    5 | group "tools" { images "trian" "!serve-c" "x-*" "...nothing"; }
      |                                ^^^^^^^^^^ did you mean `serve-a`?
      |
    help: write it like this
      |
    5 - group "tools" { images "trian" "!serve-c" "x-*" "...nothing"; }
    5 + group "tools" { images "trian" "!serve-a" "x-*" "...nothing"; }
      |

    error[unknown-image]: no image or group matches `x-*`
     --> imgspec.kdl:5:43
      |
    5 | group "tools" { images "trian" "!serve-c" "x-*" "...nothing"; }
      |                                           ^^^^^ nothing has this name

    error[unknown-image]: no image or group matches `...nothing`
     --> imgspec.kdl:5:49
      |
    5 | group "tools" { images "trian" "!serve-c" "x-*" "...nothing"; }
      |                                                 ^^^^^^^^^^^^ nothing has this name

    error[unknown-image]: no image or group matches `tool`
     --> imgspec.kdl:6:23
      |
    6 | group "more" { images "tool"; }
      |                       ^^^^^^ did you mean `tools`?
      |
    help: write it like this
      |
    6 | group "more" { images "tools"; }
      |                            +

    5 errors
    "#);
}

#[test]
fn groups_that_contain_each_other() {
    assert_snapshot!(told_with("group \"a\" { images \"train\" \"b\"; }\ngroup \"b\" { images \"+c+\"; }\ngroup \"c\" { images \"!a\"; }\ngroup \"d\" { images \"d\" \"oops\"; }\n"), @r#"
    error[cycle]: groups contain each other in a cycle: `a` -> `b` -> `c` -> `a`
     --> imgspec.kdl:5:28
      |
    5 | group "a" { images "train" "b"; }
      |                            ^^^ `a` contains `b`
    6 | group "b" { images "+c+"; }
      |                    ----- `b` contains `c`
    7 | group "c" { images "!a"; }
      |                    ---- `c` contains `a`

    error[cycle]: group `d` contains itself
     --> imgspec.kdl:8:20
      |
    8 | group "d" { images "d" "oops"; }
      |                    ^^^ `d` contains `d`

    error[unknown-image]: no image or group matches `oops`
     --> imgspec.kdl:8:24
      |
    8 | group "d" { images "d" "oops"; }
      |                        ^^^^^^ nothing has this name

    3 errors
    "#);
}

#[test]
fn names_that_are_taken() {
    let sub = "group \"train\" { images \"base\"; }\ngroup \"tools\" { images \"base\"; }\n";
    let root = format!(
        "workspace {{ include \"sub\"; }}\n{IMAGES}group \"tools\" {{ images \"train\"; }}\n"
    );
    assert_snapshot!(told_of(&[("imgspec.kdl", &root), ("sub/imgspec.kdl", sub)], &[]), @r#"
    error[duplicate-group]: `train` is the name of a group and of an image
     --> sub/imgspec.kdl:1:7
      |
    1 | group "train" { images "base"; }
      |       ^^^^^^^ the group
      |
     ::: imgspec.kdl:3:7
      |
    3 | image "train" { base-image image="base"; }
      |       ------- the image
      |
      = help: a selection must mean one of them: rename the group

    error[duplicate-group]: group `tools` is declared twice
     --> sub/imgspec.kdl:2:7
      |
    2 | group "tools" { images "base"; }
      |       ^^^^^^^ again here
      |
     ::: imgspec.kdl:6:7
      |
    6 | group "tools" { images "train"; }
      |       ------- first declared here

    2 errors
    "#);
}

#[test]
fn groups_without_images() {
    assert_snapshot!(told_with("group \"a\"\ngroup \"b\" { images; }\ngroup \"c\" { images \"serve-*\" \"!serve-a\" \"!serve-b\"; }\n"), @r#"
    error[empty-group]: group `a` has no images
     --> imgspec.kdl:5:7
      |
    5 | group "a"
      |       ^^^ nothing is in it
      |
      = help: list some: `group "a" { images "…" "…" }`

    error[empty-group]: group `b` has no images
     --> imgspec.kdl:6:7
      |
    6 | group "b" { images; }
      |       ^^^ nothing is in it
      |
      = help: list some: `group "b" { images "…" "…" }`

    error[empty-group]: group `c` has no images
     --> imgspec.kdl:7:7
      |
    7 | group "c" { images "serve-*" "!serve-a" "!serve-b"; }
      |       ^^^ its last members remove what the first ones add

    3 errors
    "#);
}

#[test]
fn nodes_of_the_wrong_shape() {
    assert_snapshot!(told_with("group { images \"train\"; }\ngroup \"a\" \"b\" x=1 { images \"train\" { y; }; }\ngroup \"b c\" { images \"train\"; }\ngroup \"d\" { targets \"train\"; packages \"x\"; images 1 \"{{ no }}\"; }\nimage \"i\" { group \"x\"; }\n"), @r#"
    error[missing-argument]: a group needs a name
     --> imgspec.kdl:5:1
      |
    5 | group { images "train"; }
      | ^^^^^ nothing follows
      |
      = help: write `group "name" { images "…" "…" }`

    error[too-many-arguments]: a group has one name
     --> imgspec.kdl:6:11
      |
    6 | group "a" "b" x=1 { images "train" { y; }; }
      |           ^^^ one too many

    error[unknown-property]: `group` has no property `x`
     --> imgspec.kdl:6:15
      |
    6 | group "a" "b" x=1 { images "train" { y; }; }
      |               ^ it takes no properties

    error[wrong-type]: `images` takes no block
     --> imgspec.kdl:6:36
      |
    6 | group "a" "b" x=1 { images "train" { y; }; }
      |                                    ^ opened here
      |
      = help: write its values after it: `images "…"`

    error[invalid-value]: a group cannot be called `b c`
     --> imgspec.kdl:7:7
      |
    7 | group "b c" { images "train"; }
      |       ^^^^^ an id cannot contain ` `: only letters, digits, `.`, `_`, `-`

    error[unknown-field]: unknown field `targets` in a group
     --> imgspec.kdl:8:13
      |
    8 | group "d" { targets "train"; packages "x"; images 1 "{{ no }}"; }
      |             ^^^^^^^ did you mean `images`?
      |
    help: write it like this
      |
    8 - group "d" { targets "train"; packages "x"; images 1 "{{ no }}"; }
    8 + group "d" { images "train"; packages "x"; images 1 "{{ no }}"; }
      |

    error[unknown-field]: unknown field `packages` in a group
     --> imgspec.kdl:8:30
      |
    8 | group "d" { targets "train"; packages "x"; images 1 "{{ no }}"; }
      |                              ^^^^^^^^ a group has only `images`
      |
      = help: list ids, globs and other groups: `images "train" "serve-*" "tools"`

    error[wrong-type]: `images` takes a string, not a number
     --> imgspec.kdl:8:51
      |
    8 | group "d" { targets "train"; packages "x"; images 1 "{{ no }}"; }
      |                                                   ^ strings need quotes here
      |
    help: write it like this
      |
    8 - group "d" { targets "train"; packages "x"; images 1 "{{ no }}"; }
    8 + group "d" { targets "train"; packages "x"; images "1" "{{ no }}"; }
      |

    error[misplaced]: `group` cannot be used in an image
     --> imgspec.kdl:9:13
      |
    9 | image "i" { group "x"; }
      |             ^^^^^ it belongs at the top of a file

    9 errors
    "#);
}

#[test]
fn groups_are_checked_though_images_depend_on_each_other() {
    let text = "image \"a\" { base-image image=\"b\"; }\nimage \"b\" { base-image image=\"a\"; }\ngroup \"g\" { images \"c\"; }\n";
    let told = told(text);
    assert!(
        told.contains("`a` -> `b` -> `a`") && told.contains("matches `c`"),
        "{told}"
    );
}

#[test]
fn a_chain_of_ten_thousand_groups_and_a_wall_of_globs_end() {
    let chain: String = (0..10_000)
        .map(|at| format!("group \"g{at}\" {{ images \"g{}\"; }}\n", at + 1))
        .collect();
    let whole = told_with(&format!(
        "{chain}group \"g10000\" {{ images \"train\"; }}\n"
    ));
    assert_eq!(whole, "");
    let open = told_with(&chain);
    assert!(
        open.contains("no image or group matches `g10000`"),
        "{open}"
    );
    let images: String = (0..50)
        .map(|at| format!("image \"i{at}\" {{ base-image \"a:1\"; }}\n"))
        .collect();
    let globs = "\"*a\" ".repeat(300_000);
    let wall = told_with(&format!("{images}group \"wall\" {{ images {globs}; }}\n"));
    assert!(
        wall.contains("the groups name too many images in all"),
        "{wall}"
    );
}

#[test]
fn an_image_that_nothing_selects_is_a_lint_if_there_is_a_default() {
    let unselected = "group \"other\" { images \"train\"; }\n";
    assert_eq!(told_with(unselected), "");
    let default = "group \"default\" { images \"other\" \"serve-a\"; }\n";
    assert_snapshot!(told_with(&format!("{unselected}{default}")), @r#"
    warning[unselected-image]: no group selects image `serve-b`, and no image needs it
     --> imgspec.kdl:4:7
      |
    4 | image "serve-b" { base-image image="base"; }
      |       ^^^^^^^^^
      |
      = help: add it to a group, such as `default`, which commands without arguments take; or remove it

    1 warning
    "#);
    let allowed = format!("allow \"unselected-image\"\n{unselected}{default}");
    assert_eq!(told_with(&allowed), "");
}
