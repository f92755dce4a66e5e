//! What the neighbourhood's caps leave of the minutes on cards.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::error::ApiResult;
use crate::app::{Access, App};
use crate::domain::ids::{AccountId, ActivityId, PartyId};
use crate::domain::suspicion::Record;
use crate::store;

/// By record, the most minutes that caps leave each of its people beside what other records gave them on its day.
/// Empty, and nothing is read, without caps.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn rooms<'a>(
    app: &App,
    access: &Access,
    records: impl Iterator<Item = &'a Record> + Clone,
) -> ApiResult<BTreeMap<ActivityId, BTreeMap<PartyId, i64>>> {
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let caps = store::neighbourhoods::rules(db, neighbourhood).await?.caps;
    if caps.is_none() {
        return Ok(BTreeMap::new());
    }
    let parties: BTreeSet<PartyId> =
        records.clone().flat_map(|record| record.minutes.keys().copied()).collect();
    let days: BTreeSet<String> = records.clone().map(|record| record.activity.day.to_string()).collect();
    let mut stands_for: BTreeMap<AccountId, PartyId> =
        parties.iter().map(|party| (AccountId(party.0), *party)).collect();
    // What was posted while an id was a party of its own counts as well.
    for (alias, party) in store::parties::aliases_of(db, neighbourhood, &parties).await? {
        stands_for.insert(AccountId(alias.0), party);
    }
    let accounts = stands_for.keys().copied().collect();
    let mut given: BTreeMap<(PartyId, String), Vec<(ActivityId, i64)>> = BTreeMap::new();
    for row in store::ledger::minutes_of_days(db, neighbourhood, &accounts, &days).await? {
        if let Some(party) = stands_for.get(&AccountId(row.account_id)) {
            let of_day = given.entry((*party, row.day)).or_default();
            of_day.push((ActivityId(row.activity_id), row.minutes));
        }
    }
    let room = |record: &Record, party: PartyId| {
        let that_day = given.get(&(party, record.activity.day.to_string()));
        let others = that_day.into_iter().flatten().filter(|(id, _)| *id != record.id);
        Some((party, caps.room(others.map(|(_, minutes)| minutes).sum())?))
    };
    let of_record = |record: &Record| {
        (record.id, record.minutes.keys().filter_map(|party| room(record, *party)).collect())
    };
    Ok(records.map(of_record).collect())
}
