//! `clean`: removes what builds leave behind in the state folder.

use clap::Args;

use super::{Context, Failure, eprint_text, exit};
use crate::report::words::Count;

#[derive(Args)]
pub(super) struct CleanArgs {
    /// Also forget what was built: all records
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &CleanArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(None)?;
    let known: Vec<&str> = session.graph.ids().map(|id| session.graph.name(id)).collect();
    let keep: &[&str] = if args.all { &[] } else { &known };
    let cleaned = session.store.clean(keep).map_err(|error| {
        Failure::usage(format!("the state folder cannot be cleaned: {error}"), "is a build running, or the folder not yours?")
    })?;
    if !context.screen.quiet {
        let (records, files) = (Count(cleaned.records, "record"), Count(cleaned.files, "other file"));
        eprint_text(&format!("removed {records} and {files}\n"));
    }
    Ok(exit::DONE)
}
