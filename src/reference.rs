//! Image references: `registry/name:tag`.
//!
//! Pure string handling. The rules for the parts are those of the corresponding fields in [`crate::spec`].

use crate::spec::rules::{format_tag, has_registry};
use crate::workspace::Image;

/// The default tag format: the key's hash.
pub const DEFAULT_TAG_FORMAT: &str = "{spec_hash}";

/// The part of a reference after the colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// The image's tag format applied to this hash, 32 hexadecimal digits of the key.
    Hash(String),
    /// Exactly this tag, regardless of the format.
    Whole(String),
}

/// Returns the reference of an image: `registry/name:tag`.
pub fn of(image: &Image, tag: &Tag) -> String {
    let tag = match tag {
        Tag::Whole(tag) => tag.clone(),
        Tag::Hash(hash) => {
            let format = image.spec.tag_format.as_deref();
            // The format has been checked, and a bare hash is always a valid tag.
            format_tag(format.unwrap_or(DEFAULT_TAG_FORMAT), hash).unwrap_or_else(|_| hash.clone())
        }
    };
    format!("{}:{tag}", repository(image))
}

/// Returns the reference of an image without its tag.
pub fn repository(image: &Image) -> String {
    // The name that flytekit gives to images without one.
    let unnamed = match image.spec.flytekit {
        Some(_) => "flytekit",
        None => &image.id,
    };
    let name = image.spec.name.as_deref().unwrap_or(unnamed);
    match image.spec.registry.as_deref() {
        None | Some("") => name.to_owned(),
        Some(registry) => format!("{registry}/{name}"),
    }
}

/// The further names of an image whose reference is `own`, each once: tags are of its own repository.
pub fn also(image: &Image, own: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in &image.spec.also_tag {
        let name = whole(image, name);
        if name != own && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A further name of an image as a reference.
pub fn whole(image: &Image, name: &str) -> String {
    if name.contains(['/', ':']) {
        name.to_owned()
    } else {
        format!("{}:{name}", repository(image))
    }
}

/// Whether a further name is in a registry, so that it is pushed with its image: in the image's own, or in the one that it names.
pub fn is_pushed(image: &Image, name: &str) -> bool {
    let own = image.spec.registry.as_deref();
    let rest = own.and_then(|own| name.strip_prefix(own));
    has_registry(name) || rest.is_some_and(|rest| rest.starts_with('/'))
}

/// The reference with a tag that is a key cut to 12 digits, for screens.
pub fn short(reference: &str) -> String {
    match reference.rsplit_once(':') {
        Some((name, tag))
            if tag.len() >= 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            format!("{name}:{}…", &tag[..12])
        }
        _ => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::WorkspacePath;
    use crate::workspace::Places;

    #[test]
    fn a_reference_is_registry_name_and_tag() {
        let mut image = Image {
            id: "train".into(),
            spec: Box::default(),
            folder: WorkspacePath::default(),
            places: Places::default(),
            allows: Vec::new(),
        };
        let key = Tag::Hash("ab".repeat(16));
        assert_eq!(of(&image, &key), format!("train:{}", "ab".repeat(16)));
        image.spec.registry = Some("ghcr.io/acme".into());
        image.spec.name = Some("ml/train".into());
        image.spec.tag_format = Some("{spec_hash:.6}-cpu".into());
        let own = of(&image, &key);
        assert_eq!(own, "ghcr.io/acme/ml/train:ababab-cpu");
        let names = ["latest", "r.test/x:1", "other/x:1", "latest", "ababab-cpu"];
        image.spec.also_tag = names.map(str::to_owned).to_vec();
        let also = also(&image, &own);
        assert_eq!(
            also,
            ["ghcr.io/acme/ml/train:latest", "r.test/x:1", "other/x:1"]
        );
        let pushed = also.iter().map(|name| is_pushed(&image, name));
        assert_eq!(pushed.collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn only_tags_that_are_keys_are_cut() {
        assert_eq!(
            short("r:5000/a:0123456789abcdef0123456789abcdef"),
            "r:5000/a:0123456789ab…"
        );
        assert_eq!(short("r:5000/a:v1.2"), "r:5000/a:v1.2");
        assert_eq!(short("a"), "a");
    }
}
