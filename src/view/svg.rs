//! A drawing as SVG, without Graphviz: the same bytes for the same drawing, on every machine.
//!
//! Text is set in a fixed-width font, because that is the only kind whose width is known without the font. Nothing in the file
//! has an id, so several drawings may stand in one HTML page.

use std::fmt::Write as _;

use super::drawing::{Drawing, Edge, Node, State, images, printable};
use super::layout::{Direction, Layout, Point, Rect, Shape, layout};
use super::look::{Look, Theme};
use crate::columns;
use crate::graph::EdgeKind;

/// Pixels of a column of a name and of the smaller line below it: the widest of the usual fonts take 0.61 of their size.
const NAME_COLUMN: f64 = 12.0 * 0.61;
const NOTE_COLUMN: f64 = 10.0 * 0.61;

/// Longer texts are cut; the whole ones are in the tooltip.
const NAME_LIMIT: usize = 40;
const NOTE_LIMIT: usize = 44;

/// The space between text and box on both sides together.
const PADDING: f64 = 20.0;

/// The height of the legend below the drawing.
const LEGEND: f64 = 28.0;

pub(super) fn render(drawing: &Drawing, look: Look) -> String {
    let texts: Vec<Texts> = drawing.nodes.iter().map(Texts::of).collect();
    let sizes: Vec<(f64, f64)> = texts.iter().map(Texts::size).collect();
    let edges = drawing.indices();
    let shape = Shape {
        sizes: &sizes,
        edges: &edges,
    };
    let direction = look.direction.unwrap_or_default();
    let layout = layout(&shape, direction);
    let legend = legend(drawing);
    let (width, height) = (layout.width.max(legend.width), layout.height + LEGEND);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n"
    );
    let _ = writeln!(out, "<title>{}</title>", escape(&title(drawing)));
    let _ = writeln!(out, "<style>{}</style>", style(look.theme));
    let _ = writeln!(
        out,
        "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>"
    );
    arrows(&mut out, drawing, &layout, &edges, direction);
    for ((node, texts), rect) in drawing.nodes.iter().zip(&texts).zip(&layout.boxes) {
        image(&mut out, drawing, node, texts, rect);
    }
    let _ = write!(
        out,
        "<g transform=\"translate(0 {:.1})\">\n{}</g>\n</svg>\n",
        layout.height, legend.text
    );
    out
}

/// How often lines cross in the drawing, for comparisons.
#[cfg(test)]
pub(super) fn crossings(drawing: &Drawing) -> usize {
    let sizes: Vec<(f64, f64)> = drawing
        .nodes
        .iter()
        .map(|node| Texts::of(node).size())
        .collect();
    let edges = drawing.indices();
    let shape = Shape {
        sizes: &sizes,
        edges: &edges,
    };
    layout(&shape, Direction::Right).crossings
}

/// The texts in a box, cut to what fits.
struct Texts {
    name: String,
    note: String,
}

impl Texts {
    fn of(node: &Node) -> Self {
        let mut parts = Vec::new();
        parts.extend(node.images.map(images));
        let is_told = node.images.is_some() && node.note.is_some();
        parts.extend(
            node.state
                .filter(|_| !is_told)
                .map(|state| state.word().to_owned()),
        );
        parts.extend(node.seconds.map(|seconds| format!("{seconds:.1} s")));
        parts.extend(node.note.as_deref().map(printable));
        Self {
            name: columns::fit(&printable(&node.name), NAME_LIMIT),
            note: columns::fit(&parts.join(" · "), NOTE_LIMIT),
        }
    }

    fn size(&self) -> (f64, f64) {
        let name = f64_of(columns::count(&self.name)) * NAME_COLUMN;
        let note = f64_of(columns::count(&self.note)) * NOTE_COLUMN;
        let height = if self.note.is_empty() { 26.0 } else { 40.0 };
        (name.max(note).max(40.0).ceil() + PADDING, height)
    }
}

fn f64_of(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
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
        let _ = writeln!(
            out,
            "<path class=\"{}\" d=\"{}\"><title>{from} {verb} {to}</title></path>",
            classes(drawing, edge),
            path(&layout.routes[at], direction)
        );
        let _ = writeln!(
            out,
            "<path class=\"tip {}\" d=\"{}\"/>",
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
        "<g class=\"image {state}{critical}\"><title>{}</title>",
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

struct Legend {
    text: String,
    width: f64,
}

/// What the colors and lines mean, as far as they occur.
fn legend(drawing: &Drawing) -> Legend {
    let (mut text, mut x) = (String::new(), 16.0);
    let mut add = |text: &mut String, sign: &dyn Fn(f64) -> String, words: &str| {
        let _ = writeln!(
            text,
            "{}<text class=\"legend\" x=\"{:.1}\" y=\"14\">{}</text>",
            sign(x),
            x + 26.0,
            escape(words)
        );
        x += 26.0 + f64_of(columns::count(words)) * NOTE_COLUMN + 18.0;
    };
    for state in State::ALL {
        if drawing.nodes.iter().any(|node| node.state == Some(state)) {
            let sign = |x: f64| {
                format!(
                    "<g class=\"image {}\"><rect x=\"{x:.1}\" y=\"4\" width=\"20\" height=\"12\" rx=\"3\"/></g>",
                    state.word()
                )
            };
            add(&mut text, &sign, state.word());
        }
    }
    let line = |class: &'static str| {
        move |x: f64| {
            format!("<g class=\"arrows\"><path class=\"{class}\" d=\"M{x:.1} 10h20\"/></g>")
        }
    };
    for (kind, class, words) in [
        (EdgeKind::Base, "base", "built on"),
        (EdgeKind::Copy, "copy", "copies from"),
    ] {
        if drawing.edges.iter().any(|edge| edge.kind == kind) {
            add(&mut text, &line(class), words);
        }
    }
    if let Some(path) = &drawing.critical_path {
        add(
            &mut text,
            &line("base critical"),
            &format!("critical path: {:.1} s", path.seconds),
        );
    }
    Legend { text, width: x }
}

/// Colors of one theme: ground, text, dim text, lines, box, its border, critical, then the states in their order.
type Colors = [&'static str; 11];

const LIGHT: Colors = [
    "#ffffff",
    "#1f2328",
    "#57606a",
    "#6e7781",
    "#f6f8fa",
    "#8c959f",
    "#cf222e",
    State::Fresh.color(),
    State::Push.color(),
    State::Build.color(),
    State::Failed.color(),
];

const DARK: Colors = [
    "#0d1117", "#e6edf3", "#9da7b3", "#8b949e", "#161b22", "#6e7681", "#ff7b72", "#12351d",
    "#112d4e", "#4a3a05", "#561c22",
];

fn style(theme: Theme) -> String {
    let mut out = String::from(
        "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;text-anchor:middle}\
         .note{font-size:10px}.legend{font-size:10px;text-anchor:start}\
         .arrows path{fill:none;stroke-width:1.2}.copy{stroke-dasharray:4 3}.arrows .tip{stroke:none}\
         .arrows .critical{stroke-width:2.4}.image rect{stroke-width:1}.image.critical rect{stroke-width:2.4}",
    );
    match theme {
        Theme::Light => out.push_str(&colors(LIGHT)),
        Theme::Dark => out.push_str(&colors(DARK)),
        Theme::Auto => {
            let (light, dark) = (colors(LIGHT), colors(DARK));
            let _ = write!(out, "{light}@media(prefers-color-scheme:dark){{{dark}}}");
        }
    }
    out
}

fn colors(colors: Colors) -> String {
    let [
        ground,
        text,
        dim,
        line,
        image,
        border,
        critical,
        fresh,
        push,
        build,
        failed,
    ] = colors;
    format!(
        ".ground{{fill:{ground}}}text{{fill:{text}}}.note,.legend{{fill:{dim}}}\
         .arrows path{{stroke:{line}}}.arrows .tip{{fill:{line}}}\
         .image rect{{fill:{image};stroke:{border}}}\
         .fresh rect{{fill:{fresh}}}.push rect{{fill:{push}}}.build rect{{fill:{build}}}.failed rect{{fill:{failed}}}\
         .arrows .critical,.image.critical rect{{stroke:{critical}}}.arrows .tip.critical{{fill:{critical};stroke:none}}"
    )
}

/// XML's own characters; control characters, which XML has no way to write, were taken out before.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in printable(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not characters in XML 1.0.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests;
