//! `graph export`: writes the graph for programs that build it elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::affected::ImageArgs;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::output;
use super::render::{refuse_what_is_there, unwritten};
use super::screen::{eprint_text, print_text};
use crate::backend::docker::{self, Docker};
use crate::backend::{Backend, secret};
use crate::export::{self, Build, Node, Pipeline};
use crate::graph::ImageId;
use crate::report::words::Count;
use crate::session::Session;
use crate::spec::SecretSource;

#[derive(Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    images: ImageArgs,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// The new directory for a bake file or Makefile and the images' files; the file for a pipeline
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// A shell command that comes first in each job of a pipeline, such as one that installs imgspec; repeatable
    #[arg(long, value_name = "COMMAND")]
    setup: Vec<String>,
    /// The builder for images that name none
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A directory for `docker buildx bake`, which then needs no imgspec
    Bake,
    /// A directory for `make` and `docker build`, which then need no imgspec
    Make,
    /// A workflow with one job an image, which runs imgspec
    GithubActions,
    /// A pipeline with one job an image, which runs imgspec
    Gitlab,
}

pub(super) fn run(args: &ExportArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(args.builder.as_deref())?;
    session.verify_state()?;
    let notifier = Notifier::new(context);
    let chosen = args.images.choose(&session, &notifier, context)?;
    chosen.tell(context);
    let chosen = chosen.images;
    let graph = &session.world.graph;
    let needed = graph.with_bases(&chosen);
    let order = graph.order().iter().copied();
    let images: Vec<ImageId> = order.filter(|id| needed.contains(id)).collect();
    let graph = Exported {
        nodes: export::named(graph, &images),
        asked: (0..images.len())
            .filter(|at| chosen.contains(&images[*at]))
            .collect(),
        images,
    };
    match args.format {
        Format::Bake | Format::Make => write_directory(args, &session, &graph, context)?,
        Format::GithubActions | Format::Gitlab => {
            let pipeline = pipeline(args, &session);
            let text = match args.format {
                Format::Gitlab => export::gitlab(&graph.nodes, &pipeline),
                _ => export::github_actions(&graph.nodes, &pipeline),
            };
            match &args.output {
                Some(file) => write(&context.folder.join(file), &text)?,
                None => print_text(&text)?,
            }
        }
    }
    Ok(exit::DONE)
}

/// The images that are written, bases first.
struct Exported {
    images: Vec<ImageId>,
    nodes: Vec<Node>,
    /// The positions of those that were asked for.
    asked: Vec<usize>,
}

fn pipeline(args: &ExportArgs, session: &Session) -> Pipeline {
    let root = &session.world.workspace.root;
    let repository = root.ancestors().find(|folder| folder.join(".git").exists());
    let below = repository.and_then(|repository| root.strip_prefix(repository).ok());
    let builder = args.builder.iter();
    Pipeline {
        setup: args.setup.clone(),
        directory: below
            .unwrap_or(Path::new(""))
            .to_string_lossy()
            .into_owned(),
        words: builder
            .flat_map(|name| ["--builder".to_owned(), name.clone()])
            .collect(),
    }
}

/// Writes the files of all images, and the file that builds them.
fn write_directory(
    args: &ExportArgs,
    session: &Session,
    graph: &Exported,
    context: &Context,
) -> Result<(), Failure> {
    if let Some(command) = args.setup.first() {
        let message = format!("`--setup {command}` has no job that could run it");
        return Err(Failure::usage(message, "it is for pipelines"));
    }
    let Some(to) = &args.output else {
        let message = "the images' files need a directory";
        return Err(Failure::usage(message, "name a new one with `-o DIR`"));
    };
    let to = context.folder.join(to);
    refuse_what_is_there(&to)?;
    verify_docker(session, &graph.images)?;
    let create = |folder: &Path| {
        fs::create_dir_all(folder).map_err(|error| output::unwritten(folder, &error))
    };
    create(&to)?;
    let mut builds = Vec::new();
    for (id, node) in graph.images.iter().zip(&graph.nodes) {
        let folder = to.join(&node.name);
        create(&folder)?;
        builds.push(image(session, *id, &folder)?);
    }
    let how = if args.format == Format::Bake {
        let file = export::bake(&graph.nodes, &builds, &groups(session, graph), &graph.asked);
        write(&to.join("docker-bake.json"), &file)?;
        "docker buildx bake"
    } else {
        for (node, build) in graph.nodes.iter().zip(&builds) {
            write(
                &to.join(&node.name).join(export::SCRIPT),
                &export::script(node, build),
            )?;
        }
        write(
            &to.join("Makefile"),
            &export::make(&graph.nodes, &graph.asked),
        )?;
        "make"
    };
    if !context.screen.quiet {
        let (count, to) = (
            Count(builds.len(), "image"),
            args.output.as_deref().unwrap_or(&to),
        );
        let to = to.display();
        eprint_text(&format!(
            "wrote {count} to {to}; to build them: cd {to} && {how}\n"
        ));
    }
    Ok(())
}

/// Fails with all that Docker cannot build.
fn verify_docker(session: &Session, images: &[ImageId]) -> Result<(), Failure> {
    let docker = Docker::new();
    let world = &session.world;
    let wrong = |id: &ImageId| {
        let recipe = &world.recipes[id.index()];
        let mut found = docker.check(recipe);
        found.extend(docker.check_files(recipe, session.prints.files(*id)));
        let image = world.graph.name(*id);
        let lines = found.into_iter();
        lines
            .map(move |it| format!("`{image}`: `{}`: {}", it.field, it.why))
            .collect::<Vec<_>>()
    };
    let wrong: Vec<String> = images.iter().flat_map(wrong).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(
        format!(
            "Docker cannot build all of these images:\n       {}",
            wrong.join("\n       ")
        ),
        "select others; the formats of pipelines run imgspec, which can",
    ))
}

/// Writes the files of an image, and describes its build.
fn image(session: &Session, id: ImageId, folder: &Path) -> Result<Build, Failure> {
    let (key, reference) = (session.prints.key(id), session.reference(id));
    let job = session.job(id, &key, &reference, session.future_bases(id));
    let described = docker::write(&job, folder).map_err(|error| unwritten(&error))?;
    let root = &session.world.workspace.root;
    let (mut secret_files, mut secret_variables) = (Vec::new(), Vec::new());
    for secret in &described.secrets {
        let id = secret.id.clone();
        match &secret.source {
            SecretSource::Env(name) => secret_variables.push((id, name.clone())),
            SecretSource::File(file) => {
                // Without a home directory, what is below it stays written so.
                let is_home = file.given.starts_with("~/");
                let elsewhere = || secret::path(file, root, &|_| None);
                let path = is_home.then(|| PathBuf::from(&file.given));
                secret_files.push((id, path.unwrap_or_else(elsewhere)));
            }
        }
    }
    Ok(Build {
        reference,
        names: session.world.also_named(&session.prints, id),
        described,
        secret_files,
        secret_variables,
    })
}

/// The groups with members among the images, as positions.
fn groups(session: &Session, graph: &Exported) -> BTreeMap<String, Vec<usize>> {
    let groups = session.world.graph.groups().iter().map(|(name, members)| {
        let positions = (0..graph.images.len()).filter(|at| members.contains(&graph.images[*at]));
        (name.clone(), positions.collect::<Vec<_>>())
    });
    groups.filter(|(_, members)| !members.is_empty()).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    output::put(path, text).map_err(|error| output::unwritten(path, &error))
}
