//! The part of the lock file that pins Python packages: a node for each step that installs some, one line a package.
//!
//! Names, versions and digests end up in commands of builders, so they are read by their own grammar: no text of a lock can
//! become an option, another requirement or shell.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::reader::{Beside, RESTORE, Reader, WITHOUT_SOURCES, number};
use crate::backend::oci::name::Digest;
use crate::backend::packages::sources_stem;
use crate::diagnostic::{Diagnostic, quoted, shown};
use crate::fingerprint::without_credentials;
use crate::manifest::{Data, Node};
use crate::workspace::{ImagePackages, LOCK_FILE, LockedWheel, PlatformPackages, StepPackages};

/// How digests of inputs begin.
const INPUTS: &str = "blake3:";

/// The nodes of packages: a wheel, or the sources of one.
const WHEEL: &str = "wheel";
const SOURCES: &str = "sdist";

/// Whether there is a package of which the lock has sources.
pub(super) fn has_sources(packages: &BTreeMap<String, ImagePackages>) -> bool {
    let steps = packages.values().flat_map(BTreeMap::values);
    let mut platforms = steps.flat_map(|step| step.platforms.values());
    platforms.any(|platform| platform.wheels.iter().any(|one| is_sources(&one.file)))
}

/// Formats the packages of all images.
pub(super) fn write(packages: &BTreeMap<String, ImagePackages>, text: &mut String) {
    for (image, steps) in packages {
        for (step, packages) in steps {
            let image = quoted(image);
            let step = match step {
                1 => String::new(),
                step => format!(" step={step}"),
            };
            let _ = writeln!(text, "\npackages {image}{step} {{");
            let _ = writeln!(text, "    inputs {}", quoted(&packages.inputs));
            for (platform, locked) in &packages.platforms {
                write_platform(platform, locked, text);
            }
            text.push_str("}\n");
        }
    }
}

fn write_platform(platform: &str, locked: &PlatformPackages, text: &mut String) {
    let (platform, target) = (quoted(platform), quoted(&locked.target));
    let _ = write!(text, "    platform {platform} target={target}");
    if let Some(base) = &locked.base {
        let _ = write!(text, " base={}", quoted(base));
    }
    text.push_str(" {\n");
    for wheel in &locked.wheels {
        let texts = [
            &wheel.name,
            &wheel.version,
            &wheel.file,
            &wheel.sha256,
            &wheel.url,
        ];
        let kind = if is_sources(&wheel.file) {
            SOURCES
        } else {
            WHEEL
        };
        let _ = write!(text, "        {kind}");
        for part in texts {
            let _ = write!(text, " {}", quoted(part));
        }
        if let Some(size) = wheel.size {
            let _ = write!(text, " size={size}");
        }
        if wheel.is_requested {
            text.push_str(" requested=#true");
        }
        text.push('\n');
    }
    text.push_str("    }\n");
}

impl Reader {
    pub(super) fn packages(&mut self, node: &Node) {
        let step = match node.props.as_slice() {
            [] => Some(1),
            [prop] if prop.name.text == "step" => {
                number(&prop.value.data).filter(|step| *step > 1 && *step <= 1000)
            }
            _ => None,
        };
        let Some([image]) = self.texts_beside(node, step.is_some()) else {
            return;
        };
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
        if let Some(first) = self.installed.insert((image.clone(), step), node.head()) {
            let image = shown(&image);
            let message = format!("`{LOCK_FILE}` has two lists of packages for `{image}`");
            let mistake = Diagnostic::twice("wrong-lock", message, &node.head(), &first);
            self.mistakes.push(mistake.help(RESTORE));
            return;
        }
        let Some(packages) = self.list(node, Self::platform) else {
            return;
        };
        let steps = self.lock.packages.entry(image).or_default();
        steps.insert(step, Arc::new(packages));
    }

    /// The digest of inputs and the platforms of a list; `read` reads what is of a kind in one of these.
    pub(super) fn list<P>(
        &mut self,
        node: &Node,
        read: impl Fn(&mut Self, &Node) -> Option<(String, P)>,
    ) -> Option<StepPackages<P>> {
        let mut inputs = None;
        let mut platforms = BTreeMap::new();
        for child in &node.children {
            match child.name.text.as_str() {
                "inputs" if inputs.is_some() => {
                    self.wrong(child.head(), "a list has one digest of its inputs");
                }
                "inputs" => {
                    inputs = self.texts(child).map(|[text]| text);
                    if inputs.as_ref().is_some_and(|text| !is_inputs(text)) {
                        self.wrong(child.head(), "this is not a digest of inputs");
                    }
                }
                "platform" => {
                    let Some((platform, locked)) = read(self, child) else {
                        continue;
                    };
                    if platforms.insert(platform, locked).is_some() {
                        self.wrong(child.head(), "this platform is listed twice");
                    }
                }
                other => {
                    let why = format!("a list of packages cannot contain `{}`", shown(other));
                    self.wrong(child.head(), &why);
                }
            }
        }
        let Some(inputs) = inputs else {
            self.wrong(node.head(), "this list has no digest of its inputs");
            return None;
        };
        Some(StepPackages { inputs, platforms })
    }

    fn platform(&mut self, node: &Node) -> Option<(String, PlatformPackages)> {
        let (mut target, mut base, mut is_fine) = (None, None, true);
        for prop in &node.props {
            let text = match &prop.value.data {
                Data::Text { text, .. } => text.clone(),
                _ => String::new(),
            };
            match prop.name.text.as_str() {
                "target" if target.is_none() && !text.is_empty() => target = Some(text),
                "base" if base.is_none() && is_base(&text) => base = Some(text),
                _ => is_fine = false,
            }
        }
        let [platform] = self.texts_beside(node, is_fine && target.is_some())?;
        let kinds = if self.version > WITHOUT_SOURCES {
            &[WHEEL, SOURCES][..]
        } else {
            &[WHEEL]
        };
        let wheels = self.listed(node, kinds, Self::wheel, |wheel| &wheel.name)?;
        let locked = PlatformPackages {
            target: target?,
            base,
            wheels,
        };
        Some((platform, locked))
    }

    fn wheel(&mut self, node: &Node) -> Option<LockedWheel> {
        let Beside {
            size,
            is_requested,
            is_fine,
        } = Beside::read(node);
        let [name, version, file, sha256, url] = self.texts_beside(node, is_fine)?;
        let has_sources = node.name.text == SOURCES;
        let why = if !is_name(&name) {
            "this is not the normalized name of a package"
        } else if !is_version(&version) {
            "this is not a version"
        } else if has_sources && !is_sources(&file) {
            "this is not the file name of sources"
        } else if !has_sources && !is_wheel(&file) {
            "this is not the file name of a wheel"
        } else if Digest::read(&sha256).is_none() {
            "this is not a sha256 digest"
        } else if !is_url(&url) {
            "this is not a URL without credentials"
        } else {
            return Some(LockedWheel {
                name,
                version,
                file,
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

/// Whether this tells what a list was resolved on: an outside image, or that with lists beneath.
pub(super) fn is_base(text: &str) -> bool {
    Digest::read(text).is_some() || is_inputs(text)
}

fn is_inputs(text: &str) -> bool {
    let digits = text.strip_prefix(INPUTS).unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.len() == 64 && digits.bytes().all(is_digit)
}

/// A name as PEP 503 normalizes it.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_plain(*first)
        && is_plain(*last)
        && bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
        && !text.contains("--")
}

fn is_version(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".!+_-".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(is_fine)
}

fn is_wheel(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".!+_-".contains(&byte);
    let stem = text.strip_suffix(".whl").unwrap_or_default();
    stem.starts_with(|first: char| first.is_ascii_alphanumeric()) && stem.bytes().all(is_fine)
}

fn is_sources(text: &str) -> bool {
    sources_stem(text).is_some()
}

pub(super) fn is_url(text: &str) -> bool {
    let known = ["https://", "http://", "file://"];
    known.iter().any(|scheme| text.starts_with(scheme))
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && without_credentials(text) == text
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
