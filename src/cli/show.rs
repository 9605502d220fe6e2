//! `graph show`: draws the graph.

use std::io::stdout;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::failure::{Failure, exit};
use super::options::Selection;
use super::screen::{print_lines, print_text};
use crate::reference::short;
use crate::report::terminal::columns;
use crate::view::{self, Drawing};

#[derive(Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    selection: Selection,
    /// Drawing format
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Bases first, with what is built on them indented
    Tree,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
    /// For programs; see docs/json.md
    Json,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(None)?;
    let chosen = session.select(&context.selection(&session, &args.selection.images))?;
    // A terminal has no room for whole keys beside a tree; piped output is complete.
    let is_narrow =
        args.format == Format::Tree && !context.screen.verbose && columns(stdout()).is_some();
    let drawing = Drawing::new(&session.world.graph, &chosen, &|id| {
        let reference = session.reference(id);
        if is_narrow {
            short(&reference)
        } else {
            reference
        }
    });
    let format = match args.format {
        Format::Tree => view::Format::Tree,
        Format::Dot => view::Format::Dot,
        Format::Mermaid => view::Format::Mermaid,
        Format::Json => view::Format::Json,
    };
    let drawn = view::render(format, &drawing);
    if args.format == Format::Tree {
        print_lines(&drawn)?;
    } else {
        print_text(&drawn)?;
    }
    Ok(exit::DONE)
}
