//! A preview of what a request would do.
//!
//! Running it executes exactly the plan that was shown; as in every run, only files that change in the meantime are examined
//! again.

use std::collections::BTreeSet;

use super::refusal::known_images;
use super::request::Request;
use crate::asking::Asker;
use crate::diagnostic::Diagnostic;
use crate::graph::ImageId;
use crate::plan::{Action, Reason};
use crate::run::{Event, Mailbox, Options, Outcome, Summary};
use crate::session::{Planned, Refusal, Session, Wish, unselectable};

/// A plan that can be inspected and executed.
#[must_use]
pub struct Proposal {
    session: Session,
    planned: Planned,
    options: Options,
    /// Warnings about images whose existence is unknown, or which are rebuilt although they exist.
    doubts: Vec<String>,
}

/// The planned action for one image.
#[derive(Debug, Clone)]
pub struct Proposed<'a> {
    /// Id of the image.
    pub id: &'a str,
    /// Reference of the image: `registry/name:tag`.
    pub reference: String,
    /// The planned action.
    pub action: Action,
    /// The reasons for the action; empty if the image is fresh.
    pub reasons: &'a [Reason],
    /// Whether the image itself was requested, rather than needed by another image that is built.
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

    /// The planned actions, bases first.
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

    /// Warnings about the images.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.session.warnings
    }

    /// Executes the plan. `on_event` is called with every event on the calling thread, warnings first. The mailbox's
    /// interrupter stops the run.
    ///
    /// # Errors
    /// Fails, before anything has started, if a required builder or secret is missing or the state directory cannot be
    /// created. An image that fails to build is not an error; the summary names it, and its event gives the reason.
    pub fn run(
        self,
        mailbox: Mailbox,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Summary, Refusal> {
        self.session.verify_allowed(&self.planned.plan)?;
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
    /// Whether everything requested was done: nothing failed, was skipped or was cancelled.
    pub fn is_done(&self) -> bool {
        let undone = [&self.failed, &self.skipped, &self.cancelled];
        !self.interrupted && undone.iter().all(|ids| ids.is_empty())
    }

    /// Returns the outcome for an image; `None` if it does not exist or was not part of the plan.
    pub fn image(&self, id: &str) -> Option<&Outcome> {
        self.images.iter().find(|outcome| outcome.image == id)
    }
}
