//! What a request would do, before it is done.
//!
//! What is carried out is the very plan that was shown; only files that change meanwhile are looked at again, as in every run.

use std::collections::BTreeSet;

use super::refusal::known_images;
use super::request::Request;
use crate::asking::Asker;
use crate::diagnostic::Diagnostic;
use crate::graph::ImageId;
use crate::plan::{Action, Reason};
use crate::run::{Event, Mailbox, Options, Outcome, Summary};
use crate::session::{Planned, Refusal, Session, Wish, unselectable};

/// A plan that can be looked at and carried out.
#[must_use]
pub struct Proposal {
    session: Session,
    planned: Planned,
    options: Options,
    /// What nobody could say of what exists, and what is forced although it exists, in words.
    doubts: Vec<String>,
}

/// What is to be done about one image.
#[derive(Debug, Clone)]
pub struct Proposed<'a> {
    /// The image's id.
    pub id: &'a str,
    /// What it is called: `registry/name:tag`.
    pub reference: String,
    /// What to do.
    pub action: Action,
    /// Why; empty when it is fresh.
    pub reasons: &'a [Reason],
    /// Whether it was asked for; else something that is built needs it.
    pub asked: bool,
}

impl Proposal {
    pub(super) fn new(session: Session, request: &Request) -> Result<Self, Refusal> {
        let asked = match &request.images {
            None => session.world.graph.ids().collect(),
            Some(words) if words.is_empty() => BTreeSet::new(),
            Some(words) => select(&session, words)?,
        };
        let wish = Wish {
            judgement: request.judgement,
            push: request.options.push,
            without_bases: request.without_bases,
            is_locked: request.is_locked,
            is_flytekit_known: false,
        };
        let planned = session.prepare(&asked, wish, Asker::silent())?;
        let mut doubts = planned.doubts(&session, request.judgement);
        doubts.extend(planned.forced(&session));
        Ok(Self {
            session,
            planned,
            options: request.options,
            doubts,
        })
    }

    /// What is to be done, bases first.
    pub fn images(&self) -> impl Iterator<Item = Proposed<'_>> {
        self.planned.plan.images.iter().map(|image| Proposed {
            id: self.session.world.graph.name(image.id),
            reference: self.session.reference(image.id),
            action: image.action,
            reasons: &image.reasons,
            asked: image.asked,
        })
    }

    /// Ids of the images that would be built, bases first.
    pub fn builds(&self) -> Vec<&str> {
        let builds = self.images().filter(|it| it.action == Action::Build);
        builds.map(|it| it.id).collect()
    }

    /// Whether there is nothing to do.
    pub fn is_fresh(&self) -> bool {
        self.images().all(|it| it.action == Action::Fresh)
    }

    /// What is doubtful in the images.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.session.warnings
    }

    /// Carries it out; `on_event` hears everything on the calling thread, first the warnings. An interrupter of the mailbox
    /// stops it.
    ///
    /// # Errors
    /// When a builder or a secret that is needed is not there, or the state directory cannot be made: nothing has been begun
    /// then. A failed image is no error: the summary names it, and its event says why.
    pub fn run(
        self,
        mailbox: Mailbox,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Summary, Refusal> {
        self.session.ready(&self.planned.plan, Asker::silent())?;
        for warning in &self.session.warnings {
            on_event(&Event::Warning {
                message: warning.message.clone(),
            });
        }
        for message in self.doubts {
            on_event(&Event::Warning { message });
        }
        let (session, planned) = (self.session, self.planned);
        session.run(planned, self.options, mailbox, &mut on_event)
    }
}

fn select(session: &Session, words: &[String]) -> Result<BTreeSet<ImageId>, Refusal> {
    let graph = &session.world.graph;
    let chosen = graph.select(graph.ids().collect(), words);
    chosen.map_err(|unknown| unselectable(unknown, known_images(session)))
}

impl Summary {
    /// Whether all that was wanted is done: nothing failed, was skipped or stopped.
    pub fn is_done(&self) -> bool {
        let undone = [&self.failed, &self.skipped, &self.cancelled];
        !self.interrupted && undone.iter().all(|ids| ids.is_empty())
    }

    /// What became of an image; none when it is not there or was not part of the plan.
    pub fn image(&self, id: &str) -> Option<&Outcome> {
        self.images.iter().find(|outcome| outcome.image == id)
    }
}
