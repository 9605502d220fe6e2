//! The arrows to one image as a trunk with branches: the points that they share, one in each layer that they pass.

use super::extent::Columns;

/// The points of all trunks, numbered after the boxes.
pub(super) struct Trunks {
    boxes: usize,
    /// The layer of each point.
    points: Vec<usize>,
    /// The points of the trunk of each box, from the layer behind it on.
    of: Vec<Vec<usize>>,
    /// The lines between neighboring layers, each once: from the lower layer to the higher one.
    lines: Vec<(usize, usize)>,
}

impl Trunks {
    pub(super) fn new(layers: &[usize], edges: &[(usize, usize)]) -> Self {
        let mut trunks = Self {
            boxes: layers.len(),
            points: Vec::new(),
            of: vec![Vec::new(); layers.len()],
            lines: Vec::new(),
        };
        for (from, to) in edges {
            // An edge that closes a circle leads back: it is drawn as it lies, from the lower layer.
            let (low, high) = ends((*from, *to), layers);
            if layers[low] < layers[high] {
                let end = trunks.reach(low, layers[low], layers[high]);
                trunks.lines.push((end, high));
            }
        }
        trunks.lines.sort_unstable();
        trunks.lines.dedup();
        trunks
    }

    /// Grows the trunk of a box to the layer before `layer`; returns where its branch begins.
    fn reach(&mut self, at: usize, own: usize, layer: usize) -> usize {
        while own + self.of[at].len() + 1 < layer {
            let point = self.boxes + self.points.len();
            let before = self.of[at].last().copied().unwrap_or(at);
            self.points.push(own + self.of[at].len() + 1);
            self.of[at].push(point);
            self.lines.push((before, point));
        }
        match layer - own {
            1 => at,
            passed => self.of[at][passed - 2],
        }
    }

    pub(super) fn segments(&self) -> &[(usize, usize)] {
        &self.lines
    }

    /// The layers of the points.
    pub(super) fn points(&self) -> &[usize] {
        &self.points
    }

    /// The points of an edge, as along and across, from the box in the lower layer to the one in the higher.
    pub(super) fn route(
        &self,
        edge: (usize, usize),
        layers: &[usize],
        along: &[f64],
        across: &[f64],
        columns: &Columns,
    ) -> Vec<(f64, f64)> {
        let (low, high) = ends(edge, layers);
        if layers[low] == layers[high] {
            // In a circle of directories: from one to the other behind the layer.
            let ends = |at: usize| {
                let start = columns.start(layers[at]);
                [
                    (start + along[at], across[at]),
                    (start + columns.width(layers[at]), across[at]),
                ]
            };
            let [low, low_end] = ends(low);
            let [high, high_end] = ends(high);
            return vec![low, low_end, high_end, high];
        }
        // Straight to where the widest box of the layer ends, so that no bend crosses a neighbor.
        let start = columns.start(layers[low]);
        let mut points = vec![
            (start + along[low], across[low]),
            (start + columns.width(layers[low]), across[low]),
        ];
        for point in self.of[low].iter().take(layers[high] - layers[low] - 1) {
            let layer = self.points[point - self.boxes];
            points.push((columns.start(layer), across[*point]));
            points.push((columns.start(layer) + columns.width(layer), across[*point]));
        }
        points.push((columns.start(layers[high]), across[high]));
        points
    }
}

/// The ends of an edge, the one in the lower layer first.
fn ends((from, to): (usize, usize), layers: &[usize]) -> (usize, usize) {
    if layers[to] <= layers[from] {
        (to, from)
    } else {
        (from, to)
    }
}
