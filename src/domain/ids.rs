//! Every id is a type of its own, so that what clients send and what is stored cannot be mixed up.
//! Ids are UUIDs made by whoever creates the thing, a phone above all, and are never used for order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an id looks like, in words.
pub const UUID_FORM: &str = "a lower-case UUID, as 0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77";

/// Ids are text in every form, CBOR included: one schema describes all.
struct Text;

impl de::Visitor<'_> for Text {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(UUID_FORM)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Uuid, E> {
        parse_id(text).ok_or_else(|| E::custom(format_args!("expected {UUID_FORM}")))
    }
}

/// A lower-case UUID with hyphens, and nothing else: one thing has one name, in paths, queries and bodies.
#[must_use]
pub fn parse_id(text: &str) -> Option<Uuid> {
    // The other forms that the crate reads have other lengths.
    let plain = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    plain.then(|| Uuid::parse_str(text).ok()).flatten()
}

/// Reads an id that has no type of its own, as [`parse_id`] says.
///
/// # Errors
/// What is no such text.
pub fn read_uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    deserializer.deserialize_str(Text)
}

/// The same where it may be `null`.
///
/// # Errors
/// As [`read_uuid`].
pub fn read_uuid_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    #[derive(Deserialize)]
    struct Plain(#[serde(deserialize_with = "read_uuid")] Uuid);
    Ok(Option::<Plain>::deserialize(deserializer)?.map(|Plain(id)| id))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(value_type = Uuid, example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77")]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

id!(
    /// The tenant.
    NeighbourhoodId
);
id!(
    /// Anyone who contributes: a resident, a group, an organisation.
    PartyId
);
id!(
    /// One Automerge document.
    DaybookId
);
id!(
    /// One record in a daybook.
    ActivityId
);
id!(
    /// A phone or browser enrolled to a resident.
    DeviceId
);
id!(
    /// What a device or an app may do for a party.
    GrantId
);
id!(
    /// An invitation to join, or to enrol a further device.
    InvitationId
);
id!(
    /// What a person or a rule decided about a version.
    DecisionId
);
id!(
    /// A doubt about records, named by its kind and what it is about.
    SuspicionId
);
id!(
    /// One posting between the commons and an account.
    TransferId
);
id!(
    /// An account of the ledger: a party's id, or the neighbourhood's for its holding account.
    AccountId
);
id!(
    /// A period whose figures are fixed at a journal number.
    PeriodId
);
id!(
    /// One closing of an account.
    ClosingId
);
id!(
    /// What somebody said about a record.
    ReplyId
);
