//! The page of the graph in a real browser.

use std::collections::BTreeMap;

use imgspec::Event;
use imgspec::fingerprint::Input;
use imgspec::graph::EdgeKind;
use imgspec::run::History;
use imgspec::view::{Built, Detail, Drawing, Edge, Live, Node, Page, State, Tab, Theme, page};
use serde_json::json;

use crate::browser::in_browser;

const EVIL: &str = "</script><img src=x onerror=alert(1)>\"'&{{script}}";

fn node(name: &str, bases: &[&str], folder: &str) -> Node {
    Node {
        name: name.to_owned(),
        bases: bases.iter().map(|base| (*base).to_owned()).collect(),
        reference: format!("r:5000/{name}:0a1b"),
        folder: folder.to_owned(),
        images: None,
        state: None,
        note: None,
        seconds: None,
        size: None,
    }
}

fn drawing(nodes: Vec<Node>) -> Drawing {
    let edges = nodes.iter().flat_map(|node| {
        node.bases.iter().map(|base| Edge {
            from: node.name.clone(),
            to: base.clone(),
            kind: EdgeKind::Base,
        })
    });
    Drawing {
        edges: edges.collect(),
        nodes,
        critical_path: None,
        groups: BTreeMap::new(),
    }
}

/// Five images, of which two are to be built.
fn shop() -> Drawing {
    let mut drawing = drawing(vec![
        node("os", &[], "."),
        node("tools", &["os"], "."),
        node("py", &["os"], "."),
        node("app", &["py", "tools"], "apps"),
        node("docs", &[], "docs"),
    ]);
    for node in &mut drawing.nodes {
        let is_built = ["py", "app"].contains(&node.name.as_str());
        node.state = Some(if is_built { State::Build } else { State::Fresh });
    }
    drawing
}

/// A thousand images in twenty directories.
fn many() -> Drawing {
    let nodes = (0..1000).map(|at: usize| {
        let base = (at >= 20).then(|| format!("i-{}", at % 20 + 20 * (at / 200)));
        let base = base.filter(|base| *base != format!("i-{at}"));
        let bases: Vec<&str> = base.iter().map(String::as_str).collect();
        node(&format!("i-{at}"), &bases, &format!("team-{}", at % 20))
    });
    let mut drawing = drawing(nodes.collect());
    for node in &mut drawing.nodes {
        node.state = Some(State::Fresh);
    }
    drawing
}

fn detail(image: &str, text: &str) -> Detail {
    Detail {
        place: Some("imgspec.kdl:7:1".to_owned()),
        reference: format!("r:5000/{image}:0a1b"),
        key: "0a1b2c3d".repeat(8),
        builder: "fake".to_owned(),
        spec: format!("image \"{image}\" {{\n    env A=\"{text}\"\n}}"),
        inputs: (0..30)
            .map(|at| Input {
                name: format!("packages[{at}]"),
                value: text.to_owned(),
            })
            .collect(),
        more_inputs: 7,
        outside: Vec::new(),
        reasons: vec![format!("a reason: {text}")],
        built: Some(Built {
            seconds: 12.5,
            finished: "2026-01-02T03:04:05Z".to_owned(),
            digest: format!("sha256:{}", "0a1b".repeat(16)),
            size: Some(820_000_000),
            backend: "fake".to_owned(),
            is_current: true,
        }),
        log: vec![text.to_owned(), "last line".to_owned()],
    }
}

fn details(drawing: &Drawing, text: &str) -> BTreeMap<String, Detail> {
    let nodes = drawing.nodes.iter();
    nodes
        .map(|node| (node.name.clone(), detail(&node.name, text)))
        .collect()
}

/// `os` is built, `py` is being built, `app` waits.
fn history() -> History {
    let mut history = History::default();
    let started = |image: &str| Event::ImageStarted {
        image: image.to_owned(),
        reference: format!("r:5000/{image}:0a1b"),
        backend: "fake".to_owned(),
        reasons: vec!["never built".to_owned()],
    };
    let events = [
        started("os"),
        Event::ImageBuilt {
            image: "os".to_owned(),
            reference: "r:5000/os:0a1b".to_owned(),
            digest: "sha256:00".to_owned(),
            backend: "fake".to_owned(),
            seconds: 12.5,
        },
        started("py"),
        Event::ImageStep {
            image: "py".to_owned(),
            step: 3,
            of: 7,
            name: "RUN pip install".to_owned(),
        },
        Event::ImageWaiting {
            image: "app".to_owned(),
            because: vec!["py".to_owned()],
        },
    ];
    for (at, event) in [0.0, 12.5, 13.0, 14.0, 14.0].into_iter().zip(&events) {
        history.hear(at, event);
    }
    history
}

/// How long the browser takes for a loop on an idle machine, in milliseconds.
const LOOP: f64 = 30.0;

#[test]
fn a_page_does_in_a_browser_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &Page<'_>| {
        let path = folder.path().join(name);
        std::fs::write(&path, page(content)).unwrap();
        path
    };
    let (shop, many) = (shop(), many());
    let mut hostile = shop.clone();
    EVIL.clone_into(&mut hostile.nodes[0].name);
    EVIL.clone_into(&mut hostile.nodes[0].folder);
    EVIL.clone_into(&mut hostile.nodes[1].reference);
    hostile.nodes[2].note = Some(EVIL.to_owned());
    for edge in &mut hostile.edges {
        if edge.to == "os" {
            EVIL.clone_into(&mut edge.to);
        }
    }
    let plain = Page {
        title: "shop",
        made: "2026-01-02T03:04:05Z",
        drawing: &shop,
        details: Some(&details(&shop, "a text")),
        history: None,
        live: None,
        tab: Tab::Graph,
        folders: None,
        direction: None,
        theme: Theme::Auto,
    };
    let large = Page {
        drawing: &many,
        details: Some(&details(&many, "a text")),
        ..plain
    };
    let mut undecided = shop.clone();
    for node in &mut undecided.nodes {
        node.state = None;
    }
    let input = json!({
        "plain": write("plain.html", &plain),
        "many": write("many.html", &large),
        "whole": write("whole.html", &Page { folders: Some(false), ..large }),
        "hostile": write("hostile.html", &Page { title: EVIL, drawing: &hostile, details: Some(&details(&hostile, EVIL)), ..plain }),
        "live": write("live.html", &Page {
            drawing: &undecided,
            details: None,
            history: Some(&history()),
            live: Some(Live { control: false, edition: "1" }),
            ..plain
        }),
        "detail": detail("py", "a text"),
    });
    let Some(found) = in_browser("page.mjs", &input) else {
        return;
    };
    let [first, all, own] =
        ["first-paint", "all-drawn", "loop"].map(|name| found[name].as_f64().unwrap());
    // On a machine that is busy with other tests all of it takes longer.
    let limit = 1000.0 * (own / LOOP).max(1.0);
    let words = format!(
        "1,000 images: first paint after {first:.0} ms, all drawn after {all:.0} ms, of {limit:.0} ms"
    );
    println!("{words}");
    assert!(first < limit && all < limit, "{words}");
}
