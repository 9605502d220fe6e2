use std::collections::BTreeMap;

use super::colors::{Colors, DARK, LIGHT};
use super::text::{NOTE_COLUMN, PADDING, f64_of};
use super::*;
use crate::columns;
use crate::view::drawing::tests::{diamond, drawing};
use crate::view::{CriticalPath, Format, Theme};

/// The shapes of public collections of images.
fn public() -> [(&'static str, Drawing); 4] {
    let read = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let nodes = value["nodes"].as_array().unwrap();
        let words: Vec<String> = nodes
            .iter()
            .map(|node| {
                let deps = node["deps"].as_array().unwrap().iter().enumerate();
                let deps = deps.map(|(at, dep)| {
                    let mark = if at == 0 { "" } else { "+" };
                    format!("{mark}{}", name(dep))
                });
                let deps: Vec<String> = deps.collect();
                format!("{}:{}", name(&node["id"]), deps.join(","))
            })
            .collect();
        drawing(&words.join(" "))
    };
    macro_rules! graph {
        ($name:literal) => {
            (
                $name,
                read(include_str!(concat!(
                    "../../../tests/data/graphs/",
                    $name,
                    ".json"
                ))),
            )
        };
    }
    [
        graph!("aiidalab-docker-stack"),
        graph!("gitpod-workspace-images"),
        graph!("jupyter-docker-stacks"),
        graph!("stackable-docker-images"),
    ]
}

fn name(value: &serde_json::Value) -> String {
    value.as_str().unwrap().replace([':', '=', '/'], "-")
}

fn parsed(text: &str) -> roxmltree::Document<'_> {
    roxmltree::Document::parse(text).unwrap()
}

fn number(node: roxmltree::Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// Each box has room for its texts, none lies over another, and all lie in the picture.
#[track_caller]
fn is_readable(drawing: &Drawing, look: Look) {
    let text = render(drawing, look);
    let document = parsed(&text);
    let root = document.root_element();
    let (width, height) = (number(root, "width"), number(root, "height"));
    let images = document.descendants().filter(|node| {
        let class = node.attribute("class").unwrap_or_default();
        class.starts_with("image") && node.children().any(|child| child.has_tag_name("text"))
    });
    let mut boxes: Vec<(f64, f64, f64, f64)> = Vec::new();
    for image in images {
        let child = |name| {
            image
                .children()
                .filter(move |child| child.has_tag_name(name))
        };
        let rect = child("rect").next_back().unwrap();
        let (x, y) = (number(rect, "x"), number(rect, "y"));
        let (wide, high) = (number(rect, "width"), number(rect, "height"));
        assert!(x >= 0.0 && y >= 0.0 && x + wide <= width && y + high <= height);
        for line in child("text") {
            let size = if line.attribute("class").is_some() {
                10.0
            } else {
                12.0
            };
            let columns = f64_of(columns::count(line.text().unwrap_or_default()));
            let half = columns * size * 0.602 / 2.0;
            let middle = number(line, "x");
            assert!(middle - half >= x && middle + half <= x + wide, "{line:?}");
            let bottom = number(line, "y");
            assert!(bottom - size >= y && bottom + 2.0 <= y + high, "{line:?}");
        }
        for (a, b, c, d) in &boxes {
            assert!(x >= a + c || *a >= x + wide || y >= b + d || *b >= y + high);
        }
        boxes.push((x, y, wide, high));
    }
    assert_eq!(boxes.len(), drawing.nodes.len());
}

#[test]
fn public_graphs_are_readable_both_ways() {
    for (_, mut drawing) in public() {
        for (at, node) in drawing.nodes.iter_mut().enumerate() {
            node.state = [None, Some(State::Build), Some(State::Fresh)][at % 3];
            node.note =
                (at % 5 == 1).then(|| "a reason of some length, which is cut where it ends".into());
            node.seconds = (at % 4 == 0).then_some(12.3);
        }
        for direction in [Direction::Right, Direction::Down] {
            is_readable(
                &drawing,
                Look {
                    direction: Some(direction),
                    ..Look::default()
                },
            );
        }
        is_readable(&drawing.by_folder(), Look::default());
    }
}

#[test]
fn trees_are_drawn_without_crossings() {
    let crossings = public().map(|(name, drawing)| (name, super::crossings(&drawing)));
    for (name, count) in &crossings[..3] {
        assert_eq!(*count, 0, "{name}");
    }
}

#[test]
fn the_same_drawing_is_the_same_bytes() {
    for (_, drawing) in public() {
        let first = render(&drawing, Look::default());
        assert_eq!(first, render(&drawing, Look::default()));
    }
}

/// How much brighter one color is than the other, by WCAG 2.1: text needs 4.5.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |color: &str| {
        let part = |at: usize| {
            let value = u8::from_str_radix(&color[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn texts_can_be_read_on_every_box_of_both_themes() {
    for Colors {
        ground,
        text,
        dim,
        line,
        image,
        critical,
        states,
        ..
    } in [LIGHT, DARK]
    {
        for ground in [image, ground].iter().chain(&states) {
            assert!(contrast(text, ground) >= 7.0, "{text} on {ground}");
            assert!(contrast(dim, ground) >= 4.5, "{dim} on {ground}");
        }
        assert!(contrast(line, ground) >= 3.0 && contrast(critical, ground) >= 3.0);
    }
}

#[test]
fn a_page_has_the_same_rules_with_variables() {
    let page = page_style();
    for state in State::ALL {
        let rule = format!(".{0} rect{{fill:var(--{0})}}", state.word());
        assert!(page.contains(&rule), "{rule}");
        for color in [State::LIGHT, State::DARK].map(|colors| colors[state as usize]) {
            assert!(page.contains(&format!("--{}:{color}", state.word())));
        }
    }
}

#[test]
fn boxes_in_a_page_have_room_for_a_second_line() {
    let drawing = drawing("a b:a");
    let text = in_page(&drawing, Direction::Right, 20);
    let document = parsed(&text);
    let rects = document
        .descendants()
        .filter(|node| node.has_tag_name("rect"));
    for rect in rects {
        assert!(number(rect, "width") >= 20.0 * NOTE_COLUMN + PADDING);
        assert!(number(rect, "height") >= 40.0);
    }
    let names = document
        .descendants()
        .filter_map(|node| node.attribute("data-image"));
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b"]);
    let arrows = document
        .descendants()
        .filter_map(|node| Some((node.attribute("data-from")?, node.attribute("data-to")?)));
    assert_eq!(arrows.collect::<Vec<_>>(), [("b", "a"); 2], "line and tip");
}

#[test]
fn names_of_any_kind_are_text_and_nothing_else() {
    for evil in [
        "</text><script>alert(1)</script>",
        "\"'&<>\u{1}\u{ffff}]]>",
        "名前の長い画像",
        "a\u{202e}b",
    ] {
        let mut drawing = drawing("a b:a");
        drawing.nodes[0].note = Some(evil.to_owned());
        drawing.nodes[1].reference = evil.to_owned();
        evil.clone_into(&mut drawing.nodes[1].name);
        evil.clone_into(&mut drawing.edges[0].from);
        is_readable(&drawing, Look::default());
        let text = render(&drawing, Look::default());
        assert!(
            parsed(&text)
                .descendants()
                .all(|node| !node.has_tag_name("script"))
        );
    }
}

#[test]
fn the_picture_says_what_it_shows() {
    let mut drawing = diamond();
    drawing.nodes[0].state = Some(State::Fresh);
    drawing.nodes[3].state = Some(State::Build);
    drawing.nodes[3].note = Some("never built".into());
    drawing.critical_path = Some(CriticalPath {
        images: vec!["os".into(), "py".into(), "app".into()],
        seconds: 12.5,
    });
    let text = render(&drawing, Look::default());
    let document = parsed(&text);
    let title = document.root_element().first_element_child().unwrap();
    assert_eq!(
        title.text(),
        Some("5 images: 1 build, 1 fresh; an arrow goes from an image to what it needs")
    );
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for node in document.descendants() {
        *classes
            .entry(node.attribute("class").unwrap_or_default())
            .or_default() += 1;
    }
    assert_eq!(classes["image build critical"], 1);
    assert_eq!(classes["base critical"], 3, "two arrows and the legend");
    let legend = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("legend"));
    let legend: Vec<_> = legend.filter_map(|node| node.text()).collect();
    assert_eq!(
        legend,
        [
            "fresh",
            "build",
            "built on",
            "copies from",
            "critical path: 12.5 s"
        ]
    );
    for theme in [Theme::Light, Theme::Dark, Theme::Auto] {
        let look = Look {
            theme,
            ..Look::default()
        };
        let text = crate::view::render(Format::Svg, &drawing, look);
        assert_eq!(text.contains("prefers-color-scheme"), theme == Theme::Auto);
        assert_eq!(text.contains(DARK.ground), theme != Theme::Light);
    }
}
