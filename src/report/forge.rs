//! Logs of GitHub Actions and GitLab: what their pages fold, and the errors that they show beside the code.
//!
//! GitHub takes lines of a log for commands, so text that is not ours must not look like one: what a build prints is
//! bracketed by a word that it cannot have known, and elsewhere the signs of a command are broken up. GitLab marks sections by
//! escape sequences, which no text that is shown can contain.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use super::settings::Progress;
use crate::clean::clean;
use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::loopback::random_word;

/// A build server that this process reports to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// GitHub Actions, and what understands its commands.
    GitHub,
    /// GitLab.
    GitLab,
}

/// How much text an annotation has; GitHub cuts longer ones.
const ANNOTATION: usize = 4000;

impl Forge {
    /// The forge whose job this process is part of, if the user has not chosen how progress is shown.
    pub fn here(asked: Progress) -> Option<Self> {
        let is_terminal = std::io::stderr().is_terminal();
        (asked == Progress::Auto && !is_terminal)
            .then(|| Self::of(&|name| std::env::var(name).ok()))
            .flatten()
    }

    /// The forge that sets these variables.
    pub fn of(env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let is_set = |name: &str| env(name).as_deref() == Some("true");
        if is_set("GITHUB_ACTIONS") {
            Some(Self::GitHub)
        } else if is_set("GITLAB_CI") {
            Some(Self::GitLab)
        } else {
            None
        }
    }

    /// A line that is no command, whatever it contains.
    pub fn harmless(self, line: &str) -> Cow<'_, str> {
        // A command begins a line; those of the older form stand anywhere in it.
        let is_command = line.trim_start().starts_with("::") || line.contains("##[");
        if self == Self::GitLab || !is_command {
            return line.into();
        }
        let line = line.replace("##[", "## [");
        let blanks = line.len() - line.trim_start().len();
        match line[blanks..].strip_prefix("::") {
            Some(rest) => format!("{}: :{rest}", &line[..blanks]).into(),
            None => line.into(),
        }
    }

    /// Lines of output under a title, folded; `id` is the number of the section in this log, and the times are those of its begin
    /// and its end in seconds since 1970.
    pub(super) fn folded<'a>(
        self,
        title: &str,
        lines: impl Iterator<Item = &'a str>,
        id: usize,
        (began, ended): (u64, u64),
    ) -> String {
        let text: Vec<&str> = lines.collect();
        let title = clean(title);
        match self {
            Self::GitLab => {
                let letters = title.chars().take_while(|c| *c != ':');
                let is_good = |c: &char| c.is_ascii_alphanumeric() || "_.-".contains(*c);
                let name: String = letters.filter(is_good).collect();
                let name = format!("imgspec_{id}_{name}");
                format!(
                    "\u{1b}[0Ksection_start:{began}:{name}[collapsed=true]\r\u{1b}[0K{title}\n{}\n\
                     \u{1b}[0Ksection_end:{ended}:{name}\r\u{1b}[0K",
                    text.join("\n")
                )
            }
            Self::GitHub => {
                let output = text.join("\n");
                // Made after the output, which therefore cannot contain it.
                let text = random_word().map_or_else(
                    |_| {
                        let lines = text.iter().map(|line| self.harmless(line));
                        lines.collect::<Vec<_>>().join("\n")
                    },
                    |word| format!("::stop-commands::{word}\n{output}\n::{word}::"),
                );
                format!("::group::{}\n{text}\n::endgroup::", data(&title))
            }
        }
    }

    /// The command that shows an error or a warning beside the code; `None` where there is none.
    pub(super) fn annotation(
        self,
        severity: Severity,
        at: Option<&Spot>,
        title: &str,
        text: &str,
    ) -> Option<String> {
        if self != Self::GitHub {
            return None;
        }
        let name = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut properties = Vec::new();
        if let Some(Spot { file, line, column }) = at {
            properties.push(format!("file={}", property(file)));
            properties.push(format!("line={line}"));
            properties.push(format!("col={column}"));
        }
        properties.push(format!("title={}", property(&clean(title))));
        let text = &text[..text.floor_char_boundary(ANNOTATION)];
        Some(format!("::{name} {}::{}", properties.join(","), data(text)))
    }

    /// The annotations of diagnostics, one per line.
    pub fn annotations(self, diagnostics: &[Diagnostic], sources: &Sources) -> String {
        let root = repository();
        let annotation = |it: &Diagnostic| {
            let at = it.place.as_ref().and_then(|label| {
                let (line, column) = sources.line_column(&label.place);
                let path = sources.folder().join(&sources.get(label.place.source).path);
                let file = below(root.as_deref()?, &path)?;
                Some(Spot { file, line, column })
            });
            let label = it.place.iter().map(|label| label.text.as_str());
            let label = label.filter(|text| !text.is_empty());
            let texts = std::iter::once(it.message.as_str()).chain(label);
            let texts = texts.chain(it.help.iter().map(String::as_str));
            let text = texts.map(clean).collect::<Vec<_>>().join("\n");
            self.annotation(it.severity, at.as_ref(), it.code, &text)
        };
        let lines = diagnostics.iter().filter_map(annotation);
        lines.map(|line| line + "\n").collect()
    }
}

/// A place in a file of the repository; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    file: String,
    line: usize,
    column: usize,
}

impl Spot {
    /// Reads `imgspec.kdl:3:5`, whose path is relative to a directory.
    pub(super) fn read(place: &str, folder: &Path) -> Option<Self> {
        let mut parts = place.rsplitn(3, ':');
        let (column, line, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            file: below(&repository()?, &folder.join(path))?,
            line: line.parse().ok()?,
            column: column.parse().ok()?,
        })
    }
}

/// The directory of the repository on a runner of GitHub.
fn repository() -> Option<PathBuf> {
    let root = std::env::var_os("GITHUB_WORKSPACE")?;
    Path::new(&root).canonicalize().ok()
}

/// The path of a file in a repository.
fn below(root: &Path, path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    Some(path.strip_prefix(root).ok()?.to_str()?.to_owned())
}

/// Text at the end of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forges_are_known_by_their_variables() {
        let of = |name: &'static str, value: &'static str| {
            Forge::of(&move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(of("GITHUB_ACTIONS", "true"), Some(Forge::GitHub));
        assert_eq!(of("GITLAB_CI", "true"), Some(Forge::GitLab));
        assert_eq!(of("GITHUB_ACTIONS", "false"), None);
        assert_eq!(of("CI", "true"), None);
    }

    #[test]
    fn no_line_that_is_shown_is_a_command() {
        let shown = |line| Forge::GitHub.harmless(line).into_owned();
        assert_eq!(shown("  ::error::x"), "  : :error::x");
        assert_eq!(shown("a ##[add-mask]b ##[x]"), "a ## [add-mask]b ## [x]");
        assert_eq!(shown("::##[a]"), ": :## [a]");
        assert_eq!(shown("a: b :: c # [d]"), "a: b :: c # [d]");
        assert_eq!(Forge::GitLab.harmless("::a"), "::a");
    }

    #[test]
    fn nothing_in_an_annotation_ends_it_or_adds_to_it() {
        let spot = Spot {
            file: "a,b:c%/imgspec.kdl".into(),
            line: 3,
            column: 5,
        };
        let command = Forge::GitHub.annotation(
            Severity::Error,
            Some(&spot),
            "x,line=1::y\n",
            "100%\r\n::set-output",
        );
        assert_eq!(
            command.unwrap(),
            "::error file=a%2Cb%3Ac%25/imgspec.kdl,line=3,col=5,title=x%2Cline=1%3A%3Ay ::100%25%0D%0A::set-output"
        );
        assert_eq!(
            Forge::GitLab.annotation(Severity::Error, None, "a", "b"),
            None
        );
    }

    #[test]
    fn output_is_folded_and_cannot_end_its_fold() {
        let lines = ["::endgroup::", "##[error]x"];
        let text = Forge::GitHub.folded("app: output", lines.into_iter(), 1, (1, 2));
        let word = text
            .lines()
            .nth(1)
            .unwrap()
            .strip_prefix("::stop-commands::")
            .unwrap();
        assert_eq!(word.len(), 32);
        let expected = format!(
            "::group::app: output\n::stop-commands::{word}\n::endgroup::\n##[error]x\n::{word}::\n::endgroup::"
        );
        assert_eq!(text, expected);
        let text = Forge::GitLab.folded("a.b: output", ["x"].into_iter(), 7, (10, 12));
        assert_eq!(
            text,
            "\u{1b}[0Ksection_start:10:imgspec_7_a.b[collapsed=true]\r\u{1b}[0Ka.b: output\nx\n\u{1b}[0Ksection_end:12:imgspec_7_a.b\r\u{1b}[0K"
        );
    }
}
