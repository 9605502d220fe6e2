//! Parses and matches one pattern of a `.dockerignore`.
//!
//! Keeps the quirks of the builders' matcher (`**x` means "ends in x", `dir**` means "starts with dir", `[^a]` and
//! `[.-0]` match `/`). Rejects what has a meaning there only because the pattern is turned into a regular expression
//! (`\d`, `[a*]`, `[[:alpha:]]`). Matching tracks a set of states, so no pattern is slow.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    Exact(String),
    Prefix(String),
    /// The path ends in this text; `/x` also matches `x` itself.
    Suffix(String),
    Glob(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fingerprint) enum Token {
    Char(char),
    /// `?`: any character except `/`.
    Any,
    /// `*`: any number of characters except `/`.
    Star,
    /// `**` in front of more: nothing, or what [`Token::Folders`] matches.
    MaybeFolders,
    /// Any characters ending in `/`; always follows [`Token::MaybeFolders`].
    Folders,
    /// `**` at the end: everything.
    Rest,
    /// `[…]`: one of these characters, or with `^` any other.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `^` outside brackets: the start of the path.
    Start,
}

/// The kind of the pattern read so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Exact,
    Prefix,
    Suffix,
    Glob,
}

impl Pattern {
    /// Parses a cleaned pattern; the error says why it is invalid.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut shape = Shape::Exact;
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        let mut first = true;
        while let Some(next) = rest.next() {
            match next {
                '*' if rest.next_if_eq(&'*').is_some() => {
                    rest.next_if_eq(&'/');
                    shape = double_star(&mut tokens, shape, first, rest.peek().is_none());
                }
                '*' | '?' => {
                    tokens.push(if next == '*' { Token::Star } else { Token::Any });
                    shape = Shape::Glob;
                }
                '\\' => {
                    tokens.push(Token::Char(escaped(rest.next())?));
                    shape = Shape::Glob;
                }
                '[' => {
                    tokens.push(class(&mut rest)?);
                    shape = Shape::Glob;
                }
                ']' => {
                    tokens.push(Token::Char(']'));
                    shape = Shape::Glob;
                }
                '^' => tokens.push(Token::Start),
                other => tokens.push(Token::Char(other)),
            }
            first = false;
        }
        Ok(match shape {
            Shape::Exact => Self::Exact(text.to_owned()),
            Shape::Prefix => Self::Prefix(text[..text.len() - 2].to_owned()),
            Shape::Suffix => Self::Suffix(text[2..].to_owned()),
            Shape::Glob => Self::Glob(tokens),
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(text) => path == text,
            Self::Prefix(head) => path.starts_with(head.as_str()),
            Self::Suffix(tail) => {
                path.ends_with(tail.as_str()) || tail.strip_prefix('/') == Some(path)
            }
            Self::Glob(tokens) => glob(tokens, path),
        }
    }

    /// Whether it matches a path, and not just because its last component is a wildcard as in `a/*` and `a/**`.
    pub(super) fn names(&self, path: &str) -> bool {
        let is_wild = match self {
            Self::Exact(_) => false,
            Self::Prefix(head) => head.ends_with('/'),
            Self::Suffix(tail) => tail.trim_start_matches('/').is_empty(),
            Self::Glob(tokens) => tokens
                .iter()
                .rev()
                .take_while(|token| !matches!(token, Token::Char('/') | Token::Folders))
                .all(|token| matches!(token, Token::Star | Token::Rest)),
        };
        !is_wild && self.matches(path)
    }

    /// Whether it could match any path below the directory. May return true when it cannot.
    pub(super) fn may_match_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        match self {
            Self::Exact(text) => text.starts_with(&below),
            Self::Prefix(head) => head.starts_with(&below) || below.starts_with(head.as_str()),
            Self::Suffix(_) => true,
            Self::Glob(tokens) => {
                let head: String = tokens
                    .iter()
                    .map_while(|token| match token {
                        Token::Char(char) => Some(*char),
                        _ => None,
                    })
                    .collect();
                head.starts_with(&below) || below.starts_with(&head)
            }
        }
    }
}

/// Adds the tokens for `**` and the `/` after it, if any.
fn double_star(tokens: &mut Vec<Token>, shape: Shape, first: bool, last: bool) -> Shape {
    if last {
        tokens.push(Token::Rest);
    } else {
        tokens.extend([Token::MaybeFolders, Token::Folders]);
    }
    match (first, last, shape) {
        (true, ..) => Shape::Suffix,
        (false, true, Shape::Exact) => Shape::Prefix,
        _ => Shape::Glob,
    }
}

fn escaped(next: Option<char>) -> Result<char, String> {
    match next {
        None => Err("nothing follows the `\\`".to_owned()),
        Some(char) if char.is_ascii() && !char.is_ascii_alphanumeric() => Ok(char),
        Some(char) => Err(format!("`\\{char}` is not a valid escape")),
    }
}

/// Parses a bracket expression after the opening bracket.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, String> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.next_if_eq(&']').is_some() {
            return Ok(Token::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let high = match rest.next_if_eq(&'-') {
            Some(_) => class_char(rest)?,
            None => low,
        };
        if low > high {
            return Err(format!("the range `{low}-{high}` is backwards"));
        }
        ranges.push((low, high));
    }
}

fn class_char(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, String> {
    match rest.next() {
        None => Err("the `[` is not closed".to_owned()),
        Some('\\') => escaped(rest.next()),
        Some(char @ ('-' | ']' | '*' | '?')) => {
            Err(format!("`{char}` in brackets needs a `\\` before it"))
        }
        Some('[') if rest.peek() == Some(&':') => {
            Err("`[` in brackets needs a `\\` before it".to_owned())
        }
        Some(char) => Ok(char),
    }
}

/// Advances through the path, tracking the set of tokens that may come next.
pub(in crate::fingerprint) fn glob(tokens: &[Token], path: &str) -> bool {
    let mut now = vec![false; tokens.len() + 1];
    let mut next = now.clone();
    reach(tokens, &mut now, 0, true);
    for char in path.chars() {
        next.fill(false);
        for at in (0..tokens.len()).filter(|at| now[*at]) {
            let (stays, passes) = consume(&tokens[at], char);
            if stays {
                reach(tokens, &mut next, at, false);
            }
            if passes {
                reach(tokens, &mut next, at + 1, false);
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    now[tokens.len()]
}

/// Marks a token as possible next, along with those after it if it may be skipped.
fn reach(tokens: &[Token], states: &mut [bool], from: usize, start: bool) {
    let mut at = from;
    loop {
        if states[at] {
            return;
        }
        states[at] = true;
        match tokens.get(at) {
            Some(Token::Star | Token::Rest) => at += 1,
            Some(Token::Start) if start => at += 1,
            Some(Token::MaybeFolders) => {
                states[at + 1] = true;
                at += 2;
            }
            _ => return,
        }
    }
}

/// Whether the token consumes the character and continues, and whether it consumes it and is complete.
fn consume(token: &Token, char: char) -> (bool, bool) {
    match token {
        Token::Char(wanted) => (false, *wanted == char),
        Token::Any => (false, char != '/'),
        Token::Star => (char != '/', false),
        Token::Rest => (char != '\n', false),
        Token::Folders => (char != '\n', char == '/'),
        Token::Class { negated, ranges } => {
            let inside = ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&char));
            (false, inside != *negated)
        }
        Token::MaybeFolders | Token::Start => (false, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::read(pattern).unwrap().matches(path)
    }

    #[test]
    fn stars_stop_at_slashes_and_double_stars_do_not() {
        // moby/patternmatcher, case by case; pulumi-docker#607: too little was excluded.
        for (pattern, path, wanted) in [
            ("abc", "abc", true),
            ("abc", "x/abc", false),
            ("*", "abc", true),
            ("*.go", "a/b.go", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("a?b", "a☺b", true),
            ("a?b", "a/b", false),
            ("**", "a/b", true),
            ("**/dir", "dir", true),
            ("**/dir", "x/y/dir", true),
            ("**/dir", "xdir", false),
            ("**dir", "xdir", true),
            ("dir/**", "dir", false),
            ("dir/**", "dir/a/b", true),
            ("dir**", "dirty/a", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/*.txt", "file.txt", true),
            ("**/*.txt", "a/b/file.txt", true),
            ("**/**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/b/c", true),
            ("a/**/c", "a/bc", false),
            ("**.txt*", "x.txt1", false),
            ("***", "a/b", true),
            (".*", "foo", false),
            ("abc.def", "abcZdef", false),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        ] {
            assert_eq!(matches(pattern, path), wanted, "`{pattern}` on `{path}`");
        }
    }

    #[test]
    fn brackets_negate_with_a_caret_and_escape_with_a_backslash() {
        // openship#370: twenty cases compared with a real Docker; `^` negates, `\\` escapes.
        for (pattern, path, wanted) in [
            ("ab[b-d]", "abc", true),
            ("ab[^c]", "abc", false),
            ("a[^a]b", "a☺b", true),
            ("a[^b]c", "a/c", true),
            ("[!a]b", "cb", false),
            ("[!a]b", "!b", true),
            ("[a-ζ]*", "α", true),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[x\\-]", "z", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\\\", "a\\", true),
            ("a]", "a]", true),
            ("^a", "^a", true),
            ("^a*", "ab", true),
            ("a^b*", "a^b", false),
        ] {
            assert_eq!(matches(pattern, path), wanted, "`{pattern}` on `{path}`");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            "[",
            "[^",
            "[]a]",
            "[-]",
            "[x-]",
            "[-x]",
            "a[",
            "[a-b-c]",
            "[^bc",
            "\\",
            "a\\d",
            "[z-a]",
            "[a*]",
            "[[:alpha:]]",
            "\\é",
        ] {
            assert!(Pattern::read(pattern).is_err(), "`{pattern}`");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_not_slow() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(4000)));
    }

    proptest! {
        #[test]
        fn what_cannot_match_below_a_folder_never_does(
            pattern in "[ab*?/]{1,8}", folder in "[ab]{1,2}(/[ab]{1,2})?", tail in "[ab]{1,2}(/[ab]{1,2})?"
        ) {
            let pattern = Pattern::read(&pattern).unwrap();
            if pattern.matches(&format!("{folder}/{tail}")) {
                prop_assert!(pattern.may_match_below(&folder));
            }
        }

        #[test]
        fn no_text_makes_it_panic(pattern in any::<String>(), path in any::<String>()) {
            if let Ok(pattern) = Pattern::read(&pattern) {
                pattern.matches(&path);
            }
        }
    }
}
