//! What a page tells about one image when it is selected.
//!
//! A page of a thousand images contains the details of all, so long lists are cut, with a count of the rest. Credentials in
//! URLs are left out: people pass pages on.

use serde::Serialize;

use crate::clean::clean_output;
use crate::fingerprint::{Fingerprints, Input, without_credentials};
use crate::graph::ImageId;
use crate::manifest::image_text;
use crate::plan::{Plan, Reason};
use crate::store::{RecordState, Store};
use crate::world::World;

/// How many reasons, inputs, lines of the spec and lines of the log are kept.
const REASONS: usize = 40;
const INPUTS: usize = 120;
const SPEC: usize = 160;
const LOG: usize = 60;

/// How many bytes of the log's end are read, and how many characters of a line are kept.
const LOG_BYTES: u64 = 16 << 10;
const LINE: usize = 400;

/// What is known about one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Detail {
    /// Where the manifest declares it: `imgspec.kdl:3:1`.
    pub place: Option<String>,
    /// `registry/name:tag`.
    pub reference: String,
    /// Its key.
    pub key: String,
    /// The backend that builds it.
    pub builder: String,
    /// Its spec after inheritance and variables, as KDL.
    pub spec: String,
    /// The inputs of its key, as `explain` lists them.
    pub inputs: Vec<Input>,
    /// How many inputs are left out.
    pub more_inputs: usize,
    /// Images from outside that a tag names, and what they are locked to.
    pub outside: Vec<Outside>,
    /// Why a plan builds or pushes it; empty without a plan.
    pub reasons: Vec<String>,
    /// Its last build.
    pub built: Option<Built>,
    /// The last lines of its last build's output.
    pub log: Vec<String>,
}

/// An image from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outside {
    /// Its name with its tag.
    pub name: String,
    /// What `imgspec.lock` pins it to.
    pub locked: Option<String>,
}

/// The last build of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Built {
    /// How long it took.
    pub seconds: f64,
    /// When it finished, in RFC 3339 format.
    pub finished: String,
    /// The result.
    pub digest: String,
    /// How many bytes it takes, if that is known.
    pub size: Option<u64>,
    /// The backend that built it.
    pub backend: String,
    /// Whether it was built with the current key.
    pub is_current: bool,
}

impl Detail {
    /// Collects what is known about an image. Reads its record and the end of its log.
    pub fn new(
        world: &World,
        prints: &Fingerprints,
        store: &Store,
        plan: Option<&Plan>,
        id: ImageId,
    ) -> Self {
        let name = world.graph.name(id);
        let mut inputs = prints.inputs(id, &world.recipes[id.index()]);
        let more_inputs = inputs.len().saturating_sub(INPUTS);
        inputs.truncate(INPUTS);
        let planned = plan.and_then(|plan| plan.get(id));
        let reasons = planned.map_or(&[][..], |planned| &planned.reasons);
        let key = prints.key(id);
        let built = match store.read(name) {
            RecordState::Found(record) => Some(Built {
                seconds: record.seconds,
                finished: record.finished,
                digest: record.artifact.digest,
                size: record.artifact.size,
                backend: record.artifact.backend,
                is_current: record.key == key,
            }),
            RecordState::Missing | RecordState::Unreadable(_) => None,
        };
        Self {
            place: world.place(id, ""),
            reference: world.reference(prints, id),
            key: key.to_string(),
            builder: world.backends[id.index()].name().to_owned(),
            spec: spec(&image_text(&world.workspace.images[id.index()])),
            inputs,
            more_inputs,
            outside: outside(prints, id),
            reasons: words(reasons),
            built,
            log: log(&store.log_end(name, LOG_BYTES).unwrap_or_default()),
        }
    }
}

fn words(reasons: &[Reason]) -> Vec<String> {
    let mut words: Vec<String> = reasons
        .iter()
        .take(REASONS)
        .map(Reason::to_string)
        .collect();
    if reasons.len() > REASONS {
        words.push(format!("and {} more", reasons.len() - REASONS));
    }
    words
}

fn outside(prints: &Fingerprints, id: ImageId) -> Vec<Outside> {
    let outside = prints.outside(id);
    let each = outside.images.iter().zip(&outside.locked);
    each.map(|(image, locked)| Outside {
        name: image.name.clone(),
        locked: locked.as_ref().map(|locked| locked.image.text().to_owned()),
    })
    .collect()
}

fn spec(text: &str) -> String {
    let text = without_credentials(text);
    let mut lines: Vec<String> = text.lines().take(SPEC).map(cut).collect();
    let more = text.lines().count() - lines.len();
    if more > 0 {
        lines.push(format!("// … {more} more lines"));
    }
    lines.join("\n")
}

fn log(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG)..];
    let clean = |line: &&str| cut(&without_credentials(&clean_output(line)));
    last.iter().map(clean).collect()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_ends_with_its_last_lines_readable_and_without_credentials() {
        let lines: Vec<String> = (0..LOG + 5).map(|at| format!("line {at}")).collect();
        let text = format!(
            "{}\n\u{1b}[31m10%\r100%\u{1b}[0m\nfrom https://me:secret@pypi.example/simple\n{}\n",
            lines.join("\n"),
            "x".repeat(LINE + 1),
        );
        let log = log(&text);
        assert_eq!(log.len(), LOG);
        assert_eq!(
            log[LOG - 3..],
            [
                "100%",
                "from https://pypi.example/simple",
                &format!("{}…", "x".repeat(LINE)),
            ]
        );
    }

    #[test]
    fn many_reasons_are_counted() {
        let reason = Reason::NeverBuilt { unreadable: None };
        assert_eq!(words(std::slice::from_ref(&reason)), ["never built"]);
        let many = words(&vec![reason; REASONS + 3]);
        assert_eq!(many.len(), REASONS + 1);
        assert_eq!(many[REASONS], "and 3 more");
    }

    #[test]
    fn a_long_spec_says_how_much_is_missing() {
        let text = "line \"https://a:b@c/d\"\n".repeat(SPEC + 2);
        let spec = spec(&text);
        assert!(spec.starts_with("line \"https://c/d\"\n"));
        assert!(spec.ends_with("\n// … 2 more lines"));
        assert_eq!(super::spec("a\nb\n"), "a\nb");
    }
}
