//! `lsp`: the language server, for editors.

use std::io::IsTerminal;
use std::sync::Arc;

use super::context::Context;
use super::failure::{Failure, exit};
use super::screen::eprint_text;
use crate::lsp::{self, Leave, Settings};

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    if !context.overrides.sets.is_empty() {
        return Err(Failure::usage(
            "`--set` applies to a single run, but an editor shows what the manifests say",
            "`--var` sets a variable for the editor",
        ));
    }
    if std::io::stdin().is_terminal() && !context.screen.quiet {
        eprint_text(
            "waiting for an editor on standard input; docs/editors.md says how to set one up\n",
        );
    }
    let settings = Settings {
        manifest: context.insisted(),
        vars: context.overrides.vars.clone(),
        env: Arc::new(context.env()),
    };
    match lsp::serve(std::io::stdin(), std::io::stdout(), &settings) {
        Ok(Leave::Orderly) => Ok(exit::DONE),
        Ok(Leave::Abrupt) => Ok(exit::FAILED),
        Err(why) => Err(Failure::usage(
            format!("the client cannot be understood: {why}"),
            "this command is started by editors: docs/editors.md",
        )),
    }
}
