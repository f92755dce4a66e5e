//! Daybooks: create, list, download.

use std::future::ready;
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiError, ApiResult, GONE, NOT_FOUND, RANGE_NOT_SATISFIABLE};
use super::extract::{Resident, scope};
use super::params::{Asked, Id, IdParam, Paging, Params};
use super::types::{Hash, Instant, Octets, Page};
use crate::app::App;
use crate::domain::ids::{DaybookId, PartyId};
use crate::domain::limits::DOWNLOAD_PART_BYTES;
use crate::flows;
use crate::flows::FlowError;
use crate::flows::documents::Download;
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::daybook;

/// The cursor for exactly the bytes of a download.
const DAYBOOK_CURSOR: HeaderName = HeaderName::from_static("daybook-cursor");
/// How often a download begins again because a compaction was at it.
const READS_MAX: usize = 5;

/// A daybook to create.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DaybookRequest {
    /// Made on the phone; also one that another server knew.
    pub id: DaybookId,
    /// A group that the caller is in, for a shared daybook; the caller if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_id: Option<PartyId>,
}

/// A daybook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DaybookView {
    pub id: DaybookId,
    /// Whose it is.
    pub party_id: PartyId,
    /// Accepted changes.
    pub changes: i64,
    /// Hashes of the changes that no other follows.
    pub heads: Vec<Hash>,
    pub created_at: Instant,
    /// Rises with every change of the daybook.
    pub revision: i64,
}

impl From<daybook::Model> for DaybookView {
    fn from(row: daybook::Model) -> Self {
        Self {
            id: DaybookId(row.id),
            party_id: PartyId(row.party_id),
            changes: row.position,
            heads: flows::accept::heads(&row.heads).into_iter().map(Hash).collect(),
            created_at: Instant(row.created_at_ms),
            revision: row.revision,
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(create_daybook, list_daybooks).merge(super::openapi::guarded!(download_daybook))
}

/// Create a daybook under an id made on the phone.
#[utoipa::path(
    post, path = "/v1/daybooks", tag = "sync", request_body = DaybookRequest,
    responses(
        (status = 201, description = "Created, with its genesis change.", body = DaybookView),
        (status = 200, description = "It was there.", body = DaybookView),
    )
)]
pub async fn create_daybook(
    State(app): State<App>,
    caller: Resident<scope::Sync>,
    Json(body): Json<DaybookRequest>,
) -> ApiResult<impl IntoResponse> {
    let party = body.party_id.unwrap_or(caller.access.party);
    let (row, new) = flows::daybooks::create(&app, &caller.access, body.id, party).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(DaybookView::from(row))))
}

/// List the caller's daybooks and those of its groups, by id.
#[utoipa::path(
    get, path = "/v1/daybooks", tag = "sync", params(Paging),
    responses((status = 200, description = "A page of daybooks.", body = Page<DaybookView>))
)]
pub async fn list_daybooks(
    State(app): State<App>,
    caller: Resident<scope::Sync>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<DaybookView>>)> {
    let (db, access, after) = (app.db().read(), &caller.access, paging.after.as_deref());
    let asked = Asked::of(&app, Some(access), "daybooks", after, paging.limit).await?;
    let owners = flows::daybooks::owners(db, access.neighbourhood, access.party).await?;
    let (neighbourhood, after) = (access.neighbourhood, asked.after);
    let rows = store::daybooks::page(db, neighbourhood, &owners, after, asked.rows()).await?;
    let (headers, page) = asked.page(&app, "/v1/daybooks", rows, |row| row.id, DaybookView::from)?;
    Ok((headers, axum::Json(page)))
}

/// Download a daybook: the stored bytes as they are, to load with Automerge.
///
/// `Daybook-Cursor` is the sync cursor for exactly these bytes. `ETag` names the bytes, so that a cut download
/// goes on with `Range` and `If-Range`.
#[utoipa::path(
    get, path = "/v1/daybooks/{id}", tag = "sync",
    params(
        IdParam,
        ("If-None-Match" = Option<String>, Header, description = "An ETag: answers 304 where the bytes are the same."),
        ("Range" = Option<String>, Header, description = "One range of bytes."),
        ("If-Range" = Option<String>, Header, description = "An ETag: the range counts only for the same bytes."),
    ),
    responses(
        (status = 200, description = "All bytes.", body = Octets, content_type = "application/octet-stream",
            headers(("ETag" = String, description = "Names the bytes."), ("Daybook-Cursor" = String, description = "Sync cursor for exactly these bytes."))),
        (status = 206, description = "The range.", body = Octets, content_type = "application/octet-stream",
            headers(("Content-Range" = String, description = "Which bytes these are."))),
        (status = 304, description = "The same bytes as named."),
    )
)]
pub async fn download_daybook(
    State(app): State<App>,
    caller: Resident<scope::Sync>,
    Id(id): Id,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let access = &caller.access;
    let owners = flows::daybooks::owners(app.db().read(), access.neighbourhood, access.party).await?;
    let of = Of { neighbourhood: access.neighbourhood, daybook: DaybookId(id) };
    for _ in 0..READS_MAX {
        let download = Download::of(&app, of).await?;
        let row =
            Some(&download.row).filter(|row| owners.contains(&PartyId(row.party_id))).ok_or(NOT_FOUND)?;
        if row.gone_at_ms.is_some() {
            return Err(GONE.into());
        }
        let (etag, cursor) = (download.etag(), flows::sync::cursor_of(row));
        let named = [(ETAG, etag.clone()), (DAYBOOK_CURSOR, cursor), (ACCEPT_RANGES, "bytes".to_owned())];
        if matches(&headers, IF_NONE_MATCH, &etag) {
            return Ok((StatusCode::NOT_MODIFIED, named).into_response());
        }
        let length = download.bytes_count();
        let range = wanted_range(&headers, &etag, length);
        if range == Some(None) {
            return Err(not_satisfiable(length));
        }
        let range = range.flatten();
        let wanted = range.map_or(0..length, |(first, last)| first..last.saturating_add(1));
        if let Some(body) = body(&app, of, download, wanted).await? {
            return Ok(respond(body, range, length, named));
        }
        // A compaction has changed the stored bytes meanwhile.
    }
    Err(FlowError::Busy.into())
}

fn matches(headers: &HeaderMap, name: HeaderName, etag: &str) -> bool {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(',').any(|one| one.trim() == etag || one.trim() == "*")
}

/// The range asked for, unless `If-Range` names other bytes.
fn wanted_range(headers: &HeaderMap, etag: &str, length: u64) -> Option<Option<(u64, u64)>> {
    let same = !headers.contains_key(IF_RANGE) || matches(headers, IF_RANGE, etag);
    let range = headers.get(RANGE).filter(|_| same)?;
    byte_range(range.to_str().ok()?, length)
}

/// One range of RFC 9110, section 14: first and last byte. What is not one range of bytes is ignored, as the
/// RFC allows; a range outside answers as such.
fn byte_range(text: &str, length: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        return Some((count > 0 && length > 0).then(|| (length.saturating_sub(count), length - 1)));
    }
    let first: u64 = first.parse().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    if last < first {
        return None;
    }
    Some((first < length).then(|| (first, last.min(length - 1))))
}

/// The bytes, a part read each time that the reader has taken the one before: who reads slowly holds one part. The
/// first is read before the answer begins, so that nothing has to be taken back where the bytes have just changed; if
/// they change later, the body ends early, and the reader goes on as after any cut.
async fn body(
    app: &App,
    of: Of,
    mut download: Download,
    wanted: Range<u64>,
) -> Result<Option<Body>, FlowError> {
    let up_to = move |at: u64| wanted.end.min(at.saturating_add(DOWNLOAD_PART_BYTES));
    let end = up_to(wanted.start);
    let Some(first) = download.part(app, of, wanted.start..end).await? else { return Ok(None) };
    if end == wanted.end {
        return Ok(Some(Body::from(first)));
    }
    let rest = stream::try_unfold((app.clone(), download, end), move |(app, mut download, at)| async move {
        let end = up_to(at);
        if end == at {
            return Ok(None);
        }
        let part = download.part(&app, of, at..end).await?.ok_or(FlowError::Busy)?;
        Ok(Some((Bytes::from(part), (app, download, end))))
    });
    let rest = rest.inspect(|part| {
        if let Err(error) = part {
            tracing::warn!(?error, "a download was cut");
        }
    });
    Ok(Some(Body::from_stream(stream::once(ready(Ok::<_, FlowError>(Bytes::from(first)))).chain(rest))))
}

fn respond(body: Body, range: Option<(u64, u64)>, length: u64, named: [(HeaderName, String); 3]) -> Response {
    let kind = (CONTENT_TYPE, "application/octet-stream".to_owned());
    let size = |bytes: u64| (CONTENT_LENGTH, bytes.to_string());
    match range {
        None => (StatusCode::OK, named, [kind, size(length)], body).into_response(),
        Some((first, last)) => {
            let which = (CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
            let sized = [kind, size(last - first + 1), which];
            (StatusCode::PARTIAL_CONTENT, named, sized, body).into_response()
        }
    }
}

fn not_satisfiable(length: u64) -> ApiError {
    ApiError::new(RANGE_NOT_SATISFIABLE, format!("The daybook has {length} bytes."))
        .header(CONTENT_RANGE, &format!("bytes */{length}"))
}

#[cfg(test)]
mod tests {
    use super::byte_range;

    #[test]
    fn one_range_is_read_as_the_rfc_says() {
        assert_eq!(byte_range("bytes=0-4", 10), Some(Some((0, 4))));
        assert_eq!(byte_range("bytes=4-", 10), Some(Some((4, 9))));
        assert_eq!(byte_range("bytes=-3", 10), Some(Some((7, 9))));
        assert_eq!(byte_range("bytes=-30", 10), Some(Some((0, 9))));
        assert_eq!(byte_range("bytes=9-99", 10), Some(Some((9, 9))));
        assert_eq!(byte_range("bytes=10-", 10), Some(None));
        assert_eq!(byte_range("bytes=-0", 10), Some(None));
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for text in ["", "bytes=", "bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=--1"] {
            assert_eq!(byte_range(text, 10), None, "{text}");
        }
    }
}
