//! Selections: the images that arguments of commands, and members of groups, name.

use std::collections::BTreeSet;

use super::{Graph, ImageId};
use crate::spec::WorkspacePath;
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
    let needs = name.strip_prefix('+');
    let name = needs.unwrap_or(name);
    let dependents = name.strip_suffix('+');
    Parts {
        is_removed: removed.is_some(),
        with_bases: needs.is_some(),
        with_dependents: dependents.is_some(),
        name: dependents.unwrap_or(name),
    }
}

/// Whether a name is that of a directory: ids and groups have no slashes.
fn is_folder(name: &str) -> bool {
    name.contains('/') || matches!(name, "." | "..")
}

/// A selector as it is from the root: if it names a directory, relative to `here`, it names it from there.
#[must_use]
pub fn located(selector: &str, here: &WorkspacePath) -> String {
    let name = plain(selector);
    if !is_folder(name) {
        return selector.to_owned();
    }
    match WorkspacePath::resolve(here, name) {
        Some(path) => selector.replacen(name, &format!("./{}", path.as_str()), 1),
        // Outside of the workspace, where nothing is found either.
        None => selector.to_owned(),
    }
}

impl Graph {
    /// Evaluates selectors: ids, groups, globs of ids, and directories with what they declare, from the root; `base+` adds
    /// all dependents, `+train` all dependencies, `!x` removes images. Without selectors, or with only removing ones, the selection starts from `start`. Fails with every
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

    /// The images that are declared in a directory or below it.
    pub(crate) fn below(&self, folder: &WorkspacePath) -> BTreeSet<ImageId> {
        let is_below = |id: &ImageId| self.folders[id.index()].is_at_or_below(folder);
        self.ids().filter(is_below).collect()
    }

    /// The images that a selector names; `None` if there are none.
    fn matching(&self, parts: &Parts<'_>) -> Option<BTreeSet<ImageId>> {
        let found = match (self.find(parts.name), self.groups().get(parts.name)) {
            (Some(id), _) => BTreeSet::from([id]),
            (None, Some(group)) => group.clone(),
            (None, None) if is_folder(parts.name) => {
                let folder = WorkspacePath::resolve(&WorkspacePath::ROOT, parts.name);
                folder.map_or_else(BTreeSet::new, |folder| self.below(&folder))
            }
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
        let name = parts.name.trim_matches('.');
        let meant = closest(name, ids.chain(groups));
        // Other tools write `...` for what is `+` here.
        let sign = |is_there| if is_there { "+" } else { "" };
        let (before, after) = (parts.name.starts_with("..."), parts.name.ends_with("..."));
        UnknownSelection {
            pattern: pattern.to_owned(),
            suggestion: meant.map(|meant| [sign(before), meant, sign(after)].concat()),
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
        assert_eq!(select(&graph, &["py+"]), "py train serve");
        assert_eq!(select(&graph, &["+train"]), "os py train");
        assert_eq!(select(&graph, &["+py+"]), "os py train serve");
        assert_eq!(select(&graph, &["+s*"]), "os py serve");
        assert_eq!(select(&graph, &["*", "!py+"]), "os docs");
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
        assert_eq!(select(&graph, &["+services"]), "os py train serve");
        assert_eq!(select(&graph, &["*", "!services"]), "os py docs");
        // Globs are for ids: a group of this name does not add to them.
        assert_eq!(select(&graph, &["serv*"]), "serve");
        let unknown = graph.select(BTreeSet::new(), &["!servcies"]).unwrap_err();
        assert_eq!(unknown[0].suggestion.as_deref(), Some("services"));
        assert_eq!(unknown[0].pattern, "servcies");
    }

    #[test]
    fn a_directory_names_what_is_declared_in_it() {
        let mut images = images("os py:os train:py serve:py docs");
        let at = |path| WorkspacePath::resolve(&WorkspacePath::ROOT, path).unwrap();
        images[2].folder = at("services/train");
        images[3].folder = at("services");
        images[4].folder = at("services2");
        let graph = Graph::new(&images).unwrap();
        assert_eq!(select(&graph, &["services/"]), "train serve");
        assert_eq!(select(&graph, &["./services/train"]), "train");
        assert_eq!(select(&graph, &["+services/train/"]), "os py train");
        assert_eq!(select(&graph, &[".", "!./services"]), "os py docs");
        for nothing in ["..", "services/tr", "/services", "a/../.."] {
            assert!(
                graph.select(BTreeSet::new(), &[nothing]).is_err(),
                "{nothing}"
            );
        }
        let located = |word| located(word, &at("services"));
        assert_eq!(located("."), "./services");
        assert_eq!(located("!+../services2/+"), "!+./services2+");
        assert_eq!(located(".."), "./");
        assert_eq!(located("../.."), "../..");
        assert_eq!(located("train+"), "train+");
    }

    #[test]
    fn the_signs_of_other_tools_are_answered_with_ours() {
        let graph = graph();
        for (word, meant) in [
            ("py...", "py+"),
            ("...trian", "+train"),
            ("!...py...", "+py+"),
        ] {
            let unknown = graph.select(BTreeSet::new(), &[word]).unwrap_err();
            assert_eq!(unknown[0].suggestion.as_deref(), Some(meant));
        }
    }

    #[test]
    fn a_selector_is_plain_without_its_signs() {
        for word in ["a", "!a", "+a", "a+", "!+a+"] {
            assert_eq!(plain(word), "a", "{word}");
        }
    }
}
