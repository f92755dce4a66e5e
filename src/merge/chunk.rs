//! Walks the chunks of an entry by their own headers, and inflates deflated changes under a cap.

use std::io::Read;

use flate2::read::DeflateDecoder;
use sha2::{Digest, Sha256};

use super::op::Hash;
use super::refusal::RefusalCode;
use crate::domain::limits::CHANGE_BYTES_MAX;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const TYPE_DOCUMENT: u8 = 0;
const TYPE_CHANGE: u8 = 1;
const TYPE_DEFLATED: u8 = 2;

/// What is said of bytes that begin no chunk.
pub(super) const NO_CHUNK: &str = "these bytes are no change: one begins with 85 6f 4a 83, its checksum, its type and its length, and is sent whole";

/// The greatest header: magic, checksum, type, length.
const HEADER_BYTES_MAX: usize = 4 + 4 + 1 + 10;

/// A change chunk whose checksum holds.
#[derive(Debug)]
pub(super) struct RawChange {
    pub hash: Hash,
    /// The whole chunk as type 1.
    pub bytes: Vec<u8>,
    /// Where in `bytes` the header ends.
    pub body_at: usize,
}

/// A chunk that cannot be a change.
pub(super) struct BadChunk {
    pub hash: Hash,
    pub code: RefusalCode,
    pub detail: String,
}

/// Reads unsigned numbers, lengths and bytes from a slice, never beyond its end.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).and_then(|bytes| bytes.first().copied())
    }

    /// LEB128, up to 64 bits, without padding.
    pub fn unsigned(&mut self) -> Option<u64> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    /// Signed LEB128, up to 64 bits.
    pub fn signed(&mut self) -> Option<i64> {
        let mut value: i64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0;
                return Some(if negative && shift < 57 { value | (-1 << (shift + 7)) } else { value });
            }
        }
        None
    }

    /// A length, then as many bytes.
    pub fn prefixed(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        self.take(length)
    }
}

/// Splits the first chunk off; nothing where its length cannot be known.
pub(super) fn split_first(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader(entry);
    if reader.take(4)? != MAGIC {
        return None;
    }
    reader.take(4 + 1)?;
    let length = usize::try_from(reader.unsigned()?).ok()?;
    let header = entry.len() - reader.0.len();
    entry.split_at_checked(header.checked_add(length)?)
}

/// Whether a chunk says that it is a deflated change.
pub(super) fn is_deflated(chunk: &[u8]) -> bool {
    chunk.get(8) == Some(&TYPE_DEFLATED)
}

/// Reads one chunk, as [`split_first`] gives it, up to its checksum.
pub(super) fn open(chunk: &[u8]) -> Result<RawChange, BadChunk> {
    let mut reader = Reader(chunk);
    let (Some(_), Some(checksum), Some(kind), Some(_)) =
        (reader.take(4), reader.take(4), reader.byte(), reader.unsigned())
    else {
        return Err(bad(sha256(chunk), RefusalCode::Unreadable, NO_CHUNK));
    };
    let body = reader.0;
    let inflated;
    let body = match kind {
        TYPE_CHANGE => body,
        TYPE_DEFLATED => {
            inflated = inflate(body).map_err(|(code, detail)| bad(sha256(chunk), code, detail))?;
            &inflated
        }
        _ => return Err(bad(sha256(chunk), RefusalCode::ChunkType, &no_change(kind))),
    };
    let hash = change_hash(body);
    if !hash.starts_with(checksum) {
        return Err(bad(
            sha256(chunk),
            RefusalCode::Unreadable,
            "the checksum in its header is not that of its bytes",
        ));
    }
    let bytes = write_change(&hash, body);
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(bad(hash, RefusalCode::ChangeTooLarge, &format!("{} bytes", bytes.len())));
    }
    Ok(RawChange { hash, body_at: bytes.len() - body.len(), bytes })
}

/// What is said of a chunk that is no change.
fn no_change(kind: u8) -> String {
    if kind == TYPE_DOCUMENT {
        return "this is a saved document (chunk type 0): send changes, such as getChangesSince(heads) gives"
            .to_owned();
    }
    format!(
        "this is of chunk type {kind}: a change is of type {TYPE_CHANGE}, or {TYPE_DEFLATED} where it is deflated"
    )
}

/// Inflates up to the cap and one byte more, so that what is too large never exists.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, (RefusalCode, &'static str)> {
    let cap = u64::try_from(CHANGE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut inflated = Vec::new();
    DeflateDecoder::new(deflated)
        .take(cap.saturating_add(1))
        .read_to_end(&mut inflated)
        .map_err(|_| (RefusalCode::Unreadable, "cannot be inflated"))?;
    if inflated.len() > CHANGE_BYTES_MAX {
        return Err((RefusalCode::ChangeTooLarge, "inflated beyond the limit"));
    }
    Ok(inflated)
}

fn change_hash(body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    let mut header = vec![TYPE_CHANGE];
    write_unsigned(body.len(), &mut header);
    hasher.update(&header);
    hasher.update(body);
    hasher.finalize().into()
}

fn write_change(hash: &Hash, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX.saturating_add(body.len()));
    bytes.extend(MAGIC);
    bytes.extend(&hash[..4]);
    bytes.push(TYPE_CHANGE);
    write_unsigned(body.len(), &mut bytes);
    bytes.extend(body);
    bytes
}

fn write_unsigned(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

fn bad(hash: Hash, code: RefusalCode, detail: &str) -> BadChunk {
    BadChunk { hash, code, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_to_64_bits_and_no_further() {
        let unsigned = |bytes: &[u8]| Reader(bytes).unsigned();
        assert_eq!(unsigned(&[0]), Some(0));
        assert_eq!(unsigned(&[0x81, 1]), Some(129));
        assert_eq!(unsigned(&[0x80, 0]), None);
        assert_eq!(unsigned(&[0x80]), None);
        let mut greatest = vec![0xff; 9];
        greatest.push(1);
        assert_eq!(unsigned(&greatest), Some(u64::MAX));
        greatest[9] = 2;
        assert_eq!(unsigned(&greatest), None);
        let signed = |bytes: &[u8]| Reader(bytes).signed();
        assert_eq!(signed(&[0x7f]), Some(-1));
        assert_eq!(signed(&[0x3f]), Some(63));
        assert_eq!(signed(&[0x80, 0x7f]), Some(-128));
        let mut least = vec![0x80; 9];
        least.push(0x7f);
        assert_eq!(signed(&least), Some(i64::MIN));
    }

    #[test]
    fn a_length_beyond_the_entry_is_no_chunk() {
        let mut chunk = write_change(&[0; 32], b"abc");
        assert!(split_first(&chunk).is_some());
        chunk.pop();
        assert!(split_first(&chunk).is_none());
        let mut endless = MAGIC.to_vec();
        endless.extend([0, 0, 0, 0, 1]);
        endless.extend([0xff; 9]);
        endless.push(1);
        assert!(split_first(&endless).is_none());
    }
}
