//! Following along by events; and at the end, what was made is taken back.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client, uuid};
use super::report::{Found, Report, Wrong, equal, that};
use crate::domain::ids::ActivityId;

/// How often it is asked whether an event has come, and how long between.
const TRIES_MAX: usize = 40;
const PAUSE: Duration = Duration::from_millis(500);

pub async fn run(report: &mut Report, client: &Client, made: &[ActivityId]) {
    report.line("GET /v1/events from a cursor that nobody gave: 400 cursor_invalid", made_up(client).await);
    let from = report.line("GET /v1/events from a list's events_after", start(client).await);
    let back = take_back(client, made).await;
    let check = format!("PATCH with withdrawn: {} records are taken back", made.len());
    if report.line(&check, back).is_none() {
        return;
    }
    if let (Some(from), Some(id)) = (from, made.first()) {
        let check = "the events that follow say so, and go on from the last one's id";
        report.line(check, told(client, &from, *id).await);
    }
}

async fn made_up(client: &Client) -> Found<()> {
    client.get("/v1/events?after=made-up").await?.problem(400, "cursor_invalid").map(drop)
}

async fn start(client: &Client) -> Found<String> {
    let list = client.get("/v1/activities?limit=1").await?;
    let from = list.text("/events_after").to_owned();
    let page = events(client, &from).await?;
    let after = page.text("/events_after");
    that(!after.is_empty(), || Wrong::new("events_after", page.shown()))?;
    Ok(from)
}

async fn events(client: &Client, after: &str) -> Found<Answer> {
    let page = client.get(&format!("/v1/events?limit=200&after={after}")).await?;
    page.status(200)?.items()?;
    Ok(page)
}

async fn take_back(client: &Client, made: &[ActivityId]) -> Found<()> {
    for id in made {
        let path = format!("/v1/activities/{id}");
        let seen = client.get(&path).await?;
        let version = &seen.status(200)?.body["version"];
        let body = json!({ "change_id": uuid(), "base_version": version, "set": { "withdrawn": true } });
        let answer = client.json(Method::PATCH, &path, &body).await?;
        equal("withdrawn", &json!(true), &answer.status(200)?.body["withdrawn"])?;
    }
    Ok(())
}

/// The clerk works behind the answer, so it is asked for a while.
async fn told(client: &Client, from: &str, id: ActivityId) -> Found<()> {
    let subject = json!(id);
    let mut after = from.to_owned();
    let mut heard: Vec<Value> = Vec::new();
    for _ in 0..TRIES_MAX {
        let page = events(client, &after).await?;
        heard.extend(page.items()?.iter().cloned());
        let next = page.text("/events_after").to_owned();
        that(!next.is_empty(), || Wrong::new("events_after", page.shown()))?;
        after = next;
        let removed = heard.iter().find(|one| one["subject"] == subject && one["type"] == "activity.removed");
        if let Some(removed) = removed {
            equal("reason", &json!("withdrawn"), &removed["reason"])?;
            let shaped = removed["revision"].is_i64() && removed["at"].is_string();
            that(shaped, || Wrong::new("revision and at", removed.to_string()))?;
            let id = removed["id"].as_str().unwrap_or_default();
            let page = events(client, id).await?;
            let again = page.items()?.iter().any(|one| one["id"] == removed["id"]);
            return that(!again, || Wrong::new("what comes after the event's id", "the event again"));
        }
        if page.text("/next").is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let kinds: Vec<&Value> =
        heard.iter().filter(|one| one["subject"] == subject).map(|one| &one["type"]).collect();
    Err(Wrong::new("activity.removed within 20 s", format!("{kinds:?}")))
}
