//! Positions across a layer, from rust-sugiyama.

use std::collections::BTreeMap;

use petgraph::Direction::Incoming;
use petgraph::stable_graph::StableDiGraph;
use rust_sugiyama::configure::{Config, RankingType};

use super::routes::Trunks;

/// The space between two boxes of a layer.
const GAP: f64 = 10.0;

/// What a line takes in a layer that it passes.
const LINE: f64 = 4.0;

/// Graphs of at most this many boxes and points have their crossings reduced further, by swapping neighbors: the time for it
/// grows with the square (0.2 s at 430, 2.8 s at 1,400).
const SWAPPED: usize = 500;

/// Where boxes and points are in their layers.
pub(super) struct Placed {
    /// The middle of each box and point.
    pub(super) across: Vec<f64>,
    /// The largest position that anything has.
    pub(super) extent: f64,
    pub(super) crossings: usize,
}

/// Places one connected part below the other, the largest first, and the single boxes in rows below them.
pub(super) fn place(trunks: &Trunks, layers: &[usize], sizes: &[f64], singles: &[usize]) -> Placed {
    let boxes = sizes.len();
    let size = |at: usize| sizes.get(at).copied().unwrap_or(LINE);
    let layer = |at: usize| match at.checked_sub(boxes) {
        None => layers[at],
        Some(point) => trunks.points()[point],
    };
    let all = boxes + trunks.points().len();
    let mut across = vec![0.0; all];
    let mut extent: f64 = 0.0;
    for part in parts(trunks.segments(), all, &size, &layer) {
        if part.len() == 1 {
            // Below, with the others of its kind.
            continue;
        }
        let top = if extent > 0.0 {
            extent + 2.0 * GAP
        } else {
            0.0
        };
        let mut by_layer: BTreeMap<usize, Vec<(f64, usize)>> = BTreeMap::new();
        for (at, position) in part {
            by_layer.entry(layer(at)).or_default().push((position, at));
        }
        let placed = apart(by_layer, &size);
        let least = placed.iter().map(|(at, middle)| middle - size(*at) / 2.0);
        let shift = top - least.fold(f64::INFINITY, f64::min);
        for (at, middle) in placed {
            across[at] = middle + shift;
            extent = extent.max(across[at] + size(at) / 2.0);
        }
    }
    let mut free = if extent > 0.0 {
        extent + 2.0 * GAP
    } else {
        0.0
    };
    let mut row = Vec::new();
    for single in singles {
        if row
            .first()
            .is_some_and(|first| layers[*first] == layers[*single])
        {
            free = extent + GAP;
            row.clear();
        }
        across[*single] = free + sizes[*single] / 2.0;
        extent = extent.max(free + sizes[*single]);
        row.push(*single);
    }
    let crossings = crossings(trunks.segments(), &across, &layer);
    Placed {
        across,
        extent,
        crossings,
    }
}

/// The connected parts of the graph, with the positions that rust-sugiyama gives them.
fn parts(
    lines: &[(usize, usize)],
    count: usize,
    size: &impl Fn(usize) -> f64,
    layer: &impl Fn(usize) -> usize,
) -> Vec<Vec<(usize, f64)>> {
    let mut graph = StableDiGraph::<usize, ()>::new();
    let nodes: Vec<_> = (0..count).map(|at| graph.add_node(at)).collect();
    for (from, to) in lines {
        graph.add_edge(nodes[*from], nodes[*to], ());
    }
    // The library puts what needs nothing into its first layer: a chain of points before it moves it to ours.
    let roots: Vec<_> = graph.externals(Incoming).collect();
    for root in roots {
        let mut next = root;
        for _ in 0..layer(root.index()) {
            let point = graph.add_node(count);
            graph.add_edge(point, next, ());
            next = point;
        }
    }
    let config = Config {
        vertex_spacing: GAP,
        transpose: count <= SWAPPED,
        // Every line goes to the next layer, so the lowest layers that are possible are just ours.
        ranking_type: RankingType::Up,
        ..Config::default()
    };
    let layouts = rust_sugiyama::from_graph(&graph, &|_, at| (size(*at), 1.0), &config);
    let mut parts: Vec<Vec<(usize, f64)>> = layouts
        .into_iter()
        .map(|(places, _, _)| {
            let places = places.into_iter();
            let places = places.map(|(node, (x, _))| (node.index(), x));
            places.filter(|(at, _)| *at < count).collect()
        })
        .collect();
    // The largest first; of equals the one that is declared first.
    parts.sort_by_key(|part| {
        let first = part.iter().map(|(at, _)| *at).min();
        (std::cmp::Reverse(part.len()), first)
    });
    parts
}

/// Boxes of a layer in their order, none over another.
fn apart(
    layers: BTreeMap<usize, Vec<(f64, usize)>>,
    size: &impl Fn(usize) -> f64,
) -> Vec<(usize, f64)> {
    let mut placed = Vec::new();
    for mut layer in layers.into_values() {
        layer.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut free = f64::NEG_INFINITY;
        for (position, at) in layer {
            let half = size(at) / 2.0;
            let middle = position.max(free + half);
            free = middle + half + GAP;
            placed.push((at, middle));
        }
    }
    placed
}

/// How many pairs of lines between the same two layers cross.
fn crossings(lines: &[(usize, usize)], across: &[f64], layer: &impl Fn(usize) -> usize) -> usize {
    let mut gaps: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for (from, to) in lines {
        let ends = (across[*from], across[*to]);
        gaps.entry(layer(*from)).or_default().push(ends);
    }
    let cross = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0) * (a.1 - b.1) < 0.0;
    let count = |lines: &Vec<(f64, f64)>| -> usize {
        let each = lines.iter().enumerate();
        each.map(|(at, a)| lines[at + 1..].iter().filter(|b| cross(a, b)).count())
            .sum()
    };
    gaps.values().map(count).sum()
}
