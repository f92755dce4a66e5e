//! Judgements again, from the journal in its order: versions taken up, decisions applied, postings compared
//! with the transfers that were written. Balances again from the transfers.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::super::judge::{Case, journal_entry, judgement_row, reason, times, withdrawn};
use super::doubts::Doubts;
use super::{Rebuilt, backend};
use crate::domain::activity::Activity;
use crate::domain::ids::{AccountId, ActivityId, DaybookId, DecisionId, NeighbourhoodId, PartyId};
use crate::domain::reading::{Reading, Value};
use crate::domain::rules::RulePack;
use crate::domain::suspicion::{Origin, near};
use crate::ledger::{self, Changed, Judgement, NewVersion, StoredDecision, TakingUp, chain};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::entity::{account, activity_version, journal, tip, transfer};

/// Rows read at once.
const ROWS: u64 = 1_000;

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
    /// Transfers that a posting asks for and the journal has not shown yet.
    expected: BTreeMap<uuid::Uuid, i64>,
    doubts: Doubts,
    link: [u8; 32],
    no: i64,
}

/// Rebuilds and compares.
pub async fn rebuild(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    tip: tip::Model,
    rebuilt: &mut Rebuilt,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let tenant = store::neighbourhoods::find(txn, neighbourhood).await?.ok_or(FlowError::NotFound)?;
    let mut replay = Replay {
        txn,
        neighbourhood,
        zone: tenant.time_zone.parse().map_err(|_| FlowError::internal("unknown time zone"))?,
        packs: store::neighbourhoods::all_rules(txn, neighbourhood).await?,
        cases: BTreeMap::new(),
        groups: store::parties::groups(txn, neighbourhood).await?,
        taking_up: Vec::new(),
        expected: BTreeMap::new(),
        doubts: Doubts::default(),
        link: chain::genesis(neighbourhood),
        no: 0,
    };
    loop {
        let rows = store::ledger::journal_after(txn, neighbourhood, replay.no, ROWS).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let linked = replay.follow_chain(&row);
            rebuilt.journal.add(linked, || format!("number {}", row.no));
            replay.play(&row, rebuilt).await?;
        }
    }
    for id in std::mem::take(&mut replay.expected).into_keys() {
        rebuilt.transfers.add(false, || format!("{id} was never written"));
    }
    std::mem::take(&mut replay.doubts).compare(txn, neighbourhood, rebuilt, batch).await?;
    replay.compare(rebuilt, batch).await?;
    balances(txn, neighbourhood, tip, rebuilt, batch).await
}

impl Replay<'_> {
    /// Whether a row is the next one of the chain, and says what it committed to.
    fn follow_chain(&mut self, row: &journal::Model) -> bool {
        let entry = journal_entry(row.no, &row.kind, row.subject_id, row.activity_id, row.at_ms, &row.body);
        let salt: Option<[u8; 32]> = row.salt.as_slice().try_into().ok();
        let commitment = salt.map(|salt| chain::commitment(&salt, &entry));
        let committed: [u8; 32] = row.commitment.as_slice().try_into().unwrap_or([0; 32]);
        let link = chain::link(&self.link, &committed);
        let good = row.no == self.no + 1 && commitment == Some(committed) && row.chain == link;
        self.no = row.no;
        self.link = row.chain.as_slice().try_into().unwrap_or(link);
        good
    }

    async fn play(&mut self, row: &journal::Model, rebuilt: &mut Rebuilt) -> Result<(), FlowError> {
        if row.kind == "suspicion" {
            return self.doubts.play(row);
        }
        let Some(activity) = row.activity_id.map(ActivityId) else { return Ok(()) };
        match row.kind.as_str() {
            "version" => self.version(activity, row).await?,
            "decision" => {
                let decision: StoredDecision = serde_json::from_str(&row.body)?;
                let before = self.cases.get(&activity).map(|case| case.judgement.clone()).unwrap_or_default();
                let after = ledger::apply(&before, &decision);
                let step = ledger::Step::new(&before, after, None);
                self.judged(activity, step.after, Some(&decision));
                self.post(activity, &step.occasions);
            }
            "transfer" => {
                let minutes = serde_json::from_str::<serde_json::Value>(&row.body)?["minutes"].as_i64();
                let expected = self.expected.remove(&row.subject_id);
                let same = expected.is_some() && expected == minutes;
                rebuilt.transfers.add(same, || format!("{} of activity {activity}", row.subject_id));
            }
            _ => {}
        }
        if let Some(case) = self.cases.get_mut(&activity) {
            case.noted(row.no, row.at_ms);
        }
        Ok(())
    }

    /// A version: once the newest of those taken up together is there, they are taken up.
    async fn version(&mut self, id: ActivityId, row: &journal::Model) -> Result<(), FlowError> {
        let body: serde_json::Value = serde_json::from_str(&row.body)?;
        let number = body["version"].as_i64().unwrap_or_default();
        let stored = store::activities::version(self.txn, self.neighbourhood, id, number).await?;
        let stored =
            stored.ok_or_else(|| FlowError::internal(format!("version {number} of {id} is missing")))?;
        let reading = serde_json::from_str(&stored.reading)?;
        self.taking_up.push((stored, reading));
        if body["newest"].as_i64() != Some(number) {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.taking_up);
        let Some((newest, reading)) = rows.last() else { return Ok(()) };
        let (daybook, owner) = (DaybookId(newest.daybook_id), PartyId(newest.party_id));
        let case = self.cases.entry(id).or_insert_with(|| Case::new(daybook, owner));
        let before = case.judgement.clone();
        let base = self.base(id, &before).await?;
        let reads: BTreeMap<String, Value> = body
            .get("reads")
            .map(|reads| serde_json::from_value(reads.clone()))
            .transpose()?
            .unwrap_or_default();
        let effective = ledger::effective(reading, &reads);
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
            reads,
        };
        let pack = body["pack"].as_i64().and_then(|version| self.packs.get(&version));
        let pack =
            pack.ok_or_else(|| FlowError::internal(format!("the rules at number {} are missing", row.no)))?;
        let step = ledger::take_up(&before, &new, TakingUp::Rebuild, pack);
        if let Some(case) = self.cases.get_mut(&id) {
            case.part_of = activity.as_ref().and_then(|activity| activity.part_of);
            case.confirms = activity.and_then(|activity| activity.confirms);
        }
        self.judged(id, step.after, None);
        if let Some(case) = step.canonical.and_then(|canonical| self.cases.get_mut(&canonical)) {
            let after = ledger::member_edited(&case.judgement);
            if after != case.judgement {
                case.judgement = after;
                case.reason = reason(case, None, false);
            }
        }
        self.post(id, &step.occasions);
        Ok(())
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
            let posting = ledger::post(&case.judgement, self.neighbourhood, *id, parts, holding);
            case.judgement = posting.after;
            self.expected
                .extend(posting.transfers.iter().map(|transfer| (transfer.id.0, transfer.line.minutes)));
        }
    }

    /// Compares with the stored judgements. What has to be checked, which depended on others at the time, and
    /// when to look again, are kept.
    async fn compare(self, rebuilt: &mut Rebuilt, batch: &mut Batch) -> Result<(), FlowError> {
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
            let same = there.as_ref() == Some(&again);
            rebuilt.judgements.add(same, || id.to_string());
            if !same {
                differing.push(again);
            }
        }
        for part in differing.chunks(400) {
            batch.push(store::judgements::upsert(backend(self.txn), part.to_vec()));
        }
        Ok(())
    }
}

/// Accounts and the totals of the commons, from the transfers in the order of the journal.
async fn balances(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    tip: tip::Model,
    rebuilt: &mut Rebuilt,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let mut sums: BTreeMap<uuid::Uuid, (i64, i64)> = BTreeMap::new();
    let (mut after, mut commons) = (0, (0, 0));
    loop {
        let rows = store::ledger::transfers_after(txn, neighbourhood, after, ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = last.journal_no;
        for row in rows {
            let sum = sums.entry(row.account_id).or_default();
            let (own, common) = if row.asset == "credit" {
                (&mut sum.1, &mut commons.1)
            } else {
                (&mut sum.0, &mut commons.0)
            };
            *own += row.minutes;
            *common -= row.minutes;
            if row.balance_after != *own {
                rebuilt.transfers.add(false, || format!("balance after {}", row.id));
                let right = transfer::Model { balance_after: *own, ..row };
                batch.push(store::ledger::rewrite_balance(backend(txn), &right));
            }
        }
    }
    let ids: BTreeSet<AccountId> = sums.keys().copied().map(AccountId).collect();
    let mut wrong = Vec::new();
    for row in store::ledger::accounts_of(txn, neighbourhood, &ids).await? {
        let (contribution, credit) = sums.get(&row.id).copied().unwrap_or_default();
        let same = (row.contribution, row.credit) == (contribution, credit);
        rebuilt.accounts.add(same, || row.id.to_string());
        if !same {
            wrong.push(account::Model { contribution, credit, ..row });
        }
    }
    if !wrong.is_empty() {
        batch.push(store::ledger::upsert_accounts(backend(txn), wrong));
    }
    let same = (tip.contribution, tip.credit) == commons;
    rebuilt.accounts.add(same, || "the commons".to_owned());
    if !same {
        let right = tip::Model { contribution: commons.0, credit: commons.1, ..tip };
        batch.push(store::ledger::update_tip(backend(txn), right));
    }
    Ok(())
}
