//! Reads `group`, which names a set of images. What its members mean is known only once all files are read.

use super::loader::{File, Loader};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::graph::located;
use crate::manifest::decode::Scope;
use crate::manifest::syntax::{Node, bare, one_argument, only_props};
use crate::spec::rules::check_group;
use crate::suggest::closest;
use crate::workspace::Group;

/// The node that lists a group's members, and what other tools call it.
const MEMBERS: &str = "images";
const OTHERS: [&str; 4] = ["targets", "members", "groups", "image"];

impl Loader<'_> {
    pub(super) fn groups(&mut self, file: &File<'_>, scope: &Scope<'_>) {
        for node in file.named("group") {
            match self.group_name(node, scope) {
                Some(name) => {
                    let group = self.members(node, name, (file, scope));
                    self.groups.push(group);
                }
                // Another group may refer to the name that could not be read.
                None => self.notes.incomplete = true,
            }
        }
    }

    fn group_name(&mut self, node: &Node, scope: &Scope<'_>) -> Option<Spanned> {
        only_props(node, &[], &mut self.notes);
        let Some(value) = one_argument(node, "a group has one name", &mut self.notes) else {
            let mistake = Diagnostic::missing("a group needs a name", &node.name.place);
            let example = "write `group \"name\" { images \"…\" \"…\" }`";
            self.notes.tell(mistake.help(example));
            return None;
        };
        let name = scope.text(value, "group", &mut self.notes)?;
        self.notes.accept(check_group(&name))?;
        Some(name)
    }

    fn members(
        &mut self,
        node: &Node,
        name: Spanned,
        (file, scope): (&File<'_>, &Scope<'_>),
    ) -> Group {
        let mut members = Vec::new();
        let mut is_whole = true;
        for child in &node.children {
            if child.name.text != MEMBERS {
                self.no_member(child);
                is_whole = false;
                continue;
            }
            bare(child, &[], &mut self.notes);
            for value in &child.args {
                let member = scope.text(value, MEMBERS, &mut self.notes);
                is_whole &= member.is_some();
                members.extend(member.map(|member| Spanned {
                    text: located(&member.text, &file.folder),
                    ..member
                }));
            }
        }
        Group {
            name,
            members,
            is_whole,
        }
    }

    fn no_member(&mut self, child: &Node) {
        let (name, place) = (child.name.text.as_str(), &child.name.place);
        let message = format!("unknown field `{name}` in a group");
        let is_other = OTHERS.contains(&name);
        let meant = if is_other {
            Some(MEMBERS)
        } else {
            closest(name, [MEMBERS])
        };
        let mistake = Diagnostic::error("unknown-field", message);
        let mistake = mistake.unknown(place, meant, "a group has only `images`");
        self.notes.tell(
            mistake.or_help(
                "list ids, globs and other groups: `images \"train\" \"serve-*\" \"tools\"`",
            ),
        );
    }
}
