//! `workspace { include … }`: which files are read after a file, and what can be wrong in that.

use super::file::{Above, File, Loader};
use super::include::{self, Wrong};
use super::notes::{Text, shown};
use super::syntax::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::spec::WorkspacePath;
use crate::suggest::closest;

/// How deep includes may lead.
const INCLUDE_LIMIT: usize = 32;

impl Loader<'_> {
    pub(super) fn includes(
        &mut self,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        for node in file.named("workspace") {
            let mut decoder = self.decoder(here.scope, &file.folder, "the workspace", &[]);
            decoder.only_props(node, &[]);
            if let Some(value) = node.args.first() {
                decoder.notes.tell(
                    Diagnostic::error("too-many-arguments", "`workspace` takes a block")
                        .at(value.place.clone(), "")
                        .help("write `workspace { include \"services/*\" }`"),
                );
            }
            for child in &node.children {
                self.include(child, file, here, way);
            }
        }
    }

    fn include(
        &mut self,
        node: &Node,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        if node.name.text != "include" {
            let place = node.name.place.clone();
            let name = &node.name.text;
            let mistake = Diagnostic::error(
                "unknown-field",
                format!("unknown field `{name}` in the workspace"),
            );
            self.notes.tell(match closest(name, ["include"]) {
                Some(meant) => mistake
                    .at(place.clone(), format!("did you mean `{meant}`?"))
                    .fix(place, meant),
                None => mistake.at(place, "a workspace has only `include`"),
            });
            return;
        }
        let mut decoder = self.decoder(here.scope, &file.folder, "the workspace", &[]);
        decoder.only_props(node, &[]);
        decoder.no_block(node);
        if node.args.is_empty() {
            decoder.notes.tell(
                Diagnostic::error("missing-argument", "`include` needs a path")
                    .at(node.name.place.clone(), "nothing follows")
                    .help("write `include \"services/*\"`"),
            );
        }
        for value in &node.args {
            if let Some(text) = here.scope.text(value, "include", &mut self.notes) {
                self.expand(&text, file, here, way);
            }
        }
    }

    fn expand(
        &mut self,
        text: &Text,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        let found = match include::expand(&self.root, &file.folder, &text.text, &mut self.looked) {
            Ok(found) => found,
            Err(wrong) => {
                self.notes.incomplete = true;
                self.notes.tell(wrong_include(text, wrong));
                return;
            }
        };
        let globbed = text.text.contains(include::WILD);
        for path in found {
            if globbed && way.last() == Some(&path) {
                continue;
            }
            if self.can_follow(text, &path, way) {
                self.files.insert(path.clone(), Some(text.place.clone()));
                way.push(path.clone());
                self.file(&path, Some(&text.place), here, way);
                way.pop();
            }
        }
    }

    /// Whether an included file is to be read; where it is not, that is told, but for globs that overlap.
    fn can_follow(&mut self, text: &Text, path: &WorkspacePath, way: &[WorkspacePath]) -> bool {
        if let Some(from) = way.iter().position(|it| it == path) {
            let said = way[from + 1..]
                .iter()
                .map(|it| self.files.get(it).cloned().flatten());
            let mistake = include_circle(text, &way[from..], said.collect());
            self.notes.tell(mistake);
            return false;
        }
        if let Some(before) = self.files.get(path) {
            let same_file = before
                .as_ref()
                .is_some_and(|it| it.source == text.place.source);
            if !same_file {
                let mistake = included_twice(text, path, before.clone());
                self.notes.tell(mistake);
            }
            return false;
        }
        if way.len() >= INCLUDE_LIMIT {
            self.notes.tell(
                Diagnostic::error(
                    "too-deep",
                    format!("includes lead more than {INCLUDE_LIMIT} files deep"),
                )
                .at(text.place.clone(), ""),
            );
        }
        way.len() < INCLUDE_LIMIT
    }
}

fn wrong_include(text: &Text, wrong: Wrong) -> Diagnostic {
    let (pattern, place) = (shown(&text.text), text.place.clone());
    match wrong {
        Wrong::Nothing { help } => {
            Diagnostic::error("nothing-included", format!("`{pattern}` includes nothing"))
                .at(place, "")
                .help(help)
        }
        Wrong::Outside => Diagnostic::error("outside", format!("`{pattern}` leaves the workspace"))
            .at(place, "")
            .help("a workspace is the folder of its root manifest, with all below it"),
        Wrong::Link(path) => {
            Diagnostic::error("outside", format!("`{pattern}` leaves the workspace"))
                .at(
                    place,
                    format!("`{path}` lies behind a link that leads out of it"),
                )
                .help("a workspace is the folder of its root manifest, with all below it")
        }
        Wrong::Dangling(path) => {
            let mistake = format!("`{path}` is a link that leads nowhere");
            Diagnostic::error("unreadable", mistake)
                .at(place, "included here")
                .help("mend the link, or remove it")
        }
        Wrong::Glob(why) => {
            Diagnostic::error("invalid-value", format!("`{pattern}` is no glob")).at(place, why)
        }
    }
}

/// `said` are the places where each file of the way but the first is included.
fn include_circle(text: &Text, way: &[WorkspacePath], said: Vec<Option<Place>>) -> Diagnostic {
    let first = &way[0];
    let place = text.place.clone();
    if way.len() == 1 {
        return Diagnostic::error("cycle", format!("`{first}` includes itself")).at(place, "");
    }
    let names: Vec<String> = way
        .iter()
        .chain([first])
        .map(|path| format!("`{path}`"))
        .collect();
    let message = format!(
        "files include each other in a circle: {}",
        names.join(" -> ")
    );
    let mistake = Diagnostic::error("cycle", message).at(place, "this closes the circle");
    said.into_iter()
        .zip(&names[1..])
        .filter_map(|(place, name)| Some((place?, name)))
        .fold(mistake, |mistake, (place, name)| {
            mistake.with(place, format!("{name} is included here"))
        })
}

fn included_twice(text: &Text, path: &WorkspacePath, before: Option<Place>) -> Diagnostic {
    let mistake = Diagnostic::error("included-twice", format!("`{path}` is included twice"))
        .at(text.place.clone(), "again here")
        .help("include it from one place, so that its defaults are clear");
    match before {
        Some(before) => mistake.with(before, "first included here"),
        None => mistake,
    }
}
