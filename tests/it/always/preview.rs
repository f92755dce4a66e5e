//! What coordinators do with several decisions, and several coordinators with one record: previews that are applied
//! or have changed, and decisions at once on two replicas.

use daybook::flows::judge;
use daybook::phone::PhoneError;
use daybook::store::entity::{tip, transfer};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};

use super::desk::{became, sent};
use super::world::{DESKS, World};

impl World<'_> {
    /// Some decisions are looked at and then applied, unless somebody decides about one of them meanwhile.
    pub(super) async fn preview(&mut self) -> Result<(), String> {
        let desk = self.dice.of(&DESKS);
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..self.dice.of(&[1, 1, 2, 3]) {
            let Some((id, other)) = self.choose().await else { return Ok(()) };
            if items.iter().all(|item| item["activity_id"] != id.to_string()) {
                items.push(self.wish(desk, id, other));
            }
        }
        let before = self.journal_end().await;
        let mut preview = self.previewed(desk, &json!({ "items": items })).await?;
        // What is refused is left out.
        let outcomes = preview["items"].as_array().cloned().unwrap_or_default();
        let mut fit = outcomes.iter().map(|outcome| outcome["status"] == 200);
        items.retain(|_| fit.next().unwrap_or_default());
        if preview["token"].is_null() && !items.is_empty() {
            preview = self.previewed(desk, &json!({ "items": items })).await?;
        }
        if before != self.journal_end().await {
            return Err("a preview wrote something".to_owned());
        }
        let Some(token) = preview["token"].as_str() else {
            self.told(format!("preview desk {desk}: refused"));
            return Ok(());
        };
        let meddled = self.dice.percent(50) && self.meddle(&items[0]).await?;
        let body = json!({ "items": items, "token": token });
        if meddled { self.has_changed(desk, &body).await } else { self.applied(desk, &body, &preview).await }
    }

    async fn previewed(&mut self, desk: usize, body: &Value) -> Result<Value, String> {
        let phone = &mut self.phones[desk].phone;
        phone.go_online();
        phone.post("/v1/decisions/preview", body).await.map_err(|error| error.to_string())
    }

    /// Somebody asks for changes of a record that another is about to decide on; whether they could.
    async fn meddle(&mut self, about: &Value) -> Result<bool, String> {
        let id = serde_json::from_value(about["activity_id"].clone()).map_err(|error| error.to_string())?;
        self.look_at(id).await;
        let (desk, seen) = (self.dice.of(&DESKS), self.seen[&id].clone());
        let reason = json!({ "reason": "Who was there?" });
        let phone = &mut self.phones[desk].phone;
        let item = crate::support::desk::item(phone, &seen, "ask_for_changes", &reason);
        let answer = sent(phone, &json!({ "items": [item] })).await?;
        let outcome = answer["items"][0].clone();
        let decided = became(&outcome).0 == 201;
        self.take(desk, item, outcome)?;
        Ok(decided)
    }

    /// What does not fit any more is refused as a whole.
    async fn has_changed(&mut self, desk: usize, body: &Value) -> Result<(), String> {
        let before = self.journal_end().await;
        let phone = &mut self.phones[desk].phone;
        phone.go_online();
        match phone.post::<Value>("/v1/decisions", body).await {
            Err(PhoneError::Refused { code, .. }) if code == "preview_changed" => {}
            other => return Err(format!("a preview of what has changed: {other:?}")),
        }
        self.told(format!("preview desk {desk}: changed"));
        self.reached.insert("preview changed".to_owned());
        let after = self.journal_end().await;
        if before == after { Ok(()) } else { Err(format!("a preview that changed: {before:?}\n{after:?}")) }
    }

    /// What was promised is done, exactly; sent again, it is answered as it was.
    async fn applied(&mut self, desk: usize, body: &Value, preview: &Value) -> Result<(), String> {
        let before = self.transfers().await.len();
        let answer = sent(&mut self.phones[desk].phone, body).await?;
        let posted: Vec<Value> = self.transfers().await[before..].iter().map(effect).collect();
        if json!(posted) != preview["effects"]["transfers"] {
            return Err(format!("promised {}, posted {}", preview["effects"]["transfers"], json!(posted)));
        }
        for (item, outcome) in items(body).iter().zip(items(&answer)) {
            if became(&outcome).0 != 201 {
                return Err(format!("applied, and yet {outcome}"));
            }
            self.take(desk, item.clone(), outcome)?;
        }
        self.reached.insert("preview applied".to_owned());
        let digest = self.journal_end().await;
        let again = sent(&mut self.phones[desk].phone, body).await?;
        let replayed = items(&again).iter().all(|outcome| became(outcome).0 == 200);
        if !replayed || digest != self.journal_end().await {
            return Err(format!("a batch again: {again}"));
        }
        self.check().await?;
        if self.dice.percent(50) { self.take_back(&answer["batch_id"]).await } else { Ok(()) }
    }

    /// A batch that was applied is taken back as one, by whoever may.
    async fn take_back(&mut self, batch: &Value) -> Result<(), String> {
        let desk = self.dice.of(&DESKS);
        let preview = self.previewed(desk, &json!({ "undo_batch": batch })).await?;
        let Some(token) = preview["token"].as_str() else { return Ok(()) };
        let body = json!({ "items": preview["decisions"], "token": token });
        let answer = sent(&mut self.phones[desk].phone, &body).await?;
        for (item, outcome) in items(&body).into_iter().zip(items(&answer)) {
            self.take(desk, item, outcome)?;
        }
        self.reached.insert("batch taken back".to_owned());
        self.check().await
    }

    /// Whatever judging writes moves it.
    async fn journal_end(&self) -> Option<tip::Model> {
        let db = self.replicas[0].app.db().read();
        tip::Entity::find_by_id(self.neighbourhood.0).one(db).await.expect("a tip")
    }

    async fn transfers(&self) -> Vec<transfer::Model> {
        let rows =
            transfer::Entity::find().filter(transfer::Column::NeighbourhoodId.eq(self.neighbourhood.0));
        let rows = rows.order_by_asc(transfer::Column::JournalNo);
        rows.all(self.replicas[0].app.db().read()).await.expect("transfers")
    }

    /// Two coordinators decide about one record at once, each on a replica, while both clerks work and a phone
    /// syncs: one of the two at most.
    pub(super) async fn decide_at_once(&mut self) -> Result<(), String> {
        let Some((id, other)) = self.choose().await else { return Ok(()) };
        let wanted = DESKS.map(|desk| json!({ "items": [self.wish(desk, id, other)] }));
        for (replica, desk) in DESKS.into_iter().enumerate() {
            self.phones[desk].air.reach(replica);
        }
        let (apps, neighbourhood) = (self.replicas.map(|replica| &replica.app), self.neighbourhood);
        let (residents, desks) = self.phones.split_at_mut(DESKS[0]);
        let [one, two, ..] = desks else { return Err("two desks".to_owned()) };
        let syncing = residents.iter_mut().find(|handset| handset.online);
        let (first, second, here, there, synced) = tokio::join!(
            sent(&mut one.phone, &wanted[0]),
            sent(&mut two.phone, &wanted[1]),
            judge::until_quiet(apps[0], neighbourhood),
            judge::until_quiet(apps[1], neighbourhood),
            async {
                match syncing {
                    Some(handset) => handset.phone.sync().await.map(|report| report.refused),
                    None => Ok(0),
                }
            },
        );
        here.and(there).map_err(|error| format!("two clerks at once: {error}"))?;
        if synced.map_err(|error| format!("a sync at once: {error}"))? > 0 {
            return Err("an honest phone's change was refused".to_owned());
        }
        let answers = [first?, second?];
        let decided = answers.iter().filter(|answer| became(&answer["items"][0]).0 == 201).count();
        for ((desk, body), answer) in DESKS.into_iter().zip(&wanted).zip(&answers) {
            self.take(desk, body["items"][0].clone(), answer["items"][0].clone())?;
        }
        self.told(format!("at once {id}: {decided} decided"));
        self.reached.insert(format!("at once {decided} decided"));
        if decided > 1 {
            return Err(format!("two decisions about the same: {answers:?}"));
        }
        self.check().await
    }
}

fn items(body: &Value) -> Vec<Value> {
    body["items"].as_array().cloned().unwrap_or_default()
}

/// A transfer as a preview shows it.
fn effect(row: &transfer::Model) -> Value {
    json!({
        "activity_id": row.activity_id, "account_id": row.account_id, "asset": row.asset,
        "minutes": row.minutes, "day": row.day,
    })
}
