//! `add`, `remove` and `set`: edit one field of an image or a template in its manifest.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use super::context::Context;
use super::failure::{Failure, exit};
use super::screen::eprint_text;
use crate::backend::elsewhere::Elsewhere;
use crate::edit::{Change, Edit, Holder};
use crate::session::Opening;

#[derive(Args)]
pub(super) struct EditArgs {
    /// Edit the template of this name instead of an image
    #[arg(long)]
    template: bool,
    /// The image's id
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::edited))]
    name: String,
    /// The field, by its name in the manifest
    #[arg(value_name = "FIELD", add = ArgValueCompleter::new(complete::fields))]
    field: String,
    // Each command sets its own help text for the values.
    #[arg(
        value_name = "VALUE",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    values: Vec<String>,
}

pub(super) fn run(
    args: EditArgs,
    change: fn(Vec<String>) -> Change,
    context: &Context,
) -> Result<u8, Failure> {
    if !context.overrides.sets.is_empty() {
        return Err(Failure::usage(
            "`--set` applies to a single run, but an edit is permanent",
            "`imgspec set IMAGE FIELD VALUE` writes a field into the manifest",
        ));
    }
    let manifest = context.manifest()?;
    let edit = Edit {
        of: if args.template {
            Holder::Template(args.name)
        } else {
            Holder::Image(args.name)
        },
        field: args.field,
        change: change(args.values),
    };
    let proposal = edit.make(&Opening {
        manifest: &manifest,
        overrides: &context.overrides,
        builder: None,
        elsewhere: &Elsewhere::default(),
        env: &context.env(),
        trust: context.trust,
    })?;
    if !context.screen.quiet {
        context.screen.show(&proposal.warnings, &proposal.sources);
        for said in &proposal.said {
            eprint_text(&format!("{said} ({}:{})\n", proposal.path, proposal.line));
        }
    }
    Ok(exit::DONE)
}
