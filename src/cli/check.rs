//! `check`: everything that is wrong with the manifests and the files that they name.

use clap::Args;

use super::{Context, Failure, Format, env, eprint_text, exit, print_json, width};
use crate::diagnostic::Diagnostic;
use crate::report::diagnostics;
use crate::report::words::Count;
use crate::session::{self, Opening};

#[derive(Args)]
pub(super) struct CheckArgs {
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &CheckArgs, context: &Context) -> Result<u8, Failure> {
    let manifest = context.manifest()?;
    let checked = session::examine(&Opening {
        manifest: &manifest,
        overrides: &context.overrides,
        builder: None,
        env: &env,
    });
    let sources = &checked.workspace.sources;
    let errors = checked
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .count();
    if args.format == Format::Json {
        print_json(&diagnostics::to_json(&checked.diagnostics, sources))?;
    } else {
        eprint_text(&diagnostics::render(
            &checked.diagnostics,
            sources,
            context.screen.color,
            width(),
        ));
        if !context.screen.quiet {
            eprint_text(&format!(
                "{}\n",
                verdict(&checked.diagnostics, errors, checked.workspace.images.len())
            ));
        }
    }
    Ok(if errors == 0 { exit::DONE } else { exit::USAGE })
}

fn verdict(found: &[Diagnostic], errors: usize, images: usize) -> String {
    let warnings = found.len() - errors;
    match (errors, warnings) {
        (0, 0) => format!("{} checked: nothing is wrong", Count(images, "image")),
        (0, _) => format!(
            "{} checked: {}",
            Count(images, "image"),
            Count(warnings, "warning")
        ),
        (_, 0) => Count(errors, "error").to_string(),
        _ => format!("{}, {}", Count(errors, "error"), Count(warnings, "warning")),
    }
}
