//! Editing as JSON: as of a version, sent again, late, and what cannot be.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Answer, Client, uuid};
use super::report::{Found, Report, Wrong, equal, that};
use crate::domain::ids::ActivityId;

pub async fn run(report: &mut Report, client: &Client, made: &[ActivityId]) {
    let Some(id) = made.first().copied() else { return };
    let edits = Edits { client, id, change_id: uuid() };
    let check = "PATCH /v1/activities/{id}: 200 with the edit in it, a new version, and its ETag";
    let Some(first) = report.line(check, edits.first().await) else { return };
    report.line("the same change_id again: 200, and nothing is written", edits.again(&first).await);
    report.line("the same change_id with another body: 409 change_id_reused", edits.reused(&first).await);
    report.line("a version that never was: 409 version_unknown; what is none: 422", edits.versions().await);
    report.line("fields that do not fit: 422, each with its pointer", edits.misfits(&first).await);
    let check = "as of an older version: another field merges, the same one is a hard conflict";
    report.line(check, edits.late(&first).await);
    report.line("as of the version that shows both: settled", edits.settled().await);
    report.line("If-Match with an older tag: 412 with the activity as it is", edits.precondition().await);
    report.line("an activity that is not there: 404 not_found", edits.nowhere(&first).await);
}

struct Edits<'a> {
    client: &'a Client,
    id: ActivityId,
    change_id: Uuid,
}

/// The first edit, and the activity before it.
struct First {
    before: Value,
    after: Value,
}

impl Edits<'_> {
    fn path(&self) -> String {
        format!("/v1/activities/{}", self.id)
    }

    async fn seen(&self) -> Found<Answer> {
        let answer = self.client.get(&self.path()).await?;
        answer.status(200)?;
        Ok(answer)
    }

    async fn send(&self, change_id: Uuid, version: &Value, set: Value) -> Found<Answer> {
        let body = json!({ "change_id": change_id, "base_version": version, "set": set });
        self.client.json(Method::PATCH, &self.path(), &body).await
    }

    async fn edit(&self, version: &Value, set: Value) -> Found<Value> {
        let answer = self.send(uuid(), version, set).await?;
        answer.status(200)?;
        Ok(answer.body)
    }

    async fn first(&self) -> Found<First> {
        let before = self.seen().await?.body;
        let answer = self
            .send(self.change_id, &before["version"], json!({ "note": "daybook conform: edited" }))
            .await?;
        answer.status(200)?;
        equal("note", &"daybook conform: edited", &answer.text("/note"))?;
        that(answer.body["version"] != before["version"], || {
            Wrong::new("a new version", answer.text("/version"))
        })?;
        equal("ETag", &answer.text("/etag").to_owned(), &answer.header("etag")?)?;
        let now = self.seen().await?;
        equal("version as read", &answer.body["version"], &now.body["version"])?;
        Ok(First { before, after: answer.body })
    }

    async fn again(&self, first: &First) -> Found<()> {
        let set = json!({ "note": "daybook conform: edited" });
        let answer = self.send(self.change_id, &first.before["version"], set).await?;
        answer.status(200)?;
        equal("version", &first.after["version"], &answer.body["version"])
    }

    async fn reused(&self, first: &First) -> Found<()> {
        let other = self.send(self.change_id, &first.before["version"], json!({ "note": "Other" })).await?;
        other.problem(409, "change_id_reused").map(drop)
    }

    async fn versions(&self) -> Found<()> {
        let answer = self.send(uuid(), &json!("999999-00000000"), json!({ "note": "x" })).await?;
        answer.problem(409, "version_unknown")?;
        let answer = self.send(uuid(), &json!("the newest"), json!({ "note": "x" })).await?;
        answer.problem(422, "field_invalid")?.names("/base_version", "invalid")
    }

    async fn misfits(&self, first: &First) -> Found<()> {
        let set = json!({ "people": "many", "weather": "rain", "grade.before": "E" });
        let answer = self.send(uuid(), &first.after["version"], set).await?;
        answer.problem(422, "field_invalid")?;
        for (pointer, code) in [
            ("/set/people", "wrong_type"),
            ("/set/weather", "unknown_field"),
            ("/set/grade.before", "out_of_range"),
        ] {
            answer.names(pointer, code)?;
        }
        let answer = self.send(uuid(), &first.after["version"], json!({})).await?;
        answer.problem(422, "field_invalid")?.names("/set", "count")
    }

    /// Two apps that saw the same: the second one comes late.
    async fn late(&self, first: &First) -> Found<()> {
        let saw = &first.after["version"];
        self.edit(saw, json!({ "grade.before": "C" })).await?;
        let merged = self.edit(saw, json!({ "grade.after": "A" })).await?;
        let grades = json!({ "before": "C", "after": "A" });
        equal("grade, where two wrote different fields,", &grades, &merged["grade"])?;
        equal("conflict", &json!("none"), &merged["conflict"])?;
        let disputed = self.edit(saw, json!({ "grade.before": "D" })).await?;
        equal("conflict", &json!("hard"), &disputed["conflict"])?;
        let conflicts = disputed["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let both = conflicts.iter().find(|conflict| conflict["field"] == "grade.before");
        let values = both.and_then(|both| both["values"].as_array()).into_iter().flatten();
        let mut values: Vec<&str> = values.filter_map(|value| value["value"].as_str()).collect();
        values.sort_unstable();
        equal("values in conflicts", &vec!["C", "D"], &values)
    }

    async fn settled(&self) -> Found<()> {
        let seen = self.seen().await?.body;
        let settled = self.edit(&seen["version"], json!({ "grade.before": "B" })).await?;
        equal("conflict", &json!("none"), &settled["conflict"])?;
        equal("grade", &json!({ "before": "B", "after": "A" }), &settled["grade"])
    }

    async fn precondition(&self) -> Found<()> {
        let seen = self.seen().await?.body;
        let body = json!({ "change_id": uuid(), "base_version": seen["version"], "set": { "note": "x" } });
        let headers = [("if-match", "\"another\"")];
        let answer = self.client.json_with(Method::PATCH, &self.path(), &headers, &body).await?;
        answer.problem(412, "precondition_failed")?;
        equal("version of what is present", &seen["version"], &answer.body["present"]["version"])
    }

    async fn nowhere(&self, first: &First) -> Found<()> {
        let nowhere = Edits { id: ActivityId(uuid()), ..*self };
        let answer = nowhere.send(uuid(), &first.after["version"], json!({ "note": "x" })).await?;
        answer.problem(404, "not_found").map(drop)
    }
}
