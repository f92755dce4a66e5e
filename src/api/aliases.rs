//! Two parties that are one person made one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ALIAS_ELSEWHERE, ApiError, ApiResult, INSUFFICIENT_SCOPE, IS_ALIAS, NOT_RESIDENTS};
use super::error::{OWN_CREDIT, SAME_PARTY};
use super::extract::{Coordinator, scope};
use super::params::Ids;
use super::types::{Instant, check_reason};
use crate::app::App;
use crate::domain::ids::PartyId;
use crate::flows::aliases::{Alias, Made, Refusal, put};

/// Why two parties are one person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasRequest {
    /// In plain words: the resident reads it in the statement.
    #[schema(
        example = "You were entered twice: once by the hub, once by your phone.",
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*$"
    )]
    pub reason: String,
}

/// An id that stands for a party.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AliasView {
    /// What it was entered as.
    pub alias_id: PartyId,
    /// The party that it was made to stand for.
    pub party_id: PartyId,
    /// Who said so; absent for the id of a further phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<PartyId>,
    /// Why; absent for the id of a further phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Minutes recognised that went from the alias's account to the party's.
    pub contribution_minutes: i64,
    /// Minutes that may be spent that went from the alias's account to the party's.
    pub credit_minutes: i64,
    /// Its number in the journal: at numbers below it the two had accounts of their own. Absent for the id of a further
    /// phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_no: Option<i64>,
    pub created_at: Instant,
}

impl From<Alias> for AliasView {
    fn from(alias: Alias) -> Self {
        let moved = alias.moved();
        let (journal_no, entry) = alias.entry.unzip();
        let (made_by, reason) = entry.map(|entry| (entry.by, entry.reason)).unzip();
        Self {
            alias_id: alias.alias,
            party_id: alias.party,
            made_by: made_by.flatten(),
            reason,
            contribution_minutes: moved.contribution,
            credit_minutes: moved.credit,
            journal_no,
            created_at: Instant(alias.at_ms),
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(put_alias)
}

/// Make two residents one: the same person, entered twice.
///
/// The id `alias_id` stands for the party `id` from then on. One transfer takes all that the alias's account held to the
/// party's; it belongs to no activity, and no total moves by it. Devices, grants, daybooks with all that was recorded
/// in them, and unused invitations of the alias are the party's: its phones go on syncing as they did. Where the party
/// is not in a group or organisation that the alias was in, it is now. **Roles are not carried over**: those of the
/// alias end; give them to the party where it is to have them. What was posted keeps the id that it was posted under;
/// what is corrected later goes to the party. What waits because of either of the two is judged again: what both
/// recorded of one event becomes a doubt.
///
/// It cannot be taken back. Once made it stays, sent again it is answered as it was, and nothing moves. Who is one of
/// the two cannot do it.
#[utoipa::path(
    put, path = "/v1/parties/{id}/aliases/{alias_id}", tag = "people", request_body = AliasRequest,
    params(
        ("id" = uuid::Uuid, Path, description = "The party that stays.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77"),
        ("alias_id" = uuid::Uuid, Path, description = "The party that becomes its alias.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b78"),
    ),
    responses(
        (status = 201, description = "One now.", body = AliasView),
        (status = 200, description = "They were one before.", body = AliasView),
    )
)]
pub async fn put_alias(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Ids(id, alias): Ids,
    Json(body): Json<AliasRequest>,
) -> ApiResult<impl IntoResponse> {
    check_reason("/reason", &body.reason)?;
    let (status, alias) = match put(&app, &caller.access, PartyId(id), PartyId(alias), &body.reason).await? {
        Made::Now(alias) => (StatusCode::CREATED, alias),
        Made::Before(alias) => (StatusCode::OK, alias),
        Made::Refused(refusal) => return Err(refused(refusal)),
        Made::NotCoordinator => return Err(INSUFFICIENT_SCOPE.into()),
    };
    Ok((status, axum::Json(AliasView::from(alias))))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Itself => SAME_PARTY.into(),
        Refusal::AnothersAlias(party) => ApiError::new(
            ALIAS_ELSEWHERE,
            format!("It stands for {party}: name that one as the party, or as the alias."),
        ),
        Refusal::OfAnAlias(party) => {
            ApiError::new(IS_ALIAS, format!("The party is an alias of {party}: use that id."))
        }
        Refusal::NotResidents => NOT_RESIDENTS.into(),
        Refusal::OwnCredit => OWN_CREDIT.into(),
    }
}
