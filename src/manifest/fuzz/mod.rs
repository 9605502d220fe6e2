//! Fuzzes everything that happens to a manifest before a build, with manifests from a grammar: fields come from the field
//! table, values from the reference manual, spelled in all ways that KDL allows; some are corrupted.
//!
//! What is accepted must mean what a second implementation of the semantics says, must be planned, and must be rendered into
//! files with the same meaning. What is refused must have a reason and valid places.

mod bench;
#[cfg(feature = "engine-tests")]
mod engine;
mod fields;
mod files;
mod grammar;
mod meaning;
mod model;
mod pools;
mod rendered;
mod spelling;
mod values;
mod written;

use std::collections::BTreeSet;
use std::path::Path;

use bench::Bench;
use grammar::Grammar;
use model::World;
use pools::Pools;
use spelling::spell;

use crate::check::Checked;
use crate::diagnostic::{Diagnostic, Label, Sources, to_json};
use crate::fuzz::{Case, Fuzz, Random};
use crate::graph::ImageId;
use crate::report::diagnostics::render;
use crate::session::Session;

/// The number of images rendered per workspace.
const RENDERED: usize = 3;

/// The tokens used to corrupt manifests.
const TOKENS: &[&str] = &[
    "image ",
    "template ",
    "variable ",
    "defaults ",
    "workspace ",
    "include ",
    "matrix ",
    "extends=",
    "reset=#true ",
    "\"a\" ",
    "\"{{ v0 }}\" ",
    "{{ ",
    "}}",
    "{",
    "}",
    "{\n",
    "}\n",
    "\n",
    ";",
    "=",
    "\"",
    "\"\"\"",
    "\"\"\"\n",
    "#\"",
    "\"#",
    "/-",
    "/*",
    "*/",
    "//",
    "\\",
    "\\u{",
    "1 ",
    "#true ",
    "#null",
    "é",
    "\u{202e}",
    "\u{2028}",
    "\r\n",
    "\0",
    "env A=\"1\"",
    "packages \"x\"\n",
    "image=\"i0\"",
    "base-image image=\"i1\"\n",
    "(t)",
    "[",
    "i0",
    "\"i0\"",
    "copy \"src\"\n",
    "steps { run \"x\"; }\n",
    "secret \"a\" env=\"A\"\n",
];

/// Generated manifests and, if they are not corrupted, their meaning.
#[derive(Clone)]
struct Manifests {
    world: World,
    /// Seed of the spelling.
    spelling: u64,
    /// Corrupted text to use as the root manifest.
    spoilt: Option<String>,
}

impl Manifests {
    fn make(random: &mut Random) -> Self {
        let spoilt = random.long(TOKENS);
        let spelling = random.next();
        let world = Grammar::new(random).world(Pools::get());
        let mut made = Self {
            world,
            spelling,
            spoilt,
        };
        if made.spoilt.is_none() && random.chance(1, 4) {
            let text = made.texts().0;
            made.spoilt = Some(random.spoilt(&text, TOKENS));
        }
        made
    }

    /// The root manifest and the other one.
    fn texts(&self) -> (String, String) {
        let mut random = Random::new(self.spelling);
        let (root, sub) = (
            spell(&self.world.root, &mut random),
            spell(&self.world.sub, &mut random),
        );
        (self.spoilt.clone().unwrap_or(root), sub)
    }
}

impl Case for Manifests {
    fn shown(&self) -> String {
        let (root, sub) = self.texts();
        let World {
            vars, env, sets, ..
        } = &self.world;
        format!(
            "{root}\n--- sub/imgspec.kdl\n{sub}\n--- vars {vars:?} env {env:?} sets {sets:?}\n--- as a literal: {root:?}"
        )
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let mut smaller = self.clone();
        match &self.spoilt {
            Some(text) => smaller.spoilt = Some(text.without(part, of)?),
            None => smaller.world = self.world.without(part, of)?,
        }
        Some(smaller)
    }
}

/// Judges manifests, and tracks which fields occurred in accepted ones.
struct Judge {
    bench: Bench,
    fields: BTreeSet<String>,
    rendered: [u64; 2],
}

impl Judge {
    fn judge(&mut self, manifests: &Manifests) -> bool {
        let (root, sub) = manifests.texts();
        let mut texts: Vec<(&Path, &str)> = vec![(Path::new("imgspec.kdl"), &root)];
        if !manifests.world.sub.is_empty() {
            texts.push((Path::new("sub/imgspec.kdl"), &sub));
        }
        self.bench.write(&texts);
        let World {
            vars, env, sets, ..
        } = &manifests.world;
        let checked = self.bench.check(vars, sets, env);
        told(&checked.diagnostics, &checked.workspace.sources);
        if checked.has_errors() {
            return false;
        }
        if manifests.spoilt.is_none() {
            self.means_what_it_says(&manifests.world, &checked);
        }
        self.goes_on(checked)
    }

    fn means_what_it_says(&mut self, world: &World, checked: &Checked) {
        let expected = meaning::images(world);
        let ids: Vec<&String> = expected.iter().map(|(id, _)| id).collect();
        let images = &checked.workspace.images;
        let found: Vec<&String> = images.iter().map(|image| &image.id).collect();
        assert_eq!(found, ids, "the images are these");
        for (image, (id, mut fields)) in images.iter().zip(expected) {
            let is_words = |name: &str| matches!(name, "entrypoint" | "cmd");
            fields.retain(|name, lines| !lines.is_empty() || is_words(name));
            assert_eq!(meaning::of(image), fields, "image {id} means this");
            self.fields.extend(fields.into_keys());
        }
    }

    /// Whether a session can be opened; if so, plans and renders it.
    fn goes_on(&mut self, checked: Checked) -> bool {
        let mut session = match self.bench.session(checked) {
            Ok(session) => session,
            Err(examination) => {
                told(&examination.diagnostics, &examination.workspace.sources);
                return false;
            }
        };
        self.bench.plan(&mut session);
        for id in session.world.graph.ids().take(RENDERED) {
            let (spec, recipe) = (
                &session.world.workspace.images[id.index()].spec,
                &session.world.recipes[id.index()],
            );
            if let Some(text) = self.rendered(&session, id, "docker") {
                rendered::dockerfile(&text, spec, recipe);
                self.rendered[0] += 1;
            }
            if let Some(text) = self.rendered(&session, id, "envd") {
                rendered::envd(&text, spec, recipe);
                self.rendered[1] += 1;
            }
        }
        true
    }
}

impl Judge {
    fn rendered(&self, session: &Session, id: ImageId, backend: &str) -> Option<String> {
        match self.bench.render(session, id, backend) {
            Ok(rendered) => rendered,
            // A value without a possible line break that is longer than the maximum line length cannot be written.
            Err(error) if error.contains("a value is too long") => None,
            Err(error) => panic!("it is not rendered: {error}"),
        }
    }
}

/// Asserts that diagnostics have valid places and can be rendered.
fn told(diagnostics: &[Diagnostic], sources: &Sources) {
    for diagnostic in diagnostics {
        assert!(
            !diagnostic.message.is_empty(),
            "{diagnostic:?} says something"
        );
        let labels = diagnostic.place.iter().chain(&diagnostic.related);
        let fix = diagnostic.fix.iter().map(|fix| &fix.place);
        for place in labels.map(|label: &Label| &label.place).chain(fix) {
            let text = &sources.get(place.source).text;
            assert!(
                text.get(place.span()).is_some(),
                "the place of {diagnostic:?} is there"
            );
        }
    }
    let drawn = render(
        diagnostics,
        sources,
        diagnostics.len().is_multiple_of(2),
        Some(100),
    );
    assert_eq!(
        drawn.is_empty(),
        diagnostics.is_empty(),
        "diagnostics are rendered"
    );
    let json = to_json(diagnostics, sources);
    assert_eq!(
        json.as_array().map(Vec::len),
        Some(diagnostics.len()),
        "diagnostics are converted to JSON"
    );
}

#[test]
fn manifests() {
    let mut judge = Judge {
        bench: Bench::new(),
        fields: BTreeSet::new(),
        rendered: [0; 2],
    };
    let fuzz = Fuzz {
        name: "manifests",
        runs: 700,
        make: Manifests::make,
        judge: |case: &Manifests| judge.judge(case),
    };
    let tally = fuzz.run();
    tally.accepts(34);
    if tally.runs >= 2500 {
        let unheard: Vec<&str> = crate::spec::fields::names()
            .filter(|name| !judge.fields.contains(*name))
            .collect();
        assert_eq!(
            unheard, [""; 0],
            "each field is in a manifest that is accepted"
        );
        assert!(
            judge.rendered.iter().all(|count| *count > 100),
            "{:?}",
            judge.rendered
        );
    }
}
