use super::*;

fn shape(count: usize) -> Vec<(f64, f64)> {
    let width = |at: usize| 60.0 + f64::from(u32::try_from(at % 7).unwrap()) * 20.0;
    (0..count).map(|at| (width(at), 26.0)).collect()
}

/// Images on others below them, at random but always the same.
fn random(count: usize, seed: usize) -> Vec<(usize, usize)> {
    let mut state = seed;
    let mut next = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut edges = Vec::new();
    for at in 1..count {
        for _ in 0..next(4) {
            edges.push((at, next(at)));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn overlaps(a: &Rect, b: &Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

#[track_caller]
fn is_sound(layout: &Layout, edges: &[(usize, usize)], direction: Direction) {
    for (at, a) in layout.boxes.iter().enumerate() {
        assert!(a.x >= MARGIN && a.y >= MARGIN, "{a:?}");
        assert!(a.x + a.width <= layout.width - MARGIN + 0.01, "{a:?}");
        assert!(a.y + a.height <= layout.height - MARGIN + 0.01, "{a:?}");
        for b in &layout.boxes[at + 1..] {
            assert!(!overlaps(a, b), "{a:?} {b:?}");
        }
    }
    for ((from, to), route) in edges.iter().zip(&layout.routes) {
        let (from, to) = (&layout.boxes[*from], &layout.boxes[*to]);
        let (first, last) = (route[0], route[route.len() - 1]);
        match direction {
            Direction::Right => assert!(to.x + to.width < from.x, "bases are on the left"),
            Direction::Down => assert!(to.y + to.height < from.y, "bases are above"),
        }
        let touches = |point: Point, rect: &Rect| {
            (rect.x - 0.01..=rect.x + rect.width + 0.01).contains(&point.x)
                && (rect.y - 0.01..=rect.y + rect.height + 0.01).contains(&point.y)
        };
        assert!(touches(first, to) && touches(last, from), "{route:?}");
        // The straight pieces, where a route passes a layer, meet no box.
        for piece in route[2..route.len() - 1].chunks(2) {
            let line = Rect {
                x: piece[0].x.min(piece[1].x),
                y: piece[0].y.min(piece[1].y),
                width: (piece[0].x - piece[1].x).abs().max(0.1),
                height: (piece[0].y - piece[1].y).abs().max(0.1),
            };
            assert!(
                !layout.boxes.iter().any(|rect| overlaps(rect, &line)),
                "{route:?}"
            );
        }
    }
}

#[test]
fn boxes_never_overlap_and_lines_pass_between_them() {
    for seed in 0..30 {
        let count = 1 + seed * 7;
        let (sizes, edges) = (shape(count), random(count, seed));
        for direction in [Direction::Right, Direction::Down] {
            let shape = Shape {
                sizes: &sizes,
                edges: &edges,
            };
            let layout = super::layout(&shape, direction);
            is_sound(&layout, &edges, direction);
            assert_eq!(layout, super::layout(&shape, direction), "the same again");
        }
    }
}

#[test]
fn a_tree_has_no_crossings() {
    let edges: Vec<(usize, usize)> = (1..60).map(|at| (at, (at - 1) / 3)).collect();
    let sizes = shape(60);
    let layout = layout(
        &Shape {
            sizes: &sizes,
            edges: &edges,
        },
        Direction::Right,
    );
    assert_eq!(layout.crossings, 0);
}

#[test]
fn single_images_fill_rows() {
    let sizes = shape(10);
    let layout = layout(
        &Shape {
            sizes: &sizes,
            edges: &[],
        },
        Direction::Right,
    );
    is_sound(&layout, &[], Direction::Right);
    let mut tops: Vec<_> = layout.boxes.iter().map(|rect| rect.y.to_bits()).collect();
    tops.dedup();
    assert_eq!(tops.len(), 3, "four columns");
}

#[test]
fn nothing_is_a_drawing_too() {
    let layout = layout(
        &Shape {
            sizes: &[],
            edges: &[],
        },
        Direction::Right,
    );
    assert!(layout.boxes.is_empty() && layout.width > 0.0);
}

#[test]
fn a_dense_graph_of_a_thousand_boxes_takes_well_under_a_minute() {
    let (sizes, edges) = (shape(1000), random(1000, 7));
    let shape = Shape {
        sizes: &sizes,
        edges: &edges,
    };
    let start = std::time::Instant::now();
    let layout = layout(&shape, Direction::Right);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    is_sound(&layout, &edges, Direction::Right);
}
