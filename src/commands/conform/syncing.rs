//! Changes: accepted, sent again, held, refused.

use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::client::{Client, Written, changes, edit, last, only, record, sync_request, today, uuid};
use super::identity::Own;
use super::report::{Found, Report, Wrong, equal, that};
use crate::api::sync::{DaybookAnswer, DaybookState, OutcomeKind, SyncAnswer};
use crate::api::types::Hash;
use crate::domain::ids::{ActivityId, DaybookId};
use crate::phone::{Http, Phone};

const CBOR: &str = "application/cbor";

/// The records that it makes.
pub async fn run(report: &mut Report, client: &Client, own: &Own) -> Vec<ActivityId> {
    let mut made = Vec::new();
    let Some(mut writer) =
        report.line("GET /v1/daybooks/{id}: a document to write in", client.writer(own.daybook).await)
    else {
        return made;
    };
    let accepted = accepted(client, &mut writer).await;
    let Some(id) = report.line("POST /v1/sync with a new change: accepted", accepted) else { return made };
    made.push(id);
    report.line("the same again: duplicate", again(client, &mut writer).await);
    report.line("the same in CBOR: duplicate", in_cbor(client, &mut writer).await);
    report.line("what was synced is read as JSON", read(client, id).await);
    let waits = held(client, &mut writer, id).await;
    report.line("a change whose dependency is missing: held, then completed", waits);
    let other = refused(client, &mut writer, id).await;
    let check =
        "a second history of one actor: refused, state reload, and the next change is taken all the same";
    made.extend(report.line(check, other));
    report.line("a daybook that nobody has: state not_found, and 200 as a whole", unknown(client).await);
    report.line("a sync that cannot be read: 422, and it names the field", unreadable(client).await);
    made
}

/// What became of each chunk, by its hash.
fn became(answer: &DaybookAnswer, expected: &[([u8; 32], OutcomeKind, Option<&str>)]) -> Found<()> {
    let came = answer.outcomes.iter();
    let came: Vec<_> = came.map(|one| (one.hash.0, one.outcome, one.code.as_deref())).collect();
    let shown = |all: &[([u8; 32], OutcomeKind, Option<&str>)]| {
        let one = |(hash, outcome, code): &([u8; 32], OutcomeKind, Option<&str>)| {
            let hash: String = hex::encode(hash).chars().take(8).collect();
            format!("{hash} {outcome:?} {}", code.unwrap_or_default()).trim_end().to_lowercase()
        };
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    that(came == expected, || Wrong::new(shown(expected), shown(&came)))
}

fn is_head(answer: &DaybookAnswer, hash: [u8; 32], expected: bool) -> Found<()> {
    let found = answer.heads.as_deref().map(|heads| heads.contains(&Hash(hash)));
    equal("that the change is among the heads:", &Some(expected), &found)
}

async fn accepted(client: &Client, writer: &mut Phone<Http>) -> Found<ActivityId> {
    let id = record(writer, "daybook conform: synced")?;
    let (hash, bytes) = last(writer)?;
    let answer = client.sync(writer.own, None, &[bytes]).await?;
    became(&answer, &[(hash, OutcomeKind::Accepted, None)])?;
    equal("state", &DaybookState::Ok, &answer.state)?;
    let touched = answer.outcomes.iter().flat_map(|one| one.activities.clone()).collect();
    equal("activities", &vec![id], &touched)?;
    let end = client.end_of(writer.own).await?;
    is_head(&end, hash, true)?;
    Ok(id)
}

async fn again(client: &Client, writer: &mut Phone<Http>) -> Found<()> {
    let (hash, bytes) = last(writer)?;
    let answer = client.sync(writer.own, None, &[bytes]).await?;
    became(&answer, &[(hash, OutcomeKind::Duplicate, None)])
}

async fn in_cbor(client: &Client, writer: &mut Phone<Http>) -> Found<()> {
    let (hash, bytes) = last(writer)?;
    let body = cbor4ii::serde::to_vec(Vec::new(), &sync_request(writer.own, None, &[bytes]));
    let body = body.map_err(|error| Wrong(error.to_string()))?;
    let bearer = client.bearer();
    let headers = [(AUTHORIZATION.as_str(), bearer.as_str()), (CONTENT_TYPE.as_str(), CBOR)];
    let answer = client.send(Method::POST, "/v1/sync", &headers, body).await?;
    answer.status(200)?;
    equal("Content-Type", &CBOR, &answer.header(CONTENT_TYPE.as_str())?.as_str())?;
    let answer: SyncAnswer = cbor4ii::serde::from_slice(&answer.bytes)
        .map_err(|error| Wrong::new("the same form as in JSON", error.to_string()))?;
    became(&only(answer)?, &[(hash, OutcomeKind::Duplicate, None)])
}

async fn read(client: &Client, id: ActivityId) -> Found<()> {
    let answer = client.get(&format!("/v1/activities/{id}")).await?;
    answer.status(200)?;
    let came = [answer.text("/kind"), answer.text("/day"), answer.text("/note")];
    equal("kind, day and note", &["hours", today().as_str(), "daybook conform: synced"], &came)
}

/// Two edits, of which the second arrives first.
async fn held(client: &Client, writer: &mut Phone<Http>, id: ActivityId) -> Found<()> {
    let before = changes(writer).len();
    for weather in ["sunny", "windy"] {
        edit(writer, id, "weather", weather)?;
    }
    let edits: Written = changes(writer).split_off(before);
    let [(first, first_bytes), (second, second_bytes)] = edits.as_slice() else {
        return Err(Wrong("two changes were to be written".to_owned()));
    };
    let own = writer.own;
    let answer = client.sync(own, None, std::slice::from_ref(second_bytes)).await?;
    became(&answer, &[(*second, OutcomeKind::Held, Some("missing_dependency"))])?;
    equal("state", &DaybookState::Ok, &answer.state)?;
    let until = answer.outcomes.iter().all(|one| one.expires_at.is_some());
    that(until, || Wrong::new("expires_at of what is held", "none"))?;
    is_head(&client.end_of(own).await?, *second, false)?;
    let answer = client.sync(own, None, std::slice::from_ref(first_bytes)).await?;
    became(&answer, &[(*first, OutcomeKind::Accepted, None)])?;
    is_head(&client.end_of(own).await?, *second, true)?;
    let answer = client.sync(own, None, std::slice::from_ref(second_bytes)).await?;
    became(&answer, &[(*second, OutcomeKind::Duplicate, None)])
}

/// A copy of the writer that kept its actor writes on, as another one does; and a third writer after both.
async fn refused(client: &Client, writer: &mut Phone<Http>, id: ActivityId) -> Found<ActivityId> {
    let own = writer.own;
    let mut copy = client.writer(own).await?;
    copy.books.insert(own, writer.own_book().clone());
    edit(writer, id, "mood", "fine")?;
    let (kept, kept_bytes) = last(writer)?;
    edit(&mut copy, id, "mood", "tired")?;
    let (fork, fork_bytes) = last(&mut copy)?;
    edit(&mut copy, id, "mood", "fine again")?;
    let (on_fork, on_fork_bytes) = last(&mut copy)?;
    let mut other = client.writer(own).await?;
    let made = record(&mut other, "daybook conform: beside a refusal")?;
    let (next, next_bytes) = last(&mut other)?;
    let sent = [kept_bytes, fork_bytes, on_fork_bytes, next_bytes];
    let answer = client.sync(own, None, &sent).await?;
    let refused = |code| (OutcomeKind::Refused, Some(code));
    let outcomes = |kept_so: OutcomeKind| {
        let (fork_kind, fork_code) = refused("actor_fork");
        let (on_kind, on_code) = refused("on_refused");
        [
            (kept, kept_so, None),
            (fork, fork_kind, fork_code),
            (on_fork, on_kind, on_code),
            (next, kept_so, None),
        ]
    };
    became(&answer, &outcomes(OutcomeKind::Accepted))?;
    equal("state", &DaybookState::Reload, &answer.state)?;
    let end = client.end_of(own).await?;
    [(kept, true), (next, true), (fork, false)]
        .into_iter()
        .try_for_each(|(hash, in_it)| is_head(&end, hash, in_it))?;
    // The same again is the same refusal, and a request without it asks for no reload.
    let answer = client.sync(own, None, &sent).await?;
    became(&answer, &outcomes(OutcomeKind::Duplicate))?;
    equal("state of a request without refused changes", &DaybookState::Ok, &end.state)?;
    Ok(made)
}

async fn unknown(client: &Client) -> Found<()> {
    let answer = client.sync(DaybookId(uuid()), None, &[]).await?;
    equal("state", &DaybookState::NotFound, &answer.state)
}

async fn unreadable(client: &Client) -> Found<()> {
    let body =
        serde_json::json!({ "device_time": "2026-11-21T10:00:00.000Z", "daybooks": [], "weather": "rain" });
    let answer = client.json(Method::POST, "/v1/sync", &body).await?;
    answer.problem(422, "field_invalid")?.names("/weather", "unknown_field")
}
