//! What a command asks for.

/// What is to be said of one field of one image.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The image's id.
    pub image: String,
    /// The field, as manifests call it.
    pub field: String,
    /// What becomes of its values.
    pub change: Change,
}

/// What becomes of the values of a field; those of a map are `NAME=VALUE`.
#[derive(Debug, Clone)]
pub enum Change {
    /// These are there, beside the others; a package by its name.
    Add(Vec<String>),
    /// These are there no more; of a map, names will do, and of packages too.
    Remove(Vec<String>),
    /// These are all that the image says; of a map, the entries of these names.
    Set(Vec<String>),
}
