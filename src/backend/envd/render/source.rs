//! What a script is made of.

use crate::backend::envd::layout::Layout;
use crate::fingerprint::Files;

/// What there is to know of a build besides its recipe.
pub(in crate::backend::envd) struct Source<'a> {
    pub(in crate::backend::envd) image: &'a str,
    pub(in crate::backend::envd) layout: &'a Layout<'a>,
    pub(in crate::backend::envd) files: Vec<&'a Files>,
    /// What the images are called for envd that something is taken out of.
    pub(in crate::backend::envd) images: Vec<&'a str>,
    /// What the base is called, for envd and for people.
    pub(in crate::backend::envd) base: &'a str,
    pub(in crate::backend::envd) base_words: &'a str,
    /// The base's working directory.
    pub(in crate::backend::envd) folder: &'a str,
    pub(in crate::backend::envd) entrypoint: Option<&'a [String]>,
}
