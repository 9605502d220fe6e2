//! `clean`: removes what builds leave behind in the state directory.

use std::collections::BTreeSet;
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
    /// Also forget what was built: all records
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
    let (mut records, mut others) = (0, 0);
    for leftover in session.store.leftovers(&keep).map_err(refused)? {
        let waiting = waiting(context);
        let removed = session.store.remove(&leftover, waiting).map_err(refused)?;
        match (removed, leftover.kind) {
            (false, _) => {}
            (true, LeftoverKind::Record) => records += 1,
            (true, _) => others += 1,
        }
    }
    let notifier = Notifier::new(context);
    let mut unasked = BTreeSet::new();
    for backend in &session.known {
        match backend.clean(notifier.asker()) {
            Ok(removed) => others += removed,
            // What it keeps is in nobody's way until it can be asked.
            Err(why) => drop(unasked.insert(why)),
        }
    }
    for why in unasked {
        notifier.warn(format!(
            "what killed runs left with a builder was not looked for: {why}"
        ));
    }
    if !context.screen.quiet {
        eprint_text(&format!(
            "removed {} and {}\n",
            Count(records, "record"),
            Count(others, "other thing")
        ));
    }
    Ok(exit::DONE)
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn refused(error: io::Error) -> Failure {
    Failure::usage(system_words(&error), "is it yours?")
}

/// Says once that another run is waited for, when that takes longer. An interrupt just ends the program.
fn waiting(context: &Context) -> impl FnMut() -> ControlFlow<()> {
    let is_quiet = context.screen.quiet;
    backend::waiting(&Cancel::default(), move || {
        if !is_quiet {
            eprint_text("waiting for another run that writes its records\n");
        }
    })
}
