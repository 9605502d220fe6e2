//! Finds out by running `check` which nodes are valid on their own and which fields can be combined, so that new fields and
//! rules need no change here.

use std::path::Path;
use std::sync::OnceLock;

use super::bench::Bench;
use super::grammar::Grammar;
use super::model::GenNode;
use super::spelling::spell;
use crate::fuzz::Random;
use crate::spec::fields::{self, Field};

/// The number of nodes to try for each field.
const TRIES: usize = 24;

/// The valid nodes and combinations.
pub(super) struct Pools {
    fields: Vec<Pool>,
    /// Whether two fields can be combined, by index.
    friends: Vec<Vec<bool>>,
}

struct Pool {
    field: &'static Field,
    /// Valid nodes, alone or together with the companion.
    good: Vec<GenNode>,
    /// Index of a field that is required along with this one.
    companion: Option<usize>,
}

impl Pools {
    /// The pools, which are computed once.
    pub(super) fn get() -> &'static Self {
        static POOLS: OnceLock<Pools> = OnceLock::new();
        POOLS.get_or_init(|| Self::find(&Bench::new()))
    }

    fn find(bench: &Bench) -> Self {
        let mut random = Random::new(7);
        let mut tried: Vec<Vec<GenNode>> = Vec::new();
        let mut fields: Vec<Pool> = Vec::new();
        for field in fields::all() {
            let nodes: Vec<GenNode> = (0..TRIES)
                .map(|_| Grammar::new(&mut random).field(field))
                .collect();
            let good = nodes
                .iter()
                .filter(|node| bench.takes(&[node], &mut random));
            fields.push(Pool {
                field,
                good: good.cloned().collect(),
                companion: None,
            });
            tried.push(nodes);
        }
        for at in 0..fields.len() {
            if fields[at].good.is_empty() {
                let found = with_companion(bench, &tried[at], &fields, &mut random);
                if let Some((companion, good)) = found {
                    fields[at].companion = Some(companion);
                    fields[at].good = good;
                }
            }
        }
        let friends = friends(bench, &fields, &mut random);
        Self { fields, friends }
    }

    /// Fields that can be combined, with their companions.
    pub(super) fn together(&self, random: &mut Random, most: usize) -> Vec<&'static Field> {
        let mut chosen: Vec<usize> = Vec::new();
        for _ in 0..random.few(0, most) {
            let at = random.below(self.fields.len());
            let new = [Some(at), self.fields[at].companion];
            for one in new.into_iter().flatten() {
                let fits = chosen
                    .iter()
                    .all(|other| *other != one && self.friends[one][*other]);
                if fits || (random.chance(1, 60) && !chosen.contains(&one)) {
                    chosen.push(one);
                }
            }
        }
        chosen.iter().map(|at| self.fields[*at].field).collect()
    }

    /// A valid node of a field.
    pub(super) fn good(&self, field: &Field, random: &mut Random) -> Option<&GenNode> {
        let pool = self
            .fields
            .iter()
            .find(|pool| pool.field.name == field.name)?;
        (!pool.good.is_empty()).then(|| random.pick(&pool.good))
    }
}

/// Finds a field that makes some of the nodes valid, and returns its index and those nodes.
fn with_companion(
    bench: &Bench,
    nodes: &[GenNode],
    fields: &[Pool],
    random: &mut Random,
) -> Option<(usize, Vec<GenNode>)> {
    fields.iter().enumerate().find_map(|(at, other)| {
        let mut good = Vec::new();
        for node in nodes {
            let beside = other.good.iter().take(4);
            if beside
                .into_iter()
                .any(|beside| bench.takes(&[node, beside], random))
            {
                good.push(node.clone());
            }
        }
        (!good.is_empty()).then_some((at, good))
    })
}

fn friends(bench: &Bench, fields: &[Pool], random: &mut Random) -> Vec<Vec<bool>> {
    let mut friends = vec![vec![false; fields.len()]; fields.len()];
    for one in 0..fields.len() {
        for other in 0..one {
            let mut nodes: Vec<&GenNode> = Vec::new();
            for at in [
                Some(one),
                Some(other),
                fields[one].companion,
                fields[other].companion,
            ] {
                let Some(node) = at.and_then(|at| fields[at].good.first()) else {
                    continue;
                };
                if !nodes.iter().any(|known| known.name == node.name) {
                    nodes.push(node);
                }
            }
            let fits = bench.takes(&nodes, random);
            (friends[one][other], friends[other][one]) = (fits, fits);
        }
    }
    friends
}

impl Bench {
    /// Whether an image with these fields is valid.
    fn takes(&self, nodes: &[&GenNode], random: &mut Random) -> bool {
        let mut image = GenNode::new("image").arg("i");
        image.children = nodes.iter().map(|&node| node.clone()).collect();
        let text = spell(&[image], random);
        self.write(&[(Path::new("imgspec.kdl"), &text)]);
        !self.check(&[], &[], &[]).has_errors()
    }
}
