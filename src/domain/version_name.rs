//! What apps call a version: its number, and a few bytes that are others where the number stands for another reading.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::ids::ActivityId;

/// `<number>-<8 hex>`, as an activity shows it.
///
/// The hex is of an HMAC under the neighbourhood's salt: a name says nothing about what it names, not even to who
/// knows all of the reading but the exact place and tries every place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionName {
    /// 1, 2, 3 …
    pub number: i64,
    tag: [u8; 4],
}

impl VersionName {
    /// The name of a version of an activity, by the hash of its reading. A salt is of at most 64 bytes.
    #[must_use]
    pub fn of(salt: &[u8], activity: ActivityId, number: i64, reading_hash: &[u8]) -> Self {
        // HMAC pads a short key with zeros to its block, so padding here changes nothing and cannot fail.
        let mut key = [0; 64];
        key.iter_mut().zip(salt).for_each(|(key, salt)| *key = *salt);
        let mac = Hmac::<Sha256>::new(&key.into()).chain_update(activity.0).chain_update(reading_hash);
        let [a, b, c, d, ..]: [u8; 32] = mac.finalize().into_bytes().into();
        Self { number, tag: [a, b, c, d] }
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, hex::encode(self.tag))
    }
}

/// No name of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoVersionName;

impl FromStr for VersionName {
    type Err = NoVersionName;

    /// Only what [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, NoVersionName> {
        let (number, tag) = text.split_once('-').ok_or(NoVersionName)?;
        let mut name = Self { number: number.parse().map_err(|_| NoVersionName)?, tag: [0; 4] };
        hex::decode_to_slice(tag, &mut name.tag).map_err(|_| NoVersionName)?;
        if name.number > 0 && name.to_string() == text { Ok(name) } else { Err(NoVersionName) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVITY: ActivityId = ActivityId(uuid::Uuid::max());

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = VersionName::of(b"salt", ACTIVITY, 3, &[7; 32]);
        assert_eq!(name.to_string().parse(), Ok(name));
        for text in [
            "",
            "3",
            "3-",
            "0-00000000",
            "-1-00000000",
            "03-00000000",
            "3-0000000",
            "3-0000000A",
            "3-000000000",
        ] {
            assert_eq!(text.parse::<VersionName>(), Err(NoVersionName), "{text}");
        }
    }

    #[test]
    fn another_salt_activity_number_or_reading_is_another_name() {
        let name = VersionName::of(b"salt", ACTIVITY, 3, &[7; 32]);
        assert_ne!(name, VersionName::of(b"pepper", ACTIVITY, 3, &[7; 32]));
        assert_ne!(name, VersionName::of(b"salt", ActivityId(uuid::Uuid::nil()), 3, &[7; 32]));
        assert_ne!(name, VersionName::of(b"salt", ACTIVITY, 4, &[7; 32]));
        assert_ne!(name, VersionName::of(b"salt", ACTIVITY, 3, &[8; 32]));
    }
}
