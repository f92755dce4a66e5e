//! Reading on: others' changes only, page by page, and cursors of another chain.

use super::client::{Client, changes, edit, last, record};
use super::identity::Own;
use super::report::{Found, Report, Wrong, equal, that};
use crate::api::sync::{DaybookAnswer, DaybookState};
use crate::api::types::Hash;
use crate::domain::ids::{ActivityId, DaybookId};

pub async fn run(report: &mut Report, client: &Client, own: &Own) -> Option<ActivityId> {
    let id = own.daybook;
    let check = "a cursor: changes of others only, and nothing where nothing is new";
    let made = report.line(check, others_only(client, id).await);
    if let Some(made) = made {
        let check = "limit_bytes: page by page, in causal order, heads with the last page";
        report.line(check, pages(client, id, made).await);
    }
    report.line("a cursor of another chain: restart, from the start", restart(client, id).await);
    report.line("GET /v1/daybooks/{id}: bytes, ETag, Daybook-Cursor, 304, Range", download(client, id).await);
    made
}

fn cursor(answer: &DaybookAnswer) -> Found<&str> {
    answer.cursor.as_deref().ok_or_else(|| Wrong::new("a cursor", "none"))
}

/// Two devices that stand at the same place; one writes, the other one hears of it.
async fn others_only(client: &Client, id: DaybookId) -> Found<ActivityId> {
    let mut writer = client.writer(id).await?;
    let end = client.end_of(id).await?;
    let here = cursor(&end)?;
    let made = record(&mut writer, "daybook conform: for another device")?;
    let (hash, bytes) = last(&mut writer)?;
    let mine = client.sync(id, Some(here), std::slice::from_ref(&bytes)).await?;
    equal("changes that come back to whom wrote them, in number,", &0, &mine.changes.len())?;
    that(cursor(&mine)? != here, || Wrong::new("a cursor that moved", "the same"))?;
    let theirs = client.sync(id, Some(here), &[]).await?;
    let came: Vec<&[u8]> = theirs.changes.iter().map(|change| change.0.as_slice()).collect();
    that(came == [bytes.as_slice()], || {
        Wrong::new("the one change that the other device wrote", format!("{} changes", came.len()))
    })?;
    equal("the cursor of both devices", &mine.cursor, &theirs.cursor)?;
    let told = theirs.heads.as_deref().is_some_and(|heads| heads.contains(&Hash(hash)));
    that(told, || Wrong::new("the change among the heads", format!("{:?}", theirs.heads)))?;
    let quiet = client.sync(id, theirs.cursor.as_deref(), &[]).await?;
    equal("changes where nothing is new, in number,", &0, &quiet.changes.len())?;
    equal("cursor where nothing is new", &theirs.cursor, &quiet.cursor)?;
    that(quiet.heads.is_none() && !quiet.more, || {
        Wrong::new("no heads where the cursor stood still", "heads, or more")
    })?;
    Ok(made)
}

/// Three changes, in pages that have room for none.
async fn pages(client: &Client, id: DaybookId, record: ActivityId) -> Found<()> {
    let mut writer = client.writer(id).await?;
    let mut after = client.end_of(id).await?.cursor;
    for weather in ["sunny", "windy", "wet"] {
        edit(&mut writer, record, "weather", weather)?;
    }
    let written: Vec<Vec<u8>> = changes(&mut writer).into_iter().map(|(_, bytes)| bytes).collect();
    client.sync(id, after.as_deref(), &written).await?;
    for (at, expected) in written.iter().enumerate() {
        let page = client.sync_within(id, after.as_deref(), &[], Some(1)).await?;
        let came: Vec<&[u8]> = page.changes.iter().map(|change| change.0.as_slice()).collect();
        that(came == [expected.as_slice()], || {
            Wrong::new(format!("change {} of 3 alone", at + 1), format!("{} changes", came.len()))
        })?;
        let is_last = at + 1 == written.len();
        equal("more", &!is_last, &page.more)?;
        equal("whether heads come along", &is_last, &page.heads.is_some())?;
        after = page.cursor;
    }
    Ok(())
}

async fn restart(client: &Client, id: DaybookId) -> Found<()> {
    let start = client.sync(id, None, &[]).await?;
    let end = client.end_of(id).await?;
    let here = cursor(&end)?.to_owned();
    // A character in the middle of the chain's part.
    let other: String = here
        .char_indices()
        .map(|(at, letter)| match letter {
            'A' if at == 12 => 'B',
            _ if at == 12 => 'A',
            _ => letter,
        })
        .collect();
    for wrong in [other.as_str(), "no cursor"] {
        let answer = client.sync(id, Some(wrong), &[]).await?;
        equal("state", &DaybookState::Restart, &answer.state)?;
        let same = answer.changes == start.changes && answer.snapshot == start.snapshot;
        that(same, || Wrong::new("what a blank phone gets", format!("{} changes", answer.changes.len())))?;
    }
    Ok(())
}

async fn download(client: &Client, id: DaybookId) -> Found<()> {
    let path = format!("/v1/daybooks/{id}");
    let whole = client.get(&path).await?;
    whole.status(200)?;
    let (etag, at) = (whole.header("etag")?, whole.header("daybook-cursor")?);
    let then = client.sync(id, Some(&at), &[]).await?;
    equal("state from the download's cursor", &DaybookState::Ok, &then.state)?;
    equal("changes after the download's cursor, in number,", &0, &then.changes.len())?;
    let mut reader = client.writer(id).await?;
    let mut loaded: Vec<[u8; 32]> = reader.own_book().doc.get_heads().iter().map(|head| head.0).collect();
    let told = client.end_of(id).await?.heads.unwrap_or_default();
    let mut told: Vec<[u8; 32]> = told.iter().map(|head| head.0).collect();
    loaded.sort_unstable();
    told.sort_unstable();
    that(told == loaded, || Wrong::new("a document with the heads that sync tells", "one with others"))?;
    let same = client.get_with(&path, &[("if-none-match", &etag)]).await?;
    same.status(304)?;
    that(same.bytes.is_empty(), || Wrong::new("304 without a body", "a body"))?;
    let part = client.get_with(&path, &[("range", "bytes=3-9"), ("if-range", &etag)]).await?;
    part.status(206)?;
    let range = part.header("content-range")?;
    equal("Content-Range", &format!("bytes 3-9/{}", whole.bytes.len()), &range)?;
    that(Some(part.bytes.as_slice()) == whole.bytes.get(3..10), || Wrong::new("those bytes", "others"))
}
