//! The example monorepo, for tests that build it.

/// Its manifest with a label that makes all of its keys new, and with patience for downloads: other tests use the network, too.
pub(crate) fn anew(manifest: &str, label: &str) -> String {
    let own = format!("labels test=\"{label}\"\n    env UV_HTTP_TIMEOUT=\"300\"\n    labels ");
    manifest.replacen("labels ", &own, 1)
}
