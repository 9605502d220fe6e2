//! The values of a field, and what a change does to each: exchanged, taken away, or put behind the others.

use super::names::{bare_name, name_of};
use super::target::{Shape, Target};
use super::write::Writer;
use super::{Change, splice::Splice};
use crate::diagnostic::{Diagnostic, Place};
use crate::manifest::write::{in_line, quoted, word};
use crate::manifest::{Data, Node};
use crate::session::Refusal;
use crate::suggest::closest;

/// What a change comes to.
pub(super) struct Changed {
    pub splices: Vec<Splice>,
    /// What is done, in words.
    pub said: Vec<String>,
    /// The line of the first of it, from 1.
    pub line: usize,
    /// What the image itself says of the field afterwards.
    pub values: Vec<Said>,
}

/// A value that is said, with its name where it has one.
pub(super) type Said = (Option<String>, String);

/// Where in a node a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Argument(usize),
    Property(usize),
    Child(usize),
}

/// One value that the image itself says.
pub(super) struct Item {
    /// Which of the image's nodes of the field.
    pub node: usize,
    pub part: Part,
    pub key: Option<String>,
    pub text: String,
    /// What takes its place; none when it goes.
    pub new: Option<String>,
}

/// The values of a field while they change.
pub(super) struct Items<'a> {
    pub target: &'a Target<'a>,
    pub items: Vec<Item>,
    /// What comes behind them.
    pub pushed: Vec<Said>,
    said: Vec<String>,
}

/// Works out what a change does.
pub(super) fn change(target: &Target<'_>, change: &Change) -> Result<Changed, Refusal> {
    let mut items = Items {
        target,
        items: items(target),
        pushed: Vec::new(),
        said: Vec::new(),
    };
    match (change, target.shape) {
        (Change::Add(_), Shape::One) => return Err(items.has_one_value()),
        (Change::Add(values), Shape::Words | Shape::List) => items.add_all(values)?,
        (Change::Add(values) | Change::Set(values), Shape::Map) => items.put_all(values)?,
        (Change::Remove(values), _) => items.remove_all(values)?,
        (Change::Set(values), Shape::One) => items.set_one(values)?,
        (Change::Set(values), Shape::Words | Shape::List) => items.set_all(values)?,
    }
    let splices = Writer::new(&items).splices()?;
    let own = target
        .own()
        .first()
        .map_or(target.image().name.place.span.start, |node| {
            node.name.place.span.start
        });
    let start = splices
        .iter()
        .map(|splice| splice.span.start)
        .min()
        .unwrap_or(own);
    let kept = items
        .items
        .iter()
        .filter_map(|item| Some((item.key.clone(), item.new.clone()?)));
    Ok(Changed {
        line: target.text[..start].matches('\n').count() + 1,
        values: kept.chain(items.pushed.clone()).collect(),
        splices,
        said: items.said,
    })
}

/// All that the image itself says of the field.
pub(super) fn items(target: &Target<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for (node, own) in target.own().into_iter().enumerate() {
        let mut item = |part, key: Option<&str>, text: String| {
            let (key, new) = (key.map(str::to_owned), Some(text.clone()));
            items.push(Item {
                node,
                part,
                key,
                text,
                new,
            });
        };
        for (at, value) in own.args.iter().enumerate() {
            item(Part::Argument(at), None, target.value(value));
        }
        for (at, prop) in own
            .props
            .iter()
            .enumerate()
            .filter(|(_, prop)| prop.name.text != "reset")
        {
            item(
                Part::Property(at),
                Some(&prop.name.text),
                target.value(&prop.value),
            );
        }
        for (at, child) in own.children.iter().enumerate() {
            let text = child
                .args
                .first()
                .map_or_else(String::new, |value| target.value(value));
            item(Part::Child(at), Some(&child.name.text), text);
        }
    }
    items
}

/// Whether a node drops what was inherited: then it means something without values too.
pub(super) fn is_reset(node: &Node) -> bool {
    node.props
        .iter()
        .any(|prop| prop.name.text == "reset" && prop.value.data == Data::Bool(true))
}

impl Items<'_> {
    fn field(&self) -> &'static str {
        self.target.field.name
    }

    fn say(&mut self, words: &str, value: &str, how: &str) {
        let (field, id) = (self.field(), self.target.id);
        self.said
            .push(format!("{words}{} {how} {field} of {id}", quoted(value)));
    }

    fn add_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        let inherited = self.target.inherited();
        for value in values {
            let name = name_of(self.field(), value);
            let same = |text: &str| {
                text == value || (name.is_some() && name_of(self.target.field.name, text) == name)
            };
            let there = |text: &str| text == value;
            if self.now().any(|text| there(&text)) || inherited.iter().any(|(text, _)| there(text))
            {
                self.say("", value, "is already in");
            } else if let Some(at) = self
                .items
                .iter()
                .position(|item| item.new.as_deref().is_some_and(same))
            {
                self.exchange(at, value);
            } else if let Some((_, place)) = inherited
                .iter()
                .find(|(text, _)| self.replaces() || same(text))
            {
                let all = inherited.iter().map(|(text, _)| text).chain([value]);
                return Err(self.refuse_inherited(place, &all.cloned().collect::<Vec<_>>()));
            } else {
                self.say("added ", value, "to");
                self.pushed.push((None, value.clone()));
            }
        }
        Ok(())
    }

    /// Whether what the image says itself would take the place of what it inherits.
    fn replaces(&self) -> bool {
        self.target.shape == Shape::Words && self.items.is_empty()
    }

    /// What the image says itself by now.
    fn now(&self) -> impl Iterator<Item = String> {
        let kept = self.items.iter().filter_map(|item| item.new.clone());
        kept.chain(self.pushed.iter().map(|(_, text)| text.clone()))
    }

    fn exchange(&mut self, at: usize, value: &str) {
        let old = quoted(&self.items[at].text);
        self.say(&format!("replaced {old} by "), value, "in");
        self.items[at].new = Some(value.to_owned());
    }

    fn put_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        for value in values {
            let (key, text) = self.pair(value)?;
            let known = self
                .items
                .iter()
                .position(|item| item.key.as_deref() == Some(key));
            if let Some(before) = self
                .pushed
                .iter_mut()
                .find(|(it, _)| it.as_deref() == Some(key))
            {
                text.clone_into(&mut before.1);
            } else if let Some(at) = known {
                if self.items[at].new.as_deref() == Some(text) {
                    self.say("", value, "is already in");
                } else {
                    self.say("set ", value, "in");
                    self.items[at].new = Some(text.to_owned());
                }
            } else if let Some((said, place)) = self.target.inherited_entry(key) {
                if said != text {
                    return Err(self.refuse_inherited(place, &[value.clone()]));
                }
                self.say("", value, "is already in");
            } else {
                self.say("added ", value, "to");
                self.pushed.push((Some(key.to_owned()), text.to_owned()));
            }
        }
        Ok(())
    }

    /// `NAME=VALUE`.
    fn pair<'v>(&self, value: &'v str) -> Result<(&'v str, &'v str), Refusal> {
        let field = self.field();
        let Some((key, text)) = value.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let message = format!(
                "`{field}` takes names with values, and {} has no name",
                quoted(value)
            );
            return Err(usage(
                message,
                format!("write `NAME=VALUE`, such as `{field} A={value}`"),
            ));
        };
        if key == "reset" {
            let message =
                format!("an entry of `{field}` called `reset` is not edited by a command");
            return Err(usage(
                message,
                format!("write it by hand: `{field} {{ reset {} }}`", quoted(text)),
            ));
        }
        Ok((key, text))
    }

    fn set_one(&mut self, values: &[String]) -> Result<(), Refusal> {
        let [value] = values else {
            return Err(self.has_one_value());
        };
        // An image of the workspace stands behind its word.
        let (key, text) = match value.split_once('=') {
            Some(("image", id)) if self.field() == "base-image" => (Some("image"), id),
            _ => (None, value.as_str()),
        };
        let known = self
            .items
            .iter()
            .position(|item| item.key.as_deref() == key);
        let inherited = self.target.inherited();
        if let Some(at) = known {
            if self.items[at].text == text {
                self.say("", value, "is already the");
                return Ok(());
            }
            self.exchange(at, text);
            return Ok(());
        }
        if let Some((said, place)) = inherited.first().filter(|_| self.items.is_empty()) {
            if key.is_none() && said == text {
                self.say("", value, "is already the");
                return Ok(());
            }
            return Err(self.refuse_inherited(place, values));
        }
        for item in &mut self.items {
            item.new = None;
        }
        self.say("set ", value, "as");
        self.pushed.push((key.map(str::to_owned), text.to_owned()));
        Ok(())
    }

    fn set_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        let inherited = self.target.inherited();
        let is_list = self.target.shape == Shape::List;
        if let Some((_, place)) = inherited
            .first()
            .filter(|_| is_list || self.items.is_empty())
        {
            return Err(self.refuse_inherited(place, values));
        }
        if self.now().eq(values.iter().cloned()) {
            let all = values.join(" ");
            self.say("", &all, "is already all of");
            return Ok(());
        }
        for (at, item) in self.items.iter_mut().enumerate() {
            item.new = values.get(at).cloned();
        }
        let more = values.iter().skip(self.items.len());
        self.pushed.extend(more.map(|value| (None, value.clone())));
        self.say("set ", &values.join(" "), "as");
        Ok(())
    }

    fn remove_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        let is_whole = matches!(self.target.shape, Shape::One | Shape::Words);
        if values.is_empty() && is_whole && !self.items.is_empty() {
            let all: Vec<&str> = self.items.iter().map(|item| item.text.as_str()).collect();
            self.say("removed ", &all.join(" "), "from");
            self.items.iter_mut().for_each(|item| item.new = None);
            return Ok(());
        }
        if values.is_empty() && !is_whole {
            let message = format!(
                "which values of `{}` are to be removed is not said",
                self.field()
            );
            return Err(usage(message, "name them behind the field"));
        }
        if values.is_empty() {
            return Err(self.absent(""));
        }
        for value in values {
            let meant: Vec<usize> = self
                .items
                .iter()
                .enumerate()
                .filter(|(_, item)| self.means(item, value))
                .map(|(at, _)| at)
                .collect();
            if meant.is_empty() {
                return Err(self.absent(value));
            }
            for at in meant {
                let gone = self.items[at].text.clone();
                let gone = self.items[at]
                    .key
                    .as_ref()
                    .map_or(gone.clone(), |key| format!("{key}={gone}"));
                self.say("removed ", &gone, "from");
                self.items[at].new = None;
            }
        }
        Ok(())
    }

    /// Whether a word of the command line means a value that is still there.
    fn means(&self, item: &Item, value: &str) -> bool {
        item.new.is_some()
            && match &item.key {
                Some(key) => value == key || value.split_once('=') == Some((key, &item.text)),
                None => self.names(&item.text, value),
            }
    }

    /// Whether a word of the command line is a value, or its package's name.
    fn names(&self, text: &str, value: &str) -> bool {
        let package = name_of(self.field(), text).map(|name| name.package);
        text == value || (package.is_some() && package == bare_name(self.field(), value))
    }

    /// The mistake of removing what is not there, or not here.
    fn absent(&self, value: &str) -> Refusal {
        let (target, field) = (self.target, self.field());
        let is_it = |(text, _): &(String, &Place)| value.is_empty() || self.names(text, value);
        let key = value.split_once('=').map_or(value, |(key, _)| key);
        let inherited = target.inherited().into_iter().find(is_it);
        if let Some((_, place)) = inherited.or_else(|| target.inherited_entry(key)) {
            let help = format!("`{field} reset=#true` in the image drops all that it inherits");
            return target.refuse_inherited(field, place, help);
        }
        let known = self.items.iter().flat_map(|item| {
            let said = item.key.as_ref().unwrap_or(&item.text);
            let package = name_of(field, said).map(|name| name.package);
            [Some(said.clone()), package].into_iter().flatten()
        });
        let known: Vec<String> = known.collect();
        let meant = closest(value, known.iter().map(String::as_str));
        let own = target.own();
        let place = own
            .first()
            .map_or(&target.image().name.place, |node| &node.name.place);
        let message = if value.is_empty() {
            format!("image `{}` has no `{field}`", target.id)
        } else {
            format!(
                "{} is not in `{field}` of image `{}`",
                quoted(value),
                target.id
            )
        };
        let mistake = Diagnostic::error("not-there", message);
        target.refuse(match meant {
            Some(meant) => mistake.at(place.clone(), format!("did you mean {}?", quoted(meant))),
            None => mistake.at(place.clone(), ""),
        })
    }

    /// The mistake of a change of what is inherited; `values` are all that the image would have to say instead.
    fn refuse_inherited(&self, place: &Place, values: &[String]) -> Refusal {
        let (field, id) = (self.field(), self.target.id);
        let written = |value: &String| match (self.target.shape, value.split_once('=')) {
            (Shape::Map, Some((key, text))) => format!("{}={}", word(key), quoted(text)),
            (Shape::One, Some(("image", id))) if field == "base-image" => {
                format!("image={}", quoted(id))
            }
            _ => in_line(value).unwrap_or_else(|| quoted(value)),
        };
        let said: Vec<String> = values.iter().map(written).collect();
        let said = said.join(" ");
        let help = match self.target.shape {
            Shape::List => {
                format!("`{field} reset=#true …` in the image drops all that it inherits")
            }
            _ => format!("for `{id}` alone, write it into the image: `{field} {said}`"),
        };
        self.target.refuse_inherited(field, place, help)
    }

    fn has_one_value(&self) -> Refusal {
        let (id, field) = (self.target.id, self.field());
        usage(
            format!("`{field}` has one value"),
            format!("write `imgspec set {id} {field} VALUE`"),
        )
    }
}

pub(super) fn usage(message: impl Into<String>, help: impl Into<String>) -> Refusal {
    Refusal::Other {
        message: message.into(),
        help: Some(help.into()),
    }
}
