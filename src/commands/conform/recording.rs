//! Recording as JSON: new, sent again, with another content, and what does not fit.

use axum::http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client, today, uuid};
use super::identity::Own;
use super::report::{Found, Report, Wrong, equal, that};
use crate::domain::ids::ActivityId;

const PATH: &str = "/v1/activities";

/// The records that it makes.
pub async fn run(report: &mut Report, client: &Client, own: &Own) -> Vec<ActivityId> {
    let item = json!({
        "id": uuid(), "daybook_id": own.daybook, "kind": "hours", "day": today(), "note": "daybook conform: recorded",
    });
    let check = "POST /v1/activities: 201 with the activity";
    let Some(id) = report.line(check, recorded(client, &item).await) else { return Vec::new() };
    report.line("the same again: 200 with the activity", again(client, &item).await);
    report.line("another content under its id: 409 id_reused", reused(client, &item).await);
    let mut made = vec![id];
    let check = "items do not depend on each other: 422 with pointers beside 201, 404 for another's daybook";
    made.extend(report.line(check, apart(client, own).await));
    report
        .line("an unknown field: 422 for the request, with its pointer", unknown_field(client, &item).await);
    report.line("no items at all: 422 at /items", none(client).await);
    report.line("a body that is no JSON: 400 body_unreadable", no_json(client).await);
    report.line("what was recorded as JSON comes with the next sync", synced(client, own, id).await);
    made
}

async fn post(client: &Client, items: &[Value]) -> Found<Answer> {
    let answer = client.json(Method::POST, PATH, &json!({ "items": items })).await?;
    answer.status(200)?;
    equal("items in the answer, in number,", &items.len(), &answer.items()?.len())?;
    let ids = |items: &[Value]| items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
    equal("ids, in the order of the request,", &ids(items), &ids(answer.items()?))?;
    Ok(answer)
}

fn outcome(item: &Value, status: u16, code: Option<&str>) -> Found<()> {
    let came = (item["status"].as_u64(), item["code"].as_str());
    that(came == (Some(u64::from(status)), code), || {
        Wrong::new(format!("{status} {}", code.unwrap_or_default()).trim_end(), item.to_string())
    })
}

async fn recorded(client: &Client, item: &Value) -> Found<ActivityId> {
    let answer = post(client, std::slice::from_ref(item)).await?;
    let first = &answer.items()?[0];
    outcome(first, 201, None)?;
    for key in ["id", "daybook_id", "kind", "day", "note"] {
        equal(key, &item[key], &first["activity"][key])?;
    }
    for key in ["version", "etag", "revision", "review", "conflict"] {
        that(!first["activity"][key].is_null(), || Wrong::new(format!("activity.{key}"), "none"))?;
    }
    serde_json::from_value(item["id"].clone()).map_err(|error| Wrong(error.to_string()))
}

async fn again(client: &Client, item: &Value) -> Found<()> {
    let answer = post(client, std::slice::from_ref(item)).await?;
    let first = &answer.items()?[0];
    outcome(first, 200, None)?;
    equal("note", &item["note"], &first["activity"]["note"])
}

async fn reused(client: &Client, item: &Value) -> Found<()> {
    let mut other = item.clone();
    other["note"] = json!("Something else.");
    let answer = post(client, &[other]).await?;
    outcome(&answer.items()?[0], 409, Some("id_reused"))
}

/// Of three items the second does not fit, and the third goes into a daybook that is not there.
async fn apart(client: &Client, own: &Own) -> Found<ActivityId> {
    let good = json!({ "id": uuid(), "daybook_id": own.daybook, "kind": "hours", "day": today() });
    let misfit = json!({
        "id": uuid(), "kind": "hours", "day": "2026-02-30", "parties": [{ "party_id": uuid(), "minutes": 1_441 }],
    });
    let elsewhere = json!({ "id": uuid(), "daybook_id": uuid(), "kind": "hours", "day": today() });
    let answer = post(client, &[good.clone(), misfit, elsewhere]).await?;
    let items = answer.items()?;
    outcome(&items[0], 201, None)?;
    outcome(&items[1], 422, Some("field_invalid"))?;
    outcome(&items[2], 404, Some("not_found"))?;
    let errors = json!([
        { "pointer": "/items/1/day", "code": "out_of_range" },
        { "pointer": "/items/1/parties/0/minutes", "code": "out_of_range" },
    ]);
    equal("errors", &errors, &items[1]["errors"])?;
    serde_json::from_value(good["id"].clone()).map_err(|error| Wrong(error.to_string()))
}

async fn unknown_field(client: &Client, item: &Value) -> Found<()> {
    let mut other = item.clone();
    other["weather"] = json!("rain");
    let answer = client.json(Method::POST, PATH, &json!({ "items": [other] })).await?;
    answer.problem(422, "field_invalid")?.names("/items/0/weather", "unknown_field")
}

async fn none(client: &Client) -> Found<()> {
    let answer = client.json(Method::POST, PATH, &json!({ "items": [] })).await?;
    answer.problem(422, "field_invalid")?.names("/items", "count")
}

async fn no_json(client: &Client) -> Found<()> {
    let bearer = client.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = client.send(Method::POST, PATH, &headers, b"{".to_vec()).await?;
    answer.problem(400, "body_unreadable").map(drop)
}

async fn synced(client: &Client, own: &Own, id: ActivityId) -> Found<()> {
    let mut phone = client.writer(own.daybook).await?;
    let kind = phone.own_book().field(id, "kind").map(|kind| kind.to_string());
    that(kind.as_deref().is_some_and(|kind| kind.contains("hours")), || {
        Wrong::new("the record in the daybook's document", format!("{kind:?}"))
    })
}
