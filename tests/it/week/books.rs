//! What stands in the ledger, by the API alone, and how far it is from the truth.

use std::collections::{BTreeMap, BTreeSet};

use daybook::domain::ids::ActivityId;
use serde_json::Value;

use super::generate::Role;
use super::play::World;
use crate::support::TestPhone;

/// All items of a list.
pub async fn all(desk: &mut TestPhone, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut after = String::new();
    loop {
        let page: Value = desk.get(&format!("{path}limit=200{after}")).await.expect("a page");
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

fn id(item: &Value, key: &str) -> ActivityId {
    serde_json::from_value(item[key].clone()).expect("an id")
}

/// What stands in the ledger.
pub struct Books {
    pub balances: BTreeMap<String, i64>,
    /// By activity and account; what came and went again is left out.
    posted: BTreeMap<ActivityId, BTreeMap<String, i64>>,
}

impl Books {
    pub async fn read(desk: &mut TestPhone) -> Self {
        let mut books = Self { balances: BTreeMap::new(), posted: BTreeMap::new() };
        for account in all(desk, "/v1/accounts?").await {
            let name = account["id"].as_str().expect("an id").to_owned();
            let minutes = account["contribution_minutes"].as_i64().expect("minutes");
            for line in all(desk, &format!("/v1/accounts/{name}/statement?")).await {
                let of = books.posted.entry(id(&line, "activity_id")).or_default();
                *of.entry(name.clone()).or_insert(0) += line["minutes"].as_i64().expect("minutes");
            }
            books.balances.insert(name, minutes);
        }
        for of in books.posted.values_mut() {
            of.retain(|_, minutes| *minutes != 0);
        }
        books
    }

    fn of(&self, activity: ActivityId) -> BTreeMap<String, i64> {
        self.posted.get(&activity).cloned().unwrap_or_default()
    }

    /// What rules have posted, before anybody looked, and is not what happened.
    pub fn wrong_by_rule(&self, world: &World<'_>) -> Vec<(usize, String)> {
        let records = 0..world.week.records.len();
        let wrong = records.filter_map(|record| {
            let posted = self.of(world.id(record));
            let right = self.as_known(world, record);
            (!posted.is_empty() && posted != right).then(|| (record, told(world, record, &posted, &right)))
        });
        wrong.collect()
    }

    /// What a record says truly as long as nobody has compared it with others.
    fn as_known(&self, world: &World<'_>, record: usize) -> BTreeMap<String, i64> {
        let of = &world.week.records[record];
        let known = of.truth.at_first.clone();
        let minutes = known.unwrap_or_else(|| match of.truth.real {
            true => of.truth.minutes.clone(),
            false => BTreeMap::new(),
        });
        let named: i64 = minutes.values().sum();
        let parts = (0..world.week.records.len())
            .filter(|part| world.week.records[*part].part_of == Some(record))
            .map(|part| self.of(world.id(part)).values().sum::<i64>());
        let claimed: i64 = parts.sum();
        let held = of.truth.total.map_or(0, |total| (total - named - claimed).max(0));
        let named = minutes.into_iter().map(|(who, minutes)| (world.party(who).to_string(), minutes));
        named.chain([(world.holder(record), held)]).filter(|(_, minutes)| *minutes != 0).collect()
    }

    /// Records that do not stand as they happened.
    pub fn wrong(&self, world: &World<'_>) -> Vec<(usize, String)> {
        let records = 0..world.week.records.len();
        let wrong = records.filter_map(|record| {
            let (posted, right) = (self.of(world.id(record)), world.owed(record));
            (posted != right).then(|| (record, told(world, record, &posted, &right)))
        });
        wrong.collect()
    }

    /// Minutes between the balances and the truth, whichever way, over all accounts.
    pub fn difference(&self, world: &World<'_>) -> i64 {
        let mut owed: BTreeMap<String, i64> = BTreeMap::new();
        for record in 0..world.week.records.len() {
            for (account, minutes) in world.owed(record) {
                *owed.entry(account).or_insert(0) += minutes;
            }
        }
        let accounts: BTreeSet<&String> = owed.keys().chain(self.balances.keys()).collect();
        let of = |minutes: &BTreeMap<String, i64>, account| minutes.get(account).copied().unwrap_or(0);
        accounts.into_iter().map(|account| (of(&owed, account) - of(&self.balances, account)).abs()).sum()
    }
}

fn told(
    world: &World<'_>,
    record: usize,
    posted: &BTreeMap<String, i64>,
    right: &BTreeMap<String, i64>,
) -> String {
    let of = &world.week.records[record];
    format!("record {record}, {} ({:?}): {posted:?} stands, {right:?} is right", of.story, of.role)
}

/// Records that wait for a person and should not, and those that should and do not.
pub async fn misjudged(desk: &mut TestPhone, world: &World<'_>) -> Vec<String> {
    let mut waiting = BTreeMap::new();
    for review in ["received", "needs_changes", "edited_after_approval"] {
        for item in all(desk, &format!("/v1/activities?review={review}&")).await {
            waiting.insert(world.record(id(&item, "id")), review);
        }
    }
    let mut misjudged = Vec::new();
    for (record, of) in world.week.records.iter().enumerate() {
        let waits = waiting.get(&record);
        if waits.is_some() != (of.role == Role::Doubtful) {
            let path = format!("/v1/suspicions?activity_id={}&", world.id(record));
            let found = all(desk, &path).await;
            let words: Vec<&str> = found.iter().filter_map(|one| one["words"].as_str()).collect();
            misjudged.push(format!("record {record}, {} ({:?}): {waits:?} {words:?}", of.story, of.role));
        }
    }
    misjudged
}
