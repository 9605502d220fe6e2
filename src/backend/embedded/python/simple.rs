//! Reads a project's page of a package index, as JSON (PEP 691) or HTML (PEP 503). Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::address::Address;
use crate::backend::oci::name::Digest;

/// The types of pages, the best first.
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) file: String,
    pub(super) at: Address,
    pub(super) sha256: Option<Digest>,
    pub(super) size: Option<u64>,
    pub(super) requires_python: Option<String>,
    /// Whether its metadata are a file beside it.
    pub(super) has_metadata: bool,
    pub(super) is_yanked: bool,
    /// When it was published, as the index says it.
    pub(super) upload_time: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Meta {
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    requires_python: Option<String>,
    #[serde(alias = "dist-info-metadata")]
    core_metadata: Option<Told>,
    yanked: Option<Told>,
    upload_time: Option<String>,
}

/// A yes or no, where a yes may be more: a reason, or hashes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Plain(bool),
    More(serde::de::IgnoredAny),
}

impl Told {
    fn is_yes(&self) -> bool {
        matches!(self, Self::Plain(true) | Self::More(_))
    }
}

/// Reads a page. A file whose URL cannot be used is left out.
pub(super) fn read(kind: &str, page: &[u8], at: &Address) -> Result<Vec<Listed>, String> {
    let is_json = kind.contains("json") || page.trim_ascii_start().starts_with(b"{");
    if !is_json {
        return Ok(html(&String::from_utf8_lossy(page), at));
    }
    let page: Page = serde_json::from_slice(page)
        .map_err(|error| format!("it is not the page of an index: {error}"))?;
    let version = &page.meta.api_version;
    if !version.starts_with("1.") {
        let version = version.escape_debug();
        return Err(format!("its `api-version` is {version}; only 1 is known"));
    }
    let listed = page.files.into_iter().filter_map(|file| {
        let sha256 = file.hashes.get("sha256").and_then(|hex| sha256(hex));
        Some(Listed {
            at: at.join(&file.url).ok()?,
            file: file.filename,
            sha256,
            size: file.size,
            requires_python: file.requires_python,
            has_metadata: file.core_metadata.as_ref().is_some_and(Told::is_yes),
            is_yanked: file.yanked.as_ref().is_some_and(Told::is_yes),
            upload_time: file.upload_time,
        })
    });
    Ok(listed.collect())
}

fn html(page: &str, at: &Address) -> Vec<Listed> {
    let mut base = at.clone();
    let mut listed = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let name = rest
            .split(|char: char| char.is_whitespace() || char == '>')
            .next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let (attributes, after) = attributes(&rest[name.len()..]);
        rest = after;
        let value = |name: &str| attributes.get(name).map(String::as_str);
        let Some(link) = value("href") else { continue };
        if name == "base" {
            base = at.join(link).unwrap_or(base);
        }
        if name != "a" {
            continue;
        }
        let text = rest.find('<').map_or(rest, |end| &rest[..end]);
        let hash = link.split_once('#').map_or("", |(_, hash)| hash);
        let mut hashes = hash.split('&');
        let hash = hashes.find_map(|hash| sha256(hash.strip_prefix("sha256=")?));
        if let Ok(at) = base.join(link) {
            listed.push(Listed {
                at,
                file: unescaped(text.trim()),
                sha256: hash,
                size: None,
                requires_python: value("data-requires-python").map(str::to_owned),
                has_metadata: ["data-core-metadata", "data-dist-info-metadata"]
                    .iter()
                    .any(|name| value(name).is_some_and(|told| told != "false")),
                is_yanked: value("data-yanked").is_some(),
                upload_time: None,
            });
        }
    }
    listed
}

/// The attributes of a tag, and what follows it.
fn attributes(tag: &str) -> (BTreeMap<String, String>, &str) {
    let mut found = BTreeMap::new();
    let mut rest = tag;
    loop {
        rest = rest.trim_start_matches(|char: char| char.is_whitespace() || char == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        let end = rest.find(|char: char| char.is_whitespace() || matches!(char, '=' | '>'));
        let Some(end) = end else {
            return (found, "");
        };
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after
                .chars()
                .next()
                .filter(|char| matches!(char, '"' | '\''));
            (value, rest) = if let Some(quote) = quote {
                after[1..].split_once(quote).unwrap_or((&after[1..], ""))
            } else {
                let end = after.find(|char: char| char.is_whitespace() || char == '>');
                after.split_at(end.unwrap_or(after.len()))
            };
        }
        found.entry(name).or_insert_with(|| unescaped(value));
    }
}

/// Text with the entities of HTML that pages use.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest
            .split_once(';')
            .map(|(entity, after)| (&entity[1..], after));
        let char = entity.and_then(|(entity, _)| match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => numeric(entity),
        });
        if let (Some(char), Some((_, after))) = (char, entity) {
            out.push(char);
            rest = after;
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out + rest
}

fn numeric(entity: &str) -> Option<char> {
    let digits = entity.strip_prefix('#')?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code)
}

fn sha256(hex: &str) -> Option<Digest> {
    Digest::read(&format!("sha256:{}", hex.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::super::address;
    use super::*;

    fn read_at(kind: &str, page: &str) -> Vec<(String, String, bool, Option<String>)> {
        let at = address::read("https://h/simple/six/").unwrap().0;
        let listed = read(kind, page.as_bytes(), &at).unwrap();
        let told = |it: Listed| {
            (
                it.file,
                it.at.as_str().to_owned(),
                it.sha256.is_some(),
                it.requires_python,
            )
        };
        listed.into_iter().map(told).collect()
    }

    #[test]
    fn both_forms_say_the_same() {
        let hash = "ab".repeat(32);
        let html = format!(
            "<!DOCTYPE html><html><head><!-- <a href=x>x</a> --><meta name='pypi:repository-version' content='1.1'></head>\n\
             <body><h1>six</h1><A data-requires-python=\"&gt;=3.8\" HREF='../../f/a%20b.whl#sha256={hash}'>\n a b.whl </a><br/>\
             <a href=\"https://other/c.whl?x=1&amp;y=2#md5=00\" data-yanked>c.whl</a><a>no link</a></body></html>"
        );
        let json = format!(
            "{{\"meta\":{{\"api-version\":\"1.1\"}},\"name\":\"six\",\"files\":[\
             {{\"filename\":\"a b.whl\",\"url\":\"../../f/a%20b.whl\",\"hashes\":{{\"sha256\":\"{hash}\"}},\"requires-python\":\">=3.8\"}},\
             {{\"filename\":\"c.whl\",\"url\":\"https://other/c.whl?x=1&y=2\",\"hashes\":{{}},\"yanked\":\"why\"}}]}}"
        );
        let wanted = [
            (
                "a b.whl".to_owned(),
                "https://h/f/a%20b.whl".to_owned(),
                true,
                Some(">=3.8".to_owned()),
            ),
            (
                "c.whl".to_owned(),
                "https://other/c.whl?x=1&y=2".to_owned(),
                false,
                None,
            ),
        ];
        assert_eq!(read_at("text/html", &html), wanted);
        assert_eq!(
            read_at("application/vnd.pypi.simple.v1+json", &json),
            wanted
        );
        assert_eq!(read_at("text/plain", &json), wanted);
    }

    #[test]
    fn a_base_moves_links_and_those_to_files_of_this_machine_are_left_out() {
        let page = "<base href='/other/'><a href=x.whl>x.whl</a><a href='file:///etc/passwd'>p</a>";
        let files: Vec<String> = read_at("", page).into_iter().map(|it| it.1).collect();
        assert_eq!(files, ["https://h/other/x.whl"]);
    }

    #[test]
    fn pages_that_are_none_are_refused_or_empty_but_read_to_the_end() {
        let at = address::read("https://h/simple/six/").unwrap().0;
        for page in [
            "",
            "<",
            "<a",
            "<a href",
            "<a href=",
            "<a href='",
            "<a href='x",
            "<!--",
            "<a href=\"é&#xffffffff;&",
            "&#1;<b é",
        ] {
            let _ = read("text/html", page.as_bytes(), &at).unwrap();
        }
        for page in [
            "{",
            "{}",
            "[]",
            "{\"meta\":{\"api-version\":\"2.0\"},\"files\":[]}",
        ] {
            assert!(
                read("application/json", page.as_bytes(), &at).is_err(),
                "{page}"
            );
        }
    }
}
