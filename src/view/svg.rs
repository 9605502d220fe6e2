//! A drawing as SVG, without Graphviz: the same bytes for the same drawing, on every machine.
//!
//! Text is set in a fixed-width font, because that is the only kind whose width is known without the font. Nothing in the file
//! has an id, so several drawings may stand in one HTML page.

mod colors;
mod legend;
mod text;

use std::fmt::Write as _;

use super::drawing::{Drawing, Edge, Node, State, images};
use super::layout::{Direction, Layout, Point, Rect, Shape, layout};
use super::look::Look;
use crate::graph::EdgeKind;
pub(super) use colors::page_style;
use legend::legend;
pub(super) use text::escape;
use text::{NOTE_LIMIT, PAGE_NOTE_LIMIT, Texts};

/// The height of the legend below the drawing.
const LEGEND: f64 = 28.0;

/// A file of its own.
pub(super) fn render(drawing: &Drawing, look: Look) -> String {
    let direction = look.direction.unwrap_or_default();
    let picture = Picture::new(drawing, direction, NOTE_LIMIT, 0);
    let legend = legend(drawing);
    let (width, height) = (
        picture.layout.width.max(legend.width),
        picture.layout.height + LEGEND,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n"
    );
    let _ = writeln!(out, "<title>{}</title>", escape(&title(drawing)));
    let _ = writeln!(out, "<style>{}</style>", colors::style(look.theme));
    let _ = writeln!(
        out,
        "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>"
    );
    picture.draw(&mut out);
    let _ = write!(
        out,
        "<g transform=\"translate(0 {:.1})\">\n{}</g>\n</svg>\n",
        picture.layout.height, legend.text
    );
    out
}

/// A part of a page, which has the style ([`page_style`]), the title and the legend itself. Each box has room for a second
/// line of this many columns, which a page fills when something happens; 0 if nothing will.
pub(super) fn in_page(drawing: &Drawing, direction: Direction, room: usize) -> String {
    let picture = Picture::new(drawing, direction, PAGE_NOTE_LIMIT, room);
    let (width, height) = (picture.layout.width, picture.layout.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" class=\"picture\">\n"
    );
    picture.draw(&mut out);
    out.push_str("</svg>\n");
    out
}

/// A drawing with everything in its place.
struct Picture<'a> {
    drawing: &'a Drawing,
    texts: Vec<Texts>,
    edges: Vec<(usize, usize)>,
    layout: Layout,
    direction: Direction,
}

impl<'a> Picture<'a> {
    fn new(drawing: &'a Drawing, direction: Direction, limit: usize, room: usize) -> Self {
        let nodes = drawing.nodes.iter();
        let texts: Vec<Texts> = nodes.map(|node| Texts::of(node, limit)).collect();
        let sizes: Vec<(f64, f64)> = texts.iter().map(|texts| texts.size(room)).collect();
        let edges = drawing.indices();
        let shape = Shape {
            sizes: &sizes,
            edges: &edges,
        };
        let layout = layout(&shape, direction);
        Self {
            drawing,
            texts,
            edges,
            layout,
            direction,
        }
    }

    fn draw(&self, out: &mut String) {
        arrows(out, self.drawing, &self.layout, &self.edges, self.direction);
        let boxes = self.texts.iter().zip(&self.layout.boxes);
        for (node, (texts, rect)) in self.drawing.nodes.iter().zip(boxes) {
            image(out, self.drawing, node, texts, rect);
        }
    }
}

/// How often lines cross in the drawing, for comparisons.
#[cfg(test)]
pub(super) fn crossings(drawing: &Drawing) -> usize {
    Picture::new(drawing, Direction::Right, NOTE_LIMIT, 0)
        .layout
        .crossings
}

/// `12 images: 3 build, 9 fresh; an arrow goes from an image to what it needs`
fn title(drawing: &Drawing) -> String {
    let count = |state| {
        let nodes = drawing.nodes.iter();
        let count = nodes.filter(|node| node.state == Some(state)).count();
        (count > 0).then(|| format!("{count} {}", State::word(state)))
    };
    let counts: Vec<String> = State::ALL.into_iter().rev().filter_map(count).collect();
    let what = match (
        drawing.nodes.len(),
        drawing.nodes.iter().any(|node| node.images.is_some()),
    ) {
        (1, true) => "1 directory".to_owned(),
        (count, false) => images(count),
        (count, true) => format!("{count} directories"),
    };
    let counts = if counts.is_empty() {
        String::new()
    } else {
        format!(": {}", counts.join(", "))
    };
    format!("{what}{counts}; an arrow goes from an image to what it needs")
}

fn arrows(
    out: &mut String,
    drawing: &Drawing,
    layout: &Layout,
    edges: &[(usize, usize)],
    direction: Direction,
) {
    out.push_str("<g class=\"arrows\">\n");
    // The critical path last, so that nothing hides it.
    let mut order: Vec<usize> = (0..edges.len()).collect();
    order.sort_by_key(|at| drawing.is_critical(&drawing.edges[*at]));
    for at in order {
        let edge = &drawing.edges[at];
        let (from, to) = (escape(&edge.from), escape(&edge.to));
        let verb = if edge.kind == EdgeKind::Copy {
            "copies from"
        } else {
            "is built on"
        };
        let ends = format!("data-from=\"{from}\" data-to=\"{to}\"");
        let _ = writeln!(
            out,
            "<path class=\"{}\" {ends} d=\"{}\"><title>{from} {verb} {to}</title></path>",
            classes(drawing, edge),
            path(&layout.routes[at], direction)
        );
        let _ = writeln!(
            out,
            "<path class=\"tip {}\" {ends} d=\"{}\"/>",
            classes(drawing, edge),
            tip(layout.routes[at][0], direction)
        );
    }
    out.push_str("</g>\n");
}

fn classes(drawing: &Drawing, edge: &Edge) -> &'static str {
    match (edge.kind, drawing.is_critical(edge)) {
        (EdgeKind::Base, false) => "base",
        (EdgeKind::Base, true) => "base critical",
        (EdgeKind::Copy, false) => "copy",
        (EdgeKind::Copy, true) => "copy critical",
    }
}

/// The line of an arrow: bends between layers, straight through them.
fn path(points: &[Point], direction: Direction) -> String {
    let mut out = format!("M{:.1} {:.1}", points[0].x, points[0].y);
    for (at, pair) in points.windows(2).enumerate() {
        let (a, b) = (pair[0], pair[1]);
        let _ = if at % 2 == 0 {
            write!(out, "L{:.1} {:.1}", b.x, b.y)
        } else {
            let (c, d) = match direction {
                Direction::Right => {
                    let middle = f64::midpoint(a.x, b.x);
                    (Point { x: middle, y: a.y }, Point { x: middle, y: b.y })
                }
                Direction::Down => {
                    let middle = f64::midpoint(a.y, b.y);
                    (Point { x: a.x, y: middle }, Point { x: b.x, y: middle })
                }
            };
            write!(
                out,
                "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                c.x, c.y, d.x, d.y, b.x, b.y
            )
        };
    }
    out
}

/// The tip of an arrow, at the image that is needed.
fn tip(at: Point, direction: Direction) -> String {
    let Point { x, y } = at;
    match direction {
        Direction::Right => format!("M{x:.1} {y:.1}l7 -3.5v7z"),
        Direction::Down => format!("M{x:.1} {y:.1}l-3.5 7h7z"),
    }
}

fn image(out: &mut String, drawing: &Drawing, node: &Node, texts: &Texts, rect: &Rect) {
    let state = node.state.map_or("plain", State::word);
    let path = drawing.critical_path.as_ref();
    let is_critical = path.is_some_and(|path| path.images.contains(&node.name));
    let critical = if is_critical { " critical" } else { "" };
    let tooltip: Vec<String> = node.lines().iter().map(|line| escape(line)).collect();
    let Rect {
        x,
        y,
        width,
        height,
    } = *rect;
    let _ = writeln!(
        out,
        "<g class=\"image {state}{critical}\" data-{}=\"{}\"><title>{}</title>",
        if node.images.is_some() {
            "folder"
        } else {
            "image"
        },
        escape(&node.name),
        tooltip.join("\n")
    );
    if node.images.is_some() {
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>",
            x + 3.0,
            y + 3.0
        );
    }
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>"
    );
    let (middle, line) = (x + width / 2.0, y + 17.0);
    let _ = writeln!(
        out,
        "<text x=\"{middle:.1}\" y=\"{line:.1}\">{}</text>",
        escape(&texts.name)
    );
    if !texts.note.is_empty() {
        let line = y + 32.0;
        let _ = writeln!(
            out,
            "<text class=\"note\" x=\"{middle:.1}\" y=\"{line:.1}\">{}</text>",
            escape(&texts.note)
        );
    }
    out.push_str("</g>\n");
}

#[cfg(test)]
mod tests;
