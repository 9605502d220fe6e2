//! Several `BuildKit`s as one: each image is built by the node that suits it best, and by another one if that node is lost.
//!
//! A thread per node asks it whether it is there: at the start, and with growing pauses while it is not. Builds go only to nodes
//! that answered, so that a dead one costs a build nothing; see `docs/design/pool.md`.

mod joined;
mod members;
mod place;
mod standing;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Once};

use parking_lot::MutexGuard;

use super::request::Request;
use super::tls::Tls;
use crate::asking::Asker;
use crate::backend::oci::registry::Access;
use crate::backend::platform::Platform;
use crate::backend::{Availability, BuildError, Unplaced, elsewhere};
use crate::disk::system_words;
use crate::recipe::Recipe;
use members::{Member, Members, State, TICK};
use standing::Placement;

/// `BuildKit`s that share the images of a run. No connection is made before the first one is placed.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Arc<Members>,
    asked: Once,
}

impl Pool {
    /// The `BuildKit`s that were named. Fails if the files for encrypted connections cannot be used.
    pub(crate) fn new(named: &elsewhere::Pool, access: Access) -> Result<Self, String> {
        let tls = named.tls.as_ref().map(Tls::read).transpose()?;
        let each = named.addresses.iter();
        let each = each.map(|at| Member::new(at, tls.clone(), &access));
        let each = each.collect::<io::Result<Vec<_>>>();
        let each = each.map_err(|error| system_words(&error))?;
        let most = named.jobs.map_or(usize::MAX, usize::from);
        let members = Members::new(each, most, access);
        Ok(Self {
            members: Arc::new(members),
            asked: Once::new(),
        })
    }

    /// Builds an image, which is in its registry then. Returns its digest. Where there are several nodes, each platform is built on
    /// one that is of its kind.
    pub(crate) fn build(&self, request: &Request<'_>) -> Result<String, BuildError> {
        self.meet();
        if self.joins(request.job.recipe) {
            return joined::build(&self.members, request);
        }
        self.members.build(request).map(|(digest, _)| digest)
    }

    /// Whether several nodes build a recipe, one for each platform.
    pub(crate) fn joins(&self, recipe: &Recipe) -> bool {
        self.members.each.len() > 1 && recipe.platforms.len() > 1
    }

    /// Whether one of the nodes answers, and what is to be told of each.
    pub(crate) fn availability(&self, asker: Asker<'_>) -> Availability {
        let members = &*self.members;
        let state = self.met(asker);
        let each = members.each.iter().enumerate();
        let (away, ready): (Vec<_>, Vec<_>) = each
            .map(|(at, member)| {
                let platforms = state.nodes.platforms(at);
                let told = platforms.map_or_else(
                    || state.nodes.why(at).unwrap_or("it was not asked").to_owned(),
                    answering,
                );
                (
                    platforms.is_none(),
                    format!("BuildKit at {}: {told}", member.name),
                )
            })
            .partition(|(is_away, _)| *is_away);
        let words = |(_, words): (bool, String)| words;
        let away = away.into_iter().map(words);
        if ready.is_empty() {
            return Availability::Missing {
                why: away.collect::<Vec<_>>().join("; "),
                mend: "start it, or name another one with `--buildkit`".to_owned(),
            };
        }
        Availability::Ready {
            versions: Vec::new(),
            remarks: ready.into_iter().map(words).chain(away).collect(),
        }
    }

    /// The nodes on which these images would be built, if each of them took the same time.
    pub(crate) fn foresee(&self, images: &[Unplaced<'_>], asker: Asker<'_>) -> Vec<Option<String>> {
        if self.members.each.len() < 2 {
            return vec![None; images.len()];
        }
        let mut nodes = self.met(asker).nodes.imagined();
        let each = images.iter().map(|image| {
            let mut names = Vec::new();
            for platform in image.platforms.iter().map(std::slice::from_ref) {
                let placed = nodes.place(platform, &image.bases, &BTreeSet::new());
                if let Placement::At(at) = placed {
                    nodes.made(at, image.image);
                    names.push(self.members.each[at].name.as_str());
                }
            }
            names.dedup();
            (!names.is_empty()).then(|| names.join(" and "))
        });
        each.collect()
    }

    /// What is known once each node has answered or failed to.
    fn met(&self, asker: Asker<'_>) -> MutexGuard<'_, State> {
        self.meet();
        let members = &*self.members;
        let mut waiting = asker.waiting("waiting for the BuildKits");
        let mut state = members.state.lock();
        while !state.nodes.is_met() && waiting().is_continue() {
            members.changed.wait_for(&mut state, TICK);
        }
        state
    }

    /// Starts to ask the nodes.
    fn meet(&self) {
        self.asked.call_once(|| {
            for at in 0..self.members.each.len() {
                let members = Arc::clone(&self.members);
                // Never joined: a question ends by its own limit.
                std::thread::spawn(move || members.keep_asking(at));
            }
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.members.state.lock().is_closed = true;
        self.members.changed.notify_all();
    }
}

/// What is told of a node that answers.
fn answering(platforms: &[Platform]) -> String {
    match platforms {
        [] => "it answers".to_owned(),
        [own] => format!("it builds for {own}"),
        [own, others @ ..] => {
            let others: Vec<String> = others.iter().map(Platform::to_string).collect();
            format!("it builds for {own}, and also for {}", others.join(", "))
        }
    }
}
