//! Single strings that should be several, and requirements with a single `=`.

use super::Lints;
use crate::diagnostic::{Diagnostic, Place, quoted};
use crate::spec::OwnStep;

impl Lints<'_> {
    pub(super) fn words(&mut self) {
        self.entrypoint();
        let spec = &self.image.spec;
        let packages = spec.packages.iter().enumerate();
        let packages = packages.map(|(at, text)| ("packages", at, text));
        let runtime = spec.runtime_packages.iter().enumerate();
        let runtime = runtime.map(|(at, text)| ("runtime-packages", at, text));
        let steps = spec.steps.iter().enumerate().flat_map(|(at, step)| {
            let packages = match step {
                OwnStep::Pip { packages, .. } => packages.as_slice(),
                _ => &[],
            };
            packages.iter().map(move |text| ("steps", at, text))
        });
        for (list, at, text) in packages.chain(runtime).chain(steps) {
            if let Some(mended) = with_two_equals(text) {
                let field = format!("{list}[{at}]");
                let found =
                    Diagnostic::lint("single-equals", format!("`{text}` is not a requirement"));
                let found = self.mended(&field, text, &quoted(&mended), found);
                self.tell(
                    &field,
                    found,
                    &format!("a version is pinned with `==`: `{mended}`"),
                );
            }
        }
    }

    /// Detects `entrypoint "python -m train"`, which runs a program of exactly that name.
    fn entrypoint(&mut self) {
        let Some([only]) = self.image.spec.entrypoint.as_deref() else {
            return;
        };
        if only.split_whitespace().count() < 2 {
            return;
        }
        let words = shlex::split(only).unwrap_or_default();
        let message = format!("the entrypoint is a single program named `{}`", only.trim());
        let found = Diagnostic::lint("one-string-entrypoint", message);
        let found =
            found.help("an entrypoint is a list of arguments, not a shell command: quote each argument separately");
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let found = self.mended("entrypoint[0]", only, &words.join(" "), found);
        self.tell("entrypoint[0]", found, "no shell splits this");
    }

    /// Adds the fix if the source spells out the text.
    fn mended(&self, field: &str, text: &str, mended: &str, found: Diagnostic) -> Diagnostic {
        let place = self.image.places.get(field);
        let is_there = |place: &&Place| {
            let source = &self.sources.get(place.source).text;
            source.get(place.span()) == Some(quoted(text).as_str())
        };
        match place.filter(is_there) {
            Some(place) => found.fix(*place, mended),
            None => found,
        }
    }
}

/// Rewrites `name=version` as `name==version`.
fn with_two_equals(text: &str) -> Option<String> {
    let (before, after) = text.split_once('=')?;
    let name = before.trim_end();
    let name = match name.split_once('[') {
        Some((name, extras)) if extras.ends_with(']') => name,
        Some(_) => return None,
        None => name,
    };
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (is_name && !after.starts_with('=')).then(|| format!("{before}=={after}"))
}

#[cfg(test)]
mod tests {
    use super::with_two_equals;

    #[test]
    fn one_equals_sign_pins_nothing() {
        assert_eq!(with_two_equals("torch=2.5").as_deref(), Some("torch==2.5"));
        assert_eq!(
            with_two_equals("torch[gpu]=2.5").as_deref(),
            Some("torch[gpu]==2.5")
        );
        assert_eq!(
            with_two_equals("torch = 2.5").as_deref(),
            Some("torch == 2.5")
        );
        for fine in [
            "torch",
            "torch==2.5",
            "torch===2.5",
            "torch>=2",
            "torch<=2",
            "torch!=2",
            "torch~=2.5",
            "torch[gpu]>=2",
            "torch[gpu]==2",
            "torch[gpu]>2,!=3",
            "x @ https://x.org/x?a=b",
            "x; python_version=='3.12'",
        ] {
            assert_eq!(with_two_equals(fine), None, "{fine}");
        }
    }
}
