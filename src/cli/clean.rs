//! `clean`: removes what builds leave behind in the state folder.

use std::collections::BTreeSet;

use clap::Args;

use super::{Context, Failure, eprint_text, exit};
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
    let (mut records, mut others) = (0, 0);
    for leftover in session.store.leftovers(&keep) {
        let removed = session.store.remove(&leftover).map_err(|error| {
            Failure::usage(
                format!(
                    "`{}` cannot be removed: {}",
                    leftover.path.display(),
                    system_words(&error)
                ),
                "is it yours?",
            )
        })?;
        match (removed, leftover.kind) {
            (false, _) => {}
            (true, LeftoverKind::Record) => records += 1,
            (true, _) => others += 1,
        }
    }
    for backend in &session.known {
        // A builder that is not there keeps what it has: nothing here depends on it.
        others += backend.clean().unwrap_or(0);
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
