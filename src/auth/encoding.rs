//! Base64url without padding, the only text form of bytes here, and comparison without a clue.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Bytes as text.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Text as bytes; exactly one text stands for given bytes, so padding, white space and stray trailing bits
/// are refused.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// [`decode`] where the number of bytes is known.
pub(super) fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Equal, found out in a time that depends on the lengths alone.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_given_bytes() {
        assert_eq!(decode("AA"), Some(vec![0]));
        for other in ["AB", "AA==", " AA", "AA\n", "A+", "A/", "A"] {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_wrong_number_of_bytes_is_refused() {
        assert_eq!(decode_exactly::<1>("AA"), Some([0]));
        assert_eq!(decode_exactly::<2>("AA"), None);
    }
}
