//! Any text survives being written to a manifest and read back.

use proptest::prelude::*;

use crate::import::{Imported, NewImage, NewNode};
use crate::manifest::{self, Overrides};

/// The commands and environment that are read back from a written manifest.
fn read_back(texts: &[String]) -> (Vec<String>, Vec<String>) {
    let named = |(at, text): (usize, &String)| (format!("V{at}"), text.clone());
    let fields = vec![
        NewNode::list("commands", texts.to_vec()),
        NewNode::map("env", texts.iter().enumerate().map(named).collect()),
    ];
    let imported = Imported {
        title: "a\nb".to_owned(),
        images: vec![NewImage {
            id: "i".to_owned(),
            comment: Some("c\n}".to_owned()),
            fields,
        }],
        ..Imported::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imgspec.kdl");
    std::fs::write(&path, imported.manifest()).unwrap();
    assert!(
        imported.manifest().parse::<kdl::KdlDocument>().is_ok(),
        "{}",
        imported.manifest()
    );
    let loaded = manifest::load(&path, &Overrides::default(), &|_| None);
    assert_eq!(loaded.diagnostics, [], "{}", imported.manifest());
    let spec = &loaded.workspace.images[0].spec;
    let values = spec.env.iter().map(|(_, value)| value.clone());
    (spec.commands.clone(), values.collect())
}

#[test]
fn odd_texts_come_back_as_they_were() {
    let texts = [
        "a",
        "\"",
        "\\",
        "{{ x }}",
        "{{",
        "}}",
        "{{{",
        "\"\"{{",
        "\"#{{",
        "a\nb",
        "a\n\nb\n",
        "a\n  b\n\tc",
        "\n\n",
        "a\n \nb",
        "x\ny {{ z }}",
        "\"\"\"\n\"\"\"",
        "\\\n\\",
        "\r\n",
        "\u{85}\u{2028}",
        "\u{1}\u{7f}",
        "\u{feff}\u{202e}",
        "é 日本",
        "//",
        "a \\\n b",
        "a\nb\\",
        " lead\n trail ",
        "#\"x\"#",
        "\"\"\"",
    ];
    let texts = texts.map(|text| format!("x{text}")).to_vec();
    assert_eq!(read_back(&texts), (texts.clone(), texts));
}

proptest! {
    #[test]
    fn any_texts_come_back_as_they_were(texts in prop::collection::vec("x[ -~\n\t{}\"\\\\#\u{1}-\u{20}\u{2020}-\u{2030}é]{0,40}", 1..6)) {
        prop_assert_eq!(read_back(&texts), (texts.clone(), texts));
    }
}

#[test]
fn long_values_go_over_several_lines() {
    let words: Vec<String> = (0..20).map(|at| format!("package-{at}==1.0.0")).collect();
    let pairs = words
        .iter()
        .map(|word| (word.replace(['=', '.'], "_"), word.clone()));
    let image = |id: &str, fields| NewImage {
        id: id.to_owned(),
        comment: None,
        fields,
    };
    let imported = Imported {
        title: "x".to_owned(),
        images: vec![
            image(
                "a",
                vec![
                    NewNode::list("packages", words.clone()),
                    NewNode::new("registry", "r.example.com"),
                ],
            ),
            image(
                "b",
                vec![
                    NewNode::words("entrypoint", words.clone()),
                    NewNode::new("registry", "r.example.com"),
                ],
            ),
            image(
                "c",
                vec![
                    NewNode::map("env", pairs.take(8).collect()),
                    NewNode::map("labels", vec![("reset".to_owned(), "1".to_owned())]),
                    NewNode::new("registry", "r.example.com"),
                ],
            ),
        ],
        ..Imported::default()
    };
    insta::assert_snapshot!(imported.manifest(), @r#"
    // From x, by `imgspec import`.

    defaults {
        registry "r.example.com"
    }

    image "a" {
        packages "package-0==1.0.0" "package-1==1.0.0" "package-2==1.0.0" "package-3==1.0.0"
        packages "package-4==1.0.0" "package-5==1.0.0" "package-6==1.0.0" "package-7==1.0.0"
        packages "package-8==1.0.0" "package-9==1.0.0" "package-10==1.0.0" "package-11==1.0.0"
        packages "package-12==1.0.0" "package-13==1.0.0" "package-14==1.0.0" "package-15==1.0.0"
        packages "package-16==1.0.0" "package-17==1.0.0" "package-18==1.0.0" "package-19==1.0.0"
    }

    image "b" {
        entrypoint "package-0==1.0.0" "package-1==1.0.0" "package-2==1.0.0" "package-3==1.0.0" \
            "package-4==1.0.0" "package-5==1.0.0" "package-6==1.0.0" "package-7==1.0.0" \
            "package-8==1.0.0" "package-9==1.0.0" "package-10==1.0.0" "package-11==1.0.0" \
            "package-12==1.0.0" "package-13==1.0.0" "package-14==1.0.0" "package-15==1.0.0" \
            "package-16==1.0.0" "package-17==1.0.0" "package-18==1.0.0" "package-19==1.0.0"
    }

    image "c" {
        env {
            package-0__1_0_0 "package-0==1.0.0"
            package-1__1_0_0 "package-1==1.0.0"
            package-2__1_0_0 "package-2==1.0.0"
            package-3__1_0_0 "package-3==1.0.0"
            package-4__1_0_0 "package-4==1.0.0"
            package-5__1_0_0 "package-5==1.0.0"
            package-6__1_0_0 "package-6==1.0.0"
            package-7__1_0_0 "package-7==1.0.0"
        }
        labels {
            reset "1"
        }
    }
    "#);
}
