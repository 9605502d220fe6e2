//! The layer of each box: one more than the highest of what it needs, and no lower than that makes sense.

/// How many boxes without edges stand side by side at least.
const LEAST_COLUMNS: usize = 4;

/// The layer of each of `count` boxes, from 0. `edges` are pairs: what needs, and what is needed.
///
/// Directories can need each other in a circle, although images cannot: an edge that closes a circle counts for no layer.
pub(in crate::view) fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut needs = vec![Vec::new(); count];
    for (from, to) in edges {
        if from != to {
            needs[*from].push(*to);
        }
    }
    let order = order(&mut needs);
    let mut layers = vec![0; count];
    for at in &order {
        let below = needs[*at].iter().map(|need| layers[*need] + 1).max();
        layers[*at] = below.unwrap_or(0);
    }
    // What is needed far away moves there, unless what it needs itself would be farther from it.
    let mut dependents = vec![Vec::new(); count];
    for (at, needs) in needs.iter().enumerate() {
        for need in needs {
            dependents[*need].push(at);
        }
    }
    for at in order.iter().rev() {
        let nearest = dependents[*at].iter().map(|other| layers[*other]).min();
        if let Some(nearest) = nearest.filter(|_| needs[*at].len() < dependents[*at].len()) {
            layers[*at] = layers[*at].max(nearest - 1);
        }
    }
    layers
}

/// Boxes that no edge touches have no layer of their own: they fill rows of as many columns as there are layers.
pub(super) fn spread(layers: &mut [usize], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut is_single = vec![true; layers.len()];
    for (from, to) in edges {
        is_single[*from] = from == to && is_single[*from];
        is_single[*to] = from == to && is_single[*to];
    }
    let singles: Vec<usize> = (0..layers.len()).filter(|at| is_single[*at]).collect();
    let columns = layers.iter().max().map_or(0, |highest| highest + 1);
    let columns = columns.max(LEAST_COLUMNS.min(singles.len()));
    for (at, single) in singles.iter().enumerate() {
        layers[*single] = at % columns;
    }
    singles
}

/// All boxes, those that are needed first; drops the edges that close a circle.
fn order(needs: &mut [Vec<usize>]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    for root in 0..needs.len() {
        if marks[root] != Mark::New {
            continue;
        }
        marks[root] = Mark::Open;
        // An explicit stack: a chain of thousands of images must not become thousands of nested calls.
        let mut stack = vec![(root, 0)];
        while let Some((at, next)) = stack.pop() {
            let Some(&need) = needs[at].get(next) else {
                marks[at] = Mark::Done;
                order.push(at);
                continue;
            };
            match marks[need] {
                Mark::New => {
                    marks[need] = Mark::Open;
                    stack.push((at, next + 1));
                    stack.push((need, 0));
                }
                Mark::Open => {
                    needs[at].remove(next);
                    stack.push((at, next));
                }
                Mark::Done => stack.push((at, next + 1)),
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::layers;

    #[test]
    fn what_needs_others_is_behind_all_of_them() {
        assert_eq!(layers(4, &[(1, 0), (2, 1), (3, 0), (3, 2)]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_root_that_is_needed_late_stands_near() {
        // 4 needs 3, at the end of a chain, and 5, which nothing else needs.
        let edges = [(1, 0), (2, 1), (3, 2), (4, 3), (4, 5)];
        assert_eq!(layers(6, &edges), [0, 1, 2, 3, 4, 3]);
    }

    #[test]
    fn a_circle_of_directories_ends_somewhere() {
        let layers = layers(3, &[(0, 1), (1, 2), (2, 0), (0, 0)]);
        assert_eq!(layers.iter().max(), Some(&2));
    }

    #[test]
    fn a_chain_of_100_000_is_no_recursion() {
        let edges: Vec<_> = (1..100_000).map(|at| (at, at - 1)).collect();
        assert_eq!(layers(100_000, &edges).last(), Some(&99_999));
    }
}
