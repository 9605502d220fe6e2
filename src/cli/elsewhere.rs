//! The flags that say where images of the builder `docker` are built.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::backend::elsewhere::{Builders, Flags, Pool};

#[derive(Args, Clone, PartialEq, Eq, Default)]
pub(super) struct ElsewhereArgs {
    /// Let this builder of `docker buildx create` build what the builder `docker` builds, or `IMGSPEC_BUILDER_INSTANCE` [default: what `docker build` uses]
    #[arg(long, value_name = "NAME")]
    builder_instance: Option<String>,
    /// Let the BuildKit at `tcp://HOST:PORT` or `unix:///PATH` build what the builder `docker` builds, or those in `IMGSPEC_BUILDKIT`; repeat it for several
    #[arg(long, value_name = "ADDRESS")]
    buildkit: Vec<String>,
    /// Certificates of the authorities that vouch for the BuildKits, or `IMGSPEC_BUILDKIT_CA`
    #[arg(long, value_name = "FILE")]
    buildkit_ca: Option<PathBuf>,
    /// Certificate by which the BuildKits know this client, or `IMGSPEC_BUILDKIT_CERT`
    #[arg(long, value_name = "FILE")]
    buildkit_cert: Option<PathBuf>,
    /// Key of this certificate, or `IMGSPEC_BUILDKIT_KEY`
    #[arg(long, value_name = "FILE")]
    buildkit_key: Option<PathBuf>,
    /// Let each of these BuildKits run at most this many builds at once, or `IMGSPEC_BUILDKIT_JOBS` [default: only `--jobs` limits]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    buildkit_jobs: Option<u16>,
}

impl ElsewhereArgs {
    /// What builds the images of the builder `docker`, according to flags and variables.
    pub(super) fn builders(&self, context: &Context) -> Result<Builders, Failure> {
        let flags = Flags {
            instance: self.builder_instance.clone(),
            buildkit: self.buildkit.clone(),
            ca: self.buildkit_ca.clone(),
            cert: self.buildkit_cert.clone(),
            key: self.buildkit_key.clone(),
            jobs: self.buildkit_jobs,
        };
        let read = Builders::read(&flags, &context.env());
        let mut builders = read.map_err(|wrong| Failure::usage(wrong.what, wrong.mend))?;
        if let Builders::Pool(Pool { tls: Some(tls), .. }) = &mut builders {
            tls.start_at(&context.folder);
        }
        Ok(builders)
    }
}
