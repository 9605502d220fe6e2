//! Decodes ports, the shell and health checks: what containers start with, besides single texts and lists.
//!
//! Ports and counts may be written as numbers, because those have only one meaning.

use super::decoder::Decoder;
use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::syntax::{Data, Node, Value, bare, prop};
use crate::spec::fields::Field;
use crate::spec::rules::{self, HEALTH_RETRIES, HEALTH_TIMES, PartRule};
use crate::spec::{HealthTest, Healthcheck};

const HEALTHCHECK: &str = "\"curl\" \"-f\" \"http://localhost/\"";

impl Decoder<'_> {
    pub(super) fn ports(&mut self, field: &Field, node: &Node) -> Option<Vec<Spanned>> {
        let mut node = node.clone();
        node.args.iter_mut().for_each(as_text);
        self.list(field, &node)
    }

    pub(super) fn shell(&mut self, field: &Field, node: &Node) -> Option<Vec<Spanned>> {
        if node.args.is_empty() {
            self.missing(node, "\"/bin/bash\" \"-c\"");
            return None;
        }
        self.words(field, node)
    }

    /// Decodes `healthcheck "program" "argument" interval="30s"`, `healthcheck "command line"` and `healthcheck #false`.
    pub(super) fn healthcheck(
        &mut self,
        field: &Field,
        node: &Node,
    ) -> Option<(Healthcheck, Place)> {
        bare(
            node,
            &[
                "shell",
                "interval",
                "timeout",
                "start-period",
                "start-interval",
                "retries",
                "reset",
            ],
            self.notes,
        );
        let by_shell = self.by_shell(node);
        let times = HEALTH_TIMES.map(|part| self.optional(node, part));
        let retries = self.count(node, HEALTH_RETRIES);
        let test = self.health_test(field, node, by_shell?)?;
        if test == HealthTest::Off {
            self.nothing_to_set(node);
        }
        let said = |given: Option<Spanned>| given.map(|given| given.text);
        let [interval, timeout, start_period, start_interval] = times;
        let check = Healthcheck {
            test,
            interval: said(interval?),
            timeout: said(timeout?),
            start_period: said(start_period?),
            start_interval: said(start_interval?),
            retries: said(retries?),
        };
        Some((check, node.head()))
    }

    fn health_test(
        &mut self,
        field: &Field,
        node: &Node,
        by_shell: Option<bool>,
    ) -> Option<HealthTest> {
        let name = field.name;
        match node.args.as_slice() {
            [] => {
                self.missing(node, HEALTHCHECK);
                None
            }
            [value] if value.data == Data::Bool(false) => Some(HealthTest::Off),
            [value] if by_shell == Some(false) => {
                let program = self.checked(name, rules::line, value)?;
                Some(HealthTest::Program(vec![program.text]))
            }
            [value] => {
                let line = self.checked(name, field.rule, value)?.text;
                let is_off = line == "NONE" && by_shell.is_none();
                Some(if is_off {
                    HealthTest::Off
                } else {
                    HealthTest::CommandLine(line)
                })
            }
            [program, ..] => {
                let words = self.all_checked(name, rules::any, node);
                let program = self.checked(name, rules::line, program)?;
                self.no_kind(&program);
                if by_shell == Some(true) {
                    let mistake =
                        Diagnostic::error("too-many-arguments", "a command line is one value");
                    let mistake = mistake.at(node.head(), "these are a program and its arguments");
                    self.notes.tell(mistake);
                }
                let words = words?.into_iter().map(|word| word.text);
                Some(HealthTest::Program(words.collect()))
            }
        }
    }

    /// Reports the kind of check that Docker's config and compose files put first.
    fn no_kind(&mut self, program: &Spanned) {
        let help = match program.text.as_str() {
            "CMD" => "a program and its arguments stand alone: leave it out",
            "CMD-SHELL" => "a command line stands alone, as one value: leave it out",
            _ => return,
        };
        let message = format!("`{}` is not a program", program.text);
        self.notes.tell(
            Diagnostic::error("invalid-value", message)
                .at(program.place, "")
                .help(help),
        );
    }

    fn nothing_to_set(&mut self, node: &Node) {
        if let Some(prop) = node.props.iter().find(|prop| prop.name.text != "reset") {
            let message = format!("`{}` has no effect: nothing is checked", prop.name.text);
            self.notes
                .tell(Diagnostic::error("invalid-value", message).at(prop.place(), ""));
        }
    }

    /// Whether the manifest says that a shell runs it; the outer `None` means that an error was reported.
    #[expect(
        clippy::option_option,
        reason = "an error was reported, it says nothing, or this"
    )]
    fn by_shell(&mut self, node: &Node) -> Option<Option<bool>> {
        let Some(prop) = prop(node, "shell") else {
            return Some(None);
        };
        if let Data::Bool(flag) = prop.value.data {
            return Some(Some(flag));
        }
        let text = self.checked("shell", rules::flag, &prop.value)?;
        Some(Some(text.text == "true"))
    }

    /// Like [`Self::optional`], for a part that may be written as a number.
    #[expect(
        clippy::option_option,
        reason = "an error was reported, there is none, or this one"
    )]
    fn count(&mut self, node: &Node, part: PartRule) -> Option<Option<Spanned>> {
        let Some(prop) = prop(node, part.name) else {
            return Some(None);
        };
        let mut value = prop.value.clone();
        as_text(&mut value);
        self.checked(part.name, part.rule, &value).map(Some)
    }
}

/// Makes a text of a number without sign, point or exponent.
fn as_text(value: &mut Value) {
    if let Data::Number(number) = &value.data
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        value.data = Data::Text {
            text: number.clone(),
            quoted: false,
        };
    }
}
