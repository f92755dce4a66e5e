//! Judgements again, from the journal in its order: versions taken up, decisions applied, postings compared
//! with the transfers that were numbered; the chain is followed on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::super::judge::{Case, concerned, journal_entry, reason, times, withdrawn};
use super::balances::{Balances, posted_for};
use super::closings::Closings;
use super::decisions::Decisions;
use super::doubts::Doubts;
use super::entry::{Entry, Stuck, TakenUp, about, missing};
use super::judged::{self, Lost};
use super::rules::Rules;
use super::said::{Replies, Spoken, compare_named, compare_periods};
use super::tables::Mending;
use super::testimony::{Testimony, named};
use super::{Count, Difference, Mode, ROWS, Rebuilt, backend};
use crate::domain::activity::Activity;
use crate::domain::ids::{AccountId, ActivityId, DaybookId, DecisionId, NeighbourhoodId, PartyId};
use crate::domain::reading::Reading;
use crate::domain::reply::ReplyKind;
use crate::domain::suspicion::{Origin, near};
use crate::domain::words::{Reason, Told};
use crate::ledger::{self, Changed, DecisionStep, Judgement, NewVersion, StoredDecision, TakingUp, chain};
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{activity_version, closed_period, journal, tip, transfer};

/// Versions that are numbered by one statement.
const ACTIVITIES: usize = 400;

/// The journal replayed.
struct Replay<'a> {
    txn: &'a Transaction,
    neighbourhood: NeighbourhoodId,
    zone: chrono_tz::Tz,
    /// Each version was taken up by the pack in force then.
    rules: Rules,
    testimony: Testimony,
    cases: BTreeMap<ActivityId, Case>,
    groups: BTreeSet<PartyId>,
    /// Versions of the activity that is being taken up.
    taking_up: Vec<(activity_version::Model, Reading)>,
    /// Transfers that a posting asks for and the journal has not shown yet: of which activity, and minutes.
    expected: BTreeMap<uuid::Uuid, (ActivityId, i64)>,
    balances: Balances,
    decisions: Decisions,
    doubts: Doubts,
    replies: Replies,
    periods: Vec<closed_period::Model>,
    closings: Closings,
    /// Versions with the numbers that the journal gives them, and their rows do not have.
    numbers: Vec<(ActivityId, i64, i64)>,
    /// Once an entry could not be replayed, none that follows is: it would differ for that alone.
    stuck: bool,
    link: [u8; 32],
    no: i64,
    at_ms: i64,
}

/// Rebuilds and compares; answers which records have to be asked about once all is written.
pub async fn rebuild(
    (txn, neighbourhood): (&Transaction, NeighbourhoodId),
    tip: tip::Model,
    (mode, now_ms): (Mode, i64),
    testimony: Testimony,
    rebuilt: &mut Rebuilt,
    mending: &mut Mending,
) -> Result<Lost, FlowError> {
    let mut replay = Replay::new(txn, neighbourhood, testimony).await?;
    loop {
        let rows = store::ledger::journal_after(txn, neighbourhood, replay.no, ROWS).await?;
        if rows.is_empty() {
            break;
        }
        replay.balances.load(txn, neighbourhood, &rows).await?;
        replay.decisions.load(txn, neighbourhood, &rows).await?;
        for row in rows {
            whole(mode, replay.follow_chain(&row), &mut rebuilt.journal)?;
            match replay.play(&row, rebuilt).await {
                Err(Stuck::At { expected, found }) => {
                    let difference =
                        Difference { journal_no: Some(row.no), about: about(&row), expected, found };
                    if mode == Mode::Write {
                        return Err(FlowError::internal(difference.to_string()));
                    }
                    rebuilt.journal.name(difference);
                    replay.stuck = true;
                }
                Err(Stuck::Failed(error)) => return Err(error),
                Ok(()) => {}
            }
        }
    }
    whole(mode, replay.compare_tip(&tip), &mut rebuilt.journal)?;
    replay.finish(tip, now_ms, rebuilt, mending).await
}

/// Of a journal that is not whole nothing is made again: it is for a backup.
fn whole(mode: Mode, difference: Option<Difference>, journal: &mut Count) -> Result<(), FlowError> {
    if let (Mode::Write, Some(difference)) = (mode, &difference) {
        return Err(FlowError::internal(difference.to_string()));
    }
    journal.add(difference);
    Ok(())
}

impl<'a> Replay<'a> {
    async fn new(
        txn: &'a Transaction,
        neighbourhood: NeighbourhoodId,
        testimony: Testimony,
    ) -> Result<Self, FlowError> {
        let tenant = store::neighbourhoods::find(txn, neighbourhood).await?.ok_or(FlowError::NotFound)?;
        Ok(Self {
            txn,
            neighbourhood,
            zone: crate::flows::neighbourhoods::zone_of(&tenant)?,
            rules: Rules::read(txn, &tenant).await?,
            testimony,
            cases: BTreeMap::new(),
            groups: store::parties::groups(txn, neighbourhood).await?,
            taking_up: Vec::new(),
            expected: BTreeMap::new(),
            balances: Balances::default(),
            decisions: Decisions::default(),
            doubts: Doubts::default(),
            replies: Replies::default(),
            periods: Vec::new(),
            closings: Closings::default(),
            numbers: Vec::new(),
            stuck: false,
            link: chain::genesis(neighbourhood),
            no: 0,
            at_ms: 0,
        })
    }

    /// Whether a row is the next one of the chain, and says what it committed to.
    fn follow_chain(&mut self, row: &journal::Model) -> Option<Difference> {
        let entry = journal_entry(row.no, &row.kind, row.subject_id, row.activity_id, row.at_ms, &row.body);
        let salt: Option<[u8; 32]> = row.salt.as_slice().try_into().ok();
        let commitment = salt.map(|salt| chain::commitment(&salt, &entry).to_vec()).unwrap_or_default();
        let committed: [u8; 32] = row.commitment.as_slice().try_into().unwrap_or([0; 32]);
        let (next, link) = (self.no + 1, chain::link(&self.link, &committed));
        (self.no, self.at_ms) = (row.no, self.at_ms.max(row.at_ms));
        self.link = row.chain.as_slice().try_into().unwrap_or(link);
        let compared = [
            ("number", next.to_string(), row.no.to_string()),
            ("a body and a salt with the commitment", hex::encode(&row.commitment), hex::encode(commitment)),
            ("chain", hex::encode(link), hex::encode(&row.chain)),
        ];
        let (what, expected, found) = compared.into_iter().find(|(_, expected, found)| expected != found)?;
        Some(Difference {
            journal_no: Some(row.no.min(next)),
            about: about(row),
            expected: format!("{what} {expected}"),
            found,
        })
    }

    async fn play(&mut self, row: &journal::Model, rebuilt: &mut Rebuilt) -> Result<(), Stuck> {
        let entry = Entry::read(row).map_err(|error| Stuck::At {
            expected: format!("a body of the kind {}", row.kind),
            found: error.to_string(),
        })?;
        if let Entry::Decision(decided) = &entry {
            self.decisions.play(row, decided, rebuilt)?;
        }
        match entry {
            Entry::Period(period) => self.periods.push(period),
            Entry::Rules(put) => self.rules.play(row, *put)?,
            Entry::PartyAlias(alias) => {
                self.closings.alias(row, &alias, &self.balances, rebuilt);
                let theirs = self.cases.values_mut().filter(|case| case.owner == alias.alias);
                theirs.for_each(|case| case.owner = alias.party);
            }
            Entry::AccountClosed(closed) => {
                self.closings.closing(row, *closed, &mut self.balances, rebuilt);
            }
            Entry::Transfer(transfer) => {
                if transfer.activity_id.is_none() {
                    self.closings.leg(&transfer, rebuilt);
                } else if !self.stuck {
                    self.expected_transfer(&transfer, rebuilt);
                }
                self.balances.follow(*transfer, rebuilt);
            }
            _ if self.stuck => {}
            Entry::Version(taken_up) => self.version(row, taken_up, rebuilt).await?,
            Entry::Decision(decision) => self.decision(row, &decision),
            Entry::Suspicion(noted) => self.doubts.play(row, *noted),
            Entry::Reply(spoken) => self.reply(row, *spoken),
            Entry::MemberEdited => {
                row.activity_id.into_iter().for_each(|id| self.hear(ActivityId(id), row.no));
            }
            Entry::Other => {}
        }
        if let Some(case) = row.activity_id.and_then(|id| self.cases.get_mut(&ActivityId(id))) {
            case.noted(row.no, row.at_ms);
            judged::note_waiting(case, row.at_ms);
        }
        Ok(())
    }

    /// A transfer is one that the posting before it asks for, with these minutes.
    fn expected_transfer(&mut self, row: &transfer::Model, rebuilt: &mut Rebuilt) {
        let expected = self.expected.remove(&row.id).map(|(_, minutes)| minutes);
        if expected != Some(row.minutes) {
            rebuilt.transfers.name(Difference {
                journal_no: Some(row.journal_no),
                about: posted_for(row),
                expected: expected
                    .map_or_else(|| "no transfer".to_owned(), |minutes| format!("{minutes} minutes")),
                found: format!("{} minutes", row.minutes),
            });
        }
    }

    /// The tip is the journal's end.
    fn compare_tip(&self, tip: &tip::Model) -> Option<Difference> {
        let end = tip::Model {
            journal_no: self.no,
            chain: self.link.to_vec(),
            posted_at_ms: tip.posted_at_ms.max(self.at_ms),
            ..tip.clone()
        };
        Difference::between(Some(self.no), "the tip".to_owned(), Some(&end), Some(tip))
    }

    fn decision(&mut self, row: &journal::Model, decision: &StoredDecision) {
        let Some(activity) = row.activity_id.map(ActivityId) else { return };
        let before = self.cases.get(&activity).map(|case| case.judgement.clone()).unwrap_or_default();
        let after = ledger::apply(&before, decision);
        let step = ledger::Step::new(&before, after, None);
        self.judged(activity, step.after, Some(decision));
        self.hear(activity, row.no);
        let unmerged = decision.step == DecisionStep::Unmerge;
        let fewer = if unmerged { Told::Unmerged } else { Told::FewerMinutes };
        self.post(activity, &step.occasions, fewer);
    }

    /// A version: once the newest of those taken up together is there, they are taken up.
    async fn version(
        &mut self,
        row: &journal::Model,
        taken_up: TakenUp,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), Stuck> {
        let id = ActivityId(row.subject_id);
        let number = taken_up.version;
        let stored = store::activities::version(self.txn, self.neighbourhood, id, number).await?;
        let stored = stored.ok_or_else(|| missing(format!("version {number} of {id}")))?;
        let lost = self.testimony.lost.remove(&(id, number));
        if lost {
            let about = named((id, number));
            rebuilt.versions.add(Difference::between(Some(row.no), about, Some(&stored), None));
        }
        if stored.journal_no != Some(row.no) {
            self.numbers.push((id, number, row.no));
        }
        self.testimony.numbers.remove(&(id, number));
        let no = if lost { Some(row.no) } else { stored.journal_no };
        let numbered = (no, hex::encode(&stored.reading_hash));
        if numbered != (Some(row.no), taken_up.reading_hash.clone()) {
            rebuilt.versions.name(Difference {
                journal_no: Some(row.no),
                about: named((id, number)),
                expected: format!("number {} and reading {}", row.no, taken_up.reading_hash),
                found: format!("number {} and reading {}", numbered.0.unwrap_or_default(), numbered.1),
            });
        }
        let reading = serde_json::from_str(&stored.reading).map_err(FlowError::internal)?;
        self.taking_up.push((stored, reading));
        if taken_up.newest == number { self.take_up(id, taken_up, row.no).await } else { Ok(()) }
    }

    async fn take_up(&mut self, id: ActivityId, taken_up: TakenUp, no: i64) -> Result<(), Stuck> {
        let rows = std::mem::take(&mut self.taking_up);
        let Some((newest, reading)) = rows.last() else { return Ok(()) };
        let (daybook, owner) = (DaybookId(newest.daybook_id), PartyId(newest.party_id));
        let case = self.cases.entry(id).or_insert_with(|| Case::new(daybook, owner));
        let before = case.judgement.clone();
        let base = self.base(id, &before).await?;
        let effective = ledger::effective(reading, &taken_up.reads);
        let origin = Origin { id, daybook, owner, times: times(newest), zone: self.zone };
        self.doubts.left.insert(id, near::left_by(&effective, origin));
        let activity = Activity::from_reading(&effective, self.zone).ok();
        let new = NewVersion {
            version: newest.version,
            decided: None,
            withdrawn: withdrawn(&effective),
            withdrawn_meanwhile: rows.iter().rev().skip(1).any(|(_, earlier)| withdrawn(earlier)),
            changed: base.map_or(Changed::Ledger, |base| Changed::between(&base, &effective)),
            doubts: Vec::new(),
            owner,
            owner_aliases: BTreeSet::new(),
            has_parts: false,
            decision: DecisionId(uuid::Uuid::nil()),
            rule: ledger::RuleFacts::default(),
            reads: taken_up.reads,
        };
        let pack = self.rules.version(taken_up.pack);
        let pack = pack.ok_or_else(|| missing(format!("version {} of the rules", taken_up.pack)))?;
        let step = ledger::take_up(&before, &new, TakingUp::Rebuild, pack);
        if let Some(case) = self.cases.get_mut(&id) {
            case.part_of = activity.as_ref().and_then(|activity| activity.part_of);
            case.names(rows.iter().map(|(row, _)| row), activity.as_ref(), owner, no);
            case.confirms = activity.and_then(|activity| activity.confirms);
        }
        self.judged(id, step.after, None);
        self.hear(id, no);
        self.member_edited(step.canonical);
        self.post(id, &step.occasions, Told::FewerMinutes);
        Ok(())
    }

    fn member_edited(&mut self, canonical: Option<ActivityId>) {
        if let Some(case) = canonical.and_then(|canonical| self.cases.get_mut(&canonical)) {
            let after = ledger::member_edited(&case.judgement);
            if after != case.judgement {
                case.judgement = after;
                case.reason = reason(case, None, false);
            }
        }
    }

    /// Whom a record concerns as it is decided now.
    fn hear(&mut self, id: ActivityId, no: i64) {
        let concerned = concerned(&self.cases, id);
        if let Some(case) = self.cases.get_mut(&id) {
            case.hearing.counts(concerned, no);
        }
    }

    fn reply(&mut self, row: &journal::Model, spoken: Spoken) {
        let (kind, by, at_desk) = (spoken.kind, PartyId(spoken.party), spoken.at_desk);
        self.replies.play(row, spoken);
        let Some(case) = row.activity_id.and_then(|id| self.cases.get_mut(&ActivityId(id))) else { return };
        let holder = |party: PartyId| self.closings.holder(AccountId(party.0));
        let is_speaker = |party| holder(party) == holder(by);
        case.judgement = ledger::replied(&case.judgement, ledger::Reply { kind, by, at_desk }, is_speaker);
        case.replies += 1;
        if kind != ReplyKind::Message {
            case.reason = reason(case, None, false);
        }
        let into = case.judgement.merged_into.filter(|_| kind == ReplyKind::Decline);
        self.member_edited(into);
    }

    async fn base(&self, id: ActivityId, before: &Judgement) -> Result<Option<Reading>, FlowError> {
        let Some(covered) = &before.covered else { return Ok(None) };
        let row = store::activities::version(self.txn, self.neighbourhood, id, covered.base).await?;
        let reading: Option<Reading> = row.map(|row| serde_json::from_str(&row.reading)).transpose()?;
        Ok(reading.map(|reading| ledger::effective(&reading, &covered.reads)))
    }

    fn judged(&mut self, id: ActivityId, after: Judgement, decision: Option<&StoredDecision>) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.judgement = after;
            case.reason = reason(case, decision, decision.is_none());
            if let Some((occasion, _)) = case.judgement.claim() {
                case.part_of = Some(occasion);
            }
        }
    }

    /// The activity that an id stands for, once some were merged.
    fn standing_for(&self, id: ActivityId) -> ActivityId {
        self.cases.get(&id).and_then(|case| case.judgement.merged_into).unwrap_or(id)
    }

    /// Posts; where somebody has fewer minutes than before, and nothing else is told, `fewer` is.
    fn post(&mut self, id: ActivityId, occasions: &[ActivityId], fewer: Told) {
        let others = occasions.iter().map(|occasion| (self.standing_for(*occasion), Told::Shared));
        let told = std::iter::once((id, fewer)).chain(others.filter(|(occasion, _)| *occasion != id));
        let posted = |id: &ActivityId| self.cases.get(id).map(|case| case.judgement.posted.clone());
        let told: Vec<_> = told.map(|(id, told)| (id, told, posted(&id).unwrap_or_default())).collect();
        self.post_all(id, occasions);
        for (id, told, before) in told {
            let Some(case) = self.cases.get_mut(&id).filter(|case| case.reason.is_none()) else { continue };
            let holder = |account| self.closings.holder(account);
            if ledger::somebody_has_fewer(&before, &case.judgement.posted, holder) {
                case.reason = Some(Reason::Told(told));
            }
        }
    }

    fn post_all(&mut self, id: ActivityId, occasions: &[ActivityId]) {
        let occasions: Vec<ActivityId> = occasions.iter().map(|id| self.standing_for(*id)).collect();
        for id in std::iter::once(&id).chain(&occasions) {
            let claims = self.cases.iter().filter(|(part, _)| *part != id);
            let claims = claims.filter_map(|(_, case)| case.judgement.claim());
            let claims = claims.filter(|(occasion, _)| self.standing_for(*occasion) == *id);
            let parts: i64 = claims.map(|(_, minutes)| minutes).sum();
            let Some(case) = self.cases.get_mut(id) else { continue };
            let group = self.groups.contains(&case.owner);
            let holding = AccountId(if group { case.owner.0 } else { self.neighbourhood.0 });
            let posting = ledger::post(&case.judgement, self.neighbourhood, *id, parts, holding, |account| {
                self.closings.holder(account)
            });
            case.judgement = posting.after;
            let transfers = posting.transfers.iter();
            self.expected.extend(transfers.map(|transfer| (transfer.id.0, (*id, transfer.line.minutes))));
        }
    }

    /// Compares what was made with what is stored, and nothing else is there.
    async fn finish(
        mut self,
        tip: tip::Model,
        now_ms: i64,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<Lost, FlowError> {
        let (txn, neighbourhood) = (self.txn, self.neighbourhood);
        self.rules.compare(txn, rebuilt, mending);
        self.decisions.compare(txn, neighbourhood, rebuilt, mending).await?;
        compare_periods(self.periods, txn, neighbourhood, rebuilt, mending).await?;
        self.closings.compare(txn, neighbourhood, rebuilt, mending).await?;
        self.balances.finish(txn, neighbourhood, tip, rebuilt, mending).await?;
        if self.stuck {
            return Ok(Lost::new());
        }
        for (transfer, (id, minutes)) in std::mem::take(&mut self.expected) {
            rebuilt.transfers.add(Some(Difference {
                journal_no: None,
                about: format!("activity {id}"),
                expected: format!("transfer {transfer} of {minutes} minutes"),
                found: "none in the journal".to_owned(),
            }));
        }
        for part in self.numbers.chunks(ACTIVITIES) {
            mending.then.push(store::waiting::number(backend(txn), neighbourhood, part));
        }
        self.testimony.compare(txn, neighbourhood, rebuilt, mending).await?;
        self.doubts.compare(txn, neighbourhood, rebuilt, mending).await?;
        self.replies.compare(txn, neighbourhood, rebuilt, mending).await?;
        compare_named(&self.cases, txn, neighbourhood, rebuilt, mending).await?;
        judged::compare(self.cases, (txn, neighbourhood, now_ms), rebuilt, mending).await
    }
}
