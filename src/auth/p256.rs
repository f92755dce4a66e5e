//! P-256 keys: a pair that signs ES256, a public point, and its JWK with the thumbprint of RFC 7638.

use aws_lc_rs::agreement;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::Random;
use super::encoding::{decode_exactly, encode, sha256};

/// A coordinate of a point.
const COORDINATE_BYTES: usize = 32;
/// A random number is a private key in all but about one of 2^32 cases; more misses than this mean that the
/// source of randomness is broken.
const DRAWS_MAX: usize = 8;

/// A point that is on the curve.
#[derive(Debug, Clone)]
pub(super) struct Point {
    x: [u8; COORDINATE_BYTES],
    y: [u8; COORDINATE_BYTES],
    parsed: ParsedPublicKey,
}

impl Point {
    /// From the members of a JWK (RFC 7518, section 6.2.1), which fix the length of both.
    pub(super) fn from_jwk(x: &str, y: &str) -> Option<Self> {
        Self::new(decode_exactly(x)?, decode_exactly(y)?)
    }

    fn new(x: [u8; COORDINATE_BYTES], y: [u8; COORDINATE_BYTES]) -> Option<Self> {
        let uncompressed = [&[4], x.as_slice(), &y].concat();
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &uncompressed).ok()?;
        Some(Self { x, y, parsed })
    }

    /// From the 65 bytes of the uncompressed form.
    fn from_uncompressed(bytes: &[u8]) -> Option<Self> {
        let (x, y) = bytes.strip_prefix(&[4])?.split_first_chunk()?;
        Self::new(*x, y.try_into().ok()?)
    }

    pub(super) fn x(&self) -> String {
        encode(&self.x)
    }

    pub(super) fn y(&self) -> String {
        encode(&self.y)
    }

    /// The public JWK with its required members alone, in the order and without the spaces that RFC 7638,
    /// section 3.2 asks for.
    pub(super) fn jwk(&self) -> String {
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x(), self.y())
    }

    /// RFC 7638: SHA-256 of [`Self::jwk`], base64url.
    pub(super) fn thumbprint(&self) -> String {
        encode(&sha256(self.jwk().as_bytes()))
    }

    /// Whether the 64 bytes `r ‖ s` (RFC 7518, section 3.4) sign the message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    pub(super) fn decoding_key(&self) -> DecodingKey {
        DecodingKey::from_ec_der(&[&[4], self.x.as_slice(), &self.y].concat())
    }
}

/// A new private key as PKCS #8. Nothing if the randomness gives none.
pub(super) fn generate_pkcs8(random: Random<'_>) -> Option<Vec<u8>> {
    for _ in 0..DRAWS_MAX {
        let mut scalar = [0; COORDINATE_BYTES];
        random(&mut scalar);
        let Ok(private) = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &scalar) else {
            continue;
        };
        let public = private.compute_public_key().ok()?;
        let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(alg, &scalar, public.as_ref()).ok()?;
        return Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec());
    }
    None
}

/// The signing key and the public point of a PKCS #8 private key; nothing if it is not one of P-256.
pub(super) fn open_pkcs8(pkcs8: &[u8]) -> Option<(EncodingKey, Point)> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
    let point = Point::from_uncompressed(pair.public_key().as_ref())?;
    Some((EncodingKey::from_ec_der(pkcs8), point))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9449, figure 2 and section 6.1.
    const X: &str = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs";
    const Y: &str = "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA";

    #[test]
    fn the_thumbprint_of_the_standard_comes_out() {
        let point = Point::from_jwk(X, Y).unwrap();
        assert_eq!(point.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        assert!(Point::from_jwk(X, X).is_none());
        let zero = encode(&[0; 32]);
        assert!(Point::from_jwk(&zero, &zero).is_none());
    }

    #[test]
    fn coordinates_of_another_length_are_refused() {
        let short = &X[..42];
        let long = encode(&[&[0], decode_exactly::<32>(X).unwrap().as_slice()].concat());
        assert!(Point::from_jwk(short, Y).is_none());
        assert!(Point::from_jwk(&long, Y).is_none());
    }

    #[test]
    fn broken_randomness_gives_no_key() {
        assert!(generate_pkcs8(&mut |bytes| bytes.fill(0)).is_none());
        assert!(generate_pkcs8(&mut |bytes| bytes.fill(0xff)).is_none());
    }

    #[test]
    fn a_draw_that_is_no_key_is_drawn_again() {
        let mut draws = [0xff, 0x11].into_iter();
        let pkcs8 = generate_pkcs8(&mut |bytes| bytes.fill(draws.next().unwrap())).unwrap();
        assert!(open_pkcs8(&pkcs8).is_some());
    }
}
