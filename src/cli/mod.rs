//! The command line: parse, load, one library call, print. It makes no decisions.
//!
//! The only module that uses clap. Each command is a file with its arguments and one function that returns the exit
//! code or a `Failure`; what commands share lives in files of its own below them, so that no command names this one.

mod account;
mod affected;
mod artifacts;
mod build;
mod check;
mod choice;
mod clean;
mod complete;
mod context;
mod doctor;
mod edit;
mod elsewhere;
mod explain;
mod export;
mod failure;
mod fmt;
mod generate;
mod given;
mod import;
mod init;
mod inspect;
mod load;
mod lock;
mod lsp;
mod metadata;
mod notifier;
mod options;
mod output;
mod page;
mod plan;
mod pull;
mod render;
mod resolve;
mod screen;
mod show;
mod signals;
mod step;
mod summary;
mod tag;
mod variables;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use context::Context;
use failure::{Failure, exit};
use options::Global;
use screen::Screen;

use crate::backend;
use crate::edit::Change;

/// Builds all container images of a repository from one file: only what changed, bases first, in parallel.
///
/// The images are declared in `imgspec.kdl`: the nearest one from the current directory upwards, or the outermost one
/// that includes it.
#[derive(Parser)]
#[command(
    name = "imgspec",
    version,
    max_term_width = 100,
    propagate_version = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build, plan and show the images
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Build what changed whenever files change, until you stop it
    Watch(watch::WatchArgs),
    /// Check the manifests and the files they name for errors
    Check(check::CheckArgs),
    /// Add values to a field of an image
    #[command(mut_arg("values", |values| values
        .help("The values to add; for a map, such as `env`, NAME=VALUE; flags go before the image")))]
    Add(edit::EditArgs),
    /// Remove values from a field of an image
    #[command(mut_arg("values", |values| values
        .help("The values to remove; for packages and map entries the name is enough; none at all removes a single-valued field")
        .required(false)))]
    Remove(edit::EditArgs),
    /// Set a field of an image
    #[command(mut_arg("values", |values| values
        .help("The new values of the field; for a map, NAME=VALUE for each entry to set; flags go before the image")))]
    Set(edit::EditArgs),
    /// Pull the images that their registries already have for the present files
    Pull(pull::PullArgs),
    /// Put the references of images into files that name them by id: Compose, Kubernetes, values of Helm
    Resolve(resolve::ResolveArgs),
    /// Pin outside images, so that builds keep using the same ones
    Lock(lock::LockArgs),
    /// Format the manifests
    Fmt(fmt::FmtArgs),
    /// List everything that an image's key is made of, and what changed since its last build
    Explain(explain::ExplainArgs),
    /// Show what an image consists of: config, layers, what made them, and what other images have too
    Inspect(inspect::InspectArgs),
    /// Write the files that a builder would receive for an image
    Render(render::RenderArgs),
    /// Print the references of images
    Tag(tag::TagArgs),
    /// Write a first manifest for this directory
    Init(init::InitArgs),
    /// Write a manifest from flytekit's ImageSpecs or from Docker's bake file
    Import(import::ImportArgs),
    /// Look for builders and report what is missing
    Doctor(doctor::DoctorArgs),
    /// Remove logs, leftover contexts and records of images that no longer exist
    Clean(clean::CleanArgs),
    /// Serve an editor: errors while typing, completion, definitions (see docs/editors.md)
    ///
    /// Speaks the language server protocol on standard input and output. Editors start it.
    Lsp,
    /// Print a completion script for a shell
    Completions(generate::CompletionsArgs),
    /// Print the manual page
    Man,
}

#[derive(Subcommand)]
enum GraphCommand {
    /// Build what changed, bases first, in parallel
    Build(build::BuildArgs),
    /// Show what `graph build` would do, and why
    Plan(plan::PlanArgs),
    /// Draw the graph
    Show(show::ShowArgs),
    /// Write the graph for programs that build it elsewhere: bake, make, build servers
    Export(export::ExportArgs),
}

/// Runs the program and returns its exit code: 0 success, 1 a build failed, 2 usage or manifest error, 130 interrupted;
/// 128 plus the signal's number if another signal ended it.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match complete::answer::<Cli>(&arguments) {
        Ok(false) => {}
        Ok(true) => return ExitCode::from(exit::DONE),
        Err(error) => error.exit(),
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let error = with_graph(error);
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            });
        }
    };
    let screen = Screen::new(&cli.global);
    let context = match Context::new(cli.global, screen) {
        Ok(context) => context,
        Err(failure) => return ExitCode::from(screen.tell(failure)),
    };
    let done = run(cli.command, &context);
    // Nothing of this program is left when it has ended.
    backend::end_sandboxes();
    ExitCode::from(done.unwrap_or_else(|failure| screen.tell(failure)))
}

/// Makes the error for an unknown command that `graph` has, such as `imgspec plan`, suggest `graph plan`.
fn with_graph(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand)
        && GraphCommand::has_subcommand(name)
    {
        let meant = ContextValue::Strings(vec![format!("graph {name}")]);
        error.insert(ContextKind::SuggestedSubcommand, meant);
    }
    error
}

fn run(command: Command, context: &Context) -> Result<u8, Failure> {
    match command {
        Command::Graph(GraphCommand::Build(args)) => build::run(&args, context),
        Command::Graph(GraphCommand::Plan(args)) => plan::run(&args, context),
        Command::Graph(GraphCommand::Show(args)) => show::run(&args, context),
        Command::Graph(GraphCommand::Export(args)) => export::run(&args, context),
        Command::Watch(args) => watch::run(args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Add(args) => edit::run(args, Change::Add, context),
        Command::Remove(args) => edit::run(args, Change::Remove, context),
        Command::Set(args) => edit::run(args, Change::Set, context),
        Command::Pull(args) => pull::run(&args, context),
        Command::Resolve(args) => resolve::run(&args, context),
        Command::Lock(args) => lock::run(&args, context),
        Command::Fmt(args) => fmt::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Render(args) => render::run(&args, context),
        Command::Tag(args) => tag::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Import(args) => import::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Clean(args) => clean::run(&args, context),
        Command::Lsp => lsp::run(context),
        Command::Completions(args) => generate::completions(&args),
        Command::Man => generate::man(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
