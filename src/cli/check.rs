//! `check`: reports everything that is wrong with the manifests and the files they name.

use std::mem::{self, ManuallyDrop};

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::options::Format;
use super::screen::{eprint_text, print_json};
use crate::backend::elsewhere::Elsewhere;
use crate::check;
use crate::diagnostic::{self, Severity, lint};
use crate::report::words::Count;
use crate::suggest;

#[derive(Args)]
pub(super) struct CheckArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Treat warnings as errors: `warnings` for all, or the code of a lint
    #[arg(long, value_name = "LINT", value_parser = denied)]
    deny: Vec<Denied>,
}

/// A warning, or all of them, to treat as an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Denied {
    Warnings,
    Lint(&'static str),
}

fn denied(text: &str) -> Result<Denied, String> {
    if text == "warnings" {
        return Ok(Denied::Warnings);
    }
    let known = || lint::LINTS.iter().map(|lint| lint.code);
    match (lint::find(text), suggest::closest(text, known())) {
        (Some(lint), _) => Ok(Denied::Lint(lint.code)),
        (None, Some(meant)) => Err(format!("no lint has this code; did you mean `{meant}`?")),
        (None, None) => {
            let known: Vec<&str> = known().collect();
            Err(format!("write `warnings`, or a lint: {}", known.join(", ")))
        }
    }
}

pub(super) fn run(args: &CheckArgs, context: &Context) -> Result<u8, Failure> {
    let examined = context.examine(None, &Elsewhere::default())?;
    // Never dropped: the process is about to exit, and freeing 10,000 images one by one would take a tenth of its time.
    let mut examined = ManuallyDrop::new(examined);
    let (workspace, mut found) = match &mut *examined {
        Ok(session) => {
            session.leave_index();
            let mut found = mem::take(&mut session.warnings);
            found.extend(session.forbidden(session.world.graph.ids()));
            (&session.world.workspace, found)
        }
        Err(wrong) => {
            let mut found = mem::take(&mut wrong.diagnostics);
            found.extend(context.apart());
            (&wrong.workspace, found)
        }
    };
    if !workspace.root.as_os_str().is_empty() {
        found.extend(check::state(&workspace.root));
    }
    for found in &mut found {
        let is_denied =
            |it: &Denied| matches!(it, Denied::Warnings) || *it == Denied::Lint(found.code);
        if args.deny.iter().any(is_denied) {
            found.severity = Severity::Error;
        }
    }
    let sources = &workspace.sources;
    let errors = found.iter().filter(|found| found.is_error()).count();
    if args.format == Format::Json {
        print_json(&diagnostic::to_json(&found, sources))?;
    } else {
        context.screen.show(&found, sources);
        // The rendered diagnostics end with the number of errors.
        if errors == 0 && !context.screen.quiet {
            let images = Count(workspace.images.len(), "image");
            let verdict = if found.is_empty() {
                "no problems found"
            } else {
                "no errors"
            };
            eprint_text(&format!("{images} checked: {verdict}\n"));
        }
    }
    Ok(if errors == 0 { exit::DONE } else { exit::USAGE })
}
