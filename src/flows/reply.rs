//! Saying something about a record: a question or an answer, or that one was not part of it. It decides nothing.

use std::collections::BTreeSet;

use super::FlowError;
use super::judge::{Sitting, member_edited, reason, take_up_before};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::ids::{ActivityId, PartyId, ReplyId};
use crate::domain::limits::REPLIES_MAX;
use crate::domain::reply::ReplyKind;
use crate::ledger;
use crate::metrics::Flow;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::reply;

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub id: ReplyId,
    pub activity: ActivityId,
    pub kind: ReplyKind,
    pub text: Option<String>,
}

/// What became of it.
#[derive(Debug)]
pub enum Said {
    Now(reply::Model),
    /// It was said before.
    Replayed(reply::Model),
    /// The record gives no minutes to whoever declines or accepts, or is their own.
    NotNamed,
    /// There are [`REPLIES_MAX`] already.
    TooMany,
}

/// Who speaks, seen from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    Owner,
    Named,
    Desk,
}

/// Who the caller is to an activity of this party; nothing to whom it is no business of theirs.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn speaker(
    db: &impl sea_orm::ConnectionTrait,
    caller: &Access,
    activity: ActivityId,
    owner: PartyId,
) -> Result<Option<Speaker>, FlowError> {
    if caller.owners.contains(&owner) {
        return Ok(Some(Speaker::Owner));
    }
    if store::replies::is_named(db, caller.neighbourhood, activity, &caller.names).await? {
        return Ok(Some(Speaker::Named));
    }
    Ok(caller.scopes.has(Scope::Reconcile).then_some(Speaker::Desk))
}

/// Says it: numbered in the journal as `reply`, so that everybody whom the record concerns hears of it.
///
/// # Errors
/// [`FlowError::NotFound`], [`FlowError::IdReused`], and of the database.
pub async fn reply(app: &App, caller: &Access, reply: Reply) -> Result<Said, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Decide);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, caller.neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    if let Some(there) = store::replies::find(&txn, caller.neighbourhood, reply.id).await? {
        let same = there.activity_id == reply.activity.0
            && caller.names.contains(&PartyId(there.party_id))
            && (there.kind.as_str(), &there.text) == (reply.kind.as_str(), &reply.text);
        return if same { Ok(Said::Replayed(there)) } else { Err(FlowError::IdReused) };
    }
    let speaker = heard_by(&mut sitting, &txn, caller, reply.activity).await?;
    if reply.kind != ReplyKind::Message && speaker != Speaker::Named {
        return Ok(Said::NotNamed);
    }
    if sitting.case(reply.activity).is_some_and(|case| case.replies >= REPLIES_MAX) {
        return Ok(Said::TooMany);
    }
    let row = say(&mut sitting, caller, reply, speaker)?;
    let judged = sitting.close().await?;
    store::replies::insert(&txn, row.clone()).await?;
    timing.commit(txn.commit()).await?;
    app.metrics().clerk.judged(&judged);
    app.bell().ring(caller.neighbourhood);
    Ok(Said::Now(row))
}

/// Takes up what waits of the record, and answers who speaks.
async fn heard_by(
    sitting: &mut Sitting<'_>,
    txn: &Transaction,
    caller: &Access,
    activity: ActivityId,
) -> Result<Speaker, FlowError> {
    let there = store::activities::find(txn, caller.neighbourhood, activity).await?;
    let owner = PartyId(there.ok_or(FlowError::NotFound)?.party_id);
    let ids: BTreeSet<ActivityId> = [activity].into();
    sitting.load(&ids).await?;
    take_up_before(sitting, &ids).await?;
    sitting
        .load(&sitting.case(activity).into_iter().flat_map(|case| case.judgement.merged_with()).collect())
        .await?;
    let case = sitting.case(activity).ok_or(FlowError::NotFound)?;
    // What was taken up just now is not written yet.
    let names = |party: &PartyId| case.hearing.hears(*party);
    if !caller.owners.contains(&owner) && caller.names.iter().any(names) {
        return Ok(Speaker::Named);
    }
    let speaker = speaker(txn, caller, activity, owner).await?;
    speaker.filter(|speaker| *speaker != Speaker::Named).ok_or(FlowError::NotFound)
}

fn say(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    reply: Reply,
    speaker: Speaker,
) -> Result<reply::Model, FlowError> {
    let Reply { id, activity, kind, text } = reply;
    let at_desk = speaker == Speaker::Desk;
    let body = serde_json::json!({ "party": caller.party, "kind": kind, "text": text, "at_desk": at_desk });
    let journal_no = sitting.number("reply", id.0, Some(activity), &body)?;
    let now_ms = sitting.posted_at_ms;
    let heard = ledger::Reply { kind, by: caller.party, at_desk };
    sitting.change(activity, |case| {
        let is_speaker = |party| party == caller.party || caller.names.contains(&party);
        case.judgement = ledger::replied(&case.judgement, heard, is_speaker);
        case.replies += 1;
        if kind != ReplyKind::Message {
            case.reason = reason(case, None, false);
            case.due_at_ms = Some(now_ms);
        }
    });
    let into = sitting.case(activity).and_then(|case| case.judgement.merged_into);
    if let Some(canonical) = into.filter(|_| kind == ReplyKind::Decline) {
        member_edited(sitting, activity, canonical)?;
    }
    Ok(reply::Model {
        neighbourhood_id: caller.neighbourhood.0,
        id: id.0,
        activity_id: activity.0,
        party_id: caller.party.0,
        kind: kind.as_str().to_owned(),
        text,
        at_desk,
        journal_no,
        said_at_ms: now_ms,
    })
}
