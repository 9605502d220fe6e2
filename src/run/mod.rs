//! Executes plans: one engine for `graph build` and `watch`, and its workers.
//!
//! [`run`] is a single wave without outside changes; a watch is the same engine with change sources on top. One thread
//! owns all state and receives everything through one channel, so there are no locks.

mod again;
pub(crate) mod attempts;
mod board;
mod claiming;
pub(crate) mod claims;
pub(crate) mod engine;
pub mod event;
pub mod history;
pub(crate) mod jobs;
pub(crate) mod log;
pub(crate) mod mailbox;
pub(crate) mod manner;
mod memory;
mod postponed;
pub mod simulation;
pub(crate) mod state;
pub(crate) mod wave;
mod waves;
pub(crate) mod worker;

use std::sync::Arc;

pub use event::Event;
pub use history::History;
pub use jobs::NoWorkers;
pub use mailbox::{Interrupter, Mailbox, Remote};
pub use state::Options;
pub use wave::{Outcome, Summary};

pub use crate::plan::Push;
use crate::plan::{Facts, Plan};
use crate::store::Store;
use crate::world::View;
use engine::Engine;
use jobs::Jobs;
use mailbox::{Message, Reporter};
use state::Rules;

/// Runs a plan to its end: every image is built, failed, skipped or cancelled, and every event is passed to `report`.
/// Returns an error only if no worker can be started; then nothing has happened.
pub fn run(
    view: View,
    plan: Plan,
    facts: Vec<Facts>,
    store: Store,
    options: Options,
    mailbox: Mailbox,
    report: &mut dyn FnMut(&Event),
) -> Result<Summary, NoWorkers> {
    let Mailbox {
        sender,
        receiver,
        end,
    } = mailbox;
    let reader = Arc::clone(&view.prints.reader);
    end.set_reader(Some(Arc::clone(&reader)));
    let reporter = Reporter::new(report);
    // Each image has one job at a time: more threads would only be started and ended.
    let most = options.jobs.min(plan.images.len());
    let mut jobs = Jobs::new(most, store, sender)?;
    if options.claims() {
        jobs = jobs.claiming()?;
    }
    let rules = Rules::of_a_build(options);
    let mut engine = Engine::new(rules, (view, facts, plan), jobs, reporter);
    engine.begin();
    loop {
        engine.turn(true);
        if engine.is_done() {
            break;
        }
        match receiver.recv() {
            Ok(Message::Event(event)) => engine.emit(event),
            Ok(Message::Ended(ended)) => {
                if let Some(moved) = engine.ended(ended) {
                    engine.begin_again(moved);
                }
            }
            Ok(Message::Unclaimed(news)) => engine.unclaimed(news),
            Ok(Message::Interrupt) => engine.interrupt(),
            Ok(Message::Continued | Message::Wake | Message::Key(_)) => {}
            Err(_) => break,
        }
    }
    engine.end_claims(&end.cancel);
    let summary = engine.end_wave().summary;
    end.set_reader(None);
    reader.go_on();
    Ok(summary)
}
