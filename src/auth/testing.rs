//! What the tests of this module share: a clock that stands still, randomness that repeats, rings of keys.

use super::encoding::sha256;
use super::keys::{KeyRing, KeyRow, KeyUse, generate};
use super::seal::SealingSecret;

/// 2026-11-21, at a moment within a second and within a bucket of nonces.
pub(super) const NOW_MS: i64 = 1_795_254_061_234;

/// The same stream of bytes for the same seed.
pub(super) fn random_of(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut counter = 0_u64;
    move |bytes| {
        for chunk in bytes.chunks_mut(32) {
            counter += 1;
            let block = sha256(&[seed.to_be_bytes(), counter.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

pub(super) fn secret() -> SealingSecret {
    SealingSecret::new(b"the secret that the tests seal their keys with").unwrap()
}

/// One key of each use, in force since an hour ago.
pub(super) fn rows_of(seed: u64) -> Vec<KeyRow> {
    let mut random = random_of(seed);
    let since_ms = NOW_MS - 3_600_000;
    KeyUse::EVERY
        .map(|key_use| generate(key_use, since_ms, since_ms, &secret(), &mut random).unwrap())
        .to_vec()
}

pub(super) fn ring_of(seed: u64) -> KeyRing {
    KeyRing::open(rows_of(seed), &secret()).unwrap()
}

pub(super) fn ring() -> KeyRing {
    ring_of(0)
}
