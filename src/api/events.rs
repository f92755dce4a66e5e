//! Following along: what happened, as JSON to be asked for, or as a stream that wakes up.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{ACCEPT, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response, sse};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant as Until;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiError, ApiResult, CURSOR_EXPIRED, TOO_MANY_STREAMS};
use super::extract::{Resident, scope};
use super::params::{Params, count, limit, opened, sealed};
use super::types::{Instant, Page};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::event::{EventType, Gone};
use crate::domain::limits::EVENTS_LIFE_MS;
use crate::flows::access::access_of;
use crate::flows::following::{self, BEGINNING, CHAIN_BYTES, Follower, Happened, Place};

/// What cursors of events are for.
const LIST: &str = "events";
/// How long one stream lasts; its reader comes back with the last id.
const STREAM_LIFE: Duration = Duration::from_secs(300);
/// How often a quiet stream says that it is there, and looks whether its reader still may read.
const STREAM_PULSE: Duration = Duration::from_secs(15);
/// How long a reader waits before it comes back.
const STREAM_RETRY: Duration = Duration::from_secs(3);
/// Events that a stream reads at once.
const STREAM_EVENTS: usize = 50;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Something that happened. It says what changed, and how often it was changed; what it is now is to be read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Where it stands: `after` of what comes next, and `Last-Event-ID` of a stream.
    pub id: String,
    /// `activity.recorded`, `activity.edited`, `activity.conflicted`, `activity.reviewed`, `activity.posted`,
    /// `activity.removed`, `transfer.posted`; for coordinators also `device.enrolled`, `device.revoked`, `grant.revoked`, `rules.put`,
    /// `period.closed`, `party.joined` (the subject is now an alias: its records are another party's, list those of
    /// that party again), `account.closed`. More will come.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "activity.posted")]
    pub kind: EventType,
    /// The id of what changed: of the activity, for `activity.*`.
    pub subject: Uuid,
    /// Of the subject, as it is now: a copy with the same or a higher one is not older. 0 where it has none.
    #[schema(example = 3)]
    pub revision: i64,
    /// When it happened.
    pub at: Instant,
    /// Why it is removed: `withdrawn` by its recorder (it can still be read), or `not_visible`: it no longer concerns you.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "withdrawn")]
    pub reason: Option<Gone>,
}

/// From where.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `id` of the last event that you have, `next` of the page before, or `events_after` of a list. From the
    /// beginning of the journal if not given.
    pub after: Option<String>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_events)
}

/// List what happened, oldest first, by the journal's numbers: nothing is skipped.
///
/// You hear of your own records and of those that concern you, each with the latest that happened to it, and of what closed
/// an account of yours; with `reconcile` of everything. To keep a copy, list the objects to the end, then follow from the list's `events_after`, and read
/// anew what has a higher `revision` than your copy. A cursor is good for 30 days, and for as long as you may see the same:
/// not once you join or leave a group; then 410, and list again.
///
/// With `Accept: text/event-stream` the answer is a stream of the same events (`id:` is the cursor, `event:` the type,
/// `data:` the event), which begins with one called `ready`. It ends after five minutes: come back with
/// `Last-Event-ID`, to any server.
#[utoipa::path(
    get, path = "/v1/events", tag = "activities",
    params(
        EventFilter,
        ("Last-Event-ID" = Option<String>, Header, description = "Where a stream goes on; stands before `after`."),
    ),
    responses((status = 200, description = "What happened; `events_after` is where to go on.", content(
        (Page<Event> = "application/json"), (String = "text/event-stream"),
    )))
)]
pub async fn list_events(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesRead>,
    headers: HeaderMap,
    Params(params): Params<EventFilter>,
) -> ApiResult<Response> {
    let access = caller.access;
    let streams = wants_stream(&headers);
    // What is no text is no cursor either.
    let last = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?")).filter(|_| streams);
    let after = place(&app, &access, last.or(params.after.as_deref())).await?;
    if streams {
        return stream(app, access, after);
    }
    let most = usize::try_from(limit(params.limit)).unwrap_or(usize::MAX);
    let past = following::past(&app, &access, after, most).await?;
    let items: ApiResult<Vec<Event>> =
        past.events.iter().map(|happened| event(&app, &access, happened)).collect();
    let until = cursor(&app, &access, past.until)?;
    let next = past.more.then(|| until.clone());
    let mut response_headers = HeaderMap::new();
    if let Some(next) = &next {
        super::params::link_next(&mut response_headers, "/v1/events", next, most as u64);
    }
    let page = Page { items: items?, next, events_after: Some(until) };
    Ok((response_headers, axum::Json(page)).into_response())
}

/// Whether a stream is what is wanted most: the first of the types that are accepted.
fn wants_stream(headers: &HeaderMap) -> bool {
    let first = headers.get(ACCEPT).and_then(|value| value.to_str().ok()?.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// From where the objects of a list are followed, asked before the list is read.
pub(super) async fn events_after(app: &App, access: &Access) -> ApiResult<String> {
    cursor(app, access, following::now(app, access.neighbourhood).await?)
}

fn cursor(app: &App, access: &Access, place: Place) -> ApiResult<String> {
    sealed(app, LIST, &(place.no, place.chain, app.now_in(access.neighbourhood), sees(access)))
}

/// Whose records a reader hears of, in short: what somebody may see more or no longer, no event is about, so a copy has
/// to be listed anew then.
fn sees(access: &Access) -> [u8; 4] {
    let mut hasher = Sha256::new();
    if access.scopes.has(Scope::Reconcile) {
        hasher.update("everything");
    } else {
        for parties in [&access.owners, &access.names] {
            let parties: BTreeSet<_> = parties.iter().collect();
            hasher.update([0]);
            parties.into_iter().for_each(|party| hasher.update(party.0));
        }
    }
    let [a, b, c, d, ..]: [u8; 32] = hasher.finalize().into();
    [a, b, c, d]
}

/// The place of a cursor, if the journal has it.
async fn place(app: &App, access: &Access, text: Option<&str>) -> ApiResult<Place> {
    let opened = opened::<(i64, [u8; CHAIN_BYTES], i64, [u8; 4])>(app, LIST, text)?;
    let Some((no, chain, at_ms, seen)) = opened else { return Ok(BEGINNING) };
    let place = Place { no, chain };
    let fresh = app.now_in(access.neighbourhood).saturating_sub(at_ms) <= EVENTS_LIFE_MS;
    if fresh && seen == sees(access) && following::has(app, access.neighbourhood, place).await? {
        return Ok(place);
    }
    Err(CURSOR_EXPIRED.into())
}

fn event(app: &App, access: &Access, happened: &Happened) -> ApiResult<Event> {
    Ok(Event {
        id: cursor(app, access, happened.place)?,
        kind: happened.kind,
        subject: happened.subject,
        revision: happened.revision,
        at: Instant(happened.at_ms),
        reason: happened.reason,
    })
}

/// One open stream.
struct Open {
    app: App,
    access: Arc<Access>,
    at: Place,
    follower: Follower,
    waiting: VecDeque<sse::Event>,
    /// It may be that there is more.
    look: bool,
    until: Until,
}

fn stream(app: App, access: Arc<Access>, after: Place) -> ApiResult<Response> {
    let Some(follower) = Follower::join(&app, access.neighbourhood, access.grant) else {
        return Err(ApiError::from(TOO_MANY_STREAMS).header(RETRY_AFTER, &STREAM_RETRY.as_secs().to_string()));
    };
    let ready =
        sse::Event::default().event("ready").id(cursor(&app, &access, after)?).retry(STREAM_RETRY).data("{}");
    let until = Until::now() + STREAM_LIFE;
    let open = Open { app, access, at: after, follower, waiting: [ready].into(), look: true, until };
    // A proxy that gathers what it passes on would keep the events to itself.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let stream = Sse::new(events(open)).keep_alive(KeepAlive::new().interval(STREAM_PULSE));
    Ok((unbuffered, stream).into_response())
}

fn events(open: Open) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    stream::unfold(open, |mut open| async {
        let next = open.next().await?;
        Some((Ok(next), open))
    })
}

impl Open {
    /// The next event; nothing when the stream ends: its time is up, its reader may no longer read, the server stops, or
    /// something failed. Whoever comes back learns which.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                return Some(next);
            }
            if self.app.is_draining() || Until::now() >= self.until || !self.may_read().await {
                return None;
            }
            if std::mem::take(&mut self.look) {
                self.read().await.ok()?;
                continue;
            }
            let pulse = self.until.min(Until::now() + STREAM_PULSE);
            let draining = self.app.drained();
            tokio::select! {
                () = self.follower.woken() => self.look = true,
                () = tokio::time::sleep_until(pulse) => {}
                () = draining => return None,
            }
        }
    }

    async fn may_read(&mut self) -> bool {
        let now = access_of(&self.app, self.access.neighbourhood, self.access.grant).await;
        let Ok(Some(now)) = now else { return false };
        // The token may say less than its grant.
        let scopes = now.scopes.iter().filter(|scope| self.access.scopes.has(*scope)).collect();
        let access = Access { scopes, ..(*now).clone() };
        let good = !access.revoked
            && access.expires_at_ms > self.app.now_ms()
            && access.scopes.has(Scope::ActivitiesRead)
            && access.token_hash == self.access.token_hash
            && sees(&access) == sees(&self.access);
        self.access = Arc::new(access);
        good
    }

    async fn read(&mut self) -> ApiResult<()> {
        let _turn = self.app.followers().turn().await;
        let past = following::past(&self.app, &self.access, self.at, STREAM_EVENTS).await?;
        for happened in &past.events {
            let event = event(&self.app, &self.access, happened)?;
            let kind = super::types::word(&event.kind);
            let told = sse::Event::default().id(event.id.clone()).event(kind).json_data(&event);
            self.waiting.push_back(told.map_err(crate::flows::FlowError::internal)?);
        }
        (self.at, self.look) = (past.until, past.more);
        Ok(())
    }
}
