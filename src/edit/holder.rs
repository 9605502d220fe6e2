//! What an edit can change a field of, and where it is declared.

use std::collections::BTreeSet;
use std::fmt;

use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::{self, Data, Value};
use crate::session::Refusal;
use crate::suggest::closest;
use crate::workspace::{Loaded, Places};

/// A declaration that has fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The image with this id.
    Image(String),
    /// The template with this name.
    Template(String),
}

impl Holder {
    /// Its id or name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Image(name) | Self::Template(name) => name,
        }
    }

    /// The manifest node that declares it.
    pub(super) fn node(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Template(_) => "template",
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} `{}`", self.node(), self.name())
    }
}

/// Where an image or a template is declared, and the places of an image's fields.
pub(super) fn declaration<'a>(
    loaded: &'a Loaded,
    of: &Holder,
) -> Result<(Place, Option<&'a Places>), Refusal> {
    let workspace = &loaded.workspace;
    let found = match of {
        Holder::Image(id) => {
            let image = workspace.images.iter().find(|image| image.id == *id);
            image.and_then(|image| Some((*image.places.get("")?, Some(&image.places))))
        }
        Holder::Template(name) => match templates(loaded)
            .into_iter()
            .filter(|template| template.text == *name)
            .map(|template| template.place)
            .collect::<Vec<_>>()
            .as_slice()
        {
            [] => None,
            [place] => Some((*place, None)),
            several => {
                let mistake = of_several(of, several);
                return Err(Refusal::Wrong(vec![mistake], workspace.sources.clone()));
            }
        },
    };
    found.ok_or_else(|| {
        // It may be declared in a part that could not be read.
        if loaded.diagnostics.iter().any(Diagnostic::is_error) {
            return Refusal::Wrong(loaded.diagnostics.clone(), workspace.sources.clone());
        }
        unknown(of, loaded)
    })
}

/// The names of all templates of a workspace, where they are declared.
pub(crate) fn templates(loaded: &Loaded) -> Vec<Spanned> {
    let sources = &loaded.workspace.sources;
    let files = sources
        .ids()
        .filter(|id| !sources.get(*id).path.starts_with("--"));
    let nodes = files.flat_map(|id| manifest::parse(&sources.get(id).text, id).0);
    let templates = nodes.filter(|node| node.name.text == "template");
    let names = templates.filter_map(|node| {
        let name = node.args.first()?;
        Some(Spanned::plain(text_of(name, ""), name.place))
    });
    names.collect()
}

fn unknown(of: &Holder, loaded: &Loaded) -> Refusal {
    let images = loaded.workspace.images.iter();
    let images: Vec<&str> = images.map(|image| image.id.as_str()).collect();
    let templates = templates(loaded);
    let templates: BTreeSet<&str> = templates.iter().map(|name| name.text.as_str()).collect();
    let templates: Vec<&str> = templates.into_iter().collect();
    let (known, others, instead) = match of {
        Holder::Image(_) => (images, templates, "with `--template`, the template"),
        Holder::Template(_) => (templates, images, "without `--template`, the image"),
    };
    let help = if others.contains(&of.name()) {
        format!("{instead} `{}` is edited", of.name())
    } else if let Some(meant) = closest(of.name(), known.iter().copied()) {
        format!("did you mean `{meant}`?")
    } else if known.is_empty() {
        format!("no {} is declared", of.node())
    } else if let Holder::Image(_) = of {
        "`imgspec graph show '*'` lists the images".to_owned()
    } else {
        format!("the templates are `{}`", known.join("`, `"))
    };
    Refusal::usage(format!("there is no {of}"), help)
}

fn of_several(of: &Holder, places: &[Place]) -> Diagnostic {
    let mistake = Diagnostic::error(
        "by-hand",
        format!("{of} is declared in {} files", places.len()),
    );
    let mistake = mistake.at(places[0], "");
    let mistake = places[1..]
        .iter()
        .fold(mistake, |mistake, place| mistake.with(*place, ""));
    mistake.help("each applies in its own directory: edit the one that is meant by hand")
}

/// The text of a value; `written` is how it is spelled.
pub(super) fn text_of(value: &Value, written: &str) -> String {
    match &value.data {
        Data::Text { text, .. } => text.clone(),
        _ => written.to_owned(),
    }
}
