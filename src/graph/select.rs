//! Selections: the images that arguments of commands, and members of groups, name.

use std::collections::BTreeSet;

use super::{Graph, ImageId};
use crate::suggest::closest;

/// The group that commands without arguments take.
pub const DEFAULT_GROUP: &str = "default";

/// A selector that matches no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no image matches `{pattern}`")]
pub struct UnknownSelection {
    /// The selector as written by the user.
    pub pattern: String,
    /// The id or group that was probably meant.
    pub suggestion: Option<String>,
}

/// A selector as its parts.
struct Parts<'a> {
    is_removed: bool,
    with_bases: bool,
    with_dependents: bool,
    name: &'a str,
}

/// The id, group or glob in a selector, without the signs around it.
#[must_use]
pub fn plain(selector: &str) -> &str {
    parts(selector).name
}

fn parts(selector: &str) -> Parts<'_> {
    let removed = selector.strip_prefix('!');
    let name = removed.unwrap_or(selector);
    let needs = name.strip_prefix("...");
    let name = needs.unwrap_or(name);
    let dependents = name.strip_suffix("...");
    Parts {
        is_removed: removed.is_some(),
        with_bases: needs.is_some(),
        with_dependents: dependents.is_some(),
        name: dependents.unwrap_or(name),
    }
}

impl Graph {
    /// Evaluates selectors: ids, groups and globs of ids; `base...` adds all dependents, `...train` all dependencies, `!x`
    /// removes images. Without selectors, or with only removing ones, the selection starts from `start`. Fails with every
    /// selector that matches no image.
    pub fn select<S: AsRef<str>>(
        &self,
        start: BTreeSet<ImageId>,
        words: &[S],
    ) -> Result<BTreeSet<ImageId>, Vec<UnknownSelection>> {
        let only_minus = words.iter().all(|word| word.as_ref().starts_with('!'));
        let mut chosen = if only_minus { start } else { BTreeSet::new() };
        let mut unknown = Vec::new();
        for word in words {
            let word = word.as_ref();
            let parts = parts(word);
            match self.matching(&parts) {
                None => unknown.push(self.unknown(word.strip_prefix('!').unwrap_or(word), &parts)),
                Some(found) if parts.is_removed => chosen.retain(|id| !found.contains(id)),
                Some(found) => chosen.extend(found),
            }
        }
        if unknown.is_empty() {
            Ok(chosen)
        } else {
            Err(unknown)
        }
    }

    /// The images whose ids match a glob; empty if the glob is invalid.
    fn glob(&self, pattern: &str) -> BTreeSet<ImageId> {
        let Ok(glob) = globset::Glob::new(pattern) else {
            return BTreeSet::new();
        };
        let glob = glob.compile_matcher();
        let ids = self.ids().filter(|id| glob.is_match(self.name(*id)));
        ids.collect()
    }

    /// The images that a selector names; `None` if there are none.
    fn matching(&self, parts: &Parts<'_>) -> Option<BTreeSet<ImageId>> {
        let found = match (self.find(parts.name), self.groups().get(parts.name)) {
            (Some(id), _) => BTreeSet::from([id]),
            (None, Some(group)) => group.clone(),
            (None, None) => self.glob(parts.name),
        };
        if found.is_empty() {
            return None;
        }
        let mut all = found.clone();
        if parts.with_bases {
            all.extend(self.with_bases(&found));
        }
        if parts.with_dependents {
            all.extend(self.affected(&found));
        }
        Some(all)
    }

    fn unknown(&self, pattern: &str, parts: &Parts<'_>) -> UnknownSelection {
        let groups = self.groups().keys().map(String::as_str);
        let ids = self.ids().map(|id| self.name(id));
        UnknownSelection {
            pattern: pattern.to_owned(),
            suggestion: closest(parts.name, ids.chain(groups)).map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{images, names};
    use super::*;

    fn graph() -> Graph {
        Graph::new(&images("os py:os train:py serve:py docs")).unwrap()
    }

    #[track_caller]
    fn select(graph: &Graph, words: &[&str]) -> String {
        let all = graph.ids().collect();
        names(graph, graph.select(all, words).unwrap())
    }

    #[test]
    fn selections_name_ids_globs_sides_and_what_to_leave_out() {
        let graph = graph();
        assert_eq!(select(&graph, &[]), "os py train serve docs");
        assert_eq!(select(&graph, &["py..."]), "py train serve");
        assert_eq!(select(&graph, &["...train"]), "os py train");
        assert_eq!(select(&graph, &["*r*", "!serve"]), "train");
        assert_eq!(select(&graph, &["!docs"]), "os py train serve");
        let unknown = graph.select(BTreeSet::new(), &["trian", "nothing*"]);
        let unknown = unknown.unwrap_err();
        assert_eq!(unknown[0].suggestion.as_deref(), Some("train"));
        assert_eq!(unknown.len(), 2);
    }

    #[test]
    fn groups_are_selected_as_ids_are() {
        let mut graph = graph();
        let services = BTreeSet::from([ImageId(2), ImageId(3)]);
        graph.add_group("services", services);
        assert_eq!(select(&graph, &["services"]), "train serve");
        assert_eq!(select(&graph, &["...services"]), "os py train serve");
        assert_eq!(select(&graph, &["*", "!services"]), "os py docs");
        // Globs are for ids: a group of this name does not add to them.
        assert_eq!(select(&graph, &["serv*"]), "serve");
        let unknown = graph.select(BTreeSet::new(), &["!servcies"]).unwrap_err();
        assert_eq!(unknown[0].suggestion.as_deref(), Some("services"));
        assert_eq!(unknown[0].pattern, "servcies");
    }

    #[test]
    fn a_selector_is_plain_without_its_signs() {
        for word in ["a", "!a", "...a", "a...", "!...a..."] {
            assert_eq!(plain(word), "a", "{word}");
        }
    }
}
