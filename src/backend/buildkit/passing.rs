//! Recognizes failures that may go away by themselves, by the messages of `BuildKit`, Docker and installers when a
//! network, a registry or a daemon is briefly unavailable. Pure.

/// Messages from the network, registries and the daemon when briefly unavailable. In lower case.
const PASSING: &[&str] = &[
    "429 too many requests",
    "toomanyrequests",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway time",
    "unexpected status code 50",
    "unexpected status from",
    "connection reset by peer",
    "connection refused",
    "connection timed out",
    "broken pipe",
    "i/o timeout",
    "tls handshake timeout",
    "net/http: timeout",
    "client.timeout exceeded",
    "request canceled while waiting for connection",
    "network is unreachable",
    "no such host",
    "no route to host",
    "temporary failure",
    "server misbehaving",
    "unexpected eof",
    ": eof",
    "http2: server sent goaway",
    "http2: client connection lost",
    "no active session",
    "closing transport",
    "transport is closing",
    "code = unavailable",
    "graceful_stop",
    "cannot connect to the docker daemon",
    "error reading from server",
    "use of closed network connection",
];

/// Messages from apt, uv and curl in that case. In lower case.
const FETCHING: &[&str] = &[
    "temporary failure resolving",
    "could not resolve",
    "could not connect to",
    "connection failed",
    "connection timed out",
    "connection reset",
    "hash sum mismatch",
    // Another build is using the cache.
    "could not get lock",
    "mirror sync in progress",
    "file has unexpected size",
    "429  too many requests",
    "500  internal server error",
    "502  bad gateway",
    "503  service unavailable",
    "504  gateway",
    "dns error",
    "error sending request",
    "timed out",
    "network timeout",
    "request failed after",
    "connection closed before message completed",
    "server error (5",
    "too many requests (429)",
];

/// Messages from `BuildKit` when two builds finish the same step at once, as after a client was killed, so that a retry finds
/// the step done; or when images are removed while a layer is unpacked on one of theirs. In lower case.
pub(super) const RACING: &[&str] = &[
    "failed to stat active key during commit",
    "during finalize",
    "failed to prepare extraction snapshot",
];

/// Messages that look like network errors but are about names or permissions. In lower case.
const LASTING: &[&str] = &[
    "pull access denied",
    "unauthorized",
    "authentication required",
    "access to the requested resource is not authorized",
    "denied:",
    "manifest unknown",
    "not found",
    "no space left on device",
    "x509:",
    "server gave http response to https client",
];

/// Whether Docker's message describes a transient failure.
pub(crate) fn is_passing(said: &str) -> bool {
    says(said, RACING) || (says(said, PASSING) && !says(said, LASTING))
}

/// Whether an installer's message describes a download that failed for a moment.
pub(crate) fn fetch_is_passing(said: &str) -> bool {
    says(said, FETCHING)
}

pub(super) fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_and_daemons_that_are_away_for_a_moment_are_passing() {
        for said in [
            "failed to do request: Head \"https://r/v2/x/manifests/1\": dial tcp 1.2.3.4:443: connect: connection refused",
            "failed to resolve source metadata for r/x:1: unexpected status from HEAD request to https://r/v2/x: 503 Service Unavailable",
            "toomanyrequests: You have reached your pull rate limit",
            "failed to copy: httpReadSeeker: failed open: unexpected status code https://r: 502 Bad Gateway",
            "error reading from server: EOF",
            "rpc error: code = Unavailable desc = closing transport due to: connection error: EOF",
            "no active session for abc: context deadline exceeded",
            "Get \"https://r/v2/\": net/http: TLS handshake timeout",
            "dial tcp: lookup r on 127.0.0.53:53: server misbehaving",
            "dial tcp: lookup registry.exmaple.com on 127.0.0.53:53: no such host",
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ] {
            assert!(is_passing(said), "{said}");
        }
    }

    #[test]
    fn names_and_rights_do_not_mend_themselves() {
        for said in [
            "debian:bokworm-slim: failed to resolve source metadata for docker.io/library/debian:bokworm-slim: not found",
            "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r/token: 401 Unauthorized",
            "failed to compute cache key: \"/x\": not found",
            "write /var/lib/docker/tmp/x: no space left on device",
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "dockerfile parse error on line 1: unknown instruction: FORM",
        ] {
            assert!(!is_passing(said), "{said}");
        }
    }

    #[test]
    fn builds_that_get_into_each_others_way_are_worth_another_try() {
        let said = "failed to commit qq5 to vdd during finalize: failed to stat active key during commit: snapshot qq5 does not exist: not found";
        assert!(is_passing(said));
        let said = "failed to prepare extraction snapshot \"extract-6 sha256:df\": parent snapshot sha256:98 does not exist: not found";
        assert!(is_passing(said));
        assert!(!is_passing("pull access denied: not found"));
    }
}
