//! Removes credentials from URLs, so that no secret gets into a key, a record or a lock.

use std::borrow::Cow;

/// The text with `user:password@` removed from its URLs: credentials do not change what is downloaded, and no secret
/// may get into a key or record.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://").map(|at| at + 3) {
        let authority = &rest[start..];
        let end = authority
            .find(|char: char| char.is_whitespace() || "/?#".contains(char))
            .unwrap_or(authority.len());
        let host = authority[..end].rfind('@').map_or(0, |at| at + 1);
        kept.push_str(&rest[..start]);
        kept.push_str(&authority[host..end]);
        rest = &authority[end..];
    }
    if kept.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(kept + rest)
}
