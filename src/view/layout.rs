//! Where boxes and arrows go: bases first, every image right of (or below) all that it needs.
//!
//! The layers are ours, because they carry the meaning; the order in a layer, which decides the crossings, and the positions
//! come from rust-sugiyama (Sugiyama's method with the positions of Brandes and Köpf). An arrow over several layers passes a
//! point in each of them, so it runs between boxes and not through them. All arrows to one image share these points: a trunk
//! with branches can be followed where a bundle of parallel lines cannot.

mod extent;
mod layers;
mod place;
mod routes;

use layers::layers;

/// A point, in pixels from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A box, in pixels from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where the layers go one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Bases on the left. Names are wide, so most graphs fit better this way.
    #[default]
    Right,
    /// Bases on top.
    Down,
}

/// What is laid out: the sizes of boxes, and which box needs which.
pub(super) struct Shape<'a> {
    /// Width and height of each box.
    pub(super) sizes: &'a [(f64, f64)],
    /// Pairs of boxes: the one that needs the other, and the one that is needed.
    pub(super) edges: &'a [(usize, usize)],
}

/// A finished layout.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The place of each box.
    pub(super) boxes: Vec<Rect>,
    /// For each edge the points from the box that is needed to the one that needs it. From an even point to the next odd one
    /// it is straight, within a layer; from an odd one to the next even one it bends, across the gap between two layers.
    pub(super) routes: Vec<Vec<Point>>,
    /// How often lines between two neighboring layers cross.
    pub(super) crossings: usize,
}

/// The space around the drawing.
const MARGIN: f64 = 16.0;

/// Lays out boxes. The same shape gives the same layout.
pub(super) fn layout(shape: &Shape<'_>, direction: Direction) -> Layout {
    let mut layers = layers(shape.sizes.len(), shape.edges);
    let singles = layers::spread(&mut layers, shape.edges);
    // Along is the way from layer to layer, across the way in a layer.
    let (along, across): (Vec<f64>, Vec<f64>) = match direction {
        Direction::Right => shape.sizes.iter().copied().unzip(),
        Direction::Down => shape.sizes.iter().map(|(x, y)| (*y, *x)).unzip(),
    };
    let trunks = routes::Trunks::new(&layers, shape.edges);
    let placed = place::place(&trunks, &layers, &across, &singles);
    let columns = extent::Columns::new(&layers, &along, trunks.segments());
    let boxes = (0..along.len()).map(|at| {
        let start = columns.start(layers[at]);
        (
            start,
            placed.across[at] - across[at] / 2.0,
            along[at],
            across[at],
        )
    });
    let turn = |(a, b): (f64, f64)| match direction {
        Direction::Right => (a + MARGIN, b + MARGIN),
        Direction::Down => (b + MARGIN, a + MARGIN),
    };
    let boxes: Vec<Rect> = boxes
        .map(|(start, top, along, across)| {
            let (x, y) = turn((start, top));
            let (width, height) = match direction {
                Direction::Right => (along, across),
                Direction::Down => (across, along),
            };
            Rect {
                x,
                y,
                width,
                height,
            }
        })
        .collect();
    let routes = shape.edges.iter().map(|edge| {
        let points = trunks.route(*edge, &layers, &along, &placed.across, &columns);
        let points = points.into_iter().map(turn);
        points.map(|(x, y)| Point { x, y }).collect()
    });
    let routes = routes.collect();
    let (width, height) = turn((columns.end(), placed.extent));
    Layout {
        width: width + MARGIN,
        height: height + MARGIN,
        boxes,
        routes,
        crossings: placed.crossings,
    }
}

#[cfg(test)]
mod tests;
