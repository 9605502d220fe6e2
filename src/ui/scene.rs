//! What a page shows: the images as last seen, and what is planned for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::graph::{EdgeKind, ImageId};
use crate::plan::Plan;
use crate::run::History;
use crate::spec::WorkspacePath;
use crate::store::Store;
use crate::view::{self, Detail, Drawing, Label, Live, Look, Page, Tab};
use crate::world::View;

/// What a page shows, apart from what happens.
pub struct Scene {
    /// The page's title.
    pub title: String,
    /// The images; `None` until the manifests are valid.
    pub view: Option<Arc<View>>,
    /// What is planned for them.
    pub plan: Plan,
    /// The records and logs.
    pub store: Store,
    /// How the graph is drawn.
    pub look: Look,
}

impl Scene {
    /// The document, with what happened so far.
    pub(super) fn document(&self, history: &History, edition: &str, control: bool) -> String {
        let made = Timestamp::now().to_string();
        let live = Live { control, edition };
        view::page(&Page {
            live: Some(live),
            ..self.page(&self.drawing(), history, &made)
        })
    }

    /// A document that needs no server: the run as it was, and the details of all images.
    pub fn file(&self, history: &History, made: &str) -> String {
        let details = self.view.iter().flat_map(|view| {
            let drawn = self.drawn(view).into_iter();
            drawn.map(|id| (view.name(id).to_owned(), self.detail_of(view, id)))
        });
        view::page(&Page {
            details: Some(&details.collect()),
            tab: Tab::Timeline,
            ..self.page(&self.drawing(), history, made)
        })
    }

    fn page<'a>(&'a self, drawing: &'a Drawing, history: &'a History, made: &'a str) -> Page<'a> {
        Page {
            title: &self.title,
            made,
            drawing,
            details: None,
            history: Some(history),
            live: None,
            tab: Tab::Graph,
            folders: None,
            direction: self.look.direction,
            theme: self.look.theme,
        }
    }

    fn drawn(&self, view: &View) -> BTreeSet<ImageId> {
        let mut drawn = view.relevant.clone();
        drawn.extend(self.plan.builds().map(|image| image.id));
        drawn
    }

    /// The images with what is planned, and how long their last builds took.
    pub fn drawing(&self) -> Drawing {
        let Some(view) = &self.view else {
            return Drawing::default();
        };
        let graph = &view.world.graph;
        let label = |id: ImageId| Label {
            reference: view.reference(id),
            folder: view.world.workspace.images[id.index()].folder.to_string(),
        };
        let mut drawing = Drawing::new(graph, &self.drawn(view), label);
        drawing.show_plan(graph, &self.plan);
        drawing.show_times(graph, &self.store, Some(&self.plan));
        drawing
    }

    /// The details of an image as JSON; `None` if there is no such image.
    pub(super) fn detail(&self, image: &str) -> Option<String> {
        let view = self.view.as_ref()?;
        let id = view.world.graph.find(image)?;
        let detail = self.detail_of(view, id);
        Some(serde_json::to_string(&detail).expect("names, texts and numbers are JSON"))
    }

    fn detail_of(&self, view: &View, id: ImageId) -> Detail {
        let (world, prints) = (&view.world, &view.prints);
        Detail::new(world, prints, &self.store, Some(&self.plan), id)
    }

    /// Whether the same boxes and arrows are drawn.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (&self.view, &other.view) {
            (Some(one), Some(other)) => {
                Arc::ptr_eq(&one.world, &other.world) || outline(one).eq(outline(other))
            }
            (one, other) => one.is_none() == other.is_none(),
        }
    }

    /// The images that decided how long the run took.
    pub(super) fn critical_path(&self, history: &History) -> Vec<String> {
        let Some(view) = &self.view else {
            return Vec::new();
        };
        let graph = &view.world.graph;
        history.critical_path(|image| match graph.find(image) {
            Some(id) => graph
                .bases(id)
                .iter()
                .map(|base| graph.name(*base))
                .collect(),
            None => Vec::new(),
        })
    }
}

/// What decides which boxes and arrows are drawn, of each image: its id, its directory, and what it needs.
fn outline(view: &View) -> impl Iterator<Item = (&str, &WorkspacePath, Vec<(&str, EdgeKind)>)> {
    let graph = &view.world.graph;
    view.relevant.iter().map(move |id| {
        let needs = graph.needs(*id).into_iter();
        let needs = needs.map(|(need, kind)| (graph.name(need), kind));
        let folder = &view.world.workspace.images[id.index()].folder;
        (graph.name(*id), folder, needs.collect())
    })
}
