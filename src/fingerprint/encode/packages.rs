//! The digest of what the Python packages of a step are resolved from: the part of its encoding in the key that decides
//! which packages it gets, and the Python that they are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Encoder, Sink, Value};
use crate::fingerprint::files::Files;
use crate::fingerprint::hash::Hash;
use crate::recipe::{DebianOf, Pip, PythonOf};

/// Computes the digest, `blake3:…`; `files` is the set of the requirements file, if the step has one, and `base` the files
/// that the Python is in, if they are in the workspace.
pub(in crate::fingerprint) fn package_inputs(
    pip: &Pip,
    files: Option<&Arc<Files>>,
    python: &PythonOf<'_>,
    base: Option<&Files>,
) -> String {
    let mut hash = Hash::new("imgspec 2026 packages v1");
    hash.input("python-of", Value::Text(&python.to_string()));
    if let Some(base) = base {
        hash.input("python-in", Value::Text(&hex::encode(base.digest)));
    }
    let files = files.map(std::slice::from_ref).unwrap_or_default();
    let mut encoder = Encoder {
        sink: &mut hash,
        files: files.iter(),
        bases: &[],
        seen: BTreeMap::new(),
    };
    encoder.pip(pip, "packages");
    hash.words()
}

/// Computes the digest of what Debian packages are resolved from, `blake3:…`; `base` is the set of files that are lowest below
/// them, if it is files.
pub(in crate::fingerprint) fn debian_inputs(of: &DebianOf<'_>, base: Option<&Files>) -> String {
    let mut hash = Hash::new("imgspec 2026 debian v1");
    hash.input("packages-of", Value::Text(&of.to_string()));
    if let Some(base) = base {
        hash.input("packages-in", Value::Text(&hex::encode(base.digest)));
    }
    for package in of.packages {
        hash.input("package", Value::Text(package));
    }
    hash.words()
}
