//! What is copied without anything that says what to leave out.

use std::path::Path;

use super::Lints;
use crate::diagnostic::Diagnostic;
use crate::fingerprint::ignore::IGNORE_FILE;
use crate::spec::CopyFrom;

impl Lints<'_> {
    /// `copy "."`, or what is above it.
    pub(super) fn no_ignore_file(&mut self, root: &Path) {
        let image = self.image;
        let folder = &image.folder;
        let copies = image
            .spec
            .copies()
            .filter_map(|(field, copy)| match &copy.from {
                CopyFrom::Workspace { path, .. } => Some((field, path)),
                CopyFrom::Image { .. } => None,
            });
        let source = image.spec.source_root.iter();
        let source = source.map(|root| ("source-root".to_owned(), &root.path));
        let source = source.filter(|_| image.spec.flytekit.is_none());
        for (field, path) in source.chain(copies) {
            let has_rules = || {
                folder
                    .under(root)
                    .join(IGNORE_FILE)
                    .symlink_metadata()
                    .is_ok()
            };
            if folder.is_at_or_below(path) && path.under(root).is_dir() && !has_rules() {
                let message = "all of the manifest's directory is copied, and no ignore file says what to leave out";
                let found = Diagnostic::lint("no-ignore-file", message);
                let found = found.help(format!(
                    "write a `{IGNORE_FILE}` beside the manifest, such as for build results and `.venv`; an empty one will do"
                ));
                self.tell(&field, found, "with it every file that appears there");
                return;
            }
        }
    }
}
