//! Docker's `.dockerignore` rules: which paths of a directory are excluded.
//!
//! Follows the directory walk of Docker's builders: a rule that matched a directory applies to everything in it, and a
//! rule that could not change the verdict on a directory is not evaluated for it. (So `a/*.log` followed by `!a`
//! excludes `a/x.log`, as in `BuildKit`.)

pub(super) mod pattern;

use pattern::Pattern;

/// Name of the file with the rules.
pub const IGNORE_FILE: &str = ".dockerignore";

/// The rules of one `.dockerignore`, in file order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules(Vec<Rule>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Line number, from 1.
    pub line: usize,
    /// The line, trimmed.
    pub text: String,
    exception: bool,
    pattern: Pattern,
}

/// The error for a line that is not a valid rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a pattern: {why}")]
pub struct BadRule {
    /// Line number, from 1.
    pub line: usize,
    /// The line, trimmed.
    pub text: String,
    /// Why it is invalid.
    pub why: String,
}

/// The result of applying the rules to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Index of the rule that excludes the path.
    by: Option<usize>,
    /// For each rule, whether it matched the path or one of its ancestors.
    matched: Vec<bool>,
}

impl Verdict {
    /// Whether the path is excluded.
    pub fn excluded(&self) -> bool {
        self.by.is_some()
    }
}

impl Rules {
    /// Parses the text of a `.dockerignore`.
    pub fn read(text: &str) -> Result<Self, BadRule> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        text.lines()
            .enumerate()
            .filter_map(|(at, line)| read_line(at + 1, line).transpose())
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Evaluates the rules for a path, given the verdict on its directory; `None` at the top level.
    pub fn judge(&self, path: &str, folder: Option<&Verdict>) -> Verdict {
        let mut verdict = Verdict {
            by: None,
            matched: vec![false; self.0.len()],
        };
        for (at, rule) in self.0.iter().enumerate() {
            let inherited = folder.is_some_and(|folder| folder.matched[at]);
            // A rule that would change nothing is not evaluated.
            if inherited || (rule.exception == verdict.excluded() && rule.pattern.matches(path)) {
                verdict.matched[at] = true;
                verdict.by = (!rule.exception).then_some(at);
            }
        }
        verdict
    }

    /// Evaluates the rules for a path, starting at its topmost directory.
    pub fn judge_whole(&self, path: &str) -> Option<Verdict> {
        if path.is_empty() || path == "." {
            return None;
        }
        let ends = path.match_indices('/').map(|(at, _)| at);
        ends.chain([path.len()]).fold(None, |folder, end| {
            Some(self.judge(&path[..end], folder.as_ref()))
        })
    }

    /// Whether a path, relative to the directory of the rules, is excluded.
    pub fn excludes(&self, path: &str) -> bool {
        self.judge_whole(path)
            .is_some_and(|verdict| verdict.excluded())
    }

    /// Whether the rules explicitly include a path: the last rule that names it, rather than one of its ancestors or
    /// everything in a directory, is an exception.
    pub fn asks_for(&self, path: &str) -> bool {
        let mut last = self.0.iter().rev();
        last.find(|rule| rule.pattern.names(path))
            .is_some_and(|rule| rule.exception)
    }

    /// The rule that excludes the path.
    pub fn cause(&self, verdict: &Verdict) -> Option<&Rule> {
        verdict.by.map(|at| &self.0[at])
    }

    /// Whether no exception can apply below an excluded directory, so that it need not be read.
    pub fn may_prune(&self, folder: &str) -> bool {
        !self
            .0
            .iter()
            .any(|rule| rule.exception && rule.pattern.may_match_below(folder))
    }
}

fn read_line(line: usize, text: &str) -> Result<Option<Rule>, BadRule> {
    let shown = text.trim();
    if text.starts_with('#') || shown.is_empty() {
        return Ok(None);
    }
    let bad = |why: String| BadRule {
        line,
        text: shown.to_owned(),
        why,
    };
    // Docker's builders parse each rule twice, once from the file and once in the matcher. So `/!a` becomes an
    // exception, and `!../../a`, cleaned together with its `!`, does not.
    let once = match shown.strip_prefix('!') {
        Some(pattern) => format!("!{}", relative(pattern.trim())),
        None => relative(shown),
    };
    let twice = clean(once.trim());
    let (exception, pattern) = match twice.strip_prefix('!') {
        Some("") => return Err(bad("nothing follows the `!`".to_owned())),
        Some(pattern) => (true, pattern),
        None => (false, twice.as_str()),
    };
    Ok(Some(Rule {
        line,
        text: shown.to_owned(),
        exception,
        pattern: Pattern::read(pattern).map_err(bad)?,
    }))
}

/// The cleaned pattern without a leading `/`.
fn relative(pattern: &str) -> String {
    if pattern.is_empty() {
        return String::new();
    }
    let cleaned = clean(pattern);
    match cleaned.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => cleaned,
    }
}

/// The shortest equivalent path: no empty, `.` or resolvable `..` components, no trailing `/`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn left_out(rules: &str, paths: &[&str]) -> Vec<String> {
        let rules = Rules::read(rules).unwrap();
        paths
            .iter()
            .filter(|path| rules.excludes(path))
            .map(|path| (*path).to_owned())
            .collect()
    }

    #[test]
    fn lines_are_read_as_docker_does() {
        // pulumi-docker#607: lines were not parsed the way Docker does.
        let rules = "\u{feff}# comment\n /a \n\n  # b\r\nc/../d/\n! /e\n./f\n!! g";
        let read = Rules::read(rules).unwrap();
        let shown: Vec<(usize, bool, &Pattern)> = read
            .0
            .iter()
            .map(|rule| (rule.line, rule.exception, &rule.pattern))
            .collect();
        let exact = |text: &str| Pattern::Exact(text.to_owned());
        assert_eq!(
            shown,
            [
                (2, false, &exact("a")),
                (4, false, &exact("# b")),
                (5, false, &exact("d")),
                (6, true, &exact("e")),
                (7, false, &exact("f")),
                (8, true, &exact("! g")),
            ]
        );
    }

    #[test]
    fn names_match_only_at_the_top_and_folders_take_all_in_them() {
        // turborepo#12554, turborepo#4150: git's rules are not Docker's; here a name matches at the top level only.
        assert_eq!(
            left_out(
                "log\n*.pyc\nnode_modules/",
                &[
                    "log",
                    "log/x",
                    "a/log",
                    "x.pyc",
                    "a/x.pyc",
                    "node_modules",
                    "node_modules/a/b"
                ]
            ),
            ["log", "log/x", "x.pyc", "node_modules", "node_modules/a/b"]
        );
    }

    #[test]
    fn an_exception_reaches_below_an_excluded_folder() {
        // pulumi-docker#594: an exception below an excluded directory.
        let rules = "docs\n!docs/README.md\n**/*.tmp\n!keep";
        assert_eq!(
            left_out(
                rules,
                &[
                    "docs",
                    "docs/a",
                    "docs/README.md",
                    "docs/x/y",
                    "a.tmp",
                    "b/a.tmp",
                    "keep/a.tmp"
                ]
            ),
            [
                "docs",
                "docs/a",
                "docs/x/y",
                "a.tmp",
                "b/a.tmp",
                "keep/a.tmp"
            ]
        );
    }

    #[test]
    fn the_last_rule_wins() {
        // oblien/openship#370.
        assert_eq!(left_out("*.md\n!a.md", &["a.md", "b.md"]), ["b.md"]);
        assert_eq!(left_out("!a.md\n*.md", &["a.md", "b.md"]), ["a.md", "b.md"]);
        let only = "**\n!util/web\nutil/web/foo";
        let paths = ["util/web/a", "util/web/foo", "util/x"];
        assert_eq!(left_out(only, &paths), ["util/web/foo", "util/x"]);
    }

    #[test]
    fn a_rule_that_changes_nothing_of_a_folder_does_not_hold_for_what_is_in_it() {
        // oblien/openship#370: results must be compared with a real Docker. This is unexpected, but it is what BuildKit
        // does.
        assert_eq!(left_out("a/*.log\n!a", &["a/x.log"]), ["a/x.log"]);
        assert!(left_out("a\n!a/b\na", &["a/b"]).is_empty());
    }

    #[test]
    fn a_rule_is_read_twice() {
        // Found by comparison with a real engine.
        assert!(left_out("a\n/!a", &["a"]).is_empty());
        assert_eq!(left_out("!../../a", &["a", "b"]), ["a"]);
    }

    #[test]
    fn a_path_is_asked_for_by_its_own_name() {
        let asked = |rules: &str, path: &str| Rules::read(rules).unwrap().asks_for(path);
        for rule in [
            "!a/.git", "!**/.git", "!a/.g*", "!*/.git", "!a/.gi?", "!**.git",
        ] {
            assert!(asked(rule, "a/.git"), "{rule}");
        }
        for rule in [
            "",
            "a/.git",
            "!a",
            "!a/*",
            "!a/**",
            "!**",
            "!*/*",
            "!.git",
            "!a/.git\n**/.git",
        ] {
            assert!(!asked(rule, "a/.git"), "{rule}");
        }
        assert!(asked("**/.git\n!a/.git\n!b", "a/.git"));
    }

    #[test]
    fn a_bad_line_is_named() {
        let bad = Rules::read("ok\n\n[a").unwrap_err();
        assert_eq!((bad.line, bad.text.as_str()), (3, "[a"));
        assert_eq!(
            bad.to_string(),
            "`[a` is not a pattern: the `[` is not closed"
        );
        assert_eq!(Rules::read("!").unwrap_err().why, "nothing follows the `!`");
        assert_eq!(Rules::read("! /").unwrap_err().line, 1);
        assert_eq!(Rules::read("/!").unwrap_err().line, 1);
    }

    #[test]
    fn an_excluded_folder_is_pruned_only_when_no_exception_can_reach_into_it() {
        let rules = Rules::read("a\nb\n!a/x/y\n!c*/d").unwrap();
        assert!(!rules.may_prune("a"));
        assert!(!rules.may_prune("a/x"));
        assert!(rules.may_prune("a/z"));
        assert!(rules.may_prune("b"));
        assert!(!rules.may_prune("cc"));
        assert!(!Rules::read("a\n!**/x").unwrap().may_prune("a"));
    }

    /// Simpler rules, which are equivalent while no rule is hidden by an earlier one.
    fn by_parents(rules: &Rules, path: &str) -> bool {
        rules.0.iter().any(|rule| {
            let ends = path.match_indices('/').map(|(at, _)| at);
            ends.chain([path.len()])
                .any(|end| rule.pattern.matches(&path[..end]))
        })
    }

    proptest! {
        #[test]
        fn without_exceptions_any_rule_on_any_parent_leaves_a_path_out(
            lines in prop::collection::vec("[ab*?/]{1,5}", 1..4), path in "[ab]{1,2}(/[ab]{1,2}){0,3}"
        ) {
            let rules = Rules::read(&lines.join("\n")).unwrap();
            prop_assert_eq!(rules.excludes(&path), by_parents(&rules, &path));
        }

        #[test]
        fn nothing_below_a_pruned_folder_would_have_been_in(
            lines in prop::collection::vec("!?[ab*/]{1,5}", 1..5),
            folder in "[ab]{1,2}(/[ab]{1,2})?", tail in "[ab]{1,2}(/[ab]{1,2})?"
        ) {
            let below = format!("{folder}/{tail}");
            if let Ok(rules) = Rules::read(&lines.join("\n"))
                && rules.excludes(&folder)
                && rules.may_prune(&folder)
            {
                prop_assert!(rules.excludes(&below));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), path in any::<String>()) {
            if let Ok(rules) = Rules::read(&text) {
                let _ = rules.excludes(&path);
            }
        }
    }
}
