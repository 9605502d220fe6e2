//! `clean`: removes what builds leave behind in the state directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::screen::eprint_text;
use crate::backend::{self, Cancel};
use crate::disk::system_words;
use crate::report::words::Count;
use crate::store::LeftoverKind;

#[derive(Args)]
pub(super) struct CleanArgs {
    /// Also forget all builds: remove all records and the index of file times
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &CleanArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(None)?;
    let known: BTreeSet<&str> = session
        .world
        .graph
        .ids()
        .map(|id| session.world.graph.name(id))
        .collect();
    let keep = if args.all { BTreeSet::new() } else { known };
    session.verify_state()?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for leftover in session.store.leftovers(&keep).map_err(refused)? {
        let waiting = waiting(context);
        let removed = session.store.remove(&leftover, waiting).map_err(refused)?;
        if removed {
            *counts.entry(word(leftover.kind)).or_default() += 1;
        }
    }
    let notifier = Notifier::new(context);
    let mut unasked = BTreeSet::new();
    for backend in &session.known {
        match backend.clean(notifier.asker()) {
            Ok(removed) => *counts.entry(LEFT_NAME).or_default() += removed,
            // What a builder cannot clean now does no harm until its next cleanup.
            Err(why) => drop(unasked.insert(why)),
        }
    }
    for why in unasked {
        notifier.warn(format!(
            "could not look for temporary images of killed runs: {why}"
        ));
    }
    if !context.screen.quiet {
        eprint_text(&format!("{}\n", summary(&counts)));
    }
    Ok(exit::DONE)
}

/// The unit in which removed leftovers of killed runs in a builder's store are counted.
const LEFT_NAME: &str = "temporary image name";

fn word(kind: LeftoverKind) -> &'static str {
    match kind {
        LeftoverKind::Record => "record",
        LeftoverKind::Inputs => "input list",
        LeftoverKind::Context => "build context",
        LeftoverKind::Log => "log",
        LeftoverKind::Index => "index of file times",
        LeftoverKind::Unfinished => "unfinished file",
    }
}

/// Formats the counts as `removed 2 logs, 1 record`.
fn summary(counts: &BTreeMap<&'static str, usize>) -> String {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    let parts: Vec<String> = counts
        .map(|(what, count)| Count(*count, what).to_string())
        .collect();
    if parts.is_empty() {
        "nothing to remove".to_owned()
    } else {
        format!("removed {}", parts.join(", "))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn refused(error: io::Error) -> Failure {
    Failure::usage(
        system_words(&error),
        "check the owner and the permissions of the state directory",
    )
}

/// Returns a poll function that reports once, after a while, that another run is being waited for. It never breaks: an
/// interrupt simply ends the process.
fn waiting(context: &Context) -> impl FnMut() -> ControlFlow<()> {
    let is_quiet = context.screen.quiet;
    backend::waiting(&Cancel::default(), move || {
        if !is_quiet {
            eprint_text("waiting for another run that is writing its records\n");
        }
    })
}
