//! `DPoP` nonces without stored state: the number of a five-minute bucket with an HMAC, which every replica
//! can check (RFC 9449, section 8; design, section 7).

use super::encoding::{decode_exactly, encode, same};
use super::keys::{KID_CHARACTERS, KeyError, KeyRing, KeyUse, TAG_BYTES};

/// A nonce is the same for this long.
pub const NONCE_BUCKET_MS: i64 = 5 * 60 * 1_000;
/// A nonce is good for at least this long after it was made (design, section 7).
pub const NONCE_LIFE_MS: i64 = 20 * 60 * 1_000;
/// And for at most this long, when it was made at the beginning of its bucket.
pub const NONCE_LIFE_MS_MAX: i64 = NONCE_LIFE_MS + NONCE_BUCKET_MS;
/// How far ahead of ours another replica's clock may be, in buckets.
const BUCKETS_AHEAD_MAX: i64 = 1;
const BUCKET_BYTES: usize = 8;
const PAYLOAD_BYTES: usize = BUCKET_BYTES + TAG_BYTES;
const LABEL: &[u8] = b"daybook nonce v1";

/// The nonce of now: key id, then bucket and tag in base64url; 44 characters of `NQCHAR`.
///
/// # Errors
/// [`KeyError::NoneInForce`].
pub fn nonce_make(ring: &KeyRing, now_ms: i64) -> Result<String, KeyError> {
    let (kid, mac) = ring.mac(KeyUse::Nonce, now_ms)?;
    let bucket = now_ms.div_euclid(NONCE_BUCKET_MS).to_be_bytes();
    let tag = mac.tag(&[LABEL, &bucket]);
    Ok(format!("{kid}{}", encode(&[bucket.as_slice(), &tag].concat())))
}

/// Whether we made this nonce, not longer ago than it lives.
#[must_use]
pub fn nonce_valid(ring: &KeyRing, nonce: &str, now_ms: i64) -> bool {
    let Some((kid, rest)) = nonce.split_at_checked(KID_CHARACTERS) else {
        return false;
    };
    let Some(payload) = decode_exactly::<PAYLOAD_BYTES>(rest) else {
        return false;
    };
    let Some(mac) = ring.mac_by_kid(KeyUse::Nonce, kid, now_ms) else {
        return false;
    };
    let Some((bucket, tag)) = payload.split_first_chunk::<BUCKET_BYTES>() else {
        return false;
    };
    if !same(&mac.tag(&[LABEL, bucket]), tag) {
        return false;
    }
    let age = now_ms.div_euclid(NONCE_BUCKET_MS).saturating_sub(i64::from_be_bytes(*bucket));
    (-BUCKETS_AHEAD_MAX..=NONCE_LIFE_MS / NONCE_BUCKET_MS).contains(&age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{NOW_MS, ring, ring_of};

    #[test]
    fn a_nonce_lives_twenty_minutes_from_any_moment_of_its_bucket() {
        let ring = ring();
        for offset in [0, 1, NONCE_BUCKET_MS / 2, NONCE_BUCKET_MS - 1] {
            let made_ms = NOW_MS + offset;
            let nonce = nonce_make(&ring, made_ms).unwrap();
            for age_ms in [0, 1, NONCE_LIFE_MS / 2, NONCE_LIFE_MS] {
                assert!(nonce_valid(&ring, &nonce, made_ms + age_ms), "{offset} {age_ms}");
            }
            assert!(!nonce_valid(&ring, &nonce, made_ms + NONCE_LIFE_MS_MAX), "{offset}");
        }
    }

    #[test]
    fn a_nonce_is_the_same_within_a_bucket_and_another_in_the_next() {
        let ring = ring();
        let start_ms = NOW_MS.div_euclid(NONCE_BUCKET_MS) * NONCE_BUCKET_MS;
        let nonce = nonce_make(&ring, start_ms).unwrap();
        assert_eq!(nonce, nonce_make(&ring, start_ms + NONCE_BUCKET_MS - 1).unwrap());
        assert_ne!(nonce, nonce_make(&ring, start_ms + NONCE_BUCKET_MS).unwrap());
    }

    #[test]
    fn a_replica_whose_clock_is_a_little_behind_takes_it() {
        let ring = ring();
        let nonce = nonce_make(&ring, NOW_MS).unwrap();
        assert!(nonce_valid(&ring, &nonce, NOW_MS - NONCE_BUCKET_MS));
        assert!(!nonce_valid(&ring, &nonce, NOW_MS - 2 * NONCE_BUCKET_MS));
    }

    #[test]
    fn it_is_fit_for_a_header() {
        let nonce = nonce_make(&ring(), NOW_MS).unwrap();
        assert_eq!(nonce.len(), 44);
        assert!(nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let ring = ring();
        let nonce = nonce_make(&ring, NOW_MS).unwrap();
        for at in 0..nonce.len() {
            let other = if nonce.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &nonce[..at], &nonce[at + 1..]);
            assert!(!nonce_valid(&ring, &changed, NOW_MS), "{at}");
        }
        for text in ["", "x", "é", "eeeeeeeeeeeé", &nonce[..43], &format!("{nonce}A"), &format!("{nonce}=")]
        {
            assert!(!nonce_valid(&ring, text, NOW_MS), "{text:?}");
        }
    }

    #[test]
    fn the_nonce_of_another_installation_is_refused() {
        let nonce = nonce_make(&ring_of(1), NOW_MS).unwrap();
        assert!(!nonce_valid(&ring_of(2), &nonce, NOW_MS));
    }
}
