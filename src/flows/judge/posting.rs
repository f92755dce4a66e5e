//! Posting: brings what stands in the ledger to the target, for an activity and its occasion.

use std::collections::BTreeSet;

use super::super::FlowError;
use super::facts::People;
use super::sitting::Sitting;
use crate::domain::ids::{AccountId, ActivityId, PartyId};
use crate::ledger::{self, Asset, Decided, Transfer};
use crate::store;
use crate::store::entity::{account, transfer};

impl Sitting<'_> {
    /// Posts an activity and then every occasion whose remainder may have moved. Both must be loaded.
    pub async fn post(&mut self, id: ActivityId, occasions: &[ActivityId]) -> Result<(), FlowError> {
        let mut ids = vec![id];
        ids.extend(occasions.iter().map(|occasion| self.standing_for(*occasion)));
        for id in ids {
            self.post_one(id).await?;
        }
        Ok(())
    }

    /// Whose an account is by now, as far as it was looked up.
    pub(super) fn holder(&self, account: AccountId) -> AccountId {
        self.stands_for.get(&PartyId(account.0)).map_or(account, |party| AccountId(party.0))
    }

    /// The activity that an id stands for, once some were merged.
    pub(super) fn standing_for(&self, id: ActivityId) -> ActivityId {
        self.case(id).and_then(|case| case.judgement.merged_into).unwrap_or(id)
    }

    async fn post_one(&mut self, id: ActivityId) -> Result<(), FlowError> {
        let Some(case) = self.case(id) else { return Ok(()) };
        let parts = self.parts_minutes(id);
        let holding = self.holding(case.owner);
        let target = ledger::target(&case.judgement, parts, holding);
        let accounts: BTreeSet<AccountId> =
            target.iter().chain(&case.judgement.posted).map(|line| line.account).collect();
        for account in accounts {
            self.resolve_account(account).await?;
        }
        let Some(case) = self.case(id) else { return Ok(()) };
        let holder = |account| self.holder(account);
        let posting = ledger::post(&case.judgement, self.neighbourhood(), id, parts, holding, holder);
        if posting.after == case.judgement {
            return Ok(());
        }
        self.change(id, |case| case.judgement = posting.after);
        for transfer in posting.transfers {
            self.transfer(id, transfer).await?;
        }
        Ok(())
    }

    /// Σ of what the approved parts of an occasion take from its total.
    pub(super) fn parts_minutes(&self, occasion: ActivityId) -> i64 {
        self.claims(occasion).map(|(_, minutes)| minutes).sum()
    }

    /// The approved parts of an occasion with their minutes.
    pub(super) fn claims(&self, occasion: ActivityId) -> impl Iterator<Item = (ActivityId, i64)> {
        self.cases().filter_map(move |(id, case)| {
            let (of, minutes) = case.judgement.claim()?;
            (self.standing_for(of) == occasion && *id != occasion).then_some((*id, minutes))
        })
    }

    /// Where remainders of a party's daybooks stand: with the group, else with the neighbourhood.
    fn holding(&self, owner: PartyId) -> AccountId {
        if self.groups.contains(&owner) { AccountId(owner.0) } else { AccountId(self.neighbourhood().0) }
    }

    async fn transfer(&mut self, activity: ActivityId, transfer: Transfer) -> Result<(), FlowError> {
        let line = transfer.line.clone();
        let account = line.account;
        self.load_account(account).await?;
        let balance_after = self.add(account, line.asset, line.minutes);
        let body = serde_json::json!({
            "account": account, "asset": line.asset, "minutes": line.minutes, "day": line.day,
            "kind": line.kind, "phase": line.phase, "programme": line.programme, "place": line.place,
            "capacity": line.capacity, "posting_seq": transfer.posting_seq, "line_no": transfer.line_no,
            "balance_after": balance_after,
        });
        let journal_no = self.number("transfer", transfer.id.0, Some(activity), &body)?;
        let day = line.day.to_string();
        if line.asset == Asset::Contribution {
            let minutes = self.days.entry((account, day.clone())).or_default().entry(activity).or_default();
            *minutes += line.minutes;
        }
        self.transfers.push(transfer::Model {
            neighbourhood_id: self.neighbourhood().0,
            id: transfer.id.0,
            activity_id: Some(activity.0),
            posting_seq: transfer.posting_seq,
            line_no: transfer.line_no,
            account_id: account.0,
            asset: word(&line.asset)?,
            minutes: line.minutes,
            balance_after,
            kind: Some(word(&line.kind)?),
            phase: Some(word(&line.phase)?),
            programme: line.programme,
            place: line.place,
            day,
            capacity: Some(word(&line.capacity)?),
            journal_no,
            posted_at_ms: self.posted_at_ms,
            cause: None,
            counter_account_id: None,
            reason: None,
        });
        Ok(())
    }

    /// Looks up the accounts that judging may move, at once.
    pub(super) async fn load_accounts(&mut self, people: &People) -> Result<(), FlowError> {
        self.stands_for.extend(people.aliases());
        let mut ids: BTreeSet<AccountId> = people.parties().map(|party| AccountId(party.0)).collect();
        ids.insert(AccountId(self.neighbourhood().0));
        self.look_up(ids).await
    }

    pub(super) async fn look_up(&mut self, ids: BTreeSet<AccountId>) -> Result<(), FlowError> {
        let rows = store::ledger::accounts_of(self.txn(), self.neighbourhood(), &ids).await?;
        self.unmoved.extend(ids.into_iter().map(|id| (id, None)));
        self.unmoved.extend(rows.into_iter().map(|row| (AccountId(row.id), Some(row))));
        Ok(())
    }

    /// What was decided about a record that is loaded, with the accounts that its lines stand for now.
    pub fn as_of_now(&self, decided: &Decided) -> Decided {
        decided.under(|account| self.holder(account))
    }

    /// Lines keep the party that they froze; the account it stands for now is looked up when posting.
    async fn resolve_account(&mut self, account: AccountId) -> Result<(), FlowError> {
        let party = PartyId(account.0);
        if self.stands_for.contains_key(&party) {
            return Ok(());
        }
        let found =
            store::parties::resolve(self.txn(), self.neighbourhood(), &BTreeSet::from([party])).await?;
        let stands_for = found.get(&party).map_or(party, |(party, _)| *party);
        self.stands_for.insert(party, stands_for);
        Ok(())
    }

    pub(super) async fn load_account(&mut self, id: AccountId) -> Result<(), FlowError> {
        if self.accounts.contains_key(&id) {
            return Ok(());
        }
        if !self.unmoved.contains_key(&id) {
            self.look_up(BTreeSet::from([id])).await?;
        }
        let holding = id.0 == self.neighbourhood().0;
        let row = self.unmoved.remove(&id).flatten().unwrap_or_else(|| account::Model {
            neighbourhood_id: self.neighbourhood().0,
            id: id.0,
            kind: if holding { "holding" } else { "party" }.to_owned(),
            contribution: 0,
            credit: 0,
            created_at_ms: self.posted_at_ms,
            closed_at_ms: None,
        });
        self.accounts.insert(id, row);
        self.moved.insert(id);
        Ok(())
    }

    /// Adds minutes to an account and takes them from the commons; answers the balance afterwards.
    pub(super) fn add(&mut self, id: AccountId, asset: Asset, minutes: i64) -> i64 {
        let contribution = asset == Asset::Contribution;
        let (of_contribution, of_credit) = if contribution { (minutes, 0) } else { (0, minutes) };
        self.move_commons(-of_contribution, -of_credit);
        self.moved.insert(id);
        let Some(account) = self.accounts.get_mut(&id) else { return minutes };
        account.contribution += of_contribution;
        account.credit += of_credit;
        if contribution { account.contribution } else { account.credit }
    }
}

/// The word that a value is stored and shown by.
pub(super) fn word(value: &impl serde::Serialize) -> Result<String, FlowError> {
    Ok(serde_json::to_value(value)?.as_str().unwrap_or_default().to_owned())
}
