//! Decodes `dockerfile`: a user-supplied Dockerfile and its build settings.

use super::decoded::PartPlaces;
use super::decoder::Decoder;
use super::known::{IN_DOCKERFILE, OF_CONTEXT, OF_DOCKERFILE};
use crate::diagnostic::{Diagnostic, Place, Spanned, shown};
use crate::manifest::syntax::{Node, block_only, no_block, only_props, prop};
use crate::spec::fields::Field;
use crate::spec::rules::{
    self, CONTEXT_PATH, DOCKERFILE_ARGS, DOCKERFILE_CONTEXT, DOCKERFILE_TARGET, PartRule,
    check_called, check_names_once, check_reference, context_name,
};
use crate::spec::{NamedContext, OwnDockerfile};
use crate::workspace::Part;

impl Decoder<'_> {
    /// Decodes `dockerfile "path" context="." target="x" { args …; contexts { … } }`, with the places of the paths and images
    /// in it.
    pub(super) fn own_dockerfile(
        &mut self,
        field: &Field,
        node: &Node,
    ) -> Option<(OwnDockerfile, PartPlaces)> {
        only_props(node, OF_DOCKERFILE, self.notes);
        let path = self.only_arg(field.name, field.rule, node, "\"Dockerfile\"")?;
        let mut places = vec![(Part::Whole, path.place)];
        let file = self.inside(&path);
        let context = match self.optional(node, DOCKERFILE_CONTEXT)? {
            None => Some(self.folder.clone()),
            Some(text) => {
                places.push((Part::Named("context".into()), text.place));
                self.inside(&text)
            }
        };
        let target = self.optional(node, DOCKERFILE_TARGET)?;
        let (path, context) = (file?, context?);
        let (args, contexts) = self.dockerfile_block(node);
        let contexts = contexts.into_iter().filter_map(|(name, child)| {
            let (context, place) = self.context(child)?;
            let part = format!("contexts.{}", name.text);
            places.push((Part::Named(part.into()), place));
            Some((name.text.clone(), context))
        });
        let contexts = contexts.collect();
        places.extend(args.iter().map(|(name, value)| {
            let part = format!("args.{}", name.text);
            (Part::Named(part.into()), value.place)
        }));
        let args = args.into_iter();
        let dockerfile = OwnDockerfile {
            path,
            context,
            target: target.map(|target| target.text),
            args: args.map(|(name, value)| (name.text, value.text)).collect(),
            contexts,
        };
        Some((dockerfile, places))
    }

    /// The build arguments, and the nodes of the contexts with their names.
    #[expect(clippy::type_complexity, reason = "two lists of pairs")]
    fn dockerfile_block<'n>(
        &mut self,
        node: &'n Node,
    ) -> (Vec<(Spanned, Spanned)>, Vec<(&'n Spanned, &'n Node)>) {
        let mut args = Vec::new();
        let mut contexts = Vec::new();
        for child in &node.children {
            match child.name.text.as_str() {
                "args" => {
                    let PartRule { name, rule } = DOCKERFILE_ARGS;
                    args.extend(self.map(name, rule, rules::any, child));
                }
                "contexts" => contexts.extend(self.contexts(child)),
                _ => self.unknown_part(child, "`dockerfile`", IN_DOCKERFILE),
            }
        }
        let names = args.iter().map(|(name, _)| name);
        self.notes.tell_all(check_names_once("args", names));
        let names = contexts.iter().map(|(name, _)| *name);
        self.notes.tell_all(check_names_once("contexts", names));
        (args, contexts)
    }

    fn contexts<'n>(&mut self, node: &'n Node) -> Vec<(&'n Spanned, &'n Node)> {
        only_props(node, &[], self.notes);
        let example = "contexts { base image=\"id\" }";
        block_only(node, "wrong-type", example, self.notes);
        let named = node.children.iter().filter_map(|child| {
            let checked = check_called("a context", context_name, &child.name);
            self.notes.accept(checked)?;
            Some((&child.name, child))
        });
        named.collect()
    }

    fn context(&mut self, node: &Node) -> Option<(NamedContext, Place)> {
        only_props(node, OF_CONTEXT, self.notes);
        no_block(node, self.notes);
        let (image, path) = (prop(node, "image"), prop(node, "path"));
        match (image, path, node.args.as_slice()) {
            (Some(image), None, []) => {
                let id = self.scope.text(&image.value, "image", self.notes)?;
                self.notes.image_named(&id);
                Some((NamedContext::Image(id.text), id.place))
            }
            (None, Some(path), []) => {
                let text = self.checked(CONTEXT_PATH.name, CONTEXT_PATH.rule, &path.value)?;
                Some((NamedContext::Folder(self.inside(&text)?), text.place))
            }
            (None, None, [value]) => {
                let name = self.checked(&node.name.text, check_reference, value)?;
                Some((NamedContext::Registry(name.text), name.place))
            }
            _ => {
                let name = &node.name.text;
                self.notes.tell(
                    Diagnostic::error("missing-argument", format!("the context `{}` needs one value", shown(name)))
                        .at(node.head(), "")
                        .help("`image=\"id\"` is an image of this workspace, `\"reference\"` one of a registry, `path=\"…\"` a directory"),
                );
                None
            }
        }
    }
}
