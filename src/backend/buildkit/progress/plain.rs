//! Parser for `--progress=plain`: lines that begin with `#` and the number of a vertex.

use std::collections::BTreeMap;

use super::reporter::{StepReporter, number};

#[derive(Default)]
pub(super) struct Plain {
    parts: BTreeMap<u32, Part>,
}

struct Part {
    name: String,
    began: bool,
}

impl Plain {
    pub(super) fn line(&mut self, line: &str, reporter: &mut StepReporter<'_>) {
        let Some((at, said)) = split(line) else {
            return reporter.text(line);
        };
        let Some(part) = self.parts.get_mut(&at) else {
            let name = said.to_owned();
            // A numbered step may still turn out to be cached; others are reported at once.
            let began = number(said).is_none();
            if began {
                reporter.began(said);
            }
            self.parts.insert(at, Part { name, began });
            return;
        };
        if said == "CACHED" {
            part.began = true;
            return reporter.cached(&part.name);
        }
        if !part.began && said != part.name {
            part.began = true;
            reporter.began(&part.name);
        }
        if let Some(error) = said.strip_prefix("ERROR: ") {
            reporter.failed(&part.name, error);
        } else if let Some(output) = timed(said) {
            reporter.output(output);
        }
    }
}

/// Splits `#12 text` into number and text.
fn split(line: &str) -> Option<(u32, &str)> {
    let (part, said) = line.strip_prefix('#')?.split_once(' ')?;
    Some((part.parse().ok()?, said))
}

/// The output after the seconds in `0.123 output`.
fn timed(said: &str) -> Option<&str> {
    let (seconds, output) = said.split_once(' ').unwrap_or((said, ""));
    let (whole, part) = seconds.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(part)).then_some(output)
}
