//! Errors for changes that cannot be made, with what to do instead.

use super::holder::Holder;
use super::items::Items;
use super::names::name_of;
use super::target::Shape;
use crate::diagnostic::{Diagnostic, Place, quoted};
use crate::manifest::write::{in_line, word};
use crate::session::Refusal;
use crate::suggest::closest;

impl Items<'_> {
    /// The error for removing a value that does not exist or is inherited.
    pub(super) fn absent(&self, value: &str) -> Refusal {
        let (target, field) = (self.target, self.field());
        let is_it = |(text, _): &(String, &Place)| value.is_empty() || self.names(text, value);
        let key = value.split_once('=').map_or(value, |(key, _)| key);
        let inherited = target.inherited().into_iter().find(is_it);
        if let Some((_, place)) = inherited.or_else(|| target.inherited_entry(key)) {
            let help =
                format!("`{field} reset=#true` in the image discards everything it inherits");
            return target.refuse_inherited(field, place, help);
        }
        let known = self.items.iter().flat_map(|item| {
            let known_name = item.key.as_ref().unwrap_or(&item.text);
            let package = name_of(field, known_name).map(|name| name.package);
            [Some(known_name.clone()), package].into_iter().flatten()
        });
        let known: Vec<String> = known.collect();
        let meant = closest(value, known.iter().map(String::as_str));
        let own = target.own();
        let place = own
            .first()
            .map_or_else(|| target.head(), |node| &node.name.place);
        let message = if value.is_empty() {
            format!("{} has no `{field}`", target.of)
        } else {
            format!("{} is not in `{field}` of {}", quoted(value), target.of)
        };
        let mistake = Diagnostic::error("not-there", message);
        target.refuse(match meant {
            Some(meant) => mistake.at(*place, format!("did you mean {}?", quoted(meant))),
            None => mistake.at(*place, ""),
        })
    }

    /// The error for changing an inherited value. `values` are what the image would have to contain instead.
    pub(super) fn refuse_inherited(&self, place: &Place, values: &[String]) -> Refusal {
        let (field, id) = (self.field(), self.target.of.name());
        let written = |value: &String| match (self.target.shape, value.split_once('=')) {
            (Shape::Map, Some((key, text))) => format!("{}={}", word(key), quoted(text)),
            (Shape::One, Some((key @ ("image" | "file"), text))) if field == "base-image" => {
                format!("{key}={}", quoted(text))
            }
            _ => in_line(value).unwrap_or_else(|| quoted(value)),
        };
        let written_out: Vec<String> = values.iter().map(written).collect();
        let written_out = written_out.join(" ");
        let help = match self.target.shape {
            Shape::List => {
                format!("`{field} reset=#true …` in the image discards everything it inherits")
            }
            _ => format!("to change only `{id}`, write it in the image: `{field} {written_out}`"),
        };
        self.target.refuse_inherited(field, place, help)
    }

    /// The error for a map value that is not of the form `NAME=VALUE`.
    pub(super) fn has_no_name(&self, value: &str) -> Refusal {
        let field = self.field();
        let shown = quoted(value);
        Refusal::usage(
            format!("`{field}` takes `NAME=VALUE` pairs, and {shown} has no name"),
            "write `NAME=VALUE`",
        )
    }

    /// The error for an entry that would be read as a reset of inherited values.
    pub(super) fn is_called_reset(&self, text: &str) -> Refusal {
        let field = self.field();
        Refusal::usage(
            format!("commands cannot edit an entry of `{field}` named `reset`"),
            format!("write it by hand: `{field} {{ reset {} }}`", quoted(text)),
        )
    }

    pub(super) fn names_no_values(&self) -> Refusal {
        let field = self.field();
        Refusal::usage(
            format!("no values of `{field}` to remove were given"),
            "list them after the field",
        )
    }

    pub(super) fn has_one_value(&self) -> Refusal {
        let (of, field) = (&self.target.of, self.field());
        let whose = match of {
            Holder::Image(id) => id.clone(),
            Holder::Template(name) => format!("--template {name}"),
        };
        Refusal::usage(
            format!("`{field}` holds a single value"),
            format!("write `imgspec set {whose} {field} VALUE`"),
        )
    }
}
