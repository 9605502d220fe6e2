//! Decodes `steps`, which have a user-defined order.
//!
//! The values of a step follow the rule of the corresponding field, so that nothing is accepted in one place and refused in
//! the other.

use super::decoder::Decoder;
use super::known::{OF_FIELD, OF_PIP, STEPS};
use crate::diagnostic::{Diagnostic, Place, Spanned, shown};
use crate::manifest::syntax::{Node, bare, block_only, one_argument, only_props};
use crate::spec::rules::{self, PIP_REQUIREMENTS, PartRule};
use crate::spec::{GivenPath, OwnStep, fields};
use crate::suggest::closest;

impl Decoder<'_> {
    /// Decodes `steps { apt "git"; run "make" … }`.
    pub(super) fn own_steps(&mut self, node: &Node) -> Vec<(OwnStep, Place)> {
        only_props(node, OF_FIELD, self.notes);
        let example = "steps { apt \"git\"; run \"make\" }";
        if !block_only(node, "wrong-type", example, self.notes) && node.children.is_empty() {
            self.missing(node, "{ run \"make\"; }");
        }
        let steps = node.children.iter();
        steps.flat_map(|step| self.own_step(step)).collect()
    }

    fn own_step(&mut self, node: &Node) -> Vec<(OwnStep, Place)> {
        let step = match node.name.text.as_str() {
            "apt" => Some(OwnStep::Apt(self.list_step(node, rules::STEP_APT))),
            "conda" => Some(OwnStep::Conda(self.list_step(node, rules::STEP_CONDA))),
            "pip" => self.pip_step(node),
            "user" => self.text_step(node, rules::STEP_USER).map(OwnStep::User),
            "workdir" => self
                .text_step(node, rules::STEP_WORKDIR)
                .map(OwnStep::Workdir),
            "env" => {
                let rule = rules::STEP_ENV.rule;
                let pairs = self.map("env", rule, rules::any, node).into_iter();
                let pairs = pairs.map(|(name, value)| (name.text, value.text));
                Some(OwnStep::Env(pairs.collect()))
            }
            "copy" => {
                let copies = self.copies(node).unwrap_or_default().into_iter();
                return copies
                    .map(|(copy, place)| (OwnStep::Copy(copy), place))
                    .collect();
            }
            "run" => {
                bare(node, &[], self.notes);
                let commands = self.step_args(node, rules::STEP_RUN).into_iter();
                return commands
                    .map(|command| (OwnStep::Run(command.text), command.place))
                    .collect();
            }
            _ => {
                self.unknown_part(node, "`steps`", STEPS);
                None
            }
        };
        let place = &node.name.place;
        step.map(|step| (step, *place)).into_iter().collect()
    }

    fn list_step(&mut self, node: &Node, part: PartRule) -> Vec<String> {
        bare(node, &[], self.notes);
        only_texts(self.step_args(node, part))
    }

    fn text_step(&mut self, node: &Node, part: PartRule) -> Option<String> {
        bare(node, &[], self.notes);
        let too_many = format!("`{}` takes one value", part.name);
        let value = one_argument(node, &too_many, self.notes);
        if value.is_none() {
            self.notes
                .tell(rules::empty_step(part.name, &node.name.place));
        }
        Some(self.checked(part.name, part.rule, value?)?.text)
    }

    fn pip_step(&mut self, node: &Node) -> Option<OwnStep> {
        bare(node, OF_PIP, self.notes);
        let requirements = match self.optional(node, PIP_REQUIREMENTS)? {
            None => None,
            Some(text) => Some(GivenPath {
                path: self.inside(&text)?,
                given: text.text,
            }),
        };
        let packages = if requirements.is_some() && node.args.is_empty() {
            Vec::new()
        } else {
            only_texts(self.step_args(node, rules::STEP_PIP))
        };
        Some(OwnStep::Pip {
            packages,
            requirements,
        })
    }

    /// The valid arguments of a step.
    fn step_args(&mut self, node: &Node, part: PartRule) -> Vec<Spanned> {
        if node.args.is_empty() {
            self.notes
                .tell(rules::empty_step(part.name, &node.name.place));
        }
        let values = node.args.iter();
        values
            .filter_map(|value| self.checked(part.name, part.rule, value))
            .collect()
    }

    /// Reports an unknown node in a block, suggesting the known name that was probably meant.
    pub(super) fn unknown_part(&mut self, node: &Node, of: &str, known: &[&'static str]) {
        let (name, place) = (shown(&node.name.text), &node.name.place);
        let mistake = Diagnostic::error("unknown-node", format!("{of} has no `{name}`"));
        // For example, `steps { apt-packages … }` and `secret { pip … }`.
        let is_other = |known: &&&str| {
            fields::alias(known) == Some(name.as_str()) || fields::alias(&name) == Some(**known)
        };
        let other = known.iter().find(is_other).copied();
        let meant = other.or_else(|| closest(&name, known.iter().copied()));
        self.notes.tell(
            mistake
                .unknown(place, meant, "")
                .or_help(format!("it takes {}", known.join(", "))),
        );
    }
}

fn only_texts(texts: Vec<Spanned>) -> Vec<String> {
    texts.into_iter().map(|text| text.text).collect()
}
