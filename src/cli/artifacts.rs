//! `--output` of `graph build`: the requested images as files, after everything has been built.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, BufWriter, IntoInnerError, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

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
        let mut out = FreshFile { path, file: None };
        let to = Export::Archive(&mut out);
        let written = self.backend.export(images, to, cancel);
        written.map_err(|error| unwritten(&path.display(), &error))?;
        out.keep().map_err(|error| output::unwritten(path, &error))
    }
}

/// A file that has its name only when it is whole. Nothing of it is there before its first bytes are written: what an image lacks is
/// fetched before that, and while a registry is silent, a signal ends the process without cleaning up.
struct FreshFile<'a> {
    path: &'a Path,
    file: Option<BufWriter<NamedTempFile>>,
}

impl FreshFile<'_> {
    fn take(&mut self) -> io::Result<BufWriter<NamedTempFile>> {
        if let Some(file) = self.file.take() {
            return Ok(file);
        }
        let file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(BufWriter::new(file))
    }

    fn keep(mut self) -> io::Result<()> {
        let file = self
            .take()?
            .into_inner()
            .map_err(IntoInnerError::into_error)?;
        file.persist(self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl Write for FreshFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.take()?;
        self.file.insert(file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = self.take()?;
        self.file.insert(file).flush()
    }
}

fn unwritten(to: &dyn std::fmt::Display, error: &BuildError) -> Failure {
    Failure::usage(
        format!("the images cannot be written to `{to}`: {error}"),
        "the images were built nevertheless",
    )
}
