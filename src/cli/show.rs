//! `graph show`: draws the graph.

use clap::{Args, ValueEnum};

use super::context::Context;
use super::failure::{Failure, exit};
use super::options::Selection;
use super::screen::print_text;
use crate::view::{self, Drawing};

#[derive(Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    selection: Selection,
    /// How to draw it
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Bases first, what is built on them indented
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
    let drawing = Drawing::new(&session.world.graph, &chosen, &|id| session.reference(id));
    let format = match args.format {
        Format::Tree => view::Format::Tree,
        Format::Dot => view::Format::Dot,
        Format::Mermaid => view::Format::Mermaid,
        Format::Json => view::Format::Json,
    };
    print_text(&view::render(format, &drawing))?;
    Ok(exit::DONE)
}
