//! A Makefile for `docker build`: every image a target that depends on those of its bases, and a script that builds it.
//!
//! The commands are in scripts beside the images' files rather than in the Makefile, where no value may contain a line break.

use std::fmt::Write as _;
use std::path::Path;

use super::node::{Build, Node};

/// The name of the script in the directory of an image.
pub const SCRIPT: &str = "build.sh";

/// The Makefile for these images, with the positions of those that are built by default. It is to be used in the directory that
/// contains the directories of the images.
pub fn make(nodes: &[Node], asked: &[usize]) -> String {
    let join = |positions: &[usize]| {
        let names: Vec<&str> = positions
            .iter()
            .map(|at| nodes[*at].name.as_str())
            .collect();
        names.join(" ")
    };
    let every: Vec<usize> = (0..nodes.len()).collect();
    let mut text = format!(
        "# Written by imgspec. Builds images with Docker, bases first: `make`, `make -j4`, `make IMAGE`.\n\
         IMAGES = {}\n\n\
         .PHONY: all $(IMAGES)\n\
         all: {}\n\n",
        join(&every),
        join(asked)
    );
    for node in nodes.iter().filter(|node| !node.needs.is_empty()) {
        let _ = writeln!(text, "{}: {}", node.name, join(&node.needs));
    }
    let _ = write!(
        text,
        "\n$(IMAGES):\n\t@echo \"building $@\"\n\t@sh $@/{SCRIPT}\n"
    );
    text
}

/// The script that builds an image with `docker build`, or with the program in `DOCKER`; it is in the image's directory, and passes
/// its arguments on.
pub fn script(node: &Node, build: &Build) -> String {
    let mut words = vec!["--tag".to_owned(), quoted(&build.reference)];
    for name in &build.names {
        words.extend(["--tag".to_owned(), quoted(name)]);
    }
    for (id, name) in &build.secret_variables {
        words.extend([
            "--secret".to_owned(),
            quoted(&format!("id={id},env={name}")),
        ]);
    }
    for (id, path) in &build.secret_files {
        let path = match path.strip_prefix("~") {
            Ok(below) => format!("\"$HOME\"/{}", quoted_source(&below.to_string_lossy())),
            Err(_) => quoted_source(&path.to_string_lossy()),
        };
        let id = quoted(&format!("id={id},"));
        words.extend(["--secret".to_owned(), format!("{id}'\"src='{path}'\"'")]);
    }
    let arguments = build.described.arguments(Path::new("."));
    words.push("\"$@\"".to_owned());
    words.extend(arguments.iter().map(|word| quoted(&word.to_string_lossy())));
    format!(
        "#!/bin/sh\n\
         # Written by imgspec: builds {}; arguments are passed on to `docker build`.\n\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
         DOCKER_BUILDKIT=1 exec \"${{DOCKER:-docker}}\" build {}\n",
        serde_json::Value::from(node.image.as_str()),
        words.join(" ")
    )
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    // Fails only for NUL, which no argument can have.
    shlex::try_quote(text).map_or_else(|_| String::new(), std::borrow::Cow::into_owned)
}

/// A path within a quoted value of a list separated by commas.
fn quoted_source(path: &str) -> String {
    quoted(&path.replace('"', "\"\""))
}
