//! The part of the lock file that pins Debian packages: a node for each field that installs some, one line a package.
//!
//! Names, versions and addresses are read by their own grammar: no text of a lock can become a path or an option.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::packages::{is_base, is_url};
use super::reader::{Beside, RESTORE, Reader};
use crate::backend::oci::name::Digest;
use crate::diagnostic::{Diagnostic, quoted, shown};
use crate::manifest::{Data, Node};
use crate::workspace::{DebianField, ImageDebs, LOCK_FILE, LockedDeb, PlatformDebs};

/// Formats the Debian packages of all images.
pub(super) fn write(debian: &BTreeMap<String, ImageDebs>, text: &mut String) {
    for (image, fields) in debian {
        for (field, locked) in fields {
            let (image, field) = (quoted(image), quoted(field.name()));
            let _ = writeln!(text, "\ndebian {image} {field} {{");
            let _ = writeln!(text, "    inputs {}", quoted(&locked.inputs));
            for (platform, locked) in &locked.platforms {
                let _ = write!(text, "    platform {}", quoted(platform));
                if let Some(base) = &locked.base {
                    let _ = write!(text, " base={}", quoted(base));
                }
                text.push_str(" {\n");
                locked.debs.iter().for_each(|deb| write_deb(deb, text));
                text.push_str("    }\n");
            }
            text.push_str("}\n");
        }
    }
}

fn write_deb(deb: &LockedDeb, text: &mut String) {
    let texts = [
        &deb.name,
        &deb.version,
        &deb.architecture,
        &deb.sha256,
        &deb.url,
    ];
    text.push_str("        deb");
    for part in texts {
        let _ = write!(text, " {}", quoted(part));
    }
    let _ = write!(text, " size={}", deb.size);
    if deb.is_requested {
        text.push_str(" requested=#true");
    }
    text.push('\n');
}

impl Reader {
    pub(super) fn debian(&mut self, node: &Node) {
        let Some([image, name]) = self.texts(node) else {
            return;
        };
        let Some(field) = DebianField::named(&name) else {
            let why = format!("no Debian packages are for `{}`", shown(&name));
            self.wrong(node.head(), &why);
            return;
        };
        if let Some(first) = self.debian.insert((image.clone(), field), node.head()) {
            let image = shown(&image);
            let message = format!("`{LOCK_FILE}` has two lists of Debian packages for `{image}`");
            let mistake = Diagnostic::twice("wrong-lock", message, &node.head(), &first);
            self.mistakes.push(mistake.help(RESTORE));
            return;
        }
        if let Some(packages) = self.list(node, Self::debian_platform) {
            let fields = self.lock.debian.entry(image).or_default();
            fields.insert(field, Arc::new(packages));
        }
    }

    fn debian_platform(&mut self, node: &Node) -> Option<(String, PlatformDebs)> {
        let (mut base, mut is_fine) = (None, true);
        for prop in &node.props {
            match (prop.name.text.as_str(), &prop.value.data) {
                ("base", Data::Text { text, .. }) if base.is_none() => {
                    is_fine &= is_base(text);
                    base = Some(text.clone());
                }
                _ => is_fine = false,
            }
        }
        let [platform] = self.texts_beside(node, is_fine)?;
        let debs = self.listed(node, &["deb"], Self::deb, |deb| &deb.name)?;
        Some((platform, PlatformDebs { base, debs }))
    }

    fn deb(&mut self, node: &Node) -> Option<LockedDeb> {
        let Beside {
            size,
            is_requested,
            is_fine,
        } = Beside::read(node);
        let [name, version, architecture, sha256, url] =
            self.texts_beside(node, is_fine && size.is_some())?;
        let size = size?;
        let why = if !is_name(&name) {
            "this is not the name of a Debian package"
        } else if !is_version(&version) {
            "this is not a version"
        } else if !is_architecture(&architecture) {
            "this is not an architecture"
        } else if Digest::read(&sha256).is_none() {
            "this is not a sha256 digest"
        } else if !is_place(&url) {
            "this is not the URL of a package, without credentials"
        } else if size > LockedDeb::LARGEST {
            "a package has at most 8 GiB"
        } else {
            return Some(LockedDeb {
                name,
                version,
                architecture,
                sha256,
                size,
                url,
                is_requested,
            });
        };
        self.wrong(node.head(), why);
        None
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// A name by Debian's policy.
fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || b"+-.".contains(&byte))
}

/// A version by Debian's policy.
fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
}

fn is_architecture(text: &str) -> bool {
    text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'-')
}

/// The address of a file that stays in its archive.
fn is_place(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let mut parts = path.split('/');
    is_url(url)
        && !host.is_empty()
        && !url.contains(['?', '#', '\\', '"'])
        && parts.all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests;
