//! URLs of indexes and wheels: only HTTP, and credentials kept apart from them. Pure.

use std::fmt;

use url::Url;

/// The longest URL, in bytes.
const LONGEST: usize = 8 << 10;

/// The URL of an index or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address(Url);

/// A URL, and the user and password in it.
pub(super) type WithLogin = (Address, Option<(String, String)>);

/// Reads a URL. Errors do not show it, since it may contain a password.
pub(super) fn read(text: &str) -> Result<WithLogin, String> {
    if text.len() > LONGEST {
        return Err("a URL is too long".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("a URL cannot be read: {error}"))?;
    Address::of(url)
}

/// The URL of an index that may be named: `NAME=URL`.
pub(super) fn bare(url: &str) -> &str {
    match url.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => url,
        _ => url,
    }
}

impl Address {
    fn of(mut url: Url) -> Result<WithLogin, String> {
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            let scheme = url.scheme();
            return Err(format!(
                "packages are fetched by `https` and `http`, not by `{scheme}`"
            ));
        }
        let text = |part: &str| {
            let decoded = percent_encoding::percent_decode_str(part);
            decoded.decode_utf8_lossy().into_owned()
        };
        let user = text(url.username());
        let password = text(url.password().unwrap_or_default());
        let login = (!user.is_empty() || !password.is_empty()).then_some((user, password));
        // Both succeed for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok((Self(url), login))
    }

    /// The address that a page at this one means by `link`.
    pub(super) fn join(&self, link: &str) -> Result<Self, String> {
        if link.len() > LONGEST {
            return Err("a URL is too long".to_owned());
        }
        let url = self.0.join(link);
        let url = url.map_err(|error| format!("a URL cannot be read: {error}"))?;
        Ok(Self::of(url)?.0)
    }

    /// The page of a project, for an index.
    pub(super) fn page(&self, project: &str) -> Result<Self, String> {
        let mut base = self.0.clone();
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        base.set_query(None);
        Self(base).join(&format!("{project}/"))
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, without a port.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_kept_apart() {
        let (address, login) = read("https://a%40b:p%3Aw@h.example:8443/simple?x=1#y").unwrap();
        assert_eq!(address.as_str(), "https://h.example:8443/simple?x=1");
        assert_eq!(login, Some(("a@b".into(), "p:w".into())));
        assert_eq!(
            address.page("six").unwrap().as_str(),
            "https://h.example:8443/simple/six/"
        );
        let (address, login) = read("http://h/simple/").unwrap();
        assert_eq!(login, None);
        let page = address.page("six").unwrap();
        assert_eq!(
            page.join("../../f/x.whl#sha256=0").unwrap().as_str(),
            "http://h/f/x.whl"
        );
        assert_eq!(
            page.join("https://u:p@other/x.whl").unwrap().as_str(),
            "https://other/x.whl"
        );
        for wrong in [
            "",
            "x",
            "file:///x",
            "ftp://h/x",
            "https://",
            "https://a b/",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(!error.contains("x.whl"), "{error}");
        }
        assert!(page.join("file:///etc/passwd").is_err());
        assert!(
            !read("https://u:secret@h:port/")
                .unwrap_err()
                .contains("secret")
        );
    }
}
