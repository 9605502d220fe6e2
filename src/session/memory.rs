//! The record of an image's last build: this machine's, or else the one that its registry keeps.

use super::Session;
use crate::asking::Asker;
use crate::backend::oci::reference::Reference;
use crate::fingerprint::Input;
use crate::graph::ImageId;
use crate::plan::memory;
use crate::store::RecordState;

/// What is known of the last build of an image.
pub struct Recorded {
    /// Its record.
    pub record: RecordState,
    /// The inputs of its key, as far as they are known.
    pub inputs: Option<Vec<Input>>,
    /// The registry that has the record; `None` if this machine does.
    pub registry: Option<String>,
    /// A warning that the registry could not be asked for a record.
    pub unasked: Option<String>,
}

impl Session {
    /// What is known of the last build of an image; asks the image's registry only if this machine has no record.
    pub fn recorded(&self, id: ImageId, asker: Asker<'_>) -> Recorded {
        let record = self.store.read(self.world.graph.name(id));
        if let RecordState::Found(own) = &record {
            return Recorded {
                inputs: self.store.inputs(own),
                record,
                registry: None,
                unasked: None,
            };
        }
        let mut answers = memory::recall(&self.world, &self.prints, &[(id, None)], asker);
        let (sent, unasked) = match answers.pop() {
            Some(Ok(sent)) if sent.record != RecordState::Missing => (Some(sent), None),
            Some(Err(why)) => (None, Some(memory::unasked_words(&why))),
            _ => (None, None),
        };
        let Some(sent) = sent else {
            return Recorded {
                record,
                inputs: None,
                registry: None,
                unasked,
            };
        };
        Recorded {
            record: sent.record,
            inputs: sent.inputs,
            registry: Reference::read(&self.reference(id)).map(|of| of.host),
            unasked,
        }
    }
}
