//! The colors of both themes, as the rules of an SVG: with the colors themselves in a file of its own, with variables in a
//! page, whose reader can switch the theme.

use std::fmt::{Display, Write as _};

use super::super::drawing::State;
use super::super::look::Theme;

/// The colors of one theme, or the variables that stand for them.
pub(super) struct Colors<T> {
    pub(super) ground: T,
    pub(super) text: T,
    pub(super) dim: T,
    pub(super) line: T,
    /// A box without a state.
    pub(super) image: T,
    pub(super) border: T,
    pub(super) critical: T,
    /// Boxes in the order of [`State::ALL`].
    pub(super) states: [T; State::ALL.len()],
}

pub(super) const LIGHT: Colors<&str> = Colors {
    ground: "#ffffff",
    text: "#1f2328",
    dim: "#57606a",
    line: "#6e7781",
    image: "#f6f8fa",
    border: "#8c959f",
    critical: "#cf222e",
    states: State::LIGHT,
};

pub(super) const DARK: Colors<&str> = Colors {
    ground: "#0d1117",
    text: "#e6edf3",
    dim: "#9da7b3",
    line: "#8b949e",
    image: "#161b22",
    border: "#6e7681",
    critical: "#ff7b72",
    states: State::DARK,
};

const SHAPES: &str = "\
    text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;text-anchor:middle}\
    .note{font-size:10px}.legend{font-size:10px;text-anchor:start}\
    .arrows path{fill:none;stroke-width:1.2}.copy{stroke-dasharray:4 3}.arrows .tip{stroke:none}\
    .arrows .critical{stroke-width:2.4}.image rect{stroke-width:1}.image.critical rect{stroke-width:2.4}";

/// The style of a file of its own.
pub(super) fn style(theme: Theme) -> String {
    let (light, dark) = (LIGHT.rules(), DARK.rules());
    match theme {
        Theme::Light => format!("{SHAPES}{light}"),
        Theme::Dark => format!("{SHAPES}{dark}"),
        Theme::Auto => format!("{SHAPES}{light}@media(prefers-color-scheme:dark){{{dark}}}"),
    }
}

/// The style of pictures in a page: rules for everything below `.picture`, and the variables of both themes. A page names
/// its theme in `data-theme` of its root.
pub(in super::super) fn page_style() -> String {
    let states = State::ALL.map(|state| format!("var(--{})", state.word()));
    let variable = |name: &str| format!("var(--{name})");
    let variables = Colors {
        ground: variable("ground"),
        text: variable("text"),
        dim: variable("dim"),
        line: variable("line"),
        image: variable("image"),
        border: variable("border"),
        critical: variable("critical"),
        states,
    };
    let (light, dark) = (LIGHT.variables(), DARK.variables());
    format!(
        ":root{{{light}}}\n@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         :root[data-theme=dark]{{{dark}}}\n.picture{{{SHAPES}{}}}\n",
        variables.rules()
    )
}

impl<T: Display> Colors<T> {
    fn rules(&self) -> String {
        let Self {
            ground,
            text,
            dim,
            line,
            image,
            border,
            critical,
            states,
        } = self;
        let mut out = format!(
            ".ground{{fill:{ground}}}text{{fill:{text}}}.note,.legend{{fill:{dim}}}\
             .arrows path{{stroke:{line}}}.arrows .tip{{fill:{line}}}\
             .image rect{{fill:{image};stroke:{border}}}"
        );
        for (state, color) in State::ALL.iter().zip(states) {
            let _ = write!(out, ".{} rect{{fill:{color}}}", state.word());
        }
        let _ = write!(
            out,
            ".arrows .critical,.image.critical rect{{stroke:{critical}}}\
             .arrows .tip.critical{{fill:{critical};stroke:none}}"
        );
        out
    }

    fn variables(&self) -> String {
        let Self {
            ground,
            text,
            dim,
            line,
            image,
            border,
            critical,
            states,
        } = self;
        let mut out = format!(
            "--ground:{ground};--text:{text};--dim:{dim};--line:{line};--image:{image};--border:{border};--critical:{critical}"
        );
        for (state, color) in State::ALL.iter().zip(states) {
            let _ = write!(out, ";--{}:{color}", state.word());
        }
        out
    }
}
