//! Several `BuildKit`s as one: each image is built by the node that suits it best, and by another one if that node is lost.
//!
//! A thread per node asks it whether it is there: at the start, and with growing pauses while it is not. Builds go only to nodes
//! that answered, so that a dead one costs a build nothing; see `docs/design/pool.md`.

mod joined;
mod members;
mod place;
mod standing;

use std::io;
use std::sync::{Arc, Once};

use super::address::Address;
use super::request::Request;
use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::oci::registry::Access;
use crate::backend::platform::Platform;
use members::{Member, Members, TICK};

/// `BuildKit`s that share the images of a run. No connection is made before the first one is placed.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Arc<Members>,
    met: Once,
}

/// A node of a pool, as `doctor` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeInfo {
    pub(crate) name: String,
    /// Its platforms, its own first; or why it cannot be used.
    pub(crate) platforms: Result<Vec<Platform>, String>,
}

impl Pool {
    /// The `BuildKit`s at these addresses, each of which runs at most `most` builds at once.
    pub(crate) fn new(
        addresses: Vec<Address>,
        most: Option<usize>,
        access: Access,
    ) -> io::Result<Self> {
        let each = addresses.into_iter();
        let each = each.map(|address| Member::new(address, &access));
        let each = each.collect::<io::Result<Vec<_>>>()?;
        let members = Members::new(each, most.unwrap_or(usize::MAX), access);
        Ok(Self {
            members: Arc::new(members),
            met: Once::new(),
        })
    }

    /// Builds an image, which is in its registry then. Returns its digest. Where there are several nodes, each platform is built on
    /// one that is of its kind.
    pub(crate) fn build(&self, request: &Request<'_>) -> Result<String, BuildError> {
        self.meet();
        if self.members.each.len() > 1 && request.job.recipe.platforms.len() > 1 {
            return joined::build(&self.members, request);
        }
        self.members.build(request).map(|(digest, _)| digest)
    }

    /// What is known of the nodes, once each has answered or failed to.
    pub(crate) fn nodes(&self, asker: Asker<'_>) -> Vec<NodeInfo> {
        self.meet();
        let members = &*self.members;
        let mut waiting = asker.waiting("waiting for the BuildKits");
        let mut state = members.state.lock();
        while !state.nodes.is_met() && waiting().is_continue() {
            members.changed.wait_for(&mut state, TICK);
        }
        let each = members.each.iter().enumerate();
        each.map(|(at, member)| NodeInfo {
            name: member.name.clone(),
            platforms: match state.nodes.platforms(at) {
                Some(platforms) => Ok(platforms.to_vec()),
                None => Err(state.nodes.why(at).unwrap_or("it was not asked").to_owned()),
            },
        })
        .collect()
    }

    /// Starts to ask the nodes.
    fn meet(&self) {
        self.met.call_once(|| {
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
