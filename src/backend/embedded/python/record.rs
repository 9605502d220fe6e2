//! RECORD, a wheel's list of its files with their hashes: read, and written for what was installed. Pure.
//!
//! Format: <https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file>.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A sha256 hash.
pub(super) type Hash = [u8; 32];

/// Reads the hashes by path; paths without a sha256 hash are left out. `None` if it is no such list.
pub(super) fn read(text: &str) -> Option<BTreeMap<String, Hash>> {
    let mut hashes = BTreeMap::new();
    for [path, hash, _] in rows(text)? {
        if let Some(hash) = hash.strip_prefix("sha256=") {
            let hash = URL_SAFE_NO_PAD.decode(hash.trim_end_matches('=')).ok()?;
            // Some tools write absolute paths.
            let path = path.trim_start_matches('/').to_owned();
            hashes.insert(path, hash.try_into().ok()?);
        }
    }
    Some(hashes)
}

/// All paths, as they are written. `None` if it is no such list.
pub(super) fn paths(text: &str) -> Option<Vec<String>> {
    let rows = rows(text)?.into_iter();
    Some(rows.map(|[path, ..]| path).collect())
}

fn rows(text: &str) -> Option<Vec<[String; 3]>> {
    let mut rows = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (row, after) = row(rest)?;
        rest = after;
        match <[String; 3]>::try_from(row) {
            Ok(row) => rows.push(row),
            // An empty line.
            Err(row) if matches!(row.as_slice(), [only] if only.is_empty()) => {}
            Err(_) => return None,
        }
    }
    Some(rows)
}

/// The fields of the first row, and what follows it.
fn row(text: &str) -> Option<(Vec<String>, &str)> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let field = if let Some(mut quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            loop {
                let (part, after) = quoted.split_once('"')?;
                field.push_str(part);
                rest = after;
                match after.strip_prefix('"') {
                    Some(more) => quoted = more,
                    None => break field,
                }
                field.push('"');
            }
        } else {
            let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
            let field = rest[..end].to_owned();
            rest = &rest[end..];
            field
        };
        fields.push(field);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
            continue;
        }
        let after = rest.strip_prefix('\r').unwrap_or(rest);
        let after = after.strip_prefix('\n').unwrap_or(after);
        return (after.is_empty() || after.len() < rest.len()).then_some((fields, after));
    }
}

/// A row for a file, by its path from the directory of packages.
pub(super) fn line(path: &str, hash: &Hash, size: u64) -> String {
    let hash = URL_SAFE_NO_PAD.encode(hash);
    format!("{},sha256={hash},{size}\n", field(path))
}

/// The row of RECORD itself, which cannot know its own hash.
pub(super) fn own_line(path: &str) -> String {
    format!("{},,\n", field(path))
}

fn field(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        let hash = [7; 32];
        let odd = "a,\"b\"\n.py";
        let text = line("x/y.py", &hash, 3) + &line(odd, &hash, 0) + &own_line("x/RECORD");
        let read = read(&text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read["x/y.py"], read[odd]), (hash, hash));
    }

    #[test]
    fn other_hashes_are_none_and_nonsense_is_refused() {
        let text = "a,,\r\nb,md5=xx,3\r\n\r\n/c,,";
        assert!(read(text).unwrap().is_empty());
        assert_eq!(paths(text).unwrap(), ["a", "b", "/c"]);
        for text in [
            "a\n",
            "\"a,,\n",
            "a,sha256=!,1\n",
            "a,sha256=AAAA,1\n",
            "a,b,c,d\n",
            "\"a\"b,,\n",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
