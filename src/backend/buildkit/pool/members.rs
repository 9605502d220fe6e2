//! The nodes of a pool, their states, and a build on whichever of them has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::standing::{Nodes, Placement};
use crate::asking::Asker;
use crate::backend::buildkit::address::Address;
use crate::backend::buildkit::client::{BuildKit, Ended};
use crate::backend::buildkit::request::Request;
use crate::backend::buildkit::tls::Tls;
use crate::backend::oci::registry::Access;
use crate::backend::{BuildError, Job, Notes, elsewhere};

/// How often a build that waits for a node checks for a cancel.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// How long a node with a full disk is left alone: somebody has to free space.
const FULL: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Members {
    pub(super) each: Vec<Member>,
    pub(super) access: Access,
    pub(super) state: Mutex<State>,
    /// A node answered or failed, or a build ended.
    pub(super) changed: Condvar,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    buildkit: BuildKit,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) nodes: Nodes,
    pub(super) is_closed: bool,
}

impl Member {
    pub(super) fn new(
        at: &elsewhere::Address,
        tls: Option<Tls>,
        access: &Access,
    ) -> io::Result<Self> {
        let name = at.to_string();
        let whom = format!("BuildKit at {name}");
        let address = Address::Own {
            at: at.clone(),
            tls,
        };
        let buildkit = BuildKit::new(address, whom, access.clone(), Vec::new())?;
        Ok(Self { name, buildkit })
    }
}

impl Members {
    /// `most` is how many builds each of them runs at once.
    pub(super) fn new(each: Vec<Member>, most: usize, access: Access) -> Self {
        let state = State {
            nodes: Nodes::new(each.len(), most),
            is_closed: false,
        };
        Self {
            each,
            access,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Builds an image on the best node; on another one if that is lost. Returns the digest, and the position of the node.
    pub(super) fn build(&self, request: &Request<'_>) -> Result<(String, usize), BuildError> {
        let mut lost = BTreeMap::new();
        loop {
            let at = self.take(request, &lost)?;
            let member = &self.each[at];
            if self.each.len() > 1 {
                request.notes.node(&member.name);
            }
            let ended = member.buildkit.build(request);
            let made = ended.as_ref().ok().map(String::as_str);
            self.state.lock().nodes.ended(at, made);
            self.changed.notify_all();
            let (why, pause) = match ended {
                Ok(digest) => {
                    self.tell(&mut self.state.lock(), request.notes);
                    return Ok((digest, at));
                }
                Err(Ended::Stuck(why)) => return Err(BuildError::Transient(why)),
                Err(Ended::Lost(why)) => (why.to_string(), Duration::ZERO),
                Err(Ended::Error(error)) => match full(&error) {
                    Some(why) => (why, FULL),
                    None => return Err(unsuited(error, &member.name)),
                },
            };
            let mut state = self.state.lock();
            state.nodes.failed(at, &why, pause, Instant::now());
            self.tell(&mut state, request.notes);
            drop(state);
            self.changed.notify_all();
            lost.insert(at, why);
        }
    }

    /// Asks a node whenever it is not known whether it is there, until the pool is gone.
    pub(super) fn keep_asking(&self, at: usize) {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return;
            }
            match state.nodes.due(at, Instant::now()) {
                None => self.changed.wait(&mut state),
                Some(Duration::ZERO) => {
                    drop(state);
                    let asked = Instant::now();
                    let met = self.each[at].buildkit.platforms(Asker::silent());
                    let limits = &self.access.limits;
                    state = self.state.lock();
                    match met {
                        Ok(platforms) => state.nodes.met(at, platforms),
                        Err(error) => {
                            let now = Instant::now();
                            // One that hangs costs as much each time.
                            let pause = if now - asked < limits.connect {
                                Duration::ZERO
                            } else {
                                limits.answer
                            };
                            state.nodes.failed(at, &error.to_string(), pause, now);
                        }
                    }
                    self.changed.notify_all();
                }
                Some(pause) => {
                    self.changed.wait_for(&mut state, pause);
                }
            }
        }
    }

    /// The node that builds this, which counts it from now on.
    fn take(
        &self,
        request: &Request<'_>,
        lost: &BTreeMap<usize, String>,
    ) -> Result<usize, BuildError> {
        let Job { recipe, bases, .. } = request.job;
        let bases: Vec<&str> = bases.values().map(|base| base.digest.as_str()).collect();
        let lost_on: BTreeSet<usize> = lost.keys().copied().collect();
        let asker = Asker::build(request.notes, request.cancel);
        let mut waiting = asker.waiting("waiting for a BuildKit that has room");
        let mut state = self.state.lock();
        loop {
            let placed = state.nodes.place(&recipe.platforms, &bases, &lost_on);
            self.tell(&mut state, request.notes);
            match placed {
                Placement::At(at) => return Ok(at),
                Placement::Nowhere => return Err(self.nowhere(&state, lost)),
                Placement::Later => {}
            }
            if waiting().is_break() {
                return Err(BuildError::Cancelled);
            }
            self.changed.wait_for(&mut state, TICK);
        }
    }

    /// Warns of nodes that went away, and says which came back.
    fn tell(&self, state: &mut State, notes: &dyn Notes) {
        for (at, why) in state.nodes.news() {
            let name = &self.each[at].name;
            match why {
                // The error will say it.
                Some(_) if self.each.len() == 1 => {}
                Some(why) => notes.warn(&format!(
                    "BuildKit at {name} cannot be used: {why}; the other nodes go on"
                )),
                None => notes.log(&format!("BuildKit at {name} is back")),
            }
        }
    }

    /// Why no node can build an image, node by node.
    fn nowhere(&self, state: &State, lost: &BTreeMap<usize, String>) -> BuildError {
        let each = self.each.iter().enumerate().map(|(at, member)| {
            let why = lost.get(&at).map(String::as_str).or(state.nodes.why(at));
            let why = why.unwrap_or("it lost the build");
            format!("BuildKit at {}: {why}", member.name)
        });
        let each: Vec<String> = each.collect();
        let all = match each.as_slice() {
            [one] => one.clone(),
            all => format!("no BuildKit of the pool can be used: {}", all.join("; ")),
        };
        BuildError::Transient(all)
    }
}

/// What to do about a full disk of a node, if that is why a build failed.
fn full(error: &BuildError) -> Option<String> {
    let is_full = error
        .to_string()
        .to_ascii_lowercase()
        .contains("no space left on device");
    is_full.then(|| {
        "no space left on device: free some there, for example with `buildctl prune` or `docker builder prune`"
            .to_owned()
    })
}

/// Explains the failure of a node that cannot push.
fn unsuited(error: BuildError, name: &str) -> BuildError {
    error.reworded(|why| {
        if !why.contains("exporter \"image\" could not be found") {
            return why;
        }
        format!(
            "BuildKit at {name} cannot push images, because it belongs to a Docker daemon with the classic image store: switch \
             that daemon to containerd's (`\"features\": {{\"containerd-snapshotter\": true}}` in its daemon.json), or use a \
             BuildKit of its own"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_classic_store_come_with_what_to_do() {
        let failed = |why: &str| BuildError::Failed(why.to_owned());
        let error = failed("failed to copy: write /a: No space left on device");
        assert!(full(&error).unwrap().contains("`buildctl prune`"));
        assert_eq!(full(&failed("exit code 1")), None);
        let classic = failed("exporter \"image\" could not be found");
        let said = unsuited(classic, "tcp://a:1").to_string();
        assert!(said.starts_with("BuildKit at tcp://a:1 cannot push images, because"));
        assert_eq!(unsuited(failed("x"), "tcp://a:1"), failed("x"));
    }
}
