//! `completions` and `man`: output generated from the argument definitions.

use clap::{Args, Command};
use clap_complete::Shell;

use super::complete;
use super::failure::{Failure, exit};
use super::screen::print_text;

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell to generate the script for
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<u8, Failure> {
    let script = complete::script(&args.shell.to_string()).map_err(|error| {
        Failure::usage(
            format!("cannot generate the script: {error}"),
            "please report it",
        )
    })?;
    print_text(&String::from_utf8_lossy(&script))?;
    Ok(exit::DONE)
}

pub(super) fn man(command: Command) -> Result<u8, Failure> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| {
        Failure::usage(
            format!("cannot generate the manual page: {error}"),
            "please report it",
        )
    })?;
    print_text(&String::from_utf8_lossy(&page))?;
    Ok(exit::DONE)
}
