//! One table a file, nothing else.

pub mod access_grant;
pub mod account;
pub mod activity;
pub mod activity_version;
pub mod closed_period;
pub mod daybook;
pub mod daybook_change;
pub mod daybook_snapshot;
pub mod decision;
pub mod device;
pub mod held_change;
pub mod invitation;
pub mod journal;
pub mod judgement;
pub mod membership;
pub mod neighbourhood;
pub mod party;
pub mod party_alias;
pub mod party_role;
pub mod refused_change;
pub mod rule_pack;
pub mod server_key;
pub mod tip;
pub mod transfer;
