//! Declares images in Rust instead of a manifest, with the same keys, tags, records and guarantees.
//!
//! `cargo run --example library` simulates building (the fake backend); `cargo run --example library -- docker` builds
//! with Docker. The workspace is a new temporary directory.

use std::error::Error;
use std::path::Path;

use imgspec::backend::StoreKind;
use imgspec::{Event, ImageSpec, Images, Request};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    write_sources(folder.path())?;
    let images = images(
        folder.path(),
        std::env::args().nth(1).as_deref().unwrap_or("fake"),
    );

    println!("what would be done:");
    let proposal = images.plan(&Request::all())?;
    for image in proposal.images() {
        let reasons: Vec<String> = image.reasons.iter().map(ToString::to_string).collect();
        println!("  {}: {}", image.reference, reasons.join(", "));
    }

    println!("built:");
    let done = images.build(&Request::all().jobs(4), tell)?;
    if !done.is_done() {
        return Err(format!("failed: {}", done.failed.join(", ")).into());
    }

    println!("again:");
    let _ = images.build(&Request::all(), tell)?;

    println!("after a change:");
    std::fs::write(folder.path().join("src/train.py"), "print('more')\n")?;
    let _ = images.build(&Request::all(), tell)?;

    let found = images.exists("train", StoreKind::Local)?;
    println!("{} exists: {found:?}", images.reference("train")?);
    Ok(())
}

/// A base, and two images built on it, one of which copies a directory.
fn images(folder: &Path, builder: &str) -> Images {
    let mut images = Images::new(folder);
    images.set_builder(builder);
    let common = ImageSpec::default()
        .with_base_image("base")
        .with_env("PYTHONUNBUFFERED", "1");
    images
        .add(
            "base",
            ImageSpec::new("example/base")
                .with_base("debian:bookworm-slim")
                .with_commands(["echo made by a program > /etc/motd"]),
        )
        .add(
            "train",
            common
                .clone()
                .with_name("example/train")
                .with_copy("src", "/app/src")
                .with_workdir("/app"),
        )
        .add(
            "serve",
            common
                .with_name("example/serve")
                .with_label("team", "serving")
                .with_cmd(["cat", "/etc/motd"]),
        );
    images
}

fn write_sources(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir(folder.join("src"))?;
    std::fs::write(folder.join("src/train.py"), "print('train')\n")
}

fn tell(event: &Event) {
    match event {
        Event::ImageFresh { image, .. } => println!("  {image} is fresh"),
        Event::ImageBuilt { image, seconds, .. } => println!("  {image} in {seconds:.1}s"),
        Event::ImageFailed { image, error, .. } => println!("  {image} failed: {error}"),
        _ => {}
    }
}
