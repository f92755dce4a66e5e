//! What a grant may do: a small set of scopes, written as OAuth does, names with a space between.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use utoipa::ToSchema;

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One thing a grant may do (`api.md`, "Scopes"). The effective right is the person's role as well.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Scope {
            /// Every scope, in the order in which they are written.
            pub const EVERY: &'static [Self] = &[$(Self::$variant,)*];

            /// The name as it stands in tokens and requests.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

scopes! {
    /// Sync daybooks.
    Sync = "sync",
    /// Read activities.
    ActivitiesRead = "activities:read",
    /// Record and edit activities; for a member of a hub, on behalf of others too.
    ActivitiesWrite = "activities:write",
    /// See exact places instead of the 100 m grid.
    PlacesExact = "places:exact",
    /// Read accounts and transfers.
    LedgerRead = "ledger:read",
    /// Transfer.
    LedgerWrite = "ledger:write",
    /// See what needs a person, and decide.
    Reconcile = "reconcile",
    /// Invitations, parties, rules, apps.
    Manage = "manage",
    /// Read reports.
    ReportsRead = "reports:read",
}

impl Scope {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let found = Self::EVERY.iter().find(|scope| scope.as_str() == text);
        found.copied().ok_or_else(|| ScopeError { name: text.chars().take(40).collect() })
    }
}

/// A scope that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no scope {name:?}: write names with a space between, as \"sync activities:read\"")]
pub struct ScopeError {
    /// The name that was asked for, cut short.
    pub name: String,
}

/// A set of scopes; written `activities:read sync`, in no particular order when read, in a fixed one when
/// written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, ToSchema)]
#[schema(value_type = String, example = "sync activities:read activities:write")]
pub struct Scopes(u16);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);
    /// Every scope: what our own apps' grants hold.
    pub const ALL: Self = {
        let mut bits = 0;
        let mut at = 0;
        while at < Scope::EVERY.len() {
            bits |= Scope::EVERY[at].bit();
            at += 1;
        }
        Self(bits)
    };

    /// The scopes of a stored or signed text, without those that this build does not know. During an upgrade
    /// one replica may write a scope that another has not heard of; dropping it takes rights away and gives
    /// none. For what a request asks, use `parse`, which refuses.
    #[must_use]
    pub fn known(text: &str) -> Self {
        text.split(' ').filter_map(|name| Scope::from_str(name).ok()).collect()
    }

    /// Whether a scope is among these.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of these are among the others.
    #[must_use]
    pub const fn is_subset(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn intersection(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One by one, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::EVERY.iter().copied().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(scope.bit())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// One space between names (RFC 6749, section 3.3); a name may stand twice; the empty text is no scope.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::NONE);
        }
        text.split(' ').map(Scope::from_str).collect()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    /// As strict as `parse`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_reads_back_from_its_name() {
        for scope in Scope::EVERY {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
    }

    #[test]
    fn all_holds_every_scope_and_is_written_as_documented() {
        assert_eq!(
            Scopes::ALL.to_string(),
            "sync activities:read activities:write places:exact ledger:read ledger:write reconcile manage reports:read"
        );
        assert_eq!(Scopes::ALL.iter().count(), Scope::EVERY.len());
    }

    #[test]
    fn every_subset_reads_back_from_its_text() {
        for bits in 0..=Scopes::ALL.0 {
            let set = Scopes(bits);
            assert_eq!(set.to_string().parse(), Ok(set));
            assert_eq!(serde_json::from_value::<Scopes>(serde_json::to_value(set).unwrap()).unwrap(), set);
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        let set: Scopes = "manage sync manage".parse().unwrap();
        assert_eq!(set, [Scope::Sync, Scope::Manage].into_iter().collect());
        assert_eq!(set.to_string(), "sync manage");
    }

    #[test]
    fn unknown_names_and_loose_spaces_are_refused() {
        for text in
            ["admin", "sync admin", " sync", "sync ", "sync  manage", "SYNC", "sync,manage", "sync\tmanage"]
        {
            assert!(text.parse::<Scopes>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn unknown_names_in_stored_text_give_nothing() {
        assert_eq!(Scopes::known("sync teleport manage"), "sync manage".parse().unwrap());
        assert_eq!(Scopes::known(""), Scopes::NONE);
    }

    #[test]
    fn a_grant_never_gets_more_by_intersecting() {
        let asked: Scopes = "sync manage".parse().unwrap();
        let held: Scopes = "sync ledger:read".parse().unwrap();
        let both = asked.intersection(held);
        assert_eq!(both, Scope::Sync.into());
        assert!(both.is_subset(asked) && both.is_subset(held));
        assert!(!asked.is_subset(held));
        assert!(Scopes::NONE.is_subset(held) && held.is_subset(Scopes::ALL) && Scopes::NONE.is_empty());
    }
}
