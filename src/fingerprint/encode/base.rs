//! Encodes what an image is built on.

use super::{Encoder, Sink};
use crate::spec::{Base, Debian};

impl<S: Sink> Encoder<'_, S> {
    pub(super) fn base(&mut self, base: &Base) {
        match base {
            Base::Image(id) => self.image("base", id),
            Base::Registry(reference) => self.text("base-image", reference),
            Base::Debian(debian) => self.debian(debian),
            Base::Scratch => self.text("base", "scratch"),
            Base::File { file: _, name } => {
                self.text("base", "file");
                if let Some(name) = name {
                    self.text("base-image.ref", name);
                }
            }
        }
    }

    fn debian(&mut self, debian: &Debian) {
        let Debian {
            suite,
            mirror,
            snapshot,
            variant,
        } = debian;
        self.text("base", "debian");
        self.text("base-image.debian", suite);
        if let Some(mirror) = mirror {
            self.text("base-image.mirror", mirror);
        }
        if let Some(snapshot) = snapshot {
            self.text("base-image.snapshot", snapshot);
        }
        self.text("base-image.variant", variant.name());
    }
}
