//! Numbers in the records of a zip archive, all little-endian. Pure.

/// What is left of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The fields of an extra record with this id.
    pub(super) fn extra(mut self, wanted: u16) -> Option<Self> {
        loop {
            let id = self.u16()?;
            let length = self.u16()?;
            let content = self.bytes(length.into())?;
            if id == wanted {
                return Some(Self(content));
            }
        }
    }
}

/// The id of the extra record with sizes of more than 32 bits.
pub(super) const ZIP64: u16 = 1;

/// The value of a 32-bit field whose number is in the extra record.
pub(super) const ELSEWHERE: u32 = u32::MAX;
