//! Decides from the facts which images are stale, by themselves or because of their bases, and why.

use std::collections::BTreeSet;

use super::model::{Action, Facts, Judgement, Plan, Planned, Reason, WhenUnknown};
use crate::backend::Existence;
use crate::graph::{Graph, ImageId};

#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) asked: &'a BTreeSet<ImageId>,
    /// One entry per image, in id order.
    pub(crate) facts: &'a [Facts],
    pub(crate) when_unknown: WhenUnknown,
    /// Images to build even if they exist.
    pub(crate) is_forced: &'a dyn Fn(ImageId) -> bool,
}

impl Plan {
    /// Decides for the `asked` images and for the bases that their builds need.
    ///
    /// `facts` has one entry per image, in id order.
    pub fn new(
        graph: &Graph,
        asked: &BTreeSet<ImageId>,
        facts: &[Facts],
        judgement: Judgement,
    ) -> Self {
        let is_forced = |id: ImageId| asked.contains(&id) && judgement.forces(&facts[id.index()]);
        Judging {
            graph,
            asked,
            facts,
            when_unknown: judgement.when_unknown,
            is_forced: &is_forced,
        }
        .plan()
    }
}

impl Judging<'_> {
    pub(crate) fn plan(self) -> Plan {
        let mut considered = vec![false; self.graph.len()];
        for id in self.asked {
            considered[id.index()] = true;
        }
        let mut building = vec![false; self.graph.len()];
        // Building an image may bring bases into view, and rebuilding those may make further dependents stale. Both
        // sets only grow.
        let mut grows = true;
        while grows {
            grows = false;
            for id in self.graph.order() {
                let is_open = considered[id.index()] && !building[id.index()];
                if is_open && self.is_stale(*id, &building) {
                    building[id.index()] = true;
                    for base in self.graph.bases(*id) {
                        grows |= !std::mem::replace(&mut considered[base.index()], true);
                    }
                }
            }
        }
        let is_built = |id: ImageId| building[id.index()];
        let order = self.graph.order().iter().copied();
        let considered = order.filter(|id| considered[id.index()]);
        let images = considered.map(|id| self.planned(id, &is_built)).collect();
        Plan::of(self.graph, images)
    }

    /// Why an image of the plan is built, given the current facts: more may be known now than when the plan was made.
    pub(crate) fn reasons(self, id: ImageId, plan: &Plan) -> Vec<Reason> {
        self.planned(id, &|base| plan.builds_it(base)).reasons
    }

    fn is_stale(&self, id: ImageId, building: &[bool]) -> bool {
        let has_other_base = |base: &ImageId| building[base.index()] || self.moved_on(id, *base);
        self.graph.bases(id).iter().any(has_other_base) || self.own_reasons(id).is_some()
    }

    fn own_reasons(&self, id: ImageId) -> Option<Vec<Reason>> {
        own_reasons(
            &self.facts[id.index()],
            (self.is_forced)(id),
            self.when_unknown,
        )
    }

    fn moved_on(&self, id: ImageId, base: ImageId) -> bool {
        moved_on(self.graph, self.facts, id, base)
    }

    fn planned(&self, id: ImageId, is_built: &dyn Fn(ImageId) -> bool) -> Planned {
        let own = &self.facts[id.index()];
        let asked = self.asked.contains(&id);
        let (action, reasons) = if is_built(id) {
            (Action::Build, self.build_reasons(id, is_built))
        } else if asked && needs_push(own) {
            (Action::Push, vec![push_reason(own)])
        } else if asked && own.misnamed().next().is_some() {
            (Action::Tag, name_reasons(own))
        } else {
            (Action::Fresh, Vec::new())
        };
        Planned {
            id,
            action,
            reasons,
            asked,
            seconds: own.record.as_ref().map(|record| record.seconds),
        }
    }

    fn build_reasons(&self, id: ImageId, is_built: &dyn Fn(ImageId) -> bool) -> Vec<Reason> {
        let own = &self.facts[id.index()];
        let mut reasons = self.own_reasons(id).unwrap_or_default();
        // An image that was never built cannot have bases that changed since.
        if own.record.is_some() || reasons.is_empty() {
            let is_other = |base: &&ImageId| {
                let name = self.graph.name(**base);
                is_built(**base)
                    || self.moved_on(id, **base)
                    || own.changes.iter().any(|change| change.base() == Some(name))
            };
            let others = self.graph.bases(id).iter().filter(is_other);
            reasons.extend(others.map(|base| Reason::BaseRebuilt {
                base: self.graph.name(*base).to_owned(),
            }));
        }
        reasons
    }
}

/// Why an image must be built regardless of its bases; `None` if it exists where it must, with its key. The list is
/// empty if only the keys of its bases changed: the caller reports those per base.
fn own_reasons(facts: &Facts, force: bool, when_unknown: WhenUnknown) -> Option<Vec<Reason>> {
    if force {
        let exists = facts.is_there();
        return Some(vec![Reason::Forced { exists }]);
    }
    if facts.is_there() {
        return None;
    }
    let is_assumed = when_unknown == WhenUnknown::Assume;
    let doubt = facts.doubt().filter(|_| !is_assumed);
    let doubt = doubt.map(|why| Reason::Unknown {
        why: why.to_owned(),
    });
    let mut reasons = match &facts.record {
        None => {
            let unreadable = facts.unreadable.clone();
            vec![Reason::NeverBuilt { unreadable }]
        }
        Some(record) if record.key != facts.key => input_changes(facts),
        Some(_) if facts.doubt().is_some() && is_assumed => return None,
        Some(_) if doubt.is_some() => Vec::new(),
        Some(_) => {
            let place = match facts.registry.as_ref().unwrap_or(&facts.local) {
                Existence::Present { .. } => "local store: another image has its name".to_owned(),
                Existence::Incomplete { missing } => {
                    format!("local store for {}", missing.join(", "))
                }
                Existence::Absent | Existence::Unknown { .. } => "local store".to_owned(),
            };
            vec![Reason::ArtifactGone { place }]
        }
    };
    reasons.extend(doubt);
    Some(reasons)
}

fn input_changes(facts: &Facts) -> Vec<Reason> {
    if facts.changes.is_empty() {
        let input = "unknown input (the previous inputs are no longer known)".to_owned();
        return vec![Reason::InputChanged {
            input,
            from: None,
            to: None,
        }];
    }
    let own = facts
        .changes
        .iter()
        .filter(|change| change.base().is_none());
    own.cloned()
        .map(|change| Reason::InputChanged {
            input: change.name,
            from: change.from,
            to: change.to,
        })
        .collect()
}

/// Whether the base that an image was built on is no longer the one in the store. False if the record does not describe
/// the image that exists (another engine built it).
fn moved_on(graph: &Graph, facts: &[Facts], id: ImageId, base: ImageId) -> bool {
    let own = &facts[id.index()];
    let (Some(record), Existence::Present { digest, .. }) = (&own.record, &own.local) else {
        return false;
    };
    let Existence::Present { digest: there, .. } = &facts[base.index()].local else {
        return false;
    };
    let built_on = record.base(graph.name(base));
    record.artifact.digest == *digest && built_on.is_some_and(|built_on| built_on != there)
}

fn push_reason(facts: &Facts) -> Reason {
    match &facts.registry {
        Some(Existence::Unknown { why }) => Reason::Unknown { why: why.clone() },
        _ => Reason::ArtifactGone {
            place: "registry".to_owned(),
        },
    }
}

fn name_reasons(facts: &Facts) -> Vec<Reason> {
    let mut names: Vec<&str> = facts.misnamed().map(|(name, _)| name).collect();
    names.dedup();
    let names = names.into_iter().map(str::to_owned);
    names.map(|name| Reason::NameElsewhere { name }).collect()
}

fn needs_push(facts: &Facts) -> bool {
    let registry = facts.registry.as_ref();
    registry.is_some_and(|found| !found.has(&facts.key))
}
