//! Who somebody is and what a grant allows: keys, tokens, proofs of possession, scopes.
//!
//! Pure: no database, no HTTP. The clock comes in as `now_ms`, randomness as a function that fills bytes.
//! What the rows mean and which person may do what is decided elsewhere; here it is only decided whether a
//! text that somebody presents is what it claims to be.

pub mod access;
pub mod dpop;
mod encoding;
pub mod jws;
pub mod keys;
pub mod nonce;
mod p256;
pub mod phone_key;
pub mod rotation;
pub mod scopes;
pub mod seal;
pub mod secrets;
pub mod signed;
mod target;
#[cfg(test)]
mod testing;

/// Fills bytes with randomness fit for keys.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);
