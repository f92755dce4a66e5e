//! Opaque secrets: refresh, personal and invitation tokens. They name their neighbourhood and what they belong
//! to, so that they can be looked up there, and only their SHA-256 is stored.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use super::Random;
use super::encoding::{decode_exactly, encode, same, sha256};
use super::keys::{KeyError, KeyRing, KeyUse};
use crate::domain::ids::{GrantId, InvitationId, NeighbourhoodId};

/// What a refresh token begins with.
pub const REFRESH_PREFIX: &str = "dbr_";
/// What a personal token begins with.
pub const PERSONAL_PREFIX: &str = "dbp_";
/// What an invitation begins with.
pub const INVITATION_PREFIX: &str = "dbi_";

const UUID_BYTES: usize = 16;
const GRANT_SECRET_BYTES: usize = 32;
/// 128 bits (design, section 7): it travels in a link.
const INVITATION_SECRET_BYTES: usize = 16;
const GRANT_TOKEN_BYTES: usize = 2 * UUID_BYTES + GRANT_SECRET_BYTES;
const INVITATION_BYTES: usize = 2 * UUID_BYTES + INVITATION_SECRET_BYTES;
const REFRESH_LABEL: &[u8] = b"daybook refresh v1";

/// SHA-256 of a whole token, prefix included.
pub type TokenHash = [u8; 32];

/// A token just made: the text for its holder, shown once, and the hash to store.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// What the holder gets.
    pub text: String,
    /// What is stored.
    pub hash: TokenHash,
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Minted(..)")
    }
}

/// A token that somebody presents: it has the right form, and names this. Whether it is good is found out by
/// comparing [`Self::hash`] with the stored one, using [`same_hash`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented<Id> {
    /// The neighbourhood it claims to be of.
    pub neighbourhood: NeighbourhoodId,
    /// The grant or invitation that it claims to be.
    pub id: Id,
    /// The hash of what was presented.
    pub hash: TokenHash,
}

/// A text that has not the form of such a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a token of this kind")]
pub struct NotAToken;

/// The refresh token of a grant: derived, so that the same enrolment answered twice gives the same token. The
/// key is the one that was in force at `made_at_ms`, when the grant was made. `salt` is what else fixes the
/// token; another salt gives another token for the same grant.
///
/// # Errors
/// [`KeyError::NoneInForce`].
pub fn refresh_token(
    ring: &KeyRing,
    neighbourhood: NeighbourhoodId,
    grant: GrantId,
    salt: &[u8],
    made_at_ms: i64,
) -> Result<Minted, KeyError> {
    let (_, mac) = ring.mac(KeyUse::Refresh, made_at_ms)?;
    let secret = mac.whole(&[REFRESH_LABEL, neighbourhood.0.as_bytes(), grant.0.as_bytes(), salt]);
    Ok(minted(REFRESH_PREFIX, neighbourhood.0, grant.0, &secret))
}

/// A new personal token for a grant.
pub fn personal_token(neighbourhood: NeighbourhoodId, grant: GrantId, random: Random<'_>) -> Minted {
    let mut secret = [0; GRANT_SECRET_BYTES];
    random(&mut secret);
    minted(PERSONAL_PREFIX, neighbourhood.0, grant.0, &secret)
}

/// A new invitation.
pub fn invitation_token(
    neighbourhood: NeighbourhoodId,
    invitation: InvitationId,
    random: Random<'_>,
) -> Minted {
    let mut secret = [0; INVITATION_SECRET_BYTES];
    random(&mut secret);
    minted(INVITATION_PREFIX, neighbourhood.0, invitation.0, &secret)
}

fn minted(prefix: &str, neighbourhood: Uuid, id: Uuid, secret: &[u8]) -> Minted {
    let bytes = [neighbourhood.as_bytes().as_slice(), id.as_bytes(), secret].concat();
    let text = format!("{prefix}{}", encode(&bytes));
    let hash = token_hash(&text);
    Minted { text, hash }
}

/// Reads a refresh token.
///
/// # Errors
/// [`NotAToken`].
pub fn parse_refresh(text: &str) -> Result<Presented<GrantId>, NotAToken> {
    parse::<GRANT_TOKEN_BYTES, _>(REFRESH_PREFIX, text, GrantId)
}

/// Reads a personal token.
///
/// # Errors
/// [`NotAToken`].
pub fn parse_personal(text: &str) -> Result<Presented<GrantId>, NotAToken> {
    parse::<GRANT_TOKEN_BYTES, _>(PERSONAL_PREFIX, text, GrantId)
}

/// Reads an invitation.
///
/// # Errors
/// [`NotAToken`].
pub fn parse_invitation(text: &str) -> Result<Presented<InvitationId>, NotAToken> {
    parse::<INVITATION_BYTES, _>(INVITATION_PREFIX, text, InvitationId)
}

fn parse<const N: usize, Id>(
    prefix: &str,
    text: &str,
    id_of: fn(Uuid) -> Id,
) -> Result<Presented<Id>, NotAToken> {
    let body = text.strip_prefix(prefix).filter(|body| body.len() == (N * 4).div_ceil(3)).ok_or(NotAToken)?;
    let bytes = decode_exactly::<N>(body).ok_or(NotAToken)?;
    let (neighbourhood, rest) = bytes.split_first_chunk::<UUID_BYTES>().ok_or(NotAToken)?;
    let (id, _) = rest.split_first_chunk::<UUID_BYTES>().ok_or(NotAToken)?;
    Ok(Presented {
        neighbourhood: NeighbourhoodId(Uuid::from_bytes(*neighbourhood)),
        id: id_of(Uuid::from_bytes(*id)),
        hash: token_hash(text),
    })
}

/// What is stored of a token.
#[must_use]
pub fn token_hash(text: &str) -> TokenHash {
    sha256(text.as_bytes())
}

/// Whether two hashes are equal, found out in constant time; a stored one of another length never is.
#[must_use]
pub fn same_hash(presented: &TokenHash, stored: &[u8]) -> bool {
    same(presented, stored)
}

/// Whether somebody presents the operator's token. Compared by hash, so that not even its length shows. An
/// empty configured token matches nothing.
#[must_use]
pub fn operator_matches(presented: &str, configured: &str) -> bool {
    let equal = same(&token_hash(presented), &token_hash(configured));
    equal && !configured.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{NOW_MS, random_of, ring, ring_of};

    fn ids() -> (NeighbourhoodId, Uuid) {
        let id = |text: &str| text.parse().unwrap();
        (
            NeighbourhoodId(id("0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77")),
            id("0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b78"),
        )
    }

    fn refresh(salt: &[u8]) -> Minted {
        let (neighbourhood, grant) = ids();
        refresh_token(&ring(), neighbourhood, GrantId(grant), salt, NOW_MS).unwrap()
    }

    #[test]
    fn tokens_read_back_to_what_they_belong_to() {
        let (neighbourhood, id) = ids();
        let minted = refresh(b"salt");
        let expected = Presented { neighbourhood, id: GrantId(id), hash: minted.hash };
        assert_eq!(parse_refresh(&minted.text), Ok(expected));

        let minted = personal_token(neighbourhood, GrantId(id), &mut random_of(1));
        let expected = Presented { neighbourhood, id: GrantId(id), hash: minted.hash };
        assert_eq!(parse_personal(&minted.text), Ok(expected));

        let minted = invitation_token(neighbourhood, InvitationId(id), &mut random_of(1));
        let expected = Presented { neighbourhood, id: InvitationId(id), hash: minted.hash };
        assert_eq!(parse_invitation(&minted.text), Ok(expected));
        assert_eq!(minted.text.len(), 4 + 64);
    }

    #[test]
    fn the_same_enrolment_gives_the_same_refresh_token() {
        assert_eq!(refresh(b"salt"), refresh(b"salt"));
    }

    #[test]
    fn everything_that_differs_gives_another_refresh_token() {
        let (neighbourhood, id) = ids();
        let other = GrantId(Uuid::from_u128(1));
        let of = |ring: &KeyRing, neighbourhood, grant, salt: &[u8]| {
            let minted = refresh_token(ring, neighbourhood, grant, salt, NOW_MS).unwrap();
            decode_exactly::<GRANT_TOKEN_BYTES>(&minted.text[4..]).unwrap()[32..].to_vec()
        };
        let secrets = [
            of(&ring(), neighbourhood, GrantId(id), b"salt"),
            of(&ring(), neighbourhood, GrantId(id), b"salts"),
            of(&ring(), neighbourhood, other, b"salt"),
            of(&ring(), NeighbourhoodId(id), GrantId(id), b"salt"),
            of(&ring_of(9), neighbourhood, GrantId(id), b"salt"),
        ];
        let distinct: std::collections::BTreeSet<_> = secrets.iter().collect();
        assert_eq!(distinct.len(), secrets.len());
    }

    #[test]
    fn two_tokens_of_one_grant_differ() {
        let (neighbourhood, id) = ids();
        let mut random = random_of(1);
        let first = personal_token(neighbourhood, GrantId(id), &mut random);
        assert_ne!(first, personal_token(neighbourhood, GrantId(id), &mut random));
    }

    #[test]
    fn only_the_exact_text_is_read() {
        let text = refresh(b"salt").text;
        assert!(parse_refresh(&text).is_ok());
        let body = &text[4..];
        let trailing_bits = format!("{}{}", &text[..text.len() - 1], "_");
        for other in [
            format!("{text}="),
            format!("{text} "),
            format!(" {text}"),
            format!("{text}A"),
            text[..text.len() - 1].to_owned(),
            format!("DBR_{body}"),
            format!("dbp_{body}"),
            format!("dbi_{body}"),
            body.to_owned(),
            trailing_bits,
            String::new(),
            "dbr_".to_owned(),
            format!("dbr_{}", "é".repeat(43)),
        ] {
            assert_eq!(parse_refresh(&other), Err(NotAToken), "{other:?}");
        }
        assert_eq!(parse_personal(&text), Err(NotAToken));
        assert_eq!(parse_invitation(&text), Err(NotAToken));
    }

    #[test]
    fn a_changed_secret_has_another_hash() {
        let minted = refresh(b"salt");
        let middle = minted.text.len() - 10;
        let other = if minted.text.as_bytes()[middle] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &minted.text[..middle], &minted.text[middle + 1..]);
        let presented = parse_refresh(&changed).unwrap();
        assert!(!same_hash(&presented.hash, &minted.hash));
        assert!(same_hash(&parse_refresh(&minted.text).unwrap().hash, &minted.hash));
        assert!(!same_hash(&minted.hash, &minted.hash[..31]));
        assert!(!same_hash(&minted.hash, &[]));
    }

    #[test]
    fn only_the_operators_token_is_the_operators() {
        assert!(operator_matches("a long operator token", "a long operator token"));
        assert!(!operator_matches("a long operator toke", "a long operator token"));
        assert!(!operator_matches("", "a long operator token"));
        assert!(!operator_matches("", ""));
    }

    #[test]
    fn nothing_of_a_token_is_shown() {
        assert_eq!(format!("{:?}", refresh(b"salt")), "Minted(..)");
    }
}
