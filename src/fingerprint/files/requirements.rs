//! Finds the files that requirements files name, and lines that a build could not follow.
//!
//! Implements pip's and uv's syntax as far as it names files. Versions, markers and indexes are left to the installer;
//! a line is only searched for paths. `${NAME}` is not expanded.

use std::collections::BTreeSet;

use super::content::{self, Content, unread};
use super::error::{FilesError, Mention};
use super::find::resolve;
use crate::disk::limits;
use crate::disk::read::Root;
use crate::spec::WorkspacePath;

/// A requirements file that was read.
pub(super) struct Read {
    /// The path by which it is named.
    pub(super) path: WorkspacePath,
    /// Its size, mode and digest.
    pub(super) content: Content,
}

/// Reads a requirements file and everything it includes, each file once, sorted by path.
pub(super) fn read(root: &Root, path: &WorkspacePath) -> Result<Vec<Read>, FilesError> {
    let mut ahead: Vec<(WorkspacePath, Option<Mention>)> = vec![(path.clone(), None)];
    let mut seen = BTreeSet::from([path.clone()]);
    let mut files = Vec::new();
    while let Some((path, said)) = ahead.pop() {
        let real = resolve(root, &path, said.as_ref())?;
        let (content, bytes) = content::load(root, &real, limits::REQUIREMENTS)
            .map_err(|trouble| unread(path.as_str(), said.as_ref(), trouble))?;
        let text = String::from_utf8(bytes).map_err(|_| FilesError::Text {
            path: path.to_string(),
        })?;
        // The last entry is read next; reversing reports errors of the first file first.
        for (next, said) in includes(&path, &text)?.into_iter().rev() {
            if seen.insert(next.clone()) {
                ahead.push((next, Some(said)));
            }
        }
        files.push(Read { path, content });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The deepest directory that contains all files.
pub(super) fn common_folder(files: &[Read]) -> WorkspacePath {
    let mut common = files
        .first()
        .map(|file| file.path.parent())
        .unwrap_or_default();
    for file in files {
        while !is_below(&file.path, &common) {
            common = common.parent();
        }
    }
    common
}

fn is_below(path: &WorkspacePath, folder: &WorkspacePath) -> bool {
    let mut parts = path.parts();
    folder.parts().all(|part| parts.next() == Some(part))
}

/// The files that a requirements file includes, each with the line that names it.
fn includes(file: &WorkspacePath, text: &str) -> Result<Vec<(WorkspacePath, Mention)>, FilesError> {
    let mut found = Vec::new();
    for (line, text) in logical_lines(text) {
        let said = Mention {
            file: file.to_string(),
            line,
        };
        for word in words_of(&text) {
            match word {
                Word::Local(text) => return Err(FilesError::LocalRequirement { text, said }),
                Word::Include(given) => match WorkspacePath::resolve(&file.parent(), &given) {
                    Some(path) => found.push((path, said.clone())),
                    None => {
                        return Err(FilesError::Outside {
                            path: given,
                            said: Some(said),
                        });
                    }
                },
            }
        }
    }
    Ok(found)
}

/// The lines that say where packages are found, without comments.
pub(crate) fn index_lines(text: &str) -> Vec<String> {
    const NAMES: [&str; 6] = [
        "--index-url",
        "-i",
        "--extra-index-url",
        "--find-links",
        "-f",
        "--no-index",
    ];
    let names_one = |line: &str| {
        let mut words = line.split_whitespace();
        words.any(|word| NAMES.contains(&word.split('=').next().unwrap_or_default()))
    };
    let lines = logical_lines(text).into_iter();
    let lines = lines.map(|(_, line)| line.trim().to_owned());
    lines
        .filter(|line| line.starts_with('-') && names_one(line))
        .collect()
}

/// The lines of a requirements file, joined and without comments.
pub(crate) fn requirement_lines(text: &str) -> impl Iterator<Item = String> {
    logical_lines(text).into_iter().map(|(_, line)| line)
}

/// Whether every requirement has the hashes of its files.
pub(crate) fn is_hashed(text: &str) -> bool {
    let lines = logical_lines(text).into_iter();
    let mut requirements = lines.filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('-')
    });
    requirements.all(|(_, line)| line.contains(" --hash="))
}

/// Joins lines that end in `\` and removes comments. Each line has the number of its first part.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let comment = comment_start(line);
        let continues = line.ends_with('\\') && comment.is_none();
        let kept = match comment {
            Some(start) => &line[..start],
            None => line.strip_suffix('\\').unwrap_or(line),
        };
        match lines.last_mut() {
            Some((_, last)) if open => last.push_str(kept),
            _ => lines.push((at + 1, kept.to_owned())),
        }
        open = continues;
    }
    lines
}

/// Where a comment starts: `#` at the start of a line or after whitespace.
fn comment_start(line: &str) -> Option<usize> {
    let mut before = ' ';
    line.char_indices().find_map(|(at, char)| {
        let starts = char == '#' && before.is_whitespace();
        before = char;
        starts.then_some(at)
    })
}

/// A reference to a file in a line.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// Another requirements or constraints file.
    Include(String),
    /// A local path to install from.
    Local(String),
}

/// The meaning of an option's value.
#[derive(Clone, Copy)]
enum Names {
    /// A requirements or constraints file.
    File,
    /// Something to install, or a location to search for it.
    Source,
}

const OPTIONS: [(&str, Names); 12] = [
    ("--requirement", Names::File),
    ("--requirements", Names::File),
    ("-r", Names::File),
    ("--constraint", Names::File),
    ("--constraints", Names::File),
    ("-c", Names::File),
    ("--editable", Names::Source),
    ("-e", Names::Source),
    ("--find-links", Names::Source),
    ("-f", Names::Source),
    ("--extra-index-url", Names::Source),
    ("--index-url", Names::Source),
];

fn words_of(line: &str) -> Vec<Word> {
    let line = line.trim();
    if !line.starts_with('-') {
        let local = Some(requirement_source(line)).filter(|source| is_path(source));
        return local
            .map(|_| Word::Local(specifier(line).to_owned()))
            .into_iter()
            .collect();
    }
    let words =
        shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    let mut words = words.iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let Some((names, value)) = option(word) else {
            continue;
        };
        let Some(value) = value.or_else(|| words.next().cloned()) else {
            continue;
        };
        found.extend(option_value(names, value));
    }
    found
}

/// The option in an argument, and its value if it is in the same argument.
fn option(word: &str) -> Option<(Names, Option<String>)> {
    OPTIONS.iter().find_map(|(name, names)| {
        let rest = word.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some((*names, Some(value.to_owned()))),
            None if rest.is_empty() => Some((*names, None)),
            None if name.starts_with("--") => None,
            None => Some((*names, Some(rest.to_owned()))),
        }
    })
}

fn option_value(names: Names, value: String) -> Option<Word> {
    let is_url = value.contains("://") || value.starts_with("${");
    match names {
        _ if is_file_url(&value) => Some(Word::Local(value)),
        Names::File if value.contains("://") => None,
        Names::File => Some(Word::Include(value)),
        Names::Source => (!is_url).then_some(Word::Local(value)),
    }
}

/// A requirement without options and markers.
fn specifier(line: &str) -> &str {
    let end = [" ;", " --", "\t;", "\t--"]
        .iter()
        .filter_map(|stop| line.find(stop))
        .min()
        .unwrap_or(line.len());
    line[..end].trim()
}

/// What a requirement is installed from: the text after `name @`, or else the requirement itself.
fn requirement_source(line: &str) -> &str {
    let specifier = specifier(line);
    let is_name = |text: &str| {
        text.chars()
            .all(|char| char.is_alphanumeric() || "-_.,[] ".contains(char))
    };
    match specifier.split_once('@') {
        Some((name, source)) if is_name(name) && !name.trim().is_empty() => source.trim(),
        _ => specifier.split(';').next().unwrap_or_default().trim(),
    }
}

/// Whether a requirement's source is a local path.
fn is_path(source: &str) -> bool {
    const ARCHIVES: [&str; 7] = [
        ".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz",
    ];
    if is_file_url(source) {
        return true;
    }
    if source.contains("://") || source.starts_with("${") {
        return false;
    }
    let lower = source.to_lowercase();
    source.starts_with(['.', '~'])
        || source.contains('/')
        || ARCHIVES.iter().any(|ending| lower.ends_with(ending))
}

fn is_file_url(source: &str) -> bool {
    let lower = source.to_lowercase();
    lower.starts_with("file:") || lower.contains("+file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_comments_removed() {
        let text = "a \\\n  b # c \\\n# d\nurl#egg=x\n\\\n-r \\\nx.txt";
        let lines: Vec<(usize, String)> = logical_lines(text)
            .into_iter()
            .map(|(line, text)| (line, text.trim().to_owned()))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        let expected = [(1, "a   b"), (4, "url#egg=x"), (5, "-r x.txt")];
        assert_eq!(lines, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn lines_that_name_an_index_are_found() {
        let text = "-i https://a.test/simple # own\n--extra-index-url=https://${TOKEN}@b.test\n--pre --find-links \\\n https://c.test\n\
                    --no-index\nname --index-url x\n--pre\n-r more.txt\n";
        let lines = [
            "-i https://a.test/simple",
            "--extra-index-url=https://${TOKEN}@b.test",
            "--pre --find-links  https://c.test",
            "--no-index",
        ];
        assert_eq!(index_lines(text), lines);
    }

    #[test]
    fn one_requirement_without_a_hash_is_enough_to_need_a_lock() {
        assert!(is_hashed(
            "# all\n-i https://a.test\nsix==1.17 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        ));
        assert!(!is_hashed("six==1.17 --hash=sha256:00\nclick==8\n"));
        assert!(!is_hashed("six==1.17 # --hash=sha256:00\n"));
    }

    #[test]
    fn included_files_are_seen_in_all_spellings() {
        for line in [
            "-r a.txt",
            "-ra.txt",
            "-c a.txt",
            "--requirement a.txt",
            "--requirement=a.txt",
            "--constraint=a.txt",
            "  --constraint 'a.txt'",
            "--no-index -r a.txt",
        ] {
            assert_eq!(words_of(line), [Word::Include("a.txt".into())], "{line}");
        }
        assert!(words_of("-r https://example.org/a.txt").is_empty());
    }

    #[test]
    fn paths_on_this_machine_are_refused_and_nothing_else_is() {
        for line in [
            ".",
            "./pkg",
            "../pkg[extra]",
            "/opt/pkg",
            "libs/pkg",
            "-e .",
            "-e./pkg",
            "--editable=../pkg",
            "file:///opt/pkg",
            "pkg @ file:///opt/pkg",
            "pkg[a,b]@./pkg",
            "-e git+file:///opt/pkg",
            "pkg-1.0-py3-none-any.whl",
            "pkg.tar.gz ; python_version > '3'",
            "--find-links wheels",
            "-r file:///opt/a.txt",
        ] {
            assert!(matches!(&words_of(line)[..], [Word::Local(_)]), "{line}");
        }
        for line in [
            "numpy",
            "numpy==1.2 ; sys_platform == 'linux/x'",
            "numpy[a]>=1,<2 --hash=sha256:00 --hash=sha256:11",
            "pkg @ https://example.org/pkg.whl",
            "https://example.org/pkg-1.0-py3-none-any.whl",
            "-e git+https://example.org/pkg#egg=pkg",
            "git+ssh://git@example.org/pkg",
            "--index-url https://example.org/simple",
            "--extra-index-url=${INDEX}",
            "${WHEELS}/pkg.whl",
            "--pre",
            "",
        ] {
            assert!(words_of(line).is_empty(), "{line}");
        }
    }
}
