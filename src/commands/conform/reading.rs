//! Reading as JSON: one activity, lists, what is not there.

use serde_json::Value;

use super::client::{Answer, Client, uuid};
use super::report::{Found, Report, Wrong, equal, that};
use crate::domain::ids::ActivityId;

const PATH: &str = "/v1/activities";
/// What a page holds at most.
const PAGE_ITEMS_MAX: usize = 200;
/// How often an activity may be another when it is read again.
const ETAG_READS_MAX: usize = 8;

pub async fn run(report: &mut Report, client: &Client, made: &[ActivityId]) {
    if let Some(id) = made.first() {
        report.line("GET /v1/activities/{id}: ETag, 304, and 200 with another tag", etag(client, *id).await);
    }
    report.line("an id that nobody has, and what is no id: 404 not_found", missing(client).await);
    report.line("an address that is not there: 404; another method: 405", addresses(client).await);
    if made.len() > 1 {
        report.line("a list: limit, next, Link, newest received first", pages(client).await);
    }
    report
        .line("limit is coerced: 0 counts as 1, much as 200; what is no number is 400", limits(client).await);
    report.line("a cursor that nobody gave: 400 cursor_invalid", cursor(client).await);
    report.line("an unknown parameter: 400 query_invalid", parameter(client).await);
    report.line("events_after on the first page only", first_page(client).await);
}

async fn etag(client: &Client, id: ActivityId) -> Found<()> {
    let path = format!("{PATH}/{id}");
    let mut answer = client.get(&path).await?;
    // It may be judged between two requests, and then it is another.
    for _ in 0..ETAG_READS_MAX {
        let tag = answer.status(200)?.header("etag")?;
        that(tag.starts_with('"') && tag.ends_with('"'), || Wrong::new("a strong ETag", &tag))?;
        equal("etag in the body", &tag.as_str(), &answer.text("/etag"))?;
        equal("id", &id.to_string().as_str(), &answer.text("/id"))?;
        let same = client.get_with(&path, &[("if-none-match", &tag)]).await?;
        if same.status == 200 && same.header("etag")? != tag {
            answer = same;
            continue;
        }
        same.status(304)?;
        that(same.bytes.is_empty(), || Wrong::new("304 without a body", same.shown()))?;
        return client.get_with(&path, &[("if-none-match", "\"another\"")]).await?.status(200).map(drop);
    }
    Err(Wrong::new("an ETag that stays", answer.shown()))
}

async fn missing(client: &Client) -> Found<()> {
    for id in [uuid().to_string(), "no-id".to_owned(), uuid().to_string().to_uppercase()] {
        client.get(&format!("{PATH}/{id}")).await?.problem(404, "not_found")?;
    }
    Ok(())
}

async fn addresses(client: &Client) -> Found<()> {
    client.get("/v1/no-such-thing").await?.problem(404, "not_found")?;
    let answer = client.json(axum::http::Method::DELETE, PATH, &Value::Null).await?;
    answer.problem(405, "method_not_allowed").map(drop)
}

async fn pages(client: &Client) -> Found<()> {
    let first = client.get(&format!("{PATH}?limit=1")).await?;
    equal("items of a page of one, in number,", &1, &first.status(200)?.items()?.len())?;
    let next = first.text("/next");
    that(!next.is_empty(), || Wrong::new("next", "none"))?;
    let link = first.header("link")?;
    let target = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let target = target.ok_or_else(|| Wrong::new("Link with rel=\"next\"", &link))?;
    let follow = |url: String| async move { client.get(&url).await };
    let [linked, asked] =
        [follow(target.to_owned()).await?, follow(format!("{PATH}?limit=1&after={next}")).await?];
    let id = |answer: &Answer| answer.text("/items/0/id").to_owned();
    equal("the first item of Link and of next", &id(&asked), &id(linked.status(200)?))?;
    that(id(&first) != id(&asked), || Wrong::new("another item on the next page", id(&asked)))?;
    let both = client.get(&format!("{PATH}?limit=2")).await?;
    let received: Vec<&str> = both.items()?.iter().filter_map(|item| item["received_at"].as_str()).collect();
    that(received.len() == 2 && received[0] >= received[1], || {
        Wrong::new("newest received first", received.join(", "))
    })
}

async fn limits(client: &Client) -> Found<()> {
    let items = |answer: Answer| -> Found<usize> { Ok(answer.status(200)?.items()?.len()) };
    let none = items(client.get(&format!("{PATH}?limit=0")).await?)?;
    that(none <= 1, || Wrong::new("at most one item", none.to_string()))?;
    for limit in ["100000", "99999999999999999999999"] {
        let many = items(client.get(&format!("{PATH}?limit={limit}")).await?)?;
        that(many <= PAGE_ITEMS_MAX, || Wrong::new("at most 200 items", many.to_string()))?;
    }
    client.get(&format!("{PATH}?limit=few")).await?.problem(400, "query_invalid").map(drop)
}

async fn cursor(client: &Client) -> Found<()> {
    client.get(&format!("{PATH}?after=made-up")).await?.problem(400, "cursor_invalid").map(drop)
}

async fn parameter(client: &Client) -> Found<()> {
    client.get(&format!("{PATH}?colour=red")).await?.problem(400, "query_invalid").map(drop)
}

async fn first_page(client: &Client) -> Found<()> {
    let first = client.get(&format!("{PATH}?limit=1")).await?;
    that(!first.text("/events_after").is_empty(), || Wrong::new("events_after", "none"))?;
    let next = first.text("/next");
    if next.is_empty() {
        return Ok(());
    }
    let second = client.get(&format!("{PATH}?limit=1&after={next}")).await?;
    that(second.status(200)?.body["events_after"].is_null(), || Wrong::new("none on the second page", "one"))
}
