//! Generates a node for each field according to its kind.

use super::grammar::{FILES, FOLDERS, Grammar};
use super::model::{GenNode, Value};
use super::values;
use crate::spec::SecretStep;
use crate::spec::fields::{Field, FieldKind};
use crate::spec::rules::{self, HELPERS, PartRule, ValueRule};

/// The steps whose values are governed by a single rule.
const STEPS: [PartRule; 7] = [
    rules::STEP_APT,
    rules::STEP_CONDA,
    rules::STEP_PIP,
    rules::STEP_RUN,
    rules::STEP_ENV,
    rules::STEP_USER,
    rules::STEP_WORKDIR,
];

impl Grammar<'_> {
    /// A node of a field, according to its kind.
    pub(super) fn field(&mut self, field: &Field) -> GenNode {
        let node = GenNode::new(field.name);
        match field.kind {
            FieldKind::Text(_)
            | FieldKind::Flag(_)
            | FieldKind::CopyMode
            | FieldKind::Platforms => node.arg(self.text(field.rule)),
            FieldKind::Path(_) => node.arg(self.path()),
            FieldKind::Words(_) => self.args(node, field.rule, 0, 3),
            FieldKind::List(_) | FieldKind::Ports(_) | FieldKind::Shell(_) => {
                self.args(node, field.rule, 1, 3)
            }
            FieldKind::Healthcheck => self.healthcheck(node, field),
            FieldKind::Map(..) => self.map(node, field.rule, field.name == "builder-config"),
            FieldKind::Base => self.base(node, field),
            FieldKind::Copies => self.copy(node),
            FieldKind::Mounts => {
                let target = self.taken(rules::mount_point);
                node.arg(self.taken(rules::line)).prop("to", target)
            }
            FieldKind::Secrets => self.secret(node),
            FieldKind::Steps => {
                let steps = (0..self.random.few(1, 4)).map(|_| self.step()).collect();
                GenNode {
                    children: steps,
                    ..node
                }
            }
            FieldKind::Dockerfile => self.dockerfile(node),
        }
    }

    /// A check by a command line or a program, with some of its settings.
    fn healthcheck(&mut self, node: GenNode, field: &Field) -> GenNode {
        let mut node = match self.random.below(4) {
            0 => return node.arg("NONE"),
            1 => node.arg(self.taken(field.rule)),
            _ => {
                let program = self.taken(rules::line);
                (0..self.random.few(1, 2)).fold(node.arg(program), |node, _| {
                    node.arg(values::any(self.random).as_str())
                })
            }
        };
        for PartRule { name, rule } in rules::HEALTH_TIMES
            .into_iter()
            .chain([rules::HEALTH_RETRIES])
        {
            if self.random.chance(1, 3) {
                node.props.push((name.to_owned(), self.taken(rule)));
            }
        }
        node
    }

    fn text(&mut self, rule: ValueRule) -> Value {
        values::of(rule, self.random).as_str().into()
    }

    fn taken(&mut self, rule: ValueRule) -> Value {
        values::taken(rule, self.random)
            .unwrap_or_default()
            .as_str()
            .into()
    }

    fn path(&mut self) -> Value {
        let of = if self.random.chance(1, 3) {
            FOLDERS
        } else {
            FILES
        };
        let path = *self.random.pick(of);
        let path = match self.random.below(12) {
            0 => format!("./{path}"),
            1 => format!("src//../{path}"),
            _ => path.to_owned(),
        };
        path.as_str().into()
    }

    fn args(&mut self, mut node: GenNode, rule: ValueRule, least: usize, most: usize) -> GenNode {
        let count = self.random.few(least, most);
        node.args = (0..count).map(|_| self.text(rule)).collect();
        node
    }

    fn map(&mut self, mut node: GenNode, rule: ValueRule, of_images: bool) -> GenNode {
        for _ in 0..self.random.few(1, 3) {
            let name = if of_images {
                (*self.random.pick(&HELPERS)).to_owned()
            } else {
                values::taken(rule, self.random).unwrap_or_default()
            };
            let value = if of_images {
                self.taken(rules::check_reference)
            } else {
                values::any(self.random).as_str().into()
            };
            let is_known = node.props.iter().any(|(known, _)| *known == name)
                || node.children.iter().any(|child| child.name == name);
            if is_known {
                continue;
            }
            // As a property, this name would have another meaning.
            if name == "reset" || self.random.chance(1, 4) {
                node.children.push(GenNode::new(&name).arg(value));
            } else {
                node.props.push((name, value));
            }
        }
        node
    }

    fn base(&mut self, node: GenNode, field: &Field) -> GenNode {
        match self.id() {
            Some(id) if self.random.chance(1, 2) => node.prop("image", id),
            _ if self.random.chance(1, 4) => node.arg("scratch"),
            _ => node.arg(self.text(field.rule)),
        }
    }

    /// The id of an image that may be referred to.
    fn id(&mut self) -> Option<Value> {
        (!self.ids.is_empty()).then(|| self.random.pick(&self.ids).as_str().into())
    }

    fn copy(&mut self, mut node: GenNode) -> GenNode {
        let count = self.random.few(1, 2);
        let image = self.id().filter(|_| self.random.chance(1, 4));
        node.args = (0..count)
            .map(|_| {
                if image.is_some() {
                    self.taken(rules::absolute)
                } else {
                    self.path()
                }
            })
            .collect();
        node.props.extend(image.map(|id| ("image".to_owned(), id)));
        if count > 1 {
            node.props.push(("to".to_owned(), "/x/".into()));
        } else if self.random.chance(1, 2) {
            node.props
                .push(("to".to_owned(), self.taken(rules::COPY_TO.rule)));
        }
        if self.random.chance(1, 4) {
            node.props
                .push(("owner".to_owned(), self.taken(rules::user)));
        }
        node
    }

    fn secret(&mut self, node: GenNode) -> GenNode {
        let node = node.arg(self.taken(rules::secret_id));
        let mut node = if self.random.chance(1, 2) {
            node.prop("env", self.taken(rules::variable))
        } else {
            node.prop("file", self.taken(rules::line))
        };
        for step in SecretStep::ALL {
            if self.random.chance(1, 4) {
                let mut given = GenNode::new(step.field());
                if self.random.chance(1, 2) {
                    given
                        .props
                        .push(("env".to_owned(), self.taken(rules::variable)));
                }
                if self.random.chance(1, 2) {
                    given
                        .props
                        .push(("mount".to_owned(), self.taken(rules::mount_point)));
                }
                node.children.push(given);
            }
        }
        node
    }

    fn step(&mut self) -> GenNode {
        if self.random.chance(1, STEPS.len() + 1) {
            return self.copy(GenNode::new("copy"));
        }
        let PartRule { name, rule } = *self.random.pick(&STEPS);
        let node = GenNode::new(name);
        match name {
            "env" => self.map(node, rule, false),
            "user" | "workdir" => node.arg(self.text(rule)),
            "pip" if self.random.chance(1, 3) => node.prop("requirements", self.path()),
            _ => self.args(node, rule, 1, 3),
        }
    }

    fn dockerfile(&mut self, node: GenNode) -> GenNode {
        let mut node = node.arg("Dockerfile");
        if self.random.chance(1, 2) {
            node.props
                .push(("context".to_owned(), (*self.random.pick(FOLDERS)).into()));
        }
        if self.random.chance(1, 3) {
            node.props.push(("target".to_owned(), "app".into()));
        }
        if self.random.chance(1, 3) {
            node.children.push(self.map_of_variables());
        }
        if self.random.chance(1, 3) {
            let mut contexts = GenNode::new("contexts");
            contexts.children.push(match self.id() {
                Some(id) if self.random.chance(1, 2) => GenNode::new("base").prop("image", id),
                _ if self.random.chance(1, 2) => {
                    GenNode::new("r.test/x:1").arg(self.taken(rules::check_reference))
                }
                _ => GenNode::new("data").prop("path", *self.random.pick(FOLDERS)),
            });
            node.children.push(contexts);
        }
        node
    }

    fn map_of_variables(&mut self) -> GenNode {
        self.map(GenNode::new("args"), rules::variable, false)
    }
}
