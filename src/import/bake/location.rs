//! Where a bake target's Dockerfile and context lie.
//!
//! The choice made: a target whose Dockerfile or context is not below the manifest is no image at all, rather than one that
//! would be built of something else.

use serde_json::Value;

use crate::import::places::{Lies, Places};
use crate::import::shown;

/// A target that can be an image.
#[derive(Debug, Clone)]
pub(in crate::import) struct Located {
    /// The Dockerfile; none where its text stands in the bake file.
    pub file: Option<String>,
    /// The context.
    pub folder: String,
}

/// Why a target cannot be an image: the field, and words.
pub(in crate::import) type Obstacle = (&'static str, String);

/// Where a target's Dockerfile and context lie, seen from the manifest.
pub(in crate::import) fn locate(target: &Value, places: &Places) -> Result<Located, Obstacle> {
    let said = |name: &str| {
        let text = target.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let context = plain(said("context").unwrap_or("."));
    let folder = inside("context", context, places)?;
    if said("dockerfile-inline").is_some() {
        return Ok(Located { file: None, folder });
    }
    let given = said("dockerfile").unwrap_or("Dockerfile");
    // Bake looks for it in the context, unless it says otherwise.
    let path = match given.strip_prefix("cwd://") {
        Some(path) => path.to_owned(),
        None if given.starts_with('/') || context == "." || is_elsewhere(given) => given.to_owned(),
        None => format!("{context}/{given}"),
    };
    let file = inside("dockerfile", &path, places)?;
    Ok(Located {
        file: Some(file),
        folder,
    })
}

/// A path without bake's word for the folder where it runs.
pub(in crate::import) fn plain(path: &str) -> &str {
    path.strip_prefix("cwd://").unwrap_or(path)
}

/// Whether it is read from elsewhere than this machine's folders.
pub(in crate::import) fn is_elsewhere(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("target:") || path == "-"
}

/// A path of the bake file as one of the manifest.
pub(in crate::import) fn inside(
    field: &'static str,
    given: &str,
    places: &Places,
) -> Result<String, Obstacle> {
    let name = shown(given);
    let why = if is_elsewhere(given) {
        format!("`{field}` is `{name}`, which does not lie on this machine")
    } else {
        match places.of(given) {
            Lies::Inside(path) => return Ok(path),
            Lies::Outside(_) => format!(
                "`{field}` names `{name}`, which is outside of the manifest's folder; write the manifest above it with `-o`"
            ),
            Lies::Unnamed => format!("`{field}` names `{name}`, which is no UTF-8"),
        }
    };
    Err((field, why))
}
