//! What rules would say of records, whatever was decided about them.

use super::super::FlowError;
use super::round::{due_briefs, new_version};
use super::sitting::Sitting;
use crate::domain::ids::ActivityId;
use crate::ledger::{self, Approves, Changed};

/// What the rules in force say of a version, if nobody had decided anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    pub activity: ActivityId,
    /// A rule approves it, at once.
    pub approves: bool,
    /// When silence approves it, where a rule does so later.
    pub due_at_ms: Option<i64>,
    /// Minutes that an approval would post, within caps; nothing of what cannot be read.
    pub minutes: Option<i64>,
    /// What keeps it from being clean, as phones are told it.
    pub doubts: Vec<&'static str>,
}

/// Asks the rules about the versions taken up last of some activities. What comes of it is for nobody but the
/// caller: the sitting is not to be closed.
pub async fn assess(sitting: &mut Sitting<'_>, ids: &[ActivityId]) -> Result<Vec<Assessed>, FlowError> {
    let mut briefs = due_briefs(sitting, ids).await?;
    let people = sitting.prepare(&mut briefs).await?;
    let mut assessed = Vec::with_capacity(briefs.len());
    for brief in &briefs {
        let found = sitting.examine(brief, &people, Changed::Ledger)?;
        let new = new_version(sitting, brief, &people, Changed::Ledger, found);
        let clean = new.doubts.is_empty() && !new.withdrawn;
        let (approves, due_at_ms) = match ledger::approves(&sitting.pack, &new.rule) {
            Approves::Never => (false, None),
            Approves::At(due_at_ms) => (false, Some(due_at_ms).filter(|_| clean)),
            Approves::Now => (clean, None),
        };
        let minutes = new.decided.as_ref().map(ledger::Decided::minutes);
        let doubts = new.doubts.iter().map(ledger::Doubt::code).collect();
        assessed.push(Assessed { activity: brief.id, approves, due_at_ms, minutes, doubts });
    }
    Ok(assessed)
}
