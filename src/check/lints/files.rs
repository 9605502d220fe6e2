//! Copies of a whole directory without an ignore file.

use std::path::Path;

use super::Lints;
use crate::diagnostic::Diagnostic;
use crate::fingerprint::ignore::IGNORE_FILE;
use crate::spec::CopyFrom;

impl Lints<'_> {
    /// Detects `copy "."` and copies of parent directories.
    pub(super) fn no_ignore_file(&mut self, root: &Path) {
        let image = self.image;
        let folder = &image.folder;
        let copies = image.spec.copies();
        let copies = copies.filter_map(|(list, at, copy)| match &copy.from {
            CopyFrom::Workspace { path, .. } => Some((list, Some(at), path)),
            CopyFrom::Image { .. } => None,
        });
        let source = image.spec.source_root.iter();
        let source = source.map(|root| ("source-root", None, &root.path));
        let is_all = image.spec.flytekit.is_none() && image.spec.source_files.is_empty();
        let source = source.filter(|_| is_all);
        for (list, at, path) in source.chain(copies) {
            let has_rules = || {
                folder
                    .under(root)
                    .join(IGNORE_FILE)
                    .symlink_metadata()
                    .is_ok()
            };
            if folder.is_at_or_below(path) && path.under(root).is_dir() && !has_rules() {
                let message = "the manifest's entire directory is copied without an ignore file";
                let found = Diagnostic::lint("no-ignore-file", message);
                let found = found.help(format!(
                    "add a `{IGNORE_FILE}` beside the manifest that excludes, for example, build results and `.venv`; an empty one is enough"
                ));
                let field = at.map_or(list.to_owned(), |at| format!("{list}[{at}]"));
                self.tell(&field, found, "this includes every file that appears there");
                return;
            }
        }
    }
}
