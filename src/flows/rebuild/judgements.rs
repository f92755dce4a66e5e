//! Judgements again, from the journal in its order: versions taken up, decisions applied, postings compared
//! with the transfers that were numbered; the chain is followed on the way.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DbErr;

use super::super::FlowError;
use super::super::judge::{Case, journal_entry, judgement_row, reason, times, withdrawn};
use super::balances::{Balances, posted_for};
use super::closings::Closings;
use super::doubts::Doubts;
use super::entry::{Entry, TakenUp, decision_row};
use super::said::{Replies, Spoken, compare_named};
use super::{Difference, Mode, ROWS, Rebuilt, backend};
use crate::domain::activity::Activity;
use crate::domain::ids::{AccountId, ActivityId, DaybookId, DecisionId, NeighbourhoodId, PartyId, PeriodId};
use crate::domain::reading::Reading;
use crate::domain::reply::ReplyKind;
use crate::domain::rules::RulePack;
use crate::domain::suspicion::{Origin, near};
use crate::ledger::{self, Changed, Judgement, NewVersion, StoredDecision, TakingUp, chain};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::entity::{activity_version, closed_period, journal, tip, transfer};

/// The journal replayed.
struct Replay<'a> {
    txn: &'a Transaction,
    neighbourhood: NeighbourhoodId,
    zone: chrono_tz::Tz,
    /// By version: each version was taken up by the pack in force then.
    packs: BTreeMap<i64, RulePack>,
    cases: BTreeMap<ActivityId, Case>,
    groups: BTreeSet<PartyId>,
    /// Versions of the activity that is being taken up.
    taking_up: Vec<(activity_version::Model, Reading)>,
    /// Transfers that a posting asks for and the journal has not shown yet: of which activity, and minutes.
    expected: BTreeMap<uuid::Uuid, (ActivityId, i64)>,
    balances: Balances,
    doubts: Doubts,
    replies: Replies,
    periods: BTreeSet<uuid::Uuid>,
    closings: Closings,
    /// Once an entry could not be replayed, none that follows is: it would differ for that alone.
    stuck: bool,
    link: [u8; 32],
    no: i64,
    at_ms: i64,
}

/// Why an entry cannot be replayed: what it stands on, and what of that is there.
enum Stuck {
    At { expected: String, found: String },
    Failed(FlowError),
}

impl From<FlowError> for Stuck {
    fn from(error: FlowError) -> Self {
        Self::Failed(error)
    }
}

impl From<DbErr> for Stuck {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

fn missing(what: String) -> Stuck {
    Stuck::At { expected: what, found: "none".to_owned() }
}

/// Rebuilds and compares.
pub async fn rebuild(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    tip: tip::Model,
    mode: Mode,
    rebuilt: &mut Rebuilt,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let mut replay = Replay::new(txn, neighbourhood).await?;
    loop {
        let rows = store::ledger::journal_after(txn, neighbourhood, replay.no, ROWS).await?;
        if rows.is_empty() {
            break;
        }
        let ids: Vec<_> =
            rows.iter().filter(|row| row.kind == "transfer").map(|row| row.subject_id).collect();
        let transfers = store::ledger::transfers_of(txn, neighbourhood, &ids).await?;
        let transfers: BTreeMap<_, _> = transfers.into_iter().map(|row| (row.id, row)).collect();
        for row in rows {
            let difference = replay.follow_chain(&row);
            rebuilt.journal.add(difference);
            match replay.play(&row, &transfers, rebuilt).await {
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
    rebuilt.journal.add(replay.compare_tip(&tip));
    replay.compare_periods(rebuilt).await?;
    std::mem::take(&mut replay.closings).compare(txn, neighbourhood, rebuilt).await?;
    if !replay.stuck {
        std::mem::take(&mut replay.doubts).compare(txn, neighbourhood, rebuilt, batch).await?;
        std::mem::take(&mut replay.replies).compare(txn, neighbourhood, rebuilt, batch).await?;
        compare_named(&replay.cases, txn, neighbourhood, rebuilt, batch).await?;
        replay.compare(rebuilt, batch).await?;
    }
    replay.balances.finish(txn, neighbourhood, tip, rebuilt, batch).await
}

/// What an entry is about, in words.
fn about(row: &journal::Model) -> String {
    match row.activity_id {
        Some(id) => format!("{} of activity {id}", row.kind),
        None => format!("{} {}", row.kind, row.subject_id),
    }
}

impl<'a> Replay<'a> {
    async fn new(txn: &'a Transaction, neighbourhood: NeighbourhoodId) -> Result<Self, FlowError> {
        let tenant = store::neighbourhoods::find(txn, neighbourhood).await?.ok_or(FlowError::NotFound)?;
        Ok(Self {
            txn,
            neighbourhood,
            zone: tenant.time_zone.parse().map_err(|_| FlowError::internal("unknown time zone"))?,
            packs: store::neighbourhoods::all_rules(txn, neighbourhood).await?,
            cases: BTreeMap::new(),
            groups: store::parties::groups(txn, neighbourhood).await?,
            taking_up: Vec::new(),
            expected: BTreeMap::new(),
            balances: Balances::default(),
            doubts: Doubts::default(),
            replies: Replies::default(),
            periods: BTreeSet::new(),
            closings: Closings::default(),
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
            journal_no: Some(row.no),
            about: about(row),
            expected: format!("{what} {expected}"),
            found,
        })
    }

    async fn play(
        &mut self,
        row: &journal::Model,
        transfers: &BTreeMap<uuid::Uuid, transfer::Model>,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), Stuck> {
        let entry = Entry::read(row).map_err(|error| Stuck::At {
            expected: format!("a body of the kind {}", row.kind),
            found: error.to_string(),
        })?;
        if let Entry::Decision(decided) = &entry {
            let there = store::judgements::find_decision(self.txn, self.neighbourhood, decided.id).await?;
            let again = decision_row(row, decided, there.as_ref()).map_err(FlowError::internal)?;
            let difference = Difference::between(Some(row.no), about(row), Some(&again), there.as_ref());
            rebuilt.decisions.add(difference);
        }
        match entry {
            Entry::Period(period) => self.period(period, rebuilt).await?,
            Entry::PartyAlias(alias) => {
                self.closings.alias(self.txn, row, &alias, &self.balances, rebuilt).await?;
                let theirs = self.cases.values_mut().filter(|case| case.owner == alias.alias);
                theirs.for_each(|case| case.owner = alias.party);
            }
            Entry::AccountClosed(closed) => {
                self.closings.closing(self.txn, row, *closed, &mut self.balances, rebuilt).await?;
            }
            Entry::Transfer(transfer) => {
                if transfer.activity_id.is_none() {
                    self.closings.leg(&transfer, rebuilt);
                } else if !self.stuck {
                    self.expected_transfer(&transfer, rebuilt);
                }
                self.balances.follow(*transfer, transfers.get(&row.subject_id), rebuilt);
            }
            _ if self.stuck => {}
            Entry::Version(taken_up) => self.version(row, taken_up, rebuilt).await?,
            Entry::Decision(decision) => self.decision(row, &decision),
            Entry::Suspicion(noted) => self.doubts.play(row, *noted),
            Entry::Reply(spoken) => self.reply(row, *spoken),
            Entry::Other => {}
        }
        if let Some(case) = row.activity_id.and_then(|id| self.cases.get_mut(&ActivityId(id))) {
            case.noted(row.no, row.at_ms);
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

    /// A closed period is what was numbered.
    async fn period(&mut self, again: closed_period::Model, rebuilt: &mut Rebuilt) -> Result<(), FlowError> {
        self.periods.insert(again.id);
        let there = store::periods::find(self.txn, self.neighbourhood, PeriodId(again.id)).await?;
        let about = format!("period {}", again.id);
        let difference = Difference::between(Some(again.journal_no), about, Some(&again), there.as_ref());
        rebuilt.periods.add(difference);
        Ok(())
    }

    /// No other period is closed.
    async fn compare_periods(&self, rebuilt: &mut Rebuilt) -> Result<(), FlowError> {
        for row in store::periods::page(self.txn, self.neighbourhood, None, ROWS).await? {
            if !self.periods.contains(&row.id) {
                let about = format!("period {}", row.id);
                rebuilt.periods.add(Difference::between(Some(row.journal_no), about, None, Some(&row)));
            }
        }
        Ok(())
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
        self.post(activity, &step.occasions);
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
        let numbered = (stored.journal_no, hex::encode(&stored.reading_hash));
        if numbered != (Some(row.no), taken_up.reading_hash.clone()) {
            rebuilt.versions.name(Difference {
                journal_no: Some(row.no),
                about: format!("version {number} of activity {id}"),
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
            has_parts: false,
            decision: DecisionId(uuid::Uuid::nil()),
            rule: ledger::RuleFacts::default(),
            reads: taken_up.reads,
        };
        let pack = self.packs.get(&taken_up.pack);
        let pack = pack.ok_or_else(|| missing(format!("version {} of the rules", taken_up.pack)))?;
        let step = ledger::take_up(&before, &new, TakingUp::Rebuild, pack);
        if let Some(case) = self.cases.get_mut(&id) {
            case.part_of = activity.as_ref().and_then(|activity| activity.part_of);
            case.names(rows.iter().map(|(row, _)| row), activity.as_ref(), owner, no);
            case.confirms = activity.and_then(|activity| activity.confirms);
        }
        self.judged(id, step.after, None);
        self.member_edited(step.canonical);
        self.post(id, &step.occasions);
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

    fn reply(&mut self, row: &journal::Model, spoken: Spoken) {
        let (kind, at_desk) = (spoken.kind, spoken.at_desk);
        self.replies.play(row, spoken);
        let Some(case) = row.activity_id.and_then(|id| self.cases.get_mut(&ActivityId(id))) else { return };
        case.judgement = ledger::replied(&case.judgement, ledger::Reply { kind, at_desk });
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

    fn post(&mut self, id: ActivityId, occasions: &[ActivityId]) {
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

    /// Compares with the stored judgements. What has to be checked, which depended on others at the time, and
    /// when to look again, are kept.
    async fn compare(&mut self, rebuilt: &mut Rebuilt, batch: &mut Batch) -> Result<(), FlowError> {
        for (transfer, (id, minutes)) in std::mem::take(&mut self.expected) {
            rebuilt.transfers.add(Some(Difference {
                journal_no: None,
                about: format!("activity {id}"),
                expected: format!("transfer {transfer} of {minutes} minutes"),
                found: "none in the journal".to_owned(),
            }));
        }
        let mut differing = Vec::new();
        let ids: BTreeSet<ActivityId> = self.cases.keys().copied().collect();
        let stored = store::judgements::of_ids(self.txn, self.neighbourhood, &ids).await?;
        let mut stored: BTreeMap<_, _> =
            stored.into_iter().map(|row| (ActivityId(row.activity_id), row)).collect();
        for (id, case) in &self.cases {
            let mut again = judgement_row(self.neighbourhood, *id, case)?;
            let there = stored.remove(id);
            if let Some(there) = &there {
                if again.reason_code.is_none() {
                    again.reason_code.clone_from(&there.reason_code);
                    again.reason_text.clone_from(&there.reason_text);
                }
                again.due_at_ms = there.due_at_ms;
                again.doubts.clone_from(&there.doubts);
                again.waits_since_ms = there.waits_since_ms;
            }
            let difference = Difference::between(
                Some(case.journal_no),
                format!("activity {id}"),
                Some(&again),
                there.as_ref(),
            );
            differing.extend(difference.is_some().then_some(again));
            rebuilt.judgements.add(difference);
        }
        for part in differing.chunks(400) {
            batch.push(store::judgements::upsert(backend(self.txn), part));
        }
        Ok(())
    }
}
