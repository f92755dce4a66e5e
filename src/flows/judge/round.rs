//! One round: takes up versions activity by activity, lets the rules decide, posts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::around::Found;
use super::case::Case;
use super::facts::{Brief, People, withdrawn};
use super::members::member_edited;
use super::sitting::Sitting;
use crate::domain::ids::ActivityId;
use crate::domain::limits::CLERK_VERSIONS_MAX;
use crate::domain::reading::Reading;
use crate::domain::review::Review;
use crate::domain::rules::Mode;
use crate::domain::words::{DECIDED, Reason, Told};
use crate::ledger::{
    self, By, Changed, DecisionStep, Doubt, Line, MarkKind, NewVersion, RuleFacts, Step, StoredDecision,
    TakingUp,
};
use crate::store;
use crate::store::entity::activity_version;

/// Activities that are judged while what was judged before them is written.
const BRIEFS_TOGETHER: usize = 32;

/// Judges the activities of these versions, and looks again at those that are due. Answers how many versions
/// and dues there were.
pub async fn judge(
    sitting: &mut Sitting<'_>,
    oldest: Vec<activity_version::Model>,
    due: BTreeSet<ActivityId>,
) -> Result<u64, FlowError> {
    let ids: BTreeSet<ActivityId> = oldest.iter().map(|row| ActivityId(row.activity_id)).collect();
    let mut rows = oldest;
    let cut = u64::try_from(rows.len()).is_ok_and(|count| count >= CLERK_VERSIONS_MAX);
    if let Some(last) = rows.last().filter(|_| cut) {
        // Of these activities there may be more.
        let more = store::waiting::waiting_from(sitting.txn(), sitting.neighbourhood(), &ids, last).await?;
        let known: BTreeSet<_> = rows.iter().map(|row| (row.activity_id, row.version)).collect();
        rows.extend(more.into_iter().filter(|row| !known.contains(&(row.activity_id, row.version))));
    }
    let mut briefs = briefs(sitting, rows)?;
    let due: Vec<ActivityId> = due.difference(&ids).copied().collect();
    briefs.extend(due_briefs(sitting, &due).await?);
    let people = sitting.prepare(&mut briefs).await?;
    let bases = bases(sitting, &briefs).await?;
    for part in briefs.chunks(BRIEFS_TOGETHER) {
        let (txn, settled) = (sitting.txn(), sitting.settled());
        // While the database writes what was judged before, the next are judged.
        let (written, judged) =
            tokio::join!(settled.execute(txn), take_up_all(sitting, part, &people, &bases));
        written?;
        judged?;
    }
    let count: usize = briefs.iter().map(|brief| brief.rows.len().max(1)).sum();
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

async fn take_up_all(
    sitting: &mut Sitting<'_>,
    briefs: &[Brief],
    people: &People,
    bases: &BTreeMap<ActivityId, Reading>,
) -> Result<(), FlowError> {
    for brief in briefs {
        let told = sitting.case(brief.id).and_then(|case| case.reason.clone());
        let step = take_up(sitting, brief, people, bases.get(&brief.id), TakingUp::Round)?;
        settle(sitting, brief.id, step, None).await?;
        retell(sitting, brief, told)?;
        // So that the next statement goes out as soon as the one before it is done.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Numbers that something else has to be checked about what waits, so that its phone is told.
fn retell(sitting: &mut Sitting<'_>, brief: &Brief, told: Option<Reason>) -> Result<(), FlowError> {
    let Some(case) = sitting.case(brief.id) else { return Ok(()) };
    let waits = brief.rows.is_empty() && case.judgement.review() != Review::Approved;
    if let Some(reason) = case.reason.clone().filter(|reason| waits && told.as_ref() != Some(reason)) {
        let code = reason.code();
        sitting.number("told", brief.id.0, Some(brief.id), &serde_json::json!({ "code": code }))?;
    }
    Ok(())
}

/// Takes up versions without letting a rule decide; what is clean among them becomes due.
pub async fn take_up_only(
    sitting: &mut Sitting<'_>,
    waiting: Vec<activity_version::Model>,
) -> Result<(), FlowError> {
    let mut briefs = briefs(sitting, waiting)?;
    let people = sitting.prepare(&mut briefs).await?;
    let bases = bases(sitting, &briefs).await?;
    let now_ms = sitting.posted_at_ms;
    for brief in &briefs {
        let step = take_up(sitting, brief, &people, bases.get(&brief.id), TakingUp::BeforeDecision)?;
        settle(sitting, brief.id, step, None).await?;
        sitting.change(brief.id, |case| case.due_at_ms = case.doubts.is_empty().then_some(now_ms));
    }
    Ok(())
}

/// Groups waiting versions by activity, in the order in which the first of each was received.
fn briefs(sitting: &Sitting<'_>, rows: Vec<activity_version::Model>) -> Result<Vec<Brief>, FlowError> {
    let mut order = Vec::new();
    let mut groups: BTreeMap<ActivityId, Vec<activity_version::Model>> = BTreeMap::new();
    for row in rows {
        let id = ActivityId(row.activity_id);
        let group = groups.entry(id).or_default();
        if group.is_empty() {
            order.push(id);
        }
        group.push(row);
    }
    let mut briefs = Vec::with_capacity(order.len());
    for id in order {
        let mut rows = groups.remove(&id).unwrap_or_default();
        rows.sort_by_key(|row| row.version);
        let Some(newest) = rows.last().cloned() else { continue };
        briefs.push(Brief::read(sitting, rows, &newest)?);
    }
    Ok(briefs)
}

/// The versions taken up last of activities that are due.
pub(super) async fn due_briefs(
    sitting: &mut Sitting<'_>,
    due: &[ActivityId],
) -> Result<Vec<Brief>, FlowError> {
    sitting.load(&due.iter().copied().collect()).await?;
    let mut briefs = Vec::new();
    for id in due {
        let Some(version) = sitting.case(*id).map(|case| case.judgement.judged_version) else { continue };
        let row = store::activities::version(sitting.txn(), sitting.neighbourhood(), *id, version).await?;
        if let Some(row) = row {
            briefs.push(Brief::read(sitting, Vec::new(), &row)?);
        }
    }
    Ok(briefs)
}

/// The readings that approvals were given for, as settled then, to compare new ones with.
async fn bases(sitting: &Sitting<'_>, briefs: &[Brief]) -> Result<BTreeMap<ActivityId, Reading>, FlowError> {
    let mut bases = BTreeMap::new();
    for brief in briefs {
        let covered = sitting.case(brief.id).and_then(|case| case.judgement.covered.as_ref());
        let Some(covered) = covered else { continue };
        let (txn, neighbourhood) = (sitting.txn(), sitting.neighbourhood());
        if let Some(row) = store::activities::version(txn, neighbourhood, brief.id, covered.base).await? {
            let reading = serde_json::from_str(&row.reading)?;
            bases.insert(brief.id, ledger::effective(&reading, &covered.reads));
        }
    }
    Ok(bases)
}

fn take_up(
    sitting: &mut Sitting<'_>,
    brief: &Brief,
    people: &People,
    base: Option<&Reading>,
    how: TakingUp,
) -> Result<Step, FlowError> {
    let owner = people.resolved(brief.owner);
    sitting.case_or_new(brief.id, brief.daybook, owner);
    for row in &brief.rows {
        sitting.number_version(row, brief.version, &brief.reads)?;
    }
    let changed = base.map_or(Changed::Ledger, |base| Changed::between(base, brief.effective()));
    let found = sitting.examine(brief, people, changed)?;
    let new = new_version(sitting, brief, people, changed, found);
    let doubts = new.doubts.clone();
    let Some(case) = sitting.case(brief.id) else { return Err(FlowError::internal("a case went missing")) };
    let step = if brief.rows.is_empty() {
        ledger::became_clean(&case.judgement, &new, &sitting.pack)
    } else {
        ledger::take_up(&case.judgement, &new, how, &sitting.pack)
    };
    sitting.change(brief.id, |case| {
        case.doubts = doubts;
        // The journal does not say that somebody looked again, so only a version moves what is made again from it.
        if !brief.rows.is_empty() {
            case.part_of = brief.part_of();
            case.confirms = brief.confirms();
            case.names(&brief.rows, brief.activity.as_ref(), brief.owner, case.journal_no);
        }
    });
    if let Some(no) = sitting.case(brief.id).map(|case| case.journal_no).filter(|_| !brief.rows.is_empty()) {
        sitting.hear(brief.id, no);
    }
    if let Some(confirmed) =
        brief.confirms().filter(|_| sitting.pack.mode == Mode::Peer && !brief.rows.is_empty())
    {
        let now_ms = sitting.posted_at_ms;
        sitting.change(confirmed, |case| case.due_at_ms = Some(now_ms));
    }
    Ok(step)
}

impl Sitting<'_> {
    /// Asks the rules again about those of these records that wait after a person's decision: what was in doubt about
    /// them was so before it. Where a person decided no rule does, so there is nothing to leave to the next round, and
    /// no moment in which they are told, or shown, what is not so any more.
    pub async fn look_at_once(&mut self, ids: &[ActivityId]) -> Result<(), FlowError> {
        let waits = |case: &Case| case.judgement.review().is_undecided();
        let waiting = ids.iter().filter(|id| self.case(**id).is_some_and(waits)).copied();
        let waiting: Vec<ActivityId> = waiting.collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let mut briefs = due_briefs(self, &waiting).await?;
        let people = self.prepare(&mut briefs).await?;
        let bases = bases(self, &briefs).await?;
        for brief in &briefs {
            take_up(self, brief, &people, bases.get(&brief.id), TakingUp::BeforeDecision)?;
            self.change(brief.id, |case| {
                case.due_at_ms = None;
                case.reason = reason(case, None, false);
            });
        }
        Ok(())
    }
}

impl Sitting<'_> {
    fn posted_for(&self, id: ActivityId) -> Vec<Line> {
        self.case(id).map_or_else(Vec::new, |case| case.judgement.posted.clone())
    }

    /// Whether somebody has fewer minutes for a record than these lines gave; an id that became another's since is theirs.
    fn somebody_has_fewer(&self, id: ActivityId, before: &[Line]) -> bool {
        let after = self.case(id).map_or(&[][..], |case| &case.judgement.posted);
        ledger::somebody_has_fewer(before, after, |account| self.holder(account))
    }
}

/// Describes the newest version of a brief to the ledger.
pub(super) fn new_version(
    sitting: &Sitting<'_>,
    brief: &Brief,
    people: &People,
    changed: Changed,
    found: Found,
) -> NewVersion {
    let decided = brief.activity.as_ref().map(|activity| sitting.decide(brief.id, activity, people));
    let doubts = match (&brief.activity, &decided) {
        (Some(activity), Some(decided)) => {
            let facts = sitting.clean_facts(brief, activity, people, found);
            ledger::doubts(activity, decided, brief.effective().conflict(), &facts, &sitting.pack)
        }
        _ => vec![Doubt::UnreadableField],
    };
    let seq = sitting.case(brief.id).map_or(0, |case| case.judgement.decision_seq);
    let owner = people.resolved(brief.owner);
    NewVersion {
        version: brief.version,
        withdrawn: withdrawn(brief.effective()),
        withdrawn_meanwhile: brief.withdrawn_meanwhile,
        changed,
        doubts,
        owner,
        owner_aliases: people.all_ids(owner),
        has_parts: sitting.cases().any(|(id, case)| *id != brief.id && case.part_of == Some(brief.id)),
        decision: ledger::rule_decision_id(sitting.neighbourhood(), brief.id, seq + 1),
        rule: RuleFacts {
            // A word for another's record that gives nobody a minute needs nobody's word in turn.
            confirmed: decided.as_ref().is_some_and(|decided| {
                (brief.confirms().is_some() && decided.minutes() == 0)
                    || sitting.is_confirmed(brief, decided, people)
            }),
            received_at_ms: brief.times.received_ms,
            now_ms: sitting.now_ms(),
            audit_draw: sitting.draw(),
        },
        decided,
        reads: brief.reads.clone(),
    }
}

/// Puts a step into the sitting: the judgement, the decision, the postings, what the resident is told.
pub async fn settle(
    sitting: &mut Sitting<'_>,
    id: ActivityId,
    step: Step,
    request_hash: Option<Vec<u8>>,
) -> Result<(), FlowError> {
    let Step { after, decision, occasions, due_at_ms, canonical } = step;
    let newest = after.judged_version;
    let taken_up = sitting.case(id).is_none_or(|case| case.judgement.judged_version != newest);
    sitting.change(id, |case| (case.judgement, case.due_at_ms) = (after, due_at_ms));
    if let Some(canonical) = canonical {
        member_edited(sitting, id, canonical)?;
    }
    if let Some(decision) = &decision {
        let by = match decision.by {
            By::Person(party) => Some(party),
            By::Rule | By::Daybook => None,
        };
        let no = sitting.record(id, decision, by, request_hash)?;
        sitting.hear(id, no);
        if by.is_some() {
            sitting.weigh(id, decision).await?;
        }
    }
    let before = sitting.posted_for(id);
    let remainders = occasions.iter().map(|occasion| sitting.standing_for(*occasion));
    let remainders: Vec<(ActivityId, Vec<Line>)> = remainders
        .filter(|occasion| *occasion != id)
        .map(|occasion| (occasion, sitting.posted_for(occasion)))
        .collect();
    sitting.post(id, &occasions).await?;
    let fewer = sitting.somebody_has_fewer(id, &before);
    for (occasion, before) in remainders {
        if sitting.somebody_has_fewer(occasion, &before) {
            sitting.change(occasion, |case| {
                case.reason = case.reason.take().or(Some(Reason::Told(Told::Shared)));
            });
        }
    }
    // Records that are unmerged are looked at together, once all of them stand alone.
    let takes_back_or_settles =
        |step: DecisionStep| matches!(step, DecisionStep::Undo | DecisionStep::Settle);
    if decision.as_ref().is_some_and(|decision| takes_back_or_settles(decision.step)) {
        sitting.look_at_once(&[id]).await?;
    }
    sitting.change(id, |case| {
        // Whoever has fewer minutes than before is told why, whatever it was.
        let unmerged = decision.as_ref().is_some_and(|decision| decision.step == DecisionStep::Unmerge);
        let lost = Reason::Told(if unmerged { Told::Unmerged } else { Told::FewerMinutes });
        case.reason = reason(case, decision.as_ref(), taken_up).or(fewer.then_some(lost));
        // Where something is in force, the occasion is the one that minutes were taken from.
        if let Some((occasion, _)) = case.judgement.claim() {
            case.part_of = Some(occasion);
        }
    });
    Ok(())
}

/// What the resident is told besides the state: the decider's words, else what has to be checked.
pub fn reason(case: &Case, decision: Option<&StoredDecision>, taken_up: bool) -> Option<Reason> {
    let judged = &case.judgement;
    let in_person =
        |code: &str, text: &String| Reason::InPerson { code: code.to_owned(), text: text.clone() };
    if let Some(mark) = judged.mark.as_ref().filter(|mark| mark.version == judged.judged_version) {
        let code = match mark.kind {
            MarkKind::Rejected => "rejected",
            MarkKind::NeedsChanges => "needs_changes",
            MarkKind::Withdrawn => "withdrawn",
        };
        let said = mark.reason.as_ref().map(|text| in_person(code, text));
        return Some(said.unwrap_or(Reason::Told(Told::TakenBack)));
    }
    if let Some(decision) = decision {
        let undone = (decision.step == DecisionStep::Undo).then_some(Reason::Told(Told::Undone));
        let said = decision.reason.as_ref().map(|text| in_person(DECIDED, text)).or(undone);
        if said.is_some() {
            return said;
        }
    } else if !taken_up || judged.review() == Review::Approved {
        // What somebody decided is still in force, and so are the words for it.
        let told = case.reason.as_ref().filter(|reason| reason.is_lasting());
        if told.is_some() {
            return told.cloned();
        }
    }
    match judged.review() {
        Review::Received | Review::EditedAfterApproval => {
            case.doubts.first().map(|doubt| Reason::Told(doubt.told()))
        }
        Review::Approved => {
            let clipped = judged.in_force().map_or(0, |decided| decided.clipped.values().sum());
            (clipped > 0).then_some(Reason::Told(Told::Capped(clipped)))
        }
        _ => None,
    }
}
