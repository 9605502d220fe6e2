//! Reads `allow`, which silences lints for a file or an image.

use super::loader::Loader;
use crate::diagnostic::{Diagnostic, Spanned, lint, shown};
use crate::manifest::decode::NO_NAMES;
use crate::manifest::syntax::{Node, bare};
use crate::suggest::closest;

impl Loader<'_> {
    /// The lints that nodes allow, followed by those allowed around them, as indexes into [`crate::workspace::Allows`].
    pub(super) fn allows(&mut self, nodes: &[Node], around: &[usize]) -> Vec<usize> {
        let mut chain = Vec::new();
        for node in nodes.iter().filter(|node| node.name.text == "allow") {
            bare(node, &[], &mut self.notes);
            if node.args.is_empty() {
                let message = "`allow` needs the code of a lint";
                let mistake = Diagnostic::missing(message, &node.name.place);
                self.notes
                    .tell(mistake.help("write `allow \"floating-base\"`"));
            }
            for value in &node.args {
                let code = NO_NAMES.text(value, "allow", &mut self.notes);
                chain.extend(code.and_then(|code| self.allow(&code)));
            }
        }
        chain.extend(around);
        chain
    }

    fn allow(&mut self, code: &Spanned) -> Option<usize> {
        let (text, place) = (&code.text, &code.place);
        match lint::find(text) {
            Some(lint) if lint.is_allowable => {
                return Some(self.allows.add(lint.code, *place));
            }
            Some(lint) => {
                let message = format!("`{}` cannot be allowed", lint.code);
                let why = "it does not concern the contents of a manifest";
                self.notes
                    .tell(Diagnostic::error("invalid-value", message).at(*place, why));
            }
            None => {
                let message = format!("unknown lint `{}`", shown(text));
                let known = lint::LINTS.iter().filter(|lint| lint.is_allowable);
                let known: Vec<&str> = known.map(|lint| lint.code).collect();
                let meant = closest(text, known.iter().copied());
                let mistake = Diagnostic::error("unknown-lint", message);
                let mistake = mistake.unfixed(place, meant, "no lint has this code");
                self.notes.tell(match meant {
                    Some(meant) => mistake.fix(*place, format!("\"{meant}\"")),
                    None => mistake.help(format!("the lints are {}", known.join(", "))),
                });
            }
        }
        None
    }
}
