//! Applies a change to the values of a field: replaces, removes and appends them.

use super::item::{Change, Entry, Fate, Item, items};
use super::names::{bare_name, name_of};
use super::splice::Splice;
use super::target::{Shape, Target};
use super::write::Writer;
use crate::diagnostic::{Place, quoted};
use crate::session::Refusal;

pub(super) struct Changed {
    pub splices: Vec<Splice>,
    /// What was done, one sentence each.
    pub actions: Vec<String>,
    /// Line of the first change, from 1.
    pub line: usize,
    /// Its own values of the field after the change.
    pub values: Vec<Entry>,
}

pub(super) struct Items<'a> {
    pub target: &'a Target<'a>,
    pub items: Vec<Item>,
    /// Values to append.
    pub pushed: Vec<Entry>,
    actions: Vec<String>,
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

pub(super) fn change(target: &Target<'_>, change: &Change) -> Result<Changed, Refusal> {
    let mut items = Items {
        target,
        items: items(target),
        pushed: Vec::new(),
        actions: Vec::new(),
    };
    match (change, target.shape) {
        (Change::Add(_), Shape::One) => return Err(items.has_one_value()),
        (Change::Add(values), Shape::Words | Shape::List) => items.add_all(values)?,
        (Change::Add(values) | Change::Set(values), Shape::Map) => items.put_all(values)?,
        (Change::Remove(values), _) => items.remove_all(values)?,
        (Change::Set(values), Shape::One) => items.set_one(values)?,
        (Change::Set(values), Shape::Words | Shape::List) => items.set_all(values)?,
    }
    let splices = Writer::new(target, &items.items, &items.pushed).splices()?;
    let own = target
        .own()
        .first()
        .map_or(target.node().name.place.start(), |node| {
            node.name.place.start()
        });
    let first = splices.iter().min_by_key(|splice| splice.span.start);
    let start = first.map_or(own, |splice| splice.span.start);
    // The first field comes with the block.
    let lead = first.map_or("", |splice| splice.text.as_str());
    let lead = &lead[..lead.len() - lead.trim_start_matches([' ', '{', '\r', '\n']).len()];
    let kept = items.items.iter();
    let kept = kept.filter_map(|item| Some((item.key.clone(), item.text_after()?.to_owned())));
    Ok(Changed {
        line: 1 + lines(&target.text[..start]) + lines(lead),
        values: kept.chain(items.pushed.clone()).collect(),
        splices,
        actions: items.actions,
    })
}

impl Items<'_> {
    pub(super) fn field(&self) -> &'static str {
        self.target.field.name
    }

    fn note(&mut self, words: &str, value: &str, how: &str) {
        self.note_all(words, &[value.to_owned()], how);
    }

    fn note_all(&mut self, words: &str, values: &[String], how: &str) {
        let (field, id) = (self.field(), self.target.of.name());
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        let values = values.join(" ");
        self.actions
            .push(format!("{words}{values} {how} {field} of {id}"));
    }

    fn add_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        let inherited = self.target.inherited();
        for value in values {
            let same = |text: &str| self.is_same(text, value);
            let known = self
                .items
                .iter()
                .position(|item| item.text_after().is_some_and(same));
            let pushed = self.pushed.iter().position(|(_, text)| same(text));
            let from = inherited
                .iter()
                .find(|(text, _)| self.replaces() || same(text));
            if self.has(value) || inherited.iter().any(|(text, _)| text == value) {
                self.note("", value, "is already in");
            } else if let Some(at) = known {
                self.exchange(at, value);
            } else if let Some(at) = pushed {
                self.pushed[at].1.clone_from(value);
            } else if let Some((_, place)) = from {
                let all = inherited.iter().map(|(text, _)| text).chain([value]);
                return Err(self.refuse_inherited(place, &all.cloned().collect::<Vec<_>>()));
            } else {
                self.note("added ", value, "to");
                self.pushed.push((None, value.clone()));
            }
        }
        Ok(())
    }

    /// Whether two values are equal or are requirements of the same package.
    fn is_same(&self, text: &str, value: &str) -> bool {
        let name = name_of(self.field(), value);
        text == value || (name.is_some() && name_of(self.field(), text) == name)
    }

    /// Whether a value of its own would replace its inherited values.
    fn replaces(&self) -> bool {
        self.target.shape == Shape::Words && self.items.is_empty()
    }

    /// Whether the image or template itself has the value after the changes so far.
    fn has(&self, value: &str) -> bool {
        let is_pushed = self.pushed.iter().any(|(_, text)| text == value);
        is_pushed || self.items.iter().any(|item| item.is(value))
    }

    fn exchange(&mut self, at: usize, value: &str) {
        let old = quoted(&self.items[at].text);
        self.note(&format!("replaced {old} by "), value, "in");
        self.items[at].fate = Fate::Becomes(value.to_owned());
    }

    fn put_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        for value in values {
            let (key, text) = self.pair(value)?;
            let is_it = |it: &Option<String>| it.as_deref() == Some(key);
            let known = self.items.iter().position(|item| is_it(&item.key));
            let pushed = self.pushed.iter().position(|(it, _)| is_it(it));
            if let Some(at) = pushed {
                text.clone_into(&mut self.pushed[at].1);
            } else if let Some(at) = known {
                if self.items[at].is(text) {
                    self.note("", value, "is already in");
                } else {
                    self.note("set ", value, "in");
                    self.items[at].fate = Fate::Becomes(text.to_owned());
                }
            } else if let Some((known_text, place)) = self.target.inherited_entry(key) {
                if known_text != text {
                    return Err(self.refuse_inherited(place, std::slice::from_ref(value)));
                }
                self.note("", value, "is already in");
            } else {
                self.note("added ", value, "to");
                self.pushed.push((Some(key.to_owned()), text.to_owned()));
            }
        }
        Ok(())
    }

    /// Splits `NAME=VALUE`.
    fn pair<'v>(&self, value: &'v str) -> Result<(&'v str, &'v str), Refusal> {
        match value.split_once('=') {
            None | Some(("", _)) => Err(self.has_no_name(value)),
            Some(("reset", text)) => Err(self.is_called_reset(text)),
            Some(pair) => Ok(pair),
        }
    }

    fn set_one(&mut self, values: &[String]) -> Result<(), Refusal> {
        let [value] = values else {
            return Err(self.has_one_value());
        };
        // An image of the workspace, and one in a file, are given as properties.
        let (key, text) = match value.split_once('=') {
            Some((key @ ("image" | "file"), text)) if self.field() == "base-image" => {
                (Some(key), text)
            }
            _ => (None, value.as_str()),
        };
        let known = self
            .items
            .iter()
            .position(|item| item.key.as_deref() == key);
        if let Some(at) = known {
            if self.items[at].is(text) {
                self.note("", value, "is already the");
            } else {
                self.exchange(at, text);
            }
            return Ok(());
        }
        let inherited = self.target.inherited();
        if let Some((known_text, place)) = inherited.first().filter(|_| self.items.is_empty()) {
            if key.is_none() && known_text == text {
                self.note("", value, "is already the");
                return Ok(());
            }
            return Err(self.refuse_inherited(place, values));
        }
        for item in &mut self.items {
            item.fate = Fate::Goes;
        }
        self.note("set ", value, "as");
        self.pushed.push((key.map(str::to_owned), text.to_owned()));
        Ok(())
    }

    fn set_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        let inherited = self.target.inherited();
        let is_list = self.target.shape == Shape::List;
        let counts = |_: &&(String, &Place)| is_list || self.items.is_empty();
        if let Some((_, place)) = inherited.first().filter(counts) {
            return Err(self.refuse_inherited(place, values));
        }
        let alike = self
            .items
            .iter()
            .zip(values)
            .all(|(item, value)| item.is(value));
        if alike && self.items.len() == values.len() {
            self.note_all("", values, "is already the");
            return Ok(());
        }
        for (at, item) in self.items.iter_mut().enumerate() {
            item.fate = match values.get(at) {
                Some(value) if item.is(value) => Fate::Stays,
                Some(value) => Fate::Becomes(value.clone()),
                None => Fate::Goes,
            };
        }
        let more = values.iter().skip(self.items.len());
        self.pushed.extend(more.map(|value| (None, value.clone())));
        self.note_all("set ", values, "as");
        Ok(())
    }

    fn remove_all(&mut self, values: &[String]) -> Result<(), Refusal> {
        if values.is_empty() {
            return self.remove_whole();
        }
        for value in values {
            let items = self.items.iter().enumerate();
            let meant = items.filter(|(_, item)| self.means(item, value));
            let meant: Vec<usize> = meant.map(|(at, _)| at).collect();
            if meant.is_empty() {
                return Err(self.absent(value));
            }
            for at in meant {
                self.note("removed ", &self.items[at].shown(), "from");
                self.items[at].fate = Fate::Goes;
            }
        }
        Ok(())
    }

    /// Removes all values of a field that has a single value.
    fn remove_whole(&mut self) -> Result<(), Refusal> {
        if !matches!(self.target.shape, Shape::One | Shape::Words) {
            return Err(self.names_no_values());
        }
        if self.items.is_empty() {
            return Err(self.absent(""));
        }
        let all: Vec<String> = self.items.iter().map(Item::shown).collect();
        self.note_all("removed ", &all, "from");
        for item in &mut self.items {
            item.fate = Fate::Goes;
        }
        Ok(())
    }

    /// Whether a command-line argument refers to an item that is still present.
    fn means(&self, item: &Item, value: &str) -> bool {
        item.fate != Fate::Goes
            && match &item.key {
                Some(key) => value == key || value.split_once('=') == Some((key, &item.text)),
                None => self.names(&item.text, value),
            }
    }

    /// Whether a command-line argument is the value itself or the name of its package.
    pub(super) fn names(&self, text: &str, value: &str) -> bool {
        let package = name_of(self.field(), text).map(|name| name.package);
        text == value || (package.is_some() && package == bare_name(self.field(), value))
    }
}
