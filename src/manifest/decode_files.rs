//! The fields that name images and files: `base-image`, `copy`, `requirements`.

use super::decode::{Decoder, prop};
use super::fields::Field;
use super::layer::Given;
use super::notes::{Text, quoted, shown};
use super::rules;
use super::syntax::{Node, Prop};
use crate::diagnostic::{Diagnostic, Place};
use crate::spec::{Base, Copy, CopyFrom, GivenPath, WorkspacePath};

impl Decoder<'_> {
    pub(super) fn path(&mut self, field: &Field, node: &Node) -> Option<Given> {
        self.only_props(node, &["reset"]);
        self.no_block(node);
        let [value] = node.args.as_slice() else {
            self.one_path(field, node);
            return None;
        };
        let text = self.checked(field.name, field.rule, value)?;
        let path = self.inside(&text)?;
        let given = GivenPath {
            path,
            given: text.text,
        };
        Some(Given::Path(given, text.place))
    }

    fn one_path(&mut self, field: &Field, node: &Node) {
        let place = node
            .args
            .get(1)
            .map_or(&node.name.place, |second| &second.place);
        let code = if node.args.is_empty() {
            "missing-argument"
        } else {
            "too-many-arguments"
        };
        let what = if field.name == "source-root" {
            "folder"
        } else {
            "file"
        };
        let mistake = Diagnostic::error(code, format!("`{}` takes one {what}", field.name))
            .at(place.clone(), "");
        self.notes.tell(if field.name == "requirements" {
            mistake.help("a requirements file can include others with `-r other.txt`")
        } else {
            mistake
        });
    }

    /// A path of the manifest as a path of the workspace.
    pub(super) fn inside(&mut self, text: &Text) -> Option<WorkspacePath> {
        let why = if text.text.is_empty() {
            "a path cannot be empty; the folder of this file is `.`"
        } else if text.text.starts_with('/') {
            "paths are relative to the folder of this file"
        } else if let Some(path) = WorkspacePath::resolve(self.folder, &text.text) {
            return Some(path);
        } else {
            "this leads out of the workspace"
        };
        self.notes.tell(
            Diagnostic::error(
                "outside",
                format!("`{}` is no path of the workspace", shown(&text.text)),
            )
            .at(text.place.clone(), why)
            .help("an image is made only of files below the folder of the root manifest"),
        );
        None
    }

    pub(super) fn base(&mut self, field: &Field, node: &Node) -> Option<Given> {
        self.only_props(node, &["image", "debian", "reset"]);
        self.no_block(node);
        let known = ["image", "debian"].map(|name| prop(node, name).is_some());
        let given = node.args.len() + known.iter().filter(|it| **it).count();
        if given == 0 && !node.props.is_empty() {
            // What was given instead is told already.
            return None;
        }
        if given != 1 {
            self.one_base(node, given);
            return None;
        }
        if let Some(debian) = prop(node, "debian") {
            self.debian(debian);
            return None;
        }
        if let Some(image) = prop(node, "image") {
            let id = self.scope.text(&image.value, "image", self.notes)?;
            return Some(Given::Base(Base::Image(id.text), id.place));
        }
        let value = node.args.first()?;
        let text = self.checked(field.name, field.rule, value)?;
        let base = if text.text == "scratch" {
            Base::Scratch
        } else {
            Base::Registry(text.text)
        };
        Some(Given::Base(base, text.place))
    }

    fn one_base(&mut self, node: &Node, given: usize) {
        let mistake = if given == 0 {
            Diagnostic::error("missing-argument", "`base-image` needs a value")
                .at(node.name.place.clone(), "nothing follows")
        } else {
            Diagnostic::error("too-many-arguments", "`base-image` takes one value")
                .at(node.head(), "an image has one base")
        };
        self.notes.tell(mistake.help(
            "`base-image \"debian:bookworm-slim\"` is of a registry, `base-image image=\"id\"` of this workspace",
        ));
    }

    fn debian(&mut self, prop: &Prop) {
        let suite = self.scope.text(&prop.value, "debian", self.notes);
        let suite = suite.map_or_else(|| "bookworm".into(), |suite| suite.text);
        self.notes.tell(
            Diagnostic::error("not-yet", "`base-image debian=` is not supported yet")
                .at(
                    prop.place(),
                    "it needs the embedded builder, which version 0.3 will have",
                )
                .help("until then take Debian's image")
                .fix(prop.place(), format!("\"debian:{}-slim\"", shown(&suite))),
        );
    }

    pub(super) fn copies(&mut self, node: &Node) -> Option<Vec<(Copy, Place)>> {
        self.only_props(node, &["to", "owner", "image", "reset"]);
        self.no_block(node);
        if node.args.is_empty() {
            self.notes.tell(
                Diagnostic::error("missing-argument", "`copy` needs a path")
                    .at(node.name.place.clone(), "nothing follows")
                    .help("write `copy \"src\" to=\"/app/src\"`"),
            );
        }
        let optional = |it: &mut Self, name: &'static str, rule| {
            prop(node, name).map_or(Some(None), |prop| {
                it.checked(name, rule, &prop.value).map(Some)
            })
        };
        let to = optional(self, "to", rules::destination);
        let owner = optional(self, "owner", rules::user);
        let image = optional(self, "image", rules::any);
        let (to, owner, image) = (to?, owner?, image?);
        self.one_place_for_many(node, to.as_ref());
        let mut copies = Vec::new();
        for value in &node.args {
            let rule = if image.is_some() {
                rules::absolute
            } else {
                rules::any
            };
            let Some(path) = self.checked("copy", rule, value) else {
                continue;
            };
            let Some(from) = self.from(&path, image.as_ref()) else {
                continue;
            };
            let copy = Copy {
                from,
                to: to.as_ref().map(|to| to.text.clone()),
                owner: owner.as_ref().map(|owner| owner.text.clone()),
            };
            let place: Place = image
                .as_ref()
                .map_or(path.place, |image| image.place.clone());
            copies.push((copy, place));
        }
        Some(copies)
    }

    fn from(&mut self, path: &Text, image: Option<&Text>) -> Option<CopyFrom> {
        Some(match image {
            Some(image) => CopyFrom::Image {
                image: image.text.clone(),
                path: path.text.clone(),
            },
            None => CopyFrom::Workspace {
                path: self.inside(path)?,
                given: path.text.clone(),
            },
        })
    }

    /// Several sources need a folder to go to: Docker's rule.
    fn one_place_for_many(&mut self, node: &Node, to: Option<&Text>) {
        if let Some(to) = to
            && node.args.len() > 1
            && !to.text.ends_with('/')
        {
            let mistake = Diagnostic::error("invalid-value", "several paths are copied to one")
                .at(to.place.clone(), "a folder ends in `/`");
            self.notes.tell(if to.plain {
                mistake.fix(to.place.clone(), quoted(&format!("{}/", to.text)))
            } else {
                mistake
            });
        }
    }
}
