//! `add`, `remove` and `set`: one field of one image, in its manifest.

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::screen::{eprint_text, width};
use crate::edit::{Change, Edit};
use crate::report::diagnostics;
use crate::session::Opening;

#[derive(Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    field: Field,
    /// What to add; of a map, such as `env`, NAME=VALUE; flags go before the image
    #[arg(
        value_name = "VALUE",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    values: Vec<String>,
}

#[derive(Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    field: Field,
    /// What to remove; a package's or an entry's name will do; none removes a field that has one value
    #[arg(
        value_name = "VALUE",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    values: Vec<String>,
}

#[derive(Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    field: Field,
    /// What the field says from now on; of a map, NAME=VALUE for each entry to be set; flags go before the image
    #[arg(
        value_name = "VALUE",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    values: Vec<String>,
}

#[derive(Args)]
struct Field {
    /// The image's id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The field, as the manifest calls it
    #[arg(value_name = "FIELD")]
    field: String,
}

pub(super) fn add(args: AddArgs, context: &Context) -> Result<u8, Failure> {
    run(args.field, Change::Add(args.values), context)
}

pub(super) fn remove(args: RemoveArgs, context: &Context) -> Result<u8, Failure> {
    run(args.field, Change::Remove(args.values), context)
}

pub(super) fn set(args: SetArgs, context: &Context) -> Result<u8, Failure> {
    run(args.field, Change::Set(args.values), context)
}

fn run(field: Field, change: Change, context: &Context) -> Result<u8, Failure> {
    if !context.overrides.sets.is_empty() {
        return Err(Failure::usage(
            "`--set` is for one run, and an edit stays",
            "`imgspec set IMAGE FIELD VALUE` writes a field into the manifest",
        ));
    }
    let manifest = context.manifest()?;
    let edit = Edit {
        image: field.image,
        field: field.field,
        change,
    };
    let proposal = edit.make(&Opening {
        manifest: &manifest,
        overrides: &context.overrides,
        builder: None,
        env: &context.env(),
    })?;
    if !context.screen.quiet {
        let color = context.screen.color;
        eprint_text(&diagnostics::render(
            &proposal.warnings,
            &proposal.sources,
            color,
            width(),
        ));
        for said in &proposal.said {
            eprint_text(&format!("{said} ({}:{})\n", proposal.path, proposal.line));
        }
    }
    Ok(exit::DONE)
}
