//! Files with images in every form, and random ones.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::diagnostic::Sources;
use crate::report::diagnostics::render;

const REFERENCE: &str = "ghcr.io/acme/app:5e1f";
const DIGEST: &str = "sha256:0a1b";

fn read(text: &str) -> Result<(Deployment, Sources), String> {
    let mut sources = Sources::default();
    let source = sources.add("x.yaml", text);
    let (file, wrong) = Deployment::read(source, text);
    if wrong.is_empty() {
        Ok((file, sources))
    } else {
        Err(render(&wrong, &sources, false, None))
    }
}

/// The text with the parts of one image, whatever the ids.
fn resolved_as(text: &str, reference: &str) -> String {
    let (file, _) = read(text).unwrap();
    let values = file.mentions.iter();
    let values = values.map(|mention| value(mention.part, reference, Some(DIGEST)).unwrap());
    file.with(text, &values.collect::<Vec<_>>())
}

fn resolved(text: &str) -> String {
    resolved_as(text, REFERENCE)
}

/// The events of a text, without styles and places.
fn events(text: &str) -> Vec<String> {
    let (mut events, mut found) = (Events::new(text), Vec::new());
    loop {
        match events.next().unwrap().0 {
            Event::StreamEnd => return found,
            Event::Scalar(value, _, anchor, tag) => {
                found.push(format!("{value:?} {anchor} {tag:?}"));
            }
            event => found.push(format!("{event:?}")),
        }
    }
}

#[test]
fn values_are_replaced_and_every_other_byte_stays() {
    let text = "\u{feff}# imgspec:app is built here\r\nx: &x imgspec:app   # plain\r\n\
                y: { a: 'imgspec:app',b: \"imgspec:app\" , c: [imgspec:app,*x], \"d\":imgspec:app }\r\n\
                z:\r\n-\t!t  &z   # imgspec:no\r\n  'imgspec:app'\r\n- é☃: imgspec:app\r\n- \"imgspec\\u003aapp\"\r\n...\r\n\
                --- imgspec:app";
    let image = format!("{REFERENCE}@{DIGEST}");
    let expected = text
        .replace("\"imgspec\\u003aapp\"", &format!("\"{image}\""))
        .replace("imgspec:app", &image)
        .replace(&format!("# {image} is"), "# imgspec:app is");
    assert_eq!(resolved(text), expected);
}

#[test]
fn keys_text_and_other_words_stay_and_what_looks_like_an_image_is_told() {
    let text = "imgspec:app: 1\n\
                a: imgspec\n\
                b: foo/imgspec:app\n\
                c: |\n  imgspec:app\n\
                d: \"imgspec: builds images\"\n\
                e: 'imgspec:'\n\
                f: imgspec:app\n  and more\n";
    let (file, sources) = read(text).unwrap();
    assert_eq!(file.mentions, []);
    assert_eq!(resolved(text), text);
    assert_snapshot!(render(&file.doubts, &sources, false, None), @r#"
    warning[not-resolved]: `imgspec:app` stays as it is
     --> x.yaml:1:1
      |
    1 | imgspec:app: 1
      | ^^^^^^^^^^^ it is the key of a mapping, and only values are replaced

    warning[not-resolved]: `imgspec:app` stays as it is
     --> x.yaml:5:3
      |
    5 |   imgspec:app
      |   ^ it is text of several lines

    warning[not-resolved]: `imgspec: builds images` stays as it is
     --> x.yaml:6:4
      |
    6 | d: "imgspec: builds images"
      |    ^^^^^^^^^^^^^^^^^^^^^^^^ what follows is no image's id

    warning[not-resolved]: `imgspec:` stays as it is
     --> x.yaml:7:4
      |
    7 | e: 'imgspec:'
      |    ^^^^^^^^^^ what follows is no image's id

    warning[not-resolved]: `imgspec:app and more` stays as it is
     --> x.yaml:8:4
      |
    8 |   f: imgspec:app
      |  ____^
    9 | |   and more
      | |________^ what follows is no image's id

    5 warnings
    "#);
}

#[test]
fn parts_are_quoted_where_they_could_be_taken_for_something_else() {
    let parts =
        "r: imgspec:a#repository\nt: imgspec:a#tag\nd: imgspec:a#digest\nq: 'imgspec:a#tag'\n";
    assert_eq!(
        resolved(parts),
        "r: ghcr.io/acme/app\nt: \"5e1f\"\nd: sha256:0a1b\nq: '5e1f'\n"
    );
    assert_eq!(
        resolved_as(parts, "[::1]:5000/app:abc"),
        "r: \"[::1]:5000/app\"\nt: abc\nd: sha256:0a1b\nq: 'abc'\n"
    );
    assert_eq!(
        resolved_as("imgspec:a", "[::1]:5000/app:abc"),
        "\"[::1]:5000/app:abc@sha256:0a1b\""
    );
    for text in [
        "12:30",
        "1e5",
        "0x1f",
        "yes",
        "No",
        "null",
        "2001-01-01",
        "_1",
        ".5",
    ] {
        assert!(!is_text(text), "{text}");
    }
    for text in ["app", "1/app:2", "12:30@sha256:0", "v1", "node:22"] {
        assert!(is_text(text), "{text}");
    }
    assert_eq!(value(Part::Digest, REFERENCE, None), None);
    assert_eq!(value(Part::Tag, "localhost:5000/a:b", None).unwrap(), "b");
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let mut told = String::new();
    for text in [
        "a: [1\n",
        "a: imgspec:app#diges\nb: imgspec:app#\n",
        "kind: Pod\nimage: {{ .Values.image }}\n{{- if .Values.extra }}\nextra: 1\n{{- end }}\n",
        "a:\n\t- b\n",
        "a: *nobody\n",
    ] {
        told += &read(text).unwrap_err();
        told += "\n";
    }
    assert_snapshot!(told, @r##"
    error[not-yaml]: invalid YAML
     --> x.yaml:2:1
      |
    2 |
      | ^ while parsing a flow sequence, expected ',' or ']'

    1 error

    error[unknown-part]: an image has no part `diges`
     --> x.yaml:1:4
      |
    1 | a: imgspec:app#diges
      |    ^^^^^^^^^^^^^^^^^ did you mean `digest`?

    error[unknown-part]: nothing follows the `#`
     --> x.yaml:2:4
      |
    2 | b: imgspec:app#
      |    ^^^^^^^^^^^^
      |
      = help: parts: `#repository`, `#tag`, `#digest`

    2 errors

    error[not-yaml]: invalid YAML
     --> x.yaml:3:3
      |
    3 | {{- if .Values.extra }}
      |   ^ "-" is only valid inside a block
      |
      = help: a template of Helm becomes YAML only when it is rendered: resolve the values file that it takes the image from, or what `helm template` prints

    1 error

    error[not-yaml]: invalid YAML
     --> x.yaml:2:2
      |
    2 |     - b
      |     ^ tabs disallowed within this context (block indentation)

    1 error

    error[not-yaml]: invalid YAML
     --> x.yaml:1:4
      |
    1 | a: *nobody
      |    ^ while parsing node, found unknown anchor

    1 error
    "##);
}

#[test]
fn joined_files_have_all_their_documents_and_no_other() {
    let files = [
        "a: 1",
        "---\nb: 1\n---\nc: imgspec:app\n",
        "# only a comment\n",
        "\u{feff}d: 1\n",
        "# before\n---\ne: 1\n",
        "",
        "%YAML 1.2\n---\nf: 1\n...\n",
        "g: 1",
    ];
    let read: Vec<Deployment> = files.iter().map(|text| read(text).unwrap().0).collect();
    let text = joined(read.iter().zip(files));
    assert_snapshot!(text, @r"
    a: 1
    ---
    b: 1
    ---
    c: imgspec:app
    ...
    # only a comment
    ---
    d: 1
    ...
    # before
    ---
    e: 1
    ...
    %YAML 1.2
    ---
    f: 1
    ...
    ---
    g: 1
    ");
    let own = |text: &str| events(text).into_iter().filter(|it| it.starts_with('"'));
    let all: Vec<String> = files.iter().flat_map(|text| own(text)).collect();
    assert_eq!(own(&text).collect::<Vec<_>>(), all);
    let documents = events(&text).into_iter().filter(|it| it == "DocumentEnd");
    assert_eq!(documents.count(), 7);
}

#[test]
fn depth_and_size_are_no_matter() {
    let deep = format!("{}imgspec:app\n", "- ".repeat(20_000));
    assert!(resolved(&deep).ends_with("- ghcr.io/acme/app:5e1f@sha256:0a1b\n"));
    let flow = format!("{}imgspec:app{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&flow).unwrap_err().contains("invalid YAML"));
    let wide = "é: imgspec:app # ü\n".repeat(50_000);
    assert_eq!(resolved(&wide).matches(DIGEST).count(), 50_000);
}

/// A value in one of the forms that YAML has for it.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(&'static str, u8),
    List(Vec<Tree>),
    Map(Vec<(&'static str, Tree)>),
}

const KEYS: &[&str] = &["a", "image", "\"b c\"", "é", "'imgspec'"];

const VALUES: &[&str] = &[
    "imgspec:app",
    "imgspec:app#tag",
    "imgspec:app#repository",
    "imgspec:é",
    "imgspec",
    "ü",
    "foo/imgspec:app",
    "a b",
    "1.5",
];

fn leaf() -> impl Strategy<Value = Tree> {
    (prop::sample::select(VALUES), any::<u8>()).prop_map(|(value, form)| Tree::Leaf(value, form))
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_recursive(4, 30, 4, |inner| {
        let keys = prop::sample::select(KEYS);
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::List),
            prop::collection::vec((keys, inner), 1..4).prop_map(Tree::Map),
        ]
    })
}

/// Pieces of YAML.
const SOUP: &[&str] = &[
    "imgspec:a",
    "imgspec:a#tag",
    "'imgspec:a'",
    "\"imgspec:a\"",
    "\"imgspec\\x3aa\"",
    "imgspec:",
    "a: ",
    "é: ",
    ": ",
    "? ",
    "- ",
    "\n",
    "\n  ",
    "\r\n",
    "\n---\n",
    "\n...\n",
    "%YAML 1.2\n",
    "{",
    "}",
    "[",
    "]",
    ", ",
    " ",
    "\t",
    "&x ",
    "*x",
    "!t ",
    "!<a,b> ",
    " # é 'imgspec:a'\n",
    "|\n",
    ">-\n ",
    "'",
    "\"",
    "''",
    "\\",
    "\u{feff}",
    "ü",
];

/// What is written for a value.
type Put<'a> = &'a dyn Fn(&str) -> String;

impl Tree {
    /// Writes it on one line.
    fn flow(&self, put: Put<'_>) -> String {
        match self {
            Self::Leaf(value, form) => match (put(value), form % 5) {
                (value, 0) => format!("'{value}'"),
                (value, 1) => format!("\"{value}\""),
                (value, 2) => format!("!t {value}"),
                (value, 3) => format!("&x{form} \"{value}\""),
                (value, _) => value,
            },
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.flow(put)).collect();
                format!("[ {} ]", items.join(","))
            }
            Self::Map(pairs) => {
                let pair = |(key, value): &(&str, Self)| format!("{key}: {}", value.flow(put));
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                format!("{{{}}}", pairs.join(" , "))
            }
        }
    }

    /// Writes it on several lines, which begin with `indent`.
    fn block(&self, indent: &str, end: &str, put: Put<'_>) -> String {
        let inner = format!("{indent}  ");
        let nested = |value: &Self| match value {
            // Not a value on one line, so it stays.
            Self::Leaf(text, form) if form % 7 == 0 => format!(" |-{end}{inner}{text}{end}"),
            Self::Leaf(..) => format!(" {} # imgspec:ü{end}", value.flow(put)),
            Self::List(items) if items.len() == 1 => format!(" {}{end}", value.flow(put)),
            _ => format!("{end}{}", value.block(&inner, end, put)),
        };
        match self {
            Self::Leaf(..) => format!("{indent}{}{end}", self.flow(put)),
            Self::List(items) => {
                let item = |item: &Self| format!("{indent}-{}", nested(item));
                items.iter().map(item).collect()
            }
            Self::Map(pairs) => {
                let pair = |(key, value): &(&str, Self)| format!("{indent}{key}:{}", nested(value));
                pairs.iter().map(pair).collect()
            }
        }
    }
}

/// What a value of a tree becomes.
fn put(text: &str) -> String {
    let part = match text.split_once('#') {
        Some((_, "tag")) => Part::Tag,
        Some((_, "repository")) => Part::Repository,
        _ => Part::Reference,
    };
    match text.strip_prefix(SIGN) {
        Some(_) => value(part, REFERENCE, Some(DIGEST)).unwrap(),
        None => text.to_owned(),
    }
}

proptest! {
    #[test]
    fn of_any_tree_only_the_images_change(trees in prop::collection::vec(tree(), 1..4), is_dos in any::<bool>(), has_mark in any::<bool>()) {
        let end = if is_dos { "\r\n" } else { "\n" };
        let write = |put: Put<'_>| {
            let mut text = if has_mark { "\u{feff}".to_owned() } else { String::new() };
            for tree in &trees {
                text += &format!("--- # é{end}{}", tree.block("", end, put));
            }
            text
        };
        let text = write(&str::to_owned);
        let resolved = resolved(&text);
        prop_assert_eq!(events(&resolved), events(&write(&put)), "{}\n{}", text, resolved);
        // Between the images, not a byte is another.
        let (file, _) = read(&text).unwrap();
        let (mut left, mut at) = (resolved.as_str(), 0);
        for mention in &file.mentions {
            let range = mention.place.span();
            left = left.strip_prefix(&text[at..range.start]).unwrap();
            let value = value(mention.part, REFERENCE, Some(DIGEST)).unwrap();
            left = left.strip_prefix(written(&text[range.clone()], &value).as_str()).unwrap();
            at = range.end;
        }
        prop_assert_eq!(left, &text[at..]);
    }

    #[test]
    fn of_any_text_only_the_images_change(words in prop::collection::vec(prop::sample::select(SOUP), 0..40)) {
        let text = words.concat();
        if let Ok((file, _)) = read(&text) {
            let resolved = resolved(&text);
            let (before, after) = (events(&text), events(&resolved));
            prop_assert_eq!(before.len(), after.len(), "{}\n{}", text, resolved);
            let changed: Vec<_> = before.iter().zip(&after).filter(|(one, other)| one != other).collect();
            prop_assert_eq!(changed.len(), file.mentions.len(), "{}\n{}", text, resolved);
            for (one, other) in changed {
                prop_assert!(one.starts_with("\"imgspec:") && !other.contains("imgspec:"), "{one} {other}");
            }
        }
    }
}
