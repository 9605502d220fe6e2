//! DOT and Mermaid as their own programs read them: nothing in a name or a note can break a drawing.

use imgspec::graph::EdgeKind;
use imgspec::view::{CriticalPath, Drawing, Edge, Format, Look, Node, State, render};
use serde_json::{Value, json};

use crate::browser::{in_browser, in_graphviz};
use crate::sandbox::Sandbox;

/// Names that mean something in one of the languages, or in HTML or Markdown.
const NAMES: &[&str] = &[
    "a",
    "end",
    "graph",
    "subgraph",
    "flowchart",
    "style",
    "class",
    "classDef",
    "click",
    "default",
    "direction",
    "digraph",
    "node",
    "edge",
    "strict",
    "o",
    "x",
    "-",
    "--",
    "-->",
    "a-b",
    "a_b",
    "a.b/c:d=e",
    "A",
    "1",
    "größe",
    "画像",
    "🐳",
    "עברית",
    "a\"b",
    "a'b",
    "a`b`",
    "a\\",
    "\\\"",
    "\\N",
    "a;b",
    "a[b]{c}(d)",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&amp;",
    "#35;",
    "#quot;",
    "%% remark",
    "%%{init: {}}%%",
    "$$x^2$$",
    "**a** _b_ ~c~",
    "[a](javascript:alert(1))",
    "- list",
    "1. list",
    "a|b",
    "@{shape: circle}",
    ":::fresh",
    "a\nb",
    "a\u{1b}[2Jb\t",
];

fn node(name: &str, state: Option<State>, note: Option<String>) -> Node {
    Node {
        name: name.to_owned(),
        bases: Vec::new(),
        reference: format!("r:5000/x:{name}"),
        folder: name.to_owned(),
        images: None,
        state,
        note,
        seconds: Some(1.5),
        size: None,
    }
}

/// Each hostile name, in a state, on the one before it, with copies of its neighbor.
fn hostile() -> Drawing {
    let states = [State::Fresh, State::Push, State::Build, State::Failed];
    let nodes = NAMES.iter().enumerate();
    let nodes = nodes.map(|(at, name)| {
        let note = format!("because of {name} {}", "long ".repeat(60));
        node(name, states.get(at % 5).copied(), Some(note))
    });
    let edge = |from: &str, to: &str, kind| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
    };
    let pairs = NAMES.windows(2);
    let edges = pairs.flat_map(|pair| {
        let [to, from] = pair else { unreachable!() };
        [EdgeKind::Base, EdgeKind::Copy].map(|kind| edge(from, to, kind))
    });
    Drawing {
        nodes: nodes.collect(),
        edges: edges.collect(),
        critical_path: Some(CriticalPath {
            images: NAMES.iter().map(|&name| name.to_owned()).collect(),
            seconds: 2.0,
        }),
        groups: std::collections::BTreeMap::new(),
    }
}

/// The shapes of public collections of images, with their names as they are.
fn public() -> Vec<Drawing> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/graphs");
    let files = std::fs::read_dir(folder).unwrap();
    let read = |path| {
        let value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let mut drawing = Drawing::default();
        for image in value["nodes"].as_array().unwrap() {
            let name = word(&image["id"]);
            for to in image["deps"].as_array().unwrap() {
                drawing.edges.push(Edge {
                    from: name.clone(),
                    to: word(to),
                    kind: EdgeKind::Base,
                });
            }
            drawing.nodes.push(node(&name, None, None));
        }
        drawing
    };
    let drawings: Vec<Drawing> = files.map(|file| read(file.unwrap().path())).collect();
    assert!(drawings.len() >= 4);
    drawings
}

fn drawings() -> Vec<Drawing> {
    let mut all = public();
    all.push(hostile());
    let folders: Vec<Drawing> = all.iter().map(Drawing::by_folder).collect();
    all.extend(folders);
    all
}

/// What `graph show` says of the examples in this format.
fn of_examples(format: &str) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut shown = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("imgspec.kdl").exists() {
            for group in ["none", "folder"] {
                let sandbox = Sandbox::new();
                let words = ["graph", "show", "--format", format, "--group", group, "-C"];
                let words = [&words[..], &[folder.to_str().unwrap()]].concat();
                shown.push(sandbox.run(&words).success().stdout);
            }
        }
    }
    assert!(shown.len() > 10);
    shown
}

#[test]
fn graphviz_accepts_every_drawing() {
    let Some(broken) = in_graphviz("digraph {\n  \"a\" [label=\"b];\n}\n") else {
        return;
    };
    broken.unwrap_err();
    for drawing in drawings() {
        let text = render(Format::Dot, &drawing, Look::default());
        let picture = in_graphviz(&text).unwrap().unwrap();
        let count = |class: &str| picture.matches(&format!("class=\"{class}\"")).count();
        assert_eq!(count("node"), drawing.nodes.len(), "{text}");
        assert_eq!(count("edge"), drawing.edges.len(), "{text}");
        let document = parsed(&picture);
        let texts: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter_map(|node| node.text())
            .collect();
        for node in &drawing.nodes {
            let name = shown(&node.name);
            assert!(
                texts.iter().any(|text| spaced(text) == spaced(&name)),
                "{name}: {texts:?}"
            );
        }
    }
    for text in of_examples("dot") {
        in_graphviz(&text).unwrap().unwrap();
    }
}

fn parsed(picture: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    roxmltree::Document::parse_with_options(picture, options).unwrap()
}

/// Without control characters, as every drawing shows a text.
fn shown(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// With plain spaces, one for several, and none of no width.
fn spaced(text: &str) -> String {
    let text = text.replace('\u{200b}', "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn mermaid_accepts_every_drawing() {
    let broken = [
        "flowchart BT\n  end[\"a\"]\n  a --> end\n",
        "flowchart BT\n  a[\"b\"c\"]\n",
    ];
    let drawn = drawings();
    let texts = drawn
        .iter()
        .map(|drawing| render(Format::Mermaid, drawing, Look::default()));
    let mut texts: Vec<String> = texts.collect();
    texts.extend(of_examples("mermaid"));
    texts.extend(broken.map(str::to_owned));
    let Some(found) = in_browser("mermaid.mjs", &json!(texts)) else {
        return;
    };
    let (good, bad) = found
        .as_array()
        .unwrap()
        .split_at(texts.len() - broken.len());
    assert!(bad.iter().all(|one| one["error"].is_string()), "{bad:?}");
    for (one, text) in good.iter().zip(&texts) {
        assert!(one["error"].is_null(), "{}\n{text}", one["error"]);
        assert_eq!(one["elements"], 0, "nothing but text: {text}");
    }
    for (one, drawing) in good.iter().zip(&drawn) {
        let boxes = one["boxes"].as_object().unwrap();
        assert_eq!(boxes.len(), drawing.nodes.len());
        assert_eq!(one["arrows"], drawing.edges.len());
        for node in &drawing.nodes {
            let name = spaced(&shown(&node.name));
            let of_it = boxes.values().find(|found| {
                let first = found["text"].as_str().unwrap().lines().next();
                spaced(first.unwrap_or_default()) == name
            });
            let of_it = of_it.unwrap_or_else(|| panic!("`{name}` is not shown: {boxes:?}"));
            if let Some(state) = node.state {
                let classes = of_it["classes"].as_array().unwrap();
                assert!(classes.contains(&json!(state.word())), "{of_it}");
            }
        }
    }
}
