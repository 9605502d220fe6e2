//! References of the form `registry/name:tag`, parsed as Docker does.

/// A parsed reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The registry's host, including the port; Docker Hub's if the reference has none.
    pub host: String,
    /// Whether the reference names its registry explicitly.
    pub has_host: bool,
    /// The repository's name within the registry.
    pub path: String,
    /// The tag; `latest` if the reference has none.
    pub tag: String,
    /// The digest, which takes precedence over the tag, if the reference has one.
    pub digest: Option<String>,
    /// The repository as written in the reference, including the host.
    pub repository: String,
}

/// Docker's name for its own registry.
pub(crate) const DOCKER_HUB: &str = "docker.io";

impl Reference {
    /// Parses a reference; `None` if it is invalid.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (text, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, "latest"),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (Some(host), path),
            _ => (None, name),
        };
        if path.is_empty() || tag.is_empty() {
            return None;
        }
        let host_name = match host {
            None | Some("index.docker.io") => DOCKER_HUB,
            Some(host) => host,
        };
        let path = if host_name == DOCKER_HUB && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Some(Self {
            host: host_name.to_owned(),
            has_host: host.is_some(),
            path,
            tag: tag.to_owned(),
            digest,
            repository: name.to_owned(),
        })
    }

    /// Whether `whole`, a reference with its registry as `BuildKit` always writes them, means the same image.
    pub(crate) fn is_also(&self, whole: &str) -> bool {
        Self::read(whole).is_some_and(|other| {
            (&other.host, &other.path, &other.tag) == (&self.host, &self.path, &self.tag)
        })
    }
}

/// Whether the first part of a name is a host, which it is only if it cannot be part of a path.
fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':'])
}

#[cfg(test)]
mod tests {
    use super::Reference;

    fn parts(text: &str) -> (String, String, String, bool) {
        let read = Reference::read(text).unwrap();
        (read.host, read.path, read.tag, read.has_host)
    }

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let part = |host: &str, path: &str, tag: &str, has: bool| {
            (host.to_owned(), path.to_owned(), tag.to_owned(), has)
        };
        assert_eq!(
            parts("busybox"),
            part("docker.io", "library/busybox", "latest", false)
        );
        assert_eq!(parts("acme/x:1"), part("docker.io", "acme/x", "1", false));
        assert_eq!(
            parts("ghcr.io/acme/x:1"),
            part("ghcr.io", "acme/x", "1", true)
        );
        assert_eq!(parts("localhost/x"), part("localhost", "x", "latest", true));
        assert_eq!(
            parts("127.0.0.1:5000/a/b:t"),
            part("127.0.0.1:5000", "a/b", "t", true)
        );
        assert_eq!(
            parts("[::1]:5000/a"),
            part("[::1]:5000", "a", "latest", true)
        );
        assert_eq!(Reference::read("r.io/"), None);
        let pinned = Reference::read("r.io/a:1@sha256:00").unwrap();
        assert_eq!(pinned.repository, "r.io/a");
        assert_eq!(pinned.digest.as_deref(), Some("sha256:00"));
    }
}
