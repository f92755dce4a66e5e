//! `POST /v1/sync`: the whole job of a phone that has found signal.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::JsonOrCbor;
use super::error::{ApiError, ApiResult};
use super::extract::{Resident, scope};
pub use super::sync_outcome::{Outcome, OutcomeKind};
use super::types::{Bytes, Hash, Instant};
use crate::app::{Access, App};
use crate::domain::ids::{ActivityId, DaybookId, PartyId};
use crate::domain::limits::{
    SYNC_ANSWER_BYTES_DEFAULT, SYNC_ANSWER_BYTES_MAX, SYNC_DAYBOOKS_MAX, SYNC_ENTRIES_MAX, SYNC_PARTIES_MAX,
};
use crate::domain::review::{Conflict, Review};
use crate::domain::words::Language;
use crate::flows;

/// What a phone sends: its changes, and how far it has read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncRequest {
    /// The phone's clock as it sends this. How far it is off is kept with what comes, and never a reason to refuse:
    /// a record by a clock that is off by more than the rules allow (`skew_minutes_max`) goes to a person.
    pub device_time: Instant,
    /// `verdicts_next` of the last answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdicts_after: Option<String>,
    /// Largest size of the changes of the answer, in bytes: 1 MiB by default, at most 8 MiB;
    /// more counts as 8 MiB. A change that is larger comes alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(minimum = 0)]
    pub limit_bytes: Option<i64>,
    /// People that the phone met, at most 500. They are unknown until they enrol or a coordinator confirms them. Each
    /// who was not known yet counts as 1 KiB against what the device may push.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schema(max_items = 500)]
    pub parties: Vec<MetParty>,
    /// The phone's daybooks in this neighbourhood, at most 64.
    #[schema(max_items = 64)]
    pub daybooks: Vec<DaybookPush>,
}

/// Somebody whom a phone met offline.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetParty {
    pub id: PartyId,
    /// 1 to 200 characters.
    #[schema(
        example = "Asha",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
}

/// One daybook of a sync request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DaybookPush {
    pub id: DaybookId,
    /// `cursor` of the last answer; null, or absent, from a blank phone.
    pub cursor: Option<String>,
    /// Automerge changes in causal order, at most 10,000 entries; one entry may hold several concatenated chunks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schema(max_items = 10000)]
    pub changes: Vec<Bytes>,
}

/// What the server answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SyncAnswer {
    pub server_time: Instant,
    /// What became of the caller's records since `verdicts_after`: only the latest of each activity.
    pub verdicts: Vec<Verdict>,
    /// Send it as `verdicts_after` next time.
    pub verdicts_next: String,
    /// There are more verdicts: sync again. Absent where there are not.
    #[serde(skip_serializing_if = "is_false", default)]
    pub verdicts_more: bool,
    /// Records wait to be judged: ask again after 5 s, at most three times. Absent where none do.
    #[serde(skip_serializing_if = "is_false", default)]
    pub verdicts_pending: bool,
    /// In the order of the request.
    pub daybooks: Vec<DaybookAnswer>,
}

/// A phone with nothing new pays for every byte, each time that it finds signal.
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a phone is told about one of its records.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    pub activity_id: ActivityId,
    /// The version judged.
    pub version: i64,
    /// Rises with every verdict on this activity.
    pub revision: i64,
    pub review: Review,
    pub conflict: Conflict,
    /// Minutes recognised; absent while nothing is decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minutes: Option<i64>,
    /// This record was merged into that one and counts as part of it: it has no `minutes` of its own meanwhile. Whoever
    /// is told of this one is told of that one too, as their own or as one that is `named`, and may read it; only the
    /// members of a group in whose daybook this one is are not, unless that one concerns them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merged_into: Option<ActivityId>,
    /// By field, what a coordinator said counts where phones disagreed, until one of them writes the field again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    #[schema(value_type = HashMap<String, serde_json::Value>)]
    pub settled: BTreeMap<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// While a person is to look at it, or, of what is approved, still may: by when somebody will have, a week after it
    /// began to wait; or, where nobody has to, when the rules go on with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_by: Option<Instant>,
    /// How much was said about the record: `GET /v1/activities/{id}/replies`. Absent where nothing was.
    #[serde(skip_serializing_if = "is_none", default)]
    pub replies: i64,
    /// It is somebody else's record, and concerns you: `minutes` are yours. Absent for your own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub named: Option<Named>,
    pub at: Instant,
}

fn is_none(count: &i64) -> bool {
    *count == 0
}

/// Somebody else's record that concerns the caller: it names them, what was decided about it gives them minutes, or a
/// record that they are told of was merged into it. They may read it (`GET /v1/activities/{id}`), and say that they
/// were not part of it (`POST /v1/activities/{id}/replies`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Named {
    /// Whose record it is.
    pub by: PartyId,
    /// Of the record; absent while it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(example = "litter_pick")]
    pub kind: Option<String>,
    /// The civil day that the record means.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(format = Date, example = "2026-11-21")]
    pub day: Option<String>,
    /// It still concerns you. Otherwise it is no longer yours to read.
    pub still: bool,
}

/// Why, in a code for programs and in plain words for people.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Stable; programs decide by it.
    #[schema(example = "unknown_party")]
    pub code: String,
    /// For the resident, in plain words.
    #[schema(example = "We need to check who this is.")]
    pub text: String,
}

/// How a daybook stands after this sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DaybookState {
    /// As asked.
    Ok,
    /// The cursor is not on this server's chain (it was restored): everything comes again from the start, or as
    /// a `snapshot`.
    Restart,
    /// This request holds a refused change: do the reload.
    Reload,
    /// Nothing was written for this daybook: send the same again.
    Busy,
    /// Erased.
    Gone,
    /// Not there, or not yours: create it with `POST /v1/daybooks` under its id, a group's with its `party_id`, and
    /// push everything. Where that answers 404 or 409, keep what is unsent and go on with the others. With
    /// `holds_until` do not create it: the person has left the group.
    NotFound,
}

/// One daybook of the answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DaybookAnswer {
    pub id: DaybookId,
    pub state: DaybookState,
    /// For the next request; absent where nothing could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// There is more: sync again with this cursor, without changes, before anything else; where there is a
    /// `snapshot`, after downloading that. Absent where there is not.
    #[serde(skip_serializing_if = "is_false", default)]
    pub more: bool,
    /// Heads of the server's document; they replace the phone's. Only without `more` and where the cursor moved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heads: Option<Vec<Hash>>,
    /// Changes that the phone may lack, in causal order; the ones of this request are left out.
    pub changes: Vec<Bytes>,
    /// One per chunk of the request, in its order.
    pub outcomes: Vec<Outcome>,
    /// What the phone lacks is no longer kept change by change: download this instead. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub snapshot: Option<Snapshot>,
    /// With `not_found`, of a group's daybook that this person has left: the daybook is there, and until then what
    /// they push is held for a coordinator. Go on pushing, and do not create it. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holds_until: Option<Instant>,
    /// What is held here has been given notice: it goes soon, unless what it waits for comes. Tell the person.
    /// Absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expiring: Option<Expiring>,
}

/// Held changes that were given notice: `GET /v1/held` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Expiring {
    /// How many.
    #[schema(example = 2)]
    pub changes: i64,
    /// When the first of them goes into quarantine.
    pub first_at: Instant,
}

/// A download that takes the place of changes: load it as a document of its own, take its heads for the server's,
/// merge it into the phone's document, take its `Daybook-Cursor` as the cursor, and sync again. What the phone
/// has not pushed yet stays, and is pushed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// Path of the download on this server; it takes `Range`.
    #[schema(example = "/v1/daybooks/0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77")]
    pub url: String,
    /// The download's `ETag` as it is now.
    pub etag: String,
    /// The download's size.
    pub bytes: u64,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(sync)
}

/// Sync daybooks: push changes, pull what the phone lacks, learn what became of its records.
///
/// One request for all daybooks of the caller in its neighbourhood. Each daybook is a transaction of its own;
/// the answer comes after all are committed. Sending the same again changes nothing.
#[utoipa::path(
    post, path = "/v1/sync", tag = "sync",
    request_body(content((SyncRequest = "application/json"), (SyncRequest = "application/cbor"))),
    responses(
        (status = 200, description = "One state a daybook, one outcome a chunk.",
            content((SyncAnswer = "application/json"), (SyncAnswer = "application/cbor")),
            headers(("RateLimit" = String, description = "What the grant may still push, in bytes: `r` are left, `t` seconds until all are."), ("RateLimit-Policy" = String, description = "Out of how many."))),
    )
)]
pub async fn sync(
    State(app): State<App>,
    caller: Resident<scope::Sync>,
    request: JsonOrCbor<SyncRequest>,
) -> Response {
    super::rate::told(&app, caller.access.grant, synced(&app, &caller.access, request).await)
}

async fn synced(app: &App, access: &Access, request: JsonOrCbor<SyncRequest>) -> ApiResult<Response> {
    let JsonOrCbor { body, answer } = request;
    check(&body)?;
    let push = flows::sync::Push {
        device_time_ms: body.device_time.0,
        verdicts_after: body.verdicts_after,
        limit_bytes: limit_bytes(body.limit_bytes)?,
        parties: body.parties.into_iter().map(|party| (party.id, party.name)).collect(),
        daybooks: body
            .daybooks
            .into_iter()
            .map(|daybook| flows::sync::DaybookPush {
                id: daybook.id,
                cursor: daybook.cursor,
                entries: daybook.changes.into_iter().map(|bytes| bytes.0).collect(),
            })
            .collect(),
    };
    let synced = flows::sync::sync(app, access, push).await?;
    Ok(answer.respond(&SyncAnswer::from(synced)))
}

fn limit_bytes(asked: Option<i64>) -> ApiResult<u64> {
    let Some(asked) = asked else { return Ok(SYNC_ANSWER_BYTES_DEFAULT) };
    let wrong = || {
        let detail = "At /limit_bytes: a number of bytes, not below 0.";
        ApiError::field("/limit_bytes", "out_of_bounds", detail)
    };
    Ok(u64::try_from(asked).map_err(|_| wrong())?.clamp(1, SYNC_ANSWER_BYTES_MAX))
}

fn check(body: &SyncRequest) -> ApiResult<()> {
    let too_many = |pointer: &str, max: usize| {
        Err(ApiError::field(
            pointer,
            "too_many",
            format!("At {pointer}: at most {max} at a time; send the rest next."),
        ))
    };
    if body.daybooks.len() > SYNC_DAYBOOKS_MAX {
        return too_many("/daybooks", SYNC_DAYBOOKS_MAX);
    }
    if body.parties.len() > SYNC_PARTIES_MAX {
        return too_many("/parties", SYNC_PARTIES_MAX);
    }
    for (index, party) in body.parties.iter().enumerate() {
        super::types::check_name(&format!("/parties/{index}/name"), &party.name)?;
    }
    for (index, daybook) in body.daybooks.iter().enumerate() {
        if daybook.changes.len() > SYNC_ENTRIES_MAX {
            return too_many(&format!("/daybooks/{index}/changes"), SYNC_ENTRIES_MAX);
        }
        if body.daybooks[..index].iter().any(|earlier| earlier.id == daybook.id) {
            let pointer = format!("/daybooks/{index}/id");
            return Err(ApiError::field(pointer, "twice", "Name each daybook once, with all its changes."));
        }
    }
    Ok(())
}

impl From<flows::sync::Synced> for SyncAnswer {
    fn from(synced: flows::sync::Synced) -> Self {
        Self {
            server_time: Instant(synced.server_time_ms),
            verdicts: synced.verdicts.items.into_iter().map(Verdict::from).collect(),
            verdicts_next: synced.verdicts.next,
            verdicts_more: synced.verdicts.more,
            verdicts_pending: synced.verdicts.pending,
            daybooks: synced.daybooks.into_iter().map(DaybookAnswer::from).collect(),
        }
    }
}

impl From<flows::verdicts::Verdict> for Verdict {
    fn from(verdict: flows::verdicts::Verdict) -> Self {
        Self {
            activity_id: verdict.activity,
            version: verdict.version,
            revision: verdict.revision,
            review: verdict.review,
            conflict: verdict.conflict,
            minutes: verdict.minutes,
            merged_into: verdict.merged_into,
            settled: verdict.settled,
            reason: verdict.reason.map(|reason| Reason {
                code: reason.code().to_owned(),
                text: reason.text(Language::default()),
            }),
            expected_by: verdict.expected_by_ms.map(Instant),
            replies: verdict.replies,
            named: verdict.named.map(|named| Named {
                by: named.by,
                kind: named.kind,
                day: named.day,
                still: named.still,
            }),
            at: Instant(verdict.at_ms),
        }
    }
}

impl From<flows::sync::DaybookSynced> for DaybookAnswer {
    fn from(synced: flows::sync::DaybookSynced) -> Self {
        use flows::sync::State as S;
        let state = match synced.state {
            S::Ok => DaybookState::Ok,
            S::Restart => DaybookState::Restart,
            S::Reload => DaybookState::Reload,
            S::Busy => DaybookState::Busy,
            S::Gone => DaybookState::Gone,
            S::NotFound => DaybookState::NotFound,
        };
        Self {
            id: synced.id,
            state,
            cursor: synced.cursor,
            more: synced.more,
            heads: synced.heads.map(|heads| heads.into_iter().map(Hash).collect()),
            changes: synced.changes.into_iter().map(Bytes).collect(),
            outcomes: synced.outcomes.into_iter().map(Outcome::from).collect(),
            holds_until: synced.holds_until_ms.map(Instant),
            expiring: synced
                .expiring
                .map(|notice| Expiring { changes: notice.changes, first_at: Instant(notice.first_ms) }),
            snapshot: synced.snapshot.map(|link| Snapshot {
                url: format!("/v1/daybooks/{}", synced.id),
                etag: link.etag,
                bytes: link.bytes,
            }),
        }
    }
}
