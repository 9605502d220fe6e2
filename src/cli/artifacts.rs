//! `--output` of `graph build`: the requested images as files, after everything has been built.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::Context;
use super::failure::Failure;
use super::output;
use crate::backend::{Artifact, Backend, BuildError, Cancel, Export};
use crate::run::{Outcome, Summary};
use crate::session::{Planned, Session};

/// Where images are written.
#[derive(Clone)]
pub(super) enum Output {
    /// A directory, as an OCI layout.
    Layout(PathBuf),
    /// A file, as an archive that `docker load` takes; `None` is standard output.
    Archive(Option<PathBuf>),
}

/// Reads `oci:DIR`, `tar:FILE` or `tar:-`.
pub(super) fn place(text: &str) -> Result<Output, String> {
    match text.split_once(':') {
        Some(("oci", folder)) if !folder.is_empty() => Ok(Output::Layout(folder.into())),
        Some(("tar", "-")) => Ok(Output::Archive(None)),
        Some(("tar", file)) if !file.is_empty() => Ok(Output::Archive(Some(file.into()))),
        _ => Err("write `oci:DIR`, `tar:FILE`, or `tar:-` for standard output".to_owned()),
    }
}

/// An output, with the builder that writes it.
pub(super) struct Exporter {
    output: Output,
    backend: Arc<dyn Backend>,
    asked: BTreeSet<String>,
}

impl Exporter {
    /// Fails if a requested image could not be written once it is built.
    pub(super) fn new(
        output: &Output,
        session: &Session,
        planned: &Planned,
        context: &Context,
    ) -> Result<Self, Failure> {
        let output = match output {
            Output::Layout(folder) => Output::Layout(context.folder.join(folder)),
            Output::Archive(file) => {
                Output::Archive(file.as_ref().map(|file| context.folder.join(file)))
            }
        };
        if matches!(output, Output::Archive(None)) && io::stdout().is_terminal() {
            return Err(Failure::usage(
                "an archive is no text for a terminal".to_owned(),
                "pipe it to `docker load`, or name a file: `--output tar:FILE`",
            ));
        }
        if let Output::Archive(Some(file)) = &output {
            output::refuse_early("archive", file)?;
        }
        let world = &session.world;
        let other = planned
            .asked
            .iter()
            .find(|id| !world.backends[id.index()].exports());
        if let Some(id) = other {
            let (image, builder) = (world.graph.name(*id), world.backends[id.index()].name());
            return Err(Failure::usage(
                format!("`{image}` is built by `{builder}`, whose images `--output` cannot write"),
                "select images of the builder `oci`; `docker save` writes those that Docker has",
            ));
        }
        let first = planned
            .asked
            .first()
            .ok_or_else(|| Failure::usage("there is no image to write".to_owned(), "select one"))?;
        Ok(Self {
            output,
            backend: Arc::clone(&world.backends[first.index()]),
            asked: planned
                .asked
                .iter()
                .map(|id| world.graph.name(*id).to_owned())
                .collect(),
        })
    }

    /// Writes the requested images. A signal meanwhile removes what is unfinished before it ends the process.
    pub(super) fn write(&self, summary: &Summary, context: &Context) -> Result<(), Failure> {
        let cancel = context.signals.cancel();
        let written = self.write_until(&cancel, summary);
        context.signals.verify(&cancel)?;
        written
    }

    fn write_until(&self, cancel: &Cancel, summary: &Summary) -> Result<(), Failure> {
        let images = summary
            .images
            .iter()
            .filter(|image| self.asked.contains(&image.image));
        let names = |image: &Outcome| {
            std::iter::once(image.artifact.clone())
                .chain(image.also_named())
                .collect::<Vec<_>>()
        };
        let images: Vec<Artifact> = images.flat_map(names).collect();
        match &self.output {
            Output::Layout(folder) => {
                let to = Export::Layout(folder);
                let written = self.backend.export(&images, to, cancel);
                written.map_err(|error| unwritten(&folder.display(), &error))
            }
            Output::Archive(None) => {
                let mut out = BufWriter::new(io::stdout().lock());
                let to = Export::Archive(&mut out);
                let written = self.backend.export(&images, to, cancel);
                written.map_err(|error| unwritten(&"standard output", &error))
            }
            Output::Archive(Some(file)) => self.write_file(&images, file, cancel),
        }
    }

    /// Writes a file as a whole or not at all.
    fn write_file(&self, images: &[Artifact], path: &Path, cancel: &Cancel) -> Result<(), Failure> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let no_file = |error: &io::Error| output::unwritten(path, error);
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| no_file(&error))?;
        let mut out = BufWriter::new(file.as_file_mut());
        let to = Export::Archive(&mut out);
        let written = self.backend.export(images, to, cancel);
        written.map_err(|error| unwritten(&path.display(), &error))?;
        out.flush().map_err(|error| no_file(&error))?;
        drop(out);
        file.persist(path).map_err(|error| no_file(&error.error))?;
        Ok(())
    }
}

fn unwritten(to: &dyn std::fmt::Display, error: &BuildError) -> Failure {
    Failure::usage(
        format!("the images cannot be written to `{to}`: {error}"),
        "the images were built nevertheless",
    )
}
