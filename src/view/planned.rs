//! What a plan, the records and a run say, put on a drawing.

use std::collections::BTreeMap;

use super::drawing::{CriticalPath, Drawing, State};
use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan, Planned};
use crate::run::History;
use crate::run::history::Span;
use crate::store::{RecordState, Store};

impl Drawing {
    /// Colors images by what is planned for them, with the first reason. An image that no plan mentions is fresh: plans leave
    /// out the bases that nobody asked for and that need no build.
    pub fn show_plan(&mut self, graph: &Graph, plan: &Plan) {
        for node in &mut self.nodes {
            let planned = graph.find(&node.name).and_then(|id| plan.get(id));
            let action = planned.map_or(Action::Fresh, |planned| planned.action);
            node.state = Some(match action {
                Action::Fresh => State::Fresh,
                Action::Tag => State::Tag,
                Action::Push => State::Push,
                Action::Build => State::Build,
            });
            let reason = planned.and_then(|planned| planned.reasons.first());
            node.note = reason.map(ToString::to_string);
        }
    }

    /// Shows how long each image took last, how large it is, and the chain of images that takes longest: of those that a plan
    /// builds, or without a plan of all.
    pub fn show_times(&mut self, graph: &Graph, store: &Store, plan: Option<&Plan>) {
        let mut drawn = BTreeMap::new();
        for node in &mut self.nodes {
            if let Some(id) = graph.find(&node.name) {
                if let RecordState::Found(record) = store.read(&node.name) {
                    node.seconds = Some(record.seconds);
                    node.size = record.artifact.size;
                }
                drawn.insert(id, node.seconds);
            }
        }
        let all = || {
            let planned = graph.order().iter().filter_map(|id| {
                Some(Planned {
                    id: *id,
                    action: Action::Build,
                    reasons: Vec::new(),
                    asked: true,
                    seconds: *drawn.get(id)?,
                })
            });
            Plan::of(graph, planned.collect())
        };
        let (path, sum) = plan.map_or_else(
            || all().critical_path(graph),
            |plan| plan.critical_path(graph),
        );
        // A sum of guesses would look like a measurement.
        let is_known = |id: &ImageId| drawn.get(id).is_some_and(Option::is_some);
        if !path.is_empty() && path.iter().all(is_known) {
            self.critical_path = Some(CriticalPath {
                images: path.iter().map(|id| graph.name(*id).to_owned()).collect(),
                seconds: sum,
            });
        }
    }

    /// Shows what became of the images in a run that has ended: how long each took, and why it was built or failed.
    pub fn show_run(&mut self, history: &History) {
        let spans = history.spans.iter();
        let spans: BTreeMap<&str, &Span> = spans.map(|span| (span.image.as_str(), span)).collect();
        for node in &mut self.nodes {
            let Some(row) = history.images.get(&node.name) else {
                // What was planned and never begun.
                let is_planned =
                    matches!(node.state, Some(State::Build | State::Push | State::Tag));
                if is_planned {
                    node.state = Some(State::Cancelled);
                }
                node.seconds = None;
                continue;
            };
            let reasons = spans.get(node.name.as_str()).map(|span| &span.reasons);
            let reason = reasons.and_then(|reasons| reasons.first());
            node.state = Some(row.state.into());
            node.note = row.note.as_ref().or(reason).cloned();
            node.seconds = row.seconds;
        }
        let images = self.critical_path_of(history);
        self.critical_path = (!images.is_empty()).then(|| CriticalPath {
            seconds: images
                .iter()
                .filter_map(|image| history.images.get(image)?.seconds)
                .sum(),
            images,
        });
    }

    /// The chain of images that decided how long a run took, bases first.
    pub fn critical_path_of(&self, history: &History) -> Vec<String> {
        let nodes = self.nodes.iter();
        let needs: BTreeMap<&str, &[String]> = nodes
            .map(|node| (node.name.as_str(), node.bases.as_slice()))
            .collect();
        history.critical_path(|image| {
            let needs = needs.get(image).copied().unwrap_or_default();
            needs.iter().map(String::as_str).collect()
        })
    }
}
