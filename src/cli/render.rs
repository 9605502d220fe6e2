//! `render`: prints or writes the files that a builder would receive for an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use super::context::Context;
use super::failure::{Failure, exit};
use super::screen::print_text;
use crate::backend::{Artifact, BuildError, Job};
use crate::disk::system_words;
use crate::graph::ImageId;
use crate::session::{Selection, Session};
use crate::store::RecordState;

#[derive(Args)]
pub(super) struct RenderArgs {
    /// The image's id
    #[arg(add = ArgValueCompleter::new(complete::images))]
    image: String,
    /// Write the files to this directory, which must be empty or absent, instead of printing the Dockerfile or its
    /// counterpart
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The builder for images that name none
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
}

pub(super) fn run(args: &RenderArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(args.builder.as_deref())?;
    session.verify_state()?;
    let Some(id) = session.world.graph.find(&args.image) else {
        session.select(&Selection::of(std::slice::from_ref(&args.image)))?;
        return Err(Failure::usage(
            format!("`{}` is not an image's id", args.image),
            "name one image",
        ));
    };
    if let Some(folder) = &args.output {
        let folder = context.folder.join(folder);
        refuse_what_is_there(&folder)?;
        render(&session, id, &folder)?;
    } else {
        print_text(&script(&session, id)?)?;
    }
    Ok(exit::DONE)
}

/// Fails if the directory has content, so that nothing is overwritten.
fn refuse_what_is_there(folder: &Path) -> Result<(), Failure> {
    let refuse = |what: &str| {
        let message = format!("`{}` {what}", folder.display());
        Err(Failure::usage(message, "name a new directory"))
    };
    match folder.read_dir().map(|mut entries| entries.next()) {
        Ok(Some(_)) => refuse("is not empty"),
        Err(_) if folder.symlink_metadata().is_ok() => {
            refuse("is not a directory that can be read")
        }
        _ => Ok(()),
    }
}

fn script(session: &Session, id: ImageId) -> Result<String, Failure> {
    let folder = tempfile::tempdir().map_err(|error| {
        let message = format!("no temporary directory: {}", system_words(&error));
        Failure::usage(message, "is the disk full?")
    })?;
    render(session, id, folder.path())?;
    let name = session.world.backends[id.index()].script();
    std::fs::read_to_string(folder.path().join(name)).map_err(|_| {
        Failure::usage(
            format!("this builder receives no {name}"),
            "use `-o DIR` to see what it receives",
        )
    })
}

fn render(session: &Session, id: ImageId, to: &Path) -> Result<(), Failure> {
    let key = session.prints.key(id);
    let reference = session.reference(id);
    let name = session.world.graph.name(id);
    let job = Job {
        image: name,
        recipe: &session.world.recipes[id.index()],
        key: &key,
        reference: &reference,
        files: session.prints.files(id),
        bases: bases(session, id),
        outside: session.prints.outside(id),
        no_cache: false,
        is_base: false,
        root: &session.world.workspace.root,
        scratch: session.store.context_folder(name),
    };
    session.world.backends[id.index()]
        .render(&job, to)
        .map_err(|error| match error {
            BuildError::Moved { .. } => Failure::usage(error.to_string(), "run it again"),
            _ => Failure::usage(
                error.to_string(),
                "name a directory that can be written, on a disk with room",
            ),
        })
}

/// The bases by the names they have now: the last build's if its key is current, else the future reference.
fn bases(session: &Session, id: ImageId) -> BTreeMap<String, Artifact> {
    let artifact = |base: ImageId| {
        let name = session.world.graph.name(base);
        match session.store.read(name) {
            RecordState::Found(record) if record.key == session.prints.key(base) => record.artifact,
            _ => Artifact {
                backend: session.world.backends[base.index()].name().to_owned(),
                reference: session.reference(base),
                digest: String::new(),
                size: None,
            },
        }
    };
    session
        .world
        .graph
        .bases(id)
        .iter()
        .map(|base| (session.world.graph.name(*base).to_owned(), artifact(*base)))
        .collect()
}
