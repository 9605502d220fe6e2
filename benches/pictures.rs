//! How readable pictures of the graph are, beside Graphviz: how often lines cross, and how long drawing takes.
//!
//! `cargo bench --bench pictures`. Draws the shapes of public collections of images as SVG, and the same graphs with `dot`
//! where it is installed, and measures both pictures in the same way: each arrow is a line of short pieces; where arrows run
//! along the same piece it counts once; pieces of arrows with no image in common that cross are counted. Asserts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use imgspec::graph::EdgeKind;
use imgspec::view::{Direction, Drawing, Edge, Format, Look, Node, render};

/// Pieces of each curve.
const PIECES: u32 = 12;

type Point = (f64, f64);

/// An arrow: the two images, and its line.
struct Arrow {
    ends: [String; 2],
    line: Vec<Point>,
}

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/graphs");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the graphs")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a graph");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        compare(value["name"].as_str().expect("a name"), &public(&value));
    }
    compare("1,000 images", &thousand());
}

fn compare(name: &str, drawing: &Drawing) {
    let look = Look {
        direction: Some(Direction::Right),
        ..Look::default()
    };
    let start = Instant::now();
    let svg = render(Format::Svg, drawing, look);
    let ours = start.elapsed().as_secs_f64();
    println!(
        "{name}: {} images, {} arrows: {} crossings, drawn in {:.3} s ({} KiB)",
        drawing.nodes.len(),
        drawing.edges.len(),
        crossings(&arrows(&svg, &title_of_ours)),
        ours,
        svg.len() / 1024
    );
    let start = Instant::now();
    let Some(svg) = dot(&render(Format::Dot, drawing, look)) else {
        return println!("  `dot` is not installed");
    };
    let theirs = start.elapsed().as_secs_f64();
    println!(
        "  dot: {} crossings, drawn in {theirs:.3} s",
        crossings(&arrows(&svg, &title_of_dot))
    );
}

fn dot(text: &str) -> Option<String> {
    let mut child = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    String::from_utf8(output.stdout).ok()
}

/// The arrows of an SVG: each path with a title that names two images.
fn arrows(svg: &str, ends: &dyn Fn(&str) -> Option<[String; 2]>) -> Vec<Arrow> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(svg, options).expect("XML");
    let paths = document
        .descendants()
        .filter(|node| node.has_tag_name("path"));
    paths
        .filter_map(|path| {
            let title = |node: roxmltree::Node<'_, '_>| {
                let mut children = node.children();
                let title = children.find(|child| child.has_tag_name("title"))?;
                title.text().and_then(ends)
            };
            // Ours in the path itself, Graphviz's beside it.
            let ends = title(path).or_else(|| title(path.parent()?))?;
            Some(Arrow {
                ends,
                line: line(path.attribute("d")?),
            })
        })
        .collect()
}

fn title_of_ours(title: &str) -> Option<[String; 2]> {
    let (from, to) = title
        .split_once(" is built on ")
        .or_else(|| title.split_once(" copies from "))?;
    Some([from.to_owned(), to.to_owned()])
}

fn title_of_dot(title: &str) -> Option<[String; 2]> {
    let (from, to) = title.split_once("->")?;
    Some([from.to_owned(), to.to_owned()])
}

/// The points of a path of `M`, `C` and `L`.
fn line(path: &str) -> Vec<Point> {
    let mut numbers = Vec::new();
    let mut points: Vec<Point> = Vec::new();
    let mut command = 'M';
    let mut take = |command: char, numbers: &mut Vec<f64>| {
        let pairs: Vec<Point> = numbers
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect();
        numbers.clear();
        match command {
            'C' => {
                for curve in pairs.chunks_exact(3) {
                    let start = *points.last().expect("a path begins with M");
                    points.extend((1..=PIECES).map(|at| bezier(start, curve, at)));
                }
            }
            _ => points.extend(pairs),
        }
    };
    let mut word = String::new();
    for char in path.chars().chain([' ']) {
        if char.is_ascii_digit() || char == '.' || char == '-' {
            word.push(char);
            continue;
        }
        if let Ok(number) = std::mem::take(&mut word).parse() {
            numbers.push(number);
        }
        if char.is_ascii_alphabetic() {
            take(command, &mut numbers);
            command = char;
        }
    }
    take(command, &mut numbers);
    points
}

fn bezier(start: Point, curve: &[Point], at: u32) -> Point {
    let t = f64::from(at) / f64::from(PIECES);
    let u = 1.0 - t;
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    let points = [start, curve[0], curve[1], curve[2]];
    let sum = |part: fn(&Point) -> f64| -> f64 {
        let each = points.iter().zip(weights);
        each.map(|(point, weight)| part(point) * weight).sum()
    };
    (sum(|point| point.0), sum(|point| point.1))
}

/// A piece of a line, with the images at the ends of all arrows that run along it.
struct Piece<'a> {
    ends: [Point; 2],
    images: BTreeSet<&'a str>,
}

fn crossings(arrows: &[Arrow]) -> usize {
    let mut pieces: BTreeMap<[u64; 4], Piece<'_>> = BTreeMap::new();
    for arrow in arrows {
        for ends in arrow.line.windows(2) {
            let [(a, b), (c, d)] = [ends[0], ends[1]];
            let piece = pieces
                .entry([a, b, c, d].map(f64::to_bits))
                .or_insert(Piece {
                    ends: [ends[0], ends[1]],
                    images: BTreeSet::new(),
                });
            piece.images.extend(arrow.ends.iter().map(String::as_str));
        }
    }
    let pieces: Vec<Piece<'_>> = pieces.into_values().collect();
    let each = pieces.iter().enumerate().map(|(at, one)| {
        let others = pieces[at + 1..].iter();
        let crossed = others
            .filter(|other| meet(one.ends, other.ends) && one.images.is_disjoint(&other.images));
        crossed.count()
    });
    each.sum()
}

fn meet(one: [Point; 2], other: [Point; 2]) -> bool {
    let side = |a: Point, b: Point, c: Point| (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0);
    let parts =
        |a: [Point; 2], b: [Point; 2]| side(a[0], a[1], b[0]) * side(a[0], a[1], b[1]) < 0.0;
    parts(one, other) && parts(other, one)
}

fn public(value: &serde_json::Value) -> Drawing {
    let nodes = value["nodes"].as_array().expect("nodes");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let needs = nodes.iter().map(|node| {
        let deps = node["deps"].as_array().expect("deps");
        (text(&node["id"]), deps.iter().map(text).collect())
    });
    drawing(needs.collect())
}

/// 40 teams of 25 images, each team on an image of another.
fn thousand() -> Drawing {
    let name = |team: usize, at: usize| format!("team-{team}-image-{at}");
    let mut needs = Vec::new();
    for team in 0..40_usize {
        for at in 0..25_usize {
            let mut of: Vec<String> = match (team, at) {
                (0, 0) => Vec::new(),
                (team, 0) => vec![name((team - 1) / 3, team % 5)],
                (team, at) => vec![name(team, (at - 1) / 3)],
            };
            if team > 3 && at % 7 == 3 {
                of.push(name(team % 3, at));
            }
            needs.push((name(team, at), of));
        }
    }
    drawing(needs)
}

fn drawing(needs: Vec<(String, Vec<String>)>) -> Drawing {
    let mut drawing = Drawing::default();
    for (name, bases) in needs {
        for (at, base) in bases.iter().enumerate() {
            drawing.edges.push(Edge {
                from: name.clone(),
                to: base.clone(),
                kind: if at == 0 {
                    EdgeKind::Base
                } else {
                    EdgeKind::Copy
                },
            });
        }
        drawing.nodes.push(Node {
            name,
            bases,
            reference: String::new(),
            folder: ".".to_owned(),
            images: None,
            state: None,
            note: None,
            seconds: None,
            size: None,
        });
    }
    drawing
}
