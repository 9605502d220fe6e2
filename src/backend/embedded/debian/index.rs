//! The packages of a list, in the form in which the store keeps them: what decides of each stanza, sorted by name. Pure.
//!
//! Nothing is parsed when it is loaded: names are found by halving, and a stanza is read when it is looked at. So 63,000
//! packages are there in the time that reading the bytes takes.

use super::control::{self, Stanza};
use super::relation;

/// The version of the form; part of the names of notes.
pub(super) const FORMAT: &str = "debian 1";

/// The fields that decide what is installed, and where it is.
const FIELDS: [&str; 17] = [
    "Package",
    "Source",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Protected",
    "Important",
    "Priority",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Provides",
    "Filename",
    "Size",
    "SHA256",
];

/// The length of a number.
const NUMBER: usize = 4;

/// How many numbers are before the tables: of packages, and of names that packages provide.
const HEAD: usize = 2 * NUMBER;

/// How many numbers a provided name has: its start and length in the text, and the package.
const PROVIDED: usize = 3;

/// The packages of a list.
pub(super) struct Index {
    bytes: Vec<u8>,
    packages: usize,
    provided: usize,
    /// Where the text starts.
    text: usize,
}

impl Index {
    /// Brings a list into this form. Stanzas without a name are not allowed, as they are not by apt.
    pub(super) fn encode(list: &str) -> Result<Vec<u8>, String> {
        let mut entries = Vec::new();
        for stanza in control::stanzas(list) {
            let stanza = stanza.map_err(|error| error.to_string())?;
            // A name of several lines would be sorted by another name than it has.
            let name = words(stanza.get("Package").unwrap_or_default());
            if !relation::is_name(&name) {
                return Err(format!("`{name}` is no name of a package"));
            }
            entries.push((name, entries.len(), reduced(&stanza)));
        }
        // In the order of the list within a name, which decides between equals.
        entries.sort();
        let mut starts = Vec::new();
        let mut provided = Vec::new();
        let mut text = String::new();
        for (at, (_, _, entry)) in entries.iter().enumerate() {
            starts.push(text.len());
            let value = entry
                .lines()
                .find_map(|line| line.strip_prefix("Provides: "));
            for relation in relation::read_flat(value.unwrap_or_default()).unwrap_or_default() {
                provided.push((relation.name, at));
            }
            text += entry;
        }
        starts.push(text.len());
        provided.sort();
        provided.dedup();
        let mut numbers = vec![entries.len(), provided.len()];
        numbers.extend(starts);
        for (name, at) in provided {
            // The names stand after the stanzas.
            numbers.extend([text.len(), name.len(), at]);
            text += &name;
        }
        let mut bytes = Vec::with_capacity(numbers.len() * NUMBER + text.len());
        for number in numbers {
            let number = u32::try_from(number).map_err(|_| "it is larger than 4 GiB".to_owned())?;
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(text.as_bytes());
        Ok(bytes)
    }

    /// An index as the store kept it; `None` if it is none.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let mut index = Self {
            bytes,
            packages: 0,
            provided: 0,
            text: 0,
        };
        index.packages = index.number(0)?;
        index.provided = index.number(1)?;
        let numbers = index.packages.checked_add(1)?;
        let numbers = numbers.checked_add(index.provided.checked_mul(PROVIDED)?)?;
        index.text = numbers.checked_mul(NUMBER)?.checked_add(HEAD)?;
        let is_text = std::str::from_utf8(index.bytes.get(index.text..)?).is_ok();
        is_text.then_some(index)
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes.get(at * NUMBER..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    }

    fn slice(&self, start: usize, end: usize) -> &str {
        let bytes = self.bytes.get(self.text + start..self.text + end);
        bytes
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// How many packages there are.
    pub(super) fn len(&self) -> usize {
        self.packages
    }

    /// The stanza of a package, by its number.
    pub(super) fn stanza(&self, at: usize) -> &str {
        let start = self.number(2 + at).unwrap_or_default();
        let end = self.number(2 + at + 1).unwrap_or_default();
        self.slice(start, end)
    }

    /// The name of a package, which is the first that its stanza has.
    pub(super) fn name(&self, at: usize) -> &str {
        let stanza = self
            .stanza(at)
            .strip_prefix("Package: ")
            .unwrap_or_default();
        stanza.split('\n').next().unwrap_or_default()
    }

    /// The numbers of the packages with this name.
    pub(super) fn named(&self, name: &str) -> std::ops::Range<usize> {
        equal(self.packages, |at| self.name(at).cmp(name))
    }

    /// The numbers of the packages that provide this name.
    pub(super) fn providing(&self, name: &str) -> impl Iterator<Item = usize> {
        let first = 2 + self.packages + 1;
        let part = move |at: usize, which: usize| {
            self.number(first + at * PROVIDED + which)
                .unwrap_or_default()
        };
        let found = equal(self.provided, |at| {
            let start = part(at, 0);
            self.slice(start, start + part(at, 1)).cmp(name)
        });
        found.map(move |at| part(at, 2))
    }
}

/// The range of a sorted sequence in which `order` says `Equal`.
fn equal(length: usize, order: impl Fn(usize) -> std::cmp::Ordering) -> std::ops::Range<usize> {
    let first_where = |holds: &dyn Fn(std::cmp::Ordering) -> bool| {
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low.midpoint(high);
            if holds(order(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    };
    let start = first_where(&|order| order != std::cmp::Ordering::Less);
    start..first_where(&|order| order == std::cmp::Ordering::Greater).max(start)
}

/// The fields that decide, each on one line.
fn reduced(stanza: &Stanza<'_>) -> String {
    let mut text = String::new();
    for name in FIELDS {
        if let Some(value) = stanza.get(name) {
            text += &format!("{name}: {}\n", words(value));
        }
    }
    text
}

/// A value on one line.
fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "Package: b\nVersion: 1\nDescription: long\n text\nDepends: a,\n c\n\nPackage: a\nVersion: 2\nProvides: x (= 1), y\n\n\
        Package: a\nVersion: 1\nTag: no\n\nPackage: ab\nVersion: 1\nProvides: x\n";

    fn index(list: &str) -> Index {
        Index::read(Index::encode(list).unwrap()).unwrap()
    }

    #[test]
    fn packages_are_found_by_their_names_and_by_what_they_provide() {
        let index = index(LIST);
        assert_eq!(index.len(), 4);
        let named = |name: &str| {
            index
                .named(name)
                .map(|at| index.stanza(at))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            named("a"),
            [
                "Package: a\nVersion: 2\nProvides: x (= 1), y\n",
                "Package: a\nVersion: 1\n"
            ]
        );
        assert_eq!(named("b"), ["Package: b\nVersion: 1\nDepends: a, c\n"]);
        assert!(named("c").is_empty() && named("").is_empty());
        let providing = |name: &str| {
            index
                .providing(name)
                .map(|at| index.name(at))
                .collect::<Vec<_>>()
        };
        assert_eq!(providing("x"), ["a", "ab"]);
        assert_eq!(providing("y"), ["a"]);
        assert!(providing("a").is_empty());
    }

    #[test]
    fn an_empty_list_has_nothing() {
        let index = index("");
        assert_eq!(
            (index.len(), index.named("a"), index.providing("a").count()),
            (0, 0..0, 0)
        );
    }

    #[test]
    fn what_is_no_list_is_refused_and_what_is_damaged_is_none() {
        assert!(Index::encode("Version: 1\n").is_err());
        assert!(Index::encode("Package: ../a\n").is_err());
        assert!(Index::encode("nothing").is_err());
        assert!(Index::encode("Package: a\n )\n\nPackage: a\nVersion: 1\n").is_err());
        let good = Index::encode(LIST).unwrap();
        for length in 0..good.len() {
            // Cut or changed anywhere, it is none, or a shorter one; never a panic.
            let mut bytes = good.clone();
            bytes[length] ^= 0xff;
            for bytes in [good[..length].to_vec(), bytes] {
                if let Some(index) = Index::read(bytes) {
                    let _ = (index.named("a"), index.providing("x").count());
                    index
                        .named("a")
                        .for_each(|at| assert!(index.stanza(at).len() < 1000));
                }
            }
        }
    }
}
