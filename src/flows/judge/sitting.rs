//! A sitting: everything that one transaction of judging has loaded and will write, the tip locked.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

use super::super::FlowError;
use super::case::{Case, judgement_row};
use super::facts::People;
use super::hearing::concerned;
use super::near::Near;
use crate::app::App;
use crate::domain::ids::{AccountId, ActivityId, DaybookId, NeighbourhoodId, PartyId};
use crate::domain::reading::Value;
use crate::domain::rules::{Mode, RulePack};
use crate::ledger::{By, StoredDecision, chain};
use crate::metrics::Judged;
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::entity::{
    account, activity_version, decision, journal, judgement, named_party, tip, transfer,
};
use crate::store::neighbourhoods::ToJudge;

/// One transaction of judging.
pub struct Sitting<'a> {
    app: &'a App,
    txn: &'a Transaction,
    neighbourhood: NeighbourhoodId,
    pub zone: Tz,
    /// Of the names of versions.
    pub salt: Vec<u8>,
    pub pack: RulePack,
    /// Something was due when it began.
    pub(super) any_due: bool,
    /// Some party has an alias.
    pub(super) any_alias: bool,
    /// max(now, last posted): posting times never run backwards.
    pub posted_at_ms: i64,
    tip: tip::Model,
    cases: BTreeMap<ActivityId, Case>,
    /// Activities whose judgements were looked for: under the tip's lock nobody else makes one.
    looked_for: BTreeSet<ActivityId>,
    pub(super) accounts: BTreeMap<AccountId, account::Model>,
    /// Those of them that are to be written.
    pub(super) moved: BTreeSet<AccountId>,
    pub(super) transfers: Vec<transfer::Model>,
    /// Contribution minutes by account and day, per activity; what this sitting posts is in it.
    pub(super) days: BTreeMap<(AccountId, String), BTreeMap<ActivityId, i64>>,
    /// Accounts and days in `days` that were read from the database.
    pub(super) read_days: BTreeSet<(AccountId, String)>,
    pub(super) groups: BTreeSet<PartyId>,
    /// Whom was asked whether it is a group.
    asked: BTreeSet<PartyId>,
    /// The party that an id stands for, as far as it was looked up.
    pub(super) stands_for: BTreeMap<PartyId, PartyId>,
    /// Accounts looked up and not moved yet; nothing where there is none.
    pub(super) unmoved: BTreeMap<AccountId, Option<account::Model>>,
    pub(super) near: Near,
    numbered: Vec<(ActivityId, i64, i64)>,
    journal: Vec<journal::Model>,
    decisions: Vec<decision::Model>,
    judged: Judged,
}

impl<'a> Sitting<'a> {
    /// Locks the tip and reads the rules. Nothing if `wait` is false and another holds it.
    pub async fn open(
        app: &'a App,
        txn: &'a Transaction,
        neighbourhood: NeighbourhoodId,
        wait: bool,
    ) -> Result<Option<Self>, FlowError> {
        let Some(tip) = store::ledger::lock_tip(txn, neighbourhood, wait).await? else { return Ok(None) };
        let now_ms = app.now_in(neighbourhood);
        // Once the tip is locked: whoever changes one of these holds it too.
        let found = store::neighbourhoods::to_judge(txn, neighbourhood, now_ms).await?;
        let ToJudge { time_zone, salt, rules, any_due, any_alias } = found.ok_or(FlowError::NotFound)?;
        Ok(Some(Self {
            app,
            txn,
            neighbourhood,
            zone: time_zone.parse().map_err(|_| FlowError::internal("unknown time zone"))?,
            salt,
            pack: rules,
            any_due,
            any_alias,
            posted_at_ms: now_ms.max(tip.posted_at_ms),
            tip,
            cases: BTreeMap::new(),
            looked_for: BTreeSet::new(),
            accounts: BTreeMap::new(),
            moved: BTreeSet::new(),
            transfers: Vec::new(),
            days: BTreeMap::new(),
            read_days: BTreeSet::new(),
            groups: BTreeSet::new(),
            asked: BTreeSet::new(),
            stands_for: BTreeMap::new(),
            unmoved: BTreeMap::new(),
            near: Near::default(),
            numbered: Vec::new(),
            journal: Vec::new(),
            decisions: Vec::new(),
            judged: Judged::default(),
        }))
    }

    /// A party was given an alias meanwhile.
    pub(in crate::flows) fn note_alias(&mut self) {
        self.any_alias = true;
    }

    pub fn txn(&self) -> &'a Transaction {
        self.txn
    }

    pub fn neighbourhood(&self) -> NeighbourhoodId {
        self.neighbourhood
    }

    pub fn now_ms(&self) -> i64 {
        self.app.now_in(self.neighbourhood)
    }

    /// Anything, all equally likely.
    pub fn draw(&self) -> u64 {
        u64::from_be_bytes(self.app.random())
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.txn.get_database_backend()
    }

    /// Loads judgements, those of all parts of the same activities, and of what was merged with any of them.
    pub async fn load(&mut self, ids: &BTreeSet<ActivityId>) -> Result<(), FlowError> {
        let mut more: BTreeSet<ActivityId> = ids.difference(&self.looked_for).copied().collect();
        while !more.is_empty() {
            let merged = self.load_once(&more).await?;
            self.looked_for.append(&mut more);
            more = merged.difference(&self.looked_for).copied().collect();
        }
        Ok(())
    }

    /// Answers what was merged with what is loaded now, and is not loaded yet.
    async fn load_once(&mut self, ids: &BTreeSet<ActivityId>) -> Result<BTreeSet<ActivityId>, FlowError> {
        let mut rows = store::judgements::with_parts(self.txn, self.neighbourhood, ids).await?;
        if self.pack.mode == Mode::Peer {
            rows.extend(store::judgements::confirming(self.txn, self.neighbourhood, ids).await?);
        }
        let (mut owners, mut merged) = (BTreeSet::new(), BTreeSet::new());
        for row in rows {
            owners.insert(PartyId(row.party_id));
            if let Entry::Vacant(case) = self.cases.entry(ActivityId(row.activity_id)) {
                merged.extend(case.insert(Case::from_row(row)?).judgement.merged_with());
            }
        }
        self.load_owners(owners).await?;
        merged.retain(|id| !self.cases.contains_key(id));
        Ok(merged)
    }

    /// Notes which owners are groups: their daybooks' remainders are held by them.
    pub async fn load_owners(&mut self, owners: BTreeSet<PartyId>) -> Result<(), FlowError> {
        let new: BTreeSet<PartyId> = owners.difference(&self.asked).copied().collect();
        self.groups.extend(store::parties::groups_among(self.txn, self.neighbourhood, &new).await?);
        self.asked.extend(new);
        Ok(())
    }

    /// The same of owners that were loaded with the people.
    pub(super) fn note_owners(&mut self, owners: impl Iterator<Item = PartyId>, people: &People) {
        for (owner, group) in owners.filter_map(|owner| Some((owner, people.is_group(owner)?))) {
            self.asked.insert(owner);
            if group {
                self.groups.insert(owner);
            }
        }
    }

    pub fn case(&self, id: ActivityId) -> Option<&Case> {
        self.cases.get(&id)
    }

    pub fn cases(&self) -> impl Iterator<Item = (&ActivityId, &Case)> {
        self.cases.iter()
    }

    /// The case of an activity, made if there is none yet.
    pub fn case_or_new(&mut self, id: ActivityId, daybook: DaybookId, owner: PartyId) -> &mut Case {
        self.cases.entry(id).or_insert_with(|| Case::new(daybook, owner))
    }

    /// Changes a case; it is written at the end.
    pub fn change(&mut self, id: ActivityId, change: impl FnOnce(&mut Case)) {
        if let Some(case) = self.cases.get_mut(&id) {
            change(case);
            case.changed = true;
        }
    }

    /// Notes whom a record concerns as it is decided now, since a journal number that is about it. What was merged into
    /// it is loaded.
    pub(super) fn hear(&mut self, id: ActivityId, no: i64) {
        let concerned = concerned(&self.cases, id);
        if let Some(case) = self.cases.get_mut(&id) {
            case.changed |= case.hearing.counts(concerned, no);
        }
    }

    /// Whether a record concerns others than was noted.
    pub(super) fn concerns_others(&self, id: ActivityId) -> bool {
        let noted = self.cases.get(&id).map(|case| case.hearing.clone());
        noted.is_some_and(|mut noted| noted.counts(concerned(&self.cases, id), 0))
    }

    /// Gives the next journal number to something.
    pub fn number(
        &mut self,
        kind: &str,
        subject: Uuid,
        activity: Option<ActivityId>,
        body: &impl serde::Serialize,
    ) -> Result<i64, FlowError> {
        let no = self.tip.journal_no + 1;
        let mut salt = [0; 32];
        self.app.fill(&mut salt);
        let body = serde_json::to_string(body)?;
        let about = activity.map(|activity| activity.0);
        let entry = journal_entry(no, kind, subject, about, self.posted_at_ms, &body);
        let commitment = chain::commitment(&salt, &entry);
        let previous: [u8; 32] = self
            .tip
            .chain
            .as_slice()
            .try_into()
            .map_err(|_| FlowError::internal("the tip's chain is not 32 bytes"))?;
        let link = chain::link(&previous, &commitment);
        self.journal.push(journal::Model {
            neighbourhood_id: self.neighbourhood.0,
            no,
            kind: kind.to_owned(),
            subject_id: subject,
            activity_id: about,
            at_ms: self.posted_at_ms,
            body,
            salt: salt.to_vec(),
            commitment: commitment.to_vec(),
            chain: link.to_vec(),
        });
        self.tip.journal_no = no;
        self.tip.chain = link.to_vec();
        if let Some(case) = activity.and_then(|activity| self.cases.get_mut(&activity)) {
            case.noted(no, self.posted_at_ms);
            case.changed = true;
        }
        Ok(no)
    }

    /// Numbers a version that is taken up; `newest` is the last of those taken up with it, `reads` what of that
    /// one reads as settled.
    pub fn number_version(
        &mut self,
        row: &activity_version::Model,
        newest: i64,
        reads: &BTreeMap<String, Value>,
    ) -> Result<(), FlowError> {
        let mut body = serde_json::json!({
            "version": row.version,
            "newest": newest,
            "reading_hash": hex::encode(&row.reading_hash),
            "pack": self.pack.version,
        });
        if row.version == newest && !reads.is_empty() {
            body["reads"] = serde_json::to_value(reads)?;
        }
        self.judged.versions += 1;
        let activity = ActivityId(row.activity_id);
        let no = self.number("version", row.activity_id, Some(activity), &body)?;
        self.numbered.push((activity, row.version, no));
        Ok(())
    }

    /// Stores a decision, and answers the number that it gets.
    pub fn record(
        &mut self,
        activity: ActivityId,
        decided: &StoredDecision,
        decided_by: Option<PartyId>,
        request_hash: Option<Vec<u8>>,
    ) -> Result<i64, FlowError> {
        self.judged.decisions[decider(&decided.by)] += 1;
        let no = self.number("decision", decided.id.0, Some(activity), decided)?;
        self.decisions.push(decision::Model {
            neighbourhood_id: self.neighbourhood.0,
            id: decided.id.0,
            activity_id: activity.0,
            version: decided.version,
            seq: decided.seq,
            step: step_name(decided)?,
            decided_by: decided_by.map(|party| party.0),
            pack_version: Some(decided.pack_version),
            reason: decided.reason.clone(),
            request_hash,
            batch_id: None,
            journal_no: no,
            decided_at_ms: self.posted_at_ms,
        });
        Ok(no)
    }

    /// Whether this sitting has taken a version up.
    pub fn has_taken_up(&self, row: &activity_version::Model) -> bool {
        let of_it = self.numbered.iter().filter(|(id, _, _)| id.0 == row.activity_id);
        of_it.clone().any(|(_, version, _)| *version == row.version)
    }

    /// What was posted so far, in order.
    pub fn posted(&self) -> &[transfer::Model] {
        &self.transfers
    }

    /// The decisions of people and rules so far, in order.
    pub fn decided(&self) -> &[decision::Model] {
        &self.decisions
    }

    /// Notes which batch the decisions so far belong to.
    pub fn in_batch(&mut self, batch: Uuid) {
        let sent = self.decisions.iter_mut().filter(|decision| decision.request_hash.is_some());
        sent.for_each(|decision| decision.batch_id = Some(batch));
    }

    /// Moves the totals of the commons by a posted line.
    pub(super) fn move_commons(&mut self, contribution: i64, credit: i64) {
        self.tip.contribution += contribution;
        self.tip.credit += credit;
    }

    /// What was numbered so far and refers to nothing that is still to be written, to be sent while the sitting goes
    /// on. Nothing on SQLite, where all travels as one call.
    pub fn settled(&mut self) -> Batch {
        let mut batch = Batch::default();
        if self.backend() == DbBackend::Postgres {
            self.write_numbered(&mut batch);
        }
        batch
    }

    /// What does not change once it is numbered, with the accounts as they are then.
    fn write_numbered(&mut self, batch: &mut Batch) {
        let backend = self.backend();
        self.judged.postings += u64::try_from(self.transfers.len()).unwrap_or(u64::MAX);
        let numbered = std::mem::take(&mut self.numbered);
        for part in numbered.chunks(400) {
            batch.push(store::waiting::number(backend, self.neighbourhood, part));
        }
        let moved = std::mem::take(&mut self.moved);
        let accounts: Vec<_> = moved.iter().filter_map(|id| self.accounts.get(id)).cloned().collect();
        if !accounts.is_empty() {
            batch.push(store::ledger::upsert_accounts(backend, accounts));
        }
        batch.insert::<transfer::Entity>(backend, std::mem::take(&mut self.transfers));
        batch.insert::<decision::Entity>(backend, std::mem::take(&mut self.decisions));
        batch.insert::<journal::Entity>(backend, std::mem::take(&mut self.journal));
    }

    /// Writes everything, in an order that foreign keys allow. Answers what to count once it is committed.
    pub async fn close(mut self) -> Result<Judged, FlowError> {
        let backend = self.backend();
        let mut batch = Batch::default();
        self.write_numbered(&mut batch);
        let mut judged = std::mem::take(&mut self.judged);
        let changed = self.cases.values().filter(|case| case.changed);
        judged.reviews = changed.clone().map(|case| case.judgement.review()).collect();
        let now_ms = self.now_ms();
        judged.any_due = changed.filter_map(|case| case.due_at_ms).any(|due_at_ms| due_at_ms <= now_ms);
        let rows = self.judgement_rows()?;
        for part in rows.chunks(400) {
            batch.push(store::judgements::upsert(backend, part));
        }
        for part in self.named_rows().await?.chunks(400) {
            batch.push(store::replies::write_named(backend, part.to_vec()));
        }
        for (id, case) in self.cases.iter().filter(|(_, case)| case.changed) {
            for part in case.forgotten().chunks(400) {
                batch.push(store::replies::forget_named(backend, self.neighbourhood, *id, part));
            }
        }
        self.write_near(&mut batch)?;
        self.tip.posted_at_ms = self.posted_at_ms;
        batch.push(store::ledger::update_tip(backend, self.tip));
        batch.execute(self.txn).await?;
        Ok(judged)
    }

    async fn named_rows(&mut self) -> Result<Vec<named_party::Model>, FlowError> {
        let changed = self.cases.iter_mut().filter(|(_, case)| case.changed && !case.hearing.is_empty());
        let mut naming: BTreeMap<ActivityId, &mut Case> = changed.map(|(id, case)| (*id, case)).collect();
        let unknown = naming.iter().filter(|(_, case)| case.received_at_ms.is_none());
        let unknown: BTreeSet<ActivityId> = unknown.map(|(id, _)| *id).collect();
        for (id, at_ms) in store::activities::received(self.txn, self.neighbourhood, &unknown).await? {
            naming.entry(id).and_modify(|case| case.received_at_ms = Some(at_ms));
        }
        Ok(naming.iter().flat_map(|(id, case)| case.changed_named_rows(self.neighbourhood, *id)).collect())
    }

    fn judgement_rows(&self) -> Result<Vec<judgement::Model>, FlowError> {
        let changed = self.cases.iter().filter(|(_, case)| case.changed);
        changed.map(|(id, case)| judgement_row(self.neighbourhood, *id, case)).collect()
    }
}

/// The place of a decider in [`Judged::decisions`].
fn decider(by: &By) -> usize {
    match by {
        By::Rule => 0,
        By::Person(_) => 1,
        By::Daybook => 2,
    }
}

fn step_name(decided: &StoredDecision) -> Result<String, FlowError> {
    Ok(serde_json::to_value(decided.step)?.as_str().unwrap_or_default().to_owned())
}

/// The bytes that a journal row commits to: all of it but salt and chain.
#[must_use]
pub fn journal_entry(
    no: i64,
    kind: &str,
    subject: Uuid,
    activity: Option<Uuid>,
    at_ms: i64,
    body: &str,
) -> Vec<u8> {
    let activity = activity.map(|id| id.to_string()).unwrap_or_default();
    let fields: [(&str, &[u8]); 3] =
        [("activity", activity.as_bytes()), ("at_ms", &at_ms.to_be_bytes()), ("body", body.as_bytes())];
    chain::entry(no, kind, &subject.to_string(), &fields)
}
