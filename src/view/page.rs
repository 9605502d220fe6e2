//! A page that shows the graph in a browser: one HTML document that loads nothing.
//!
//! The pictures are those of `svg`, one by image and one by directory; the page's script moves and colors them. The document
//! has data from manifests, logs and daemons, which are hostile: pictures are escaped, all else is JSON that no markup can end,
//! and a policy forbids the browser to run or load anything but the page's own script and style, known by their hashes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::detail::Detail;
use super::drawing::Drawing;
use super::layout::Direction;
use super::look::Theme;
use super::svg;
use crate::run::History;

const MARKUP: &str = include_str!("page/page.html");
const STYLE: &str = concat!(
    include_str!("page/page.css"),
    include_str!("page/timeline.css")
);
/// Sets the theme before anything is painted.
const HEAD: &str = include_str!("page/theme.js");
/// Moves the picture: @panzoom/panzoom, see page/panzoom.LICENSE.
const LIBRARY: &str = include_str!("page/panzoom.min.js");
const LICENCE: &str = include_str!("page/panzoom.LICENSE");
const SCRIPTS: [&str; 10] = [
    include_str!("page/page.js"),
    // Before any script changes the document, which it saves.
    include_str!("page/save.js"),
    include_str!("page/camera.js"),
    include_str!("page/graph.js"),
    include_str!("page/panel.js"),
    include_str!("page/search.js"),
    include_str!("page/spans.js"),
    include_str!("page/timeline.js"),
    include_str!("page/live.js"),
    "page.start();\n",
];

/// Pages of more images than this show directories first.
const MANY: usize = 300;

/// Columns for `step 12/34 · 1 min 05 s` in the boxes of a run.
const ROOM: usize = 22;

/// What a page shows.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// What is drawn, such as the name of the workspace's directory.
    pub title: &'a str,
    /// When the page is made, in RFC 3339 format; the same parameters give the same bytes.
    pub made: &'a str,
    /// The images, one node for each.
    pub drawing: &'a Drawing,
    /// The details by image id; `None` for a live page, which fetches them.
    pub details: Option<&'a BTreeMap<String, Detail>>,
    /// The run to show; its states replace those of the drawing.
    pub history: Option<&'a History>,
    /// Whether the page is live.
    pub live: Option<Live<'a>>,
    /// What is open at first.
    pub tab: Tab,
    /// Whether boxes are directories at first; `None` if that depends on the number of images.
    pub folders: Option<bool>,
    /// Where bases are.
    pub direction: Option<Direction>,
    /// The theme at first, until the reader chooses one.
    pub theme: Theme,
}

/// A page that a program on the same machine keeps up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Live<'a> {
    /// Whether the page has buttons that control the program.
    pub control: bool,
    /// Names the run and the images that the page was made for.
    pub edition: &'a str,
}

/// A part of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tab {
    /// The graph.
    #[default]
    Graph,
    /// When each image was built.
    Timeline,
}

/// What the script receives.
#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    made: &'a str,
    graph: &'a Drawing,
    details: Option<&'a BTreeMap<String, Detail>>,
    history: Option<&'a History>,
    live: Option<Live<'a>>,
    tab: Tab,
    folders: bool,
    critical: Vec<String>,
}

/// The document.
pub fn page(page: &Page<'_>) -> String {
    let drawing = page.drawing;
    let by_folder = (drawing.folders() > 1).then(|| drawing.by_folder());
    let folders = by_folder.is_some() && page.folders.unwrap_or(drawing.nodes.len() > MANY);
    let data = Data {
        title: page.title,
        made: page.made,
        graph: drawing,
        details: page.details,
        history: page.history,
        live: page.live,
        tab: page.tab,
        folders,
        critical: page
            .history
            .map_or(Vec::new(), |history| drawing.critical_path_of(history)),
    };
    let data = serde_json::to_string(&data).expect("names, texts and numbers are JSON");
    let room = if page.history.is_some() || page.live.is_some() {
        ROOM
    } else {
        0
    };
    let direction = page.direction.unwrap_or_default();
    let picture = |drawing| svg::in_page(drawing, direction, room);
    let style = format!("{}{STYLE}", svg::page_style());
    let script = format!("'use strict';\n{}", SCRIPTS.concat());
    fill(MARKUP, |name| match name {
        "title" => svg::escape(page.title),
        "theme" => match page.theme {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
        .to_owned(),
        "policy" => policy(&style, [HEAD, LIBRARY, &script], page.live.is_some()),
        "style" => style.clone(),
        "head" => HEAD.to_owned(),
        "library" => LIBRARY.to_owned(),
        "licence" => LICENCE.to_owned(),
        "script" => script.clone(),
        // No markup starts without `<`.
        "data" => data.replace('<', "\\u003c"),
        "images" => picture(drawing),
        "folders" => by_folder.as_ref().map(picture).unwrap_or_default(),
        _ => String::new(),
    })
}

/// The content security policy: only what is in this document runs, and only a live page talks to its server.
fn policy(style: &str, scripts: [&str; 3], is_live: bool) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let connect = if is_live { "'self'" } else { "'none'" };
    format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src {connect}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(style),
        scripts.map(hash).join(" "),
    )
}

/// The template with each `{{name}}` replaced, in one pass: what is put in is not searched again.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        out.push_str(before);
        out.push_str(&value(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
