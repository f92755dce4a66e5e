//! What must hold when everything is synced.

use std::collections::{BTreeMap, BTreeSet};

use automerge::AutoCommit;
use axum::http::Method;
use daybook::domain::ids::ActivityId;
use daybook::domain::reading::Reading;
use daybook::merge::document;
use serde_json::Value;

use super::steps::{FIELDS, MINUTES, mark, numbers, token};
use super::world::{What, World};
use crate::wire;

/// Rounds of syncs until everybody has everything.
const ROUNDS: usize = 4;

impl World<'_> {
    /// Everybody has signal and syncs; then everything is compared.
    pub async fn finish(&mut self) -> Result<(), String> {
        let known = self.known_numbers().await?;
        self.settle().await?;
        self.nothing_lost(&known).await?;
        self.nobody_silent().await?;
        self.minutes().await
    }

    async fn settle(&mut self) -> Result<(), String> {
        for round in 0..ROUNDS {
            for (at, program) in self.programs.iter_mut().enumerate() {
                program.air.calm();
                let report = program.phone.sync().await.map_err(|error| format!("program {at}: {error}"))?;
                self.story.push(format!("round {round}, program {at}: {report:?}"));
                if round == ROUNDS - 1 && (report.refused, report.held, report.reloads) != (0, 0, 0) {
                    return Err(format!("program {at} does not come to rest: {report:?}"));
                }
            }
        }
        let server = self.document().await?.get_heads();
        for (at, program) in self.programs.iter_mut().enumerate() {
            let heads = program.phone.own_book().doc.get_heads();
            if heads != server {
                return Err(format!("program {at} has {heads:?}, the server {server:?}"));
            }
        }
        Ok(())
    }

    /// The server's document as anybody downloads it.
    async fn document(&mut self) -> Result<AutoCommit, String> {
        let path = format!("/v1/daybooks/{}", self.own);
        let phone = &mut self.programs[0].phone;
        let bytes = phone.request(Method::GET, &path, "application/json", Vec::new()).await;
        let bytes = bytes.map_err(|error| error.to_string())?.into_body();
        let mut document = AutoCommit::new();
        document.load_incremental(&bytes).map_err(|error| error.to_string())?;
        Ok(document)
    }

    /// The numbers of deeds that anybody still has; what was only in a storage that is gone is gone.
    async fn known_numbers(&mut self) -> Result<BTreeSet<i64>, String> {
        for program in &self.programs {
            program.air.calm();
        }
        let mut changes = self.document().await?.get_changes(&[]);
        for program in &mut self.programs {
            changes.extend(program.phone.own_book().doc.get_changes(&[]));
        }
        Ok(changes.iter().flat_map(numbers).collect())
    }

    async fn nothing_lost(&mut self, known: &BTreeSet<i64>) -> Result<(), String> {
        let document = self.document().await?.document().clone();
        let readings = document::read_all(&document).map_err(|error| error.to_string())?;
        self.stored_readings(&readings).await?;
        let mut over: BTreeSet<i64> = BTreeSet::new();
        for (_, deed) in self.deeds.iter().filter(|(number, _)| known.contains(number)) {
            if let What::Put(_, these) = &deed.what {
                over.extend(these);
            }
        }
        let mut wanted: BTreeMap<(ActivityId, &str), BTreeSet<i64>> = BTreeMap::new();
        let mut bags: BTreeMap<ActivityId, i64> = BTreeMap::new();
        for (number, deed) in self.deeds.iter().filter(|(number, _)| known.contains(number)) {
            let reading = readings.get(&deed.activity).ok_or(format!("{} is lost", deed.activity))?;
            match &deed.what {
                What::Put(key, _) if !over.contains(number) => {
                    wanted.entry((deed.activity, key)).or_default().insert(*number);
                }
                What::Put(..) => continue,
                What::Recorded => {}
                What::Counted(more) => *bags.entry(deed.activity).or_default() += more,
                What::Noted => noted_once(reading, *number)?,
            }
            if !matches!(deed.what, What::Put(..)) && integers(reading, &mark(*number)) != [*number] {
                return Err(format!("{number} is lost: {reading:?}"));
            }
        }
        for (id, reading) in &readings {
            for key in FIELDS {
                let read: BTreeSet<i64> = integers(reading, key).into_iter().collect();
                let wanted = wanted.remove(&(*id, key)).unwrap_or_default();
                if read != wanted {
                    return Err(format!("{id} {key}: {read:?}, and wanted {wanted:?}"));
                }
            }
            let (counted, wanted) = (counted(reading)?, bags.remove(id).unwrap_or_default());
            if counted != wanted {
                return Err(format!("{id}: {counted} bags, {wanted} were counted: {reading:?}"));
            }
        }
        Ok(())
    }

    /// The readings that the server keeps are those of the document.
    async fn stored_readings(&mut self, readings: &BTreeMap<ActivityId, Reading>) -> Result<(), String> {
        use daybook::store::activities;
        let rows = activities::of_daybook(self.app().app.db().read(), self.neighbourhood, self.own).await;
        let rows = rows.map_err(|error| error.to_string())?;
        for row in &rows {
            let kept: Reading = serde_json::from_str(&row.reading).map_err(|error| error.to_string())?;
            if readings.get(&ActivityId(row.id)) != Some(&kept) {
                return Err(format!("{} is kept as {kept:?}", row.id));
            }
        }
        if rows.len() == readings.len() { Ok(()) } else { Err(format!("{} activities are kept", rows.len())) }
    }

    /// The next record of every program arrives with its next sync, and everywhere.
    async fn nobody_silent(&mut self) -> Result<(), String> {
        let party = self.party;
        for at in 0..self.programs.len() {
            let phone = &mut self.programs[at].phone;
            phone.now_ms += 1_000;
            let id = phone
                .record(daybook::domain::activity::Kind::Repair, "2026-11-21", |entry| {
                    entry.minutes(party, MINUTES).put("repair.product", format!("Kettle of program {at}"));
                })
                .expect("recorded");
            let report = phone.sync().await.map_err(|error| error.to_string())?;
            // A copy under the same actor has just recorded, too: then by a reload.
            if report.accepted != 1 || report.held != 0 {
                return Err(format!("the next record of program {at}: {report:?}"));
            }
            let seen: Value =
                phone.get(&format!("/v1/activities/{id}")).await.map_err(|error| error.to_string())?;
            if seen["day"] != "2026-11-21" {
                return Err(format!("the next record of program {at} reads {seen}"));
            }
        }
        self.settle().await
    }

    /// Every record that does not wait for a person is posted once.
    async fn minutes(&mut self) -> Result<(), String> {
        use daybook::flows::judge;
        judge::until_quiet(&self.app().app, self.neighbourhood).await.map_err(|error| error.to_string())?;
        let phone = &mut self.programs[0].phone;
        let records = wire::every_activity(phone).await;
        // What is doubted, for what chance counted in it, waits for a person and is not posted.
        let waiting = records.iter().filter(|record| record["review"] == "received").count();
        let records = i64::try_from(records.len() - waiting).expect("few");
        let path = format!("/v1/accounts/{}", phone.party);
        let account: Value = phone.get(&path).await.map_err(|error| error.to_string())?;
        let posted = account["contribution_minutes"].as_i64();
        if posted == Some(records * MINUTES) {
            Ok(())
        } else {
            Err(format!("{posted:?} minutes of {records} records"))
        }
    }
}

fn values(reading: &Reading, key: &str) -> Vec<Value> {
    let field = reading.fields.get(key).into_iter();
    field.flat_map(|field| field.values()).map(|value| value.to_json()).collect()
}

fn integers(reading: &Reading, key: &str) -> Vec<i64> {
    values(reading, key).iter().filter_map(Value::as_i64).collect()
}

fn noted_once(reading: &Reading, number: i64) -> Result<(), String> {
    let notes = values(reading, "note");
    let times: usize =
        notes.iter().filter_map(Value::as_str).map(|note| note.matches(&token(number)).count()).sum();
    if times == 1 { Ok(()) } else { Err(format!("{number} is {times} times in {notes:?}")) }
}

fn counted(reading: &Reading) -> Result<i64, String> {
    let mut sum = 0;
    for key in reading.fields.keys().filter(|key| key.starts_with("tally/bags#")) {
        match integers(reading, key).as_slice() {
            [count] => sum += count,
            several => return Err(format!("{key} counts {several:?}")),
        }
    }
    Ok(sum)
}
