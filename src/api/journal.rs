//! The journal: everything judged and posted in a neighbourhood, numbered without gaps and hash-chained.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiResult, NOT_FOUND};
use super::extract::{Resident, scope};
use super::params::{Asked, Here, Params, count};
use super::types::{Hash, Instant, Page};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::ids::ActivityId;
use crate::flows;
use crate::store;
use crate::store::entity::journal;

/// An entry of the journal. Everything between `no` and `commitment` is there for those who may read the entry, and
/// absent as a whole for everybody else and once its salt is erased; the chain can be followed all the same.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JournalEntry {
    /// 1, 2, 3 … without gaps.
    pub no: i64,
    /// `version` (taken up), `decision`, `transfer`, `rules`, `period` (closed), `party_alias`, `account_closed`, `device_enrolled`, `grant_revoked`, `role_given`, `role_taken`, … More will come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "transfer")]
    pub kind: Option<String>,
    /// The id of what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<Uuid>,
    /// The activity that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity_id: Option<ActivityId>,
    /// When it was numbered; never before the entry before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// JSON, by the kind, as the very text that was committed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = r#"{"minutes":60}"#)]
    pub body: Option<String>,
    /// 32 random bytes, of this entry alone, in lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub salt: Option<String>,
    /// What the entry commits to, without telling it.
    pub commitment: Hash,
    /// The link of the chain at this number.
    pub chain: Hash,
}

/// Which entries.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EntryFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Only entries about this activity: of your daybooks; with `reconcile` any.
    pub activity_id: Option<ActivityId>,
}

/// Kinds that the owner of the activity may read; what else is about it is for those who reconcile.
const OWNERS_KINDS: [&str; 5] = ["version", "transfer", "member_edited", "told", "reply"];

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_entries)
}

/// List the journal's entries, oldest first, each linked to the one before it.
///
/// Anybody can check the chain. Contents are for whoever may read them: you see those of the activities in your
/// daybooks and your groups'; with `reconcile` all. What tells an exact place, a `version` by its hash, is for tokens
/// with `places:exact`.
///
/// **Chain.** `chain` = SHA-256(`chain` of the number before ‖ `commitment`), over the 32 bytes that each hex stands
/// for. The link before number 1 is SHA-256(`daybook journal 1` ‖ one byte 0 ‖ the 16 bytes of the neighbourhood's id),
/// the id being that of `GET /v1/neighbourhood`.
///
/// **Commitment.** `commitment` = HMAC-SHA-256(key: the 32 bytes of `salt`; message: the entry's bytes). These are `no`
/// as 8 bytes, then eight parts, each as its length in bytes (8 bytes) and its bytes: `kind`; `subject_id`; the word
/// `activity`; `activity_id`, or nothing where there is none; the word `at_ms`; `at` in milliseconds since 1970 as 8
/// bytes; the word `body`; `body`. Numbers are big-endian, ids are text as shown, text is UTF-8.
///
/// A salt is of one entry alone: without it, a commitment says nothing about what it commits to, and erasing it leaves
/// every other proof intact.
#[utoipa::path(
    get, path = "/v1/journal/entries", tag = "ledger", params(EntryFilter),
    responses((status = 200, description = "A page of entries.", body = Page<JournalEntry>))
)]
pub async fn list_entries(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Here(here): Here,
    Params(params): Params<EntryFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<JournalEntry>>)> {
    let (access, after) = (&caller.access, params.after.as_deref());
    let only = params.activity_id;
    // A cursor is of its list: what numbers one leaves out another may hold.
    let asked: Asked<i64> = Asked::of(&app, Some(access), here.clone(), after, params.limit).await?;
    let db = app.db().read();
    let after = asked.after.unwrap_or(0);
    let rows = store::journal::page(db, access.neighbourhood, only, after, asked.rows()).await?;
    let open = Open::of(&app, access, only.into_iter().chain(rows.iter().filter_map(about))).await?;
    if only.is_some_and(|id| !open.holds(id)) {
        return Err(NOT_FOUND.into());
    }
    let (headers, page) = asked.page(&app, &here, rows, |row| row.no, |row| entry(row, &open))?;
    Ok((headers, axum::Json(page.good()?)))
}

fn about(row: &journal::Model) -> Option<ActivityId> {
    row.activity_id.map(ActivityId)
}

/// Which entries a caller may read.
struct Open {
    /// About these activities; nothing for all.
    of: Option<BTreeSet<ActivityId>>,
    /// Places may be seen exactly.
    exact: bool,
}

impl Open {
    async fn of(app: &App, access: &Access, ids: impl Iterator<Item = ActivityId>) -> ApiResult<Self> {
        let exact = access.scopes.has(Scope::PlacesExact);
        if access.scopes.has(Scope::Reconcile) {
            return Ok(Self { of: None, exact });
        }
        let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
        let owners = flows::daybooks::owners(db, neighbourhood, access.party).await?;
        let ids = ids.collect();
        let of = store::journal::activities_of_parties(db, neighbourhood, &ids, &owners).await?;
        Ok(Self { of: Some(of), exact })
    }

    fn holds(&self, id: ActivityId) -> bool {
        self.of.as_ref().is_none_or(|ids| ids.contains(&id))
    }

    fn shows(&self, row: &journal::Model) -> bool {
        let may_read = match &self.of {
            None => true,
            Some(_) => {
                OWNERS_KINDS.contains(&row.kind.as_str()) && about(row).is_some_and(|id| self.holds(id))
            }
        };
        may_read && (self.exact || !tells_places(row))
    }
}

/// Whether an exact place is in it, or can be found by trying: a version's entry holds the hash of its reading.
fn tells_places(row: &journal::Model) -> bool {
    ["\"place.", "\"distance_m\""].iter().any(|telling| row.body.contains(telling)) || row.kind == "version"
}

fn entry(row: journal::Model, open: &Open) -> Result<JournalEntry, flows::FlowError> {
    let hash = |bytes: &[u8]| {
        let bytes = bytes.try_into().map_err(|_| flows::FlowError::internal("a stored hash is not 32 bytes"));
        bytes.map(Hash)
    };
    let shown = open.shows(&row) && !row.salt.is_empty();
    Ok(JournalEntry {
        no: row.no,
        commitment: hash(&row.commitment)?,
        chain: hash(&row.chain)?,
        activity_id: about(&row).filter(|_| shown),
        kind: shown.then_some(row.kind),
        subject_id: shown.then_some(row.subject_id),
        at: shown.then_some(Instant(row.at_ms)),
        body: shown.then_some(row.body),
        salt: shown.then(|| hex::encode(&row.salt)),
    })
}
