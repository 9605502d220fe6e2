//! The running builds and pushes, each on one of `--jobs` threads.
//!
//! They are plain threads, not those of a rayon pool: a rayon worker that waits, as for the pieces of a layer that is being
//! compressed, executes other jobs of its pool meanwhile. Here these would be other builds, and one that needs what the build
//! below it on the stack is making would wait for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel};
use std::thread;

use parking_lot::Mutex;

use super::claims::Claims;
use super::log::Emit;
use super::mailbox::{Ended, Message};
use super::memory::Records;
use super::worker::{Identity, TaskKind, Work};
use crate::cancel::Cancel;
use crate::disk::system_words;
use crate::store::Store;

/// The build threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {jobs} build threads: {why}")]
pub struct NoWorkers {
    jobs: usize,
    why: String,
}

pub(crate) struct Jobs {
    workers: Workers,
    most: usize,
    pub(crate) store: Store,
    /// The claims of the run, if it claims images.
    pub(super) claims: Option<Arc<Claims>>,
    pub(super) records: Arc<Records>,
    messages: SyncSender<Message>,
    running: BTreeMap<String, Job>,
}

/// Threads that do one piece of work after the other. They end when nobody can give them any more.
struct Workers(Sender<Box<dyn FnOnce() + Send>>);

impl Workers {
    fn start(count: usize) -> std::io::Result<Self> {
        let (give, take) = channel::<Box<dyn FnOnce() + Send>>();
        let take = Arc::new(Mutex::new(take));
        for at in 0..count {
            let take = Arc::clone(&take);
            let worker = thread::Builder::new().name(format!("build-{at}"));
            worker.spawn(move || {
                // Held while waiting: whoever has it gets the next one.
                while let Ok(work) = { take.lock().recv() } {
                    work();
                }
            })?;
        }
        Ok(Self(give))
    }

    fn give(&self, work: impl FnOnce() + Send + 'static) {
        // The workers live as long as the sender.
        let _ = self.0.send(Box::new(work));
    }
}

pub(crate) struct Job {
    /// The image's identity when the job was started.
    pub(crate) is: Identity,
    pub(crate) task: TaskKind,
    /// The result is no longer wanted.
    pub(crate) is_superseded: bool,
    cancel: Cancel,
}

impl Jobs {
    pub(crate) fn new(
        most: usize,
        store: Store,
        messages: SyncSender<Message>,
    ) -> Result<Self, NoWorkers> {
        let most = most.max(1);
        let workers = Workers::start(most).map_err(|error| NoWorkers {
            jobs: most,
            why: system_words(&error),
        })?;
        Ok(Self {
            workers,
            most,
            store,
            claims: None,
            records: Arc::default(),
            messages,
            running: BTreeMap::new(),
        })
    }

    /// The same, for a run that claims images.
    pub(super) fn claiming(mut self) -> Result<Self, NoWorkers> {
        let messages = self.messages.clone();
        // If the owner is gone, nobody needs the message.
        let tell = Box::new(move |news| {
            let sent = messages.try_send(Message::Unclaimed(news));
            !matches!(sent, Err(TrySendError::Full(_)))
        });
        let claims = Claims::start(tell).map_err(|error| NoWorkers {
            jobs: self.most,
            why: error.to_string(),
        })?;
        self.claims = Some(Arc::new(claims));
        Ok(self)
    }

    pub(super) fn has_room(&self) -> bool {
        self.running.len() < self.most
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Job)> {
        self.running.iter()
    }

    /// Hands work to a free worker. Its completion arrives as a message.
    pub(super) fn start(&mut self, work: Work) {
        let image = work.image().to_owned();
        let job = Job {
            is: work.is.clone(),
            task: work.task.kind(),
            is_superseded: false,
            cancel: work.cancel.clone(),
        };
        self.running.insert(image.clone(), job);
        let messages = self.messages.clone();
        self.workers.give(move || {
            let (result, seconds) = work.carry_out();
            // The process may exit once the message arrives. Backends clean up when they are dropped, so nothing may keep
            // them alive here.
            drop(work);
            // The owner outlives its workers; if it is gone, nobody needs the message.
            let _ = messages.send(Message::Ended(Ended {
                image,
                result,
                seconds,
            }));
        });
    }

    /// Returns a callback that reports the events of a build.
    pub(super) fn emit(&self) -> Emit {
        let messages = self.messages.clone();
        Arc::new(move |event| drop(messages.send(Message::Event(event))))
    }

    pub(super) fn take(&mut self, image: &str) -> Option<Job> {
        self.running.remove(image)
    }

    /// Requests all jobs to stop; the second request stops them at once.
    pub(super) fn stop(&self) {
        for job in self.running.values() {
            job.cancel.request();
        }
    }

    /// Cancels jobs whose results are no longer wanted, and returns their images.
    pub(super) fn supersede(&mut self, is_wanted: impl Fn(&str, &Job) -> bool) -> Vec<String> {
        let running = self.running.iter_mut();
        let unwanted = running.filter(|(name, job)| !job.is_superseded && !is_wanted(name, job));
        let stop = |(name, job): (&String, &mut Job)| {
            job.is_superseded = true;
            job.cancel.request();
            name.clone()
        };
        unwanted.map(stop).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    thread_local! {
        static IS_BUSY: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn a_worker_that_waits_for_other_threads_begins_nothing_else() {
        let workers = Workers::start(2).unwrap();
        let (tell, told) = channel();
        for _ in 0..20 {
            let tell = tell.clone();
            workers.give(move || {
                let was_busy = IS_BUSY.replace(true);
                let nap = || thread::sleep(Duration::from_millis(2));
                rayon::join(nap, nap);
                IS_BUSY.set(was_busy);
                tell.send(was_busy).unwrap();
            });
        }
        drop(tell);
        assert_eq!(told.iter().collect::<Vec<_>>(), [false; 20]);
    }
}
