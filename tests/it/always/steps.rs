//! What happens in the neighbourhood, one step at a time, as the dice fall.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::flows::compact::{Compacted, compact};
use daybook::phone::Entry;
use daybook::store::changes::Of;
use serde_json::{Value, json};

use super::radio::Fate;
use super::world::{DESKS, Sent, World};
use crate::support::app::START_MS;
use crate::support::desk::{confirm, item, send};

const DAYS: [&str; 3] = ["2026-11-18", "2026-11-19", "2026-11-20"];
const KINDS: [Kind; 4] = [Kind::LitterPick, Kind::Repair, Kind::StreetFix, Kind::Hours];
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// Refusals that a person may meet.
const REFUSALS: [&str; 14] = [
    "version_changed",
    "reason_required",
    "own_credit",
    "undo_blocked",
    "conflict_unsettled",
    "nothing_posted",
    "unreadable",
    "field_invalid",
    "members_unfit",
    "merged_away",
    "merged",
    "not_merged",
    "nothing_to_settle",
    "settlement_unfit",
];

/// What a record is written with; thrown before, since writing borrows the phone.
struct Draft {
    minutes: Vec<(daybook::domain::ids::PartyId, i64)>,
    kind: Option<Kind>,
    day: Option<&'static str>,
    started_at: Option<i64>,
    totals: Option<(i64, i64)>,
    part_of: Option<ActivityId>,
    withdrawn: Option<bool>,
    bags: i64,
    note: bool,
}

impl Draft {
    fn write(&self, entry: &mut Entry<'_>) {
        for (party, minutes) in &self.minutes {
            entry.minutes(*party, *minutes);
        }
        if let Some(kind) = self.kind {
            entry.kind(kind);
        }
        if let Some(day) = self.day {
            entry.day(day);
        }
        if let Some(at_ms) = self.started_at {
            entry.started_at(at_ms);
        }
        if let Some((people, minutes)) = self.totals {
            entry.totals(people, minutes);
        }
        if let Some(occasion) = self.part_of {
            entry.part_of(occasion);
        }
        if let Some(withdrawn) = self.withdrawn {
            entry.put("withdrawn", withdrawn);
        }
        if self.bags > 0 {
            entry.count("bags", self.bags);
        }
        if self.note {
            entry.note_more("More. ");
        }
    }
}

impl World<'_> {
    /// One step.
    pub async fn step(&mut self) -> Result<(), String> {
        match self.dice.below(60) {
            0..9 => self.record(),
            9..17 => self.edit(),
            17..27 => self.sync().await?,
            27..33 => self.clerk().await?,
            33..36 => self.look().await,
            36..48 => self.decide().await?,
            48..50 => self.decide_again().await?,
            50..52 => self.push_again().await?,
            52 => self.make_known().await?,
            54 | 55 => self.compact().await?,
            53 => self.replicas[0].pass(i64::try_from(self.dice.below(200_000)).expect("few")),
            _ => self.handle(),
        }
        Ok(())
    }

    fn told(&mut self, what: String) {
        self.reached.insert(what.split(' ').next().unwrap_or_default().to_owned());
        self.story.push(what);
    }

    fn draft(&mut self, index: usize, new: bool) -> Draft {
        let minutes = |world: &mut Self| world.dice.of(&[0, 10, 30, 30, 60, 90, 90, 200, 400]);
        let often = if new { 100 } else { 35 };
        let mut draft = Draft {
            minutes: Vec::new(),
            kind: None,
            day: None,
            started_at: None,
            totals: None,
            part_of: None,
            withdrawn: None,
            bags: 0,
            note: self.dice.percent(20),
        };
        if self.dice.percent(often) {
            draft.minutes.push((self.phones[index].phone.party, minutes(self)));
        }
        for _ in 0..self.dice.of(&[0, 0, 0, 1, 2]) {
            let other = self.people[self.dice.below(self.people.len())];
            draft.minutes.push((other, minutes(self)));
        }
        if new || self.dice.percent(5) {
            draft.kind = Some(self.dice.of(&KINDS));
            draft.day = Some(self.dice.of(&DAYS));
        }
        if self.dice.percent(if new { 35 } else { 5 }) {
            // Few starts, so that times overlap; some on another day than the record names.
            let day = draft.day.and_then(|day| DAYS.iter().rev().position(|other| *other == day));
            let back = if self.dice.percent(90) { day } else { None }.unwrap_or_else(|| self.dice.below(6));
            let start = START_MS - (i64::try_from(back).expect("few") + 1) * DAY_MS;
            draft.started_at = Some(start + self.dice.of(&[0, 0, 30, 90]) * MINUTE_MS);
        }
        if self.dice.percent(if new { 25 } else { 8 }) {
            draft.totals = Some((self.dice.of(&[1, 3, 7]), self.dice.of(&[60, 200, 630])));
        } else if !self.occasions.is_empty() && self.dice.percent(if new { 30 } else { 15 }) {
            draft.part_of = Some(self.occasions[self.dice.below(self.occasions.len())]);
        }
        if !new && self.dice.percent(15) {
            draft.withdrawn = Some(self.dice.percent(60));
        }
        if self.dice.percent(15) {
            draft.bags = 1;
        }
        draft
    }

    fn record(&mut self) {
        let index = self.dice.below(self.phones.len());
        let book = self.phones[index].writes[self.dice.below(self.phones[index].writes.len())];
        let draft = self.draft(index, true);
        let phone = &mut self.phones[index].phone;
        phone.now_ms += 1;
        let id = ActivityId(phone.uuid());
        phone.edit_in(book, id, |entry| draft.write(entry)).expect("recorded");
        self.activities.push((book, id));
        if draft.totals.is_some() {
            self.occasions.push(id);
        }
        self.told(format!("record phone {index}: {id}"));
    }

    fn edit(&mut self) {
        if self.activities.is_empty() {
            return;
        }
        let (book, id) = self.activities[self.dice.below(self.activities.len())];
        let writers: Vec<usize> =
            (0..self.phones.len()).filter(|index| self.phones[*index].writes.contains(&book)).collect();
        let index = self.dice.of(&writers);
        let draft = self.draft(index, false);
        if draft.totals.is_some() && !self.occasions.contains(&id) {
            self.occasions.push(id);
        }
        let phone = &mut self.phones[index].phone;
        phone.now_ms += 1;
        phone.edit_in(book, id, |entry| draft.write(entry)).expect("edited");
        self.told(format!("edit phone {index}: {id}"));
    }

    async fn sync(&mut self) -> Result<(), String> {
        let index = self.dice.below(self.phones.len());
        if self.dice.percent(40) {
            self.phones[index].air.roam();
        }
        if self.dice.percent(30) {
            let fate = self.dice.of(&[Fate::RequestLost, Fate::AnswerLost, Fate::AnswerLost]);
            self.phones[index].air.disturb(self.dice.below(3), fate);
        }
        let handset = &mut self.phones[index];
        let synced = handset.phone.sync().await;
        handset.air.calm();
        self.pushed.extend(handset.air.arrived().into_iter().map(|body| (index, body)));
        match synced {
            Ok(report) if report.refused == 0 => self.told(format!("sync phone {index}: {report:?}")),
            Ok(report) => return Err(format!("an honest phone's change was refused: {report:?}")),
            Err(daybook::phone::PhoneError::NoAnswer(error)) => {
                self.told(format!("lost phone {index}: {error}"));
            }
            Err(daybook::phone::PhoneError::Offline) => self.told(format!("offline phone {index}")),
            Err(error) => return Err(format!("phone {index}: {error}")),
        }
        Ok(())
    }

    async fn clerk(&mut self) -> Result<(), String> {
        let (replica, once) = (self.dice.below(2), self.dice.percent(50));
        self.told(format!("judge replica {replica}, once {once}"));
        self.judge(replica, once).await
    }

    /// A snapshot takes the place of a daybook's older changes, however few they are.
    async fn compact(&mut self) -> Result<(), String> {
        if self.activities.is_empty() {
            return Ok(());
        }
        let (daybook, _) = self.activities[self.dice.below(self.activities.len())];
        let (of, replica) = (Of { neighbourhood: self.neighbourhood, daybook }, self.dice.below(2));
        let outcome = compact(&self.replicas[replica].app, of).await.map_err(|error| error.to_string())?;
        self.told(format!("compact {daybook}, replica {replica}: {outcome:?}"));
        if matches!(outcome, Compacted::Alarm(_)) { Err(format!("{outcome:?}")) } else { Ok(()) }
    }

    async fn look(&mut self) {
        if !self.activities.is_empty() {
            let (_, id) = self.activities[self.dice.below(self.activities.len())];
            self.look_at(id).await;
        }
    }

    async fn look_at(&mut self, id: ActivityId) {
        let desk = self.dice.of(&DESKS);
        let phone = &mut self.phones[desk].phone;
        phone.go_online();
        if let Ok(seen) = phone.get::<Value>(&format!("/v1/activities/{id}")).await {
            self.seen.insert(id, seen);
        }
    }

    async fn decide(&mut self) -> Result<(), String> {
        let fresh = self.dice.percent(80);
        if self.seen.is_empty() {
            self.look().await;
        }
        if self.seen.is_empty() {
            return Ok(());
        }
        let known: Vec<ActivityId> = self.seen.keys().copied().collect();
        let again =
            self.sent.last().and_then(|sent| serde_json::from_value(sent.item["activity_id"].clone()).ok());
        let id = again.filter(|_| self.dice.percent(50)).unwrap_or_else(|| self.dice.of(&known));
        let other = self.dice.of(&known);
        if fresh {
            self.look_at(other).await;
            self.look_at(id).await;
        }
        let seen = self.seen[&id].clone();
        let (step, more) = self.wish(id, other);
        let desk = self.dice.of(&DESKS);
        let phone = &mut self.phones[desk].phone;
        phone.go_online();
        let wanted = item(phone, &seen, step, &more);
        let outcome = send(phone, std::slice::from_ref(&wanted)).await.remove(0);
        let (status, code) =
            (outcome["status"].as_u64(), outcome["code"].as_str().unwrap_or("decided").to_owned());
        self.told(format!("{step} desk {desk}: {id} {code}"));
        self.reached.extend([code.clone(), format!("{step} {code}")]);
        self.sent.push(Sent { desk, item: wanted, outcome });
        if status == Some(201) {
            return self.check().await;
        }
        if REFUSALS.contains(&code.as_str()) { Ok(()) } else { Err(format!("refused: {status:?} {code}")) }
    }

    /// What a coordinator wants of an activity: often to take back what was decided there last.
    fn wish(&mut self, id: ActivityId, other: ActivityId) -> (&'static str, Value) {
        let reason = if self.dice.percent(95) { json!("So it was.") } else { Value::Null };
        let about =
            |sent: &&Sent| sent.item["activity_id"] == id.to_string() && sent.outcome["status"] == 201;
        let last = self.sent.iter().rev().find(about).map(|sent| sent.item["id"].clone());
        if self.dice.percent(if last.is_some() { 40 } else { 10 }) {
            let last = last.filter(|_| self.dice.percent(80));
            return ("undo", json!({ "decision_id": last.unwrap_or_else(|| json!(id)) }));
        }
        match self.dice.below(16) {
            11 | 12 => self.merge(other, &reason),
            13 => ("unmerge", json!({ "reason": reason })),
            14 | 15 => self.settle(id),
            0..4 => ("approve", json!({})),
            4 => {
                let party = self.people[self.dice.below(self.people.len())].to_string();
                let minutes = self.dice.of(&[0, 45, 120]);
                ("approve", json!({ "corrections": { "minutes": { party: minutes } }, "reason": reason }))
            }
            5 | 6 => ("reject", json!({ "reason": reason })),
            7 | 8 => ("keep", json!({ "reason": reason })),
            _ => ("ask_for_changes", json!({ "reason": reason })),
        }
    }

    /// Another record that was looked at is the same thing.
    fn merge(&self, other: ActivityId, reason: &Value) -> (&'static str, Value) {
        let other = &self.seen[&other];
        let member = json!({
            "activity_id": other["id"], "version": other["version"], "decision_seq": other["decision_seq"],
        });
        ("merge", json!({ "members": [member], "reason": reason }))
    }

    /// One of the values that phones wrote, or the one that is shown where they do not differ.
    fn settle(&mut self, id: ActivityId) -> (&'static str, Value) {
        let conflicts = self.seen[&id]["conflicts"].as_array().cloned().unwrap_or_default();
        let Some(conflict) = conflicts.first() else { return ("approve", json!({})) };
        let values = conflict["values"].as_array().cloned().unwrap_or_default();
        let value = values[self.dice.below(values.len())]["value"].clone();
        let settles = json!([{
            "field": conflict["field"], "operations": conflict["operations"], "value": value,
        }]);
        let step = if self.dice.percent(50) { "settle" } else { "approve" };
        (step, json!({ "settles": settles }))
    }

    /// A decision again: nothing changes, and what was decided is answered as it was.
    async fn decide_again(&mut self) -> Result<(), String> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.sent.len());
        let before = self.digest().await;
        let Sent { desk, item, outcome } = &self.sent[at];
        let phone = &mut self.phones[*desk].phone;
        phone.go_online();
        let again = send(phone, std::slice::from_ref(item)).await.remove(0);
        let decided = outcome["status"] == 201;
        let refused = again["status"].as_u64().is_some_and(|status| status >= 400);
        let same = if decided { again["status"] == 200 } else { refused };
        if !same || again["decision"] != outcome["decision"] {
            return Err(format!("answered {outcome}, then {again}"));
        }
        let after = self.digest().await;
        self.told("again a decision".to_owned());
        if before == after { Ok(()) } else { Err(format!("a decision again: {before}\n{after}")) }
    }

    /// A push again: nothing changes.
    async fn push_again(&mut self) -> Result<(), String> {
        if self.pushed.is_empty() {
            return Ok(());
        }
        let (index, body) = self.pushed[self.dice.below(self.pushed.len())].clone();
        let before = self.digest().await;
        let phone = &mut self.phones[index].phone;
        phone.go_online();
        let kind = "application/json";
        let sent = phone.request(axum::http::Method::POST, "/v1/sync", kind, body).await;
        sent.map_err(|error| error.to_string())?;
        let after = self.digest().await;
        self.told(format!("pushed again by phone {index}"));
        if before == after { Ok(()) } else { Err(format!("a push again: {before}\n{after}")) }
    }

    async fn make_known(&mut self) -> Result<(), String> {
        // Whom no sync has brought yet nobody can confirm.
        let Some(party) = self.unknown.pop() else { return Ok(()) };
        let phone = &mut self.phones[DESKS[0]].phone;
        phone.go_online();
        if phone.get::<Value>(&format!("/v1/parties/{party}")).await.is_ok() {
            confirm(phone, party).await;
            self.told(format!("confirm {party}"));
        }
        self.check().await
    }

    /// What people do with their phones.
    fn handle(&mut self) {
        let index = self.dice.below(self.phones.len());
        let handset = &mut self.phones[index];
        match self.dice.below(4) {
            0 => handset.phone.restart(),
            1 => handset.copy = Some(handset.phone.books.clone()),
            2 => {
                let copy = handset.copy.replace(handset.phone.books.clone());
                if let Some(copy) = copy {
                    handset.phone.books = copy;
                    handset.phone.restart();
                    self.reached.insert("restored".to_owned());
                }
            }
            _ => {
                handset.online = !handset.online;
                if handset.online { handset.phone.go_online() } else { handset.phone.go_offline() }
            }
        }
    }
}
