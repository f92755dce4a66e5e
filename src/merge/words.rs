//! Keys as stored: the known ones as a number, ids as 16 bytes, everything else as it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::key::parse_plain_uuid;

/// Stored rows name these by their place: only ever add at the end.
const KNOWN: [&str; 33] = [
    "kind",
    "day",
    "started_at",
    "minutes_source",
    "phase",
    "note",
    "programme",
    "action",
    "place_id",
    "part_of",
    "confirms",
    "people",
    "person_minutes",
    "place.lat",
    "place.lon",
    "place.accuracy_m",
    "grade.before",
    "grade.after",
    "repair.product",
    "repair.category",
    "repair.category_id",
    "repair.brand",
    "repair.year",
    "repair.age_years",
    "repair.status",
    "repair.barrier",
    "repair.problem",
    "street.service_code",
    "street.fixes_request",
    "source.provider",
    "source.id",
    "source.country",
    "withdrawn",
];

/// Keys of parties are long and frequent.
const PARTY: &str = "party/";

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    Known(u8),
    Id([u8; 16]),
    Party([u8; 16]),
    Text(String),
}

impl Word {
    pub fn of(key: &str) -> Self {
        let known = KNOWN.iter().position(|known| *known == key).and_then(|at| u8::try_from(at).ok());
        if let Some(at) = known {
            return Self::Known(at);
        }
        if let Some(id) = parse_plain_uuid(key) {
            return Self::Id(id.into_bytes());
        }
        match key.strip_prefix(PARTY).and_then(parse_plain_uuid) {
            Some(id) => Self::Party(id.into_bytes()),
            None => Self::Text(key.to_owned()),
        }
    }

    /// The key; nothing where a later version knows more of them.
    pub fn key(self) -> Option<Arc<str>> {
        Some(match self {
            Self::Known(at) => Arc::from(*KNOWN.get(usize::from(at))?),
            Self::Id(id) => Arc::from(uuid::Uuid::from_bytes(id).to_string()),
            Self::Party(id) => Arc::from(format!("{PARTY}{}", uuid::Uuid::from_bytes(id))),
            Self::Text(text) => Arc::from(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_as_it_was() {
        let id = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77";
        let upper = id.to_uppercase();
        let party = format!("{PARTY}{id}");
        let member = format!("{PARTY}{id}@{id}");
        let loud = format!("{PARTY}{upper}");
        let others = ["", "weather", "Kind", "party/", id, &upper, &party, &member, &loud, "tally/bags#a"];
        for key in KNOWN.into_iter().chain(others) {
            assert_eq!(Word::of(key).key().as_deref(), Some(key));
        }
        assert_eq!(Word::of(&party), Word::Party(*uuid::Uuid::try_parse(id).expect("an id").as_bytes()));
        assert_eq!(Word::Known(200).key(), None);
    }
}
