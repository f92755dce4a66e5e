//! What somebody is for their neighbourhood, besides one who contributes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A role that coordinators give and take. More will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A resident who decides about what was recorded, and says who is there.
    Coordinator,
    /// A group or an organisation, a library or a community centre, whose members write down what people tell them who
    /// have no phone.
    Hub,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Coordinator, Self::Hub];

    /// The word of the API, of the journal and of the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Hub => "hub",
        }
    }

    /// The role of a name; nothing where there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether a party of this kind (`resident`, `group`, `organisation`) can have it.
    #[must_use]
    pub fn fits(self, kind: &str) -> bool {
        (self == Self::Coordinator) == (kind == "resident")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_back_from_its_name_and_fits_residents_or_the_others() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).expect("JSON"), role.as_str());
            let kinds = ["resident", "group", "organisation"].map(|kind| role.fits(kind));
            assert_eq!(kinds, [role == Role::Coordinator, role == Role::Hub, role == Role::Hub]);
        }
        assert_eq!(Role::parse("king"), None);
    }
}
