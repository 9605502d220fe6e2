//! What a script is made of.

use crate::backend::envd::layout::Layout;
use crate::fingerprint::Files;

/// What a script is written from.
pub(in crate::backend::envd) struct Source<'a> {
    pub(in crate::backend::envd) image: &'a str,
    pub(in crate::backend::envd) layout: &'a Layout<'a>,
    pub(in crate::backend::envd) files: Vec<&'a Files>,
    /// The names for envd of the images that files are taken from.
    pub(in crate::backend::envd) images: Vec<&'a str>,
    /// The base's name for envd, and in messages.
    pub(in crate::backend::envd) base: &'a str,
    pub(in crate::backend::envd) base_words: &'a str,
    /// The base's working directory.
    pub(in crate::backend::envd) folder: &'a str,
    pub(in crate::backend::envd) entrypoint: Option<&'a [String]>,
}
