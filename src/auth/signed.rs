//! Opaque cursors: a few bytes that we hand out and want back unchanged. Signed, not secret.

use thiserror::Error;

use super::encoding::{decode, encode, same};
use super::keys::{KID_CHARACTERS, KeyError, KeyRing, KeyUse, TAG_BYTES};

/// A cursor's bytes.
pub const PAYLOAD_BYTES_MAX: usize = 512;
/// A cursor's text: key id, and payload with tag in base64url.
pub const TEXT_BYTES_MAX: usize = KID_CHARACTERS + ((PAYLOAD_BYTES_MAX + TAG_BYTES) * 4).div_ceil(3);
const LABEL: &[u8] = b"daybook cursor v1";

/// Why a cursor was not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// Over [`PAYLOAD_BYTES_MAX`].
    #[error("a cursor holds at most {PAYLOAD_BYTES_MAX} bytes")]
    TooLong,
    /// See there.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A text that is not one of our cursors for this purpose, or was made longer ago than its key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a cursor of this list")]
pub struct NotOurs;

/// The text of a cursor. `purpose` says what it is for, with all that must be the same when it comes back
/// (the list, its filters, the neighbourhood); it is bound in and not part of the text.
///
/// # Errors
/// [`SignError`].
pub fn seal(ring: &KeyRing, purpose: &str, payload: &[u8], now_ms: i64) -> Result<String, SignError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(SignError::TooLong);
    }
    let (kid, mac) = ring.mac(KeyUse::Cursor, now_ms)?;
    let tag = mac.tag(&[LABEL, purpose.as_bytes(), payload]);
    Ok(format!("{kid}{}", encode(&[payload, &tag].concat())))
}

/// The bytes of a cursor.
///
/// # Errors
/// [`NotOurs`].
pub fn open(ring: &KeyRing, purpose: &str, text: &str, now_ms: i64) -> Result<Vec<u8>, NotOurs> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(NotOurs);
    }
    let (kid, rest) = text.split_at_checked(KID_CHARACTERS).ok_or(NotOurs)?;
    let mac = ring.mac_by_kid(KeyUse::Cursor, kid, now_ms).ok_or(NotOurs)?;
    let bytes = decode(rest).ok_or(NotOurs)?;
    let (payload, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(NotOurs)?;
    if !same(&mac.tag(&[LABEL, purpose.as_bytes(), payload]), tag) {
        return Err(NotOurs);
    }
    Ok(payload.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{NOW_MS, ring, ring_of};

    #[test]
    fn what_goes_in_comes_out_at_any_length() {
        let ring = ring();
        for length in [0, 1, 2, 3, 14, PAYLOAD_BYTES_MAX] {
            let payload = vec![0xa5; length];
            let text = seal(&ring, "list", &payload, NOW_MS).unwrap();
            assert!(text.len() <= TEXT_BYTES_MAX);
            assert_eq!(open(&ring, "list", &text, NOW_MS), Ok(payload), "{length}");
        }
    }

    #[test]
    fn a_sync_cursor_is_short() {
        assert_eq!(seal(&ring(), "sync", &[0; 14], NOW_MS).unwrap().len(), 52);
    }

    #[test]
    fn a_cursor_for_one_purpose_is_none_for_another() {
        let ring = ring();
        let text = seal(&ring, "list", b"xpayload", NOW_MS).unwrap();
        assert_eq!(open(&ring, "lists", &text, NOW_MS), Err(NotOurs));
        assert_eq!(open(&ring, "", &text, NOW_MS), Err(NotOurs));
        // The boundary between purpose and payload is bound in as well.
        let moved = seal(&ring, "listx", b"payload", NOW_MS).unwrap();
        assert_ne!(text[text.len() - 20..], moved[moved.len() - 20..]);
    }

    #[test]
    fn any_changed_or_missing_character_is_noticed() {
        let ring = ring();
        let text = seal(&ring, "list", b"payload", NOW_MS).unwrap();
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(open(&ring, "list", &changed, NOW_MS), Err(NotOurs), "{at}");
            assert_eq!(open(&ring, "list", &text[..at], NOW_MS), Err(NotOurs), "cut at {at}");
        }
        let over = format!("{text}{}", "A".repeat(TEXT_BYTES_MAX));
        for other in [over, format!("{text}="), format!("{text} "), "é".repeat(20)] {
            assert_eq!(open(&ring, "list", &other, NOW_MS), Err(NotOurs), "{other:?}");
        }
    }

    #[test]
    fn the_cursor_of_another_installation_is_refused() {
        let text = seal(&ring_of(1), "list", b"payload", NOW_MS).unwrap();
        assert_eq!(open(&ring_of(2), "list", &text, NOW_MS), Err(NotOurs));
    }

    #[test]
    fn a_long_payload_is_refused() {
        let payload = [0; PAYLOAD_BYTES_MAX + 1];
        assert_eq!(seal(&ring(), "list", &payload, NOW_MS), Err(SignError::TooLong));
    }
}
