//! The journal's chain: each number built on its predecessor over a salted commitment, so that erasing a
//! salt hides one entry and leaves every other proof intact.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::domain::ids::NeighbourhoodId;

/// An entry of the journal, as far as the chain looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    pub no: i64,
    /// [`entry`]'s bytes with their salt; nothing once erased.
    pub opened: Option<Opened>,
    pub commitment: [u8; 32],
    pub link: [u8; 32],
}

/// What opens a commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub salt: [u8; 32],
    pub entry: Vec<u8>,
}

/// The first row that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("number {expected} is missing; number {found} follows")]
    Gap { expected: i64, found: i64 },
    #[error("the content of number {no} is not what was committed to")]
    Commitment { no: i64 },
    #[error("number {no} is not built on its predecessor")]
    Link { no: i64 },
}

/// The link before number 1.
#[must_use]
pub fn genesis(neighbourhood: NeighbourhoodId) -> [u8; 32] {
    let tagged = Sha256::new().chain_update(b"daybook journal 1\0").chain_update(neighbourhood.0.as_bytes());
    tagged.finalize().into()
}

/// The canonical bytes of an entry: its number, then every part under its length, so that no two entries
/// have the same bytes. `subject` is the id of what the entry is about; `fields` come in the order that
/// their kind fixes, as they are stored.
#[must_use]
pub fn entry(no: i64, kind: &str, subject: &str, fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&no.to_be_bytes());
    push(&mut bytes, kind.as_bytes());
    push(&mut bytes, subject.as_bytes());
    for (name, value) in fields {
        push(&mut bytes, name.as_bytes());
        push(&mut bytes, value);
    }
    bytes
}

/// HMAC-SHA-256 under the entry's salt: says nothing about the entry once the salt is gone.
#[must_use]
pub fn commitment(salt: &[u8; 32], canonical_entry: &[u8]) -> [u8; 32] {
    // HMAC pads a short key with zeros to its block, so padding here changes nothing and cannot fail.
    let mut key = [0; 64];
    key[..32].copy_from_slice(salt);
    Hmac::<Sha256>::new(&key.into()).chain_update(canonical_entry).finalize().into_bytes().into()
}

/// The link of a number: SHA-256 over its predecessor's link and its own commitment.
#[must_use]
pub fn link(previous: &[u8; 32], commitment: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(commitment).finalize().into()
}

/// Checks rows that follow on number `after` with its link (0 and [`genesis`] at the start), and gives the
/// last number and link.
///
/// # Errors
/// The first row that differs.
pub fn verify(after: (i64, [u8; 32]), rows: &[ChainRow]) -> Result<(i64, [u8; 32]), Difference> {
    rows.iter().try_fold(after, |(no, previous), row| {
        let expected = no.saturating_add(1);
        if row.no != expected {
            return Err(Difference::Gap { expected, found: row.no });
        }
        let opens = |opened: &Opened| commitment(&opened.salt, &opened.entry) == row.commitment;
        if !row.opened.as_ref().is_none_or(opens) {
            return Err(Difference::Commitment { no: row.no });
        }
        if link(&previous, &row.commitment) != row.link {
            return Err(Difference::Link { no: row.no });
        }
        Ok((row.no, row.link))
    })
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn rows(count: i64) -> Vec<ChainRow> {
        let mut previous = genesis(NeighbourhoodId(Uuid::nil()));
        (1..=count)
            .map(|no| {
                let salt = [u8::try_from(no).unwrap_or(0); 32];
                let entry = entry(no, "version", "a", &[("v", b"1")]);
                let commitment = commitment(&salt, &entry);
                previous = link(&previous, &commitment);
                ChainRow { no, opened: Some(Opened { salt, entry }), commitment, link: previous }
            })
            .collect()
    }

    fn check(rows: &[ChainRow]) -> Result<i64, Difference> {
        verify((0, genesis(NeighbourhoodId(Uuid::nil()))), rows).map(|(no, _)| no)
    }

    #[test]
    fn a_commitment_is_hmac_sha256() {
        // From Python: hmac.new(bytes(range(32)), b"daybook", "sha256").
        let salt = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(
            hex::encode(commitment(&salt, b"daybook")),
            "71d5da38ad15369357596be1866d2e88e77fd28813d84849b95a3aa6add3eadb"
        );
    }

    #[test]
    fn an_untouched_chain_verifies_in_one_piece_and_in_two() {
        let all = rows(5);
        assert_eq!(check(&all), Ok(5));
        assert_eq!(verify((2, all[1].link), &all[2..]).map(|(no, _)| no), Ok(5));
    }

    #[test]
    fn an_erased_entry_leaves_every_other_proof() {
        let mut all = rows(5);
        all[2].opened = None;
        assert_eq!(check(&all), Ok(5));
        all[3].opened.as_mut().unwrap().entry.push(0);
        assert_eq!(check(&all), Err(Difference::Commitment { no: 4 }));
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut cut = rows(5);
        cut.remove(2);
        assert_eq!(check(&cut), Err(Difference::Gap { expected: 3, found: 4 }));
        let mut swapped = rows(5);
        swapped[1].commitment = swapped[2].commitment;
        swapped[1].opened = None;
        assert_eq!(check(&swapped), Err(Difference::Link { no: 2 }));
        let mut rewritten = rows(5);
        rewritten[4].link = [0; 32];
        assert_eq!(check(&rewritten), Err(Difference::Link { no: 5 }));
    }

    #[test]
    fn moving_a_byte_between_parts_gives_other_bytes() {
        let plain = entry(1, "ab", "c", &[("d", b"e")]);
        assert_ne!(plain, entry(1, "a", "bc", &[("d", b"e")]));
        assert_ne!(plain, entry(1, "ab", "c", &[("de", b"")]));
        assert_ne!(plain, entry(2, "ab", "c", &[("d", b"e")]));
    }
}
