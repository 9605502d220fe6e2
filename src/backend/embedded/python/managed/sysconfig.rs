//! Files of a Python build that name the directory it was made for, `/install`: what they say once it is somewhere else,
//! as uv makes them say it. Pure.
//!
//! What builds extensions goes by `_sysconfigdata_…`: a dictionary of texts and numbers in Python's notation. Its paths
//! become those of the image, and the compilers of the machine that made the build become those that a system has.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// The prefix that builds are made for.
const BUILT_FOR: &str = "/install";

/// How the file begins.
const HEAD: &str =
    "# system configuration generated and used by the sysconfig module\nbuild_time_vars";

/// Says that this is one of uv's builds; programs ask for it.
const MARK: &str = "PYTHON_BUILD_STANDALONE";

/// What a file of a build is, by its path from the root of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// The dictionary of settings.
    Settings,
    /// The bytecode of the dictionary, which would count instead of it.
    Bytecode,
    /// A file of pkg-config.
    PkgConfig,
    /// A script that says how to compile.
    Script,
}

/// Which files name the prefix.
pub(super) fn naming(parts: &[&str]) -> Option<Naming> {
    let ends = |name: &str, end: &str| name.len() > end.len() && name.ends_with(end);
    match parts {
        ["lib", _, name] if name.starts_with("_sysconfigdata_") && ends(name, ".py") => {
            Some(Naming::Settings)
        }
        ["lib", _, "__pycache__", name] if name.starts_with("_sysconfigdata_") => {
            Some(Naming::Bytecode)
        }
        ["lib", "pkgconfig", name] if ends(name, ".pc") => Some(Naming::PkgConfig),
        ["bin", name] if ends(name, "-config") => Some(Naming::Script),
        _ => None,
    }
}

/// What such a file says of a Python at this prefix; `None` if it is left out.
pub(super) fn moved(naming: Naming, text: &[u8], prefix: &str) -> Result<Option<Vec<u8>>, String> {
    if naming == Naming::Bytecode {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return Err("it is not text".to_owned());
    };
    let moved = match naming {
        Naming::Settings => settings(text, prefix)?,
        Naming::PkgConfig => pkg_config(text),
        _ => script(text, prefix),
    };
    Ok(Some(moved.into_bytes()))
}

/// A value of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Number(i64),
}

fn settings(text: &str, prefix: &str) -> Result<String, String> {
    let mut values = read(text)?;
    for (name, value) in &mut values {
        if let Value::Text(text) = value {
            let words = text.split_whitespace().map(|word| {
                let here = word.strip_prefix(BUILT_FOR);
                match here.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                    Some(rest) => format!("{prefix}{rest}"),
                    None => compiler(name, word).unwrap_or(word).to_owned(),
                }
            });
            *text = words.collect::<Vec<_>>().join(" ");
            if name == "AR" {
                "ar".clone_into(text);
            }
        }
    }
    values.insert(MARK.to_owned(), Value::Number(1));
    let mut bytes = Vec::new();
    let form = PrettyFormatter::with_indent(b"    ");
    let written = values.serialize(&mut Serializer::with_formatter(&mut bytes, form));
    written.map_err(|error| error.to_string())?;
    let values = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    Ok(format!("{HEAD} = {values}\n"))
}

/// The compiler that a system has, for a word that names the one of the machine that made the build.
fn compiler(name: &str, word: &str) -> Option<&'static str> {
    let cross = word.strip_prefix("/usr/bin/");
    let cross = cross.filter(|program| program.contains("-linux-gnu"));
    let is_cross = |end: &str| cross.is_some_and(|program| program.ends_with(end));
    match name {
        "BLDSHARED" | "CC" | "LDSHARED" | "LINKCC" => {
            (matches!(word, "clang" | "musl-clang") || is_cross("-gcc")).then_some("cc")
        }
        "CXX" | "LDCXXSHARED" => (word == "clang++" || is_cross("-g++")).then_some("c++"),
        _ => None,
    }
}

/// The dictionary, as Python's `pprint` writes it.
fn read(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let rest = text
        .strip_prefix(HEAD)
        .and_then(|rest| rest.trim_start().strip_prefix('='))
        .and_then(|rest| rest.trim_start().strip_prefix('{'))
        .ok_or("it does not begin with a dictionary `build_time_vars`")?;
    let mut reader = Reader(rest.chars().peekable());
    let mut values = BTreeMap::new();
    while reader.next() != Some('}') {
        let name = reader.text()?;
        reader.take(':')?;
        let value = match reader.next() {
            Some('\'' | '"') => Value::Text(reader.text()?),
            _ => Value::Number(reader.number()?),
        };
        values.insert(name, value);
        if reader.next() != Some('}') {
            reader.take(',')?;
        }
    }
    reader.take('}')?;
    match reader.next() {
        None => Ok(values),
        Some(each) => Err(unexpected(each)),
    }
}

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    /// What comes next after blanks.
    fn next(&mut self) -> Option<char> {
        while self.0.next_if(char::is_ascii_whitespace).is_some() {}
        self.0.peek().copied()
    }

    fn take(&mut self, wanted: char) -> Result<(), String> {
        match self.next() {
            Some(each) if each == wanted => drop(self.0.next()),
            Some(each) => return Err(unexpected(each)),
            None => return Err(ends()),
        }
        Ok(())
    }

    /// A text of one or several pieces.
    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut has_any = false;
        while let Some(quote @ ('\'' | '"')) = self.next() {
            self.0.next();
            has_any = true;
            loop {
                match self.0.next().ok_or_else(ends)? {
                    each if each == quote => break,
                    '\\' => text.push(self.escaped()?),
                    each => text.push(each),
                }
            }
        }
        match self.next() {
            _ if has_any => Ok(text),
            Some(each) => Err(unexpected(each)),
            None => Err(ends()),
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<char, String> {
        let digits = match self.0.next().ok_or_else(ends)? {
            each @ ('\\' | '\'' | '"') => return Ok(each),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            each => return Err(format!("it has the unknown escape `\\{each}`")),
        };
        let digits: String = self.0.by_ref().take(digits).collect();
        let code = u32::from_str_radix(&digits, 16).ok();
        let found = code.and_then(char::from_u32);
        found.ok_or_else(|| format!("it has `{digits}` where a character's number would be"))
    }

    fn number(&mut self) -> Result<i64, String> {
        let mut digits = String::new();
        while let Some(each) = self.0.next_if(|it| it.is_ascii_digit() || *it == '-') {
            digits.push(each);
        }
        match (digits.parse(), self.0.peek()) {
            (Ok(number), _) => Ok(number),
            (Err(_), Some(each)) if digits.is_empty() => Err(unexpected(*each)),
            (Err(_), None) if digits.is_empty() => Err(ends()),
            (Err(_), _) => Err(format!("it has `{digits}` where a number would be")),
        }
    }
}

fn unexpected(each: char) -> String {
    format!("it has an unexpected `{}`", each.escape_default())
}

fn ends() -> String {
    "it ends in the middle".to_owned()
}

/// Makes prefixes relative to the file, which is in `lib/pkgconfig`.
fn pkg_config(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let (plain, end) = match line.strip_suffix('\n') {
            Some(plain) => (plain, "\n"),
            None => (line, ""),
        };
        match plain.split_once('=') {
            Some((name, BUILT_FOR)) if name.bytes().all(|each| each.is_ascii_alphabetic()) => {
                format!("{name}=${{pcfiledir}}/../..{end}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

/// Puts the prefix wherever a path begins with that of the build.
fn script(text: &str, prefix: &str) -> String {
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BUILT_FOR) {
        let (before, found) = rest.split_at(at);
        let after = &found[BUILT_FOR.len()..];
        let is_of_path = |each: char| each.is_alphanumeric() || "._-".contains(each);
        let is_option = before.ends_with("-I") || before.ends_with("-L");
        let is_begin = !before.ends_with(|each| is_of_path(each) || "/}".contains(each));
        let is_whole = (is_begin || is_option) && !after.starts_with(is_of_path);
        moved.push_str(before);
        moved.push_str(if is_whole { prefix } else { BUILT_FOR });
        rest = after;
    }
    moved.push_str(rest);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "/opt/python/cpython-3.12.7-linux-x86_64-gnu";

    fn moved(naming: Naming, text: &str) -> Result<String, String> {
        let moved = super::moved(naming, text.as_bytes(), PREFIX)?;
        Ok(String::from_utf8(moved.unwrap_or_default()).unwrap())
    }

    #[test]
    fn files_that_name_the_prefix_are_known_by_their_paths() {
        let of = |path: &str| naming(&path.split('/').collect::<Vec<_>>());
        let settings = "_sysconfigdata__linux_x86_64-linux-gnu";
        assert_eq!(
            of(&format!("lib/python3.12/{settings}.py")),
            Some(Naming::Settings)
        );
        let bytecode = format!("lib/python3.12/__pycache__/{settings}.cpython-312.pyc");
        assert_eq!(of(&bytecode), Some(Naming::Bytecode));
        assert_eq!(
            of("lib/pkgconfig/python-3.12-embed.pc"),
            Some(Naming::PkgConfig)
        );
        assert_eq!(of("bin/python3.12-config"), Some(Naming::Script));
        for path in [
            "lib/python3.12/os.py",
            "bin/python3.12",
            "share/bin/x-config",
            "bin/-config",
        ] {
            let is_script = path == "bin/-config";
            assert_eq!(of(path).filter(|_| !is_script), None, "{path}");
        }
        assert_eq!(super::moved(Naming::Bytecode, b"\xff", PREFIX), Ok(None));
    }

    #[test]
    fn settings_name_the_prefix_and_compilers_of_a_system() {
        let text = format!(
            r#"{HEAD} = {{'AR': '/tools/llvm/bin/llvm-ar',
 'BINDIR': '/install/bin',
 'CC': 'clang -pthread',
 'CONFIG_ARGS': "'--prefix=/install' "
                "'CC=clang' \\ \t\x41\u00e9",
 'CXX': '/usr/bin/aarch64-linux-gnu-g++ -pthread',
 'LDSHARED': '/usr/bin/aarch64-linux-gnu-gcc -shared -L/install/lib',
 'NEGATIVE': -3,
 'OTHER': 'clang /installed',
 'prefix': '/install',
 'userbase': ''}}
"#
        );
        let wanted = format!(
            r#"{HEAD} = {{
    "AR": "ar",
    "BINDIR": "{PREFIX}/bin",
    "CC": "cc -pthread",
    "CONFIG_ARGS": "'--prefix=/install' 'CC=clang' \\ Aé",
    "CXX": "c++ -pthread",
    "LDSHARED": "cc -shared -L/install/lib",
    "NEGATIVE": -3,
    "OTHER": "clang /installed",
    "PYTHON_BUILD_STANDALONE": 1,
    "prefix": "{PREFIX}",
    "userbase": ""
}}
"#
        );
        assert_eq!(moved(Naming::Settings, &text), Ok(wanted.clone()));
        // What has been moved is read again, and stays.
        assert_eq!(moved(Naming::Settings, &wanted), Ok(wanted));
    }

    #[test]
    fn settings_that_cannot_be_read_are_told() {
        let told = |rest: &str| moved(Naming::Settings, &format!("{HEAD}{rest}")).unwrap_err();
        assert!(
            moved(Naming::Settings, "build_time_vars = {}")
                .unwrap_err()
                .contains("does not begin")
        );
        for (rest, words) in [
            (" = [", "does not begin"),
            (" = {'a': 1", "ends in the middle"),
            (" = {'a': 'b", "ends in the middle"),
            (" = {'a'", "ends in the middle"),
            (" = {'a': ", "ends in the middle"),
            (" = {'a' 1}", "unexpected `1`"),
            (" = {'a': x}", "unexpected `x`"),
            (" = {a: 1}", "unexpected `a`"),
            (" = {'a': 1 'b': 2}", "unexpected `\\'`"),
            (" = {'a': 1-2}", "`1-2` where a number"),
            (" = {'a': '\\q'}", "unknown escape `\\q`"),
            (" = {'a': '\\ud800'}", "`d800` where a character"),
            (" = {} x", "unexpected `x`"),
        ] {
            assert!(told(rest).contains(words), "{rest}: {}", told(rest));
        }
        assert!(super::moved(Naming::Settings, b"\xff", PREFIX).is_err());
    }

    #[test]
    fn pkg_config_goes_by_its_own_place() {
        let text = "# See\nprefix=/install\nexec_prefix=${prefix}\nlibdir=/install/lib\n\nCflags: -I${includedir}";
        let wanted = text.replace("prefix=/install", "prefix=${pcfiledir}/../..");
        assert_eq!(moved(Naming::PkgConfig, text), Ok(wanted));
    }

    #[test]
    fn scripts_name_the_prefix() {
        let text = "#!/install/bin/python3.12\nprefix=\"/install\"\nx=/usr/install /installed \"$a/install\" ${a}/install -I/install/include\n";
        let wanted = format!(
            "#!{PREFIX}/bin/python3.12\nprefix=\"{PREFIX}\"\nx=/usr/install /installed \"$a/install\" ${{a}}/install -I{PREFIX}/include\n"
        );
        assert_eq!(moved(Naming::Script, text), Ok(wanted));
        assert_eq!(moved(Naming::Script, ""), Ok(String::new()));
    }
}
