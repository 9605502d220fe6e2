//! `render`: prints or writes the files that a builder would receive for an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use super::context::Context;
use super::failure::{Failure, exit};
use super::screen::print_text;
use crate::backend::{Artifact, BuildError};
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
pub(super) fn refuse_what_is_there(folder: &Path) -> Result<(), Failure> {
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
    let job = session.job(id, &key, &reference, bases(session, id));
    session.world.backends[id.index()]
        .render(&job, to)
        .map_err(|error| unwritten(&error))
}

/// What a builder could not write.
pub(super) fn unwritten(error: &BuildError) -> Failure {
    let help = match error {
        BuildError::Moved { .. } => "run it again",
        _ => "name a directory that can be written, on a disk with room",
    };
    Failure::usage(error.to_string(), help)
}

/// The bases by the names they have now: the last build's if its key is current, else the future reference.
fn bases(session: &Session, id: ImageId) -> BTreeMap<String, Artifact> {
    let mut bases = session.future_bases(id);
    for (name, base) in &mut bases {
        let key = session
            .world
            .graph
            .find(name)
            .map(|id| session.prints.key(id));
        if let RecordState::Found(record) = session.store.read(name)
            && key.is_some_and(|key| record.key == key)
        {
            *base = record.artifact;
        }
    }
    bases
}
