//! What coordinators do: look at records, decide about them, send a decision again, change the rules.

use axum::http::Method;
use daybook::domain::ids::ActivityId;
use daybook::phone::{Phone, PhoneError};
use serde_json::{Value, json};

use super::radio::Radio;
use super::world::{DESKS, SILENCE_DAYS_MAX, Sent, World};
use crate::support::desk::{as_seen, item};

/// Refusals that a person may meet.
const REFUSALS: [&str; 16] = [
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
    "second_person",
    "nothing_changes",
];

/// Sends decisions; one outcome each.
pub async fn sent(phone: &mut Phone<Radio>, body: &Value) -> Result<Value, String> {
    phone.go_online();
    phone.post("/v1/decisions", body).await.map_err(|error| error.to_string())
}

/// Status and code of an outcome.
pub fn became(outcome: &Value) -> (u64, String) {
    let code = outcome["code"].as_str().unwrap_or("decided");
    (outcome["status"].as_u64().unwrap_or_default(), code.to_owned())
}

fn is_some(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

impl World<'_> {
    /// Somebody says something about a record that was seen, mostly who is named in it.
    pub(super) async fn say(&mut self) -> Result<(), String> {
        let known: Vec<ActivityId> = self.seen.keys().copied().collect();
        if known.is_empty() {
            return Ok(());
        }
        // Of records of a merge, too, of which there are few.
        let together = |id: &ActivityId| self.merged.contains(id) || is_some(&self.seen[id]["members"]);
        let together: Vec<ActivityId> = known.iter().copied().filter(together).collect();
        let of_merge = !together.is_empty() && self.dice.percent(60);
        let id = self.dice.of(if of_merge { &together } else { &known });
        let named = |index: &usize| {
            let parties = self.seen[&id]["parties"].as_array();
            let party = json!(self.phones[*index].phone.party);
            parties.is_some_and(|parties| parties.iter().any(|named| named["party_id"] == party))
        };
        let named: Vec<usize> = (0..self.phones.len()).filter(named).collect();
        let index = if named.is_empty() || self.dice.percent(20) {
            self.dice.below(self.phones.len())
        } else {
            self.dice.of(&named)
        };
        let kind = self.dice.of(&["message", "decline", "decline", "accept"]);
        if of_merge {
            self.phones[index].phone.go_online();
            self.phones[index].online = true;
        }
        if !self.phones[index].online {
            return Ok(());
        }
        let phone = &mut self.phones[index].phone;
        let body = json!({ "id": phone.uuid(), "kind": kind, "text": "So it was." });
        let path = format!("/v1/activities/{id}/replies");
        for _ in 0..2 {
            let said: Result<Value, PhoneError> = phone.post(&path, &body).await;
            match said {
                Ok(_) => {
                    if of_merge && kind == "decline" {
                        self.reached.insert("declined together".to_owned());
                    }
                    self.reached.insert(format!("{kind} said"))
                }
                Err(PhoneError::Refused { status: 404 | 409, .. }) => false,
                Err(error) => return Err(format!("phone {index} says {kind} about {id}: {error}")),
            };
        }
        self.story.push(format!("phone {index} says {kind} about {id}"));
        self.check().await
    }

    pub(super) async fn look(&mut self) {
        if !self.activities.is_empty() {
            let (_, id) = self.activities[self.dice.below(self.activities.len())];
            self.look_at(id).await;
        }
    }

    pub(super) async fn look_at(&mut self, id: ActivityId) {
        let desk = self.dice.of(&DESKS);
        let phone = &mut self.phones[desk].phone;
        phone.go_online();
        if let Ok(seen) = phone.get::<Value>(&format!("/v1/activities/{id}")).await {
            self.seen.insert(id, seen);
        }
    }

    /// What to decide about, and what it might be the same as: mostly looked at just before, often the record that
    /// was decided about last. Nothing where nothing was ever seen.
    pub(super) async fn choose(&mut self) -> Option<(ActivityId, ActivityId)> {
        let fresh = self.dice.percent(85);
        for _ in 0..3 {
            if fresh || self.seen.is_empty() {
                self.look().await;
            }
        }
        let known: Vec<ActivityId> = self.seen.keys().copied().collect();
        if known.is_empty() {
            return None;
        }
        let last =
            self.sent.last().and_then(|sent| serde_json::from_value(sent.item["activity_id"].clone()).ok());
        let contested = known.iter().find(|id| is_some(&self.seen[id]["conflicts"])).copied();
        let merged = known.iter().find(|id| is_some(&self.seen[id]["members"])).copied();
        let id = contested
            .filter(|_| self.dice.percent(20))
            .or(merged.filter(|_| self.dice.percent(25)))
            .or(last.filter(|_| self.dice.percent(45)));
        let id = id.unwrap_or_else(|| self.dice.of(&known));
        let others: Vec<ActivityId> = known.into_iter().filter(|other| *other != id).collect();
        // Somebody in a hurry merges a record with itself.
        let other = if others.is_empty() || self.dice.percent(2) { id } else { self.dice.of(&others) };
        if fresh {
            self.look_at(other).await;
            self.look_at(id).await;
        }
        Some((id, other))
    }

    pub(super) async fn decide(&mut self) -> Result<(), String> {
        if self.dice.percent(70)
            && let Some((desk, id)) = self.half_approved()
        {
            self.look_at(id).await;
            let wanted = item(&mut self.phones[desk].phone, &self.seen[&id], "approve", &json!({}));
            return self.decided(desk, wanted).await;
        }
        let Some((id, other)) = self.choose().await else { return Ok(()) };
        let desk = self.dice.of(&DESKS);
        let wanted = self.wish(desk, id, other);
        self.decided(desk, wanted).await
    }

    /// What was approved just before and needs a second person, and who that is; some try it themselves.
    fn half_approved(&mut self) -> Option<(usize, ActivityId)> {
        let itself = self.dice.percent(25);
        let Sent { desk, item, .. } = self.sent.last()?;
        let second = DESKS.into_iter().find(|other| (other == desk) == itself)?;
        let id = item["activity_id"].clone();
        self.is_first_approved(&id).then(|| Some((second, serde_json::from_value(id).ok()?)))?
    }

    async fn decided(&mut self, desk: usize, wanted: Value) -> Result<(), String> {
        let answer = sent(&mut self.phones[desk].phone, &json!({ "items": [wanted] })).await?;
        let outcome = answer["items"][0].clone();
        let id = serde_json::from_value(wanted["activity_id"].clone()).map_err(|error| error.to_string())?;
        let merged = wanted["members"][0]["activity_id"].clone();
        let decided = became(&outcome).0 == 201;
        self.take(desk, wanted, outcome)?;
        self.check().await?;
        match serde_json::from_value(merged) {
            Ok(member) if decided => {
                self.look_at(id).await;
                if self.dice.percent(50) { self.go_on_writing(member).await } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// An item about an activity as it was seen.
    pub(super) fn wish(&mut self, desk: usize, id: ActivityId, other: ActivityId) -> Value {
        let (step, more) = self.wanted(id, other);
        let seen = self.seen[&id].clone();
        item(&mut self.phones[desk].phone, &seen, step, &more)
    }

    /// Notes what became of an item. A decision is about what was seen, and nothing came between.
    pub(super) fn take(&mut self, desk: usize, item: Value, outcome: Value) -> Result<(), String> {
        let (status, code) = became(&outcome);
        let step = item["step"].as_str().unwrap_or_default().to_owned();
        let id = item["activity_id"].as_str().unwrap_or_default();
        self.told(format!("{step} desk {desk}: {id} {code}"));
        self.reached.extend([code.clone(), format!("{step} {code}")]);
        if status != 201 {
            self.sent.push(Sent { desk, item, outcome });
            let expected = REFUSALS.contains(&code.as_str()) || (step == "undo" && code == "not_found");
            return if expected { Ok(()) } else { Err(format!("refused: {status} {code}")) };
        }
        let decision = &outcome["decision"];
        let named =
            (item["version"].as_str().unwrap_or_default(), item["decision_seq"].as_i64().unwrap_or_default());
        let version = named.0.split('-').next().and_then(|number| number.parse::<i64>().ok());
        let is = (decision["version"].as_i64(), decision["decision_seq"].as_i64());
        if is != (version, Some(named.1 + 1)) {
            return Err(format!("decided about {is:?}, seen was {named:?}"));
        }
        match (step.as_str(), decision["step"].as_str().unwrap_or_default()) {
            ("merge", _) => {
                let members = item["members"].as_array().into_iter().flatten();
                let ids = members.map(|member| serde_json::from_value(member["activity_id"].clone()));
                let ids = ids.collect::<Result<Vec<ActivityId>, _>>().map_err(|error| error.to_string())?;
                self.merged.extend(ids);
                self.speaks_of_merges = 2;
            }
            ("approve", "first_approval") => _ = self.reached.insert("first approval".to_owned()),
            ("approve", _) if self.is_first_approved(&item["activity_id"]) => {
                self.reached.insert("second approval".to_owned());
            }
            _ => {}
        }
        self.sent.push(Sent { desk, item, outcome });
        Ok(())
    }

    /// The last decision about it was the first of two approvals.
    fn is_first_approved(&self, id: &Value) -> bool {
        let about = |sent: &&Sent| sent.item["activity_id"] == *id && sent.outcome["status"] == 201;
        let last = self.sent.iter().rev().find(about);
        last.is_some_and(|sent| sent.outcome["decision"]["step"] == "first_approval")
    }

    /// What a coordinator wants of an activity: to settle it where phones disagree, to approve it for the second
    /// time, often to take back what was decided there last.
    fn wanted(&mut self, id: ActivityId, other: ActivityId) -> (&'static str, Value) {
        let reason = if self.dice.percent(95) { json!("So it was.") } else { Value::Null };
        let seen = &self.seen[&id];
        let (contested, merged) = (is_some(&seen["conflicts"]), is_some(&seen["members"]));
        if contested && self.dice.percent(60) {
            return self.settle(id);
        }
        if self.is_first_approved(&json!(id)) && self.dice.percent(60) {
            return ("approve", json!({}));
        }
        let about =
            |sent: &&Sent| sent.item["activity_id"] == id.to_string() && sent.outcome["status"] == 201;
        let last = self.sent.iter().rev().find(about).map(|sent| sent.item["id"].clone());
        let first = self.sent.iter().find(about).map(|sent| sent.item["id"].clone());
        if self.dice.percent(if last.is_some() { 25 } else { 8 }) {
            // Some take back an earlier one; where there was none at all, what is no decision.
            let last = last.filter(|_| self.dice.percent(80)).or(first);
            return ("undo", json!({ "decision_id": last.unwrap_or_else(|| json!(id)) }));
        }
        if merged && self.dice.percent(45) {
            return ("unmerge", json!({ "reason": reason }));
        }
        match self.dice.below(20) {
            0..5 => self.merge(other, &reason),
            5 => ("unmerge", json!({ "reason": reason })),
            6 => self.settle(id),
            7 | 8 => {
                let to = json!({ "programme": self.dice.of(&["parks", "streets"]) });
                ("reclassify", json!({ "reclassification": to, "reason": reason }))
            }
            9..13 => ("approve", json!({})),
            13 => {
                let party = self.people[self.dice.below(self.people.len())].to_string();
                let minutes = self.dice.of(&[0, 45, 120]);
                ("approve", json!({ "corrections": { "minutes": { party: minutes } }, "reason": reason }))
            }
            14 | 15 => ("reject", json!({ "reason": reason })),
            16 | 17 => ("keep", json!({ "reason": reason })),
            _ => ("ask_for_changes", json!({ "reason": reason })),
        }
    }

    /// Another record that was looked at is the same thing.
    fn merge(&self, other: ActivityId, reason: &Value) -> (&'static str, Value) {
        ("merge", json!({ "members": [as_seen(&self.seen[&other])], "reason": reason }))
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
    pub(super) async fn decide_again(&mut self) -> Result<(), String> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.sent.len());
        let before = self.digest().await;
        let Sent { desk, item, outcome } = &self.sent[at];
        let answer = sent(&mut self.phones[*desk].phone, &json!({ "items": [item] })).await?;
        let again = &answer["items"][0];
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

    /// The rules ask for two people above another amount, and leave what is clean to others than before.
    pub(super) async fn put_rules(&mut self) -> Result<(), String> {
        let above = self.dice.of(&[None, Some(40), Some(40), Some(80)]);
        let mode = self.dice.of(&["auto", "auto", "auto", "peer", "peer", "coordinator"]);
        let silence =
            if mode == "peer" { self.dice.of(&[None, Some(1), Some(SILENCE_DAYS_MAX)]) } else { None };
        let caps = [json!({}), json!({ "person_day_minutes": 90 }), json!({ "person_record_minutes": 60 })];
        let caps = caps[self.dice.of(&[0, 0, 1, 2])].clone();
        let phone = &mut self.phones[DESKS[0]].phone;
        phone.go_online();
        let mut pack: Value = phone.get("/v1/rules").await.map_err(|error| error.to_string())?;
        pack["version"] = (pack["version"].as_i64().unwrap_or_default() + 1).into();
        pack["second_person_above_minutes"] = json!(above);
        pack["caps"] = caps;
        (pack["mode"], pack["silence_days"]) = (json!(mode), json!(silence));
        let body = serde_json::to_vec(&pack).expect("JSON");
        let put = phone.request(Method::PUT, "/v1/rules", "application/json", body).await;
        put.map_err(|error| error.to_string())?;
        self.told(format!("rules: {mode}, silence {silence:?}, two people above {above:?}"));
        self.reached.insert(mode.to_owned());
        self.by_peers = mode == "peer";
        self.check().await
    }
}
