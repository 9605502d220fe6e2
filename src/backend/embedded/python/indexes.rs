//! Which package indexes a step uses: those of the manifest, else those of its secrets, else the public one. Pure.

use super::address::{self, Address, bare};
use super::given::Given;

/// The public index.
const PUBLIC: &str = "https://pypi.org/simple";

/// The indexes of a step.
#[derive(Debug, Clone)]
pub(in super::super) struct Indexes {
    /// In the order in which they are asked.
    pub(in super::super) all: Vec<Address>,
    options: Vec<String>,
}

impl Indexes {
    /// The indexes of a step, by uv's rules: additional ones come first.
    pub(in super::super) fn of(
        index: Option<&String>,
        extra: &[String],
        given: &Given,
    ) -> Result<Self, String> {
        let option = |name: &str, url: &String| format!("--{name}={url}");
        let own = index.map(|url| option("default-index", url));
        let extra_options = extra.iter().map(|url| option("index", url));
        let options = own.into_iter().chain(extra_options).collect();
        let said = |name: &str| given.variable(name).unwrap_or_default();
        let several = |name: &str| said(name).split_whitespace().map(bare).collect::<Vec<_>>();
        let mut urls: Vec<&str> = extra.iter().map(String::as_str).collect();
        if urls.is_empty() {
            urls = several("UV_INDEX");
        }
        urls.extend(several("UV_EXTRA_INDEX_URL"));
        let usual = [said("UV_DEFAULT_INDEX"), said("UV_INDEX_URL"), PUBLIC];
        let usual = usual.into_iter().find(|url| !url.is_empty());
        urls.extend(index.map(String::as_str).or(usual.map(bare)));
        let read = |url: &str| Ok(address::read(url)?.0);
        let all: Result<Vec<Address>, String> = urls.into_iter().map(read).collect();
        Ok(Self { all: all?, options })
    }

    /// The public index alone: Poetry's, unless the project has sources of its own.
    pub(super) fn public() -> Result<Self, String> {
        let (public, _) = address::read(PUBLIC)?;
        let (all, options) = (vec![public], Vec::new());
        Ok(Self { all, options })
    }

    /// These, and then the public one.
    pub(super) fn with_public(&self) -> Result<Self, String> {
        let mut all = self.all.clone();
        all.extend(Self::public()?.all);
        let options = Vec::new();
        Ok(Self { all, options })
    }

    /// The same with those that arguments and files name besides: another default, and additional ones, which come first.
    pub(super) fn with(&self, default: Option<&str>, more: &[String]) -> Result<Self, String> {
        let read = |url: &str| Ok(address::read(bare(url))?.0);
        let mut all: Vec<Address> = more
            .iter()
            .map(|url| read(url))
            .collect::<Result<_, String>>()?;
        all.extend(self.all.iter().cloned());
        if let Some(default) = default {
            all.pop();
            all.push(read(default)?);
        }
        let options = Vec::new();
        Ok(Self { all, options })
    }

    /// uv's options for the indexes of the manifest; it reads the variables itself.
    pub(super) fn options(&self) -> &[String] {
        &self.options
    }
}
