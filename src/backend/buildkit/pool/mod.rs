//! Several `BuildKit`s as one: each image is built by the node that suits it best, and by another one if that node is lost.
//!
//! A thread per node asks it whether it is there: at the start, and with growing pauses while it is not. Builds go only to nodes
//! that answered, so that a dead one costs a build nothing; see `docs/design/pool.md`.

mod place;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::address::Address;
use super::client::{BuildKit, Ended};
use super::request::Request;
use crate::asking::Asker;
use crate::backend::oci::registry::Access;
use crate::backend::platform::Platform;
use crate::backend::{BuildError, Job, Notes};
use crate::limits::Limits;
use standing::{Nodes, Placement};

/// How often a build that waits for a node checks for a cancel.
const TICK: Duration = Duration::from_millis(20);

/// How long a node with a full disk is left alone: somebody has to free space.
const FULL: Duration = Duration::from_mins(1);

/// `BuildKit`s that share the images of a run. No connection is made before the first one is placed.
#[derive(Debug)]
pub(crate) struct Pool {
    inner: Arc<Inner>,
    met: Once,
}

#[derive(Debug)]
struct Inner {
    nodes: Vec<Node>,
    limits: Limits,
    state: Mutex<State>,
    /// A node answered or failed, or a build ended.
    changed: Condvar,
}

#[derive(Debug)]
struct Node {
    name: String,
    buildkit: BuildKit,
}

#[derive(Debug)]
struct State {
    nodes: Nodes,
    is_closed: bool,
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
        access: &Access,
    ) -> io::Result<Self> {
        let nodes = addresses.into_iter().map(|address| {
            let name = address.to_string();
            let whom = format!("BuildKit at {name}");
            let buildkit = BuildKit::new(address, whom, access.clone(), Vec::new())?;
            Ok(Node { name, buildkit })
        });
        let nodes = nodes.collect::<io::Result<Vec<_>>>()?;
        let state = State {
            nodes: Nodes::new(nodes.len(), most.unwrap_or(usize::MAX)),
            is_closed: false,
        };
        let inner = Inner {
            nodes,
            limits: access.limits,
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            met: Once::new(),
        })
    }

    /// Builds an image on the best node; on another one if that is lost. Its result is in its registry then. Returns the digest.
    pub(crate) fn build(&self, request: &Request<'_>) -> Result<String, BuildError> {
        let inner = &*self.inner;
        self.meet();
        let mut lost = BTreeMap::new();
        loop {
            let at = inner.take(request, &lost)?;
            let node = &inner.nodes[at];
            if inner.nodes.len() > 1 {
                request.notes.node(&node.name);
            }
            let ended = node.buildkit.build(request);
            let mut state = inner.state.lock();
            let made = ended.as_ref().ok().map(String::as_str);
            state.nodes.ended(at, made);
            let (why, pause) = match ended {
                Ok(digest) => {
                    inner.tell(&mut state, request.notes);
                    inner.changed.notify_all();
                    return Ok(digest);
                }
                Err(Ended::Lost(why)) => (why.to_string(), Duration::ZERO),
                Err(Ended::Stuck(why)) => {
                    inner.changed.notify_all();
                    return Err(BuildError::Transient(why));
                }
                Err(Ended::Error(error)) => match full(&error) {
                    Some(why) => (why, FULL),
                    None => {
                        inner.changed.notify_all();
                        return Err(unsuited(error, &node.name));
                    }
                },
            };
            state.nodes.failed(at, &why, pause, Instant::now());
            inner.tell(&mut state, request.notes);
            drop(state);
            inner.changed.notify_all();
            lost.insert(at, why);
        }
    }

    /// What is known of the nodes, once each has answered or failed to.
    pub(crate) fn nodes(&self, asker: Asker<'_>) -> Vec<NodeInfo> {
        self.meet();
        let inner = &*self.inner;
        let mut waiting = asker.waiting("waiting for the BuildKits");
        let mut state = inner.state.lock();
        while !state.nodes.is_met() && waiting().is_continue() {
            inner.changed.wait_for(&mut state, TICK);
        }
        let each = inner.nodes.iter().enumerate();
        each.map(|(at, node)| NodeInfo {
            name: node.name.clone(),
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
            for at in 0..self.inner.nodes.len() {
                let inner = Arc::clone(&self.inner);
                // Never joined: a question ends by its own limit.
                std::thread::spawn(move || inner.keep_asking(at));
            }
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.inner.state.lock().is_closed = true;
        self.inner.changed.notify_all();
    }
}

impl Inner {
    /// Asks a node whenever it is not known whether it is there, until the pool is gone.
    fn keep_asking(&self, at: usize) {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return;
            }
            match state.nodes.due(at, Instant::now()) {
                None => self.changed.wait(&mut state),
                Some(Duration::ZERO) => {
                    drop(state);
                    let met = self.nodes[at].buildkit.platforms(Asker::silent());
                    state = self.state.lock();
                    match met {
                        Ok(platforms) => state.nodes.met(at, platforms),
                        Err(error) => {
                            let why = error.to_string();
                            // What hangs costs a question each time.
                            let pause = match error.kind() {
                                io::ErrorKind::TimedOut => self.limits.answer,
                                _ => Duration::ZERO,
                            };
                            state.nodes.failed(at, &why, pause, Instant::now());
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
    fn tell(&self, state: &mut MutexGuard<'_, State>, notes: &dyn Notes) {
        for (at, why) in state.nodes.news() {
            let name = &self.nodes[at].name;
            match why {
                // The error will say it.
                Some(_) if self.nodes.len() == 1 => {}
                Some(why) => notes.warn(&format!(
                    "BuildKit at {name} cannot be used: {why}; the other nodes go on"
                )),
                None => notes.log(&format!("BuildKit at {name} is back")),
            }
        }
    }

    /// Why no node can build an image, node by node.
    fn nowhere(&self, state: &State, lost: &BTreeMap<usize, String>) -> BuildError {
        let each = self.nodes.iter().enumerate().map(|(at, node)| {
            let why = lost.get(&at).map(String::as_str).or(state.nodes.why(at));
            let why = why.unwrap_or("it lost the build");
            format!("BuildKit at {}: {why}", node.name)
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
