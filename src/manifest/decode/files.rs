//! Decodes the fields that name images and files: `base-image`, `copy`, `requirements`.

use super::decoder::Decoder;
use super::known::{OF_BASE, OF_COPY, OF_FIELD};
use crate::diagnostic::{Diagnostic, Place, Spanned, quoted};
use crate::manifest::syntax::{Node, bare, prop};
use crate::spec::fields::Field;
use crate::spec::rules::{
    BASE_DEBIAN, BASE_FILE, BASE_MIRROR, BASE_REF, BASE_SNAPSHOT, BASE_VARIANT, COPY_OWNER,
    COPY_TO, IMAGE_ID, absolute, any,
};
use crate::spec::{Base, Copy, CopyFrom, Debian, GivenPath, Variant};

const DEBIAN: &str =
    "`base-image debian=\"bookworm\" mirror=\"https://deb.debian.org/debian\" variant=\"minbase\"`";

impl Decoder<'_> {
    pub(super) fn path(&mut self, field: &Field, node: &Node) -> Option<(GivenPath, Place)> {
        bare(node, OF_FIELD, self.notes);
        let [value] = node.args.as_slice() else {
            self.one_path(field, node);
            return None;
        };
        let text = self.checked(field.name, field.rule, value)?;
        let path = self.inside(&text)?;
        let given = text.text;
        Some((GivenPath { path, given }, text.place))
    }

    fn one_path(&mut self, field: &Field, node: &Node) {
        let (code, place) = match node.args.get(1) {
            Some(second) => ("too-many-arguments", &second.place),
            None => ("missing-argument", &node.name.place),
        };
        let what = match field.name {
            "source-root" => "directory",
            _ => "file",
        };
        let message = format!("`{}` takes one {what}", field.name);
        let mistake = Diagnostic::error(code, message).at(*place, "");
        self.notes.tell(match field.name {
            "requirements" => {
                mistake.help("a requirements file can include others with `-r other.txt`")
            }
            _ => mistake,
        });
    }

    pub(super) fn base(&mut self, field: &Field, node: &Node) -> Option<(Base, Place)> {
        const KINDS: [&str; 3] = ["image", "debian", "file"];
        bare(node, OF_BASE, self.notes);
        let [image, debian, file] = KINDS.map(|kind| prop(node, kind));
        let kinds = [image, debian, file].into_iter().flatten();
        let given = node.args.len() + kinds.count();
        if given == 0 && !node.props.is_empty() {
            // The invalid properties have already been reported.
            return None;
        }
        if given != 1 {
            self.one_base(node, given);
            return None;
        }
        self.parts_of_another(node);
        if debian.is_some() {
            return self.base_debian(node);
        }
        if let Some(image) = image {
            let id = self.scope.text(&image.value, "image", self.notes)?;
            self.notes.image_named(&id);
            return Some((Base::Image(id.text), id.place));
        }
        if file.is_some() {
            return self.base_file(node);
        }
        let text = self.checked(field.name, field.rule, node.args.first()?)?;
        Some((Base::outside(text.text), text.place))
    }

    fn base_file(&mut self, node: &Node) -> Option<(Base, Place)> {
        let file = self.optional(node, BASE_FILE);
        let name = self.optional(node, BASE_REF);
        let (file, name) = (file??, name?);
        let path = self.inside(&file)?;
        let base = Base::File {
            file: GivenPath {
                path,
                given: file.text,
            },
            name: name.map(|name| name.text),
        };
        Some((base, file.place))
    }

    fn base_debian(&mut self, node: &Node) -> Option<(Base, Place)> {
        let suite = self.optional(node, BASE_DEBIAN);
        let mirror = self.optional(node, BASE_MIRROR);
        let snapshot = self.optional(node, BASE_SNAPSHOT);
        let variant = self.optional(node, BASE_VARIANT);
        let (suite, mirror, snapshot, variant) = (suite??, mirror?, snapshot?, variant?);
        let base = Base::Debian(Debian {
            suite: suite.text,
            mirror: mirror.map(|mirror| mirror.text.trim_end_matches('/').to_owned()),
            snapshot: snapshot.map(|time| time.text),
            variant: variant.map_or_else(Variant::default, |name| Variant::named(&name.text)),
        });
        Some((base, suite.place))
    }

    /// Reports properties that belong to another kind of base.
    fn parts_of_another(&mut self, node: &Node) {
        const PARTS: [(&str, &str, &str, &str); 4] = [
            (
                "ref",
                "file",
                "it names an image in a file",
                "`base-image file=\"base.tar\" ref=\"name:tag\"`; a registry image is named without `ref=`",
            ),
            (
                "mirror",
                "debian",
                "it is where Debian's packages come from",
                DEBIAN,
            ),
            (
                "snapshot",
                "debian",
                "it is of when Debian's packages are",
                DEBIAN,
            ),
            (
                "variant",
                "debian",
                "it says which of Debian's packages",
                DEBIAN,
            ),
        ];
        for (part, kind, label, help) in PARTS {
            if let (Some(given), None) = (prop(node, part), prop(node, kind)) {
                let message = format!("`{part}` needs `{kind}`");
                let mistake = Diagnostic::error("missing-argument", message);
                self.notes.tell(mistake.at(given.place(), label).help(help));
            }
        }
    }

    fn one_base(&mut self, node: &Node, given: usize) {
        let mistake = if given == 0 {
            Diagnostic::missing("`base-image` needs a value", &node.name.place)
        } else {
            Diagnostic::error("too-many-arguments", "`base-image` takes one value")
                .at(node.head(), "an image has one base")
        };
        self.notes.tell(mistake.help(
            "`base-image \"debian:bookworm-slim\"` names a registry image, `base-image image=\"id\"` one of this workspace, `base-image file=\"base.tar\"` one in a file, `base-image debian=\"bookworm\"` one of Debian's packages",
        ));
    }

    pub(super) fn copies(&mut self, node: &Node) -> Option<Vec<(Copy, Place)>> {
        bare(node, OF_COPY, self.notes);
        if node.args.is_empty() {
            self.notes.tell(
                Diagnostic::missing("`copy` needs a path", &node.name.place)
                    .help("write `copy \"src\" to=\"/app/src\"`"),
            );
        }
        let to = self.optional(node, COPY_TO);
        let owner = self.optional(node, COPY_OWNER);
        let image = self.optional(node, IMAGE_ID);
        let (to, owner, image) = (to?, owner?, image?);
        if let Some(id) = &image {
            self.notes.image_named(id);
        }
        self.one_place_for_many(node, to.as_ref());
        let mut copies = Vec::new();
        for value in &node.args {
            let rule = if image.is_some() { absolute } else { any };
            let Some(path) = self.checked("copy", rule, value) else {
                continue;
            };
            let Some(from) = self.copied_from(&path, image.as_ref()) else {
                continue;
            };
            let copy = Copy {
                from,
                to: to.as_ref().map(|to| to.text.clone()),
                owner: owner.as_ref().map(|owner| owner.text.clone()),
            };
            let place = image.as_ref().unwrap_or(&path).place;
            copies.push((copy, place));
        }
        Some(copies)
    }

    fn copied_from(&mut self, path: &Spanned, image: Option<&Spanned>) -> Option<CopyFrom> {
        Some(match image {
            Some(image) => CopyFrom::Image {
                image: image.text.clone(),
                path: path.text.clone(),
            },
            None => CopyFrom::Workspace {
                path: self.inside(path)?,
                given: path.text.clone(),
            },
        })
    }

    /// Reports several sources with a destination that is not a directory, which Docker rejects.
    fn one_place_for_many(&mut self, node: &Node, to: Option<&Spanned>) {
        if let Some(to) = to
            && node.args.len() > 1
            && !to.text.ends_with('/')
        {
            let mistake = Diagnostic::error(
                "invalid-value",
                "several paths need a directory as their destination",
            )
            .at(to.place, "a directory ends in `/`");
            self.notes.tell(if to.plain {
                mistake.fix(to.place, quoted(&format!("{}/", to.text)))
            } else {
                mistake
            });
        }
    }
}
