//! Asks package indexes for the files that a lock file names, but not where they are.

use std::collections::BTreeSet;

use super::address::{self, Address};
use super::given::Given;
use super::indexes::Indexes;
use super::locks::{Locked, Offer};
use super::simple::{self, Listed};
use super::sources::{is_wheel, same_version, version_of};
use super::tags::WheelName;
use super::web::{Web, failure};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::backend::oci::web::TransferError;

/// The indexes of a step.
pub(super) struct Index<'a> {
    web: Web<'a>,
    indexes: &'a Indexes,
}

impl<'a> Index<'a> {
    pub(super) fn new(given: &'a Given, indexes: &'a Indexes, source: &'a Source<'a>) -> Self {
        let web = Web::new(&given.logins, source);
        Self { web, indexes }
    }

    /// The package with the wheels of it that an index has, of those that the lock file allows.
    pub(super) fn complete(
        &self,
        locked: &Locked,
        admits: &dyn Fn(&str) -> bool,
    ) -> Result<Locked, BuildError> {
        let own = locked.index.as_deref().map(address::read).transpose();
        let own = own.map_err(|why| failed(format!("{}: {why}", locked.name)))?;
        let own = own.map(|(address, _)| vec![address]);
        let indexes: &[Address] = own.as_deref().unwrap_or(&self.indexes.all);
        let mut is_known = false;
        for index in indexes {
            let page = index.page(&locked.name).map_err(failed)?;
            let listed = match self.web.page(&page, simple::ACCEPT) {
                Ok((at, kind, text)) => {
                    let read = simple::read(&kind, &text, &at);
                    read.map_err(|why| failed(format!("{page}: {why}")))?
                }
                Err(TransferError::Absent) => continue,
                Err(error) => return Err(failure(&locked.name, error)),
            };
            is_known = true;
            let found = locked.found(listed, admits);
            if !found.wheels.is_empty() || found.sdist.is_some() {
                return Ok(found);
            }
        }
        let Locked { name, version, .. } = locked;
        let where_to = indexes.iter().map(|index| format!("`{index}`"));
        let where_to = where_to.collect::<Vec<_>>().join(" or ");
        Err(failed(if is_known {
            format!("{name} {version}: {where_to} has none of the files that the lock file names")
        } else {
            format!("{name} is not found at {where_to}")
        }))
    }
}

impl Locked {
    /// This package with what an index has of it.
    fn found(&self, listed: Vec<Listed>, admits: &dyn Fn(&str) -> bool) -> Self {
        let mut found = Self {
            wheels: Vec::new(),
            ..self.clone()
        };
        let hashes: BTreeSet<_> = self.hashes.iter().collect();
        for one in listed {
            let mut offers = self.wheels.iter().chain(&self.sdist);
            let named = offers.find(|offer| offer.file == one.file);
            let version = match WheelName::read(&one.file) {
                Some(wheel) => Some(wheel.version),
                None => version_of(&one.file, &self.name),
            };
            let is_version = version.is_some_and(|version| same_version(&version, &self.version));
            let is_wanted = match (named, one.sha256) {
                (Some(offer), told) => {
                    told.is_none() || offer.sha256.is_none() || told == offer.sha256
                }
                (None, Some(told)) => is_version && hashes.contains(&told),
                (None, None) => false,
            };
            let is_admitted = one.requires_python.as_deref().is_none_or(admits);
            if !is_wanted || !is_admitted {
                continue;
            }
            let offer = Offer {
                sha256: named.and_then(|offer| offer.sha256).or(one.sha256),
                size: one.size,
                url: Some(one.at.to_string()),
                file: one.file,
            };
            if is_wheel(&offer.file) {
                found.wheels.push(offer);
            } else {
                found.sdist = Some(offer);
            }
        }
        found
    }
}
