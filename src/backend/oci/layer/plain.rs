//! Compressed streams, told by their first bytes, and what is in them.

use std::io::{self, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Compression {
    None,
    Gzip,
    Zstd,
    /// One that cannot be read here, by name.
    Other(&'static str),
}

impl Compression {
    /// The compression of a stream that begins like this.
    pub(in crate::backend) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Other("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Other("bzip2"),
            _ => Self::None,
        }
    }
}

/// What a stream contains, whether compressed with gzip or zstd or not at all.
pub(in crate::backend) fn plain<'a>(from: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let (start, whole) = peek(BufReader::with_capacity(256 << 10, from), 6)?;
    Ok(match Compression::of(&start) {
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::Decoder::new(whole)?),
        Compression::None => Box::new(whole),
        Compression::Other(name) => {
            return Err(io::Error::other(format!(
                "it is compressed with {name}; only gzip and zstd are supported"
            )));
        }
    })
}

/// The first bytes of a stream, and the whole stream with them.
pub(in crate::backend) fn peek<R: Read>(
    mut from: R,
    length: usize,
) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let mut start = Vec::with_capacity(length);
    from.by_ref().take(length as u64).read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(from);
    Ok((start, whole))
}
