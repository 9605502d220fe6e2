//! The caches of a build in registries: steps that another builder, or an earlier one, has carried out.
//!
//! Pure. One tag per image and not per key: what a new key can use of the last one's steps is the point of the cache.

use std::collections::HashMap;

use bollard_buildkit_proto::moby::buildkit::v1::{CacheOptions, CacheOptionsEntry};
use serde_json::{Value, json};

use crate::backend::Job;
use crate::backend::oci::name::Tag;
use crate::backend::oci::reference::Reference;
use crate::spec::OWN_CACHE;

/// How the tags of images' own caches begin; the image's id follows.
const TAG: &str = "buildcache-";

/// `BuildKit`'s word for a cache in a registry.
const REGISTRY: &str = "registry";

/// The frontends' name for the caches to read.
const IMPORTS: &str = "cache-imports";

/// The caches of a build, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Caches {
    /// Those to read; what is written is read too.
    pub(crate) from: Vec<String>,
    /// Those to write.
    pub(crate) to: Vec<String>,
}

impl Caches {
    pub(crate) fn of(job: &Job<'_>) -> Self {
        let wishes = &job.recipe.wishes;
        let place = |cache: &String| match cache.as_str() {
            OWN_CACHE => own(job),
            _ => cache.clone(),
        };
        let to: Vec<String> = wishes.cache_to.iter().map(place).collect();
        let mut from: Vec<String> = Vec::new();
        for cache in wishes
            .cache_from
            .iter()
            .map(place)
            .chain(to.iter().cloned())
        {
            if !from.contains(&cache) {
                from.push(cache);
            }
        }
        Self { from, to }
    }

    /// The caches to read, as the frontend wants them: its name for them, and their list; `None` if there are none.
    pub(super) fn imports(&self) -> Option<(&'static str, String)> {
        let each = self.from.iter();
        let each = each.map(|cache| json!({ "Type": REGISTRY, "Attrs": { "ref": cache } }));
        let all: Vec<Value> = each.collect();
        (!all.is_empty()).then(|| (IMPORTS, Value::Array(all).to_string()))
    }

    /// The caches for a build request; `None` if there are none.
    pub(super) fn options(&self) -> Option<CacheOptions> {
        let entry = |attributes: &[(&str, &str)]| CacheOptionsEntry {
            r#type: REGISTRY.to_owned(),
            attrs: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<HashMap<_, _>>(),
        };
        let is_empty = self.from.is_empty() && self.to.is_empty();
        (!is_empty).then(|| CacheOptions {
            imports: self
                .from
                .iter()
                .map(|cache| entry(&[("ref", cache)]))
                .collect(),
            exports: self
                .to
                .iter()
                .map(|cache| entry(&[("ref", cache), ("mode", "max")]))
                .collect(),
            ..CacheOptions::default()
        })
    }

    /// The caches to read, as buildx and bake files write them.
    pub(crate) fn reads(&self) -> impl Iterator<Item = String> {
        self.from
            .iter()
            .map(|cache| format!("type={REGISTRY},ref={cache}"))
    }

    /// The caches to write, as buildx and bake files write them.
    pub(crate) fn writes(&self) -> impl Iterator<Item = String> {
        let each = self.to.iter();
        each.map(|cache| format!("type={REGISTRY},ref={cache},mode=max"))
    }
}

/// The reference of the image's own cache.
fn own(job: &Job<'_>) -> String {
    let repository = Reference::read(job.reference).map(|reference| reference.repository);
    let repository = repository.unwrap_or_else(|| job.reference.to_owned());
    format!("{repository}:{}", Tag::for_image(TAG, job.image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_written_as_every_way_to_build_wants_them() {
        let caches = Caches {
            from: vec!["r.io/a:c".to_owned(), "r.io/a:buildcache-a".to_owned()],
            to: vec!["r.io/a:buildcache-a".to_owned()],
        };
        let reads: Vec<String> = caches.reads().collect();
        assert_eq!(
            reads,
            [
                "type=registry,ref=r.io/a:c",
                "type=registry,ref=r.io/a:buildcache-a"
            ]
        );
        let writes: Vec<String> = caches.writes().collect();
        assert_eq!(writes, ["type=registry,ref=r.io/a:buildcache-a,mode=max"]);
        let (name, list) = caches.imports().unwrap();
        assert_eq!(name, "cache-imports");
        assert_eq!(
            list,
            r#"[{"Attrs":{"ref":"r.io/a:c"},"Type":"registry"},{"Attrs":{"ref":"r.io/a:buildcache-a"},"Type":"registry"}]"#
        );
        let options = caches.options().unwrap();
        assert_eq!((options.imports.len(), options.exports.len()), (2, 1));
        assert_eq!(options.exports[0].attrs["mode"], "max");
        assert_eq!(Caches::default().options(), None);
        assert_eq!(Caches::default().imports(), None);
    }
}
