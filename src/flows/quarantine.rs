//! Heals a refusal: a change in quarantine goes through the one door once more, after an upgrade say, together
//! with the changes that were refused only because they build on a refused one.

use std::collections::{BTreeSet, HashMap};

use super::FlowError;
use super::accept::{Became, Brought, Incoming, accept_again, hash, lookup, objects};
use crate::app::App;
use crate::domain::ids::{ActivityId, GrantId};
use crate::merge::guard::{self, Checked, Chunk};
use crate::merge::{Hash, RefusalCode, touched};
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::refused_change;

/// Whether a change is taken in although its phone seems to have written its content anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Superseded {
    LeaveOut,
    TakeIn,
}

/// What became of a change that was played again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    Became(Became),
    /// Activities that it writes in have changed since: its phone has most likely reloaded and sent its content
    /// in other changes, and taking it in as well would count tallies twice.
    Superseded(Vec<ActivityId>),
    /// Only hash and reason were kept.
    BytesGone,
}

/// Plays a change in quarantine again. Nothing if it is not there.
///
/// # Errors
/// As [`super::accept::accept`]; the quarantine stays as it is then.
pub async fn replay(
    app: &App,
    of: Of,
    wanted: Hash,
    superseded: Superseded,
) -> Result<Option<Replayed>, FlowError> {
    let db = app.db().read();
    let Some(row) = store::quarantine::find(db, of, &wanted).await? else { return Ok(None) };
    if row.bytes.is_none() {
        return Ok(Some(Replayed::BytesGone));
    }
    let grant = row.grant_id.map(GrantId);
    let mut rows = vec![row];
    let on_refused = store::quarantine::with_bytes(db, of, RefusalCode::OnRefused.as_str()).await?;
    rows.extend(on_refused.into_iter().filter(|row| row.hash != wanted));
    let mut again = HashMap::new();
    for row in &rows {
        again.insert(hash(&row.hash)?, Brought { grant: row.grant_id, at_ms: row.received_at_ms });
    }
    if superseded == Superseded::LeaveOut {
        let changed = changed_since(app, of, &rows[..1]).await?;
        if !changed.is_empty() {
            return Ok(Some(Replayed::Superseded(changed)));
        }
    }
    let bytes: Vec<Vec<u8>> = rows.into_iter().filter_map(|row| row.bytes).collect();
    let inspect = move || bytes.iter().flat_map(|bytes| guard::inspect(bytes)).map(Incoming::from).collect();
    let chunks: Vec<Incoming> = tokio::task::spawn_blocking(inspect).await.map_err(FlowError::internal)?;
    let daybook =
        store::daybooks::find(db, of.neighbourhood, of.daybook).await?.ok_or(FlowError::NotFound)?;
    let accepted = accept_again(app, &daybook, grant, chunks, again).await?;
    let found = accepted.outcomes.into_iter().find(|outcome| outcome.hash == wanted);
    // A chunk that cannot be read is named by its bytes, and stays so named.
    Ok(found.map(|outcome| Replayed::Became(outcome.became)))
}

/// The activities of the daybook that these changes write in and that have changed since they were refused.
async fn changed_since(
    app: &App,
    of: Of,
    rows: &[refused_change::Model],
) -> Result<Vec<ActivityId>, FlowError> {
    let since_ms = rows.iter().map(|row| row.received_at_ms).min().unwrap_or_default();
    let bytes: Vec<Vec<u8>> = rows.iter().filter_map(|row| row.bytes.clone()).collect();
    let inspect = move || bytes.iter().flat_map(|bytes| guard::inspect(bytes)).collect();
    let chunks: Vec<Chunk> = tokio::task::spawn_blocking(inspect).await.map_err(FlowError::internal)?;
    let changes: Vec<&Checked> = chunks
        .iter()
        .filter_map(|chunk| match chunk {
            Chunk::Change(change) => Some(&**change),
            Chunk::Refused { .. } => None,
        })
        .collect();
    let facts = objects(app.db().read(), of, &changes).await?;
    let ids: BTreeSet<ActivityId> =
        changes.iter().flat_map(|change| touched(change, &lookup(&facts))).collect();
    let found = store::activities::of_ids(app.db().read(), of.neighbourhood, &ids).await?;
    let changed = found.into_iter().filter(|row| row.changed_at_ms > since_ms);
    Ok(changed.map(|row| ActivityId(row.id)).collect())
}
