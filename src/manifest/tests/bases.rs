//! Bases.

use insta::assert_snapshot;

use super::{good, told};
use crate::spec::{Base, Debian, Variant};

#[test]
fn a_suite_of_debian_is_a_base() {
    let base = |text: &str| {
        let manifest = format!("image \"app\" {{ base-image {text} }}");
        let read = good(&[("imgspec.kdl", &manifest)], &[]);
        read.images[0].spec.base_image.clone().unwrap()
    };
    assert_eq!(
        base("debian=\"bookworm\""),
        Base::Debian(Debian::new("bookworm"))
    );
    assert_eq!(
        base(
            "debian=\"trixie\" mirror=\"https://example.org/debian/\" snapshot=\"20250520T000000Z\" variant=\"apt\""
        ),
        Base::Debian(Debian {
            suite: "trixie".to_owned(),
            mirror: Some("https://example.org/debian".to_owned()),
            snapshot: Some("20250520T000000Z".to_owned()),
            variant: Variant::Apt,
        })
    );
}

#[test]
fn a_snapshot_is_a_time_of_the_archive() {
    let told = told(
        "image \"a\" { base-image debian=\"sid\" snapshot=\"2025-05-20\" }\nimage \"b\" { base-image debian=\"sid\" snapshot=\"20251320T000000Z\" }\nimage \"c\" { base-image \"debian:12\" snapshot=\"20250520T000000Z\" }\n",
    );
    for words in [
        "`snapshot` cannot be `2025-05-20`",
        "+ image \"a\" { base-image debian=\"sid\" snapshot=\"20250520T000000Z\" }",
        "`snapshot` cannot be `20251320T000000Z`",
        "`snapshot` needs `debian`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_suite_of_debian_that_cannot_be_one() {
    assert_snapshot!(told("image \"a\" { base-image debian=\"Bookworm\" }\nimage \"b\" { base-image debian=\"a/../b\" mirror=\"ftp://x\" variant=\"minbas\" }\nimage \"c\" { base-image debian=\"sid\" mirror=\"https://me:secret@x/debian\" }\nimage \"d\" { base-image \"debian:12\" mirror=\"https://x\" variant=\"apt\" }\nimage \"e\" { base-image debian=\"sid\" file=\"a.tar\" }\nimage \"f\" { base-image debian=\"sid\" mirror=\"https://x/ [trusted=yes]\" }\n"), @r#"
    error[invalid-value]: `debian` cannot be `Bookworm`
     --> imgspec.kdl:1:31
      |
    1 | image "a" { base-image debian="Bookworm" }
      |                               ^^^^^^^^^^ a suite is a name such as `bookworm`, in lower case
      |
    help: write it like this
      |
    1 - image "a" { base-image debian="Bookworm" }
    1 + image "a" { base-image debian="bookworm" }
      |

    error[invalid-value]: `debian` cannot be `a/../b`
     --> imgspec.kdl:2:31
      |
    2 | image "b" { base-image debian="a/../b" mirror="ftp://x" variant="minbas" }
      |                               ^^^^^^^^ a suite is a name such as `bookworm`, in lower case

    error[invalid-value]: `mirror` cannot be `ftp://x`
     --> imgspec.kdl:2:47
      |
    2 | image "b" { base-image debian="a/../b" mirror="ftp://x" variant="minbas" }
      |                                               ^^^^^^^^^ an archive's address begins with `https://` or `http://`

    error[invalid-value]: `variant` cannot be `minbas`
     --> imgspec.kdl:2:65
      |
    2 | image "b" { base-image debian="a/../b" mirror="ftp://x" variant="minbas" }
      |                                                                 ^^^^^^^^ did you mean `minbase`?
      |
    help: write it like this
      |
    2 | image "b" { base-image debian="a/../b" mirror="ftp://x" variant="minbase" }
      |                                                                        +

    error[invalid-value]: `mirror` cannot be `https://me:secret@x/debian`
     --> imgspec.kdl:3:44
      |
    3 | image "c" { base-image debian="sid" mirror="https://me:secret@x/debian" }
      |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ an archive's address cannot have a login: it is written into the image

    error[missing-argument]: `mirror` needs `debian`
     --> imgspec.kdl:4:36
      |
    4 | image "d" { base-image "debian:12" mirror="https://x" variant="apt" }
      |                                    ^^^^^^^^^^^^^^^^^^ it is where Debian's packages come from
      |
      = help: `base-image debian="bookworm" mirror="https://deb.debian.org/debian" variant="minbase"`

    error[missing-argument]: `variant` needs `debian`
     --> imgspec.kdl:4:55
      |
    4 | image "d" { base-image "debian:12" mirror="https://x" variant="apt" }
      |                                                       ^^^^^^^^^^^^^ it says which of Debian's packages
      |
      = help: `base-image debian="bookworm" mirror="https://deb.debian.org/debian" variant="minbase"`

    error[too-many-arguments]: `base-image` takes one value
     --> imgspec.kdl:5:13
      |
    5 | image "e" { base-image debian="sid" file="a.tar" }
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ an image has one base
      |
      = help: `base-image "debian:bookworm-slim"` names a registry image, `base-image image="id"` one of this workspace, `base-image file="base.tar"` one in a file, `base-image debian="bookworm"` one of Debian's packages

    error[invalid-value]: `mirror` cannot be `https://x/ [trusted=yes]`
     --> imgspec.kdl:6:44
      |
    6 | image "f" { base-image debian="sid" mirror="https://x/ [trusted=yes]" }
      |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^ an archive's address has no spaces, brackets, quotes, `?` and `#`

    9 errors
    "#);
}
