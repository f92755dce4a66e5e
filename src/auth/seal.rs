//! Sealing: keys lie in the database encrypted under a secret that does not, AES-256-GCM under a key
//! derived with HKDF-SHA256.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use thiserror::Error;

use super::Random;

/// The least length of the configured secret: as many bytes as the derived key has.
pub const SECRET_BYTES_MIN: usize = 32;
/// The first byte of what is sealed, so that another way of sealing can come later.
const FORMAT: u8 = 1;
const SALT: &[u8] = b"daybook sealing v1";
const INFO: &[&[u8]] = &[b"aes-256-gcm"];

/// The configured secret, ready for use. Its bytes are not kept.
pub struct SealingSecret(LessSafeKey);

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingSecret(..)")
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// The configured secret is too short.
    #[error("the secret that seals the keys must have at least {SECRET_BYTES_MIN} bytes")]
    SecretTooShort,
    /// Another secret sealed this, or it belongs to another key, or it was changed.
    #[error("this was not sealed for this key by this secret")]
    CannotOpen,
    /// The cryptographic library refused to work.
    #[error("sealing failed")]
    Failed,
}

impl SealingSecret {
    /// From the configured bytes, of any length from [`SECRET_BYTES_MIN`].
    ///
    /// # Errors
    /// [`SealError::SecretTooShort`].
    pub fn new(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(SealError::SecretTooShort);
        }
        let derived = Salt::new(HKDF_SHA256, SALT).extract(secret);
        let okm = derived.expand(INFO, &AES_256_GCM).map_err(|_| SealError::Failed)?;
        Ok(Self(LessSafeKey::new(UnboundKey::from(okm))))
    }

    /// Format byte, nonce, ciphertext with tag. `about` is bound in, and must be given again to open. The
    /// nonce is random: some thousand keys under one secret are far from the limit of 2^32.
    ///
    /// # Errors
    /// [`SealError::Failed`].
    pub fn seal(&self, about: &[u8], plain: &[u8], random: Random<'_>) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce);
        let mut cipher = plain.to_vec();
        let sealing_nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(sealing_nonce, Aad::from(about), &mut cipher)
            .map_err(|_| SealError::Failed)?;
        Ok([&[FORMAT], nonce.as_slice(), &cipher].concat())
    }

    /// What was sealed.
    ///
    /// # Errors
    /// [`SealError::CannotOpen`].
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (format, rest) = sealed.split_first().ok_or(SealError::CannotOpen)?;
        let (nonce, cipher) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::CannotOpen)?;
        if *format != FORMAT {
            return Err(SealError::CannotOpen);
        }
        let mut buffer = cipher.to_vec();
        let plain = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(about), &mut buffer)
            .map_err(|_| SealError::CannotOpen)?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of thirty-two bytes ....";

    fn sealed(about: &[u8]) -> Vec<u8> {
        let secret = SealingSecret::new(SECRET).unwrap();
        secret.seal(about, b"plain", &mut |bytes| bytes.fill(7)).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let secret = SealingSecret::new(SECRET).unwrap();
        assert_eq!(secret.open(b"about", &sealed(b"about")), Ok(b"plain".to_vec()));
    }

    #[test]
    fn another_secret_or_subject_does_not_open() {
        let other = SealingSecret::new(b"another secret of thirty-two bytes").unwrap();
        assert_eq!(other.open(b"about", &sealed(b"about")), Err(SealError::CannotOpen));
        let secret = SealingSecret::new(SECRET).unwrap();
        assert_eq!(secret.open(b"above", &sealed(b"about")), Err(SealError::CannotOpen));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let secret = SealingSecret::new(SECRET).unwrap();
        let whole = sealed(b"about");
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(secret.open(b"about", &changed), Err(SealError::CannotOpen), "byte {at}");
            assert_eq!(secret.open(b"about", &whole[..at]), Err(SealError::CannotOpen), "cut at {at}");
        }
    }

    #[test]
    fn the_plain_text_is_not_in_what_is_stored() {
        assert!(!sealed(b"about").windows(5).any(|part| part == b"plain"));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(SealingSecret::new(&[1; 31]).err(), Some(SealError::SecretTooShort));
        assert!(SealingSecret::new(&[1; 32]).is_ok());
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        assert_eq!(format!("{:?}", SealingSecret::new(SECRET).unwrap()), "SealingSecret(..)");
    }
}
