//! Attestations: what `BuildKit` writes down about a build beside its image. Pure.
//!
//! They contain times, so an image that has some has another digest with every build: only those that are asked for are made.

use crate::backend::Unsupported;
use crate::recipe::Wishes;

/// The value that leaves to `BuildKit` which program looks for packages.
const USUAL: &str = "default";

/// Every kind of attestation.
pub(crate) const KINDS: [&str; 2] = ["provenance", "sbom"];

/// The details of an attestation of this kind, in `BuildKit`'s words; `None` if none is asked for.
fn details(wishes: &Wishes, kind: &str) -> Option<String> {
    let (_, value) = wishes.attest.iter().find(|(asked, _)| asked == kind)?;
    Some(match (kind, value.as_str()) {
        ("sbom", USUAL) => String::new(),
        ("sbom", scanner) => format!("generator={scanner}"),
        (_, mode) => format!("mode={mode}"),
    })
}

/// What the frontend is told, as names and values.
pub(super) fn attributes(wishes: &Wishes) -> impl Iterator<Item = (String, String)> {
    KINDS.into_iter().filter_map(|kind| {
        let details = details(wishes, kind)?;
        Some((format!("attest:{kind}"), details))
    })
}

/// The attestations that are asked for, as buildx describes them.
pub(crate) fn described(wishes: &Wishes) -> Vec<String> {
    let asked = KINDS.into_iter().filter_map(|kind| {
        let details = details(wishes, kind)?;
        let comma = if details.is_empty() { "" } else { "," };
        Some(format!("type={kind}{comma}{details}"))
    });
    asked.collect()
}

/// The kinds of attestations that nobody asked for.
pub(crate) fn unasked(wishes: &Wishes) -> impl Iterator<Item = &'static str> {
    KINDS
        .into_iter()
        .filter(|kind| details(wishes, kind).is_none())
}

/// The field, refused by a builder whose images have no attestations.
pub(crate) fn refused(wishes: &Wishes, why: &str) -> Option<Unsupported> {
    (!wishes.attest.is_empty()).then(|| Unsupported {
        field: "attest".to_owned(),
        why: why.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(pairs: &[(&str, &str)]) -> Wishes {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Wishes {
            attest: pairs.collect(),
            ..Wishes::default()
        }
    }

    #[test]
    fn only_what_is_asked_for_is_made() {
        let none = wishes(&[]);
        assert_eq!(attributes(&none).count(), 0);
        assert_eq!(unasked(&none).collect::<Vec<_>>(), KINDS);
        let both = wishes(&[("provenance", "max"), ("sbom", "default")]);
        let told: Vec<(String, String)> = attributes(&both).collect();
        assert_eq!(told[0], ("attest:provenance".into(), "mode=max".into()));
        assert_eq!(told[1], ("attest:sbom".into(), String::new()));
        assert_eq!(described(&both), ["type=provenance,mode=max", "type=sbom"]);
        let other = wishes(&[("sbom", "r.test/scanner:1")]);
        assert_eq!(described(&other), ["type=sbom,generator=r.test/scanner:1"]);
        assert_eq!(unasked(&other).collect::<Vec<_>>(), ["provenance"]);
    }
}
