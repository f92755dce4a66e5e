//! How far a phone has read a daybook: a position, and the chain of hashes up to it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::op::Hash;

/// The chain before the first change.
pub const CHAIN_START: Hash = [0; 32];

const POSITION_BYTES: usize = 6;
const CHAIN_BYTES: usize = 8;
const POSITION_MAX: u64 = (1 << (8 * POSITION_BYTES)) - 1;

/// `chain_n = SHA-256(chain_{n−1} ‖ hash_n)`.
#[must_use]
pub fn chain_next(chain: &Hash, hash: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(chain);
    hasher.update(hash);
    hasher.finalize().into()
}

/// Opaque to phones; the chain tells a restored server that it never was where the phone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Changes read; 0 before the first. Below 2^48.
    pub position: u64,
    /// The first bytes of the chain at the position.
    pub chain: [u8; CHAIN_BYTES],
}

impl Cursor {
    /// The cursor at a position with this chain.
    #[must_use]
    pub fn at(position: u64, chain: &Hash) -> Self {
        let mut head = [0; CHAIN_BYTES];
        head.copy_from_slice(&chain[..CHAIN_BYTES]);
        Self { position: position.min(POSITION_MAX), chain: head }
    }

    /// The chain at this cursor's position is the one that the phone saw.
    #[must_use]
    pub fn matches(&self, chain: &Hash) -> bool {
        chain.starts_with(&self.chain)
    }

    /// 19 characters of base64url.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = [0; POSITION_BYTES + CHAIN_BYTES];
        bytes[..POSITION_BYTES].copy_from_slice(&self.position.to_be_bytes()[8 - POSITION_BYTES..]);
        bytes[POSITION_BYTES..].copy_from_slice(&self.chain);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The inverse of [`Cursor::encode`]; nothing else is a cursor.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (position, chain) = bytes.split_at_checked(POSITION_BYTES)?;
        let mut wide = [0; 8];
        wide[8 - POSITION_BYTES..].copy_from_slice(position);
        Some(Self { position: u64::from_be_bytes(wide), chain: chain.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_phone() {
        let chain = chain_next(&CHAIN_START, &[7; 32]);
        for position in [0, 1, 255, 1 << 40, POSITION_MAX] {
            let cursor = Cursor::at(position, &chain);
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
            assert!(cursor.matches(&chain));
            assert!(!cursor.matches(&CHAIN_START));
        }
    }

    #[test]
    fn what_was_never_sent_is_no_cursor() {
        let text = Cursor::at(1, &CHAIN_START).encode();
        assert_eq!(text.len(), 19);
        let padded = format!("{text}=");
        let longer = format!("{text}A");
        // The last character carries bits that must be zero.
        let loose = format!("{}B", &text[..18]);
        for other in
            ["", "0", &text[..18], padded.as_str(), longer.as_str(), loose.as_str(), "+//+AAAAAAAAAAAAAAA"]
        {
            assert_eq!(Cursor::decode(other), None, "{other}");
        }
    }

    #[test]
    fn the_chain_depends_on_every_hash_and_on_the_order() {
        let chain = |hashes: &[Hash]| hashes.iter().fold(CHAIN_START, |chain, hash| chain_next(&chain, hash));
        assert_ne!(chain(&[[1; 32], [2; 32]]), chain(&[[2; 32], [1; 32]]));
        assert_eq!(
            hex::encode(chain(&[[0; 32]])),
            "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"
        );
    }
}
