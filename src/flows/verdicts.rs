//! What phones are told of their records, and of others' that concern them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::FlowError;
use super::settled::{Settled, settled};
use super::sync::{cursor_at, start_of_all};
use crate::app::{Access, App};
use crate::domain::ids::{AccountId, ActivityId, PartyId};
use crate::domain::limits::{ANSWER_MS, SYNC_VERDICTS_MAX};
use crate::domain::place::blur;
use crate::domain::review::{Conflict, Review};
use crate::domain::words::Reason;
use crate::ledger::{Asset, Judgement};
use crate::merge::cursor::Cursor;
use crate::store;
use crate::store::entity::activity;
use crate::store::verdicts::{Told, VerdictRow};

/// The latest judgements of the caller's activities.
#[derive(Debug)]
pub struct Verdicts {
    pub items: Vec<Verdict>,
    pub next: String,
    pub more: bool,
    pub pending: bool,
}

/// One of them.
#[derive(Debug)]
pub struct Verdict {
    pub activity: ActivityId,
    pub version: i64,
    pub revision: i64,
    pub review: Review,
    pub conflict: Conflict,
    pub minutes: Option<i64>,
    /// It counts as part of that one: there are its minutes.
    pub merged_into: Option<ActivityId>,
    /// By field, what a coordinator said counts, as far as nothing else was written since.
    pub settled: BTreeMap<String, serde_json::Value>,
    pub reason: Option<Reason>,
    /// How much was said about it.
    pub replies: i64,
    /// It is somebody else's record, and concerns the caller.
    pub named: Option<Named>,
    /// Until when somebody will have looked, or nobody's word will be waited for any more.
    pub expected_by_ms: Option<i64>,
    pub at_ms: i64,
}

/// Somebody else's record that concerns the caller: it names or credits them, or something was merged into it that they
/// hear of.
#[derive(Debug)]
pub struct Named {
    /// Whose it is.
    pub by: PartyId,
    pub kind: Option<String>,
    pub day: Option<String>,
    /// It does so still.
    pub still: bool,
}

/// What became of the caller's records after a cursor; `waits` if this request brought any.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn verdicts(
    app: &App,
    caller: &Access,
    waits: bool,
    given: Option<&str>,
) -> Result<Verdicts, FlowError> {
    let db = app.db().read();
    let pending = waits || store::waiting::any_waiting(db, caller.neighbourhood, &caller.owners).await?;
    let (start, mut rows) = verdict_rows(app, caller, given).await?;
    let limit = usize::try_from(SYNC_VERDICTS_MAX).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some(last) => cursor_at(u64::try_from(last.journal_no).unwrap_or_default(), &last.chain),
        None => start,
    };
    let items = as_settled(app, caller, latest(caller, rows)).await?;
    Ok(Verdicts { items, next: next.encode(), more, pending })
}

/// With what people settled, as far as it counts of the newest version: a value written since opens the field again.
async fn as_settled(
    app: &App,
    caller: &Access,
    told: Vec<(Verdict, Judgement)>,
) -> Result<Vec<Verdict>, FlowError> {
    let ever = told.iter().filter(|(_, judged)| !judged.settled.is_empty());
    let ids: BTreeSet<ActivityId> = ever.map(|(verdict, _)| verdict.activity).collect();
    let rows = store::activities::of_ids(app.db().read(), caller.neighbourhood, &ids).await?;
    let mut rows: BTreeMap<ActivityId, activity::Model> =
        rows.into_iter().map(|row| (ActivityId(row.id), row)).collect();
    let mut verdicts = Vec::with_capacity(told.len());
    for (mut verdict, judged) in told {
        if let Some(row) = rows.remove(&verdict.activity) {
            let reading = serde_json::from_str(&row.reading)?;
            if let Some(Settled { fields, conflict }) = settled(&row, &reading, &judged) {
                (verdict.settled, verdict.conflict) = (fields, conflict);
            }
            if verdict.named.is_some() {
                blur(&mut verdict.settled);
            }
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// What follows on a cursor, or on nothing where its chain is not ours.
async fn verdict_rows(
    app: &App,
    caller: &Access,
    given: Option<&str>,
) -> Result<(Cursor, Vec<VerdictRow>), FlowError> {
    let cursor = given.and_then(Cursor::decode).unwrap_or_else(start_of_all);
    let told = Told { owners: &caller.owners, names: &caller.names };
    // One more for the number's own row.
    let after = |no| {
        store::verdicts::verdicts(app.db().read(), caller.neighbourhood, told, no, SYNC_VERDICTS_MAX + 2)
    };
    let found = after(i64::try_from(cursor.position).unwrap_or(i64::MAX)).await?;
    if cursor == start_of_all() || found.start.is_some_and(|chain| chain.starts_with(&cursor.chain)) {
        return Ok((cursor, found.rows));
    }
    Ok((start_of_all(), after(0).await?.rows))
}

/// Of what is the caller's and names them as well, what they are told as its owner.
fn latest(caller: &Access, rows: Vec<VerdictRow>) -> Vec<(Verdict, Judgement)> {
    let own: HashSet<uuid::Uuid> =
        rows.iter().filter(|row| row.still_named.is_none()).map(|row| row.activity_id).collect();
    let mut seen = HashSet::new();
    let rows = rows.into_iter().filter(|row| row.still_named.is_none() || !own.contains(&row.activity_id));
    rows.filter(|row| seen.insert(row.activity_id)).filter_map(|row| verdict(caller, row)).collect()
}

fn verdict(caller: &Access, row: VerdictRow) -> Option<(Verdict, Judgement)> {
    let judged: Judgement = serde_json::from_str(&row.body).ok()?;
    let named =
        row.still_named.map(|still| Named { by: PartyId(row.party_id), kind: row.kind, day: row.day, still });
    let minutes = match &named {
        Some(_) => judged.in_force().map(|decided| {
            caller.names.iter().map(|id| decided.minutes_of(AccountId(id.0), Asset::Contribution)).sum()
        }),
        None => judged.minutes(),
    };
    let verdict = Verdict {
        activity: ActivityId(row.activity_id),
        version: row.judged_version,
        revision: row.activity_revision + row.revision,
        review: judged.review(),
        conflict: serde_json::from_value(row.conflict.into()).ok()?,
        minutes,
        merged_into: judged.merged_into,
        settled: BTreeMap::new(),
        reason: Reason::from_kept(row.reason_code, row.reason_text),
        replies: row.replies.unwrap_or_default(),
        named,
        expected_by_ms: row
            .waits_since_ms
            .map(|since_ms| since_ms.saturating_add(ANSWER_MS))
            .or(row.due_at_ms),
        at_ms: row.judged_at_ms,
    };
    Some((verdict, judged))
}
